/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_RULESET_RULES_H
#define NFT_RULESET_RULES_H

/*
 * Which chains there are and which rules are in them: the tables of ruleset.md,
 * section 4, as data. Both families have the same.
 */

#include <stddef.h>
#include <stdint.h>

#include "nft/layout.h"
#include "rule.h"

/** A chain and its K or T (0 for a single chain). */
struct nftx_chain_id {
	enum nftx_chain chain;
	uint32_t number;
};

/** Where a base chain hangs; all are of type nat and accept what they do not decide. */
struct nftx_hook {
	const char *name;
	const char *priority_text; /* as nft prints it */
	uint32_t hook;             /* NF_INET_* */
	int32_t priority;
};

#define NFTX_SINGLE_CHAINS 12
#define NFTX_LADDER_CHAINS ((13 + 10) * 2)
#define NFTX_STATIC_CHAINS (NFTX_SINGLE_CHAINS + NFTX_LADDER_CHAINS)

/** nftx_static_chains() - every chain but remember-T, in the order of creation. */
void nftx_static_chains(struct nftx_chain_id list[static NFTX_STATIC_CHAINS]);

/** nftx_chain_hook() - NULL for a chain that is not a base chain. */
const struct nftx_hook *nftx_chain_hook(enum nftx_chain chain);

#define NFTX_CHAIN_RULES (NFTX_TRIES + 3)

/** nftx_chain_rules() - the rules of one chain.
 *
 * @options: borrowed by the rules; not looked at for ladder and remember chains.
 *
 * Return: how many of @rules were filled.
 */
size_t nftx_chain_rules(const struct nftx_chain_id *id, const struct nftx_options *options,
                        struct nftx_rule rules[static NFTX_CHAIN_RULES]);

#endif

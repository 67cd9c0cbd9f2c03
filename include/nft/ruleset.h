/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_RULESET_H
#define NFT_RULESET_H

/*
 * The fixed part of the ruleset, made: tables, sets, chains, rules (ruleset.md,
 * sections 2-4), as messages and as text. Both come from one description of the
 * rules, so what `plan` prints is what `run` sends.
 */

#include "base/str.h"
#include "nft/batch.h"
#include "nft/layout.h"

/** nftx_ruleset_put_table() - NEWTABLE of one family, with our comment.
 *
 * @flags: NFTX_TABLE_F_*; on an existing table of the same flags it takes ownership.
 */
void nftx_ruleset_put_table(struct nftx_batch *batch, uint8_t family,
                            const struct nftx_options *options, uint32_t flags);

/** nftx_ruleset_put_delete() - DELTABLE of one family; the table must exist. */
void nftx_ruleset_put_delete(struct nftx_batch *batch, uint8_t family, const char *table);

/** nftx_ruleset_put_layout() - every set, map, chain and rule of one family, after its table.
 *
 * For a table without them: the kernel answers EEXIST when it has any of these sets or chains.
 */
void nftx_ruleset_put_layout(struct nftx_batch *batch, uint8_t family,
                             const struct nftx_options *options);

/** nftx_ruleset_put_affinity_size() - make the affinity map of an existing table larger; its records
 *  stay. Linux 6.5 and later; before, the kernel accepts it and changes nothing.
 *
 * Not for making it smaller: with more records than its size a map has no limit any more.
 */
void nftx_ruleset_put_affinity_size(struct nftx_batch *batch, uint8_t family,
                                    const struct nftx_options *options);

/** nftx_ruleset_put_remember() - the chain remember-@timeout_s with its rule.
 *
 * @timeout_s: not 0; the kernel answers EEXIST when the table has this chain already.
 */
void nftx_ruleset_put_remember(struct nftx_batch *batch, uint8_t family, uint32_t timeout_s);

/** nftx_ruleset_put_forget() - delete the chain remember-@timeout_s, which nothing may refer to. */
void nftx_ruleset_put_forget(struct nftx_batch *batch, uint8_t family, uint32_t timeout_s);

/** A chain and how many rules are in it. */
struct nftx_chain_count {
	enum nftx_chain chain; /* NFTX_CHAIN_NONE: not one of ours */
	uint32_t number;       /* its K or T */
	uint32_t rules;
};

#define NFTX_CHAINS_MAX 64

/** What was found in a table. */
struct nftx_chains {
	struct nftx_chain_count *list; /* sorted by chain and number */
	size_t count;
	size_t others;  /* whatever else is in it: sets, maps, stateful objects, flowtables */
	bool rewritten; /* some rule is not the one that was written with the table */
};

/** nftx_ruleset_chains() - every chain of the layout but remember-T. Return: how many. */
size_t nftx_ruleset_chains(const struct nftx_options *options,
                           struct nftx_chain_count list[static NFTX_CHAINS_MAX]);

/** nftx_ruleset_is_intact() - are @chains those of the layout, and remember-T, with all their rules
 *  as they were written, and as many maps beside them, and nothing else?
 */
bool nftx_ruleset_is_intact(const struct nftx_options *options, const struct nftx_chains *chains);

/** nftx_ruleset_text_set() - append a set's or map's head as `nft list ruleset` prints it:
 *
 *	map frontends {
 *		type ipv4_addr . inet_proto . inet_service : verdict
 *
 * without elements and closing brace, indented by one tab.
 */
void nftx_ruleset_text_set(struct strbuf *buf, uint8_t family, enum nftx_map map,
                           const struct nftx_options *options);

/** nftx_ruleset_text_chains() - append every chain with its rules as `nft list ruleset` prints
 *  them (nft 1.0.6), indented by one tab, an empty line between chains.
 *
 * @timeouts: the remember-T chains to print, ascending, after the static ones.
 */
void nftx_ruleset_text_chains(struct strbuf *buf, uint8_t family,
                              const struct nftx_options *options, const uint32_t *timeouts,
                              size_t timeout_count);

#endif

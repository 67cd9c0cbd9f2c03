/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ALIENS_H
#define NFT_ALIENS_H

/*
 * Chains that another program has left in tables that are not ours, as
 * iptables-nft makes them: found by name, and removed together with the rules of
 * base chains that jump to them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "nft/batch.h"
#include "nft/sock.h"

/* iptables has chain names of 28 characters and table names of 31; longer ones are not looked at. */
#define NFTX_ALIEN_NAME 32

struct nftx_alien_chain {
	char table[NFTX_ALIEN_NAME];
	char name[NFTX_ALIEN_NAME];
	bool base;   /* packets come here by themselves */
	bool picked; /* is to go */
};

/** A rule that jumps or goes to a chain; others do not matter. */
struct nftx_alien_rule {
	char table[NFTX_ALIEN_NAME];
	char chain[NFTX_ALIEN_NAME];
	char target[NFTX_ALIEN_NAME];
	uint64_t handle;
};

/** The chains of one family, ours left out. Zero-initialise; release with nftx_aliens_done(). */
struct nftx_aliens {
	uint8_t family;                  /* 4 or 6 */
	struct nftx_alien_chain *chains; /* by table and name */
	size_t chain_count, chain_cap;
	struct nftx_alien_rule *rules;
	size_t rule_count, rule_cap;
};

/** nftx_aliens_read() - the chains of all tables of @family but ours.
 *
 * @rules: read the rules that jump, too.
 *
 * Return: 0, or a negative errno; -EINTR when the ruleset never stood still.
 */
int nftx_aliens_read(struct nftx_sock *sock, uint8_t family, bool rules, struct nftx_aliens *out,
                     struct err *err) MUST_CHECK;

/** Is a chain of this name one that is to go? */
typedef bool (*nftx_alien_fn)(const char *name);

/** nftx_aliens_pick() - choose what is to go. Pure.
 *
 * No base chain is; nor a chain that one which stays jumps to, unless that is a base chain: then
 * only the jump goes.
 *
 * Return: how many chains are picked.
 */
size_t nftx_aliens_pick(struct nftx_aliens *aliens, nftx_alien_fn is_theirs);

/** nftx_aliens_put_delete() - add to @batch what removes the picked chains and the jumps to them.
 *
 * Return: how many rules of base chains go.
 */
size_t nftx_aliens_put_delete(const struct nftx_aliens *aliens, struct nftx_batch *batch);

/** nftx_aliens_done() - free the lists. */
void nftx_aliens_done(struct nftx_aliens *aliens);

/** nftx_ipset_list() - append the names of all IP sets, one a line; none without them in the kernel.
 *
 * Return: 0 or a negative errno.
 */
int nftx_ipset_list(struct nftx_sock *sock, struct strbuf *out, struct err *err) MUST_CHECK;

/** nftx_ipset_destroy() - destroy one set. Return: 0; -EBUSY while something uses it; or another
 *  negative errno. */
int nftx_ipset_destroy(struct nftx_sock *sock, const char *name) MUST_CHECK;

#endif

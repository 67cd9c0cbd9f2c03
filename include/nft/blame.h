/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_BLAME_H
#define NFT_BLAME_H

/*
 * Whom to leave out of a refill that the kernel refuses.
 *
 * A refused transaction changes nothing: one Service with an element that the kernel
 * does not take would keep all the others from it. The kernel names elements, as a
 * rule (ruleset.md, section 7). Where it does not, a search finds one: of the staged
 * Services, in their order, the shortest beginning that is refused ends with it.
 *
 * Who is left out keeps the last form that the kernel has accepted, if one is known
 * since the last refill, else has nothing in the kernel. Pure: asking is the caller's.
 */

#include <stdbool.h>
#include <stdint.h>

#include "nft/refusal.h"
#include "nft/state.h"

/** A Service that is left out. */
struct nftx_blamed {
	uint32_t id;
	char *name;   /* "namespace/name", owned */
	char *reason; /* the kernel's, with the element, owned */
	bool kept;    /* its last good form stays */
};

/** A list of them; zero-initialise. */
struct nftx_blames {
	struct nftx_blamed *list;
	size_t count, cap;
};

/** nftx_blames_done() - free everything; empty and usable afterwards. */
void nftx_blames_done(struct nftx_blames *blames);

/** nftx_is_blamable() - can a refusal be an object's fault?
 *
 * Not when it is a matter of privilege, of memory, of the socket or of somebody who writes at the same
 * time: with such an error whatever is left out is left out in vain.
 *
 * @code: a negative errno.
 */
bool nftx_is_blamable(int code);

/** nftx_state_blame() - leave out those whose elements were refused.
 *
 * After the kernel has refused what nftx_state_refill() made; the next nftx_state_refill() does
 * without them. Where two claim one key and one of them has an old form staged, that one goes:
 * what is wanted now comes first.
 *
 * @out: appended; somebody already in it is brought up to date.
 *
 * Return: how many; 0 when no refused element belongs to a Service.
 */
size_t nftx_state_blame(struct nftx_state *state, const struct nftx_refusals *refusals,
                        struct nftx_blames *out);

/** Sends an ended batch and says what came of it: as nftx_sock_send(). */
typedef int (*nftx_send_fn)(void *ctx, const struct nftx_batch *batch,
                            struct nftx_refusals *refusals, struct err *err);

/** nftx_state_search() - find one whom the kernel does not name, and leave it out.
 *
 * By dry runs, a binary search: some 14 for 10,000 Services, each of at most what a refill costs.
 *
 * @ground: as given to nftx_state_refill().
 *
 * Return: false when nobody was found: without any Service it is refused, too, with all of them it is
 *         not any more, or a dry run failed for a reason of its own (nftx_is_blamable()).
 */
bool nftx_state_search(struct nftx_state *state, const struct nftx_ground ground[2],
                       nftx_send_fn send, void *ctx, struct nftx_blames *out);

/* Left out of one refill at most. When more are refused, it is hardly the objects' fault. */
#define NFTX_BLAMES_MAX 64

/** nftx_refill() - send all that is staged, without those whom the kernel refuses.
 *
 * At most one search in a call, so that it ends in some seconds.
 *
 * @commit: false: a dry run, which applies nothing.
 * @out: appended: who was left out, also when it fails in the end; they stay left out.
 *
 * Return: 0: the kernel accepted it, nftx_state_committed() is for the caller; or the negative
 *         errno of the last refusal, with its sentence.
 */
int nftx_refill(struct nftx_state *state, const struct nftx_ground ground[2], bool commit,
                nftx_send_fn send, void *ctx, struct nftx_blames *out, struct err *err) MUST_CHECK;

/** nftx_state_hold() - do not bring @service, which was left out before, to the kernel now: what is
 *  there of it stays. It is taken, and freed. */
void nftx_state_hold(struct nftx_state *state, struct lb_service *service);

#endif

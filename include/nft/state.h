/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_STATE_H
#define NFT_STATE_H

/*
 * What the kernel holds, as our own transactions made it, and what it shall hold
 * next. Their difference is the batch (design.md, "The picture").
 *
 * Life of a change: stage the Services that changed, take the batch, send it,
 * say how it went. While the present is not known (at the start, after an
 * unexpected refusal, after somebody else wrote) everything is staged and the
 * batch is a refill: it adopts or creates the tables, empties every map but
 * affinity and fills it again. Pure: sending is the caller's.
 */

#include <stdbool.h>

#include "lb.h"
#include "nft/batch.h"
#include "nft/elem.h"
#include "nft/flows.h"
#include "nft/layout.h"

/* Remember chains that are kept though no Service needs them, or as many as Services need. */
#define NFTX_TIMEOUTS_KEPT 32

struct nftx_state; /* opaque */

/** nftx_state_new() - nothing is known of the kernel. Release with nftx_state_free().
 *
 * @options: of ip and ip6; copied.
 */
struct nftx_state *nftx_state_new(const struct nftx_options options[static 2]);

/** nftx_state_free() - NULL is a no-op. */
void nftx_state_free(struct nftx_state *state);

/** nftx_state_is_known() - is the present known? If not, stage everything: the next batch is a refill. */
bool nftx_state_is_known(const struct nftx_state *state);

/** nftx_state_forget() - the present is not known any more; what is staged is dropped too. */
void nftx_state_forget(struct nftx_state *state);

/** nftx_state_doubt() - the present, which was known, may not be so any more: all of it is staged
 *  again, so that a refill needs nothing but what has changed besides. */
void nftx_state_doubt(struct nftx_state *state);

/** nftx_state_stage() - @service shall be so; taken. The last one staged of an id counts. */
void nftx_state_stage(struct nftx_state *state, struct lb_service *service);

/** nftx_state_stage_networks() - copies @networks. */
void nftx_state_stage_networks(struct nftx_state *state, const struct lb_networks *networks);

/** What a refill finds in the kernel, for one family. */
struct nftx_ground {
	bool exists;              /* a table of our name is there */
	bool adopt;               /* of our layout and intact, and it can be taken over */
	bool enlarge;             /* when adopted: its affinity map is smaller than it shall be */
	uint32_t table_flags;     /* to create or adopt it with */
	const uint32_t *timeouts; /* T of its remember-T chains; borrowed for the call */
	size_t timeout_count;
	/* Its elements of sticky-frontends, sorted; none where they are not known. Borrowed. */
	struct nftx_elems sticky;
	const char *table; /* to be filled in place of ours, of both families; NULL: ours */
	const char *rival; /* a table that goes in the same transaction; NULL: none */
};

/** nftx_state_change() - the batch that turns the known present into what is staged.
 *
 * Proportional to the Services staged. Elements equal on both sides cause nothing.
 *
 * Return: a batch the caller ends, sends and frees; NULL when nothing needs to be
 *         sent: what was staged counts as committed then.
 */
struct nftx_batch *nftx_state_change(struct nftx_state *state);

/** nftx_state_refill() - the batch that brings about all that is staged, whatever is there.
 *
 * @ground: of ip and ip6.
 */
struct nftx_batch *nftx_state_refill(struct nftx_state *state, const struct nftx_ground ground[2]);

/** nftx_state_committed() - the kernel accepted the batch taken last: staged is present now. */
void nftx_state_committed(struct nftx_state *state);

/** nftx_state_elements() - append all elements of the known present (nothing staged), sorted. */
void nftx_state_elements(const struct nftx_state *state, struct nftx_elems *out);

/** nftx_state_note_flows() - note the UDP frontends that what is staged concerns (nft/flow_notes.h).
 *
 * @gains: as for nftx_note_kept().
 *
 * To be called once before each batch; notes of batches that were refused stay true.
 */
void nftx_state_note_flows(const struct nftx_state *state, bool gains,
                           struct nftx_flow_fronts *fronts);

/** nftx_state_fronts() - append the frontends of @protocol that are present, without backends. */
void nftx_state_fronts(const struct nftx_state *state, uint8_t protocol,
                       struct nftx_flow_fronts *out);

/** nftx_state_lost_affinity() - has a commit since the last call taken a backend, or its affinity,
 *  from a sticky frontend, or was it a refill? Then there may be stale records (nft/affinity.h). */
bool nftx_state_lost_affinity(struct nftx_state *state);

/** nftx_state_restarted() - the sticky frontends whose policy changed with commits since the last call:
 *  a record that was true before may lead where the new policy does not. After a refill, these are
 *  all of which nothing says that the table had them with the same policy.
 *
 * @out: appended, elements of sticky-frontends; not sorted.
 */
void nftx_state_restarted(struct nftx_state *state, struct nftx_elems *out);

/** nftx_state_has_affinity() - has any Service ever had affinity in these tables? Then there may be
 *  records. */
bool nftx_state_has_affinity(const struct nftx_state *state);

/** nftx_state_sticky_elements() - append the elements of all Services with affinity, sorted. */
void nftx_state_sticky_elements(const struct nftx_state *state, struct nftx_elems *out);

/** nftx_state_select() - append those of @family in @maps, a bit for each enum nftx_map, sorted. */
void nftx_state_select(const struct nftx_state *state, uint8_t family, uint32_t maps,
                       struct nftx_elems *out);

/** nftx_state_digest() - the digest of what is present in one map. */
struct nftx_digest nftx_state_digest(const struct nftx_state *state, uint8_t family,
                                     enum nftx_map map);

/** nftx_state_count() - how many elements nftx_state_elements() would append. */
size_t nftx_state_count(const struct nftx_state *state);

/** nftx_state_memory() - bytes held for the present, for metrics. */
size_t nftx_state_memory(const struct nftx_state *state);

/** A difference between two sorted lists of elements. */
struct nftx_diff {
	struct nftx_elems del; /* in the first only, or there with other data */
	struct nftx_elems add; /* in the second only, or there with other data */
};

/** nftx_diff_elems() - append what turns @from into @to (both sorted) to @out. Comments stay borrowed. */
void nftx_diff_elems(const struct nftx_elems *from, const struct nftx_elems *to,
                     struct nftx_diff *out);

/** nftx_diff_done() - free the lists. */
void nftx_diff_done(struct nftx_diff *diff);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_SLOTS_H
#define NFT_SLOTS_H

/*
 * Which backend is in which slot (ruleset.md, section 5, "Slots"): a new set of
 * backends moves as few of them as it can.
 */

#include "lb.h"
#include "nft/elem.h"

/** nftx_keep_slots() - reorder a pool so that backends stay in the slots they have.
 *
 * Those that were there and still are keep their slots where the new size allows;
 * others fill the holes, so slots 0..count-1 are full. Removing one of n is
 * then one move: the last one goes to the hole.
 *
 * @was: the row in the kernel, by slot; family 0 marks an empty slot.
 * @pool: sorted by lb_backend_cmp() on entry.
 */
void nftx_keep_slots(const struct lb_backend *was, size_t was_count, struct lb_backend *pool,
                     size_t count);

/** nftx_keep_service_slots() - nftx_keep_slots() for each pool of @now that @was has too. */
void nftx_keep_service_slots(const struct lb_service *was, struct lb_service *now);

/** nftx_keep_dumped_slots() - the same against what the kernel was found to hold.
 *
 * @dumped: sorted elements, those of backends among them.
 */
void nftx_keep_dumped_slots(const struct nftx_elems *dumped, struct lb_service *now);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_AFFINITY_H
#define NFT_AFFINITY_H

/*
 * Session affinity that leads nowhere any more.
 *
 * The packet path records which backend a client got, and every new connection of
 * that client goes there, whether or not the backend still exists: `update @map`
 * never overwrites data (ruleset.md, section 1). So when a sticky frontend has lost a
 * backend, its affinity, or is gone, the daemon deletes the records that are not true
 * any more. After the commit no new such record can be made, except by packets in
 * flight: look again a second later.
 */

#include "nft/batch.h"
#include "nft/elem.h"

/** nftx_affinity_purge() - the batch that deletes every stale record.
 *
 * @present: what the kernel holds, sorted; at least the frontends with affinity.
 * @restarted: elements of sticky-frontends whose policy has changed, sorted: where it is Local now,
 *             only records of backends in the local row stay.
 * @affinity: the dumped records, both families.
 * @destroy: with DESTROYSETELEM (Linux 6.3), for which an expired record is no error.
 *           Without it the batch may be refused with ENOENT: purge anew then.
 *
 * Return: a batch the caller ends, sends and frees; NULL when every record is true.
 */
struct nftx_batch *nftx_affinity_purge(const struct nftx_elems *present,
                                       const struct nftx_elems *restarted,
                                       const struct nftx_elems *affinity, bool destroy);

#endif

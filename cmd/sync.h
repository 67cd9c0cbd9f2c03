/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SYNC_H
#define CMD_SYNC_H

/*
 * Bringing the kernel to what the planner wants: one transaction a call.
 *
 * While it is known what the kernel holds, only the difference is sent. Else, at
 * the start and after any refusal, everything is filled anew (design.md, "refill").
 */

#include <stdint.h>

#include "base/diag.h"
#include "cmd/options.h"
#include "nft/batch.h"
#include "nft/sock.h"
#include "nft/state.h"
#include "proxy/planner.h"

/** What a call did, for logs and metrics. */
struct sync_report {
	bool refill;
	bool sent;       /* a transaction was committed; false: nothing differed */
	size_t services; /* planned */
	struct nftx_batch_size size;
	uint64_t plan_us;   /* which endpoints are behind what */
	uint64_t build_us;  /* the difference, as messages */
	uint64_t commit_us; /* inside the kernel */
};

struct sync; /* opaque */

/** sync_new() - @options, @planner and @sock are borrowed. Release with sync_free(). */
struct sync *sync_new(const struct options *options, struct proxy_planner *planner,
                      struct nftx_sock *sock);
void sync_free(struct sync *sync);

/** sync_run() - one transaction.
 *
 * A refused difference means that the kernel is not as we thought: it is not
 * known any more, and the next call refills.
 *
 * @diags: findings of the planner.
 *
 * Return: 0; -EBUSY when another process owns our table; or what nftx_sock_commit()
 *         said. The ruleset is then as it was.
 */
int sync_run(struct sync *sync, struct sync_report *report, struct diags *diags,
             struct err *err) MUST_CHECK;

typedef void (*sync_service_fn)(void *ctx, const struct lb_service *service);

/** sync_watch() - from now on, call @fn with each Service that a sync is about to bring to the kernel. */
void sync_watch(struct sync *sync, sync_service_fn fn, void *ctx);

/** sync_fronts() - the UDP frontends that syncs have concerned, failed ones too; to be given to
 *  nftx_flows_start() after a sync that succeeded. */
struct nftx_flow_fronts *sync_fronts(struct sync *sync);

/** sync_note_gains() - shall syncs note frontends that only gain backends, too? While a walk is
 *  under way, see nftx_note_kept(). */
void sync_note_gains(struct sync *sync, bool gains);

/* How often sync_purge() is to be called again after it has returned 1. */
#define SYNC_PURGE_LOOKS 2

/** sync_purge() - delete affinity records that lead nowhere any more, if a sync may have left some.
 *
 * A dump of the affinity maps: 0.1 s when they are full.
 *
 * @again: look even if no sync asked for it since the last call, for records that packets in
 *         flight have made.
 * @purged: records deleted.
 *
 * Return: 1 when a sync had asked for it, 2 when only @again did, 0 when there was no need, or a
 *         negative errno.
 */
int sync_purge(struct sync *sync, bool again, size_t *purged, struct err *err) MUST_CHECK;

/** sync_owns() - did the kernel let us own the tables (Linux 6.9 and later)? */
bool sync_owns(const struct sync *sync);

#endif

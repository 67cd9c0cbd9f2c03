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
#include "cmd/census.h"
#include "cmd/held.h"
#include "cmd/options.h"
#include "cmd/tally.h"
#include "nft/audit.h"
#include "nft/batch.h"
#include "nft/sock.h"
#include "nft/state.h"
#include "proxy/planner.h"

/** What a call did, for logs and metrics. */
struct sync_report {
	bool refill;
	bool sent;       /* a transaction was committed; false: nothing differed */
	size_t services; /* planned */
	unsigned rivals; /* tables of kube-proxy that went with it */
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
 * known any more, and the next call refills. A refused refill is sent again without
 * the Services whose elements are refused (nft/blame.h).
 *
 * @diags: findings of the planner, and of the kernel.
 *
 * Return: 0; -EBUSY when another process owns our table; or what nftx_sock_commit()
 *         said. The ruleset is then as it was.
 */
int sync_run(struct sync *sync, struct sync_report *report, struct diags *diags,
             struct err *err) MUST_CHECK;

typedef void (*sync_service_fn)(void *ctx, const struct lb_service *service);

/** sync_watch() - from now on, call @fn with each Service that a sync is about to bring to the kernel. */
void sync_watch(struct sync *sync, sync_service_fn fn, void *ctx);
/** sync_is_known() - is it known what the kernel holds? If not, the next sync_run() refills. */
bool sync_is_known(const struct sync *sync);

/** sync_forget() - what the kernel holds is not known any more: the next sync_run() refills.
 *
 * @rebuild: and replaces the tables rather than taking them over: there may be something in them
 *           that emptying our own maps does not remove.
 */
void sync_forget(struct sync *sync, bool rebuild);

/** sync_check() - compare a dump of the kernel with what it shall hold; see nftx_audit(). */
int sync_check(struct sync *sync, struct nftx_findings *out, struct err *err) MUST_CHECK;

/** sync_elements() - how many elements the kernel holds, as far as it is known. */
size_t sync_elements(const struct sync *sync);

/** sync_set_census() - note each Service that is planned there, too; NULL: no more. */
void sync_set_census(struct sync *sync, struct census *census);

/** sync_set_tally() - the same. */
void sync_set_tally(struct sync *sync, struct tally *tally);

/** sync_fronts() - the UDP frontends that syncs have concerned, to be given to nftx_flows_start(), or
 *  emptied. Those of a sync that failed come when one has succeeded. */
struct nftx_flow_fronts *sync_fronts(struct sync *sync);

/** sync_gap_fronts() - append the TCP frontends, for nftx_flows_start_gap(). */
void sync_gap_fronts(const struct sync *sync, struct nftx_flow_fronts *out);

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

/** sync_held() - how many Services are left out because the kernel refused them (cmd/held.h). */
size_t sync_held(const struct sync *sync);

/** sync_wait() - microseconds until one of these is to be tried again, which sync_run() does; HELD_IDLE. */
uint64_t sync_wait(const struct sync *sync);

/** sync_owns() - are the tables ours alone? As far as we know: the first sync_run() asks for it, if
 *  --table-owner allows, and Linux takes it from 6.9 on. */
bool sync_owns(const struct sync *sync);

#endif

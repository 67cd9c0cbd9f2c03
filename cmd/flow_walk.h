/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_FLOW_WALK_H
#define CMD_FLOW_WALK_H

/*
 * Stale flows in connection tracking: when to look for them, on the loop.
 */

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/sync.h"
#include "nft/flows.h"

/** Zero-initialise; release with flow_walk_close(). */
struct flow_walk {
	struct ev_loop *loop;
	struct sync *sync;
	struct nftx_flows *flows; /* NULL: no connection tracking to look through */
	ev_io io;
	ev_timer delay;
	bool gap;          /* the next walk is also for TCP */
	uint64_t deleted;  /* said so far */
	uint64_t began_us; /* the walk under way; 0: none */
	void (*walked)(void *ctx, uint64_t took_us);
	void *ctx;
};

/** flow_walk_open() - without connection tracking's netlink, which is said, the rest does nothing.
 *
 * @sync: borrowed.
 */
void flow_walk_open(struct flow_walk *walk, struct ev_loop *loop, struct sync *sync);
void flow_walk_close(struct flow_walk *walk);

/** flow_walk_watch() - call @walked after each walk; NULL: no more. */
void flow_walk_watch(struct flow_walk *walk, void (*walked)(void *ctx, uint64_t took_us),
                     void *ctx);

/** flow_walk_stats() - what was done so far. */
struct nftx_flow_stats flow_walk_stats(const struct flow_walk *walk);

/** flow_walk_before_sync() - tell the next sync what to note. */
void flow_walk_before_sync(struct flow_walk *walk);

/** flow_walk_after_sync() - a sync succeeded: look for the flows of the UDP frontends it concerned.
 *
 * @gap: our tables may have been missing before it: look for TCP flows of that time, too.
 */
void flow_walk_after_sync(struct flow_walk *walk, bool gap);

#endif

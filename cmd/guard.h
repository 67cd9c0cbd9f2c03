/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_GUARD_H
#define CMD_GUARD_H

/*
 * Our tables, guarded against others, on the loop.
 *
 * Where they are owned there is nothing to guard: the kernel does, from the end of
 * the first refill on, after which we look if others wrote meanwhile. Else other
 * processes' transactions are listened to from the end of a refill on, and what one
 * did to our tables is repaired by another refill, when cmd/drift.h says so. And
 * once in a while, owned or not, all of it is compared with what it shall be.
 */

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/drift.h"
#include "cmd/sync.h"
#include "nft/monitor.h"

/** To be called from the loop: sync as soon as possible. */
typedef void (*guard_wake_fn)(void *ctx);

/** Zero-initialise, guard_init(); release with guard_close(). */
struct guard {
	struct ev_loop *loop;
	struct sync *sync;
	struct nftx_sock *sock;
	guard_wake_fn wake;
	void *ctx;

	struct nftx_monitor *monitor; /* NULL until it is needed */
	bool listening;
	bool owning;         /* the tables are ours alone, since an earlier refill */
	bool listen_on;      /* also during the next refill */
	uint32_t generation; /* before the refill; 0: not known */
	bool told;           /* that we back off */

	ev_io io;
	ev_timer pace;  /* until we listen again */
	ev_timer due;   /* the next repair or look, or the end of backing off */
	ev_timer check; /* of everything */

	struct drift drift;
	uint64_t others; /* foreign transactions that touched none of our tables */
};

/** guard_init() - @options, @sync and @sock are borrowed. */
void guard_init(struct guard *guard, struct ev_loop *loop, const struct options *options,
                struct sync *sync, struct nftx_sock *sock, guard_wake_fn wake, void *ctx);

/** guard_close() - stop. */
void guard_close(struct guard *guard);

/** guard_before_sync() - a sync_run() follows. */
void guard_before_sync(struct guard *guard);

/** guard_after_sync() - it has succeeded. */
void guard_after_sync(struct guard *guard, const struct sync_report *report);

/** guard_log() - lines on what happened so far. */
void guard_log(const struct guard *guard);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_PURGE_H
#define CMD_PURGE_H

/*
 * Affinity records that lead to endpoints that are gone: when to look for them.
 *
 * After a sync that took endpoints away, at once; and twice more a little later,
 * for records that packets in flight have made meanwhile.
 */

#include <ev.h>
#include <stdint.h>

#include "cmd/sync.h"

/** Zero-initialise, then purge_init(). */
struct purge {
	struct ev_loop *loop;
	struct sync *sync;
	ev_timer timer;
	unsigned look; /* the next one */
	uint64_t not_before_us;
	uint64_t purged; /* records, so far */
	uint64_t failures;
};

/** purge_init() - @sync is borrowed. */
void purge_init(struct purge *purge, struct ev_loop *loop, struct sync *sync);

/** purge_turn() - after syncs: look, if there may be such records. */
void purge_turn(struct purge *purge);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SCHEDULE_H
#define CMD_SCHEDULE_H

/*
 * When to sync: at once, but not more often than the operator allows, and after failures with
 * growing pauses. Pure: time is an argument.
 */

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_RETRY_MIN_US 100000u
#define SCHEDULE_IDLE UINT64_MAX

/** Zero-initialise but for the first two. */
struct schedule {
	uint64_t min_period_us;  /* from the end of one sync to the next (--min-sync-period) */
	uint64_t max_pause_us;   /* before a failed one is tried again (syncPeriod) */
	uint64_t dirty_since_us; /* oldest change that is not in the kernel; 0: none */
	uint64_t not_before_us;
	uint32_t failures; /* in a row */
};

/** schedule_touch() - something has changed. */
void schedule_touch(struct schedule *schedule, uint64_t now_us);

/** schedule_hurry() - something has to be repaired: that does not wait for the period to be over. */
void schedule_hurry(struct schedule *schedule, uint64_t now_us);

/** schedule_wait() - microseconds until the next sync; 0: now; SCHEDULE_IDLE: nothing to do. */
uint64_t schedule_wait(const struct schedule *schedule, uint64_t now_us);

/** schedule_done() - a sync ended. A failed one is tried again, whether or not anything changes. */
void schedule_done(struct schedule *schedule, uint64_t now_us, bool ok);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedule.h"

void schedule_touch(struct schedule *schedule, uint64_t now_us)
{
	if (schedule->dirty_since_us == 0)
		schedule->dirty_since_us = now_us;
}

void schedule_hurry(struct schedule *schedule, uint64_t now_us)
{
	if (schedule->failures == 0)
		schedule->not_before_us = now_us;
	schedule_touch(schedule, now_us);
}

uint64_t schedule_wait(const struct schedule *schedule, uint64_t now_us)
{
	if (schedule->dirty_since_us == 0)
		return SCHEDULE_IDLE;
	return schedule->not_before_us > now_us ? schedule->not_before_us - now_us : 0;
}

void schedule_done(struct schedule *schedule, uint64_t now_us, bool ok)
{
	uint64_t pause = SCHEDULE_RETRY_MIN_US;
	uint64_t max = schedule->max_pause_us > pause ? schedule->max_pause_us : pause;

	if (ok) {
		*schedule = (struct schedule){ .min_period_us = schedule->min_period_us,
			                       .max_pause_us = schedule->max_pause_us,
			                       .not_before_us = now_us + schedule->min_period_us };
		return;
	}
	for (uint32_t i = 0; i < schedule->failures && pause < max; i++)
		pause *= 2;
	if (pause > max)
		pause = max;
	if (schedule->failures < UINT32_MAX)
		schedule->failures++;
	schedule->not_before_us = now_us + pause;
	schedule_touch(schedule, now_us);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_RATE_H
#define WATCH_RATE_H

/*
 * A token bucket: so many requests a second in the long run, so many at once,
 * as client-go's flowcontrol has it. Pure: time is an argument.
 */

#include <stdint.h>

/** Initialise with watch_rate_init(). */
struct watch_rate {
	uint32_t milli_qps; /* 0: no limit */
	int64_t burst_us;   /* in this time an empty bucket becomes full */
	int64_t empty_us;   /* when the bucket was empty, as seen from what is in it now */
};

/** watch_rate_init() - a full bucket. @burst: at least 1 is taken. */
void watch_rate_init(struct watch_rate *rate, uint32_t milli_qps, uint32_t burst, uint64_t now_us);

/** watch_rate_ready() - when a token will be there; @now_us when one is. */
uint64_t watch_rate_ready(const struct watch_rate *rate, uint64_t now_us);

/** watch_rate_spare() - when a token will be there that others do not need: one beside @spare
 *  others, or the last one of a full bucket that holds fewer. */
uint64_t watch_rate_spare(const struct watch_rate *rate, unsigned spare, uint64_t now_us);

/** watch_rate_take() - take one; to be called when one is ready. */
void watch_rate_take(struct watch_rate *rate, uint64_t now_us);

#endif

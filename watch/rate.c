/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/rate.h"

/* Time in which one token comes. */
static int64_t token_us(const struct watch_rate *rate)
{
	return 1000000000 / rate->milli_qps;
}

void watch_rate_init(struct watch_rate *rate, uint32_t milli_qps, uint32_t burst, uint64_t now_us)
{
	*rate = (struct watch_rate){ .milli_qps = milli_qps };
	if (milli_qps == 0)
		return;
	rate->burst_us = token_us(rate) * (burst > 0 ? burst : 1);
	rate->empty_us = (int64_t)now_us - rate->burst_us;
}

uint64_t watch_rate_spare(const struct watch_rate *rate, unsigned spare, uint64_t now_us)
{
	int64_t wanted_us;
	int64_t ready;

	if (rate->milli_qps == 0)
		return now_us;
	wanted_us = token_us(rate) * ((int64_t)spare + 1);
	if (wanted_us > rate->burst_us)
		wanted_us = rate->burst_us;
	ready = rate->empty_us + wanted_us;
	return ready > (int64_t)now_us ? (uint64_t)ready : now_us;
}

uint64_t watch_rate_ready(const struct watch_rate *rate, uint64_t now_us)
{
	return watch_rate_spare(rate, 0, now_us);
}

void watch_rate_take(struct watch_rate *rate, uint64_t now_us)
{
	int64_t full = (int64_t)now_us - rate->burst_us;

	if (rate->milli_qps == 0)
		return;
	if (rate->empty_us < full)
		rate->empty_us = full;
	rate->empty_us += token_us(rate);
}

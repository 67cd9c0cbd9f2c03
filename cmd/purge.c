/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "purge.h"

#include "cmd/clock.h"
#include "cmd/log.h"

static const double again_s[SYNC_PURGE_LOOKS] = { 0.05, 1. };

/* A walk through full affinity maps takes 0.1 s: no more than a tenth of the time goes into them. */
#define PURGE_SHARE 10
#define PURGE_CHEAP_US 20000

static void look(struct purge *purge, bool again)
{
	struct err err = { 0 };
	uint64_t begin = clock_us();
	size_t purged = 0;
	int ret = sync_purge(purge->sync, again, &purged, &err);
	uint64_t took = clock_us() - begin;

	if (took > PURGE_CHEAP_US)
		purge->not_before_us = begin + PURGE_SHARE * took;

	purge->purged += purged;
	purge->failures += ret < 0;
	if (ret < 0)
		log_warning_limited("stale affinity not purged", LOG_STR("reason", err.msg));
	if (purged > 0)
		log_debug("stale affinity purged", LOG_U64("records", purged));
	if (ret == 1 || ret < 0)
		purge->look = 0;
	else if (again)
		purge->look++;
	else
		return;
	ev_timer_stop(purge->loop, &purge->timer);
	if (purge->look < SYNC_PURGE_LOOKS) {
		ev_timer_set(&purge->timer, again_s[purge->look], 0.);
		ev_timer_start(purge->loop, &purge->timer);
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	look(w->data, true);
}

void purge_init(struct purge *purge, struct ev_loop *loop, struct sync *sync)
{
	purge->loop = loop;
	purge->sync = sync;
	ev_init(&purge->timer, on_timer);
	purge->timer.data = purge;
}

void purge_turn(struct purge *purge)
{
	if (clock_us() >= purge->not_before_us || !ev_is_active(&purge->timer))
		look(purge, false);
}

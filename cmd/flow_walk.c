/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "flow_walk.h"

#include "cmd/clock.h"
#include "cmd/log.h"

/* This long after a commit: an answer that is on its way when its endpoint goes still arrives, and
 * many changes in a row cause one walk. */
#define DELAY_S 0.2

/* Goes on with looking; what goes wrong is tried again with the next change. */
static void turn(struct flow_walk *walk)
{
	struct err err = { 0 };
	int ret = nftx_flows_turn(walk->flows, &err);
	struct nftx_flow_stats stats = nftx_flows_stats(walk->flows);

	if (ret < 0)
		log_warning_limited("stale flows not deleted", LOG_STR("reason", err.msg));
	if (ret == 0 && walk->began_us != 0 && walk->walked != NULL)
		walk->walked(walk->ctx, clock_us() - walk->began_us);
	if (ret <= 0)
		walk->began_us = 0;
	if (ret != 0 || stats.deleted == walk->deleted)
		return;
	log_debug("stale flows deleted", LOG_U64("flows", stats.deleted - walk->deleted),
	          LOG_U64("failed", stats.failed));
	walk->deleted = stats.deleted;
}

static void begin(struct flow_walk *walk)
{
	struct nftx_flow_fronts gap = { 0 };
	struct err err = { 0 };
	int ret;

	if (walk->began_us == 0)
		walk->began_us = clock_us();
	ret = nftx_flows_start(walk->flows, sync_fronts(walk->sync), &err);
	if (ret == 0 && walk->gap) {
		sync_gap_fronts(walk->sync, &gap);
		ret = nftx_flows_start_gap(walk->flows, &gap, &err);
	}
	walk->gap = false;
	if (ret < 0)
		log_warning_limited("stale flows not looked for", LOG_STR("reason", err.msg));
	else
		turn(walk);
}

static void on_flows(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	turn(w->data);
}

static void on_delay(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	begin(w->data);
}

void flow_walk_open(struct flow_walk *walk, struct ev_loop *loop, struct sync *sync)
{
	struct err err = { 0 };

	walk->loop = loop;
	walk->sync = sync;
	ev_init(&walk->delay, on_delay);
	walk->delay.data = walk;
	if (nftx_flows_open(&walk->flows, &err) < 0) {
		log_warning("stale flows will stay", LOG_STR("reason", err.msg));
		return;
	}
	ev_io_init(&walk->io, on_flows, nftx_flows_fd(walk->flows), EV_READ);
	walk->io.data = walk;
	ev_io_start(walk->loop, &walk->io);
}

void flow_walk_close(struct flow_walk *walk)
{
	if (walk->flows == NULL)
		return;
	ev_io_stop(walk->loop, &walk->io);
	ev_timer_stop(walk->loop, &walk->delay);
	nftx_flows_close(walk->flows);
	walk->flows = NULL;
}

void flow_walk_watch(struct flow_walk *walk, void (*walked)(void *ctx, uint64_t took_us), void *ctx)
{
	walk->walked = walked;
	walk->ctx = ctx;
}

struct nftx_flow_stats flow_walk_stats(const struct flow_walk *walk)
{
	return walk->flows != NULL ? nftx_flows_stats(walk->flows) : (struct nftx_flow_stats){ 0 };
}

void flow_walk_before_sync(struct flow_walk *walk)
{
	sync_note_gains(walk->sync, walk->flows != NULL && (nftx_flows_busy(walk->flows) ||
	                                                    sync_fronts(walk->sync)->count > 0));
}

void flow_walk_after_sync(struct flow_walk *walk, bool gap)
{
	walk->gap |= gap;
	if (walk->flows == NULL)
		nftx_flow_fronts_done(sync_fronts(walk->sync)); /* nobody asks for them */
	if (walk->flows == NULL || (sync_fronts(walk->sync)->count == 0 && !walk->gap))
		return;
	/* a walk that is under way must know at once what is true now */
	if (nftx_flows_busy(walk->flows)) {
		begin(walk);
	} else if (!ev_is_active(&walk->delay)) {
		ev_timer_set(&walk->delay, DELAY_S, 0.);
		ev_timer_start(walk->loop, &walk->delay);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guard.h"

#include <errno.h>

#include "cmd/clock.h"
#include "cmd/log.h"

/* After transactions that are none of our business we do not listen for so long, so that thousands
 * of them in a second wake us 200 times. */
#define PACE_S 0.005

/* With more elements a comparison, quadratic in the kernel, takes longer than a refill. */
#define LOOK_ELEMENTS 50000

/* With more elements it takes more than a second. */
#define CHECK_ELEMENTS 200000

static void turn(struct guard *guard);

/* ---- Listening ------------------------------------------------------------------------------ */

static void stop_listening(struct guard *guard)
{
	if (!guard->listening)
		return;
	guard->listening = false;
	ev_io_stop(guard->loop, &guard->io);
	ev_timer_stop(guard->loop, &guard->pace);
	nftx_monitor_leave(guard->monitor);
}

/* What cannot be heard of is looked for in the background: the daemon works on without. */
static void start_listening(struct guard *guard)
{
	struct err err = { 0 };
	int ret = 0;

	if (guard->monitor == NULL)
		ret = nftx_monitor_open(nftx_sock_port(guard->sock), &guard->monitor, &err);
	if (ret == 0)
		ret = nftx_monitor_join(guard->monitor, &err);
	if (ret < 0) {
		log_warning_limited("changes by others will not be noticed at once",
		                    LOG_STR("reason", err.msg));
		return;
	}
	guard->listening = true;
	ev_io_set(&guard->io, nftx_monitor_fd(guard->monitor), EV_READ);
	ev_io_start(guard->loop, &guard->io);
}

static void tell(const struct nftx_notice *notice)
{
	const uint32_t *added = notice->added;
	const uint32_t *removed = notice->removed;

	log_warning_limited(
		"tables changed by another process", LOG_STR("process", notice->process),
		LOG_U64("pid", notice->pid), LOG_U64("generation", notice->generation),
		LOG_U64("tables_removed", removed[NFTX_TOUCH_TABLE]),
		LOG_U64("tables_added", added[NFTX_TOUCH_TABLE]),
		LOG_U64("chains_removed", removed[NFTX_TOUCH_CHAIN]),
		LOG_U64("chains_added", added[NFTX_TOUCH_CHAIN]),
		LOG_U64("rules_removed", removed[NFTX_TOUCH_RULE]),
		LOG_U64("rules_added", added[NFTX_TOUCH_RULE]),
		LOG_U64("elements_removed", removed[NFTX_TOUCH_ELEMENT]),
		LOG_U64("elements_added", added[NFTX_TOUCH_ELEMENT]),
		LOG_U64("others", added[NFTX_TOUCH_SET] + removed[NFTX_TOUCH_SET] +
	                                  added[NFTX_TOUCH_OTHER] + removed[NFTX_TOUCH_OTHER]));
}

static void on_notices(struct ev_loop *loop, ev_io *w, int events)
{
	struct guard *guard = w->data;
	const struct nftx_notices *heard;
	struct err err = { 0 };
	uint64_t now = clock_us();
	int ret = nftx_monitor_read(guard->monitor, &heard, &err);

	(void)events;
	guard->others += heard->others;
	for (size_t i = 0; i < heard->count; i++) {
		tell(&heard->list[i]);
		drift_changed(&guard->drift, &heard->list[i], now);
	}
	if (ret < 0) {
		log_warning_limited("it is not known what others have done, looking",
		                    LOG_STR("reason", err.msg));
		drift_doubted(&guard->drift, now);
	} else if (heard->count == 0) {
		ev_io_stop(loop, &guard->io);
		ev_timer_set(&guard->pace, PACE_S, 0.);
		ev_timer_start(loop, &guard->pace);
	}
	if (ret < 0 && ret != -ENOBUFS) { /* a socket that is good for nothing */
		stop_listening(guard);
		nftx_monitor_close(guard->monitor);
		guard->monitor = NULL;
		start_listening(guard);
	}
	turn(guard);
}

static void on_pace(struct ev_loop *loop, ev_timer *w, int events)
{
	struct guard *guard = w->data;

	(void)events;
	ev_io_start(loop, &guard->io);
}

/* ---- Looking and repairing ------------------------------------------------------------------ */

/* Return: as sync_check(). */
static int look(struct guard *guard, struct err *err)
{
	struct nftx_findings findings = { 0 };
	uint64_t begin = clock_us();
	int ret = sync_check(guard->sync, &findings, err);

	if (ret == 1)
		log_warning("the kernel does not hold what it should",
		            LOG_U64("missing", findings.missing),
		            LOG_U64("foreign", findings.foreign),
		            LOG_U64("changed", findings.changed),
		            LOG_STR("such_as", findings.examples.text));
	if (ret >= 0)
		drift_looked(&guard->drift, ret == 1, clock_us(), clock_us() - begin);
	nftx_findings_done(&findings);
	return ret;
}

/* In doubt. Where a look costs more than a refill, or cannot be had because others write all the
 * time, a refill it is; one during which we listen, so that nothing is in doubt after it. */
static void resolve_doubt(struct guard *guard)
{
	struct err err = { 0 };

	if (sync_elements(guard->sync) <= LOOK_ELEMENTS && look(guard, &err) >= 0)
		return;
	guard->drift.work = DRIFT_REPAIR;
	guard->listen_on = true;
}

static void tell_backing_off(struct guard *guard, uint64_t now)
{
	const struct drift *drift = &guard->drift;

	if (drift_is_backing_off(drift, now) == guard->told)
		return;
	guard->told = !guard->told;
	if (guard->told)
		log_warning("repairs are undone again and again, backing off",
		            LOG_STR("process", drift->last.process),
		            LOG_U64("pid", drift->last.pid), LOG_U64("repairs", drift->repairs),
		            LOG_U64("pause_us", drift_pause(drift)));
	else
		log_info("nobody undoes repairs any more", LOG_U64("repairs", drift->repairs));
}

static void arm_due(struct guard *guard, uint64_t wait_us)
{
	ev_timer_stop(guard->loop, &guard->due);
	if (wait_us == DRIFT_IDLE)
		return;
	ev_timer_set(&guard->due, (double)wait_us / 1e6, 0.);
	ev_timer_start(guard->loop, &guard->due);
}

/* Does what is due. While a refill is due anyway there is nothing to add to it. */
static void turn(struct guard *guard)
{
	struct drift *drift = &guard->drift;
	uint64_t now = clock_us();
	uint64_t wait;

	tell_backing_off(guard, now);
	if (!sync_is_known(guard->sync))
		return;
	wait = drift_wait(drift, now);
	if (wait == 0 && drift->work == DRIFT_LOOK) {
		resolve_doubt(guard);
		wait = drift_wait(drift, clock_us());
	}
	if (wait == 0) {
		sync_forget(guard->sync, drift->rebuild);
		guard->wake(guard->ctx);
		return;
	}
	arm_due(guard, wait == DRIFT_IDLE && guard->told ? DRIFT_QUIET_US : wait);
}

static void on_due(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	turn(w->data);
}

static void on_check(struct ev_loop *loop, ev_timer *w, int events)
{
	struct guard *guard = w->data;
	struct err err = { 0 };

	(void)loop;
	(void)events;
	if (!sync_is_known(guard->sync) || guard->drift.work != DRIFT_NOTHING ||
	    sync_elements(guard->sync) > CHECK_ELEMENTS)
		return;
	if (look(guard, &err) < 0)
		log_warning_limited("the kernel could not be compared with what it should hold",
		                    LOG_STR("reason", err.msg));
	turn(guard);
}

/* ---- Around syncs --------------------------------------------------------------------------- */

void guard_before_sync(struct guard *guard)
{
	struct err err = { 0 };

	if (sync_is_known(guard->sync))
		return;
	/* A refill: nobody listens meanwhile, because it would take half as long again. The
	 * generation tells whether somebody else wrote between here and when we listen again. */
	if (!guard->listen_on)
		stop_listening(guard);
	if (nftx_sock_generation(guard->sock, &guard->generation, &err) < 0)
		guard->generation = 0;
}

/* If anybody but us has written since guard_before_sync(), it is in doubt what he has done. */
static void doubt_others(struct guard *guard)
{
	uint32_t generation;
	struct err err = { 0 };

	if (nftx_sock_generation(guard->sock, &generation, &err) < 0 || guard->generation == 0 ||
	    generation != guard->generation + 1)
		drift_doubted(&guard->drift, clock_us());
}

void guard_after_sync(struct guard *guard, const struct sync_report *report)
{
	struct drift *drift = &guard->drift;
	uint64_t now = clock_us();
	uint64_t noticed_us = drift->noticed_us;
	bool known = drift->changed_us >= noticed_us; /* or a look has found it */

	if (!report->refill)
		return;
	if (drift_repaired(drift, now, report->plan_us + report->build_us + report->commit_us))
		log_info("tables repaired", LOG_STR("process", known ? drift->last.process : ""),
		         LOG_U64("pid", known ? drift->last.pid : 0),
		         LOG_U64("since_notice_us", now - noticed_us),
		         LOG_U64("repairs", drift->repairs));
	if (sync_owns(guard->sync)) {
		stop_listening(guard);
		/* a table that was everybody's may have changed after we had looked into it, and
		 * before it was ours */
		if (!guard->owning)
			doubt_others(guard);
	} else if (!guard->listening) {
		start_listening(guard);
		doubt_others(guard);
	}
	guard->owning = sync_owns(guard->sync);
	guard->listen_on = false;
	turn(guard);
}

void guard_log(const struct guard *guard)
{
	const struct drift *drift = &guard->drift;

	log_info("drift", LOG_STR("tables", sync_owns(guard->sync) ? "owned" : "plain"),
	         LOG_STR("listening", guard->listening ? "yes" : "no"),
	         LOG_U64("changes", drift->events), LOG_U64("repairs", drift->repairs),
	         LOG_U64("notices_lost", drift->losses), LOG_U64("looks", drift->looks),
	         LOG_U64("looks_that_found", drift->differs),
	         LOG_U64("transactions_of_others", guard->others),
	         LOG_STR("backing_off", drift_is_backing_off(drift, clock_us()) ? "yes" : "no"));
	for (size_t i = 0; i < drift->culprit_count; i++)
		log_info("culprit", LOG_STR("process", drift->culprits[i].process),
		         LOG_U64("pid", drift->culprits[i].pid),
		         LOG_U64("changes", drift->culprits[i].count));
}

void guard_init(struct guard *guard, struct ev_loop *loop, const struct options *options,
                struct sync *sync, struct nftx_sock *sock, guard_wake_fn wake, void *ctx)
{
	double period = (double)options->check_period_us / 1e6;

	guard->loop = loop;
	guard->sync = sync;
	guard->sock = sock;
	guard->wake = wake;
	guard->ctx = ctx;
	ev_init(&guard->io, on_notices);
	ev_init(&guard->pace, on_pace);
	ev_init(&guard->due, on_due);
	ev_timer_init(&guard->check, on_check, period, period);
	guard->io.data = guard->pace.data = guard->due.data = guard->check.data = guard;
	if (options->check_period_us != 0)
		ev_timer_start(loop, &guard->check);
}

void guard_close(struct guard *guard)
{
	if (guard->loop == NULL)
		return;
	stop_listening(guard);
	nftx_monitor_close(guard->monitor);
	ev_timer_stop(guard->loop, &guard->due);
	ev_timer_stop(guard->loop, &guard->check);
	guard->loop = NULL;
}

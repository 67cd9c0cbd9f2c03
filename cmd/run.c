/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the daemon
 *
 * One libev loop. Watchers only note that something has happened; a prepare
 * watcher, which runs before the loop sleeps, reads the source and syncs. So a
 * burst of events becomes one reading and one transaction, and an event is in
 * the kernel at the end of the turn in which it came.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/addresses.h"
#include "cmd/clock.h"
#include "cmd/commands.h"
#include "cmd/report.h"
#include "cmd/schedule.h"
#include "cmd/source.h"
#include "cmd/sync.h"
#include "cmd/version.h"

/* Affinity records are looked through again after these times: packets that were in flight during a
 * commit may have recorded what was true before it. */
static const double purge_again_s[SYNC_PURGE_LOOKS] = { 0.05, 1. };

/* A walk through full affinity maps takes 0.1 s: no more than a tenth of the time goes into them. */
#define PURGE_SHARE 10
#define PURGE_CHEAP_US 20000

/* Stale flows are looked for this long after a commit: an answer that is on its way when its endpoint
 * goes still arrives, and many changes in a row cause one walk. */
#define FLOWS_DELAY_S 0.2

/* A source that could not be opened or read is tried again after pauses of 1 s to 30 s. */
#define REREAD_MIN_S 1.
#define REREAD_MAX_S 30.

struct daemon {
	const struct options *options;
	struct ev_loop *loop;
	ev_io file_io;
	ev_io address_io;
	ev_io flow_io;
	ev_timer retry;
	ev_timer purge;
	ev_timer flow_delay;
	ev_timer reread;
	ev_prepare prepare;
	ev_signal term;
	ev_signal interrupt;
	ev_signal dump;

	struct watch_file *file;
	struct addresses *addresses;
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct nftx_flows *flows; /* NULL: no connection tracking to look through */
	uint64_t flows_deleted;   /* said so far */
	struct sync *sync;
	struct schedule schedule;
	struct diags source_diags; /* of the last reading */
	bool node_missing;         /* and it was said */
	double reread_s;           /* the next pause */
	uint64_t purge_after_us;   /* not before */
	unsigned purge_look;       /* the next one */
	bool read_due;
	bool read_failed;  /* the last reading failed: what is in force is older than the source */
	bool started;      /* the first sync is in the kernel */
	uint64_t event_us; /* when the change at hand was noticed */
	int exit_code;
};

static void log_synced(const struct daemon *d, const struct sync_report *report)
{
	enum log_level level = report->refill ? LOG_INFO : LOG_DEBUG;

	LOG_AT(level, NULL, "synced", LOG_STR("kind", report->refill ? "refill" : "change"),
	       LOG_U64("services", report->services), LOG_U64("elements", report->size.elements),
	       LOG_U64("messages", report->size.messages), LOG_U64("bytes", report->size.bytes),
	       LOG_U64("plan_us", report->plan_us), LOG_U64("build_us", report->build_us),
	       LOG_U64("commit_us", report->commit_us),
	       LOG_U64("since_event_us", clock_us() - d->event_us));
}

/* Reads the source; on failure the last good state stays. */
static int read_source(struct daemon *d, struct err *err)
{
	struct source_counts counts;
	struct diags diags = { 0 };
	uint64_t begin = clock_us();
	int ret = source_load(d->file, d->planner, &counts, &diags, err);

	d->read_due = false;
	if (ret < 0) {
		diag_done(&diags);
		return ret;
	}
	if (d->read_failed)
		log_info("source is readable again", LOG_STR("source", d->options->source));
	d->read_failed = false;
	log_debug("source read", LOG_U64("objects", counts.objects),
	          LOG_U64("skipped", counts.skipped), LOG_U64("bad", counts.bad),
	          LOG_U64("took_us", clock_us() - begin));
	report_new(&d->source_diags, &diags);
	if (!d->node_missing)
		report_node(d->options, d->planner);
	d->node_missing = !proxy_planner_counts(d->planner).node_known;
	schedule_touch(&d->schedule, clock_us());
	return 0;
}

/* Goes on with looking through UDP flows; what goes wrong is tried again with the next change. */
static void turn_flows(struct daemon *d)
{
	struct err err = { 0 };
	int ret = nftx_flows_turn(d->flows, &err);
	struct nftx_flow_stats stats = nftx_flows_stats(d->flows);

	if (ret < 0)
		log_warning_limited("stale UDP flows not deleted", LOG_STR("reason", err.msg));
	if (ret != 0 || stats.deleted == d->flows_deleted)
		return;
	log_debug("stale UDP flows deleted", LOG_U64("flows", stats.deleted - d->flows_deleted),
	          LOG_U64("failed", stats.failed));
	d->flows_deleted = stats.deleted;
}

static void walk_flows(struct daemon *d)
{
	struct err err = { 0 };

	if (nftx_flows_start(d->flows, sync_fronts(d->sync), &err) < 0)
		log_warning_limited("stale UDP flows not looked for", LOG_STR("reason", err.msg));
	else
		turn_flows(d);
}

static void on_flow_delay(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	walk_flows(w->data);
}

/* After a sync: the flows of the UDP frontends that it concerned, a little later; but a walk that is
 * under way must know at once what is true now. */
static void start_flows(struct daemon *d)
{
	if (d->flows == NULL || sync_fronts(d->sync)->count == 0)
		return;
	if (nftx_flows_busy(d->flows)) {
		walk_flows(d);
	} else if (!ev_is_active(&d->flow_delay)) {
		ev_timer_set(&d->flow_delay, FLOWS_DELAY_S, 0.);
		ev_timer_start(d->loop, &d->flow_delay);
	}
}

static int sync_now(struct daemon *d, struct err *err)
{
	struct sync_report report;
	struct diags diags = { 0 };
	int ret;

	sync_note_gains(d->sync, d->flows != NULL && (nftx_flows_busy(d->flows) ||
	                                              sync_fronts(d->sync)->count > 0));
	ret = sync_run(d->sync, &report, &diags, err);

	report_diags(&diags);
	diag_done(&diags);
	schedule_done(&d->schedule, clock_us(), ret == 0);
	if (ret == 0 && report.sent)
		log_synced(d, &report);
	if (ret == 0)
		start_flows(d);
	return ret;
}

/* Looks for stale affinity records; if there may be some, twice more a little later. */
static void purge(struct daemon *d, bool again)
{
	struct err err = { 0 };
	uint64_t begin = clock_us();
	size_t purged = 0;
	int ret = sync_purge(d->sync, again, &purged, &err);
	uint64_t took = clock_us() - begin;

	if (took > PURGE_CHEAP_US)
		d->purge_after_us = begin + PURGE_SHARE * took;

	if (ret < 0)
		log_warning_limited("stale affinity not purged", LOG_STR("reason", err.msg));
	if (purged > 0)
		log_debug("stale affinity purged", LOG_U64("records", purged));
	if (ret == 1 || ret < 0)
		d->purge_look = 0;
	else if (again)
		d->purge_look++;
	else
		return;
	ev_timer_stop(d->loop, &d->purge);
	if (d->purge_look < SYNC_PURGE_LOOKS) {
		ev_timer_set(&d->purge, purge_again_s[d->purge_look], 0.);
		ev_timer_start(d->loop, &d->purge);
	}
}

static void on_flows(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	turn_flows(w->data);
}

static void on_purge(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	purge(w->data, true);
}

static void arm_retry(struct daemon *d)
{
	uint64_t wait = schedule_wait(&d->schedule, clock_us());

	ev_timer_stop(d->loop, &d->retry);
	if (wait == SCHEDULE_IDLE)
		return;
	ev_timer_set(&d->retry, (double)wait / 1e6, 0.);
	ev_timer_start(d->loop, &d->retry);
}

/* What is wrong with the content is mended by a change, which is an event. What kept us from
 * reading it may go away without one: permission, a lack of descriptors or memory. */
static void arm_reread(struct daemon *d, int ret)
{
	ev_timer_stop(d->loop, &d->reread);
	if (ret >= 0 || ret == -EBADMSG || ret == -E2BIG || ret == -EFBIG || ret == -ENODATA) {
		d->reread_s = REREAD_MIN_S;
		return;
	}
	ev_timer_set(&d->reread, d->reread_s, 0.);
	ev_timer_start(d->loop, &d->reread);
	d->reread_s = d->reread_s * 2 < REREAD_MAX_S ? d->reread_s * 2 : REREAD_MAX_S;
}

static void on_reread(struct ev_loop *loop, ev_timer *w, int events)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)events;
	d->event_us = clock_us();
	d->read_due = true;
}

/* A turn's work: read if due, then sync if due. */
static void turn(struct daemon *d)
{
	struct err err = { 0 };

	if (d->read_due) {
		int ret = read_source(d, &err);

		if (ret < 0) {
			d->read_failed = true;
			log_error("source not read, the last good state stays",
			          LOG_STR("reason", err.msg));
		}
		arm_reread(d, ret);
	}
	while (schedule_wait(&d->schedule, clock_us()) == 0) {
		if (sync_now(d, &err) < 0)
			log_error("not synced, the kernel keeps what it has",
			          LOG_STR("reason", err.msg),
			          LOG_U64("failures", d->schedule.failures));
	}
	if (clock_us() >= d->purge_after_us || !ev_is_active(&d->purge))
		purge(d, false);
	arm_retry(d);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)events;
	if (d->read_due || schedule_wait(&d->schedule, clock_us()) == 0)
		turn(d);
}

static void on_file(struct ev_loop *loop, ev_io *w, int events)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)events;
	/* a file that its writer still has open is not complete: its closing will be an event, too */
	if (watch_file_drain(d->file) == WATCH_FILE_CHANGED) {
		d->event_us = clock_us();
		d->read_due = true;
	}
}

static void on_address(struct ev_loop *loop, ev_io *w, int events)
{
	struct daemon *d = w->data;
	struct err err = { 0 };
	const struct ipaddr *list;
	size_t count;
	int changed = addresses_refresh(d->addresses, &err);

	(void)loop;
	(void)events;
	if (changed < 0)
		log_warning_limited("addresses not followed", LOG_STR("reason", err.msg));
	if (changed <= 0)
		return;
	d->event_us = clock_us();
	list = addresses_list(d->addresses, &count);
	proxy_planner_set_addresses(d->planner, list, count);
	schedule_touch(&d->schedule, d->event_us);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop; /* being awake is enough: the prepare watcher does the rest */
	(void)w;
	(void)events;
}

static void on_stop(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)events;
	log_info("stopping, the ruleset stays", LOG_U64("signal", (uint64_t)w->signum));
	ev_break(loop, EVBREAK_ALL);
}

static void on_dump(struct ev_loop *loop, ev_signal *w, int events)
{
	struct daemon *d = w->data;
	struct proxy_counts counts = proxy_planner_counts(d->planner);

	(void)loop;
	(void)events;
	log_info("state", LOG_U64("services", counts.services), LOG_U64("slices", counts.slices),
	         LOG_U64("service_cidrs", counts.service_cidrs),
	         LOG_STR("own_node", counts.node_known ? "known" : "unknown"),
	         LOG_STR("source", d->read_failed ? "unreadable" : "read"),
	         LOG_STR("tables", sync_owns(d->sync) ? "owned" : "plain"),
	         LOG_U64("findings", d->source_diags.total),
	         LOG_U64("sync_failures", d->schedule.failures));
}

/* Before anything else, so that a signal during the start is answered when the loop runs. */
static void start_watchers(struct daemon *d)
{
	ev_init(&d->retry, on_retry);
	ev_init(&d->purge, on_purge);
	ev_init(&d->flow_delay, on_flow_delay);
	ev_init(&d->reread, on_reread);
	ev_prepare_init(&d->prepare, on_prepare);
	ev_signal_init(&d->term, on_stop, SIGTERM);
	ev_signal_init(&d->interrupt, on_stop, SIGINT);
	ev_signal_init(&d->dump, on_dump, SIGUSR1);
	d->retry.data = d->purge.data = d->prepare.data = d->dump.data = d;
	d->flow_delay.data = d->reread.data = d;
	d->reread_s = REREAD_MIN_S;
	ev_prepare_start(d->loop, &d->prepare);
	ev_signal_start(d->loop, &d->term);
	ev_signal_start(d->loop, &d->interrupt);
	ev_signal_start(d->loop, &d->dump);
}

static void follow_source(struct daemon *d)
{
	int fd = watch_file_fd(d->file);

	if (fd < 0)
		return; /* standard input is read once */
	ev_io_init(&d->file_io, on_file, fd, EV_READ);
	d->file_io.data = d;
	ev_io_start(d->loop, &d->file_io);
}

/* Without connection tracking's netlink everything else works. */
static void open_flows(struct daemon *d)
{
	struct err err = { 0 };

	if (nftx_flows_open(&d->flows, &err) < 0) {
		log_warning("stale UDP flows will stay", LOG_STR("reason", err.msg));
		return;
	}
	ev_io_init(&d->flow_io, on_flows, nftx_flows_fd(d->flows), EV_READ);
	d->flow_io.data = d;
	ev_io_start(d->loop, &d->flow_io);
}

static int follow_addresses(struct daemon *d, struct err *err)
{
	const struct ipaddr *list;
	size_t count;
	int ret;

	ret = addresses_open(&d->addresses, err);
	if (ret < 0)
		return ret;
	list = addresses_list(d->addresses, &count);
	proxy_planner_set_addresses(d->planner, list, count);
	ev_io_init(&d->address_io, on_address, addresses_fd(d->addresses), EV_READ);
	d->address_io.data = d;
	ev_io_start(d->loop, &d->address_io);
	return 0;
}

/* Everything that must go right before the loop runs; what goes wrong here ends the program. */
static int start(struct daemon *d, struct err *err)
{
	int ret = nftx_sock_open(&d->sock, err);

	if (ret < 0)
		return ret;
	ret = watch_file_open(d->options->source, strcmp(d->options->source, "-") != 0, &d->file,
	                      err);
	if (ret < 0)
		return ret;
	d->planner = command_planner(d->options);
	d->sync = sync_new(d->options, d->planner, d->sock);
	d->event_us = clock_us();
	open_flows(d);
	ret = follow_addresses(d, err);
	if (ret < 0)
		return ret;
	ret = read_source(d, err);
	if (ret == -ENODATA && watch_file_fd(d->file) >= 0) {
		log_error("nothing to do yet, the kernel keeps what it has",
		          LOG_STR("reason", err->msg));
		follow_source(d);
		return 0;
	}
	if (ret < 0)
		return ret;
	follow_source(d);
	ret = sync_now(d, err);
	if (ret == 0)
		purge(d, false);
	return ret;
}

static void stop(struct daemon *d)
{
	if (d->loop != NULL)
		ev_loop_destroy(d->loop);
	sync_free(d->sync);
	proxy_planner_free(d->planner);
	nftx_flows_close(d->flows);
	nftx_sock_close(d->sock);
	watch_file_close(d->file);
	addresses_close(d->addresses);
	diag_done(&d->source_diags);
}

int command_run(const struct options *options)
{
	struct daemon d = { .options = options, .exit_code = EXIT_FAILURE };
	struct err err = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	log_info("starting", LOG_STR("version", kubenft_version()),
	         LOG_STR("node", options->node_name), LOG_STR("source", options->source));
	d.loop = ev_loop_new(EVFLAG_AUTO);
	if (d.loop == NULL) {
		log_error("no event loop", LOG_STR("reason", strerrordesc_np(errno)));
		return EXIT_FAILURE;
	}
	start_watchers(&d);
	if (start(&d, &err) < 0) {
		log_error("not started", LOG_STR("reason", err.msg));
	} else {
		(void)ev_run(d.loop, 0);
		d.exit_code = EXIT_SUCCESS;
	}
	stop(&d);
	return d.exit_code;
}

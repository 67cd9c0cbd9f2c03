/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the daemon
 *
 * One libev loop. Watchers only note that something has happened; a prepare
 * watcher, which runs before the loop sleeps, lets the source catch up and
 * syncs. So a burst of events becomes one transaction, and an event is in the
 * kernel at the end of the turn in which it came.
 */
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/addresses.h"
#include "cmd/api_events.h"
#include "cmd/clock.h"
#include "cmd/commands.h"
#include "cmd/config_watch.h"
#include "cmd/events.h"
#include "cmd/flow_walk.h"
#include "cmd/guard.h"
#include "cmd/ip_check.h"
#include "cmd/leftovers.h"
#include "cmd/monitor.h"
#include "cmd/port_check.h"
#include "cmd/privilege.h"
#include "cmd/purge.h"
#include "cmd/report.h"
#include "cmd/schedule.h"
#include "cmd/source.h"
#include "cmd/sync.h"
#include "cmd/syscall_filter.h"
#include "cmd/version.h"

struct daemon {
	const struct options *options;
	struct ev_loop *loop;
	ev_io address_io;
	ev_timer retry;
	ev_prepare prepare;
	ev_signal term;
	ev_signal interrupt;
	ev_signal hangup;
	ev_signal dump;

	struct source *source;
	struct config_watch *config_watch;
	struct addresses *addresses;
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct sync *sync;
	struct flow_walk flow_walk;
	struct purge purge;
	struct port_check port_check;
	struct guard guard;
	struct ip_gate gate;
	struct schedule schedule;
	struct monitor *monitor;
	struct events *events; /* NULL: there is nobody to tell */
	bool is_humble;        /* has dropped its privileges */
	int exit_code;
};

static void log_synced(const struct sync_report *report, uint64_t since_us)
{
	enum log_level level = report->refill ? LOG_INFO : LOG_DEBUG;

	LOG_AT(level, NULL, "synced", LOG_STR("kind", report->refill ? "refill" : "change"),
	       LOG_U64("services", report->services), LOG_U64("elements", report->size.elements),
	       LOG_U64("messages", report->size.messages), LOG_U64("bytes", report->size.bytes),
	       LOG_U64("plan_us", report->plan_us), LOG_U64("build_us", report->build_us),
	       LOG_U64("commit_us", report->commit_us),
	       LOG_U64("since_event_us", clock_us() - since_us));
}

static int sync_now(struct daemon *d, struct err *err)
{
	uint64_t since_us = d->schedule.dirty_since_us;
	struct sync_report report;
	struct diags diags = { 0 };
	int ret;

	flow_walk_before_sync(&d->flow_walk);
	guard_before_sync(&d->guard);
	ret = sync_run(d->sync, &report, &diags, err);
	monitor_synced(d->monitor, ret, &report, &diags, err->msg, since_us);
	report_diags(&diags);
	diag_done(&diags);
	schedule_done(&d->schedule, clock_us(), ret == 0);
	if (ret < 0)
		return ret;
	if (report.sent)
		log_synced(&report, since_us);
	if (report.rivals > 0)
		log_info("tables of kube-proxy removed in the same transaction",
		         LOG_U64("tables", report.rivals));
	guard_after_sync(&d->guard, &report);
	flow_walk_after_sync(&d->flow_walk, report.refill);
	return 0;
}

/* Before the first sync. Return: 0, also while it has to wait, or a negative errno. */
static int open_gate(struct daemon *d, struct err *err)
{
	bool waited = d->gate.since_us != 0;
	struct diags diags = { 0 };
	struct ip_facts facts;
	int ret;

	if (d->gate.is_open || !source_is_complete(d->source))
		return 0;
	facts = (struct ip_facts){ .node = proxy_planner_node(d->planner),
		                   .has_ipv6 = ip_check_has_ipv6() };
	ret = ip_gate_turn(&d->gate, d->options, &facts, clock_us(), &diags, err);
	if (ret == 0 && !waited)
		log_warning("waiting for the Node's spec.podCIDRs, the kernel keeps what it has",
		            LOG_STR("node", d->options->node_name));
	report_settings(&diags);
	diag_done(&diags);
	return ret < 0 ? ret : 0;
}

static void arm_retry(struct daemon *d)
{
	uint64_t now_us = clock_us();
	uint64_t wait = d->gate.is_open ? schedule_wait(&d->schedule, now_us)
	                                : ip_gate_wait(&d->gate, now_us);
	uint64_t trial = sync_wait(d->sync);

	if (wait == SCHEDULE_IDLE && trial != HELD_IDLE)
		wait = trial;
	ev_timer_stop(d->loop, &d->retry);
	if (wait == SCHEDULE_IDLE || !source_is_complete(d->source))
		return; /* a source that becomes complete says that it has changed */
	ev_timer_set(&d->retry, (double)wait / 1e6, 0.);
	ev_timer_start(d->loop, &d->retry);
}

static bool is_sync_due(const struct daemon *d)
{
	return d->gate.is_open && schedule_wait(&d->schedule, clock_us()) == 0;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct daemon *d = w->data;
	struct err err = { 0 };

	(void)events;
	source_turn(d->source);
	if (open_gate(d, &err) < 0) {
		log_error("not started, the ruleset stays", LOG_STR("reason", err.msg));
		d->exit_code = EXIT_FAILURE;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	if (is_sync_due(d)) {
		do {
			if (sync_now(d, &err) < 0)
				log_error("not synced, the kernel keeps what it has",
				          LOG_STR("reason", err.msg),
				          LOG_U64("failures", d->schedule.failures));
		} while (is_sync_due(d));
		purge_turn(&d->purge);
	}
	arm_retry(d);
}

static void on_source(void *ctx, uint64_t event_us)
{
	struct daemon *d = ctx;

	schedule_touch(&d->schedule, event_us);
	monitor_changed(d->monitor, event_us);
}

static void on_drift(void *ctx)
{
	struct daemon *d = ctx;

	schedule_hurry(&d->schedule, clock_us());
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
	list = addresses_list(d->addresses, &count);
	proxy_planner_set_addresses(d->planner, list, count);
	schedule_touch(&d->schedule, clock_us());
	monitor_changed(d->monitor, clock_us());
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
	struct daemon *d = w->data;

	(void)loop;
	(void)events;
	/* being awake is enough: the prepare watcher does the rest */
	if (sync_wait(d->sync) == 0)
		schedule_touch(&d->schedule, clock_us());
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
	source_log(d->source);
	log_info("state", LOG_U64("services", counts.services), LOG_U64("slices", counts.slices),
	         LOG_U64("service_cidrs", counts.service_cidrs),
	         LOG_STR("own_node", counts.node_known ? "known" : "unknown"),
	         LOG_U64("sync_failures", d->schedule.failures));
	guard_log(&d->guard);
}

static void on_config(void *ctx)
{
	struct daemon *d = ctx;

	log_info("stopping, the ruleset stays", LOG_STR("reason", "another configuration"));
	ev_break(d->loop, EVBREAK_ALL);
}

/* What kube-proxy does to a node before it does its work. */
static int prepare_node(struct daemon *d, struct err *err)
{
	struct sysctl_root machine = sysctl_machine();
	int ret = sysctl_apply(&machine, &d->options->sysctls, err);

	if (ret < 0)
		return ret;
	sysctl_oom_score("/proc/self/oom_score_adj", d->options->oom_score);
	return 0;
}

/* Before there is a thread, which would keep what it has; after all that wants more: the node's
 * settings, ports below 1024. */
static void drop_privileges(struct daemon *d)
{
	struct err err = { 0 };

	d->is_humble = privilege_drop(&err) == 0;
	if (!d->is_humble)
		log_warning("privileges are not dropped", LOG_STR("reason", err.msg));
}

/* Before a byte of what strangers have written is looked at. */
static void limit_syscalls(const struct daemon *d)
{
	struct err err = { 0 };
	bool limited = d->options->seccomp && syscall_filter_load(&err) == 0;

	if (d->options->seccomp && !limited)
		log_warning("system calls are not limited", LOG_STR("reason", err.msg));
	log_info("confined", LOG_STR("capabilities", d->is_humble ? "CAP_NET_ADMIN" : "all kept"),
	         LOG_STR("no_new_privs", d->is_humble ? "on" : "off"),
	         LOG_STR("seccomp", limited ? "on" : "off"));
}

static void follow_config(struct daemon *d)
{
	struct err err = { 0 };

	if (config_watch_open(d->loop, d->options, on_config, d, &d->config_watch, &err) < 0)
		log_warning("configuration not followed", LOG_STR("reason", err.msg));
}

/* As nohup(1) has it. */
static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/* Before anything else, so that a signal during the start is answered when the loop runs. */
static void start_watchers(struct daemon *d)
{
	ev_init(&d->retry, on_retry);
	ev_prepare_init(&d->prepare, on_prepare);
	ev_signal_init(&d->term, on_stop, SIGTERM);
	ev_signal_init(&d->interrupt, on_stop, SIGINT);
	ev_signal_init(&d->hangup, on_stop, SIGHUP);
	ev_signal_init(&d->dump, on_dump, SIGUSR1);
	d->retry.data = d->prepare.data = d->dump.data = d;
	ev_signal_start(d->loop, &d->term);
	ev_signal_start(d->loop, &d->interrupt);
	if (!is_ignored(SIGHUP))
		ev_signal_start(d->loop, &d->hangup);
	ev_signal_start(d->loop, &d->dump);
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

static int open_source(struct daemon *d, struct err *err)
{
	const struct source_setting setting = {
		.loop = d->loop,
		.options = d->options,
		.planner = d->planner,
		.metrics = monitor_metrics(d->monitor),
		.events = d->events,
		.changed = on_source,
		.ctx = d,
	};

	return source_open(&setting, &d->source, err);
}

/* Everything that must go right before the loop runs; what goes wrong here ends the program. */
static int start(struct daemon *d, struct err *err)
{
	struct monitor_setting watched = { .loop = d->loop,
		                           .options = d->options,
		                           .events = d->events,
		                           .purge = &d->purge,
		                           .flow_walk = &d->flow_walk,
		                           .drift = &d->guard.drift,
		                           .source = &d->source,
		                           .gate = &d->gate };
	int ret = nftx_sock_open(&d->sock, err);

	if (ret == 0)
		ret = prepare_node(d, err);
	if (ret < 0)
		return ret;
	follow_config(d);
	d->planner = command_planner(d->options);
	d->sync = sync_new(d->options, d->planner, d->sock);
	purge_init(&d->purge, d->loop, d->sync);
	port_check_init(&d->port_check, d->loop, d->sync);
	guard_init(&d->guard, d->loop, d->options, d->sync, d->sock, on_drift, d);
	watched.planner = d->planner;
	watched.sync = d->sync;
	ret = monitor_open(&watched, &d->monitor, err);
	if (ret < 0)
		return ret;
	drop_privileges(d);
	flow_walk_open(&d->flow_walk, d->loop, d->sync);
	ret = follow_addresses(d, err);
	if (ret < 0)
		return ret;
	limit_syscalls(d);
	schedule_touch(&d->schedule, clock_us());
	ret = open_source(d, err);
	if (ret < 0)
		return ret;
	ret = open_gate(d, err);
	if (ret == 0 && d->gate.is_open)
		ret = sync_now(d, err);
	if (ret < 0)
		return ret;
	if (d->gate.is_open)
		purge_turn(&d->purge);
	leftovers_warn(d->sock);
	events_starting(d->events);
	ev_prepare_start(d->loop, &d->prepare);
	return 0;
}

static void stop(struct daemon *d)
{
	source_close(d->source);
	config_watch_close(d->config_watch);
	monitor_close(d->monitor);
	flow_walk_close(&d->flow_walk);
	port_check_close(&d->port_check);
	guard_close(&d->guard);
	events_free(d->events);
	if (d->loop != NULL)
		ev_loop_destroy(d->loop);
	sync_free(d->sync);
	proxy_planner_free(d->planner);
	nftx_sock_close(d->sock);
	addresses_close(d->addresses);
}

int command_run(const struct options *options)
{
	struct daemon d = {
		.options = options,
		.exit_code = EXIT_FAILURE,
		.schedule = { .min_period_us = options->min_sync_period_us,
		              .max_pause_us = options->sync_period_us },
	};
	struct err err = { 0 };

	(void)signal(SIGPIPE, SIG_IGN);
	log_info("starting", LOG_STR("version", kubenft_version()),
	         LOG_STR("node", options->node_name),
	         LOG_STR("source", options->source != NULL ? options->source : "API server"));
	d.loop = ev_loop_new(EVFLAG_AUTO);
	if (d.loop == NULL) {
		log_error("no event loop", LOG_STR("reason", strerrordesc_np(errno)));
		return EXIT_FAILURE;
	}
	start_watchers(&d);
	d.events = events_new(d.loop, options);
	if (start(&d, &err) < 0) {
		log_error("not started", LOG_STR("reason", err.msg));
		api_events_flush(d.events, options);
	} else {
		d.exit_code = EXIT_SUCCESS;
		(void)ev_run(d.loop, 0);
	}
	stop(&d);
	return d.exit_code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "cmd/log.h"
#include "cmd/monitor_impl.h"
#include "cmd/pages.h"
#include "cmd/process.h"
#include "cmd/version.h"

/* As Go names it, and dashboards. */
#if defined(__x86_64__)
#	define PLATFORM "linux/amd64"
#elif defined(__aarch64__)
#	define PLATFORM "linux/arm64"
#else
#	define PLATFORM "linux"
#endif

#if defined(__clang__)
#	define COMPILER __VERSION__
#else
#	define COMPILER "gcc " __VERSION__
#endif

static void refresh_health(struct monitor *m)
{
	const struct source *source = *m->setting.source;
	struct proxy_counts counts = proxy_planner_counts(m->setting.planner);
	const struct drift *drift = m->setting.drift;
	struct source_state state = { 0 };

	if (source != NULL) {
		source_state(source, &state);
		if (m->setting.gate->since_us != 0)
			state.trouble = "waiting for the Node's spec.podCIDRs";
		health_source(&m->health, source_is_complete(source) && m->setting.gate->is_open,
		              state.trouble);
		if (state.watches)
			health_watch(&m->health, state.contact_us, state.asked_us);
	}
	health_node(&m->health, counts.node_seen, counts.node_leaving);
	health_refused(&m->health, sync_held(m->setting.sync));
	health_drift(&m->health, drift->work == DRIFT_REPAIR ? drift->noticed_us : 0,
	             drift_is_backing_off(drift, clock_us()), drift->last.process);
}

/* ---- Answers ------------------------------------------------------------------------------------ */

static void answer_health(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	struct health_now now = { clock_us(), process_wall_ns() };
	struct monitor *m = ctx;
	const char *code;

	refresh_health(m);
	health_answer(&m->health, now, request, answer);
	code = answer->status == 200 ? "200" : "503";
	if (strcmp(request->path, "/healthz") == 0)
		metrics_add(m->metrics, METRIC_KP_HEALTHZ, 1, LABELS(code));
	else if (strcmp(request->path, "/livez") == 0)
		metrics_add(m->metrics, METRIC_KP_LIVEZ, 1, LABELS(code));
}

static void answer_page(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	struct monitor *m = ctx;
	struct pages pages = { m->setting.options, m->metrics, kubenft_version(), m->started_ns,
		               clock_us() - m->health.started_us };

	if (strcmp(request->path, "/metrics") == 0) {
		if (m->tally != NULL && !request->waited && tally_reader_start(&m->reader)) {
			answer->later = true;
			return;
		}
		refresh_health(m);
		monitor_scrape(m, clock_us());
	}
	pages_answer(&pages, request, answer);
}

static void on_counted(void *ctx)
{
	struct monitor *m = ctx;

	httpd_resume(m->servers[SERVER_METRICS]);
}

static void write_tally(void *ctx, const char *name, struct strbuf *out)
{
	struct monitor *m = ctx;

	if (tally_reader_can(&m->reader))
		tally_write(m->tally, name, out);
}

static bool is_healthy(void *ctx)
{
	struct monitor *m = ctx;

	refresh_health(m);
	return health_is_healthy(&m->health, clock_us());
}

/* ---- Events ------------------------------------------------------------------------------------- */

void monitor_changed(struct monitor *m, uint64_t event_us)
{
	double now_s = (double)process_wall_ns() / 1e9;

	health_changed(&m->health, event_us);
	for (size_t f = 0; f < 2; f++)
		metrics_set(m->metrics, METRIC_KP_SYNC_LAST_QUEUED, now_s,
		            LABELS(monitor_family(f)));
}

static void count_elements(struct monitor *m, const struct sync_report *report)
{
	for (size_t f = 0; f < 2; f++) {
		for (size_t map = 0; map < NFTX_MAP_COUNT; map++) {
			const struct nftx_map_change *change = &report->size.maps[f][map];
			int64_t *count = &m->elements[f][map];

			if (map == NFTX_AFFINITY)
				continue; /* packets fill it */
			if (report->refill || change->emptied)
				*count = 0;
			*count += change->added;
			metrics_set(
				m->metrics, METRIC_RULESET_ELEMENTS, (double)*count,
				LABELS(monitor_family(f), nftx_map_info((enum nftx_map)map)->name));
		}
	}
}

static void count_transaction(struct monitor *m, int ret, const struct sync_report *report)
{
	metrics_add(m->metrics, METRIC_TRANSACTIONS, 1,
	            LABELS(report->refill ? "refill" : "change", ret == 0 ? "ok" : "refused"));
	metrics_add(m->metrics, METRIC_TRANSACTION_BYTES, (double)report->size.bytes, NO_LABELS);
	metrics_add(m->metrics, METRIC_TRANSACTION_ELEMENTS, (double)report->size.elements,
	            NO_LABELS);
	metrics_add(m->metrics, METRIC_TRANSACTION_MESSAGES, (double)report->size.messages,
	            NO_LABELS);
	metrics_observe(m->metrics, METRIC_SYNC_PHASE_DURATION, (double)report->commit_us / 1e6,
	                LABELS("commit"));
}

static void observe_durations(struct monitor *m, const struct sync_report *report)
{
	double all_s = (double)(report->plan_us + report->build_us + report->commit_us) / 1e6;

	for (size_t f = 0; f < 2; f++) {
		metrics_observe(m->metrics, METRIC_KP_SYNC_DURATION, all_s,
		                LABELS(monitor_family(f)));
		metrics_observe(m->metrics,
		                report->refill ? METRIC_KP_SYNC_FULL_DURATION
		                               : METRIC_KP_SYNC_PARTIAL_DURATION,
		                all_s, LABELS(monitor_family(f)));
	}
	metrics_observe(m->metrics, METRIC_SYNC_PHASE_DURATION, (double)report->plan_us / 1e6,
	                LABELS("plan"));
	metrics_observe(m->metrics, METRIC_SYNC_PHASE_DURATION, (double)report->build_us / 1e6,
	                LABELS("build"));
}

/* What began before us is not our delay. */
static void observe_triggers(struct monitor *m, bool in_kernel)
{
	int64_t now_us = process_wall_ns() / 1000;
	struct proxy_trigger *list;
	size_t count = proxy_planner_take_triggers(m->setting.planner, &list);

	for (size_t i = 0; i < count && in_kernel; i++)
		if (list[i].at_us >= m->started_ns / 1000 && list[i].at_us <= now_us)
			metrics_observe(m->metrics, METRIC_KP_NETWORK_PROGRAMMING,
			                (double)(now_us - list[i].at_us) / 1e6,
			                LABELS(monitor_family(list[i].family == 6)));
	free(list);
}

static void arm_retry(struct monitor *m)
{
	if (ev_is_active(&m->retry))
		return;
	ev_timer_set(&m->retry, MONITOR_RETRY_S, 0.);
	ev_timer_start(m->setting.loop, &m->retry);
}

/* Everything is in the kernel: so it is said. */
static void follow_census(struct monitor *m)
{
	static const char *const policies[CENSUS_POLICIES] = { "internal", "external" };
	struct census_check *checks;
	const struct ipaddr *addresses;
	size_t address_count;
	size_t count;

	addresses = proxy_planner_health_addresses(m->setting.planner, &address_count);
	if (m->census_seen == census_changes(m->census) &&
	    health_ports_are_at(m->ports, addresses, address_count))
		return;
	m->census_seen = census_changes(m->census);
	count = census_checks(m->census, &checks);
	if (health_ports_apply(m->ports, checks, count, addresses, address_count))
		arm_retry(m);
	free(checks);
	for (size_t p = 0; p < CENSUS_POLICIES; p++)
		for (size_t f = 0; f < 2; f++)
			metrics_set(m->metrics, METRIC_KP_NO_LOCAL_ENDPOINTS,
			            (double)census_without_local(m->census, (enum census_policy)p,
			                                         f == 0 ? 4 : 6),
			            LABELS(monitor_family(f), policies[p]));
}

static void sync_succeeded(struct monitor *m, const struct sync_report *report,
                           struct health_now now, uint64_t since_us)
{
	struct proxy_counts counts = proxy_planner_counts(m->setting.planner);

	if (report->sent) {
		count_elements(m, report);
		if (report->refill && m->tally != NULL)
			tally_reader_refilled(&m->reader);
		if (since_us != 0)
			metrics_observe(m->metrics, METRIC_CHANGE_LATENCY,
			                (double)(now.us - since_us) / 1e6, NO_LABELS);
	}
	for (size_t f = 0; f < 2; f++)
		metrics_set(m->metrics, METRIC_KP_SYNC_LAST, (double)now.wall_ns / 1e9,
		            LABELS(monitor_family(f)));
	m->service_changes = counts.service_changes;
	m->slice_changes = counts.slice_changes;
	follow_census(m);
}

void monitor_synced(struct monitor *m, int ret, const struct sync_report *report,
                    const struct diags *diags, const char *reason, uint64_t since_us)
{
	struct health_now now = { clock_us(), process_wall_ns() };

	health_synced(&m->health, now, ret == 0 ? NULL : reason);
	observe_durations(m, report);
	observe_triggers(m, ret == 0);
	metrics_add(m->metrics, METRIC_DIAGNOSTICS, (double)diags->total, NO_LABELS);
	if (report->size.messages > 0)
		count_transaction(m, ret, report);
	for (size_t f = 0; f < 2; f++)
		metrics_add(m->metrics, METRIC_KP_SYNC_FAILURES, ret < 0,
		            LABELS(monitor_family(f)));
	if (ret == 0)
		sync_succeeded(m, report, now, since_us);
}

struct metrics *monitor_metrics(struct monitor *m)
{
	return m->metrics;
}

static void on_walked(void *ctx, uint64_t took_us)
{
	struct monitor *m = ctx;

	for (size_t f = 0; f < 2; f++) /* a walk looks through both */
		metrics_observe(m->metrics, METRIC_KP_CONNTRACK_DURATION, (double)took_us / 1e6,
		                LABELS(monitor_family(f)));
}

static void on_turn_begin(struct ev_loop *loop, ev_check *w, int events)
{
	struct monitor *m = w->data;

	(void)loop;
	(void)events;
	m->turn_us = clock_us();
}

static void on_turn_end(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct monitor *m = w->data;
	uint64_t now_us = clock_us();

	(void)loop;
	(void)events;
	if (m->turn_us == 0)
		return;
	(void)health_turned(&m->health, now_us, now_us - m->turn_us);
	metrics_observe(m->metrics, METRIC_LOOP_TURN_DURATION, (double)(now_us - m->turn_us) / 1e6,
	                NO_LABELS);
	m->turn_us = 0;
}

/* ---- Opening and closing ------------------------------------------------------------------------ */

static int listen_at(struct monitor *m, size_t i, struct err *err)
{
	struct place *place = &m->places[i];
	char text[BIND_TEXT];
	int ret = httpd_listen(m->servers[i], &place->bind.addr, place->bind.port, true,
	                       place->answer, m, &place->listener, err);

	if (ret == 0 && place->failed)
		log_info("listening", LOG_STR("server", monitor_server(i)),
		         LOG_STR("address", bind_format(&place->bind, text)));
	else if (ret < 0 && !place->failed)
		log_warning("not listening, to be tried again",
		            LOG_STR("server", monitor_server(i)), LOG_STR("reason", err->msg));
	place->failed = ret < 0;
	return ret;
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
	struct monitor *m = w->data;
	bool again = health_ports_retry(m->ports);
	struct err err = { 0 };

	(void)loop;
	(void)events;
	for (size_t i = 0; i < ARRAY_LEN(m->places); i++)
		if (m->places[i].listener == NULL && m->places[i].bind.port != 0 &&
		    listen_at(m, i, &err) < 0)
			again = true;
	if (again)
		arm_retry(m);
}

static void on_port_failed(void *ctx, const char *service, uint16_t port, const char *reason)
{
	struct monitor *m = ctx;

	events_health_port_failed(m->setting.events, service, port, reason);
}

static int open_servers(struct monitor *m, struct err *err)
{
	static const enum events_server told_as[] = {
		[SERVER_HEALTH] = EVENTS_HEALTH, [SERVER_METRICS] = EVENTS_METRICS
	};
	const struct options *options = m->setting.options;

	m->places[SERVER_HEALTH] =
		(struct place){ .bind = options->healthz_bind, .answer = answer_health };
	m->places[SERVER_METRICS] =
		(struct place){ .bind = options->metrics_bind, .answer = answer_page };
	for (size_t i = 0; i < SERVERS; i++) {
		int ret = httpd_new(m->setting.loop, HTTPD_DEADLINE_US, &m->servers[i], err);

		if (ret < 0)
			return ret;
	}
	m->ports = health_ports_new(m->servers[SERVER_PORTS], process_raise_fds(), is_healthy, m);
	health_ports_watch(m->ports, on_port_failed);
	for (size_t i = 0; i < ARRAY_LEN(m->places); i++) {
		int ret = m->places[i].bind.port != 0 ? listen_at(m, i, err) : 0;

		if (ret < 0 && options->bind_hard_fail) {
			events_server_failed(m->setting.events, told_as[i], err->msg);
			return ret;
		}
		if (ret < 0)
			arm_retry(m);
	}
	return 0;
}

static void watch_turns(struct monitor *m)
{
	ev_check_init(&m->turn_begin, on_turn_begin);
	ev_prepare_init(&m->turn_end, on_turn_end);
	m->turn_begin.data = m->turn_end.data = m;
	/* around everything else that happens in a turn */
	ev_set_priority(&m->turn_begin, EV_MAXPRI);
	ev_set_priority(&m->turn_end, EV_MINPRI);
	ev_check_start(m->setting.loop, &m->turn_begin);
	ev_prepare_start(m->setting.loop, &m->turn_end);
}

static void open_tally(struct monitor *m)
{
	uint8_t seed[16] = { 0 };

	/* fails only before the kernel has any entropy; the hash table then lacks its guard */
	(void)!getrandom(seed, sizeof(seed), GRND_NONBLOCK);
	m->tally = tally_new(seed);
	tally_reader_init(&m->reader, m->setting.loop, m->tally, on_counted, m);
	metrics_keep_elsewhere(m->metrics, METRIC_SERVICE_CONNECTIONS, write_tally, m);
}

/* A sync that fails is tried again after the syncPeriod at the latest. */
static uint64_t longest_pause(const struct options *options)
{
	return options->sync_period_us > HEALTH_IDLE_US ? options->sync_period_us : HEALTH_IDLE_US;
}

int monitor_open(const struct monitor_setting *setting, struct monitor **out, struct err *err)
{
	struct monitor *m = xcalloc(1, sizeof(*m));
	const char *version = kubenft_version();
	int ret;

	m->setting = *setting;
	m->started_ns = process_wall_ns();
	m->metrics = metrics_new();
	m->census = census_new();
	m->census_seen = UINT64_MAX; /* nothing was followed yet */
	health_init(&m->health, clock_us(),
	            HEALTH_TIMEOUT_US + setting->options->min_sync_period_us,
	            longest_pause(setting->options));
	monitor_changed(m, m->health.started_us);
	metrics_set(m->metrics, METRIC_PROCESS_START, (double)m->started_ns / 1e9, NO_LABELS);
	metrics_set(m->metrics, METRIC_BUILD_INFO, 1, LABELS(version));
	metrics_set(m->metrics, METRIC_KUBERNETES_BUILD_INFO, 1,
	            LABELS(COMPILER, version, "", "", PLATFORM));
	ev_init(&m->retry, on_retry);
	m->retry.data = m;
	ret = open_servers(m, err);
	if (ret < 0) {
		monitor_close(m);
		return ret;
	}
	watch_turns(m);
	if (setting->options->count_connections)
		open_tally(m);
	sync_set_census(setting->sync, m->census);
	sync_set_tally(setting->sync, m->tally);
	flow_walk_watch(setting->flow_walk, on_walked, m);
	*out = m;
	return 0;
}

void monitor_close(struct monitor *m)
{
	if (m == NULL)
		return;
	sync_set_census(m->setting.sync, NULL);
	sync_set_tally(m->setting.sync, NULL);
	flow_walk_watch(m->setting.flow_walk, NULL, NULL);
	ev_timer_stop(m->setting.loop, &m->retry);
	ev_check_stop(m->setting.loop, &m->turn_begin);
	ev_prepare_stop(m->setting.loop, &m->turn_end);
	tally_reader_close(&m->reader);
	health_ports_free(m->ports);
	for (size_t i = 0; i < SERVERS; i++)
		httpd_free(m->servers[i]);
	census_free(m->census);
	tally_free(m->tally);
	metrics_free(m->metrics);
	free(m);
}

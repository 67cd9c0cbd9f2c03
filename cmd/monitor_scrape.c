/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is counted elsewhere, taken over into the metrics when somebody asks for them. */
#include "cmd/monitor_impl.h"
#include "cmd/process.h"

const char *monitor_family(size_t index)
{
	return index == 0 ? "IPv4" : "IPv6";
}

const char *monitor_server(size_t index)
{
	static const char *const names[SERVERS] = { "health", "metrics", "health_ports" };

	return names[index];
}

static double seconds_since(uint64_t now_us, uint64_t since_us)
{
	return since_us != 0 && now_us > since_us ? (double)(now_us - since_us) / 1e6 : 0;
}

/* Who never heard anything has waited since the start. */
static double silence(const struct monitor *m, const struct source_kind *kind, uint64_t now_us)
{
	if (kind->is_absent)
		return 0;
	return seconds_since(now_us,
	                     kind->contact_us != 0 ? kind->contact_us : m->health.started_us);
}

static void refresh_source_metrics(struct monitor *m, uint64_t now_us)
{
	const struct source *source = *m->setting.source;
	struct source_state state = { 0 };

	if (source == NULL)
		return;
	source_state(source, &state);
	if (state.reads + state.failed_reads > 0) {
		metrics_set(m->metrics, METRIC_SOURCE_READS, (double)state.reads, LABELS("ok"));
		metrics_set(m->metrics, METRIC_SOURCE_READS, (double)state.failed_reads,
		            LABELS("error"));
	}
	for (size_t kind = 1; kind < SOURCE_KINDS && state.watches; kind++) {
		const char *name = proxy_kind_name((enum proxy_kind)kind);

		metrics_set(m->metrics, METRIC_WATCH_AGE, silence(m, &state.kinds[kind], now_us),
		            LABELS(name));
		metrics_set(m->metrics, METRIC_RELISTS, (double)state.kinds[kind].relists,
		            LABELS(name));
	}
}

static void refresh_object_metrics(struct monitor *m)
{
	struct proxy_counts counts = proxy_planner_counts(m->setting.planner);

	metrics_set(m->metrics, METRIC_OBJECTS, (double)counts.services, LABELS("Service"));
	metrics_set(m->metrics, METRIC_OBJECTS, (double)counts.slices, LABELS("EndpointSlice"));
	metrics_set(m->metrics, METRIC_OBJECTS, (double)counts.service_cidrs,
	            LABELS("ServiceCIDR"));
	metrics_set(m->metrics, METRIC_OBJECTS, counts.node_known, LABELS("Node"));
	metrics_set(m->metrics, METRIC_KP_SERVICE_CHANGES, (double)counts.service_changes,
	            NO_LABELS);
	metrics_set(m->metrics, METRIC_KP_ENDPOINT_CHANGES, (double)counts.slice_changes,
	            NO_LABELS);
	metrics_set(m->metrics, METRIC_KP_SERVICE_CHANGES_PENDING,
	            (double)(counts.service_changes - m->service_changes), NO_LABELS);
	metrics_set(m->metrics, METRIC_KP_ENDPOINT_CHANGES_PENDING,
	            (double)(counts.slice_changes - m->slice_changes), NO_LABELS);
}

static void refresh_health_metrics(struct monitor *m, uint64_t now_us)
{
	struct health_verdict verdict;

	health_judge(&m->health, now_us, &verdict);
	metrics_set(m->metrics, METRIC_NODE_ELIGIBLE, verdict.eligible, NO_LABELS);
	metrics_set(m->metrics, METRIC_PENDING_CHANGE_AGE,
	            seconds_since(now_us, m->health.pending_us), NO_LABELS);
	metrics_set(m->metrics, METRIC_DRIFT_UNREPAIRED, seconds_since(now_us, m->health.drift_us),
	            NO_LABELS);
	metrics_set(m->metrics, METRIC_LOOP_STALLS, (double)m->health.stalls, NO_LABELS);
	metrics_set(m->metrics, METRIC_SERVICES_REFUSED, (double)sync_held(m->setting.sync),
	            NO_LABELS);
	metrics_set(m->metrics, METRIC_TABLES_OWNED, sync_owns(m->setting.sync), NO_LABELS);
}

static void refresh_work_metrics(struct monitor *m)
{
	struct nftx_flow_stats flows = flow_walk_stats(m->setting.flow_walk);

	metrics_set(m->metrics, METRIC_AFFINITY_PURGED, (double)m->setting.purge->purged,
	            NO_LABELS);
	metrics_set(m->metrics, METRIC_CONNTRACK_FAILURES, (double)flows.failed, NO_LABELS);
	metrics_set(m->metrics, METRIC_KP_CONNTRACK_DELETED,
	            (double)(flows.deleted - flows.deleted_ip6), LABELS(monitor_family(0)));
	metrics_set(m->metrics, METRIC_KP_CONNTRACK_DELETED, (double)flows.deleted_ip6,
	            LABELS(monitor_family(1)));
	for (size_t f = 0; f < 2; f++) /* a purge is one transaction for both */
		metrics_set(m->metrics, METRIC_KP_CLEANUP_FAILURES,
		            (double)m->setting.purge->failures, LABELS(monitor_family(f)));
}

static void refresh_drift_metrics(struct monitor *m)
{
	const struct drift *drift = m->setting.drift;

	metrics_set(m->metrics, METRIC_REPAIRS, (double)drift->repairs, NO_LABELS);
	for (size_t i = 0; i < drift->culprit_count; i++) {
		const char *process = drift->culprits[i].process;

		metrics_set(m->metrics, METRIC_DRIFT, (double)drift->culprits[i].count,
		            LABELS(*process != '\0' ? process : "(unknown)"));
	}
	if (drift->unlisted > 0)
		metrics_set(m->metrics, METRIC_DRIFT, (double)drift->unlisted, LABELS("(others)"));
}

static void refresh_server_metrics(struct monitor *m)
{
	struct health_ports_stats ports = health_ports_stats(m->ports);

	for (size_t i = 0; i < SERVERS; i++) {
		struct httpd_stats stats = httpd_stats(m->servers[i]);
		const char *name = monitor_server(i);

		metrics_set(m->metrics, METRIC_HTTP_CONNECTIONS, stats.open, LABELS(name));
		metrics_set(m->metrics, METRIC_HTTP_ACCEPTED, (double)stats.accepted, LABELS(name));
		metrics_set(m->metrics, METRIC_HTTP_CLOSED, (double)stats.evicted,
		            LABELS("evicted", name));
		metrics_set(m->metrics, METRIC_HTTP_CLOSED, (double)stats.expired,
		            LABELS("expired", name));
	}
	for (size_t f = 0; f < 2; f++) {
		metrics_set(m->metrics, METRIC_HEALTH_PORTS, (double)ports.listening[f],
		            LABELS(monitor_family(f)));
		metrics_set(m->metrics, METRIC_HEALTH_PORT_FAILURES, (double)ports.failures[f],
		            LABELS(monitor_family(f)));
	}
}

static void refresh_event_metrics(struct monitor *m)
{
	struct watch_record_status events = events_status(m->setting.events);

	if (m->setting.events == NULL)
		return;
	metrics_set(m->metrics, METRIC_EVENTS, (double)events.created, LABELS("created"));
	metrics_set(m->metrics, METRIC_EVENTS, (double)events.updated, LABELS("updated"));
	metrics_set(m->metrics, METRIC_EVENTS, (double)events.dropped, LABELS("dropped"));
	metrics_set(m->metrics, METRIC_EVENTS, (double)events.refused, LABELS("refused"));
	metrics_set(m->metrics, METRIC_EVENTS, (double)events.failed, LABELS("failed"));
}

static void refresh_process_metrics(struct monitor *m)
{
	struct process_usage usage = process_usage();

	metrics_set(m->metrics, METRIC_PROCESS_CPU, usage.cpu_s, NO_LABELS);
	metrics_set(m->metrics, METRIC_PROCESS_MAX_FDS, (double)usage.max_fds, NO_LABELS);
	metrics_set(m->metrics, METRIC_PROCESS_OPEN_FDS, (double)usage.open_fds, NO_LABELS);
	metrics_set(m->metrics, METRIC_PROCESS_RESIDENT, (double)usage.resident_bytes, NO_LABELS);
	metrics_set(m->metrics, METRIC_PROCESS_VIRTUAL, (double)usage.virtual_bytes, NO_LABELS);
	metrics_set(m->metrics, METRIC_PROCESS_VIRTUAL_MAX, (double)usage.virtual_max_bytes,
	            NO_LABELS);
}

static void refresh_tally_metrics(struct monitor *m)
{
	if (m->tally != NULL && !tally_reader_can(&m->reader))
		metrics_add(m->metrics, METRIC_SERIES_DROPPED, (double)tally_series(m->tally),
		            NO_LABELS);
}

void monitor_scrape(struct monitor *m, uint64_t now_us)
{
	refresh_source_metrics(m, now_us);
	refresh_object_metrics(m);
	refresh_health_metrics(m, now_us);
	refresh_work_metrics(m);
	refresh_drift_metrics(m);
	refresh_server_metrics(m);
	refresh_event_metrics(m);
	refresh_process_metrics(m);
	refresh_tally_metrics(m);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "cmd/metrics.h"

/* kube-proxy's for syncs: doubling from a millisecond. */
static const double sync_s[] = { 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
	                         0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384 };

/* kube-proxy's for network programming: 0.25, 0.5, by 1 to 59, by 5 to 115, by 30 to 300. */
static const double programming_s[] = {
	0.25, 0.5, 1,  2,  3,  4,   5,   6,   7,   8,   9,   10,  11,  12,  13,  14,
	15,   16,  17, 18, 19, 20,  21,  22,  23,  24,  25,  26,  27,  28,  29,  30,
	31,   32,  33, 34, 35, 36,  37,  38,  39,  40,  41,  42,  43,  44,  45,  46,
	47,   48,  49, 50, 51, 52,  53,  54,  55,  56,  57,  58,  59,  60,  65,  70,
	75,   80,  85, 90, 95, 100, 105, 110, 115, 120, 150, 180, 210, 240, 270, 300,
};

/* client-go's. */
static const double request_s[] = { 0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60 };

/* Ours: a single change is tens of microseconds. */
static const double fine_s[] = { 0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01,
	                         0.03,    0.1,     0.3,    1,      3,     10 };

/* The labels come last, in alphabetical order; NULL: none. */
#define METRIC(id, kind, n, h, ...)                                                        \
	[METRIC_##id] = {                                                                  \
		.name = (n), .type = METRIC_##kind, .labels = { __VA_ARGS__ }, .help = (h) \
	}
#define COUNTER(id, n, h, ...) METRIC(id, COUNTER, n, h, __VA_ARGS__)
#define GAUGE(id, n, h, ...) METRIC(id, GAUGE, n, h, __VA_ARGS__)
#define HISTOGRAM(id, n, array, h, ...)                     \
	[METRIC_##id] = { .name = (n),                      \
		          .type = METRIC_HISTOGRAM,         \
		          .labels = { __VA_ARGS__ },        \
		          .buckets = (array),               \
		          .bucket_count = ARRAY_LEN(array), \
		          .help = (h) }

static const struct metric_info table[METRIC_COUNT] = {
	COUNTER(AFFINITY_PURGED, "kubenft_affinity_purged_total",
	        "Session affinity records deleted because they led nowhere any more.", NULL),
	GAUGE(BUILD_INFO, "kubenft_build_info", "1; the version that runs.", "version"),
	HISTOGRAM(CHANGE_LATENCY, "kubenft_change_latency_seconds", fine_s,
	          "Time from the moment a change was noticed until it was in the kernel.", NULL),
	COUNTER(CONNTRACK_FAILURES, "kubenft_conntrack_failures_total",
	        "Deletions of stale flows that the kernel refused.", NULL),
	COUNTER(DIAGNOSTICS, "kubenft_diagnostics_total",
	        "Findings about objects: what was left out or is served in another way than "
	        "written.",
	        NULL),
	COUNTER(DRIFT, "kubenft_drift_total",
	        "Transactions of others that touched our tables, by process.", "culprit"),
	GAUGE(DRIFT_UNREPAIRED, "kubenft_drift_unrepaired_seconds",
	      "Time since our tables were changed by somebody else and not repaired; 0 when they "
	      "are ours.",
	      NULL),
	COUNTER(EVENTS, "kubenft_events_total",
	        "Events for the API server: created and updated (the count of a series) there, "
	        "refused by it, failed (tried in vain), dropped (too many at once).",
	        "result"),
	COUNTER(HEALTH_PORT_FAILURES, "kubenft_health_port_failures_total",
	        "Failed attempts to listen at a Service's healthCheckNodePort.", "ip_family"),
	GAUGE(HEALTH_PORTS, "kubenft_health_ports", "Sockets that listen at healthCheckNodePorts.",
	      "ip_family"),
	COUNTER(HTTP_CLOSED, "kubenft_http_closed_total",
	        "HTTP connections that were closed before their end: expired (too slow), evicted "
	        "(for another one).",
	        "reason", "server"),
	GAUGE(HTTP_CONNECTIONS, "kubenft_http_connections", "HTTP connections that are open.",
	      "server"),
	COUNTER(HTTP_ACCEPTED, "kubenft_http_connections_total",
	        "HTTP connections that were accepted.", "server"),
	COUNTER(LOOP_STALLS, "kubenft_loop_stalls_total",
	        "Turns of the event loop that took 50 ms or longer.", NULL),
	HISTOGRAM(LOOP_TURN_DURATION, "kubenft_loop_turn_duration_seconds", fine_s,
	          "Time the event loop was busy before it waited again.", NULL),
	GAUGE(NODE_ELIGIBLE, "kubenft_node_eligible",
	      "1 when load balancers may send traffic to this node: its Node is known and not "
	      "about to be removed.",
	      NULL),
	GAUGE(OBJECTS, "kubenft_objects", "Objects that are known.", "kind"),
	GAUGE(PENDING_CHANGE_AGE, "kubenft_pending_change_age_seconds",
	      "Age of the oldest change that is not in the kernel; 0 when all are.", NULL),
	COUNTER(RELISTS, "kubenft_relists_total",
	        "Complete lists that were taken from the API server after the first one.",
	        "resource"),
	COUNTER(REPAIRS, "kubenft_repairs_total",
	        "Repairs of our tables after somebody else changed them.", NULL),
	GAUGE(RULESET_ELEMENTS, "kubenft_ruleset_elements",
	      "Elements in each set and map of our tables, as our own transactions made them; "
	      "affinity, which packets fill, is left out.",
	      "ip_family", "map"),
	COUNTER(SERIES_DROPPED, "kubenft_series_dropped_total",
	        "Values that were not kept because their metric had too many combinations of "
	        "labels.",
	        NULL),
	COUNTER(SERVICE_CONNECTIONS, "kubenft_service_new_connections_total",
	        "New connections to each port of a Service, of both families and to all of its "
	        "addresses: attempts, also refused and dropped ones. With --count-connections.",
	        "port", "protocol", "service_name", "service_namespace"),
	GAUGE(SERVICES_REFUSED, "kubenft_services_refused",
	      "Services that are left out, or kept in an older form, because the kernel refuses "
	      "them.",
	      NULL),
	COUNTER(SOURCE_READS, "kubenft_source_reads_total",
	        "Readings of the file or directory of objects: ok, error.", "result"),
	HISTOGRAM(SYNC_PHASE_DURATION, "kubenft_sync_phase_duration_seconds", fine_s,
	          "Time for a sync's phases: plan (which endpoints are behind what), build (the "
	          "difference, as messages), commit (inside the kernel).",
	          "phase"),
	GAUGE(TABLES_OWNED, "kubenft_tables_owned",
	      "1 when the kernel lets nobody else change our tables.", NULL),
	COUNTER(TRANSACTION_BYTES, "kubenft_transaction_bytes_total",
	        "Bytes sent to the kernel in transactions.", NULL),
	COUNTER(TRANSACTION_ELEMENTS, "kubenft_transaction_elements_total",
	        "Elements added and deleted in transactions.", NULL),
	COUNTER(TRANSACTION_MESSAGES, "kubenft_transaction_messages_total",
	        "Netlink messages sent in transactions.", NULL),
	COUNTER(TRANSACTIONS, "kubenft_transactions_total",
	        "Transactions of nf_tables: kind refill (everything anew) or change, result ok or "
	        "refused.",
	        "kind", "result"),
	GAUGE(WATCH_AGE, "kubenft_watch_age_seconds",
	      "Time since the API server's last word about a resource, or since the start when "
	      "there was none; 0 for one that the cluster does not have or does not let us "
	      "read.",
	      "resource"),
	COUNTER(KP_CONNTRACK_DELETED, "kubeproxy_conntrack_reconciler_deleted_entries_total",
	        "[ALPHA] Stale flows deleted from connection tracking.", "ip_family"),
	HISTOGRAM(KP_CONNTRACK_DURATION, "kubeproxy_conntrack_reconciler_sync_duration_seconds",
	          sync_s, "[ALPHA] Time for looking through connection tracking.", "ip_family"),
	HISTOGRAM(KP_NETWORK_PROGRAMMING, "kubeproxy_network_programming_duration_seconds",
	          programming_s,
	          "[ALPHA] Time from the change of a pod or Service (last-change-trigger-time) "
	          "until it was in the kernel.",
	          "ip_family"),
	COUNTER(KP_HEALTHZ, "kubeproxy_proxy_healthz_total",
	        "[ALPHA] Answers of /healthz, by status code.", "code"),
	COUNTER(KP_LIVEZ, "kubeproxy_proxy_livez_total",
	        "[ALPHA] Answers of /livez, by status code.", "code"),
	HISTOGRAM(KP_SYNC_FULL_DURATION, "kubeproxy_sync_full_proxy_rules_duration_seconds", sync_s,
	          "[ALPHA] Time for syncs that filled everything anew.", "ip_family"),
	HISTOGRAM(KP_SYNC_PARTIAL_DURATION, "kubeproxy_sync_partial_proxy_rules_duration_seconds",
	          sync_s, "[ALPHA] Time for syncs that sent what had changed.", "ip_family"),
	HISTOGRAM(KP_SYNC_DURATION, "kubeproxy_sync_proxy_rules_duration_seconds", sync_s,
	          "[ALPHA] Time for syncs.", "ip_family"),
	GAUGE(KP_ENDPOINT_CHANGES_PENDING, "kubeproxy_sync_proxy_rules_endpoint_changes_pending",
	      "[ALPHA] Changes of EndpointSlices that are not in the kernel.", NULL),
	COUNTER(KP_ENDPOINT_CHANGES, "kubeproxy_sync_proxy_rules_endpoint_changes_total",
	        "[ALPHA] Changes of EndpointSlices.", NULL),
	GAUGE(KP_SYNC_LAST_QUEUED, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
	      "[ALPHA] Unix time of the last request for a sync.", "ip_family"),
	GAUGE(KP_SYNC_LAST, "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
	      "[ALPHA] Unix time of the last sync that succeeded.", "ip_family"),
	COUNTER(KP_CLEANUP_FAILURES, "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total",
	        "[ALPHA] Failed transactions that only clean up: the purge of session affinity.",
	        "ip_family"),
	COUNTER(KP_SYNC_FAILURES, "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
	        "[ALPHA] Failed syncs.", "ip_family"),
	GAUGE(KP_NO_LOCAL_ENDPOINTS, "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
	      "[ALPHA] Service ports of policy Local that have endpoints, but none on this node; "
	      "traffic_policy internal or external.",
	      "ip_family", "traffic_policy"),
	GAUGE(KP_SERVICE_CHANGES_PENDING, "kubeproxy_sync_proxy_rules_service_changes_pending",
	      "[ALPHA] Changes of Services that are not in the kernel.", NULL),
	COUNTER(KP_SERVICE_CHANGES, "kubeproxy_sync_proxy_rules_service_changes_total",
	        "[ALPHA] Changes of Services.", NULL),
	GAUGE(KUBERNETES_BUILD_INFO, "kubernetes_build_info",
	      "[BETA] 1; what runs, with kube-proxy's labels as far as they have a meaning.",
	      "compiler", "git_version", "major", "minor", "platform"),
	COUNTER(PROCESS_CPU, "process_cpu_seconds_total",
	        "Time the process has spent on processors, in user mode and in the kernel.", NULL),
	GAUGE(PROCESS_MAX_FDS, "process_max_fds", "Descriptors the process may have open.", NULL),
	GAUGE(PROCESS_OPEN_FDS, "process_open_fds", "Descriptors the process has open.", NULL),
	GAUGE(PROCESS_RESIDENT, "process_resident_memory_bytes", "Resident memory.", NULL),
	GAUGE(PROCESS_START, "process_start_time_seconds",
	      "Unix time at which the process started.", NULL),
	GAUGE(PROCESS_VIRTUAL, "process_virtual_memory_bytes", "Virtual memory.", NULL),
	GAUGE(PROCESS_VIRTUAL_MAX, "process_virtual_memory_max_bytes",
	      "Virtual memory the process may have.", NULL),
	HISTOGRAM(REST_DURATION, "rest_client_request_duration_seconds", request_s,
	          "[ALPHA] Time until the API server answered.", "host", "verb"),
	COUNTER(REST_REQUESTS, "rest_client_requests_total",
	        "[ALPHA] Requests to the API server, by status code (<error>: none came).", "code",
	        "host", "method"),
};

const struct metric_info *metric_info(enum metric metric)
{
	return &table[metric];
}

const char *metric_type_name(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	}
	return "";
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_METRICS_H
#define CMD_METRICS_H

/*
 * Counters, gauges and histograms as plain values, and Prometheus' text of them
 * (format 0.0.4). Nothing registers itself: one table says all there can be, and README's
 * "Metrics" is compared with it.
 *
 * Names that begin with kubeproxy_ are kube-proxy's, with its types, labels and
 * buckets (kube-proxy-behaviour.md, section 6).
 */

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define METRICS_MAX_LABELS 5
#define METRICS_MAX_SERIES 64 /* of one metric; further ones are dropped and counted */

/* In the order of their names, as the text has them. */
enum metric {
	METRIC_AFFINITY_PURGED,
	METRIC_BUILD_INFO,
	METRIC_CHANGE_LATENCY,
	METRIC_CONNTRACK_FAILURES,
	METRIC_DIAGNOSTICS,
	METRIC_DRIFT,
	METRIC_DRIFT_UNREPAIRED,
	METRIC_EVENTS,
	METRIC_HEALTH_PORT_FAILURES,
	METRIC_HEALTH_PORTS,
	METRIC_HTTP_CLOSED,
	METRIC_HTTP_CONNECTIONS,
	METRIC_HTTP_ACCEPTED,
	METRIC_LOOP_STALLS,
	METRIC_LOOP_TURN_DURATION,
	METRIC_NODE_ELIGIBLE,
	METRIC_OBJECTS,
	METRIC_PENDING_CHANGE_AGE,
	METRIC_RELISTS,
	METRIC_REPAIRS,
	METRIC_RULESET_ELEMENTS,
	METRIC_SERIES_DROPPED,
	METRIC_SERVICE_CONNECTIONS,
	METRIC_SERVICES_REFUSED,
	METRIC_SOURCE_READS,
	METRIC_SYNC_PHASE_DURATION,
	METRIC_TABLES_OWNED,
	METRIC_TRANSACTION_BYTES,
	METRIC_TRANSACTION_ELEMENTS,
	METRIC_TRANSACTION_MESSAGES,
	METRIC_TRANSACTIONS,
	METRIC_WATCH_AGE,

	METRIC_KP_CONNTRACK_DELETED,
	METRIC_KP_CONNTRACK_DURATION,
	METRIC_KP_NETWORK_PROGRAMMING,
	METRIC_KP_HEALTHZ,
	METRIC_KP_LIVEZ,
	METRIC_KP_SYNC_FULL_DURATION,
	METRIC_KP_SYNC_PARTIAL_DURATION,
	METRIC_KP_SYNC_DURATION,
	METRIC_KP_ENDPOINT_CHANGES_PENDING,
	METRIC_KP_ENDPOINT_CHANGES,
	METRIC_KP_SYNC_LAST_QUEUED,
	METRIC_KP_SYNC_LAST,
	METRIC_KP_CLEANUP_FAILURES,
	METRIC_KP_SYNC_FAILURES,
	METRIC_KP_NO_LOCAL_ENDPOINTS,
	METRIC_KP_SERVICE_CHANGES_PENDING,
	METRIC_KP_SERVICE_CHANGES,

	METRIC_KUBERNETES_BUILD_INFO,

	METRIC_PROCESS_CPU,
	METRIC_PROCESS_MAX_FDS,
	METRIC_PROCESS_OPEN_FDS,
	METRIC_PROCESS_RESIDENT,
	METRIC_PROCESS_START,
	METRIC_PROCESS_VIRTUAL,
	METRIC_PROCESS_VIRTUAL_MAX,

	METRIC_REST_DURATION,
	METRIC_REST_REQUESTS,

	METRIC_COUNT,
};

enum metric_type {
	METRIC_COUNTER = 1,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
};

struct metric_info {
	const char *name;
	enum metric_type type;
	const char *labels[METRICS_MAX_LABELS + 1]; /* names, in alphabetical order */
	const double *buckets;                      /* upper bounds, without +Inf */
	size_t bucket_count;
	const char *help;
};

/** metric_info() - what @metric is. */
const struct metric_info *metric_info(enum metric metric);

/** metric_type_name() - "counter", "gauge", "histogram". */
const char *metric_type_name(enum metric_type type);

/* The values of a metric's labels, in the order of its names. NO_LABELS for those without. */
#define LABELS(...) ((const char *const[METRICS_MAX_LABELS + 1]){ __VA_ARGS__ })
#define NO_LABELS LABELS(NULL)

struct metrics; /* opaque: all values */

/** metrics_new() - metrics without labels are there with 0, others have no series yet.
 *
 * Return: release with metrics_free().
 */
struct metrics *metrics_new(void);

/** metrics_free() - NULL is a no-op. */
void metrics_free(struct metrics *metrics);

/** metrics_add() - add to a counter or a gauge. */
void metrics_add(struct metrics *metrics, enum metric metric, double n, const char *const *labels);

/** metrics_set() - set a gauge, or a counter that is kept elsewhere. */
void metrics_set(struct metrics *metrics, enum metric metric, double value,
                 const char *const *labels);

/** metrics_observe() - one observation of a histogram. */
void metrics_observe(struct metrics *metrics, enum metric metric, double value,
                     const char *const *labels);

/** metrics_get() - the value of a counter or gauge, the number of a histogram's observations; 0 for
 *  a series that is not there. */
double metrics_get(const struct metrics *metrics, enum metric metric, const char *const *labels);

/** Appends the lines of a metric whose values are kept elsewhere. */
typedef void (*metrics_write_fn)(void *ctx, const char *name, struct strbuf *out);

/** metrics_keep_elsewhere() - @write knows the values of a counter or gauge: it has more of them than
 *  are kept here. Those that metrics_add() and metrics_set() were given are written, too. */
void metrics_keep_elsewhere(struct metrics *metrics, enum metric metric, metrics_write_fn write,
                            void *ctx);

/** metrics_escape() - append @len bytes of a label's value, as the format asks for: in UTF-8. */
void metrics_escape(struct strbuf *out, const char *text, size_t len);

/** metrics_write() - append all of it as text; sorted, so that the same values give the same text. */
void metrics_write(const struct metrics *metrics, struct strbuf *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_MONITOR_H
#define CMD_MONITOR_H

/*
 * What the daemon tells about itself: health, metrics and healthCheckNodePorts, and
 * the servers that answer. The daemon's parts say what happens through the functions
 * below; what they can be asked for is asked when somebody wants to know it.
 */

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "cmd/census.h"
#include "cmd/drift.h"
#include "cmd/events.h"
#include "cmd/flow_walk.h"
#include "cmd/ip_check.h"
#include "cmd/metrics.h"
#include "cmd/options.h"
#include "cmd/purge.h"
#include "cmd/source.h"
#include "cmd/sync.h"
#include "proxy/planner.h"

/* An address that cannot be listened on is tried again after this time. */
#define MONITOR_RETRY_S 5.

struct monitor; /* opaque */

/** What is watched; all borrowed. */
struct monitor_setting {
	struct ev_loop *loop;
	const struct options *options;
	struct events *events; /* may be NULL */
	struct proxy_planner *planner;
	struct sync *sync;
	const struct purge *purge;
	struct flow_walk *flow_walk;
	const struct drift *drift;
	struct source *const *source; /* points to NULL until it was opened */
	const struct ip_gate *gate;
};

/** monitor_open() - listen, and begin to watch.
 *
 * What cannot be listened on is logged and tried again, unless options.bind_hard_fail.
 *
 * Return: 0 or a negative errno.
 */
int monitor_open(const struct monitor_setting *setting, struct monitor **out,
                 struct err *err) MUST_CHECK;

/** monitor_close() - NULL is a no-op. */
void monitor_close(struct monitor *monitor);

/** monitor_changed() - something came that is not in the kernel. */
void monitor_changed(struct monitor *monitor, uint64_t event_us);

/** monitor_synced() - a sync ended.
 *
 * @ret: what sync_run() returned, with its @report and @diags.
 * @reason: if that is negative.
 * @since_us: when the oldest change in it was noticed; 0: there was none.
 */
void monitor_synced(struct monitor *monitor, int ret, const struct sync_report *report,
                    const struct diags *diags, const char *reason, uint64_t since_us);

/** monitor_metrics() - for what is counted elsewhere. */
struct metrics *monitor_metrics(struct monitor *monitor);

#endif

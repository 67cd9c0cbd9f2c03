/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_API_METRICS_H
#define CMD_API_METRICS_H

/*
 * Requests to the API server, counted as client-go counts its own.
 */

#include <stdint.h>

#include "cmd/metrics.h"

#define API_METRICS_HOST 256

/** Who is asked. */
struct api_metrics {
	struct metrics *metrics; /* NULL: nothing is counted */
	char host[API_METRICS_HOST];
};

/** api_metrics_init() - @metrics is borrowed.
 *
 * @server: its URL, from which the label "host" is: host and port.
 */
void api_metrics_init(struct api_metrics *am, struct metrics *metrics, const char *server);

/** api_metrics_answered() - a request was answered, or came to nothing.
 *
 * @verb: its method, as HTTP has it.
 * @status: of the answer; 0: there was none.
 * @took_us: until its head was there, or it was clear that none would come.
 */
void api_metrics_answered(struct api_metrics *am, const char *verb, unsigned status,
                          uint64_t took_us);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/api_metrics.h"

#include <stdio.h>
#include <string.h>

void api_metrics_init(struct api_metrics *am, struct metrics *metrics, const char *server)
{
	const char *host = strstr(server, "://");

	am->metrics = metrics;
	host = host != NULL ? host + 3 : server;
	(void)snprintf(am->host, sizeof(am->host), "%.*s", (int)strcspn(host, "/"), host);
}

void api_metrics_answered(struct api_metrics *am, const char *verb, unsigned status,
                          uint64_t took_us)
{
	char code[16] = "<error>"; /* as client-go has it */

	if (am->metrics == NULL)
		return;
	if (status != 0)
		(void)snprintf(code, sizeof(code), "%u", status);
	metrics_add(am->metrics, METRIC_REST_REQUESTS, 1, LABELS(code, am->host, verb));
	metrics_observe(am->metrics, METRIC_REST_DURATION, (double)took_us / 1e6,
	                LABELS(am->host, verb));
}

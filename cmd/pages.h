/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_PAGES_H
#define CMD_PAGES_H

/*
 * What the metrics port answers, beside the metrics as kube-proxy does
 * (kube-proxy-behaviour.md, section 5.7): /healthz, /metrics, /proxyMode, /configz,
 * /version, /statusz, /flagz. Pure: a request in, an answer out.
 */

#include <stdint.h>

#include "cmd/http.h"
#include "cmd/metrics.h"
#include "cmd/options.h"

/** What the answers are made of; all borrowed. */
struct pages {
	const struct options *options;
	const struct metrics *metrics; /* up to date */
	const char *version;
	int64_t started_ns; /* since 1970, as the clock was then */
	uint64_t up_us;     /* however that was set since */
};

/** pages_answer() - any other path is 404. */
void pages_answer(const struct pages *pages, const struct http_request *request,
                  struct http_answer *answer);

#endif

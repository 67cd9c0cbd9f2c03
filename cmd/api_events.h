/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_API_EVENTS_H
#define CMD_API_EVENTS_H

/*
 * Events on their way to the API server: what the recorder orders is sent over the
 * connections, with the credentials and within the rate of all other requests, and
 * the answers are fed to it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cmd/api_metrics.h"
#include "cmd/events.h"
#include "cmd/options.h"
#include "watch/http.h"

/* A daemon that cannot start waits so long for what it has to say about that. */
#define API_EVENTS_FLUSH_S 2.

/** The first four are borrowed, and set by the owner; the others zeroed. */
struct api_events {
	struct events *events; /* NULL: there are none */
	struct watch_http *http;
	struct watch_rate *rate;
	struct api_metrics *metrics;

	struct watch_transfer *transfer; /* NULL: none is under way */
	const char *method;              /* its */
	uint64_t asked_us;
	bool answered;
	struct watch_record_status said; /* what was logged */
};

/** api_events_turn() - send, or give up, what it is time for.
 *
 * Return: when to call again; UINT64_MAX: not before something happens.
 */
uint64_t api_events_turn(struct api_events *ae, uint64_t now_us);

/** api_events_flush() - send all that waits, on a connection of its own; give up with the first
 *  failure, or after API_EVENTS_FLUSH_S. */
void api_events_flush(struct events *events, const struct options *options);

#endif

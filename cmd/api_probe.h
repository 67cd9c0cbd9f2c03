/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_API_PROBE_H
#define CMD_API_PROBE_H

/*
 * Is the API server alive behind a watch that says nothing?
 *
 * TCP tells of a host that is gone, not of a server that hangs, nor of a proxy
 * before it that has forgotten us. So a watch that has been silent for a while
 * makes us ask for /livez/ping, which is cheap for the server (priority and
 * fairness exempt it) and goes over the same HTTP/2 connection. Any answer will
 * do. Go's clients send HTTP/2 PINGs for the same end, after 30 s of silence.
 */

#include <stdbool.h>
#include <stdint.h>

#include "watch/http.h"

/* So within 60 s a dead server is found out. */
#define API_PROBE_AFTER_US 40000000u
#define API_PROBE_WAIT_US 15000000u

struct api_probe {
	struct watch_http *http;
	struct watch_transfer *transfer; /* NULL: none is under way */
	uint64_t sent_us;
	uint64_t alive_us; /* last answer */
	bool is_lost;      /* the last one was not answered; reset by the owner */
};

/** api_probe_turn() - probe if it is time, and see whether the one under way takes too long.
 *
 * @silent_since_us: of the open watch that has been silent for the longest; 0: there is none.
 *
 * Return: when to call again; UINT64_MAX: no need before something is heard.
 */
uint64_t api_probe_turn(struct api_probe *probe, uint64_t now_us, uint64_t silent_since_us);

/** api_probe_is_silent() - has a watch been silent for so long that a lost probe condemns it? */
bool api_probe_is_silent(uint64_t now_us, uint64_t silent_since_us);

#endif

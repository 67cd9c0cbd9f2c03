/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_LOOP_H
#define WATCH_HTTP_LOOP_H

/* A libcurl multi handle whose sockets and timer are watched by libev. */

#include <curl/curl.h>
#include <ev.h>

#include "base/err.h"

struct http_sock;

/** A multi handle in a loop. Stays where it was initialised. */
struct http_loop {
	CURLM *multi;
	struct ev_loop *loop;
	ev_timer timer;
	struct http_sock *socks; /* that libcurl has us watch */
	/** A transfer has ended. Outside of libcurl: may do everything but http_loop_done(). */
	void (*ended)(CURL *easy, CURLcode code);
};

/** http_loop_init() - a multi handle that keeps @max_idle connections.
 *
 * @glue: @ended is set by the caller before.
 *
 * Return: 0 or -EIO.
 */
int http_loop_init(struct http_loop *glue, struct ev_loop *loop, long max_idle,
                   struct err *err) MUST_CHECK;

/** http_loop_done() - close all connections. No easy handle is in it any more. Zeroed is a no-op. */
void http_loop_done(struct http_loop *glue);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HTTPD_H
#define CMD_HTTPD_H

/*
 * An HTTP/1.1 server on the event loop: libmicrohttpd without a thread of its
 * own, its epoll descriptor watched by libev.
 *
 * A server has any number of listening sockets. They share what is bounded, so
 * that many of them cost one descriptor each, and so that a flood at one server
 * leaves the others alone:
 *
 *  - at most HTTPD_MAX_CONNECTIONS connections; when another one comes, that which
 *    has waited longest is closed. Nobody can keep others out by being idle or slow;
 *  - a deadline (HTTPD_DEADLINE_US) from the connection or the previous answer to the
 *    request's head, and again from there to the end of the answer;
 *  - HTTPD_MAX_HEAD bytes of request line and headers;
 *  - an answer that may be shared (http_answer.shared) is made once in a turn of the loop, and kept
 *    once in memory, for however many ask at the same time.
 */

#include <ev.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipaddr.h"
#include "cmd/http.h"

#define HTTPD_MAX_CONNECTIONS 64
#define HTTPD_MAX_HEAD 4096u
#define HTTPD_MAX_BODY (64u << 10) /* of a request; not looked at */
#define HTTPD_DEADLINE_US 10000000u

struct httpd;          /* opaque: a server */
struct httpd_listener; /* opaque: a listening socket of it */

/** httpd_new() - a server without listening sockets. Release with httpd_free().
 *
 * @loop: borrowed for the server's life.
 * @deadline_us: HTTPD_DEADLINE_US but for tests.
 *
 * Return: 0 or a negative errno.
 */
int httpd_new(struct ev_loop *loop, uint64_t deadline_us, struct httpd **out,
              struct err *err) MUST_CHECK;

/** httpd_free() - close everything. NULL is a no-op. */
void httpd_free(struct httpd *server);

/** httpd_listen() - answer requests at @addr.
 *
 * @addr: the unspecified address (0.0.0.0, ::) stands for all of the machine.
 * @both: with :: take IPv4 connections, too.
 * @answer: called within the loop for each request.
 * @ctx: handed to it; borrowed until the listener is closed.
 * @out: valid until httpd_close() or httpd_free().
 *
 * Return: 0, or a negative errno of socket(2), bind(2) or listen(2).
 */
int httpd_listen(struct httpd *server, const struct ipaddr *addr, uint16_t port, bool both,
                 http_fn answer, void *ctx, struct httpd_listener **out,
                 struct err *err) MUST_CHECK;

/** httpd_close() - stop listening; connections made here end without a further answer.
 *  NULL is a no-op. */
void httpd_close(struct httpd_listener *listener);

/** httpd_resume() - ask again for all answers that were put off (http_answer.later).
 *
 * Not from within an answer. One that is never asked for again ends with the deadline.
 */
void httpd_resume(struct httpd *server);

/** What a server has done so far. */
struct httpd_stats {
	uint64_t accepted;
	uint64_t evicted; /* closed because another connection came */
	uint64_t expired; /* closed because of the deadline, before an answer was through */
	unsigned open;    /* now */
};

struct httpd_stats httpd_stats(const struct httpd *server);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_H
#define WATCH_HTTP_H

/*
 * Requests to one API server, over libcurl's multi interface on libev. This file
 * knows connections, certificates and tokens; what the bytes mean it does not
 * know.
 *
 * All requests share one connection where the server offers HTTP/2 (ALPN), else
 * each has one of its own, kept and used again. TLS 1.2 or newer, certificates
 * verified unless the cluster says not to. Proxies as in the cluster, else as in
 * libcurl's environment variables. Redirects are not followed.
 *
 * Files of tokens and certificates are read again for each request, so a rotated
 * one is used from the next request on. Requests under way are not disturbed;
 * new ones use no connection that was made with other certificates.
 *
 * A host that has gone silent is noticed by TCP, within 45 s: keepalive probes
 * after 15 s, and TCP_USER_TIMEOUT (RFC 5482). A server that keeps a connection
 * open and says nothing is for the caller to give up on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "watch/kubeconfig.h"

struct ev_loop;
struct watch_http;     /* opaque: connections to one server */
struct watch_transfer; /* opaque: one request under way */

/* Bounds; a request beyond one of them fails. */
#define WATCH_MAX_TRANSFERS 64   /* requests under way */
#define WATCH_MAX_TARGET 4096u   /* path and query of a request */
#define WATCH_MAX_BODY 65536u    /* what a request carries */
#define WATCH_MAX_HEAD 65536u    /* all header fields of an answer */
#define WATCH_MAX_TOKEN 32768u   /* a token; HTTP/2 takes 60,000 bytes of header fields */
#define WATCH_MAX_PEM (4u << 20) /* a file of certificates */
#define WATCH_CONNECT_MS 10000   /* resolve, connect, TLS handshake */
#define WATCH_MAX_RETRY_S 86400u /* what a longer Retry-After is cut to */

/** What an answer's head says. */
struct watch_head {
	unsigned status;        /* 200, 404, ...; never an interim 1xx */
	uint32_t retry_after_s; /* Retry-After, in seconds or as a date; 0: none, or past */
	bool is_json;           /* Content-Type: application/json, with parameters or without */
};

/** What becomes of a request.
 *
 * Called from the loop, never from inside a call into this module. Each of the
 * three may call watch_http_send(), watch_http_cancel() for any transfer and
 * watch_http_drop_connections(), but not watch_http_free().
 */
struct watch_transfer_fn {
	/** The head is complete; once, before any body. A negative return ends the request. */
	int (*head)(void *ctx, const struct watch_head *head);
	/** A piece of the body, cut anywhere. A negative return ends the request. */
	int (*body)(void *ctx, const char *bytes, size_t len);
	/** The end; once, and the last call; the transfer is gone when it returns.
	 *
	 * @ret: 0 when the answer was complete, whatever its status; else what @head or @body
	 *       returned, or a negative errno. @err then has a sentence that begins with the
	 *       server's URL or with the name of a file, and holds no secret:
	 *       -EACCES: a token or certificate file that is unreadable, empty, too large or no such
	 *       thing (named), or libcurl cannot use what is in it;
	 *       -EKEYREJECTED: TLS found no trust, here or at the server;
	 *       -ETIMEDOUT: no connection within WATCH_CONNECT_MS, or the host went silent;
	 *       -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH (also for a name that does not resolve)
	 *       and others of connect(2) and recv(2);
	 *       -EPROTO: an answer that was cut short, is no HTTP, no TLS;
	 *       -E2BIG: an answer's head, a target, a request's body, or too many requests;
	 *       -EINVAL: a target that is none;
	 *       -EIO: what libcurl has no better word for.
	 */
	void (*end)(void *ctx, int ret, const struct err *err);
};

/** watch_http_new() - prepare; nothing is sent and no file read yet.
 *
 * @cluster: borrowed; must outlive the result.
 * @user_agent: copied.
 * @out: set on success only; release with watch_http_free().
 *
 * Return: 0; -EINVAL when the cluster's server or tls-server-name makes no URL; -EOPNOTSUPP when
 *         this libcurl cannot do TLS or would block in name resolution; -EIO when it cannot be
 *         set up.
 */
int watch_http_new(struct ev_loop *loop, const struct watch_cluster *cluster,
                   const char *user_agent, struct watch_http **out, struct err *err) MUST_CHECK;

/** watch_http_free() - end all requests without a call, close all connections. NULL is a no-op. */
void watch_http_free(struct watch_http *http);

/** What is asked of the server; all of it is copied. */
struct watch_request {
	const char *target; /* path and query, "/api/v1/services?limit=500"; goes behind the
	                       server's URL */
	const char *method; /* NULL: GET */
	const char *type;   /* Content-Type of @body */
	const char *body;   /* NULL: none */
	size_t body_len;
};

/** watch_http_send() - begin a request.
 *
 * What goes wrong from here on is told by @fn->end, also an unreadable token file. A request that
 * has failed may have been carried out nevertheless, and libcurl sends one again when a connection
 * that was kept turns out to be closed: what is not a GET should do no harm twice.
 *
 * @fn: borrowed until the end.
 *
 * Return: the transfer, valid until @fn->end or watch_http_cancel(). Never NULL.
 */
struct watch_transfer *watch_http_send(struct watch_http *http, const struct watch_request *request,
                                       const struct watch_transfer_fn *fn, void *ctx);

/** watch_http_get() - the same for a GET of @target. */
struct watch_transfer *watch_http_get(struct watch_http *http, const char *target,
                                      const struct watch_transfer_fn *fn, void *ctx);

/** watch_http_cancel() - end a request, once; nothing of it is called any more, not even @fn->end.
 *
 * Of a connection that others share the server may learn it only with what passes next.
 */
void watch_http_cancel(struct watch_http *http, struct watch_transfer *transfer);

/** watch_http_drop_connections() - use no connection again that is open now.
 *
 * Requests that run on one go on and keep it until they end. For a peer that is taken for dead:
 * cancel what runs on it and call this.
 */
void watch_http_drop_connections(struct watch_http *http);

/** Counts since the start, for metrics. */
struct watch_http_stats {
	uint64_t requests;    /* sent, or tried to be */
	uint64_t connections; /* made, TLS included */
	uint64_t body_bytes;
	unsigned active;     /* requests under way */
	unsigned http_major; /* of the last answer: 1 or 2; 0: none yet */
};

struct watch_http_stats watch_http_stats(const struct watch_http *http);

#endif

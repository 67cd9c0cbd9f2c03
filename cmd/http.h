/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HTTP_H
#define CMD_HTTP_H

/*
 * Requests and answers as values. Who answers is a function of a request and of
 * what it knows; sockets are the business of cmd/httpd.h.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define HTTP_MAX_HEADERS 4
#define HTTP_HEADER_TEXT 96

#define HTTP_TEXT "text/plain; charset=utf-8"
#define HTTP_JSON "application/json"

/** A request. Bodies are read and forgotten, methods make no difference (HEAD: no body back). */
struct http_request {
	const char *path;   /* decoded, without the query */
	const char *query;  /* what follows '?', as sent; "" when there is none */
	const char *accept; /* the header; "" when there is none */
	bool waited;        /* was asked before, and put off: is to be answered now */
};

/** An answer. Zero-initialise; release with http_answer_done(). */
struct http_answer {
	unsigned status;
	const char *content_type; /* static */
	size_t header_count;
	struct http_header {
		const char *name; /* static */
		char value[HTTP_HEADER_TEXT];
	} headers[HTTP_MAX_HEADERS];
	struct strbuf body;
	bool later; /* not now: when httpd_resume() says so the same is asked again */
	/* The path, static, when all who ask for it in this turn of the loop may have this; or NULL. */
	const char *shared;
};

/** Answers one request, or puts it off. */
typedef void (*http_fn)(void *ctx, const struct http_request *request, struct http_answer *answer);

/** http_text() - a complete answer of plain text; says nosniff, as kube-proxy does. */
void http_text(struct http_answer *answer, unsigned status, const char *text);

/** http_json() - an answer in JSON, nosniff; the caller writes the body. */
void http_json(struct http_answer *answer, unsigned status);

/** http_not_found() - 404, in the words of Go's http.NotFound(). */
void http_not_found(struct http_answer *answer);

/** http_header() - add a header; @name is static, at most HTTP_MAX_HEADERS of them. */
void http_header(struct http_answer *answer, const char *name, const char *fmt, ...)
	ERR_PRINTF(3, 4);

/** http_answer_done() - free the body. */
void http_answer_done(struct http_answer *answer);

/** http_query_next() - take the next `name=value` of a query.
 *
 * @query: moved on.
 * @name, @value: what was found, at most @size bytes with the NUL, cut beyond; not decoded.
 *
 * Return: false when there is none left.
 */
bool http_query_next(const char **query, char *name, char *value, size_t size);

/** http_query_has() - does @query have a parameter of this name? */
bool http_query_has(const char *query, const char *name);

/** http_accepts() - does an Accept header take this media type ("text/plain")? None takes all. */
bool http_accepts(const char *accept, const char *type);

#endif

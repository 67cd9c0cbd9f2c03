/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_REQUEST_H
#define WATCH_HTTP_REQUEST_H

/* One request as a libcurl easy handle: all options are set here. */

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"
#include "watch/http.h"
#include "watch/http_identity.h"
#include "watch/http_where.h"

/** What all requests have in common. */
struct http_setup {
	const struct watch_cluster *cluster; /* borrowed */
	const struct http_where *where;      /* borrowed */
	char *user_agent;
	char *proxy; /* NULL: as the environment says; "": none */
	struct curl_slist *connect_to;
};

/** http_setup_init() - also asks whether this libcurl can do what we need.
 *
 * @setup: zeroed before; http_setup_done() afterwards, also on failure.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int http_setup_init(struct http_setup *setup, const struct watch_cluster *cluster,
                    const struct http_where *where, const char *user_agent,
                    struct err *err) MUST_CHECK;

/** http_setup_done() - wipe and free it; zeroed is a no-op. */
void http_setup_done(struct http_setup *setup);

/** A copy of what is asked. Zeroed: nothing. */
struct http_question {
	char *target;
	char *method; /* NULL: GET */
	char *type;   /* a header field, "Content-Type: ..." */
	char *body;   /* NULL: none */
	size_t body_len;
};

/** http_question_init() - copy @request. */
void http_question_init(struct http_question *question, const struct watch_request *request);

/** http_question_done() - free it; zeroed is a no-op. */
void http_question_done(struct http_question *question);

/** What libcurl calls; from inside it. */
struct http_events {
	curl_prereq_callback connected;
	curl_write_callback line; /* each line of a head, and of trailers */
	curl_write_callback body; /* both return what they took, or CURL_WRITEFUNC_ERROR */
	void *owner;
};

/** One request. Stays where it was initialised; zeroed is one without effect. */
struct http_request {
	const struct http_setup *setup;
	CURL *easy;
	struct curl_slist *fields; /* has the token */
	char *url;
	char reason[CURL_ERROR_SIZE];
	bool is_running;
};

/** http_request_init() - ready to be started.
 *
 * @identity, @question: borrowed until http_request_done().
 *
 * Return: 0; -EACCES for a token, see http_identity_bearer(); -EIO. http_request_done() afterwards
 *         in each case.
 */
int http_request_init(struct http_request *request, const struct http_setup *setup,
                      const struct http_identity *identity, const struct http_question *question,
                      const struct http_events *events, struct err *err) MUST_CHECK;

/** http_request_start() - into @multi. Return: 0 or -EIO. */
int http_request_start(struct http_request *request, CURLM *multi, struct err *err) MUST_CHECK;

/** http_request_stop() - out of @multi; not from inside libcurl. */
void http_request_stop(struct http_request *request, CURLM *multi);

/** http_request_done() - wipe and free it. */
void http_request_done(struct http_request *request);

/** http_request_owner() - of struct http_events. */
void *http_request_owner(CURL *easy);

/** http_request_head() - what the head says that has just ended.
 *
 * @http_major: the version of HTTP.
 *
 * Return: false for an interim answer; nothing is written then.
 */
bool http_request_head(const struct http_request *request, struct watch_head *out,
                       unsigned *http_major);

/** http_request_connections() - how many it has made so far. */
long http_request_connections(const struct http_request *request);

/** http_request_error() - a code of libcurl's as an errno and a sentence. */
int http_request_error(const struct http_request *request, CURLcode code, struct err *err);

#endif

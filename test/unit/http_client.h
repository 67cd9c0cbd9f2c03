/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_HTTP_CLIENT_H
#define TEST_UNIT_HTTP_CLIENT_H

/* A client of https_server.py's servers, and the record of what its callbacks are told. */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "watch/http.h"

struct ev_loop;

/** A client with a loop of its own. */
struct client {
	struct ev_loop *loop;
	struct watch_cluster cluster; /* its strings are freed at the end */
	struct watch_http *http;
};

/** One request and what became of it. Zero-initialise; release with answer_done(). */
struct answer {
	struct client *client;
	struct watch_transfer *transfer;
	unsigned heads;
	struct watch_head head;
	unsigned bodies; /* calls */
	struct strbuf body;
	unsigned ends;
	int ret;
	struct err err;
	/* What a callback is to do, after it has recorded; the return is what it returns. */
	int (*on_head)(struct answer *answer);
	int (*on_body)(struct answer *answer);
	void (*on_end)(struct answer *answer);
	void *ctx;
};

#define AUTO_ANSWER __attribute__((cleanup(answer_done)))

void answer_done(struct answer *answer);

/** client_init() - for the kind of server @name, trusting ca.crt if that is TLS.
 *
 * The cluster may still be changed, until client_open(), which the others call too.
 */
void client_init(struct client *client, const char *name);

/** client_set() - a string of the cluster, freed before and copied. */
void client_set(char **field, const char *text);

/** client_set_cert() - NAME.crt and NAME.key of https_server.py. */
void client_set_cert(struct client *client, const char *name);

/** client_open() - make the client of the cluster. */
void client_open(struct client *client);

/** client_done() - free all; nothing of it may be open then. */
void client_done(struct client *client);

/** client_begin() - a request, not waited for. */
void client_begin(struct client *client, const char *target, struct answer *answer);

/** client_get() - a request, to its end. */
void client_get(struct client *client, const char *target, struct answer *answer);

/** client_begin_request() - one that is perhaps no GET, not waited for. */
void client_begin_request(struct client *client, const struct watch_request *request,
                          struct answer *answer);

/** client_send() - the same, to its end. */
void client_send(struct client *client, const struct watch_request *request, struct answer *answer);

/** client_cancel() - unless it has ended or was cancelled. */
void client_cancel(struct answer *answer);

/** client_run() - the loop, until @is_done; fails after 30 s. */
void client_run(struct client *client, bool (*is_done)(const void *ctx), const void *ctx);

/** Conditions for client_run(). */
bool answer_ended(const void *answer);
bool answer_has_body(const void *answer);
bool nothing_stalls(const void *nothing);

/** check_body() - the pattern of https_server.py, of that length. */
void check_body(const struct answer *answer, size_t len);

#endif

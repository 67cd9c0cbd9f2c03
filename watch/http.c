/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing is done inside the calls of others: watch_http_send() and
 * watch_http_cancel() make notes, a timer of no time carries them out. So a
 * callback, which runs inside libcurl, may call both, and libcurl's handles are
 * added, removed and freed only where libcurl is not.
 *
 * Connections belong to a pool, with the certificates that they are made with.
 * When these change, or connections are to be dropped, there is a new pool; the
 * old one goes when its last transfer ends. What libcurl compares before it uses
 * a connection again (7.88: not the key) does not matter then.
 */
#include "watch/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/http_error.h"
#include "watch/http_identity.h"
#include "watch/http_loop.h"
#include "watch/http_request.h"
#include "watch/http_where.h"

/** Connections that were made with the same certificates. */
struct pool {
	struct pool *next;
	struct http_loop glue;
	struct http_identity identity;
	size_t users; /* transfers in it */
};

struct watch_http {
	struct ev_loop *loop;
	const struct watch_cluster *cluster;
	struct http_where where;
	struct http_setup setup;
	ev_timer work;      /* there is something to begin or to release */
	struct pool *pools; /* new transfers go into the first one, if is_current */
	bool is_current;
	bool is_calling; /* a callback of the caller's runs: not the time to free us */
	struct watch_transfer **transfers;
	size_t count;
	size_t cap;
	struct watch_transfer *dead; /* ended, to be freed */
	uint64_t serial;
	struct watch_http_stats stats;
};

struct watch_transfer {
	struct watch_http *http;
	struct watch_transfer *next; /* among the dead */
	uint64_t serial;
	const struct watch_transfer_fn *fn;
	void *ctx;
	struct http_question question;
	struct pool *pool; /* NULL: not begun */
	struct http_request request;
	ev_timer deadline; /* to be connected */
	long connections;  /* made, as far as counted */
	size_t head_bytes;
	int ret; /* what ended it, other than libcurl */
	struct err err;
	bool has_head;
	bool is_cancelled;
};

/* ---- Pools ---------------------------------------------------------------------------------- */

static void on_ended(CURL *easy, CURLcode code);

static void free_pool(struct pool *pool)
{
	http_loop_done(&pool->glue);
	http_identity_done(&pool->identity);
	free(pool);
}

/* Frees the pools that have no transfers and get none. */
static void sweep_pools(struct watch_http *http)
{
	struct pool **link = http->is_current ? &http->pools->next : &http->pools;

	while (*link != NULL) {
		struct pool *pool = *link;

		if (pool->users > 0) {
			link = &pool->next;
			continue;
		}
		*link = pool->next;
		free_pool(pool);
	}
}

/* The first pool is then one with the certificates as they are now. */
static int renew_pool(struct watch_http *http, struct err *err)
{
	struct http_identity identity;
	struct pool *pool;
	int ret = http_identity_read(http->cluster, &identity, err);

	if (ret < 0)
		return ret;
	if (http->is_current && http_identity_equal(&identity, &http->pools->identity)) {
		http_identity_done(&identity);
		return 0;
	}
	pool = xcalloc(1, sizeof(*pool));
	pool->identity = identity;
	pool->glue.ended = on_ended;
	ret = http_loop_init(&pool->glue, http->loop, WATCH_MAX_TRANSFERS, err);
	if (ret < 0) {
		free_pool(pool);
		return ret;
	}
	pool->next = http->pools;
	http->pools = pool;
	http->is_current = true;
	return 0;
}

/* ---- Transfers ------------------------------------------------------------------------------ */

static void arm(struct watch_http *http)
{
	if (!ev_is_active(&http->work)) {
		ev_timer_set(&http->work, 0., 0.);
		ev_timer_start(http->loop, &http->work);
	}
}

/* Out of libcurl and off the list, to be freed soon. */
static void bury(struct watch_transfer *transfer)
{
	struct watch_http *http = transfer->http;
	size_t i = 0;

	ev_timer_stop(http->loop, &transfer->deadline);
	if (transfer->pool != NULL) {
		http_request_stop(&transfer->request, transfer->pool->glue.multi);
		transfer->pool->users--;
		transfer->pool = NULL;
	}
	while (http->transfers[i] != transfer)
		i++;
	for (http->count--; i < http->count; i++)
		http->transfers[i] = http->transfers[i + 1];
	transfer->next = http->dead;
	http->dead = transfer;
	arm(http);
}

static void free_dead(struct watch_http *http)
{
	struct watch_transfer *transfer;

	while ((transfer = http->dead) != NULL) {
		http->dead = transfer->next;
		http_request_done(&transfer->request);
		http_question_done(&transfer->question);
		free(transfer);
	}
}

static void finish(struct watch_transfer *transfer, int ret, const struct err *err)
{
	struct watch_http *http = transfer->http;

	bury(transfer);
	http->is_calling = true;
	transfer->fn->end(transfer->ctx, ret, err);
	http->is_calling = false;
}

static void end_by(struct watch_transfer *transfer, CURLcode code)
{
	struct err err = { 0 };
	int ret = 0;

	if (transfer->ret < 0) {
		ret = transfer->ret;
		err = transfer->err;
	} else if (code != CURLE_OK) {
		ret = http_request_error(&transfer->request, code, &err);
	} else if (!transfer->has_head) {
		ret = err_set(&err, EPROTO, "closed without an answer");
	}
	if (ret < 0)
		(void)err_wrap(&err, ret, "%.120s", transfer->http->where.origin);
	finish(transfer, ret, &err);
}

static void on_ended(CURL *easy, CURLcode code)
{
	struct watch_transfer *transfer = http_request_owner(easy);

	/* Else the next on_work() releases it. */
	if (!transfer->is_cancelled)
		end_by(transfer, code);
}

/* libcurl has a time for each attempt, but a transfer may wait for those of others before. */
static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct watch_transfer *transfer = timer->data;

	(void)loop;
	(void)revents;
	if (!transfer->is_cancelled)
		end_by(transfer, CURLE_OPERATION_TIMEDOUT);
}

/* ---- What comes from the server ------------------------------------------------------------- */

/* There is a connection, new or not; the request is sent now. */
static int on_connected(void *ctx, char *ip, char *own_ip, int port, int own_port)
{
	struct watch_transfer *transfer = ctx;
	long made = http_request_connections(&transfer->request);

	(void)ip;
	(void)own_ip;
	(void)port;
	(void)own_port;
	ev_timer_stop(transfer->http->loop, &transfer->deadline);
	transfer->http->stats.connections += (uint64_t)(made - transfer->connections);
	transfer->connections = made;
	return transfer->is_cancelled ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* What a callback of the caller's returned; false ends the transfer. A cancelled one ends when
 * libcurl calls next, or by on_work(). */
static bool goes_on(struct watch_transfer *transfer, int ret)
{
	transfer->http->is_calling = false;
	if (ret < 0 && transfer->ret == 0) {
		transfer->ret = ret;
		(void)http_error_os(-ret, "the answer was not taken: ", &transfer->err);
	}
	return ret >= 0;
}

static bool on_head(struct watch_transfer *transfer)
{
	struct watch_http_stats *stats = &transfer->http->stats;
	struct watch_head head;

	if (!http_request_head(&transfer->request, &head, &stats->http_major))
		return true;
	transfer->has_head = true;
	transfer->http->is_calling = true;
	return goes_on(transfer, transfer->fn->head(transfer->ctx, &head));
}

/* Also of interim answers, and of trailers. */
static size_t on_line(char *line, size_t size, size_t count, void *ctx)
{
	struct watch_transfer *transfer = ctx;
	size_t len = size * count;

	if (transfer->is_cancelled)
		return CURL_WRITEFUNC_ERROR;
	transfer->head_bytes += len;
	if (transfer->head_bytes > WATCH_MAX_HEAD) {
		transfer->ret = err_set(&transfer->err, E2BIG,
		                        "more than %u bytes of header fields", WATCH_MAX_HEAD);
		return CURL_WRITEFUNC_ERROR;
	}
	if (transfer->has_head || (len > 0 && line[0] != '\r' && line[0] != '\n'))
		return len;
	return on_head(transfer) ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct watch_transfer *transfer = ctx;
	size_t len = size * count;

	if (transfer->is_cancelled)
		return CURL_WRITEFUNC_ERROR;
	transfer->http->stats.body_bytes += len;
	transfer->http->is_calling = true;
	return goes_on(transfer, transfer->fn->body(transfer->ctx, bytes, len))
	               ? len
	               : CURL_WRITEFUNC_ERROR;
}

/* ---- Work ----------------------------------------------------------------------------------- */

static int begin_in_pool(struct watch_transfer *transfer, struct err *err)
{
	struct watch_http *http = transfer->http;
	struct http_events events = {
		.connected = on_connected,
		.line = on_line,
		.body = on_body,
		.owner = transfer,
	};
	struct pool *pool = http->pools;
	int ret;

	ret = http_request_init(&transfer->request, &http->setup, &pool->identity,
	                        &transfer->question, &events, err);
	if (ret == 0)
		ret = http_request_start(&transfer->request, pool->glue.multi, err);
	if (ret < 0)
		return ret;
	transfer->pool = pool;
	pool->users++;
	http->stats.requests++;
	ev_timer_set(&transfer->deadline, WATCH_CONNECT_MS / 1000.0, 0.);
	ev_timer_start(http->loop, &transfer->deadline);
	return 0;
}

static void begin(struct watch_transfer *transfer)
{
	struct watch_http *http = transfer->http;
	struct err err = { 0 };
	int ret = 0;

	/* Told when it was asked for. */
	if (transfer->ret < 0) {
		err = transfer->err;
		ret = err_wrap(&err, transfer->ret, "%.120s", http->where.origin);
	}
	if (ret == 0)
		ret = renew_pool(http, &err);
	if (ret == 0)
		ret = begin_in_pool(transfer, &err);
	if (ret < 0)
		finish(transfer, ret, &err);
}

static struct watch_transfer *next_to_begin(struct watch_http *http, uint64_t before)
{
	for (size_t i = 0; i < http->count; i++) {
		struct watch_transfer *transfer = http->transfers[i];

		if (transfer->pool == NULL && !transfer->is_cancelled && transfer->serial < before)
			return transfer;
	}
	return NULL;
}

static void release_cancelled(struct watch_http *http)
{
	for (size_t i = 0; i < http->count;) {
		struct watch_transfer *transfer = http->transfers[i];

		if (transfer->is_cancelled)
			bury(transfer);
		else
			i++;
	}
}

/* What a callback asks for in here waits for the next turn, so this ends. */
static void on_work(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct watch_http *http = timer->data;
	uint64_t before = http->serial;
	struct watch_transfer *transfer;

	(void)loop;
	(void)revents;
	release_cancelled(http);
	while ((transfer = next_to_begin(http, before)) != NULL)
		begin(transfer);
	free_dead(http);
	sweep_pools(http);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

int watch_http_new(struct ev_loop *loop, const struct watch_cluster *cluster,
                   const char *user_agent, struct watch_http **out, struct err *err)
{
	struct watch_http *http;
	int ret;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, EIO, "libcurl cannot be set up");
	http = xcalloc(1, sizeof(*http));
	http->loop = loop;
	http->cluster = cluster;
	ev_init(&http->work, on_work);
	http->work.data = http;
	ret = http_where_init(cluster, &http->where, err);
	if (ret == 0)
		ret = http_setup_init(&http->setup, cluster, &http->where, user_agent, err);
	if (ret < 0) {
		watch_http_free(http);
		return ret;
	}
	*out = http;
	return 0;
}

void watch_http_free(struct watch_http *http)
{
	if (http == NULL)
		return;
	ASSERT(!http->is_calling);
	while (http->count > 0)
		bury(http->transfers[http->count - 1]);
	ev_timer_stop(http->loop, &http->work);
	free_dead(http);
	http->is_current = false;
	sweep_pools(http);
	http_setup_done(&http->setup);
	http_where_done(&http->where);
	free(http->transfers);
	free(http);
	curl_global_cleanup();
}

static unsigned count_active(const struct watch_http *http)
{
	unsigned active = 0;

	for (size_t i = 0; i < http->count; i++)
		active += !http->transfers[i]->is_cancelled;
	return active;
}

static int check_request(const struct watch_http *http, const struct watch_request *request,
                         struct err *err)
{
	if (strlen(request->target) > WATCH_MAX_TARGET)
		return err_set(err, E2BIG, "a target of %zu bytes, at most %u",
		               strlen(request->target), WATCH_MAX_TARGET);
	if (!http_where_is_target(request->target))
		return err_set(err, EINVAL, "a target that is no path with query");
	if (request->body_len > WATCH_MAX_BODY)
		return err_set(err, E2BIG, "a body of %zu bytes, at most %u", request->body_len,
		               WATCH_MAX_BODY);
	if (count_active(http) >= WATCH_MAX_TRANSFERS)
		return err_set(err, E2BIG, "%d requests are under way", WATCH_MAX_TRANSFERS);
	return 0;
}

struct watch_transfer *watch_http_send(struct watch_http *http, const struct watch_request *request,
                                       const struct watch_transfer_fn *fn, void *ctx)
{
	struct watch_transfer *transfer = xcalloc(1, sizeof(*transfer));

	transfer->http = http;
	transfer->serial = http->serial++;
	transfer->fn = fn;
	transfer->ctx = ctx;
	ev_init(&transfer->deadline, on_deadline);
	transfer->deadline.data = transfer;
	transfer->ret = check_request(http, request, &transfer->err);
	if (transfer->ret == 0)
		http_question_init(&transfer->question, request);
	http->transfers =
		vec_reserve(http->transfers, &http->cap, http->count + 1, sizeof(*http->transfers));
	http->transfers[http->count++] = transfer;
	arm(http);
	return transfer;
}

struct watch_transfer *watch_http_get(struct watch_http *http, const char *target,
                                      const struct watch_transfer_fn *fn, void *ctx)
{
	const struct watch_request request = { .target = target };

	return watch_http_send(http, &request, fn, ctx);
}

void watch_http_cancel(struct watch_http *http, struct watch_transfer *transfer)
{
	transfer->is_cancelled = true;
	arm(http);
}

void watch_http_drop_connections(struct watch_http *http)
{
	http->is_current = false;
	arm(http);
}

struct watch_http_stats watch_http_stats(const struct watch_http *http)
{
	struct watch_http_stats stats = http->stats;

	stats.active = count_active(http);
	return stats;
}

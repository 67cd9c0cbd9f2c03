/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/http_client.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/https_server.h"
#include "test/unit/test.h"

#define DEADLINE_S 30.
#define PAUSE_S 0.01

static int record_head(void *ctx, const struct watch_head *head)
{
	struct answer *answer = ctx;

	assert_int_equal(answer->ends, 0);
	assert_int_equal(answer->bodies, 0);
	answer->heads++;
	answer->head = *head;
	return answer->on_head != NULL ? answer->on_head(answer) : 0;
}

static int record_body(void *ctx, const char *bytes, size_t len)
{
	struct answer *answer = ctx;

	assert_int_equal(answer->ends, 0);
	assert_int_equal(answer->heads, 1);
	answer->bodies++;
	strbuf_add(&answer->body, bytes, len);
	return answer->on_body != NULL ? answer->on_body(answer) : 0;
}

static void record_end(void *ctx, int ret, const struct err *err)
{
	struct answer *answer = ctx;

	answer->ends++;
	answer->ret = ret;
	answer->err = *err;
	assert_int_equal(err->code, ret < 0 ? -ret : 0);
	if (answer->on_end != NULL)
		answer->on_end(answer);
	answer->transfer = NULL;
}

static const struct watch_transfer_fn record = {
	.head = record_head,
	.body = record_body,
	.end = record_end,
};

void answer_done(struct answer *answer)
{
	strbuf_done(&answer->body);
}

void client_set(char **field, const char *text)
{
	free(*field);
	*field = text != NULL ? xstrdup(text) : NULL;
}

void client_init(struct client *client, const char *name)
{
	bool is_plain = strcmp(name, "plain") == 0;
	struct strbuf url = { 0 };

	*client = (struct client){ .loop = ev_loop_new(EVFLAG_AUTO) };
	assert_non_null(client->loop);
	strbuf_printf(&url, "%s://127.0.0.1:%u", is_plain ? "http" : "https", https_port(name));
	client->cluster.server = url.text;
	if (!is_plain)
		client_set(&client->cluster.ca.path, "ca.crt");
}

void client_set_cert(struct client *client, const char *name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%s.crt", name);
	client_set(&client->cluster.cert.path, path);
	(void)snprintf(path, sizeof(path), "%s.key", name);
	client_set(&client->cluster.key.path, path);
}

void client_open(struct client *client)
{
	struct err err = { 0 };

	if (client->http == NULL)
		assert_int_equal(watch_http_new(client->loop, &client->cluster, "kubenft/test",
		                                &client->http, &err),
		                 0);
}

void client_done(struct client *client)
{
	struct watch_cluster *cluster = &client->cluster;
	char **const fields[] = {
		&cluster->server,    &cluster->tls_server_name, &cluster->proxy_url,
		&cluster->ca.pem,    &cluster->ca.path,         &cluster->cert.pem,
		&cluster->cert.path, &cluster->key.pem,         &cluster->key.path,
		&cluster->token,     &cluster->token_file,      &cluster->username,
		&cluster->password,
	};

	watch_http_free(client->http);
	/* A watcher that is left keeps a loop from ending. */
	assert_false(ev_run(client->loop, EVRUN_NOWAIT));
	ev_loop_destroy(client->loop);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		client_set(fields[i], NULL);
}

void client_begin(struct client *client, const char *target, struct answer *answer)
{
	client_open(client);
	answer->client = client;
	answer->transfer = watch_http_get(client->http, target, &record, answer);
	assert_non_null(answer->transfer);
}

void client_begin_request(struct client *client, const struct watch_request *request,
                          struct answer *answer)
{
	client_open(client);
	answer->client = client;
	answer->transfer = watch_http_send(client->http, request, &record, answer);
}

void client_send(struct client *client, const struct watch_request *request, struct answer *answer)
{
	client_begin_request(client, request, answer);
	client_run(client, answer_ended, answer);
}

void client_cancel(struct answer *answer)
{
	if (answer->transfer != NULL)
		watch_http_cancel(answer->client->http, answer->transfer);
	answer->transfer = NULL;
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
}

void client_run(struct client *client, bool (*is_done)(const void *ctx), const void *ctx)
{
	ev_tstamp deadline = ev_time() + DEADLINE_S;
	ev_timer tick;

	/* A condition may become true outside of our loop. */
	ev_timer_init(&tick, on_tick, PAUSE_S, PAUSE_S);
	ev_timer_start(client->loop, &tick);
	while (!is_done(ctx)) {
		assert_true(ev_time() < deadline);
		ev_run(client->loop, EVRUN_ONCE);
	}
	ev_timer_stop(client->loop, &tick);
}

void client_get(struct client *client, const char *target, struct answer *answer)
{
	client_begin(client, target, answer);
	client_run(client, answer_ended, answer);
}

bool answer_ended(const void *ctx)
{
	const struct answer *answer = ctx;

	return answer->ends > 0;
}

bool answer_has_body(const void *ctx)
{
	const struct answer *answer = ctx;

	return answer->bodies > 0;
}

bool nothing_stalls(const void *ctx)
{
	(void)ctx;
	return https_ask("stalled") == 0;
}

void check_body(const struct answer *answer, size_t len)
{
	assert_int_equal(answer->ret, 0);
	assert_int_equal(answer->body.len, len);
	for (size_t i = 0; i < len; i++) {
		if (answer->body.text[i] != (char)('a' + i % 26))
			fail_msg("byte %zu is wrong", i);
	}
}

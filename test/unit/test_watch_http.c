/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests and answers over real connections; who trusts whom is in test_watch_http_request.c. */
#include "watch/http.h"

#include <errno.h>
#include <ev.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/http_client.h"
#include "test/unit/https_server.h"
#include "test/unit/test.h"

static const struct row {
	const char *what;
	const char *target;
	int ret;
	unsigned status; /* 0: no head */
	size_t len;      /* of the body's pattern, when all is well */
	const char *msg; /* behind the server's URL */
} rows[] = {
	{ "an empty body", "/ok?n=0", .status = 200 },
	{ "one byte", "/ok?n=1", .status = 200, .len = 1 },
	{ "a body in pieces of seven bytes", "/ok?n=5000&size=7", .status = 200, .len = 5000 },
	{ "a large body", "/ok?n=3000000", .status = 200, .len = 3000000 },
	{ "chunks", "/chunked?n=100000&size=977", .status = 200, .len = 100000 },
	{ "a chunk a byte, and trailers", "/chunked?n=300&size=1", .status = 200, .len = 300 },
	{ "no body by its status", "/status?code=204", .status = 204 },
	{ "a body cut short of its length", "/cut-length?n=10", -EPROTO, 200, 0,
	  "the answer was cut short" },
	{ "cut before the first byte of the body", "/cut-length?n=0", -EPROTO, 200, 0,
	  "the answer was cut short" },
	{ "cut before the last chunk", "/cut-chunked?n=67", -EPROTO, 200, 0,
	  "the answer was cut short" },
	{ "cut inside a chunk", "/cut-chunked?n=52", -EPROTO, 200, 0, "the answer was cut short" },
	{ "cut inside the head", "/cut-chunked?n=30", -EPROTO, 0, 0, NULL },
	{ "only an interim answer", "/interim-only", -EPROTO, 0, 0, NULL },
	{ "an answer that is not HTTP", "/raw?t=banana%0D%0A%0D%0A", -EPROTO, 0, 0,
	  "the answer is not HTTP" },
	{ "a broken chunk",
	  "/raw?t=HTTP/1.1%20200%20OK%0D%0ATransfer-Encoding:%20chunked%0D%0A%0D%0Axyz", -EPROTO,
	  200, 0, NULL },
	{ "two lengths", "/raw?t=HTTP/1.1%20200%20OK%0D%0AContent-Length:%20x%0D%0A%0D%0Axyz",
	  -EPROTO, 0, 0, NULL },
	{ "nothing at all", "/raw?t=", -EPROTO, 0, 0, "closed without an answer" },
	{ "header fields close to the bound", "/head?n=60000", .status = 200 },
	{ "header fields beyond it", "/head?n=66000", -E2BIG, 0, 0,
	  "more than 65536 bytes of header fields" },
	{ "a field of a mebibyte and a half", "/head?one=1&n=1500000", -E2BIG, 0, 0, NULL },
	{ "a target that does not begin with a slash", "ok", -EINVAL, 0, 0,
	  "a target that is no path with query" },
	{ "a target with a line of its own", "/ok HTTP/1.1\r\nX-Evil: 1\r\n", -EINVAL, 0, 0,
	  "a target that is no path with query" },
};

static void check_row(struct client *client, const struct row *row)
{
	struct answer answer AUTO_ANSWER = { 0 };

	client_get(client, row->target, &answer);
	if (answer.ret != row->ret)
		fail_msg("%d, not %d: %s", answer.ret, row->ret, answer.err.msg);
	assert_int_equal(answer.heads, row->status != 0);
	assert_int_equal(answer.head.status, row->status);
	if (row->ret == 0)
		check_body(&answer, row->len);
	else
		assert_memory_equal(answer.err.msg, client->cluster.server,
		                    strlen(client->cluster.server));
	if (row->msg != NULL)
		assert_string_equal(answer.err.msg + strlen(client->cluster.server) + 2, row->msg);
}

static void check_rows(const char *name)
{
	struct client client;

	client_init(&client, name);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		check_row(&client, &rows[i]);
	}
	client_done(&client);
}

static void answers_over_tls(void **state)
{
	(void)state;
	check_rows("good");
}

static void answers_without_tls(void **state)
{
	(void)state;
	check_rows("plain");
}

static const struct head_row {
	const char *target;
	struct watch_head want;
	uint32_t slack_s; /* how much less it may be, for a date */
} heads[] = {
	{ .target = "/status?code=200", .want = { .status = 200 } },
	{ .target = "/status?code=304", .want = { .status = 304 } },
	{ .target = "/status?code=302", .want = { .status = 302 } },
	{ .target = "/status?code=400", .want = { .status = 400 } },
	{ .target = "/status?code=401", .want = { .status = 401 } },
	{ .target = "/status?code=403", .want = { .status = 403 } },
	{ .target = "/status?code=404", .want = { .status = 404 } },
	{ .target = "/status?code=410", .want = { .status = 410 } },
	{ .target = "/status?code=429&retry=1", .want = { .status = 429, .retry_after_s = 1 } },
	{ .target = "/status?code=500", .want = { .status = 500 } },
	{ .target = "/status?code=503&retry=120", .want = { .status = 503, .retry_after_s = 120 } },
	/* One more when the second has just begun: time(2) lags behind the server's finer clock. */
	{ .target = "/status?code=503&at=100",
	  .want = { .status = 503, .retry_after_s = 101 },
	  .slack_s = 31 },
	{ .target = "/status?code=503&at=-100", .want = { .status = 503 } },
	{ .target = "/status?code=503&retry=86400",
	  .want = { .status = 503, .retry_after_s = 86400 } },
	{ .target = "/status?code=503&retry=86401",
	  .want = { .status = 503, .retry_after_s = 86400 } },
	{ .target = "/status?code=503&at=1000000",
	  .want = { .status = 503, .retry_after_s = 86400 } },
	{ .target = "/status?code=503&retry=-5", .want = { .status = 503 } },
	{ .target = "/status?code=503&retry=soon", .want = { .status = 503 } },
	{ .target = "/status?code=503&retry=", .want = { .status = 503 } },
	{ .target = "/type", .want = { .status = 200 } },
	{ .target = "/type?t=application/json", .want = { .status = 200, .is_json = true } },
	{ .target = "/type?t=Application/JSON", .want = { .status = 200, .is_json = true } },
	{ .target = "/type?t=application/json;charset=utf-8",
	  .want = { .status = 200, .is_json = true } },
	{ .target = "/type?t=application/json%20;%20x=y",
	  .want = { .status = 200, .is_json = true } },
	{ .target = "/type?t=application/json-seq", .want = { .status = 200 } },
	{ .target = "/type?t=text/html", .want = { .status = 200 } },
	{ .target = "/type?t=application/vnd.kubernetes.protobuf", .want = { .status = 200 } },
	{ .target = "/interim", .want = { .status = 200 } },
};

static void tells_what_heads_say(void **state)
{
	struct client client;

	(void)state;
	client_init(&client, "good");
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct answer answer AUTO_ANSWER = { 0 };
		const struct head_row *row = &heads[i];

		print_message("  - %s\n", row->target);
		client_get(&client, row->target, &answer);
		assert_int_equal(answer.ret, 0);
		assert_int_equal(answer.heads, 1);
		assert_int_equal(answer.head.status, row->want.status);
		/* A redirect is not followed: its own body is told. */
		if (row->want.status >= 300 && row->want.status != 304)
			assert_string_equal(answer.body.text, "why");
		assert_int_equal(answer.head.is_json, row->want.is_json);
		assert_in_range(answer.head.retry_after_s, row->want.retry_after_s - row->slack_s,
		                row->want.retry_after_s);
	}
	client_done(&client);
}

static void a_target_has_a_bound(void **state)
{
	char target[WATCH_MAX_TARGET + 2] = "/ok?n=1&x=";
	struct answer fits AUTO_ANSWER = { 0 };
	struct answer beyond AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	memset(target + strlen(target), 'x', WATCH_MAX_TARGET - strlen(target));
	client_get(&client, target, &fits);
	check_body(&fits, 1);
	target[WATCH_MAX_TARGET] = 'x';
	client_get(&client, target, &beyond);
	assert_int_equal(beyond.ret, -E2BIG);
	assert_int_equal(beyond.heads, 0);
	client_done(&client);
}

static void says_who_it_is(void **state)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct strbuf want AUTO_STRBUF = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	strbuf_printf(&want,
	              "GET /some/prefix/echo?a=%%20b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	              "User-Agent: kubenft/test\r\nAccept: application/json\r\n"
	              "tls: TLSv1.3\r\nname: None\r\nclient: none\r\n",
	              https_port("good"));
	strbuf_printf(&answer.body, "%s/some/prefix/", client.cluster.server);
	client_set(&client.cluster.server, answer.body.text);
	strbuf_clear(&answer.body);
	client_get(&client, "/echo?a=%20b", &answer);
	assert_int_equal(answer.ret, 0);
	assert_string_equal(answer.body.text, want.text);
	client_done(&client);
}

static void a_body_may_end_with_its_connection(void **state)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_get(&client, "/until-close", &answer);
	assert_int_equal(answer.ret, 0);
	assert_string_equal(answer.body.text, "to the end");
	client_done(&client);
}

static void a_stream_is_told_as_it_comes(void **state)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_get(&client, "/slow?n=20", &answer);
	assert_int_equal(answer.ret, 0);
	assert_true(answer.bodies >= 5);
	assert_true(answer.head.is_json);
	assert_non_null(strstr(answer.body.text, "line 19\n"));
	client_done(&client);
}

/* ---- Cancelling ----------------------------------------------------------------------------- */

static int cancel_self(struct answer *answer)
{
	client_cancel(answer);
	return 0;
}

static void cancel_in_end(struct answer *answer)
{
	client_cancel(answer);
}

static int cancel_other(struct answer *answer)
{
	client_cancel(answer->ctx);
	return 0;
}

static int refuse(struct answer *answer)
{
	(void)answer;
	return -ENOSPC;
}

static bool has_head(const void *ctx)
{
	const struct answer *answer = ctx;

	return answer->heads > 0;
}

static bool is_idle(const void *ctx)
{
	const struct client *client = ctx;

	return watch_http_stats(client->http).active == 0;
}

static void callbacks_may_cancel(const char *name)
{
	struct answer in_head AUTO_ANSWER = { .on_head = cancel_self };
	struct answer in_body AUTO_ANSWER = { .on_body = cancel_self };
	struct answer in_end AUTO_ANSWER = { .on_end = cancel_in_end };
	struct answer after AUTO_ANSWER = { 0 };
	struct client client;

	client_init(&client, name);
	client_begin(&client, "/stall", &in_head);
	client_run(&client, has_head, &in_head);
	client_begin(&client, "/ok?n=1000000", &in_body);
	client_run(&client, answer_has_body, &in_body);
	client_get(&client, "/ok", &in_end);
	client_get(&client, "/ok", &after);
	client_run(&client, nothing_stalls, NULL);
	assert_int_equal(in_head.bodies + in_head.ends, 0);
	assert_int_equal(in_body.ends, 0);
	assert_int_equal(in_body.bodies, 1);
	assert_int_equal(in_end.ends, 1);
	check_body(&after, 2);
	assert_int_equal(watch_http_stats(client.http).active, 0);
	client_done(&client);
}

static void callbacks_may_cancel_themselves(void **state)
{
	(void)state;
	callbacks_may_cancel("good");
}

static void callbacks_may_cancel_streams(void **state)
{
	(void)state;
	https_need("h2");
	callbacks_may_cancel("h2");
}

static void callbacks_may_cancel_others(void **state)
{
	struct answer victim AUTO_ANSWER = { 0 };
	struct answer answer AUTO_ANSWER = { .on_body = cancel_other, .ctx = &victim };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_begin(&client, "/stall", &victim);
	client_run(&client, answer_has_body, &victim);
	client_get(&client, "/slow?n=3", &answer);
	assert_int_equal(answer.ret, 0);
	client_run(&client, nothing_stalls, NULL);
	assert_int_equal(victim.ends, 0);
	assert_int_equal(victim.bodies, 1);
	client_done(&client);
}

static void callbacks_may_refuse(void **state)
{
	struct answer in_head AUTO_ANSWER = { .on_head = refuse };
	struct answer in_body AUTO_ANSWER = { .on_body = refuse };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_get(&client, "/stall", &in_head);
	client_get(&client, "/stall", &in_body);
	assert_int_equal(in_head.ret, -ENOSPC);
	assert_int_equal(in_head.bodies, 0);
	assert_int_equal(in_body.ret, -ENOSPC);
	assert_int_equal(in_body.bodies, 1);
	assert_non_null(strstr(in_body.err.msg, ": the answer was not taken: no space left"));
	client_run(&client, nothing_stalls, NULL);
	client_done(&client);
}

static void get_again(struct answer *answer)
{
	client_begin(answer->client, "/ok", answer->ctx);
}

static void get_the_same(struct answer *answer)
{
	if (answer->ends < 1000)
		client_begin(answer->client, "bad", answer);
}

static bool has_ended_often(const void *ctx)
{
	const struct answer *answer = ctx;

	return answer->ends == 1000;
}

static int get_inside(struct answer *answer)
{
	get_again(answer);
	return 0;
}

static void callbacks_may_get(void **state)
{
	struct answer from_head AUTO_ANSWER = { 0 };
	struct answer from_end AUTO_ANSWER = { 0 };
	struct answer from_failure AUTO_ANSWER = { 0 };
	struct answer good AUTO_ANSWER = { .on_head = get_inside, .ctx = &from_head };
	struct answer gone AUTO_ANSWER = { .on_end = get_again, .ctx = &from_end };
	struct answer bad AUTO_ANSWER = { .on_end = get_again, .ctx = &from_failure };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_get(&client, "/ok", &good);
	client_get(&client, "/cut-length", &gone);
	client_get(&client, "bad", &bad);
	assert_int_equal(bad.ret, -EINVAL);
	client_run(&client, answer_ended, &from_head);
	client_run(&client, answer_ended, &from_end);
	client_run(&client, answer_ended, &from_failure);
	check_body(&from_head, 2);
	check_body(&from_end, 2);
	check_body(&from_failure, 2);
	client_done(&client);
}

/* Who asks again and again for what fails at once does not stop the loop. */
static void a_turn_of_the_loop_ends(void **state)
{
	struct answer answer AUTO_ANSWER = { .on_end = get_the_same };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_begin(&client, "bad", &answer);
	for (unsigned i = 1; i <= 5; i++) {
		ev_run(client.loop, EVRUN_NOWAIT);
		assert_in_range(answer.ends, 0, i);
	}
	client_run(&client, has_ended_often, &answer);
	client_done(&client);
}

static void memory_does_not_grow(void **state)
{
	size_t before = 0;
	struct client client;

	(void)state;
	client_init(&client, "good");
	for (unsigned i = 0; i < 200; i++) {
		struct answer answer AUTO_ANSWER = { 0 };

		if (i == 50)
			before = mallinfo2().uordblks;
		client_get(&client, i % 2 == 0 ? "/ok" : "bad", &answer);
	}
	assert_true(mallinfo2().uordblks < before + 32768);
	client_done(&client);
}

static void is_cancelled_at_any_time(void **state)
{
	struct answer at_once AUTO_ANSWER = { 0 };
	struct answer mute AUTO_ANSWER = { 0 };
	struct answer running AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_begin(&client, "/ok", &at_once);
	client_cancel(&at_once);
	client_begin(&client, "/mute", &mute);
	client_begin(&client, "/stall", &running);
	client_run(&client, answer_has_body, &running);
	client_cancel(&running);
	client_cancel(&mute);
	client_run(&client, is_idle, &client);
	client_run(&client, nothing_stalls, NULL);
	assert_int_equal(at_once.heads + at_once.ends + mute.heads + mute.ends + running.ends, 0);
	client_done(&client);
}

static void is_freed_at_any_time(void **state)
{
	struct answer answers[4] = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_open(&client);
	client_done(&client);

	client_init(&client, "good");
	client_begin(&client, "/ok", &answers[0]);
	client_done(&client);

	client_init(&client, "good");
	client_begin(&client, "/stall", &answers[1]);
	client_begin(&client, "/mute", &answers[2]);
	client_run(&client, answer_has_body, &answers[1]);
	watch_http_drop_connections(client.http);
	client_begin(&client, "/ok", &answers[3]);
	client_cancel(&answers[2]);
	client_done(&client);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		assert_int_equal(answers[i].ends, 0);
		answer_done(&answers[i]);
	}
	watch_http_free(NULL);
}

static void requests_have_a_bound(void **state)
{
	struct answer answers[WATCH_MAX_TRANSFERS] = { 0 };
	struct answer beyond AUTO_ANSWER = { 0 };
	struct answer again AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "plain");
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		client_begin(&client, "/stall", &answers[i]);
	client_get(&client, "/ok", &beyond);
	assert_int_equal(beyond.ret, -E2BIG);
	assert_non_null(strstr(beyond.err.msg, ": 64 requests are under way"));
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		client_run(&client, answer_has_body, &answers[i]);
	assert_int_equal(watch_http_stats(client.http).active, WATCH_MAX_TRANSFERS);
	client_cancel(&answers[0]);
	client_get(&client, "/ok", &again);
	check_body(&again, 2);
	client_done(&client);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		answer_done(&answers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_over_tls),
		cmocka_unit_test(answers_without_tls),
		cmocka_unit_test(tells_what_heads_say),
		cmocka_unit_test(a_target_has_a_bound),
		cmocka_unit_test(says_who_it_is),
		cmocka_unit_test(a_body_may_end_with_its_connection),
		cmocka_unit_test(a_stream_is_told_as_it_comes),
		cmocka_unit_test(callbacks_may_cancel_themselves),
		cmocka_unit_test(callbacks_may_cancel_streams),
		cmocka_unit_test(callbacks_may_cancel_others),
		cmocka_unit_test(callbacks_may_refuse),
		cmocka_unit_test(callbacks_may_get),
		cmocka_unit_test(a_turn_of_the_loop_ends),
		cmocka_unit_test(memory_does_not_grow),
		cmocka_unit_test(is_cancelled_at_any_time),
		cmocka_unit_test(is_freed_at_any_time),
		cmocka_unit_test(requests_have_a_bound),
	};

	return cmocka_run_group_tests(tests, https_start, https_stop);
}

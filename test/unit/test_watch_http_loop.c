/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections: how they are made, shared, kept and given up. */
#include "watch/http_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "test/unit/http_client.h"
#include "test/unit/https_server.h"
#include "test/unit/test.h"

static int cancel_self(struct answer *answer)
{
	client_cancel(answer);
	return 0;
}

static int refuse(struct answer *answer)
{
	(void)answer;
	return -ENOSPC;
}

static int get_option(int fd, int level, int option)
{
	socklen_t len = sizeof(int);
	int value = 0;

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/* Our descriptor of the connection to @port; -1: none. */
static int find_socket(unsigned port)
{
	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in peer = { 0 };
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_family == AF_INET && ntohs(peer.sin_port) == port)
			return fd;
	}
	return -1;
}

static bool is_closed(const void *port)
{
	const unsigned *of = port;

	return find_socket(*of) < 0;
}

static void a_connection_is_kept(void **state)
{
	unsigned before = https_connections("good");
	unsigned port = https_port("good");
	struct watch_http_stats stats;
	struct client client;

	(void)state;
	client_init(&client, "good");
	for (unsigned i = 0; i < 5; i++) {
		struct answer answer AUTO_ANSWER = { 0 };

		client_get(&client, "/ok?n=10", &answer);
		check_body(&answer, 10);
	}
	assert_int_equal(https_connections("good"), before + 1);
	stats = watch_http_stats(client.http);
	assert_int_equal(stats.requests, 5);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.body_bytes, 50);
	assert_int_equal(stats.http_major, 1);
	assert_int_equal(stats.active, 0);
	assert_true(find_socket(port) >= 0);
	watch_http_drop_connections(client.http);
	client_run(&client, is_closed, &port);
	for (unsigned i = 0; i < 2; i++) {
		struct answer answer AUTO_ANSWER = { 0 };

		client_get(&client, "/ok?n=10", &answer);
		check_body(&answer, 10);
	}
	assert_int_equal(https_connections("good"), before + 2);
	assert_int_equal(watch_http_stats(client.http).connections, 2);
	client_done(&client);
}

static CURLcode how_it_ended = CURLE_OK;

static void note_end(CURL *easy, CURLcode code)
{
	(void)easy;
	how_it_ended = code;
}

static void on_too_late(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	how_it_ended = CURLE_ABORTED_BY_CALLBACK;
}

/* Milliseconds are not rounded to seconds: neither up, nor down to no time, over and over. */
static void waits_as_long_as_libcurl_says(void **state)
{
	struct http_loop glue = { .ended = note_end };
	struct strbuf url AUTO_STRBUF = { 0 };
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	CURL *easy = curl_easy_init();
	ev_tstamp begin = ev_time();
	unsigned turns = 0;
	ev_timer late;

	(void)state;
	ev_timer_init(&late, on_too_late, 30., 0.);
	ev_timer_start(loop, &late);
	strbuf_printf(&url, "http://127.0.0.1:%u/mute", https_port("plain"));
	assert_int_equal(http_loop_init(&glue, loop, 1, NULL), 0);
	curl_easy_setopt(easy, CURLOPT_URL, url.text);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 700L);
	assert_int_equal(curl_multi_add_handle(glue.multi, easy), CURLM_OK);
	for (; how_it_ended == CURLE_OK; turns++)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(how_it_ended, CURLE_OPERATION_TIMEDOUT);
	assert_true(ev_time() - begin >= 0.69);
	assert_in_range(turns, 2, 50);
	assert_int_equal(curl_multi_remove_handle(glue.multi, easy), CURLM_OK);
	curl_easy_cleanup(easy);
	http_loop_done(&glue);
	ev_timer_stop(loop, &late);
	assert_false(ev_run(loop, EVRUN_NOWAIT));
	ev_loop_destroy(loop);
}

static void dropping_leaves_what_runs(void **state)
{
	struct answer held AUTO_ANSWER = { 0 };
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_begin(&client, "/hold", &held);
	client_run(&client, answer_has_body, &held);
	watch_http_drop_connections(client.http);
	client_get(&client, "/ok", &answer);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(held.ends, 0);
	assert_int_equal(https_ask("release"), 1);
	client_run(&client, answer_ended, &held);
	assert_int_equal(held.ret, 0);
	assert_string_equal(held.body.text, "held\nreleased\n");
	client_done(&client);
}

static void a_silent_host_will_be_noticed(void **state)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;
	int fd;

	(void)state;
	client_init(&client, "good");
	client_begin(&client, "/stall", &answer);
	client_run(&client, answer_has_body, &answer);
	fd = find_socket(https_port("good"));
	assert_true(fd >= 0);
	assert_true(get_option(fd, SOL_SOCKET, SO_KEEPALIVE));
	assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 15);
	assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_KEEPINTVL), 10);
	assert_int_equal(get_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
	assert_true(get_option(fd, IPPROTO_TCP, TCP_NODELAY));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	client_done(&client);
	assert_int_equal(find_socket(https_port("good")), -1);
}

static void a_connection_closed_by_the_server_is_made_again(void **state)
{
	struct answer cut AUTO_ANSWER = { 0 };
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	client_init(&client, "good");
	client_get(&client, "/cut-length", &cut);
	client_get(&client, "/ok", &answer);
	check_body(&answer, 2);
	assert_int_equal(watch_http_stats(client.http).connections, 2);
	client_done(&client);
}

/* ---- HTTP/2 --------------------------------------------------------------------------------- */

static void http2_is_one_connection(void **state)
{
	unsigned before;
	struct answer held[4] = { 0 };
	struct answer stalled AUTO_ANSWER = { .on_body = cancel_self };
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	https_need("h2");
	before = https_connections("h2");
	client_init(&client, "h2");
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		client_begin(&client, "/hold", &held[i]);
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		client_run(&client, answer_has_body, &held[i]);
	client_begin(&client, "/stall", &stalled);
	client_run(&client, answer_has_body, &stalled);
	client_get(&client, "/ok?n=2000000", &answer);
	check_body(&answer, 2000000);
	client_run(&client, nothing_stalls, NULL);
	assert_int_equal(watch_http_stats(client.http).active, 4);
	assert_int_equal(https_ask("release"), 4);
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		client_run(&client, answer_ended, &held[i]);
		assert_int_equal(held[i].ret, 0);
		assert_string_equal(held[i].body.text, "held\nreleased\n");
		answer_done(&held[i]);
	}
	assert_int_equal(https_connections("h2"), before + 1);
	assert_int_equal(watch_http_stats(client.http).connections, 1);
	assert_int_equal(watch_http_stats(client.http).http_major, 2);
	client_done(&client);
}

static void http2_streams_end_alone(void **state)
{
	struct answer cut AUTO_ANSWER = { 0 };
	struct answer refused AUTO_ANSWER = { .on_body = refuse };
	struct answer large AUTO_ANSWER = { 0 };
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	https_need("h2");
	client_init(&client, "h2");
	client_get(&client, "/cut-length", &cut);
	assert_int_equal(cut.ret, -EPROTO);
	client_get(&client, "/stall", &refused);
	assert_int_equal(refused.ret, -ENOSPC);
	client_get(&client, "/head?n=66000", &large);
	assert_true(large.ret == -E2BIG || large.head.status == 502);
	client_get(&client, "/ok", &answer);
	check_body(&answer, 2);
	assert_int_equal(watch_http_stats(client.http).connections, 1);
	client_done(&client);
}

/* Large bodies side by side, each whole and in order. */
static void http2_streams_share(void **state)
{
	struct answer answers[8] = { 0 };
	struct client client;

	(void)state;
	https_need("h2");
	client_init(&client, "h2");
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		client_begin(&client,
		             i % 2 == 0 ? "/ok?n=700000&size=70001"
		                        : "/chunked?n=700000&size=30011",
		             &answers[i]);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		client_run(&client, answer_ended, &answers[i]);
		check_body(&answers[i], 700000);
		answer_done(&answers[i]);
	}
	assert_int_equal(watch_http_stats(client.http).connections, 1);
	client_done(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_kept),
		cmocka_unit_test(waits_as_long_as_libcurl_says),
		cmocka_unit_test(dropping_leaves_what_runs),
		cmocka_unit_test(a_silent_host_will_be_noticed),
		cmocka_unit_test(a_connection_closed_by_the_server_is_made_again),
		cmocka_unit_test(http2_is_one_connection),
		cmocka_unit_test(http2_streams_end_alone),
		cmocka_unit_test(http2_streams_share),
	};

	return cmocka_run_group_tests(tests, https_start, https_stop);
}

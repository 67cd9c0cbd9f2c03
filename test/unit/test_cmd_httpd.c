/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/httpd.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/clock.h"
#include "test/unit/loop_client.h"
#include "test/unit/test.h"

#define PORT 24256 /* not the daemon's own, which a node may listen at on all addresses */
#define KEEP_ALIVE "GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n"
#define CROWD 100 /* more than may be open, fewer than wait at a listening socket */

static struct ev_loop *loop;
static struct httpd *server;
static struct httpd_listener *listener;
static struct ipaddr address;
static size_t body_bytes; /* of an answer to /big */
static unsigned asked;    /* so often */
static unsigned put_off;  /* answers to /later, so far */
static unsigned waiting;  /* until so many are */

/* Says what it was asked. */
static void echo(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	if (strcmp(request->path, "/big") == 0) {
		http_text(answer, 200, "");
		while (answer->body.len < body_bytes)
			strbuf_puts(&answer->body, "0123456789abcdef");
		return;
	}
	asked++;
	if (strcmp(request->path, "/later") == 0 && !request->waited) {
		answer->later = true;
		put_off++;
		return;
	}
	http_text(answer, 200, ctx);
	strbuf_printf(&answer->body, " [%s][%s][%s]", request->path, request->query,
	              request->accept);
}

static int set_up_with(uint64_t deadline_us)
{
	struct err err = { 0 };

	loop = ev_loop_new(EVFLAG_AUTO);
	asked = put_off = 0;
	address = loop_own_address();
	if (httpd_new(loop, deadline_us, &server, &err) < 0 ||
	    httpd_listen(server, &address, PORT, false, echo, (void *)(uintptr_t) "one", &listener,
	                 &err) < 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(HTTPD_DEADLINE_US);
}

static int set_up_impatient(void **state)
{
	(void)state;
	return set_up_with(50000);
}

static int tear_down(void **state)
{
	(void)state;
	httpd_free(server);
	ev_loop_destroy(loop);
	return 0;
}

static void turn_until(bool (*done)(void))
{
	uint64_t deadline = clock_us() + 10000000;

	while (!done() && clock_us() < deadline)
		(void)ev_run(loop, EVRUN_NOWAIT);
	assert_true(done());
}

static bool crowd_is_in(void)
{
	return httpd_stats(server).accepted == CROWD;
}

static bool nobody_is_in(void)
{
	return httpd_stats(server).open == 0;
}

/* One row: bytes that a client sends, and what is in the answer and what is not. */
static const struct row {
	const char *what;
	const char *sent;
	const char *want;
	const char *not_want;
} rows[] = {
	{ "a plain request", "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	  "HTTP/1.1 200 OK\r\n", "404" },
	{ "the answer's headers", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	  "X-Content-Type-Options: nosniff\r\n", NULL },
	{ "HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "one [/a][][]", NULL },
	{ "path, query, Accept",
	  "GET /%61?b=%20&c HTTP/1.1\r\nHost: a\r\nAccept: text/*\r\nConnection: close\r\n\r\n",
	  "one [/a][b=%20&c][text/*]", NULL },
	{ "HEAD has no body", "HEAD /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	  "Content-Length: 12\r\n", "one" },
	{ "any method, its body is not looked at",
	  "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
	  "one [/a][][]", NULL },
	{ "chunks",
	  "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
	  "5\r\nhello\r\n0\r\n\r\n",
	  "one [/a][][]", NULL },
	{ "garbage", "\x16\x03\x01\x02\x01\r\n\r\n", "", "200" },
	{ "no version", "GET /\r\n\r\n", "", NULL },
	{ "a version of the future", "GET / HTTP/9.9\r\nHost: a\r\n\r\n", "", "200 OK" },
};

static void answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf got = { 0 };
		int fd = loop_connect(&address, PORT);

		print_message("  - %s\n", rows[i].what);
		loop_send(loop, fd, rows[i].sent);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		assert_true(loop_read(loop, fd, NULL, &got));
		assert_non_null(strstr(got.text, rows[i].want));
		if (rows[i].not_want != NULL)
			assert_null(strstr(got.text, rows[i].not_want));
		(void)close(fd);
	}
}

static void keeps_connections_open(void **state)
{
	int fd = loop_connect(&address, PORT);

	(void)state;
	for (int i = 0; i < 3; i++) {
		AUTO_STRBUF struct strbuf got = { 0 };

		loop_send(loop, fd, KEEP_ALIVE);
		assert_true(loop_read(loop, fd, "[/x][y=1][]", &got));
	}
	assert_int_equal(httpd_stats(server).accepted, 1);
	(void)close(fd);
}

static void takes_requests_byte_by_byte(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	for (const char *p = KEEP_ALIVE; *p != '\0'; p++)
		loop_send(loop, fd, (char[]){ *p, '\0' });
	assert_true(loop_read(loop, fd, "[/x][y=1][]", &got));
	(void)close(fd);
}

/* A head of this many bytes, all in. */
static void head_of(struct strbuf *out, size_t bytes)
{
	strbuf_puts(out, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ");
	while (out->len < bytes - 4)
		strbuf_puts(out, "x");
	strbuf_puts(out, "\r\n\r\n");
}

static void bounds_the_head(void **state)
{
	static const struct {
		size_t bytes;
		const char *want;
	} heads[] = {
		{ HTTPD_MAX_HEAD - 1, "HTTP/1.1 200 " },
		{ HTTPD_MAX_HEAD + 2, "HTTP/1.1 431 " },
		{ 11000, "HTTP/1.1 431 " },
		{ 40000, "HTTP/1.1 431 " },
		{ 10000000, "HTTP/1.1 431 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		AUTO_STRBUF struct strbuf head = { 0 };
		AUTO_STRBUF struct strbuf got = { 0 };
		int fd = loop_connect(&address, PORT);

		print_message("  - %zu bytes\n", heads[i].bytes);
		head_of(&head, heads[i].bytes);
		loop_send(loop, fd, head.text);
		(void)loop_read(loop, fd, NULL, &got);
		if (heads[i].bytes < 1000000) /* else the answer may be lost in a reset */
			assert_true(str_starts(got.text, heads[i].want));
		(void)close(fd);
	}
}

/* What libmicrohttpd cannot parse in its bounds ends at once, and leaves nothing behind. */
static void bounds_parameters(void **state)
{
	static const struct {
		size_t count;
		bool answered;
	} cases[] = { { 64, true }, { 65, false }, { 150, false }, { 1500, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_STRBUF struct strbuf request = { 0 };
		AUTO_STRBUF struct strbuf got = { 0 };
		int fd = loop_connect(&address, PORT);

		print_message("  - %zu parameters\n", cases[i].count);
		strbuf_puts(&request, "GET /a?a");
		for (size_t k = 1; k < cases[i].count; k++)
			strbuf_puts(&request, "&a");
		strbuf_puts(&request, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
		loop_send(loop, fd, request.text);
		(void)loop_read(loop, fd, NULL, &got);
		assert_int_equal(strstr(got.text, "one [/a]") != NULL, cases[i].answered);
		(void)close(fd);
	}
	turn_until(nobody_is_in);
	assert_int_equal(httpd_stats(server).expired, 0);
}

static void bounds_a_body(void **state)
{
	AUTO_STRBUF struct strbuf request = { 0 };
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	strbuf_puts(&request, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
	for (size_t i = 0; i < 2 * HTTPD_MAX_BODY / 16; i++)
		strbuf_puts(&request, "0123456789abcdef");
	loop_send(loop, fd, request.text);
	(void)loop_read(loop, fd, NULL, &got);
	assert_null(strstr(got.text, "200 OK"));
	(void)close(fd);
}

/* Connections that say nothing: the newest are served, the oldest go. */
static void serves_behind_idle_connections(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fds[CROWD];
	char byte;

	(void)state;
	for (size_t i = 0; i < CROWD; i++)
		fds[i] = loop_connect(&address, PORT);
	turn_until(crowd_is_in);
	loop_get(loop, &address, PORT, "/late", &got);
	assert_non_null(strstr(got.text, "one [/late]"));
	assert_true(httpd_stats(server).open <= HTTPD_MAX_CONNECTIONS);
	assert_int_equal(httpd_stats(server).evicted, CROWD + 1 - HTTPD_MAX_CONNECTIONS);
	assert_int_equal(recv(fds[0], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(fds[CROWD - 1], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (size_t i = 0; i < CROWD; i++)
		(void)close(fds[i]);
	turn_until(nobody_is_in);
}

static void ends_who_is_too_slow(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	AUTO_STRBUF struct strbuf more = { 0 };
	int idle = loop_connect(&address, PORT);
	int slow = loop_connect(&address, PORT);
	uint64_t begin = clock_us();

	(void)state;
	loop_send(loop, slow, "GET / HTTP/1.1\r\nX: ");
	/* a byte now and then does not help */
	while (clock_us() < begin + 200000 && send(slow, "x", 1, MSG_NOSIGNAL) == 1)
		(void)ev_run(loop, EVRUN_NOWAIT);
	(void)loop_read(loop, slow, NULL, &got);
	assert_true(loop_read(loop, idle, NULL, &more));
	assert_null(strstr(got.text, "200 OK"));
	assert_int_equal(httpd_stats(server).expired, 2);
	(void)close(slow);
	(void)close(idle);
}

/* As a Prometheus, which keeps its connection from one scrape to the next. */
static void does_not_call_slow_who_was_answered(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	loop_send(loop, fd, KEEP_ALIVE);
	assert_true(loop_read(loop, fd, "[/x][y=1][]", &got));
	turn_until(nobody_is_in);
	assert_int_equal(httpd_stats(server).expired, 0);
	(void)close(fd);

	/* but who is at his second request is */
	fd = loop_connect(&address, PORT);
	loop_send(loop, fd, KEEP_ALIVE);
	strbuf_clear(&got);
	assert_true(loop_read(loop, fd, "[/x][y=1][]", &got));
	loop_send(loop, fd, "GET / HTTP/1.1\r\nX: ");
	turn_until(nobody_is_in);
	assert_int_equal(httpd_stats(server).expired, 1);
	(void)close(fd);
}

static void ends_who_does_not_read(void **state)
{
	int fd = loop_connect(&address, PORT);

	(void)state;
	body_bytes = 64u << 20; /* no socket buffer takes that */
	loop_send(loop, fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
	(void)ev_run(loop, EVRUN_NOWAIT);
	turn_until(nobody_is_in);
	assert_int_equal(httpd_stats(server).expired, 1);
	(void)close(fd);
}

static void sends_large_answers_whole(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };

	(void)state;
	body_bytes = 3000000;
	loop_get(loop, &address, PORT, "/big", &got);
	assert_true(got.len > body_bytes && got.len < body_bytes + 500);
}

static void listens_at_several_addresses(void **state)
{
	const struct ipaddr v6 = { .family = 6, .bytes = { [15] = 1 } };
	struct httpd_listener *second = NULL;
	struct httpd_listener *third = NULL;
	AUTO_STRBUF struct strbuf got = { 0 };
	struct err err = { 0 };
	uint16_t port = 0;

	(void)state;
	for (uint16_t i = 0; i < 100 && second == NULL; i++) {
		port = (uint16_t)(20000 + (getpid() + i) % 10000);
		if (httpd_listen(server, &v6, port, false, echo, (void *)(uintptr_t) "two", &second,
		                 &err) == -EADDRNOTAVAIL)
			skip(); /* no IPv6 here */
	}
	assert_non_null(second);
	loop_get(loop, &v6, port, "/", &got);
	assert_non_null(strstr(got.text, "two [/]"));
	strbuf_clear(&got);
	loop_get(loop, &address, PORT, "/", &got);
	assert_non_null(strstr(got.text, "one [/]"));

	assert_int_equal(httpd_listen(server, &v6, port, false, echo, NULL, &third, &err),
	                 -EADDRINUSE);
	assert_non_null(strstr(err.msg, "listening on [::1]:"));
	assert_null(third);
	httpd_close(second);
	assert_int_equal(loop_connect(&v6, port), -1);
	strbuf_clear(&got);
	loop_get(loop, &address, PORT, "/", &got);
	assert_non_null(strstr(got.text, "one [/]"));
}

static void ends_connections_of_a_closed_listener(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	loop_send(loop, fd, KEEP_ALIVE);
	assert_true(loop_read(loop, fd, "[/x]", &got));
	loop_send(loop, fd, "GET / HT");
	httpd_close(listener);
	strbuf_clear(&got);
	loop_send(loop, fd, "TP/1.1\r\nHost: a\r\n\r\n");
	(void)loop_read(loop, fd, NULL, &got);
	assert_null(strstr(got.text, "200 OK"));
	(void)close(fd);
}

/* Accepting stops for a moment; the loop does not spin, and goes on when there are some again. */
static void lives_without_descriptors(void **state)
{
	struct rlimit had;
	struct rlimit none;
	AUTO_STRBUF struct strbuf got = { 0 };
	uint64_t begin;
	int fd;

	(void)state;
	(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	none = (struct rlimit){ 0, had.rlim_max };
	fd = loop_connect(&address, PORT);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	(void)ev_run(loop, EVRUN_NOWAIT);
	begin = clock_us();
	(void)ev_run(loop, EVRUN_ONCE); /* libev takes a stopped descriptor off one turn late */
	(void)ev_run(loop, EVRUN_ONCE);
	assert_true(clock_us() - begin > 50000);
	assert_int_equal(httpd_stats(server).accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
	loop_send(loop, fd, KEEP_ALIVE);
	assert_true(loop_read(loop, fd, "[/x]", &got));
	(void)close(fd);
}

#define LATER "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"

static bool all_wait(void)
{
	return put_off == waiting;
}

/* Sends it, and lets the server put it off. */
static void ask_later(int fd)
{
	waiting = put_off + 1;
	loop_send(loop, fd, LATER);
	turn_until(all_wait);
}

static void puts_an_answer_off(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	AUTO_STRBUF struct strbuf other = { 0 };
	int fd = loop_connect(&address, PORT);
	char byte;

	(void)state;
	for (int i = 0; i < 3; i++) { /* on one connection */
		ask_later(fd);
		/* others are answered meanwhile, this one is not, however often the loop turns */
		strbuf_clear(&other);
		loop_get(loop, &address, PORT, "/now", &other);
		assert_non_null(strstr(other.text, "one [/now]"));
		assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
		assert_int_equal(errno, EAGAIN);
		httpd_resume(server);
		strbuf_clear(&got);
		assert_true(loop_read(loop, fd, "one [/later]", &got));
	}
	httpd_resume(server); /* nobody waits */
	(void)close(fd);
}

static void one_word_answers_all_who_wait(void **state)
{
	int fds[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = loop_connect(&address, PORT);
		ask_later(fds[i]);
	}
	httpd_resume(server);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		AUTO_STRBUF struct strbuf got = { 0 };

		assert_true(loop_read(loop, fds[i], "one [/later]", &got));
		(void)close(fds[i]);
	}
}

static void who_waits_for_an_answer_keeps_nobody_out(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	AUTO_STRBUF struct strbuf first = { 0 };
	int fds[HTTPD_MAX_CONNECTIONS];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = loop_connect(&address, PORT);
		ask_later(fds[i]);
	}
	loop_get(loop, &address, PORT, "/late", &got);
	assert_non_null(strstr(got.text, "one [/late]"));
	assert_int_equal(httpd_stats(server).evicted, 1);
	assert_true(httpd_stats(server).open <= HTTPD_MAX_CONNECTIONS);
	(void)loop_read(loop, fds[0], NULL, &first); /* the oldest is closed */
	assert_int_equal(first.len, 0);
	httpd_resume(server);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };

		if (i > 0)
			assert_true(loop_read(loop, fds[i], "one [/later]", &text));
		(void)close(fds[i]);
	}
	turn_until(nobody_is_in);
}

static void ends_who_waits_too_long(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	ask_later(fd);
	turn_until(nobody_is_in);
	assert_int_equal(httpd_stats(server).expired, 1);
	assert_int_equal(asked, 1); /* no answer is made for nobody */
	(void)loop_read(loop, fd, NULL, &got);
	assert_int_equal(got.len, 0);
	httpd_resume(server);
	(void)close(fd);
}

static void who_waits_may_leave(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	ask_later(fd);
	(void)close(fd);
	(void)ev_run(loop, EVRUN_NOWAIT);
	httpd_resume(server);
	turn_until(nobody_is_in);
	loop_get(loop, &address, PORT, "/now", &got);
	assert_non_null(strstr(got.text, "one [/now]"));
}

static void ends_who_waits_at_a_closed_listener(void **state)
{
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(&address, PORT);

	(void)state;
	ask_later(fd);
	httpd_close(listener);
	(void)loop_read(loop, fd, NULL, &got);
	assert_int_equal(got.len, 0);
	turn_until(nobody_is_in);
	(void)close(fd);
}

static void goes_while_somebody_waits(void **state)
{
	int fd = loop_connect(&address, PORT);

	ask_later(fd);
	assert_int_equal(tear_down(state), 0);
	assert_int_equal(recv(fd, &(char){ 0 }, 1, 0), 0);
	(void)close(fd);
	assert_int_equal(set_up(state), 0); /* for the end of the test */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TEST_IMPATIENT(f) cmocka_unit_test_setup_teardown(f, set_up_impatient, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),
		TEST(keeps_connections_open),
		TEST(takes_requests_byte_by_byte),
		TEST(bounds_the_head),
		TEST(bounds_parameters),
		TEST(bounds_a_body),
		TEST(serves_behind_idle_connections),
		TEST_IMPATIENT(ends_who_is_too_slow),
		TEST_IMPATIENT(does_not_call_slow_who_was_answered),
		TEST_IMPATIENT(ends_who_does_not_read),
		TEST(sends_large_answers_whole),
		TEST(listens_at_several_addresses),
		TEST(ends_connections_of_a_closed_listener),
		TEST(lives_without_descriptors),
		TEST(puts_an_answer_off),
		TEST(one_word_answers_all_who_wait),
		TEST(who_waits_for_an_answer_keeps_nobody_out),
		TEST_IMPATIENT(ends_who_waits_too_long),
		TEST(who_waits_may_leave),
		TEST(ends_who_waits_at_a_closed_listener),
		TEST(goes_while_somebody_waits),
	};

	return cmocka_run_group_tests_name("cmd/httpd", tests, NULL, NULL);
}

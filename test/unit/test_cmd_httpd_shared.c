/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers that are made once for all who ask at the same time. */
#include <string.h>
#include <unistd.h>

#include "cmd/clock.h"
#include "cmd/httpd.h"
#include "test/unit/loop_client.h"
#include "test/unit/test.h"

#define PORT 24256 /* not the daemon's own, which a node may listen at on all addresses */
#define CROWD 10

static struct ev_loop *loop;
static struct httpd *server;
static struct httpd_listener *listeners[2];
static struct ipaddr address;
static unsigned waiting;
static unsigned made; /* answers */

static void answer_all(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	if (!request->waited) {
		waiting++;
		answer->later = true;
		return;
	}
	http_text(answer, 200, ctx);
	strbuf_printf(&answer->body, " %s %u.", request->path, ++made);
	if (strcmp(request->path, "/shared") == 0)
		answer->shared = "/shared";
}

static int set_up(void **state)
{
	struct err err = { 0 };

	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	waiting = made = 0;
	address = loop_own_address();
	if (httpd_new(loop, HTTPD_DEADLINE_US, &server, &err) < 0 ||
	    httpd_listen(server, &address, PORT, false, answer_all, (void *)(uintptr_t) "one",
	                 &listeners[0], &err) < 0 ||
	    httpd_listen(server, &address, PORT + 1, false, answer_all, (void *)(uintptr_t) "two",
	                 &listeners[1], &err) < 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	httpd_free(server);
	ev_loop_destroy(loop);
	return 0;
}

/* Return: a connection whose request waits. */
static int ask(uint16_t port, const char *path)
{
	uint64_t deadline = clock_us() + 10000000;
	AUTO_STRBUF struct strbuf text = { 0 };
	int fd = loop_connect(&address, port);
	unsigned before = waiting;

	strbuf_printf(&text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
	loop_send(loop, fd, text.text);
	while (waiting == before && clock_us() < deadline)
		(void)ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(waiting, before + 1);
	return fd;
}

static void assert_answered(int fd, const char *want)
{
	AUTO_STRBUF struct strbuf got = { 0 };

	assert_true(loop_read(loop, fd, want, &got));
	(void)close(fd);
}

static void is_made_once_for_all_of_a_turn(void **state)
{
	int fds[CROWD];

	(void)state;
	for (unsigned turn = 1; turn <= 2; turn++) {
		AUTO_STRBUF struct strbuf want = { 0 };

		strbuf_printf(&want, "one /shared %u.", turn);
		for (size_t i = 0; i < CROWD; i++)
			fds[i] = ask(PORT, "/shared");
		httpd_resume(server);
		for (size_t i = 0; i < CROWD; i++)
			assert_answered(fds[i], want.text);
		assert_int_equal(made, turn); /* and not again for the next turn */
	}
}

static void is_for_those_alone_who_ask_for_the_same(void **state)
{
	int one;
	int own[2];
	int two;

	(void)state;
	one = ask(PORT, "/shared");
	own[0] = ask(PORT, "/own");
	own[1] = ask(PORT, "/own");
	two = ask(PORT + 1, "/shared");
	httpd_resume(server);
	assert_answered(one, "one /shared ");
	assert_answered(own[0], "one /own ");
	assert_answered(own[1], "one /own ");
	assert_answered(two, "two /shared ");
	assert_int_equal(made, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_made_once_for_all_of_a_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_for_those_alone_who_ask_for_the_same, set_up,
		                                tear_down),
	};

	return cmocka_run_group_tests_name("cmd/httpd, shared answers", tests, NULL, NULL);
}

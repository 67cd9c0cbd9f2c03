/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What nft does, as the kernel tells it: how much of it passes the filter, and
 * what it is taken for.
 */
#include "nft/monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "nft/ruleset.h"
#include "nft/sock.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define WAIT_MS 10000

static struct nftx_sock *sock;
static struct nftx_monitor *monitor;

static void nft(const char *text)
{
	FILE *pipe = popen("nft -f -", "w");

	assert_non_null(pipe);
	assert_true(fputs(text, pipe) >= 0);
	assert_int_equal(pclose(pipe), 0);
}

static bool is_readable(void)
{
	struct pollfd poll_fd = { .fd = nftx_monitor_fd(monitor), .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* What was heard, as text. */
static void hear(struct strbuf *out, struct nftx_notice *last)
{
	static const char *const names[] = { "table", "chain", "rule", "set", "element", "other" };
	const struct nftx_notices *heard;
	struct err err = { 0 };

	out->len = 0;
	strbuf_puts(out, "");
	if (nftx_monitor_read(monitor, &heard, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < heard->count; i++) {
		const struct nftx_notice *notice = &heard->list[i];

		strbuf_puts(out, notice->process);
		for (size_t k = 0; k < NFTX_TOUCH_COUNT; k++)
			if (notice->added[k] + notice->removed[k] > 0)
				strbuf_printf(out, " %s+%u-%u", names[k], notice->added[k],
				              notice->removed[k]);
		strbuf_puts(out, "; ");
		if (last != NULL)
			*last = *notice;
	}
	strbuf_printf(out, "others %u", heard->others);
	if (heard->datagrams != heard->others + 2 * heard->count)
		strbuf_printf(out, " in %u datagrams", heard->datagrams);
	assert_false(is_readable());
}

#define TABLE                                                                                    \
	"table ip kubenft {\n"                                                                   \
	" map m { type ipv4_addr : verdict; elements = { 1.1.1.1 : drop, 2.2.2.2 : drop }\n }\n" \
	" chain c { counter; }\n}\n"
#define OTHER "table ip other {\n set s { type ipv4_addr; }\n chain d { counter; }\n}\n"
#define TEN(x) x "0\n" x "1\n" x "2\n" x "3\n" x "4\n" x "5\n" x "6\n" x "7\n" x "8\n" x "9\n"
#define FOURTEEN              \
	TEN("add table ip a") \
	"add table ip a10\nadd table ip a11\nadd table ip a12\nadd table ip a13\n"

static const struct row {
	const char *what;
	const char *text;
	const char *want;
} rows[] = {
	{ "an element is added", "add element ip kubenft m { 3.3.3.3 : drop }",
	  "nft element+1-0; others 0" },
	{ "one is deleted", "delete element ip kubenft m { 1.1.1.1 }",
	  "nft element+0-1; others 0" },
	{ "all are", "flush map ip kubenft m", "nft element+0-2; others 0" },
	{ "something that is there already: nothing changes", "add table ip kubenft", "others 0" },
	{ "a rule", "add rule ip kubenft c drop", "nft rule+1-0; others 0" },
	{ "a chain loses its rules", "flush chain ip kubenft c", "nft rule+0-1; others 0" },
	{ "the table goes to sleep", "add table ip kubenft { flags dormant; }",
	  "nft table+1-0; others 0" },
	{ "a counter", "add counter ip kubenft n", "nft other+1-0; others 0" },
	{ "a set", "add set ip kubenft n { type ipv4_addr; }", "nft set+1-0; others 0" },
	{ "the table is deleted", "delete table ip kubenft",
	  "nft table+0-1 chain+0-1 rule+0-1 set+0-1; others 0" },
	{ "everything is", "flush ruleset", "nft table+0-1 chain+0-1 rule+0-1 set+0-1; others 0" },
	{ "an element of another table", "add element ip other s { 3.3.3.3 }", "others 1" },
	{ "many of them",
	  "add element ip other s { 1.0.0.1, 1.0.0.2, 1.0.0.3, 1.0.0.4, 1.0.0.5, 1.0.0.6, 1.0.0.7,"
	  " 1.0.0.8, 1.0.0.9, 1.0.0.10, 1.0.0.11, 1.0.0.12, 1.0.0.13, 1.0.0.14, 1.0.0.15,"
	  " 1.0.0.16, 1.0.0.17, 1.0.0.18, 1.0.0.19, 1.0.0.20 }",
	  "others 1 in 2 datagrams" },
	{ "a table of our name in family inet", "add table inet kubenft",
	  "others 1 in 2 datagrams" },
	{ "ours behind one of others", "add table ip a\nadd rule ip kubenft c drop",
	  "nft rule+1-0; others 0" },
	{ "ours as the 15th of a datagram", FOURTEEN "add rule ip kubenft c drop",
	  "nft rule+1-0; others 0" },
	{ "as the 16th", FOURTEEN "add table ip a14\nadd rule ip kubenft c drop",
	  "nft rule+1-0; others 0" },
	{ "as the 17th", FOURTEEN "add table ip a14\nadd table ip a15\nadd rule ip kubenft c drop",
	  "nft rule+1-0; others 0" },
	{ "messages of more than 256 bytes, none of them ours",
	  "add rule ip other d ip saddr 10.0.0.1 tcp dport 1 counter log prefix \"a long one\" "
	  "drop\n"
	  "add rule ip other d ip saddr 10.0.0.1 tcp dport 1 counter log prefix \"a long one\" "
	  "drop",
	  "others 1" },
	{ "ours behind a message of more than 256 bytes",
	  "add rule ip other d ip saddr 10.0.0.1 tcp dport 1 counter log prefix \"a long one\" "
	  "drop\n"
	  "add rule ip kubenft c drop",
	  "nft rule+1-0; others 0" },
};

static int begin(void **state)
{
	struct err err = { 0 };

	(void)state;
	nft("flush ruleset\n" TABLE OTHER);
	if (nftx_sock_open(&sock, &err) < 0 ||
	    nftx_monitor_open(nftx_sock_port(sock), &monitor, &err) < 0 ||
	    nftx_monitor_join(monitor, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int end(void **state)
{
	(void)state;
	nftx_monitor_close(monitor);
	nftx_sock_close(sock);
	return 0;
}

static void tells_what_nft_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };
		struct nftx_notice notice = { 0 };
		uint32_t generation;

		print_message("  - %s\n", rows[i].what);
		nft("flush ruleset\n" TABLE OTHER);
		hear(&text, NULL);
		nft(rows[i].text);
		hear(&text, &notice);
		assert_string_equal(text.text, rows[i].want);
		if (notice.generation == 0)
			continue;
		assert_int_equal(nftx_sock_generation(sock, &generation, NULL), 0);
		assert_int_equal(notice.generation, generation);
		assert_int_not_equal(notice.pid, 0);
	}
}

static void commit(struct nftx_batch *batch)
{
	struct err err = { 0 };

	nftx_batch_end(batch, true);
	if (nftx_sock_commit(sock, batch, &err) < 0)
		fail_msg("%s", err.msg);
	nftx_batch_free(batch);
}

/* They do not even wake us up; each adds one to the generation. */
static void does_not_tell_our_own(void **state)
{
	static const struct nftx_options options = { 0 };
	struct nftx_batch *batch = nftx_batch_new();
	uint32_t before;
	uint32_t after;

	(void)state;
	assert_int_equal(nftx_sock_generation(sock, &before, NULL), 0);
	nftx_ruleset_put_delete(batch, 4, NFTX_TABLE);
	commit(batch);
	batch = nftx_batch_new();
	nftx_ruleset_put_table(batch, 4, &options, 0);
	nftx_ruleset_put_layout(batch, 4, &options);
	commit(batch);
	assert_int_equal(nftx_sock_generation(sock, &after, NULL), 0);
	assert_int_equal(after, before + 2);
	assert_false(is_readable());
}

/* Of a large foreign transaction only its end and what is too much for the filter is left. */
static void says_when_notices_were_lost(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	const struct nftx_notices *heard;
	struct err err = { 0 };
	int bytes = 4096;

	(void)state;
	assert_int_equal(
		setsockopt(nftx_monitor_fd(monitor), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)),
		0);
	strbuf_puts(&text, "add element ip kubenft m { 9.9.9.9 : drop");
	for (unsigned i = 0; i < 2000; i++)
		strbuf_printf(&text, ", 10.0.%u.%u : drop", i / 250, i % 250);
	strbuf_puts(&text, " }\n");
	nft(text.text);
	assert_true(is_readable());
	assert_int_equal(nftx_monitor_read(monitor, &heard, &err), -ENOBUFS);
	assert_string_equal(err.msg, "notices of nf_tables were lost");
	assert_false(is_readable());
}

/* A call reads a bounded number and goes on with the next. */
static void reads_bounded_pieces(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	const struct nftx_notices *heard;
	uint32_t others = 0;
	int calls = 0;

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		strbuf_puts(&text, "add element ip other s { 9.9.9.9");
		for (unsigned k = 0; k < 800; k++)
			strbuf_printf(&text, ", 10.%u.%u.%u", i, k / 250, k % 250);
		strbuf_puts(&text, " }\n");
	}
	nft(text.text);
	for (; is_readable() && calls < 100; calls++) {
		assert_int_equal(nftx_monitor_read(monitor, &heard, NULL), 0);
		others += heard->others;
	}
	assert_int_equal(others, 1);
	assert_true(calls > 1);
}

/* What was not read is dropped with what is not heard. */
static void leaves_and_joins(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	nft("add rule ip kubenft c drop");
	assert_true(is_readable());
	nftx_monitor_leave(monitor);
	assert_false(is_readable());
	nft("add rule ip kubenft c drop");
	hear(&text, NULL);
	assert_string_equal(text.text, "others 0");
	assert_int_equal(nftx_monitor_join(monitor, NULL), 0);
	nft("add rule ip kubenft c drop");
	hear(&text, NULL);
	assert_string_equal(text.text, "nft rule+1-0; others 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_what_nft_does, begin, end),
		cmocka_unit_test_setup_teardown(leaves_and_joins, begin, end),
		cmocka_unit_test_setup_teardown(does_not_tell_our_own, begin, end),
		cmocka_unit_test_setup_teardown(says_when_notices_were_lost, begin, end),
		cmocka_unit_test_setup_teardown(reads_bounded_pieces, begin, end),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/monitor", tests, NULL, NULL);
}

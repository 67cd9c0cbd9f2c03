/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stale flows in the kernel's own table: exactly those go, among 100,000 others,
 * whatever happens to the table meanwhile.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"
#include "test/kernel/flow_table.h"
#include "test/unit/test.h"

#define UNRELATED 100000

/* Since 5.8. */
static bool kernel_filters(void)
{
	struct utsname name;
	uint32_t major;
	uint32_t minor;
	char *dot;
	char *end;

	assert_int_equal(uname(&name), 0);
	dot = strchr(name.release, '.');
	assert_non_null(dot);
	*dot++ = '\0';
	end = dot + strspn(dot, "0123456789");
	*end = '\0';
	assert_int_equal(str_to_u32(name.release, 1000, &major), 0);
	assert_int_equal(str_to_u32(dot, 1000, &minor), 0);
	return major > 5 || (major == 5 && minor >= 8);
}

/* ---- Exactly the stale ones ----------------------------------------------------------------- */

static const struct row {
	const char *what;
	const char *dst;
	const char *reply; /* NULL: not translated */
	uint8_t proto;
	uint16_t zone;
	bool stale;
} rows[] = {
	{ "to a valid backend", "10.96.0.10 53", "10.244.1.2 53", IPPROTO_UDP, 0, false },
	{ "to a backend that is gone", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_UDP, 0, true },
	{ "to a valid address, wrong port", "10.96.0.10 53", "10.244.1.2 54", IPPROTO_UDP, 0,
	  true },
	{ "never translated", "10.96.0.10 53", NULL, IPPROTO_UDP, 0, true },
	{ "TCP to a backend that is gone", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_TCP, 0,
	  false },
	{ "TCP never translated", "10.96.0.10 53", NULL, IPPROTO_TCP, 0, false },
	{ "SCTP to a backend that is gone", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_SCTP, 0,
	  false },
	{ "SCTP to a frontend that is gone", "10.96.0.11 53", "10.244.1.2 53", IPPROTO_SCTP, 0,
	  false },
	{ "same port of another address", "10.96.0.99 53", "10.244.9.9 53", IPPROTO_UDP, 0, false },
	{ "other port of the same address", "10.96.0.10 54", "10.244.9.9 53", IPPROTO_UDP, 0,
	  false },
	{ "through the node, with a node port's number", "198.51.100.1 30053", NULL, IPPROTO_UDP, 0,
	  false },
	{ "to the node port, backend gone", "192.0.2.7 30053", "10.244.9.9 53", IPPROTO_UDP, 0,
	  true },
	{ "to the node port, before it existed", "192.0.2.7 30053", NULL, IPPROTO_UDP, 0, true },
	{ "to a frontend that is gone", "10.96.0.11 53", "10.244.1.2 53", IPPROTO_UDP, 0, true },
	{ "TCP to a frontend that is gone", "10.96.0.11 53", "10.244.1.2 53", IPPROTO_TCP, 0,
	  false },
	{ "directly to a backend that is gone", "10.244.9.9 53", NULL, IPPROTO_UDP, 0, false },
	{ "another zone, backend gone", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_UDP, 5, true },
	{ "another zone, valid backend", "10.96.0.10 53", "10.244.1.2 53", IPPROTO_UDP, 5, false },
	{ "IPv6 to a valid backend", "fd00::10 53", "fd01::1 53", IPPROTO_UDP, 0, false },
	{ "IPv6 to a backend that is gone", "fd00::10 53", "fd01::9 53", IPPROTO_UDP, 0, true },
	{ "IPv6 never translated", "fd00::10 53", NULL, IPPROTO_UDP, 0, true },
	{ "IPv6 TCP to a backend that is gone", "fd00::10 53", "fd01::9 53", IPPROTO_TCP, 0,
	  false },
	{ "IPv6 same port of another address", "fd00::99 53", "fd01::9 53", IPPROTO_UDP, 0, false },
	{ "IPv6 to a frontend that is gone", "fd00::11 53", "fd01::1 53", IPPROTO_UDP, 0, true },
};

static struct entry from_row(const struct row *row, uint16_t number)
{
	struct entry entry = flow(row->proto, row->dst, row->reply, number);

	entry.zone = row->zone;
	return entry;
}

static struct nftx_flow_fronts row_fronts(void)
{
	struct nftx_flow_fronts fronts = { 0 };

	front(&fronts, "fd00::10 53", "fd01::1 53", NULL);
	front(&fronts, "10.96.0.10 53", "10.244.1.2 53", "10.244.1.1 53");
	front(&fronts, "192.0.2.7 30053", "10.244.1.2 53", NULL);
	front(&fronts, "10.96.0.11 53", NULL, NULL);
	front(&fronts, "fd00::11 53", NULL, NULL);
	return fronts;
}

/* 60,000 of TCP in IPv4, 20,000 in IPv6, 20,000 of UDP: to the ports of our frontends. */
static struct entry unrelated(uint32_t number)
{
	bool is_6 = number >= 60000 && number < 80000;
	struct entry entry = { .proto = number < 80000 ? IPPROTO_TCP : IPPROTO_UDP };

	entry.dst = place(is_6 ? "fd00::77 53" : "10.96.0.77 53");
	entry.reply = place(is_6 ? "fd01::9 53" : "10.244.9.9 53");
	entry.src = place(is_6 ? "fd01::8:8 0" : "10.245.0.0 0");
	entry.src.addr.bytes[3] = (uint8_t)(number / 30000);
	entry.src.port = (uint16_t)(1000 + number % 30000);
	return entry;
}

static void deletes_exactly_the_stale(void **state)
{
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = row_fronts();
	struct nftx_flow_stats stats;
	struct entries before = { 0 };
	struct entries want = { 0 };
	size_t udp = 0;
	size_t stale_ip6 = 0;
	double begin;
	double started;
	double longest;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		*entries_add(&before) = from_row(&rows[i], (uint16_t)i);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		stale_ip6 += rows[i].stale && before.list[i].dst.addr.family == 6;
	for (uint32_t i = 0; i < UNRELATED; i++)
		*entries_add(&before) = unrelated(i);
	table_create(before.list, before.count);
	for (size_t i = 0; i < before.count; i++) {
		udp += before.list[i].proto == IPPROTO_UDP;
		if (i >= ARRAY_LEN(rows) || !rows[i].stale)
			*entries_add(&want) = before.list[i];
	}
	assert_table_is(&before);

	begin = now_ms();
	flows_start(flows, &fronts);
	started = now_ms();
	longest = flows_finish(flows);
	print_message("  start %.2f ms, longest turn %.2f ms, all %.1f ms\n", started - begin,
	              longest, now_ms() - begin);
	assert_table_is(&want);
	stats = nftx_flows_stats(flows);
	assert_int_equal(stats.walks, 1);
	assert_int_equal(stats.restarts, 0);
	assert_int_equal(stats.seen, udp);
	assert_int_equal(stats.deleted, before.count - want.count);
	assert_int_equal(stats.deleted_ip6, stale_ip6);
	assert_true(stale_ip6 > 0 && stale_ip6 < stats.deleted);
	assert_int_equal(stats.failed, 0);
	if (kernel_filters())
		assert_int_equal(stats.received, udp);

	/* again: nothing is left to do */
	fronts = row_fronts();
	flows_start(flows, &fronts);
	(void)flows_finish(flows);
	assert_int_equal(nftx_flows_stats(flows).deleted, stats.deleted);
	assert_table_is(&want);
	free(before.list);
	free(want.list);
	nftx_flows_close(flows);
}

/* The kernel is asked for what the frontends have in common. */
static void asks_for_no_more_than_needed(void **state)
{
	static const struct {
		const char *what;
		const char *fronts[2];
		uint64_t received;
	} asks[] = {
		{ "one frontend", { "10.96.0.10 53" }, 2 },
		{ "one address", { "10.96.0.10 53", "10.96.0.10 54" }, 3 },
		{ "one port", { "10.96.0.10 53", "10.96.0.11 53" }, 4 },
		{ "nothing in common", { "10.96.0.10 53", "10.96.0.11 54" }, 5 },
		{ "one frontend of IPv6: by its port alone", { "fd00::10 53" }, 2 },
	};
	static const char *const dsts[] = { "10.96.0.10 53", "10.96.0.10 53", "10.96.0.10 54",
		                            "10.96.0.11 53", "10.96.0.12 53", "fd00::10 53",
		                            "fd00::11 53",   "fd00::11 54" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dsts); i++) {
		struct entry entry = flow(IPPROTO_UDP, dsts[i], NULL, (uint16_t)i);

		table_create(&entry, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		struct nftx_flows *flows = flows_open();
		struct nftx_flow_fronts fronts = { 0 };
		struct nftx_flow_stats stats;

		print_message("  - %s\n", asks[i].what);
		/* valid is what they have: nothing is deleted */
		for (size_t f = 0; f < 2 && asks[i].fronts[f] != NULL; f++)
			front(&fronts, asks[i].fronts[f], asks[i].fronts[f], NULL);
		flows_start(flows, &fronts);
		(void)flows_finish(flows);
		stats = nftx_flows_stats(flows);
		assert_int_equal(stats.walks, 1);
		assert_int_equal(stats.deleted, 0);
		if (kernel_filters())
			assert_int_equal(stats.received, asks[i].received);
		nftx_flows_close(flows);
	}
}

/* ---- Changes meanwhile ---------------------------------------------------------------------- */

/* A frontend is noted again while a walk for its older backends is under way. */
static void a_newer_note_counts_at_once(void **state)
{
	struct entry old_backend = flow(IPPROTO_UDP, "10.96.0.10 53", "10.244.1.1 53", 1);
	struct entry new_backend = flow(IPPROTO_UDP, "10.96.0.10 53", "10.244.1.2 53", 2);
	struct entry other = flow(IPPROTO_UDP, "10.96.0.11 53", "10.244.1.2 53", 3);
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	table_create(&old_backend, 1);
	table_create(&new_backend, 1);
	table_create(&other, 1);
	front(&fronts, "10.96.0.10 53", "10.244.1.1 53", NULL);
	flows_start(flows, &fronts);
	flows_await(flows);
	front(&fronts, "10.96.0.10 53", "10.244.1.2 53", NULL);
	flows_start(flows, &fronts);
	front(&fronts, "10.96.0.11 53", NULL, NULL);
	flows_start(flows, &fronts);
	assert_true(nftx_flows_busy(flows));
	(void)flows_finish(flows);
	assert_false(table_has(&old_backend));
	assert_true(table_has(&new_backend));
	assert_false(table_has(&other));
	assert_int_equal(nftx_flows_stats(flows).walks, 2);
	assert_int_equal(nftx_flows_stats(flows).deleted, 2);
	nftx_flows_close(flows);
}

/* What the dump told is no longer so: gone, or in its place a flow to a valid backend. */
static void spares_what_was_created_anew(void **state)
{
	static const char dst[] = "10.96.0.10 53";
	static const char *const replies[] = { "10.244.9.9 53", NULL }; /* stale */
	struct entries want = { 0 };
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		struct entry entry = flow(IPPROTO_UDP, dst, replies[i % 2], i);

		table_create(&entry, 1);
	}
	front(&fronts, "10.96.0.10 53", "10.244.1.1 53", NULL);
	flows_start(flows, &fronts);
	flows_await(flows); /* what is there now is in the answer */
	for (uint16_t i = 0; i < 30; i++) {
		struct entry was = flow(IPPROTO_UDP, dst, replies[i % 2], i);

		table_delete(&was);
		if (i >= 20)
			continue;
		*entries_add(&want) = flow(IPPROTO_UDP, dst, "10.244.1.1 53", i);
		table_create(&want.list[want.count - 1], 1);
	}
	(void)flows_finish(flows);
	assert_table_is(&want);
	assert_int_equal(nftx_flows_stats(flows).deleted, 10);
	assert_int_equal(nftx_flows_stats(flows).failed, 0);
	free(want.list);
	nftx_flows_close(flows);
}

static void many_stale_ones_go(void **state)
{
	struct entries stale = { 0 };
	struct entries want = { 0 };
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = { 0 };
	double begin;
	double longest;

	(void)state;
	for (uint16_t i = 0; i < 20000; i++)
		*entries_add(&stale) = flow(IPPROTO_UDP, "10.96.0.10 53", "10.244.9.9 53", i);
	*entries_add(&want) = flow(IPPROTO_UDP, "10.96.0.10 53", "10.244.1.1 53", 30000);
	table_create(stale.list, stale.count);
	table_create(want.list, 1);
	front(&fronts, "10.96.0.10 53", "10.244.1.1 53", NULL);
	begin = now_ms();
	flows_start(flows, &fronts);
	longest = flows_finish(flows);
	print_message("  20,000 stale flows: longest turn %.2f ms, all %.1f ms\n", longest,
	              now_ms() - begin);
	assert_table_is(&want);
	assert_int_equal(nftx_flows_stats(flows).deleted, stale.count);
	free(stale.list);
	free(want.list);
	nftx_flows_close(flows);
}

/* ---- Those of a gap ------------------------------------------------------------------------- */

static const struct gap_row {
	const char *what;
	const char *dst;
	const char *reply; /* NULL: not translated */
	uint8_t proto;
	bool answered;
	bool goes;
} gap_rows[] = {
	{ "never translated, never answered", "10.96.0.10 53", NULL, IPPROTO_TCP, false, true },
	{ "the same in IPv6", "fd00::10 53", NULL, IPPROTO_TCP, false, true },
	{ "never translated, but answered", "10.96.0.10 53", NULL, IPPROTO_TCP, true, false },
	{ "translated, not yet answered", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_TCP, false,
	  false },
	{ "translated and answered", "10.96.0.10 53", "10.244.9.9 53", IPPROTO_TCP, true, false },
	{ "to another port", "10.96.0.10 54", NULL, IPPROTO_TCP, false, false },
	{ "to another address", "10.96.0.99 53", NULL, IPPROTO_TCP, false, false },
	{ "of UDP, in which nobody is interested now", "10.96.0.10 53", NULL, IPPROTO_UDP, false,
	  false },
};

static void deletes_exactly_those_of_a_gap(void **state)
{
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = { 0 };
	struct nftx_flow_stats stats;
	struct entries before = { 0 };
	struct entries want = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(gap_rows); i++) {
		const struct gap_row *row = &gap_rows[i];
		struct entry entry = flow(row->proto, row->dst, row->reply, (uint16_t)i);

		entry.answered = row->answered;
		*entries_add(&before) = entry;
		if (!row->goes)
			*entries_add(&want) = entry;
	}
	table_create(before.list, before.count);
	assert_table_is(&before);
	front(&fronts, "10.96.0.10 53", NULL, NULL);
	front(&fronts, "fd00::10 53", NULL, NULL);
	assert_int_equal(nftx_flows_start_gap(flows, &fronts, NULL), 0);
	(void)flows_finish(flows);
	assert_table_is(&want);
	stats = nftx_flows_stats(flows);
	assert_int_equal(stats.deleted, before.count - want.count);
	assert_int_equal(stats.seen, 0); /* of UDP */
	free(before.list);
	free(want.list);
	nftx_flows_close(flows);
}

/* Both kinds of walks one after the other, whatever is asked for first. */
static void walks_for_both(void **state)
{
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts udp = { 0 };
	struct nftx_flow_fronts tcp = { 0 };
	struct nftx_flow_fronts more = { 0 };
	struct entry list[] = { flow(IPPROTO_TCP, "10.96.0.10 53", NULL, 1),
		                flow(IPPROTO_UDP, "10.96.0.10 53", "10.244.9.9 53", 2),
		                flow(IPPROTO_UDP, "10.96.0.12 53", "10.244.9.9 53", 3),
		                flow(IPPROTO_UDP, "10.96.0.13 53", "10.244.9.9 53", 4) };
	struct entries want = { 0 };

	(void)state;
	table_create(list, ARRAY_LEN(list));
	front(&tcp, "10.96.0.10 53", NULL, NULL);
	front(&udp, "10.96.0.10 53", "10.244.1.1 53", NULL);
	front(&more, "10.96.0.12 53", NULL, NULL);
	assert_int_equal(nftx_flows_start_gap(flows, &tcp, NULL), 0);
	flows_start(flows, &udp);
	flows_start(flows, &more);
	(void)flows_finish(flows);
	*entries_add(&want) = list[ARRAY_LEN(list) - 1];
	assert_table_is(&want);
	assert_int_equal(nftx_flows_stats(flows).deleted, ARRAY_LEN(list) - 1);
	free(want.list);
	nftx_flows_close(flows);
}

static void closes_while_a_walk_is_under_way(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct nftx_flows *flows = flows_open();
		struct nftx_flow_fronts fronts = row_fronts();

		flows_start(flows, &fronts);
		fronts = row_fronts();
		flows_start(flows, &fronts);
		nftx_flows_close(flows);
	}
	nftx_flows_close(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, table_enter, table_leave)
	const struct CMUnitTest tests[] = {
		TEST(deletes_exactly_the_stale),
		TEST(asks_for_no_more_than_needed),
		TEST(a_newer_note_counts_at_once),
		TEST(spares_what_was_created_anew),
		TEST(many_stale_ones_go),
		TEST(closes_while_a_walk_is_under_way),
		TEST(deletes_exactly_those_of_a_gap),
		TEST(walks_for_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

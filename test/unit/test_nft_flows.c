/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which UDP flows are stale. The protocol is not a matter of this decision: flows
 * of another one never come here.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "nft/flows.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

/* "address port", as in "10.96.0.10 53" */
static struct lb_backend at(const char *text)
{
	struct lb_backend where = { 0 };
	char addr[IPADDR_TEXT] = "";
	const char *space = strchr(text, ' ');
	uint32_t port;

	assert_non_null(space);
	memcpy(addr, text, (size_t)(space - text));
	assert_int_equal(ipaddr_parse(addr, &where.addr, NULL), 0);
	assert_int_equal(str_to_u32(space + 1, UINT16_MAX, &port), 0);
	where.port = (uint16_t)port;
	return where;
}

/* Notes a frontend with up to three backends. */
static void note(struct nftx_flow_fronts *fronts, const char *front, const char *const backends[3])
{
	struct lb_backend list[3];
	struct lb_backend where = at(front);
	size_t count = 0;

	while (count < 3 && backends[count] != NULL) {
		list[count] = at(backends[count]);
		count++;
	}
	nftx_flow_fronts_add(fronts, &where.addr, where.port, list, count);
}

#define NOTE(fronts, front, ...) note(fronts, front, (const char *const[3]){ __VA_ARGS__ })

static bool is_stale(const struct nftx_flow_fronts *fronts, const char *dst, const char *src)
{
	struct lb_backend d = at(dst);
	struct lb_backend s = at(src);

	return nftx_flow_is_stale(fronts, &d.addr, d.port, &s.addr, s.port);
}

static const struct row {
	const char *what;
	const char *dst; /* original destination */
	const char *src; /* reply source */
	bool stale;
} rows[] = {
	{ "to a valid backend", "10.96.0.10 53", "10.244.1.2 53", false },
	{ "to another valid backend, noted out of order", "10.96.0.10 53", "10.244.1.1 53", false },
	{ "to a valid backend on another port", "10.96.0.10 53", "10.244.1.3 5353", false },
	{ "to a backend that is gone", "10.96.0.10 53", "10.244.9.9 53", true },
	{ "to a valid backend's address, but not its port", "10.96.0.10 53", "10.244.1.2 54",
	  true },
	{ "to an address that is a backend on another port", "10.96.0.10 53", "10.244.1.3 53",
	  true },
	{ "never translated", "10.96.0.10 53", "10.96.0.10 53", true },
	{ "same port, address of nobody", "192.0.2.1 53", "10.244.9.9 53", false },
	{ "same port, address of nobody, not translated", "192.0.2.1 53", "192.0.2.1 53", false },
	{ "same address, other port", "10.96.0.10 54", "10.244.9.9 53", false },
	{ "a node port on the node's address, backend gone", "192.0.2.7 30053", "10.244.9.9 53",
	  true },
	{ "the node port's number on another host's address", "198.51.100.1 30053",
	  "198.51.100.1 30053", false },
	{ "the node port's number on another address of the node", "127.0.0.1 30053",
	  "127.0.0.1 30053", false },
	{ "directly to a valid backend", "10.244.1.2 53", "10.244.1.2 53", false },
	{ "directly to a backend that is gone", "10.244.9.9 53", "10.244.9.9 53", false },
	{ "to a frontend that is gone", "10.96.0.11 53", "10.244.1.2 53", true },
	{ "to a frontend that is gone, not translated", "10.96.0.11 53", "10.96.0.11 53", true },
	{ "a frontend that is its own backend", "192.0.2.8 123", "192.0.2.8 123", false },
	{ "noted twice: in the later note only", "10.96.0.12 53", "10.244.2.2 53", false },
	{ "noted twice: in the earlier note only", "10.96.0.12 53", "10.244.2.1 53", true },
	{ "noted twice: gone, then back", "10.96.0.13 53", "10.244.2.1 53", false },
	{ "noted twice: there, then gone", "10.96.0.14 53", "10.244.2.1 53", true },
	{ "noted thrice: there, gone, back", "10.96.0.15 53", "10.244.2.2 53", false },
	{ "noted thrice: there, gone, back with others", "10.96.0.15 53", "10.244.2.1 53", true },
	{ "IPv6 to a valid backend", "fd00::10 53", "fd01::1 53", false },
	{ "IPv6 to a backend that is gone", "fd00::10 53", "fd01::9 53", true },
	{ "IPv6 never translated", "fd00::10 53", "fd00::10 53", true },
	{ "IPv6 same port, address of nobody", "fd00::11 53", "fd01::9 53", false },
};

static void note_all(struct nftx_flow_fronts *fronts)
{
	NOTE(fronts, "fd00::10 53", "fd01::1 53");
	NOTE(fronts, "10.96.0.12 53", "10.244.2.1 53");
	NOTE(fronts, "10.96.0.10 53", "10.244.1.2 53", "10.244.1.3 5353", "10.244.1.1 53");
	NOTE(fronts, "10.96.0.11 53", NULL);
	NOTE(fronts, "10.96.0.13 53", NULL);
	NOTE(fronts, "10.96.0.13 53", "10.244.2.1 53");
	NOTE(fronts, "10.96.0.14 53", "10.244.2.1 53");
	NOTE(fronts, "10.96.0.14 53", NULL);
	NOTE(fronts, "10.96.0.12 53", "10.244.2.2 53");
	NOTE(fronts, "10.96.0.15 53", "10.244.2.1 53");
	NOTE(fronts, "10.96.0.15 53", NULL);
	NOTE(fronts, "10.96.0.15 53", "10.244.2.2 53");
	NOTE(fronts, "192.0.2.7 30053", "10.244.1.1 53", "10.244.1.2 53");
	NOTE(fronts, "192.0.2.8 123", "192.0.2.8 123");
}

static void decides_rows(void **state)
{
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	note_all(&fronts);
	nftx_flow_fronts_sort(&fronts);
	assert_int_equal(fronts.count, 9);
	assert_int_equal(fronts.backend_count, 10);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		assert_int_equal(is_stale(&fronts, rows[i].dst, rows[i].src), rows[i].stale);
	}
	nftx_flow_fronts_done(&fronts);
	assert_int_equal(fronts.count, 0);
}

static void nothing_is_stale_without_frontends(void **state)
{
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	nftx_flow_fronts_sort(&fronts);
	assert_false(is_stale(&fronts, "10.96.0.10 53", "10.244.9.9 53"));
	nftx_flow_fronts_done(&fronts);
}

static void merges_as_later_notes(void **state)
{
	struct nftx_flow_fronts into = { 0 };
	struct nftx_flow_fronts from = { 0 };

	(void)state;
	nftx_flow_fronts_merge(&into, &from);
	assert_int_equal(into.count, 0);
	NOTE(&from, "10.96.0.1 53", "10.244.0.1 53");
	NOTE(&from, "10.96.0.2 53", "10.244.0.1 53");
	nftx_flow_fronts_merge(&into, &from);
	assert_int_equal(from.count, 0);
	assert_null(from.list);
	nftx_flow_fronts_sort(&into);
	NOTE(&from, "10.96.0.1 53", "10.244.0.2 53");
	NOTE(&from, "10.96.0.3 53", NULL);
	nftx_flow_fronts_merge(&into, &from);
	assert_int_equal(from.count, 0);
	nftx_flow_fronts_sort(&into);
	assert_int_equal(into.count, 3);
	assert_int_equal(into.backend_count, 2);
	assert_true(is_stale(&into, "10.96.0.1 53", "10.244.0.1 53"));
	assert_false(is_stale(&into, "10.96.0.1 53", "10.244.0.2 53"));
	assert_false(is_stale(&into, "10.96.0.2 53", "10.244.0.1 53"));
	assert_true(is_stale(&into, "10.96.0.3 53", "10.244.0.1 53"));
	nftx_flow_fronts_done(&into);
}

/* A set that waits while the same frontends change again and again. */
static void merging_is_bounded(void **state)
{
	struct nftx_flow_fronts into = { 0 };
	char front[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct nftx_flow_fronts from = { 0 };

		(void)snprintf(front, sizeof(front), "10.96.0.%d 53", i % 100);
		NOTE(&from, front, "10.244.0.1 53", i % 2 == 0 ? "10.244.0.2 53" : NULL);
		nftx_flow_fronts_merge(&into, &from);
		assert_true(into.count <= 2 * 100 + 1025);
		assert_true(into.backend_count <= 2 * into.count);
	}
	nftx_flow_fronts_sort(&into);
	assert_int_equal(into.count, 100);
	assert_true(is_stale(&into, "10.96.0.99 53", "10.244.0.2 53"));
	assert_false(is_stale(&into, "10.96.0.98 53", "10.244.0.2 53"));
	nftx_flow_fronts_done(&into);
}

static void tells_what_is_common(void **state)
{
	struct nftx_flow_fronts fronts = { 0 };
	struct nftx_flow_common common;
	struct lb_backend first = at("10.96.0.1 53");

	(void)state;
	NOTE(&fronts, "10.96.0.1 53", NULL);
	nftx_flow_fronts_sort(&fronts);
	common = nftx_flow_fronts_common(&fronts, 4);
	assert_int_equal(common.count, 1);
	assert_true(ipaddr_equal(&common.addr, &first.addr));
	assert_int_equal(common.port, 53);
	assert_int_equal(nftx_flow_fronts_common(&fronts, 6).count, 0);

	NOTE(&fronts, "10.96.0.1 54", NULL);
	NOTE(&fronts, "fd00::1 53", NULL);
	NOTE(&fronts, "fd00::2 53", NULL);
	nftx_flow_fronts_sort(&fronts);
	common = nftx_flow_fronts_common(&fronts, 4);
	assert_int_equal(common.count, 2);
	assert_true(ipaddr_equal(&common.addr, &first.addr));
	assert_int_equal(common.port, 0);
	common = nftx_flow_fronts_common(&fronts, 6);
	assert_int_equal(common.count, 2);
	assert_int_equal(common.addr.family, 0);
	assert_int_equal(common.port, 53);

	/* three that differ, the third like the first: nothing is common */
	NOTE(&fronts, "10.96.0.2 55", NULL);
	NOTE(&fronts, "10.96.0.3 53", NULL);
	nftx_flow_fronts_sort(&fronts);
	common = nftx_flow_fronts_common(&fronts, 4);
	assert_int_equal(common.count, 4);
	assert_int_equal(common.addr.family, 0);
	assert_int_equal(common.port, 0);
	nftx_flow_fronts_done(&fronts);
}

/* ---- Against a naive implementation --------------------------------------------------------- */

#define NOTES 60

struct naive_note {
	struct lb_backend front;
	struct lb_backend backends[6];
	size_t count;
};

static struct lb_backend random_place(uint64_t *random)
{
	struct lb_backend place = { .port = (uint16_t)(1 + random_below(random, 3)) };

	place.addr.family = random_below(random, 2) == 0 ? 4 : 6;
	place.addr.bytes[ipaddr_len(place.addr.family) - 1] = (uint8_t)random_below(random, 4);
	return place;
}

static bool naive(const struct naive_note *notes, size_t count, const struct lb_backend *dst,
                  const struct lb_backend *src)
{
	for (size_t i = count; i-- > 0;) {
		if (lb_backend_cmp(&notes[i].front, dst) != 0)
			continue;
		for (size_t b = 0; b < notes[i].count; b++)
			if (lb_backend_cmp(&notes[i].backends[b], src) == 0)
				return false;
		return true;
	}
	return false;
}

/* Random notes, sorted and merged at random moments, decide as the naive way does. */
static void decides_as_the_naive_way(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 500; round++) {
		struct naive_note notes[NOTES];
		struct nftx_flow_fronts fronts = { 0 };
		struct nftx_flow_fronts more = { 0 };
		size_t count = random_below(&random, NOTES);

		for (size_t i = 0; i < count; i++) {
			notes[i].front = random_place(&random);
			notes[i].count = random_below(&random, 6);
			for (size_t b = 0; b < notes[i].count; b++)
				notes[i].backends[b] = random_place(&random);
			nftx_flow_fronts_add(&more, &notes[i].front.addr, notes[i].front.port,
			                     notes[i].backends, notes[i].count);
			if (random_below(&random, 4) == 0)
				nftx_flow_fronts_sort(&more);
			if (random_below(&random, 4) == 0)
				nftx_flow_fronts_merge(&fronts, &more);
			if (random_below(&random, 8) == 0)
				nftx_flow_fronts_sort(&fronts);
		}
		nftx_flow_fronts_merge(&fronts, &more);
		nftx_flow_fronts_sort(&fronts);
		for (int i = 0; i < 200; i++) {
			struct lb_backend dst = random_place(&random);
			struct lb_backend src = random_place(&random);

			assert_int_equal(nftx_flow_is_stale(&fronts, &dst.addr, dst.port, &src.addr,
			                                    src.port),
			                 naive(notes, count, &dst, &src));
		}
		nftx_flow_fronts_done(&fronts);
	}
}

/* 1,000 frontends of 10 backends and 100,000 flows: printed, not judged. */
static void is_quick(void **unused)
{
	struct nftx_flow_fronts fronts = { 0 };
	struct timespec begin;
	struct timespec end;
	size_t stale = 0;

	(void)unused;
	for (uint32_t i = 0; i < 1000; i++) {
		struct ipaddr front = { .family = 4,
			                .bytes = { 10, 96, (uint8_t)(i >> 8), (uint8_t)i } };
		struct lb_backend backends[10] = { 0 };

		for (uint8_t b = 0; b < 10; b++)
			backends[b] = (struct lb_backend){
				.addr = { .family = 4,
				          .bytes = { 10, (uint8_t)(200 + b), (uint8_t)(i >> 8),
				                     (uint8_t)i } },
				.port = 53
			};
		nftx_flow_fronts_add(&fronts, &front, 53, backends, 10);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &begin);
	nftx_flow_fronts_sort(&fronts);
	for (uint32_t i = 0; i < 100000; i++) {
		uint32_t f = i * 7919 % 1000;
		struct ipaddr dst = { .family = 4,
			              .bytes = { 10, 96, (uint8_t)(f >> 8), (uint8_t)f } };
		struct ipaddr src = { .family = 4,
			              .bytes = { 10, (uint8_t)(200 + i % 11), (uint8_t)(f >> 8),
			                         (uint8_t)f } };

		stale += nftx_flow_is_stale(&fronts, &dst, 53, &src, 53);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(stale, 100000 / 11);
	print_message("  100,000 flows: %.1f ms\n",
	              (double)(end.tv_sec - begin.tv_sec) * 1e3 +
	                      (double)(end.tv_nsec - begin.tv_nsec) / 1e6);
	nftx_flow_fronts_done(&fronts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_rows),
		cmocka_unit_test(nothing_is_stale_without_frontends),
		cmocka_unit_test(merges_as_later_notes),
		cmocka_unit_test(merging_is_bounded),
		cmocka_unit_test(tells_what_is_common),
		cmocka_unit_test(decides_as_the_naive_way),
		cmocka_unit_test(is_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

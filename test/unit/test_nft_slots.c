/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "nft/slots.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

#define MAX 40

/* Backends are letters here: 'a' is 10.0.0.97:80. */
static void from_text(const char *text, struct lb_backend *row, size_t *count)
{
	*count = strlen(text);
	for (size_t i = 0; i < *count; i++) {
		row[i] = (struct lb_backend){ 0 };
		if (text[i] != '.') /* an empty slot */
			row[i] = (struct lb_backend){
				.addr = { .family = 4, .bytes = { 10, 0, 0, (uint8_t)text[i] } },
				.port = 80
			};
	}
}

static const struct row {
	const char *what;
	const char *was;
	const char *want; /* sorted */
	const char *now;
} rows[] = {
	{ "nothing was there: sorted", "", "abc", "abc" },
	{ "the same stay where they are", "cab", "abc", "cab" },
	{ "a new one goes to the end", "ba", "abc", "bac" },
	{ "the last one fills the hole of one that goes", "abcd", "acd", "adc" },
	{ "the last one goes", "abcd", "abc", "abc" },
	{ "a new one takes the place of one that goes", "abc", "acz", "azc" },
	{ "all but the first go", "abcd", "a", "a" },
	{ "all go", "abc", "", "" },
	{ "all are new", "abc", "xyz", "xyz" },
	{ "an empty slot is filled first", "a.c", "abc", "abc" },
	{ "one that stood twice stands once", "aa", "ab", "ab" },
};

static void keeps_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lb_backend was[MAX];
		struct lb_backend pool[MAX];
		struct lb_backend now[MAX];
		size_t was_count;
		size_t count;
		size_t now_count;

		print_message("  - %s\n", rows[i].what);
		from_text(rows[i].was, was, &was_count);
		from_text(rows[i].want, pool, &count);
		from_text(rows[i].now, now, &now_count);
		nftx_keep_slots(was, was_count, pool, count);
		assert_int_equal(count, now_count);
		for (size_t k = 0; k < count; k++)
			assert_int_equal(lb_backend_cmp(&pool[k], &now[k]), 0);
	}
}

static int by_address(const void *x, const void *y)
{
	return lb_backend_cmp(x, y);
}

/* For random rows: the set is kept, slots are full, and no more backends move than must. */
static void moves_few(void **unused)
{
	uint64_t state = random_seed();

	(void)unused;
	for (int round = 0; round < 2000; round++) {
		struct lb_backend was[MAX] = { 0 };
		struct lb_backend pool[MAX] = { 0 };
		struct lb_backend sorted[MAX];
		size_t was_count = random_below(&state, 20);
		size_t count = 0;
		size_t must_move = 0;
		size_t moved = 0;

		for (size_t i = 0; i < was_count; i++)
			was[i] = (struct lb_backend){
				.addr = { .family = 4, .bytes = { 10, 0, 0, (uint8_t)(2 * i) } }
			};
		for (uint8_t b = 0; b < 40; b++)
			if (random_below(&state, 3) == 0)
				pool[count++] =
					(struct lb_backend){ .addr = { .family = 4,
					                               .bytes = { 10, 0, 0, b } } };
		memcpy(sorted, pool, sizeof(pool));
		nftx_keep_slots(was, was_count, pool, count);
		for (size_t i = 0; i < count; i++) {
			bool was_here = i < was_count && lb_backend_cmp(&was[i], &pool[i]) == 0;

			moved += !was_here;
		}
		for (size_t i = 0; i < count; i++) {
			size_t b = sorted[i].addr.bytes[3];

			must_move += !(b % 2 == 0 && b / 2 < was_count && b / 2 < count);
		}
		assert_int_equal(moved, must_move);
		if (count > 1)
			qsort(pool, count, sizeof(*pool), by_address);
		assert_memory_equal(pool, sorted, count * sizeof(*pool));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_rows),
		cmocka_unit_test(moves_few),
	};

	return cmocka_run_group_tests_name("nft/slots", tests, NULL, NULL);
}

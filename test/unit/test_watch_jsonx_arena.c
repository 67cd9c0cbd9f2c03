/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "test/unit/test.h"
#include "watch/jsonx_arena.h"

static void hands_out_aligned_memory(void **state)
{
	struct jsonx_arena arena = { .limit = (size_t)8 << 20 };
	char *last = NULL;

	(void)state;
	for (size_t size = 1; size < 3000; size++) {
		char *p = jsonx_arena_alloc(&arena, size);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 8, 0);
		assert_ptr_not_equal(p, last);
		memset(p, 0xff, size);
		last = p;
	}
	jsonx_arena_done(&arena);
	assert_int_equal(arena.taken, 0);
}

static void stops_at_its_limit(void **state)
{
	struct jsonx_arena arena = { .limit = 100000 };
	size_t got = 0;

	(void)state;
	assert_null(jsonx_arena_alloc(&arena, 100001));
	assert_null(jsonx_arena_alloc(&arena, SIZE_MAX));
	assert_null(jsonx_arena_alloc(&arena, SIZE_MAX - 3));
	while (jsonx_arena_alloc(&arena, 1000) != NULL)
		got += 1000;
	assert_in_range(got, 95000, 100000);
	assert_true(arena.taken <= arena.limit);
	assert_null(jsonx_arena_alloc(&arena, SIZE_MAX));
	assert_true(arena.is_full);
	jsonx_arena_rewind(&arena, (struct jsonx_mark){ 0 });
	assert_false(arena.is_full);
	assert_non_null(jsonx_arena_alloc(&arena, 1000));
	jsonx_arena_done(&arena);
}

static void rewinds_to_a_mark(void **state)
{
	struct jsonx_arena arena = { .limit = (size_t)64 << 20 };
	char *kept = jsonx_arena_alloc(&arena, 16);
	struct jsonx_mark mark = jsonx_arena_mark(&arena);
	size_t taken;
	char *first;

	(void)state;
	memcpy(kept, "fifteen letters", 16);
	first = jsonx_arena_alloc(&arena, 32);
	taken = arena.taken;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 5000; i++)
			memset(jsonx_arena_alloc(&arena, 1000), (int)i, 1000);
		assert_true(arena.taken > taken);
		jsonx_arena_rewind(&arena, mark);
		assert_int_equal(arena.taken, taken);
		assert_string_equal(kept, "fifteen letters");
		assert_ptr_equal(jsonx_arena_alloc(&arena, 32), first);
	}
	jsonx_arena_rewind(&arena, (struct jsonx_mark){ 0 });
	assert_ptr_equal(jsonx_arena_alloc(&arena, 16), kept);
	jsonx_arena_done(&arena);
}

static void rewinding_nothing_is_fine(void **state)
{
	struct jsonx_arena arena = { .limit = 1000 };

	(void)state;
	jsonx_arena_rewind(&arena, (struct jsonx_mark){ 0 });
	jsonx_arena_done(&arena);
}

static void serves_cjson_for_a_while(void **state)
{
	struct jsonx_arena arena = { .limit = (size_t)1 << 20 };
	cJSON *heap = cJSON_Parse("[1]");
	cJSON *tree;
	cJSON *later;

	(void)state;
	jsonx_arena_begin(&arena);
	tree = cJSON_Parse("{\"a\":[1,\"two\",null]}");
	assert_null(cJSON_Parse("{\"a\":[1,\"two\",nul]}"));
	jsonx_arena_end();
	assert_non_null(tree);
	assert_true((char *)tree < arena.end && (char *)tree >= arena.end - arena.taken);
	later = cJSON_Parse("[2]");
	assert_false((char *)later < arena.end && (char *)later >= arena.end - arena.taken);
	cJSON_Delete(later);
	cJSON_Delete(heap);
	jsonx_arena_done(&arena);
}

static void cjson_reports_that_it_is_full(void **state)
{
	struct jsonx_arena arena = { .limit = 200 };
	cJSON *tree;

	(void)state;
	jsonx_arena_begin(&arena);
	tree = cJSON_Parse("[1,2,3,4,5,6,7,8]");
	jsonx_arena_end();
	assert_null(tree);
	jsonx_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_aligned_memory),
		cmocka_unit_test(stops_at_its_limit),
		cmocka_unit_test(rewinds_to_a_mark),
		cmocka_unit_test(rewinding_nothing_is_fine),
		cmocka_unit_test(serves_cjson_for_a_while),
		cmocka_unit_test(cjson_reports_that_it_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

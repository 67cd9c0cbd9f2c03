/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "test/unit/test.h"
#include "watch/lines.h"

static int record(void *ctx, char *line, size_t len, bool is_cut)
{
	struct strbuf *out = ctx;

	strbuf_printf(out, "%s[", is_cut ? "cut" : "");
	strbuf_add(out, line, len < 20 ? len : 20);
	strbuf_printf(out, "]%zu ", len);
	return strncmp(line, "stop", 4) == 0 ? -ECANCELED : 0;
}

static const struct {
	const char *text;
	const char *want;
} rows[] = {
	{ "", "" },
	{ "a\n", "[a]1 " },
	{ "a\r\n", "[a]1 " },
	{ "a\rb\n", "[a\rb]3 " },
	{ "\n\r\n\n", "" },
	{ "a\n\nb\n", "[a]1 [b]1 " },
	{ "a\nno end", "[a]1 " },
	{ "one\ntwo\nthree\n", "[one]3 [two]3 [three]5 " },
};

static void splits_wherever_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].text);

		for (size_t cut = 0; cut <= len; cut++) {
			struct lines lines = { .max = LINES_CUT_BYTES };
			struct strbuf got = { 0 };

			strbuf_puts(&got, "");
			assert_int_equal(lines_push(&lines, rows[i].text, cut, record, &got), 0);
			assert_int_equal(
				lines_push(&lines, rows[i].text + cut, len - cut, record, &got), 0);
			assert_string_equal(got.text, rows[i].want);
			lines_done(&lines);
			strbuf_done(&got);
		}
	}
}

static void ends_when_told(void **state)
{
	struct lines lines = { .max = LINES_CUT_BYTES };
	struct strbuf got = { 0 };

	(void)state;
	assert_int_equal(lines_push(&lines, "a\nstop\nb\n", 9, record, &got), -ECANCELED);
	assert_string_equal(got.text, "[a]1 [stop]4 ");
	lines_done(&lines);
	strbuf_done(&got);
}

static void push_many(struct lines *lines, char c, size_t count, size_t step, struct strbuf *got)
{
	char piece[1000];

	memset(piece, c, sizeof(piece));
	while (count > 0) {
		size_t n = count < step ? count : step;

		assert_int_equal(lines_push(lines, piece, n, record, got), 0);
		count -= n;
	}
}

/* Lines at the bound are whole, those beyond are cut, and the next one is whole again. */
static void bounds_a_line(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 1000; step += 333) {
		struct lines lines = { .max = 20000 };
		struct strbuf got = { 0 };

		push_many(&lines, 'x', 20000, step, &got);
		push_many(&lines, '\n', 1, 1, &got);
		push_many(&lines, 'y', 20001, step, &got);
		push_many(&lines, '\n', 1, 1, &got);
		push_many(&lines, 'w', 900000, step, &got);
		push_many(&lines, '\n', 1, 1, &got);
		push_many(&lines, 'z', 3, step, &got);
		push_many(&lines, '\n', 1, 1, &got);
		assert_string_equal(got.text, "[xxxxxxxxxxxxxxxxxxxx]20000 "
		                              "cut[yyyyyyyyyyyyyyyyyyyy]16384 "
		                              "cut[wwwwwwwwwwwwwwwwwwww]16384 [zzz]3 ");
		assert_true(lines.cap <= 40000);
		lines_done(&lines);
		strbuf_done(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits_wherever_it_is_cut),
		cmocka_unit_test(ends_when_told),
		cmocka_unit_test(bounds_a_line),
	};

	return cmocka_run_group_tests_name("watch/lines", tests, NULL, NULL);
}

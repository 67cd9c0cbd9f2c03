/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "test/unit/test.h"
#include "watch/json_split.h"

/* Events as letters: ( ) a document, [ ] the items, < > an item, ! an error. Positions follow. */
static void run(const char *text, size_t step, struct strbuf *out, struct json_split *split)
{
	static const char letters[] = "?.()[]<>";
	size_t total = strlen(text);
	size_t have = step;
	size_t pos = 0;

	*split = (struct json_split){ .line = 1 };
	for (;;) {
		int ret = json_split_next(split, text, have < total ? have : total, &pos, NULL);

		if (ret < 0) {
			strbuf_puts(out, "!");
			return;
		}
		if (ret != JSON_MORE)
			strbuf_printf(out, "%c%zu ", letters[ret], pos);
		else if (have >= total)
			return;
		else
			have += step;
	}
}

static const struct {
	const char *what;
	const char *text;
	const char *want;
	unsigned documents;
	unsigned line; /* at the end */
	bool is_between;
} rows[] = {
	{ "nothing", "", "", 0, 1, true },
	{ "two objects", "{} {\"a\":{}}", "(1 )2 (4 )11 ", 2, 1, true },
	{ "an array is a document, never a List", "[{\"items\":[1]}]", "(1 )15 ", 1, 1, true },
	{ "a List of three kinds of items", "{\"items\":[{},1,\"]\"]}",
	  "(1 [10 <11 >12 <14 >14 <16 >18 ]19 )20 ", 1, 1, true },
	{ "a key of the same length", "{\"itemz\":[1]}", "(1 )13 ", 1, 1, true },
	{ "a longer key", "{\"xitems\":[1]}", "(1 )14 ", 1, 1, true },
	{ "items of an inner object", "{\"a\":{\"items\":[1]}}", "(1 )19 ", 1, 1, true },
	{ "lines", "{\n\"a\":[\n\n],\n\"items\":[\n{\n}\n]\n}\n", "(1 [21 <23 >25 ]27 )29 ", 1, 10,
	  true },
	{ "an open object", "{\"a\":[1]", "(1 ", 1, 1, false },
	{ "an open string", "{\"a", "(1 ", 1, 1, false },
	{ "an escape at the end", "{\"a\\", "(1 ", 1, 1, false },
	{ "an open item", "{\"items\":[12", "(1 [10 <11 ", 1, 1, false },
	{ "an error", "{\"items\":[}", "(1 [10 !", 1, 1, false },
};

static void finds_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		for (size_t step = 1; step <= strlen(rows[i].text) + 1; step++) {
			struct strbuf got AUTO_STRBUF = { 0 };
			struct json_split split;

			run(rows[i].text, step, &got, &split);
			assert_string_equal(got.text != NULL ? got.text : "", rows[i].want);
			assert_int_equal(split.document, rows[i].documents);
			assert_int_equal(split.line, rows[i].line);
			assert_int_equal(json_split_is_between(&split), rows[i].is_between);
		}
	}
}

/* Strings are skipped eight bytes at a time: everything that ends one, at every offset. */
static void finds_the_end_of_strings(void **state)
{
	char text[64];

	(void)state;
	for (unsigned fill = 0; fill < 40; fill++) {
		for (unsigned c = 1; c < 256; c++) {
			struct json_split split;
			struct strbuf got AUTO_STRBUF = { 0 };
			char want[16];

			if (c == '\\')
				continue;
			memset(text, 'x', sizeof(text));
			text[0] = '[';
			text[1] = '"';
			text[2 + fill] = (char)c;
			memcpy(text + 3 + fill, "\"]", 3);
			run(text, 64, &got, &split);
			(void)snprintf(want, sizeof(want), "(1 )%u ", fill + 5);
			if (c == '"')
				assert_string_equal(got.text, "(1 ");
			else
				assert_string_equal(got.text, c < 0x20 ? "(1 !" : want);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_events),
		cmocka_unit_test(finds_the_end_of_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

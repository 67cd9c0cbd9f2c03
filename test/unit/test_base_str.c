/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text, and the other small parts of the base: errors, findings, memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/str.h"
#include "test/unit/test.h"

static void a_buffer_grows(void **state)
{
	struct strbuf buf AUTO_STRBUF = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		strbuf_printf(&buf, "%u,", i % 10);
	assert_int_equal(buf.len, 2000);
	assert_int_equal(strlen(buf.text), 2000);
	assert_true(str_starts(buf.text, "0,1,2,3,4,5,6,7,8,9,0,"));
	strbuf_clear(&buf);
	assert_string_equal(buf.text, "");
	strbuf_puts(&buf, "a");
	strbuf_add(&buf, "bcd", 2);
	strbuf_printf(&buf, "%s", "");
	assert_string_equal(buf.text, "abc");
	strbuf_done(&buf);
	assert_null(buf.text);
	strbuf_clear(&buf);
	strbuf_add(&buf, "", 0);
	assert_string_equal(buf.text, "");
}

static void json_strings_are_escaped(void **state)
{
	struct strbuf buf AUTO_STRBUF = { 0 };

	(void)state;
	strbuf_json(&buf, "");
	strbuf_json(&buf, "a\"b\\c\n\t\x01\x7f/\xc3\xa9");
	assert_string_equal(buf.text, "\"\"\"a\\\"b\\\\c\\u000a\\u0009\\u0001\\u007f/\xc3\xa9\"");
}

/* What is no UTF-8 becomes U+FFFD, byte by byte: a reader may refuse all of a text for one of them. */
static void json_strings_are_utf8(void **state)
{
#define BAD "\xef\xbf\xbd"
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
		  "\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"" },
		{ "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		  "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"" },
		{ "cut \xc3", "\"cut " BAD "\"" },
		{ "cut \xe2\x82", "\"cut " BAD BAD "\"" },
		{ "cut \xf0\x9f\x98.", "\"cut " BAD BAD BAD ".\"" },
		{ "alone \x80", "\"alone " BAD "\"" },
		{ "\xff\xfe", "\"" BAD BAD "\"" },
		{ "too long \xc0\xaf", "\"too long " BAD BAD "\"" },
		{ "too long \xe0\x9f\xbf", "\"too long " BAD BAD BAD "\"" },
		{ "too long \xf0\x8f\xbf\xbf", "\"too long " BAD BAD BAD BAD "\"" },
		{ "a surrogate \xed\xa0\x80", "\"a surrogate " BAD BAD BAD "\"" },
		{ "beyond \xf4\x90\x80\x80", "\"beyond " BAD BAD BAD BAD "\"" },
		{ "beyond \xf5\x80\x80\x80", "\"beyond " BAD BAD BAD BAD "\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf buf = { 0 };

		strbuf_json(&buf, rows[i].text);
		assert_string_equal(buf.text, rows[i].want);
	}
}

static void numbers_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		uint32_t max;
		int ret;
		uint32_t want;
	} rows[] = {
		{ "0", 10, 0, 0 },
		{ "10", 10, 0, 10 },
		{ "11", 10, -ERANGE, 0 },
		{ "007", 10, 0, 7 },
		{ "4294967295", UINT32_MAX, 0, UINT32_MAX },
		{ "4294967296", UINT32_MAX, -ERANGE, 0 },
		{ "99999999999999999999999999", UINT32_MAX, -ERANGE, 0 },
		{ "", 10, -EINVAL, 0 },
		{ "-1", 10, -EINVAL, 0 },
		{ "+1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 },
		{ "1 ", 10, -EINVAL, 0 },
		{ "0x1", 10, -EINVAL, 0 },
		{ "1e1", 10, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint32_t got = 4711;

		print_message("  - '%s'\n", rows[i].text);
		assert_int_equal(str_to_u32(rows[i].text, rows[i].max, &got), rows[i].ret);
		assert_int_equal(got, rows[i].ret == 0 ? rows[i].want : 4711);
	}
}

static void times_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t want;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", true, 0 },
		{ "2026-11-22T07:41:28Z", true, 1795333288 },
		{ "2000-02-29T12:00:00Z", true, 951825600 },
		{ "1999-12-31T23:59:59Z", true, 946684799 },
		{ "2100-03-01T00:00:00Z", true, 4107542400 },
		{ "2026-11-22T07:41:28.123456Z", true, 1795333288 },
		{ "2026-11-22T09:41:28+02:00", true, 1795333288 },
		{ "2026-11-22T02:11:28-05:30", true, 1795333288 },
		{ "2026-11-22t07:41:28z", true, 1795333288 },
		{ "2016-12-31T23:59:60Z", true, 1483228800 },
		{ "", false, 0 },
		{ "2026-11-22", false, 0 },
		{ "2026-11-22T07:41:28", false, 0 },
		{ "2026-11-22T07:41:28ZZ", false, 0 },
		{ "2026-11-22 07:41:28Z", false, 0 },
		{ "2026-13-22T07:41:28Z", false, 0 },
		{ "2026-00-22T07:41:28Z", false, 0 },
		{ "2026-11-32T07:41:28Z", false, 0 },
		{ "2026-11-22T24:41:28Z", false, 0 },
		{ "2026-11-22T07:60:28Z", false, 0 },
		{ "2026-11-22T07:41:61Z", false, 0 },
		{ "2026-11-22T07:41:28+2:00", false, 0 },
		{ "2026-11-22T07:41:28+24:00", false, 0 },
		{ "2026-11-22T07:41:28+02:60", false, 0 },
		{ "2026-11-22T07:41:28+0200", false, 0 },
		{ "-026-11-22T07:41:28Z", false, 0 },
		{ "20 6-11-22T07:41:28Z", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = 4711;

		print_message("  - '%s'\n", rows[i].text);
		assert_int_equal(str_to_time(rows[i].text, &got), rows[i].good ? 0 : -EINVAL);
		assert_true(got == (rows[i].good ? rows[i].want : 4711));
	}
}

static void times_keep_their_fraction(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* 0: refused */
	} rows[] = {
		{ "2026-11-22T07:41:28Z", 1795333288000000 },
		{ "2026-11-22T07:41:28.5Z", 1795333288500000 },
		{ "2026-11-22T07:41:28.123456Z", 1795333288123456 },
		{ "2026-11-22T07:41:28.123456789Z", 1795333288123456 },
		{ "2026-11-22T07:41:28.000001+00:00", 1795333288000001 },
		{ "2026-11-22T09:41:28.25+02:00", 1795333288250000 },
		{ "2026-11-22T07:41:28.", 0 },
		{ "2026-11-22", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t got = 4711;

		print_message("  - '%s'\n", rows[i].text);
		assert_int_equal(str_to_time_us(rows[i].text, &got),
		                 rows[i].want != 0 ? 0 : -EINVAL);
		assert_true(got == (rows[i].want != 0 ? rows[i].want : 4711));
	}
}

static void beginnings_are_compared(void **state)
{
	(void)state;
	assert_true(str_starts("abc", ""));
	assert_true(str_starts("abc", "abc"));
	assert_false(str_starts("ab", "abc"));
	assert_false(str_starts("", "a"));
}

static void an_error_is_a_code_and_a_sentence(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(NULL, EINVAL, "nobody asked"), -EINVAL);
	assert_int_equal(err_wrap(NULL, -EINVAL, "nobody asked"), -EINVAL);
	assert_int_equal(err_set(&err, ERANGE, "port %d", 0), -ERANGE);
	assert_int_equal(err.code, ERANGE);
	assert_int_equal(err_wrap(&err, -ERANGE, "spec.ports[%d]", 2), -ERANGE);
	assert_int_equal(err_wrap(&err, -ERANGE, "Service %s", "default/web"), -ERANGE);
	assert_string_equal(err.msg, "Service default/web: spec.ports[2]: port 0");
	assert_int_equal(err.code, ERANGE);
}

static void a_long_error_is_cut_at_its_end(void **state)
{
	struct err err = { 0 };
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	for (unsigned i = 0; i < 100; i++) {
		(void)err_wrap(&err, -EINVAL, "context %u", i);
		assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	}
	assert_true(str_starts(err.msg, "context 99: context 98: "));
	(void)err_wrap(&err, -EINVAL, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	/* Every length of context, around the one that leaves no room. */
	for (size_t len = 230; len < sizeof(err.msg); len++) {
		(void)err_set(&err, EINVAL, "inner");
		(void)err_wrap(&err, -EINVAL, "%.*s", (int)len, text);
		assert_true(strlen(err.msg) < sizeof(err.msg));
		assert_true(strlen(err.msg) >= len);
	}
}

static void findings_are_kept_up_to_a_bound(void **state)
{
	struct diags diags = { 0 };

	(void)state;
	for (unsigned i = 0; i < DIAG_MAX + 10; i++)
		diag_add(&diags, "Service default/web", "number %u", i);
	assert_int_equal(diags.count, DIAG_MAX);
	assert_int_equal(diags.total, DIAG_MAX + 10);
	assert_string_equal(diags.list[0].subject, "Service default/web");
	assert_string_equal(diags.list[DIAG_MAX - 1].text, "number 255");
	diag_clear(&diags);
	assert_int_equal(diags.count + diags.total, 0);
	diag_add(&diags, "Node n1", "%s", "fine");
	assert_string_equal(diags.list[0].text, "fine");
	diag_done(&diags);
	assert_null(diags.list);
	diag_done(&diags);
}

static void memory_is_there(void **state)
{
	char *text AUTO_FREE = xstrdup("text");
	unsigned *numbers = NULL;
	size_t cap = 0;
	unsigned moves = 0;

	(void)state;
	assert_string_equal(text, "text");
	free(xmalloc(0));
	free(xcalloc(0, 0));
	free(xrealloc_array(NULL, 0, 8));
	for (unsigned i = 0; i < 10000; i++) {
		size_t before = cap;

		numbers = vec_reserve(numbers, &cap, i + 1, sizeof(*numbers));
		moves += cap != before;
		numbers[i] = i;
	}
	assert_int_equal(numbers[9999], 9999);
	assert_true(moves < 30);
	free(numbers);
	numbers = NULL;
	cap = 0;
	numbers = vec_reserve(numbers, &cap, 100, sizeof(*numbers));
	assert_int_equal(cap, 100);
	free(numbers);
}

static const struct {
	const char *text;
	size_t len; /* 0: none */
	uint32_t character;
} characters[] = {
	{ "", 0, 0 },
	{ "az", 1, 'a' },
	{ "\x7f", 1, 0x7f },
	{ "\x80", 0, 0 },
	{ "\xc2\x80", 2, 0x80 },
	{ "\xdf\xbfz", 2, 0x7ff },
	{ "\xc1\xbf", 0, 0 }, /* overlong */
	{ "\xc3", 0, 0 },     /* cut */
	{ "\xc3\x28", 0, 0 },
	{ "\xe0\xa0\x80", 3, 0x800 },
	{ "\xe0\x9f\xbf", 0, 0 },
	{ "\xed\x9f\xbf", 3, 0xd7ff },
	{ "\xed\xa0\x80", 0, 0 }, /* surrogates */
	{ "\xed\xbf\xbf", 0, 0 },
	{ "\xee\x80\x80", 3, 0xe000 },
	{ "\xef\xbf", 0, 0 },
	{ "\xf0\x90\x80\x80", 4, 0x10000 },
	{ "\xf0\x8f\xbf\xbf", 0, 0 },
	{ "\xf4\x8f\xbf\xbf", 4, 0x10ffff },
	{ "\xf4\x90\x80\x80", 0, 0 },
	{ "\xf8\x88\x80\x80\x80", 0, 0 },
	{ "\xff", 0, 0 },
};

static void characters_are_read_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(characters); i++) {
		uint32_t character = 77;
		size_t len = str_utf8(characters[i].text, &character);

		if (len != characters[i].len ||
		    character != (len > 0 ? characters[i].character : 77))
			fail_msg("row %zu: %zu bytes, %x", i, len, character);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_grows),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(json_strings_are_utf8),
		cmocka_unit_test(characters_are_read_strictly),
		cmocka_unit_test(numbers_are_read_strictly),
		cmocka_unit_test(times_are_read_strictly),
		cmocka_unit_test(times_keep_their_fraction),
		cmocka_unit_test(beginnings_are_compared),
		cmocka_unit_test(an_error_is_a_code_and_a_sentence),
		cmocka_unit_test(a_long_error_is_cut_at_its_end),
		cmocka_unit_test(findings_are_kept_up_to_a_bound),
		cmocka_unit_test(memory_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

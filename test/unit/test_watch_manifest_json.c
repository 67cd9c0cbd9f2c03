/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"

static const size_t steps[] = { 0, 1, 2, 3, 5, 7, 64 };

#define DEEP_10 "[[[[[[[[[["
#define DEEP_100 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10
#define END_10 "]]]]]]]]]]"
#define END_100 END_10 END_10 END_10 END_10 END_10 END_10 END_10 END_10 END_10 END_10
#define DEEP_99 "[[[[[[[[[" DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10 DEEP_10
#define END_99 "]]]]]]]]]" END_10 END_10 END_10 END_10 END_10 END_10 END_10 END_10 END_10

static const struct row {
	const char *what;
	const char *text;
	size_t len; /* 0: up to the NUL */
	int ret;
	const char *want; /* the objects that came before an error, too */
	const char *msg;
} rows[] = {
	{ .what = "one object",
	  .text = "{\"a\":{\"b\":[1]}}",
	  .want = "1:1 {\"a\":{\"b\":[1]}}\n" },
	{ .what = "an empty object", .text = "{}", .want = "1:1 {}\n" },
	{ .what = "texts one after the other, with and without space",
	  .text = "{\"a\":1}{\"b\":2}\n\n[3]",
	  .want = "1:1 {\"a\":1}\n2:1 {\"b\":2}\n3:3 [3]\n" },
	{ .what = "the items of a List, each with its line",
	  .text = "{\"kind\":\"List\",\n\"items\":[\n{\"a\":1},\n\n{\"b\":2}]}",
	  .want = "1:3 {\"a\":1}\n1:5 {\"b\":2}\n" },
	{ .what = "a List is known by its items alone",
	  .text = "{\"items\":[{}]}",
	  .want = "1:1 {}\n" },
	{ .what = "an empty List", .text = "{\"items\":[]}", .want = "" },
	{ .what = "spaces around items, and members behind them",
	  .text = "{ \"items\" : [ {\"a\":1} , {} ] , \"metadata\":{\"x\":[]} }",
	  .want = "1:1 {\"a\":1}\n1:1 {}\n" },
	{ .what = "a typed list tells its items' kind",
	  .text = "{\"kind\":\"ServiceList\",\"items\":[{}]}",
	  .want = "1:1 Service {}\n" },
	{ .what = "a kind that comes after the items is too late",
	  .text = "{\"items\":[{}],\"kind\":\"ServiceList\"}",
	  .want = "1:1 {}\n" },
	{ .what = "a kind that is no list's tells nothing",
	  .text = "{\"kind\":\"Service\",\"items\":[{}]}",
	  .want = "1:1 {}\n" },
	{ .what = "a kind that is no string tells nothing",
	  .text = "{\"kind\":[\"ServiceList\"],\"items\":[{}]}",
	  .want = "1:1 {}\n" },
	{ .what = "the kind of one list is not the next one's",
	  .text = "{\"kind\":\"NodeList\",\"items\":[{}]}{\"items\":[{}]}",
	  .want = "1:1 Node {}\n2:1 {}\n" },
	{ .what = "items deeper inside are nothing special",
	  .text = "{\"data\":{\"items\":[1]}}",
	  .want = "1:1 {\"data\":{\"items\":[1]}}\n" },
	{ .what = "items that are no array are a member like others",
	  .text = "{\"items\":null,\"x\":[1]}",
	  .want = "1:1 {\"items\":null,\"x\":[1]}\n" },
	{ .what = "a value \"items\" is no key",
	  .text = "{\"a\":\"items\",\"b\":[1]}",
	  .want = "1:1 {\"a\":\"items\",\"b\":[1]}\n" },
	{ .what = "a key that ends with items, by an escape",
	  .text = "{\"\\\"items\":[1]}",
	  .want = "1:1 {\"\\\"items\":[1]}\n" },
	{ .what = "items in an array of the top level",
	  .text = "[\"items\",[1]]",
	  .want = "1:1 [\"items\",[1]]\n" },
	{ .what = "items of any type, as they are",
	  .text = "{\"items\":[1,null ,\"a,]\\\"\",[2],true\n,-1.5e3]}",
	  .want = "1:1 1\n1:1 null\n1:1 \"a,]\\\"\"\n1:1 [2]\n1:1 true\n1:2 -1500\n" },
	{ .what = "brackets, escapes and quotes in strings",
	  .text = "{\"a\":\"}]{[\\\\\",\"b\":\"\\\"}\",\"c\\u00e9\":\"\\ud83d\\ude00\"}",
	  .want = "1:1 {\"a\":\"}]{[\\\\\",\"b\":\"\\\"}\",\"c\xc3\xa9\":\"\xf0\x9f\x98\x80\"}\n" },
	{ .what = "duplicate keys are left for the decoder",
	  .text = "{\"a\":1,\"a\":2}",
	  .want = "1:1 {\"a\":1,\"a\":2}\n" },
	{ .what = "an object behind a broken one is not reached",
	  .text = "{\"a\":1}\n{\"b\":}\n{\"c\":1}",
	  .ret = -EBADMSG,
	  .want = "1:1 {\"a\":1}\n",
	  .msg = "document 2, line 2: broken JSON at '}'" },
	{ .what = "the line of what is broken inside an object",
	  .text = "{\"items\":[{},\n{\"a\":1,\n\"b\" 2}]}",
	  .ret = -EBADMSG,
	  .want = "1:1 {}\n",
	  .msg = "document 1, line 3: broken JSON at '2}'" },
	{ .what = "a List that is broken before its items",
	  .text = "{\"kind\":\n,\"items\":[{}]}",
	  .ret = -EBADMSG,
	  .want = "",
	  .msg = "document 1, line 2: broken JSON at ',\"items\":[]}'" },
	{ .what = "a List that is broken behind its items",
	  .text = "{\"items\":[{}\n\n],\n\"kind\" \"List\"}",
	  .ret = -EBADMSG,
	  .want = "1:1 {}\n",
	  .msg = "document 1, line 4: broken JSON at '\"List\"}'" },
	{ .what = "items given twice",
	  .text = "{\"items\":[{}],\"items\":[]}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: items: given twice" },
	{ .what = "no comma between items",
	  .text = "{\"items\":[{}\n{}]}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: items: expected ',' or ']' before '{'" },
	{ .what = "a comma behind the last item",
	  .text = "{\"items\":[{},]}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: unexpected ']'" },
	{ .what = "two commas", .text = "{\"items\":[{},,{}]}", .ret = -EBADMSG },
	{ .what = "a comma before the first item", .text = "{\"items\":[,{}]}", .ret = -EBADMSG },
	{ .what = "two literals without a comma", .text = "{\"items\":[1 2]}", .ret = -EBADMSG },
	{ .what = "a literal that is none",
	  .text = "{\"items\":[nul]}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: broken JSON at 'nul'" },
	{ .what = "a literal with something behind it",
	  .text = "{\"items\":[1.2.3]}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: broken JSON at '.3'" },
	{ .what = "a word with something behind it",
	  .text = "{\"items\":[truer]}",
	  .ret = -EBADMSG },
	{ .what = "a colon between items", .text = "{\"items\":[\"a\":1]}", .ret = -EBADMSG },
	{ .what = "items closed by the wrong bracket",
	  .text = "{\"items\":[{}}}",
	  .ret = -EBADMSG },
	{ .what = "a bracket that does not match",
	  .text = "{\"a\":[1}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: '}' does not close '['" },
	{ .what = "an envelope closed by the wrong bracket",
	  .text = "{\"a\":1]",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: ']' does not close '{'" },
	{ .what = "a bracket too many",
	  .text = "{}\n}",
	  .ret = -EBADMSG,
	  .want = "1:1 {}\n",
	  .msg = "document 1, line 2: unexpected '}'" },
	{ .what = "text behind an object",
	  .text = "{} x",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: unexpected 'x'" },
	{ .what = "a string behind an object", .text = "{}\"\"", .ret = -EBADMSG },
	{ .what = "an object that ends too early",
	  .text = "{\"a\":\n{\"b\":1}",
	  .ret = -EBADMSG,
	  .want = "",
	  .msg = "document 1, line 2: the text ends inside an object" },
	{ .what = "items that end too early",
	  .text = "{\"items\":[{},{}",
	  .ret = -EBADMSG,
	  .want = "1:1 {}\n1:1 {}\n",
	  .msg = "document 1, line 1: the text ends inside an object" },
	{ .what = "a string that ends too early", .text = "{\"a", .ret = -EBADMSG },
	{ .what = "an escape that ends too early", .text = "{\"a\\u00", .ret = -EBADMSG },
	{ .what = "a literal that ends too early", .text = "{\"items\":[1", .ret = -EBADMSG },
	{ .what = "an escape that JSON does not have", .text = "{\"a\":\"\\x\"}", .ret = -EBADMSG },
	{ .what = "half of a surrogate pair", .text = "{\"a\":\"\\ud83d\"}", .ret = -EBADMSG },
	{ .what = "a NUL byte between values",
	  .text = "{\"a\":\0 1}",
	  .len = 9,
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: a NUL byte" },
	{ .what = "a NUL byte in a string",
	  .text = "{\"a\":\"web\0\"}",
	  .len = 12,
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: a NUL byte" },
	{ .what = "an escaped NUL would cut a name short",
	  .text = "{\"a\":\n\"web\\u0000.evil\"}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: a NUL byte in a string" },
	{ .what = "an escaped backslash before u0000 is no NUL",
	  .text = "{\"a\":\"\\\\u0000\"}",
	  .want = "1:1 {\"a\":\"\\\\u0000\"}\n" },
	{ .what = "a raw line feed in a string",
	  .text = "{\"a\":\"x\ny\"}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: a control character in a string" },
	{ .what = "a control character between values",
	  .text = "{\"a\":\x01 1}",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: unexpected byte 0x01" },
	{ .what = "comments are no JSON", .text = "{} // x", .ret = -EBADMSG },
	{ .what = "200 levels",
	  .text = DEEP_100 DEEP_100 END_100 END_100,
	  .want = "1:1 " DEEP_100 DEEP_100 END_100 END_100 "\n" },
	{ .what = "201 levels",
	  .text = "[" DEEP_100 DEEP_100,
	  .ret = -E2BIG,
	  .msg = "document 1, line 1: nested deeper than 200 levels" },
	{ .what = "a List counts among the levels",
	  .text = "{\"items\":[" DEEP_99 DEEP_99 END_99 END_99 "]}",
	  .want = "1:1 " DEEP_99 DEEP_99 END_99 END_99 "\n" },
	{ .what = "a List with a level too many",
	  .text = "{\"items\":[[" DEEP_99 DEEP_99 END_99 END_99 "]]}",
	  .ret = -E2BIG },
};

static void reads_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(steps); i++) {
		const struct row *row = &rows[i / ARRAY_LEN(steps)];
		size_t step = steps[i % ARRAY_LEN(steps)];
		struct feed feed =
			feed_text(row->text, row->len > 0 ? row->len : strlen(row->text), step);
		struct strbuf got AUTO_STRBUF = { 0 };
		struct err err = { 0 };
		int ret = watch_manifest_read(feed_read, &feed, record_object, &got, &err);

		if (step == 0)
			print_message("  - %s\n", row->what);
		assert_int_equal(ret, row->ret);
		assert_int_equal(err.code, -row->ret);
		if (row->want != NULL)
			assert_string_equal(got.text != NULL ? got.text : "", row->want);
		if (row->msg != NULL)
			assert_string_equal(err.msg, row->msg);
		else if (ret < 0)
			assert_true(str_starts(err.msg, "document 1, line "));
	}
}

/* Real answers of an API server, cut in every way, give the same objects. */
static void does_not_depend_on_the_pieces(void **state)
{
	static const char text[] =
		"{\"kind\":\"ServiceList\",\"x\":\"\\\"items\\\":[\",\"items\":[\n"
		"{\"metadata\":{\"name\":\"a\\u00e9\\\\\"},\"l\":[1,2,{\"a\":[]}]},\n"
		"{\"n\":-1.5e3,\"t\":true}\n],\"tail\":{\"a\":\"]}\"}}\n{\"b\":[]}\n";
	struct strbuf whole AUTO_STRBUF = { 0 };
	struct feed feed = feed_text(text, strlen(text), 0);

	(void)state;
	assert_int_equal(watch_manifest_read(feed_read, &feed, record_object, &whole, NULL), 0);
	assert_non_null(
		strstr(whole.text, "1:3 Service {\"n\":-1500,\"t\":true}\n2:5 {\"b\":[]}\n"));
	for (size_t step = 1; step < strlen(text); step++) {
		struct strbuf got AUTO_STRBUF = { 0 };

		feed = feed_text(text, strlen(text), step);
		assert_int_equal(watch_manifest_read(feed_read, &feed, record_object, &got, NULL),
		                 0);
		assert_string_equal(got.text, whole.text);
	}
}

/* Every proper beginning of a document is an error, never half a list. */
static void refuses_every_truncation(void **state)
{
	static const char text[] =
		"{\"kind\":\"ServiceList\",\"items\":[{\"a\":\"\\u00e9\"},null,[1]],\"b\":{}}";

	(void)state;
	for (size_t len = 1; len < strlen(text); len++) {
		struct feed feed = feed_text(text, len, 0);
		size_t count = 0;

		assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, NULL),
		                 -EBADMSG);
	}
}

/* The window grows for a large object and serves small ones behind it. */
static void mixes_large_and_small_objects(void **state)
{
	struct strbuf text AUTO_STRBUF = { 0 };
	size_t count = 0;

	(void)state;
	strbuf_puts(&text, "{\"items\":[");
	for (unsigned i = 0; i < 200; i++) {
		strbuf_printf(&text, "%s{\"n\":%u,\"pad\":\"", i > 0 ? ",\n" : "", i);
		for (unsigned k = 0; k < (i % 10 == 0 ? 20000 : 3); k++)
			strbuf_puts(&text, "0123456789");
		strbuf_puts(&text, "\"}");
	}
	strbuf_puts(&text, "]}");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct feed feed = feed_text(text.text, text.len, steps[i] * 1000);

		count = 0;
		assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, NULL),
		                 0);
		assert_int_equal(count, 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_rows),
		cmocka_unit_test(does_not_depend_on_the_pieces),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(mixes_large_and_small_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

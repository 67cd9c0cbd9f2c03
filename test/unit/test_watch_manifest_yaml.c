/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"

static const size_t steps[] = { 0, 1, 2, 3, 7, 64 };

static const struct row {
	const char *what;
	const char *text;
	int ret;
	const char *want; /* the objects that came before an error, too */
	const char *msg;
} rows[] = {
	{ .what = "a mapping",
	  .text = "a: 1\nb: [x, 'y']\n",
	  .want = "1:1 {\"a\":1,\"b\":[\"x\",\"y\"]}\n" },
	{ .what = "documents, each with its line",
	  .text = "a: 1\n---\n\nb: 2\n---\n# c\nc: 3\n...\n",
	  .want = "1:1 {\"a\":1}\n2:4 {\"b\":2}\n3:7 {\"c\":3}\n" },
	{ .what = "empty documents hold no object, and count",
	  .text = "---\n---\n# nothing\n---\na: 1\n---\n~\n---\nnull\n",
	  .want = "3:5 {\"a\":1}\n" },
	{ .what = "comments alone hold no object", .text = "# a\n# b\n", .want = "" },
	{ .what = "the items of a List, each with its line",
	  .text = "apiVersion: v1\nitems:\n- a: 1\n  b: 2\n- c:\n  - 3\nkind: List\n",
	  .want = "1:3 {\"a\":1,\"b\":2}\n1:5 {\"c\":[3]}\n" },
	{ .what = "a List in brackets",
	  .text = "---\n{items: [{a: 1}, {b: 2}], kind: List}\n",
	  .want = "1:2 {\"a\":1}\n1:2 {\"b\":2}\n" },
	{ .what = "an empty List", .text = "kind: List\nitems: []\n", .want = "" },
	{ .what = "a typed list tells its items' kind",
	  .text = "kind: ServiceList\nitems:\n- {}\n---\nitems:\n- {}\n",
	  .want = "1:3 Service {}\n2:6 {}\n" },
	{ .what = "a quoted key is a key",
	  .text = "\"items\":\n- 1\n- x\n",
	  .want = "1:2 1\n1:3 \"x\"\n" },
	{ .what = "items deeper inside are nothing special",
	  .text = "data:\n  items:\n  - 1\n",
	  .want = "1:1 {\"data\":{\"items\":[1]}}\n" },
	{ .what = "items that are no sequence are a member like others",
	  .text = "items: {a: 1}\n",
	  .want = "1:1 {\"items\":{\"a\":1}}\n" },
	{ .what = "items may be empty, or of any type",
	  .text = "items:\n-\n- [a]\n- 1\n",
	  .want = "1:2 null\n1:3 [\"a\"]\n1:4 1\n" },
	{ .what = "a top level that is no mapping",
	  .text = "- a\n- items:\n  - 1\n",
	  .want = "1:1 [\"a\",{\"items\":[1]}]\n" },
	{ .what = "quoted scalars are strings",
	  .text = "['1', \"true\", 'null', \"\", '~']",
	  .want = NULL,
	  .ret = -EBADMSG /* begins like JSON, and is none */ },
	{ .what = "quoted scalars are strings, in YAML",
	  .text = "a: ['1', \"true\", 'null', \"\", '~']\n",
	  .want = "1:1 {\"a\":[\"1\",\"true\",\"null\",\"\",\"~\"]}\n" },
	{ .what = "block scalars are strings",
	  .text = "a: |\n  1\nb: >\n  true\n",
	  .want = "1:1 {\"a\":\"1\\n\",\"b\":\"true\\n\"}\n" },
	{ .what = "plain scalars have types",
	  .text = "a: [1, -2, 2.5, true, False, ~, null, x, 1.2.3.4, 2026-01-01, yes, 0x10, 010]\n",
	  .want = "1:1 {\"a\":[1,-2,2.5,true,false,null,null,\"x\",\"1.2.3.4\",\"2026-01-01\","
	          "\"yes\",\"0x10\",\"010\"]}\n" },
	{ .what = "keys are text",
	  .text = "1: a\ntrue: b\n",
	  .want = "1:1 {\"1\":\"a\",\"true\":\"b\"}\n" },
	{ .what = "duplicate keys are left for the decoder",
	  .text = "a: 1\na: 2\n",
	  .want = "1:1 {\"a\":1,\"a\":2}\n" },
	{ .what = "tags of the core schema",
	  .text = "a: !!str 1\nb: !!int 2\nc: !!map {}\nd: !!seq []\ne: !!null ''\nf: ! 3\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 5: a tag that is foreign, or does not fit the value" },
	{ .what = "tags of the core schema that are true",
	  .text = "a: !!str 1\nb: !!int 2\nc: !!map {}\nd: !!seq []\ne: !!null\nf: ! 3\n"
	          "g: !!bool true\nh: !!float 1.5\n!!str i: 1\n",
	  .want = "1:1 {\"a\":\"1\",\"b\":2,\"c\":{},\"d\":[],\"e\":null,\"f\":\"3\",\"g\":true,"
	          "\"h\":1.5,\"i\":1}\n" },
	{ .what = "an anchor without alias is a name that nobody uses",
	  .text = "a: &x 1\nb: &y {c: 2}\n",
	  .want = "1:1 {\"a\":1,\"b\":{\"c\":2}}\n" },
	{ .what = "an alias",
	  .text = "a: &x 1\nb: *x\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: aliases are not supported" },
	{ .what = "aliases that would explode",
	  .text = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
	          "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
	  .ret = -EBADMSG,
	  .want = "",
	  .msg = "document 1, line 2: aliases are not supported" },
	{ .what = "an alias as a key", .text = "&a x: 1\n*a : 2\n", .ret = -EBADMSG },
	{ .what = "a merge key",
	  .text = "a:\n  <<: {b: 1}\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: merge keys are not supported" },
	{ .what = "a quoted merge key is a key", .text = "'<<': 1\n", .want = "1:1 {\"<<\":1}\n" },
	{ .what = "a foreign tag",
	  .text = "a: 1\n---\nb: !python/object 2\n",
	  .ret = -EBADMSG,
	  .want = "1:1 {\"a\":1}\n",
	  .msg = "document 2, line 3: a tag that is foreign, or does not fit the value" },
	{ .what = "a foreign tag on a mapping", .text = "a: !!set {}\n", .ret = -EBADMSG },
	{ .what = "binary data", .text = "a: !!binary aGk=\n", .ret = -EBADMSG },
	{ .what = "a tag that does not fit", .text = "a: !!int x\n", .ret = -EBADMSG },
	{ .what = "a key that is a mapping",
	  .text = "? {a: 1}\n: b\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: a key that is not a scalar" },
	{ .what = "an escaped NUL byte",
	  .text = "a:\n  b: \"web\\0evil\"\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: a NUL byte in a string" },
	{ .what = "an escaped NUL byte in a key", .text = "\"a\\0b\": 1\n", .ret = -EBADMSG },
	{ .what = "a control character",
	  .text = "a: x\x01\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: broken YAML: control characters are not allowed" },
	{ .what = "text that is no UTF-8",
	  .text = "a: 1\nb: 2\nc: \xff\xfe\nd: 4\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 3: broken YAML: invalid leading UTF-8 octet" },
	{ .what = "items given twice",
	  .text = "items:\n- {}\nitems:\n- {}\n",
	  .ret = -EBADMSG,
	  .want = "1:2 {}\n",
	  .msg = "document 1, line 4: items: given twice" },
	{ .what = "broken syntax, with its line",
	  .text = "a: 1\nb: [1,\nc: 2\n",
	  .ret = -EBADMSG,
	  .want = "" },
	{ .what = "a tab as indentation",
	  .text = "a:\n\tb: 1\n",
	  .ret = -EBADMSG,
	  .msg = "document 1, line 2: broken YAML: found character that cannot start any token "
	         "while scanning for the next token" },
	{ .what = "a mapping that ends too early", .text = "a: {b: 1\n", .ret = -EBADMSG },
};

static void reads_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows) * ARRAY_LEN(steps); i++) {
		const struct row *row = &rows[i / ARRAY_LEN(steps)];
		size_t step = steps[i % ARRAY_LEN(steps)];
		struct feed feed = feed_text(row->text, strlen(row->text), step);
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
			assert_true(str_starts(err.msg, "document "));
	}
}

/* @levels sequences inside each other, in a List or not. */
static int read_nested(unsigned levels, bool in_list, struct err *err)
{
	struct strbuf text AUTO_STRBUF = { 0 };
	struct feed feed;
	size_t count = 0;

	strbuf_puts(&text, in_list ? "items:\n- " : "--- ");
	for (unsigned i = 0; i < levels; i++)
		strbuf_puts(&text, "[");
	for (unsigned i = 0; i < levels; i++)
		strbuf_puts(&text, "]");
	feed = feed_text(text.text, text.len, 0);
	return watch_manifest_read(feed_read, &feed, count_object, &count, err);
}

static void bounds_the_depth(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(read_nested(WATCH_MAX_DEPTH, false, &err), 0);
	assert_int_equal(read_nested(WATCH_MAX_DEPTH + 1, false, &err), -E2BIG);
	assert_string_equal(err.msg, "document 1, line 1: nested deeper than 200 levels");
	assert_int_equal(read_nested(WATCH_MAX_DEPTH - 2, true, &err), 0);
	assert_int_equal(read_nested(WATCH_MAX_DEPTH - 1, true, &err), -E2BIG);
	assert_int_equal(read_nested(900, false, &err), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_rows),
		cmocka_unit_test(bounds_the_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

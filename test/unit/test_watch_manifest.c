/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both formats have in common: telling them apart, bounds, reading errors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"

/* Sizes of the pieces in which each stream is read, with the same outcome. */
static const size_t steps[] = { 0, 1, 2, 3, 7, 64, 4096 };

static const struct row {
	const char *what;
	const char *text;
	size_t len; /* 0: up to the NUL */
	int ret;
	const char *want; /* the objects: document:line kind text */
	const char *msg;
} rows[] = {
	{ .what = "an empty stream holds no object", .text = "", .want = "" },
	{ .what = "white space holds no object", .text = " \n\t\r\n \n", .want = "" },
	{ .what = "a byte order mark alone holds no object", .text = "\xef\xbb\xbf", .want = "" },
	{ .what = "one byte of a byte order mark is no text", .text = "\xef", .ret = -EBADMSG },
	{ .what = "a brace makes it JSON", .text = "{\"a\":1}", .want = "1:1 {\"a\":1}\n" },
	{ .what = "a bracket makes it JSON", .text = "[1, 2]", .want = "1:1 [1,2]\n" },
	{ .what = "anything else makes it YAML", .text = "a: 1", .want = "1:1 {\"a\":1}\n" },
	{ .what = "a single byte", .text = "a", .want = "1:1 \"a\"\n" },
	{ .what = "lines before the first brace count",
	  .text = "\n\r\n  \t{\"a\":1}",
	  .want = "1:3 {\"a\":1}\n" },
	{ .what = "lines before the first key count, its indentation stays",
	  .text = "\n \n  a: 1\n  b: 2\n",
	  .want = "1:3 {\"a\":1,\"b\":2}\n" },
	{ .what = "a byte order mark before JSON",
	  .text = "\xef\xbb\xbf{\"a\":1}",
	  .want = "1:1 {\"a\":1}\n" },
	{ .what = "a byte order mark before JSON that is no YAML",
	  .text = "\xef\xbb\xbf\n{\"a\":1}{\"b\":2}",
	  .want = "1:2 {\"a\":1}\n2:2 {\"b\":2}\n" },
	{ .what = "a byte order mark before YAML",
	  .text = "\xef\xbb\xbf"
	          "a: 1",
	  .want = "1:1 {\"a\":1}\n" },
	{ .what = "a NUL byte first",
	  .text = "\0{}",
	  .len = 3,
	  .ret = -EBADMSG,
	  .msg = "document 1, line 1: broken YAML: control characters are not allowed" },
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

		print_message("  - %s, %zu at a time\n", row->what, step);
		assert_int_equal(ret, row->ret);
		if (row->want != NULL)
			assert_string_equal(got.text != NULL ? got.text : "", row->want);
		if (row->msg != NULL)
			assert_string_equal(err.msg, row->msg);
	}
}

#define PAD_100                                             \
	"0123456789012345678901234567890123456789012345678" \
	"901234567890123456789012345678901234567890123456789"
#define PAD_1000 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100 PAD_100

static const struct {
	const char *what;
	const char *head;
	const char *body;
	size_t total;
	int ret;
	const char *msg;
} bounds[] = {
	{ .what = "a JSON object that never ends",
	  .head = "{\"a\":\"",
	  .body = "xxxxxxxxxxxxxxx",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES,
	  .ret = -E2BIG,
	  .msg = "document 1, line 1: an object larger than 16 MiB" },
	{ .what = "a YAML scalar that never ends",
	  .head = "a: b\n---\n\na: ",
	  .body = "xxxxxxxxxxxxxxx",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES,
	  .ret = -E2BIG,
	  .msg = "document 2, line 4: an object larger than 16 MiB" },
	{ .what = "a YAML object of many keys",
	  .head = "items:\n- {}\n-\n",
	  .body = "  abcdefgh: ijklmnop\n",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES,
	  .ret = -E2BIG,
	  .msg = "document 1, line 4: an object larger than 16 MiB" },
	{ .what = "JSON objects without end",
	  .head = "",
	  .body = "{\"some\":\"object\",\"pad\":\"" PAD_1000 PAD_1000 PAD_1000 PAD_1000 "\"}\n",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES + 1,
	  .ret = -E2BIG },
	{ .what = "a stream of the largest size",
	  .head = "{}",
	  .body = "                                                                             \n",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES,
	  .ret = 0 },
	{ .what = "white space without end",
	  .head = "",
	  .body = "                                                                             \n",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES + 1,
	  .ret = -E2BIG },
	{ .what = "a YAML tree that takes more memory than its text allows for",
	  .head = "a: [1",
	  .body = ",1",
	  .total = (size_t)12 << 20,
	  .ret = -E2BIG,
	  .msg = "document 1, line 1: an object of too many values" },
	{ .what = "a YAML comment that never ends",
	  .head = "a: 1\n",
	  .body = "#################################################################\n",
	  .total = (size_t)WATCH_MAX_STREAM_BYTES,
	  .ret = -E2BIG },
};

static void is_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
		struct feed feed = {
			.head = bounds[i].head,
			.head_len = strlen(bounds[i].head),
			.body = bounds[i].body,
			.body_len = strlen(bounds[i].body),
			.total = bounds[i].total,
		};
		struct err err = { 0 };
		size_t count = 0;

		print_message("  - %s\n", bounds[i].what);
		assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, &err),
		                 bounds[i].ret);
		if (bounds[i].msg != NULL)
			assert_string_equal(err.msg, bounds[i].msg);
	}
}

/* A text of nothing but values needs many times its size as a tree. */
static void bounds_the_tree(void **state)
{
	size_t len = (size_t)12 << 20;
	char *text AUTO_FREE = xmalloc(len);
	struct feed feed = feed_text(text, len, 0);
	struct err err = { 0 };
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 == 0 ? ',' : '1';
	text[0] = '[';
	text[len - 1] = ']';
	text[len - 2] = '1';
	assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, &err), -E2BIG);
	assert_string_equal(err.msg, "document 1, line 1: an object of too many values");
	assert_int_equal(count, 0);
}

/* Most of the memory goes to 1,950,000 empty lists, then a string does not fit into the rest. */
static void bounds_the_tree_with_a_long_string(void **state)
{
	size_t len = WATCH_MAX_OBJECT_BYTES;
	size_t lists = (size_t)3 * 1950000;
	char *text AUTO_FREE = xmalloc(len);
	struct feed feed = feed_text(text, len, 0);
	struct err err = { 0 };
	size_t count = 0;

	(void)state;
	memset(text, 'x', len);
	for (size_t i = 0; i < lists; i++)
		text[i + 1] = "[],"[i % 3];
	text[0] = '[';
	text[lists + 1] = '"';
	text[len - 2] = '"';
	text[len - 1] = ']';
	assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, &err), -E2BIG);
	assert_string_equal(err.msg, "document 1, line 1: an object of too many values");
}

/* An object of exactly the largest size, and one byte more, in each format. */
static void knows_the_largest_object(void **state)
{
	static const char head[] = { '{', '"', 'a', '"', ':', '"' };
	char *text AUTO_FREE = xmalloc((size_t)WATCH_MAX_OBJECT_BYTES + 1);

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		size_t len = (size_t)WATCH_MAX_OBJECT_BYTES + more;
		struct feed feed = feed_text(text, len, 0);
		struct err err = { 0 };
		size_t count = 0;

		memset(text, 'x', len);
		memcpy(text, head, sizeof(head));
		text[len - 2] = '"';
		text[len - 1] = '}';
		assert_int_equal(watch_manifest_read(feed_read, &feed, count_object, &count, &err),
		                 more == 0 ? 0 : -E2BIG);
		assert_int_equal(count, 1 - more);
	}
}

static void passes_on_reading_errors(void **state)
{
	static const char *const texts[] = { "{\"a\":1}\n{\"b\":2}", "a: 1\n---\nb: 2\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		for (size_t at = 1; at < strlen(texts[i]); at++) {
			struct feed feed = feed_text(texts[i], strlen(texts[i]), 1);
			struct err err = { 0 };
			size_t count = 0;

			feed.fail_at = at;
			assert_int_equal(
				watch_manifest_read(feed_read, &feed, count_object, &count, &err),
				-EIO);
			assert_string_equal(err.msg + strlen("document 1, line 1"),
			                    ": the disk is gone");
		}
	}
}

/* A callback may use cJSON for itself, and free what it made when the reading is over. */
static void keep_a_copy(void *ctx, const cJSON *object, const char *kind,
                        const struct watch_place *place)
{
	cJSON **copy = ctx;

	(void)kind;
	(void)place;
	cJSON_Delete(*copy);
	*copy = cJSON_Duplicate(object, true);
	assert_non_null(*copy);
}

static void leaves_other_users_of_cjson_alone(void **state)
{
	static const char *const texts[] = { "{\"items\":[{\"a\":1},{\"a\":2}]}",
		                             "items:\n- a: 1\n- a: 2\n" };
	cJSON *before = cJSON_Parse("{\"x\":[1,2,3]}");

	(void)state;
	assert_non_null(before);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct feed feed = feed_text(texts[i], strlen(texts[i]), 0);
		cJSON *copy = NULL;
		cJSON *later;

		assert_int_equal(watch_manifest_read(feed_read, &feed, keep_a_copy, &copy, NULL),
		                 0);
		assert_int_equal(cJSON_GetObjectItemCaseSensitive(copy, "a")->valuedouble, 2);
		later = cJSON_Parse("[4]");
		assert_non_null(later);
		cJSON_Delete(later);
		cJSON_Delete(copy);
	}
	cJSON_Delete(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_rows),
		cmocka_unit_test(is_bounded),
		cmocka_unit_test(bounds_the_tree),
		cmocka_unit_test(bounds_the_tree_with_a_long_string),
		cmocka_unit_test(knows_the_largest_object),
		cmocka_unit_test(passes_on_reading_errors),
		cmocka_unit_test(leaves_other_users_of_cjson_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

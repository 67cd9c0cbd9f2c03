/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "watch/json_salvage.h"
#include "watch/json_stream.h"

static const struct {
	const char *text;
	const char *want;
} rows[] = {
	{ "{\"a\":1,\"b\":{\"c\":2,\"d\":\"un", "{\"a\":1,\"b\":{\"c\":2}}" },
	{ "{\"a\":[1,2,[3,4],5", "{\"a\":[1,2,[3,4]]}" },
	{ "{\"a\":\"x,y\\\",z\",\"b\":", "{\"a\":\"x,y\\\",z\"}" },
	{ "{\"a\":[1,2],\"b\":{\"c\":1}", "{\"a\":[1,2]}" },
	{ "{\"a\":1", "" },
	{ "", "" },
	{ "\"abc", "" },
	{ "{\"a\":1,\"b\":]", "{\"a\":1}" },
	{ "{\"a\":1,\"b\\", "{\"a\":1}" },
};

static void completes_what_is_there(void **state)
{
	struct strbuf out = { 0 };

	(void)state;
	strbuf_puts(&out, "old");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("%s\n", rows[i].text);
		json_salvage(rows[i].text, strlen(rows[i].text), &out);
		assert_string_equal(out.text, rows[i].want);
	}
	strbuf_done(&out);
}

static void gives_up_on_deep_text(void **state)
{
	struct strbuf text = { 0 };
	struct strbuf out = { 0 };
	cJSON *tree;

	(void)state;
	strbuf_puts(&text, "{\"a\":1,\"b\":");
	for (int i = 0; i < 300; i++)
		strbuf_puts(&text, "[1,");
	json_salvage(text.text, text.len, &out);
	tree = cJSON_Parse(out.text);
	assert_non_null(tree);
	cJSON_Delete(tree);
	strbuf_done(&text);
	strbuf_done(&out);
}

static const struct {
	const char *text;
	const char *want;
} blanked[] = {
	{ "{\"managedFields\":[{\"a\":[\"]\"]},2],\"b\":1}",
	  "{\"managedFields\":[             ],\"b\":1}" },
	{ "{\"managedFields\":[],\"managedFields\":[1]}",
	  "{\"managedFields\":[],\"managedFields\":[ ]}" },
	{ "{\"a\":\"\\\"managedFields\\\":[1]\"}", "{\"a\":\"\\\"managedFields\\\":[1]\"}" },
	{ "{\"managedFields\":[1,", "{\"managedFields\":[1," },
	{ "{\"managedFields\":[\"\\", "{\"managedFields\":[\"\\" },
	{ "{\"managedFields\":{\"a\":1}}", "{\"managedFields\":{\"a\":1}}" },
	{ "{\"managedFields\":[\"\\\"]\"]}", "{\"managedFields\":[     ]}" },
};

static void blanks_managed_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(blanked); i++) {
		char *text = xstrdup(blanked[i].text);

		print_message("%s\n", text);
		json_blank_managed_fields(text, strlen(text));
		assert_string_equal(text, blanked[i].want);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(completes_what_is_there),
		cmocka_unit_test(gives_up_on_deep_text),
		cmocka_unit_test(blanks_managed_fields),
	};

	return cmocka_run_group_tests_name("watch/json_salvage", tests, NULL, NULL);
}

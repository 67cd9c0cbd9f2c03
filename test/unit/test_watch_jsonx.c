/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "watch/jsonx.h"

struct inner {
	uint16_t port;
	const char *name;
};

struct outer {
	const char *text;
	const char *name;
	bool flag;
	bool given;
	double number;
	uint16_t port;
	uint16_t port_or_none;
	const cJSON *item;
	struct inner list[4];
	size_t count;
};

static const struct jsonx_field inner_fields[] = {
	{ "port", jsonx_port, offsetof(struct inner, port) },
	{ "name", jsonx_name, offsetof(struct inner, name) },
};

static int decode_inner(struct jsonx *jx, const cJSON *item, void *out)
{
	struct outer *outer = out;
	struct inner *inner = &outer->list[outer->count++];
	int ret = jsonx_object(jx, item, inner_fields, ARRAY_LEN(inner_fields), inner);

	if (ret == 0 && inner->port == 0)
		ret = jsonx_missing(jx, "port");
	if (ret == 0 && inner->port == 7)
		jsonx_note(jx, "a strange %s", "port");
	return ret;
}

static int decode_list(struct jsonx *jx, const cJSON *item, void *out)
{
	struct outer *outer = out;
	size_t count;
	int ret = jsonx_count(jx, item, ARRAY_LEN(outer->list), &count);

	return ret < 0 ? ret : jsonx_each(jx, item, decode_inner, outer);
}

static const struct jsonx_field outer_fields[] = {
	{ "text", jsonx_string, offsetof(struct outer, text) },
	{ "name", jsonx_name, offsetof(struct outer, name) },
	{ "flag", jsonx_bool, offsetof(struct outer, flag) },
	{ "given", jsonx_is_given, offsetof(struct outer, given) },
	{ "number", jsonx_number, offsetof(struct outer, number) },
	{ "port", jsonx_port, offsetof(struct outer, port) },
	{ "nodePort", jsonx_port_or_none, offsetof(struct outer, port_or_none) },
	{ "item", jsonx_item, offsetof(struct outer, item) },
	{ "list", decode_list, 0 },
};

static int decode(const char *text, struct outer *outer, struct diags *diags, struct err *err)
{
	struct jsonx jx;
	int ret;
	/* Kept until the next call: @outer borrows from it. */
	static cJSON *json;

	cJSON_Delete(json);
	json = text != NULL ? cJSON_Parse(text) : NULL;
	if (text == NULL)
		return 0;
	assert_non_null(json);
	*outer = (struct outer){ 0 };
	jsonx_init(&jx, diags, "Thing x", err);
	ret = jsonx_object(&jx, json, outer_fields, ARRAY_LEN(outer_fields), outer);
	assert_int_equal(jx.depth, 0);
	jsonx_done(&jx);
	return ret;
}

static const struct {
	const char *what;
	const char *json;
	int ret;
	const char *msg;
} rows[] = {
	{ "what is not in the table is not looked at", "{\"other\":{\"port\":\"x\"}}", 0, NULL },
	{ "case matters", "{\"Port\":\"x\",\"PORT\":[]}", 0, NULL },
	{ "other keys may come twice", "{\"other\":1,\"other\":2}", 0, NULL },
	{ "null means absent",
	  "{\"text\":null,\"flag\":null,\"port\":null,\"list\":null,\"given\":null}", 0, NULL },
	{ "no object", "[]", -EINVAL, "not an object" },
	{ "a field given twice", "{\"port\":1,\"x\":2,\"port\":1}", -EINVAL, "port: given twice" },
	{ "a field given twice, once as null", "{\"port\":null,\"port\":1}", -EINVAL,
	  "port: given twice" },
	{ "a string that is none", "{\"text\":1}", -EINVAL, "text: not a string" },
	{ "a truth value that is none", "{\"flag\":\"true\"}", -EINVAL,
	  "flag: neither true nor false" },
	{ "a number that is none", "{\"number\":\"1\"}", -EINVAL, "number: not a number" },
	{ "a number with a fraction", "{\"number\":1.5}", -ERANGE,
	  "number: 1.5 is not a whole number" },
	{ "a huge number is whole", "{\"number\":1e300}", 0, NULL },
	{ "infinity is not refused here", "{\"number\":-1e999}", 0, NULL },
	{ "port 1", "{\"port\":1}", 0, NULL },
	{ "port 65535", "{\"port\":65535}", 0, NULL },
	{ "port 80.0 is 80", "{\"port\":80.0}", 0, NULL },
	{ "port 0", "{\"port\":0}", -ERANGE, "port: 0 is not in 1-65535" },
	{ "port -1", "{\"port\":-1}", -ERANGE, "port: -1 is not in 1-65535" },
	{ "port 65536", "{\"port\":65536}", -ERANGE, "port: 65536 is not in 1-65535" },
	{ "port 80.5", "{\"port\":80.5}", -ERANGE, "port: 80.5 is not in 1-65535" },
	{ "port 65535.5", "{\"port\":65535.5}", -ERANGE, "port: 65535.5 is not in 1-65535" },
	{ "a huge port", "{\"port\":4294967376}", -ERANGE, "port: 4294967376 is not in 1-65535" },
	{ "an infinite port", "{\"port\":1e999}", -ERANGE, "port: inf is not in 1-65535" },
	{ "a port as text", "{\"port\":\"80\"}", -EINVAL, "port: not a number" },
	{ "no node port", "{\"nodePort\":0}", 0, NULL },
	{ "a negative node port", "{\"nodePort\":-1}", -ERANGE, "nodePort: -1 is not in 0-65535" },
	{ "an empty name", "{\"name\":\"\"}", 0, NULL },
	{ "a name that is none", "{\"name\":{}}", -EINVAL, "name: not a string" },
	{ "a name with a space", "{\"name\":\"a b\"}", -EINVAL, "name: 'a b' is not a name" },
	{ "a name with a line feed", "{\"name\":\"a\\nb\"}", -EINVAL, "name: 'a?b' is not a name" },
	{ "a name with a quote", "{\"name\":\"a\\\"b\"}", -EINVAL, "name: 'a\"b' is not a name" },
	{ "a name with a backslash", "{\"name\":\"a\\\\b\"}", -EINVAL,
	  "name: 'a\\b' is not a name" },
	{ "a name with a slash", "{\"name\":\"a/b\"}", -EINVAL, "name: 'a/b' is not a name" },
	{ "a name beyond ASCII", "{\"name\":\"\\u00e9\"}", -EINVAL, "name: '?\?' is not a name" },
	{ "a list that is none", "{\"list\":{}}", -EINVAL, "list: not a list" },
	{ "a list of the largest size",
	  "{\"list\":[{\"port\":1},{\"port\":2},{\"port\":3},{\"port\":4}]}", 0, NULL },
	{ "a list that is too long", "{\"list\":[1,2,3,4,5]}", -E2BIG,
	  "list: 5 entries, at most 4" },
	{ "the path to an element", "{\"list\":[{\"port\":1},{\"port\":0}]}", -ERANGE,
	  "list[1].port: 0 is not in 1-65535" },
	{ "an element that is no object", "{\"list\":[null]}", -EINVAL, "list[0]: not an object" },
	{ "a field that is missing", "{\"list\":[{\"port\":1},{\"name\":\"x\"}]}", -EINVAL,
	  "list[1].port: missing" },
	{ "a field that is null", "{\"list\":[{\"port\":null}]}", -EINVAL,
	  "list[0].port: missing" },
};

static void decodes_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diags diags = { 0 };
		struct err err = { 0 };
		struct outer outer;

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(decode(rows[i].json, &outer, &diags, &err), rows[i].ret);
		assert_string_equal(err.msg, rows[i].msg != NULL ? rows[i].msg : "");
		assert_int_equal(err.code, -rows[i].ret);
		assert_int_equal(diags.total, 0);
	}
}

static void fills_every_field(void **state)
{
	struct diags diags = { 0 };
	struct outer outer;

	(void)state;
	assert_int_equal(
		decode("{\"text\":\"any \\\"text\\\"\",\"name\":\"a.b-c_1:x\",\"flag\":true,"
	               "\"given\":0,\"number\":-9007199254740993,\"port\":80,"
	               "\"nodePort\":30080,\"item\":[1],"
	               "\"list\":[{\"port\":9,\"name\":\"n\"},{\"port\":7}]}",
	               &outer, &diags, NULL),
		0);
	assert_string_equal(outer.text, "any \"text\"");
	assert_string_equal(outer.name, "a.b-c_1:x");
	assert_true(outer.flag);
	assert_true(outer.given);
	assert_true(outer.number == -9007199254740992.0);
	assert_int_equal(outer.port, 80);
	assert_int_equal(outer.port_or_none, 30080);
	assert_true(cJSON_IsArray(outer.item));
	assert_int_equal(outer.count, 2);
	assert_int_equal(outer.list[0].port, 9);
	assert_string_equal(outer.list[0].name, "n");
	assert_int_equal(diags.count, 1);
	assert_string_equal(diags.list[0].subject, "Thing x");
	assert_string_equal(diags.list[0].text, "list[1]: a strange port");
	diag_done(&diags);
}

static void bounds_names(void **state)
{
	char json[400];
	char name[300];

	(void)state;
	for (size_t len = 250; len < 258; len++) {
		struct diags diags = { 0 };
		struct err err = { 0 };
		struct outer outer;

		memset(name, 'a', len);
		name[len] = '\0';
		(void)snprintf(json, sizeof(json), "{\"name\":\"%s\"}", name);
		assert_int_equal(decode(json, &outer, &diags, &err),
		                 len <= 253 ? 0 : -ENAMETOOLONG);
		if (len == 254)
			assert_string_equal(err.msg, "name: 254 bytes, at most 253");
	}
}

static void one_object_cannot_flood_the_list(void **state)
{
	struct diags diags = { 0 };
	struct jsonx jx;

	(void)state;
	jsonx_init(&jx, &diags, "Thing x", NULL);
	for (unsigned i = 0; i < 1000; i++)
		jsonx_note(&jx, "%u", i);
	jsonx_done(&jx);
	assert_int_equal(diags.count, JSONX_MAX_NOTES + 1);
	assert_string_equal(diags.list[JSONX_MAX_NOTES - 1].text, "7");
	assert_string_equal(diags.list[JSONX_MAX_NOTES].text, "and 992 more of this object");
	diag_done(&diags);
}

static void quotes_what_is_safe_to_print(void **state)
{
	char buf[JSONX_QUOTE];
	char text[100];

	(void)state;
	assert_string_equal(jsonx_quote("", buf), "");
	assert_string_equal(jsonx_quote("a\n\x1b[31mb\x7f\xc3\xa9", buf), "a??[31mb???");
	memset(text, 'x', sizeof(text));
	text[64] = '\0';
	assert_string_equal(jsonx_quote(text, buf), text);
	text[64] = 'x';
	text[65] = '\0';
	assert_int_equal(strlen(jsonx_quote(text, buf)), 67);
	assert_string_equal(buf + 64, "...");
}

static int free_json(void **state)
{
	(void)state;
	return decode(NULL, NULL, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_rows),
		cmocka_unit_test(fills_every_field),
		cmocka_unit_test(bounds_names),
		cmocka_unit_test(one_object_cannot_flood_the_list),
		cmocka_unit_test(quotes_what_is_safe_to_print),
	};

	return cmocka_run_group_tests(tests, NULL, free_json);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all kinds have in common; the fields of each kind are in test_watch_decode_*.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"
#include "watch/decode.h"

static const struct row {
	const char *what;
	const char *json;
	const char *kind; /* of the list it came in */
	int ret;
	const char *ident;
	const char *want; /* the object; NULL: none */
	const char *msg;
	const char *note;
} rows[] = {
	{ .what = "the least there can be",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"}}",
	  .ident = "Service shop/web",
	  .want = "Service shop/web" },
	{ .what = "a typed list says the kind",
	  .json = "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"}}",
	  .kind = "Service",
	  .ident = "Service shop/web",
	  .want = "Service shop/web" },
	{ .what = "the object's own kind goes before the list's",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}",
	  .kind = "Service",
	  .ident = "Node n1",
	  .want = "Node n1" },
	{ .what = "a missing namespace is default",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"}}",
	  .ident = "Service default/web",
	  .want = "Service default/web" },
	{ .what = "an empty namespace is default",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"namespace\":\"\"}}",
	  .ident = "Service default/web",
	  .want = "Service default/web" },
	{ .what = "a Node has no namespace, whatever it says",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"namespace\":\"x\"}}",
	  .ident = "Node n1",
	  .want = "Node n1" },
	{ .what = "the time of creation",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\","
	          "\"creationTimestamp\":\"2026-11-22T07:41:28Z\"}}",
	  .ident = "Service default/web",
	  .want = "Service default/web t=1795333288" },
	{ .what = "a time of creation that is null",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"creationTimestamp\":null}"
	          "}",
	  .ident = "Service default/web",
	  .want = "Service default/web" },
	{ .what = "a time of creation that is none",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"creationTimestamp\":"
	          "\"now\\n\"}}",
	  .ident = "Service default/web",
	  .want = "Service default/web",
	  .note = "metadata.creationTimestamp: 'now?' is not a time" },
	{ .what = "a time of creation that is no string",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"creationTimestamp\":1}}",
	  .ident = "Service default/web",
	  .ret = -EINVAL,
	  .msg = "metadata.creationTimestamp: not a string" },
	{ .what = "the right group",
	  .json = "{\"kind\":\"ServiceCIDR\",\"apiVersion\":\"networking.k8s.io/v1\","
	          "\"metadata\":{\"name\":\"c\"}}",
	  .ident = "ServiceCIDR c",
	  .want = "ServiceCIDR c" },
	{ .what = "a kind of the same name in another group is skipped",
	  .json = "{\"kind\":\"Service\",\"apiVersion\":\"serving.knative.dev/v1\","
	          "\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\"}}",
	  .ident = "Service shop/web" },
	{ .what = "the core group has no ServiceCIDR",
	  .json = "{\"kind\":\"ServiceCIDR\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c\"}}",
	  .ident = "ServiceCIDR c" },
	{ .what = "a group that only begins alike is another one",
	  .json = "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io.example/v1\","
	          "\"metadata\":{\"name\":\"s\"}}",
	  .ident = "EndpointSlice s" },
	{ .what = "other kinds are skipped, whatever is in them",
	  .json = "{\"kind\":\"ClusterRole\",\"metadata\":{\"name\":\"system:node "
	          "proxier\"},\"spec\":1}",
	  .ident = "ClusterRole system:node?proxier" },
	{ .what = "a list that was not taken apart is skipped",
	  .json = "{\"kind\":\"ServiceList\",\"items\":null}",
	  .ident = "ServiceList (without name)" },
	{ .what = "no kind",
	  .json = "{\"metadata\":{\"name\":\"x\",\"namespace\":\"y\"}}",
	  .ident = "object y/x",
	  .ret = -EINVAL,
	  .msg = "kind: missing" },
	{ .what = "an empty kind",
	  .json = "{\"kind\":\"\"}",
	  .ident = "object (without name)",
	  .ret = -EINVAL,
	  .msg = "kind: missing" },
	{ .what = "a kind that is no string",
	  .json = "{\"kind\":5,\"metadata\":{\"name\":\"x\"}}",
	  .ident = "object x",
	  .ret = -EINVAL,
	  .msg = "kind: missing" },
	{ .what = "a kind that is no string, in a typed list",
	  .json = "{\"kind\":5,\"metadata\":{\"name\":\"x\"}}",
	  .kind = "Service",
	  .ident = "Service default/x",
	  .ret = -EINVAL,
	  .msg = "kind: not a string" },
	{ .what = "no object",
	  .json = "[]",
	  .ident = "object (without name)",
	  .ret = -EINVAL,
	  .msg = "not an object" },
	{ .what = "nothing",
	  .json = "null",
	  .kind = "Service",
	  .ident = "Service default/(without name)",
	  .ret = -EINVAL,
	  .msg = "not an object" },
	{ .what = "kind given twice",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"},\"kind\":\"Node\"}",
	  .ident = "Service default/web",
	  .ret = -EINVAL,
	  .msg = "kind: given twice" },
	{ .what = "metadata given twice",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"},\"metadata\":{\"name\":"
	          "\"b\"}}",
	  .ident = "Service default/a",
	  .ret = -EINVAL,
	  .msg = "metadata: given twice" },
	{ .what = "a name given twice",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"a\",\"name\":\"b\"}}",
	  .ident = "Service default/a",
	  .ret = -EINVAL,
	  .msg = "metadata.name: given twice" },
	{ .what = "no metadata",
	  .json = "{\"kind\":\"Service\"}",
	  .ident = "Service default/(without name)",
	  .ret = -EINVAL,
	  .msg = "metadata: missing" },
	{ .what = "metadata that is no object",
	  .json = "{\"kind\":\"Service\",\"metadata\":[]}",
	  .ident = "Service default/(without name)",
	  .ret = -EINVAL,
	  .msg = "metadata: not an object" },
	{ .what = "no name",
	  .json = "{\"kind\":\"Service\",\"metadata\":{}}",
	  .ident = "Service default/(without name)",
	  .ret = -EINVAL,
	  .msg = "metadata.name: missing" },
	{ .what = "an empty name",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":\"\"}}",
	  .ident = "Node (without name)",
	  .ret = -EINVAL,
	  .msg = "metadata.name: missing" },
	{ .what = "a name that is a number",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":1}}",
	  .ident = "Node (without name)",
	  .ret = -EINVAL,
	  .msg = "metadata.name: not a string" },
	{ .what = "a name that would forge a line of the log",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"web\\nE1122 all is lost\"}}",
	  .ident = "Service default/web?E1122?all?is?lost",
	  .ret = -EINVAL,
	  .msg = "metadata.name: 'web?E1122 all is lost' is not a name" },
	{ .what = "a namespace with a slash",
	  .json = "{\"kind\":\"Service\",\"metadata\":{\"name\":\"c\",\"namespace\":\"a/b\"}}",
	  .ident = "Service a?b/c",
	  .ret = -EINVAL,
	  .msg = "metadata.namespace: 'a/b' is not a name" },
	{ .what = "labels that are no object",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"labels\":[]}}",
	  .ident = "Node n",
	  .ret = -EINVAL,
	  .msg = "metadata.labels: not an object" },
	{ .what = "labels that nobody reads may be anything",
	  .json = "{\"kind\":\"Node\",\"metadata\":{\"name\":\"n\",\"labels\":{\"a\":1,\"a\":{}}}}",
	  .ident = "Node n",
	  .want = "Node n" },
};

static void check_row(const struct row *row)
{
	struct proxy_meta *const untouched = (struct proxy_meta *)(uintptr_t)1;
	struct proxy_meta *got = untouched;
	struct strbuf text AUTO_STRBUF = { 0 };
	struct diags diags = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };
	cJSON *json = cJSON_Parse(row->json);
	char subject[600];

	assert_non_null(json);
	assert_int_equal(watch_decode(json, row->kind, &ident, &got, &diags, &err), row->ret);
	cJSON_Delete(json);
	assert_string_equal(watch_ident_format(&ident, subject, sizeof(subject)), row->ident);
	assert_string_equal(err.msg, row->msg != NULL ? row->msg : "");
	assert_int_equal(diags.count, row->note != NULL);
	if (row->note != NULL) {
		assert_string_equal(diags.list[0].subject, row->ident);
		assert_string_equal(diags.list[0].text, row->note);
	}
	diag_done(&diags);
	if (row->ret < 0) {
		assert_ptr_equal(got, untouched);
		return;
	}
	assert_int_equal(got != NULL, row->want != NULL);
	if (got == NULL)
		return;
	describe_object(&text, got);
	assert_string_equal(text.text, row->want);
	assert_int_equal(ident.kind, got->kind);
	free(got);
}

static void decodes_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		check_row(&rows[i]);
	}
}

static int decode_named(const char *name_key, size_t len, struct watch_ident *ident,
                        struct err *err)
{
	char name[400] = { 0 };
	char json[600];
	struct diags diags = { 0 };
	struct proxy_meta *got = NULL;
	cJSON *tree;
	int ret;

	memset(name, 'n', len);
	(void)snprintf(json, sizeof(json), "{\"kind\":\"Service\",\"metadata\":{\"%s\":\"%s\"%s}}",
	               name_key, name, strcmp(name_key, "name") == 0 ? "" : ",\"name\":\"x\"");
	tree = cJSON_Parse(json);
	ret = watch_decode(tree, NULL, ident, &got, &diags, err);
	cJSON_Delete(tree);
	free(got);
	return ret;
}

static void bounds_names(void **state)
{
	struct watch_ident ident;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(decode_named("name", 253, &ident, &err), 0);
	assert_int_equal(strlen(ident.name), 253);
	assert_int_equal(decode_named("namespace", 253, &ident, &err), 0);
	assert_int_equal(decode_named("name", 254, &ident, &err), -ENAMETOOLONG);
	assert_string_equal(err.msg, "metadata.name: 254 bytes, at most 253");
	assert_int_equal(strlen(ident.name), 253);
	assert_int_equal(decode_named("namespace", 399, &ident, &err), -ENAMETOOLONG);
	assert_string_equal(err.msg, "metadata.namespace: 399 bytes, at most 253");
}

static void cuts_what_it_formats(void **state)
{
	struct watch_ident ident = { .kind_text = "Service",
		                     .namespace = "default",
		                     .name = "web" };
	char buf[12];

	(void)state;
	assert_string_equal(watch_ident_format(&ident, buf, sizeof(buf)), "Service def");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_rows),
		cmocka_unit_test(bounds_names),
		cmocka_unit_test(cuts_what_it_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"
#include "test/unit/watch_rows.h"
#include "watch/decode.h"

#define NAMED                                                                     \
	"\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"web-1\",\"labels\":" \
	"{\"kubernetes.io/service-name\":\"web\"}}"
#define SLICE "EndpointSlice default/web-1 of=web v4"

static const struct decode_row v4_rows[] = {
	{ .what = "an empty slice",
	  .json = "\"endpoints\":[],\"ports\":[]",
	  .want = SLICE " (0 names, 0 hints)" },
	{ .what = "endpoints and ports that are null",
	  .json = "\"endpoints\":null,\"ports\":null",
	  .want = SLICE " (0 names, 0 hints)" },
	{ .what = "conditions, and what they are when they are not said",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]},"
	          "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{}},"
	          "{\"addresses\":[\"10.0.0.3\"],\"conditions\":null},"
	          "{\"addresses\":[\"10.0.0.4\"],\"conditions\":{\"ready\":null,\"serving\":null,"
	          "\"terminating\":null}},"
	          "{\"addresses\":[\"10.0.0.5\"],\"conditions\":{\"ready\":false,\"serving\":true,"
	          "\"terminating\":true}},"
	          "{\"addresses\":[\"10.0.0.6\"],\"conditions\":{\"ready\":false,\"serving\":false}"
	          "}]",
	  .want = SLICE " 10.0.0.1:rs 10.0.0.2:rs 10.0.0.3:rs 10.0.0.4:rs 10.0.0.5:st 10.0.0.6: "
	                "(0 names, 0 hints)" },
	{ .what = "only the first address counts",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\",\"10.0.0.2\",\"x\"]}]",
	  .want = SLICE " 10.0.0.1:rs (0 names, 0 hints)" },
	{ .what = "leading zeros are decimal",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.010.0.001\"]}]",
	  .want = SLICE " 10.10.0.1:rs (0 names, 0 hints)" },
	{ .what = "nodes are told once each",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"nodeName\":\"n2\"},"
	          "{\"addresses\":[\"10.0.0.2\"],\"nodeName\":\"n1\"},"
	          "{\"addresses\":[\"10.0.0.3\"],\"nodeName\":\"n2\"},"
	          "{\"addresses\":[\"10.0.0.4\"],\"nodeName\":\"\"},"
	          "{\"addresses\":[\"10.0.0.5\"],\"nodeName\":null}]",
	  .want = SLICE " 10.0.0.1:rs@n2 10.0.0.2:rs@n1 10.0.0.3:rs@n2 10.0.0.4:rs 10.0.0.5:rs "
	                "(2 names, 0 hints)" },
	{ .what = "hints are told once each, zones and nodes alike",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"hints\":{\"forZones\":[{\"name\":"
	          "\"a\"}]}},"
	          "{\"addresses\":[\"10.0.0.2\"],\"hints\":{\"forZones\":[{\"name\":\"a\"},{"
	          "\"name\":\"b\"}],"
	          "\"forNodes\":[{\"name\":\"n1\"}]}},"
	          "{\"addresses\":[\"10.0.0.3\"],\"hints\":{\"forZones\":[{\"name\":\"a\"}],"
	          "\"forNodes\":[]}},"
	          "{\"addresses\":[\"10.0.0.4\"],\"hints\":{\"forNodes\":[{\"name\":\"a\"}]}},"
	          "{\"addresses\":[\"10.0.0.5\"],\"hints\":null}]",
	  .want = SLICE " 10.0.0.1:rs~a 10.0.0.2:rs~a+b^n1 10.0.0.3:rs~a 10.0.0.4:rs^a 10.0.0.5:rs "
	                "(0 names, 3 hints)" },
	{ .what = "what kube-proxy does not read may be anything",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"zone\":1,\"hostname\":[],"
	          "\"targetRef\":5,\"deprecatedTopology\":\"x\"}]",
	  .want = SLICE " 10.0.0.1:rs (0 names, 0 hints)" },
	{ .what = "endpoints without a usable address are left out",
	  .json = "\"endpoints\":[{\"addresses\":[]},{},{\"addresses\":[\"10.0.0.1\"],\"nodeName\":"
	          "\"n\"},"
	          "{\"addresses\":[\"10.0.0.256\"],\"nodeName\":\"gone\"},{\"addresses\":[\"fd00::"
	          "1\"],"
	          "\"hints\":{\"forZones\":[{\"name\":\"gone\"}]}}]",
	  .want = SLICE " 10.0.0.1:rs@n (1 names, 0 hints)",
	  .note = "endpoints[0]: no address, ignored | endpoints[1]: no address, ignored | "
	          "endpoints[3]: '10.0.0.256' is not an IP address, ignored | "
	          "endpoints[4]: 'fd00::1' is not an IPv4 address, ignored" },
	{ .what = "ports of every protocol",
	  .json = "\"ports\":[{\"name\":\"\",\"port\":1},{\"name\":\"u\",\"port\":65535,"
	          "\"protocol\":\"UDP\"},"
	          "{\"name\":\"s\",\"port\":3,\"protocol\":\"SCTP\"},{\"name\":\"t\",\"port\":4,"
	          "\"protocol\":null,\"appProtocol\":1}]",
	  .want = SLICE " /tcp/1 u/udp/65535 s/sctp/3 t/tcp/4 (0 names, 0 hints)" },
	{ .what = "ports without name or number are left out",
	  .json = "\"ports\":[{\"port\":1},{\"name\":null,\"port\":1},{\"name\":\"a\"},{\"name\":"
	          "\"b\","
	          "\"port\":null},{\"name\":\"c\",\"port\":0},{\"name\":\"d\",\"port\":5}]",
	  .want = SLICE " d/tcp/5 (0 names, 0 hints)",
	  .note = "ports[0]: without a name, ignored | ports[1]: without a name, ignored | "
	          "ports[2]: without a port number, ignored | ports[3]: without a port number, "
	          "ignored | "
	          "ports[4]: without a port number, ignored" },
	{ .what = "port 65536",
	  .json = "\"ports\":[{\"name\":\"\",\"port\":65536}]",
	  .ret = -ERANGE,
	  .msg = "ports[0].port: 65536 is not in 0-65535" },
	{ .what = "port 80.5 of a port without a name",
	  .json = "\"ports\":[{\"port\":80.5}]",
	  .ret = -ERANGE,
	  .msg = "ports[0].port: 80.5 is not in 0-65535" },
	{ .what = "port -1",
	  .json = "\"ports\":[{\"name\":\"\",\"port\":-1}]",
	  .ret = -ERANGE,
	  .msg = "ports[0].port: -1 is not in 0-65535" },
	{ .what = "an unknown protocol",
	  .json = "\"ports\":[{\"name\":\"\",\"port\":1,\"protocol\":\"ICMP\"}]",
	  .ret = -EINVAL,
	  .msg = "ports[0].protocol: 'ICMP' is not one of TCP, UDP, SCTP" },
	{ .what = "a hint without a name",
	  .json = "\"endpoints\":[{\"hints\":{\"forNodes\":[{}]}}]",
	  .ret = -EINVAL,
	  .msg = "endpoints[0].hints.forNodes[0].name: missing" },
	{ .what = "a node name with a line feed",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"nodeName\":\"a\\nb\"}]",
	  .ret = -EINVAL,
	  .msg = "endpoints[0].nodeName: 'a?b' is not a name" },
	{ .what = "an address given twice",
	  .json = "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"addresses\":[\"10.0.0.1\"]}]",
	  .ret = -EINVAL,
	  .msg = "endpoints[0].addresses: given twice" },
	{ .what = "endpoints given twice",
	  .json = "\"endpoints\":[],\"endpoints\":[]",
	  .ret = -EINVAL,
	  .msg = "endpoints: given twice" },
	{ .what = "ready given twice",
	  .json = "\"endpoints\":[{\"conditions\":{\"ready\":true,\"ready\":false}}]",
	  .ret = -EINVAL,
	  .msg = "endpoints[0].conditions.ready: given twice" },
};

static void decodes_v4(void **state)
{
	(void)state;
	check_decode_rows("{" NAMED ",%s,\"addressType\":\"IPv4\"}", v4_rows, ARRAY_LEN(v4_rows));
}

static const struct decode_row other_rows[] = {
	{ .what = "IPv6",
	  .json = NAMED
	  ",\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"fd00::0001\"]}]",
	  .want = "EndpointSlice default/web-1 of=web v6 fd00::1:rs (0 names, 0 hints)" },
	{ .what = "the wrong family for IPv6",
	  .json = NAMED
	  ",\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"::ffff:10.0.0.1\"]}]",
	  .want = "EndpointSlice default/web-1 of=web v6 (0 names, 0 hints)",
	  .note = "endpoints[0]: '::ffff:10.0.0.1' is not an IPv6 address, ignored" },
	{ .what = "host names are ignored, without a word about each",
	  .json = NAMED ",\"addressType\":\"FQDN\",\"endpoints\":[{\"addresses\":[\"a.example\"]}],"
	                "\"ports\":[{\"name\":\"\",\"port\":1}]",
	  .want = "EndpointSlice default/web-1 of=web v0 /tcp/1 (0 names, 0 hints)" },
	{ .what = "no Service",
	  .json = "\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"x\"},\"addressType\":"
	          "\"IPv4\"",
	  .want = "EndpointSlice default/x of= v4 (0 names, 0 hints)" },
	{ .what = "a headless Service's slice is not for us",
	  .json = "\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"x\",\"labels\":"
	          "{\"service.kubernetes.io/headless\":\"\"}},\"addressType\":5" },
	{ .what = "a proxy name means nothing on a slice",
	  .json = "\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"x\",\"labels\":"
	          "{\"service.kubernetes.io/service-proxy-name\":\"y\"}},\"addressType\":\"IPv4\"",
	  .want = "EndpointSlice default/x of= v4 (0 names, 0 hints)" },
	{ .what = "no address type", .json = NAMED, .ret = -EINVAL, .msg = "addressType: missing" },
	{ .what = "an address type given twice",
	  .json = NAMED ",\"addressType\":\"IPv4\",\"addressType\":\"IPv4\"",
	  .ret = -EINVAL,
	  .msg = "addressType: given twice" },
	{ .what = "an unknown address type",
	  .json = NAMED ",\"addressType\":\"IP\"",
	  .ret = -EINVAL,
	  .msg = "addressType: 'IP' is not one of IPv4, IPv6, FQDN" },
	{ .what = "a Service that is no string",
	  .json = "\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"x\",\"labels\":"
	          "{\"kubernetes.io/service-name\":1}},\"addressType\":\"IPv4\"",
	  .ret = -EINVAL,
	  .msg = "metadata.labels.kubernetes.io/service-name: not a string" },
};

static void decodes_the_rest(void **state)
{
	(void)state;
	check_decode_rows("{%s}", other_rows, ARRAY_LEN(other_rows));
}

#define TOP(field) "{" NAMED ",\"addressType\":\"IPv4\"," field "}"
#define ENDPOINT(field) TOP("\"endpoints\":[{" field "}]")

static void refuses_wrong_types(void **state)
{
	static const struct field_row fields[] = {
		{ "addressType", "{" NAMED ",\"addressType\":%s}", "" },
		{ "endpoints", TOP("\"endpoints\":%s"), TAKES_LIST },
		{ "endpoints[0]", TOP("\"endpoints\":[%s]"), TAKES_OBJECT },
		{ "endpoints[0].addresses", ENDPOINT("\"addresses\":%s"), TAKES_LIST },
		{ "endpoints[0].addresses[0]", ENDPOINT("\"addresses\":[%s]"), TAKES_STRING },
		{ "endpoints[0].addresses[1]", ENDPOINT("\"addresses\":[\"10.0.0.1\",%s]"),
		  TAKES_STRING },
		{ "endpoints[0].nodeName", ENDPOINT("\"nodeName\":%s"), TAKES_STRING },
		{ "endpoints[0].conditions", ENDPOINT("\"conditions\":%s"), TAKES_OBJECT },
		{ "endpoints[0].conditions.ready", ENDPOINT("\"conditions\":{\"ready\":%s}"),
		  TAKES_BOOL },
		{ "endpoints[0].conditions.serving", ENDPOINT("\"conditions\":{\"serving\":%s}"),
		  TAKES_BOOL },
		{ "endpoints[0].conditions.terminating",
		  ENDPOINT("\"conditions\":{\"terminating\":%s}"), TAKES_BOOL },
		{ "endpoints[0].hints", ENDPOINT("\"hints\":%s"), TAKES_OBJECT },
		{ "endpoints[0].hints.forZones", ENDPOINT("\"hints\":{\"forZones\":%s}"),
		  TAKES_LIST },
		{ "endpoints[0].hints.forNodes", ENDPOINT("\"hints\":{\"forNodes\":%s}"),
		  TAKES_LIST },
		{ "endpoints[0].hints.forZones[0].name",
		  ENDPOINT("\"hints\":{\"forZones\":[{\"name\":%s}]}"), TAKES_STRING },
		{ "ports", TOP("\"ports\":%s"), TAKES_LIST },
		{ "ports[0]", TOP("\"ports\":[%s]"), TAKES_OBJECT },
		{ "ports[0].name", TOP("\"ports\":[{\"name\":%s}]"), TAKES_STRING },
		{ "ports[0].port", TOP("\"ports\":[{\"port\":%s}]"), TAKES_NUMBER },
		{ "ports[0].protocol", TOP("\"ports\":[{\"protocol\":%s}]"), "" },
	};

	(void)state;
	check_wrong_types(fields, ARRAY_LEN(fields));
}

/* A slice of @count endpoints, each with what @format makes of its number. */
static int decode_many(size_t count, const char *head, const char *tail, bool number,
                       struct proxy_meta **out, struct err *err)
{
	struct strbuf text AUTO_STRBUF = { 0 };
	struct diags diags = { 0 };
	struct watch_ident ident;
	cJSON *json;
	int ret;

	strbuf_puts(&text, "{" NAMED ",\"addressType\":\"IPv4\",\"endpoints\":[");
	for (size_t i = 0; i < count; i++) {
		strbuf_printf(&text, "%s{\"addresses\":[\"10.%zu.%zu.%zu\"]%s", i > 0 ? "," : "",
		              i / 65536, i / 256 % 256, i % 256, head);
		if (number)
			strbuf_printf(&text, "%zu", i * 7919 % count);
		strbuf_printf(&text, "%s}", tail);
	}
	strbuf_puts(&text, "]}");
	json = cJSON_Parse(text.text);
	assert_non_null(json);
	ret = watch_decode(json, NULL, &ident, out, &diags, err);
	cJSON_Delete(json);
	diag_done(&diags);
	return ret;
}

static void takes_many_endpoints(void **state)
{
	struct proxy_endpoint_slice *slice;
	struct proxy_meta *meta = NULL;
	char want[32];

	(void)state;
	assert_int_equal(decode_many(5000, ",\"nodeName\":\"node-", "\"", true, &meta, NULL), 0);
	slice = (struct proxy_endpoint_slice *)(void *)meta;
	assert_int_equal(slice->endpoint_count, 5000);
	assert_int_equal(slice->name_count, 5000);
	for (size_t i = 0; i < 5000; i++) {
		(void)snprintf(want, sizeof(want), "node-%zu", i * 7919 % 5000);
		assert_string_equal(slice->names[slice->endpoints[i].node - 1], want);
	}
	free(meta);
}

static void bounds_its_lists(void **state)
{
	struct proxy_meta *meta = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(decode_many(PROXY_MAX_ENDPOINTS, "", "", false, &meta, &err), 0);
	free(meta);
	meta = NULL;
	assert_int_equal(decode_many(PROXY_MAX_ENDPOINTS + 1, "", "", false, &meta, &err), -E2BIG);
	assert_string_equal(err.msg, "endpoints: 60001 entries, at most 60000");
	assert_null(meta);
}

/* Every endpoint with zone and node hints that no other one has: more than the numbers last. */
static void bounds_different_hints(void **state)
{
	struct proxy_meta *meta = NULL;
	struct strbuf text AUTO_STRBUF = { 0 };
	struct diags diags = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };
	cJSON *json;

	(void)state;
	strbuf_puts(&text, "{" NAMED ",\"addressType\":\"IPv4\",\"endpoints\":[");
	for (unsigned i = 0; i < 40000; i++)
		strbuf_printf(&text,
		              "%s{\"addresses\":[\"10.0.0.1\"],\"hints\":{\"forZones\":[{\"name\":"
		              "\"z%u\"}],"
		              "\"forNodes\":[{\"name\":\"n%u\"}]}}",
		              i > 0 ? "," : "", i, i);
	strbuf_puts(&text, "]}");
	json = cJSON_Parse(text.text);
	assert_int_equal(watch_decode(json, NULL, &ident, &meta, &diags, &err), -E2BIG);
	assert_string_equal(err.msg, "endpoints: 65536 different hints, at most 65535");
	cJSON_Delete(json);
	diag_done(&diags);
}

static void bounds_hints_of_an_endpoint(void **state)
{
	(void)state;
	for (unsigned more = 0; more < 2; more++) {
		struct strbuf text AUTO_STRBUF = { 0 };
		struct proxy_meta *meta = NULL;
		struct diags diags = { 0 };
		struct watch_ident ident;
		struct err err = { 0 };
		cJSON *json;

		strbuf_puts(&text, ENDPOINT("\"addresses\":[\"1.1.1.1\"],\"hints\":{\"forZones\":[{"
		                            "\"name\":\"z\"}"));
		text.len -= strlen("}]}"); /* the closing of the macro comes later */
		for (unsigned i = 1; i < PROXY_MAX_HINTS + more; i++)
			strbuf_puts(&text, ",{\"name\":\"z\"}");
		strbuf_puts(&text, "]}}]}");
		json = cJSON_Parse(text.text);
		assert_non_null(json);
		assert_int_equal(watch_decode(json, NULL, &ident, &meta, &diags, &err),
		                 more == 0 ? 0 : -E2BIG);
		assert_string_equal(
			err.msg,
			more == 0 ? "" : "endpoints[0].hints.forZones: 65 entries, at most 64");
		cJSON_Delete(json);
		diag_done(&diags);
		free(meta);
	}
}

/* An annotation says when the change began; nothing else depends on it. */
static void reads_when_it_was_triggered(void **state)
{
	static const struct {
		const char *what;
		const char *annotations;
		int64_t want;
	} cases[] = {
		{ "none", "null", 0 },
		{ "other ones", "{\"a\":\"b\"}", 0 },
		{ "a time",
		  "{\"endpoints.kubernetes.io/last-change-trigger-time\":"
		  "\"2026-11-22T07:41:28.25Z\"}",
		  1795333288250000 },
		{ "no time", "{\"endpoints.kubernetes.io/last-change-trigger-time\":\"now\"}", 0 },
		{ "no text", "{\"endpoints.kubernetes.io/last-change-trigger-time\":7}", 0 },
		{ "no object", "[1]", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };
		struct proxy_meta *object = NULL;
		struct watch_ident ident;
		struct diags diags = { 0 };
		struct err err = { 0 };
		cJSON *json;

		print_message("  - %s\n", cases[i].what);
		strbuf_printf(&text,
		              "{\"kind\":\"EndpointSlice\",\"apiVersion\":\"discovery.k8s.io/v1\","
		              "\"addressType\":\"IPv4\",\"metadata\":{\"name\":\"web-1\","
		              "\"annotations\":%s}}",
		              cases[i].annotations);
		json = cJSON_Parse(text.text);
		assert_int_equal(watch_decode(json, NULL, &ident, &object, &diags, &err), 0);
		assert_int_equal(diags.total, 0);
		assert_true(((struct proxy_endpoint_slice *)(void *)object)->triggered_us ==
		            cases[i].want);
		cJSON_Delete(json);
		free(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_when_it_was_triggered),
		cmocka_unit_test(decodes_v4),
		cmocka_unit_test(decodes_the_rest),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(takes_many_endpoints),
		cmocka_unit_test(bounds_its_lists),
		cmocka_unit_test(bounds_different_hints),
		cmocka_unit_test(bounds_hints_of_an_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

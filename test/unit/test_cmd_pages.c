/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/pages.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/test.h"

#define STARTED_NS 1704164645123456789 /* 2024-01-02T03:04:05.123456789Z */
#define HOUR_US UINT64_C(3600000000)

static struct metrics *metrics;
static struct options options;

static int set_up(void **state)
{
	static const char *const args[] = { "kubenft",
		                            "run",
		                            "--source=a\"b.yaml",
		                            "--hostname-override=node-1",
		                            "--cluster-cidr=10.0.0.0/8,fd00::/8",
		                            "--nodeport-addresses=192.0.2.0/24",
		                            "--healthz-bind-address=[::]:1",
		                            "-v2" };
	char *argv[ARRAY_LEN(args)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	metrics = metrics_new();
	return options_parse(ARRAY_LEN(args), argv, &options, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	metrics_free(metrics);
	options_done(&options);
	return 0;
}

static void get(const char *path, const char *query, const char *accept, struct http_answer *answer)
{
	const struct pages pages = { &options, metrics, "v1.2", STARTED_NS,
		                     25 * HOUR_US + 61000000 };
	const struct http_request request = { path, query, accept, false };

	*answer = (struct http_answer){ 0 };
	pages_answer(&pages, &request, answer);
}

#define STATUS_TEXT                                                                               \
	"\nkube-proxy statusz\nWarning: This endpoint is not meant to be machine parseable, has " \
	"no formatting compatibility guarantees and is for debugging purposes only.\n\n"          \
	"Started: Tue Jan  2 03:04:05 UTC 2024\nUp: 25 hr 01 min 01 sec\nBinary version: v1.2\n"  \
	"Paths: /configz /flagz /healthz /metrics /proxyMode /statusz /version\n"

#define STATUS_JSON(version)                                                             \
	"{\"kind\":\"Statusz\",\"apiVersion\":\"config.k8s.io/" version "\","            \
	"\"metadata\":{\"name\":\"kube-proxy\"},\"startTime\":\"2024-01-02T03:04:05Z\"," \
	"\"uptimeSeconds\":90061,\"binaryVersion\":\"v1.2\",\"paths\":[\"/configz\","    \
	"\"/flagz\",\"/healthz\",\"/metrics\",\"/proxyMode\",\"/statusz\",\"/version\"]}"

#define AS_STATUSZ "application/json;as=Statusz;v=v1beta1;g=config.k8s.io"

/* One row: a request, and the answer to the letter. */
static const struct row {
	const char *what;
	const char *path, *query, *accept;
	unsigned status;
	const char *type;
	const char *body;
} rows[] = {
	{ "healthz", "/healthz", "", "", 200, HTTP_TEXT, "ok" },
	{ "its only check", "/healthz", "verbose", "", 200, HTTP_TEXT,
	  "[+]ping ok\nhealthz check passed\n" },
	{ "left out", "/healthz", "verbose&exclude=ping", "", 200, HTTP_TEXT,
	  "[+]ping excluded: ok\nhealthz check passed\n" },
	{ "left out briefly", "/healthz", "exclude=ping", "", 200, HTTP_TEXT, "ok" },
	{ "unknown ones left out", "/healthz", "verbose&exclude=a&exclude=b", "", 200, HTTP_TEXT,
	  "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"a\", \"b\"\n"
	  "healthz check passed\n" },
	{ "the check alone", "/healthz/ping", "", "", 200, HTTP_TEXT, "ok" },
	{ "the mode, without a newline", "/proxyMode", "", "", 200, HTTP_TEXT, "nftables" },
	{ "the version", "/version", "", "", 200, HTTP_JSON, "{\"gitVersion\":\"v1.2\"}" },
	{ "no index", "/", "", "", 404, HTTP_TEXT, "404 page not found\n" },
	{ "nothing below", "/metrics/", "", "", 404, HTTP_TEXT, "404 page not found\n" },
	{ "no livez here", "/livez", "", "", 404, HTTP_TEXT, "404 page not found\n" },
	{ "paths have their case", "/proxymode", "", "", 404, HTTP_TEXT, "404 page not found\n" },
	{ "statusz as text", "/statusz", "", "", 200, HTTP_TEXT, STATUS_TEXT },
	{ "if that is asked for", "/statusz", "", "text/plain", 200, HTTP_TEXT, STATUS_TEXT },
	{ "or anything", "/statusz", "", "text/html, */*;q=0.8", 200, HTTP_TEXT, STATUS_TEXT },
	{ "as an object", "/statusz", "", AS_STATUSZ, 200, HTTP_JSON, STATUS_JSON("v1beta1") },
	{ "in the old version", "/statusz", "",
	  "application/json; g=config.k8s.io; v=v1alpha1; as=Statusz", 200, HTTP_JSON,
	  STATUS_JSON("v1alpha1") },
	{ "the first that can be served", "/statusz", "", "image/png," AS_STATUSZ ",text/plain",
	  200, HTTP_JSON, STATUS_JSON("v1beta1") },
	{ "plain JSON is not there", "/statusz", "", "application/json", 406, HTTP_TEXT,
	  "media type in Accept header is not supported\n" },
	{ "nor another kind", "/statusz", "", "application/json;as=Flagz;v=v1beta1;g=config.k8s.io",
	  406, HTTP_TEXT, "media type in Accept header is not supported\n" },
	{ "nor another group", "/statusz", "", "application/json;as=Statusz;v=v1beta1;g=apps", 406,
	  HTTP_TEXT, "media type in Accept header is not supported\n" },
	{ "nor another version", "/statusz", "", "application/json;as=Statusz;v=v3;g=config.k8s.io",
	  406, HTTP_TEXT, "media type in Accept header is not supported\n" },
	{ "only commas", "/statusz", "", ",;,", 406, HTTP_TEXT,
	  "media type in Accept header is not supported\n" },
};

static void answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_answer answer;

		print_message("  - %s\n", rows[i].what);
		get(rows[i].path, rows[i].query, rows[i].accept, &answer);
		assert_int_equal(answer.status, rows[i].status);
		assert_string_equal(answer.content_type, rows[i].type);
		assert_string_equal(answer.body.text, rows[i].body);
		assert_string_equal(answer.headers[0].name, "X-Content-Type-Options");
		assert_string_equal(answer.headers[0].value, "nosniff");
		http_answer_done(&answer);
	}
}

static void warns_of_old_versions(void **state)
{
	struct http_answer answer;

	(void)state;
	get("/flagz", "", "application/json;as=Flagz;v=v1alpha1;g=config.k8s.io", &answer);
	assert_int_equal(answer.header_count, 2);
	assert_string_equal(answer.headers[1].name, "Warning");
	assert_string_equal(answer.headers[1].value,
	                    "299 - \"config.k8s.io/v1alpha1 Flagz is deprecated\"");
	http_answer_done(&answer);
}

static void serves_metrics(void **state)
{
	struct http_answer answer;

	(void)state;
	metrics_add(metrics, METRIC_LOOP_STALLS, 3, NO_LABELS);
	get("/metrics", "", "application/openmetrics-text", &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(answer.headers[0].name, "Process-Start-Time-Unix");
	assert_string_equal(answer.headers[0].value, "1704164645");
	assert_non_null(strstr(answer.body.text, "\nkubenft_loop_stalls_total 3\n"));
	http_answer_done(&answer);
}

static void shows_the_configuration(void **state)
{
	struct http_answer answer;
	const cJSON *config;
	cJSON *json;

	(void)state;
	get("/configz", "", "", &answer);
	json = cJSON_Parse(answer.body.text);
	config = cJSON_GetObjectItemCaseSensitive(json, "kubeproxy.config.k8s.io");
	assert_non_null(config);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "kind")),
	                    "KubeProxyConfiguration");
	assert_string_equal(
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(config, "clusterCIDR")),
		"10.0.0.0/8,fd00::/8");
	cJSON_Delete(json);
	http_answer_done(&answer);
}

static void shows_flags(void **state)
{
	struct http_answer answer;
	cJSON *json;
	cJSON *flags;

	(void)state;
	get("/flagz", "", "", &answer);
	assert_true(str_starts(answer.body.text, "\nkube-proxy flagz\nWarning: "));
	assert_non_null(strstr(answer.body.text, "\ncluster-cidr=10.0.0.0/8,fd00::/8\n"));
	assert_non_null(strstr(answer.body.text, "\nhealthz-bind-address=[::]:1\n"));
	http_answer_done(&answer);
	get("/flagz", "", "application/json;as=Flagz;v=v1beta1;g=config.k8s.io", &answer);
	json = cJSON_Parse(answer.body.text);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "kind")),
	                    "Flagz");
	flags = cJSON_GetObjectItemCaseSensitive(json, "flags");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(flags, "source")),
	                    "a\"b.yaml");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(flags, "v")),
	                    "2");
	cJSON_Delete(json);
	http_answer_done(&answer);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers),        TEST(warns_of_old_versions),
		TEST(serves_metrics), TEST(shows_the_configuration),
		TEST(shows_flags),
	};

	return cmocka_run_group_tests_name("cmd/pages", tests, NULL, NULL);
}

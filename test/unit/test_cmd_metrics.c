/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test.h"

#define README "README.md"

static void names_what_it_has(void **state)
{
	(void)state;
	for (int i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *info = metric_info((enum metric)i);

		assert_non_null(info->name);
		print_message("  - %s\n", info->name);
		if (i > 0)
			assert_true(strcmp(metric_info((enum metric)(i - 1))->name, info->name) <
			            0);
		assert_true(strlen(info->help) > 1);
		assert_null(strpbrk(info->help, "\\\n|")); /* it is written as it is */
		assert_int_equal(info->type == METRIC_HISTOGRAM, info->bucket_count > 0);
		for (size_t b = 1; b < info->bucket_count; b++)
			assert_true(info->buckets[b - 1] < info->buckets[b]);
		for (size_t l = 1; info->labels[0] != NULL && info->labels[l] != NULL; l++)
			assert_true(strcmp(info->labels[l - 1], info->labels[l]) < 0);
		if (str_starts(info->name, "kubeproxy_"))
			assert_true(str_starts(info->help, "[ALPHA] "));
	}
}

/* Section 6.1 of the behaviour document: what dashboards and alerts ask for. */
static const struct theirs {
	enum metric metric;
	const char *name;
	enum metric_type type;
	const char *labels; /* separated by commas */
	size_t buckets;
	double first, last;
} theirs[] = {
	{ METRIC_KP_SYNC_DURATION, "sync_proxy_rules_duration_seconds", METRIC_HISTOGRAM,
	  "ip_family", 15, 0.001, 16.384 },
	{ METRIC_KP_SYNC_FULL_DURATION, "sync_full_proxy_rules_duration_seconds", METRIC_HISTOGRAM,
	  "ip_family", 15, 0.001, 16.384 },
	{ METRIC_KP_SYNC_PARTIAL_DURATION, "sync_partial_proxy_rules_duration_seconds",
	  METRIC_HISTOGRAM, "ip_family", 15, 0.001, 16.384 },
	{ METRIC_KP_SYNC_LAST, "sync_proxy_rules_last_timestamp_seconds", METRIC_GAUGE, "ip_family",
	  0, 0, 0 },
	{ METRIC_KP_SYNC_LAST_QUEUED, "sync_proxy_rules_last_queued_timestamp_seconds",
	  METRIC_GAUGE, "ip_family", 0, 0, 0 },
	{ METRIC_KP_NETWORK_PROGRAMMING, "network_programming_duration_seconds", METRIC_HISTOGRAM,
	  "ip_family", 80, 0.25, 300 },
	{ METRIC_KP_ENDPOINT_CHANGES_PENDING, "sync_proxy_rules_endpoint_changes_pending",
	  METRIC_GAUGE, "", 0, 0, 0 },
	{ METRIC_KP_ENDPOINT_CHANGES, "sync_proxy_rules_endpoint_changes_total", METRIC_COUNTER, "",
	  0, 0, 0 },
	{ METRIC_KP_SERVICE_CHANGES_PENDING, "sync_proxy_rules_service_changes_pending",
	  METRIC_GAUGE, "", 0, 0, 0 },
	{ METRIC_KP_SERVICE_CHANGES, "sync_proxy_rules_service_changes_total", METRIC_COUNTER, "",
	  0, 0, 0 },
	{ METRIC_KP_NO_LOCAL_ENDPOINTS, "sync_proxy_rules_no_local_endpoints_total", METRIC_GAUGE,
	  "ip_family,traffic_policy", 0, 0, 0 },
	{ METRIC_KP_HEALTHZ, "proxy_healthz_total", METRIC_COUNTER, "code", 0, 0, 0 },
	{ METRIC_KP_LIVEZ, "proxy_livez_total", METRIC_COUNTER, "code", 0, 0, 0 },
	{ METRIC_KP_CONNTRACK_DURATION, "conntrack_reconciler_sync_duration_seconds",
	  METRIC_HISTOGRAM, "ip_family", 15, 0.001, 16.384 },
	{ METRIC_KP_CONNTRACK_DELETED, "conntrack_reconciler_deleted_entries_total", METRIC_COUNTER,
	  "ip_family", 0, 0, 0 },
	{ METRIC_KP_SYNC_FAILURES, "sync_proxy_rules_nftables_sync_failures_total", METRIC_COUNTER,
	  "ip_family", 0, 0, 0 },
	{ METRIC_KP_CLEANUP_FAILURES, "sync_proxy_rules_nftables_cleanup_failures_total",
	  METRIC_COUNTER, "ip_family", 0, 0, 0 },
};

static void has_kube_proxys_metrics(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(theirs); i++) {
		const struct metric_info *info = metric_info(theirs[i].metric);
		AUTO_STRBUF struct strbuf labels = { 0 };

		print_message("  - %s\n", theirs[i].name);
		assert_true(str_starts(info->name, "kubeproxy_"));
		assert_string_equal(info->name + strlen("kubeproxy_"), theirs[i].name);
		assert_int_equal(info->type, theirs[i].type);
		strbuf_puts(&labels, "");
		for (size_t l = 0; info->labels[l] != NULL; l++)
			strbuf_printf(&labels, "%s%s", l > 0 ? "," : "", info->labels[l]);
		assert_string_equal(labels.text, theirs[i].labels);
		assert_int_equal(info->bucket_count, theirs[i].buckets);
		if (info->bucket_count > 0) {
			assert_true(info->buckets[0] == theirs[i].first);
			assert_true(info->buckets[info->bucket_count - 1] == theirs[i].last);
		}
	}
	for (int i = 0; i < METRIC_COUNT; i++)
		count += str_starts(metric_info((enum metric)i)->name, "kubeproxy_");
	assert_int_equal(count, ARRAY_LEN(theirs));
}

/* The lines about one metric. */
static void expect_lines(const struct metrics *metrics, enum metric metric, const char *want)
{
	const char *name = metric_info(metric)->name;
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_STRBUF struct strbuf got = { 0 };

	metrics_write(metrics, &text);
	strbuf_puts(&got, "");
	for (const char *line = text.text; *line != '\0'; line += strcspn(line, "\n") + 1)
		if (line[0] != '#' && str_starts(line, name))
			strbuf_add(&got, line, strcspn(line, "\n") + 1);
	assert_string_equal(got.text, want);
}

static void begins_with_zeros(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	expect_lines(metrics, METRIC_LOOP_STALLS, "kubenft_loop_stalls_total 0\n");
	expect_lines(metrics, METRIC_KP_HEALTHZ, "");
	assert_true(metrics_get(metrics, METRIC_KP_HEALTHZ, LABELS("200")) == 0);
	expect_lines(metrics, METRIC_KP_HEALTHZ, ""); /* a look makes no series */
	metrics_free(metrics);
}

static void counts(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	metrics_add(metrics, METRIC_KP_HEALTHZ, 1, LABELS("503"));
	metrics_add(metrics, METRIC_KP_HEALTHZ, 1, LABELS("200"));
	metrics_add(metrics, METRIC_KP_HEALTHZ, 2, LABELS("503"));
	expect_lines(metrics, METRIC_KP_HEALTHZ,
	             "kubeproxy_proxy_healthz_total{code=\"200\"} 1\n"
	             "kubeproxy_proxy_healthz_total{code=\"503\"} 3\n");
	metrics_set(metrics, METRIC_TRANSACTIONS, 7, LABELS("refill", "ok"));
	metrics_set(metrics, METRIC_TRANSACTIONS, 5, LABELS("change", "ok"));
	metrics_set(metrics, METRIC_TRANSACTIONS, 6, LABELS("refill", "ok"));
	expect_lines(metrics, METRIC_TRANSACTIONS,
	             "kubenft_transactions_total{kind=\"change\",result=\"ok\"} 5\n"
	             "kubenft_transactions_total{kind=\"refill\",result=\"ok\"} 6\n");
	assert_true(metrics_get(metrics, METRIC_TRANSACTIONS, LABELS("change", "ok")) == 5);
	metrics_free(metrics);
}

static void writes_numbers_shortly_and_exactly(void **state)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 0.1, "0.1" },
		{ 16.384, "16.384" },
		{ 9007199254740992., "9007199254740992" },
		{ 1704164645.123456, "1704164645.123456" },
		{ 18446744073709551615., "1.8446744073709552e+19" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ -2.5, "-2.5" },
	};
	struct metrics *metrics = metrics_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf want = { 0 };

		strbuf_printf(&want, "process_start_time_seconds %s\n", rows[i].want);
		metrics_set(metrics, METRIC_PROCESS_START, rows[i].value, NO_LABELS);
		expect_lines(metrics, METRIC_PROCESS_START, want.text);
	}
	metrics_free(metrics);
}

static void observes(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	metrics_observe(metrics, METRIC_REST_DURATION, 0.005, LABELS("api:6443", "GET"));
	metrics_observe(metrics, METRIC_REST_DURATION, 0.0051, LABELS("api:6443", "GET"));
	metrics_observe(metrics, METRIC_REST_DURATION, 61, LABELS("api:6443", "GET"));
	expect_lines(
		metrics, METRIC_REST_DURATION,
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0."
		"005\"} 1\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0."
		"025\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0."
		"1\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0."
		"25\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"0."
		"5\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"1\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"2\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"4\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"8\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"15\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"30\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le="
		"\"60\"} 2\n"
		"rest_client_request_duration_seconds_bucket{host=\"api:6443\",verb=\"GET\",le=\"+"
		"Inf\"} 3\n"
		"rest_client_request_duration_seconds_sum{host=\"api:6443\",verb=\"GET\"} 61.0101\n"
		"rest_client_request_duration_seconds_count{host=\"api:6443\",verb=\"GET\"} 3\n");
	assert_true(metrics_get(metrics, METRIC_REST_DURATION, LABELS("api:6443", "GET")) == 3);
	metrics_free(metrics);
}

static void escapes_what_others_chose(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	metrics_add(metrics, METRIC_DRIFT, 1, LABELS("a\"b\\c\nd{}"));
	expect_lines(metrics, METRIC_DRIFT,
	             "kubenft_drift_total{culprit=\"a\\\"b\\\\c\\nd{}\"} 1\n");
	metrics_free(metrics);

	/* a process' name of 15 bytes, cut within a letter: Prometheus refuses a whole scrape for it */
	metrics = metrics_new();
	metrics_add(metrics, METRIC_DRIFT, 1, LABELS("firewall-syste\xc3"));
	expect_lines(metrics, METRIC_DRIFT,
	             "kubenft_drift_total{culprit=\"firewall-syste\xef\xbf\xbd\"} 1\n");
	metrics_free(metrics);
}

static void bounds_series(void **state)
{
	struct metrics *metrics = metrics_new();

	(void)state;
	for (int i = 0; i < 100; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "p%03d", i);
		metrics_add(metrics, METRIC_DRIFT, 1, LABELS(name));
	}
	metrics_add(metrics, METRIC_DRIFT, 1, LABELS("p000"));
	assert_true(metrics_get(metrics, METRIC_DRIFT, LABELS("p000")) == 2);
	assert_true(metrics_get(metrics, METRIC_DRIFT, LABELS("p063")) == 1);
	assert_true(metrics_get(metrics, METRIC_DRIFT, LABELS("p064")) == 0);
	assert_true(metrics_get(metrics, METRIC_SERIES_DROPPED, NO_LABELS) == 36);
	metrics_free(metrics);
}

static void write_two_lines(void *ctx, const char *name, struct strbuf *out)
{
	strbuf_printf(out, "%s{port=\"%s\"} 1\n%s 2\n", name, (const char *)ctx, name);
}

static void takes_lines_that_are_kept_elsewhere(void **state)
{
	static char port[] = "http";
	struct metrics *metrics = metrics_new();
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	metrics_keep_elsewhere(metrics, METRIC_SERVICE_CONNECTIONS, write_two_lines, port);
	expect_lines(metrics, METRIC_SERVICE_CONNECTIONS,
	             "kubenft_service_new_connections_total{port=\"http\"} 1\n"
	             "kubenft_service_new_connections_total 2\n");
	metrics_write(metrics, &text);
	assert_non_null(strstr(text.text, "# TYPE kubenft_service_new_connections_total counter\n"
	                                  "kubenft_service_new_connections_total{"));
	metrics_free(metrics);
}

/* The whole text, for two metrics of each kind and what is there from the start. */
static void writes_the_format(void **state)
{
	struct metrics *metrics = metrics_new();
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	metrics_set(metrics, METRIC_BUILD_INFO, 1, LABELS("v1"));
	metrics_write(metrics, &text);
	assert_true(str_starts(
		text.text,
		"# HELP kubenft_affinity_purged_total Session affinity records deleted because "
		"they "
		"led nowhere any more.\n"
		"# TYPE kubenft_affinity_purged_total counter\n"
		"kubenft_affinity_purged_total 0\n"
		"# HELP kubenft_build_info 1; the version that runs.\n"
		"# TYPE kubenft_build_info gauge\n"
		"kubenft_build_info{version=\"v1\"} 1\n"
		"# HELP kubenft_change_latency_seconds Time from the moment a change was noticed "
		"until it was in the kernel.\n"
		"# TYPE kubenft_change_latency_seconds histogram\n"
		"kubenft_change_latency_seconds_bucket{le=\"1e-05\"} 0\n"));
	assert_null(strstr(text.text, "kubenft_drift_total")); /* no series, no name */
	assert_true(text.text[text.len - 1] == '\n');
	metrics_free(metrics);
}

/* Prometheus' own checker, about each metric with a series. One name is kube-proxy's, and it has been
 * wrong about it for years. */
static void pleases_promtool(void **state)
{
	static const char known[] =
		"kubeproxy_sync_proxy_rules_no_local_endpoints_total non-counter "
		"metrics should not have \"_total\" suffix\n";
	struct metrics *metrics = metrics_new();
	AUTO_STRBUF struct strbuf text = { 0 };
	AUTO_STRBUF struct strbuf command = { 0 };
	char path[] = "/tmp/kubenft-metrics-XXXXXX";
	char said[4096];
	size_t len;
	FILE *pipe;
	int fd;

	(void)state;
	if (system("command -v promtool >/dev/null") != 0)
		skip();
	for (int i = 0; i < METRIC_COUNT; i++) {
		if (metric_info((enum metric)i)->type == METRIC_HISTOGRAM)
			metrics_observe(metrics, (enum metric)i, 0.01,
			                LABELS("a", "b\"", "c\\", "d\n", "e"));
		else
			metrics_add(metrics, (enum metric)i, 1e9,
			            LABELS("a", "b\"", "c\\", "d\n", "e"));
	}
	metrics_write(metrics, &text);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.text, text.len), text.len);
	(void)close(fd);
	strbuf_printf(&command, "promtool check metrics <%s 2>&1", path);
	pipe = popen(command.text, "re");
	assert_non_null(pipe);
	len = fread(said, 1, sizeof(said) - 1, pipe);
	said[len] = '\0';
	(void)pclose(pipe);
	(void)unlink(path);
	assert_string_equal(said, known);
	metrics_free(metrics);
}

/* README's table has a row for each metric, in this form, and no other row. */
static void is_what_the_readme_says(void **state)
{
	AUTO_STRBUF struct strbuf want = { 0 };
	AUTO_STRBUF struct strbuf got = { 0 };
	FILE *file = fopen(README, "re");
	bool inside = false;
	char line[4096];

	(void)state;
	for (int i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *info = metric_info((enum metric)i);
		const char *help = info->help;

		if (help[0] == '[')
			help = strchr(help, ']') + 2;
		strbuf_printf(&want, "| `%s` | %s |", info->name, metric_type_name(info->type));
		for (size_t l = 0; info->labels[l] != NULL; l++)
			strbuf_printf(&want, "%s %s", l > 0 ? "," : "", info->labels[l]);
		strbuf_printf(&want, " | %s |\n", help);
	}
	assert_non_null(file);
	strbuf_puts(&got, "");
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#')
			inside = strstr(line, "Metrics reference") != NULL;
		if (inside && str_starts(line, "| `"))
			strbuf_puts(&got, line);
	}
	(void)fclose(file);
	assert_string_equal(got.text, want.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_what_it_has),
		cmocka_unit_test(has_kube_proxys_metrics),
		cmocka_unit_test(begins_with_zeros),
		cmocka_unit_test(counts),
		cmocka_unit_test(writes_numbers_shortly_and_exactly),
		cmocka_unit_test(observes),
		cmocka_unit_test(escapes_what_others_chose),
		cmocka_unit_test(bounds_series),
		cmocka_unit_test(takes_lines_that_are_kept_elsewhere),
		cmocka_unit_test(writes_the_format),
		cmocka_unit_test(pleases_promtool),
		cmocka_unit_test(is_what_the_readme_says),
	};

	return cmocka_run_group_tests_name("cmd/metrics", tests, NULL, NULL);
}

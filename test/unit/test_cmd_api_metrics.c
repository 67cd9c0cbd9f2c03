/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/api_metrics.h"

#include "test/unit/test.h"

static void names_the_host(void **state)
{
	static const struct {
		const char *server;
		const char *want;
	} rows[] = {
		{ "https://10.96.0.1:443", "10.96.0.1:443" },
		{ "https://[fd00::1]:6443/prefix/more", "[fd00::1]:6443" },
		{ "http://api.example", "api.example" },
		{ "api.example:1", "api.example:1" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct api_metrics am;

		print_message("  - '%s'\n", rows[i].server);
		api_metrics_init(&am, NULL, rows[i].server);
		assert_string_equal(am.host, rows[i].want);
		api_metrics_answered(&am, "GET", 200, 1); /* nobody counts */
	}
}

static void counts_answers(void **state)
{
	struct metrics *metrics = metrics_new();
	struct api_metrics am;

	(void)state;
	api_metrics_init(&am, metrics, "https://a:1/");
	api_metrics_answered(&am, "GET", 200, 4000);
	api_metrics_answered(&am, "GET", 200, 24000);
	api_metrics_answered(&am, "GET", 410, 1);
	api_metrics_answered(&am, "GET", 0, 10000000);
	assert_true(metrics_get(metrics, METRIC_REST_REQUESTS, LABELS("200", "a:1", "GET")) == 2);
	assert_true(metrics_get(metrics, METRIC_REST_REQUESTS, LABELS("410", "a:1", "GET")) == 1);
	assert_true(metrics_get(metrics, METRIC_REST_REQUESTS, LABELS("<error>", "a:1", "GET")) ==
	            1);
	api_metrics_answered(&am, "POST", 201, 1);
	assert_true(metrics_get(metrics, METRIC_REST_REQUESTS, LABELS("201", "a:1", "POST")) == 1);
	assert_true(metrics_get(metrics, METRIC_REST_DURATION, LABELS("a:1", "GET")) == 4);
	metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_host),
		cmocka_unit_test(counts_answers),
	};

	return cmocka_run_group_tests_name("cmd/api_metrics", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <string.h>

#include <yaml.h>

#include "test/unit/test.h"
#include "watch/yamlx.h"

/* Plain scalars, each with what it is. */
static const struct row {
	const char *text;
	enum yamlx_type type;
	double number;
} rows[] = {
	{ "", YAMLX_NULL, 0 },
	{ "~", YAMLX_NULL, 0 },
	{ "null", YAMLX_NULL, 0 },
	{ "NULL", YAMLX_NULL, 0 },
	{ "nULL", YAMLX_STRING, 0 },
	{ "nulls", YAMLX_STRING, 0 },
	{ "true", YAMLX_TRUE, 0 },
	{ "True", YAMLX_TRUE, 0 },
	{ "tRue", YAMLX_STRING, 0 },
	{ "FALSE", YAMLX_FALSE, 0 },
	{ "false", YAMLX_FALSE, 0 },
	/* what only YAML 1.1 takes for a truth value */
	{ "yes", YAMLX_STRING, 0 },
	{ "no", YAMLX_STRING, 0 },
	{ "on", YAMLX_STRING, 0 },
	{ "off", YAMLX_STRING, 0 },
	{ "y", YAMLX_STRING, 0 },
	{ "0", YAMLX_NUMBER, 0 },
	{ "80", YAMLX_NUMBER, 80 },
	{ "-1", YAMLX_NUMBER, -1 },
	{ "+12", YAMLX_NUMBER, 12 },
	{ "65536", YAMLX_NUMBER, 65536 },
	{ "10800", YAMLX_NUMBER, 10800 },
	{ "1234567890123", YAMLX_NUMBER, 1234567890123.0 },
	{ "80.5", YAMLX_NUMBER, 80.5 },
	{ "80.", YAMLX_NUMBER, 80 },
	{ ".5", YAMLX_NUMBER, 0.5 },
	{ "1e3", YAMLX_NUMBER, 1000 },
	{ "1.5E-1", YAMLX_NUMBER, 0.15 },
	{ "0.5", YAMLX_NUMBER, 0.5 },
	{ "1e400", YAMLX_NUMBER, (double)INFINITY },
	{ ".inf", YAMLX_NUMBER, (double)INFINITY },
	{ "-.INF", YAMLX_NUMBER, -(double)INFINITY },
	/* read differently by YAML's versions, or no numbers at all */
	{ "010", YAMLX_STRING, 0 },
	{ "00", YAMLX_STRING, 0 },
	{ "0x1f", YAMLX_STRING, 0 },
	{ "0o17", YAMLX_STRING, 0 },
	{ "1_000", YAMLX_STRING, 0 },
	{ "12:30", YAMLX_STRING, 0 },
	{ "+", YAMLX_STRING, 0 },
	{ "-", YAMLX_STRING, 0 },
	{ ".", YAMLX_STRING, 0 },
	{ "e3", YAMLX_STRING, 0 },
	{ ".e3", YAMLX_STRING, 0 },
	{ "1e", YAMLX_STRING, 0 },
	{ "1e+", YAMLX_STRING, 0 },
	{ "1.2.3", YAMLX_STRING, 0 },
	{ "10.96.0.1", YAMLX_STRING, 0 },
	{ "1 2", YAMLX_STRING, 0 },
	{ "fd00::1", YAMLX_STRING, 0 },
	{ "::1", YAMLX_STRING, 0 },
	{ "2026-11-22T07:41:28Z", YAMLX_STRING, 0 },
	{ "inf", YAMLX_STRING, 0 },
	{ "nan", YAMLX_STRING, 0 },
	{ "infinity", YAMLX_STRING, 0 },
};

static void resolves_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double number = 0;

		print_message("  - '%s'\n", rows[i].text);
		assert_int_equal(yamlx_resolve(rows[i].text, strlen(rows[i].text), &number),
		                 rows[i].type);
		assert_true(rows[i].type != YAMLX_NUMBER || number == rows[i].number);
	}
}

static void knows_nan(void **state)
{
	double number = 0;

	(void)state;
	assert_int_equal(yamlx_resolve(".nan", 4, &number), YAMLX_NUMBER);
	assert_true(isnan(number));
}

static void checks_tags(void **state)
{
	(void)state;
	assert_true(yamlx_is_tagged(NULL, YAMLX_NUMBER));
	assert_true(yamlx_is_tagged(YAML_INT_TAG, YAMLX_NUMBER));
	assert_true(yamlx_is_tagged(YAML_FLOAT_TAG, YAMLX_NUMBER));
	assert_true(yamlx_is_tagged(YAML_BOOL_TAG, YAMLX_FALSE));
	assert_true(yamlx_is_tagged(YAML_NULL_TAG, YAMLX_NULL));
	assert_true(yamlx_is_tagged(YAML_STR_TAG, YAMLX_STRING));
	assert_true(yamlx_is_tagged("!", YAMLX_STRING));
	assert_false(yamlx_is_tagged(YAML_INT_TAG, YAMLX_STRING));
	assert_false(yamlx_is_tagged(YAML_STR_TAG, YAMLX_NUMBER));
	assert_false(yamlx_is_tagged(YAML_TIMESTAMP_TAG, YAMLX_STRING));
	assert_false(yamlx_is_tagged("!mine", YAMLX_STRING));
	assert_true(yamlx_is_text(YAML_STR_TAG));
	assert_true(yamlx_is_text("!"));
	assert_false(yamlx_is_text(NULL));
	assert_false(yamlx_is_text(YAML_INT_TAG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves_rows),
		cmocka_unit_test(knows_nan),
		cmocka_unit_test(checks_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

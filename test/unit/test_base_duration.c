/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "test/unit/test.h"

static const struct {
	const char *text;
	int ret;
	uint64_t us;
} durations[] = {
	{ "0", 0, 0 },
	{ "0s", 0, 0 },
	{ "15s", 0, 15000000 },
	{ "1h30m", 0, 5400000000 },
	{ "1h0m0s", 0, 3600000000 },
	{ "0.5s", 0, 500000 },
	{ ".5s", 0, 500000 },
	{ "1.s", 0, 1000000 },
	{ "100ms", 0, 100000 },
	{ "7us", 0, 7 },
	{ "7\xc2\xb5s", 0, 7 },
	{ "7\xce\xbcs", 0, 7 },
	{ "1999ns", 0, 1 },
	{ "5000000000ns", 0, 5000000 },
	{ "31622400000000000ns", 0, 31622400000000 },
	{ "31622400000000001ns", -ERANGE, 0 },
	{ "99999999999999999999999999ns", -ERANGE, 0 },
	{ "8784h", 0, 31622400000000 },
	{ "8785h", -ERANGE, 0 },
	{ "99999999999s", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ "15", -EINVAL, 0 },
	{ "s", -EINVAL, 0 },
	{ ".s", -EINVAL, 0 },
	{ "-1s", -EINVAL, 0 },
	{ "1d", -EINVAL, 0 },
	{ "1s ", -EINVAL, 0 },
	{ "1h30", -EINVAL, 0 },
};

static void reads_durations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		uint64_t us = 77;

		print_message("%s\n", durations[i].text);
		assert_int_equal(str_to_duration(durations[i].text, &us), durations[i].ret);
		assert_int_equal(us, durations[i].ret == 0 ? durations[i].us : 77);
	}
}

static const struct {
	const char *text;
	int ret;
	uint32_t milli;
} decimals[] = {
	{ "5", 0, 5000 },
	{ "0.25", 0, 250 },
	{ "5.0", 0, 5000 },
	{ "0.0009", 0, 0 },
	{ "99999999999999999", -ERANGE, 0 },
	{ "31000000000000000", -ERANGE, 0 },
	{ "10", 0, 10000 },
	{ "10.001", -ERANGE, 0 },
	{ "", -EINVAL, 0 },
	{ ".", -EINVAL, 0 },
	{ "1e1", -EINVAL, 0 },
	{ "-1", -EINVAL, 0 },
	{ "5 ", -EINVAL, 0 },
};

static void reads_decimals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decimals); i++) {
		uint32_t milli = 77;

		print_message("%s\n", decimals[i].text);
		assert_int_equal(str_to_milli(decimals[i].text, 10000, &milli), decimals[i].ret);
		assert_int_equal(milli, decimals[i].ret == 0 ? decimals[i].milli : 77);
	}
}

static const struct {
	uint64_t us;
	const char *text;
} printed[] = {
	{ 0, "0s" },
	{ 7, "7\xc2\xb5s" },
	{ 1000, "1ms" },
	{ 1050, "1.05ms" },
	{ 500000, "500ms" },
	{ 999999, "999.999ms" },
	{ 1000000, "1s" },
	{ 1500000, "1.5s" },
	{ 1000001, "1.000001s" },
	{ 60000000, "1m0s" },
	{ 90500000, "1m30.5s" },
	{ 3600000000, "1h0m0s" },
	{ 86400000000, "24h0m0s" },
};

static void prints_durations_that_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(printed); i++) {
		struct strbuf text = { 0 };
		uint64_t us = 77;

		strbuf_duration(&text, printed[i].us);
		assert_string_equal(text.text, printed[i].text);
		assert_int_equal(str_to_duration(text.text, &us), 0);
		assert_int_equal(us, printed[i].us);
		strbuf_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(prints_durations_that_it_reads),
		cmocka_unit_test(reads_decimals),
	};

	return cmocka_run_group_tests_name("base/duration", tests, NULL, NULL);
}

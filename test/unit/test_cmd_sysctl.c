/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

#define SYSCTLS "sys/net/netfilter/nf_conntrack_"
#define HASHSIZE "module/nf_conntrack/parameters/hashsize"

static const struct sysctl_root here = { .sysctls = "sys", .modules = "module", .cpus = 2 };

/* The names behind "nf_conntrack_", then the hash table's size. */
static const char *const names[] = { "max",
	                             "tcp_timeout_established",
	                             "tcp_timeout_close_wait",
	                             "tcp_be_liberal",
	                             "udp_timeout",
	                             "udp_timeout_stream",
	                             NULL };
#define FILES ARRAY_LEN(names)

static const char *path_of(size_t i, char buf[static 96])
{
	(void)snprintf(buf, 96, "%s%s", names[i] != NULL ? SYSCTLS : HASHSIZE,
	               names[i] != NULL ? names[i] : "");
	return buf;
}

static int make_root(void **state)
{
	static const char *const dirs[] = { "sys",
		                            "sys/net",
		                            "sys/net/netfilter",
		                            "module",
		                            "module/nf_conntrack",
		                            "module/nf_conntrack/parameters" };
	int ret = dir_make(state);

	for (size_t i = 0; i < ARRAY_LEN(dirs) && ret == 0; i++)
		ret = mkdir(dirs[i], 0755);
	return ret;
}

static const struct row {
	const char *what;
	struct sysctl_settings settings;
	const char *want[FILES]; /* NULL: as it was, which is "7" */
} rows[] = {
	{ .what = "nothing wanted, nothing written" },
	{ .what = "the maximum by CPUs, and a quarter of it for the hash table",
	  .settings = { .max_per_core = 1000, .min = 10 },
	  .want = { [0] = "2000", [6] = "500" } },
	{ .what = "the minimum, where the CPUs give less",
	  .settings = { .max_per_core = 1000, .min = 9000 },
	  .want = { [0] = "9000", [6] = "2250" } },
	{ .what = "the minimum means nothing without a maximum", .settings = { .min = 9000 } },
	{ .what = "each timeout",
	  .settings = { .tcp_established_us = 2000000,
	                .tcp_close_wait_us = 3000000,
	                .udp_us = 4000000,
	                .udp_stream_us = 5000000 },
	  .want = { [1] = "2", [2] = "3", [4] = "4", [5] = "5" } },
	{ .what = "be liberal", .settings = { .tcp_be_liberal = true }, .want = { [3] = "1" } },
};

static void expect_file(const char *path, const char *want)
{
	char text[32] = "";
	FILE *file = fopen(path, "re");

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	(void)fclose(file);
	assert_string_equal(text, want);
}

static void make_files(const char *text)
{
	char path[96];

	for (size_t i = 0; i < FILES; i++)
		dir_write(path_of(i, path), text);
}

static void writes_what_is_wanted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		char path[96];

		print_message("  - %s\n", rows[i].what);
		make_files("7");
		if (sysctl_apply(&here, &rows[i].settings, &err) < 0)
			fail_msg("%s", err.msg);
		for (size_t f = 0; f < FILES; f++)
			expect_file(path_of(f, path),
			            rows[i].want[f] != NULL ? rows[i].want[f] : "7");
	}
}

static void BUG_4_2_part_of_a_second_is_a_second_not_none(void **state)
{
	const struct sysctl_settings settings = { .udp_us = 1, .udp_stream_us = 2000001 };
	struct err err = { 0 };
	char path[96];

	(void)state;
	make_files("7");
	assert_int_equal(sysctl_apply(&here, &settings, &err), 0);
	expect_file(path_of(4, path), "1");
	expect_file(path_of(5, path), "3");
}

/* A process without the privilege works where a privileged one has been before: the newline, which
 * only the kernel writes, shows that a file was left alone. */
static void writes_nothing_twice(void **state)
{
	const struct sysctl_settings settings = {
		.max_per_core = 1000, .min = 10, .udp_us = 2000000000, .tcp_be_liberal = true
	};
	struct err err = { 0 };

	(void)state;
	make_files("2000\n");
	dir_write(SYSCTLS "tcp_be_liberal", "1\n");
	dir_write(HASHSIZE, "501\n"); /* larger is fine */
	assert_int_equal(sysctl_apply(&here, &settings, &err), 0);
	expect_file(SYSCTLS "max", "2000\n");
	expect_file(SYSCTLS "udp_timeout", "2000\n");
	expect_file(SYSCTLS "tcp_be_liberal", "1\n");
	expect_file(HASHSIZE, "501\n");
}

static void leaves_another_namespaces_maximum_alone(void **state)
{
	const struct sysctl_settings settings = { .max_per_core = 1000, .udp_us = 2000000 };
	struct err err = { 0 };

	(void)state;
	make_files("7");
	assert_int_equal(chmod(SYSCTLS "max", 0444), 0);
	assert_int_equal(sysctl_apply(&here, &settings, &err), 0);
	expect_file(SYSCTLS "max", "7");
	expect_file(HASHSIZE, "7");
	expect_file(SYSCTLS "udp_timeout", "2"); /* what follows is done */
	assert_int_equal(chmod(SYSCTLS "max", 0644), 0);
}

static void ends_at_the_first_that_fails(void **state)
{
	const struct sysctl_settings settings = { .tcp_established_us = 2000000,
		                                  .tcp_close_wait_us = 2000000 };
	const struct sysctl_settings max = { .max_per_core = 1000 };
	struct err err = { 0 };

	(void)state;
	make_files("7");
	assert_int_equal(unlink(SYSCTLS "tcp_timeout_established"), 0);
	assert_int_equal(sysctl_apply(&here, &settings, &err), -ENOENT);
	assert_string_equal(err.msg,
	                    "cannot write 2 to " SYSCTLS "tcp_timeout_established: No such "
	                    "file or directory; the kernel module nf_conntrack is not "
	                    "loaded");
	expect_file(SYSCTLS "tcp_timeout_close_wait", "7");

	assert_int_equal(unlink(HASHSIZE), 0);
	assert_int_equal(sysctl_apply(&here, &max, &err), -ENOENT);
	assert_string_equal(err.msg, "cannot read " HASHSIZE ": No such file or directory");
}

static void scales_with_cpus(void **state)
{
	static const struct {
		struct sysctl_settings settings;
		unsigned cpus;
		uint32_t max;
	} cases[] = {
		{ { .max_per_core = 32768, .min = 131072 }, 1, 131072 },
		{ { .max_per_core = 32768, .min = 131072 }, 4, 131072 },
		{ { .max_per_core = 32768, .min = 131072 }, 8, 262144 },
		{ { .max_per_core = 32768, .min = 131072 }, 32, 1048576 },
		{ { .max_per_core = 32768, .min = 131072 }, 4096, 1048576 },
		{ { .max_per_core = INT32_MAX, .min = 0 }, 4096, 1048576 },
		{ { .max_per_core = 1, .min = 2000000 },
		  4,
		  2000000 }, /* the minimum may be larger */
		{ { .max_per_core = 0, .min = 131072 }, 4, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(sysctl_conntrack_max(&cases[i].settings, cases[i].cpus),
		                 cases[i].max);
	assert_true(sysctl_machine().cpus >= 1);
}

static void sets_the_oom_score(void **state)
{
	(void)state;
	dir_write("score", "0");
	sysctl_oom_score("score", -998);
	expect_file("score", "-998");
	sysctl_oom_score("none/score", -998); /* is only logged */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_is_wanted),
		cmocka_unit_test(BUG_4_2_part_of_a_second_is_a_second_not_none),
		cmocka_unit_test(writes_nothing_twice),
		cmocka_unit_test(leaves_another_namespaces_maximum_alone),
		cmocka_unit_test(ends_at_the_first_that_fails),
		cmocka_unit_test(scales_with_cpus),
		cmocka_unit_test(sets_the_oom_score),
	};

	return cmocka_run_group_tests_name("cmd/sysctl", tests, make_root, dir_remove);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "test/unit/test.h"

#define BYTES (32u << 20)

static void sees_memory(void **state)
{
	struct process_usage before = process_usage();
	struct process_usage after;
	volatile char *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	for (size_t i = 0; i < BYTES; i += 512)
		memory[i] = 1;
	after = process_usage();
	assert_true(after.resident_bytes >= before.resident_bytes + BYTES / 2);
	assert_true(after.virtual_bytes >= after.resident_bytes);
	assert_true(after.virtual_max_bytes >= after.virtual_bytes);
	(void)munmap((void *)(uintptr_t)memory, BYTES);
}

static void sees_descriptors(void **state)
{
	struct process_usage before = process_usage();
	int fds[3];
	struct rlimit limit;
	uint64_t open_now = 0;

	(void)state;
	for (int fd = 0; fd < 1024; fd++)
		open_now += fcntl(fd, F_GETFD) >= 0;
	assert_int_equal(before.open_fds, open_now);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(process_usage().open_fds, before.open_fds + ARRAY_LEN(fds));
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		(void)close(fds[i]);
	assert_int_equal(process_usage().open_fds, before.open_fds);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(before.max_fds, limit.rlim_cur);
}

static void takes_all_descriptors(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(process_raise_fds(), limit.rlim_max);
	assert_int_equal(process_usage().max_fds, limit.rlim_max);
}

static void sees_time(void **state)
{
	double before = process_usage().cpu_s;
	volatile unsigned n = 0;

	(void)state;
	while (process_usage().cpu_s < before + 0.005)
		n++;
	assert_true(process_usage().cpu_s < before + 100);
	assert_true(process_wall_ns() / 1000000000 - time(NULL) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_memory),
		cmocka_unit_test(sees_descriptors),
		cmocka_unit_test(takes_all_descriptors),
		cmocka_unit_test(sees_time),
	};

	return cmocka_run_group_tests_name("cmd/process", tests, NULL, NULL);
}

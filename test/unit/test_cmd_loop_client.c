/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The addresses of test programs that run at the same time. */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/loop_client.h"
#include "test/unit/test.h"

#define PROCESSES 8

/* Processes started one after the other have neighbouring ids, as those of a test run have. */
static void each_process_has_an_address_of_its_own(void **state)
{
	struct ipaddr got[PROCESSES];
	pid_t pids[PROCESSES];
	int ends[2];

	(void)state;
	assert_return_code(pipe(ends), errno);
	for (size_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			struct ipaddr own = loop_own_address();

			_exit(write(ends[1], &own, sizeof(own)) == sizeof(own) ? 0 : 1);
		}
	}
	for (size_t i = 0; i < PROCESSES; i++)
		assert_int_equal(read(ends[0], &got[i], sizeof(got[i])), sizeof(got[i]));
	for (size_t i = 0; i < PROCESSES; i++) /* not before: an id could be given again */
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	for (size_t i = 0; i < PROCESSES; i++) {
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(&got[i], &got[j], sizeof(got[i]));
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_has_an_address_of_its_own),
	};

	return cmocka_run_group_tests_name("test/unit/loop_client", tests, NULL, NULL);
}

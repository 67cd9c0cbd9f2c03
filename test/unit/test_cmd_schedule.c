/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/schedule.h"
#include "test/unit/test.h"

static void syncs_at_once(void **state)
{
	struct schedule s = { 0 };

	(void)state;
	assert_int_equal(schedule_wait(&s, 1000), SCHEDULE_IDLE);
	schedule_touch(&s, 1000);
	assert_int_equal(schedule_wait(&s, 1000), 0);
	schedule_touch(&s, 2000);
	assert_int_equal(s.dirty_since_us, 1000); /* the oldest change counts */
	schedule_done(&s, 3000, true);
	assert_int_equal(schedule_wait(&s, 3000), SCHEDULE_IDLE);
}

static void backs_off(void **state)
{
	struct schedule s = { .max_pause_us = 20000000 };
	uint64_t now = 1000;
	uint64_t last = 0;

	(void)state;
	schedule_touch(&s, now);
	for (int i = 0; i < 40; i++) {
		uint64_t wait;

		schedule_done(&s, now, false);
		wait = schedule_wait(&s, now);
		assert_true(wait >= last);
		assert_true(wait >= SCHEDULE_RETRY_MIN_US && wait <= 20000000);
		schedule_touch(&s, now); /* further changes do not hasten it */
		assert_int_equal(schedule_wait(&s, now), wait);
		now += wait;
		assert_int_equal(schedule_wait(&s, now), 0);
		last = wait;
	}
	assert_int_equal(last, 20000000);
	assert_int_equal(s.dirty_since_us, 1000);
	schedule_done(&s, now, true);
	assert_int_equal(schedule_wait(&s, now), SCHEDULE_IDLE);
	schedule_touch(&s, now);
	assert_int_equal(schedule_wait(&s, now), 0);
}

/* A sync that failed without a change (a refill) is tried again, too. */
static void retries_without_a_change(void **state)
{
	struct schedule s = { 0 };

	(void)state;
	schedule_done(&s, 5000, false);
	assert_int_equal(schedule_wait(&s, 5000), SCHEDULE_RETRY_MIN_US);
}

/* Changes that come sooner wait, and go together. */
static void keeps_the_minimum_period(void **state)
{
	struct schedule s = { .min_period_us = 1000000 };

	(void)state;
	schedule_touch(&s, 5000);
	assert_int_equal(schedule_wait(&s, 5000), 0); /* the first is not put off */
	schedule_done(&s, 6000, true);
	assert_int_equal(schedule_wait(&s, 6000), SCHEDULE_IDLE);
	schedule_touch(&s, 206000);
	schedule_touch(&s, 306000);
	assert_int_equal(schedule_wait(&s, 306000), 700000);
	assert_int_equal(schedule_wait(&s, 1006000), 0);
	schedule_done(&s, 1006000, false); /* a failure is tried again sooner */
	assert_int_equal(schedule_wait(&s, 1006000), SCHEDULE_RETRY_MIN_US);
}

/* A repair does not wait for the period, but for the pause after a failure. */
static void hurries(void **state)
{
	struct schedule s = { .min_period_us = 1000000 };

	(void)state;
	schedule_touch(&s, 5000);
	schedule_done(&s, 6000, true);
	schedule_hurry(&s, 7000);
	assert_int_equal(schedule_wait(&s, 7000), 0);
	schedule_done(&s, 8000, true);
	schedule_touch(&s, 9000);
	assert_int_equal(schedule_wait(&s, 9000), 999000);
	schedule_done(&s, 2000000, false);
	schedule_hurry(&s, 2001000);
	assert_int_equal(schedule_wait(&s, 2001000), SCHEDULE_RETRY_MIN_US - 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syncs_at_once),
		cmocka_unit_test(backs_off),
		cmocka_unit_test(retries_without_a_change),
		cmocka_unit_test(keeps_the_minimum_period),
		cmocka_unit_test(hurries),
	};

	return cmocka_run_group_tests_name("cmd/schedule", tests, NULL, NULL);
}

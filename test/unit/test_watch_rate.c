/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/test.h"
#include "watch/rate.h"

/* Takes as many as are ready at @now. */
static unsigned take_all(struct watch_rate *rate, uint64_t now)
{
	unsigned count = 0;

	while (count < 1000 && watch_rate_ready(rate, now) == now) {
		watch_rate_take(rate, now);
		count++;
	}
	return count;
}

static void gives_a_burst_then_the_rate(void **state)
{
	static const uint64_t starts[] = { 77, 5000000000 }; /* just booted, and long after */

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(starts); s++) {
		uint64_t now = starts[s];
		struct watch_rate rate;
		unsigned count = 0;

		watch_rate_init(&rate, 5000, 10, now);
		assert_int_equal(take_all(&rate, now), 10);
		assert_int_equal(watch_rate_ready(&rate, now), now + 200000);
		for (int i = 1; i <= 100; i++)
			count += take_all(&rate, now + (uint64_t)i * 100000);
		assert_int_equal(count, 50); /* 10 s at 5/s */
		/* unused ones are kept up to the burst */
		assert_int_equal(take_all(&rate, now + 60000000), 10);
	}
}

static void has_no_limit_when_told(void **state)
{
	struct watch_rate rate;

	(void)state;
	watch_rate_init(&rate, 0, 0, 1000);
	assert_int_equal(take_all(&rate, 1000), 1000);
}

static void takes_a_burst_of_at_least_one(void **state)
{
	struct watch_rate rate;

	(void)state;
	watch_rate_init(&rate, 100, 0, 100000000); /* one in 10 s */
	assert_int_equal(take_all(&rate, 100000000), 1);
	assert_int_equal(watch_rate_ready(&rate, 100000000), 110000000);
}

static void tells_when_others_can_do_without_one(void **state)
{
	uint64_t now = 5000000000;
	struct watch_rate rate;

	(void)state;
	watch_rate_init(&rate, 5000, 10, now);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(watch_rate_spare(&rate, 4, now), now);
		watch_rate_take(&rate, now);
	}
	assert_int_equal(watch_rate_ready(&rate, now), now);
	assert_int_equal(watch_rate_spare(&rate, 4, now), now + 200000);
	assert_int_equal(watch_rate_spare(&rate, 4, now + 200000), now + 200000);
	/* a bucket that cannot hold so many is to be full */
	watch_rate_init(&rate, 5000, 2, now);
	assert_int_equal(watch_rate_spare(&rate, 4, now), now);
	watch_rate_take(&rate, now);
	assert_int_equal(watch_rate_spare(&rate, 4, now), now + 200000);
	watch_rate_init(&rate, 0, 0, now);
	assert_int_equal(watch_rate_spare(&rate, 4, now), now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_a_burst_then_the_rate),
		cmocka_unit_test(has_no_limit_when_told),
		cmocka_unit_test(takes_a_burst_of_at_least_one),
		cmocka_unit_test(tells_when_others_can_do_without_one),
	};

	return cmocka_run_group_tests_name("watch/rate", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/held.h"

#include <stdio.h>

#include "test/unit/test.h"

#define SECOND 1000000u
#define PAUSE HELD_PAUSE_MIN_US

static const struct nftx_blames nobody;
static struct lb_frontend frontend;

static struct lb_service service(uint32_t id, const char *name)
{
	return (struct lb_service){
		.id = id, .name = name, .frontend_count = 1, .frontends = &frontend
	};
}

static struct nftx_blames blame(uint32_t id, const char *name)
{
	static struct nftx_blamed blamed;
	static char text[32];

	(void)snprintf(text, sizeof(text), "%s", name);
	blamed = (struct nftx_blamed){ .id = id, .name = text };
	return (struct nftx_blames){ .list = &blamed, .count = 1 };
}

static void add(struct held *held, uint32_t id, const char *name, uint64_t now_us)
{
	const struct nftx_blames blames = blame(id, name);

	held_add(held, &blames, now_us);
}

static bool keeps(struct held *held, uint32_t id, const char *name, uint64_t now_us)
{
	const struct lb_service one = service(id, name);

	return held_keeps(held, &one, now_us);
}

static void nobody_is_held_who_was_not_refused(void **unused)
{
	struct held held = { 0 };

	(void)unused;
	assert_false(keeps(&held, 1, "ns/a", 0));
	add(&held, 2, "ns/b", 0);
	assert_false(keeps(&held, 1, "ns/a", 0));
	assert_int_equal(held.count, 1);
	held_done(&held);
}

/* Without a newer form nothing is tried; with one, after the pause, once. */
static void a_newer_form_is_tried_after_a_pause(void **unused)
{
	struct held held = { 0 };

	(void)unused;
	add(&held, 1, "ns/a", SECOND);
	assert_true(held_wait(&held, SECOND + 2 * PAUSE) == HELD_IDLE);
	assert_null(held_due(&held, SECOND + 2 * PAUSE));
	assert_true(keeps(&held, 1, "ns/a", SECOND + 1));
	assert_int_equal(held_wait(&held, SECOND + 1), PAUSE - 1);
	assert_null(held_due(&held, SECOND + PAUSE - 1));
	assert_int_equal(held_wait(&held, SECOND + PAUSE), 0);
	assert_string_equal(held_due(&held, SECOND + PAUSE), "ns/a");
	assert_null(held_due(&held, SECOND + PAUSE));
	assert_false(keeps(&held, 1, "ns/a", SECOND + PAUSE));
	held_accepted(&held, &nobody);
	assert_int_equal(held.count, 0);
	held_done(&held);
}

/* A sync that others caused says nothing about those who were held meanwhile. */
static void only_who_was_on_trial_is_free_again(void **unused)
{
	struct held held = { 0 };

	(void)unused;
	add(&held, 1, "ns/a", 0);
	add(&held, 2, "ns/b", 0);
	held_accepted(&held, &nobody);
	assert_int_equal(held.count, 2);
	assert_true(keeps(&held, 1, "ns/a", 1));
	held_accepted(&held, &nobody);
	assert_int_equal(held.count, 2);
	assert_false(keeps(&held, 2, "ns/b", PAUSE));
	held_accepted(&held, &nobody);
	assert_int_equal(held.count, 1);
	assert_true(keeps(&held, 1, "ns/a", 1));
	held_done(&held);
}

static void who_is_refused_again_waits_longer(void **unused)
{
	struct held held = { 0 };
	uint64_t now = 0;

	(void)unused;
	add(&held, 1, "ns/a", now);
	for (uint64_t pause = PAUSE; pause < HELD_PAUSE_MAX_US; pause *= 2) {
		const struct nftx_blames blames = blame(1, "ns/a");

		assert_true(keeps(&held, 1, "ns/a", now));
		assert_int_equal(held_wait(&held, now), pause);
		now += pause;
		assert_false(keeps(&held, 1, "ns/a", now));
		held_accepted(&held, &blames);
		add(&held, 1, "ns/a", now);
		assert_int_equal(held.count, 1);
	}
	assert_true(keeps(&held, 1, "ns/a", now));
	assert_int_equal(held_wait(&held, now), HELD_PAUSE_MAX_US);
	held_done(&held);
}

/* The trial that fails with the whole sync has to be made again. */
static void a_failed_sync_is_no_trial(void **unused)
{
	struct held held = { 0 };

	(void)unused;
	add(&held, 1, "ns/a", 0);
	assert_false(keeps(&held, 1, "ns/a", PAUSE));
	held_refused(&held);
	held_accepted(&held, &nobody);
	assert_int_equal(held.count, 1);
	assert_int_equal(held_wait(&held, PAUSE), 0);
	held_done(&held);
}

static void who_is_gone_is_not_held(void **unused)
{
	const struct lb_service gone = { .id = 1, .name = "ns/a" };
	struct held held = { 0 };

	(void)unused;
	add(&held, 1, "ns/a", 0);
	assert_false(held_keeps(&held, &gone, 1));
	assert_int_equal(held.count, 0);
	add(&held, 1, "ns/a", 0);
	assert_false(keeps(&held, 1, "ns/another", 1)); /* who has its id now */
	assert_int_equal(held.count, 0);
	held_done(&held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_held_who_was_not_refused),
		cmocka_unit_test(a_newer_form_is_tried_after_a_pause),
		cmocka_unit_test(only_who_was_on_trial_is_free_again),
		cmocka_unit_test(who_is_refused_again_waits_longer),
		cmocka_unit_test(a_failed_sync_is_no_trial),
		cmocka_unit_test(who_is_gone_is_not_held),
	};

	return cmocka_run_group_tests_name("cmd/held", tests, NULL, NULL);
}

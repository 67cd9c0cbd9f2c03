/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/drift.h"

#include <stdio.h>
#include <string.h>

#include "test/unit/test.h"

#define S 1000000u
#define MS 1000u
#define BEGIN (100 * (uint64_t)S)

static struct nftx_notice notice_of(const char *process, uint32_t pid)
{
	struct nftx_notice notice = { .generation = 1, .pid = pid };

	memcpy(notice.process, process, strnlen(process, sizeof(notice.process) - 1));
	notice.removed[NFTX_TOUCH_ELEMENT] = 1;
	return notice;
}

static void change(struct drift *drift, uint64_t now_us)
{
	struct nftx_notice notice = notice_of("nft", 42);

	drift_changed(drift, &notice, now_us);
}

static void has_nothing_to_do(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	assert_true(drift_wait(&drift, BEGIN) == DRIFT_IDLE);
	assert_false(drift_is_backing_off(&drift, BEGIN));
	assert_false(
		drift_repaired(&drift, BEGIN, MS)); /* a refill that nobody's change was behind */
	assert_int_equal(drift.repairs, 0);
}

static void repairs_the_first_change_at_once(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	change(&drift, BEGIN);
	assert_int_equal(drift.work, DRIFT_REPAIR);
	assert_int_equal(drift_wait(&drift, BEGIN), 0);
	change(&drift, BEGIN + MS); /* one repair for both */
	assert_int_equal(drift.noticed_us, BEGIN);
	assert_true(drift_repaired(&drift, BEGIN + 5 * MS, 4 * MS));
	assert_true(drift_wait(&drift, BEGIN + 5 * MS) == DRIFT_IDLE);
	assert_int_equal(drift.noticed_us, 0);
	assert_int_equal(drift.events, 2);
	assert_int_equal(drift.repairs, 1);
}

/* Changed again as soon as it is repaired: the pauses, in ms, until each further repair. */
static void backs_off(void **state)
{
	static const uint32_t pauses_ms[] = { 0,   20,   40,   80,   160,  320,
		                              640, 1000, 1000, 1000, 1000, 1000 };
	struct drift drift = { 0 };
	uint64_t now = BEGIN;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pauses_ms); i++) {
		change(&drift, now);
		assert_int_equal(drift_wait(&drift, now), pauses_ms[i] * MS);
		assert_int_equal(drift_is_backing_off(&drift, now), i >= DRIFT_STUBBORN);
		now += drift_wait(&drift, now);
		assert_int_equal(drift_wait(&drift, now), 0);
		assert_true(drift_repaired(&drift, now, MS));
	}
	/* quiet for a while, and it is as at the beginning */
	assert_true(drift_is_backing_off(&drift, now + DRIFT_QUIET_US - 1));
	assert_false(drift_is_backing_off(&drift, now + DRIFT_QUIET_US));
	change(&drift, now + DRIFT_QUIET_US);
	assert_int_equal(drift_wait(&drift, now + DRIFT_QUIET_US), 0);
	assert_false(drift_is_backing_off(&drift, now + DRIFT_QUIET_US));
}

/* A repair of 0.4 s is not made more often than every 8 s. */
static void spares_the_machine(void **state)
{
	struct drift drift = { 0 };
	uint64_t now = BEGIN;

	(void)state;
	for (int i = 0; i < 30; i++) {
		change(&drift, now);
		now += drift_wait(&drift, now);
		assert_true(drift_repaired(&drift, now, 400 * MS));
	}
	change(&drift, now);
	assert_int_equal(drift_wait(&drift, now), 8 * S);
}

/* Somebody who changes something every 11 s gets it repaired at once each time. */
static void forgives(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t now = BEGIN + i * 11 * S;

		change(&drift, now);
		assert_int_equal(drift_wait(&drift, now), 0);
		assert_true(drift_repaired(&drift, now, MS));
		assert_false(drift_is_backing_off(&drift, now));
	}
	assert_int_equal(drift.repairs, 20);
}

static void looks_when_in_doubt(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	drift_doubted(&drift, BEGIN);
	assert_int_equal(drift.work, DRIFT_LOOK);
	assert_int_equal(drift_wait(&drift, BEGIN), 0);
	drift_looked(&drift, false, BEGIN + MS, MS);
	assert_true(drift_wait(&drift, BEGIN + MS) == DRIFT_IDLE);
	drift_doubted(&drift, BEGIN + 2 * MS); /* again: not at once */
	assert_int_equal(drift_wait(&drift, BEGIN + 2 * MS), 19 * MS);
	drift_looked(&drift, true, BEGIN + 30 * MS, MS);
	assert_int_equal(drift.work, DRIFT_REPAIR);
	assert_int_equal(drift_wait(&drift, BEGIN + 30 * MS), 0);
	assert_true(drift_repaired(&drift, BEGIN + 31 * MS, MS));
	assert_int_equal(drift.losses, 2);
	assert_int_equal(drift.looks, 2);
	assert_int_equal(drift.differs, 1);
	assert_int_equal(drift.repairs, 1);
}

/* What is known to have changed is not looked at first; and a look that was made of another reason,
 * and began before, does not undo it. */
static void knows_better_than_a_look(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	drift_doubted(&drift, BEGIN);
	change(&drift, BEGIN);
	assert_int_equal(drift.work, DRIFT_REPAIR);
	drift_looked(&drift, false, BEGIN, MS);
	assert_int_equal(drift.work, DRIFT_REPAIR);
	drift_doubted(&drift, BEGIN);
	assert_int_equal(drift.work, DRIFT_REPAIR);
}

/* The background's look finds something without anybody's notice. */
static void repairs_what_a_look_found(void **state)
{
	struct drift drift = { 0 };

	(void)state;
	drift_looked(&drift, false, BEGIN, MS);
	assert_true(drift_wait(&drift, BEGIN) == DRIFT_IDLE);
	drift_looked(&drift, true, BEGIN + S, MS);
	assert_int_equal(drift_wait(&drift, BEGIN + S), 0);
	assert_true(drift_repaired(&drift, BEGIN + S, MS));
}

static void rebuilds_where_emptying_does_not_help(void **state)
{
	struct drift drift = { 0 };
	struct nftx_notice notice = notice_of("nft", 1);

	(void)state;
	drift_changed(&drift, &notice, BEGIN);
	assert_false(drift.rebuild);
	notice.added[NFTX_TOUCH_OTHER] = 1;
	drift_changed(&drift, &notice, BEGIN);
	assert_true(drift.rebuild);
	assert_true(drift_repaired(&drift, BEGIN, MS));
	assert_false(drift.rebuild);
	notice.added[NFTX_TOUCH_OTHER] = 0;
	notice.added[NFTX_TOUCH_SET] = 1;
	drift_changed(&drift, &notice, BEGIN);
	assert_true(drift.rebuild);
}

static void counts_culprits_by_name(void **state)
{
	struct drift drift = { 0 };
	struct nftx_notice notice;

	(void)state;
	notice = notice_of("nft", 42);
	drift_changed(&drift, &notice, BEGIN);
	notice = notice_of("firewalld", 7);
	drift_changed(&drift, &notice, BEGIN + 1);
	notice = notice_of("nft", 43);
	drift_changed(&drift, &notice, BEGIN + 2);
	assert_int_equal(drift.culprit_count, 2);
	assert_string_equal(drift.culprits[0].process, "nft");
	assert_int_equal(drift.culprits[0].pid, 43);
	assert_int_equal(drift.culprits[0].count, 2);
	assert_int_equal(drift.culprits[0].last_us, BEGIN + 2);
	assert_string_equal(drift.last.process, "nft");
	assert_int_equal(drift.last.count, 2);
	for (int i = 0; i < 100; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "evil-%d", i);
		notice = notice_of(name, 1);
		drift_changed(&drift, &notice, BEGIN + 3);
	}
	assert_int_equal(drift.culprit_count, DRIFT_CULPRITS);
	assert_int_equal(drift.unlisted, 100 - (DRIFT_CULPRITS - 2));
	assert_string_equal(drift.last.process, "evil-99");
	assert_int_equal(drift.last.count, 1);
	assert_string_equal(drift.culprits[0].process, "nft");
	assert_int_equal(drift.events, 103);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_nothing_to_do),
		cmocka_unit_test(repairs_the_first_change_at_once),
		cmocka_unit_test(backs_off),
		cmocka_unit_test(spares_the_machine),
		cmocka_unit_test(forgives),
		cmocka_unit_test(looks_when_in_doubt),
		cmocka_unit_test(knows_better_than_a_look),
		cmocka_unit_test(repairs_what_a_look_found),
		cmocka_unit_test(rebuilds_where_emptying_does_not_help),
		cmocka_unit_test(counts_culprits_by_name),
	};

	return cmocka_run_group_tests_name("cmd/drift", tests, NULL, NULL);
}

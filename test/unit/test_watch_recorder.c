/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/recorder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "test/unit/test.h"

#define SECOND 1000000u
#define WALL_NS 1767323045000678901

/** A recorder, and the time that the test says it is. */
struct rig {
	struct watch_recorder *r;
	struct watch_rate rate;
	uint64_t start;
	uint64_t now;
	struct watch_record_order order;
};

static struct rig new_rig(uint32_t milli_qps, uint32_t burst)
{
	struct rig rig = { .start = 1000 * SECOND, .now = 1000 * SECOND };

	rig.r = watch_recorder_new("kube-proxy", "kube-proxy-host", 7);
	watch_rate_init(&rig.rate, milli_qps, burst, rig.now);
	return rig;
}

static void add(struct rig *rig, const char *name)
{
	const struct watch_record record = {
		.is_warning = true,
		.reason = "FailedToStartServiceHealthcheck",
		.action = "Listen",
		.kind = "Service",
		.namespace = "shop",
		.name = name,
		.note = "in use",
	};

	watch_recorder_add(rig->r, rig->now, WALL_NS + (int64_t)(rig->now - rig->start) * 1000,
	                   &record);
}

static enum watch_todo next(struct rig *rig)
{
	watch_recorder_next(rig->r, &rig->rate, rig->now, &rig->order);
	return rig->order.todo;
}

/* A body of a refusal comes in two pieces. */
static void answer(struct rig *rig, unsigned status, const char *body)
{
	size_t half = strlen(body) / 2;

	watch_recorder_head(rig->r, status, 0);
	watch_recorder_body(rig->r, body, half);
	watch_recorder_body(rig->r, body + half, strlen(body + half));
	watch_recorder_end(rig->r, rig->now, 0, "");
}

static void expect_sent(struct rig *rig, const char *method, const char *target, const char *part)
{
	assert_int_equal(next(rig), WATCH_SEND);
	assert_string_equal(rig->order.request.method, method);
	if (strstr(rig->order.request.target, target) == NULL)
		fail_msg("no '%s' in %s", target, rig->order.request.target);
	assert_int_equal(rig->order.request.body_len, strlen(rig->order.request.body));
	if (strstr(rig->order.request.body, part) == NULL)
		fail_msg("no '%s' in %s", part, rig->order.request.body);
}

static void expect_nothing_for(struct rig *rig, uint64_t us)
{
	assert_int_equal(next(rig), WATCH_WAIT);
	if (rig->order.until_us < rig->now + us)
		fail_msg("to be asked in %llu us, not %llu",
		         (unsigned long long)(rig->order.until_us - rig->now),
		         (unsigned long long)us);
}

/* Passes the time until there is something to send. Return: how long it took. */
static uint64_t pass(struct rig *rig)
{
	uint64_t before = rig->now;

	assert_int_equal(next(rig), WATCH_WAIT);
	assert_true(rig->order.until_us > rig->now && rig->order.until_us != UINT64_MAX);
	rig->now = rig->order.until_us;
	return rig->now - before;
}

static struct watch_record_status status_of(const struct rig *rig)
{
	return watch_recorder_status(rig->r);
}

static void what_has_happened_is_told_once(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	expect_nothing_for(&rig, UINT64_MAX - rig.now);
	add(&rig, "web");
	assert_int_equal(status_of(&rig).waiting, 1);
	expect_sent(&rig, "POST", "/apis/events.k8s.io/v1/namespaces/shop/events", "\"web.1886ca");
	assert_string_equal(rig.order.request.type, "application/json");
	assert_null(strstr(rig.order.request.body, "series"));
	expect_nothing_for(&rig, WATCH_RECORD_WAIT_US);
	answer(&rig, 201, "{}");
	expect_nothing_for(&rig, UINT64_MAX - rig.now);
	assert_int_equal(status_of(&rig).created, 1);
	assert_int_equal(status_of(&rig).waiting, 0);
	watch_recorder_free(rig.r);
}

static void an_object_without_namespace_has_its_events_in_default(void **state)
{
	const struct watch_record record = { .reason = "Starting",
		                             .action = "StartKubeProxy",
		                             .kind = "Node",
		                             .namespace = "",
		                             .name = "n",
		                             .note = "" };
	struct rig rig = new_rig(0, 0);

	(void)state;
	watch_recorder_add(rig.r, rig.now, WALL_NS, &record);
	expect_sent(&rig, "POST", "/namespaces/default/events", "\"namespace\":\"default\"");
	watch_recorder_free(rig.r);
}

static void names_differ_even_in_the_same_nanosecond(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	add(&rig, "api");
	expect_sent(&rig, "POST", "/events", "\"web.1886caf21ca08df5\"");
	answer(&rig, 201, "");
	expect_sent(&rig, "POST", "/events", "\"api.1886caf21ca08df6\"");
	watch_recorder_free(rig.r);
}

/* Happens every 5 s, as a port is tried. */
static void a_series_is_told_when_it_has_become_twice_as_old(void **state)
{
	uint64_t longest = 0;
	unsigned patches = 0;
	unsigned count = 1;
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	expect_sent(&rig, "POST", "/events", "web");
	answer(&rig, 201, "");
	for (uint64_t told = rig.now; rig.now < rig.start + 4 * 3600 * (uint64_t)SECOND;) {
		struct strbuf want AUTO_STRBUF = { 0 };

		rig.now += 5 * SECOND;
		add(&rig, "web");
		count++;
		if (next(&rig) == WATCH_WAIT)
			continue;
		strbuf_printf(&want, "{\"series\":{\"count\":%u,", count);
		assert_string_equal(rig.order.request.method, "PATCH");
		assert_string_equal(rig.order.request.type, "application/merge-patch+json");
		assert_string_equal(rig.order.request.target,
		                    "/apis/events.k8s.io/v1/namespaces/shop/events/"
		                    "web.1886caf21ca08df5");
		assert_memory_equal(rig.order.request.body, want.text, want.len);
		assert_true(rig.now - told >= WATCH_SERIES_MIN_US);
		longest = rig.now - told > longest ? rig.now - told : longest;
		told = rig.now;
		answer(&rig, 200, "{}");
		patches++;
		if (patches == 1)
			assert_int_equal(rig.now - rig.start, WATCH_SERIES_MIN_US);
	}
	/* 5, 10, 20, ... 1280, 2560 s, then every half hour */
	assert_true(patches >= 14 && patches <= 18);
	assert_int_equal(longest, WATCH_SERIES_MAX_US);
	assert_int_equal(status_of(&rig).updated, patches);
	assert_int_equal(status_of(&rig).created, 1);
	watch_recorder_free(rig.r);
}

static void the_end_of_a_series_is_told_and_what_comes_later_is_a_new_event(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	expect_sent(&rig, "POST", "/events", "web");
	answer(&rig, 201, "");
	for (int i = 0; i < 400; i++) { /* half an hour and more */
		rig.now += 5 * SECOND;
		add(&rig, "web");
		if (next(&rig) == WATCH_SEND)
			answer(&rig, 200, "");
	}
	assert_true(pass(&rig) <= WATCH_SERIES_END_US);
	expect_sent(&rig, "PATCH", "/events/web.", "\"count\":401,");
	answer(&rig, 200, "");
	expect_nothing_for(&rig, UINT64_MAX - rig.now);
	rig.now += WATCH_SERIES_END_US;
	add(&rig, "web");
	expect_sent(&rig, "POST", "/events", "web");
	assert_null(strstr(rig.order.request.body, "series"));
	watch_recorder_free(rig.r);
}

static void what_happens_while_it_is_told_counts(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	add(&rig, "web");
	expect_sent(&rig, "POST", "/events", "\"series\":{\"count\":2,");
	add(&rig, "web");
	answer(&rig, 201, "");
	pass(&rig);
	/* the third came when the Event was not known to be there */
	expect_sent(&rig, "PATCH", "/events/web.", "\"count\":3,");
	add(&rig, "web");
	answer(&rig, 200, "");
	pass(&rig);
	expect_sent(&rig, "PATCH", "/events/web.", "\"count\":4,");
	watch_recorder_free(rig.r);
}

static void there_is_room_for_so_many(void **state)
{
	struct rig rig = new_rig(0, 0);
	char name[32];

	(void)state;
	for (unsigned i = 0; i < WATCH_MAX_RECORDS + 10; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		add(&rig, name);
	}
	assert_int_equal(status_of(&rig).dropped, 10);
	for (unsigned i = 0; i < WATCH_MAX_RECORDS; i++) {
		assert_int_equal(next(&rig), WATCH_SEND);
		answer(&rig, 201, "");
	}
	assert_int_equal(next(&rig), WATCH_WAIT);
	add(&rig, "s0"); /* it has its place */
	assert_int_equal(status_of(&rig).dropped, 10);
	/* A place becomes free when a series is over, not before: else they would go round. */
	add(&rig, "late");
	assert_int_equal(status_of(&rig).dropped, 11);
	rig.now += WATCH_SERIES_END_US;
	expect_sent(&rig, "PATCH", "/events/s0.", "\"count\":2");
	answer(&rig, 200, "");
	add(&rig, "late");
	assert_int_equal(status_of(&rig).dropped, 11);
	expect_sent(&rig, "POST", "/events", "late");
	watch_recorder_free(rig.r);
}

static const struct failure {
	const char *what;
	unsigned status; /* 0: none */
	int ret;
} failures[] = {
	{ "no connection", 0, -ECONNREFUSED },
	{ "an answer that broke off before its status", 0, -ECONNRESET },
	{ "401, perhaps of a token that rotates", 401, 0 },
	{ "408", 408, 0 },
	{ "429", 429, 0 },
	{ "500", 500, 0 },
	{ "503", 503, 0 },
	{ "a refusal whose body broke off", 403, -EPROTO },
};

static void fail_once(struct rig *rig, const struct failure *failure)
{
	if (failure->status != 0)
		watch_recorder_head(rig->r, failure->status, 0);
	watch_recorder_end(rig->r, rig->now, failure->ret, "so it is");
}

static void failures_are_tried_again_so_often(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		struct rig rig = new_rig(0, 0);
		uint64_t pause_us = WATCH_RECORD_PAUSE_MIN_US;

		print_message("  - %s\n", failures[i].what);
		add(&rig, "web");
		for (unsigned tries = 1; tries < WATCH_RECORD_TRIES; tries++) {
			uint64_t waited;

			expect_sent(&rig, "POST", "/events", "web.1886caf21ca08df5");
			fail_once(&rig, &failures[i]);
			waited = pass(&rig);
			assert_in_range(waited, pause_us - pause_us / 4, pause_us + pause_us / 4);
			pause_us = pause_us * 2 < WATCH_RECORD_PAUSE_MAX_US
			                   ? pause_us * 2
			                   : WATCH_RECORD_PAUSE_MAX_US;
		}
		assert_int_equal(status_of(&rig).failed, 0);
		expect_sent(&rig, "POST", "/events", "web");
		fail_once(&rig, &failures[i]);
		expect_nothing_for(&rig, UINT64_MAX - rig.now);
		assert_int_equal(status_of(&rig).failed, 1);
		assert_true(strlen(status_of(&rig).reason) > 0);
		/* if it goes on, it is told when the server has had some rest */
		add(&rig, "web");
		rig.now += WATCH_SERIES_END_US - 1;
		add(&rig, "web");
		expect_nothing_for(&rig, UINT64_MAX - rig.now);
		rig.now++;
		add(&rig, "web");
		expect_sent(&rig, "POST", "/events", "web.");
		assert_null(strstr(rig.order.request.body, "series"));
		assert_null(strstr(rig.order.request.body, "web.1886caf21ca08df5"));
		watch_recorder_free(rig.r);
	}
}

static void a_failure_is_forgotten_when_all_is_well(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add(&rig, i == 0 ? "one" : i == 1 ? "two" : "three");
		expect_sent(&rig, "POST", "/events", "");
		fail_once(&rig, &failures[0]);
		assert_true(pass(&rig) <= WATCH_RECORD_PAUSE_MIN_US * 5 / 4);
		expect_sent(&rig, "POST", "/events", "");
		answer(&rig, 201, "");
	}
	watch_recorder_free(rig.r);
}

static void one_that_fails_does_not_hold_up_the_others(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "bad");
	add(&rig, "good");
	expect_sent(&rig, "POST", "/events", "bad");
	answer(&rig, 500, "");
	pass(&rig);
	expect_sent(&rig, "POST", "/events", "good");
	answer(&rig, 201, "");
	expect_sent(&rig, "POST", "/events", "bad");
	watch_recorder_free(rig.r);
}

static void a_server_that_says_when_is_believed(void **state)
{
	static const uint32_t rows[][2] = { { 90, 90 }, { 3600, 600 } }; /* at most ten minutes */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig rig = new_rig(0, 0);

		add(&rig, "web");
		assert_int_equal(next(&rig), WATCH_SEND);
		watch_recorder_head(rig.r, 429, rows[i][0]);
		watch_recorder_end(rig.r, rig.now, 0, "");
		assert_int_equal(pass(&rig), (uint64_t)rows[i][1] * SECOND);
		watch_recorder_free(rig.r);
	}
}

static void a_silent_server_is_given_up(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	assert_int_equal(pass(&rig), WATCH_RECORD_WAIT_US);
	assert_int_equal(next(&rig), WATCH_CANCEL);
	pass(&rig);
	expect_sent(&rig, "POST", "/events", "web");
	answer(&rig, 201, "");
	watch_recorder_free(rig.r);
}

#define FORBIDDEN                                                                            \
	"{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"events is forbidden\"," \
	"\"code\":403}"
#define ENDING                                                                                  \
	"{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"it is being terminated\"," \
	"\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\"}]},\"code\":403}"

static void without_the_right_nothing_is_sent_for_an_hour(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	add(&rig, "api");
	assert_int_equal(next(&rig), WATCH_SEND);
	answer(&rig, 403, FORBIDDEN);
	assert_true(status_of(&rig).is_forbidden);
	assert_string_equal(status_of(&rig).reason,
	                    "the server answered 403, Forbidden: events is forbidden");
	assert_int_equal(status_of(&rig).refused, 2);
	expect_nothing_for(&rig, UINT64_MAX - rig.now);
	for (unsigned i = 0; i < 59; i++) {
		rig.now += 60 * SECOND;
		add(&rig, "web");
		expect_nothing_for(&rig, UINT64_MAX - rig.now);
	}
	assert_int_equal(status_of(&rig).refused, 61);
	rig.now += 60 * SECOND;
	add(&rig, "web");
	expect_sent(&rig, "POST", "/events", "web");
	assert_true(status_of(&rig).is_forbidden); /* as far as is known */
	answer(&rig, 201, "");
	assert_false(status_of(&rig).is_forbidden);
	watch_recorder_free(rig.r);
}

static const struct refusal {
	const char *what;
	unsigned status;
	const char *body;
} refusals[] = {
	{ "an Event that is not valid", 422, "" },
	{ "a namespace that is not there", 404, "" },
	{ "a namespace that is being removed", 403, ENDING },
	{ "nonsense", 400, "<html>" },
	{ "somewhere else", 302, "" },
};

static void what_is_refused_is_not_sent_again_and_others_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct rig rig = new_rig(0, 0);

		print_message("  - %s\n", refusals[i].what);
		add(&rig, "web");
		assert_int_equal(next(&rig), WATCH_SEND);
		answer(&rig, refusals[i].status, refusals[i].body);
		assert_int_equal(status_of(&rig).refused, 1);
		assert_false(status_of(&rig).is_forbidden);
		for (unsigned n = 0; n < 3599 / 5; n++) {
			rig.now += 5 * SECOND;
			add(&rig, "web");
			expect_nothing_for(&rig, UINT64_MAX - rig.now);
		}
		add(&rig, "api");
		expect_sent(&rig, "POST", "/events", "api");
		answer(&rig, 201, "");
		rig.now += 5 * SECOND;
		add(&rig, "web"); /* after an hour */
		expect_sent(&rig, "POST", "/events", "web");
		assert_null(strstr(rig.order.request.body, "series"));
		watch_recorder_free(rig.r);
	}
}

static void one_that_is_there_already_was_created_by_us(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	fail_once(&rig, &failures[1]); /* but it had arrived */
	pass(&rig);
	assert_int_equal(next(&rig), WATCH_SEND);
	answer(&rig, 409, "");
	assert_int_equal(status_of(&rig).created, 1);
	expect_nothing_for(&rig, UINT64_MAX - rig.now);

	add(&rig, "api");
	assert_int_equal(next(&rig), WATCH_SEND);
	fail_once(&rig, &failures[1]);
	add(&rig, "api");
	pass(&rig);
	expect_sent(&rig, "POST", "/events", "\"count\":2");
	answer(&rig, 409, ""); /* what is there has no series */
	assert_int_equal(pass(&rig), WATCH_SERIES_MIN_US);
	expect_sent(&rig, "PATCH", "/events/api.", "\"count\":2");
	watch_recorder_free(rig.r);
}

static void a_series_whose_event_is_gone_is_created_again(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	answer(&rig, 201, "");
	rig.now += WATCH_SERIES_MIN_US;
	add(&rig, "web");
	expect_sent(&rig, "PATCH", "/events/web.1886caf21ca08df5", "\"count\":2");
	answer(&rig, 404, "");
	expect_sent(&rig, "POST", "/events", "\"series\":{\"count\":2,");
	assert_non_null(strstr(rig.order.request.body, "web.1886caf21ca08df5"));
	assert_int_equal(status_of(&rig).refused, 0);
	watch_recorder_free(rig.r);
}

static void a_conflict_is_tried_again(void **state)
{
	struct rig rig = new_rig(0, 0);

	(void)state;
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	answer(&rig, 201, "");
	rig.now += WATCH_SERIES_MIN_US;
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	answer(&rig, 409, "");
	pass(&rig);
	expect_sent(&rig, "PATCH", "/events/web.", "\"count\":2");
	watch_recorder_free(rig.r);
}

static void tokens_are_left_for_the_watches(void **state)
{
	struct rig rig = new_rig(5000, 10); /* five a second, ten at once */
	unsigned sent = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "s%u", i);
		add(&rig, name);
	}
	for (; next(&rig) == WATCH_SEND; sent++)
		answer(&rig, 201, "");
	assert_int_equal(sent, 10 - WATCH_RESOURCES);
	for (unsigned i = 0; i < WATCH_RESOURCES; i++) {
		assert_int_equal(watch_rate_ready(&rig.rate, rig.now), rig.now);
		watch_rate_take(&rig.rate, rig.now);
	}
	/* the watches' tokens have to come back first */
	assert_int_equal(pass(&rig), (WATCH_RESOURCES + 1) * SECOND / 5);
	assert_int_equal(next(&rig), WATCH_SEND);
	watch_recorder_free(rig.r);
}

static void an_instance_is_cut_to_what_the_server_takes(void **state)
{
	char instance[200];
	const char *found;
	struct rig rig = new_rig(0, 0);

	(void)state;
	watch_recorder_free(rig.r);
	memset(instance, 'i', sizeof(instance));
	instance[sizeof(instance) - 1] = '\0';
	rig.r = watch_recorder_new("kube-proxy", instance, 1);
	add(&rig, "web");
	assert_int_equal(next(&rig), WATCH_SEND);
	found = strstr(rig.order.request.body, "\"iii");
	assert_non_null(found);
	assert_int_equal(strspn(found + 1, "i"), 128);
	watch_recorder_free(rig.r);
	watch_recorder_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_happened_is_told_once),
		cmocka_unit_test(an_object_without_namespace_has_its_events_in_default),
		cmocka_unit_test(names_differ_even_in_the_same_nanosecond),
		cmocka_unit_test(a_series_is_told_when_it_has_become_twice_as_old),
		cmocka_unit_test(the_end_of_a_series_is_told_and_what_comes_later_is_a_new_event),
		cmocka_unit_test(what_happens_while_it_is_told_counts),
		cmocka_unit_test(there_is_room_for_so_many),
		cmocka_unit_test(failures_are_tried_again_so_often),
		cmocka_unit_test(a_failure_is_forgotten_when_all_is_well),
		cmocka_unit_test(one_that_fails_does_not_hold_up_the_others),
		cmocka_unit_test(a_server_that_says_when_is_believed),
		cmocka_unit_test(a_silent_server_is_given_up),
		cmocka_unit_test(without_the_right_nothing_is_sent_for_an_hour),
		cmocka_unit_test(what_is_refused_is_not_sent_again_and_others_are),
		cmocka_unit_test(one_that_is_there_already_was_created_by_us),
		cmocka_unit_test(a_series_whose_event_is_gone_is_created_again),
		cmocka_unit_test(a_conflict_is_tried_again),
		cmocka_unit_test(tokens_are_left_for_the_watches),
		cmocka_unit_test(an_instance_is_cut_to_what_the_server_takes),
	};

	return cmocka_run_group_tests_name("watch/recorder", tests, NULL, NULL);
}

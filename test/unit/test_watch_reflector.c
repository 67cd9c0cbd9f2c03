/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/reflector_rig.h"
#include "test/unit/test.h"

static void streams_a_list_then_watches(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	assert_false(status_of(&rig)->is_listed);
	expect_send(&rig,
	            "/api/v1/services? labelSelector=%21service.kubernetes.io%2Fservice-proxy-name "
	            "fieldSelector=spec.clusterIP%21%3DNone watch=1 sendInitialEvents=true "
	            "resourceVersionMatch=NotOlderThan allowWatchBookmarks=true timeoutSeconds= "
	            "!resourceVersion=");
	head(&rig, 200);
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5") SERVICE("ADDED", "b", "6")), 0);
	expect_told(&rig, "begin in:ns/a in:ns/b ");
	assert_false(status_of(&rig)->is_listed);
	assert_int_equal(body(&rig, LIST_END("7")), 0);
	expect_told(&rig, "end ");
	assert_true(status_of(&rig)->is_listed && status_of(&rig)->is_watching);
	/* it goes on as a watch */
	assert_int_equal(body(&rig, SERVICE("MODIFIED", "a", "8") SERVICE("DELETED", "b", "9")), 0);
	expect_told(&rig, "put:ns/a delete:ns/b ");
	rig.now += 400000000;
	end(&rig);
	assert_false(status_of(&rig)->is_watching);
	expect_send(&rig, "watch=1 resourceVersion=9 !sendInitialEvents allowWatchBookmarks=true");
	head(&rig, 200);
	assert_int_equal(body(&rig, BOOKMARK("20")), 0);
	rig.now += 400000000;
	end(&rig);
	expect_send(&rig, "watch=1 resourceVersion=20");
	expect_told(&rig, "");
	assert_int_equal(status_of(&rig)->lists, 1);
	assert_int_equal(status_of(&rig)->watches, 2);
	assert_int_equal(status_of(&rig)->failures, 0);
	close_rig(&rig);
}

static void asks_for_lengths_of_five_to_ten_minutes(void **state)
{
	unsigned long least = 1000;
	unsigned long most = 0;
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	list(&rig);
	for (int i = 0; i < 200; i++) {
		unsigned long seconds;

		rig.now += 2000000;
		assert_int_equal(body(&rig, BOOKMARK("8")), 0);
		end(&rig);
		expect_send(&rig, "watch=1");
		head(&rig, 200);
		seconds = strtoul(strstr(rig.order.target, "timeoutSeconds=") + 15, NULL, 10);
		least = seconds < least ? seconds : least;
		most = seconds > most ? seconds : most;
	}
	assert_in_range(least, 300, 320);
	assert_in_range(most, 580, 599);
	close_rig(&rig);
}

/* Objects may change while they are streamed. */
static void lists_what_changes_meanwhile(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	head(&rig, 200);
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5") SERVICE("MODIFIED", "a", "8")
	                                    SERVICE("DELETED", "b", "9") LIST_END("7")),
	                 0);
	expect_told(&rig, "begin in:ns/a out:ns/a in:ns/a out:ns/b end ");
	rig.now += 2000000;
	assert_int_equal(body(&rig, BOOKMARK("9")), 0);
	end(&rig);
	expect_send(&rig, "resourceVersion=9");
	close_rig(&rig);
}

static const unsigned refusals[] = { 400, 405, 406, 415, 422, 501 };

static void pages_where_streaming_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct rig rig;

		open_rig(&rig, 0);
		expect_send(&rig, "sendInitialEvents=true");
		answer(&rig, refusals[i], STATUS("422", "Invalid"));
		expect_send(&rig,
		            "limit=500 !continue= !watch=1 !sendInitialEvents labelSelector=");
		answer(&rig, 200, PAGE("30", "a+b/c=", ITEM("a") "," ITEM("b")));
		expect_send(&rig, "limit=500 continue=a%2Bb%2Fc%3D");
		expect_told(&rig, "begin in:ns/a in:ns/b ");
		assert_false(status_of(&rig)->is_listed);
		answer(&rig, 200, PAGE("31", "", ITEM("c")));
		expect_told(&rig, "in:ns/c end ");
		assert_int_equal(status_of(&rig)->failures, 0);
		/* a list later on does not ask again what was refused, for an hour */
		expect_send(&rig, "watch=1 resourceVersion=31 !sendInitialEvents");
		rig.now += 10000000;
		head(&rig, 200);
		assert_int_equal(body(&rig, GONE), -ECANCELED);
		watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
		expect_send(&rig, "limit=500 !continue=");
		rig.now += 3600000000;
		answer(&rig, 503, "");
		expect_pause(&rig, 600000, 1000000);
		expect_send(&rig, "sendInitialEvents=true");
		close_rig(&rig);
	}
}

static void lists_anew_when_a_page_is_gone(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	answer(&rig, 422, "");
	expect_send(&rig, "limit=500");
	answer(&rig, 200, PAGE("30", "next", ITEM("a")));
	expect_send(&rig, "continue=next");
	rig.now += 10000000;
	answer(&rig, 410, STATUS("410", "Expired"));
	expect_told(&rig, "begin in:ns/a broken ");
	/* tokens that expire before they are used cost the paging, not the list */
	expect_send(&rig, "limit=0 !continue=");
	answer(&rig, 200, PAGE("40", "", ITEM("b")));
	expect_told(&rig, "begin in:ns/b end ");
	assert_int_equal(status_of(&rig)->expired, 1);
	expect_send(&rig, "watch=1 resourceVersion=40");
	close_rig(&rig);
}

static void lists_anew_when_the_revision_is_gone(void **state)
{
	static const char *const gone[] = {
		GONE,
		"{\"type\":\"ERROR\",\"object\":" STATUS("410", "Gone") "}\n",
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"reason\":\"Timeout\","
		"\"code\":"
		"504,\"details\":{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\"}]}}}\n",
	};

	(void)state;
	for (size_t i = 0; i <= ARRAY_LEN(gone); i++) {
		struct rig rig;

		open_rig(&rig, 0);
		list(&rig);
		rig.now += 60000000;
		if (i < ARRAY_LEN(gone)) { /* in the watch */
			assert_int_equal(body(&rig, gone[i]), -ECANCELED);
			watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
		} else { /* or when it is asked for */
			assert_int_equal(body(&rig, BOOKMARK("8")), 0);
			end(&rig);
			expect_send(&rig, "resourceVersion=8");
			answer(&rig, 410, STATUS("410", "Expired"));
		}
		expect_told(&rig, "");
		expect_send(&rig, "sendInitialEvents=true !resourceVersion=");
		head(&rig, 200);
		assert_int_equal(body(&rig, SERVICE("ADDED", "c", "50") LIST_END("60")), 0);
		expect_told(&rig, "begin in:ns/c end ");
		assert_int_equal(status_of(&rig)->relists, 1);
		assert_int_equal(status_of(&rig)->expired, 1);
		/* again at once: this time it waits */
		assert_int_equal(body(&rig, GONE), -ECANCELED);
		watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
		expect_pause(&rig, 600000, 1000000);
		expect_send(&rig, "sendInitialEvents=true");
		close_rig(&rig);
	}
}

/* A list of a large cluster; it ends well, and the watch that it goes on as breaks off at once. */
static void list_slowly_in_vain(struct rig *rig, const char *line)
{
	expect_send(rig, "sendInitialEvents=true");
	head(rig, 200);
	rig->now += 6000000;
	assert_int_equal(body(rig, SERVICE("ADDED", "a", "5") LIST_END("7")), 0);
	assert_int_equal(body(rig, line), -ECANCELED);
	watch_reflector_end(rig->r, rig->now, -ECANCELED, "");
}

static void pauses_longer_with_every_list_that_was_of_no_use(void **state)
{
	static const char *const lines[] = { GONE, "no JSON\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		uint64_t pause = 800000;
		struct rig rig;

		open_rig(&rig, 0);
		list(&rig);
		rig.now += 60000000;
		assert_int_equal(body(&rig, SERVICE("MODIFIED", "a", "8") GONE), -ECANCELED);
		watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
		list_slowly_in_vain(&rig, lines[i]);
		if (i > 0) /* a failure pauses the first time, too */
			expect_pause(&rig, 600000, 1000000);
		for (int k = 0; k < 8; k++) {
			list_slowly_in_vain(&rig, lines[i]);
			expect_pause(&rig, pause / 4 * 3, pause / 4 * 5);
			pause = pause * 2 < WATCH_PAUSE_MAX_US ? pause * 2 : WATCH_PAUSE_MAX_US;
		}
		assert_int_equal(pause, WATCH_PAUSE_MAX_US);
		/* until a watch has told something */
		list_slowly_in_vain(&rig, SERVICE("MODIFIED", "a", "8") GONE);
		list_slowly_in_vain(&rig, lines[i]);
		if (i > 0)
			expect_pause(&rig, 600000, 1000000);
		else
			expect_send(&rig, "sendInitialEvents=true");
		close_rig(&rig);
	}
}

/* A list that breaks off is no list, however it breaks. */
static void takes_no_broken_list(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	head(&rig, 200);
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5") "{\"type\":\"ADDED\",\"obj"), 0);
	watch_reflector_end(rig.r, rig.now, -EPROTO, "cut short");
	expect_told(&rig, "begin in:ns/a broken ");
	assert_string_equal(status_of(&rig)->reason, "cut short");
	expect_pause(&rig, 600000, 1000000);
	/* one that ends well, but without its bookmark, is not asked for again */
	expect_send(&rig, "sendInitialEvents=true !resourceVersion=");
	answer(&rig, 200, SERVICE("ADDED", "a", "5"));
	expect_told(&rig, "begin in:ns/a broken ");
	expect_pause(&rig, 1200000, 2000000);
	/* pages: cut inside, ended inside, no list at all */
	expect_send(&rig, "limit=500");
	head(&rig, 200);
	assert_int_equal(body(&rig, "{\"kind\":\"ServiceList\",\"items\":[" ITEM("a") ",{\"met"),
	                 0);
	watch_reflector_end(rig.r, rig.now, -EPROTO, "cut short");
	expect_told(&rig, "begin in:ns/a broken ");
	expect_pause(&rig, 2400000, 4000000);
	expect_send(&rig, "limit=500");
	answer(&rig, 200, "{\"kind\":\"ServiceList\",\"items\":[" ITEM("a"));
	expect_told(&rig, "begin in:ns/a broken ");
	assert_string_equal(status_of(&rig)->reason,
	                    "a page of the list is broken: document 1, line "
	                    "1: the text ends inside an object");
	expect_pause(&rig, 4800000, 8000000);
	expect_send(&rig, "limit=500");
	answer(&rig, 200, "");
	expect_told(&rig, "begin broken ");
	assert_string_equal(status_of(&rig)->reason, "the answer is not a list");
	expect_pause(&rig, 9600000, 16000000);
	expect_send(&rig, "limit=500");
	head(&rig, 200);
	assert_int_equal(body(&rig, "<html>proxy says no</html>"), -ECANCELED);
	watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
	expect_told(&rig, "begin broken ");
	expect_pause(&rig, 18000000, 30000000 * 5 / 4);
	assert_false(status_of(&rig)->is_listed);
	expect_send(&rig, "limit=500");
	answer(&rig, 200, PAGE("7", "", ITEM("a")));
	expect_told(&rig, "begin in:ns/a end ");
	assert_int_equal(status_of(&rig)->failing_since_us, 0);
	close_rig(&rig);
}

static void pauses_longer_with_every_failure(void **state)
{
	uint64_t least = 0;
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	list(&rig);
	end(&rig);
	for (int i = 0; i < 30; i++) {
		uint64_t base = i < 6 ? 800000u << i : 30000000;

		if (base > 30000000)
			base = 30000000;
		expect_pause(&rig, base * 3 / 4, base * 5 / 4);
		expect_send(&rig, "watch=1 resourceVersion=7");
		watch_reflector_end(rig.r, rig.now, -ECONNREFUSED, "connection refused");
		least = status_of(&rig)->failing_since_us;
	}
	assert_true(least > 0 && rig.now - least > 600000000);
	expect_pause(&rig, 22000000, 38000000);
	/* an answer ends the alarm, an event the long pauses */
	expect_send(&rig, "watch=1");
	head(&rig, 200);
	assert_int_equal(status_of(&rig)->failing_since_us, 0);
	assert_int_equal(body(&rig, BOOKMARK("9")), 0);
	watch_reflector_end(rig.r, rig.now, -ECONNRESET, "connection reset");
	expect_pause(&rig, 600000, 1000000);
	expect_told(&rig, "");
	close_rig(&rig);
}

static void honours_retry_after(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	watch_reflector_head(rig.r, rig.now, 429, 17);
	end(&rig);
	assert_string_equal(status_of(&rig)->reason, "the server answered 429");
	expect_pause(&rig, 17000000, 17000000);
	expect_send(&rig, "sendInitialEvents=true");
	watch_reflector_head(rig.r, rig.now, 503, 86400);
	assert_int_equal(body(&rig, STATUS("503", "ServiceUnavailable")), 0);
	end(&rig);
	assert_string_equal(status_of(&rig)->reason, "the server answered 503, ServiceUnavailable");
	expect_pause(&rig, WATCH_RETRY_AFTER_MAX_US, WATCH_RETRY_AFTER_MAX_US);
	expect_send(&rig, "sendInitialEvents=true");
	close_rig(&rig);
}

static void keeps_to_the_rate(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	watch_rate_init(&rig.rate, 1000, 1, rig.now);
	list(&rig);
	rig.now += 10000;
	assert_int_equal(body(&rig, GONE), -ECANCELED);
	watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
	expect_pause(&rig, 600000, 1000000);
	expect_send(&rig, "sendInitialEvents=true");
	close_rig(&rig);
}

static void does_without_what_is_optional(void **state)
{
	static const unsigned codes[] = { 403, 404 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct rig rig;

		open_rig(&rig, 3);
		expect_send(&rig, "/apis/networking.k8s.io/v1/servicecidrs?watch=1");
		answer(&rig, codes[i], STATUS("403", "Forbidden"));
		assert_true(status_of(&rig)->is_listed && status_of(&rig)->is_absent);
		assert_int_equal(status_of(&rig)->failures, 0);
		assert_string_equal(status_of(&rig)->reason, "Forbidden");
		expect_told(&rig, "");
		expect_pause(&rig, WATCH_ABSENT_PAUSE_US, WATCH_ABSENT_PAUSE_US);
		expect_send(&rig, "sendInitialEvents=true");
		head(&rig, 200);
		assert_int_equal(body(&rig, LIST_END("7")), 0);
		expect_told(&rig, "begin end ");
		assert_false(status_of(&rig)->is_absent);
		assert_int_equal(status_of(&rig)->relists, 0);
		/* what was there once stays when it is refused */
		rig.now += 2000000;
		assert_int_equal(body(&rig, BOOKMARK("8")), 0);
		end(&rig);
		expect_send(&rig, "watch=1 resourceVersion=8");
		answer(&rig, codes[i], STATUS("403", "Forbidden"));
		assert_false(status_of(&rig)->is_absent);
		assert_int_equal(status_of(&rig)->failures, 1);
		expect_pause(&rig, 600000, 1000000);
		expect_told(&rig, "");
		close_rig(&rig);
		/* the others must be there */
		open_rig(&rig, 1);
		expect_send(&rig, "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=");
		answer(&rig, codes[i], "");
		assert_false(status_of(&rig)->is_listed);
		expect_pause(&rig, 600000, 1000000);
		close_rig(&rig);
	}
}

static void expect_cancel(struct rig *rig, uint64_t after_us)
{
	watch_reflector_next(rig->r, rig->now, &rig->order);
	assert_int_equal(rig->order.todo, WATCH_WAIT);
	assert_int_equal(rig->order.until_us, rig->now + after_us);
	rig->now += after_us;
	watch_reflector_next(rig->r, rig->now, &rig->order);
	assert_int_equal(rig->order.todo, WATCH_CANCEL);
}

static void gives_up_a_silent_server(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	/* no head */
	expect_send(&rig, "sendInitialEvents=true");
	expect_cancel(&rig, WATCH_SILENCE_US);
	expect_told(&rig, "");
	assert_string_equal(status_of(&rig)->reason, "the server has said nothing for 30 s");
	expect_pause(&rig, 600000, 1000000);
	/* a streaming list that stands still; pages are tried then */
	expect_send(&rig, "sendInitialEvents=true");
	head(&rig, 200);
	rig.now += 20000000;
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5")), 0);
	expect_cancel(&rig, WATCH_SILENCE_US);
	expect_told(&rig, "begin in:ns/a broken ");
	expect_pause(&rig, 1200000, 2000000);
	/* a page that stands still */
	expect_send(&rig, "limit=500");
	head(&rig, 200);
	assert_int_equal(body(&rig, "{\"kind\":"), 0);
	expect_cancel(&rig, WATCH_SILENCE_US);
	expect_told(&rig, "begin broken ");
	expect_pause(&rig, 2400000, 4000000);
	expect_send(&rig, "limit=500");
	answer(&rig, 200, PAGE("7", "", ITEM("a")));
	/* a watch may be silent, but not for longer than it was asked for */
	expect_send(&rig, "watch=1");
	head(&rig, 200);
	expect_cancel(&rig, strtoul(strstr(rig.order.target, "timeoutSeconds=") + 15, NULL, 10) *
	                                    1000000 +
	                            WATCH_SILENCE_US);
	assert_int_equal(status_of(&rig)->timeouts, 4);
	expect_pause(&rig, 600000, 1000000);
	expect_send(&rig, "watch=1 resourceVersion=7");
	close_rig(&rig);
}

/* A watch from a revision that etcd has never had, after a restore, is open and sees nothing. */
static void lists_anew_when_a_watch_is_blind(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	list(&rig);
	end(&rig);
	rig.now += 1000000;
	expect_send(&rig, "watch=1 resourceVersion=7");
	head(&rig, 200);
	rig.now += 300000000;
	end(&rig);
	expect_send(&rig, "sendInitialEvents=true !resourceVersion=");
	assert_int_equal(status_of(&rig)->failures, 1); /* of list(), which ended at once */
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_a_list_then_watches),
		cmocka_unit_test(asks_for_lengths_of_five_to_ten_minutes),
		cmocka_unit_test(lists_what_changes_meanwhile),
		cmocka_unit_test(pages_where_streaming_is_refused),
		cmocka_unit_test(lists_anew_when_a_page_is_gone),
		cmocka_unit_test(lists_anew_when_the_revision_is_gone),
		cmocka_unit_test(pauses_longer_with_every_list_that_was_of_no_use),
		cmocka_unit_test(takes_no_broken_list),
		cmocka_unit_test(pauses_longer_with_every_failure),
		cmocka_unit_test(honours_retry_after),
		cmocka_unit_test(keeps_to_the_rate),
		cmocka_unit_test(does_without_what_is_optional),
		cmocka_unit_test(gives_up_a_silent_server),
		cmocka_unit_test(lists_anew_when_a_watch_is_blind),
	};

	return cmocka_run_group_tests_name("watch/reflector", tests, NULL, NULL);
}

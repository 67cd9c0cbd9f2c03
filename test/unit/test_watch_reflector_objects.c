/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/recording.h"
#include "test/unit/reflector_rig.h"
#include "test/unit/test.h"

#define BAD_SERVICE(type)                                                                          \
	"{\"type\":\"" type                                                                        \
	"\",\"object\":{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":"                  \
	"{\"name\":\"bad\",\"namespace\":\"ns\",\"resourceVersion\":\"9\"},\"spec\":{\"ports\":7}" \
	"}}\n"

static void expect_finding(struct rig *rig, const char *subject, const char *text)
{
	struct diags *diags = watch_reflector_diags(rig->r);

	assert_int_equal(diags->count, 1);
	assert_string_equal(diags->list[0].subject, subject);
	assert_string_equal(diags->list[0].text, text);
	diag_clear(diags);
}

static void keeps_the_last_good_form(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	head(&rig, 200);
	assert_int_equal(body(&rig, BAD_SERVICE("ADDED") SERVICE("ADDED", "a", "5") LIST_END("7")),
	                 0);
	expect_told(&rig, "begin keep:ns/bad in:ns/a end ");
	expect_finding(&rig, "Service ns/bad", "spec.ports: not a list");
	assert_int_equal(body(&rig, BAD_SERVICE("MODIFIED")), 0);
	expect_told(&rig, "");
	expect_finding(&rig, "Service ns/bad", "spec.ports: not a list");
	/* but what is deleted is deleted */
	assert_int_equal(body(&rig, BAD_SERVICE("DELETED")), 0);
	expect_told(&rig, "delete:ns/bad ");
	diag_clear(watch_reflector_diags(rig.r));
	rig.now += 2000000;
	end(&rig);
	expect_send(&rig, "resourceVersion=9"); /* and its revision was seen */
	close_rig(&rig);
}

/* Pads a line's object until it is larger than the bound. */
static void body_of_a_giant(struct rig *rig, const char *name)
{
	char blanks[4096];
	char text[256];

	memset(blanks, 'x', sizeof(blanks));
	(void)snprintf(
		text, sizeof(text),
		"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Service\",\"apiVersion\":\"v1\","
		"\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\",\"annotations\":{\"a\":\"",
		name);
	assert_int_equal(body(rig, text), 0);
	for (int i = 0; i < 4100; i++)
		assert_int_equal(watch_reflector_body(rig->r, rig->now, blanks, sizeof(blanks)), 0);
	assert_int_equal(body(rig, "\"}}}}\n"), 0);
}

static void drops_an_object_that_is_too_large(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	head(&rig, 200);
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5")), 0);
	body_of_a_giant(&rig, "giant");
	expect_told(&rig, "begin in:ns/a keep:ns/giant ");
	expect_finding(&rig, "Service ns/giant", "larger than 16 MiB; its last good form stays");
	assert_int_equal(body(&rig, LIST_END("7")), 0);
	body_of_a_giant(&rig, "giant");
	assert_int_equal(body(&rig, SERVICE("ADDED", "b", "9")), 0);
	expect_told(&rig, "end put:ns/b ");
	expect_finding(&rig, "Service ns/giant", "larger than 16 MiB; its last good form stays");
	assert_int_equal(status_of(&rig)->dropped, 2);
	close_rig(&rig);
}

static void drops_an_item_that_is_too_large(void **state)
{
	char blanks[4096];
	struct rig rig;

	(void)state;
	memset(blanks, 'x', sizeof(blanks));
	open_rig(&rig, 0);
	expect_send(&rig, "sendInitialEvents=true");
	answer(&rig, 422, "");
	expect_send(&rig, "limit=500");
	head(&rig, 200);
	assert_int_equal(
		body(&rig, "{\"kind\":\"ServiceList\",\"metadata\":{\"resourceVersion\":"
	                   "\"9\"},\"items\":[" ITEM(
				   "a") ",{\"metadata\":{\"name\":"
	                                "\"giant\",\"namespace\":\"ns\",\"annotations\":{\"a\":\""),
		0);
	for (int i = 0; i < 4100; i++)
		assert_int_equal(watch_reflector_body(rig.r, rig.now, blanks, sizeof(blanks)), 0);
	assert_int_equal(body(&rig, "\"}}}," ITEM("b") "]}"), 0);
	end(&rig);
	expect_told(&rig, "begin in:ns/a keep:ns/giant in:ns/b end ");
	expect_finding(&rig, "Service ns/giant", "larger than 16 MiB; its last good form stays");
	close_rig(&rig);
}

static void passes_over_what_it_does_not_know(void **state)
{
	struct rig rig;

	(void)state;
	open_rig(&rig, 0);
	list(&rig);
	assert_int_equal(body(&rig, "{\"type\":\"RENAMED\",\"object\":{},\"more\":1}\n"), 0);
	expect_finding(&rig, "services", "an event of type 'RENAMED', ignored");
	assert_int_equal(body(&rig, "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Table\"}}\n"), 0);
	expect_finding(&rig, "services", "an object of kind 'Table', ignored");
	assert_int_equal(body(&rig, "{\"type\":\"ADDED\"}\n"), 0);
	expect_finding(&rig, "services", "an event without object, of type 'ADDED', ignored");
	expect_told(&rig, "");
	/* twice, and deleted without having been there: for the store to see through */
	assert_int_equal(body(&rig, SERVICE("ADDED", "a", "5") SERVICE("ADDED", "a", "5")
	                                    SERVICE("DELETED", "z", "6")),
	                 0);
	expect_told(&rig, "put:ns/a put:ns/a delete:ns/z ");
	/* not for us after all, whatever the server thinks */
	assert_int_equal(body(&rig, "{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Service\","
	                            "\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\"},\"spec\":{"
	                            "\"clusterIP\":\"None\"}}}\n"),
	                 0);
	expect_told(&rig, "delete:ns/a ");
	/* what is no JSON hides something: list */
	assert_int_equal(body(&rig, "{\"type\":\"ADD\n"), -ECANCELED);
	watch_reflector_end(rig.r, rig.now, -ECANCELED, "");
	expect_pause(&rig, 600000, 1000000);
	expect_send(&rig, "sendInitialEvents=true resourceVersion=6");
	close_rig(&rig);
}

/* Feeds a recording in pieces of which the first is @cut long, and describes what came of it. */
static void play(const struct recording *rec, int resource, bool pages, bool watch, size_t cut,
                 struct strbuf *out)
{
	struct rig rig;
	int ret;

	open_rig(&rig, resource);
	expect_send(&rig, "watch=1");
	if (pages) {
		answer(&rig, 422, "");
		expect_send(&rig, "limit=500");
	} else if (watch) {
		head(&rig, 200);
		assert_int_equal(body(&rig, LIST_END("1")), 0);
		rig.now += 2000000;
		assert_int_equal(body(&rig, BOOKMARK("1")), 0);
		end(&rig);
		expect_send(&rig, "resourceVersion=1");
	}
	rig.now += 2000000;
	head(&rig, rec->status);
	ret = watch_reflector_body(rig.r, rig.now, rec->body.text, cut);
	if (ret == 0)
		ret = watch_reflector_body(rig.r, rig.now, rec->body.text + cut,
		                           rec->body.len - cut);
	watch_reflector_end(rig.r, rig.now, ret, "");
	watch_reflector_next(rig.r, rig.now, &rig.order);
	strbuf_printf(out, "%s| %s | %s | %zu findings | %s", rig.told.text,
	              status_of(&rig)->reason, rig.order.todo == WATCH_SEND ? "sends" : "waits",
	              watch_reflector_diags(rig.r)->total,
	              strstr(rig.order.target, "esourceVersion=") != NULL
	                      ? strstr(rig.order.target, "esourceVersion=")
	                      : "");
	close_rig(&rig);
}

static const struct {
	const char *name;
	int resource;
	bool pages;
	bool watch;
	const char *want;
} recordings[] = {
	{ "list-services", 0, true, false,
	  "begin in:default/kubernetes in:kube-system/dns in:shop/ext in:shop/lb in:shop/sticky "
	  "in:shop/web end |  | sends | 0 findings | esourceVersion=260" },
	{ "list-endpointslices", 1, true, false,
	  "begin in:default/kubernetes in:kube-system/dns-x in:shop/web-v4abc in:shop/web-v6abc "
	  "end |  | sends | 0 findings | esourceVersion=260" },
	{ "list-node", 2, true, false,
	  "begin in:node1 end |  | sends | 0 findings | esourceVersion=260" },
	{ "list-servicecidrs", 3, true, false,
	  "begin in:kubernetes end |  | sends | 0 findings | esourceVersion=260" },
	{ "list-services-page1", 0, true, false,
	  "begin in:default/kubernetes in:kube-system/dns |  | sends | 0 findings | " },
	{ "list-services-page2", 0, true, false,
	  "begin in:shop/ext in:shop/lb |  | sends | 0 findings | " },
	{ "list-bad-continue", 0, true, false,
	  "| the server answered 400, BadRequest: invalid continue token: continue key is not "
	  "valid: invalid character '\\u0081' looking for beginning of value | waits | 0 findings "
	  "| " },
	{ "watchlist-services", 0, false, false,
	  "begin in:default/kubernetes in:kube-system/dns in:shop/ext in:shop/lb in:shop/sticky "
	  "in:shop/web end |  | sends | 0 findings | esourceVersion=266" },
	{ "watchlist-endpointslices", 1, false, false,
	  "begin in:default/kubernetes in:kube-system/dns-x in:shop/web-v4abc in:shop/web-v6abc "
	  "end |  | sends | 0 findings | esourceVersion=268" },
	{ "watch-endpointslices-events", 1, false, true,
	  "begin end put:shop/sticky-1 put:shop/sticky-1 delete:shop/sticky-1 put:shop/sticky-1 "
	  "delete:shop/sticky-1 |  | sends | 0 findings | esourceVersion=265" },
	{ "watch-too-old", 0, false, true, "begin end |  | waits | 0 findings | " },
	{ "watch-expired", 0, false, true, "begin end |  | waits | 0 findings | " },
	{ "watch-future", 0, false, true, "begin end |  | sends | 0 findings | esourceVersion=1" },
	{ "unauthorized", 0, true, false,
	  "| the server answered 401, Unauthorized: Unauthorized | waits | 0 findings | " },
	{ "forbidden", 0, true, false,
	  "| the server answered 403, Forbidden: services is forbidden: User \"nobody\" cannot "
	  "list resource \"services\" in API group \"\" at the cluster scope | waits | 0 findings "
	  "| " },
	{ "not-found", 0, true, false,
	  "| the server answered 404, NotFound: the server could not find the requested resource | "
	  "waits | 0 findings | " },
	{ "bad-selector", 0, true, false,
	  "| the server answered 400, BadRequest: unable to parse requirement: found '!', "
	  "expected: identifier | waits | 0 findings | " },
	{ "invalid-sendinitialevents", 0, false, false, "|  | sends | 0 findings | " },
};

/* What a real server has said is understood, wherever it is cut. */
static void understands_every_recording(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(recordings); i++) {
		struct recording rec;

		recording_load(recordings[i].name, &rec);
		print_message("%s\n", recordings[i].name);
		for (size_t cut = 0; cut <= rec.body.len; cut++) {
			struct strbuf got = { 0 };

			play(&rec, recordings[i].resource, recordings[i].pages, recordings[i].watch,
			     cut, &got);
			assert_string_equal(got.text, recordings[i].want);
			strbuf_done(&got);
		}
		recording_done(&rec);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_last_good_form),
		cmocka_unit_test(drops_an_object_that_is_too_large),
		cmocka_unit_test(drops_an_item_that_is_too_large),
		cmocka_unit_test(passes_over_what_it_does_not_know),
		cmocka_unit_test(understands_every_recording),
	};

	return cmocka_run_group_tests_name("watch/reflector_objects", tests, NULL, NULL);
}

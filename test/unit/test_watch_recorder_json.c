/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/recorder_json.h"

#include <string.h>

#include "test/unit/test.h"

/* 2026-01-02T03:04:05.000678Z, and a part of a microsecond. */
#define THEN_NS 1767323045000678901

static const struct watch_record starting = {
	.reason = "Starting",
	.action = "StartKubeProxy",
	.kind = "Node",
	.namespace = "",
	.name = "node-1",
	.note = "",
};

static const struct watch_record not_opened = {
	.is_warning = true,
	.reason = "FailedToStartServiceHealthcheck",
	.action = "Listen",
	.kind = "Service",
	.namespace = "shop",
	.name = "web",
	.note = "node n failed to start healthcheck \"shop/web\" on port 30000: in use",
};

static void an_event_has_what_the_server_asks_for(void **state)
{
	struct strbuf fields AUTO_STRBUF = { 0 };
	struct strbuf out AUTO_STRBUF = { 0 };
	struct recorder_event event = {
		.controller = "kube-proxy",
		.instance = "kube-proxy-host",
		.namespace = "default",
		.name = "node-1.1886c2b1f0a1b2c3",
		.first_ns = THEN_NS,
		.last_ns = THEN_NS,
		.count = 1,
	};

	(void)state;
	recorder_json_fields(&fields, &starting);
	event.fields = fields.text;
	recorder_json_event(&out, &event);
	assert_string_equal(
		out.text,
		"{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\","
		"\"metadata\":{\"name\":\"node-1.1886c2b1f0a1b2c3\",\"namespace\":\"default\"},"
		"\"eventTime\":\"2026-01-02T03:04:05.000678Z\","
		"\"reportingController\":\"kube-proxy\",\"reportingInstance\":\"kube-proxy-host\","
		"\"type\":\"Normal\",\"reason\":\"Starting\",\"action\":\"StartKubeProxy\","
		"\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"node-1\"}}");
}

static void a_series_has_its_count_and_its_last_time(void **state)
{
	struct strbuf fields AUTO_STRBUF = { 0 };
	struct strbuf whole AUTO_STRBUF = { 0 };
	struct strbuf patch AUTO_STRBUF = { 0 };
	struct recorder_event event = {
		.controller = "kube-proxy",
		.instance = "kube-proxy-host",
		.namespace = "shop",
		.name = "web.1",
		.first_ns = THEN_NS,
		.last_ns = THEN_NS + 61000000000,
		.count = 7,
	};
	const char *series =
		"\"series\":{\"count\":7,\"lastObservedTime\":\"2026-01-02T03:05:06.000678Z\"}}";

	(void)state;
	recorder_json_fields(&fields, &not_opened);
	event.fields = fields.text;
	recorder_json_series(&patch, &event);
	assert_int_equal(patch.text[0], '{');
	assert_string_equal(patch.text + 1, series);
	recorder_json_event(&whole, &event); /* when the server has forgotten it */
	assert_string_equal(whole.text + whole.len - strlen(series), series);
	assert_non_null(strstr(whole.text, "\"eventTime\":\"2026-01-02T03:04:05.000678Z\""));
}

static void fields_are_those_that_make_events_identical(void **state)
{
	struct strbuf fields AUTO_STRBUF = { 0 };

	(void)state;
	recorder_json_fields(&fields, &not_opened);
	assert_string_equal(
		fields.text,
		"\"type\":\"Warning\",\"reason\":\"FailedToStartServiceHealthcheck\","
		"\"action\":\"Listen\",\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Service\","
		"\"namespace\":\"shop\",\"name\":\"web\"},\"note\":\"node n failed to start "
		"healthcheck \\\"shop/web\\\" on port 30000: in use\"");
}

static void a_note_is_cut_and_made_printable(void **state)
{
	struct strbuf fields AUTO_STRBUF = { 0 };
	struct watch_record record = not_opened;
	char note[WATCH_MAX_NOTE + 100];
	const char *found;

	(void)state;
	memset(note, 'n', sizeof(note));
	memcpy(note, "a\nb\xc3\xa4", 5);
	note[sizeof(note) - 1] = '\0';
	record.note = note;
	recorder_json_fields(&fields, &record);
	found = strstr(fields.text, "\"note\":\"a?b??nnn");
	assert_non_null(found);
	assert_int_equal(strlen(found), strlen("\"note\":\"\"") + WATCH_MAX_NOTE);
}

static void a_name_is_the_objects_and_the_time(void **state)
{
	static const struct {
		const char *what;
		size_t length;   /* of the object's name */
		const char *end; /* of its first 236 characters, when it is longer */
		size_t kept;
	} rows[] = {
		{ "the longest that fits", 236, "", 236 },
		{ "one that is cut", 253, "", 236 },
		{ "one that is cut behind a dot", 253, "x.", 235 },
		{ "one that is cut behind dots and dashes", 253, "x.-.", 233 },
	};
	struct strbuf out AUTO_STRBUF = { 0 };

	(void)state;
	recorder_json_name(&out, "web", THEN_NS);
	assert_string_equal(out.text, "web.1886caf21ca08df5");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char object[254] = "";

		print_message("  - %s\n", rows[i].what);
		memset(object, 'o', rows[i].length);
		memcpy(object + 236 - strlen(rows[i].end), rows[i].end, strlen(rows[i].end));
		strbuf_clear(&out);
		recorder_json_name(&out, object, THEN_NS);
		assert_int_equal(out.len, rows[i].kept + 17);
		assert_memory_equal(out.text + rows[i].kept, ".1886", 5);
		assert_true(out.len <= RECORDER_MAX_NAME);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_has_what_the_server_asks_for),
		cmocka_unit_test(a_series_has_its_count_and_its_last_time),
		cmocka_unit_test(fields_are_those_that_make_events_identical),
		cmocka_unit_test(a_note_is_cut_and_made_printable),
		cmocka_unit_test(a_name_is_the_objects_and_the_time),
	};

	return cmocka_run_group_tests_name("watch/recorder_json", tests, NULL, NULL);
}

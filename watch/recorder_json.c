/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recorder_json.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* ".", and 64 bits in hexadecimal */
#define SUFFIX_MAX 17

static void add_member(struct strbuf *out, const char *key, const char *value)
{
	strbuf_printf(out, "\"%s\":", key);
	strbuf_json(out, value);
}

/* It may quote what the kernel or somebody else said: one that is not ASCII could be cut in two. */
static void add_note(struct strbuf *out, const char *note)
{
	char text[WATCH_MAX_NOTE + 1];
	size_t len = strnlen(note, WATCH_MAX_NOTE);

	memcpy(text, note, len);
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	strbuf_puts(out, ",");
	add_member(out, "note", text);
}

void recorder_json_fields(struct strbuf *out, const struct watch_record *record)
{
	add_member(out, "type", record->is_warning ? "Warning" : "Normal");
	strbuf_puts(out, ",");
	add_member(out, "reason", record->reason);
	strbuf_puts(out, ",");
	add_member(out, "action", record->action);
	strbuf_puts(out, ",\"regarding\":{\"apiVersion\":\"v1\",");
	add_member(out, "kind", record->kind);
	if (*record->namespace != '\0') {
		strbuf_puts(out, ",");
		add_member(out, "namespace", record->namespace);
	}
	strbuf_puts(out, ",");
	add_member(out, "name", record->name);
	strbuf_puts(out, "}");
	if (*record->note != '\0')
		add_note(out, record->note);
}

/* What is cut must not end in a dot or a dash: no name is allowed ".." or "-.". */
void recorder_json_name(struct strbuf *out, const char *object, int64_t wall_ns)
{
	size_t len = strnlen(object, RECORDER_MAX_NAME - SUFFIX_MAX);

	while (object[len] != '\0' && len > 0 && strchr(".-", object[len - 1]) != NULL)
		len--;
	strbuf_add(out, object, len);
	strbuf_printf(out, ".%" PRIx64, (uint64_t)wall_ns);
}

/* As Go's MicroTime. */
static void add_time(struct strbuf *out, const char *key, int64_t wall_ns)
{
	time_t seconds = wall_ns / 1000000000;
	char text[sizeof("2006-01-02T15:04:05")] = "";
	struct tm tm;

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	strbuf_printf(out, "\"%s\":\"%s.%06" PRId64 "Z\"", key, text, wall_ns % 1000000000 / 1000);
}

static void add_series(struct strbuf *out, const struct recorder_event *event)
{
	strbuf_printf(out, "\"series\":{\"count\":%" PRIu32 ",", event->count);
	add_time(out, "lastObservedTime", event->last_ns);
	strbuf_puts(out, "}");
}

void recorder_json_event(struct strbuf *out, const struct recorder_event *event)
{
	strbuf_puts(out, "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{");
	add_member(out, "name", event->name);
	strbuf_puts(out, ",");
	add_member(out, "namespace", event->namespace);
	strbuf_puts(out, "},");
	add_time(out, "eventTime", event->first_ns);
	strbuf_puts(out, ",");
	add_member(out, "reportingController", event->controller);
	strbuf_puts(out, ",");
	add_member(out, "reportingInstance", event->instance);
	strbuf_printf(out, ",%s", event->fields);
	if (event->count > 1) {
		strbuf_puts(out, ",");
		add_series(out, event);
	}
	strbuf_puts(out, "}");
}

void recorder_json_series(struct strbuf *out, const struct recorder_event *event)
{
	strbuf_puts(out, "{");
	add_series(out, event);
	strbuf_puts(out, "}");
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_RECORDER_JSON_H
#define WATCH_RECORDER_JSON_H

/* An Event as bytes. */

#include <stdint.h>

#include "base/str.h"
#include "watch/recorder.h"

#define RECORDER_MAX_NAME 253     /* of an object (RFC 1123 subdomain) */
#define RECORDER_MAX_INSTANCE 128 /* reportingInstance */

/** An Event. */
struct recorder_event {
	const char *controller;
	const char *instance;
	const char *namespace;
	const char *name;
	const char *fields; /* recorder_json_fields() */
	int64_t first_ns;   /* since 1970 */
	int64_t last_ns;
	uint32_t count; /* from 2 on a series */
};

/** recorder_json_fields() - append the members that make two Events identical. */
void recorder_json_fields(struct strbuf *out, const struct watch_record *record);

/** recorder_json_name() - append what the Event about @object is called: `<object>.<hex ns>`. */
void recorder_json_name(struct strbuf *out, const char *object, int64_t wall_ns);

/** recorder_json_event() - append it whole, for a POST. */
void recorder_json_event(struct strbuf *out, const struct recorder_event *event);

/** recorder_json_series() - append what a merge patch (RFC 7386) changes of it. */
void recorder_json_series(struct strbuf *out, const struct recorder_event *event);

#endif

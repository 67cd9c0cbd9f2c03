/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/manifest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "watch/json_stream.h"

/* Enough to see a byte order mark and, nearly always, the first byte of content. */
#define AHEAD_BYTES 4096

int manifest_fail(struct manifest *m, int code, unsigned line, const char *fmt, ...)
{
	struct err what = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	return err_set(m->err, code, "document %u, line %u: %.190s",
	               m->place.document > 0 ? m->place.document : 1, line, what.msg);
}

int manifest_pull(struct manifest *m, char *buf, size_t size, size_t *out_len)
{
	struct err why = { 0 };
	size_t len = 0;
	int ret;

	if (m->ahead_len > 0) {
		len = m->ahead_len < size ? m->ahead_len : size;
		memcpy(buf, m->ahead, len);
		m->ahead += len;
		m->ahead_len -= len;
		*out_len = len;
		return 0;
	}
	ret = m->read(m->read_ctx, buf, size, &len, &why);
	if (ret < 0)
		return manifest_fail(m, -ret, m->place.line, "%s", why.msg);
	m->bytes += len;
	if (m->bytes > WATCH_MAX_STREAM_BYTES)
		return manifest_fail(m, E2BIG, m->place.line, "more than %u MiB",
		                     WATCH_MAX_STREAM_BYTES >> 20);
	*out_len = len;
	return 0;
}

void manifest_item_kind(const cJSON *list, char kind[static MANIFEST_MAX_KIND])
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(list, "kind"));
	size_t len = text != NULL ? strlen(text) : 0;

	kind[0] = '\0';
	if (len > 4 && len - 4 < MANIFEST_MAX_KIND && strcmp(text + len - 4, "List") == 0) {
		memcpy(kind, text, len - 4);
		kind[len - 4] = '\0';
	}
}

/* Drops the blank lines at the beginning of @buf; returns how much is left. The indentation of
 * the first line with content stays, since it means something in YAML. */
static size_t drop_blank_lines(struct manifest *m, char *buf, size_t len, size_t *indent)
{
	size_t line_start = 0;
	size_t i = 0;

	for (; i < len && (buf[i] == ' ' || buf[i] == '\t' || buf[i] == '\r' || buf[i] == '\n');
	     i++) {
		if (buf[i] == '\n') {
			m->place.line++;
			line_start = i + 1;
		}
	}
	memmove(buf, buf + line_start, len - line_start);
	*indent = i - line_start;
	return len - line_start;
}

static size_t drop_byte_order_mark(char *buf, size_t len)
{
	if (len < 3 || memcmp(buf, "\xef\xbb\xbf", 3) != 0)
		return len;
	memmove(buf, buf + 3, len - 3);
	return len - 3;
}

/* Reads into @buf until it holds content, behind a byte order mark and blank lines, or all there
 * is, and tells the format by the first byte of it. */
static int look_ahead(struct manifest *m, char *buf, size_t size, bool *is_json)
{
	bool is_marked = true; /* perhaps, until three bytes are there */
	size_t indent = 0;
	size_t have = 0;

	while (have < size && (is_marked || indent == have)) {
		size_t got = 0;
		int ret = manifest_pull(m, buf + have, size - have, &got);

		if (ret < 0)
			return ret;
		if (got == 0)
			break;
		have += got;
		if (is_marked && have < 3)
			continue;
		if (is_marked)
			have = drop_byte_order_mark(buf, have);
		is_marked = false;
		have = drop_blank_lines(m, buf, have, &indent);
	}
	have = drop_blank_lines(m, buf, have, &indent);
	m->ahead = buf;
	m->ahead_len = have;
	*is_json = indent < have && (buf[indent] == '{' || buf[indent] == '[');
	return 0;
}

static int read_json(struct manifest *m)
{
	struct json_stream stream;
	size_t got = 1;
	int ret = 0;

	json_stream_init(&stream, m);
	while (ret == 0 && got > 0) {
		char *room;
		size_t size;

		ret = json_stream_room(&stream, &room, &size);
		if (ret == 0)
			ret = manifest_pull(m, room, size, &got);
		if (ret == 0 && got > 0)
			ret = json_stream_pushed(&stream, got);
	}
	if (ret == 0)
		ret = json_stream_end(&stream);
	json_stream_done(&stream);
	return ret;
}

int watch_manifest_read(watch_read_fn read, void *read_ctx, watch_object_fn on_object, void *ctx,
                        struct err *err)
{
	struct manifest m = {
		.read = read,
		.read_ctx = read_ctx,
		.on_object = on_object,
		.ctx = ctx,
		.err = err,
		.place = { .document = 0, .line = 1 },
		.arena = { .limit = WATCH_MAX_TREE_BYTES },
	};
	char ahead[AHEAD_BYTES];
	bool is_json = false;
	int ret = look_ahead(&m, ahead, sizeof(ahead), &is_json);

	if (ret == 0)
		ret = is_json ? read_json(&m) : manifest_read_yaml(&m);
	jsonx_arena_done(&m.arena);
	return ret;
}

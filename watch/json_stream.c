/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: one object in memory
 *
 * The text at hand lies in a window that grows with the largest object: a
 * document until it turns out to be a List, from then on one item at a time.
 * What a List has around its items, its envelope, is collected apart and parsed
 * with "items":[], so that nothing of the stream goes unchecked.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/json_stream.h"

#define WINDOW_BYTES ((size_t)64 << 10)

/* Of an item that is too large, so much is handed out: enough to see whose it is. */
#define DROPPED_BYTES ((size_t)16 << 10)

static const char managed_fields[] = "\"managedFields\":[";

static unsigned count_lines(const char *text, size_t len)
{
	const char *end = text + len;
	unsigned lines = 0;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		text++;
		lines++;
	}
	return lines;
}

/* Up to 24 printable bytes of @text, for a message. */
static void excerpt(const char *text, size_t len, char out[static 25])
{
	size_t n = 0;

	for (; n < 24 && n < len; n++)
		out[n] = (char)(text[n] >= 0x20 && text[n] < 0x7f ? text[n] : ' ');
	out[n] = '\0';
}

/* The tree of @text, in the arena, or NULL with @error set to where it breaks; NULL for a tree that
 * is too large. */
static cJSON *parse(struct manifest *m, const char *text, size_t len, const char **error)
{
	const char *end = NULL;
	cJSON *tree;

	jsonx_arena_begin(&m->arena);
	tree = cJSON_ParseWithLengthOpts(text, len, &end, false);
	jsonx_arena_end();
	*error = NULL;
	if (tree != NULL && end == text + len)
		return tree;
	if (!m->arena.is_full)
		*error = end != NULL && end >= text && end < text + len ? end : text;
	return NULL;
}

static int parse_failed(struct json_stream *r, const char *error, unsigned line, size_t left)
{
	char near[25];

	if (error == NULL)
		return manifest_fail(r->m, E2BIG, line, "an object of too many values");
	excerpt(error, left, near);
	return manifest_fail(r->m, EBADMSG, line, "broken JSON at '%s'", near);
}

static int too_large(struct json_stream *r)
{
	return manifest_fail(r->m, E2BIG, r->m->place.line, "an object larger than %u MiB",
	                     WATCH_MAX_OBJECT_BYTES >> 20);
}

/* Parses and hands out the text at hand, which is one object. */
static int emit(struct json_stream *r, const char *kind)
{
	struct manifest *m = r->m;
	const char *text = r->window + r->keep;
	size_t len = r->pos - r->keep;
	const char *error;
	cJSON *tree;

	if (len > WATCH_MAX_OBJECT_BYTES)
		return too_large(r);
	json_blank_managed_fields(r->window + r->keep, len);
	tree = parse(m, text, len, &error);
	if (tree == NULL) {
		size_t at = error != NULL ? (size_t)(error - text) : 0;

		return parse_failed(r, error, m->place.line + count_lines(text, at), len - at);
	}
	m->on_object(m->ctx, tree, kind, &m->place);
	jsonx_arena_rewind(&m->arena, (struct jsonx_mark){ 0 });
	return 0;
}

/* Parses what there is of the envelope, completed by @rest; its kind gives the items' kind. */
static int check_envelope(struct json_stream *r, const char *rest)
{
	size_t len = r->envelope.len;
	const char *error;
	const char *text;
	cJSON *tree;

	strbuf_puts(&r->envelope, rest);
	text = r->envelope.text;
	ASSERT(text != NULL);
	tree = parse(r->m, text, r->envelope.len, &error);
	if (tree == NULL) {
		size_t at = error != NULL ? (size_t)(error - text) : 0;
		unsigned line = r->head_line;
		size_t from = 0;

		if (at >= r->head_bytes) {
			from = r->head_bytes;
			line = r->tail_line;
		}
		line += count_lines(text + from, at - from);
		return parse_failed(r, error, line, r->envelope.len - at);
	}
	r->envelope.len = len;
	manifest_item_kind(tree, r->item_kind);
	if (*rest == '\0' && r->m->on_envelope != NULL)
		r->m->on_envelope(r->m->ctx, tree);
	jsonx_arena_rewind(&r->m->arena, (struct jsonx_mark){ 0 });
	return 0;
}

static int add_to_envelope(struct json_stream *r)
{
	size_t len = r->pos - r->keep;

	if (r->envelope.len + len > WATCH_MAX_OBJECT_BYTES)
		return too_large(r);
	strbuf_add(&r->envelope, r->window + r->keep, len);
	return 0;
}

static int begin_items(struct json_stream *r)
{
	int ret;

	strbuf_clear(&r->envelope);
	ret = add_to_envelope(r);
	r->in_list = true;
	r->holding = false;
	r->head_bytes = r->envelope.len;
	r->tail_line = r->split.line;
	return ret < 0 ? ret : check_envelope(r, "]}");
}

static int end_document(struct json_stream *r)
{
	int ret;

	r->holding = false;
	if (!r->in_list)
		return emit(r, NULL);
	r->m->place.line = r->head_line;
	ret = add_to_envelope(r);
	return ret < 0 ? ret : check_envelope(r, "");
}

static void hold(struct json_stream *r)
{
	r->keep = r->pos - 1;
	r->holding = true;
}

static int on_event(struct json_stream *r, enum json_event event)
{
	struct watch_place *place = &r->m->place;

	switch (event) {
	case JSON_DOC_BEGIN:
		*place = (struct watch_place){ .document = r->split.document,
			                       .line = r->split.line };
		r->head_line = r->split.line;
		r->in_list = false;
		hold(r);
		return 0;
	case JSON_DOC_END:
		return end_document(r);
	case JSON_ITEMS_BEGIN:
		return begin_items(r);
	case JSON_ITEMS_END:
		r->tail_line = r->split.line;
		hold(r);
		return 0;
	case JSON_ITEM_BEGIN:
		place->line = r->split.line;
		r->in_item = true;
		hold(r);
		return 0;
	case JSON_ITEM_END:
		r->in_item = false;
		if (r->is_dropping) {
			r->is_dropping = false;
			return 0;
		}
		r->holding = false;
		return emit(r, r->item_kind[0] != '\0' ? r->item_kind : NULL);
	case JSON_MORE:
		break;
	}
	return 0;
}

/* An item that grows beyond the bound: its beginning is handed out, the rest passes by. */
static int drop_item(struct json_stream *r)
{
	struct manifest *m = r->m;

	if (!r->in_item || m->on_dropped == NULL)
		return too_large(r);
	m->on_dropped(m->ctx, r->window, DROPPED_BYTES, r->item_kind);
	r->holding = false;
	r->is_dropping = true;
	r->len = 0;
	r->pos = 0;
	return 0;
}

int json_stream_room(struct json_stream *r, char **out, size_t *out_size)
{
	if (!r->holding)
		r->keep = r->pos;
	memmove(r->window, r->window + r->keep, r->len - r->keep);
	r->len -= r->keep;
	r->pos -= r->keep;
	r->keep = 0;
	if (r->len > WATCH_MAX_OBJECT_BYTES) {
		int ret = drop_item(r);

		if (ret < 0)
			return ret;
	}
	if (r->len == r->cap) {
		r->cap *= 2;
		r->window = xrealloc_array(r->window, r->cap, 1);
	}
	*out = r->window + r->len;
	*out_size = r->cap - r->len;
	return 0;
}

int json_stream_pushed(struct json_stream *r, size_t len)
{
	struct err why = { 0 };

	r->len += len;
	for (;;) {
		int ret = json_split_next(&r->split, r->window, r->len, &r->pos, &why);

		if (ret < 0)
			return manifest_fail(r->m, -ret, r->split.line, "%s", why.msg);
		if (ret == JSON_MORE)
			return 0;
		ret = on_event(r, (enum json_event)ret);
		if (ret < 0)
			return ret;
	}
}

int json_stream_end(struct json_stream *r)
{
	if (json_split_is_between(&r->split))
		return 0;
	return manifest_fail(r->m, EBADMSG, r->split.line, "the text ends inside an object");
}

void json_stream_init(struct json_stream *r, struct manifest *m)
{
	*r = (struct json_stream){
		.m = m,
		.split = { .line = m->place.line },
		.window = xmalloc(WINDOW_BYTES),
		.cap = WINDOW_BYTES,
	};
}

void json_stream_done(struct json_stream *r)
{
	strbuf_done(&r->envelope);
	free(r->window);
	r->window = NULL;
}

/* Behind the bracket that closes the array which @text is in, or NULL. */
static char *array_end(char *text, const char *end)
{
	unsigned depth = 1;
	bool in_string = false;

	for (; text < end; text++) {
		if (in_string && *text == '\\')
			text++;
		else if (*text == '"')
			in_string = !in_string;
		else if (!in_string && (*text == '[' || *text == '{'))
			depth++;
		else if (!in_string && (*text == ']' || *text == '}') && --depth == 0)
			return text;
	}
	return NULL;
}

void json_blank_managed_fields(char *text, size_t len)
{
	const size_t key = sizeof(managed_fields) - 1;
	char *end = text + len;

	/* these bytes cannot be inside a string: its quotes would have backslashes */
	while ((text = memmem(text, (size_t)(end - text), managed_fields, key)) != NULL) {
		char *close = array_end(text + key, end);

		if (close == NULL)
			return;
		memset(text + key, ' ', (size_t)(close - (text + key)));
		text = close;
	}
}

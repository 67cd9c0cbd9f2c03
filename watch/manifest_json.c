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
#include "watch/json_split.h"
#include "watch/manifest_impl.h"

#define WINDOW_BYTES ((size_t)64 << 10)

struct json_reader {
	struct manifest *m;
	struct json_split split;
	char *window;
	size_t len;
	size_t cap;
	size_t pos;   /* the splitter's */
	size_t keep;  /* where the text at hand begins; @pos when nothing is held */
	bool holding; /* text from @keep on is needed */
	bool in_list;
	struct strbuf envelope;
	size_t head_bytes;  /* of the envelope, up to its items */
	unsigned head_line; /* where the document begins */
	unsigned tail_line; /* where its items end */
	char item_kind[MANIFEST_MAX_KIND];
};

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

static int parse_failed(struct json_reader *r, const char *error, unsigned line, size_t left)
{
	char near[25];

	if (error == NULL)
		return manifest_fail(r->m, E2BIG, line, "an object of too many values");
	excerpt(error, left, near);
	return manifest_fail(r->m, EBADMSG, line, "broken JSON at '%s'", near);
}

static int too_large(struct json_reader *r)
{
	return manifest_fail(r->m, E2BIG, r->m->place.line, "an object larger than %u MiB",
	                     WATCH_MAX_OBJECT_BYTES >> 20);
}

/* Parses and hands out the text at hand, which is one object. */
static int emit(struct json_reader *r, const char *kind)
{
	struct manifest *m = r->m;
	const char *text = r->window + r->keep;
	size_t len = r->pos - r->keep;
	const char *error;
	cJSON *tree;

	if (len > WATCH_MAX_OBJECT_BYTES)
		return too_large(r);
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
static int check_envelope(struct json_reader *r, const char *rest)
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
	jsonx_arena_rewind(&r->m->arena, (struct jsonx_mark){ 0 });
	return 0;
}

static int add_to_envelope(struct json_reader *r)
{
	size_t len = r->pos - r->keep;

	if (r->envelope.len + len > WATCH_MAX_OBJECT_BYTES)
		return too_large(r);
	strbuf_add(&r->envelope, r->window + r->keep, len);
	return 0;
}

static int begin_items(struct json_reader *r)
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

static int end_document(struct json_reader *r)
{
	int ret;

	r->holding = false;
	if (!r->in_list)
		return emit(r, NULL);
	r->m->place.line = r->head_line;
	ret = add_to_envelope(r);
	return ret < 0 ? ret : check_envelope(r, "");
}

static void hold(struct json_reader *r)
{
	r->keep = r->pos - 1;
	r->holding = true;
}

static int on_event(struct json_reader *r, enum json_event event)
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
		hold(r);
		return 0;
	case JSON_ITEM_END:
		r->holding = false;
		return emit(r, r->item_kind[0] != '\0' ? r->item_kind : NULL);
	case JSON_MORE:
		break;
	}
	return 0;
}

/* Moves the text at hand to the window's beginning and reads behind it; 1 at the end. */
static int refill(struct json_reader *r)
{
	size_t got = 0;
	int ret;

	if (!r->holding)
		r->keep = r->pos;
	memmove(r->window, r->window + r->keep, r->len - r->keep);
	r->len -= r->keep;
	r->pos -= r->keep;
	r->keep = 0;
	if (r->len > WATCH_MAX_OBJECT_BYTES)
		return too_large(r);
	if (r->len == r->cap) {
		r->cap *= 2;
		r->window = xrealloc_array(r->window, r->cap, 1);
	}
	ret = manifest_pull(r->m, r->window + r->len, r->cap - r->len, &got);
	r->len += got;
	return ret < 0 ? ret : got == 0;
}

static int read_all(struct json_reader *r)
{
	struct err why = { 0 };

	for (;;) {
		int ret = json_split_next(&r->split, r->window, r->len, &r->pos, &why);

		if (ret < 0)
			return manifest_fail(r->m, -ret, r->split.line, "%s", why.msg);
		if (ret != JSON_MORE)
			ret = on_event(r, (enum json_event)ret);
		else
			ret = refill(r);
		if (ret < 0)
			return ret;
		if (ret == 1 && json_split_is_between(&r->split))
			return 0;
		if (ret == 1)
			return manifest_fail(r->m, EBADMSG, r->split.line,
			                     "the text ends inside an object");
	}
}

int manifest_read_json(struct manifest *m)
{
	struct json_reader r = {
		.m = m,
		.split = { .line = m->place.line },
		.window = xmalloc(WINDOW_BYTES),
		.cap = WINDOW_BYTES,
	};
	int ret = read_all(&r);

	strbuf_done(&r.envelope);
	free(r.window);
	return ret;
}

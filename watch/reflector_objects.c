/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: what answers hold
 *
 * Lines of a watch and items of a list's pages become events about objects. An
 * object that cannot be used is a finding; its last good form stays, also
 * across a list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/json_salvage.h"
#include "watch/jsonx.h"
#include "watch/reflector_impl.h"

#define SUBJECT_TEXT (2 * PROXY_MAX_NAME + 80)

cJSON *reflector_parse(struct watch_reflector *r, const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *tree;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		len--;
	jsonx_arena_begin(&r->manifest.arena);
	tree = cJSON_ParseWithLengthOpts(text, len, &end, false);
	jsonx_arena_end();
	return tree != NULL && end == text + len ? tree : NULL;
}

void reflector_forget_tree(struct watch_reflector *r)
{
	jsonx_arena_rewind(&r->manifest.arena, (struct jsonx_mark){ 0 });
}

static void find(struct watch_reflector *r, const struct watch_ident *ident, const char *text)
{
	char subject[SUBJECT_TEXT];

	diag_add(&r->diags, watch_ident_format(ident, subject, sizeof(subject)), "%s", text);
}

static void find_in_answer(struct watch_reflector *r, const char *what, const char *name)
{
	char quoted[JSONX_QUOTE];

	diag_add(&r->diags, r->resource->name, "%s '%s', ignored", what, jsonx_quote(name, quoted));
}

/* While listing, what is in the list; else what has changed. */
static void tell_present(struct watch_reflector *r, enum answer_type type,
                         struct proxy_meta *object, const struct watch_ident *ident)
{
	if (r->is_listing && type == ANSWER_MODIFIED)
		reflector_tell(r, WATCH_LIST_REMOVE, NULL, ident);
	reflector_tell(r, r->is_listing ? WATCH_LIST_OBJECT : WATCH_PUT, object, ident);
}

static void tell_gone(struct watch_reflector *r, const struct watch_ident *ident)
{
	reflector_tell(r, r->is_listing ? WATCH_LIST_REMOVE : WATCH_DELETE, NULL, ident);
}

static void tell_bad(struct watch_reflector *r, const struct watch_ident *ident, const char *why)
{
	find(r, ident, why);
	if (r->is_listing && ident->name[0] != '\0')
		reflector_tell(r, WATCH_LIST_KEEP, NULL, ident);
}

/* @kind: of a typed list's items, NULL for objects that say so themselves. */
static void on_object(struct watch_reflector *r, enum answer_type type, const cJSON *json,
                      const char *kind)
{
	struct proxy_meta *object = NULL;
	struct watch_ident ident;
	struct err why = { 0 };
	int ret = watch_decode(json, kind, &ident, &object, &r->diags, &why);

	if (ident.kind != r->resource->kind) {
		find_in_answer(r, "an object of kind", ident.kind_text);
	} else if (ret < 0 && type != ANSWER_DELETED) {
		tell_bad(r, &ident, why.msg);
	} else if (object == NULL || type == ANSWER_DELETED) {
		tell_gone(r, &ident); /* without an object the selectors leave it out */
	} else {
		r->status.objects++;
		tell_present(r, type, object, &ident);
		return;
	}
	free(object);
}

/* An object that is too large to be read. */
static void drop(struct watch_reflector *r, const char *text, size_t len, const char *kind,
                 const char *why)
{
	struct strbuf whole = { 0 };
	struct proxy_meta *object = NULL;
	struct watch_ident ident;
	struct diags ignored = { 0 };
	const cJSON *json;
	int ret;

	r->status.dropped++;
	json_salvage(text, len, &whole);
	json = reflector_parse(r, whole.len > 0 ? whole.text : "", whole.len);
	if (kind == NULL) /* a line of a watch */
		json = cJSON_GetObjectItemCaseSensitive(json, "object");
	ret = watch_decode(json, kind, &ident, &object, &ignored, NULL);
	(void)ret; /* who it is is all that can be known */
	if (ident.kind == r->resource->kind)
		tell_bad(r, &ident, why);
	else
		diag_add(&r->diags, r->resource->name, "an object without name: %s", why);
	free(object);
	diag_done(&ignored);
	strbuf_done(&whole);
	reflector_forget_tree(r);
}

static int on_error_event(struct watch_reflector *r, const cJSON *object)
{
	struct answer_status status;

	answer_status(object, &status);
	r->outcome = status.is_gone ? OUTCOME_GONE : OUTCOME_FAILED;
	return err_set(&r->err, ECANCELED, "the server ended the watch: %s",
	               status.text[0] != '\0' ? status.text : "it does not say why");
}

static int on_answer_event(struct watch_reflector *r, const struct answer_event *event)
{
	switch (event->type) {
	case ANSWER_UNKNOWN:
		find_in_answer(r, "an event of type", event->type_text);
		return 0;
	case ANSWER_ERROR:
		return on_error_event(r, event->object);
	case ANSWER_BOOKMARK:
		if (event->ends_list && r->is_listing)
			reflector_listed(r, event->revision);
		break;
	case ANSWER_ADDED:
	case ANSWER_MODIFIED:
	case ANSWER_DELETED:
		if (event->object != NULL)
			on_object(r, event->type, event->object, NULL);
		else
			find_in_answer(r, "an event without object, of type", event->type_text);
		break;
	}
	if (!r->is_listing && *event->revision != '\0')
		memcpy(r->revision, event->revision, strlen(event->revision) + 1);
	return 0;
}

/* A line that cannot be parsed. While listing its object is left out like one that is too large; in
 * a watch something has happened that only a new list can tell. */
static int on_broken_line(struct watch_reflector *r, const char *line, size_t len)
{
	if (r->manifest.arena.is_full) {
		reflector_forget_tree(r);
		drop(r, line, len < LINES_CUT_BYTES ? len : LINES_CUT_BYTES, NULL,
		     "more values than fit into memory; its last good form stays");
		return 0;
	}
	reflector_forget_tree(r);
	if (r->is_listing) {
		drop(r, line, len < LINES_CUT_BYTES ? len : LINES_CUT_BYTES, NULL,
		     "broken JSON; its last good form stays");
		return 0;
	}
	r->outcome = OUTCOME_USELESS;
	return err_set(&r->err, ECANCELED, "the watch holds a line that is no JSON");
}

int reflector_on_line(void *ctx, char *line, size_t len, bool is_cut)
{
	struct watch_reflector *r = ctx;
	struct answer_event event;
	cJSON *tree;
	int ret;

	r->status.events += !r->is_listing;
	if (is_cut) {
		drop(r, line, len, NULL, "larger than 16 MiB; its last good form stays");
		return 0;
	}
	json_blank_managed_fields(line, len);
	tree = reflector_parse(r, line, len);
	if (tree == NULL)
		return on_broken_line(r, line, len);
	answer_event(tree, &event);
	if (event.type != ANSWER_ERROR && !r->is_listing) {
		r->has_events = true;
		r->fruitless = 0;
		reflector_well(r);
	}
	ret = on_answer_event(r, &event);
	reflector_forget_tree(r);
	return ret;
}

static void on_item(void *ctx, const cJSON *json, const char *kind, const struct watch_place *place)
{
	(void)place;
	on_object(ctx, ANSWER_ADDED, json, kind);
}

static void on_envelope(void *ctx, const cJSON *envelope)
{
	struct watch_reflector *r = ctx;

	answer_page(envelope, &r->page_end);
}

static void on_dropped_item(void *ctx, const char *text, size_t len, const char *kind)
{
	drop(ctx, text, len, kind, "larger than 16 MiB; its last good form stays");
}

void reflector_begin_page(struct watch_reflector *r)
{
	r->page_end = (struct answer_page){ 0 };
	r->manifest.place = (struct watch_place){ .document = 0, .line = 1 };
	r->manifest.on_object = on_item;
	r->manifest.on_envelope = on_envelope;
	r->manifest.on_dropped = on_dropped_item;
	r->manifest.ctx = r;
	r->manifest.err = &r->err;
	json_stream_init(&r->page, &r->manifest);
	r->is_page_open = true;
}

void reflector_end_page(struct watch_reflector *r)
{
	if (r->is_page_open)
		json_stream_done(&r->page);
	r->is_page_open = false;
}

int reflector_on_page(struct watch_reflector *r, const char *bytes, size_t len)
{
	while (len > 0) {
		char *room;
		size_t size;
		int ret = json_stream_room(&r->page, &room, &size);

		if (ret < 0)
			return ret;
		if (size > len)
			size = len;
		memcpy(room, bytes, size);
		ret = json_stream_pushed(&r->page, size);
		if (ret < 0)
			return ret;
		bytes += size;
		len -= size;
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: from events to trees
 *
 * libyaml's events build one tree at a time, with a stack of the open
 * collections instead of recursion. In a List the tree of the envelope stays in
 * the arena below a mark, and each item's tree lives above it until the item was
 * handed out.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "watch/manifest_impl.h"
#include "watch/yamlx.h"

struct yaml_reader {
	struct manifest *m;
	yaml_parser_t parser;
	int read_ret;          /* of a read that failed, its sentence is in m->err */
	unsigned first_line;   /* lines that were read before the parser began */
	unsigned lines;        /* that the parser was given */
	uint64_t object_start; /* m->bytes when the tree at hand was begun */
	cJSON *root;           /* the tree at hand, complete when @depth is back at @floor */
	cJSON *stack[WATCH_MAX_DEPTH];
	unsigned depth;
	unsigned floor; /* 2 between the items of a List, else 0 */
	char *key;      /* of the value to come, in the arena */
	bool has_items;
	struct jsonx_mark item_mark;
	char item_kind[MANIFEST_MAX_KIND];
};

static unsigned line_of(const struct yaml_reader *r, const yaml_mark_t *mark)
{
	return r->first_line + (unsigned)mark->line;
}

static unsigned count_lines(const unsigned char *text, size_t len)
{
	const unsigned char *end = text + len;
	unsigned lines = 0;

	while (text < end && (text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		text++;
		lines++;
	}
	return lines;
}

/* Where the parser decodes bytes, which is ahead of where it makes events of them. */
static unsigned decoding_line(const struct yaml_reader *r)
{
	const unsigned char *at = r->parser.raw_buffer.pointer;

	return r->first_line + r->lines - count_lines(at, (size_t)(r->parser.raw_buffer.last - at));
}

/* Looks at bytes read rather than at marks, so that a scalar is refused before it is complete. */
static bool is_too_large(const struct yaml_reader *r)
{
	return r->m->bytes - r->object_start > WATCH_MAX_OBJECT_BYTES;
}

static int pull(void *data, unsigned char *buf, size_t size, size_t *size_read)
{
	struct yaml_reader *r = data;

	if (is_too_large(r))
		r->read_ret =
			manifest_fail(r->m, E2BIG, r->m->place.line, "an object larger than %u MiB",
		                      WATCH_MAX_OBJECT_BYTES >> 20);
	else
		r->read_ret = manifest_pull(r->m, (char *)buf, size, size_read);
	if (r->read_ret < 0)
		return 0;
	r->lines += count_lines(buf, *size_read);
	return 1;
}

static int parser_failed(struct yaml_reader *r)
{
	const yaml_parser_t *parser = &r->parser;
	const char *problem = parser->problem != NULL ? parser->problem : "broken";

	if (r->read_ret < 0)
		return r->read_ret;
	switch (parser->error) {
	case YAML_MEMORY_ERROR:
		return manifest_fail(r->m, ENOMEM, line_of(r, &parser->mark), "out of memory");
	case YAML_READER_ERROR:
		return manifest_fail(r->m, EBADMSG, decoding_line(r), "broken YAML: %s", problem);
	case YAML_NO_ERROR:
	case YAML_SCANNER_ERROR:
	case YAML_PARSER_ERROR:
	case YAML_COMPOSER_ERROR:
	case YAML_WRITER_ERROR:
	case YAML_EMITTER_ERROR:
		break;
	}
	return manifest_fail(r->m, EBADMSG, line_of(r, &parser->problem_mark),
	                     "broken YAML: %s%s%s", problem, parser->context != NULL ? " " : "",
	                     parser->context != NULL ? parser->context : "");
}

static int refuse(struct yaml_reader *r, const yaml_event_t *event, const char *what)
{
	return manifest_fail(r->m, EBADMSG, line_of(r, &event->start_mark), "%s", what);
}

static int out_of_arena(struct yaml_reader *r, const yaml_event_t *event)
{
	return manifest_fail(r->m, E2BIG, line_of(r, &event->start_mark),
	                     "an object of too many values");
}

static cJSON *top(const struct yaml_reader *r)
{
	return r->stack[r->depth - 1];
}

static bool wants_key(const struct yaml_reader *r)
{
	return r->depth > r->floor && r->key == NULL && cJSON_IsObject(top(r));
}

/* Puts @node into the innermost collection, or makes it the root. */
static int attach(struct yaml_reader *r, const yaml_event_t *event, cJSON *node)
{
	if (node == NULL)
		return out_of_arena(r, event);
	if (r->depth == r->floor) {
		r->root = node;
		return 0;
	}
	if (!cJSON_IsObject(top(r))) {
		(void)cJSON_AddItemToArray(top(r), node);
		return 0;
	}
	/* The key lies in the arena already, so it is not copied; nor is it a constant. */
	(void)cJSON_AddItemToObjectCS(top(r), r->key, node);
	node->type &= ~cJSON_StringIsConst;
	r->key = NULL;
	return 0;
}

/* Hands out the root when it is complete. */
static int emit_complete(struct yaml_reader *r)
{
	struct manifest *m = r->m;

	if (r->root == NULL || r->depth > r->floor)
		return 0;
	if (r->floor == 0 && (r->has_items || cJSON_IsNull(r->root))) {
		r->root = NULL; /* the envelope is done with; an empty document is no object */
	} else {
		jsonx_arena_end();
		m->on_object(m->ctx, r->root,
		             r->floor > 0 && r->item_kind[0] != '\0' ? r->item_kind : NULL,
		             &m->place);
		jsonx_arena_begin(&m->arena);
		r->root = NULL;
	}
	jsonx_arena_rewind(&m->arena, r->floor > 0 ? r->item_mark : (struct jsonx_mark){ 0 });
	r->object_start = m->bytes;
	return 0;
}

static int take_key(struct yaml_reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length + 1;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0)
		return refuse(r, event, "merge keys are not supported");
	r->key = jsonx_arena_alloc(&r->m->arena, size);
	if (r->key == NULL)
		return out_of_arena(r, event);
	memcpy(r->key, text, size);
	return 0;
}

static cJSON *make_scalar(enum yamlx_type type, const char *text, double number)
{
	switch (type) {
	case YAMLX_NULL:
		return cJSON_CreateNull();
	case YAMLX_TRUE:
		return cJSON_CreateTrue();
	case YAMLX_FALSE:
		return cJSON_CreateFalse();
	case YAMLX_NUMBER:
		return cJSON_CreateNumber(number);
	case YAMLX_STRING:
		return cJSON_CreateString(text);
	}
	return NULL;
}

static int on_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	size_t len = event->data.scalar.length;
	enum yamlx_type type = YAMLX_STRING;
	double number = 0;

	if (memchr(text, '\0', len) != NULL)
		return refuse(r, event, "a NUL byte in a string");
	if (wants_key(r))
		return tag == NULL || yamlx_is_text(tag) ? take_key(r, event)
		                                         : refuse(r, event, "a key with a tag");
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !yamlx_is_text(tag))
		type = yamlx_resolve(text, len, &number);
	if (!yamlx_is_tagged(tag, type))
		return refuse(r, event, "a tag that is foreign, or does not fit the value");
	return attach(r, event, make_scalar(type, text, number));
}

/* Is the sequence that begins the items of a List? */
static bool begins_items(const struct yaml_reader *r)
{
	return r->depth == 1 && r->floor == 0 && cJSON_IsObject(r->stack[0]) &&
	       strcmp(r->key, "items") == 0;
}

static int begin_items(struct yaml_reader *r, const yaml_event_t *event)
{
	if (r->has_items)
		return refuse(r, event, "items: given twice");
	r->has_items = true;
	r->floor = 2;
	manifest_item_kind(r->stack[0], r->item_kind);
	r->item_mark = jsonx_arena_mark(&r->m->arena);
	r->object_start = r->m->bytes;
	r->root = NULL;
	return 0;
}

static int on_begin(struct yaml_reader *r, const yaml_event_t *event, bool is_object)
{
	const char *tag = (const char *)(is_object ? event->data.mapping_start.tag
	                                           : event->data.sequence_start.tag);
	bool items = !is_object && r->key != NULL && begins_items(r);
	cJSON *node;
	int ret;

	if (tag != NULL && strcmp(tag, is_object ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
		return refuse(r, event, "a tag that is foreign, or does not fit the value");
	if (wants_key(r))
		return refuse(r, event, "a key that is not a scalar");
	if (r->depth == WATCH_MAX_DEPTH)
		return manifest_fail(r->m, E2BIG, line_of(r, &event->start_mark),
		                     "nested deeper than %d levels", WATCH_MAX_DEPTH);
	node = is_object ? cJSON_CreateObject() : cJSON_CreateArray();
	ret = attach(r, event, node);
	if (ret < 0)
		return ret;
	r->stack[r->depth++] = node;
	return items ? begin_items(r, event) : 0;
}

static void on_end(struct yaml_reader *r)
{
	if (r->floor == 2 && r->depth == 2) { /* of the items themselves */
		r->floor = 0;
		r->root = r->stack[0];
	}
	r->depth--;
}

static void set_place(struct yaml_reader *r, const yaml_event_t *event)
{
	if (r->depth == r->floor && r->root == NULL)
		r->m->place.line = line_of(r, &event->start_mark);
}

static int on_event(struct yaml_reader *r, const yaml_event_t *event)
{
	int ret = 0;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		r->m->place.document++;
		r->m->place.line = line_of(r, &event->start_mark);
		r->has_items = false;
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(r, event, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		set_place(r, event);
		ret = on_scalar(r, event);
		break;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		set_place(r, event);
		ret = on_begin(r, event, event->type == YAML_MAPPING_START_EVENT);
		break;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		on_end(r);
		break;
	case YAML_DOCUMENT_END_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_NO_EVENT:
		return 0;
	}
	return ret < 0 ? ret : emit_complete(r);
}

static int read_all(struct yaml_reader *r)
{
	yaml_event_t event;
	bool more = true;
	int ret = 0;

	while (more && ret == 0) {
		if (yaml_parser_parse(&r->parser, &event) == 0)
			return parser_failed(r);
		more = event.type != YAML_STREAM_END_EVENT;
		ret = on_event(r, &event);
		yaml_event_delete(&event);
	}
	return ret;
}

int manifest_read_yaml(struct manifest *m)
{
	struct yaml_reader r = { .m = m, .first_line = m->place.line };
	int ret;

	if (yaml_parser_initialize(&r.parser) == 0)
		return manifest_fail(m, ENOMEM, m->place.line, "out of memory");
	yaml_parser_set_input(&r.parser, pull, &r);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	jsonx_arena_begin(&m->arena);
	ret = read_all(&r);
	jsonx_arena_end();
	yaml_parser_delete(&r.parser);
	return ret;
}

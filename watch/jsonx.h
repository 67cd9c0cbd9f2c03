/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JSONX_H
#define WATCH_JSONX_H

/*
 * Decoding by table: an object's members are walked once, each is looked up in
 * the table of fields somebody wants, and handed to the field's function. What
 * is not in the table is not looked at. A field that is given twice, or is of
 * the wrong type, refuses the object; null means absent.
 *
 * The reader keeps the path to where it is, so that every sentence can begin
 * with it: "spec.ports[2].port: 65536 is not in 1-65535".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/diag.h"
#include "base/err.h"
#include "watch/jsonx_arena.h"

#define JSONX_MAX_PATH 8

/* Findings of one object that are written out; one object must not use up the list. */
#define JSONX_MAX_NOTES 8

/** The reading of one object. Zero-initialise but for the first four, release with jsonx_done(). */
struct jsonx {
	struct diags *diags;
	const char *subject; /* whom findings are about */
	struct err *err;
	struct jsonx_arena scratch;
	unsigned notes;
	unsigned depth;
	struct jsonx_step {
		const char *key; /* NULL: an index */
		size_t index;
	} path[JSONX_MAX_PATH];
};

/** Decodes @item, which is not null, into @out. Return: 0 or what jsonx_fail() gave. */
typedef int (*jsonx_fn)(struct jsonx *jx, const cJSON *item, void *out);

/** A field of an object: at most 32 in a table. */
struct jsonx_field {
	const char *key;
	jsonx_fn decode;
	size_t offset; /* what @out of @decode is, from the object's @base */
};

/** jsonx_init() - begin with an object. */
void jsonx_init(struct jsonx *jx, struct diags *diags, const char *subject, struct err *err);

/** jsonx_done() - say how many findings were not written out, free the memory. */
void jsonx_done(struct jsonx *jx);

/** jsonx_alloc() - @count zeroed elements of @size bytes, until jsonx_done(). */
void *jsonx_alloc(struct jsonx *jx, size_t count, size_t size) __attribute__((returns_nonnull));

/** jsonx_fail() - refuse the object: sets the error to the path and a sentence. Return: -code. */
int jsonx_fail(struct jsonx *jx, int code, const char *fmt, ...) ERR_PRINTF(3, 4);

/** jsonx_missing() - refuse because @key, a field of where the reader is, is not there. */
int jsonx_missing(struct jsonx *jx, const char *key);

/** jsonx_note() - a finding at the path that does not refuse the object. */
void jsonx_note(struct jsonx *jx, const char *fmt, ...) ERR_PRINTF(2, 3);

/** jsonx_enter() - the path goes on with @key. */
void jsonx_enter(struct jsonx *jx, const char *key);

/** jsonx_enter_index() - the path goes on with [@index]. */
void jsonx_enter_index(struct jsonx *jx, size_t index);

/** jsonx_leave() - one step back. */
void jsonx_leave(struct jsonx *jx);

/** jsonx_object() - read @item by a table.
 *
 * @base: what the fields' offsets are relative to.
 *
 * Return: 0, or a negative errno: not an object, a field given twice, or what a
 *         field's function returned.
 */
int jsonx_object(struct jsonx *jx, const cJSON *item, const struct jsonx_field *fields,
                 size_t count, void *base) MUST_CHECK;

/** jsonx_count() - the number of elements of a list.
 *
 * Return: 0; -EINVAL when @item is none, -E2BIG for more than @max.
 */
int jsonx_count(struct jsonx *jx, const cJSON *item, size_t max, size_t *out) MUST_CHECK;

/** jsonx_each() - call @each with every element of a list, nulls included, and @out. */
int jsonx_each(struct jsonx *jx, const cJSON *list, jsonx_fn each, void *out) MUST_CHECK;

/* Fields of one value; the type of @out is named. */

/** jsonx_item() - const cJSON *: as it is. */
int jsonx_item(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_string() - const char *, borrowed from @item. */
int jsonx_string(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_name() - const char *: at most PROXY_MAX_NAME printable ASCII characters without
 *  space, quotes, slash or backslash. May be empty. */
int jsonx_name(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_is_given() - bool: set, whatever the value. */
int jsonx_is_given(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_bool() - bool. */
int jsonx_bool(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_number() - double without fraction. */
int jsonx_number(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_port() - uint16_t, 1-65535. */
int jsonx_port(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_port_or_none() - uint16_t, 0-65535. */
int jsonx_port_or_none(struct jsonx *jx, const cJSON *item, void *out);

/** jsonx_is_name_char() - may a name contain @c? */
bool jsonx_is_name_char(char c);

#define JSONX_QUOTE 68

/** jsonx_quote() - @text as it may appear in a sentence: cut, unprintable bytes replaced. */
const char *jsonx_quote(const char *text, char buf[static JSONX_QUOTE]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JSON_SPLIT_H
#define WATCH_JSON_SPLIT_H

/*
 * Where the objects of a stream of JSON begin and end, found at memory speed
 * without building anything: strings, brackets and the "items" of a List are
 * understood, the rest is left to the parser that gets each object.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "watch/manifest.h"

enum json_event {
	JSON_MORE = 1,    /* all understood so far: append text and call again */
	JSON_DOC_BEGIN,   /* the byte before the position opens a document */
	JSON_DOC_END,     /* the byte before the position closes it */
	JSON_ITEMS_BEGIN, /* the byte before is the bracket of a List's items */
	JSON_ITEMS_END,   /* ... and its end */
	JSON_ITEM_BEGIN,  /* the byte before is an item's first */
	JSON_ITEM_END,    /* the byte before is its last */
};

/** State between calls; zero-initialise and set @line to 1. Plain data without pointers. */
struct json_split {
	unsigned document; /* the one being read, or read last; 0 before the first */
	unsigned line;     /* of the position */
	/* private: */
	uint8_t zone;
	uint8_t last; /* the last token of the envelope or between items */
	bool in_string;
	bool is_key;    /* the envelope's string is a key */
	bool items_key; /* ... and says "items" */
	bool has_items;
	unsigned floor; /* depth at which the value being skipped is over */
	unsigned depth;
	size_t string_bytes;
	uint64_t stack[(WATCH_MAX_DEPTH + 63) / 64]; /* a bit a level: is it an object? */
};

/** json_split_next() - go on to the next event.
 *
 * @text: everything from the last BEGIN or ITEMS_END event on, @len bytes; it may
 *        have moved between calls.
 * @pos: where reading is, updated.
 *
 * Return: an event, or -EBADMSG, or -E2BIG when nested too deep, with a sentence
 *         that has no place yet.
 */
int json_split_next(struct json_split *split, const char *text, size_t len, size_t *pos,
                    struct err *err) MUST_CHECK;

/** json_split_is_between() - may the stream end here? */
bool json_split_is_between(const struct json_split *split);

#endif

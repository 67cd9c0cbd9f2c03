/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JSON_STREAM_H
#define WATCH_JSON_STREAM_H

/*
 * The objects of a stream of JSON that is pushed in pieces: a file's, or the
 * body of an answer to a LIST. One object is in memory at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "watch/json_split.h"
#include "watch/manifest_impl.h"

/** A stream being read. Begin with json_stream_init(), release with json_stream_done(). */
struct json_stream {
	struct manifest *m;
	/* private: */
	struct json_split split;
	char *window;
	size_t len;
	size_t cap;
	size_t pos;   /* the splitter's */
	size_t keep;  /* where the text at hand begins; @pos when nothing is held */
	bool holding; /* text from @keep on is needed */
	bool in_list;
	bool in_item;
	bool is_dropping; /* the item at hand is too large; its beginning was handed out */
	struct strbuf envelope;
	size_t head_bytes;  /* of the envelope, up to its items */
	unsigned head_line; /* where the document begins */
	unsigned tail_line; /* where its items end */
	char item_kind[MANIFEST_MAX_KIND];
};

/** json_stream_init() - @m: place, callbacks, arena and err are used; borrowed. */
void json_stream_init(struct json_stream *r, struct manifest *m);
void json_stream_done(struct json_stream *r);

/** json_stream_room() - where the next piece is to be put.
 *
 * @out_size: at least 1.
 *
 * Return: 0, or -E2BIG for an object that is too large.
 */
int json_stream_room(struct json_stream *r, char **out, size_t *out_size) MUST_CHECK;

/** json_stream_pushed() - @len bytes are there: hand out the objects that they complete.
 *
 * Return: 0, or a negative errno with a finished sentence in the manifest's err.
 */
int json_stream_pushed(struct json_stream *r, size_t len) MUST_CHECK;

/** json_stream_end() - the stream is over. Return: 0, or -EBADMSG inside an object. */
int json_stream_end(struct json_stream *r) MUST_CHECK;

/** json_blank_managed_fields() - empty every array that is the value of a "managedFields".
 *
 * They are half of what an API server sends, and nobody here reads them. The text keeps its
 * length: what is taken out becomes blanks. Text that is not complete JSON is left as it is.
 */
void json_blank_managed_fields(char *text, size_t len);

#endif

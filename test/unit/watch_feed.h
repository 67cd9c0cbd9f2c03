/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_WATCH_FEED_H
#define TEST_UNIT_WATCH_FEED_H

/* A stream of bytes that comes in pieces, and a record of the objects that came out. */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/diag.h"
#include "base/str.h"
#include "proxy/object.h"
#include "watch/manifest.h"

/** Bytes to be read: @head once, then @body over and over until @total is reached. */
struct feed {
	const char *head;
	size_t head_len;
	const char *body;
	size_t body_len;
	size_t total;
	size_t pos;
	size_t step;    /* bytes a read gives at most; 0: as many as are asked for */
	size_t fail_at; /* position at which reading fails with -EIO; 0: never */
};

/** feed_text() - all of @text. */
struct feed feed_text(const char *text, size_t len, size_t step);

/** feed_read() - a watch_read_fn; @ctx is a struct feed. */
int feed_read(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err);

/** record_object() - a watch_object_fn that appends `2:7 Service {"a":1}` to the struct strbuf @ctx. */
void record_object(void *ctx, const cJSON *object, const char *kind,
                   const struct watch_place *place);

/** count_object() - a watch_object_fn that counts into the size_t @ctx. */
void count_object(void *ctx, const cJSON *object, const char *kind,
                  const struct watch_place *place);

/** Objects that were decoded, each by what came first. Zero-initialise. */
struct decoded {
	struct proxy_meta *list[64];
	size_t count;
	size_t skipped;
	size_t refused;
	struct strbuf why; /* sentences of those refused, a line each */
	struct diags diags;
};

/** decode_object() - a watch_object_fn that decodes into the struct decoded @ctx. */
void decode_object(void *ctx, const cJSON *object, const char *kind,
                   const struct watch_place *place);

/** decoded_done() - free everything. */
void decoded_done(struct decoded *decoded);

/** describe_object() - one line with every field that is not at its default. */
void describe_object(struct strbuf *buf, const struct proxy_meta *object);

#endif

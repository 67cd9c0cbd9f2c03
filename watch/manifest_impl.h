/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_MANIFEST_IMPL_H
#define WATCH_MANIFEST_IMPL_H

/* What the readers of JSON and of YAML share. */

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "watch/jsonx_arena.h"
#include "watch/manifest.h"

/* Room for the kind of a typed list's items; a longer one is not worth knowing. */
#define MANIFEST_MAX_KIND 64

/** A stream being read. */
struct manifest {
	watch_read_fn read;
	void *read_ctx;
	watch_object_fn on_object;
	/* Either may be NULL. What a List has around its items, with "items":[]; after the last item. */
	void (*on_envelope)(void *ctx, const cJSON *envelope);
	/* The beginning of an item larger than WATCH_MAX_OBJECT_BYTES, which is left out; without
	 * this function it ends the reading. @kind: of the list's items, or "". */
	void (*on_dropped)(void *ctx, const char *text, size_t len, const char *kind);
	void *ctx;
	struct err *err;
	uint64_t bytes;           /* read so far */
	struct watch_place place; /* of the object at hand */
	struct jsonx_arena arena; /* of its tree */
	const char *ahead;        /* read to tell the format, not yet pulled */
	size_t ahead_len;
};

/** manifest_pull() - up to @size further bytes; @out_len is 0 at the end.
 *
 * Return: 0 or a negative errno with a finished sentence.
 */
int manifest_pull(struct manifest *m, char *buf, size_t size, size_t *out_len) MUST_CHECK;

/** manifest_fail() - "document D, line L: ..." of m->place, with @line instead of its line. */
int manifest_fail(struct manifest *m, int code, unsigned line, const char *fmt, ...)
	ERR_PRINTF(4, 5);

/** manifest_item_kind() - "Service" of a "ServiceList", "" of a plain "List" and all else.
 *
 * @list: what there is of the envelope; may be NULL.
 */
void manifest_item_kind(const cJSON *list, char kind[static MANIFEST_MAX_KIND]);

/** manifest_read_yaml() - read to the end. */
int manifest_read_yaml(struct manifest *m) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_MANIFEST_H
#define WATCH_MANIFEST_H

/*
 * Kubernetes objects out of a stream of JSON or YAML, one at a time.
 *
 * What `kubectl get -o json|yaml` prints: a List (any object with an "items"
 * array, a typed ServiceList of the API included), one object, or several
 * documents: YAML separated by "---", JSON texts one after the other. Whether a
 * stream is JSON or YAML is told by its first character, not by a file name.
 *
 * Only the object at hand is in memory, so a list of any length costs what its
 * largest object costs. Pure: the bytes come from a function of the caller.
 */

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

/* Bounds; a stream that passes one is refused as a whole, naming document and line. */
#define WATCH_MAX_OBJECT_BYTES (16u << 20) /* text of one object */
#define WATCH_MAX_TREE_BYTES (128u << 20)  /* memory of one object: ten times its text, or more */
#define WATCH_MAX_DEPTH 200                /* nested arrays and objects, List included */
#define WATCH_MAX_STREAM_BYTES (128u << 20)

/** Where an object begins. */
struct watch_place {
	unsigned document; /* from 1 */
	unsigned line;     /* from 1 */
};

/** A source of bytes: up to @size of them into @buf.
 *
 * @out_len: 0 means the end.
 *
 * Return: 0, or a negative errno with a sentence in @err; ends the reading.
 */
typedef int (*watch_read_fn)(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err);

/** Takes one object.
 *
 * @object: borrowed, gone after the call. Not necessarily a JSON object: a
 *          document may hold anything.
 * @kind: what the items of a typed list are ("Service" in a ServiceList), for
 *        items that do not say so themselves; else NULL.
 */
typedef void (*watch_object_fn)(void *ctx, const cJSON *object, const char *kind,
                                const struct watch_place *place);

/** watch_manifest_read() - read a stream to its end.
 *
 * Objects are handed out while reading, so those before a syntax error have been
 * seen by the time the error is found: act on them only after success. An empty
 * stream, and an empty document, hold no object and are no error.
 *
 * Duplicate keys are left in the tree (the decoder refuses them), but "items" of
 * a List may be given once; NUL bytes, YAML aliases, merge keys and YAML tags
 * other than the core schema's are refused. Plain YAML scalars are null, true,
 * false, decimal numbers without leading zeros, and else strings.
 *
 * A UTF-8 byte order mark at the beginning is skipped.
 *
 * Return: 0; -EBADMSG for broken syntax or a NUL byte; -E2BIG at a bound; or
 *         what @read returned. The sentence begins "document D, line L: ".
 */
int watch_manifest_read(watch_read_fn read, void *read_ctx, watch_object_fn on_object, void *ctx,
                        struct err *err) MUST_CHECK;

#endif

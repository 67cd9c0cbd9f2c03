/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_FILE_H
#define WATCH_FILE_H

/*
 * A file, a directory of files, or standard input as the source of objects,
 * followed with inotify(7).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "watch/manifest.h"

/* A directory's regular files (links followed) named *.json, *.yaml, *.yml, not hidden, by name. */
#define WATCH_MAX_FILES 4096

struct watch_file; /* opaque: a path and the inotify watches on it */

/** watch_file_open() - prepare to read @path; "-" is standard input.
 *
 * Nothing is read yet. Watches are set before the first read, so no change is missed.
 *
 * @follow: set up inotify; watch_file_fd() is valid then.
 * @out: set on success only; release with watch_file_close().
 *
 * Return: 0, or a negative errno; the sentence names the path. A path that does
 *         not exist is -ENOENT.
 */
int watch_file_open(const char *path, bool follow, struct watch_file **out,
                    struct err *err) MUST_CHECK;

/** watch_file_close() - NULL is a no-op. */
void watch_file_close(struct watch_file *file);

/** watch_file_fd() - readable when something may have changed; -1 when not followed. */
int watch_file_fd(const struct watch_file *file);

/** What inotify reported. */
enum watch_file_change {
	WATCH_FILE_UNCHANGED = 0, /* nothing of ours */
	WATCH_FILE_WRITING, /* being written in place, its writer has it open: wait a little */
	WATCH_FILE_CHANGED, /* a complete new state: closed, renamed, linked, deleted */
};

/** watch_file_drain() - take pending events off the descriptor; never blocks.
 *
 * Not more than 64 KiB of them: who makes events without end in the same directory holds nobody up.
 * What is left makes the descriptor readable again.
 */
enum watch_file_change watch_file_drain(struct watch_file *file);

/** watch_file_read() - read everything there is now, renewing the watches first.
 *
 * @on_object: called for each object; @file_name (of watch_file_now()) names its file.
 *
 * Return: 0, or a negative errno with a sentence that begins with the file's
 *         name: unreadable, larger than WATCH_MAX_STREAM_BYTES (-EFBIG, known
 *         before reading where the size is), broken syntax. What was handed out
 *         before is then not to be acted on.
 */
int watch_file_read(struct watch_file *file, watch_object_fn on_object, void *ctx,
                    struct err *err) MUST_CHECK;

/** watch_file_name() - the source as a whole, for messages: the end of its path, or "standard input". */
const char *watch_file_name(const struct watch_file *file);

/** watch_file_now() - the name of the file being read, for messages; valid inside @on_object. */
const char *watch_file_now(const struct watch_file *file);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_FILE_FOLLOW_H
#define WATCH_FILE_FOLLOW_H

/* Following a path with inotify(7), through symbolic links and replaced files. */

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "watch/file.h"

/** A name in a watched directory that matters. */
struct follow_name {
	int wd;
	char *dir;
	char *name; /* NULL: every name of a manifest */
};

struct follow_names {
	struct follow_name *list;
	size_t count;
	size_t cap;
};

/** The watches. Begin with follow_open(), end with follow_close(). */
struct follow {
	int fd; /* -1: nothing is followed */
	struct follow_names names;
	struct follow_names old;     /* while the watches are renewed */
	struct follow_names writing; /* files that were modified and not closed since */
};

/** follow_open() - get the descriptor. */
int follow_open(struct follow *follow, struct err *err) MUST_CHECK;

/** follow_close() - also for one that was never opened, with @fd -1. */
void follow_close(struct follow *follow);

/** follow_renew() - begin to say anew what is followed. */
void follow_renew(struct follow *follow);

/** follow_path() - watch what decides on the meaning of @path: its own name and every link on the way. */
int follow_path(struct follow *follow, const char *path, struct err *err) MUST_CHECK;

/** follow_dir() - watch the manifests in a directory. */
int follow_dir(struct follow *follow, const char *path, struct err *err) MUST_CHECK;

/** follow_renewed() - forget what was not said again since follow_renew(). */
void follow_renewed(struct follow *follow);

/** follow_drain() - as watch_file_drain(). */
enum watch_file_change follow_drain(struct follow *follow);

/** follow_is_manifest_name() - is a file of this name read as part of its directory? */
bool follow_is_manifest_name(const char *name);

/** follow_join() - @dir/@name; false when it does not fit. */
bool follow_join(char out[static PATH_MAX], const char *dir, const char *name);

#endif

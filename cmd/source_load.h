/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SOURCE_LOAD_H
#define CMD_SOURCE_LOAD_H

/*
 * Objects from a file into the planner: one complete list each time.
 */

#include "base/diag.h"
#include "proxy/planner.h"
#include "watch/file.h"

/** What a reading found. */
struct source_counts {
	size_t objects; /* taken */
	size_t skipped; /* of kinds a proxy does not read, or not meant for one */
	size_t bad;     /* refused; their last good form stays */
};

/** source_load() - read @file into @planner.
 *
 * Takes effect as a whole or, when the reading fails, not at all.
 *
 * @diags: one finding for each refused object, naming file, document and line, and
 *         the decoder's findings.
 *
 * A source without a single object that a proxy reads is not taken for the truth: every cluster has
 * some. A file is empty, or holds an error message, when `kubectl get > FILE` has failed.
 *
 * Return: 0; -ENODATA for a source without objects; or a negative errno. The sentence names the
 *         source, and the file, document and line where it is about one.
 */
int source_load(struct watch_file *file, struct proxy_planner *planner,
                struct source_counts *counts, struct diags *diags, struct err *err) MUST_CHECK;

#endif

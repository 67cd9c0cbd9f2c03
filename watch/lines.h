/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_LINES_H
#define WATCH_LINES_H

/* Lines out of bytes that come cut anywhere. */

#include <stdbool.h>
#include <stddef.h>

/* Of a line that is too long so much is handed out: enough to see whose it is. */
#define LINES_CUT_BYTES 16384u

/** Zero-initialise and set @max, at least LINES_CUT_BYTES; release with lines_done(). */
struct lines {
	size_t max; /* bytes of a line, its end not counted */
	/* private: */
	char *buf;
	size_t len;
	size_t cap;
	bool is_cut; /* the line at hand is too long; what comes of it is dropped */
};

/** Takes one line.
 *
 * @line: without its end; may be written to; gone after the call. Empty lines are not handed out.
 * @is_cut: the line was longer than the bound, this is its beginning.
 *
 * Return: 0, or a negative errno, which ends the reading.
 */
typedef int (*lines_fn)(void *ctx, char *line, size_t len, bool is_cut);

/** lines_push() - more bytes. Lines end with LF; a CR before it is not part of them.
 *
 * Return: 0, or what @fn returned; the lines are then of no further use.
 */
int lines_push(struct lines *lines, const char *bytes, size_t len, lines_fn fn, void *ctx);

/** lines_done() - free the memory; what was not ended is dropped. Usable again afterwards. */
void lines_done(struct lines *lines);

#endif

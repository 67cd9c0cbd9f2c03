/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A buffer that a rare large line has made is not kept for the small ones. */
#define KEPT_BYTES ((size_t)256 << 10)

static void add(struct lines *lines, const char *bytes, size_t len)
{
	if (lines->is_cut)
		return;
	if (len > lines->max - lines->len) {
		lines->is_cut = true;
		len = lines->len < LINES_CUT_BYTES ? LINES_CUT_BYTES - lines->len : 0;
	}
	lines->buf = vec_reserve(lines->buf, &lines->cap, lines->len + len, 1);
	memcpy(lines->buf + lines->len, bytes, len);
	lines->len += len;
}

static int end_line(struct lines *lines, lines_fn fn, void *ctx)
{
	size_t len = lines->len;
	int ret = 0;

	if (lines->is_cut && len > LINES_CUT_BYTES)
		len = LINES_CUT_BYTES;
	if (len > 0 && !lines->is_cut && lines->buf[len - 1] == '\r')
		len--;
	if (len > 0)
		ret = fn(ctx, lines->buf, len, lines->is_cut);
	lines->len = 0;
	lines->is_cut = false;
	if (lines->cap > KEPT_BYTES)
		lines_done(lines);
	return ret;
}

int lines_push(struct lines *lines, const char *bytes, size_t len, lines_fn fn, void *ctx)
{
	const char *end = bytes + len;

	while (bytes < end) {
		const char *eol = memchr(bytes, '\n', (size_t)(end - bytes));
		int ret;

		add(lines, bytes, (size_t)((eol != NULL ? eol : end) - bytes));
		if (eol == NULL)
			return 0;
		ret = end_line(lines, fn, ctx);
		if (ret < 0)
			return ret;
		bytes = eol + 1;
	}
	return 0;
}

void lines_done(struct lines *lines)
{
	free(lines->buf);
	lines->buf = NULL;
	lines->len = 0;
	lines->cap = 0;
	lines->is_cut = false;
}

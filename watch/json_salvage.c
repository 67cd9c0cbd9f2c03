/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json_salvage.h"

#include <stdbool.h>
#include <string.h>

#include "watch/manifest.h"

/* The brackets that are open, innermost last. */
struct open {
	unsigned depth;
	char closers[WATCH_MAX_DEPTH];
};

static bool enter(struct open *open, char closer)
{
	if (open->depth == WATCH_MAX_DEPTH)
		return false;
	open->closers[open->depth++] = closer;
	return true;
}

/* Reads as far as the text is sound; @saved and @saved_len become what was open at the last comma,
 * and where that was: before a comma everything is whole. */
static void find_last_comma(const char *text, size_t len, struct open *saved, size_t *saved_len)
{
	struct open open = { 0 };
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (in_string && c == '\\') {
			i++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (in_string) {
			continue;
		} else if (c == '{' || c == '[') {
			if (!enter(&open, c == '{' ? '}' : ']'))
				return;
		} else if (c == '}' || c == ']') {
			if (open.depth == 0 || open.closers[--open.depth] != c)
				return;
		} else if (c == ',') {
			*saved = open;
			*saved_len = i;
		}
	}
}

void json_salvage(const char *text, size_t len, struct strbuf *out)
{
	struct open saved = { 0 };
	size_t saved_len = 0;

	strbuf_clear(out);
	find_last_comma(text, len, &saved, &saved_len);
	strbuf_add(out, text, saved_len);
	while (saved.depth > 0)
		strbuf_add(out, &saved.closers[--saved.depth], 1);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JSONX_ARENA_H
#define WATCH_JSONX_ARENA_H

/*
 * Memory that is handed out by moving a pointer and given back all at once: for
 * the tree of one object at a time, and for what its decoder needs meanwhile.
 *
 * Between jsonx_arena_begin() and jsonx_arena_end() cJSON takes its memory from
 * an arena. What it builds then must not be passed to cJSON_Delete().
 */

#include <stdbool.h>
#include <stddef.h>

struct jsonx_chunk;

/** An arena. Zero-initialise with a limit, release with jsonx_arena_done(). */
struct jsonx_arena {
	size_t limit; /* bytes it may take from the heap */
	size_t taken;
	bool is_full; /* something was refused since the last rewind */
	char *at;     /* free memory of the newest chunk */
	char *end;
	struct jsonx_chunk *chunks; /* newest first */
};

/** What jsonx_arena_rewind() goes back to; zeroed: the very beginning. */
struct jsonx_mark {
	struct jsonx_chunk *chunk;
	char *at;
};

/** jsonx_arena_alloc() - @size bytes, uninitialised, aligned for pointers and numbers.
 *
 * Return: NULL when the limit is reached.
 */
void *jsonx_arena_alloc(struct jsonx_arena *arena, size_t size);

/** jsonx_arena_mark() - the present state. */
struct jsonx_mark jsonx_arena_mark(const struct jsonx_arena *arena);

/** jsonx_arena_rewind() - give back all that was allocated since @mark. */
void jsonx_arena_rewind(struct jsonx_arena *arena, struct jsonx_mark mark);

/** jsonx_arena_done() - give everything back to the heap. */
void jsonx_arena_done(struct jsonx_arena *arena);

/** jsonx_arena_begin() - cJSON allocates from @arena now, and frees nothing. */
void jsonx_arena_begin(struct jsonx_arena *arena);

/** jsonx_arena_end() - cJSON is back on the heap. */
void jsonx_arena_end(void);

#endif

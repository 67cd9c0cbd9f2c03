/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/jsonx_arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <sanitizer/asan_interface.h>

#include "base/mem.h"

#define FIRST_BYTES ((size_t)64 << 10)
#define CHUNK_BYTES ((size_t)1 << 20)
#define ALIGN 8

_Static_assert(alignof(cJSON) <= ALIGN, "cJSON's nodes live in arenas");

struct jsonx_chunk {
	struct jsonx_chunk *older;
	size_t bytes; /* of @data */
	alignas(ALIGN) char data[];
};

/* Whom cJSON allocates from; its hooks take no context. */
static struct jsonx_arena *current;

static bool add_chunk(struct jsonx_arena *arena, size_t size)
{
	size_t bytes = arena->chunks == NULL ? FIRST_BYTES : CHUNK_BYTES;
	struct jsonx_chunk *chunk;

	if (bytes < size)
		bytes = size;
	if (bytes > arena->limit - arena->taken) {
		if (size > arena->limit - arena->taken)
			return false;
		bytes = size;
	}
	chunk = xmalloc(sizeof(*chunk) + bytes);
	chunk->older = arena->chunks;
	chunk->bytes = bytes;
	ASAN_POISON_MEMORY_REGION(chunk->data, bytes);
	arena->chunks = chunk;
	arena->taken += bytes;
	arena->at = chunk->data;
	arena->end = chunk->data + bytes;
	return true;
}

void *jsonx_arena_alloc(struct jsonx_arena *arena, size_t size)
{
	size_t rounded = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	char *p = arena->at;

	if (arena->chunks == NULL || rounded < size || rounded > (size_t)(arena->end - p)) {
		if (rounded < size || !add_chunk(arena, rounded)) {
			arena->is_full = true;
			return NULL;
		}
		p = arena->at;
	}
	arena->at = p + rounded;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return p;
}

struct jsonx_mark jsonx_arena_mark(const struct jsonx_arena *arena)
{
	return (struct jsonx_mark){ .chunk = arena->chunks, .at = arena->at };
}

/* The oldest chunk stays, so that one small object after the other costs no heap call. */
void jsonx_arena_rewind(struct jsonx_arena *arena, struct jsonx_mark mark)
{
	while (arena->chunks != mark.chunk && arena->chunks->older != NULL) {
		struct jsonx_chunk *chunk = arena->chunks;

		arena->chunks = chunk->older;
		arena->taken -= chunk->bytes;
		free(chunk);
	}
	arena->is_full = false;
	if (arena->chunks == NULL)
		return;
	arena->at = arena->chunks == mark.chunk ? mark.at : arena->chunks->data;
	arena->end = arena->chunks->data + arena->chunks->bytes;
	ASAN_POISON_MEMORY_REGION(arena->at, (size_t)(arena->end - arena->at));
}

void jsonx_arena_done(struct jsonx_arena *arena)
{
	while (arena->chunks != NULL) {
		struct jsonx_chunk *chunk = arena->chunks;

		arena->chunks = chunk->older;
		free(chunk);
	}
	*arena = (struct jsonx_arena){ .limit = arena->limit };
}

static void *hook_malloc(size_t size)
{
	return jsonx_arena_alloc(current, size);
}

static void hook_free(void *ptr)
{
	(void)ptr; /* goes with the arena */
}

void jsonx_arena_begin(struct jsonx_arena *arena)
{
	cJSON_Hooks hooks = { .malloc_fn = hook_malloc, .free_fn = hook_free };

	ASSERT(current == NULL);
	current = arena;
	cJSON_InitHooks(&hooks);
}

void jsonx_arena_end(void)
{
	cJSON_Hooks hooks = { .malloc_fn = xmalloc, .free_fn = free };

	ASSERT(current != NULL);
	current = NULL;
	cJSON_InitHooks(&hooks);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *ptr, size_t count, size_t size)
{
	if (ptr == NULL) {
		(void)fprintf(stderr, "out of memory: %zu x %zu bytes\n", count, size);
		abort();
	}
	return ptr;
}

void *xmalloc(size_t size)
{
	return must(malloc(size > 0 ? size : 1), 1, size);
}

void *xcalloc(size_t count, size_t size)
{
	return must(calloc(count > 0 ? count : 1, size > 0 ? size : 1), count, size);
}

void *xrealloc_array(void *ptr, size_t count, size_t size)
{
	return must(reallocarray(ptr, count > 0 ? count : 1, size > 0 ? size : 1), count, size);
}

char *xstrdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(xmalloc(size), text, size);
}

void *vec_reserve(void *vec, size_t *cap, size_t want, size_t size)
{
	size_t next = *cap + *cap / 2 + 8;

	if (want <= *cap && vec != NULL)
		return vec;
	if (next < want)
		next = want;
	*cap = next;
	return xrealloc_array(vec, next, size);
}

void panic(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "bug: %s:%d: %s\n", file, line, what);
	abort();
}

void auto_free(void *ptr_to_ptr)
{
	void *ptr;

	memcpy(&ptr, ptr_to_ptr, sizeof(ptr));
	free(ptr);
}

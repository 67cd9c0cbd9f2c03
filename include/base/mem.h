/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_MEM_H
#define BASE_MEM_H

/*
 * Memory that is there or ends the program.
 *
 * What comes from outside is bounded before it is stored, so running out of
 * memory is never a stranger's choice: say how much was asked for, and abort.
 * The kubelet starts us again, the ruleset stays meanwhile.
 */

#include <stddef.h>
#include <stdint.h>

/** xmalloc() - @size bytes, uninitialised; never NULL. The caller frees. */
void *xmalloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));

/** xcalloc() - @count zeroed elements of @size bytes; aborts when the product overflows. */
void *xcalloc(size_t count, size_t size) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));

/** xrealloc_array() - resize @ptr (or NULL) to @count elements of @size bytes. */
void *xrealloc_array(void *ptr, size_t count, size_t size)
	__attribute__((warn_unused_result, returns_nonnull));

/** xstrdup() - a copy the caller frees. */
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));

/** vec_reserve() - room for at least @want elements of @size bytes in the growing array @vec.
 *
 * @cap: elements allocated so far, updated; grows by half again, so that
 *       appending is linear.
 *
 * Return: the array, perhaps moved.
 */
void *vec_reserve(void *vec, size_t *cap, size_t want, size_t size)
	__attribute__((warn_unused_result, returns_nonnull));

/** panic() - say what is impossible and abort; for bugs, not for bad input. */
void panic(const char *file, int line, const char *what) __attribute__((noreturn, cold));

/** ASSERT() - a truth about our own code, checked in releases too. */
#define ASSERT(cond)                                      \
	do {                                              \
		if (__builtin_expect(!(cond), 0))         \
			panic(__FILE__, __LINE__, #cond); \
	} while (0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A local that owns: freed when its scope is left. */
#define AUTO_FREE __attribute__((cleanup(auto_free)))

void auto_free(void *ptr_to_ptr);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_YAMLX_H
#define WATCH_YAMLX_H

/* What a YAML scalar means in JSON. */

#include <stdbool.h>
#include <stddef.h>

enum yamlx_type {
	YAMLX_NULL = 1,
	YAMLX_TRUE,
	YAMLX_FALSE,
	YAMLX_NUMBER,
	YAMLX_STRING,
};

/** yamlx_resolve() - the type of a plain scalar.
 *
 * By YAML's core schema, less what the versions of YAML read differently: octal
 * and hexadecimal numbers and numbers with leading zeros stay strings, as do
 * yes, no, on and off.
 *
 * @text: NUL-terminated, without further NUL bytes.
 * @out_number: set for a number.
 */
enum yamlx_type yamlx_resolve(const char *text, size_t len, double *out_number);

/** yamlx_is_tagged() - may a scalar with this tag be of this type?
 *
 * @tag: NULL for none. "!!str" turns every scalar into a string, which is what
 *       a caller does with it; the other tags of the core schema must be true.
 */
bool yamlx_is_tagged(const char *tag, enum yamlx_type type);

/** yamlx_is_text() - does this tag say "string"? */
bool yamlx_is_text(const char *tag);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_WATCH_ROWS_H
#define TEST_UNIT_WATCH_ROWS_H

/* Tests of decoders as rows: a piece of an object in, a description or a sentence out. */

#include <stddef.h>

/** One row is one sentence about a decoder. */
struct decode_row {
	const char *what;
	const char *json; /* goes into the template */
	int ret;
	const char *want; /* the object's description; NULL with @ret 0: none came out */
	const char *msg;  /* the sentence of a refusal */
	const char *note; /* the findings, joined by " | " */
};

/** check_decode_rows() - decode @template, with its %s replaced by each row's JSON. */
void check_decode_rows(const char *template, const struct decode_row *rows, size_t count);

/* What a field takes, for check_wrong_types(). */
#define TAKES_STRING "s"
#define TAKES_NUMBER "n"
#define TAKES_BOOL "b"
#define TAKES_LIST "l"
#define TAKES_OBJECT "o"
#define TAKES_ANYTHING "snblo"

/** A field, by an object that has it, with %s for its value. */
struct field_row {
	const char *path;
	const char *json;
	const char *takes;
};

/** check_wrong_types() - every type but the one that a field takes refuses, naming its path;
 *  null is no field at all unless @json makes it required. */
void check_wrong_types(const struct field_row *rows, size_t count);

#endif

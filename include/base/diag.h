/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

/*
 * Diagnostics: what is wrong with somebody's object, as values.
 *
 * A bad object never stops the others. Whoever meets one adds a sentence here
 * and goes on; cmd/ decides what is logged, counted or shown.
 */

#include <stddef.h>

#include "base/err.h"

/** Sentences kept at most; further ones are only counted. */
#define DIAG_MAX 256

/** A list of findings. Zero-initialise, release with diag_done(). */
struct diags {
	struct diag {
		char *subject; /* "service default/web": who is meant, owned */
		char *text;    /* "spec.ports[0].port: missing", owned */
	} * list;
	size_t count; /* entries in @list */
	size_t cap;
	size_t total; /* findings, those not kept included */
};

/** diag_add() - one more finding about @subject. */
void diag_add(struct diags *diags, const char *subject, const char *fmt, ...) ERR_PRINTF(3, 4);

/** diag_clear() - forget all, keep the memory. */
void diag_clear(struct diags *diags);

/** diag_done() - free everything; the list is empty and usable afterwards. */
void diag_done(struct diags *diags);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_RECORDING_H
#define TEST_UNIT_RECORDING_H

/* Answers of a real API server, out of test/data/recordings. */

#include "base/str.h"

struct recording {
	unsigned status;
	struct strbuf body; /* chunks joined */
};

/** recording_load() - @name: without ".http". Release with recording_done(). */
void recording_load(const char *name, struct recording *out);
void recording_done(struct recording *recording);

#endif

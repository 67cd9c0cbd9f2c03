/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SOURCE_IMPL_H
#define CMD_SOURCE_IMPL_H

/* What the kinds of sources share. */

#include "cmd/source.h"

/** The beginning of every source: as in source.h. */
struct source {
	void (*close)(struct source *source);
	void (*turn)(struct source *source);
	bool (*is_complete)(const struct source *source);
	void (*log)(const struct source *source);
	void (*state)(const struct source *source, struct source_state *out); /* @out is zeroed */
};

int source_file_open(const struct source_setting *setting, struct source **out,
                     struct err *err) MUST_CHECK;

int source_api_open(const struct source_setting *setting, struct source **out,
                    struct err *err) MUST_CHECK;

#endif

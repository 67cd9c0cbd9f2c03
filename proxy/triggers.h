/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_TRIGGERS_H
#define PROXY_TRIGGERS_H

/*
 * When the changes began that slices told of (proxy_planner_take_triggers()).
 */

#include "proxy/planner.h"

/** Zero-initialise. */
struct triggers {
	struct proxy_trigger *list;
	size_t count, cap;
};

/** triggers_note() - a slice of Service @id came or changed. */
void triggers_note(struct triggers *triggers, uint32_t id,
                   const struct proxy_endpoint_slice *slice);

/** triggers_forget() - all of Service @id. */
void triggers_forget(struct triggers *triggers, uint32_t id);

/** triggers_done() - free the list; empty and usable afterwards. */
void triggers_done(struct triggers *triggers);

#endif

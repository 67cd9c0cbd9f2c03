/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PLANNER_IMPL_H
#define PROXY_PLANNER_IMPL_H

/*
 * What explanations need of the planner's inside.
 */

#include "proxy/plan.h"
#include "store.h"

struct proxy_store *planner_store(struct proxy_planner *planner);

/** planner_facts() - what is known of the node. */
const struct proxy_facts *planner_facts(const struct proxy_planner *planner);

#endif

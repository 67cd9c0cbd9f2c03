/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_PLANNER_H
#define TEST_UNIT_PLANNER_H

#include "base/str.h"
#include "proxy/planner.h"

#define PLANNER_SEED ((const uint8_t[16]){ 1, 2, 3 })

/* The kinds of a list of everything. */
#define EVERY_KIND                                                             \
	(1u << PROXY_SERVICE | 1u << PROXY_ENDPOINT_SLICE | 1u << PROXY_NODE | \
	 1u << PROXY_SERVICE_CIDR)

/** new_planner() - of node-1, whose pods are in 10.0.0.0/8. */
struct proxy_planner *new_planner(void);

/** put() - proxy_planner_put() of an object without findings. */
bool put(struct proxy_planner *planner, struct proxy_meta *object);

/** changes_text() - append what proxy_planner_changes() yields: "* ns/a" and the plan, for each Service. */
void changes_text(struct proxy_planner *planner, struct strbuf *text, struct diags *diags);

#endif

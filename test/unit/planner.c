/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/planner.h"

#include "test/unit/objects.h"
#include "test/unit/test.h"

struct proxy_planner *new_planner(void)
{
	struct ipcidr pods;
	struct proxy_config config = { .node_name = "node-1",
		                       .pod_cidrs = &pods,
		                       .pod_cidr_count = 1 };

	assert_int_equal(ipcidr_parse("10.0.0.0/8", &pods, NULL), 0);
	return proxy_planner_new(&config, PLANNER_SEED);
}

void changes_text(struct proxy_planner *planner, struct strbuf *text, struct diags *diags)
{
	struct proxy_changes changes;

	proxy_planner_changes(planner, &changes, diags);
	strbuf_puts(text, "");
	for (size_t i = 0; i < changes.count; i++) {
		strbuf_printf(text, "* %s\n", changes.services[i]->name);
		text_service(text, changes.services[i]);
	}
	proxy_changes_done(&changes);
}

bool put(struct proxy_planner *planner, struct proxy_meta *object)
{
	struct diags diags = { 0 };
	bool changed = proxy_planner_put(planner, object, &diags);

	assert_int_equal(diags.total, 0);
	return changed;
}

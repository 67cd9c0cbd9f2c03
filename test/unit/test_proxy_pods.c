/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/planner.h"
#include "test/unit/planner.h"
#include "test/unit/test.h"

static bool networks_change(struct proxy_planner *planner)
{
	struct proxy_changes changes;
	struct diags diags = { 0 };
	bool changed;

	proxy_planner_changes(planner, &changes, &diags);
	changed = changes.networks;
	proxy_changes_done(&changes);
	diag_done(&diags);
	return changed;
}

/* detectLocalMode NodeCIDR: the Node's podCIDRs, live, and kept while it has none. */
static void takes_pods_from_the_node(void **state)
{
	struct proxy_config config = { .node_name = "node-1", .pods_of_node = true };
	struct proxy_planner *planner = proxy_planner_new(&config, PLANNER_SEED);
	const struct lb_networks *networks = proxy_planner_networks(planner);
	struct ipcidr pods[2];
	struct proxy_node node = {
		.meta = { .kind = PROXY_NODE, .namespace = "", .name = "node-1" },
		.zone = "",
		.pod_cidr_count = 2,
		.pod_cidrs = pods
	};

	(void)state;
	assert_int_equal(ipcidr_parse("10.244.3.0/24", &pods[0], NULL), 0);
	assert_int_equal(ipcidr_parse("fd00:10:244:3::/64", &pods[1], NULL), 0);
	(void)networks_change(planner);
	assert_int_equal(networks->pod_cidr_count, 0);
	assert_null(proxy_planner_node(planner));
	(void)put(planner, proxy_object_pack(&node.meta));
	assert_int_equal(proxy_planner_node(planner)->pod_cidr_count, 2);
	assert_true(networks_change(planner));
	assert_int_equal(networks->pod_cidr_count, 2);

	(void)proxy_planner_delete(planner, PROXY_NODE, "", "node-1");
	assert_false(networks_change(planner));
	assert_int_equal(networks->pod_cidr_count, 2);
	node.pod_cidr_count = 0;
	(void)put(planner, proxy_object_pack(&node.meta));
	assert_false(networks_change(planner));
	assert_int_equal(networks->pod_cidr_count, 2);
	node.pod_cidr_count = 1;
	(void)put(planner, proxy_object_pack(&node.meta));
	assert_true(networks_change(planner));
	assert_int_equal(networks->pod_cidr_count, 1);
	proxy_planner_free(planner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_pods_from_the_node),
	};

	return cmocka_run_group_tests_name("proxy/pods", tests, NULL, NULL);
}

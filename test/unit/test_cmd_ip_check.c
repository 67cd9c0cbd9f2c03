/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/ip_check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "test/unit/test.h"

#define START_US 7000000u

/* Lists are texts, separated by blanks. */
static const struct row {
	const char *what;
	enum detect_mode mode;
	const char *cluster;  /* clusterCIDR */
	const char *pods;     /* spec.podCIDRs */
	const char *ports;    /* nodePortAddresses; NULL: primary */
	const char *addrs;    /* InternalIPs of the Node; NULL: it is unknown */
	const char *bind;     /* bindAddress */
	bool no_ipv6;         /* the kernel */
	const char *error;    /* the beginning; NULL: it starts */
	const char *findings; /* subjects, joined by blanks */
} rows[] = {
	{ .what = "a dual-stack node and clusterCIDR",
	  .cluster = "10.0.0.0/8 fd00::/48",
	  .addrs = "192.0.2.1 2001:db8::1" },
	{ .what = "no clusterCIDR", .addrs = "192.0.2.1", .no_ipv6 = true },
	{ .what = "(a) a clusterCIDR of IPv6 on a node that has only IPv4",
	  .cluster = "fd00::/48",
	  .addrs = "192.0.2.1",
	  .no_ipv6 = true,
	  .error = "clusterCIDR: only IPv6 ranges, and this node has only IPv4" },
	{ .what = "both families are no mismatch there",
	  .cluster = "fd00::/48 10.0.0.0/8",
	  .addrs = "192.0.2.1",
	  .no_ipv6 = true },
	{ .what = "a dual-stack node is only told of it",
	  .cluster = "fd00::/48",
	  .addrs = "192.0.2.1",
	  .findings = "clusterCIDR" },
	{ .what = "one that is IPv6-primary, too",
	  .cluster = "10.0.0.0/8",
	  .addrs = "2001:db8::1",
	  .findings = "clusterCIDR" },
	{ .what = "another mode only tells of it, also where it is single-stack",
	  .mode = DETECT_BRIDGE,
	  .cluster = "fd00::/48",
	  .addrs = "192.0.2.1",
	  .no_ipv6 = true,
	  .findings = "clusterCIDR" },
	{ .what = "an unknown Node counts as IPv4",
	  .cluster = "fd00::/48",
	  .no_ipv6 = true,
	  .error = "clusterCIDR: only IPv6 ranges, and this node has only IPv4" },
	{ .what = "bindAddress says what is primary",
	  .cluster = "fd00::/48",
	  .addrs = "192.0.2.1",
	  .bind = "2001:db8::1" },
	{ .what = "no IPv6 for a primary address of it",
	  .addrs = "2001:db8::1",
	  .no_ipv6 = true,
	  .error = "the Node's primary address is of IPv6, and this kernel has no IPv6" },
	{ .what = "or for a bindAddress",
	  .addrs = "192.0.2.1",
	  .bind = "2001:db8::1",
	  .no_ipv6 = true,
	  .error = "bindAddress is of IPv6, and this kernel has no IPv6" },

	{ .what = "NodeCIDR with podCIDRs of both families",
	  .mode = DETECT_NODE_CIDR,
	  .pods = "10.0.0.0/24 fd00::/64",
	  .addrs = "192.0.2.1" },
	{ .what = "(b) podCIDRs of the other family only, also on a dual-stack node",
	  .mode = DETECT_NODE_CIDR,
	  .pods = "fd00::/64",
	  .addrs = "192.0.2.1 2001:db8::1",
	  .error = "detectLocalMode NodeCIDR: spec.podCIDRs of Node n1 has only IPv6 ranges, and "
	           "the node's primary address is of IPv4" },
	{ .what = "the same the other way round",
	  .mode = DETECT_NODE_CIDR,
	  .pods = "10.0.0.0/24",
	  .addrs = "2001:db8::1 192.0.2.1",
	  .error = "detectLocalMode NodeCIDR: spec.podCIDRs of Node n1 has only IPv4 ranges, and "
	           "the node's primary address is of IPv6" },
	{ .what = "another mode only tells of it",
	  .pods = "fd00::/64",
	  .addrs = "192.0.2.1",
	  .findings = "detectLocalMode" },

	{ .what = "NodePorts on ranges of one family where clusterCIDR has two",
	  .cluster = "10.0.0.0/8 fd00::/48",
	  .ports = "192.0.2.0/24",
	  .addrs = "192.0.2.1",
	  .findings = "nodePortAddresses" },
	{ .what = "where the podCIDRs have two",
	  .pods = "10.0.0.0/24 fd00::/64",
	  .ports = "192.0.2.0/24",
	  .addrs = "192.0.2.1",
	  .findings = "nodePortAddresses" },
	{ .what = "where nothing has two", .ports = "192.0.2.0/24", .addrs = "192.0.2.1" },
	{ .what = "NodePorts on ranges of the other family",
	  .ports = "2001:db8::/32",
	  .addrs = "192.0.2.1",
	  .findings = "nodePortAddresses" },
	{ .what = "NodePorts on ranges of both",
	  .cluster = "10.0.0.0/8 fd00::/48",
	  .ports = "192.0.2.0/24 2001:db8::/32",
	  .addrs = "192.0.2.1" },
	{ .what = "NodePorts on primary addresses, and there are none",
	  .addrs = "",
	  .findings = "nodePortAddresses" },
	{ .what = "but bindAddress", .addrs = "", .bind = "192.0.2.1" },
};

static size_t parse_cidrs(const char *list, struct ipcidr *out)
{
	char text[256];
	char *rest = text;
	const char *word;
	size_t count = 0;

	(void)snprintf(text, sizeof(text), "%s", list != NULL ? list : "");
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			assert_int_equal(ipcidr_parse(word, &out[count++], NULL), 0);
	return count;
}

static uint16_t parse_addrs(const char *list, struct ipaddr *out)
{
	char text[256];
	char *rest = text;
	const char *word;
	uint16_t count = 0;

	(void)snprintf(text, sizeof(text), "%s", list != NULL ? list : "");
	while ((word = strsep(&rest, " ")) != NULL)
		if (*word != '\0')
			assert_int_equal(ipaddr_parse(word, &out[count++], NULL), 0);
	return count;
}

struct scene {
	struct options options;
	struct ipcidr pods[4];
	struct ipaddr addrs[4];
	struct proxy_node node;
	struct ip_facts facts;
};

static void set_up(struct scene *scene, const struct row *row)
{
	*scene = (struct scene){ .options = { .detect = row->mode, .node_name = "n1" },
		                 .node.meta = { .kind = PROXY_NODE, .name = "n1" },
		                 .facts.has_ipv6 = !row->no_ipv6 };
	scene->options.cluster_cidr_count = parse_cidrs(row->cluster, scene->options.cluster_cidrs);
	scene->options.node_port_cidr_count =
		parse_cidrs(row->ports, scene->options.node_port_cidrs);
	if (row->bind != NULL)
		assert_int_equal(ipaddr_parse(row->bind, &scene->options.bind_address, NULL), 0);
	scene->node.pod_cidrs = scene->pods;
	scene->node.pod_cidr_count = (uint16_t)parse_cidrs(row->pods, scene->pods);
	scene->node.internal_ips = scene->addrs;
	scene->node.internal_ip_count = parse_addrs(row->addrs, scene->addrs);
	scene->facts.node = row->addrs != NULL ? &scene->node : NULL;
}

static void assert_findings(const struct row *row, const struct diags *diags)
{
	char got[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < diags->count; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i > 0 ? " " : "",
		                        diags->list[i].subject);
	if (strcmp(got, row->findings != NULL ? row->findings : "") != 0)
		fail_msg("%s: says '%s'", row->what, got);
}

static void judges_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct diags diags = { 0 };
		struct err err = { 0 };
		struct scene scene;
		int ret;

		set_up(&scene, row);
		ret = ip_check(&scene.options, &scene.facts, &diags, &err);
		if ((ret < 0) != (row->error != NULL) ||
		    (ret < 0 && strncmp(err.msg, row->error, strlen(row->error)) != 0))
			fail_msg("%s: %d '%s'", row->what, ret, err.msg);
		assert_findings(row, &diags);
		diag_done(&diags);
	}
}

/* Addresses of the health and metrics ports matter where there is only one family. */
static void looks_at_ports_of_single_stack_nodes(void **state)
{
	static const struct row one = { .addrs = "192.0.2.1", .no_ipv6 = true };
	struct diags diags = { 0 };
	struct scene scene;

	(void)state;
	set_up(&scene, &one);
	assert_int_equal(bind_parse("[2001:db8::1]:1", 0, &scene.options.healthz_bind, NULL), 0);
	assert_int_equal(bind_parse("[::]:1", 0, &scene.options.metrics_bind, NULL), 0);
	assert_int_equal(ip_check(&scene.options, &scene.facts, &diags, NULL), 0);
	assert_int_equal(diags.count, 1);
	assert_string_equal(diags.list[0].subject, "healthzBindAddress");
	diag_clear(&diags);
	assert_int_equal(bind_parse("[::1]:1", 0, &scene.options.metrics_bind, NULL), 0);
	assert_int_equal(bind_parse("192.0.2.1:1", 0, &scene.options.healthz_bind, NULL), 0);
	assert_int_equal(ip_check(&scene.options, &scene.facts, &diags, NULL), 0);
	assert_int_equal(diags.count, 1);
	assert_string_equal(diags.list[0].subject, "metricsBindAddress");
	scene.facts.has_ipv6 = true;
	diag_clear(&diags);
	assert_int_equal(ip_check(&scene.options, &scene.facts, &diags, NULL), 0);
	assert_int_equal(diags.count, 0);
	diag_done(&diags);
}

static int turn(struct ip_gate *gate, const struct scene *scene, uint64_t now_us, struct err *err)
{
	struct diags diags = { 0 };
	int ret = ip_gate_turn(gate, &scene->options, &scene->facts, now_us, &diags, err);

	diag_done(&diags);
	return ret;
}

/* (c) */
static void waits_five_minutes_for_pod_ranges(void **state)
{
	static const struct row none = { .mode = DETECT_NODE_CIDR, .addrs = "192.0.2.1" };
	uint64_t end_us = START_US + 300000000u;
	struct ip_gate gate = { 0 };
	struct err err = { 0 };
	struct scene scene;

	(void)state;
	set_up(&scene, &none);
	assert_true(ip_check_waits(&scene.options, &scene.facts));
	assert_int_equal(turn(&gate, &scene, START_US, &err), 0);
	assert_int_equal(ip_gate_wait(&gate, START_US + 1), 299999999u);
	scene.facts.node = NULL; /* nor can it be found */
	assert_int_equal(turn(&gate, &scene, end_us - 1, &err), 0);
	assert_false(gate.is_open);
	assert_int_equal(turn(&gate, &scene, end_us, &err), -ETIMEDOUT);
	assert_non_null(
		strstr(err.msg, "NodeCIDR: Node n1 has had no spec.podCIDRs for 5 minutes"));
	assert_int_equal(ip_gate_wait(&gate, end_us + 1), 0);
}

static void opens_once_and_stays_open(void **state)
{
	static const struct row none = { .mode = DETECT_NODE_CIDR, .addrs = "192.0.2.1" };
	static const struct row some = { .mode = DETECT_NODE_CIDR,
		                         .pods = "10.0.0.0/24",
		                         .addrs = "192.0.2.1" };
	static const struct row wrong = { .mode = DETECT_NODE_CIDR,
		                          .pods = "fd00::/64",
		                          .addrs = "192.0.2.1" };
	struct ip_gate gate = { 0 };
	struct err err = { 0 };
	struct scene scene;

	(void)state;
	set_up(&scene, &none);
	assert_int_equal(turn(&gate, &scene, START_US, &err), 0);
	set_up(&scene, &wrong);
	assert_int_equal(turn(&gate, &scene, START_US, &err), -EINVAL);
	assert_false(gate.is_open);
	set_up(&scene, &some);
	assert_int_equal(turn(&gate, &scene, START_US + 1, &err), 1);
	assert_true(gate.is_open);
	set_up(&scene, &none);
	assert_int_equal(turn(&gate, &scene, START_US + 2, &err), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges_rows),
		cmocka_unit_test(looks_at_ports_of_single_stack_nodes),
		cmocka_unit_test(waits_five_minutes_for_pod_ranges),
		cmocka_unit_test(opens_once_and_stays_open),
	};

	return cmocka_run_group_tests_name("cmd/ip_check", tests, NULL, NULL);
}

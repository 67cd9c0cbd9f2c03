/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "proxy/plan.h"
#include "test/unit/objects.h"
#include "test/unit/test.h"

/* One row: a Service, up to three slices, and the plan they give on node-1 in zone-a. */
static const struct row {
	const char *what;
	struct service_spec service;
	struct slice_spec slices[3];
	const char *want;
	const char *finding; /* part of a diagnostic; NULL: there is none */
	bool no_zone;
} rows[] = {
	{ .what = "a ClusterIP leads to every ready endpoint",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:8080", "10.0.0.2 10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:8080 10.0.0.2:8080}\n" },
	{ .what = "both families, each with its own slices",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1 fd00::1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:8080", "10.0.0.1" },
	              { "a2", "a", "-:tcp:8081", "fd00::a fd00::b" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:8080}\n"
	          "fd00::1 tcp 80 all{fd00::a:8081 fd00::b:8081}\n" },
	{ .what = "several ports, matched by name and protocol",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "dns:udp:53 dns-tcp:tcp:53 x:sctp:9" },
	  .slices = { { "a1", "a", "dns:udp:5353 dns-tcp:tcp:5354 x:tcp:1", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 53 all{10.0.0.1:5354}\n"
	          "10.96.0.1 udp 53 all{10.0.0.1:5353}\n"
	          "10.96.0.1 sctp 9 none all{}\n" },
	{ .what = "a named target port with different numbers in two slices",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "web:tcp:80" },
	  .slices = { { "a1", "a", "web:tcp:8080", "10.0.0.1" },
	              { "a2", "a", "web:tcp:9090", "10.0.0.2" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:8080 10.0.0.2:9090}\n" },
	{ .what = "one address with two ports is two endpoints",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "web:tcp:80" },
	  .slices = { { "a1", "a", "web:tcp:8080 web:tcp:9090", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:8080 10.0.0.1:9090}\n" },
	{ .what = "overlapping slices: each endpoint once, the one that stays counts",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1/st 10.0.0.2" },
	              { "a2", "a", "-:tcp:80", "10.0.0.1/rs 10.0.0.2/st" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}\n" },
	{ .what = "not ready is not used, ready and terminating is",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1/s 10.0.0.2/rst 10.0.0.3/st" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.2:80}\n" },
	{ .what = "none ready: those that drain are used, dead ones are not",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1/st 10.0.0.2/t 10.0.0.3/s 10.0.0.4/" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n" },
	{ .what = "no usable endpoint",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1/t" } },
	  .want = "10.96.0.1 tcp 80 none all{}\n" },
	{ .what = "a headless Service is nothing",
	  .service = { .name = "a", .ports = "-:tcp:80" },
	  .want = "" },
	{ .what = "an ExternalName Service is nothing, even with an address",
	  .service = { .name = "a",
	               .type = PROXY_EXTERNAL_NAME,
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80" },
	  .want = "" },
	{ .what = "a Service without ports is nothing",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1" },
	  .want = "" },
	{ .what = "a NodePort on the node's addresses, whatever the type says",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1 fd00::1", .ports = "-:tcp:80:30080" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "192.0.2.1 tcp 30080 external all{10.0.0.1:80}\n"
	          "2001:db8::1 tcp 30080 external none all{}\n"
	          "fd00::1 tcp 80 none all{}\n" },
	{ .what = "external IPs and load balancer addresses",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80",
	               .external_ips = "203.0.113.9 2001:db8::9",
	               .ingress_ips = "203.0.113.8" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "203.0.113.8 tcp 80 external all{10.0.0.1:80}\n"
	          "203.0.113.9 tcp 80 external all{10.0.0.1:80}\n" },
	{ .what = "internal policy Local: only endpoints of this node",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80",
	               .internal_local = true },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1@node-1 10.0.0.2@node-2 10.0.0.3" } },
	  .want = "10.96.0.1 tcp 80 local{10.0.0.1:80}\nlocal 10.0.0.1\n" },
	{ .what = "internal policy Local with none here: known to exist elsewhere",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80",
	               .internal_local = true },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.2@node-2" } },
	  .want = "10.96.0.1 tcp 80 local{}\n" },
	{ .what = "external policy Local: a local set beside the whole one",
	  .service = { .name = "a",
	               .type = PROXY_NODE_PORT,
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80:30080",
	               .external_local = true },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1@node-1 10.0.0.2@node-2" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}\n"
	          "192.0.2.1 tcp 30080 external local{10.0.0.1:80} all{10.0.0.1:80 10.0.0.2:80}\n"
	          "local 10.0.0.1\n" },
	{ .what = "external policy Local, the fallback is chosen for each set",
	  .service = { .name = "a",
	               .type = PROXY_NODE_PORT,
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80:30080",
	               .external_local = true },
	  .slices = { { "a1", "a", "-:tcp:80",
	                "10.0.0.1@node-2 10.0.0.2@node-1/t 10.0.0.3@node-1/st "
	                "10.0.0.4@node-2/st" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "192.0.2.1 tcp 30080 external local{10.0.0.3:80} all{10.0.0.1:80}\n"
	          "local 10.0.0.3\n" },
	{ .what = "external policy Local means nothing for a plain ClusterIP",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80:30080",
	               .external_local = true },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1@node-2" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "192.0.2.1 tcp 30080 external all{10.0.0.1:80}\n" },
	{ .what = "zone hints on every ready endpoint, ours among them",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80",
	                "10.0.0.1+zones:zone-a 10.0.0.2+zones:zone-b "
	                "10.0.0.3+zones:zone-b,zone-a" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.3:80}\n" },
	{ .what = "one ready endpoint without a hint: no filtering",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1+zones:zone-a 10.0.0.2" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}\n" },
	{ .what = "our zone not among the hints: no filtering",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1+zones:zone-b 10.0.0.2+zones:zone-c" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}\n" },
	{ .what = "a node without a zone: no filtering",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1+zones:zone-a 10.0.0.2+zones:zone-b" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}\n",
	  .no_zone = true },
	{ .what = "a hint of an endpoint that is not ready does not count",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80",
	                "10.0.0.1/s+zones:zone-a 10.0.0.2+zones:zone-b 10.0.0.3+zones:zone-c" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.2:80 10.0.0.3:80}\n" },
	{ .what = "node hints come before zone hints",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80",
	                "10.0.0.1+zones:zone-a+nodes:node-2 10.0.0.2+zones:zone-b+nodes:node-1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.2:80}\n" },
	{ .what = "own node not hinted: the zone decides",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80" },
	  .slices = { { "a1", "a", "-:tcp:80",
	                "10.0.0.1+zones:zone-a+nodes:node-2 10.0.0.2+zones:zone-b+nodes:node-3" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n" },
	{ .what = "source ranges guard load balancer addresses only",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80:30080",
	               .external_ips = "203.0.113.9",
	               .ingress_ips = "203.0.113.8",
	               .source_ranges = "198.51.100.0/24 2001:db8:7::/48" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "192.0.2.1 tcp 30080 external all{10.0.0.1:80}\n"
	          "203.0.113.8 tcp 80 external restricted all{10.0.0.1:80}\n"
	          "203.0.113.9 tcp 80 external all{10.0.0.1:80}\n"
	          "allow 198.51.100.0/24\nallow 2001:db8:7::/48\n" },
	{ .what = "the node inside the ranges: the address itself is allowed; nested ranges merge",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80",
	               .ingress_ips = "203.0.113.8",
	               .source_ranges = "192.0.2.0/25 192.0.2.128/25 192.0.2.7/32" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "203.0.113.8 tcp 80 external restricted all{10.0.0.1:80}\n"
	          "allow 192.0.2.0/24\nallow 203.0.113.8/32\n" },
	{ .what = "a /0 among the ranges opens the family",
	  .service = { .name = "a",
	               .cluster_ips = "10.96.0.1",
	               .ports = "-:tcp:80",
	               .ingress_ips = "203.0.113.8",
	               .source_ranges = "198.51.100.0/24 0.0.0.0/0" },
	  .slices = { { "a1", "a", "-:tcp:80", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:80}\n"
	          "203.0.113.8 tcp 80 external all{10.0.0.1:80}\n" },
	{ .what = "two ports of one Service on one address and port: the first, and it is said",
	  .service = { .name = "a", .cluster_ips = "10.96.0.1", .ports = "a:tcp:80 b:tcp:80" },
	  .slices = { { "a1", "a", "a:tcp:1 b:tcp:2", "10.0.0.1" } },
	  .want = "10.96.0.1 tcp 80 all{10.0.0.1:1}\n",
	  .finding = "ports 'a' and 'b' both claim tcp 10.96.0.1:80" },
};

/* healthCheckNodePort (behaviour, section 2.9): only what is said about it. */
static const struct row health_rows[] = {
	{ .what = "ready local addresses, each once, whatever the port",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "a:tcp:80 b:tcp:81",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80 b:tcp:81 c:tcp:82",
	                "10.0.0.1@node-1 10.0.0.2@node-1 10.0.0.3@node-2 10.0.0.4" },
	              { "a2", "a", "c:udp:9", "10.0.0.2@node-1 10.0.0.5@node-1" } },
	  .want = "health 32000 ready 3+0\n" },
	{ .what = "terminating ones do not count, though they get traffic",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "a:tcp:80",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80",
	                "10.0.0.1@node-1/st 10.0.0.2@node-1/s 10.0.0.3@node-1/" } },
	  .want = "health 32000 ready 0+0\n" },
	{ .what = "each family by itself",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1 fd00::1",
	               .ports = "a:tcp:80",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80", "10.0.0.1@node-1 10.0.0.2@node-1" },
	              { "a2", "a", "a:tcp:80", "fd00::a@node-1 fd00::b@node-2" } },
	  .want = "health 32000 ready 2+1\n" },
	{ .what = "a family without ClusterIP has none",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "fd00::1",
	               .ports = "a:tcp:80",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80", "10.0.0.1@node-1" },
	              { "a2", "a", "a:tcp:80", "fd00::a@node-1" } },
	  .want = "health 32000 ready 0+1\n" },
	{ .what = "a slice without ports has no endpoints",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "a:tcp:80",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "", "10.0.0.1@node-1" } },
	  .want = "health 32000 ready 0+0\n" },
	{ .what = "policy Cluster: nobody asks",
	  .service = { .name = "a",
	               .type = PROXY_LOAD_BALANCER,
	               .cluster_ips = "10.96.0.1",
	               .ports = "a:tcp:80",
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80", "10.0.0.1@node-1" } },
	  .want = "" },
	{ .what = "no load balancer: nobody asks",
	  .service = { .name = "a",
	               .type = PROXY_NODE_PORT,
	               .cluster_ips = "10.96.0.1",
	               .ports = "a:tcp:80:30080",
	               .external_local = true,
	               .health_check_port = 32000 },
	  .slices = { { "a1", "a", "a:tcp:80", "10.0.0.1@node-1" } },
	  .want = "" },
};

static struct lb_service *plan_row(const struct row *row, bool reversed, struct diags *diags)
{
	static const struct ipaddr v4 = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	static const struct ipaddr v6 = { .family = 6, .bytes = { 0x20, 1, 0xd, 0xb8, [15] = 1 } };
	const struct ipaddr node_ips[2] = { v4, v6 };
	const struct proxy_facts facts = {
		.node_name = "node-1",
		.zone = row->no_zone ? "" : "zone-a",
		.node_ips = { v4, v6 },
		.node_port_addresses = node_ips,
		.node_port_address_count = 2,
	};
	struct proxy_meta *service = make_service(&row->service);
	struct proxy_meta *slices[3];
	const struct proxy_endpoint_slice *list[3];
	struct lb_service *out;
	size_t count = 0;

	for (; count < 3 && row->slices[count].name != NULL; count++)
		slices[count] = make_slice(&row->slices[count]);
	for (size_t i = 0; i < count; i++)
		list[i] = (void *)slices[reversed ? count - 1 - i : i];
	out = proxy_plan_service(7, "ns/a", (void *)service, list, count, &facts, diags);
	free(service);
	for (size_t i = 0; i < count; i++)
		free(slices[i]);
	return out;
}

static void check_row(const struct row *row, bool reversed)
{
	struct diags diags = { 0 };
	struct lb_service *service = plan_row(row, reversed, &diags);
	struct strbuf text = { 0 };

	text_service(&text, service);
	assert_string_equal(text.text != NULL ? text.text : "", row->want);
	assert_int_equal(service->id, 7);
	if (row->finding == NULL) {
		assert_int_equal(diags.total, 0);
	} else {
		assert_int_equal(diags.total, 1);
		assert_string_equal(diags.list[0].subject, "Service ns/a");
		assert_non_null(strstr(diags.list[0].text, row->finding));
	}
	strbuf_done(&text);
	diag_done(&diags);
	free(service);
}

static void plans_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		check_row(&rows[i], false);
		check_row(&rows[i], true); /* the order of slices does not matter */
	}
}

static void counts_for_health_checks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(health_rows); i++) {
		struct diags diags = { 0 };
		struct lb_service *service = plan_row(&health_rows[i], i % 2 == 1, &diags);
		struct strbuf text = { 0 };
		const char *health;

		print_message("  - %s\n", health_rows[i].what);
		text_service(&text, service);
		health = strstr(text.text, "health ");
		assert_string_equal(health != NULL ? health : "", health_rows[i].want);
		strbuf_done(&text);
		diag_done(&diags);
		free(service);
	}
}

/* 5,000 endpoints in one Service: the ladder's top is served, and it is said. */
static void bounds_endpoints(void **state)
{
	struct proxy_endpoint *endpoints = xcalloc(5000, sizeof(*endpoints));
	const struct proxy_slice_port port = { "", PROXY_TCP, 80 };
	struct proxy_endpoint_slice slice = { .meta = { .kind = PROXY_ENDPOINT_SLICE },
		                              .family = 4,
		                              .port_count = 1,
		                              .endpoint_count = 5000,
		                              .ports = &port,
		                              .endpoints = endpoints };
	const struct proxy_endpoint_slice *list[] = { &slice };
	const struct proxy_facts facts = { .node_name = "node-1", .zone = "" };
	struct proxy_meta *service =
		SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80");
	struct diags diags = { 0 };
	struct lb_service *out;

	(void)state;
	for (uint16_t i = 0; i < 5000; i++)
		endpoints[i] = (struct proxy_endpoint){
			.addr = { .family = 4, .bytes = { 10, 1, (uint8_t)(i / 256), (uint8_t)i } },
			.conditions = PROXY_EP_READY,
		};
	out = proxy_plan_service(0, "ns/a", (void *)service, list, 1, &facts, &diags);
	assert_int_equal(out->ports[0].all.count, LB_MAX_BACKENDS);
	assert_int_equal(diags.total, 1);
	assert_string_equal(diags.list[0].text,
	                    "port '': 5000 endpoints, the first 4096 by address are used");
	diag_done(&diags);
	free(out);
	free(service);
	free(endpoints);
}

/* Addresses times ports times endpoints of one Service are bounded as well. */
static void bounds_elements(void **state)
{
	const struct proxy_facts facts = { .node_name = "node-1", .zone = "" };
	struct proxy_service_port *ports = xcalloc(1000, sizeof(*ports));
	struct ipaddr *externals = xcalloc(1000, sizeof(*externals));
	struct proxy_service service = {
		.meta = { .kind = PROXY_SERVICE, .namespace = "ns", .name = "a" },
		.type = PROXY_CLUSTER_IP,
		.cluster_ip = { .family = 4, .bytes = { 10, 96, 0, 1 } },
		.port_count = 1000,
		.external_ip_count = 1000,
		.ports = ports,
		.external_ips = externals,
	};
	struct diags diags = { 0 };
	struct lb_service *out;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++) {
		ports[i] = (struct proxy_service_port){ "", PROXY_TCP, (uint16_t)(i + 1), 0 };
		externals[i] =
			(struct ipaddr){ .family = 4,
			                 .bytes = { 203, 0, (uint8_t)(i / 256), (uint8_t)i } };
	}
	out = proxy_plan_service(0, "ns/a", &service, NULL, 0, &facts, &diags);
	assert_true(out->frontend_count <= PROXY_MAX_FRONTENDS);
	assert_true(out->frontend_count > PROXY_MAX_FRONTENDS / 2);
	assert_int_equal(diags.total, 1);
	assert_non_null(strstr(diags.list[0].text, "are not served"));
	diag_done(&diags);
	free(out);
	free(ports);
	free(externals);
}

/* A Service of @ports ports and one ingress address, with one slice of @endpoints serving, not ready
 * endpoints for all of them. */
static struct lb_service *plan_large(enum proxy_protocol protocol, uint16_t ports,
                                     uint16_t externals, uint16_t endpoints, uint16_t ranges,
                                     struct diags *diags)
{
	const struct proxy_facts facts = { .node_name = "node-1", .zone = "" };
	struct proxy_service_port *service_ports = xcalloc(ports, sizeof(*service_ports));
	struct proxy_slice_port *slice_ports = xcalloc(ports, sizeof(*slice_ports));
	struct proxy_endpoint *list = xcalloc(endpoints, sizeof(*list));
	struct ipaddr *addrs = xcalloc(externals, sizeof(*addrs));
	struct ipcidr *cidrs = xcalloc(ranges, sizeof(*cidrs));
	struct proxy_service service = {
		.meta = { .kind = PROXY_SERVICE, .namespace = "ns", .name = "a" },
		.type = PROXY_LOAD_BALANCER,
		.cluster_ip = { .family = 4, .bytes = { 10, 96, 0, 1 } },
		.port_count = ports,
		.ingress_ip_count = externals,
		.source_range_count = ranges,
		.ports = service_ports,
		.ingress_ips = addrs,
		.source_ranges = cidrs,
	};
	struct proxy_endpoint_slice slice = { .meta = { .kind = PROXY_ENDPOINT_SLICE },
		                              .family = 4,
		                              .port_count = ports,
		                              .endpoint_count = endpoints,
		                              .ports = slice_ports,
		                              .endpoints = list };
	const struct proxy_endpoint_slice *slices[] = { &slice };
	struct lb_service *out;

	for (uint16_t i = 0; i < ports; i++) {
		service_ports[i] =
			(struct proxy_service_port){ "", protocol, (uint16_t)(i + 1), 0 };
		slice_ports[i] = (struct proxy_slice_port){ "", protocol, 8080 };
	}
	for (uint16_t i = 0; i < endpoints; i++)
		list[i] = (struct proxy_endpoint){
			.addr = { .family = 4, .bytes = { 10, 1, (uint8_t)(i / 256), (uint8_t)i } },
			.conditions = PROXY_EP_SERVING | (i == 0 ? PROXY_EP_READY : 0),
		};
	for (uint16_t i = 0; i < externals; i++)
		addrs[i] = (struct ipaddr){ .family = 4,
			                    .bytes = { 203, 0, (uint8_t)(i / 256), (uint8_t)i } };
	for (uint16_t i = 0; i < ranges; i++)
		cidrs[i] =
			(struct ipcidr){ { .family = 4, .bytes = { 198, 18, (uint8_t)i, 0 } }, 25 };
	out = proxy_plan_service(0, "ns/a", &service, slices, 1, &facts, diags);
	free(service_ports);
	free(slice_ports);
	free(list);
	free(addrs);
	free(cidrs);
	return out;
}

/* What one Service can make the daemon hold and the kernel do is bounded, and it is said. */
static void bounds_what_a_service_costs(void **state)
{
	static const struct {
		const char *what;
		enum proxy_protocol protocol;
		uint16_t ports, externals, endpoints, ranges;
		const char *finding;
	} cases[] = {
		{ "UDP endpoints that serve, for each address", PROXY_UDP, 16, 1000, 5000, 0,
		  "are not served" },
		{ "endpoints for each port", PROXY_TCP, 1000, 1, 20000, 0,
		  "more than 1048576 endpoints over all ports" },
		{ "source ranges for each port", PROXY_TCP, 1000, 1, 1, 100, "are not served" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct diags diags = { 0 };
		struct lb_service *out;
		size_t ranges = 0;
		size_t serving = 0;

		print_message("  - %s\n", cases[i].what);
		out = plan_large(cases[i].protocol, cases[i].ports, cases[i].externals,
		                 cases[i].endpoints, cases[i].ranges, &diags);
		assert_true(out->frontend_count > 0);
		for (size_t k = 0; k < out->frontend_count; k++) {
			serving += out->ports[out->frontends[k].port_index].serving.count;
			ranges += out->frontends[k].restricted ? out->source_range_count : 0;
		}
		assert_true(serving <= PROXY_MAX_ELEMENTS);
		assert_true(ranges <= PROXY_MAX_RANGE_ELEMENTS);
		assert_true(out->block_bytes < 64u << 20);
		assert_int_equal(diags.total, 1);
		assert_non_null(strstr(diags.list[0].text, cases[i].finding));
		diag_done(&diags);
		free(out);
	}
}

static void merges_cidrs(void **state)
{
	static const struct {
		const char *what;
		const char *in[5];
		const char *out[5];
	} cases[] = {
		{ "nested ones go",
		  { "10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8" },
		  { "10.0.0.0/8" } },
		{ "halves join, and again",
		  { "10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/25" },
		  { "10.0.0.0/24" } },
		{ "neighbours that are no halves stay",
		  { "10.0.1.0/24", "10.0.2.0/24" },
		  { "10.0.1.0/24", "10.0.2.0/24" } },
		{ "families do not mix",
		  { "::/1", "0.0.0.0/1", "8000::/1" },
		  { "0.0.0.0/1", "::/0" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ipcidr list[5];
		size_t count = 0;
		size_t want = 0;

		print_message("  - %s\n", cases[i].what);
		for (; count < 5 && cases[i].in[count] != NULL; count++)
			assert_int_equal(ipcidr_parse(cases[i].in[count], &list[count], NULL), 0);
		count = proxy_merge_cidrs(list, count);
		for (; want < 5 && cases[i].out[want] != NULL; want++) {
			char text[IPADDR_TEXT];

			assert_true(want < count);
			assert_string_equal(ipcidr_format(&list[want], text), cases[i].out[want]);
		}
		assert_int_equal(count, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_rows),
		cmocka_unit_test(counts_for_health_checks),
		cmocka_unit_test(bounds_endpoints),
		cmocka_unit_test(bounds_elements),
		cmocka_unit_test(bounds_what_a_service_costs),
		cmocka_unit_test(merges_cidrs),
	};

	return cmocka_run_group_tests_name("proxy/plan", tests, NULL, NULL);
}

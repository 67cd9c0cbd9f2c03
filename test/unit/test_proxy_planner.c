/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/planner.h"

#include <stdlib.h>
#include <string.h>

#include "test/unit/objects.h"
#include "test/unit/planner.h"
#include "test/unit/test.h"

static void expect_changes(struct proxy_planner *planner, const char *want, const char *finding)
{
	struct strbuf text = { 0 };
	struct diags diags = { 0 };

	changes_text(planner, &text, &diags);
	assert_string_equal(text.text, want);
	if (finding == NULL) {
		if (diags.total > 0)
			fail_msg("%s: %s", diags.list[0].subject, diags.list[0].text);
	} else {
		assert_int_equal(diags.total, 1);
		assert_string_equal(diags.list[0].text, finding);
	}
	strbuf_done(&text);
	diag_done(&diags);
}

#define SVC_A SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80")
#define SVC_B SERVICE(.name = "b", .cluster_ips = "10.96.0.2", .ports = "-:tcp:80")

static void plans_what_was_touched_only(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	assert_true(put(planner, SVC_A));
	assert_true(put(planner, SVC_B));
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 none all{}\n"
	               "* ns/b\n10.96.0.2 tcp 80 none all{}\n",
	               NULL);
	expect_changes(planner, "", NULL);
	assert_true(put(planner, SLICE("b1", "b", "-:tcp:8080", "10.0.0.1")));
	expect_changes(planner, "* ns/b\n10.96.0.2 tcp 80 all{10.0.0.1:8080}\n", NULL);
	assert_false(put(planner, SLICE("b1", "b", "-:tcp:8080", "10.0.0.1")));
	assert_false(put(planner, SVC_A));
	expect_changes(planner, "", NULL);
	proxy_planner_free(planner);
}

static void deletes(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	assert_true(put(planner, SLICE("a1", "a", "-:tcp:8080", "10.0.0.1")));
	assert_true(put(planner, SVC_A));
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 all{10.0.0.1:8080}\n", NULL);
	assert_true(proxy_planner_delete(planner, PROXY_SERVICE, "ns", "a"));
	assert_false(proxy_planner_delete(planner, PROXY_SERVICE, "ns", "a"));
	expect_changes(planner, "* ns/a\n", NULL);
	assert_true(put(planner, SVC_A)); /* its slice is still there */
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 all{10.0.0.1:8080}\n", NULL);
	assert_true(proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns", "a1"));
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 none all{}\n", NULL);
	proxy_planner_free(planner);
}

static void moves_a_slice_whose_label_changes(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	(void)put(planner, SVC_A);
	(void)put(planner, SVC_B);
	(void)put(planner, SLICE("s", "a", "-:tcp:8080", "10.0.0.1"));
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 all{10.0.0.1:8080}\n"
	               "* ns/b\n10.96.0.2 tcp 80 none all{}\n",
	               NULL);
	(void)put(planner, SLICE("s", "b", "-:tcp:8080", "10.0.0.1"));
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 none all{}\n"
	               "* ns/b\n10.96.0.2 tcp 80 all{10.0.0.1:8080}\n",
	               NULL);
	proxy_planner_free(planner);
}

/* Two Services with one external address: the older one has it, whichever came first. */
static void gives_a_claim_to_the_older(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	(void)put(planner, SERVICE(.name = "young", .created = 200, .cluster_ips = "10.96.0.2",
	                           .ports = "-:tcp:80", .external_ips = "203.0.113.1"));
	expect_changes(planner,
	               "* ns/young\n10.96.0.2 tcp 80 none all{}\n"
	               "203.0.113.1 tcp 80 external none all{}\n",
	               NULL);
	(void)put(planner, SERVICE(.name = "old", .created = 100, .cluster_ips = "10.96.0.1",
	                           .ports = "-:tcp:80", .external_ips = "203.0.113.1"));
	expect_changes(planner,
	               "* ns/old\n10.96.0.1 tcp 80 none all{}\n"
	               "203.0.113.1 tcp 80 external none all{}\n"
	               "* ns/young\n10.96.0.2 tcp 80 none all{}\n"
	               "203.0.113.1 tcp 80 external lost none all{}\n",
	               "tcp 203.0.113.1 port 80 is held by Service ns/old, which is older");
	(void)proxy_planner_delete(planner, PROXY_SERVICE, "ns", "old");
	expect_changes(planner,
	               "* ns/old\n"
	               "* ns/young\n10.96.0.2 tcp 80 none all{}\n"
	               "203.0.113.1 tcp 80 external none all{}\n",
	               NULL);
	proxy_planner_free(planner);
}

/* How many of the Services that are planned anew render the local address that they have. */
static size_t count_local(struct proxy_planner *planner)
{
	struct proxy_changes changes;
	struct diags diags = { 0 };
	size_t count = 0;

	proxy_planner_touch_all(planner);
	proxy_planner_changes(planner, &changes, &diags);
	for (size_t i = 0; i < changes.count; i++)
		for (size_t k = 0; k < changes.services[i]->local_address_count; k++)
			count += !changes.services[i]->local_addresses[k].lost;
	assert_int_equal(diags.total, 0);
	proxy_changes_done(&changes);
	return count;
}

/* The same ClusterIP with other ports is no conflict of frontends; a pod behind two Services is
 * rendered by exactly one of them, whichever goes. */
static void shares_addresses(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		struct proxy_planner *planner = new_planner();

		(void)put(planner,
		          SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80"));
		(void)put(planner,
		          SERVICE(.name = "b", .cluster_ips = "10.96.0.1", .ports = "-:tcp:81"));
		(void)put(planner, SLICE("a1", "a", "-:tcp:8080", "10.0.0.1@node-1"));
		(void)put(planner, SLICE("b1", "b", "-:tcp:8080", "10.0.0.1@node-1"));
		expect_changes(planner,
		               "* ns/a\n10.96.0.1 tcp 80 all{10.0.0.1:8080}\nlocal 10.0.0.1\n"
		               "* ns/b\n10.96.0.1 tcp 81 all{10.0.0.1:8080}\nlocal 10.0.0.1\n",
		               NULL);
		assert_int_equal(count_local(planner), 1);
		(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns",
		                           round == 0 ? "a1" : "b1");
		assert_int_equal(count_local(planner), 1);
		(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns",
		                           round == 0 ? "b1" : "a1");
		assert_int_equal(count_local(planner), 0);
		proxy_planner_free(planner);
	}
}

static void follows_the_node(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	(void)put(planner,
	          SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80:30080"));
	assert_false(put(planner, make_node("node-2", "192.0.2.2", "")));
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 none all{}\n", NULL);
	assert_true(put(planner, make_node("node-1", "192.0.2.1", "")));
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 none all{}\n"
	               "192.0.2.1 tcp 30080 external none all{}\n",
	               NULL);
	assert_true(put(planner, make_node("node-1", "127.0.0.1 192.0.2.9", "")));
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 none all{}\n", NULL);
	assert_true(proxy_planner_counts(planner).node_known);
	proxy_planner_free(planner);
}

#define ON_NODE_PORTS(v4)                                                             \
	"* ns/a\n10.96.0.1 tcp 80 none all{}\n" v4 " tcp 30080 external none all{}\n" \
	"2001:db8::1 tcp 30080 external none all{}\nfd00::1 tcp 80 none all{}\n"

/* A Node that is deleted, or has no address yet, is this machine still (behaviour, section 1.5). */
static void keeps_what_was_known_of_the_node(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	(void)put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1 fd00::1",
	                           .ports = "-:tcp:80:30080"));
	(void)put(planner, make_node("node-1", "192.0.2.1 2001:db8::1", "z"));
	expect_changes(planner, ON_NODE_PORTS("192.0.2.1"), NULL);
	assert_true(proxy_planner_delete(planner, PROXY_NODE, "", "node-1"));
	expect_changes(planner, ON_NODE_PORTS("192.0.2.1"), NULL);
	assert_true(put(planner, make_node("node-1", "", "z")));
	proxy_planner_touch_all(planner);
	expect_changes(planner, ON_NODE_PORTS("192.0.2.1"), NULL);
	assert_true(put(planner, make_node("node-1", "192.0.2.2", "z")));
	expect_changes(planner, ON_NODE_PORTS("192.0.2.2"), NULL);
	proxy_planner_free(planner);
}

static void addresses_text(const struct ipaddr *list, size_t count, struct strbuf *text)
{
	char addr[IPADDR_TEXT];

	strbuf_clear(text);
	strbuf_puts(text, "");
	for (size_t i = 0; i < count; i++)
		strbuf_printf(text, "%s ", ipaddr_format(&list[i], addr));
}

/* Appends the addresses of all NodePorts of the one Service that changed. */
static void node_ports_text(const struct proxy_changes *changes, struct strbuf *text)
{
	strbuf_puts(text, "");
	for (size_t k = 0; changes->count > 0 && k < changes->services[0]->frontend_count; k++) {
		const struct lb_frontend *f = &changes->services[0]->frontends[k];
		char addr[IPADDR_TEXT];

		if (f->kind == LB_NODE_PORT)
			strbuf_printf(text, "%s ", ipaddr_format(&f->addr, addr));
	}
}

/* nodePortAddresses as ranges: this machine's addresses in them, followed (behaviour, section 2.7). */
static const struct range_row {
	const char *what;
	const char *cidrs[2];
	const char *addresses[4];
	const char *want;
	const char *health; /* where healthCheckNodePorts are answered */
} ranges[] = {
	{ "those in the range, sorted",
	  { "192.0.2.0/24" },
	  { "192.0.2.9", "192.0.2.1", "198.51.100.1" },
	  "192.0.2.1 192.0.2.9 ",
	  "192.0.2.1 192.0.2.9 :: " },
	{ "a family without a range is open",
	  { "192.0.2.0/24" },
	  { "2001:db8::1", "198.51.100.1" },
	  "2001:db8::1 ",
	  ":: " },
	{ "everything, but never loopback or link-local",
	  { "0.0.0.0/0", "::/0" },
	  { "127.0.0.1", "169.254.1.1", "fe80::1", "192.0.2.1" },
	  "192.0.2.1 ",
	  "0.0.0.0 :: " },
	{ "nothing in range", { "192.0.2.0/24", "::1/128" }, { "198.51.100.1" }, "", "" },
	{ "loopback, if asked for, for health checks",
	  { "127.0.0.0/8", "::1/128" },
	  { "127.0.0.1", "::1", "192.0.2.1", "2001:db8::1" },
	  "",
	  "127.0.0.1 ::1 " },
};

static void serves_node_ports_on_ranges(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct ipcidr cidrs[2];
		struct ipaddr addresses[4];
		struct proxy_config config = { .node_name = "node-1", .node_port_cidrs = cidrs };
		struct proxy_planner *planner;
		struct strbuf text = { 0 };
		struct proxy_changes changes;
		struct diags diags = { 0 };
		const struct ipaddr *health;
		size_t count = 0;

		print_message("  - %s\n", ranges[i].what);
		for (size_t k = 0; k < 2 && ranges[i].cidrs[k] != NULL; k++)
			assert_int_equal(ipcidr_parse(ranges[i].cidrs[k],
			                              &cidrs[config.node_port_cidr_count++], NULL),
			                 0);
		for (; count < 4 && ranges[i].addresses[count] != NULL; count++)
			assert_int_equal(
				ipaddr_parse(ranges[i].addresses[count], &addresses[count], NULL),
				0);
		planner = proxy_planner_new(&config, PLANNER_SEED);
		(void)put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1 fd00::1",
		                           .ports = "-:tcp:80:30080"));
		proxy_planner_changes(planner, &changes, &diags);
		proxy_changes_done(&changes);
		proxy_planner_set_addresses(planner, addresses, count); /* a live change */
		proxy_planner_changes(planner, &changes, &diags);
		node_ports_text(&changes, &text);
		assert_string_equal(text.text, ranges[i].want);
		health = proxy_planner_health_addresses(planner, &count);
		addresses_text(health, count, &text);
		assert_string_equal(text.text, ranges[i].health);
		proxy_changes_done(&changes);
		strbuf_done(&text);
		proxy_planner_free(planner);
	}
}

/* bindAddress: in place of the Node's address of its family, with or without a Node. */
static void takes_the_address_that_it_is_told(void **state)
{
	struct proxy_config config = { .node_name = "node-1" };
	struct proxy_planner *planner;
	struct proxy_changes changes;
	struct strbuf text = { 0 };
	struct diags diags = { 0 };

	(void)state;
	assert_int_equal(ipaddr_parse("192.0.2.7", &config.bind_address, NULL), 0);
	planner = proxy_planner_new(&config, PLANNER_SEED);
	(void)put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1 fd00::1",
	                           .ports = "-:tcp:80:30080"));
	proxy_planner_changes(planner, &changes, &diags);
	node_ports_text(&changes, &text);
	assert_string_equal(text.text, "192.0.2.7 ");
	proxy_changes_done(&changes);
	strbuf_clear(&text);
	(void)put(planner, make_node("node-1", "192.0.2.1 2001:db8::1", ""));
	proxy_planner_changes(planner, &changes, &diags);
	node_ports_text(&changes, &text);
	assert_string_equal(text.text, "192.0.2.7 2001:db8::1 ");
	proxy_changes_done(&changes);
	strbuf_done(&text);
	proxy_planner_free(planner);
}

/* Feature gate AllowServiceExternalIPs=false: other addresses of the Service stay. */
static void leaves_out_external_ips(void **state)
{
	const struct proxy_config config = { .node_name = "node-1", .no_external_ips = true };
	struct proxy_planner *planner = proxy_planner_new(&config, PLANNER_SEED);

	(void)state;
	(void)put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "-:tcp:80",
	                           .external_ips = "203.0.113.9", .ingress_ips = "203.0.113.8",
	                           .type = PROXY_LOAD_BALANCER));
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 none all{}\n"
	               "203.0.113.8 tcp 80 external none all{}\n",
	               NULL);
	proxy_planner_free(planner);
}

/* On the Node's primary addresses by default; and what of the Node matters for health. */
static void knows_the_node(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct proxy_node leaving = {
		.meta = { .kind = PROXY_NODE, .namespace = "", .name = "node-1" },
		.zone = "",
		.leaving = true
	};
	struct diags diags = { 0 };
	struct strbuf text = { 0 };
	const struct ipaddr *health;
	size_t count;

	(void)state;
	(void)proxy_planner_health_addresses(planner, &count);
	assert_int_equal(count, 0);
	assert_false(proxy_planner_counts(planner).node_known);
	(void)put(planner, make_node("node-1", "2001:db8::1 192.0.2.1 192.0.2.2", ""));
	proxy_planner_refresh(planner);
	health = proxy_planner_health_addresses(planner, &count);
	addresses_text(health, count, &text);
	assert_string_equal(text.text, "192.0.2.1 2001:db8::1 ");
	assert_true(proxy_planner_counts(planner).node_known);
	assert_false(proxy_planner_counts(planner).node_leaving);
	(void)proxy_planner_put(planner, proxy_object_pack(&leaving.meta), &diags);
	assert_true(proxy_planner_counts(planner).node_leaving);
	/* one that is gone is as it was last, whoever asked meanwhile (section 5.6) */
	(void)proxy_planner_delete(planner, PROXY_NODE, "", "node-1");
	assert_false(proxy_planner_counts(planner).node_known);
	assert_true(proxy_planner_counts(planner).node_seen);
	assert_true(proxy_planner_counts(planner).node_leaving);
	strbuf_done(&text);
	diag_done(&diags);
	proxy_planner_free(planner);
}

static void expect_triggers(struct proxy_planner *planner, const char *want)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct proxy_trigger *list;
	size_t count = proxy_planner_take_triggers(planner, &list);

	strbuf_puts(&text, "");
	for (size_t i = 0; i < count; i++)
		strbuf_printf(&text, "v%u@%d ", list[i].family, (int)list[i].at_us);
	assert_string_equal(text.text, want);
	free(list);
}

static struct proxy_meta *triggered(struct proxy_meta *slice, int64_t at_us)
{
	((struct proxy_endpoint_slice *)(void *)slice)->triggered_us = at_us;
	return slice;
}

/* For kubeproxy_network_programming_duration_seconds (behaviour, section 6.1). */
static void tells_when_changes_began(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct proxy_trigger *list;

	(void)state;
	(void)put(planner, SVC_A);
	expect_triggers(planner, "");
	(void)put(planner, triggered(SLICE("a1", "a", "-:tcp:80", "10.0.0.1"), 7));
	(void)put(planner, triggered(SLICE("a2", "a", "-:tcp:80", "fd00::1"), 8));
	(void)put(planner, triggered(SLICE("b1", "b", "-:tcp:80", "10.0.0.9"), 9));
	expect_triggers(planner, "v4@7 v6@8 v4@9 ");
	expect_triggers(planner, "");
	/* the time alone is no change; without a time there is nothing to tell */
	assert_false(put(planner, triggered(SLICE("a1", "a", "-:tcp:80", "10.0.0.1"), 10)));
	(void)put(planner, SLICE("a1", "a", "-:tcp:80", "10.0.0.2"));
	expect_triggers(planner, "");
	(void)put(planner, triggered(SLICE("a1", "a", "-:tcp:80", "10.0.0.3"), 11));
	(void)put(planner, triggered(SLICE("b1", "b", "-:tcp:80", "10.0.0.8"), 12));
	(void)put(planner, triggered(SLICE("a1", "a", "-:tcp:80", "10.0.0.4"), 13));
	(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns", "a2");
	expect_triggers(planner, "v4@12 ");
	for (unsigned i = 0; i < PROXY_MAX_TRIGGERS + 100; i++)
		(void)put(planner, triggered(SLICE("a1", "a", "-:tcp:80",
		                                   i % 2 == 0 ? "10.0.0.1" : "10.0.0.2"),
		                             14));
	assert_int_equal(proxy_planner_take_triggers(planner, &list), PROXY_MAX_TRIGGERS);
	free(list);
	proxy_planner_free(planner);
}

static void counts_changes(void **state)
{
	struct proxy_planner *planner = new_planner();

	(void)state;
	(void)put(planner, SVC_A);
	(void)put(planner, SVC_A);
	(void)put(planner, SLICE("a1", "a", "-:tcp:80", "10.0.0.1"));
	(void)put(planner, SLICE("a1", "a", "-:tcp:80", "10.0.0.2"));
	(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns", "a1");
	(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns", "a1");
	assert_int_equal(proxy_planner_counts(planner).service_changes, 1);
	assert_int_equal(proxy_planner_counts(planner).slice_changes, 3);
	proxy_planner_free(planner);
}

static void merges_service_cidrs(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct proxy_changes changes;
	struct diags diags = { 0 };

	(void)state;
	proxy_planner_changes(planner, &changes, &diags);
	assert_true(changes.networks); /* the pod ranges, said once */
	proxy_changes_done(&changes);
	(void)put(planner, make_service_cidr("one", "10.96.0.0/12 fd00::/112"));
	(void)put(planner, make_service_cidr("two", "10.96.0.0/12"));
	proxy_planner_changes(planner, &changes, &diags);
	assert_true(changes.networks);
	assert_int_equal(proxy_planner_networks(planner)->service_cidr_count, 2);
	assert_int_equal(proxy_planner_networks(planner)->pod_cidr_count, 1);
	proxy_changes_done(&changes);
	(void)put(planner, make_service_cidr("without", ""));
	proxy_planner_changes(planner, &changes, &diags);
	assert_false(changes.networks); /* it has no range */
	proxy_changes_done(&changes);
	(void)proxy_planner_delete(planner, PROXY_SERVICE_CIDR, "", "two");
	proxy_planner_changes(planner, &changes, &diags);
	assert_false(changes.networks); /* the other object has the range still */
	proxy_changes_done(&changes);
	proxy_planner_free(planner);
}

static void applies_a_list_as_a_whole(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct diags diags = { 0 };

	(void)state;
	(void)put(planner, SVC_A);
	(void)put(planner, SVC_B);
	expect_changes(planner,
	               "* ns/a\n10.96.0.1 tcp 80 none all{}\n"
	               "* ns/b\n10.96.0.2 tcp 80 none all{}\n",
	               NULL);
	/* a list that breaks off changes nothing */
	proxy_planner_list_begin(planner, EVERY_KIND);
	proxy_planner_list_add(
		planner, SERVICE(.name = "c", .cluster_ips = "10.96.0.3", .ports = "-:tcp:80"));
	proxy_planner_list_end(planner, EVERY_KIND, false, &diags);
	expect_changes(planner, "", NULL);
	/* a complete one deletes what it does not have, but for what is to be kept */
	proxy_planner_list_begin(planner, EVERY_KIND);
	proxy_planner_list_add(
		planner, SERVICE(.name = "c", .cluster_ips = "10.96.0.3", .ports = "-:tcp:80"));
	assert_true(proxy_planner_list_keep(planner, PROXY_SERVICE, "ns", "a"));
	assert_false(proxy_planner_list_keep(planner, PROXY_SERVICE, "ns", "z"));
	proxy_planner_list_end(planner, EVERY_KIND, true, &diags);
	expect_changes(planner, "* ns/b\n* ns/c\n10.96.0.3 tcp 80 none all{}\n", NULL);
	/* a list of some kinds leaves the others alone */
	proxy_planner_list_begin(planner, 1u << PROXY_NODE);
	proxy_planner_list_end(planner, 1u << PROXY_NODE, true, &diags);
	expect_changes(planner, "", NULL);
	/* the same list again changes nothing */
	proxy_planner_list_begin(planner, EVERY_KIND);
	proxy_planner_list_add(
		planner, SERVICE(.name = "c", .cluster_ips = "10.96.0.3", .ports = "-:tcp:80"));
	proxy_planner_list_add(planner, SVC_A);
	proxy_planner_list_end(planner, EVERY_KIND, true, &diags);
	expect_changes(planner, "", NULL);
	assert_int_equal(diags.total, 0);
	proxy_planner_free(planner);
}

static void takes_the_later_of_two(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct diags diags = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) { /* new objects, then known ones */
		proxy_planner_list_begin(planner, EVERY_KIND);
		proxy_planner_list_add(planner, SVC_A);
		proxy_planner_list_add(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.9",
		                                        .ports = "-:tcp:80"));
		proxy_planner_list_end(planner, EVERY_KIND, true, &diags);
		assert_int_equal(diags.total, 1);
		assert_string_equal(diags.list[0].subject, "Service ns/a");
		assert_string_equal(diags.list[0].text, "given twice, the later one counts");
		diag_clear(&diags);
		expect_changes(planner, "* ns/a\n10.96.0.9 tcp 80 none all{}\n", NULL);
	}
	diag_done(&diags);
	proxy_planner_free(planner);
}

/* Watches of several kinds list at the same time, and objects change while they are listed. */
static void takes_lists_side_by_side(void **state)
{
	struct proxy_planner *planner = new_planner();
	struct diags diags = { 0 };

	(void)state;
	(void)put(planner, SVC_A);
	(void)put(planner, make_service_cidr("one", "10.96.0.0/12"));
	expect_changes(planner, "* ns/a\n10.96.0.1 tcp 80 none all{}\n", NULL);
	proxy_planner_list_begin(planner, 1u << PROXY_SERVICE);
	proxy_planner_list_begin(planner, 1u << PROXY_SERVICE_CIDR);
	proxy_planner_list_add(planner, SVC_B);
	proxy_planner_list_add(planner, make_service_cidr("two", "10.112.0.0/12"));
	proxy_planner_list_end(planner, 1u << PROXY_SERVICE_CIDR, true, &diags);
	expect_changes(planner, "", NULL);
	assert_int_equal(proxy_planner_counts(planner).service_cidrs, 1);
	/* b changes its form, c comes and goes, a is there and then deleted */
	proxy_planner_list_add(
		planner, SERVICE(.name = "c", .cluster_ips = "10.96.0.3", .ports = "-:tcp:80"));
	proxy_planner_list_add(planner, SVC_A);
	proxy_planner_list_remove(planner, PROXY_SERVICE, "ns", "b");
	proxy_planner_list_add(
		planner, SERVICE(.name = "b", .cluster_ips = "10.96.0.9", .ports = "-:tcp:80"));
	proxy_planner_list_remove(planner, PROXY_SERVICE, "ns", "c");
	proxy_planner_list_remove(planner, PROXY_SERVICE, "ns", "a");
	proxy_planner_list_end(planner, 1u << PROXY_SERVICE, true, &diags);
	expect_changes(planner, "* ns/a\n* ns/b\n10.96.0.9 tcp 80 none all{}\n", NULL);
	assert_int_equal(diags.total, 0);
	proxy_planner_free(planner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_what_was_touched_only),
		cmocka_unit_test(deletes),
		cmocka_unit_test(moves_a_slice_whose_label_changes),
		cmocka_unit_test(gives_a_claim_to_the_older),
		cmocka_unit_test(shares_addresses),
		cmocka_unit_test(follows_the_node),
		cmocka_unit_test(keeps_what_was_known_of_the_node),
		cmocka_unit_test(serves_node_ports_on_ranges),
		cmocka_unit_test(takes_the_address_that_it_is_told),
		cmocka_unit_test(leaves_out_external_ips),
		cmocka_unit_test(knows_the_node),
		cmocka_unit_test(tells_when_changes_began),
		cmocka_unit_test(counts_changes),
		cmocka_unit_test(merges_service_cidrs),
		cmocka_unit_test(applies_a_list_as_a_whole),
		cmocka_unit_test(takes_the_later_of_two),
		cmocka_unit_test(takes_lists_side_by_side),
	};

	return cmocka_run_group_tests_name("proxy/planner", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/objects.h"
#include "test/unit/planner.h"
#include "test/unit/test.h"

static const char *const fates[] = {
	[PROXY_USED] = "used",           [PROXY_USED_TERMINATING] = "fallback",
	[PROXY_NOT_READY] = "not-ready", [PROXY_TERMINATING] = "terminating",
	[PROXY_ELSEWHERE] = "elsewhere", [PROXY_NOT_LOCAL] = "not-local",
	[PROXY_TOO_MANY] = "too-many",
};

/* "10.0.0.1:80=used ..." */
static void text_explanation(const struct proxy_explanation *e, struct strbuf *out)
{
	strbuf_puts(out, "");
	for (size_t i = 0; i < e->count; i++) {
		char addr[IPADDR_TEXT];

		strbuf_printf(out, "%s%s:%u=%s", i > 0 ? " " : "",
		              ipaddr_format(&e->list[i].backend.addr, addr),
		              e->list[i].backend.port, fates[e->list[i].fate]);
	}
}

/* One row: what became of the endpoints of port "web" of ns/a, on node-1 in zone-a. */
static const struct row {
	const char *what;
	struct service_spec service;
	const char *endpoints;
	const char *want;
} rows[] = {
	{ "ready ones are used, others are not",
	  { .cluster_ips = "10.96.0.1" },
	  "10.0.0.3/st 10.0.0.2/s 10.0.0.1 10.0.0.4/",
	  "10.0.0.1:80=used 10.0.0.2:80=not-ready 10.0.0.3:80=terminating 10.0.0.4:80=not-ready" },
	{ "none is ready: those that drain serve",
	  { .cluster_ips = "10.96.0.1" },
	  "10.0.0.1/st 10.0.0.2/t 10.0.0.3/",
	  "10.0.0.1:80=fallback 10.0.0.2:80=terminating 10.0.0.3:80=not-ready" },
	{ "hints for another zone",
	  { .cluster_ips = "10.96.0.1" },
	  "10.0.0.1+zones:zone-a 10.0.0.2+zones:zone-b",
	  "10.0.0.1:80=used 10.0.0.2:80=elsewhere" },
	{ "internal policy Local",
	  { .cluster_ips = "10.96.0.1", .internal_local = true },
	  "10.0.0.1@node-1 10.0.0.2@node-2 10.0.0.3@node-1/s",
	  "10.0.0.1:80=used 10.0.0.2:80=not-local 10.0.0.3:80=not-ready" },
	{ "external policy Local uses all of them for the ClusterIP",
	  { .cluster_ips = "10.96.0.1", .external_ips = "203.0.113.1", .external_local = true },
	  "10.0.0.1@node-1 10.0.0.2@node-2",
	  "10.0.0.1:80=used 10.0.0.2:80=used" },
	{ "in the local set against the hints",
	  { .cluster_ips = "10.96.0.1", .external_ips = "203.0.113.1", .external_local = true },
	  "10.0.0.1@node-1+zones:zone-b 10.0.0.2@node-2+zones:zone-b 10.0.0.3@node-2+zones:zone-a",
	  "10.0.0.1:80=used 10.0.0.2:80=elsewhere 10.0.0.3:80=used" },
};

static void explains_endpoints(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct proxy_port_id id = { "ns/a", "web", 4, PROXY_TCP };
		struct proxy_planner *planner = new_planner();
		struct service_spec service = rows[i].service;
		struct proxy_explanation e;
		struct strbuf text = { 0 };

		print_message("  - %s\n", rows[i].what);
		service.name = "a";
		service.ports = "web:tcp:8000";
		put(planner, make_node("node-1", "192.0.2.1", "zone-a"));
		put(planner, make_service(&service));
		put(planner, SLICE("a-1", "a", "web:tcp:80", rows[i].endpoints));
		proxy_planner_refresh(planner);
		proxy_planner_explain(planner, &id, &e);
		assert_int_equal(e.presence, PROXY_PRESENT);
		text_explanation(&e, &text);
		assert_string_equal(text.text, rows[i].want);
		strbuf_done(&text);
		proxy_explanation_done(&e);
		proxy_planner_free(planner);
	}
}

static void says_what_is_missing(void **unused)
{
	static const struct {
		const char *what;
		struct proxy_port_id id;
		enum proxy_presence want;
	} asked[] = {
		{ "there", { "ns/a", "web", 4, PROXY_TCP }, PROXY_PRESENT },
		{ "another protocol", { "ns/a", "web", 4, PROXY_UDP }, PROXY_NO_PORT },
		{ "another port", { "ns/a", "", 4, PROXY_TCP }, PROXY_NO_PORT },
		{ "another family", { "ns/a", "web", 6, PROXY_TCP }, PROXY_NO_CLUSTER_IP },
		{ "headless", { "ns/h", "web", 4, PROXY_TCP }, PROXY_NO_CLUSTER_IP },
		{ "a slice's word only", { "ns/s", "web", 4, PROXY_TCP }, PROXY_NO_SERVICE },
		{ "unknown", { "ns/x", "web", 4, PROXY_TCP }, PROXY_NO_SERVICE },
	};
	struct proxy_planner *planner = new_planner();

	(void)unused;
	put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "web:tcp:80"));
	put(planner, SERVICE(.name = "h", .ports = "web:tcp:80"));
	put(planner, SLICE("s-1", "s", "web:tcp:80", "10.0.0.1"));
	for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
		struct proxy_explanation e;

		print_message("  - %s\n", asked[i].what);
		proxy_planner_explain(planner, &asked[i].id, &e);
		assert_int_equal(e.presence, asked[i].want);
		assert_int_equal(e.count, 0);
		proxy_explanation_done(&e);
	}
	proxy_planner_free(planner);
}

/* What is explained as used is what the plan has, bound included. */
static void agrees_with_the_plan(void **unused)
{
	const struct proxy_port_id id = { "ns/a", "web", 4, PROXY_TCP };
	struct proxy_planner *planner = new_planner();
	struct proxy_changes changes;
	struct proxy_explanation e;
	struct diags diags = { 0 };
	struct strbuf text = { 0 };
	struct ipaddr absent = { .family = 4, .bytes = { 9 } };
	size_t used = 0;

	(void)unused;
	put(planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1", .ports = "web:tcp:80"));
	for (int i = 0; i < LB_MAX_BACKENDS + 3; i++) {
		char name[16];

		strbuf_printf(&text, "10.0.%d.%d ", i / 250, i % 250);
		if (i % 32 != 31 && i != LB_MAX_BACKENDS + 2)
			continue;
		(void)snprintf(name, sizeof(name), "a-%d", i);
		put(planner, SLICE(name, "a", "web:tcp:80", text.text));
		strbuf_clear(&text);
	}
	proxy_planner_changes(planner, &changes, &diags);
	proxy_planner_explain(planner, &id, &e);
	assert_int_equal(e.count, LB_MAX_BACKENDS + 3);
	for (size_t i = 0; i < e.count; i++)
		used += e.list[i].fate == PROXY_USED;
	assert_int_equal(used, changes.services[0]->ports[0].all.count);
	assert_int_equal(e.list[e.count - 1].fate, PROXY_TOO_MANY);
	assert_ptr_equal(proxy_explanation_find(&e, &e.list[7].backend.addr, 80), &e.list[7]);
	assert_null(proxy_explanation_find(&e, &e.list[7].backend.addr, 81));
	assert_null(proxy_explanation_find(&e, &absent, 80));
	proxy_explanation_done(&e);
	proxy_changes_done(&changes);
	diag_done(&diags);
	strbuf_done(&text);
	proxy_planner_free(planner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(explains_endpoints),
		cmocka_unit_test(says_what_is_missing),
		cmocka_unit_test(agrees_with_the_plan),
	};

	return cmocka_run_group_tests_name("proxy/explain", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/flow_notes.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "proxy/plan.h"
#include "test/unit/objects.h"
#include "test/unit/test.h"

/* The plan of a Service with one slice; ports and endpoints as in test/unit/objects.h. */
static struct lb_service *plan(const char *cluster_ip, const char *ports, const char *endpoints)
{
	static const struct ipaddr node = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	const struct proxy_facts facts = { .node_name = "node-1",
		                           .zone = "zone-a",
		                           .node_port_addresses = &node,
		                           .node_port_address_count = 1 };
	struct proxy_meta *service =
		SERVICE(.name = "a", .cluster_ips = cluster_ip, .ports = ports);
	struct proxy_meta *slice = SLICE("s", "a", "dns:udp:53 web:tcp:80", endpoints);
	const struct proxy_endpoint_slice *list[] = { (void *)slice };
	struct diags diags = { 0 };
	struct lb_service *out =
		proxy_plan_service(0, "ns/a", (void *)service, list, 1, &facts, &diags);

	assert_int_equal(diags.total, 0);
	free(service);
	free(slice);
	return out;
}

#define DNS "dns:udp:53 web:tcp:53"

static const struct row {
	const char *what;
	const char *was[3]; /* ClusterIP, ports, endpoints; none: there was no such Service */
	const char *now[3];
	const char *want; /* "gone ADDRESS:PORT" and "ADDRESS:PORT{backends}", in order */
} rows[] = {
	{ "nothing changes",
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  "" },
	{ "one more endpoint: nobody is on a wrong one",
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  { "10.96.0.1", DNS, "10.0.0.1 10.0.0.2" },
	  "" },
	{ "an endpoint goes",
	  { "10.96.0.1", DNS, "10.0.0.1 10.0.0.2" },
	  { "10.96.0.1", DNS, "10.0.0.2" },
	  "10.96.0.1:53{10.0.0.2:53}" },
	{ "an endpoint is no longer ready but serves on: its flows stay",
	  { "10.96.0.1", DNS, "10.0.0.1 10.0.0.2" },
	  { "10.96.0.1", DNS, "10.0.0.1/st 10.0.0.2" },
	  "" },
	{ "a hint takes an endpoint from new connections: its flows stay",
	  { "10.96.0.1", DNS, "10.0.0.1 10.0.0.2" },
	  { "10.96.0.1", DNS, "10.0.0.1+zones:zone-a 10.0.0.2+zones:zone-b" },
	  "" },
	{ "the last endpoint goes (kube-proxy issue 139628)",
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  { "10.96.0.1", DNS, "10.0.0.1/" },
	  "10.96.0.1:53{}" },
	{ "the first endpoint comes: whoever sent before is untranslated",
	  { "10.96.0.1", DNS, "10.0.0.1/" },
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  "10.96.0.1:53{10.0.0.1:53}" },
	{ "a new Service",
	  { NULL },
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  "10.96.0.1:53{10.0.0.1:53}" },
	{ "another address",
	  { "10.96.0.1", DNS, "10.0.0.1" },
	  { "10.96.0.2", DNS, "10.0.0.1" },
	  "gone 10.96.0.1:53 10.96.0.2:53{10.0.0.1:53}" },
	{ "a NodePort goes, the ClusterIP stays",
	  { "10.96.0.1", "dns:udp:53:30053", "10.0.0.1" },
	  { "10.96.0.1", "dns:udp:53", "10.0.0.1" },
	  "gone 192.0.2.1:30053" },
	{ "TCP is never noted",
	  { "10.96.0.1", "web:tcp:53", "10.0.0.1" },
	  { "10.96.0.2", "web:tcp:53", "10.0.0.2" },
	  "" },
	{ "a port changes from UDP to TCP",
	  { "10.96.0.1", "dns:udp:53", "10.0.0.1" },
	  { "10.96.0.1", "web:tcp:53", "10.0.0.1" },
	  "gone 10.96.0.1:53" },
};

static void add_text(struct strbuf *text, const struct nftx_flow_fronts *fronts, bool gone)
{
	char addr[IPADDR_TEXT];

	for (size_t i = 0; i < fronts->count; i++) {
		const struct nftx_flow_front *front = &fronts->list[i];

		strbuf_printf(text, "%s%s%s:%u", text->len > 0 ? " " : "", gone ? "gone " : "",
		              ipaddr_format(&front->addr, addr), front->port);
		if (gone) { /* a flow that is not translated is in order, no other one is */
			const struct lb_backend *itself = &fronts->backends[front->first];

			assert_int_equal(front->count, 1);
			assert_true(ipaddr_equal(&itself->addr, &front->addr));
			assert_int_equal(itself->port, front->port);
			continue;
		}
		strbuf_puts(text, "{");
		for (uint32_t k = 0; k < front->count; k++) {
			const struct lb_backend *backend = &fronts->backends[front->first + k];

			strbuf_printf(text, "%s%s:%u", k > 0 ? " " : "",
			              ipaddr_format(&backend->addr, addr), backend->port);
		}
		strbuf_puts(text, "}");
	}
}

static void notes_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct lb_service *was =
			row->was[0] != NULL ? plan(row->was[0], row->was[1], row->was[2]) : NULL;
		struct lb_service *now = plan(row->now[0], row->now[1], row->now[2]);
		struct nftx_flow_fronts gone = { 0 };
		struct nftx_flow_fronts kept = { 0 };
		struct strbuf text = { 0 };

		print_message("  - %s\n", row->what);
		nftx_note_gone(was, now, &gone);
		nftx_note_kept(was, now, false, &kept);
		strbuf_puts(&text, "");
		add_text(&text, &gone, true);
		add_text(&text, &kept, false);
		assert_string_equal(text.text, row->want);
		nftx_flow_fronts_done(&gone);
		nftx_flow_fronts_done(&kept);
		strbuf_done(&text);
		free(was);
		free(now);
	}
}

/* A frontend that another Service holds is not ours to note. */
static void leaves_lost_ones(void **state)
{
	struct lb_service *was = plan("10.96.0.1", "dns:udp:53", "10.0.0.1");
	struct lb_service *now = plan("10.96.0.1", "dns:udp:53", "10.0.0.2");
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	was->frontends[0].lost = true;
	now->frontends[0].lost = true;
	nftx_note_gone(was, now, &fronts);
	nftx_note_kept(was, now, false, &fronts);
	assert_int_equal(fronts.count, 0);
	now->frontends[0].lost = false; /* it becomes ours */
	nftx_note_kept(was, now, false, &fronts);
	assert_int_equal(fronts.count, 1);
	nftx_flow_fronts_done(&fronts);
	free(was);
	free(now);
}

/* While flows are being looked through, a backend that is new must be known. */
static void notes_gains_on_demand(void **state)
{
	struct lb_service *was = plan("10.96.0.1", "dns:udp:53", "10.0.0.1");
	struct lb_service *now = plan("10.96.0.1", "dns:udp:53", "10.0.0.1 10.0.0.2");
	struct nftx_flow_fronts fronts = { 0 };

	(void)state;
	nftx_note_kept(was, now, true, &fronts);
	assert_int_equal(fronts.count, 1);
	assert_int_equal(fronts.list[0].count, 2);
	nftx_flow_fronts_done(&fronts);
	nftx_note_kept(now, now, true, &fronts);
	assert_int_equal(fronts.count, 0);
	free(was);
	free(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_rows),
		cmocka_unit_test(leaves_lost_ones),
		cmocka_unit_test(notes_gains_on_demand),
	};

	return cmocka_run_group_tests_name("nft/flow_notes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sync that the kernel refuses, and the one that follows it. [BUG] of
 * kube-proxy-behaviour.md, section 4.1: kube-proxy forgets with the refusal which
 * flows had to be looked for, and the retry does not clean.
 */
#include <netinet/in.h>

#include "cmd/sync.h"
#include "test/kernel/flow_table.h"
#include "test/unit/objects.h"
#include "test/unit/planner.h"
#include "test/unit/test.h"

#define FRONT "10.96.0.10 53"

static struct proxy_meta *dns_service(const char *cluster_ips)
{
	return SERVICE("dns", .cluster_ips = cluster_ips, .ports = "dns:udp:53");
}

static struct proxy_meta *dns_slice(const char *endpoints)
{
	return SLICE("dns-1", "dns", "dns:udp:53", endpoints);
}

static void remove_one_endpoint(struct proxy_planner *planner)
{
	(void)put(planner, dns_slice("10.244.1.2"));
}

static void remove_all_endpoints(struct proxy_planner *planner)
{
	(void)proxy_planner_delete(planner, PROXY_ENDPOINT_SLICE, "ns", "dns-1");
}

static void remove_the_service(struct proxy_planner *planner)
{
	(void)proxy_planner_delete(planner, PROXY_SERVICE, "ns", "dns");
}

static void change_the_address(struct proxy_planner *planner)
{
	(void)put(planner, dns_service("10.96.0.11"));
}

static const struct row {
	const char *what;
	void (*change)(struct proxy_planner *planner);
	bool second_stays; /* the flow to the second endpoint */
} rows[] = {
	{ "an endpoint that goes", remove_one_endpoint, true },
	{ "the last endpoints that go", remove_all_endpoints, false },
	{ "a Service that goes", remove_the_service, false },
	{ "an address that goes", change_the_address, false },
};

static int run_sync(struct sync *sync, struct sync_report *report)
{
	struct diags diags = { 0 };
	struct err err = { 0 };
	int ret = sync_run(sync, report, &diags, &err);

	assert_int_equal(diags.total, 0);
	diag_done(&diags);
	return ret;
}

/* Makes the kernel differ from what the daemon takes it for: the next deletion is refused. */
static void empty_behind_its_back(struct nftx_sock *sock)
{
	struct nftx_batch *batch = nftx_batch_new();

	nftx_batch_flush_map(batch, 4, NFTX_BACKENDS);
	nftx_batch_flush_map(batch, 4, NFTX_FRONTENDS);
	nftx_batch_end(batch, true);
	assert_int_equal(nftx_sock_commit(sock, batch, NULL), 0);
	nftx_batch_free(batch);
}

static void walk(struct sync *sync, struct nftx_flows *flows)
{
	flows_start(flows, sync_fronts(sync));
	(void)flows_finish(flows);
}

static void run_row(const struct row *row)
{
	const struct entry first = flow(IPPROTO_UDP, FRONT, "10.244.1.1 53", 1);
	const struct entry second = flow(IPPROTO_UDP, FRONT, "10.244.1.2 53", 2);
	static const struct options options = { 0 };
	struct proxy_planner *planner = new_planner();
	struct nftx_flows *flows = flows_open();
	struct sync_report report;
	struct nftx_sock *sock;
	struct sync *sync;

	print_message("  - %s\n", row->what);
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	sync = sync_new(&options, planner, sock);
	(void)put(planner, dns_service("10.96.0.10"));
	(void)put(planner, dns_slice("10.244.1.1 10.244.1.2"));
	assert_int_equal(run_sync(sync, &report), 0);
	table_create(&first, 1);
	table_create(&second, 1);
	walk(sync, flows);
	assert_true(table_has(&first) && table_has(&second));

	empty_behind_its_back(sock);
	row->change(planner);
	assert_true(run_sync(sync, &report) < 0);
	assert_int_equal(run_sync(sync, &report), 0);
	assert_true(report.refill && report.sent);
	walk(sync, flows);
	assert_false(table_has(&first));
	assert_int_equal(table_has(&second), row->second_stays);

	sync_free(sync);
	proxy_planner_free(planner);
	nftx_flows_close(flows);
	nftx_sock_close(sock);
}

static void BUG_4_1_a_refused_sync_does_not_forget_the_flows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)table_enter(NULL);
		run_row(&rows[i]);
		(void)table_leave(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(BUG_4_1_a_refused_sync_does_not_forget_the_flows),
	};

	return cmocka_run_group_tests_name("cmd/sync in the kernel", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sync that the kernel refuses, and the one that follows it. [BUG] of
 * kube-proxy-behaviour.md, section 4.1: kube-proxy forgets with the refusal which
 * flows had to be looked for, and the retry does not clean.
 */
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/clock.h"
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

static void remove_all_of_it(struct proxy_planner *planner)
{
	remove_the_service(planner);
	remove_all_endpoints(planner);
}

static void change_the_address(struct proxy_planner *planner)
{
	(void)put(planner, dns_service("10.96.0.11"));
}

static const struct row {
	const char *what;
	void (*change)(struct proxy_planner *planner);
	bool second_stays; /* the flow to the second endpoint */
	bool plain_stays;  /* one that began after the change, and was not translated */
} rows[] = {
	{ "an endpoint that goes", remove_one_endpoint, true, false },
	{ "the last endpoints that go", remove_all_endpoints, false, false },
	{ "a Service that goes", remove_the_service, false, true },
	{ "a Service that goes with its endpoints", remove_all_of_it, false, true },
	{ "an address that goes", change_the_address, false, true },
};

/* How it is brought about that the sync of a change knows nothing of what was there. */
enum gap {
	CHANGE_REFUSED,
	LOOKED_MEANWHILE, /* the same, and flows are looked for before the retry */
	RETRY_AWAITED,    /* another change was refused before */
	DOUBTED,          /* somebody else wrote */
	EMPTIED,          /* the same, and nothing is left in the kernel */
	RESTARTED,        /* the change came while no daemon ran */
	RELAID,           /* the same, and the layout is another one */
	GAPS
};

static const char *const gap_names[GAPS] = {
	[CHANGE_REFUSED] = "refused at first",
	[LOOKED_MEANWHILE] = "refused at first, and flows are looked for meanwhile",
	[RETRY_AWAITED] = "while a retry is awaited",
	[DOUBTED] = "while somebody else writes",
	[EMPTIED] = "while somebody else empties the tables",
	[RESTARTED] = "while no daemon runs",
	[RELAID] = "while no daemon runs, before another layout",
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

/* A client sends again, and the kernel has what it had. */
static void go_on(const struct entry *entry)
{
	if (!table_has(entry))
		table_create(entry, 1);
}

/* A daemon: what it plans, and what it sends. */
struct rig {
	struct options options;
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct sync *sync;
};

static void rig_start(struct rig *rig)
{
	rig->planner = new_planner();
	assert_int_equal(nftx_sock_open(&rig->sock, NULL), 0);
	rig->sync = sync_new(&rig->options, rig->planner, rig->sock);
	(void)put(rig->planner, dns_service("10.96.0.10"));
	(void)put(rig->planner, dns_slice("10.244.1.1 10.244.1.2"));
}

static void rig_stop(struct rig *rig)
{
	sync_free(rig->sync);
	proxy_planner_free(rig->planner);
	nftx_sock_close(rig->sock);
}

/* The gap, with the change in it. */
static void change_in(struct rig *rig, enum gap gap, const struct row *row)
{
	struct sync_report report;

	switch (gap) {
	case CHANGE_REFUSED:
	case LOOKED_MEANWHILE:
		empty_behind_its_back(rig->sock);
		row->change(rig->planner);
		assert_true(run_sync(rig->sync, &report) < 0);
		return;
	case RETRY_AWAITED:
		empty_behind_its_back(rig->sock);
		(void)put(rig->planner, dns_slice("10.244.1.2"));
		assert_true(run_sync(rig->sync, &report) < 0);
		(void)put(rig->planner, dns_slice("10.244.1.1 10.244.1.2"));
		break;
	case EMPTIED:
		empty_behind_its_back(rig->sock);
		sync_forget(rig->sync, false);
		break;
	case DOUBTED:
		sync_forget(rig->sync, false);
		break;
	case RESTARTED:
	case RELAID:
		rig_stop(rig);
		rig->options.masquerade_all = gap == RELAID;
		rig_start(rig);
		break;
	case GAPS:
		fail();
	}
	row->change(rig->planner);
}

static void run_row(const struct row *row, enum gap gap)
{
	const struct entry first = flow(IPPROTO_UDP, FRONT, "10.244.1.1 53", 1);
	const struct entry second = flow(IPPROTO_UDP, FRONT, "10.244.1.2 53", 2);
	const struct entry plain = flow(IPPROTO_UDP, FRONT, FRONT, 3);
	struct nftx_flows *flows = flows_open();
	struct rig rig = { 0 };
	struct sync_report report;

	print_message("  - %s, %s\n", row->what, gap_names[gap]);
	rig_start(&rig);
	assert_int_equal(run_sync(rig.sync, &report), 0);
	table_create(&first, 1);
	table_create(&second, 1);
	walk(rig.sync, flows);
	assert_true(table_has(&first) && table_has(&second));

	change_in(&rig, gap, row);
	if (gap == LOOKED_MEANWHILE) {
		/* as it comes when an earlier sync has asked for it; clients go on meanwhile */
		walk(rig.sync, flows);
		go_on(&first);
		go_on(&second);
	}
	assert_int_equal(run_sync(rig.sync, &report), 0);
	assert_true(report.refill && report.sent);
	table_create(&plain, 1);
	walk(rig.sync, flows);
	assert_false(table_has(&first));
	assert_int_equal(table_has(&second), row->second_stays);
	assert_int_equal(table_has(&plain), row->plain_stays);

	rig_stop(&rig);
	nftx_flows_close(flows);
}

static void run_gaps(enum gap first, enum gap last)
{
	for (enum gap gap = first; gap <= last; gap++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			(void)table_enter(NULL);
			run_row(&rows[i], gap);
			(void)table_leave(NULL);
		}
	}
}

static void BUG_4_1_a_refused_sync_does_not_forget_the_flows(void **unused)
{
	(void)unused;
	run_gaps(CHANGE_REFUSED, RETRY_AWAITED);
}

static void flows_go_with_what_goes_while_nobody_follows_it(void **unused)
{
	(void)unused;
	run_gaps(DOUBTED, RELAID);
}

static size_t memory_used(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* However long the kernel takes nothing, what is to be looked for takes no more room. */
static void refusals_take_no_memory(void **unused)
{
	const struct options owner = { .table_owner = true };
	struct rig rig = { 0 };
	struct sync_report report;
	struct nftx_sock *sock;
	struct sync *sync;
	size_t before = 0;

	(void)unused;
	(void)table_enter(NULL);
	rig_start(&rig);
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	sync = sync_new(&owner, rig.planner, sock);
	if (run_sync(sync, &report) < 0 || !sync_owns(sync)) {
		print_message("  - skipped: this kernel has no tables with an owner\n");
		goto out;
	}
	for (unsigned i = 0; i < 50000; i++) {
		assert_int_equal(run_sync(rig.sync, &report), -EBUSY);
		if (i == 9999)
			before = memory_used();
	}
	assert_true(memory_used() < before + 65536);
out:
	sync_free(sync);
	nftx_sock_close(sock);
	rig_stop(&rig);
	(void)table_leave(NULL);
}

/* ---- A Service that the kernel refuses ------------------------------------------------------ */

/* A planner with a fault: 'bad' has two targets for one address and port. */
static void make_bad(void *ctx, const struct lb_service *service)
{
	const bool *faulty = ctx;
	struct lb_frontend *frontends = service->frontends;

	if (*faulty && strcmp(service->name, "ns/bad") == 0 && service->frontend_count > 0)
		frontends[1].port = frontends[0].port;
}

/* A daemon's part with a Service that the kernel takes and one that it refuses while @faulty. */
static struct {
	bool faulty;
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct sync *sync;
	struct sync_report report;
} rig;

static void put_service(const char *name, const char *address, const char *endpoints)
{
	char slice[32];

	(void)snprintf(slice, sizeof(slice), "%s-1", name);
	(void)put(rig.planner,
	          SERVICE(name, .cluster_ips = address, .ports = "web:tcp:80 alt:tcp:81"));
	(void)put(rig.planner, SLICE(slice, name, "web:tcp:8080 alt:tcp:8081", endpoints));
}

static size_t endpoints_of(const char *address)
{
	struct nftx_elem want = { .family = 4, .map = NFTX_BACKENDS };
	struct nftx_elems got = { 0 };
	struct ipaddr addr;
	size_t count = 0;

	assert_int_equal(ipaddr_parse(address, &addr, NULL), 0);
	(void)nftx_key_front(want.key, &addr, IPPROTO_TCP, 80);
	assert_int_equal(nftx_sock_dump(rig.sock, 4, NFTX_BACKENDS, &got, NULL), 0);
	for (size_t i = 0; i < got.count; i++)
		count += memcmp(got.list[i].key, want.key, 12) == 0;
	nftx_dump_done(&got);
	return count;
}

static void sync_well(const char *finding)
{
	struct diags diags = { 0 };
	struct err err = { 0 };

	if (sync_run(rig.sync, &rig.report, &diags, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(diags.total, finding != NULL);
	if (finding != NULL) {
		assert_string_equal(diags.list[0].subject, "Service ns/bad");
		assert_non_null(strstr(diags.list[0].text, finding));
	}
	diag_done(&diags);
}

static void wait_for_the_trial(void)
{
	uint64_t deadline = clock_us() + 20000000;

	while (sync_wait(rig.sync) > 0) {
		if (clock_us() > deadline)
			fail_msg("no trial");
		(void)usleep(1000);
	}
}

static int enter_rig(void **state)
{
	static const struct options options = { 0 };

	if (table_enter(state) < 0)
		return -1;
	rig.faulty = true;
	rig.planner = new_planner();
	assert_int_equal(nftx_sock_open(&rig.sock, NULL), 0);
	rig.sync = sync_new(&options, rig.planner, rig.sock);
	sync_watch(rig.sync, make_bad, &rig.faulty);
	put_service("good", "10.96.0.1", "10.244.1.1 10.244.1.2");
	put_service("bad", "10.96.0.2", "10.244.2.1");
	return 0;
}

static int leave_rig(void **state)
{
	sync_free(rig.sync);
	proxy_planner_free(rig.planner);
	nftx_sock_close(rig.sock);
	return table_leave(state);
}

/* Others come into the kernel at once; it itself when it is good again. */
static void one_that_is_refused_keeps_nobody_out(void **unused)
{
	(void)unused;
	sync_well("refused by the kernel, left out: ip backends: adding 10.96.0.2 . tcp . 80");
	assert_true(rig.report.refill && rig.report.sent);
	assert_int_equal(sync_held(rig.sync), 1);
	assert_int_equal(endpoints_of("10.96.0.1"), 2);
	assert_int_equal(endpoints_of("10.96.0.2"), 0);
	assert_true(sync_wait(rig.sync) == HELD_IDLE);

	put_service("other", "10.96.0.3", "10.244.3.1");
	put_service("bad", "10.96.0.2", "10.244.2.1 10.244.2.2");
	sync_well(NULL);
	assert_true(!rig.report.refill && rig.report.sent);
	assert_int_equal(endpoints_of("10.96.0.3"), 1);
	assert_int_equal(endpoints_of("10.96.0.2"), 0);

	wait_for_the_trial();
	rig.faulty = false;
	sync_well(NULL);
	assert_int_equal(sync_held(rig.sync), 0);
	assert_int_equal(endpoints_of("10.96.0.2"), 2);
}

/* A change that is refused, first as a change, then in the refill. */
static void one_whose_change_is_refused_keeps_its_last_form(void **unused)
{
	(void)unused;
	rig.faulty = false;
	sync_well(NULL);
	rig.faulty = true;
	put_service("bad", "10.96.0.2", "10.244.2.7 10.244.2.8");
	assert_true(run_sync(rig.sync, &rig.report) < 0);
	sync_well("refused by the kernel, its last form stays: ip backends: adding");
	assert_int_equal(sync_held(rig.sync), 1);
	assert_int_equal(endpoints_of("10.96.0.1"), 2);
	assert_int_equal(endpoints_of("10.96.0.2"), 1);

	/* a repair, which stages all again, keeps it, too */
	sync_forget(rig.sync, false);
	sync_well(NULL);
	assert_int_equal(endpoints_of("10.96.0.2"), 1);

	/* what is wanted again is what stayed: nothing is to be sent, and nobody is refused any more */
	rig.faulty = false;
	put_service("bad", "10.96.0.2", "10.244.2.1");
	sync_well(NULL);
	wait_for_the_trial();
	sync_well(NULL);
	assert_false(rig.report.sent);
	assert_int_equal(sync_held(rig.sync), 0);

	(void)proxy_planner_delete(rig.planner, PROXY_SERVICE, "ns", "bad");
	sync_well(NULL);
	assert_int_equal(sync_held(rig.sync), 0);
	assert_int_equal(endpoints_of("10.96.0.2"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_that_is_refused_keeps_nobody_out, enter_rig,
		                                leave_rig),
		cmocka_unit_test_setup_teardown(one_whose_change_is_refused_keeps_its_last_form,
		                                enter_rig, leave_rig),
		cmocka_unit_test(BUG_4_1_a_refused_sync_does_not_forget_the_flows),
		cmocka_unit_test(flows_go_with_what_goes_while_nobody_follows_it),
		cmocka_unit_test(refusals_take_no_memory),
	};

	return cmocka_run_group_tests_name("cmd/sync in the kernel", tests, NULL, NULL);
}

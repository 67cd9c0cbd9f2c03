/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket for stale flows when the kernel does not answer as usual: played by
 * the test at the other end of the descriptor, while deletions reach the real one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "test/kernel/flow_table.h"
#include "test/unit/test.h"

#define FRONT "10.96.0.10 53"
#define GONE "10.244.9.9 53"
#define VALID "10.244.1.1 53"

/* Takes the kernel's place behind @flows. Return: our end. */
static int play_kernel(struct nftx_flows *flows)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_true(dup3(pair[0], nftx_flows_fd(flows), O_CLOEXEC) >= 0);
	assert_int_equal(close(pair[0]), 0);
	return pair[1];
}

/* Return: the number of the request that waits, 0 if none does. */
static uint32_t next_request(int kernel)
{
	_Alignas(struct nlmsghdr) char buf[1024];
	const struct nlmsghdr *msg = (const void *)buf;
	ssize_t n = recv(kernel, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0)
		return 0;
	assert_true(mnl_nlmsg_ok(msg, (int)n));
	assert_int_equal(msg->nlmsg_type, (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET);
	assert_int_equal(msg->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	return msg->nlmsg_seq;
}

static void answer(int kernel, uint16_t type, uint16_t flags, uint32_t seq, int code)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	int *value = mnl_nlmsg_put_extra_header(msg, sizeof(struct nlmsgerr));

	msg->nlmsg_type = type;
	msg->nlmsg_flags = flags;
	msg->nlmsg_seq = seq;
	*value = -code;
	assert_true(send(kernel, buf, msg->nlmsg_len, 0) > 0);
}

static struct nftx_flow_fronts one_front(const char *where)
{
	struct nftx_flow_fronts fronts = { 0 };

	front(&fronts, where, VALID, NULL);
	return fronts;
}

/* One row is one end of a dump, played until it is not asked for again. */
static const struct row {
	const char *what;
	uint16_t type, flags;
	int code;
	int ret; /* of the last turn */
	uint64_t asked, restarts;
	const char *msg;
} rows[] = {
	{ "a dump that ends well is not repeated", NLMSG_DONE, NLM_F_MULTI, 0, 0, 1, 0, "" },
	{ "a dump that was disturbed is repeated, five times at most", NLMSG_DONE,
	  NLM_F_MULTI | NLM_F_DUMP_INTR, 0, -EAGAIN, 5, 4,
	  "conntrack changed during each of 5 dumps" },
	{ "so is one of which answers were lost", NLMSG_ERROR, 0, ENOBUFS, -EAGAIN, 5, 4,
	  "conntrack changed during each of 5 dumps" },
	{ "so is one that comes too early", NLMSG_ERROR, 0, EBUSY, -EAGAIN, 5, 4,
	  "conntrack changed during each of 5 dumps" },
	{ "a dump that fails in its midst", NLMSG_DONE, NLM_F_MULTI, ENOMEM, -ENOMEM, 1, 0,
	  "conntrack: Cannot allocate memory" },
	{ "a dump that is refused", NLMSG_ERROR, 0, EPERM, -EPERM, 1, 0,
	  "no permission for conntrack: CAP_NET_ADMIN is needed" },
	{ "a kernel that lost its ctnetlink", NLMSG_ERROR, 0, EINVAL, -EOPNOTSUPP, 1, 0,
	  "this kernel has no ctnetlink (CONFIG_NF_CT_NETLINK)" },
};

static void ends_of_dumps(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];
		struct nftx_flows *flows = flows_open();
		struct nftx_flow_fronts fronts = one_front(FRONT);
		int kernel = play_kernel(flows);
		struct err err = { 0 };
		uint64_t asked = 0;
		uint32_t seq;
		int ret = 1;

		print_message("  - %s\n", row->what);
		flows_start(flows, &fronts);
		while ((seq = next_request(kernel)) != 0) {
			assert_int_equal(ret, 1);
			asked++;
			answer(kernel, row->type, row->flags, seq, row->code);
			ret = nftx_flows_turn(flows, &err);
		}
		assert_int_equal(ret, row->ret);
		assert_int_equal(asked, row->asked);
		assert_string_equal(err.msg, row->msg);
		assert_false(nftx_flows_busy(flows));
		assert_int_equal(nftx_flows_stats(flows).restarts, row->restarts);
		assert_int_equal(nftx_flows_stats(flows).walks, row->ret == 0);

		/* whatever happened: it can be started again */
		fronts = one_front(FRONT);
		flows_start(flows, &fronts);
		seq = next_request(kernel);
		assert_int_not_equal(seq, 0);
		answer(kernel, NLMSG_DONE, NLM_F_MULTI, seq, 0);
		assert_int_equal(nftx_flows_turn(flows, &err), 0);
		assert_int_equal(nftx_flows_stats(flows).walks, (row->ret == 0) + 1);
		nftx_flows_close(flows);
		assert_int_equal(close(kernel), 0);
	}
}

/* The walk that waits begins when the one before it is dropped. */
static void a_failure_does_not_take_the_next_along(void **state)
{
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = one_front(FRONT);
	int kernel = play_kernel(flows);
	uint32_t seq;

	(void)state;
	flows_start(flows, &fronts);
	fronts = one_front("10.96.0.11 53");
	flows_start(flows, &fronts);
	answer(kernel, NLMSG_ERROR, 0, next_request(kernel), ENOMEM);
	assert_int_equal(nftx_flows_turn(flows, NULL), -ENOMEM);
	assert_true(nftx_flows_busy(flows));
	seq = next_request(kernel);
	assert_int_not_equal(seq, 0);
	answer(kernel, NLMSG_DONE, 0, seq, 0);
	assert_int_equal(nftx_flows_turn(flows, NULL), 0);
	assert_int_equal(nftx_flows_stats(flows).walks, 1);
	nftx_flows_close(flows);
	assert_int_equal(close(kernel), 0);
}

static void what_is_not_for_us_is_ignored(void **state)
{
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = one_front(FRONT);
	int kernel = play_kernel(flows);
	uint32_t seq;

	(void)state;
	/* before anything was asked */
	answer(kernel, NLMSG_DONE, 0, 0, 0);
	assert_int_equal(nftx_flows_turn(flows, NULL), 0);
	flows_start(flows, &fronts);
	seq = next_request(kernel);
	/* the end of an older dump, less than a message, a message longer than it is, other types */
	answer(kernel, NLMSG_DONE, 0, seq - 1, 0);
	assert_int_equal(send(kernel, "x", 1, 0), 1);
	assert_int_equal(nftx_flows_turn(flows, NULL), 1);
	{
		struct nlmsghdr bad = { .nlmsg_len = 4096,
			                .nlmsg_type = NLMSG_DONE,
			                .nlmsg_seq = seq };

		assert_int_equal(send(kernel, &bad, sizeof(bad), 0), sizeof(bad));
		bad = (struct nlmsghdr){ .nlmsg_len = sizeof(bad), .nlmsg_seq = seq };
		bad.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
		assert_int_equal(send(kernel, &bad, sizeof(bad), 0), sizeof(bad));
	}
	answer(kernel, NLMSG_NOOP, 0, seq, 0);
	assert_int_equal(nftx_flows_turn(flows, NULL), 1);
	assert_int_equal(nftx_flows_stats(flows).received, 0);
	answer(kernel, NLMSG_DONE, 0, seq, 0);
	assert_int_equal(nftx_flows_turn(flows, NULL), 0);
	nftx_flows_close(flows);
	assert_int_equal(close(kernel), 0);
}

/* ---- Flows that the real kernel has, told not quite as they are ----------------------------- */

/* Cuts the attribute of @type out of @msg. */
static void cut(struct nlmsghdr *msg, uint16_t type)
{
	size_t at = sizeof(*msg) + sizeof(struct nfgenmsg);

	while (at < msg->nlmsg_len) {
		struct nlattr *attr = (void *)((char *)msg + at);
		size_t len = MNL_ALIGN(attr->nla_len);

		if (mnl_attr_get_type(attr) != type) {
			at += len;
			continue;
		}
		memmove(attr, (char *)attr + len, msg->nlmsg_len - at - len);
		msg->nlmsg_len -= (uint32_t)len;
	}
}

static const struct telling {
	const char *what;
	uint16_t without; /* an attribute, 0: all are there */
	uint32_t id;      /* added when not 0 */
	bool seen;
} tellings[] = {
	{ "with an id that is not its", 0, 0x12345678, true },
	{ "without an id", 0, 0, true },
	{ "without its original tuple", CTA_TUPLE_ORIG, 0x12345678, false },
	{ "without its reply tuple", CTA_TUPLE_REPLY, 0x12345678, false },
};

/* A deletion without a tuple would empty the table; one without an id might hit another flow. */
static void never_deletes_by_halves(void **state)
{
	struct entry stale = flow(IPPROTO_UDP, FRONT, GONE, 1);
	struct entry others[2] = { flow(IPPROTO_UDP, "10.96.0.77 53", GONE, 2),
		                   flow(IPPROTO_TCP, FRONT, GONE, 1) };
	struct entries want = { 0 };

	(void)state;
	*entries_add(&want) = stale;
	*entries_add(&want) = others[0];
	*entries_add(&want) = others[1];
	table_create(want.list, want.count);
	for (size_t i = 0; i < ARRAY_LEN(tellings); i++) {
		struct nftx_flows *flows = flows_open();
		struct nftx_flow_fronts fronts = one_front(FRONT);
		int kernel = play_kernel(flows);
		_Alignas(struct nlmsghdr) char buf[1024];
		struct nlmsghdr *msg = put_entry(buf, &stale, IPCTNL_MSG_CT_NEW, NLM_F_MULTI);

		print_message("  - %s\n", tellings[i].what);
		flows_start(flows, &fronts);
		if (tellings[i].without != 0)
			cut(msg, tellings[i].without);
		if (tellings[i].id != 0)
			mnl_attr_put_u32(msg, CTA_ID, tellings[i].id);
		msg->nlmsg_seq = next_request(kernel);
		assert_true(send(kernel, msg, msg->nlmsg_len, 0) > 0);
		answer(kernel, NLMSG_DONE, NLM_F_MULTI, msg->nlmsg_seq, 0);
		assert_int_equal(nftx_flows_turn(flows, NULL), 0);
		assert_int_equal(nftx_flows_stats(flows).seen, tellings[i].seen);
		assert_int_equal(nftx_flows_stats(flows).deleted, 0);
		assert_int_equal(nftx_flows_stats(flows).failed, 0);
		assert_table_is(&want);
		nftx_flows_close(flows);
		assert_int_equal(close(kernel), 0);
	}
	free(want.list);
}

/* Before 5.8 the whole table comes, whatever was asked for. */
static void an_older_kernel_does_not_filter(void **state)
{
	struct entry stale = flow(IPPROTO_UDP, FRONT, GONE, 1);
	struct entries want = { 0 };
	struct nftx_flows *flows = flows_open();
	struct nftx_flow_fronts fronts = one_front(FRONT);
	int kernel = play_kernel(flows);

	(void)state;
	*entries_add(&want) = flow(IPPROTO_UDP, FRONT, VALID, 2);
	*entries_add(&want) = flow(IPPROTO_UDP, "10.96.0.77 53", GONE, 1);
	*entries_add(&want) = flow(IPPROTO_TCP, FRONT, GONE, 1);
	*entries_add(&want) = flow(IPPROTO_SCTP, FRONT, GONE, 1);
	*entries_add(&want) = flow(IPPROTO_UDP, "fd00::10 53", "fd01::9 53", 1);
	table_create(want.list, want.count);
	table_create(&stale, 1);
	flows_start(flows, &fronts);
	table_relay(kernel, next_request(kernel));
	assert_int_equal(nftx_flows_turn(flows, NULL), 0);
	assert_int_equal(nftx_flows_stats(flows).received, 6);
	assert_int_equal(nftx_flows_stats(flows).seen, 4);
	assert_int_equal(nftx_flows_stats(flows).deleted, 1);
	assert_table_is(&want);
	free(want.list);
	nftx_flows_close(flows);
	assert_int_equal(close(kernel), 0);
}

/* ---- The descriptors ------------------------------------------------------------------------ */

#define FDS 256

static void list_fds(bool out[static FDS])
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	assert_non_null(dir);
	memset(out, 0, FDS * sizeof(*out));
	while ((entry = readdir(dir)) != NULL) {
		uint32_t fd;

		if (str_to_u32(entry->d_name, FDS - 1, &fd) == 0 && (int)fd != dirfd(dir))
			out[fd] = true;
	}
	assert_int_equal(closedir(dir), 0);
}

static bool is_netlink(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_NETLINK;
}

/* Refusals that nobody reads fill the sockets: the kernel says ENOBUFS there. */
static void lost_answers_begin_anew(void **state)
{
	struct entry stale = flow(IPPROTO_UDP, FRONT, GONE, 1);
	struct entry valid = flow(IPPROTO_UDP, FRONT, VALID, 2);
	struct nftx_flow_fronts fronts = one_front(FRONT);
	struct {
		struct nlmsghdr head;
		struct nfgenmsg family;
	} bad = { .head = { .nlmsg_len = sizeof(bad), .nlmsg_flags = NLM_F_REQUEST } };
	struct nftx_flows *flows;
	bool before[FDS];
	bool after[FDS];

	(void)state;
	table_create(&stale, 1);
	table_create(&valid, 1);
	list_fds(before);
	flows = flows_open();
	list_fds(after);
	bad.head.nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | 0xff;
	for (int fd = 0; fd < FDS; fd++)
		for (int i = 0; after[fd] && !before[fd] && is_netlink(fd) && i < 2000; i++)
			assert_true(send(fd, &bad, sizeof(bad), 0) > 0);
	flows_start(flows, &fronts);
	(void)flows_finish(flows);
	assert_int_equal(nftx_flows_stats(flows).walks, 1);
	assert_true(nftx_flows_stats(flows).restarts > 0);
	assert_int_equal(nftx_flows_stats(flows).deleted, 1);
	assert_int_equal(nftx_flows_stats(flows).failed, 0);
	assert_false(table_has(&stale));
	assert_true(table_has(&valid));
	nftx_flows_close(flows);
}

static void nothing_is_inherited_or_left(void **state)
{
	bool before[FDS];
	bool after[FDS];
	struct nftx_flows *flows;
	int opened = 0;

	(void)state;
	list_fds(before);
	flows = flows_open();
	list_fds(after);
	for (int fd = 0; fd < FDS; fd++) {
		if (!after[fd] || before[fd])
			continue;
		opened++;
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(opened, 4);
	nftx_flows_close(flows);
	list_fds(after);
	assert_memory_equal(before, after, sizeof(before));
}

static void says_that_it_needs_privilege(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct nftx_flows *flows = NULL;
		struct err err = { 0 };
		int ret;

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		ret = nftx_flows_open(&flows, &err);
		_exit(ret == -EPERM && flows == NULL && strstr(err.msg, "CAP_NET_ADMIN") != NULL
		              ? 0
		              : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, table_enter, table_leave)
	const struct CMUnitTest tests[] = {
		TEST(ends_of_dumps),
		TEST(a_failure_does_not_take_the_next_along),
		TEST(what_is_not_for_us_is_ignored),
		TEST(never_deletes_by_halves),
		TEST(an_older_kernel_does_not_filter),
		TEST(lost_answers_begin_anew),
		TEST(nothing_is_inherited_or_left),
		TEST(says_that_it_needs_privilege),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

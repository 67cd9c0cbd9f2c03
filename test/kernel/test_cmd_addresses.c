/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listing addresses while somebody changes them: the kernel says that a list was
 * disturbed, and what is left of that list must not be taken for the next one.
 */
#include "cmd/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define COUNT 2000 /* more than fit into one piece of the kernel's answer */
#define FIRST 0x0a010000u
#define DISTURBING 0xc0000201u

/* Return: 0 or a negative errno. */
static int change(struct mnl_socket *nl, uint16_t type, uint32_t addr)
{
	_Alignas(struct nlmsghdr) char buf[4096];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *head;
	ssize_t n;

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->ifa_family = AF_INET;
	head->ifa_prefixlen = 32;
	head->ifa_index = if_nametoindex("lo");
	mnl_attr_put_u32(msg, IFA_LOCAL, htonl(addr));
	if (mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
	return n < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0 ? -errno : 0;
}

static struct mnl_socket *open_route(void)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);

	assert_non_null(nl);
	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	return nl;
}

/* Adds and removes an address as fast as it can, until it is killed. */
static void disturb(void)
{
	struct mnl_socket *nl = open_route();

	/* also when the test fails */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(1);
	for (bool there = false;; there = !there)
		if (change(nl, there ? RTM_DELADDR : RTM_NEWADDR, DISTURBING) < 0)
			_exit(1);
}

static size_t count_of(const struct addresses *addresses, uint32_t first, uint32_t count)
{
	const struct ipaddr *list;
	size_t found = 0;
	size_t all;

	list = addresses_list(addresses, &all);
	for (size_t i = 0; i < all; i++) {
		uint32_t addr;

		memcpy(&addr, list[i].bytes, sizeof(addr));
		found += list[i].family == 4 && ntohl(addr) - first < count;
	}
	return found;
}

static void outlives_disturbed_lists(void **state)
{
	struct mnl_socket *nl = open_route();
	struct addresses *addresses;
	struct err err = { 0 };
	int gave_up = 0;
	int status;
	pid_t pid;

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++)
		assert_int_equal(change(nl, RTM_NEWADDR, FIRST + i), 0);
	assert_int_equal(addresses_open(&addresses, &err), 0);
	assert_int_equal(count_of(addresses, FIRST, COUNT), COUNT);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		disturb();
	for (int i = 0; i < 200; i++) {
		int ret = addresses_refresh(addresses, &err);

		if (ret < 0 && ret != -EINTR)
			fail_msg("%s", err.msg);
		gave_up += ret < 0;
		/* one that was given up leaves the list as it was */
		assert_int_equal(count_of(addresses, FIRST, COUNT), COUNT);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	print_message("  given up %d times\n", gave_up);
	assert_int_equal(change(nl, RTM_NEWADDR, DISTURBING + 1), 0);
	assert_int_equal(addresses_refresh(addresses, &err), 1);
	assert_int_equal(count_of(addresses, FIRST, COUNT), COUNT);
	assert_int_equal(count_of(addresses, DISTURBING + 1, 1), 1);
	assert_int_equal(addresses_refresh(addresses, &err), 0);
	addresses_close(addresses);
	(void)mnl_socket_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outlives_disturbed_lists),
	};

	netns_enter();
	return cmocka_run_group_tests_name("cmd/addresses", tests, NULL, NULL);
}

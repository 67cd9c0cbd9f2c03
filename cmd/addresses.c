/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "nft/ask.h"
#include "nft/attr.h"

#define BUFFER_BYTES (32u << 10)
#define LIST_TRIES 8

struct addresses {
	struct mnl_socket *notices; /* joined to the groups; what it says is only "look again" */
	struct mnl_socket *asking;
	uint32_t seq;
	struct ipaddr *list;
	size_t count;
};

/* A list being read. */
struct reading {
	struct ipaddr *list;
	size_t count;
	size_t cap;
};

static int on_address(const struct nlmsghdr *msg, void *data)
{
	const struct ifaddrmsg *head = mnl_nlmsg_get_payload(msg);
	struct reading *reading = data;
	struct ipaddr addr = { .family = head->ifa_family == AF_INET ? 4 : 6 };
	const struct nlattr *found = NULL;
	const struct nlattr *attr;

	if (head->ifa_family != AF_INET && head->ifa_family != AF_INET6)
		return MNL_CB_OK;
	attr_for_each_of (attr, msg, sizeof(*head)) {
		/* of a point-to-point interface IFA_ADDRESS is the other end */
		if (mnl_attr_get_type(attr) == IFA_LOCAL ||
		    (mnl_attr_get_type(attr) == IFA_ADDRESS && found == NULL))
			found = attr;
	}
	if (found == NULL || mnl_attr_get_payload_len(found) != ipaddr_len(addr.family) ||
	    reading->count >= ADDRESSES_MAX)
		return MNL_CB_OK;
	memcpy(addr.bytes, mnl_attr_get_payload(found), ipaddr_len(addr.family));
	reading->list = vec_reserve(reading->list, &reading->cap, reading->count + 1,
	                            sizeof(*reading->list));
	reading->list[reading->count++] = addr;
	return MNL_CB_OK;
}

static int list_once(struct addresses *addresses, struct reading *reading)
{
	AUTO_FREE char *buf = xmalloc(BUFFER_BYTES);
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *head;

	reading->count = 0;
	msg->nlmsg_type = RTM_GETADDR;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg->nlmsg_seq = ++addresses->seq;
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->ifa_family = AF_UNSPEC;
	return nftx_ask_by(addresses->asking, msg, buf, BUFFER_BYTES, on_address, reading);
}

static int addr_order(const void *x, const void *y)
{
	return ipaddr_cmp(x, y);
}

static void sort_unique(struct reading *reading)
{
	size_t kept = 0;

	if (reading->count > 1)
		qsort(reading->list, reading->count, sizeof(*reading->list), addr_order);
	for (size_t i = 0; i < reading->count; i++)
		if (kept == 0 || !ipaddr_equal(&reading->list[kept - 1], &reading->list[i]))
			reading->list[kept++] = reading->list[i];
	reading->count = kept;
}

/* Notices say nothing that the next list does not; losing some (ENOBUFS) loses nothing. */
static void drain(struct addresses *addresses)
{
	char buf[4096];

	while (recv(mnl_socket_get_fd(addresses->notices), buf, sizeof(buf), MSG_DONTWAIT) >= 0 ||
	       errno == ENOBUFS || errno == EINTR)
		;
}

int addresses_refresh(struct addresses *addresses, struct err *err)
{
	struct reading reading = { 0 };
	bool changed;
	int ret = -EINTR;

	drain(addresses);
	for (int i = 0; i < LIST_TRIES && ret == -EINTR; i++)
		ret = list_once(addresses, &reading);
	if (ret < 0) {
		free(reading.list);
		return err_set(err, -ret, "listing this machine's addresses: %s",
		               ret == -EINTR ? "they change all the time" : strerrordesc_np(-ret));
	}
	sort_unique(&reading);
	changed = reading.count != addresses->count ||
	          (reading.count > 0 && memcmp(reading.list, addresses->list,
	                                       reading.count * sizeof(*reading.list)) != 0);
	free(addresses->list);
	addresses->list = reading.list;
	addresses->count = reading.count;
	return changed ? 1 : 0;
}

int addresses_open(struct addresses **out, struct err *err)
{
	struct addresses *addresses = xcalloc(1, sizeof(*addresses));
	int ret;

	addresses->notices = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	addresses->asking = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (addresses->notices == NULL || addresses->asking == NULL ||
	    mnl_socket_bind(addresses->notices, RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	                    MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_bind(addresses->asking, 0, MNL_SOCKET_AUTOPID) < 0)
		ret = err_set(err, errno, "rtnetlink: %s", strerrordesc_np(errno));
	else
		ret = addresses_refresh(addresses, err);
	if (ret < 0) {
		addresses_close(addresses);
		return ret;
	}
	*out = addresses;
	return 0;
}

void addresses_close(struct addresses *addresses)
{
	if (addresses == NULL)
		return;
	if (addresses->notices != NULL)
		(void)mnl_socket_close(addresses->notices);
	if (addresses->asking != NULL)
		(void)mnl_socket_close(addresses->asking);
	free(addresses->list);
	free(addresses);
}

int addresses_fd(const struct addresses *addresses)
{
	return mnl_socket_get_fd(addresses->notices);
}

const struct ipaddr *addresses_list(const struct addresses *addresses, size_t *count)
{
	*count = addresses->count;
	return addresses->list;
}

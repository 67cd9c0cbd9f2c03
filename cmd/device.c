/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "device.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* Of kernels: an answer is larger than a page only with many virtual functions. */
#define ANSWER_BYTES 32768

struct device {
	int index;
	char kind[32];
};

static int on_kind(const struct nlattr *attr, void *data)
{
	struct device *device = data;

	if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
	    mnl_attr_get_payload_len(attr) < sizeof(device->kind))
		memcpy(device->kind, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	return MNL_CB_OK;
}

static int on_attr(const struct nlattr *attr, void *data)
{
	return mnl_attr_get_type(attr) == IFLA_LINKINFO ? mnl_attr_parse_nested(attr, on_kind, data)
	                                                : MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *msg, void *data)
{
	const struct ifinfomsg *head = mnl_nlmsg_get_payload(msg);
	struct device *device = data;

	device->index = head->ifi_index;
	return mnl_attr_parse(msg, sizeof(*head), on_attr, device);
}

/* One request and its answer. Return: 0 or a negative errno. */
static int ask(struct mnl_socket *nl, uint16_t type, int index, const char *name,
               struct device *out)
{
	_Alignas(struct nlmsghdr) char buf[ANSWER_BYTES];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *head;
	int ret;

	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->nlmsg_seq = type;
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->ifi_index = index;
	if (name != NULL)
		mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	if (mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, (size_t)n, type, mnl_socket_get_portid(nl),
		                 out != NULL ? on_link : NULL, out);
	} while (ret > 0);
	return ret < 0 ? -errno : 0;
}

static int find_and_delete(struct mnl_socket *nl, const char *name, struct err *err)
{
	struct device device = { 0 };
	int ret = ask(nl, RTM_GETLINK, 0, name, &device);

	if (ret == -ENODEV)
		return 0;
	if (ret == 0 && strcmp(device.kind, "dummy") != 0)
		return err_set(err, EOPNOTSUPP, "of kind '%s', not dummy", device.kind);
	if (ret == 0)
		ret = ask(nl, RTM_DELLINK, device.index, NULL, NULL);
	return ret < 0 ? err_set(err, -ret, "%s", strerrordesc_np(-ret)) : 1;
}

int device_remove_dummy(const char *name, struct err *err)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int ret;

	if (nl == NULL)
		return err_set(err, errno, "rtnetlink: %s", strerrordesc_np(errno));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		ret = err_set(err, errno, "rtnetlink: %s", strerrordesc_np(errno));
	else
		ret = find_and_delete(nl, name, err);
	(void)mnl_socket_close(nl);
	return ret;
}

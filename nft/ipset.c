/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IP sets, as iptables uses them: only to find and to destroy some.
 */
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "attr.h"
#include "nft/aliens.h"
#include "sock_impl.h"

#define PROTOCOL 6 /* of all kernels since 3.0 */

static struct nlmsghdr *request(struct nftx_sock *sock, void *buf, uint16_t command, uint16_t flags)
{
	struct nlmsghdr *msg = nftx_request(sock, buf, command, 4, flags);

	msg->nlmsg_type = (uint16_t)((NFNL_SUBSYS_IPSET << 8) | command);
	mnl_attr_put_u8(msg, IPSET_ATTR_PROTOCOL, PROTOCOL);
	return msg;
}

static int on_set(const struct nlmsghdr *msg, void *data)
{
	const char *name = nftx_attr_text(msg, IPSET_ATTR_SETNAME);

	if (*name != '\0')
		strbuf_printf(data, "%s\n", name);
	return MNL_CB_OK;
}

int nftx_ipset_list(struct nftx_sock *sock, struct strbuf *out, struct err *err)
{
	char buf[256];
	struct nlmsghdr *msg = request(sock, buf, IPSET_CMD_LIST, NLM_F_DUMP);
	int ret;

	mnl_attr_put_u32(msg, IPSET_ATTR_FLAGS | NLA_F_NET_BYTEORDER,
	                 htobe32(IPSET_FLAG_LIST_SETNAME));
	ret = nftx_ask(sock, msg, on_set, out);
	if (ret == 0 || ret == -EINVAL || ret == -EOPNOTSUPP) /* a kernel without them */
		return 0;
	return err_set(err, -ret, "listing IP sets: %s", strerrordesc_np(-ret));
}

int nftx_ipset_destroy(struct nftx_sock *sock, const char *name)
{
	char buf[256];
	struct nlmsghdr *msg = request(sock, buf, IPSET_CMD_DESTROY, NLM_F_ACK);
	int ret;

	mnl_attr_put_strz(msg, IPSET_ATTR_SETNAME, name);
	ret = nftx_ask(sock, msg, NULL, NULL);
	return ret == -IPSET_ERR_BUSY ? -EBUSY : ret;
}

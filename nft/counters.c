/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/counters.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attr.h"
#include "base/mem.h"
#include "elem_codec.h"

#define PIECE_BYTES (64u << 10) /* the kernel's are 32 KiB at most */

struct nftx_counters {
	struct mnl_socket *nl;
	uint32_t portid;
	uint32_t seq;
	uint8_t family; /* that is being read */
	_Alignas(struct nlmsghdr) char piece[PIECE_BYTES];
};

/** Who takes what a piece holds. */
struct taker {
	nftx_count_fn fn;
	void *ctx;
};

int nftx_counters_open(struct nftx_counters **out, struct err *err)
{
	struct nftx_counters *counters = xcalloc(1, sizeof(*counters));
	int code;

	counters->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (counters->nl != NULL && mnl_socket_bind(counters->nl, 0, MNL_SOCKET_AUTOPID) == 0) {
		counters->portid = mnl_socket_get_portid(counters->nl);
		*out = counters;
		return 0;
	}
	code = errno;
	nftx_counters_close(counters);
	return err_set(err, code, "a socket for counters: %s", strerrordesc_np(code));
}

void nftx_counters_close(struct nftx_counters *counters)
{
	if (counters == NULL)
		return;
	if (counters->nl != NULL)
		(void)mnl_socket_close(counters->nl);
	free(counters);
}

int nftx_counters_fd(const struct nftx_counters *counters)
{
	return mnl_socket_get_fd(counters->nl);
}

static int fail(struct err *err, int code)
{
	return err_set(err, code, "reading counters: %s", strerrordesc_np(code));
}

static int ask(struct nftx_counters *counters, uint8_t family, struct err *err)
{
	char buf[512];
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head;

	msg->nlmsg_type = (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM);
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg->nlmsg_seq = ++counters->seq;
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->nfgen_family = family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
	head->version = NFNETLINK_V0;
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_TABLE, NFTX_TABLE);
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_SET, nftx_map_info(NFTX_FRONTENDS)->name);
	counters->family = family;
	if (mnl_socket_sendto(counters->nl, msg, msg->nlmsg_len) < 0)
		return fail(err, errno);
	return 0;
}

int nftx_counters_start(struct nftx_counters *counters, struct err *err)
{
	return ask(counters, 4, err);
}

static int take_elements(const struct nftx_counters *counters, const struct nlmsghdr *msg,
                         const struct taker *taker, struct err *err)
{
	const struct nlattr *list = nftx_attr_find(msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	const struct nlattr *attr;

	if (list == NULL)
		return 0;
	attr_for_each (attr, list) {
		struct nftx_raw_elem raw;
		int ret = nftx_elem_decode(attr, counters->family, NFTX_FRONTENDS, &raw, err);

		if (ret < 0)
			return ret;
		taker->fn(taker->ctx, &raw.elem, raw.packets);
	}
	return 0;
}

/* The kernel's errno of the message that ends an answer. */
static int answer_code(const struct nlmsghdr *msg)
{
	const int *code =
		mnl_nlmsg_get_payload(msg); /* of a struct nlmsgerr, too, the first word */

	return mnl_nlmsg_get_payload_len(msg) >= sizeof(*code) ? -*code : EBADMSG;
}

/* mnl_cb_run() would give up at the first message with NLM_F_DUMP_INTR, if there were any.
 * Return: 1, 0 at the end of the family, or a negative errno. */
static int take_piece(const struct nftx_counters *counters, size_t len, const struct taker *taker,
                      struct err *err)
{
	const struct nlmsghdr *msg = (const void *)counters->piece;
	int left = (int)len;

	for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
		int ret = 0;

		if (!mnl_nlmsg_seq_ok(msg, counters->seq) ||
		    !mnl_nlmsg_portid_ok(msg, counters->portid))
			continue;
		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR) {
			int code = answer_code(msg);

			return code == 0 || code == ENOENT ? 0 : fail(err, code);
		}
		if (msg->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM))
			ret = take_elements(counters, msg, taker, err);
		if (ret < 0)
			return ret;
	}
	return 1;
}

int nftx_counters_read(struct nftx_counters *counters, nftx_count_fn fn, void *ctx, struct err *err)
{
	const struct taker taker = { fn, ctx };
	ssize_t n = mnl_socket_recvfrom(counters->nl, counters->piece, sizeof(counters->piece));
	int ret;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : fail(err, errno);
	ret = take_piece(counters, (size_t)n, &taker, err);
	if (ret != 0 || counters->family == 6)
		return ret;
	ret = ask(counters, 6, err);
	return ret < 0 ? ret : 1;
}

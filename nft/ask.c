/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ask.h"

#include <errno.h>

bool nftx_answer_ends(const char *answer, size_t len, uint32_t seq)
{
	const struct nlmsghdr *msg = (const void *)answer;
	int left = (int)len;

	for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left))
		if (msg->nlmsg_seq == seq &&
		    (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR))
			return true;
	return false;
}

int nftx_ask_by(struct mnl_socket *nl, const struct nlmsghdr *msg, char *buf, size_t size,
                mnl_cb_t fn, void *ctx)
{
	uint32_t seq = msg->nlmsg_seq;
	bool disturbed = false;
	int ret = 1;

	if (mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
		return -errno;
	while (ret > 0) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!disturbed)
			ret = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(nl), fn, ctx);
		if (ret < 0 && errno == EPROTO)
			ret = 1; /* the answer to a question that was given up */
		disturbed = disturbed || (ret < 0 && errno == EINTR);
		if (disturbed)
			ret = !nftx_answer_ends(buf, (size_t)n, seq);
	}
	if (disturbed)
		return -EINTR;
	return ret < 0 ? -errno : 0;
}

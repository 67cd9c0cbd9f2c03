/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "ask.h"
#include "attr.h"
#include "base/mem.h"
#include "sock_impl.h"

#define ANSWER_BYTES (64u << 10) /* the kernel's dumps come in pieces of 32 KiB at most */
#define SEND_SLACK (64u << 10)   /* bookkeeping that counts against the send buffer */
#define SEND_TRIES 16            /* while signals come in between */
#define RECEIVE_BYTES (4u << 20) /* thousands of errors from one batch fit */

struct nftx_sock {
	struct mnl_socket *nl;
	uint32_t portid;
	uint32_t seq;      /* of requests; batches number their own messages */
	size_t send_bytes; /* the buffer asked for so far */
	char *answer;      /* ANSWER_BYTES */
};

/* Kernel without nf_tables: the subsystem's messages are unknown to it. */
int nftx_explain(struct err *err, int code)
{
	switch (code) {
	case EPERM:
		return err_set(err, EPERM, "no permission for nf_tables: CAP_NET_ADMIN is needed");
	case EINVAL:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
		return err_set(err, EOPNOTSUPP, "this kernel has no nf_tables (CONFIG_NF_TABLES)");
	default:
		return err_set(err, code, "nf_tables: %s", strerrordesc_np(code));
	}
}

struct nlmsghdr *nftx_request(struct nftx_sock *sock, void *buf, uint16_t type, uint8_t family,
                              uint16_t flags)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head;

	msg->nlmsg_type = (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | type);
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	msg->nlmsg_seq = ++sock->seq;
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->nfgen_family = family == 4   ? NFPROTO_IPV4
	                     : family == 6 ? NFPROTO_IPV6
	                                   : NFPROTO_UNSPEC;
	head->version = NFNETLINK_V0;
	return msg;
}

int nftx_ask(struct nftx_sock *sock, const struct nlmsghdr *msg, mnl_cb_t fn, void *ctx)
{
	return nftx_ask_by(sock->nl, msg, sock->answer, ANSWER_BYTES, fn, ctx);
}

void nftx_pause(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	(void)nanosleep(&pause, NULL);
}

static int ignore(const struct nlmsghdr *msg, void *ctx)
{
	(void)msg;
	(void)ctx;
	return MNL_CB_OK;
}

int nftx_sock_open(struct nftx_sock **out, struct err *err)
{
	struct nftx_sock *sock = xcalloc(1, sizeof(*sock));
	char buf[256];
	int one = 1;
	int ret;

	sock->answer = xmalloc(ANSWER_BYTES);
	sock->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (sock->nl == NULL || mnl_socket_bind(sock->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		ret = nftx_explain(err, errno);
		nftx_sock_close(sock);
		return ret;
	}
	sock->portid = mnl_socket_get_portid(sock->nl);
	/* older kernels refuse these; errors are then named by message only */
	(void)mnl_socket_setsockopt(sock->nl, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)mnl_socket_setsockopt(sock->nl, NETLINK_CAP_ACK, &one, sizeof(one));
	ret = nftx_ask(sock, nftx_request(sock, buf, NFT_MSG_GETGEN, 0, NLM_F_ACK), ignore, NULL);
	if (ret < 0) {
		ret = nftx_explain(err, -ret);
		nftx_sock_close(sock);
		return ret;
	}
	*out = sock;
	return 0;
}

void nftx_sock_close(struct nftx_sock *sock)
{
	if (sock == NULL)
		return;
	if (sock->nl != NULL)
		(void)mnl_socket_close(sock->nl);
	free(sock->answer);
	free(sock);
}

uint32_t nftx_sock_port(const struct nftx_sock *sock)
{
	return sock->portid;
}

static int on_generation(const struct nlmsghdr *msg, void *data)
{
	const struct nlattr *attr = nftx_attr_find(msg, NFTA_GEN_ID);

	if (attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

int nftx_sock_generation(struct nftx_sock *sock, uint32_t *out, struct err *err)
{
	uint32_t generation = 0;
	char buf[256];
	int ret = nftx_ask(sock, nftx_request(sock, buf, NFT_MSG_GETGEN, 0, NLM_F_ACK),
	                   on_generation, &generation);

	if (ret < 0)
		return nftx_explain(err, -ret);
	*out = generation;
	return 0;
}

struct table_ctx {
	struct nftx_table *out;
	uint32_t portid;
};

/* The table's comment: TLV type 0 in its user data. */
static void read_comment(const struct nlattr *attr, char *out, size_t size)
{
	const uint8_t *tlv = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	if (left < 3 || tlv[0] != 0 || (size_t)tlv[1] + 2 > left || tlv[1] > size ||
	    tlv[1 + tlv[1]] != '\0')
		return;
	memcpy(out, tlv + 2, tlv[1]);
}

static int on_table(const struct nlmsghdr *msg, void *data)
{
	struct table_ctx *ctx = data;
	const struct nlattr *attr;

	ctx->out->exists = true;
	attr_for_each_of (attr, msg, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_TABLE_FLAGS:
			ctx->out->flags = ntohl(mnl_attr_get_u32(attr));
			break;
		case NFTA_TABLE_OWNER:
			ctx->out->owned_by_other = ntohl(mnl_attr_get_u32(attr)) != ctx->portid;
			break;
		case NFTA_TABLE_USERDATA:
			read_comment(attr, ctx->out->comment, sizeof(ctx->out->comment));
			break;
		default:
			break;
		}
	}
	return MNL_CB_OK;
}

int nftx_sock_table(struct nftx_sock *sock, uint8_t family, const char *name,
                    struct nftx_table *out, struct err *err)
{
	struct nftx_table found = { 0 };
	struct table_ctx ctx = { &found, sock->portid };
	char buf[512];
	struct nlmsghdr *msg = nftx_request(sock, buf, NFT_MSG_GETTABLE, family, NLM_F_ACK);
	int ret;

	mnl_attr_put_strz(msg, NFTA_TABLE_NAME, name);
	ret = nftx_ask(sock, msg, on_table, &ctx);
	if (ret < 0 && ret != -ENOENT)
		return nftx_explain(err, -ret);
	*out = found;
	return 0;
}

/* Without privilege in the initial user namespace only SO_SNDBUF is left, up to net.core.wmem_max. */
static void raise_buffer(struct nftx_sock *sock, int force, int plain, size_t bytes)
{
	int fd = mnl_socket_get_fd(sock->nl);
	int value = bytes < INT32_MAX / 2 ? (int)bytes : INT32_MAX / 2;

	if (setsockopt(fd, SOL_SOCKET, force, &value, sizeof(value)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &value, sizeof(value));
}

static void fit_buffers(struct nftx_sock *sock, size_t bytes)
{
	if (bytes + SEND_SLACK <= sock->send_bytes)
		return;
	if (sock->send_bytes == 0)
		raise_buffer(sock, SO_RCVBUFFORCE, SO_RCVBUF, RECEIVE_BYTES);
	sock->send_bytes = bytes + bytes / 4 + SEND_SLACK;
	raise_buffer(sock, SO_SNDBUFFORCE, SO_SNDBUF, sock->send_bytes);
}

static int first_of(int before, int now)
{
	return before != 0 ? before : now;
}

/* Reads what the kernel had to say: nothing means that the batch was accepted. Reads all of it, also
 * when some was lost: what is left would be taken for answers to the next batch. */
static int read_refusals(struct nftx_sock *sock, const struct nftx_batch *batch,
                         struct nftx_refusals *refusals, struct err *err)
{
	int ret = 0;
	int lost = 0;

	for (;;) {
		ssize_t n =
			recv(mnl_socket_get_fd(sock->nl), sock->answer, ANSWER_BYTES, MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != ENOBUFS)
			return err_set(err, errno, "the kernel's answers: %s",
			               strerrordesc_np(errno));
		if (n < 0)
			lost = ENOBUFS;
		else if (ret == 0 || refusals != NULL)
			ret = first_of(ret, nftx_refusal(batch, sock->answer, (size_t)n, refusals,
			                                 ret == 0 ? err : NULL));
	}
	if (lost == 0)
		return ret;
	return err_set(err, lost, "the kernel's answers were lost: %s", strerrordesc_np(lost));
}

int nftx_sock_commit(struct nftx_sock *sock, const struct nftx_batch *batch, struct err *err)
{
	return nftx_sock_send(sock, batch, NULL, err);
}

/* A signal may come before anything was sent. */
static ssize_t send_patiently(int fd, const struct msghdr *out)
{
	ssize_t n = -1;

	for (int i = 0; i < SEND_TRIES && n < 0; i++) {
		n = sendmsg(fd, out, 0);
		if (n < 0 && errno != EINTR)
			break;
	}
	return n;
}

int nftx_sock_send(struct nftx_sock *sock, const struct nftx_batch *batch,
                   struct nftx_refusals *refusals, struct err *err)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct msghdr out = { .msg_name = &kernel, .msg_namelen = sizeof(kernel) };
	struct nftx_batch_size size = nftx_batch_size(batch);
	size_t count;

	out.msg_iov = (struct iovec *)(uintptr_t)nftx_batch_iov(batch, &count);
	out.msg_iovlen = count;
	fit_buffers(sock, size.bytes);
	if (refusals != NULL)
		refusals->count = 0;
	if (send_patiently(mnl_socket_get_fd(sock->nl), &out) < 0) {
		int code = errno;

		if (code == EMSGSIZE)
			return err_set(err, code,
			               "a transaction of %zu bytes does not fit the socket's "
			               "buffer: raise net.core.wmem_max",
			               size.bytes);
		return err_set(err, code, "sending a transaction of %zu bytes: %s", size.bytes,
		               strerrordesc_np(code));
	}
	return read_refusals(sock, batch, refusals, err);
}

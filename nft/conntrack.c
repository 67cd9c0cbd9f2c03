/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sockets: the relay's for dumps, and one for deletions.
 *
 * The kernel runs through its whole hash table within the system call that asks for
 * the next piece of a dump, for as long as nothing matches: 8 ms for an empty table
 * of 262,144 buckets, 40 ms with 100,000 entries that are none of ours. Without a
 * filter the pieces are short, but all entries are copied to us, ten times the work.
 * So the kernel filters, and the relay waits for it.
 *
 * A deletion is done when its sendmsg() returns; refusals are in the queue then.
 */
#include "nft/flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "attr.h"
#include "base/mem.h"
#include "must.h"
#include "relay.h"

#define ANSWER_BYTES (32u << 10) /* the kernel makes no larger piece of a dump */
#define TURN_ANSWERS 4
#define DUMP_TRIES 5

#define DELETE_COUNT 64       /* their refusals fit any receive buffer */
#define DELETE_BYTES_ONE 256u /* 120 in IPv6 */
#define DELETE_TUPLE_MAX 200u /* of these for the tuple: 80 in IPv6 */

/* Of CTA_FILTER_ORIG_FLAGS: what of CTA_TUPLE_ORIG is to be compared. The kernel's headers for
 * programs do not name them. */
#define FILTER_IP_DST (1u << 1)
#define FILTER_PROTO_NUM (1u << 3)
#define FILTER_PROTO_DST_PORT (1u << 5)

struct nftx_flows {
	struct nftx_relay *relay; /* for dumps */
	int fd;                   /* the relay's */
	struct mnl_socket *nl;    /* for deletions */

	uint8_t family;               /* of the dump under way; 0: no walk */
	uint8_t protocol;             /* of the walk: UDP for stale flows, TCP for those of a gap */
	uint32_t seq;                 /* of that dump's request; older answers are not for us */
	unsigned tries;               /* dumps of this family in this walk that were disturbed */
	bool disturbed;               /* this dump may have missed flows */
	struct nftx_flow_fronts now;  /* walked, sorted */
	struct nftx_flow_fronts next; /* to be walked for UDP */
	struct nftx_flow_fronts gap;  /* to be walked for TCP, when that is done */
	struct nftx_flow_stats stats;

	uint32_t batch_seq; /* of all deletions in the batch */
	unsigned batch_count;
	size_t batch_bytes;
	_Alignas(struct nlmsghdr) char batch[DELETE_COUNT * DELETE_BYTES_ONE];
	_Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
};

/* ---- Messages ------------------------------------------------------------------------------- */

static struct nlmsghdr *put_request(void *buf, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *head;

	msg->nlmsg_type = (uint16_t)((NFNL_SUBSYS_CTNETLINK << 8) | type);
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	return msg;
}

/* Not for addresses of IPv6: from 5.8 on, kernels skip those that are equal. */
static void put_filter(struct nlmsghdr *msg, uint8_t protocol,
                       const struct nftx_flow_common *common)
{
	struct nlattr *tuple = mnl_attr_nest_start(msg, CTA_TUPLE_ORIG);
	uint32_t flags = FILTER_PROTO_NUM;
	struct nlattr *nest;

	if (common->addr.family == 4) {
		nest = mnl_attr_nest_start(msg, CTA_TUPLE_IP);
		mnl_attr_put(msg, CTA_IP_V4_DST, 4, common->addr.bytes);
		mnl_attr_nest_end(msg, nest);
		flags |= FILTER_IP_DST;
	}
	nest = mnl_attr_nest_start(msg, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(msg, CTA_PROTO_NUM, protocol);
	if (common->port != 0) {
		mnl_attr_put_u16(msg, CTA_PROTO_DST_PORT, htons(common->port));
		flags |= FILTER_PROTO_DST_PORT;
	}
	mnl_attr_nest_end(msg, nest);
	mnl_attr_nest_end(msg, tuple);
	nest = mnl_attr_nest_start(msg, CTA_FILTER);
	mnl_attr_put_u32(msg, CTA_FILTER_ORIG_FLAGS, flags);
	mnl_attr_nest_end(msg, nest);
	if (protocol ==
	    IPPROTO_TCP) { /* established connections are many; older kernels tell them, too */
		mnl_attr_put_u32(msg, CTA_STATUS, htonl(IPS_CONFIRMED));
		mnl_attr_put_u32(msg, CTA_STATUS_MASK,
		                 htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_DST_NAT));
	}
}

static int explain(struct err *err, int code)
{
	switch (code) {
	case EPERM:
		return err_set(err, EPERM, "no permission for conntrack: CAP_NET_ADMIN is needed");
	case EINVAL:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
		return err_set(err, EOPNOTSUPP,
		               "this kernel has no ctnetlink (CONFIG_NF_CT_NETLINK)");
	default:
		return err_set(err, code, "conntrack: %s", strerrordesc_np(code));
	}
}

/* ---- Deletions ------------------------------------------------------------------------------ */

/* What the kernel refused of the batch that was just sent. */
static void read_refusals(struct nftx_flows *flows, uint64_t *gone, uint64_t *failed)
{
	char buf[4096];

	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(flows->nl), buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *msg = (const void *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			flows->disturbed = true; /* what was lost may be left: look again */
			if (errno == ENOBUFS)
				continue;
			return;
		}
		for (; mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(msg);

			if (msg->nlmsg_type != NLMSG_ERROR || msg->nlmsg_seq != flows->batch_seq)
				continue;
			if (error->error == -ENOENT)
				++*gone;
			else
				++*failed;
		}
	}
}

static void send_deletions(struct nftx_flows *flows)
{
	uint64_t gone = 0;
	uint64_t failed = 0;

	if (flows->batch_count == 0)
		return;
	if (mnl_socket_sendto(flows->nl, flows->batch, flows->batch_bytes) < 0)
		failed = flows->batch_count;
	else
		read_refusals(flows, &gone, &failed);
	flows->stats.deleted += flows->batch_count - gone - failed;
	flows->stats.deleted_ip6 += flows->family == 6 ? flows->batch_count - gone - failed : 0;
	flows->stats.failed += failed;
	flows->batch_seq++;
	flows->batch_count = 0;
	flows->batch_bytes = 0;
}

/* Names the flow by its reply tuple and its id. The id alone is not enough to tell it from one that
 * took its place: it is made of the original tuple and of the place in memory, which the kernel
 * gives to the next flow at once. But a flow that was created anew has another backend, and that is
 * in the reply tuple. */
static void add_deletion(struct nftx_flows *flows, const struct nlmsghdr *flow)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(flow);
	const struct nlattr *tuple = NULL;
	const struct nlattr *id = NULL;
	const struct nlattr *zone = NULL;
	const struct nlattr *attr;
	struct nlmsghdr *msg;

	attr_for_each_of (attr, flow, sizeof(*head)) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_REPLY)
			tuple = attr;
		else if (mnl_attr_get_type(attr) == CTA_ID)
			id = attr;
		else if (mnl_attr_get_type(attr) == CTA_ZONE)
			zone = attr;
	}
	/* without a tuple it would be the deletion of everything */
	if (tuple == NULL || mnl_attr_get_payload_len(tuple) > DELETE_TUPLE_MAX || id == NULL ||
	    mnl_attr_validate(id, MNL_TYPE_U32) < 0)
		return;
	msg = put_request(flows->batch + flows->batch_bytes, IPCTNL_MSG_CT_DELETE, 0,
	                  head->nfgen_family);
	msg->nlmsg_seq = flows->batch_seq;
	mnl_attr_put(msg, tuple->nla_type, mnl_attr_get_payload_len(tuple),
	             mnl_attr_get_payload(tuple));
	mnl_attr_put_u32(msg, CTA_ID, mnl_attr_get_u32(id));
	if (zone != NULL && mnl_attr_validate(zone, MNL_TYPE_U16) >= 0)
		mnl_attr_put_u16(msg, CTA_ZONE, mnl_attr_get_u16(zone));
	flows->batch_bytes += msg->nlmsg_len;
	if (++flows->batch_count == DELETE_COUNT)
		send_deletions(flows);
}

/* ---- Walks ---------------------------------------------------------------------------------- */

/* One end of a flow. Return: whether the kernel told it. */
static bool read_end(const struct nf_conntrack *ct, enum nf_conntrack_attr ip4,
                     enum nf_conntrack_attr ip6, enum nf_conntrack_attr port,
                     struct ipaddr *out_addr, uint16_t *out_port)
{
	bool is_6 = nfct_get_attr_u8(ct, ATTR_ORIG_L3PROTO) == AF_INET6;
	const void *bytes = nfct_get_attr(ct, is_6 ? ip6 : ip4);

	if (bytes == NULL || nfct_attr_is_set(ct, port) <= 0)
		return false;
	*out_addr = (struct ipaddr){ .family = is_6 ? 6 : 4 };
	memcpy(out_addr->bytes, bytes, ipaddr_len(out_addr->family));
	*out_port = ntohs(nfct_get_attr_u16(ct, port));
	return true;
}

/* What was noted last about a frontend counts, though its walk has not begun. */
static bool is_stale(struct nftx_flows *flows, const struct ipaddr *dst, uint16_t dst_port,
                     const struct ipaddr *src, uint16_t src_port)
{
	const struct nftx_flow_fronts *fronts = &flows->next;

	if (flows->protocol == IPPROTO_TCP)
		return nftx_flow_is_of_gap(&flows->now, dst, dst_port, src, src_port);
	nftx_flow_fronts_sort(&flows->next);
	if (nftx_flow_fronts_find(fronts, dst, dst_port) == NULL)
		fronts = &flows->now;
	return nftx_flow_is_stale(fronts, dst, dst_port, src, src_port);
}

static void look_at(struct nftx_flows *flows, const struct nlmsghdr *msg)
{
	struct nf_conntrack *ct;
	struct ipaddr dst;
	struct ipaddr src;
	uint16_t dst_port;
	uint16_t src_port;

	if (msg->nlmsg_type != ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW) ||
	    mnl_nlmsg_get_payload_len(msg) < sizeof(struct nfgenmsg))
		return;
	flows->stats.received++;
	ct = nftx_must(nfct_new());
	if (nfct_nlmsg_parse(msg, ct) >= 0 &&
	    nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO) == flows->protocol &&
	    (flows->protocol == IPPROTO_UDP ||
	     (nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_SEEN_REPLY) == 0) &&
	    read_end(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_DST, &dst,
	             &dst_port) &&
	    read_end(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, ATTR_REPL_PORT_SRC, &src,
	             &src_port)) {
		flows->stats.seen += flows->protocol == IPPROTO_UDP;
		if (is_stale(flows, &dst, dst_port, &src, src_port))
			add_deletion(flows, msg);
	}
	nfct_destroy(ct);
}

static int ask(struct nftx_flows *flows, const struct nftx_flow_common *common, struct err *err)
{
	char buf[256];
	struct nlmsghdr *msg = put_request(buf, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
	                                   flows->family == 6 ? AF_INET6 : AF_INET);

	msg->nlmsg_seq = ++flows->seq;
	put_filter(msg, flows->protocol, common);
	flows->disturbed = false;
	if (send(flows->fd, msg, msg->nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_set(err, errno, "asking for flows: %s", strerrordesc_np(errno));
	return 0;
}

static int ask_again(struct nftx_flows *flows, struct err *err)
{
	struct nftx_flow_common common = nftx_flow_fronts_common(&flows->now, flows->family);

	if (++flows->tries == DUMP_TRIES)
		return err_set(err, EAGAIN, "conntrack changed during each of %d dumps",
		               DUMP_TRIES);
	flows->stats.restarts++;
	return ask(flows, &common, err);
}

/* Goes on with the next family that has frontends. Return: 1, 0 at the end, or a negative errno. */
static int next_family(struct nftx_flows *flows, struct err *err)
{
	while (flows->family != 6) {
		struct nftx_flow_common common;
		int ret;

		flows->family = flows->family == 0 ? 4 : 6;
		common = nftx_flow_fronts_common(&flows->now, flows->family);
		if (common.count == 0)
			continue;
		flows->tries = 0;
		ret = ask(flows, &common, err);
		return ret < 0 ? ret : 1;
	}
	return 0;
}

static void end_walk(struct nftx_flows *flows)
{
	nftx_flow_fronts_done(&flows->now);
	flows->family = 0;
}

/* Begins what waits, if no walk is under way. */
static int begin_walk(struct nftx_flows *flows, struct err *err)
{
	struct nftx_flow_fronts *waiting = flows->next.count > 0 ? &flows->next : &flows->gap;
	int ret;

	if (flows->family != 0 || waiting->count == 0)
		return 0;
	nftx_flow_fronts_sort(waiting);
	flows->now = *waiting;
	flows->protocol = waiting == &flows->gap ? IPPROTO_TCP : IPPROTO_UDP;
	*waiting = (struct nftx_flow_fronts){ 0 };
	ret = next_family(flows, err);
	if (ret < 0)
		end_walk(flows);
	return ret < 0 ? ret : 0;
}

/* The dump came to its end, or never began. @code: positive errno or 0. */
static int dump_ended(struct nftx_flows *flows, int code, struct err *err)
{
	int ret;

	if (flows->disturbed || code == EINTR || code == ENOBUFS || code == EBUSY) {
		ret = ask_again(flows, err);
	} else if (code != 0) {
		ret = explain(err, code);
	} else {
		ret = next_family(flows, err);
		flows->stats.walks += ret == 0;
		if (ret == 0)
			end_walk(flows);
	}
	if (ret < 0)
		end_walk(flows);
	return ret < 0 ? ret : 0;
}

/* What an NLMSG_ERROR or NLMSG_DONE says. Return: positive errno or 0. */
static int end_code(const struct nlmsghdr *msg)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(msg) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(msg), sizeof(code));
	return code < 0 ? -code : 0;
}

static int take_answer(struct nftx_flows *flows, size_t len, struct err *err)
{
	const struct nlmsghdr *msg = (const void *)flows->answer;
	int left = (int)len;
	int ret = 0;

	for (; ret == 0 && mnl_nlmsg_ok(msg, left); msg = mnl_nlmsg_next(msg, &left)) {
		if (flows->family == 0 || msg->nlmsg_seq != flows->seq)
			continue;
		flows->disturbed |= (msg->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		if (msg->nlmsg_type != NLMSG_ERROR && msg->nlmsg_type != NLMSG_DONE) {
			look_at(flows, msg);
			continue;
		}
		send_deletions(flows);
		ret = dump_ended(flows, end_code(msg), err);
	}
	send_deletions(flows);
	return ret;
}

int nftx_flows_start(struct nftx_flows *flows, struct nftx_flow_fronts *fronts, struct err *err)
{
	nftx_flow_fronts_merge(&flows->next, fronts);
	return begin_walk(flows, err);
}

int nftx_flows_start_gap(struct nftx_flows *flows, struct nftx_flow_fronts *fronts, struct err *err)
{
	nftx_flow_fronts_merge(&flows->gap, fronts);
	return begin_walk(flows, err);
}

int nftx_flows_turn(struct nftx_flows *flows, struct err *err)
{
	int ret = 0;
	int begun;

	for (int i = 0; i < TURN_ANSWERS && ret == 0; i++) {
		ssize_t n = recv(flows->fd, flows->answer, sizeof(flows->answer), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			end_walk(flows);
			return err_set(err, EPIPE, "the relay for conntrack has ended");
		}
		ret = take_answer(flows, (size_t)n, err);
	}
	begun = begin_walk(flows, ret < 0 ? NULL : err);
	if (ret == 0)
		ret = begun;
	return ret < 0 ? ret : flows->family != 0;
}

bool nftx_flows_busy(const struct nftx_flows *flows)
{
	return flows->family != 0;
}

int nftx_flows_fd(const struct nftx_flows *flows)
{
	return flows->fd;
}

struct nftx_flow_stats nftx_flows_stats(const struct nftx_flows *flows)
{
	return flows->stats;
}

/* ---- Opening and closing -------------------------------------------------------------------- */

static struct mnl_socket *open_socket(int flags)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | flags);
	int one = 1;

	if (nl == NULL)
		return NULL;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		int code = errno;

		(void)mnl_socket_close(nl);
		errno = code;
		return NULL;
	}
	/* refusals without the message that was refused */
	(void)mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, &one, sizeof(one));
	return nl;
}

/* Asks for something small, to see whether it may. Return: 0 or a positive errno. */
static int probe(struct nftx_flows *flows)
{
	struct nlmsghdr *msg =
		put_request(flows->answer, IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, AF_UNSPEC);
	ssize_t n;

	if (mnl_socket_sendto(flows->nl, msg, msg->nlmsg_len) < 0)
		return errno;
	while ((n = mnl_socket_recvfrom(flows->nl, flows->answer, sizeof(flows->answer))) >= 0) {
		int left = (int)n;

		for (msg = (void *)flows->answer; mnl_nlmsg_ok(msg, left);
		     msg = mnl_nlmsg_next(msg, &left))
			if (msg->nlmsg_type == NLMSG_ERROR)
				return end_code(msg);
	}
	return errno;
}

int nftx_flows_open(struct nftx_flows **out, struct err *err)
{
	struct nftx_flows *flows = xcalloc(1, sizeof(*flows));
	struct mnl_socket *dump = NULL;
	int ret;

	flows->batch_seq = 1;
	flows->nl = open_socket(SOCK_NONBLOCK);
	ret = flows->nl == NULL ? errno : probe(flows);
	if (ret == 0) {
		dump = open_socket(0);
		ret = dump == NULL ? errno : 0;
	}
	ret = ret != 0 ? explain(err, ret) : nftx_relay_open(&flows->relay, dump, err);
	if (ret < 0) {
		nftx_flows_close(flows);
		return ret;
	}
	flows->fd = nftx_relay_fd(flows->relay);
	*out = flows;
	return 0;
}

void nftx_flows_close(struct nftx_flows *flows)
{
	if (flows == NULL)
		return;
	nftx_relay_close(flows->relay);
	if (flows->nl != NULL)
		(void)mnl_socket_close(flows->nl);
	nftx_flow_fronts_done(&flows->now);
	nftx_flow_fronts_done(&flows->next);
	nftx_flow_fronts_done(&flows->gap);
	free(flows);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/kernel/flow_table.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/str.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define WAIT_MS 20000

static struct mnl_socket *nl; /* our own way to the table */

struct entry *entries_add(struct entries *entries)
{
	entries->list = vec_reserve(entries->list, &entries->cap, entries->count + 1,
	                            sizeof(*entries->list));
	entries->list[entries->count] = (struct entry){ 0 };
	return &entries->list[entries->count++];
}

static int entry_cmp(const void *x, const void *y)
{
	const struct entry *a = x;
	const struct entry *b = y;
	int order = lb_backend_cmp(&a->dst, &b->dst);

	if (order == 0)
		order = lb_backend_cmp(&a->src, &b->src);
	if (order == 0)
		order = lb_backend_cmp(&a->reply, &b->reply);
	if (order == 0)
		order = a->proto - b->proto;
	return order != 0 ? order : a->zone - b->zone;
}

struct lb_backend place(const char *text)
{
	struct lb_backend where = { 0 };
	char addr[IPADDR_TEXT] = "";
	const char *space = strchr(text, ' ');
	uint32_t port;

	assert_non_null(space);
	memcpy(addr, text, (size_t)(space - text));
	assert_int_equal(ipaddr_parse(addr, &where.addr, NULL), 0);
	assert_int_equal(str_to_u32(space + 1, UINT16_MAX, &port), 0);
	where.port = (uint16_t)port;
	return where;
}

struct entry flow(uint8_t proto, const char *dst, const char *reply, uint16_t number)
{
	struct entry entry = { .dst = place(dst), .proto = proto };

	entry.src = place(entry.dst.addr.family == 4 ? "10.244.7.7 0" : "fd01::7:7 0");
	entry.src.port = (uint16_t)(20000 + number);
	entry.reply = reply != NULL ? place(reply) : entry.dst;
	entry.translated = reply != NULL;
	return entry;
}

static void set_end(struct nf_conntrack *ct, const struct lb_backend *end,
                    enum nf_conntrack_attr ip4, enum nf_conntrack_attr ip6,
                    enum nf_conntrack_attr port)
{
	nfct_set_attr(ct, end->addr.family == 4 ? ip4 : ip6, end->addr.bytes);
	nfct_set_attr_u16(ct, port, htons(end->port));
}

struct nlmsghdr *put_entry(void *buf, const struct entry *entry, uint16_t type, uint16_t flags)
{
	uint8_t l3 = entry->dst.addr.family == 4 ? AF_INET : AF_INET6;
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nf_conntrack *ct = nfct_new();
	struct nfgenmsg *head;

	assert_non_null(ct);
	msg->nlmsg_type = (uint16_t)((NFNL_SUBSYS_CTNETLINK << 8) | type);
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	head = mnl_nlmsg_put_extra_header(msg, sizeof(*head));
	head->nfgen_family = l3;
	nfct_set_attr_u8(ct, ATTR_L3PROTO, l3);
	nfct_set_attr_u8(ct, ATTR_L4PROTO, entry->proto);
	set_end(ct, &entry->src, ATTR_IPV4_SRC, ATTR_IPV6_SRC, ATTR_PORT_SRC);
	set_end(ct, &entry->dst, ATTR_IPV4_DST, ATTR_IPV6_DST, ATTR_PORT_DST);
	nfct_setobjopt(ct, NFCT_SOPT_SETUP_REPLY);
	if (entry->translated && type == IPCTNL_MSG_CT_NEW && (flags & NLM_F_CREATE))
		set_end(ct, &entry->reply, ATTR_DNAT_IPV4, ATTR_DNAT_IPV6, ATTR_DNAT_PORT);
	else
		set_end(ct, &entry->reply, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC,
		        ATTR_REPL_PORT_SRC);
	if (entry->zone != 0)
		nfct_set_attr_u16(ct, ATTR_ZONE, entry->zone);
	if (entry->answered)
		nfct_set_attr_u32(ct, ATTR_STATUS, IPS_SEEN_REPLY | IPS_CONFIRMED);
	nfct_set_attr_u32(ct, ATTR_TIMEOUT, 600);
	if (entry->proto == IPPROTO_TCP)
		nfct_set_attr_u8(ct, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
	assert_int_equal(nfct_nlmsg_build(msg, ct), 0);
	nfct_destroy(ct);
	return msg;
}

static void send_all(const void *buf, size_t len)
{
	char answer[4096];
	ssize_t n;

	assert_true(mnl_socket_sendto(nl, buf, len) >= 0);
	n = recv(mnl_socket_get_fd(nl), answer, sizeof(answer), MSG_DONTWAIT);
	if (n >= (ssize_t)sizeof(struct nlmsghdr))
		fail_msg("conntrack refused: %s",
		         strerror(-((const struct nlmsgerr *)mnl_nlmsg_get_payload(
					    (const void *)answer))
		                           ->error));
}

void table_create(const struct entry *list, size_t count)
{
	static char buf[256 * 128];
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		len += put_entry(buf + len, &list[i], IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL)
		               ->nlmsg_len;
		if (len > sizeof(buf) - 1024 || i + 1 == count) {
			send_all(buf, len);
			len = 0;
		}
	}
}

void table_delete(const struct entry *entry)
{
	char buf[1024];
	const struct nlmsghdr *msg = put_entry(buf, entry, IPCTNL_MSG_CT_DELETE, 0);

	send_all(buf, msg->nlmsg_len);
}

static struct lb_backend get_end(const struct nf_conntrack *ct, enum nf_conntrack_attr ip4,
                                 enum nf_conntrack_attr ip6, enum nf_conntrack_attr port)
{
	struct lb_backend end = { .port = ntohs(nfct_get_attr_u16(ct, port)) };
	bool is_6 = nfct_get_attr_u8(ct, ATTR_ORIG_L3PROTO) == AF_INET6;
	const void *bytes = nfct_get_attr(ct, is_6 ? ip6 : ip4);

	assert_non_null(bytes);
	end.addr.family = is_6 ? 6 : 4;
	memcpy(end.addr.bytes, bytes, ipaddr_len(end.addr.family));
	return end;
}

static int on_entry(const struct nlmsghdr *msg, void *data)
{
	struct nf_conntrack *ct = nfct_new();
	struct entry *entry = entries_add(data);

	assert_non_null(ct);
	assert_true(nfct_nlmsg_parse(msg, ct) >= 0);
	entry->proto = nfct_get_attr_u8(ct, ATTR_ORIG_L4PROTO);
	entry->src = get_end(ct, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, ATTR_ORIG_PORT_SRC);
	entry->dst = get_end(ct, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_DST);
	entry->reply = get_end(ct, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, ATTR_REPL_PORT_SRC);
	entry->zone = nfct_attr_is_set(ct, ATTR_ZONE) > 0 ? nfct_get_attr_u16(ct, ATTR_ZONE) : 0;
	entry->translated = (nfct_get_attr_u32(ct, ATTR_STATUS) & IPS_DST_NAT) != 0;
	nfct_destroy(ct);
	return MNL_CB_OK;
}

static void ask_for_all(void *buf, uint32_t seq)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);

	msg->nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg->nlmsg_seq = seq;
	(void)mnl_nlmsg_put_extra_header(msg, sizeof(struct nfgenmsg));
	assert_true(mnl_socket_sendto(nl, buf, msg->nlmsg_len) >= 0);
}

/* The whole table, sorted. */
static struct entries list_all(void)
{
	static char buf[1 << 16];
	struct entries all = { 0 };
	int ret;

	ask_for_all(buf, 0);
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		assert_true(n > 0);
		ret = mnl_cb_run(buf, (size_t)n, 0, 0, on_entry, &all);
	} while (ret > 0);
	assert_int_equal(ret, 0);
	if (all.count > 1)
		qsort(all.list, all.count, sizeof(*all.list), entry_cmp);
	return all;
}

void table_relay(int fd, uint32_t seq)
{
	static char buf[1 << 15];
	int ret;

	ask_for_all(buf, seq);
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));

		assert_true(n > 0);
		assert_int_equal(send(fd, buf, (size_t)n, 0), n);
		ret = mnl_cb_run(buf, (size_t)n, seq, 0, NULL, NULL);
	} while (ret > 0);
	assert_int_equal(ret, 0);
}

void assert_table_is(struct entries *want)
{
	struct entries got = list_all();

	qsort(want->list, want->count, sizeof(*want->list), entry_cmp);
	for (size_t i = 0; i < got.count && i < want->count; i++) {
		char a[IPADDR_TEXT];
		char b[IPADDR_TEXT];
		int order = entry_cmp(&got.list[i], &want->list[i]);
		const struct entry *entry = order < 0 ? &got.list[i] : &want->list[i];

		if (order != 0)
			fail_msg("flow to %s port %u by %s port %u is %s",
			         ipaddr_format(&entry->dst.addr, a), entry->dst.port,
			         ipaddr_format(&entry->reply.addr, b), entry->reply.port,
			         order < 0 ? "still there" : "missing");
	}
	assert_int_equal(got.count, want->count);
	free(got.list);
}

bool table_has(const struct entry *entry)
{
	struct entries all = list_all();
	bool found = all.count > 0 &&
	             bsearch(entry, all.list, all.count, sizeof(*entry), entry_cmp) != NULL;

	free(all.list);
	return found;
}

/* ---- Walks ---------------------------------------------------------------------------------- */

int table_enter(void **state)
{
	(void)state;
	netns_enter();
	nl = mnl_socket_open(NETLINK_NETFILTER);
	assert_non_null(nl);
	assert_int_equal(mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID), 0);
	return 0;
}

int table_leave(void **state)
{
	(void)state;
	return mnl_socket_close(nl);
}

struct nftx_flows *flows_open(void)
{
	struct nftx_flows *flows;
	struct err err = { 0 };

	if (nftx_flows_open(&flows, &err) < 0)
		fail_msg("%s", err.msg);
	return flows;
}

void front(struct nftx_flow_fronts *fronts, const char *where, const char *one, const char *two)
{
	struct lb_backend backends[2];
	struct lb_backend at = place(where);
	size_t count = 0;

	if (one != NULL)
		backends[count++] = place(one);
	if (two != NULL)
		backends[count++] = place(two);
	nftx_flow_fronts_add(fronts, &at.addr, at.port, backends, count);
}

void flows_start(struct nftx_flows *flows, struct nftx_flow_fronts *fronts)
{
	struct err err = { 0 };

	if (nftx_flows_start(flows, fronts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(fronts->count, 0);
	assert_null(fronts->list);
}

double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

void flows_await(struct nftx_flows *flows)
{
	struct pollfd pfd = { .fd = nftx_flows_fd(flows), .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
}

double flows_finish(struct nftx_flows *flows)
{
	double longest = 0;

	while (nftx_flows_busy(flows)) {
		struct err err = { 0 };
		double begin;

		flows_await(flows);
		begin = now_ms();
		if (nftx_flows_turn(flows, &err) < 0)
			fail_msg("%s", err.msg);
		if (now_ms() - begin > longest)
			longest = now_ms() - begin;
	}
	assert_int_equal(nftx_flows_turn(flows, NULL), 0);
	return longest;
}

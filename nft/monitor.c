/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/monitor.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "nft/layout.h"

#define DATAGRAM_BYTES (64u << 10) /* the kernel's are at most 8 KiB */
#define RECEIVE_BYTES \
	(16u << 20)        /* two touches of every element of 10,000 x 10; taken when needed */
#define READ_DATAGRAMS 512 /* a call: 0.3 ms */

/* Messages of a datagram that the filter looks at; one with more passes it and is looked through
 * here. More would not fit the 20 KiB that older kernels give to a filter. */
#define FILTER_MESSAGES 16
#define FILTER_HEAD 8
#define FILTER_EACH 17
#define FILTER_MAX (FILTER_HEAD + FILTER_MESSAGES * FILTER_EACH + 1)

/* Offsets in a message: its first attribute is the table's name, whatever it is about. */
#define AT_TYPE 4
#define AT_PORT 12
#define AT_NAME 24

struct nftx_monitor {
	struct mnl_socket *nl;
	struct nftx_notices notices;
	_Alignas(struct nlmsghdr) char datagram[DATAGRAM_BYTES];
};

struct program {
	struct sock_filter code[FILTER_MAX];
	uint16_t len;
};

static void put(struct program *program, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	ASSERT(program->len < FILTER_MAX);
	program->code[program->len++] = (struct sock_filter){ code, jt, jf, k };
}

static uint32_t name_word(size_t at)
{
	static const char name[] = NFTX_TABLE;
	uint32_t word;

	_Static_assert(sizeof(name) == 2 * sizeof(word), "the filter compares two words");
	memcpy(&word, name + at, sizeof(word));
	return ntohl(word);
}

/* Passes the datagram if the message at X is about a table of our name; else leaves X, and M[0],
 * at the next message. A load from behind the end ends the program, and drops the datagram: there
 * is no further message then, and this one is too short for our name. */
static void put_message(struct program *program)
{
	put(program, BPF_LD | BPF_W | BPF_IND, 0, 0, AT_NAME);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, name_word(0));
	put(program, BPF_LD | BPF_W | BPF_IND, 0, 0, AT_NAME + 4);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, name_word(4));
	put(program, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
	/* the length is in the machine's order, but loads are big-endian; it is below 64 KiB */
	put(program, BPF_LD | BPF_B | BPF_IND, 0, 0, BYTE_ORDER == LITTLE_ENDIAN ? 1 : 2);
	put(program, BPF_ALU | BPF_LSH | BPF_K, 0, 0, 8);
	put(program, BPF_ST, 0, 0, 1);
	put(program, BPF_LD | BPF_B | BPF_IND, 0, 0, BYTE_ORDER == LITTLE_ENDIAN ? 0 : 3);
	put(program, BPF_LDX | BPF_MEM, 0, 0, 1);
	put(program, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	put(program, BPF_ALU | BPF_ADD, 0, 0, NLMSG_ALIGNTO - 1); /* BPF_K is 0 */
	put(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~(NLMSG_ALIGNTO - 1));
	put(program, BPF_LDX | BPF_MEM, 0, 0, 0);
	put(program, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	put(program, BPF_ST, 0, 0, 0);
	put(program, BPF_MISC | BPF_TAX, 0, 0, 0);
}

static void make_filter(struct program *program, uint32_t own)
{
	put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, AT_PORT);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 3, 0, htonl(own)); /* to the drop */
	put(program, BPF_LD | BPF_H | BPF_ABS, 0, 0, AT_TYPE);
	put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 2,
	    htons((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN));
	put(program, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
	put(program, BPF_RET | BPF_K, 0, 0, 0);
	put(program, BPF_LDX | BPF_IMM, 0, 0, 0);
	put(program, BPF_STX, 0, 0, 0);
	for (int i = 0; i < FILTER_MESSAGES; i++)
		put_message(program);
	put(program, BPF_RET | BPF_K, 0, 0, UINT32_MAX);
}

/* Without privilege in the initial user namespace SO_RCVBUF is left, up to net.core.rmem_max. A
 * filter that the kernel does not take costs time, nothing else. */
static int prepare(struct nftx_monitor *monitor, uint32_t own)
{
	int fd = mnl_socket_get_fd(monitor->nl);
	struct program program = { 0 };
	struct sock_fprog attach;
	int bytes = (int)RECEIVE_BYTES;

	make_filter(&program, own);
	attach = (struct sock_fprog){ program.len, program.code };
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &attach, sizeof(attach));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	return mnl_socket_bind(monitor->nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
}

int nftx_monitor_open(uint32_t own, struct nftx_monitor **out, struct err *err)
{
	struct nftx_monitor *monitor = xcalloc(1, sizeof(*monitor));
	int ret;

	monitor->notices.own = own;
	monitor->nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	ret = monitor->nl == NULL ? -errno : prepare(monitor, own);
	if (ret < 0) {
		nftx_monitor_close(monitor);
		return err_set(err, -ret, "listening to nf_tables: %s", strerrordesc_np(-ret));
	}
	*out = monitor;
	return 0;
}

void nftx_monitor_close(struct nftx_monitor *monitor)
{
	if (monitor == NULL)
		return;
	if (monitor->nl != NULL)
		(void)mnl_socket_close(monitor->nl);
	free(monitor);
}

int nftx_monitor_join(struct nftx_monitor *monitor, struct err *err)
{
	int group = NFNLGRP_NFTABLES;

	if (mnl_socket_setsockopt(monitor->nl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_set(err, errno, "listening to nf_tables: %s", strerrordesc_np(errno));
	return 0;
}

void nftx_monitor_leave(struct nftx_monitor *monitor)
{
	int group = NFNLGRP_NFTABLES;
	uint32_t own = monitor->notices.own;
	ssize_t n;

	(void)mnl_socket_setsockopt(monitor->nl, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
	do {
		n = recv(mnl_socket_get_fd(monitor->nl), monitor->datagram, 1, MSG_DONTWAIT);
	} while (n >= 0 || errno == ENOBUFS || errno == EINTR);
	monitor->notices = (struct nftx_notices){ .own = own };
}

int nftx_monitor_fd(const struct nftx_monitor *monitor)
{
	return mnl_socket_get_fd(monitor->nl);
}

int nftx_monitor_read(struct nftx_monitor *monitor, const struct nftx_notices **out,
                      struct err *err)
{
	int ret = 0;

	nftx_notices_clear(&monitor->notices);
	*out = &monitor->notices;
	for (int i = 0; i < READ_DATAGRAMS; i++) {
		ssize_t n = recv(mnl_socket_get_fd(monitor->nl), monitor->datagram,
		                 sizeof(monitor->datagram), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0 && errno == ENOBUFS)
			ret = err_set(err, ENOBUFS, "notices of nf_tables were lost");
		else if (n < 0 && errno != EINTR)
			return err_set(err, errno, "listening to nf_tables: %s",
			               strerrordesc_np(errno));
		else if (n >= 0)
			nftx_notices_read(&monitor->notices, monitor->datagram, (size_t)n);
	}
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host_sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "nft/attr.h"

#define BUFFER_BYTES (32u << 10)

/* Descriptors looked at for an owner. */
#define LINKS_MAX 8192

/* Of include/net/tcp_states.h, which is not for user space. A UDP socket without a peer is closed. */
#define STATE_CLOSE 7
#define STATE_LISTEN 10

static const struct table {
	uint8_t protocol;
	uint32_t states;
} tables[] = {
	{ IPPROTO_TCP, 1u << STATE_LISTEN },
	{ IPPROTO_UDP, 1u << STATE_CLOSE },
	{ IPPROTO_SCTP, 1u << STATE_LISTEN },
};

struct reading {
	uint8_t protocol;
	unsigned seen;
	host_socket_fn fn;
	void *ctx;
};

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* An IPv4 address in its IPv6 form is the IPv4 address. */
static struct ipaddr local_address(const struct inet_diag_msg *diag)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = (const uint8_t *)diag->id.idiag_src;
	struct ipaddr addr = { .family = 4 };

	if (diag->idiag_family == AF_INET) {
		memcpy(addr.bytes, bytes, 4);
	} else if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		memcpy(addr.bytes, bytes + sizeof(mapped), 4);
	} else {
		addr.family = 6;
		memcpy(addr.bytes, bytes, 16);
	}
	return addr;
}

static int on_socket(const struct nlmsghdr *msg, void *data)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(msg);
	struct reading *reading = data;
	struct host_socket found = { .protocol = reading->protocol };
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*diag) || ++reading->seen > HOST_SOCKETS_MAX)
		return MNL_CB_OK;
	found.addr = local_address(diag);
	found.port = ntohs(diag->id.idiag_sport);
	found.inode = diag->idiag_inode;
	found.uid = diag->idiag_uid;
	found.both = found.addr.family == 6 && is_zero(found.addr.bytes, 16);
	attr_for_each_of (attr, msg, sizeof(*diag)) {
		if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
		    mnl_attr_validate(attr, MNL_TYPE_U8) >= 0 && mnl_attr_get_u8(attr) != 0)
			found.both = false;
	}
	reading->fn(reading->ctx, &found);
	return MNL_CB_OK;
}

static int read_table(struct mnl_socket *nl, const struct table *table, uint8_t family,
                      struct reading *reading)
{
	AUTO_FREE char *buf = xmalloc(BUFFER_BYTES);
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *request;
	int ret;

	reading->protocol = table->protocol;
	reading->seen = 0;
	msg->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	msg->nlmsg_seq = (uint32_t)table->protocol << 8 | family;
	request = mnl_nlmsg_put_extra_header(msg, sizeof(*request));
	request->sdiag_family = family;
	request->sdiag_protocol = table->protocol;
	request->idiag_states = table->states;
	if (mnl_socket_sendto(nl, msg, msg->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(nl, buf, BUFFER_BYTES);

		if (n < 0)
			return -errno;
		ret = mnl_cb_run(buf, (size_t)n, (uint32_t)table->protocol << 8 | family,
		                 mnl_socket_get_portid(nl), on_socket, reading);
	} while (ret > 0);
	/* no such protocol in this kernel, or a dump that a change disturbed: it tells enough */
	return ret < 0 && errno != ENOENT && errno != EINVAL && errno != EINTR ? -errno : 0;
}

int host_sockets_each(host_socket_fn fn, void *ctx, struct err *err)
{
	static const uint8_t families[2] = { AF_INET, AF_INET6 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	struct reading reading = { .fn = fn, .ctx = ctx };
	int ret = 0;

	if (nl == NULL || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		ret = -errno;
	for (size_t i = 0; i < ARRAY_LEN(tables) && ret == 0; i++)
		for (size_t f = 0; f < ARRAY_LEN(families) && ret == 0; f++)
			ret = read_table(nl, &tables[i], families[f], &reading);
	if (nl != NULL)
		(void)mnl_socket_close(nl);
	return ret < 0 ? err_set(err, -ret, "sock_diag: %s", strerrordesc_np(-ret)) : 0;
}

bool host_socket_takes(const struct host_socket *socket, const struct ipaddr *addr)
{
	if (socket->addr.family != addr->family)
		return socket->both;
	return is_zero(socket->addr.bytes, sizeof(socket->addr.bytes)) ||
	       ipaddr_equal(&socket->addr, addr);
}

/* Has this process the socket among its descriptors? @links: how many may still be looked at. */
static bool has_descriptor(int proc, const char *pid, const char *link, unsigned *links)
{
	char path[64];
	char target[64];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;
	int fd;

	(void)snprintf(path, sizeof(path), "%.16s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL)
		return false;
	while (!found && *links > 0 && (entry = readdir(dir)) != NULL) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		(*links)--;
		target[len > 0 ? len : 0] = '\0';
		found = strcmp(target, link) == 0;
	}
	(void)closedir(dir);
	return found;
}

/* The command's name; what is not printable is left to the log's own escaping. */
static void read_name(int proc, const char *pid, char out[static 17])
{
	char path[64];
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "%.16s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, out, 16);
		(void)close(fd);
	}
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

const char *host_socket_owner(const struct host_socket *socket, char buf[static HOST_OWNER_TEXT])
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	unsigned links = LINKS_MAX;
	uint32_t pid;
	char link[32];
	char name[17];

	(void)snprintf(buf, HOST_OWNER_TEXT, "a process of uid %u ('ss -lnp' names it)",
	               socket->uid);
	(void)snprintf(link, sizeof(link), "socket:[%u]", socket->inode);
	while (dir != NULL && links > 0 && (entry = readdir(dir)) != NULL) {
		if (str_to_u32(entry->d_name, UINT32_MAX, &pid) < 0 ||
		    !has_descriptor(dirfd(dir), entry->d_name, link, &links))
			continue;
		read_name(dirfd(dir), entry->d_name, name);
		(void)snprintf(buf, HOST_OWNER_TEXT, "'%s' (pid %u)", name, pid);
		break;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return buf;
}

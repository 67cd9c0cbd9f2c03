/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HOST_SOCKETS_H
#define CMD_HOST_SOCKETS_H

/*
 * The sockets of this machine's processes that wait for whoever comes, read by
 * sock_diag(7).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipaddr.h"

/** A listening or, for UDP, bound socket. */
struct host_socket {
	struct ipaddr addr; /* all zero: any address */
	bool both;          /* of IPv6, for any address: takes IPv4, too */
	uint8_t protocol;   /* IANA number */
	uint16_t port;
	uint32_t inode;
	uint32_t uid;
};

#define HOST_SOCKETS_MAX 65536 /* of each protocol and family; further ones are not looked at */

typedef void (*host_socket_fn)(void *ctx, const struct host_socket *socket);

/** host_sockets_each() - call @fn with each of them, of TCP, UDP and SCTP, in this network namespace.
 *
 * A protocol that the kernel cannot tell about has none. Never blocks for long: a microsecond each.
 *
 * Return: 0 or a negative errno.
 */
int host_sockets_each(host_socket_fn fn, void *ctx, struct err *err) MUST_CHECK;

/** host_socket_takes() - would it get what is sent to @addr? Protocol and port are not compared. */
bool host_socket_takes(const struct host_socket *socket, const struct ipaddr *addr);

#define HOST_OWNER_TEXT 64

/** host_socket_owner() - who has it, as far as it can be seen from here: "'sshd' (pid 812)", else
 *  the user's number and how to learn more.
 *
 * A process is seen when it is of the same user and has no capability that we lack: for the
 * daemon, which has only CAP_NET_ADMIN, few are. Looks through the descriptors of all processes,
 * 8192 of them at most: for rare cases. @buf is returned.
 */
const char *host_socket_owner(const struct host_socket *socket, char buf[static HOST_OWNER_TEXT]);

#endif

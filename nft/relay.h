/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_RELAY_H
#define NFT_RELAY_H

/*
 * A netlink socket that is never waited for.
 *
 * The kernel works on a dump within the system calls of the one who asked. A thread
 * makes them, between that socket and a pair of local ones. It shares no memory
 * with anybody and understands of the messages no more than where a dump ends.
 */

#include <libmnl/libmnl.h>

#include "base/err.h"

struct nftx_relay; /* opaque: the thread and its sockets */

/** nftx_relay_open() - start the thread, with all signals blocked.
 *
 * @nl: a bound socket; taken, also on failure.
 *
 * Return: 0 or a negative errno.
 */
int nftx_relay_open(struct nftx_relay **out, struct mnl_socket *nl, struct err *err) MUST_CHECK;

/** nftx_relay_close() - waits for the system call under way. NULL is a no-op. */
void nftx_relay_close(struct nftx_relay *relay);

/** nftx_relay_fd() - write a request for a dump, read pieces of the answer.
 *
 * Requests are taken one after the other, when the dump before is over. What fails between
 * relay and kernel is answered as an NLMSG_ERROR with the request's number; after ENOBUFS the
 * rest of that dump follows.
 */
int nftx_relay_fd(const struct nftx_relay *relay);

#endif

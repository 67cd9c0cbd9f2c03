/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_ADDRESSES_H
#define CMD_ADDRESSES_H

/*
 * The addresses of this machine, followed by rtnetlink(7): NodePorts may be served
 * on them.
 */

#include <stddef.h>

#include "base/err.h"
#include "base/ipaddr.h"

#define ADDRESSES_MAX 4096 /* further ones are not looked at */

struct addresses; /* opaque: a netlink socket and the list */

/** addresses_open() - subscribe to changes, then list. Release with addresses_close().
 *
 * Return: 0 or a negative errno.
 */
int addresses_open(struct addresses **out, struct err *err) MUST_CHECK;

/** addresses_close() - NULL is a no-op. */
void addresses_close(struct addresses *addresses);

/** addresses_fd() - readable when addresses may have changed. */
int addresses_fd(const struct addresses *addresses);

/** addresses_refresh() - take the notices off the descriptor and list anew. Never blocks for long.
 *
 * Return: 1 when the list has changed, 0 when not, or a negative errno: the list stays.
 */
int addresses_refresh(struct addresses *addresses, struct err *err) MUST_CHECK;

/** addresses_list() - sorted, each once; valid until the next refresh. */
const struct ipaddr *addresses_list(const struct addresses *addresses, size_t *count);

#endif

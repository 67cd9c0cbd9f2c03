/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_BIND_H
#define CMD_BIND_H

/*
 * Where a server listens: an address and a port, as kube-proxy's options have them.
 */

#include <stdint.h>

#include "base/err.h"
#include "base/ipaddr.h"

struct bind_address {
	struct ipaddr addr; /* unspecified: all of the machine */
	uint16_t port;
};

#define BIND_TEXT (IPADDR_TEXT + 8)

/** bind_parse() - "192.0.2.1:80", "[::]:80", or an address alone.
 *
 * @default_port: for an address alone.
 *
 * Return: 0, or -EINVAL with a sentence that quotes @text; @out is then untouched.
 */
int bind_parse(const char *text, uint16_t default_port, struct bind_address *out,
               struct err *err) MUST_CHECK;

/** bind_format() - "192.0.2.1:80", "[::]:80"; @buf is returned. */
const char *bind_format(const struct bind_address *bind, char buf[static BIND_TEXT]);

#endif

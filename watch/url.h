/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_URL_H
#define WATCH_URL_H

/*
 * The few forms of URL that a kubeconfig may have (RFC 3986), checked strictly,
 * so that libcurl cannot understand them otherwise than we do. A URL may hold a
 * password, so no sentence quotes one.
 */

#include <stdbool.h>

#include "base/err.h"

#define URL_MAX 2048

/** url_server() - check an API server's URL: http or https, a host, perhaps a port and a path.
 *
 * @out: the URL with its scheme in lower case and without a slash at the end; the caller frees.
 *       Written on success only.
 *
 * Return: 0 or -EINVAL.
 */
int url_server(const char *text, char **out, struct err *err) MUST_CHECK;

/** url_check_proxy() - check a proxy's URL: http, https or socks5, perhaps user and password, a
 *  host, perhaps a port.
 *
 * Return: 0 or -EINVAL.
 */
int url_check_proxy(const char *text, struct err *err) MUST_CHECK;

/** url_is_exposed() - can others read what is sent to @server, which url_server() gave?
 *
 * True for http:// unless the host is a loopback address. "localhost" is a name
 * like others: who answers to it, a file says.
 */
bool url_is_exposed(const char *server);

/** url_is_host() - is it a name, an IPv4 address, or an IPv6 address without brackets? */
bool url_is_host(const char *text);

#endif

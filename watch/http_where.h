/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_WHERE_H
#define WATCH_HTTP_WHERE_H

/* Where requests go: a cluster's server in the forms in which libcurl and messages need it. */

#include <stdbool.h>

#include "base/err.h"
#include "watch/kubeconfig.h"

struct http_where {
	char *origin; /* "https://10.96.0.1:443", for messages */
	char *base;   /* what a target is appended to */
	bool is_tls;
	/* With a tls-server-name, which stands in @base, so that TLS asks for it and verifies it: */
	char *connect_to; /* CURLOPT_CONNECT_TO: "::host:port"; else NULL */
	char *host;       /* "Host: host:port"; else NULL */
};

/** http_where_init() - of @cluster's server and tls_server_name.
 *
 * @out: written on success only; release with http_where_done().
 *
 * Return: 0, or -EINVAL with a sentence that has nothing of the URL, which may hold a secret.
 */
int http_where_init(const struct watch_cluster *cluster, struct http_where *out,
                    struct err *err) MUST_CHECK;

/** http_where_done() - free it; zeroed is a no-op. */
void http_where_done(struct http_where *where);

/** http_where_is_target() - a path and query of printable ASCII, "/..."? */
bool http_where_is_target(const char *target);

/** http_where_proxy() - a kubeconfig's proxy-url as libcurl means it; the caller frees.
 *
 * Go lets a socks5:// proxy resolve the name, libcurl calls that socks5h://.
 */
char *http_where_proxy(const char *proxy_url);

#endif

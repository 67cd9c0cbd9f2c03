/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_KUBECONFIG_H
#define WATCH_KUBECONFIG_H

/*
 * Where the API server is and who we are to it: out of a kubeconfig
 * (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/) or out of what
 * every pod is given. Pure: text in, values out; files are only named here and
 * are read by watch/http.h, again and again, because they rotate.
 *
 * No sentence of an error holds any part of a secret: token, password, key, or
 * what a URL has in front of its host.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* A larger kubeconfig is refused; what kubectl writes is some kilobytes. */
#define WATCH_MAX_KUBECONFIG_BYTES (1u << 20)

/** PEM text: given, or to be read from a file. At most one of the two is set. */
struct watch_material {
	char *pem;  /* NUL-terminated, has a "-----BEGIN " */
	char *path; /* absolute, or relative to the working directory */
};

/** One API server and one user. Zero-initialise; release with watch_cluster_done(). */
struct watch_cluster {
	char *server;             /* "https://host:port/prefix", without a slash at the end */
	char *tls_server_name;    /* a name, or an address without brackets; NULL: the URL's host */
	char *proxy_url;          /* may hold a password; NULL: what the environment says */
	bool insecure;            /* the server's certificate is not verified; there is no @ca */
	struct watch_material ca; /* neither: the machine's own authorities */
	struct watch_material cert; /* set when @key is */
	struct watch_material key;
	char *token;      /* bearer token; not set when @token_file is */
	char *token_file; /* to be read again for each request */
	char *username;   /* basic authentication; not set when a token is */
	char *password;   /* set, perhaps empty, when @username is */
};

/** watch_kubeconfig_parse() - the cluster and the user of the current context.
 *
 * YAML or JSON, one document. Of the entries that the current context does not
 * name only the names are looked at; where a name is given twice the first
 * entry counts. Unknown fields are ignored, empty strings are absent.
 *
 * Data win over the file of the same thing, tokenFile over token. A context
 * without a user is one without credentials.
 *
 * @out is all that stays of the text; what the readers of YAML and JSON have copied meanwhile is
 * freed, but not wiped.
 *
 * @dir: what relative paths start from: the directory of the file; "" for none.
 * @out: written on success only.
 *
 * Return: 0, or with a sentence that names the field ("users[0].user.token: not a string") or the
 *         line:
 *         -EINVAL for broken syntax, another kind of object, a field of the wrong type or given
 *         twice; a current-context, cluster or user that is missing; a server or a proxy-url that
 *         is no such URL; data that are no base64 of PEM text; a certificate without key or the
 *         reverse; an authority together with insecure-skip-tls-verify; a token together with a
 *         username; and for a token or password that would travel unencrypted: to an http://
 *         server that is not a loopback address, or by way of a proxy.
 *         -EOPNOTSUPP for exec and auth-provider plugins, which are not run, and for impersonation.
 *         -E2BIG for text beyond WATCH_MAX_KUBECONFIG_BYTES or nested too deep.
 */
int watch_kubeconfig_parse(const char *text, size_t len, const char *dir, struct watch_cluster *out,
                           struct err *err) MUST_CHECK;

/** watch_cluster_of_pod() - what a pod is given by the kubelet.
 *
 * @host, @port: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT; @host may be an IPv6 address.
 * @dir: the directory with the service account's "token" and "ca.crt".
 * @out: written on success only.
 *
 * Return: 0, or -EINVAL when @host or @port is missing (NULL, "") or is none.
 */
int watch_cluster_of_pod(const char *host, const char *port, const char *dir,
                         struct watch_cluster *out, struct err *err) MUST_CHECK;

/** watch_cluster_set_server() - another URL for the same user (--master).
 *
 * "host:port" means http://host:port, as for kube-proxy. A tls-server-name, which was that of the
 * server before, is dropped, as by kube-proxy.
 *
 * Return: 0, or -EINVAL when it is no such URL or when a token or password would travel
 *         unencrypted; @cluster is then as it was.
 */
int watch_cluster_set_server(struct watch_cluster *cluster, const char *server,
                             struct err *err) MUST_CHECK;

/** watch_cluster_done() - wipe and free everything; the struct is zeroed. */
void watch_cluster_done(struct watch_cluster *cluster);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_IDENTITY_H
#define WATCH_HTTP_IDENTITY_H

/* What proves to the server who we are, and to us who the server is: read, checked, wiped. */

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "watch/kubeconfig.h"

/** PEM text that a connection is made with. Release with http_identity_done(). */
struct http_identity {
	struct http_text {
		char *text; /* NUL-terminated; NULL: there is none */
		size_t len;
	} ca, cert, key;
};

/** http_identity_read() - the cluster's certificates as they are now.
 *
 * @out: written on success only.
 *
 * Return: 0, or -EACCES with a sentence that begins with the file's name.
 */
int http_identity_read(const struct watch_cluster *cluster, struct http_identity *out,
                       struct err *err) MUST_CHECK;

/** http_identity_done() - wipe and free it; zeroed is a no-op. */
void http_identity_done(struct http_identity *identity);

/** http_identity_equal() - the same certificates? */
bool http_identity_equal(const struct http_identity *a, const struct http_identity *b);

/** http_identity_bearer() - the header field with the cluster's token as it is now.
 *
 * @out: "Authorization: Bearer ...", or NULL when the cluster has no token; to be released with
 *       http_identity_wipe(); written on success only.
 *
 * Return: 0, or -EACCES with a sentence that begins with the file's name or with "token".
 */
int http_identity_bearer(const struct watch_cluster *cluster, char **out,
                         struct err *err) MUST_CHECK;

/** http_identity_wipe() - overwrite a string and free it. NULL is a no-op. */
void http_identity_wipe(char *text);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_HTTP_ERROR_H
#define WATCH_HTTP_ERROR_H

/* How a transfer ended, in an errno and a sentence for an operator. */

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"

/** What libcurl knows about a transfer that failed. */
struct http_failure {
	CURLcode code;
	const char *reason; /* its error buffer */
	int os_errno;       /* CURLINFO_OS_ERRNO */
	long proxy_status;  /* CURLINFO_HTTP_CONNECTCODE: not 0 when a proxy has answered */
	bool by_proxy;      /* a proxy is set in the cluster */
};

/** http_error() - the errno that watch/http.h promises, and a sentence without secrets.
 *
 * Of libcurl's own words only those that tell more are taken over: printable, without anything
 * that could be a URL's user and password.
 */
int http_error(const struct http_failure *failure, struct err *err);

/** http_error_os() - strerror(3) as part of a sentence: in lower case, without allocation. */
int http_error_os(int code, const char *what, struct err *err);

#endif

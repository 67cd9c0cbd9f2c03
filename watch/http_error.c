/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define DETAIL_SIZE 160

/* libcurl begins so when OpenSSL has verified. */
#define UNTRUSTED "SSL certificate problem: "

static const struct row {
	CURLcode code;
	int err;
	bool is_detailed; /* libcurl's reason tells more, and never holds a URL */
	const char *what;
} rows[] = {
	{ CURLE_COULDNT_RESOLVE_PROXY, EHOSTUNREACH, false, "the proxy's name does not resolve" },
	{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH, false, "the name does not resolve" },
	{ CURLE_OPERATION_TIMEDOUT, ETIMEDOUT, false, "no connection within 10 s" },
	{ CURLE_COULDNT_CONNECT, EHOSTUNREACH, false, "cannot connect" },
	{ CURLE_PROXY, ECONNREFUSED, true, "the proxy does not connect" },
	{ CURLE_SSL_CERTPROBLEM, EACCES, true, "cannot be used" },
	{ CURLE_SSL_CACERT_BADFILE, EACCES, true, "certificate authorities cannot be used" },
	{ CURLE_SSL_CONNECT_ERROR, EPROTO, true, "no TLS" },
	{ CURLE_GOT_NOTHING, EPROTO, false, "closed without an answer" },
	{ CURLE_PARTIAL_FILE, EPROTO, false, "the answer was cut short" },
	{ CURLE_HTTP2, EPROTO, true, "HTTP/2 failed" },
	{ CURLE_HTTP2_STREAM, EPROTO, true, "the answer was cut short" },
	{ CURLE_WEIRD_SERVER_REPLY, EPROTO, true, "the answer is not HTTP" },
	{ CURLE_UNSUPPORTED_PROTOCOL, EPROTO, false, "the answer is not HTTP" },
	{ CURLE_BAD_CONTENT_ENCODING, EPROTO, true, "the body's encoding is broken" },
	{ CURLE_RECV_ERROR, EPROTO, true, "receiving failed" },
	{ CURLE_SEND_ERROR, EPROTO, true, "sending failed" },
	{ CURLE_OUT_OF_MEMORY, E2BIG, false, "a header field is too large, or there is no memory" },
};

/* "OpenSSL SSL_read: OpenSSL/3.0.15: error:0A000412:SSL routines::bad certificate, errno 0" is
 * "bad certificate" to people. */
static const char *skip_preamble(const char *reason, size_t *len)
{
	static const char *const heads[] = { UNTRUSTED, "OpenSSL SSL_connect: ",
		                             "OpenSSL SSL_read: ", "OpenSSL SSL_write: ", "SSL: " };
	static const char *const tails[] = { ", errno ", " in connection to " };
	const char *start = reason;

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		if (str_starts(reason, heads[i]))
			start = reason + strlen(heads[i]);
	}
	for (const char *p = start; (p = strstr(p, "::")) != NULL;)
		start = p += 2;
	*len = strlen(start);
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		const char *end = strstr(start, tails[i]);

		if (end != NULL && (size_t)(end - start) < *len)
			*len = (size_t)(end - start);
	}
	return start;
}

/* ": reason", fit for a message, or "". */
static void get_detail(const char *reason, char out[static DETAIL_SIZE])
{
	size_t len;
	const char *text = skip_preamble(reason, &len);

	out[0] = '\0';
	if (len == 0 || memchr(text, '@', len) != NULL)
		return;
	(void)snprintf(out, DETAIL_SIZE, ": %.*s", (int)(len < DETAIL_SIZE ? len : DETAIL_SIZE),
	               text);
	for (char *p = out; *p != '\0'; p++) {
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
	}
}

int http_error_os(int code, const char *what, struct err *err)
{
	const char *text = strerror(code);
	bool is_word = text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z';

	return err_set(err, code, "%s%c%s", what, is_word ? text[0] - 'A' + 'a' : text[0],
	               text + 1);
}

/* Did the server end TLS because of what we are, or are not, to it? */
static bool is_our_fault(const char *reason)
{
	static const char *const alerts[] = {
		"alert certificate", "alert bad certificate", "alert unsupported certificate",
		"alert unknown ca",  "alert access denied",   "alert handshake failure"
	};

	for (size_t i = 0; i < ARRAY_LEN(alerts); i++) {
		if (strstr(reason, alerts[i]) != NULL)
			return true;
	}
	return false;
}

static int no_trust(const char *reason, const char *detail, struct err *err)
{
	if (str_starts(reason, UNTRUSTED))
		return err_set(err, EKEYREJECTED, "the server's certificate is not trusted%s",
		               detail);
	/* libcurl's words for an alert about a certificate of ours that has expired */
	if (is_our_fault(reason) || strcmp(reason, "SSL certificate verification failed") == 0)
		return err_set(err, EKEYREJECTED,
		               "the server does not accept our certificate, or misses one%s",
		               detail);
	return err_set(err, EKEYREJECTED, "the server's certificate is of another host%s", detail);
}

/* What the system said, if that is what ended it; else 0. */
static int get_errno(const struct http_failure *failure)
{
	static const int codes[] = { ETIMEDOUT,   ECONNRESET,   EPIPE,    EHOSTUNREACH,
		                     ENETUNREACH, ECONNABORTED, ENETDOWN, ENOBUFS };

	if (failure->code != CURLE_COULDNT_CONNECT && failure->code != CURLE_RECV_ERROR &&
	    failure->code != CURLE_SEND_ERROR && failure->code != CURLE_SSL_CONNECT_ERROR)
		return 0;
	/* TLS has its own reasons; what the system said is then of something before. */
	if (strstr(failure->reason, "::") != NULL)
		return 0;
	/* What it said last may be of the goodbye that TLS sends behind a failure. */
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (strstr(failure->reason, strerror(codes[i])) != NULL)
			return codes[i];
	}
	return failure->os_errno;
}

int http_error(const struct http_failure *failure, struct err *err)
{
	char detail[DETAIL_SIZE];
	int code = get_errno(failure);

	get_detail(failure->reason, detail);
	if (failure->proxy_status >= 300)
		return err_set(err, ECONNREFUSED, "the proxy does not connect: status %ld",
		               failure->proxy_status);
	if (failure->code == CURLE_PEER_FAILED_VERIFICATION || is_our_fault(failure->reason))
		return no_trust(failure->reason, detail, err);
	if (code > 0)
		return http_error_os(code, failure->by_proxy ? "by proxy: " : "", err);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *row = &rows[i];

		if (row->code == failure->code)
			return err_set(err, row->err, "%s%s", row->what,
			               row->is_detailed ? detail : "");
	}
	return err_set(err, EIO, "%s", curl_easy_strerror(failure->code));
}

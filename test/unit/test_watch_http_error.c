/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_error.h"

#include <errno.h>

#include "test/unit/test.h"

#define SSL_ERROR "OpenSSL SSL_read: OpenSSL/3.0.15: error:0A000412:SSL routines::"

static const struct row {
	struct http_failure failure;
	int ret;
	const char *msg;
} rows[] = {
	{ { .code = CURLE_COULDNT_CONNECT,
	    .reason = "Failed to connect to a port 1",
	    .os_errno = ECONNREFUSED },
	  -ECONNREFUSED,
	  "connection refused" },
	{ { .code = CURLE_COULDNT_CONNECT, .reason = "", .os_errno = ENETUNREACH },
	  -ENETUNREACH,
	  "network is unreachable" },
	{ { .code = CURLE_COULDNT_CONNECT,
	    .reason = "",
	    .os_errno = ECONNREFUSED,
	    .by_proxy = true },
	  -ECONNREFUSED,
	  "by proxy: connection refused" },
	{ { .code = CURLE_COULDNT_CONNECT,
	    .reason = "Unsupported proxy scheme for 'x://u:hunter2@h'" },
	  -EHOSTUNREACH,
	  "cannot connect" },
	{ { .code = CURLE_COULDNT_RESOLVE_PROXY,
	    .reason = "Unsupported proxy syntax in 'http://u:hunter2@'" },
	  -EHOSTUNREACH,
	  "the proxy's name does not resolve" },
	{ { .code = CURLE_COULDNT_RESOLVE_HOST, .reason = "Could not resolve host: a" },
	  -EHOSTUNREACH,
	  "the name does not resolve" },
	{ { .code = CURLE_OPERATION_TIMEDOUT,
	    .reason = "Connection timed out after 10001 milliseconds" },
	  -ETIMEDOUT,
	  "no connection within 10 s" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = "Recv failure: Connection timed out",
	    .os_errno = ETIMEDOUT },
	  -ETIMEDOUT,
	  "connection timed out" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = "Recv failure: Connection timed out",
	    .os_errno = EPIPE },
	  -ETIMEDOUT,
	  "connection timed out" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = "OpenSSL SSL_read: Connection reset by peer, errno 104",
	    .os_errno = ECONNRESET },
	  -ECONNRESET,
	  "connection reset by peer" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = SSL_ERROR "bad record mac, errno 0",
	    .os_errno = ENETUNREACH },
	  -EPROTO,
	  "receiving failed: bad record mac" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = SSL_ERROR "tlsv13 alert certificate required, errno 0" },
	  -EKEYREJECTED,
	  "the server does not accept our certificate, or misses one: tlsv13 alert certificate "
	  "required" },
	{ { .code = CURLE_RECV_ERROR,
	    .reason = "CONNECT tunnel failed, response 407",
	    .proxy_status = 407 },
	  -ECONNREFUSED,
	  "the proxy does not connect: status 407" },
	{ { .code = CURLE_RECV_ERROR, .reason = "", .proxy_status = 200 },
	  -EPROTO,
	  "receiving failed" },
	{ { .code = CURLE_PEER_FAILED_VERIFICATION,
	    .reason = "SSL certificate problem: self-signed certificate in certificate chain" },
	  -EKEYREJECTED,
	  "the server's certificate is not trusted: self-signed certificate in certificate chain" },
	{ { .code = CURLE_PEER_FAILED_VERIFICATION,
	    .reason = "SSL certificate verification failed" },
	  -EKEYREJECTED,
	  "the server does not accept our certificate, or misses one: SSL certificate verification "
	  "failed" },
	{ { .code = CURLE_PEER_FAILED_VERIFICATION,
	    .reason = "SSL: certificate subject name 'a\x1b[31m\nb' does not match target host "
	              "name 'c'" },
	  -EKEYREJECTED,
	  "the server's certificate is of another host: certificate subject name 'a?[31m?b' does "
	  "not match "
	  "target host name 'c'" },
	{ { .code = CURLE_PEER_FAILED_VERIFICATION,
	    .reason = "SSL: certificate subject name 'u:hunter2@h' does not match target host name "
	              "'c'" },
	  -EKEYREJECTED,
	  "the server's certificate is of another host" },
	{ { .code = CURLE_SSL_CLIENTCERT,
	    .reason = "error:1:SSL routines::tlsv13 alert certificate required" },
	  -EKEYREJECTED,
	  "the server does not accept our certificate, or misses one: tlsv13 alert certificate "
	  "required" },
	{ { .code = CURLE_SSL_CONNECT_ERROR,
	    .reason = "error:0A00010B:SSL routines::wrong version number" },
	  -EPROTO,
	  "no TLS: wrong version number" },
	{ { .code = CURLE_SSL_CONNECT_ERROR,
	    .reason = "OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to a:1 " },
	  -EPROTO,
	  "no TLS: SSL_ERROR_SYSCALL" },
	{ { .code = CURLE_PARTIAL_FILE,
	    .reason = "transfer closed with 990 bytes remaining to read" },
	  -EPROTO,
	  "the answer was cut short" },
	{ { .code = CURLE_TOO_MANY_REDIRECTS, .reason = "http://u:hunter2@h" },
	  -EIO,
	  "Number of redirects hit maximum amount" },
};

static void finds_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		print_message("  - %s\n", rows[i].msg);
		assert_int_equal(http_error(&rows[i].failure, &err), rows[i].ret);
		assert_string_equal(err.msg, rows[i].msg);
		assert_int_equal(err.code, -rows[i].ret);
	}
}

static void an_abbreviation_stays_one(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(http_error_os(EACCES, "a: ", &err), -EACCES);
	assert_string_equal(err.msg, "a: permission denied");
	assert_int_equal(http_error_os(EREMOTE, "", &err), -EREMOTE);
	assert_string_equal(err.msg, "object is remote");
	assert_int_equal(http_error_os(ELIBACC, "", &err), -ELIBACC);
	assert_int_equal(http_error_os(EL2NSYNC, "", &err), -EL2NSYNC);
	assert_string_equal(err.msg, "level 2 not synchronized");
	assert_int_equal(http_error_os(ENOSTR, "", &err), -ENOSTR);
	assert_string_equal(err.msg, "device not a stream");
	assert_int_equal(http_error_os(ENOTUNIQ, "", &err), -ENOTUNIQ);
	assert_int_equal(http_error_os(EDOTDOT, "", &err), -EDOTDOT);
	assert_string_equal(err.msg, "RFS specific error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_words),
		cmocka_unit_test(an_abbreviation_stays_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

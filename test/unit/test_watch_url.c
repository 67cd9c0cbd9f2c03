/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/url.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"

#define NO_SCHEME "the URL begins with neither https:// nor http://"
#define NO_HOST                                                               \
	"the host is neither a name, an IPv4 address nor an IPv6 address in " \
	"brackets"
#define NO_PORT "the port is not in 1-65535"
#define NO_PATH "a path that no URL has"
#define QUERY "a query or a fragment in the URL"
#define USER "a user name in the URL; it belongs into the user's entry"

static const struct {
	const char *what;
	const char *text;
	const char *url; /* NULL: refused */
	const char *msg;
} servers[] = {
	{ "a name", "https://k8s.example", "https://k8s.example", NULL },
	{ "a name and a port", "https://k8s.example:6443", "https://k8s.example:6443", NULL },
	{ "an IPv4 address", "https://192.0.2.1:6443", "https://192.0.2.1:6443", NULL },
	{ "an IPv6 address", "https://[2001:db8::1]:6443", "https://[2001:db8::1]:6443", NULL },
	{ "an IPv6 address without port", "https://[::1]", "https://[::1]", NULL },
	{ "without encryption", "http://localhost:8080", "http://localhost:8080", NULL },
	{ "a path", "https://rancher/k8s/clusters/c-1:x@y", "https://rancher/k8s/clusters/c-1:x@y",
	  NULL },
	{ "an encoded path", "https://h/a%20b", "https://h/a%20b", NULL },
	{ "a slash at the end", "https://h:1/", "https://h:1", NULL },
	{ "slashes at the end", "https://h/p///", "https://h/p", NULL },
	{ "nothing but slashes", "https://h///", "https://h", NULL },
	{ "capitals", "HTTPS://K8S.example/P", "https://K8S.example/P", NULL },
	{ "port 1", "https://h:1", "https://h:1", NULL },
	{ "port 65535", "https://h:65535", "https://h:65535", NULL },
	{ "nothing", "", NULL, NO_SCHEME },
	{ "no scheme", "k8s.example:6443", NULL, NO_SCHEME },
	{ "another scheme", "ftp://k8s.example", NULL, NO_SCHEME },
	{ "a scheme behind something", "x/https://k8s.example", NULL, NO_SCHEME },
	{ "an empty scheme", "://k8s.example", NULL, NO_SCHEME },
	{ "a blank in front", " https://k8s.example", NULL, NO_SCHEME },
	{ "no host", "https://", NULL, "no host in the URL" },
	{ "no host but a port", "https://:6443", NULL, "no host in the URL" },
	{ "no host but a path", "https:///api", NULL, "no host in the URL" },
	{ "an IPv6 address without brackets", "https://2001:db8::1", NULL, NO_PORT },
	{ "no IPv6 address in brackets", "https://[2001:db8::g]", NULL, NO_HOST },
	{ "an IPv4 address in brackets", "https://[192.0.2.1]", NULL, NO_HOST },
	{ "a zone", "https://[fe80::1%25eth0]:6443", NULL, NO_HOST },
	{ "a bracket that is not closed", "https://[::1", NULL, NO_HOST },
	{ "text behind the bracket", "https://[::1]x:1", NULL, NO_HOST },
	{ "empty brackets", "https://[]", NULL, NO_HOST },
	{ "a blank in the host", "https://k8s example", NULL, NO_HOST },
	{ "a percent sign in the host", "https://k8s%2eexample", NULL, NO_HOST },
	{ "a byte above ASCII in the host", "https://k\xc3\xa4se", NULL, NO_HOST },
	{ "an empty port", "https://h:", NULL, NO_PORT },
	{ "port 0", "https://h:0", NULL, NO_PORT },
	{ "port 65536", "https://h:65536", NULL, NO_PORT },
	{ "a long port", "https://h:000443", NULL, NO_PORT },
	{ "a port that is none", "https://h:https", NULL, NO_PORT },
	{ "two ports", "https://h:1:2", NULL, NO_PORT },
	{ "a user", "https://me@h", NULL, USER },
	{ "a user and a password", "https://me:pw@h:1/p", NULL, USER },
	{ "a query", "https://h/p?q", NULL, QUERY },
	{ "a query without path", "https://h?q", NULL, QUERY },
	{ "a fragment", "https://h/p#f", NULL, QUERY },
	{ "a backslash", "https://h\\@evil", NULL, NO_PATH },
	{ "a blank in the path", "https://h/a b", NULL, NO_PATH },
	{ "a quotation mark in the path", "https://h/a\"b", NULL, NO_PATH },
	{ "half an encoded byte", "https://h/a%2", NULL, NO_PATH },
	{ "no encoded byte", "https://h/a%zz", NULL, NO_PATH },
};

static void checks_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		struct err err = { 0 };
		char *url = NULL;
		int ret;

		print_message("  - %s\n", servers[i].what);
		ret = url_server(servers[i].text, &url, &err);
		if (servers[i].url == NULL) {
			assert_int_equal(ret, -EINVAL);
			assert_null(url);
			assert_string_equal(err.msg, servers[i].msg);
			continue;
		}
		assert_string_equal(err.msg, "");
		assert_int_equal(ret, 0);
		assert_string_equal(url, servers[i].url);
		free(url);
	}
}

#define NO_PROXY "the URL begins with none of http://, https://, socks5://"
#define ENCODED "a user or password with characters that a URL has only percent-encoded"
#define MORE "more than a host and a port in the URL"

static const struct {
	const char *what;
	const char *text;
	const char *msg; /* NULL: accepted */
} proxies[] = {
	{ "http", "http://proxy:3128", NULL },
	{ "https", "https://proxy.example", NULL },
	{ "socks5", "socks5://[::1]:1080/", NULL },
	{ "capitals", "SOCKS5://proxy", NULL },
	{ "a user", "http://me@proxy", NULL },
	{ "a user and a password", "http://me:p%40ss:w!rd@proxy:3128", NULL },
	{ "no scheme", "proxy:3128", NO_PROXY },
	{ "another scheme", "socks4://proxy:1080", NO_PROXY },
	{ "curl's own scheme", "socks5h://proxy:1080", NO_PROXY },
	{ "a password that is not encoded", "http://me:p@ss@proxy", ENCODED },
	{ "a password with half an encoded byte", "http://me:100%@proxy", ENCODED },
	{ "a password with a blank", "http://me:a b@proxy", ENCODED },
	{ "a password with a slash", "http://me:a/b@proxy", MORE },
	{ "a path", "http://proxy/path", MORE },
	{ "a query", "http://proxy?q", MORE },
	{ "no host", "http://me:pw@", "no host in the URL" },
	{ "no host at all", "socks5://", "no host in the URL" },
	{ "a broken port", "http://proxy:x", NO_PORT },
};

static void checks_proxies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		struct err err = { 0 };
		int ret;

		print_message("  - %s\n", proxies[i].what);
		ret = url_check_proxy(proxies[i].text, &err);
		assert_string_equal(err.msg, proxies[i].msg != NULL ? proxies[i].msg : "");
		assert_int_equal(ret, proxies[i].msg != NULL ? -EINVAL : 0);
	}
}

static void bounds_lengths(void **state)
{
	char text[URL_MAX + 2] = "https://";
	struct err err = { 0 };
	char *url = NULL;

	(void)state;
	memset(text + 8, 'a', 253);
	assert_int_equal(url_server(text, &url, &err), 0);
	free(url);
	text[8 + 253] = 'a';
	assert_int_equal(url_server(text, &url, &err), -EINVAL);
	assert_string_equal(err.msg, NO_HOST);
	memset(text + 9, '/', sizeof(text) - 10);
	text[sizeof(text) - 2] = 'a';
	assert_int_equal(url_server(text, &url, &err), -EINVAL);
	assert_string_equal(err.msg, "a URL of 2049 bytes, at most 2048");
	assert_int_equal(url_check_proxy(text, &err), -EINVAL);
	assert_string_equal(err.msg, "a URL of 2049 bytes, at most 2048");
}

static void tells_what_others_can_read(void **state)
{
	(void)state;
	assert_false(url_is_exposed("https://k8s.example"));
	assert_false(url_is_exposed("http://127.0.0.1:8080"));
	assert_false(url_is_exposed("http://127.9.9.9/p"));
	assert_false(url_is_exposed("http://[::1]:8080"));
	assert_true(url_is_exposed("http://192.0.2.1"));
	assert_true(url_is_exposed("http://[2001:db8::1]"));
	assert_true(url_is_exposed("http://k8s.example"));
	assert_true(url_is_exposed("http://localhost"));
	/* libcurl reads octal numbers: this is 87.0.0.1. */
	assert_true(url_is_exposed("http://0127.0.0.1"));
	assert_true(url_is_exposed("http://127.1"));
	assert_true(url_is_exposed("http://127.0.0.1.example"));
}

static void knows_hosts(void **state)
{
	(void)state;
	assert_true(url_is_host("k8s.example"));
	assert_true(url_is_host("10.96.0.1"));
	assert_true(url_is_host("fd00::1"));
	assert_false(url_is_host(""));
	assert_false(url_is_host("[fd00::1]"));
	assert_false(url_is_host("k8s.example:443"));
	assert_false(url_is_host("k8s/example"));
	assert_false(url_is_host("fd00::1%eth0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_servers), cmocka_unit_test(checks_proxies),
		cmocka_unit_test(bounds_lengths), cmocka_unit_test(tells_what_others_can_read),
		cmocka_unit_test(knows_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

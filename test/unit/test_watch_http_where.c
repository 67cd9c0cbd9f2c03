/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_where.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"

static const struct row {
	const char *server;
	const char *tls_name;
	const char *base; /* NULL: refused */
	const char *connect_to;
	const char *host;
} rows[] = {
	{ .server = "https://10.96.0.1:443", .base = "https://10.96.0.1:443" },
	{ .server = "https://api.example", .base = "https://api.example:443" },
	{ .server = "HTTPS://api.example/", .base = "https://api.example:443" },
	{ .server = "http://localhost:8080", .base = "http://localhost:8080" },
	{ .server = "http://localhost", .base = "http://localhost:80" },
	{ .server = "https://[fd00::1]:6443", .base = "https://[fd00::1]:6443" },
	{ .server = "https://api.example/k8s/c-1/", .base = "https://api.example:443/k8s/c-1" },
	{ .server = "https://api.example/a%20b", .base = "https://api.example:443/a%20b" },
	{ .server = "https://10.96.0.1:6443/p",
	  .tls_name = "kubernetes.default",
	  .base = "https://kubernetes.default:6443/p",
	  .connect_to = "::10.96.0.1:6443",
	  .host = "Host: 10.96.0.1:6443" },
	{ .server = "https://[fd00::1]",
	  .tls_name = "fd00::2",
	  .base = "https://[fd00::2]:443",
	  .connect_to = "::[fd00::1]:443",
	  .host = "Host: [fd00::1]:443" },
	{ .server = "http://localhost:8080",
	  .tls_name = "kubernetes",
	  .base = "http://localhost:8080" },
	{ .server = "https://10.96.0.1", .tls_name = "a name" },
	{ .server = "https://10.96.0.1", .tls_name = "a\r\nb" },
	{ .server = "https://10.96.0.1", .tls_name = "a/b" },
	{ .server = "https://10.96.0.1", .tls_name = "" },
	{ .server = "" },
	{ .server = "10.96.0.1:443" },
	{ .server = "https://" },
	{ .server = "ftp://api.example" },
	{ .server = "file:///etc/passwd" },
	{ .server = "https://user:hunter2@api.example" },
	{ .server = "https://api.example:99999" },
	{ .server = "https://api.example/?a=b" },
	{ .server = "https://api.example/#a" },
	{ .server = "https://api example/" },
};

static void expect_text(const char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void check_row(const struct row *row)
{
	struct watch_cluster cluster = { .server = xstrdup(row->server) };
	struct http_where where = { 0 };
	struct err err = { 0 };
	int ret;

	if (row->tls_name != NULL)
		cluster.tls_server_name = xstrdup(row->tls_name);
	ret = http_where_init(&cluster, &where, &err);
	assert_int_equal(ret, row->base != NULL ? 0 : -EINVAL);
	expect_text(where.base, row->base);
	expect_text(where.connect_to, row->connect_to);
	expect_text(where.host, row->host);
	assert_null(strstr(err.msg, "hunter2"));
	if (row->base != NULL)
		assert_int_equal(where.is_tls, strncmp(row->base, "https:", 6) == 0);
	http_where_done(&where);
	free(cluster.server);
	free(cluster.tls_server_name);
}

static void takes_servers_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s, %s\n", rows[i].server,
		              rows[i].tls_name != NULL ? rows[i].tls_name : "no name");
		check_row(&rows[i]);
	}
}

static void a_message_names_the_server_only(void **state)
{
	char server[] = "https://api.example/prefix";
	char name[] = "other.example";
	struct watch_cluster cluster = { .server = server, .tls_server_name = name };
	struct http_where where;

	(void)state;
	assert_int_equal(http_where_init(&cluster, &where, NULL), 0);
	assert_string_equal(where.origin, "https://api.example:443");
	http_where_done(&where);
}

static void knows_targets(void **state)
{
	(void)state;
	assert_true(http_where_is_target("/"));
	assert_true(http_where_is_target("/api/v1/services?labelSelector=%21a%2Fb&limit=500"));
	assert_false(http_where_is_target(""));
	assert_false(http_where_is_target("api"));
	assert_false(http_where_is_target("/a b"));
	assert_false(http_where_is_target("/a\nb"));
	assert_false(http_where_is_target("/a\x7f"));
	assert_false(http_where_is_target("/a\xc3\xa4"));
	assert_false(http_where_is_target("/a#b"));
}

static void socks5_resolves_at_the_proxy(void **state)
{
	static const char *const pairs[][2] = {
		{ "socks5://a:1", "socks5h://a:1" },
		{ "socks5h://a:1", "socks5h://a:1" },
		{ "http://a:1", "http://a:1" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *proxy = http_where_proxy(pairs[i][0]);

		assert_string_equal(proxy, pairs[i][1]);
		free(proxy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_servers_apart),
		cmocka_unit_test(a_message_names_the_server_only),
		cmocka_unit_test(knows_targets),
		cmocka_unit_test(socks5_resolves_at_the_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

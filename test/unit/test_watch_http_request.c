/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a request trusts, who it says that it is, and by what way it goes. */
#include "watch/http_request.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "test/unit/http_client.h"
#include "test/unit/https_server.h"
#include "test/unit/test.h"

static const struct row {
	const char *what;
	const char *server; /* kind of server */
	const char *host;   /* by which it is called; NULL: 127.0.0.1 */
	const char *ca;     /* NULL: ca.crt; "": none */
	const char *name;   /* tls-server-name */
	const char *cert;   /* and key, without suffix */
	const char *key;    /* another one */
	bool is_insecure;
	int ret;
	const char *msg;  /* part of the sentence, when ret is negative */
	const char *echo; /* part of what the server saw, when it is not */
} rows[] = {
	{ .what = "an authority that we know",
	  .server = "good",
	  .echo = "tls: TLSv1.3\r\nname: None" },
	{ .what = "a server by its name",
	  .server = "good",
	  .host = "localhost",
	  .echo = "name: localhost\r\nclient: none" },
	{ .what = "an authority that we do not know",
	  .server = "foreign",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server's certificate is not trusted: unable to get local issuer "
	         "certificate" },
	{ .what = "another authority than the server's",
	  .server = "good",
	  .ca = "other-ca.crt",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server's certificate is not trusted: " },
	{ .what = "the machine's authorities, when none is given",
	  .server = "good",
	  .ca = "",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server's certificate is not trusted: " },
	{ .what = "a certificate that has expired",
	  .server = "expired",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server's certificate is not trusted: certificate has expired" },
	{ .what = "a certificate of another host",
	  .server = "elsewhere",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server's certificate is of another host: no alternative certificate "
	         "subject name matches target host name '127.0.0.1'" },
	{ .what = "a tls-server-name is what TLS asks for and verifies",
	  .server = "elsewhere",
	  .name = "elsewhere.test",
	  .echo = "name: elsewhere.test" },
	{ .what = "a tls-server-name with which the certificate does not agree",
	  .server = "good",
	  .name = "elsewhere.test",
	  .ret = -EKEYREJECTED,
	  .msg = "another host" },
	{ .what = "a tls-server-name that is an address",
	  .server = "good",
	  .host = "localhost",
	  .name = "127.0.0.1",
	  .echo = "name: None" },
	{ .what = "insecure: an unknown authority",
	  .server = "foreign",
	  .ca = "",
	  .is_insecure = true },
	{ .what = "insecure: another host", .server = "elsewhere", .ca = "", .is_insecure = true },
	{ .what = "insecure: expired", .server = "expired", .ca = "", .is_insecure = true },
	{ .what = "TLS 1.1",
	  .server = "old",
	  .ret = -EPROTO,
	  .msg = ": no TLS: tlsv1 alert protocol version" },
	{ .what = "TLS 1.1, insecure",
	  .server = "old",
	  .ca = "",
	  .is_insecure = true,
	  .ret = -EPROTO,
	  .msg = ": no TLS: " },
	{ .what = "a client certificate",
	  .server = "mutual",
	  .cert = "alice",
	  .echo = "tls: TLSv1.3\r\nname: None\r\nclient: alice" },
	{ .what = "a client certificate in TLS 1.2",
	  .server = "mutual-1.2",
	  .cert = "bob",
	  .echo = "tls: TLSv1.2\r\nname: None\r\nclient: bob" },
	{ .what = "no client certificate",
	  .server = "mutual",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server does not accept our certificate, or misses one: " },
	{ .what = "no client certificate in TLS 1.2",
	  .server = "mutual-1.2",
	  .ret = -EKEYREJECTED,
	  .msg = ": the server does not accept our certificate, or misses one: " },
	{ .what = "a client certificate of another authority",
	  .server = "mutual",
	  .cert = "stranger",
	  .ret = -EKEYREJECTED,
	  .msg = "misses one: tlsv1 alert unknown ca" },
	{ .what = "a client certificate of another authority in TLS 1.2",
	  .server = "mutual-1.2",
	  .cert = "stranger",
	  .ret = -EKEYREJECTED,
	  .msg = "misses one: tlsv1 alert unknown ca" },
	{ .what = "a client certificate that has expired",
	  .server = "mutual",
	  .cert = "late",
	  .ret = -EKEYREJECTED,
	  .msg = "misses one: " },
	{ .what = "a client certificate that has expired in TLS 1.2",
	  .server = "mutual-1.2",
	  .cert = "late",
	  .ret = -EKEYREJECTED,
	  .msg = "misses one: " },
	{ .what = "a key of another certificate",
	  .server = "mutual",
	  .cert = "alice",
	  .key = "bob.key",
	  .ret = -EACCES,
	  .msg = ": alice.crt, bob.key: cannot be used: " },
	{ .what = "an encrypted key",
	  .server = "mutual",
	  .cert = "alice",
	  .key = "locked.key",
	  .ret = -EACCES,
	  .msg = ": alice.crt, locked.key: cannot be used: " },
	{ .what = "a key that is a certificate",
	  .server = "mutual",
	  .cert = "alice",
	  .key = "alice.crt",
	  .ret = -EACCES,
	  .msg = ": alice.crt, alice.crt: cannot be used: " },
	{ .what = "an authority that is a key",
	  .server = "good",
	  .ca = "ca.key",
	  .ret = -EACCES,
	  .msg = ": ca.key: certificate authorities cannot be used: " },
	{ .what = "an authority that is not there",
	  .server = "good",
	  .ca = "none.crt",
	  .ret = -EACCES,
	  .msg = "none.crt: cannot open: No such file or directory" },
	{ .what = "another protocol", .server = "banner", .ret = -EPROTO, .msg = ": no TLS: " },
	{ .what = "a server without TLS", .server = "plain", .ret = -EPROTO, .msg = ": no TLS: " },
	{ .what = "a server that resets",
	  .server = "reset",
	  .ret = -ECONNRESET,
	  .msg = "reset by peer" },
	{ .what = "nobody there",
	  .server = "refused",
	  .ret = -ECONNREFUSED,
	  .msg = ": connection refused" },
	{ .what = "a name that nobody has",
	  .server = "good",
	  .host = "a-label-of-more-than-sixty-three-bytes-which-no-name-may-have-so-nobody-asks."
	          "test",
	  .ret = -EHOSTUNREACH,
	  .msg = ": the name does not resolve" },
};

static void set_url(struct client *client, const char *scheme, const char *host, const char *server)
{
	struct strbuf url = { 0 };

	strbuf_printf(&url, "%s://%s:%u", scheme, host, https_port(server));
	free(client->cluster.server);
	client->cluster.server = url.text;
}

static void check_row(const struct row *row)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	client_init(&client, row->server);
	set_url(&client, "https", row->host != NULL ? row->host : "127.0.0.1", row->server);
	client_set(&client.cluster.ca.path, row->ca == NULL ? "ca.crt" : row->ca);
	if (row->ca != NULL && *row->ca == '\0')
		client_set(&client.cluster.ca.path, NULL);
	client_set(&client.cluster.tls_server_name, row->name);
	client.cluster.insecure = row->is_insecure;
	if (row->cert != NULL)
		client_set_cert(&client, row->cert);
	if (row->key != NULL)
		client_set(&client.cluster.key.path, row->key);
	client_get(&client, "/echo", &answer);
	if (answer.ret != row->ret)
		fail_msg("%d, not %d: %s", answer.ret, row->ret, answer.err.msg);
	if (row->ret < 0 && strstr(answer.err.msg, row->msg) == NULL)
		fail_msg("not '%s': %s", row->msg, answer.err.msg);
	if (row->echo != NULL && strstr(answer.body.text, row->echo) == NULL)
		fail_msg("not '%s': %s", row->echo, answer.body.text);
	if (row->name != NULL && row->ret == 0) {
		/* The server is still called by its own name in HTTP. */
		char host[64];

		(void)snprintf(host, sizeof(host), "\r\nHost: %s:%u\r\n",
		               row->host != NULL ? row->host : "127.0.0.1",
		               https_port(row->server));
		assert_non_null(strstr(answer.body.text, host));
	}
	client_done(&client);
}

static void trusts_who_is_to_be_trusted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - %s\n", rows[i].what);
		check_row(&rows[i]);
	}
}

/* ---- Proxies -------------------------------------------------------------------------------- */

static char *url_of(const char *user, const char *server)
{
	struct strbuf url = { 0 };

	strbuf_printf(&url, "http://%s127.0.0.1:%u", user, https_port(server));
	return url.text;
}

static const struct proxy_row {
	const char *what;
	const char *proxy; /* kind of server; NULL: @url is it */
	const char *user;
	const char *url;
	int ret;
	const char *msg;
} proxies[] = {
	{ .what = "a proxy", .proxy = "proxy", .user = "" },
	{ .what = "a proxy that knows us", .proxy = "keen-proxy", .user = "user:hunter2@" },
	{ .what = "a proxy that wants to",
	  .proxy = "keen-proxy",
	  .user = "",
	  .ret = -ECONNREFUSED,
	  .msg = ": the proxy does not connect: status 407" },
	{ .what = "a proxy that does not know us",
	  .proxy = "keen-proxy",
	  .user = "user:hunter3@",
	  .ret = -ECONNREFUSED,
	  .msg = ": the proxy does not connect: status 407" },
	{ .what = "a proxy that is not there",
	  .proxy = "refused",
	  .user = "user:hunter3@",
	  .ret = -ECONNREFUSED,
	  .msg = ": by proxy: connection refused" },
	{ .what = "a proxy that is none",
	  .proxy = "banner",
	  .user = "user:hunter3@",
	  .ret = -EPROTO,
	  .msg = ": " },
	{ .what = "a proxy's URL that is none",
	  .url = "http://user:hunter3@[nothing",
	  .ret = -EHOSTUNREACH,
	  .msg = ": the proxy's name does not resolve" },
	{ .what = "a proxy of a scheme that nobody knows",
	  .url = "gopher://user:hunter3@127.0.0.1:1",
	  .ret = -EHOSTUNREACH,
	  .msg = ": cannot connect" },
};

static void check_proxy(const struct proxy_row *row)
{
	struct answer answer AUTO_ANSWER = { 0 };
	struct client client;

	client_init(&client, "good");
	client_set(&client.cluster.token, "secret");
	client_set(&client.cluster.proxy_url, row->url);
	if (row->proxy != NULL)
		client.cluster.proxy_url = url_of(row->user, row->proxy);
	client_get(&client, "/echo", &answer);
	if (answer.ret != row->ret)
		fail_msg("%d, not %d: %s", answer.ret, row->ret, answer.err.msg);
	if (row->ret < 0 && strstr(answer.err.msg, row->msg) == NULL)
		fail_msg("not '%s': %s", row->msg, answer.err.msg);
	assert_null(strstr(answer.err.msg, "hunter"));
	assert_null(strstr(answer.err.msg, "user"));
	client_done(&client);
}

static void goes_by_proxy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		print_message("  - %s\n", proxies[i].what);
		check_proxy(&proxies[i]);
	}
}

static void expect_proxied(struct client *client, unsigned proxied)
{
	unsigned before = https_connections("proxy");
	struct answer answer AUTO_ANSWER = { 0 };

	client_get(client, "/ok", &answer);
	assert_int_equal(answer.ret, 0);
	assert_int_equal(https_connections("proxy"), before + proxied);
	client_done(client);
}

static void the_environment_names_a_proxy(void **state)
{
	char *url AUTO_FREE = url_of("", "proxy");
	struct client client;

	(void)state;
	assert_int_equal(setenv("HTTPS_PROXY", url, 1), 0);
	assert_int_equal(setenv("http_proxy", url, 1), 0);
	client_init(&client, "good");
	expect_proxied(&client, 1);
	/* In plain text a token is not for a proxy that the cluster does not name. */
	client_init(&client, "plain");
	client_set(&client.cluster.token, "secret");
	expect_proxied(&client, 0);
	assert_int_equal(setenv("no_proxy", "127.0.0.1", 1), 0);
	client_init(&client, "good");
	expect_proxied(&client, 0);
	client_init(&client, "good");
	client_set(&client.cluster.proxy_url, url);
	expect_proxied(&client, 1);
	unsetenv("HTTPS_PROXY");
	unsetenv("http_proxy");
	unsetenv("no_proxy");
}

/* ---- The machine's authorities -------------------------------------------------------------- */

/* other-ca becomes what this machine trusts: for this process only. */
static bool trust_other_ca(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("trust", "/etc/ssl/certs", NULL, MS_BIND, NULL) == 0;
}

static void a_given_authority_is_the_only_one(void **state)
{
	struct answer by_machine AUTO_ANSWER = { 0 };
	struct answer by_ca AUTO_ANSWER = { 0 };
	struct client client;

	(void)state;
	if (!trust_other_ca())
		skip();
	client_init(&client, "foreign");
	client_set(&client.cluster.ca.path, NULL);
	client_get(&client, "/ok", &by_machine);
	assert_int_equal(by_machine.ret, 0);
	client_done(&client);
	client_init(&client, "foreign");
	client_get(&client, "/ok", &by_ca);
	assert_int_equal(by_ca.ret, -EKEYREJECTED);
	client_done(&client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trusts_who_is_to_be_trusted),
		cmocka_unit_test(goes_by_proxy),
		cmocka_unit_test(the_environment_names_a_proxy),
		cmocka_unit_test(a_given_authority_is_the_only_one),
	};

	return cmocka_run_group_tests(tests, https_start, https_stop);
}

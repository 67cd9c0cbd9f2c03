/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/test.h"
#include "test/unit/watch_cluster.h"

static void expect_cluster(const struct watch_cluster *cluster, const char *want)
{
	struct strbuf got AUTO_STRBUF = { 0 };

	describe_cluster(&got, cluster);
	assert_string_equal(got.text, want);
	assert_true(cluster_is_sane(cluster));
}

static const struct {
	const char *what;
	const char *host;
	const char *port;
	const char *want; /* or the sentence */
	bool is_bad;
} pods[] = {
	{ "an IPv4 address", "10.96.0.1", "443",
	  "https://10.96.0.1:443 ca=/sa/ca.crt token-file=/sa/token", false },
	{ "an IPv6 address gets brackets", "fd00::1", "443",
	  "https://[fd00::1]:443 ca=/sa/ca.crt token-file=/sa/token", false },
	{ "a name", "k8s.example", "6443",
	  "https://k8s.example:6443 ca=/sa/ca.crt token-file=/sa/token", false },
	{ "no host", NULL, "443", "KUBERNETES_SERVICE_HOST: not set", true },
	{ "an empty host", "", "443", "KUBERNETES_SERVICE_HOST: not set", true },
	{ "no port", "10.96.0.1", NULL, "KUBERNETES_SERVICE_PORT: not set", true },
	{ "an empty port", "10.96.0.1", "", "KUBERNETES_SERVICE_PORT: not set", true },
	{ "a host that is none", "https://k8s", "443",
	  "KUBERNETES_SERVICE_HOST: 'https://k8s' is neither a name nor an address", true },
	{ "brackets already", "[fd00::1]", "443",
	  "KUBERNETES_SERVICE_HOST: '[fd00::1]' is neither a name nor an address", true },
	{ "port 0", "10.96.0.1", "0", "KUBERNETES_SERVICE_PORT: '0' is not in 1-65535", true },
	{ "port 65536", "10.96.0.1", "65536", "KUBERNETES_SERVICE_PORT: '65536' is not in 1-65535",
	  true },
	{ "what a Service named kubernetes-service gives", "10.96.0.1", "tcp://10.96.0.1:443",
	  "KUBERNETES_SERVICE_PORT: 'tcp://10.96.0.1:443' is not in 1-65535", true },
};

static void takes_what_a_pod_is_given(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
		struct watch_cluster cluster = { 0 };
		struct err err = { 0 };
		int ret;

		print_message("  - %s\n", pods[i].what);
		ret = watch_cluster_of_pod(pods[i].host, pods[i].port, "/sa", &cluster, &err);
		if (pods[i].is_bad) {
			assert_int_equal(ret, -EINVAL);
			assert_string_equal(err.msg, pods[i].want);
			assert_null(cluster.server);
			continue;
		}
		assert_int_equal(ret, 0);
		expect_cluster(&cluster, pods[i].want);
		watch_cluster_done(&cluster);
	}
}

#define WITHOUT "server: https://old, tls-server-name: name"
#define CLEAR "a token or password is not sent unencrypted; use https://"

static const struct {
	const char *what;
	const char *config;
	const char *server;
	const char *want;
	const char *msg; /* when it is refused, and @want is as before */
} servers[] = {
	{ "a URL; the name for the old server's certificate is dropped",
	  KUBECONFIG(WITHOUT ", certificate-authority: /ca", "token: abc"), "https://new:6443/",
	  "https://new:6443 ca=/ca token=abc", NULL },
	{ "host:port", KUBECONFIG(WITHOUT, ""), "new:8080", "http://new:8080", NULL },
	{ "host", KUBECONFIG(WITHOUT, ""), "new", "http://new", NULL },
	{ "an IPv6 address and a port", KUBECONFIG(WITHOUT, ""), "[::1]:8080/", "http://[::1]:8080",
	  NULL },
	{ "this machine without encryption", KUBECONFIG(WITHOUT, "token: abc"), "127.0.0.1:8080",
	  "http://127.0.0.1:8080 token=abc", NULL },
	{ "a certificate does not travel",
	  KUBECONFIG(WITHOUT, "client-certificate: /c, client-key: /k"), "http://new",
	  "http://new cert=/c key=/k", NULL },
	{ "a token without encryption", KUBECONFIG(WITHOUT, "token: abc"), "http://new",
	  "https://old name=name token=abc", CLEAR },
	{ "a token's file without encryption", KUBECONFIG(WITHOUT, "tokenFile: /t"), "new:8080",
	  "https://old name=name token-file=/t", CLEAR },
	{ "a password without encryption", KUBECONFIG(WITHOUT, "username: me"), "http://new",
	  "https://old name=name username=me password=", CLEAR },
	{ "a token by way of a proxy",
	  KUBECONFIG("server: https://old, proxy-url: 'http://p'", "token: abc"), "127.0.0.1:8080",
	  "https://old proxy=http://p token=abc", CLEAR },
	{ "host and path", KUBECONFIG(WITHOUT, ""), "new:8080/path", "https://old name=name",
	  "neither a URL nor host:port" },
	{ "nothing", KUBECONFIG(WITHOUT, ""), "", "https://old name=name", "no host in the URL" },
	{ "another scheme", KUBECONFIG(WITHOUT, ""), "ftp://new", "https://old name=name",
	  "the URL begins with neither https:// nor http://" },
};

static void changes_the_server(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		const char *config = servers[i].config;
		struct watch_cluster cluster;
		struct err err = { 0 };
		int ret;

		print_message("  - %s\n", servers[i].what);
		ret = watch_kubeconfig_parse(config, strlen(config), "", &cluster, NULL);
		assert_int_equal(ret, 0);
		ret = watch_cluster_set_server(&cluster, servers[i].server, &err);
		assert_int_equal(ret, servers[i].msg != NULL ? -EINVAL : 0);
		assert_string_equal(err.msg, servers[i].msg != NULL ? servers[i].msg : "");
		expect_cluster(&cluster, servers[i].want);
		watch_cluster_done(&cluster);
	}
}

static void a_server_without_a_kubeconfig(void **state)
{
	struct watch_cluster cluster = { 0 };

	(void)state;
	assert_int_equal(watch_cluster_set_server(&cluster, "h:8080", NULL), 0);
	expect_cluster(&cluster, "http://h:8080");
	watch_cluster_done(&cluster);
	watch_cluster_done(&cluster);
	assert_null(cluster.server);
}

/* Reads by way of the kernel what a pointer to freed memory must not be used for. */
static bool is_still_there(int mem, uintptr_t address, const char *text, size_t len)
{
	char buf[128];

	assert_true(len <= sizeof(buf));
	if (pread(mem, buf, len, (off_t)address) != (ssize_t)len)
		return false;
	return memmem(buf, len, text, len / 2) != NULL ||
	       memmem(buf, len, text + len / 2, len / 2) != NULL;
}

static void wipes_secrets(void **state)
{
	/* Longer than what malloc() writes into freed memory. */
	static const char secret[] =
		"-----BEGIN c8f1e0ad6b7c4d2f9a3e5b1c7d8e9f0a1b2c3d4e5f60718293a4b5c6d7e8f9";
	char *owned[] = { xstrdup(secret), xstrdup(secret), xstrdup(secret), xstrdup(secret) };
	struct watch_cluster cluster = {
		.token = owned[0],
		.password = owned[1],
		.key = { .pem = owned[2] },
		.proxy_url = owned[3],
	};
	uintptr_t address[ARRAY_LEN(owned)];
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (mem < 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
		address[i] = (uintptr_t)owned[i];
		assert_true(is_still_there(mem, address[i], secret, sizeof(secret) - 1));
	}
	watch_cluster_done(&cluster);
	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		assert_false(is_still_there(mem, address[i], secret, sizeof(secret) - 1));
	close(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_what_a_pod_is_given),
		cmocka_unit_test(changes_the_server),
		cmocka_unit_test(a_server_without_a_kubeconfig),
		cmocka_unit_test(wipes_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "test/unit/test.h"
#include "test/unit/watch_cluster.h"
#include "test/unit/watch_dir.h"

#define CONFIG KUBECONFIG("server: https://h:6443, certificate-authority: ca.crt", "tokenFile: t")
#define NO_SERVER                                                                     \
	"no API server: this is no pod (KUBERNETES_SERVICE_HOST is not set); name a " \
	"kubeconfig with --kubeconfig, or objects in files with --source"

/* The files that the rows name. */
static int make_files(void **state)
{
	int ret = dir_make(state);

	if (ret < 0)
		return ret;
	assert_int_equal(mkdir("sub", 0700), 0);
	dir_write("config", CONFIG);
	dir_write("sub/config", CONFIG);
	dir_write("open", KUBECONFIG("server: http://h", ""));
	dir_write("broken", KUBECONFIG("server: https://h", "token: [x]"));
	dir_write("empty", "");
	return 0;
}

static const struct {
	const char *what;
	const char *kubeconfig;
	const char *master;
	const char *host; /* the environment */
	const char *port;
	const char *want; /* or the sentence */
	int ret;
} rows[] = {
	{ "a kubeconfig in the working directory", "config", NULL, NULL, NULL,
	  "https://h:6443 ca=ca.crt token-file=t", 0 },
	{ "one in another directory", "sub/config", "", NULL, NULL,
	  "https://h:6443 ca=sub/ca.crt token-file=sub/t", 0 },
	{ "one up and down", "sub/../config", NULL, NULL, NULL,
	  "https://h:6443 ca=sub/../ca.crt token-file=sub/../t", 0 },
	{ "a kubeconfig wins over the environment", "config", NULL, "10.96.0.1", "443",
	  "https://h:6443 ca=ca.crt token-file=t", 0 },
	{ "another server for a kubeconfig's user", "config", "https://m", NULL, NULL,
	  "https://m ca=ca.crt token-file=t", 0 },
	{ "a server alone has no credentials", NULL, "m:8080", "10.96.0.1", "443", "http://m:8080",
	  0 },
	{ "a pod", NULL, NULL, "10.96.0.1", "443",
	  "https://10.96.0.1:443 ca=/sa/ca.crt token-file=/sa/token", 0 },
	{ "a pod in a cluster of IPv6", "", "", "fd00::1", "443",
	  "https://[fd00::1]:443 ca=/sa/ca.crt token-file=/sa/token", 0 },
	{ "no pod", NULL, NULL, NULL, NULL, NO_SERVER, -ENOENT },
	{ "empty environment", "", "", "", "", NO_SERVER, -ENOENT },
	{ "half of the environment", NULL, NULL, "10.96.0.1", NULL,
	  "KUBERNETES_SERVICE_PORT: not set", -EINVAL },
	{ "the other half", NULL, NULL, NULL, "443", "KUBERNETES_SERVICE_HOST: not set", -EINVAL },
	{ "no such file", "sub/none", NULL, "10.96.0.1", "443",
	  "sub/none: cannot open: No such file or directory", -ENOENT },
	{ "a directory", "sub", NULL, NULL, NULL, "sub: cannot read: Is a directory", -EISDIR },
	{ "an empty file", "empty", NULL, NULL, NULL, "empty: empty", -EINVAL },
	{ "a broken field", "broken", NULL, NULL, NULL, "broken: users[0].user.token: not a string",
	  -EINVAL },
	{ "a file without end", "/dev/zero", NULL, NULL, NULL, "/dev/zero: larger than 1024 KiB",
	  -E2BIG },
	{ "no URL", "open", "ftp://m", NULL, NULL,
	  "--master: the URL begins with neither https:// nor http://", -EINVAL },
	{ "no URL and no kubeconfig", NULL, "https://me@m", NULL, NULL,
	  "--master: a user name in the URL; it belongs into the user's entry", -EINVAL },
	{ "a token without encryption", "config", "m:8080", NULL, NULL,
	  "--master: a token or password is not sent unencrypted; use https://", -EINVAL },
	{ "nothing to be sent without encryption", "open", "m:8080", NULL, NULL, "http://m:8080",
	  0 },
};

static void set_environment(const char *name, const char *value)
{
	assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void finds_rows(void **state)
{
	(void)state;
	/* kube-proxy does not read it, nor do we. */
	set_environment("KUBECONFIG", "config");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strbuf got AUTO_STRBUF = { 0 };
		struct watch_cluster cluster = { 0 };
		struct err err = { 0 };
		int ret;

		print_message("  - %s\n", rows[i].what);
		set_environment("KUBERNETES_SERVICE_HOST", rows[i].host);
		set_environment("KUBERNETES_SERVICE_PORT", rows[i].port);
		ret = cluster_find(rows[i].kubeconfig, rows[i].master, "/sa", &cluster, &err);
		if (rows[i].ret == 0) {
			assert_string_equal(err.msg, "");
			describe_cluster(&got, &cluster);
			assert_string_equal(got.text, rows[i].want);
		} else {
			assert_string_equal(err.msg, rows[i].want);
			assert_null(cluster.server);
		}
		assert_int_equal(ret, rows[i].ret);
		watch_cluster_done(&cluster);
	}
}

static void names_files_absolutely(void **state)
{
	struct strbuf path AUTO_STRBUF = { 0 };
	struct strbuf want AUTO_STRBUF = { 0 };
	struct strbuf got AUTO_STRBUF = { 0 };
	struct watch_cluster cluster;

	(void)state;
	strbuf_printf(&path, "%s/config", dir_path());
	strbuf_printf(&want, "https://h:6443 ca=%s/ca.crt token-file=%s/t", dir_path(), dir_path());
	assert_int_equal(cluster_find(path.text, NULL, "/sa", &cluster, NULL), 0);
	describe_cluster(&got, &cluster);
	assert_string_equal(got.text, want.text);
	watch_cluster_done(&cluster);
}

static void leaves_no_descriptor_open(void **state)
{
	size_t before = dir_open_fds();
	struct watch_cluster cluster;

	(void)state;
	assert_int_equal(cluster_find("config", NULL, "/sa", &cluster, NULL), 0);
	watch_cluster_done(&cluster);
	assert_int_equal(cluster_find("sub", NULL, "/sa", &cluster, NULL), -EISDIR);
	assert_int_equal(cluster_find("broken", NULL, "/sa", &cluster, NULL), -EINVAL);
	assert_int_equal(dir_open_fds(), before);
}

/* The longest sentence there is still shows the path's beginning and what is wrong. */
static void cuts_long_paths(void **state)
{
	char path[200];
	struct watch_cluster cluster;
	struct err err = { 0 };

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(cluster_find(path, NULL, "/sa", &cluster, &err), -ENOENT);
	assert_int_equal(strspn(err.msg, "x"), 120);
	assert_string_equal(err.msg + 120, ": cannot open: No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_rows),
		cmocka_unit_test(names_files_absolutely),
		cmocka_unit_test(leaves_no_descriptor_open),
		cmocka_unit_test(cuts_long_paths),
	};

	return cmocka_run_group_tests(tests, make_files, dir_remove);
}

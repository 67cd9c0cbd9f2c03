/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define PATH_SHOWN 120

/* One byte more than is allowed, so that too much is seen. */
#define FILE_BYTES (WATCH_MAX_KUBECONFIG_BYTES + 1)

static bool is_given(const char *option)
{
	return option != NULL && option[0] != '\0';
}

/* Up to FILE_BYTES of a file into @buf. */
static int read_file(const char *path, char *buf, size_t *out_len, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	int code = 0;

	if (fd < 0) {
		code = errno;
		return err_set(err, code, "cannot open: %s", strerror(code));
	}
	while (len < FILE_BYTES && code == 0) {
		ssize_t n = read(fd, buf + len, FILE_BYTES - len);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			code = errno;
	}
	close(fd);
	*out_len = len;
	return code != 0 ? err_set(err, code, "cannot read: %s", strerror(code)) : 0;
}

/* "" for a file in the working directory. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = xstrdup(path);

	if (slash == NULL)
		dir[0] = '\0';
	else
		dir[slash == path ? 1 : slash - path] = '\0';
	return dir;
}

static int read_kubeconfig(const char *path, struct watch_cluster *out, struct err *err)
{
	char *dir AUTO_FREE = directory_of(path);
	char *text = xmalloc(FILE_BYTES);
	size_t len = 0;
	int ret = read_file(path, text, &len, err);

	if (ret == 0)
		ret = watch_kubeconfig_parse(text, len, dir, out, err);
	explicit_bzero(text, len);
	free(text);
	return ret < 0 ? err_wrap(err, ret, "%.*s", PATH_SHOWN, path) : 0;
}

static int find_as_pod(const char *account_dir, struct watch_cluster *out, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");

	if (!is_given(host) && !is_given(port))
		return err_set(
			err, ENOENT,
			"no API server: this is no pod (KUBERNETES_SERVICE_HOST is not set); "
			"name a kubeconfig with --kubeconfig, or objects in files with "
			"--source");
	return watch_cluster_of_pod(host, port, account_dir, out, err);
}

int cluster_find(const char *kubeconfig, const char *master, const char *account_dir,
                 struct watch_cluster *out, struct err *err)
{
	struct watch_cluster cluster = { 0 };
	int ret;

	if (!is_given(kubeconfig) && !is_given(master))
		return find_as_pod(account_dir, out, err);
	if (is_given(kubeconfig)) {
		ret = read_kubeconfig(kubeconfig, &cluster, err);
		if (ret < 0)
			return ret;
	}
	if (is_given(master)) {
		ret = watch_cluster_set_server(&cluster, master, err);
		if (ret < 0) {
			watch_cluster_done(&cluster);
			return err_wrap(err, ret, "--master");
		}
	}
	*out = cluster;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a kubeconfig: what is accepted keeps the header's promises, also with another
 * server. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test/unit/watch_cluster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(int ret, const struct err *err)
{
	ASSERT(ret == -EINVAL || ret == -EOPNOTSUPP || ret == -E2BIG);
	ASSERT(err->code == -ret && err->msg[0] != '\0');
	for (const char *p = err->msg; *p != '\0'; p++)
		ASSERT(*p >= ' ' && *p < 0x7f);
}

/* A server that was accepted is accepted again, and stays what it is. */
static void check_server(struct watch_cluster *cluster)
{
	char *server AUTO_FREE = xstrdup(cluster->server);

	ASSERT(watch_cluster_set_server(cluster, server, NULL) == 0);
	ASSERT(strcmp(cluster->server, server) == 0);
	ASSERT(watch_cluster_set_server(cluster, "https://h", NULL) == 0);
	ASSERT(cluster_is_sane(cluster));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch_cluster cluster = { 0 };
	struct err err = { 0 };
	char *text AUTO_FREE = xmalloc(size);
	int ret;

	if (size > 0)
		memcpy(text, data, size);
	ret = watch_kubeconfig_parse(text, size, "/d", &cluster, &err);
	if (ret < 0) {
		check_error(ret, &err);
		ASSERT(cluster.server == NULL);
		return 0;
	}
	ASSERT(ret == 0 && cluster_is_sane(&cluster));
	check_server(&cluster);
	watch_cluster_done(&cluster);
	return 0;
}

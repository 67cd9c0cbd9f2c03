/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/api_client.h"

#include <stdio.h>

#include "cmd/cluster.h"
#include "cmd/version.h"

int api_client_open(struct api_client *client, struct ev_loop *loop, const struct options *options,
                    struct err *err)
{
	char agent[128];
	int ret = cluster_find(options->kubeconfig, options->master, CLUSTER_ACCOUNT_DIR,
	                       &client->cluster, err);

	if (ret < 0)
		return ret;
	(void)snprintf(agent, sizeof(agent), "kubenft/%s", kubenft_version());
	return watch_http_new(loop, &client->cluster, agent, &client->http, err);
}

void api_client_close(struct api_client *client)
{
	watch_http_free(client->http);
	client->http = NULL;
	watch_cluster_done(&client->cluster);
}

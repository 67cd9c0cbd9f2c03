/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_API_CLIENT_H
#define CMD_API_CLIENT_H

/*
 * The API server that the options lead to, and the connections to it.
 */

#include "base/err.h"
#include "cmd/options.h"
#include "watch/http.h"

/** Zeroed before. Stays where it was opened. */
struct api_client {
	struct watch_cluster cluster;
	struct watch_http *http;
};

/** api_client_open() - find it; nothing is sent.
 *
 * Return: 0, or what cluster_find() and watch_http_new() return; api_client_close() in each case.
 */
int api_client_open(struct api_client *client, struct ev_loop *loop, const struct options *options,
                    struct err *err) MUST_CHECK;

/** api_client_close() - end all requests without a call. */
void api_client_close(struct api_client *client);

#endif

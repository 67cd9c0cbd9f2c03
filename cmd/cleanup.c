/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "cmd/commands.h"
#include "cmd/leftovers.h"
#include "nft/ruleset.h"
#include "nft/sock.h"

static const uint8_t families[2] = { 4, 6 };

/* Deletes whichever of our tables exist, both in one transaction. */
static int remove_tables(struct nftx_sock *sock, unsigned *removed, struct err *err)
{
	struct nftx_batch *batch = nftx_batch_new();
	int ret = 0;

	*removed = 0;
	for (size_t f = 0; f < 2 && ret == 0; f++) {
		struct nftx_table table;

		ret = nftx_sock_table(sock, families[f], NFTX_TABLE, &table, err);
		if (ret == 0 && table.owned_by_other)
			ret = err_set(err, EBUSY,
			              "a running kubenft owns table '%s %s': stop it first",
			              families[f] == 4 ? "ip" : "ip6", NFTX_TABLE);
		if (ret == 0 && table.exists) {
			nftx_ruleset_put_delete(batch, families[f], NFTX_TABLE);
			(*removed)++;
		}
	}
	nftx_batch_end(batch, true);
	if (ret == 0 && *removed > 0)
		ret = nftx_sock_commit(sock, batch, err);
	nftx_batch_free(batch);
	return ret;
}

static int remove_ours(struct nftx_sock *sock)
{
	struct err err = { 0 };
	unsigned removed = 0;
	int ret = 0;

	for (int i = 0; i < 3; i++) {
		ret = remove_tables(sock, &removed, &err);
		if (ret != -ENOENT) /* else somebody was faster: look again */
			break;
	}
	if (ret < 0) {
		log_error("cleanup", LOG_STR("reason", err.msg));
		return EXIT_FAILURE;
	}
	log_info("cleanup", LOG_U64("tables_removed", removed));
	return EXIT_SUCCESS;
}

int command_cleanup(const struct options *options)
{
	bool is_whole = options->command == COMMAND_RUN; /* run --cleanup, as kube-proxy has it */
	struct nftx_sock *sock;
	struct err err = { 0 };
	int status = EXIT_SUCCESS;

	if (nftx_sock_open(&sock, &err) < 0) {
		log_error("cleanup", LOG_STR("reason", err.msg));
		return EXIT_FAILURE;
	}
	if ((options->kube_proxy || is_whole) && !leftovers_remove(sock))
		status = EXIT_FAILURE;
	if ((!options->kube_proxy || is_whole) && remove_ours(sock) != EXIT_SUCCESS)
		status = EXIT_FAILURE;
	nftx_sock_close(sock);
	return status;
}

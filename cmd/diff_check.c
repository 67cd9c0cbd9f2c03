/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "cmd/diff.h"
#include "nft/blame.h"

/* Never there but in dry runs. */
#define CHECK_TABLE "kubenft-check"

static int send_batch(void *ctx, const struct nftx_batch *batch, struct nftx_refusals *refusals,
                      struct err *err)
{
	return nftx_sock_send(ctx, batch, refusals, err);
}

/* The Services are copied: those that are refused are freed, and lines have names of theirs. */
static struct nftx_state *stage(const struct diff_side *side)
{
	struct nftx_state *state = nftx_state_new(side->nft);

	nftx_state_stage_networks(state, proxy_planner_networks(side->planner));
	for (size_t i = 0; i < side->changes.count; i++)
		nftx_state_stage(state, lb_service_build(side->changes.services[i]));
	return state;
}

void diff_check(struct diff *diff, struct nftx_sock *sock)
{
	const struct nftx_ground ground[2] = { { .table = CHECK_TABLE }, { .table = CHECK_TABLE } };
	struct nftx_state *state = stage(&diff->to);
	struct diff_check *check = &diff->check;
	struct err err = { 0 };
	size_t before;
	int ret;

	do { /* one call finds one that the kernel does not name */
		before = check->refused.count;
		ret = nftx_refill(state, ground, false, send_batch, sock, &check->refused, &err);
	} while (nftx_is_blamable(ret) && check->refused.count > before &&
	         check->refused.count < NFTX_BLAMES_MAX);
	check->made = true;
	if (ret < 0)
		(void)snprintf(check->error, sizeof(check->error), "%s", err.msg);
	nftx_state_free(state);
}

bool diff_is_refused(const struct diff *diff)
{
	return diff->check.refused.count > 0 || diff->check.error[0] != '\0';
}

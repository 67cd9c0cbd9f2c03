/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_STATE_IMPL_H
#define NFT_STATE_IMPL_H

/*
 * The inside of a state: state.c keeps what is present and what is staged,
 * state_batch.c makes their difference, state_view.c reads.
 */

#include "nft/state.h"

/* Ranges with their own memory. */
struct networks {
	struct lb_networks view;
	struct ipcidr *cidrs; /* service CIDRs, then pod CIDRs */
};

/* The place of one Service, by its id. */
struct place {
	struct lb_service *present; /* NULL: nothing of it in the kernel */
	struct lb_service *staged;  /* NULL: no change */
};

struct nftx_state {
	struct nftx_options options[2]; /* ip, ip6 */
	bool known;
	bool lost_affinity; /* by commits since it was asked for */
	bool staged_loss;   /* by the batch taken last */
	struct nftx_elems restarted;
	struct nftx_elems staged_restarted;

	struct place *places;
	size_t place_count;
	struct networks networks;

	uint32_t *staged; /* ids */
	size_t staged_count, staged_cap;
	struct networks staged_networks;
	bool networks_staged;

	uint32_t *timeouts; /* the remember chains that both tables have */
	size_t timeout_count, timeout_cap;
};

#endif

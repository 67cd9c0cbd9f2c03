/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_STATE_IMPL_H
#define NFT_STATE_IMPL_H

/*
 * The inside of a state: state.c keeps what is present and what is staged,
 * state_batch.c makes their difference, state_view.c reads, blame.c leaves out.
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
	struct lb_service *last;    /* was present before it was forgotten; until the next refill */
	bool doubted;               /* @staged was present */
	bool fell_back;             /* @staged was @last: what is wanted was refused */
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
	size_t timeouts_used; /* by Services, when that was looked at last */
};

/** nftx_state_refill_first() - a refill of only the first @count Services staged. */
struct nftx_batch *nftx_state_refill_first(struct nftx_state *state,
                                           const struct nftx_ground ground[2], size_t count);

/** nftx_state_place() - the place of a Service, made if there is none. */
struct place *nftx_state_place(struct nftx_state *state, uint32_t id);

/** nftx_place_stage() - @service, taken, shall be there; @state notes the place as staged. */
void nftx_place_stage(struct nftx_state *state, struct place *place, struct lb_service *service);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_RENDER_H
#define NFT_RENDER_H

/*
 * Load balancing as elements (ruleset.md, section 5).
 */

#include "lb.h"
#include "nft/elem.h"

/** nftx_render() - append the elements of @service, those it lost to others left out.
 *
 * Comments are borrowed from @service. Slots are the places in its pools.
 */
void nftx_render(const struct lb_service *service, struct nftx_elems *out);

/** nftx_render_networks() - append the elements of service-cidrs and pod-cidrs. */
void nftx_render_networks(const struct lb_networks *networks, struct nftx_elems *out);

#endif

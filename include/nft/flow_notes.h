/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_FLOW_NOTES_H
#define NFT_FLOW_NOTES_H

/*
 * Which UDP frontends a change concerns, so that their flows are looked through
 * once it is in the kernel (kube-proxy-behaviour.md, section 4.1).
 *
 * A flow may stay with any backend that still serves, whatever policy or topology
 * says about new ones: lb_port.serving.
 */

#include "lb.h"
#include "nft/flows.h"

/** nftx_note_gone_front() - note that a UDP frontend is gone: only a flow that is not translated is
 *  as it should be, whoever answers it. */
void nftx_note_gone_front(struct nftx_flow_fronts *fronts, const struct ipaddr *addr,
                          uint16_t port);

/** nftx_note_gone() - note the UDP frontends that @was has and @now has not. NULL @was: none. */
void nftx_note_gone(const struct lb_service *was, const struct lb_service *now,
                    struct nftx_flow_fronts *fronts);

/** nftx_note_kept() - note the UDP frontends of @now that are new, that lost a serving backend, or
 *  that had none. With @was NULL every one of them: nothing is known of before.
 *
 * To be noted after all that are gone: an address may go from one Service to another.
 *
 * @gains: note also those that only gained backends. Their flows are all right, but a walk that
 *         is under way must know the new backends.
 */
void nftx_note_kept(const struct lb_service *was, const struct lb_service *now, bool gains,
                    struct nftx_flow_fronts *fronts);

#endif

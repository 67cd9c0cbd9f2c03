/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_CLAIMS_H
#define PROXY_CLAIMS_H

/*
 * Who holds an address that several Services claim.
 *
 * Each thing that may stand in the kernel once only (a frontend's address,
 * protocol and port; a ClusterIP; a local pod address) is claimed by every
 * Service that wants it. The oldest Service holds it; the others wait in line
 * (design.md, rule 7). So every element has exactly one owner, and no counts are
 * kept of anything.
 */

#include "store.h"

struct claims; /* opaque: all claims, by key */

/** What is claimed. No padding: compared and hashed bytewise. */
struct claim_key {
	struct ipaddr addr;
	uint8_t protocol; /* 0: the address itself, see port */
	uint16_t port;    /* with protocol 0: CLAIM_CLUSTER_IP or CLAIM_LOCAL */
};

#define CLAIM_CLUSTER_IP 0 /* closed ports of the address are refused */
#define CLAIM_LOCAL 1      /* a pod of this node may reach itself */

struct claims *claims_new(const uint8_t seed[static 16]);

/** claims_free() - records must have been released with claims_release() or be about to go. */
void claims_free(struct claims *claims);

/** claims_update() - @record claims exactly what @service needs, no longer anything else.
 *
 * Records that gain or lose a claim by this, other than @record, are touched in @store.
 */
void claims_update(struct claims *claims, struct proxy_store *store, struct record *record,
                   const struct lb_service *service);

/** claims_mark() - set the lost flags of @service to who holds what now.
 *
 * @diags: gets a sentence for each frontend that is held by another Service.
 */
void claims_mark(struct claims *claims, const struct record *record, struct lb_service *service,
                 struct diags *diags);

#endif

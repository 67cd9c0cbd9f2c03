/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_AUDIT_H
#define NFT_AUDIT_H

/*
 * Is what the kernel holds what our own transactions have made?
 */

#include "base/str.h"
#include "nft/sock.h"
#include "nft/state.h"

/** What an audit found. Zero-initialise; release with nftx_findings_done(). */
struct nftx_findings {
	bool tables;    /* a table is missing, of another layout, or has other rules */
	size_t missing; /* elements */
	size_t foreign;
	size_t changed;
	struct strbuf
		examples; /* some of it, as text: "ip frontends: 10.96.0.1 . tcp . 80 ... missing; " */
};

/** nftx_audit() - compare a dump of the kernel's tables with the known present.
 *
 * Everything but affinity, which is the kernel's own memory. Blocks for as long as the dump takes:
 * 0.05 s with 50,000 elements in a map, 0.2 s with 100,000, 1 s with 200,000. An order of backends
 * that is not ours is a difference, too: nobody but us gives slots.
 *
 * @options: of ip and ip6.
 *
 * Return: 0 when all is as it should be, 1 when not, or a negative errno: the ruleset never stood
 *         still, or could not be read.
 */
int nftx_audit(struct nftx_sock *sock, const struct nftx_options options[static 2],
               const struct nftx_state *state, struct nftx_findings *out,
               struct err *err) MUST_CHECK;

/** nftx_findings_done() - free its text. */
void nftx_findings_done(struct nftx_findings *findings);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_FLOWS_H
#define NFT_FLOWS_H

/*
 * Stale UDP flows in the connection tracking table, and TCP ones that lead nowhere.
 *
 * UDP has no end of a connection: a client that keeps its port stays on a backend
 * that is gone, or untranslated if it sent before the frontend existed
 * (kube-proxy-behaviour.md, section 4.1). After a commit, the flows of those
 * frontends that changed are looked through, and only flows of exactly these
 * frontends can ever be deleted: never SCTP, never a flow that merely has the same
 * port, and of TCP nothing that was ever answered.
 *
 * Of TCP there is one case: somebody has removed our tables, and a client's first
 * packet came before they were back. If another table translates anything, the kernel
 * keeps for this connection that it is not translated, and each time that the client
 * tries again it is sent nowhere, for two minutes (tried).
 *
 * Nothing here waits for the kernel. Looking for some flows among many is one
 * system call of 40 ms per 100,000 entries: nft/relay.h makes it. All decisions
 * and deletions happen in turns of the event loop, with what is known at that
 * moment.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lb.h"

/** A UDP frontend whose flows are to be looked through. */
struct nftx_flow_front {
	struct ipaddr addr;
	uint16_t port;
	/* Its valid backends: nftx_flow_fronts.backends[first .. first + count - 1]. None:
	 * every flow to it goes. */
	uint32_t first;
	uint32_t count;
};

/** A set of them. Zero-initialise; release with nftx_flow_fronts_done(). */
struct nftx_flow_fronts {
	struct nftx_flow_front *list;
	size_t count, cap;
	size_t sorted; /* @count after the last sort; equal to @count as long as it holds */
	struct lb_backend *backends;
	size_t backend_count, backend_cap;
};

/** nftx_flow_fronts_add() - note one frontend; a later note of the same address and port counts.
 *
 * @backends: those whose flows may stay; copied.
 */
void nftx_flow_fronts_add(struct nftx_flow_fronts *fronts, const struct ipaddr *addr, uint16_t port,
                          const struct lb_backend *backends, size_t count);

/** nftx_flow_fronts_merge() - add all notes of @from, as later ones; @from is empty afterwards.
 *
 * However often it is called, @into stays in proportion to the frontends that differ.
 */
void nftx_flow_fronts_merge(struct nftx_flow_fronts *into, struct nftx_flow_fronts *from);

/** nftx_flow_fronts_done() - free the lists; empty and usable afterwards. */
void nftx_flow_fronts_done(struct nftx_flow_fronts *fronts);

/** nftx_flow_fronts_sort() - by address and port, the last note of each kept. */
void nftx_flow_fronts_sort(struct nftx_flow_fronts *fronts);

/** nftx_flow_fronts_find() - the note about a frontend, or NULL.
 *
 * @fronts: sorted.
 */
const struct nftx_flow_front *nftx_flow_fronts_find(const struct nftx_flow_fronts *fronts,
                                                    const struct ipaddr *addr, uint16_t port);

/** nftx_flow_is_stale() - the decision about one UDP flow. Pure.
 *
 * Stale is a flow whose original destination is one of @fronts and whose reply source (the
 * backend; the frontend itself when it was never translated) is none of its valid backends.
 *
 * @fronts: sorted.
 */
bool nftx_flow_is_stale(const struct nftx_flow_fronts *fronts, const struct ipaddr *original_dst,
                        uint16_t original_port, const struct ipaddr *reply_src,
                        uint16_t reply_port);

/** nftx_flow_is_of_gap() - the decision about one TCP flow that nobody has answered. Pure.
 *
 * It was sent to one of @fronts and not translated. @fronts: sorted.
 */
bool nftx_flow_is_of_gap(const struct nftx_flow_fronts *fronts, const struct ipaddr *original_dst,
                         uint16_t original_port, const struct ipaddr *reply_src,
                         uint16_t reply_port);

/** What the frontends of one family have in common: for this the kernel can look. */
struct nftx_flow_common {
	size_t count;       /* of frontends */
	struct ipaddr addr; /* family 0: they differ */
	uint16_t port;      /* 0: they differ */
};

/** nftx_flow_fronts_common() - @fronts: sorted. @family: 4 or 6. */
struct nftx_flow_common nftx_flow_fronts_common(const struct nftx_flow_fronts *fronts,
                                                uint8_t family);

struct nftx_flows; /* opaque: sockets for conntrack, the relay, and the work at hand */

/** nftx_flows_open() - connect to conntrack in the calling thread's network namespace.
 *
 * Starts a thread that blocks all signals.
 *
 * Return: 0, -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP without ctnetlink, or another negative
 *         errno.
 */
int nftx_flows_open(struct nftx_flows **out, struct err *err) MUST_CHECK;

/** nftx_flows_close() - NULL is a no-op. Work at hand is dropped. */
void nftx_flows_close(struct nftx_flows *flows);

/** nftx_flows_fd() - readable when nftx_flows_turn() has something to do; never closed before. */
int nftx_flows_fd(const struct nftx_flows *flows);

/** nftx_flows_start() - look through the table for stale flows of @fronts.
 *
 * @fronts: taken (empty afterwards). When a walk is under way, they are walked after it; but
 *          what they say about a frontend counts at once, so that the walk under way does not
 *          delete flows to a backend that is new. To that end, note also frontends that only
 *          gained backends, at least while nftx_flows_busy(); call this after the commit and
 *          before the next turn.
 *
 * Return: 0 or a negative errno; they are dropped then.
 */
int nftx_flows_start(struct nftx_flows *flows, struct nftx_flow_fronts *fronts,
                     struct err *err) MUST_CHECK;

/** nftx_flows_start_gap() - look for TCP flows of a time in which @fronts were not in force.
 *
 * @fronts: of TCP, without backends; taken. Walked after those of nftx_flows_start().
 *
 * Return: 0 or a negative errno; they are dropped then.
 */
int nftx_flows_start_gap(struct nftx_flows *flows, struct nftx_flow_fronts *fronts,
                         struct err *err) MUST_CHECK;

/** nftx_flows_busy() - is a walk under way? */
bool nftx_flows_busy(const struct nftx_flows *flows);

/** What walks have done so far. */
struct nftx_flow_stats {
	uint64_t walks;    /* completed */
	uint64_t restarts; /* begun anew because the table changed under the dump */
	uint64_t received; /* entries the kernel handed over; before 5.8 it does not filter */
	uint64_t seen;     /* UDP flows among them */
	uint64_t deleted;
	uint64_t deleted_ip6; /* of these, in IPv6 */
	uint64_t failed;      /* deletions refused, but for flows that were gone already */
};

/** nftx_flows_turn() - do what can be done now without blocking: read some answers, delete.
 *
 * Bounded: at most 4 answers of 32 KiB a turn, 3 ms if all flows in them are stale.
 *
 * Return: 1 while a walk is under way (wait for the descriptor), 0 when none is, or a negative
 *         errno: a walk was dropped; one that waited may be under way now.
 */
int nftx_flows_turn(struct nftx_flows *flows, struct err *err) MUST_CHECK;

struct nftx_flow_stats nftx_flows_stats(const struct nftx_flows *flows);

#endif

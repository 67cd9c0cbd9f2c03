/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_COUNTERS_H
#define NFT_COUNTERS_H

/*
 * What the elements of frontends have counted (nftx_options.count_connections).
 *
 * A dump comes in pieces of at most 32 KiB, and the kernel makes the next one while
 * the last is taken. So it is read piece by piece, on a socket of its own, and the
 * reader does other work in between. It holds up no transaction: the kernel makes it
 * without the lock that a commit takes.
 *
 * A transaction meanwhile that adds or deletes frontends, or a worker that resizes the
 * kernel's hash table, may make it bring an element twice or leave one out, without a
 * word (of elements Linux 6.18 sets no NLM_F_DUMP_INTR). Each figure that comes is
 * true for all that.
 */

#include <stdint.h>

#include "base/err.h"
#include "nft/elem.h"

struct nftx_counters; /* opaque: a NETLINK_NETFILTER socket, and how far a reading is */

/** nftx_counters_open() - a reader in the calling thread's network namespace.
 *
 * @out: set on success only; release with nftx_counters_close().
 *
 * Return: 0 or a negative errno of socket(2) or bind(2).
 */
int nftx_counters_open(struct nftx_counters **out, struct err *err) MUST_CHECK;

/** nftx_counters_close() - NULL is a no-op. */
void nftx_counters_close(struct nftx_counters *counters);

/** nftx_counters_fd() - readable while a reading has a piece to be taken. */
int nftx_counters_fd(const struct nftx_counters *counters);

/** nftx_counters_start() - begin a reading of both families; the last one must have ended.
 *
 * Return: 0 or a negative errno.
 */
int nftx_counters_start(struct nftx_counters *counters, struct err *err) MUST_CHECK;

/** Takes one element: its key, and the packets that met it since it was added.
 *
 * @elem: for the call.
 */
typedef void (*nftx_count_fn)(void *ctx, const struct nftx_elem *elem, uint64_t packets);

/** nftx_counters_read() - take one piece; does not wait for one.
 *
 * Of 32 KiB: 0.2 ms where there are 10,000 frontends, more where there are more, because the
 * kernel walks from the start for each (ruleset.md, section 8.4).
 *
 * Return: 1 when there is more to come, 0 when this was the last one, or a negative errno: then
 *         the reader is good for nothing but nftx_counters_close(). A map that does not exist has
 *         no elements.
 */
int nftx_counters_read(struct nftx_counters *counters, nftx_count_fn fn, void *ctx,
                       struct err *err) MUST_CHECK;

#endif

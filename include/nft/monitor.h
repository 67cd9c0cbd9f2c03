/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_MONITOR_H
#define NFT_MONITOR_H

/*
 * Hearing of other processes' nf_tables transactions, on a socket of its own.
 *
 * A filter in the kernel leaves, of each foreign transaction, the datagram that
 * ends it and those that may name our tables; our own leave nothing. While anybody
 * listens, the kernel makes a message for every element that anybody's transaction
 * touches: a load of 10,000 x 10 takes half as long again. So: nobody listens
 * where tables are owned, and not while a refill is sent.
 */

#include "base/err.h"
#include "nft/notice.h"

struct nftx_monitor; /* opaque */

/** nftx_monitor_open() - a socket in the calling thread's namespace; it hears nothing yet.
 *
 * @own: port of the nftx_sock whose transactions are not to be told, nftx_sock_port().
 *
 * Return: 0 or a negative errno.
 */
int nftx_monitor_open(uint32_t own, struct nftx_monitor **out, struct err *err) MUST_CHECK;

/** nftx_monitor_close() - NULL is a no-op.
 *
 * Not in a hurry: when a socket is closed the kernel first destroys what transactions have deleted,
 * which waits for a grace period, 10 ms and more.
 */
void nftx_monitor_close(struct nftx_monitor *monitor);

/** nftx_monitor_join() - hear of transactions from now on. Return: 0 or a negative errno. */
int nftx_monitor_join(struct nftx_monitor *monitor, struct err *err) MUST_CHECK;

/** nftx_monitor_leave() - hear of no more; what was not read is dropped. */
void nftx_monitor_leave(struct nftx_monitor *monitor);

/** nftx_monitor_fd() - readable when nftx_monitor_read() has something to do. */
int nftx_monitor_fd(const struct nftx_monitor *monitor);

/** nftx_monitor_read() - what was heard since the last call; bounded, never waits.
 *
 * @out: borrowed until the next call.
 *
 * Return: 0, or -ENOBUFS: notices were lost, what is in our tables is not known any
 *         more; @out holds what was not lost. Or another negative errno.
 */
int nftx_monitor_read(struct nftx_monitor *monitor, const struct nftx_notices **out,
                      struct err *err) MUST_CHECK;

#endif

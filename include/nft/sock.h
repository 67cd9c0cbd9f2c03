/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_SOCK_H
#define NFT_SOCK_H

/*
 * The only door to the kernel's nf_tables.
 *
 * Everything else in nft/ is a computation on values. A table that is owned
 * belongs to the socket that created or adopted it: all writes of a daemon go
 * through one nftx_sock, kept open for its life.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "nft/batch.h"
#include "nft/elem.h"
#include "nft/refusal.h"
#include "nft/ruleset.h"

struct nftx_sock; /* opaque: one NETLINK_NETFILTER socket */

/** nftx_sock_open() - connect to nf_tables in the calling thread's network namespace.
 *
 * Asks for the ruleset's generation at once, so that a missing privilege or a
 * kernel without nf_tables is reported here and not by the first commit.
 *
 * @out: set on success only; release with nftx_sock_close().
 *
 * Return: 0, -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP when the kernel has no
 *         nf_tables, or another negative errno from socket(2) or bind(2).
 */
int nftx_sock_open(struct nftx_sock **out, struct err *err) MUST_CHECK;

/** nftx_sock_close() - close and free it; a table it owns stays if it is persistent. NULL is a no-op. */
void nftx_sock_close(struct nftx_sock *sock);

/** nftx_sock_port() - what tells this socket's transactions from others' in notices. */
uint32_t nftx_sock_port(const struct nftx_sock *sock);

/** nftx_sock_generation() - how many transactions this namespace has seen, anybody's.
 *
 * Every commit that changes anything adds one. Return: 0 or a negative errno.
 */
int nftx_sock_generation(struct nftx_sock *sock, uint32_t *out, struct err *err) MUST_CHECK;

/** What is known of a table without looking inside. */
struct nftx_table {
	bool exists;
	uint32_t flags;      /* NFTX_TABLE_F_* */
	bool owned_by_other; /* another, living socket owns it */
	char comment[256];   /* "" when it has none */
};

/** nftx_sock_table() - look one table up by name.
 *
 * @family: 4 or 6.
 *
 * Return: 0, also when it does not exist, or a negative errno.
 */
int nftx_sock_table(struct nftx_sock *sock, uint8_t family, const char *name,
                    struct nftx_table *out, struct err *err) MUST_CHECK;

/** nftx_sock_chains() - the chains of our table, with the number of their rules.
 *
 * @out: free its list.
 *
 * Return: 0 or a negative errno; -EINTR when the ruleset never stood still.
 */
int nftx_sock_chains(struct nftx_sock *sock, uint8_t family, struct nftx_chains *out,
                     struct err *err) MUST_CHECK;

/** nftx_sock_map_size() - how many elements a map of our table may have.
 *
 * @out: 0 when there is no limit, or no such map.
 *
 * Return: 0 or a negative errno.
 */
int nftx_sock_map_size(struct nftx_sock *sock, uint8_t family, enum nftx_map map, uint32_t *out,
                       struct err *err) MUST_CHECK;

/** nftx_sock_dump() - append the elements of one map of our table.
 *
 * Blocks until the dump is complete. One during which anybody wrote is made anew until
 * nobody does or two in a row are equal, at most 5 times; one that the resizing of the
 * kernel's hash table disturbed, at most 20 times. Quadratic in the kernel
 * (ruleset.md, section 8.4): never used in normal operation.
 *
 * @out: sorted afterwards; release with nftx_dump_done(). A map that does not
 *       exist has no elements.
 *
 * Return: 0, or -EAGAIN when the map never stood still, -EBADMSG when an element
 *         is not of the map's type, or another negative errno.
 */
int nftx_sock_dump(struct nftx_sock *sock, uint8_t family, enum nftx_map map,
                   struct nftx_elems *out, struct err *err) MUST_CHECK;

/** nftx_sock_digest() - the digest of what nftx_sock_dump() would list, without its memory.
 *
 * An element that a dump brings twice counts twice: a digest that is not as expected means that a
 * dump has to be made.
 */
int nftx_sock_digest(struct nftx_sock *sock, uint8_t family, enum nftx_map map,
                     struct nftx_digest *out, struct err *err) MUST_CHECK;

/** nftx_dump_done() - free dumped elements with their comments. */
void nftx_dump_done(struct nftx_elems *elems);

/** nftx_sock_commit() - send @batch: all of it takes effect or nothing.
 *
 * The whole transaction leaves in one sendmsg(), whatever its size; the kernel
 * has processed it when that returns. A batch that was ended without its end
 * message is checked as any other and takes no effect.
 *
 * The sentence names the first element or message that was refused. What the
 * answers mean, and what is done about them:
 *
 *	0           accepted
 *	-EEXIST,    the kernel does not hold what we think it holds, or in a refill two of our
 *	-ENOENT     own elements collide: a change is followed by a refill at once (older
 *	            kernels: -EBUSY)
 *	-EINTR      signals kept the batch from being sent, SEND_TRIES times: refill later
 *	-ENOBUFS    no memory for the batch, or answers were lost and the outcome is unknown:
 *	            refill later
 *	-EMSGSIZE   the send buffer could not be raised to the batch's size: nothing but
 *	            net.core.wmem_max or privilege helps, tried again later
 *	-ERESTART   only for a batch that names a generation of the ruleset, which none of
 *	            ours does: refill later
 *	-EAGAIN     the kernel has loaded a module and tried again itself, to the end of its
 *	            patience: refill later
 *	-EPERM      another process owns the table, or there is no privilege: refill later
 *	-EOPNOTSUPP the kernel lacks something; of an owned table: made plain
 *	others      what an element says is refused: its Service is left out, nft/blame.h
 *
 * But for -ENOBUFS a negative value means that the ruleset is as it was. Later is
 * after a pause that grows (cmd/schedule.h); nothing is taken away meanwhile.
 */
int nftx_sock_commit(struct nftx_sock *sock, const struct nftx_batch *batch,
                     struct err *err) MUST_CHECK;

/** nftx_sock_send() - nftx_sock_commit(), with what was refused as values.
 *
 * @refusals: emptied first.
 */
int nftx_sock_send(struct nftx_sock *sock, const struct nftx_batch *batch,
                   struct nftx_refusals *refusals, struct err *err) MUST_CHECK;

#endif

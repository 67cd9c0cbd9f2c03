/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_BATCH_H
#define NFT_BATCH_H

/*
 * A transaction under construction: netlink messages, as they will be sent.
 *
 * One batch is one nf_tables transaction; both families go into one. Each
 * message has a sequence number of its own, so that an error of the kernel names
 * the message, and with the offset of the extended ack the element inside it
 * (ruleset.md, section 7).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <libmnl/libmnl.h>

#include "nft/elem.h"
#include "nft/layout.h"

/* enum nf_tables_msg_types, since Linux 6.3; not in the headers of Debian 12. */
#define NFTX_MSG_DESTROYSETELEM 30

struct nftx_batch; /* opaque: pages of messages */

/** nftx_batch_new() - an empty batch; the begin message is in it. Release with nftx_batch_free(). */
struct nftx_batch *nftx_batch_new(void);

/** nftx_batch_new_for() - the same, for a table of another name than ours. For dry runs: a table that a
 *  daemon owns takes nothing from others, not even that.
 *
 * @table: borrowed.
 */
struct nftx_batch *nftx_batch_new_for(const char *table);

/** nftx_batch_table() - the name of the table that it is for. */
const char *nftx_batch_table(const struct nftx_batch *batch);

/** nftx_batch_free() - NULL is a no-op. */
void nftx_batch_free(struct nftx_batch *batch);

/** nftx_batch_msg() - begin a message in place.
 *
 * At most 64 KiB, attributes added with libmnl or libnftnl; close it with
 * nftx_batch_msg_end() before anything else.
 *
 * @type: NFT_MSG_*.
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6.
 * @flags: NLM_F_* besides NLM_F_REQUEST.
 */
struct nlmsghdr *nftx_batch_msg(struct nftx_batch *batch, uint16_t type, uint8_t family,
                                uint16_t flags);

/** nftx_batch_msg_end() - the message begun last is complete. */
void nftx_batch_msg_end(struct nftx_batch *batch);

/** nftx_batch_add() - add @elem to its map; an identical one there is no error, another is. */
void nftx_batch_add(struct nftx_batch *batch, const struct nftx_elem *elem);

/** nftx_batch_del() - delete @elem, which must be there. */
void nftx_batch_del(struct nftx_batch *batch, const struct nftx_elem *elem);

/** nftx_batch_destroy() - delete @elem if it is there (Linux 6.3; refused before). */
void nftx_batch_destroy(struct nftx_batch *batch, const struct nftx_elem *elem);

/** nftx_batch_flush_map() - delete all elements of one map. */
void nftx_batch_flush_map(struct nftx_batch *batch, uint8_t family, enum nftx_map map);

/** nftx_batch_end() - close the batch; nothing can be added afterwards.
 *
 * Elements are gathered into one message per map; deletions precede additions.
 *
 * @commit: with the end message. Without it the kernel parses, checks and
 *          validates the batch and applies nothing: a dry run.
 */
void nftx_batch_end(struct nftx_batch *batch, bool commit);

/** nftx_batch_iov() - the bytes, for sendmsg(); @batch owns the array and the bytes. */
const struct iovec *nftx_batch_iov(const struct nftx_batch *batch, size_t *count);

/** Size of a batch. */
struct nftx_batch_size {
	size_t messages; /* begin and end not counted */
	size_t elements; /* added and deleted ones */
	size_t bytes;
	/* what the batch does to each map, of ip and of ip6 */
	struct nftx_map_change {
		bool emptied;  /* first */
		int64_t added; /* less those deleted; negative for a loss */
	} maps[2][NFTX_MAP_COUNT];
};

struct nftx_batch_size nftx_batch_size(const struct nftx_batch *batch);

/** nftx_batch_message() - find a message by its sequence number; NULL when there is none. */
const struct nlmsghdr *nftx_batch_message(const struct nftx_batch *batch, uint32_t seq);

#endif

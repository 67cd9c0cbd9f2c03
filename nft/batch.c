/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: how elements are gathered
 *
 * Elements arrive in the order that suits whoever plans, hundreds of thousands
 * of them for a refill. For each map there is one open message for deletions and
 * one for additions; an element is encoded right into it, and when it is full it
 * is copied to the batch's pages. Nothing else of an element is kept: what the
 * kernel refuses is read back from the message it refused.
 */
#include "nft/batch.h"

#include <arpa/inet.h>
#include <libnftnl/batch.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "elem_codec.h"
#include "must.h"

#define PAGE_BYTES (256u << 10)
#define OVERRUN_BYTES (72u << 10) /* libmnl moves the message that passes the page's end */

/* A list of elements is one attribute, whose length has 16 bits. */
#define GATHER_BYTES 65000u

enum operation { DEL, DESTROY, ADD, OPERATIONS };

struct nftx_batch {
	const char *table;
	struct nftnl_batch *pages;
	uint32_t seq; /* of the message begun last; begin has 0 */
	struct nftx_batch_size size;
	struct nlmsghdr *gather[OPERATIONS][2][NFTX_MAP_COUNT]; /* NULL: never used */
	struct nlattr *gather_list[OPERATIONS][2][NFTX_MAP_COUNT];
	bool additions_out; /* an addition is in the pages: no deletion may follow */
	bool ended;
	struct iovec *iov;
	size_t iov_count;
};

struct nftx_batch *nftx_batch_new_for(const char *table)
{
	struct nftx_batch *batch = xcalloc(1, sizeof(*batch));

	batch->table = table;
	batch->pages = nftx_must(nftnl_batch_alloc(PAGE_BYTES, OVERRUN_BYTES));
	nftnl_batch_begin(nftnl_batch_buffer(batch->pages), batch->seq);
	ASSERT(nftnl_batch_update(batch->pages) >= 0);
	return batch;
}

struct nftx_batch *nftx_batch_new(void)
{
	return nftx_batch_new_for(NFTX_TABLE);
}

const char *nftx_batch_table(const struct nftx_batch *batch)
{
	return batch->table;
}

void nftx_batch_free(struct nftx_batch *batch)
{
	if (batch == NULL)
		return;
	for (size_t op = 0; op < OPERATIONS; op++)
		for (size_t f = 0; f < 2; f++)
			for (size_t map = 0; map < NFTX_MAP_COUNT; map++)
				free(batch->gather[op][f][map]);
	nftnl_batch_free(batch->pages);
	free(batch->iov);
	free(batch);
}

static struct nlmsghdr *put_header(void *buf, uint16_t type, uint8_t family, uint16_t flags,
                                   uint32_t seq)
{
	return nftnl_nlmsg_build_hdr(buf, type, family, flags, seq);
}

struct nlmsghdr *nftx_batch_msg(struct nftx_batch *batch, uint16_t type, uint8_t family,
                                uint16_t flags)
{
	ASSERT(!batch->ended);
	return put_header(nftnl_batch_buffer(batch->pages), type, family, flags, ++batch->seq);
}

void nftx_batch_msg_end(struct nftx_batch *batch)
{
	batch->size.messages++;
	ASSERT(nftnl_batch_update(batch->pages) >= 0);
}

static uint8_t nfproto(uint8_t family)
{
	return family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static void put_set_name(const struct nftx_batch *batch, struct nlmsghdr *msg, enum nftx_map map)
{
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_TABLE, batch->table);
	mnl_attr_put_strz(msg, NFTA_SET_ELEM_LIST_SET, nftx_map_info(map)->name);
}

/* Copies a gathered message, if it has elements, to the pages, and empties it. */
static void flush_one(struct nftx_batch *batch, enum operation op, size_t f, size_t map)
{
	struct nlmsghdr *from = batch->gather[op][f][map];
	struct nlattr *list = batch->gather_list[op][f][map];
	struct nlmsghdr *to;

	if (from == NULL || list == NULL)
		return;
	mnl_attr_nest_end(from, list);
	to = nftnl_batch_buffer(batch->pages);
	memcpy(to, from, from->nlmsg_len);
	to->nlmsg_seq = ++batch->seq;
	nftx_batch_msg_end(batch);
	batch->gather_list[op][f][map] = NULL;
	batch->additions_out = batch->additions_out || op == ADD;
}

static void flush_all(struct nftx_batch *batch, enum operation op)
{
	for (size_t f = 0; f < 2; f++)
		for (size_t map = 0; map < NFTX_MAP_COUNT; map++)
			flush_one(batch, op, f, map);
}

static struct nlmsghdr *open_message(struct nftx_batch *batch, enum operation op, size_t f,
                                     enum nftx_map map)
{
	static const uint16_t types[OPERATIONS] = { NFT_MSG_DELSETELEM, NFTX_MSG_DESTROYSETELEM,
		                                    NFT_MSG_NEWSETELEM };
	struct nlmsghdr **msg = &batch->gather[op][f][map];

	if (*msg == NULL)
		*msg = xmalloc(GATHER_BYTES + NFTX_ELEM_ATTR_MAX);
	(void)put_header(*msg, types[op], f == 0 ? NFPROTO_IPV4 : NFPROTO_IPV6,
	                 op == ADD ? NLM_F_CREATE : 0, 0);
	put_set_name(batch, *msg, map);
	batch->gather_list[op][f][map] = mnl_attr_nest_start(*msg, NFTA_SET_ELEM_LIST_ELEMENTS);
	return *msg;
}

static void gather(struct nftx_batch *batch, enum operation op, const struct nftx_elem *elem)
{
	size_t f = elem->family == 4 ? 0 : 1;
	struct nlmsghdr *msg = batch->gather[op][f][elem->map];

	ASSERT(!batch->ended && (op == ADD || !batch->additions_out));
	if (msg != NULL && batch->gather_list[op][f][elem->map] != NULL &&
	    msg->nlmsg_len > GATHER_BYTES - NFTX_ELEM_ATTR_MAX) {
		if (op == ADD) {
			flush_all(batch, DEL);
			flush_all(batch, DESTROY);
		}
		flush_one(batch, op, f, elem->map);
	}
	if (msg == NULL || batch->gather_list[op][f][elem->map] == NULL)
		msg = open_message(batch, op, f, elem->map);
	nftx_elem_encode(msg, elem, op != ADD);
	batch->size.elements++;
	batch->size.maps[f][elem->map].added += op == ADD ? 1 : -1;
}

void nftx_batch_add(struct nftx_batch *batch, const struct nftx_elem *elem)
{
	gather(batch, ADD, elem);
}

void nftx_batch_del(struct nftx_batch *batch, const struct nftx_elem *elem)
{
	gather(batch, DEL, elem);
}

void nftx_batch_destroy(struct nftx_batch *batch, const struct nftx_elem *elem)
{
	gather(batch, DESTROY, elem);
}

void nftx_batch_flush_map(struct nftx_batch *batch, uint8_t family, enum nftx_map map)
{
	/* a list without elements means all of them */
	struct nlmsghdr *msg = nftx_batch_msg(batch, NFT_MSG_DELSETELEM, nfproto(family), 0);

	ASSERT(!batch->additions_out);
	put_set_name(batch, msg, map);
	nftx_batch_msg_end(batch);
	batch->size.maps[family == 4 ? 0 : 1][map].emptied = true;
}

void nftx_batch_end(struct nftx_batch *batch, bool commit)
{
	size_t count;

	ASSERT(!batch->ended);
	for (enum operation op = 0; op < OPERATIONS; op++)
		flush_all(batch, op);
	if (commit) {
		nftnl_batch_end(nftnl_batch_buffer(batch->pages), ++batch->seq);
		ASSERT(nftnl_batch_update(batch->pages) >= 0);
	}
	batch->ended = true;
	count = (size_t)nftnl_batch_iovec_len(batch->pages);
	batch->iov = xcalloc(count, sizeof(*batch->iov));
	nftnl_batch_iovec(batch->pages, batch->iov, (uint32_t)count);
	batch->iov_count = count;
	for (size_t i = 0; i < count; i++)
		batch->size.bytes += batch->iov[i].iov_len;
}

const struct iovec *nftx_batch_iov(const struct nftx_batch *batch, size_t *count)
{
	ASSERT(batch->ended);
	*count = batch->iov_count;
	return batch->iov;
}

struct nftx_batch_size nftx_batch_size(const struct nftx_batch *batch)
{
	return batch->size;
}

const struct nlmsghdr *nftx_batch_message(const struct nftx_batch *batch, uint32_t seq)
{
	for (size_t i = 0; i < batch->iov_count; i++) {
		const char *at = batch->iov[i].iov_base;
		const char *end = at + batch->iov[i].iov_len;

		while (at < end) {
			const struct nlmsghdr *msg = (const struct nlmsghdr *)(const void *)at;

			if (msg->nlmsg_seq == seq)
				return msg;
			at += NLMSG_ALIGN(msg->nlmsg_len);
		}
	}
	return NULL;
}

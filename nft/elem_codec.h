/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ELEM_CODEC_H
#define NFT_ELEM_CODEC_H

/*
 * Elements as netlink attributes (NFTA_LIST_ELEM of linux/netfilter/nf_tables.h).
 *
 * Written with libmnl and not with libnftnl: a refill has hundreds of thousands
 * of elements, and an object of several hundred bytes with a dozen allocations
 * for each would take longer than the kernel's insertion.
 */

#include <libmnl/libmnl.h>

#include "base/err.h"
#include "nft/elem.h"

#define NFTX_ELEM_ATTR_MAX 640 /* no element's attributes are longer */

/** nftx_elem_encode() - append @elem to @msg, inside its NFTA_SET_ELEM_LIST_ELEMENTS nest.
 *
 * @key_only: for a deletion.
 */
void nftx_elem_encode(struct nlmsghdr *msg, const struct nftx_elem *elem, bool key_only);

/** A decoded element, with what a set of ranges needs to pair its two halves. */
struct nftx_raw_elem {
	struct nftx_elem elem;
	bool interval_end;                  /* the key is the first address behind a range */
	uint64_t packets;                   /* of its counter; 0 without one */
	char comment[NFTX_COMMENT_MAX + 1]; /* elem.comment points here when there is one */
};

/** nftx_elem_decode() - the reverse, for one NFTA_LIST_ELEM of @map.
 *
 * Return: 0, or -EBADMSG when it is not what the map's type says.
 */
int nftx_elem_decode(const struct nlattr *attr, uint8_t family, enum nftx_map map,
                     struct nftx_raw_elem *out, struct err *err) MUST_CHECK;

#endif

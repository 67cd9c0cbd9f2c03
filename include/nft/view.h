/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_VIEW_H
#define NFT_VIEW_H

/*
 * What elements mean, for people: the reverse of nft/render.h.
 *
 * A frontend's elements are spread over many maps and its backends over numbered
 * slots. A view has them as one value, without slots, whoever wrote them: what
 * was rendered reads back as it was, and what somebody else has made of it is
 * marked as such.
 */

#include "lb.h"
#include "nft/elem.h"

/** What a connection to a frontend meets. */
enum nftx_answer {
	NFTX_ANSWER_NONE,  /* nothing: the frontend is not there */
	NFTX_ANSWER_SERVE, /* a backend */
	NFTX_ANSWER_REFUSE,
	NFTX_ANSWER_DROP,
	NFTX_ANSWER_FOREIGN, /* rules that are not ours, or no further element */
};

/** A backend in a row. */
struct nftx_view_backend {
	struct ipaddr addr;
	uint16_t port;
	bool is_drawn; /* in a slot that the frontend draws from */
};

/** A row of backends: each once, by address and port. */
struct nftx_view_row {
	struct nftx_view_backend *list;
	size_t count;
};

/** A frontend as elements have it. */
struct nftx_view {
	struct ipaddr addr;
	uint8_t protocol;
	uint16_t port;
	const char *label; /* comment of its element, borrowed; NULL: none */
	enum nftx_answer
		answer;  /* with policy Local: of clients outside the node and its networks */
	bool external;   /* not a cluster IP */
	bool local_only; /* policy Local */
	bool restricted;
	uint32_t affinity_s; /* 0: none */
	struct nftx_view_row all;
	struct nftx_view_row local;
	const struct nftx_elem *ranges; /* of allowed-sources, borrowed */
	size_t range_count;
	bool is_ours; /* nftx_render() makes exactly these elements */
};

/** nftx_view_read() - what @elems (sorted) have of one frontend.
 *
 * @key: an element of a map whose key begins with address . protocol . port.
 * @out: release with nftx_view_done(); borrows from @elems.
 */
void nftx_view_read(const struct nftx_elems *elems, const struct nftx_elem *key,
                    struct nftx_view *out);

/** nftx_view_done() - free the rows. */
void nftx_view_done(struct nftx_view *view);

/** nftx_view_has() - is the backend in @row? Its place, or NULL. */
const struct nftx_view_backend *nftx_view_has(const struct nftx_view_row *row,
                                              const struct ipaddr *addr, uint16_t port);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ELEM_H
#define NFT_ELEM_H

/*
 * An element of one of our sets and maps: the one type in which desired and
 * present state are compared.
 *
 * Keys and data are the bytes the kernel has: concatenated fields, each padded
 * with zeros to a multiple of 4 (ruleset.md, section 3).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"
#include "base/str.h"
#include "nft/layout.h"

#define NFTX_KEY_MAX 40  /* affinity and allowed-sources of ip6 */
#define NFTX_DATA_MAX 20 /* address and port of ip6 */
#define NFTX_COMMENT_MAX 250

enum nftx_verdict {
	NFTX_NO_VERDICT,
	NFTX_DROP,
	NFTX_GOTO,
	NFTX_JUMP,
	NFTX_FOREIGN, /* decoded, but nothing that we would write */
};

struct nftx_elem {
	uint8_t family;  /* 4 or 6 */
	uint8_t map;     /* enum nftx_map */
	uint8_t verdict; /* enum nftx_verdict, of verdict maps */
	uint8_t chain;   /* enum nftx_chain, for goto and jump */
	uint32_t number; /* the chain's K or T */
	uint8_t key[NFTX_KEY_MAX];
	union {
		uint8_t data[NFTX_DATA_MAX];
		struct ipaddr
			last; /* sets of ranges: the highest address; the key holds the lowest */
	};
	const char *comment; /* borrowed; NULL: none */
};

/** nftx_key_front() - write address . protocol . port (host order) into @key.
 *
 * Return: bytes written: 12 or 24.
 */
size_t nftx_key_front(uint8_t *key, const struct ipaddr *addr, uint8_t protocol, uint16_t port);

/** nftx_elem_front() - the address, protocol and port (host order) that a key begins with. */
void nftx_elem_front(const struct nftx_elem *elem, struct ipaddr *addr, uint8_t *protocol,
                     uint16_t *port);

/** nftx_key_addr() - write an address. Return: bytes written: 4 or 16. */
size_t nftx_key_addr(uint8_t *key, const struct ipaddr *addr);

/** nftx_elem_slot() - the slot number in a key of backends. */
uint32_t nftx_elem_slot(const struct nftx_elem *elem);

/** nftx_elem_set_slot() - write it. */
void nftx_elem_set_slot(struct nftx_elem *elem, uint32_t slot);

/** nftx_elem_cmp() - order by family, map and key (a slot counts as a number). */
int nftx_elem_cmp(const struct nftx_elem *a, const struct nftx_elem *b);

/** nftx_elem_same() - for two elements with equal keys: is all the rest equal, comments included? */
bool nftx_elem_same(const struct nftx_elem *a, const struct nftx_elem *b);

/** Tells sets of elements apart without keeping them: equal sets have equal digests, in any order.
 *  Of keys and data; not of verdicts, ranges and comments. Zero-initialise. */
struct nftx_digest {
	uint64_t count;
	uint64_t sum;
};

/** nftx_digest_add() - one more element; sets without repetitions are meant. */
void nftx_digest_add(struct nftx_digest *digest, const struct nftx_elem *elem);

/** nftx_digest_same() - are they of equal sets, as far as a digest tells? */
bool nftx_digest_same(const struct nftx_digest *a, const struct nftx_digest *b);

/** nftx_elem_text() - append the element as nft prints it: `10.96.0.1 . tcp . 80 : goto slots-4`,
 *  with its comment where it has one. */
void nftx_elem_text(struct strbuf *buf, const struct nftx_elem *elem);

/** nftx_elem_listing() - nftx_elem_text(), with a counter that has counted nothing if @counts. */
void nftx_elem_listing(struct strbuf *buf, const struct nftx_elem *elem, bool counts);

/** nftx_elem_key_text() - append its key alone: `10.96.0.1 . tcp . 80`. */
void nftx_elem_key_text(struct strbuf *buf, const struct nftx_elem *elem);

/** nftx_range_text() - append "10.0.0.0/8" where the range is one, else "10.0.0.1-10.0.0.3". */
void nftx_range_text(struct strbuf *buf, const struct ipaddr *first, const struct ipaddr *last);

/** A growing array of elements; zero-initialise, free(list) to release. */
struct nftx_elems {
	struct nftx_elem *list;
	size_t count;
	size_t cap;
};

/** nftx_elems_push() - one more, zeroed; valid until the next push. */
struct nftx_elem *nftx_elems_push(struct nftx_elems *elems);

/** nftx_elems_sort() - by nftx_elem_cmp(). */
void nftx_elems_sort(struct nftx_elems *elems);

/** nftx_elems_lower_bound() - the index of the first element of the sorted @elems that is not
 *  before @want; elems->count when all are. */
size_t nftx_elems_lower_bound(const struct nftx_elems *elems, const struct nftx_elem *want);

/** nftx_elems_find() - the element of the sorted @elems with the family, map and key of @want, or NULL. */
const struct nftx_elem *nftx_elems_find(const struct nftx_elems *elems,
                                        const struct nftx_elem *want);

#endif

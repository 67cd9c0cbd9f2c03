/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/affinity.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A frontend and one of its backends, as bytes; unused ones are zero. */
struct pair {
	uint8_t family;
	uint8_t local; /* of the row for policy Local */
	uint8_t front[24];
	uint8_t target[NFTX_DATA_MAX];
};

static int pair_order(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct pair));
}

static int elem_order(const void *x, const void *y)
{
	return nftx_elem_cmp(x, y);
}

static struct pair make_pair(uint8_t family, const uint8_t *front, const uint8_t *target,
                             bool local)
{
	struct pair pair = { .family = family, .local = local };

	memcpy(pair.front, front, nftx_map_key_bytes(NFTX_FRONTENDS, family));
	memcpy(pair.target, target, nftx_map_data_bytes(NFTX_BACKENDS, family));
	return pair;
}

/* Does @present say that the frontend of this backend element keeps affinity? */
static bool is_sticky(const struct nftx_elems *present, const struct nftx_elem *backend)
{
	struct nftx_elem key = *backend;

	key.map = NFTX_STICKY_FRONTENDS;
	return bsearch(&key, present->list, present->count, sizeof(key), elem_order) != NULL;
}

static struct pair *true_pairs(const struct nftx_elems *present, size_t *count)
{
	struct pair *pairs = xcalloc(present->count, sizeof(*pairs));
	size_t n = 0;

	for (size_t i = 0; i < present->count; i++) {
		const struct nftx_elem *elem = &present->list[i];

		if (elem->map == NFTX_BACKENDS && is_sticky(present, elem))
			pairs[n++] = make_pair(elem->family, elem->key, elem->data,
			                       nftx_elem_slot(elem) >= NFTX_LOCAL_BASE);
	}
	if (n > 1)
		qsort(pairs, n, sizeof(*pairs), pair_order);
	*count = n;
	return pairs;
}

static const struct nftx_elem *find(const struct nftx_elems *elems, enum nftx_map map,
                                    const struct nftx_elem *record)
{
	struct nftx_elem key = { .family = record->family, .map = (uint8_t)map };

	/* a record's key is the client's address, then the frontend */
	memcpy(key.key, record->key + ipaddr_len(record->family),
	       nftx_map_key_bytes(NFTX_FRONTENDS, record->family));
	return elems->count == 0
	               ? NULL
	               : bsearch(&key, elems->list, elems->count, sizeof(key), elem_order);
}

/* Has the policy just become Local? Then only backends of this node are true for everybody. */
static bool became_local(const struct nftx_elems *present, const struct nftx_elems *restarted,
                         const struct nftx_elem *record)
{
	const struct nftx_elem *way;

	if (find(restarted, NFTX_STICKY_FRONTENDS, record) == NULL)
		return false;
	way = find(present, NFTX_STICKY_FRONTENDS, record);
	return way != NULL && (way->chain == NFTX_LOCAL_ONLY || way->chain == NFTX_LOCAL_SLOTS);
}

static bool is_true(const struct nftx_elems *present, const struct nftx_elems *restarted,
                    const struct pair *pairs, size_t count, const struct nftx_elem *record)
{
	struct pair pair = make_pair(record->family, record->key + ipaddr_len(record->family),
	                             record->data, true);

	if (count == 0)
		return false;
	if (bsearch(&pair, pairs, count, sizeof(pair), pair_order) != NULL)
		return true;
	pair.local = false;
	return !became_local(present, restarted, record) &&
	       bsearch(&pair, pairs, count, sizeof(pair), pair_order) != NULL;
}

struct nftx_batch *nftx_affinity_purge(const struct nftx_elems *present,
                                       const struct nftx_elems *restarted,
                                       const struct nftx_elems *affinity, bool destroy)
{
	size_t count;
	AUTO_FREE struct pair *pairs = true_pairs(present, &count);
	struct nftx_batch *batch = NULL;

	for (size_t i = 0; i < affinity->count; i++) {
		const struct nftx_elem *record = &affinity->list[i];

		if (is_true(present, restarted, pairs, count, record))
			continue;
		if (batch == NULL)
			batch = nftx_batch_new();
		if (destroy)
			nftx_batch_destroy(batch, record);
		else
			nftx_batch_del(batch, record);
	}
	return batch;
}

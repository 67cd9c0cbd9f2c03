/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/flows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A set that is merged into is compacted when it has twice its size and that many notes more. */
#define MERGE_SLACK 1024

static int front_cmp(const void *x, const void *y)
{
	const struct nftx_flow_front *a = x;
	const struct nftx_flow_front *b = y;
	int order = ipaddr_cmp(&a->addr, &b->addr);

	return order != 0 ? order : (a->port > b->port) - (a->port < b->port);
}

/* Notes of one frontend in the order in which they were made: backends are only appended, so a
 * later note begins at or behind the end of an earlier one. */
static int note_cmp(const void *x, const void *y)
{
	const struct nftx_flow_front *a = x;
	const struct nftx_flow_front *b = y;
	int order = front_cmp(a, b);

	if (order != 0)
		return order;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	return (a->count > b->count) - (a->count < b->count);
}

static int backend_cmp(const void *x, const void *y)
{
	return lb_backend_cmp(x, y);
}

static void sort_backends(struct lb_backend *backends, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (lb_backend_cmp(&backends[i - 1], &backends[i]) > 0) {
			qsort(backends, count, sizeof(*backends), backend_cmp);
			return;
		}
	}
}

void nftx_flow_fronts_add(struct nftx_flow_fronts *fronts, const struct ipaddr *addr, uint16_t port,
                          const struct lb_backend *backends, size_t count)
{
	ASSERT(fronts->backend_count + count <= UINT32_MAX);
	if (count > 0) {
		fronts->backends = vec_reserve(fronts->backends, &fronts->backend_cap,
		                               fronts->backend_count + count, sizeof(*backends));
		memcpy(fronts->backends + fronts->backend_count, backends,
		       count * sizeof(*backends));
	}
	fronts->list =
		vec_reserve(fronts->list, &fronts->cap, fronts->count + 1, sizeof(*fronts->list));
	fronts->list[fronts->count++] = (struct nftx_flow_front){
		.addr = *addr,
		.port = port,
		.first = (uint32_t)fronts->backend_count,
		.count = (uint32_t)count,
	};
	fronts->backend_count += count;
}

void nftx_flow_fronts_sort(struct nftx_flow_fronts *fronts)
{
	struct nftx_flow_front *list = fronts->list;
	struct lb_backend *backends = NULL;
	size_t backend_cap = 0;
	size_t used = 0;
	size_t kept = 0;

	if (fronts->sorted == fronts->count)
		return;
	qsort(list, fronts->count, sizeof(*list), note_cmp);
	for (size_t i = 0; i < fronts->count; i++) {
		struct nftx_flow_front front = list[i];

		if (i + 1 < fronts->count && front_cmp(&list[i], &list[i + 1]) == 0)
			continue;
		if (front.count > 0) {
			backends = vec_reserve(backends, &backend_cap, used + front.count,
			                       sizeof(*backends));
			memcpy(backends + used, fronts->backends + front.first,
			       front.count * sizeof(*backends));
			sort_backends(backends + used, front.count);
		}
		front.first = (uint32_t)used;
		used += front.count;
		list[kept++] = front;
	}
	free(fronts->backends);
	fronts->backends = backends;
	fronts->backend_count = used;
	fronts->backend_cap = backend_cap;
	fronts->count = kept;
	fronts->sorted = kept;
}

void nftx_flow_fronts_merge(struct nftx_flow_fronts *into, struct nftx_flow_fronts *from)
{
	if (into->count == 0) {
		nftx_flow_fronts_done(into);
		*into = *from;
		*from = (struct nftx_flow_fronts){ 0 };
		return;
	}
	for (size_t i = 0; i < from->count; i++) {
		const struct nftx_flow_front *front = &from->list[i];

		nftx_flow_fronts_add(into, &front->addr, front->port, from->backends + front->first,
		                     front->count);
	}
	nftx_flow_fronts_done(from);
	if (into->count > 2 * into->sorted + MERGE_SLACK)
		nftx_flow_fronts_sort(into);
}

void nftx_flow_fronts_done(struct nftx_flow_fronts *fronts)
{
	free(fronts->list);
	free(fronts->backends);
	*fronts = (struct nftx_flow_fronts){ 0 };
}

const struct nftx_flow_front *nftx_flow_fronts_find(const struct nftx_flow_fronts *fronts,
                                                    const struct ipaddr *addr, uint16_t port)
{
	struct nftx_flow_front key = { .addr = *addr, .port = port };

	ASSERT(fronts->sorted == fronts->count);
	if (fronts->count == 0)
		return NULL;
	return bsearch(&key, fronts->list, fronts->count, sizeof(key), front_cmp);
}

bool nftx_flow_is_stale(const struct nftx_flow_fronts *fronts, const struct ipaddr *original_dst,
                        uint16_t original_port, const struct ipaddr *reply_src, uint16_t reply_port)
{
	const struct nftx_flow_front *front =
		nftx_flow_fronts_find(fronts, original_dst, original_port);
	struct lb_backend backend = { .addr = *reply_src, .port = reply_port };

	if (front == NULL)
		return false;
	return front->count == 0 || bsearch(&backend, fronts->backends + front->first, front->count,
	                                    sizeof(backend), backend_cmp) == NULL;
}

bool nftx_flow_is_of_gap(const struct nftx_flow_fronts *fronts, const struct ipaddr *original_dst,
                         uint16_t original_port, const struct ipaddr *reply_src,
                         uint16_t reply_port)
{
	return ipaddr_equal(original_dst, reply_src) && original_port == reply_port &&
	       nftx_flow_fronts_find(fronts, original_dst, original_port) != NULL;
}

struct nftx_flow_common nftx_flow_fronts_common(const struct nftx_flow_fronts *fronts,
                                                uint8_t family)
{
	struct nftx_flow_common common = { 0 };

	for (size_t i = 0; i < fronts->count; i++) {
		const struct nftx_flow_front *front = &fronts->list[i];

		if (front->addr.family != family)
			continue;
		if (common.count++ == 0) {
			common.addr = front->addr;
			common.port = front->port;
			continue;
		}
		if (!ipaddr_equal(&common.addr, &front->addr))
			common.addr = (struct ipaddr){ 0 };
		if (common.port != front->port)
			common.port = 0;
	}
	return common;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/slots.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The index of @backend in the sorted @pool, or @count. */
static size_t find_backend(const struct lb_backend *pool, size_t count,
                           const struct lb_backend *backend)
{
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = lb_backend_cmp(&pool[mid], backend);

		if (diff == 0)
			return mid;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return count;
}

void nftx_keep_slots(const struct lb_backend *was, size_t was_count, struct lb_backend *pool,
                     size_t count)
{
	AUTO_FREE struct lb_backend *row = xcalloc(count, sizeof(*row));
	AUTO_FREE bool *placed = xcalloc(count, sizeof(*placed));
	size_t hole = 0;

	for (size_t slot = 0; slot < was_count && slot < count; slot++) {
		size_t at =
			was[slot].addr.family != 0 ? find_backend(pool, count, &was[slot]) : count;

		if (at < count && !placed[at]) {
			row[slot] = pool[at];
			placed[at] = true;
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (placed[i])
			continue;
		while (row[hole].addr.family != 0)
			hole++;
		row[hole] = pool[i];
	}
	if (count > 0)
		memcpy(pool, row, count * sizeof(*pool));
}

static bool same_port(const struct lb_port *a, const struct lb_port *b)
{
	return a->family == b->family && a->protocol == b->protocol &&
	       strcmp(a->name, b->name) == 0;
}

/* @hint: where it was most likely before, for Services of a thousand ports. */
static const struct lb_port *find_port(const struct lb_service *service, const struct lb_port *port,
                                       size_t hint)
{
	if (hint < service->port_count && same_port(&service->ports[hint], port))
		return &service->ports[hint];
	for (size_t i = 0; i < service->port_count; i++)
		if (same_port(&service->ports[i], port))
			return &service->ports[i];
	return NULL;
}

void nftx_keep_service_slots(const struct lb_service *was, struct lb_service *now)
{
	for (size_t i = 0; i < now->port_count; i++) {
		const struct lb_port *port = &now->ports[i];
		const struct lb_port *old = find_port(was, port, i);

		if (old == NULL)
			continue;
		nftx_keep_slots(was->backends + old->all.first, old->all.count,
		                now->backends + port->all.first, port->all.count);
		nftx_keep_slots(was->backends + old->local.first, old->local.count,
		                now->backends + port->local.first, port->local.count);
	}
}

/* What the dumped elements say is behind the frontend of @key, from slot @base on. */
static size_t read_row(const struct nftx_elems *dumped, struct nftx_elem key, uint32_t base,
                       struct lb_backend *row, size_t room)
{
	size_t front_len = nftx_map_key_bytes(NFTX_FRONTENDS, key.family);
	size_t addr_len = ipaddr_len(key.family);
	size_t used = 0;

	nftx_elem_set_slot(&key, base);
	for (size_t i = nftx_elems_lower_bound(dumped, &key); i < dumped->count; i++) {
		const struct nftx_elem *elem = &dumped->list[i];
		uint16_t port_be;
		uint32_t slot;

		if (elem->family != key.family || elem->map != NFTX_BACKENDS ||
		    memcmp(elem->key, key.key, front_len) != 0)
			break;
		slot = nftx_elem_slot(elem) - base;
		if (slot >= room)
			break;
		memcpy(&port_be, elem->data + addr_len, sizeof(port_be));
		row[slot].addr.family = elem->family;
		memcpy(row[slot].addr.bytes, elem->data, addr_len);
		row[slot].port = ntohs(port_be);
		used = slot + 1;
	}
	return used;
}

static void keep_pool(const struct nftx_elems *dumped, const struct lb_service *service,
                      const struct lb_frontend *frontend, const struct lb_pool *pool, uint32_t base)
{
	const struct lb_port *port = &service->ports[frontend->port_index];
	AUTO_FREE struct lb_backend *row = xcalloc(pool->count, sizeof(*row));
	struct nftx_elem key = { .family = port->family, .map = NFTX_BACKENDS };
	size_t used;

	(void)nftx_key_front(key.key, &frontend->addr, port->protocol, frontend->port);
	used = read_row(dumped, key, base, row, pool->count);
	nftx_keep_slots(row, used, service->backends + pool->first, pool->count);
}

/* Which rows a frontend has, see nft/render.c: all frontends of a port that have one have the same. */
static bool has_row(const struct lb_frontend *frontend, bool local)
{
	if (local)
		return frontend->local_only;
	return !frontend->local_only || frontend->kind != LB_CLUSTER_IP;
}

static const struct lb_frontend *find_row(const struct lb_service *service, size_t port_index,
                                          bool local)
{
	for (size_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *frontend = &service->frontends[i];

		if (frontend->port_index == port_index && !frontend->lost &&
		    has_row(frontend, local))
			return frontend;
	}
	return NULL;
}

void nftx_keep_dumped_slots(const struct nftx_elems *dumped, struct lb_service *now)
{
	for (size_t i = 0; i < now->port_count; i++) {
		const struct lb_frontend *all = find_row(now, i, false);
		const struct lb_frontend *local = find_row(now, i, true);

		if (all != NULL)
			keep_pool(dumped, now, all, &now->ports[i].all, 0);
		if (local != NULL)
			keep_pool(dumped, now, local, &now->ports[i].local, NFTX_LOCAL_BASE);
	}
}

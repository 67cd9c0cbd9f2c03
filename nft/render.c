/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/render.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"

/* Where a packet goes on: the value of a verdict map. */
struct target {
	enum nftx_verdict verdict;
	enum nftx_chain chain;
	uint32_t number;
};

static struct target go(enum nftx_chain chain, uint32_t number)
{
	return (struct target){ NFTX_GOTO, chain, number };
}

static struct target drop(void)
{
	return (struct target){ .verdict = NFTX_DROP };
}

/* A frontend being rendered. */
struct front {
	const struct lb_service *service;
	const struct lb_frontend *frontend;
	const struct lb_port *port;
	struct nftx_elems *out;
};

static struct nftx_elem *push_key(const struct front *f, enum nftx_map map)
{
	struct nftx_elem *elem = nftx_elems_push(f->out);

	elem->family = f->port->family;
	elem->map = (uint8_t)map;
	(void)nftx_key_front(elem->key, &f->frontend->addr, f->port->protocol, f->frontend->port);
	return elem;
}

static struct nftx_elem *push_target(const struct front *f, enum nftx_map map, struct target target)
{
	struct nftx_elem *elem = push_key(f, map);

	elem->verdict = (uint8_t)target.verdict;
	elem->chain = (uint8_t)target.chain;
	elem->number = target.number;
	return elem;
}

static void push_pool(const struct front *f, const struct lb_pool *pool, uint32_t base)
{
	for (uint32_t i = 0; i < pool->count; i++) {
		const struct lb_backend *backend = &f->service->backends[pool->first + i];
		struct nftx_elem *elem = push_key(f, NFTX_BACKENDS);
		size_t len = nftx_key_addr(elem->data, &backend->addr);
		uint16_t port_be = htons(backend->port);

		memcpy(elem->data + len, &port_be, sizeof(port_be));
		nftx_elem_set_slot(elem, base + i);
	}
}

static struct target slots(const struct lb_pool *pool)
{
	return go(NFTX_SLOTS, nftx_rung(pool->count));
}

static struct target local_slots(const struct lb_pool *pool)
{
	return go(NFTX_LOCAL_SLOTS, nftx_rung(pool->count));
}

/* The last level: where an endpoint is picked, with the pools that it needs. */
static struct target render_policy(const struct front *f)
{
	const struct lb_port *port = f->port;
	bool is_cluster_ip = f->frontend->kind == LB_CLUSTER_IP;

	if (!port->has_any)
		return go(NFTX_REFUSE, 0);
	if (!f->frontend->local_only) {
		push_pool(f, &port->all, 0);
		return slots(&port->all);
	}
	push_pool(f, &port->local, NFTX_LOCAL_BASE);
	if (is_cluster_ip)
		return port->local.count > 0 ? local_slots(&port->local) : drop();
	if (port->local.count > 0)
		(void)push_target(f, NFTX_LOCAL_FRONTENDS, local_slots(&port->local));
	push_pool(f, &port->all, 0);
	(void)push_target(f, NFTX_CLUSTER_FRONTENDS,
	                  port->all.count > 0 ? slots(&port->all) : go(NFTX_REFUSE, 0));
	return go(NFTX_LOCAL_ONLY, 0);
}

static struct target render_affinity(const struct front *f, struct target next)
{
	bool leads_somewhere = next.verdict == NFTX_GOTO && next.chain != NFTX_REFUSE;

	if (f->service->affinity_s == 0 || !leads_somewhere)
		return next;
	(void)push_target(f, NFTX_STICKY_FRONTENDS, next);
	(void)push_target(f, NFTX_STICKY_TIMEOUTS,
	                  (struct target){ NFTX_JUMP, NFTX_REMEMBER, f->service->affinity_s });
	return go(NFTX_STICKY, 0);
}

static struct target render_ranges(const struct front *f, struct target next)
{
	if (!f->frontend->restricted)
		return next;
	(void)push_target(f, NFTX_RESTRICTED_FRONTENDS, next);
	for (size_t i = 0; i < f->service->source_range_count; i++) {
		const struct ipcidr *range = &f->service->source_ranges[i];
		struct nftx_elem *elem;
		size_t len;

		if (range->addr.family != f->port->family)
			continue;
		elem = push_key(f, NFTX_ALLOWED_SOURCES);
		len = nftx_map_key_bytes(NFTX_FRONTENDS, elem->family);
		(void)nftx_key_addr(elem->key + len, &range->addr);
		elem->last = ipcidr_last(range);
	}
	return go(NFTX_RESTRICTED, 0);
}

/* The set that says whom to masquerade. */
static enum nftx_map masquerading(const struct lb_frontend *frontend)
{
	if (frontend->kind == LB_CLUSTER_IP)
		return NFTX_INTERNAL;
	return frontend->local_only ? NFTX_EXTERNAL_LOCAL : NFTX_EXTERNAL_CLUSTER;
}

static void render_frontend(const struct front *f)
{
	struct target target = render_policy(f);
	struct nftx_elem *elem;

	target = render_affinity(f, target);
	target = render_ranges(f, target);
	elem = push_target(f, NFTX_FRONTENDS, target);
	elem->comment = f->port->label;
	(void)push_key(f, masquerading(f->frontend));
}

static void push_address(struct nftx_elems *out, enum nftx_map map, const struct ipaddr *addr)
{
	struct nftx_elem *elem = nftx_elems_push(out);
	size_t len = nftx_key_addr(elem->key, addr);

	elem->family = addr->family;
	elem->map = (uint8_t)map;
	if (map == NFTX_HAIRPIN) /* from itself, to itself */
		(void)nftx_key_addr(elem->key + len, addr);
}

void nftx_render(const struct lb_service *service, struct nftx_elems *out)
{
	for (size_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *frontend = &service->frontends[i];
		struct front f = { service, frontend, &service->ports[frontend->port_index], out };

		if (!frontend->lost)
			render_frontend(&f);
	}
	for (size_t i = 0; i < service->cluster_ip_count; i++)
		if (!service->cluster_ips[i].lost)
			push_address(out, NFTX_CLUSTER_IPS, &service->cluster_ips[i].addr);
	for (size_t i = 0; i < service->local_address_count; i++)
		if (!service->local_addresses[i].lost)
			push_address(out, NFTX_HAIRPIN, &service->local_addresses[i].addr);
}

static void push_ranges(struct nftx_elems *out, enum nftx_map map, const struct ipcidr *cidrs,
                        size_t count)
{
	for (size_t i = 0; i < count; i++) {
		push_address(out, map, &cidrs[i].addr);
		out->list[out->count - 1].last = ipcidr_last(&cidrs[i]);
	}
}

void nftx_render_networks(const struct lb_networks *networks, struct nftx_elems *out)
{
	push_ranges(out, NFTX_SERVICE_CIDRS, networks->service_cidrs, networks->service_cidr_count);
	push_ranges(out, NFTX_POD_CIDRS, networks->pod_cidrs, networks->pod_cidr_count);
}

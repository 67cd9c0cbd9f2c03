/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: one block per object
 *
 * Packing runs the same copying code twice: once with no memory, to measure,
 * and once into a block of exactly that size. A field that is forgotten in one
 * place is therefore forgotten in both, and a test that compares finds it.
 */
#include "proxy/object.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* A bump allocator over one block; with a NULL base it only measures. */
struct packer {
	char *base;
	size_t used;
};

static const void *pack(struct packer *p, const void *src, size_t bytes, size_t align)
{
	void *dst = NULL;

	p->used = (p->used + align - 1) & ~(align - 1);
	if (p->base != NULL && bytes > 0)
		dst = memcpy(p->base + p->used, src, bytes);
	p->used += bytes;
	return dst;
}

static const char *pack_text(struct packer *p, const char *text)
{
	return pack(p, text, strlen(text) + 1, 1);
}

/* Replaces the pointer field of the copy by where its array was packed. */
#define PACK_ARRAY(p, to, from, count) \
	((to) = pack((p), (from), (size_t)(count) * sizeof(*(from)), alignof(__typeof__(*(from)))))

static void pack_service(struct packer *p, struct proxy_service *to,
                         const struct proxy_service *from)
{
	struct proxy_service_port *ports;

	PACK_ARRAY(p, to->ports, from->ports, from->port_count);
	PACK_ARRAY(p, to->external_ips, from->external_ips, from->external_ip_count);
	PACK_ARRAY(p, to->ingress_ips, from->ingress_ips, from->ingress_ip_count);
	PACK_ARRAY(p, to->source_ranges, from->source_ranges, from->source_range_count);
	ports = (struct proxy_service_port *)(uintptr_t)to->ports;
	for (size_t i = 0; i < from->port_count; i++) {
		const char *name = pack_text(p, from->ports[i].name);

		if (ports != NULL)
			ports[i].name = name;
	}
}

static void pack_slice(struct packer *p, struct proxy_endpoint_slice *to,
                       const struct proxy_endpoint_slice *from)
{
	struct proxy_slice_port *ports;
	struct proxy_names *hints;
	const char **names;

	PACK_ARRAY(p, to->endpoints, from->endpoints, from->endpoint_count);
	PACK_ARRAY(p, to->ports, from->ports, from->port_count);
	PACK_ARRAY(p, to->names, from->names, from->name_count);
	PACK_ARRAY(p, to->hints, from->hints, from->hint_count);
	ports = (struct proxy_slice_port *)(uintptr_t)to->ports;
	names = (const char **)(uintptr_t)to->names;
	hints = (struct proxy_names *)(uintptr_t)to->hints;
	for (size_t i = 0; i < from->hint_count; i++) {
		const struct proxy_names *hint = &from->hints[i];
		const char **list;
		const char *const *packed;

		PACK_ARRAY(p, packed, hint->names, hint->count);
		list = (const char **)(uintptr_t)packed;
		for (size_t k = 0; k < hint->count; k++) {
			const char *name = pack_text(p, hint->names[k]);

			if (list != NULL)
				list[k] = name;
		}
		if (hints != NULL)
			hints[i].names = packed;
	}
	for (size_t i = 0; i < from->port_count; i++) {
		const char *name = pack_text(p, from->ports[i].name);

		if (ports != NULL)
			ports[i].name = name;
	}
	for (size_t i = 0; i < from->name_count; i++) {
		const char *name = pack_text(p, from->names[i]);

		if (names != NULL)
			names[i] = name;
	}
	to->service = pack_text(p, from->service);
}

static void pack_node(struct packer *p, struct proxy_node *to, const struct proxy_node *from)
{
	PACK_ARRAY(p, to->internal_ips, from->internal_ips, from->internal_ip_count);
	PACK_ARRAY(p, to->external_ips, from->external_ips, from->external_ip_count);
	PACK_ARRAY(p, to->pod_cidrs, from->pod_cidrs, from->pod_cidr_count);
	to->zone = pack_text(p, from->zone);
}

static size_t head_bytes(enum proxy_kind kind)
{
	switch (kind) {
	case PROXY_SERVICE:
		return sizeof(struct proxy_service);
	case PROXY_ENDPOINT_SLICE:
		return sizeof(struct proxy_endpoint_slice);
	case PROXY_NODE:
		return sizeof(struct proxy_node);
	case PROXY_SERVICE_CIDR:
		return sizeof(struct proxy_service_cidr);
	}
	panic(__FILE__, __LINE__, "object of no kind");
}

/* Room for the head of any kind: what measuring writes its pointers into. */
union any_object {
	struct proxy_meta meta;
	struct proxy_service service;
	struct proxy_endpoint_slice slice;
	struct proxy_node node;
	struct proxy_service_cidr cidr;
};

static size_t pack_object(char *base, const union any_object *from)
{
	struct packer p = { .base = base };
	union any_object scratch;
	union any_object *to = base != NULL ? (union any_object *)(void *)base : &scratch;

	(void)pack(&p, from, head_bytes(from->meta.kind), alignof(union any_object));
	switch (from->meta.kind) {
	case PROXY_SERVICE:
		pack_service(&p, &to->service, &from->service);
		break;
	case PROXY_ENDPOINT_SLICE:
		pack_slice(&p, &to->slice, &from->slice);
		break;
	case PROXY_NODE:
		pack_node(&p, &to->node, &from->node);
		break;
	case PROXY_SERVICE_CIDR:
		PACK_ARRAY(&p, to->cidr.cidrs, from->cidr.cidrs, from->cidr.cidr_count);
		break;
	}
	to->meta.namespace = pack_text(&p, from->meta.namespace);
	to->meta.name = pack_text(&p, from->meta.name);
	return p.used;
}

struct proxy_meta *proxy_object_pack(const struct proxy_meta *object)
{
	const union any_object *from = (const union any_object *)(const void *)object;
	size_t bytes = pack_object(NULL, from);
	union any_object *block = xmalloc(bytes);

	ASSERT(bytes <= UINT32_MAX);
	ASSERT(pack_object((char *)block, from) == bytes);
	block->meta.block_bytes = (uint32_t)bytes;
	return &block->meta;
}

#define SAME_ARRAY(a, b, field, count) \
	((a)->count == (b)->count &&   \
	 ((a)->count == 0 ||           \
	  memcmp((a)->field, (b)->field, (a)->count * sizeof(*(a)->field)) == 0))

static bool same_service(const struct proxy_service *a, const struct proxy_service *b)
{
	if (a->type != b->type || !ipaddr_equal(&a->cluster_ip, &b->cluster_ip) ||
	    memcmp(a->cluster_ips, b->cluster_ips, sizeof(a->cluster_ips)) != 0 ||
	    memcmp(a->ip_families, b->ip_families, sizeof(a->ip_families)) != 0 ||
	    a->external_local != b->external_local || a->internal_local != b->internal_local ||
	    a->affinity_s != b->affinity_s ||
	    a->health_check_node_port != b->health_check_node_port ||
	    a->port_count != b->port_count)
		return false;
	for (size_t i = 0; i < a->port_count; i++) {
		const struct proxy_service_port *x = &a->ports[i];
		const struct proxy_service_port *y = &b->ports[i];

		if (x->protocol != y->protocol || x->port != y->port ||
		    x->node_port != y->node_port || strcmp(x->name, y->name) != 0)
			return false;
	}
	return SAME_ARRAY(a, b, external_ips, external_ip_count) &&
	       SAME_ARRAY(a, b, ingress_ips, ingress_ip_count) &&
	       SAME_ARRAY(a, b, source_ranges, source_range_count);
}

static bool same_names(const char *const *a, const char *const *b, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static bool same_slice(const struct proxy_endpoint_slice *a, const struct proxy_endpoint_slice *b)
{
	if (a->family != b->family || a->port_count != b->port_count ||
	    a->name_count != b->name_count || a->hint_count != b->hint_count ||
	    strcmp(a->service, b->service) != 0 || !SAME_ARRAY(a, b, endpoints, endpoint_count) ||
	    !same_names(a->names, b->names, a->name_count))
		return false;
	for (size_t i = 0; i < a->port_count; i++)
		if (a->ports[i].protocol != b->ports[i].protocol ||
		    a->ports[i].port != b->ports[i].port ||
		    strcmp(a->ports[i].name, b->ports[i].name) != 0)
			return false;
	for (size_t i = 0; i < a->hint_count; i++)
		if (a->hints[i].count != b->hints[i].count ||
		    !same_names(a->hints[i].names, b->hints[i].names, a->hints[i].count))
			return false;
	return true;
}

static bool same_node(const struct proxy_node *a, const struct proxy_node *b)
{
	return a->leaving == b->leaving && strcmp(a->zone, b->zone) == 0 &&
	       SAME_ARRAY(a, b, internal_ips, internal_ip_count) &&
	       SAME_ARRAY(a, b, external_ips, external_ip_count) &&
	       SAME_ARRAY(a, b, pod_cidrs, pod_cidr_count);
}

bool proxy_object_equal(const struct proxy_meta *a, const struct proxy_meta *b)
{
	const union any_object *x = (const union any_object *)(const void *)a;
	const union any_object *y = (const union any_object *)(const void *)b;

	if (a->kind != b->kind || a->block_bytes != b->block_bytes || a->created != b->created ||
	    strcmp(a->name, b->name) != 0 || strcmp(a->namespace, b->namespace) != 0)
		return false;
	switch (a->kind) {
	case PROXY_SERVICE:
		return same_service(&x->service, &y->service);
	case PROXY_ENDPOINT_SLICE:
		return same_slice(&x->slice, &y->slice);
	case PROXY_NODE:
		return same_node(&x->node, &y->node);
	case PROXY_SERVICE_CIDR:
		return SAME_ARRAY(&x->cidr, &y->cidr, cidrs, cidr_count);
	}
	return false;
}

const char *proxy_kind_name(enum proxy_kind kind)
{
	switch (kind) {
	case PROXY_SERVICE:
		return "Service";
	case PROXY_ENDPOINT_SLICE:
		return "EndpointSlice";
	case PROXY_NODE:
		return "Node";
	case PROXY_SERVICE_CIDR:
		return "ServiceCIDR";
	}
	return "object";
}

const char *proxy_object_subject(const struct proxy_meta *object, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s %s%s%s", proxy_kind_name(object->kind), object->namespace,
	               *object->namespace != '\0' ? "/" : "", object->name);
	return buf;
}

const char *proxy_protocol_name(enum proxy_protocol protocol)
{
	switch (protocol) {
	case PROXY_TCP:
		return "tcp";
	case PROXY_UDP:
		return "udp";
	case PROXY_SCTP:
		return "sctp";
	}
	return "?";
}

static const struct ipaddr *of_family(const struct ipaddr *addr, uint8_t family)
{
	return addr->family == family ? addr : NULL;
}

const struct ipaddr *proxy_service_cluster_ip(const struct proxy_service *service, uint8_t family)
{
	if (service->type == PROXY_EXTERNAL_NAME || service->cluster_ip.family == 0)
		return NULL;
	if (service->ip_families[0] == 0) /* written by an API server older than dual-stack */
		return of_family(&service->cluster_ip, family);
	for (size_t i = 0; i < 2; i++)
		if (service->ip_families[i] == family)
			return of_family(&service->cluster_ips[i], family);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "endpoints.h"

static const uint8_t families[] = { 4, 6 };

/* A Service being planned: the growing parts of the lb_service to come. */
struct draft {
	const struct proxy_service *service;
	const struct proxy_facts *facts;
	struct diags *diags;
	const char *subject;

	struct lb_port *ports;
	size_t port_count, port_cap;
	struct lb_frontend *frontends;
	size_t frontend_count, frontend_cap;
	struct backend_list backends;
	struct lb_address *cluster_ips;
	size_t cluster_ip_count, cluster_ip_cap;
	struct lb_address *local_addresses;
	size_t local_count, local_cap;
	struct ipcidr *ranges;
	size_t range_count;
	uint32_t ready_local[2];
	bool restricted[2]; /* source ranges hold for IPv4, for IPv6 */
	uint64_t element_count;
	uint64_t range_elements;
	bool full; /* a bound was met and said */
};

/* True iff externalTrafficPolicy: Local has a meaning for this Service (section 1.3). */
static bool external_policy_local(const struct proxy_service *service)
{
	return service->external_local &&
	       (service->type == PROXY_LOAD_BALANCER || service->type == PROXY_NODE_PORT ||
	        (service->type == PROXY_CLUSTER_IP && service->external_ip_count > 0));
}

static bool has_family(const struct ipaddr *addrs, size_t count, uint8_t family)
{
	for (size_t i = 0; i < count; i++)
		if (addrs[i].family == family)
			return true;
	return false;
}

struct endpoint_want wanted_endpoints(const struct proxy_service *service,
                                      const struct proxy_service_port *port, uint8_t family)
{
	bool external = port->node_port != 0 ||
	                has_family(service->ingress_ips, service->ingress_ip_count, family) ||
	                has_family(service->external_ips, service->external_ip_count, family);

	return (struct endpoint_want){
		.all = !service->internal_local || external,
		.local = service->internal_local || (external && external_policy_local(service)),
	};
}

/* Endpoints beyond the ladder's top are left out: those with the highest addresses. */
static void tell_left_out(struct draft *d, uint32_t count, uint32_t max, const char *what,
                          const char *port)
{
	if (count > max)
		diag_add(d->diags, d->subject, "port '%s': %u %s, the first %u by address are used",
		         port, count, what, max);
}

static void add_port(struct draft *d, const struct proxy_service_port *port, uint8_t family,
                     const struct proxy_endpoint_slice *const *slices, size_t slice_count,
                     struct endpoint_scratch *scratch)
{
	struct lb_port out = { .name = port->name,
		               .family = family,
		               .protocol = (uint8_t)port->protocol };

	select_endpoints(port, family, slices, slice_count, d->facts,
	                 wanted_endpoints(d->service, port, family), scratch, &d->backends, &out);
	tell_left_out(d, scratch->all_count, LB_MAX_BACKENDS, "endpoints", port->name);
	tell_left_out(d, scratch->local_count, LB_MAX_LOCAL_BACKENDS, "local endpoints",
	              port->name);
	d->ports = vec_reserve(d->ports, &d->port_cap, d->port_count + 1, sizeof(*d->ports));
	d->ports[d->port_count++] = out;
}

static void add_frontend(struct draft *d, const struct ipaddr *addr, enum lb_kind kind,
                         uint16_t port, bool local_only)
{
	const struct lb_port *last = &d->ports[d->port_count - 1];
	bool restricted = kind == LB_LOAD_BALANCER_IP && d->restricted[addr->family == 6];

	if (d->full)
		return;
	d->element_count += 4 + last->all.count + last->local.count + last->serving.count;
	if (restricted)
		d->range_elements += d->range_count;
	if (d->frontend_count >= PROXY_MAX_FRONTENDS || d->element_count > PROXY_MAX_ELEMENTS ||
	    d->range_elements > PROXY_MAX_RANGE_ELEMENTS) {
		char text[IPADDR_TEXT];

		d->full = true;
		diag_add(d->diags, d->subject,
		         "too many addresses, ports, endpoints and source ranges for one Service: "
		         "%s:%u and what follows are not served",
		         ipaddr_format(addr, text), port);
		return;
	}
	d->frontends = vec_reserve(d->frontends, &d->frontend_cap, d->frontend_count + 1,
	                           sizeof(*d->frontends));
	d->frontends[d->frontend_count++] = (struct lb_frontend){
		.addr = *addr,
		.kind = (uint8_t)kind,
		.port = port,
		.port_index = (uint16_t)(d->port_count - 1),
		.local_only = local_only,
		.restricted = restricted,
	};
}

static void add_addresses(struct draft *d, const struct ipaddr *addrs, size_t count, uint8_t family,
                          enum lb_kind kind, uint16_t port, bool local_only)
{
	for (size_t i = 0; i < count; i++)
		if (addrs[i].family == family)
			add_frontend(d, &addrs[i], kind, port, local_only);
}

static void add_frontends(struct draft *d, const struct proxy_service_port *port, uint8_t family,
                          const struct ipaddr *cluster_ip)
{
	const struct proxy_service *service = d->service;
	const struct proxy_facts *facts = d->facts;
	bool local_only = external_policy_local(service);

	add_frontend(d, cluster_ip, LB_CLUSTER_IP, port->port, service->internal_local);
	if (port->node_port != 0)
		add_addresses(d, facts->node_port_addresses, facts->node_port_address_count, family,
		              LB_NODE_PORT, port->node_port, local_only);
	add_addresses(d, service->external_ips, service->external_ip_count, family, LB_EXTERNAL_IP,
	              port->port, local_only);
	add_addresses(d, service->ingress_ips, service->ingress_ip_count, family,
	              LB_LOAD_BALANCER_IP, port->port, local_only);
}

/* loadBalancerSourceRanges (section 2.6): a family with a /0, or without a range, is open. When the
 * node itself is inside, so are the load balancer's addresses: a packet that the node sends to one
 * that is bound here has it as its source. */
static void plan_ranges(struct draft *d)
{
	const struct proxy_service *service = d->service;
	size_t room = (size_t)service->source_range_count + service->ingress_ip_count;

	d->ranges = xcalloc(room, sizeof(*d->ranges));
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		const struct ipaddr *node_ip = &d->facts->node_ips[f];
		size_t first = d->range_count;
		bool node_inside = false;
		bool open = false;

		for (size_t i = 0; i < service->source_range_count; i++) {
			const struct ipcidr *range = &service->source_ranges[i];

			if (range->addr.family != families[f])
				continue;
			open = open || range->prefix == 0;
			node_inside = node_inside || ipcidr_contains(range, node_ip);
			d->ranges[d->range_count++] = *range;
		}
		if (open)
			d->range_count = first;
		d->restricted[f] = d->range_count > first;
		for (size_t i = 0; i < service->ingress_ip_count && node_inside && !open; i++)
			if (service->ingress_ips[i].family == families[f])
				d->ranges[d->range_count++] = (struct ipcidr){
					.addr = service->ingress_ips[i],
					.prefix = families[f] == 4 ? 32 : 128,
				};
	}
	d->range_count = proxy_merge_cidrs(d->ranges, d->range_count);
}

static int frontend_cmp(const struct lb_port *ports, const struct lb_frontend *a,
                        const struct lb_frontend *b)
{
	int diff = ipaddr_cmp(&a->addr, &b->addr);

	if (diff == 0)
		diff = (int)ports[a->port_index].protocol - (int)ports[b->port_index].protocol;
	return diff != 0 ? diff : (int)a->port - (int)b->port;
}

static int frontend_order(const void *x, const void *y, void *ports)
{
	const struct lb_frontend *a = x;
	const struct lb_frontend *b = y;
	int diff = frontend_cmp(ports, a, b);

	if (diff == 0)
		diff = (int)a->port_index - (int)b->port_index;
	return diff != 0 ? diff : (int)a->kind - (int)b->kind;
}

/* Sorts; of equal address, protocol and port the first port counts, and it stays restricted. */
static void settle_frontends(struct draft *d)
{
	size_t kept = 0;

	if (d->frontend_count > 1)
		qsort_r(d->frontends, d->frontend_count, sizeof(*d->frontends), frontend_order,
		        d->ports);
	for (size_t i = 0; i < d->frontend_count; i++) {
		struct lb_frontend *last = kept > 0 ? &d->frontends[kept - 1] : NULL;
		const struct lb_frontend *next = &d->frontends[i];

		if (last == NULL || frontend_cmp(d->ports, last, next) != 0) {
			d->frontends[kept++] = *next;
			continue;
		}
		last->restricted = last->restricted || next->restricted;
		if (last->port_index != next->port_index) {
			char text[IPADDR_TEXT];

			diag_add(d->diags, d->subject, "ports '%s' and '%s' both claim %s %s:%u",
			         d->ports[last->port_index].name, d->ports[next->port_index].name,
			         proxy_protocol_name(d->ports[last->port_index].protocol),
			         ipaddr_format(&next->addr, text), next->port);
		}
	}
	d->frontend_count = kept;
}

static int address_order(const void *x, const void *y)
{
	return ipaddr_cmp(&((const struct lb_address *)x)->addr,
	                  &((const struct lb_address *)y)->addr);
}

static void collect_local(struct draft *d, const struct lb_pool *pool)
{
	for (uint32_t i = 0; i < pool->count; i++) {
		const struct lb_backend *backend = &d->backends.list[pool->first + i];

		if (!backend->is_local)
			continue;
		d->local_addresses = vec_reserve(d->local_addresses, &d->local_cap,
		                                 d->local_count + 1, sizeof(*d->local_addresses));
		d->local_addresses[d->local_count++] = (struct lb_address){ .addr = backend->addr };
	}
}

static void collect_local_addresses(struct draft *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->port_count; i++) {
		collect_local(d, &d->ports[i].all);
		collect_local(d, &d->ports[i].local);
	}
	if (d->local_count > 1)
		qsort(d->local_addresses, d->local_count, sizeof(*d->local_addresses),
		      address_order);
	for (size_t i = 0; i < d->local_count; i++)
		if (kept == 0 ||
		    !ipaddr_equal(&d->local_addresses[kept - 1].addr, &d->local_addresses[i].addr))
			d->local_addresses[kept++] = d->local_addresses[i];
	d->local_count = kept;
}

/* An address of this node keeps its other ports: refusing them would lock the node's own servers up.
 * The kernel knows at each packet whether it is one; here it is only said. */
static void tell_own_cluster_ip(struct draft *d, const struct ipaddr *addr)
{
	for (size_t i = 0; i < d->facts->node_address_count; i++) {
		char text[IPADDR_TEXT];

		if (!ipaddr_equal(&d->facts->node_addresses[i], addr))
			continue;
		diag_add(d->diags, d->subject,
		         "ClusterIP %s is an address of this node, too: its other ports stay open",
		         ipaddr_format(addr, text));
		return;
	}
}

static void add_cluster_ip(struct draft *d, const struct ipaddr *addr)
{
	tell_own_cluster_ip(d, addr);
	d->cluster_ips = vec_reserve(d->cluster_ips, &d->cluster_ip_cap, d->cluster_ip_count + 1,
	                             sizeof(*d->cluster_ips));
	d->cluster_ips[d->cluster_ip_count++] = (struct lb_address){ .addr = *addr };
}

/* Who asks at healthCheckNodePort is a load balancer that sends to this node (section 2.9). */
static uint16_t health_check_port(const struct proxy_service *service)
{
	return service != NULL && service->type == PROXY_LOAD_BALANCER && service->external_local
	               ? service->health_check_node_port
	               : 0;
}

static void plan_family(struct draft *d, uint8_t family,
                        const struct proxy_endpoint_slice *const *slices, size_t slice_count,
                        struct endpoint_scratch *scratch)
{
	const struct ipaddr *cluster_ip = proxy_service_cluster_ip(d->service, family);

	if (cluster_ip == NULL || d->service->port_count == 0)
		return;
	add_cluster_ip(d, cluster_ip);
	if (health_check_port(d->service) != 0)
		d->ready_local[family == 6] =
			count_ready_local(family, slices, slice_count, d->facts, scratch);
	for (size_t i = 0; i < d->service->port_count && !d->full; i++) {
		if (scratch->gathered > PROXY_MAX_GATHERED) {
			d->full = true;
			diag_add(
				d->diags, d->subject,
				"more than %u endpoints over all ports: port '%s' and what follows "
				"are not served",
				PROXY_MAX_GATHERED, d->service->ports[i].name);
			return;
		}
		add_port(d, &d->service->ports[i], family, slices, slice_count, scratch);
		add_frontends(d, &d->service->ports[i], family, cluster_ip);
	}
}

static struct lb_service *finish(const struct draft *d, uint32_t id, const char *name)
{
	struct lb_service draft = {
		.id = id,
		.name = name,
		.affinity_s = d->service != NULL ? d->service->affinity_s : 0,
		.health_check_port = health_check_port(d->service),
		.ready_local = { d->ready_local[0], d->ready_local[1] },
		.port_count = (uint32_t)d->port_count,
		.frontend_count = (uint32_t)d->frontend_count,
		.backend_count = (uint32_t)d->backends.count,
		.cluster_ip_count = (uint32_t)d->cluster_ip_count,
		.local_address_count = (uint32_t)d->local_count,
		.source_range_count = (uint32_t)d->range_count,
		.ports = d->ports,
		.frontends = d->frontends,
		.backends = d->backends.list,
		.cluster_ips = d->cluster_ips,
		.local_addresses = d->local_addresses,
		.source_ranges = d->ranges,
	};

	return lb_service_build(&draft);
}

struct lb_service *proxy_plan_service(uint32_t id, const char *name,
                                      const struct proxy_service *service,
                                      const struct proxy_endpoint_slice *const *slices,
                                      size_t slice_count, const struct proxy_facts *facts,
                                      struct diags *diags)
{
	char subject[2 * PROXY_MAX_NAME + 16];
	struct endpoint_scratch scratch = { 0 };
	struct draft d = { .service = service, .facts = facts, .diags = diags, .subject = subject };
	struct proxy_service closed;
	struct lb_service *out;

	if (service != NULL && facts->no_external_ips) {
		closed = *service;
		closed.external_ip_count = 0;
		d.service = &closed;
	}
	if (service != NULL) {
		(void)snprintf(subject, sizeof(subject), "Service %s", name);
		plan_ranges(&d);
		for (size_t f = 0; f < ARRAY_LEN(families); f++)
			plan_family(&d, families[f], slices, slice_count, &scratch);
		settle_frontends(&d);
		collect_local_addresses(&d);
	}
	out = finish(&d, id, name);
	free(scratch.candidates);
	free(d.ports);
	free(d.frontends);
	free(d.backends.list);
	free(d.cluster_ips);
	free(d.local_addresses);
	free(d.ranges);
	return out;
}

static int cidr_order(const void *x, const void *y)
{
	return ipcidr_cmp(x, y);
}

/* Are @a and @b the two halves of one wider range? */
static bool are_halves(const struct ipcidr *a, const struct ipcidr *b)
{
	struct ipcidr wider = *a;

	if (a->prefix == 0 || a->prefix != b->prefix || a->addr.family != b->addr.family)
		return false;
	wider.prefix--;
	/* @a is the lower half when its last network bit is clear */
	if ((a->addr.bytes[wider.prefix / 8] & (0x80u >> (wider.prefix % 8))) != 0)
		return false;
	return ipcidr_contains(&wider, &b->addr);
}

size_t proxy_merge_cidrs(struct ipcidr *cidrs, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(cidrs, count, sizeof(*cidrs), cidr_order);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && ipcidr_contains(&cidrs[kept - 1], &cidrs[i].addr))
			continue;
		cidrs[kept++] = cidrs[i];
		while (kept > 1 && are_halves(&cidrs[kept - 2], &cidrs[kept - 1])) {
			kept--;
			cidrs[kept - 1].prefix--;
		}
	}
	return kept;
}

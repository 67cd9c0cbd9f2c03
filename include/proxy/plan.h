/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PLAN_H
#define PROXY_PLAN_H

/*
 * The plan of one Service: which address and port leads to which endpoints, on
 * this node (kube-proxy-behaviour.md, section 2). A pure function of one
 * Service, its slices and the facts about the node.
 */

#include <stdbool.h>

#include "base/diag.h"
#include "lb.h"
#include "proxy/object.h"

/* Bounds of one Service; what is beyond is left out, with a diagnostic. */
#define PROXY_MAX_FRONTENDS 16384     /* addresses x ports */
#define PROXY_MAX_ELEMENTS (1u << 18) /* frontends x their endpoints */
#define PROXY_MAX_GATHERED (1u << 20) /* ports x endpoints looked at */
/* Restricted frontends x source ranges: the kernel's insertion of ranges is quadratic, 10,000 of
 * them take a second. */
#define PROXY_MAX_RANGE_ELEMENTS 4096

/** What the plan needs to know about the node. */
struct proxy_facts {
	const char *node_name; /* endpoints with this nodeName are local */
	const char *zone;      /* "" when the Node has none */
	struct ipaddr
		node_ips[2]; /* the node's primary address of IPv4, of IPv6; none if unknown */
	const struct ipaddr *node_addresses; /* all that are known to be of this node */
	size_t node_address_count;
	const struct ipaddr
		*node_port_addresses; /* NodePorts are served on these; sorted, no loopback */
	size_t node_port_address_count;
	bool no_external_ips; /* spec.externalIPs does not count */
};

/** proxy_plan_service() - plan one Service.
 *
 * @id: goes into the result.
 * @service: NULL when it does not exist (any more): the plan is then empty.
 * @slices: every slice whose label names the Service, in any order; the result
 *          does not depend on it.
 * @diags: findings; the subject is "Service default/web".
 *
 * Return: a block the caller owns (free()); no claim is marked lost.
 */
struct lb_service *proxy_plan_service(uint32_t id, const char *name,
                                      const struct proxy_service *service,
                                      const struct proxy_endpoint_slice *const *slices,
                                      size_t slice_count, const struct proxy_facts *facts,
                                      struct diags *diags);

/** proxy_merge_cidrs() - sort @cidrs and drop those inside another or equal to one, and join
 *  halves of a wider range, so that ranges neither overlap nor touch needlessly.
 *
 * Return: how many are left.
 */
size_t proxy_merge_cidrs(struct ipcidr *cidrs, size_t count);

#endif

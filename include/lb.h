/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LB_H
#define LB_H

/*
 * The neutral vocabulary between proxy/ (which knows Kubernetes) and nft/
 * (which knows the kernel): frontends, backends, policies.
 *
 * proxy/ says for each Service what should be; nft/ turns it into elements. A
 * struct lb_service is one heap block, immutable once it was handed on except
 * for the order of its pools.
 *
 * Addresses are unique: a frontend, a cluster IP, a local address is rendered by
 * exactly one Service of the node, the one that holds the claim to it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"

/* The ladder's top (ruleset.md, section 10): endpoints behind one frontend. */
#define LB_MAX_BACKENDS 4096
#define LB_MAX_LOCAL_BACKENDS 512

/** An endpoint. Port in host byte order. */
struct lb_backend {
	struct ipaddr addr;
	uint8_t is_local; /* runs on this node */
	uint16_t port;
};

/** Backends that are drawn from: a range of lb_service.backends. */
struct lb_pool {
	uint32_t first;
	uint32_t count;
};

/** A service port in one address family: the unit of load balancing. */
struct lb_port {
	const char *name;  /* "" when unnamed */
	const char *label; /* "namespace/name:port", "namespace/name" when unnamed: set by build */
	uint8_t family;    /* 4 or 6 */
	uint8_t protocol;  /* IANA number */
	bool has_any; /* some endpoint somewhere is usable: no local one means drop, not refuse */
	struct lb_pool all;   /* cluster policy */
	struct lb_pool local; /* local policy; empty unless a frontend of this port needs it */
	struct lb_pool
		serving; /* of UDP ports: all that serve, chosen or not, sorted: flows may stay */
};

/* What a frontend's address is, which decides about masquerading. */
enum lb_kind {
	LB_CLUSTER_IP = 1,
	LB_NODE_PORT,
	LB_EXTERNAL_IP,
	LB_LOAD_BALANCER_IP,
};

/** An address, protocol and port that is answered for. */
struct lb_frontend {
	struct ipaddr addr;
	uint8_t kind; /* enum lb_kind */
	uint16_t port;
	uint16_t port_index; /* into lb_service.ports: its backends and protocol */
	bool local_only;     /* traffic policy Local */
	bool restricted;     /* only lb_service.source_ranges of its family may use it */
	bool lost;           /* another Service holds this address and port: not rendered */
};

/** An address that the Service stands for, see lb_service. */
struct lb_address {
	struct ipaddr addr;
	bool lost; /* another Service renders it */
};

/** All that the kernel needs to know about one Service. */
struct lb_service {
	uint32_t id;         /* dense, stable while the Service exists, reused afterwards */
	const char *name;    /* "namespace/name" */
	uint32_t affinity_s; /* session affinity by client address, sliding timeout; 0: none */
	uint32_t block_bytes;
	/* Not for the kernel: who asks at this port of the node (healthCheckNodePort, 0: none) is told
	 * how many addresses of ready endpoints are on it, in each family that has ports. */
	uint16_t health_check_port;
	uint32_t ready_local[2]; /* IPv4, IPv6 */

	uint32_t port_count;
	uint32_t frontend_count;
	uint32_t backend_count;
	uint32_t cluster_ip_count;
	uint32_t local_address_count;
	uint32_t source_range_count;
	struct lb_port *ports;
	struct lb_frontend *frontends;  /* by address, protocol, port */
	struct lb_backend *backends;    /* pools; within a pool by address and port, until nft/ */
					/* moves them to the slots they have in the kernel */
	struct lb_address *cluster_ips; /* closed ports of these are refused */
	struct lb_address *local_addresses; /* of local backends: hairpin candidates */
	const struct ipcidr *source_ranges; /* merged, of both families */
};

/** What is true for the node as a whole. Ranges sorted, merged, of both families. */
struct lb_networks {
	size_t service_cidr_count;
	size_t pod_cidr_count;
	const struct ipcidr *service_cidrs; /* unallocated addresses in them are dropped */
	const struct ipcidr *pod_cidrs;     /* sources in them are pods */
};

/** lb_service_build() - copy @draft, with all it points to, into one block; writes the labels.
 *
 * Return: release with free().
 */
struct lb_service *lb_service_build(const struct lb_service *draft);

/** lb_backend_cmp() - by address, then port. */
int lb_backend_cmp(const struct lb_backend *a, const struct lb_backend *b);

#endif

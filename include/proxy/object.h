/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_OBJECT_H
#define PROXY_OBJECT_H

/*
 * The Kubernetes objects a service proxy reads, reduced to the fields it uses
 * (kube-proxy-behaviour.md, sections 1.3-1.6), in Kubernetes' words.
 *
 * A decoder fills one of these structs with pointers into its own memory and
 * calls proxy_object_pack(): the result is one heap block of exact size that
 * holds everything it points to. Packed objects are immutable; to replace one
 * is to free one block.
 *
 * Ports are in host byte order. Text is NUL-terminated UTF-8.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"

/* Bounds of one object; the decoder refuses more, naming the field. */
#define PROXY_MAX_NAME 253        /* metadata.name and namespace: RFC 1123 subdomain */
#define PROXY_MAX_PORTS 1024      /* ports of a Service or EndpointSlice */
#define PROXY_MAX_ADDRESSES 1024  /* each list of addresses or ranges in an object */
#define PROXY_MAX_ENDPOINTS 60000 /* endpoints of an EndpointSlice (the API allows 1000) */
#define PROXY_MAX_HINTS 64        /* zones, or nodes, hinted for one endpoint (the API allows 8) */

enum proxy_kind {
	PROXY_SERVICE = 1,
	PROXY_ENDPOINT_SLICE,
	PROXY_NODE,
	PROXY_SERVICE_CIDR,
};

/* Protocol numbers of IANA, as the kernel has them. */
enum proxy_protocol {
	PROXY_TCP = 6,
	PROXY_UDP = 17,
	PROXY_SCTP = 132,
};

enum proxy_service_type {
	PROXY_CLUSTER_IP = 1,
	PROXY_NODE_PORT,
	PROXY_LOAD_BALANCER,
	PROXY_EXTERNAL_NAME,
};

/** What every object begins with; a struct proxy_meta * is how objects of any kind travel. */
struct proxy_meta {
	enum proxy_kind kind;
	uint32_t block_bytes;  /* size of the packed block */
	const char *namespace; /* "" for kinds without namespace */
	const char *name;
	int64_t created; /* metadata.creationTimestamp, seconds since the epoch, 0: unknown */
};

/** An entry of spec.ports of a Service. */
struct proxy_service_port {
	const char *name; /* "" when unnamed */
	enum proxy_protocol protocol;
	uint16_t port;      /* 1-65535 */
	uint16_t node_port; /* 0: none */
};

struct proxy_service {
	struct proxy_meta meta;
	enum proxy_service_type type;
	struct ipaddr cluster_ip; /* spec.clusterIP, the singular field; none when "" or "None" */
	struct ipaddr cluster_ips[2]; /* spec.clusterIPs in order; none where "None" or absent */
	uint8_t ip_families[2];       /* spec.ipFamilies in order: 4, 6, or 0 where absent */
	bool external_local;          /* externalTrafficPolicy: Local, as written */
	bool internal_local;          /* internalTrafficPolicy: Local */
	uint32_t affinity_s;          /* sessionAffinity: ClientIP, its timeout; 0: no affinity */
	uint16_t health_check_node_port;

	uint16_t port_count;
	uint16_t external_ip_count;
	uint16_t ingress_ip_count;
	uint16_t source_range_count;
	const struct proxy_service_port *ports;
	const struct ipaddr *external_ips; /* spec.externalIPs */
	const struct ipaddr *ingress_ips;  /* status.loadBalancer.ingress[].ip, ipMode VIP or nil */
	const struct ipcidr *source_ranges; /* spec.loadBalancerSourceRanges */
};

/** A list of names (zones or nodes) that hints carry. */
struct proxy_names {
	uint16_t count;
	const char *const *names;
};

enum {
	PROXY_EP_READY = 1 << 0,       /* conditions.ready, nil means true */
	PROXY_EP_SERVING = 1 << 1,     /* conditions.serving, nil means true */
	PROXY_EP_TERMINATING = 1 << 2, /* conditions.terminating, nil means false */
};

/** One endpoint of a slice: its first address. Indices are into the slice's tables, plus one. */
struct proxy_endpoint {
	struct ipaddr addr;
	uint8_t conditions;  /* PROXY_EP_* */
	uint16_t node;       /* nodeName: names[node - 1]; 0: nil */
	uint16_t zone_hints; /* hints.forZones: hints[zone_hints - 1]; 0: none */
	uint16_t node_hints; /* hints.forNodes, likewise */
};

struct proxy_slice_port {
	const char *name; /* never NULL: an entry whose name is nil is not kept */
	enum proxy_protocol protocol;
	uint16_t port; /* never 0: an entry whose port is nil is not kept */
};

struct proxy_endpoint_slice {
	struct proxy_meta meta;
	const char *service; /* label kubernetes.io/service-name, "" when missing */
	/* When what it tells began: annotation endpoints.kubernetes.io/last-change-trigger-time in
	 * microseconds since the epoch, 0: unknown. Makes no difference between slices. */
	int64_t triggered_us;
	uint8_t family; /* addressType: 4 or 6; 0 for FQDN, such a slice is ignored */
	uint16_t port_count;
	uint16_t endpoint_count;
	uint16_t name_count;
	uint16_t hint_count;
	const struct proxy_slice_port *ports;
	const struct proxy_endpoint *endpoints;
	const char *const *names;        /* node names, few distinct ones */
	const struct proxy_names *hints; /* hint lists, few distinct ones */
};

struct proxy_node {
	struct proxy_meta meta;
	const char *zone; /* label topology.kubernetes.io/zone, "" when missing */
	bool leaving;     /* being deleted, or tainted ToBeDeletedByClusterAutoscaler */
	uint16_t internal_ip_count;
	uint16_t external_ip_count;
	uint16_t pod_cidr_count;
	const struct ipaddr *internal_ips; /* status.addresses of type InternalIP, in order */
	const struct ipaddr *external_ips; /* of type ExternalIP, in order */
	const struct ipcidr *pod_cidrs;    /* spec.podCIDRs, or spec.podCIDR alone */
};

struct proxy_service_cidr {
	struct proxy_meta meta;
	uint16_t cidr_count;
	const struct ipcidr *cidrs;
};

/** proxy_object_pack() - copy @object, with all it points to, into one block.
 *
 * @object: a filled struct of the kind its meta says; meta.block_bytes is ignored.
 *
 * Return: a block the caller owns; release with free(). Never NULL.
 */
struct proxy_meta *proxy_object_pack(const struct proxy_meta *object);

/** proxy_object_equal() - same kind, name and content? creationTimestamp counts. */
bool proxy_object_equal(const struct proxy_meta *a, const struct proxy_meta *b);

/** proxy_kind_name() - "Service", "EndpointSlice", "Node", "ServiceCIDR". */
const char *proxy_kind_name(enum proxy_kind kind);

/** proxy_object_subject() - "Service default/web", "Node n1"; @buf is returned. */
const char *proxy_object_subject(const struct proxy_meta *object, char *buf, size_t size);

/** proxy_protocol_name() - "tcp", "udp", "sctp". */
const char *proxy_protocol_name(enum proxy_protocol protocol);

/** proxy_service_cluster_ip() - the ClusterIP of one family (behaviour, section 1.3).
 *
 * Return: an address inside @service, or NULL when the Service has none of
 *         this family, is headless, or is of type ExternalName.
 */
const struct ipaddr *proxy_service_cluster_ip(const struct proxy_service *service, uint8_t family);

#endif

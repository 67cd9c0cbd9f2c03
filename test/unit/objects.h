/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_OBJECTS_H
#define TEST_UNIT_OBJECTS_H

/*
 * Objects for tests, written shortly: addresses as text, lists separated by spaces.
 */

#include "base/str.h"
#include "lb.h"
#include "proxy/object.h"

/** A Service; what is not given is absent. Its namespace is "ns". */
struct service_spec {
	const char *name;
	int64_t created;
	enum proxy_service_type type; /* default ClusterIP */
	const char *cluster_ips;      /* one or two addresses; NULL: headless */
	const char *ports;            /* "name:protocol:port[:nodePort] ...", name "-" means "" */
	const char *external_ips;
	const char *ingress_ips;
	const char *source_ranges;
	bool external_local;
	bool internal_local;
	uint32_t affinity_s;
	uint16_t health_check_port;
};

/** An EndpointSlice. Endpoints are "address[@node][/conditions][+zones:a,b][+nodes:n,m]", with
 *  conditions of the letters r ready, s serving, t terminating; default "rs". */
struct slice_spec {
	const char *name;
	const char *service;
	const char *ports; /* "name:protocol:port ..." */
	const char *endpoints;
};

/** make_service(), make_slice(), make_node(), make_service_cidr() - packed objects; free(). */
struct proxy_meta *make_service(const struct service_spec *spec);
struct proxy_meta *make_slice(const struct slice_spec *spec);
struct proxy_meta *make_node(const char *name, const char *addresses, const char *zone);
struct proxy_meta *make_service_cidr(const char *name, const char *text);

#define SERVICE(...) make_service(&(struct service_spec){ __VA_ARGS__ })
#define SLICE(...) make_slice(&(struct slice_spec){ __VA_ARGS__ })

/** text_service() - append a plan as text, a line for each frontend:
 *
 *	10.96.0.1 tcp 80 all{10.0.0.1:80 10.0.0.2:80}
 *	192.0.2.1 tcp 30080 external local{10.0.0.1:80} all{...}
 *
 * then "local 10.0.0.1" for each hairpin candidate, "allow 10.0.0.0/8" for each range, and
 * "health 32000 ready 1+0" with the ready local addresses of IPv4 and IPv6.
 */
void text_service(struct strbuf *buf, const struct lb_service *service);

#endif

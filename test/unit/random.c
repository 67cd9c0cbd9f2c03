/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

uint64_t random_seed(void)
{
	const char *given = getenv("TEST_SEED");
	uint64_t seed;

	if (given != NULL) {
		seed = strtoull(given, NULL, 10);
	} else {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec;
	}
	(void)fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t bound)
{
	return (uint32_t)(random_next(state) % bound);
}

/* An address that depends on family, a kind of use, the id and a number, and on nothing else. */
static struct ipaddr make_addr(uint8_t family, uint8_t use, uint32_t id, uint32_t n)
{
	struct ipaddr addr = { .family = family };
	size_t last = ipaddr_len(family);

	addr.bytes[0] = family == 4 ? 10 : 0xfd;
	addr.bytes[last - 4 + (family == 4)] = (uint8_t)(use * 32 + id / 256);
	addr.bytes[last - 2] = (uint8_t)id;
	addr.bytes[last - 1] = (uint8_t)n;
	return addr;
}

enum { USE_CLUSTER = 1, USE_NODE, USE_LB, USE_POD, USE_MAX };

struct parts {
	struct lb_port ports[6];
	struct lb_frontend frontends[24];
	struct lb_backend backends[400];
	struct lb_address cluster_ips[2];
	struct lb_address locals[400];
	struct ipcidr ranges[4];
	struct lb_service draft;
};

static struct lb_pool add_pool(uint64_t *state, struct parts *p, uint8_t family, uint32_t max,
                               bool local)
{
	static const uint32_t counts[] = { 0, 1, 1, 2, 3, 4, 5, 8, 9, 16, 17, 30 };
	uint32_t count = counts[random_below(state, ARRAY_LEN(counts))];
	struct lb_pool pool = { .first = p->draft.backend_count };
	uint32_t n = random_below(state, 8);

	for (; pool.count < count && pool.count < max; pool.count++) {
		p->backends[p->draft.backend_count++] = (struct lb_backend){
			.addr = make_addr(family, USE_POD, p->draft.id, n),
			.is_local = local,
			.port = 8080,
		};
		n += 1 + random_below(state, 3);
	}
	return pool;
}

static void add_frontend(struct parts *p, struct ipaddr addr, enum lb_kind kind, uint16_t port,
                         bool local_only, bool restricted)
{
	p->frontends[p->draft.frontend_count++] = (struct lb_frontend){
		.addr = addr,
		.kind = (uint8_t)kind,
		.port = port,
		.port_index = (uint16_t)(p->draft.port_count - 1),
		.local_only = local_only,
		.restricted = restricted,
	};
}

static void add_port(uint64_t *state, struct parts *p, uint8_t family, uint16_t number,
                     bool internal_local, bool external_local, bool restricted)
{
	static const uint8_t protocols[] = { 6, 17, 132 };
	static const char *const names[] = { "", "web", "dns", "metrics" };
	struct lb_port *port = &p->ports[p->draft.port_count++];
	uint32_t id = p->draft.id;

	*port = (struct lb_port){
		.name = names[number % 4],
		.family = family,
		.protocol = protocols[random_below(state, 3)],
		.all = add_pool(state, p, family, 30, false),
	};
	if (internal_local || external_local)
		port->local = add_pool(state, p, family, port->all.count, true);
	port->has_any = port->all.count > 0;
	add_frontend(p, make_addr(family, USE_CLUSTER, id, 0), LB_CLUSTER_IP, number,
	             internal_local, false);
	if (random_below(state, 2) == 0)
		add_frontend(p, make_addr(family, USE_NODE, id, 0), LB_NODE_PORT,
		             (uint16_t)(30000 + number), external_local, false);
	if (random_below(state, 2) == 0)
		add_frontend(p, make_addr(family, USE_LB, id, 0), LB_LOAD_BALANCER_IP, number,
		             external_local, restricted);
}

struct lb_service *random_service(uint64_t *state, uint32_t id)
{
	static const uint32_t timeouts[] = { 0, 0, 10, 10800 };
	bool internal_local = random_below(state, 4) == 0;
	bool external_local = random_below(state, 3) == 0;
	bool restricted = random_below(state, 3) == 0;
	struct parts *p = xcalloc(1, sizeof(*p));
	struct lb_service *service;
	char name[32];

	(void)snprintf(name, sizeof(name), "ns/service-%u", id);
	p->draft = (struct lb_service){
		.id = id,
		.name = name,
		.affinity_s = timeouts[random_below(state, 4)],
		.ports = p->ports,
		.frontends = p->frontends,
		.backends = p->backends,
		.cluster_ips = p->cluster_ips,
		.local_addresses = p->locals,
		.source_ranges = p->ranges,
	};
	for (uint8_t family = 4; family <= 6; family += 2) {
		uint32_t ports = random_below(state, 3);

		if (restricted)
			p->ranges[p->draft.source_range_count++] =
				(struct ipcidr){ make_addr(family, USE_MAX, id, 0),
				                 family == 4 ? 24 : 120 };
		for (uint32_t i = 0; i < ports; i++)
			add_port(state, p, family, (uint16_t)(80 + i), internal_local,
			         external_local, restricted);
		if (ports > 0)
			p->cluster_ips[p->draft.cluster_ip_count++].addr =
				make_addr(family, USE_CLUSTER, id, 0);
		if (random_below(state, 2) == 0)
			p->locals[p->draft.local_address_count++].addr =
				make_addr(family, USE_POD, id, 0);
	}
	service = lb_service_build(&p->draft);
	free(p);
	return service;
}

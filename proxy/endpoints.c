/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "endpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What the hints of an endpoint say about this node. */
enum {
	HINT_NODES = 1 << 0,    /* it has node hints */
	HINT_OWN_NODE = 1 << 1, /* and ours is among them */
	HINT_ZONES = 1 << 2,
	HINT_OWN_ZONE = 1 << 3,
};

static bool is_ready(const struct candidate *c)
{
	return (c->conditions & PROXY_EP_READY) != 0;
}

/* The fallback of KEP-1669: going away, but still answering. */
static bool is_draining(const struct candidate *c)
{
	return (c->conditions & PROXY_EP_SERVING) != 0 &&
	       (c->conditions & PROXY_EP_TERMINATING) != 0;
}

static bool names_contain(const struct proxy_names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return true;
	return false;
}

static uint8_t read_hints(const struct proxy_endpoint_slice *slice,
                          const struct proxy_endpoint *endpoint, const struct proxy_facts *facts)
{
	uint8_t hints = 0;

	if (endpoint->node_hints != 0) {
		hints |= HINT_NODES;
		if (names_contain(&slice->hints[endpoint->node_hints - 1], facts->node_name))
			hints |= HINT_OWN_NODE;
	}
	if (endpoint->zone_hints != 0) {
		hints |= HINT_ZONES;
		if (*facts->zone != '\0' &&
		    names_contain(&slice->hints[endpoint->zone_hints - 1], facts->zone))
			hints |= HINT_OWN_ZONE;
	}
	return hints;
}

static bool is_own_node(const struct proxy_endpoint_slice *slice,
                        const struct proxy_endpoint *endpoint, const struct proxy_facts *facts)
{
	return endpoint->node != 0 && *facts->node_name != '\0' &&
	       strcmp(slice->names[endpoint->node - 1], facts->node_name) == 0;
}

/* Which of two candidates with one address and port counts: the one that is not going away, as in
 * kube-proxy; where that leaves it open, the more useful one, so that no order decides. */
static int preference(const struct candidate *c)
{
	return ((c->conditions & PROXY_EP_TERMINATING) == 0 ? 8 : 0) + (is_ready(c) ? 4 : 0) +
	       ((c->conditions & PROXY_EP_SERVING) != 0 ? 2 : 0) + (c->backend.is_local ? 1 : 0);
}

static int candidate_cmp(const void *x, const void *y)
{
	const struct candidate *a = x;
	const struct candidate *b = y;
	int diff = lb_backend_cmp(&a->backend, &b->backend);

	if (diff != 0)
		return diff;
	diff = preference(b) - preference(a);
	return diff != 0 ? diff : (int)b->hints - (int)a->hints;
}

static size_t gather(const struct proxy_service_port *port, uint8_t family,
                     const struct proxy_endpoint_slice *const *slices, size_t slice_count,
                     const struct proxy_facts *facts, struct endpoint_scratch *scratch)
{
	size_t count = 0;

	for (size_t s = 0; s < slice_count; s++) {
		const struct proxy_endpoint_slice *slice = slices[s];

		if (slice->family != family)
			continue;
		for (size_t p = 0; p < slice->port_count; p++) {
			if (slice->ports[p].protocol != port->protocol ||
			    strcmp(slice->ports[p].name, port->name) != 0)
				continue;
			scratch->candidates = vec_reserve(scratch->candidates, &scratch->cap,
			                                  count + slice->endpoint_count,
			                                  sizeof(*scratch->candidates));
			for (size_t e = 0; e < slice->endpoint_count; e++) {
				const struct proxy_endpoint *endpoint = &slice->endpoints[e];

				scratch->candidates[count++] = (struct candidate){
					.backend = { .addr = endpoint->addr,
					             .is_local =
					                     is_own_node(slice, endpoint, facts),
					             .port = slice->ports[p].port },
					.conditions = endpoint->conditions,
					.hints = read_hints(slice, endpoint, facts),
				};
			}
		}
	}
	return count;
}

/* Sorts and leaves the preferred one of each address and port. */
static size_t deduplicate(struct candidate *list, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(list, count, sizeof(*list), candidate_cmp);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || lb_backend_cmp(&list[kept - 1].backend, &list[i].backend) != 0)
			list[kept++] = list[i];
	return kept;
}

/* The hint an endpoint must carry to be used; 0: topology does not apply. */
static uint8_t topology_mode(const struct candidate *list, size_t count)
{
	uint8_t every = HINT_NODES | HINT_ZONES;
	uint8_t some = 0;
	bool any_ready = false;

	for (size_t i = 0; i < count; i++) {
		if (!is_ready(&list[i]))
			continue;
		any_ready = true;
		every &= list[i].hints;
		some |= list[i].hints;
	}
	if (any_ready && (every & HINT_NODES) != 0 && (some & HINT_OWN_NODE) != 0)
		return HINT_OWN_NODE;
	if (any_ready && (every & HINT_ZONES) != 0 && (some & HINT_OWN_ZONE) != 0)
		return HINT_OWN_ZONE;
	return 0;
}

/* A set being filled: what is beyond its bound is only counted. */
struct filling {
	struct backend_list *out;
	struct lb_pool pool;
	uint32_t max;
	uint32_t count;
};

static struct filling begin_set(struct backend_list *out, uint32_t max)
{
	return (struct filling){ .out = out,
		                 .pool = { .first = (uint32_t)out->count },
		                 .max = max };
}

static void push(struct filling *set, const struct lb_backend *backend)
{
	struct backend_list *out = set->out;

	if (set->count++ >= set->max)
		return;
	out->list = vec_reserve(out->list, &out->cap, out->count + 1, sizeof(*out->list));
	out->list[out->count++] = *backend;
	set->pool.count++;
}

static struct lb_pool select_all(const struct candidate *list, size_t count,
                                 struct endpoint_scratch *scratch, struct backend_list *out)
{
	uint8_t mode = topology_mode(list, count);
	struct filling set = begin_set(out, LB_MAX_BACKENDS);
	bool none_ready;

	for (size_t i = 0; i < count; i++)
		if (is_ready(&list[i]) && (mode == 0 || (list[i].hints & mode) != 0))
			push(&set, &list[i].backend);
	none_ready = set.count == 0;
	for (size_t i = 0; i < count && none_ready; i++)
		if (is_draining(&list[i]))
			push(&set, &list[i].backend);
	scratch->all_count = set.count;
	return set.pool;
}

static struct lb_pool select_local(const struct candidate *list, size_t count,
                                   struct endpoint_scratch *scratch, struct backend_list *out)
{
	struct filling set = begin_set(out, LB_MAX_LOCAL_BACKENDS);
	bool none_ready;

	for (size_t i = 0; i < count; i++)
		if (list[i].backend.is_local && is_ready(&list[i]))
			push(&set, &list[i].backend);
	none_ready = set.count == 0;
	for (size_t i = 0; i < count && none_ready; i++)
		if (list[i].backend.is_local && is_draining(&list[i]))
			push(&set, &list[i].backend);
	scratch->local_count = set.count;
	return set.pool;
}

static int backend_order(const void *x, const void *y)
{
	return lb_backend_cmp(x, y);
}

/* The behaviour of UDP flows to endpoints that serve is not a matter of policy (section 4.1). Those
 * that new connections go to come first: a bound must not cut their flows. */
static struct lb_pool select_serving(const struct candidate *list, size_t count,
                                     struct backend_list *out)
{
	struct filling set = begin_set(out, 2 * LB_MAX_BACKENDS);

	for (size_t i = 0; i < count; i++)
		if ((list[i].conditions & PROXY_EP_SERVING) != 0 && is_ready(&list[i]))
			push(&set, &list[i].backend);
	for (size_t i = 0; i < count; i++)
		if ((list[i].conditions & PROXY_EP_SERVING) != 0 && !is_ready(&list[i]))
			push(&set, &list[i].backend);
	if (set.pool.count > 1)
		qsort(out->list + set.pool.first, set.pool.count, sizeof(*out->list),
		      backend_order);
	return set.pool;
}

void select_endpoints(const struct proxy_service_port *port, uint8_t family,
                      const struct proxy_endpoint_slice *const *slices, size_t slice_count,
                      const struct proxy_facts *facts, struct endpoint_want want,
                      struct endpoint_scratch *scratch, struct backend_list *out,
                      struct lb_port *lb)
{
	size_t count = gather(port, family, slices, slice_count, facts, scratch);
	const struct candidate *list;

	scratch->gathered += count;
	scratch->all_count = 0;
	scratch->local_count = 0;
	count = deduplicate(scratch->candidates, count);
	list = scratch->candidates;
	if (want.all)
		lb->all = select_all(list, count, scratch, out);
	lb->has_any = lb->all.count > 0;
	if (want.local) {
		for (size_t i = 0; i < count && !lb->has_any; i++)
			lb->has_any = is_ready(&list[i]) || is_draining(&list[i]);
		lb->local = select_local(list, count, scratch, out);
	}
	if (port->protocol == PROXY_UDP)
		lb->serving = select_serving(list, count, out);
}

static bool is_in(const struct backend_list *backends, const struct lb_pool *pool,
                  const struct lb_backend *backend)
{
	return pool->count > 0 && bsearch(backend, backends->list + pool->first, pool->count,
	                                  sizeof(*backend), backend_order) != NULL;
}

/* Why a candidate that is in no set is in none. */
static enum proxy_fate fate_of_unused(const struct candidate *c, struct endpoint_want want,
                                      uint8_t mode)
{
	if (!is_ready(c))
		return (c->conditions & PROXY_EP_TERMINATING) != 0 ? PROXY_TERMINATING
		                                                   : PROXY_NOT_READY;
	if (!want.all)
		return c->backend.is_local ? PROXY_TOO_MANY : PROXY_NOT_LOCAL;
	return mode != 0 && (c->hints & mode) == 0 ? PROXY_ELSEWHERE : PROXY_TOO_MANY;
}

struct proxy_explained *explain_endpoints(const struct proxy_service_port *port, uint8_t family,
                                          const struct proxy_endpoint_slice *const *slices,
                                          size_t slice_count, const struct proxy_facts *facts,
                                          struct endpoint_want want, size_t *out_count)
{
	struct endpoint_scratch scratch = { 0 };
	struct backend_list used = { 0 };
	struct lb_pool all = { 0 };
	struct lb_pool local = { 0 };
	size_t count = gather(port, family, slices, slice_count, facts, &scratch);
	struct proxy_explained *out;
	uint8_t mode;

	count = deduplicate(scratch.candidates, count);
	mode = topology_mode(scratch.candidates, count);
	if (want.all)
		all = select_all(scratch.candidates, count, &scratch, &used);
	if (want.local)
		local = select_local(scratch.candidates, count, &scratch, &used);
	out = xcalloc(count, sizeof(*out));
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = &scratch.candidates[i];

		out[i].backend = c->backend;
		if (is_in(&used, &all, &c->backend) || is_in(&used, &local, &c->backend))
			out[i].fate = is_ready(c) ? PROXY_USED : PROXY_USED_TERMINATING;
		else
			out[i].fate = fate_of_unused(c, want, mode);
	}
	free(scratch.candidates);
	free(used.list);
	*out_count = count;
	return out;
}

static int address_cmp(const void *x, const void *y)
{
	return ipaddr_cmp(&((const struct candidate *)x)->backend.addr,
	                  &((const struct candidate *)y)->backend.addr);
}

uint32_t count_ready_local(uint8_t family, const struct proxy_endpoint_slice *const *slices,
                           size_t slice_count, const struct proxy_facts *facts,
                           struct endpoint_scratch *scratch)
{
	uint32_t distinct = 0;
	size_t count = 0;

	for (size_t s = 0; s < slice_count; s++) {
		const struct proxy_endpoint_slice *slice = slices[s];

		if (slice->family != family || slice->port_count == 0)
			continue;
		scratch->candidates =
			vec_reserve(scratch->candidates, &scratch->cap,
		                    count + slice->endpoint_count, sizeof(*scratch->candidates));
		for (size_t e = 0; e < slice->endpoint_count; e++) {
			const struct proxy_endpoint *endpoint = &slice->endpoints[e];

			if ((endpoint->conditions & PROXY_EP_READY) != 0 &&
			    is_own_node(slice, endpoint, facts))
				scratch->candidates[count++] =
					(struct candidate){ .backend = { .addr = endpoint->addr } };
		}
	}
	if (count > 1)
		qsort(scratch->candidates, count, sizeof(*scratch->candidates), address_cmp);
	for (size_t i = 0; i < count; i++)
		distinct += i == 0 ||
		            address_cmp(&scratch->candidates[i - 1], &scratch->candidates[i]) != 0;
	return distinct;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: one round of planning
 *
 * Every touched Service is planned and its claims are brought up to date; that
 * may touch others, whose claim was taken or became free, and these are planned
 * in the same round. Claims depend on objects only, never on who holds one, so
 * the round ends. Who holds what is marked last, when all lines stand.
 */
#include "proxy/planner.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "claims.h"
#include "proxy/plan.h"
#include "store.h"

/* Facts about the node, with their own memory. */
struct facts {
	struct proxy_facts view;
	char *zone;
	struct ipaddr node_port_addresses[2];
};

struct proxy_planner {
	char *node_name;
	struct proxy_store *store;
	struct claims *claims;
	struct facts facts;
	struct ipcidr *pod_cidrs;
	struct ipcidr *service_cidrs;
	struct lb_networks networks;
	bool networks_fresh; /* networks have changed since they were handed out */
	uint32_t round;
};

/* The first address of @family that the Node has, InternalIPs first (section 1.5). */
static struct ipaddr node_ip(const struct proxy_node *node, uint8_t family)
{
	for (size_t i = 0; i < node->internal_ip_count; i++)
		if (node->internal_ips[i].family == family)
			return node->internal_ips[i];
	for (size_t i = 0; i < node->external_ip_count; i++)
		if (node->external_ips[i].family == family)
			return node->external_ips[i];
	return (struct ipaddr){ 0 };
}

/* NodePorts are served on the node's primary addresses, never on loopback or link-local ones. */
static void derive_facts(struct proxy_planner *planner, struct facts *out)
{
	const struct proxy_node *node = store_node(planner->store);
	size_t count = 0;

	*out = (struct facts){ .zone = xstrdup(node != NULL ? node->zone : "") };
	for (size_t f = 0; node != NULL && f < 2; f++) {
		struct ipaddr addr = node_ip(node, f == 0 ? 4 : 6);

		out->view.node_ips[f] = addr;
		if (addr.family != 0 && !ipaddr_is_loopback(&addr) && !ipaddr_is_link_local(&addr))
			out->node_port_addresses[count++] = addr;
	}
	out->view.node_name = planner->node_name;
	out->view.node_port_address_count = count;
}

static void refresh_facts(struct proxy_planner *planner)
{
	struct facts *now = &planner->facts;
	struct facts next;
	bool same;

	derive_facts(planner, &next);
	same = now->zone != NULL && strcmp(now->zone, next.zone) == 0 &&
	       memcmp(now->view.node_ips, next.view.node_ips, sizeof(next.view.node_ips)) == 0;
	free(now->zone);
	*now = next;
	now->view.zone = now->zone;
	now->view.node_port_addresses = now->node_port_addresses;
	if (!same)
		store_touch_all(planner->store);
}

struct proxy_planner *proxy_planner_new(const struct proxy_config *config,
                                        const uint8_t seed[static 16])
{
	struct proxy_planner *planner = xcalloc(1, sizeof(*planner));
	size_t count = config->pod_cidr_count;

	planner->node_name = xstrdup(config->node_name);
	planner->store = store_new(seed, config->node_name);
	planner->claims = claims_new(seed);
	planner->pod_cidrs = xcalloc(count, sizeof(*planner->pod_cidrs));
	if (count > 0)
		memcpy(planner->pod_cidrs, config->pod_cidrs, count * sizeof(*planner->pod_cidrs));
	planner->networks.pod_cidrs = planner->pod_cidrs;
	planner->networks.pod_cidr_count = proxy_merge_cidrs(planner->pod_cidrs, count);
	planner->networks_fresh = true;
	refresh_facts(planner);
	return planner;
}

void proxy_planner_free(struct proxy_planner *planner)
{
	struct record *record;

	if (planner == NULL)
		return;
	/* a record's claims are its own memory: let go of them before the records go */
	store_touch_all(planner->store);
	while ((record = store_take_dirty(planner->store)) != NULL) {
		free(record->claims);
		record->claims = NULL;
		record->claim_count = 0;
	}
	store_free(planner->store);
	claims_free(planner->claims);
	free(planner->facts.zone);
	free(planner->pod_cidrs);
	free(planner->service_cidrs);
	free(planner->node_name);
	free(planner);
}

bool proxy_planner_put(struct proxy_planner *planner, struct proxy_meta *object,
                       struct diags *diags)
{
	return store_put(planner->store, object, diags);
}

bool proxy_planner_delete(struct proxy_planner *planner, enum proxy_kind kind,
                          const char *namespace, const char *name)
{
	return store_delete(planner->store, kind, namespace, name);
}

void proxy_planner_list_begin(struct proxy_planner *planner, uint32_t kinds)
{
	store_list_begin(planner->store, kinds);
}

void proxy_planner_list_add(struct proxy_planner *planner, struct proxy_meta *object)
{
	store_list_add(planner->store, object);
}

bool proxy_planner_list_keep(struct proxy_planner *planner, enum proxy_kind kind,
                             const char *namespace, const char *name)
{
	return store_list_keep(planner->store, kind, namespace, name);
}

void proxy_planner_list_end(struct proxy_planner *planner, bool complete, struct diags *diags)
{
	store_list_end(planner->store, complete, diags);
}

static void refresh_networks(struct proxy_planner *planner)
{
	size_t count = 0;
	struct ipcidr *cidrs = store_service_cidrs(planner->store, &count);
	struct lb_networks *networks = &planner->networks;

	count = proxy_merge_cidrs(cidrs, count);
	if (count != networks->service_cidr_count ||
	    (count > 0 && memcmp(cidrs, planner->service_cidrs, count * sizeof(*cidrs)) != 0))
		planner->networks_fresh = true;
	free(planner->service_cidrs);
	planner->service_cidrs = cidrs;
	networks->service_cidrs = cidrs;
	networks->service_cidr_count = count;
}

/* Services planned in this round. */
struct round {
	struct planned {
		struct record *record;
		struct lb_service *service;
	} * list;
	size_t count;
	size_t cap;
};

static void plan_record(struct proxy_planner *planner, struct record *record, struct round *round,
                        struct diags *diags)
{
	struct lb_service *service;

	if (record->round == planner->round)
		return; /* touched by a claim only, and who holds what is marked at the end */
	record->round = planner->round;
	service = proxy_plan_service(record->id, record->name, record->service,
	                             store_slices(planner->store, record), record->slice_count,
	                             &planner->facts.view, diags);

	claims_update(planner->claims, planner->store, record, service);
	round->list = vec_reserve(round->list, &round->cap, round->count + 1, sizeof(*round->list));
	round->list[round->count++] = (struct planned){ record, service };
}

static int planned_order(const void *x, const void *y)
{
	return strcmp(((const struct planned *)x)->record->name,
	              ((const struct planned *)y)->record->name);
}

void proxy_planner_changes(struct proxy_planner *planner, struct proxy_changes *out,
                           struct diags *diags)
{
	struct round round = { 0 };
	struct record *record;

	*out = (struct proxy_changes){ 0 };
	if (store_take_node_changed(planner->store))
		refresh_facts(planner);
	if (store_take_cidrs_changed(planner->store))
		refresh_networks(planner);
	out->networks = planner->networks_fresh;
	planner->networks_fresh = false;
	planner->round++;
	while ((record = store_take_dirty(planner->store)) != NULL)
		plan_record(planner, record, &round, diags);
	if (round.count > 1) /* by name, so that the order of events leaves no trace */
		qsort(round.list, round.count, sizeof(*round.list), planned_order);
	out->services = xcalloc(round.count, sizeof(struct lb_service *));
	for (size_t i = 0; i < round.count; i++) {
		struct planned *p = &round.list[i];

		claims_mark(planner->claims, p->record, p->service, diags);
		out->services[out->count++] = p->service;
		(void)store_drop_empty(planner->store, p->record);
	}
	free(round.list);
}

void proxy_changes_done(struct proxy_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		free(changes->services[i]);
	free(changes->services);
	*changes = (struct proxy_changes){ 0 };
}

void proxy_planner_touch_all(struct proxy_planner *planner)
{
	store_touch_all(planner->store);
	planner->networks_fresh = true;
}

const struct lb_networks *proxy_planner_networks(const struct proxy_planner *planner)
{
	return &planner->networks;
}

struct proxy_counts proxy_planner_counts(const struct proxy_planner *planner)
{
	return store_counts(planner->store);
}

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
#include "planner_impl.h"

/* Facts about the node, with their own memory. */
struct facts {
	struct proxy_facts view;
	char *zone;
	struct ipaddr *node_port_addresses;
	struct ipaddr *node_addresses;
	struct ipaddr *health_addresses;
	size_t health_address_count;
};

struct proxy_planner {
	char *node_name;
	bool pods_of_node;
	struct ipcidr *config_pods; /* pod ranges that were configured */
	size_t config_pod_count;
	struct ipcidr *node_port_cidrs;
	size_t node_port_cidr_count;
	bool no_external_ips;
	struct ipaddr bind_address;

	struct proxy_store *store;
	struct claims *claims;
	struct ipaddr *addresses; /* of this machine */
	size_t address_count;
	bool addresses_changed;
	struct facts facts;
	struct ipcidr *pod_cidrs;
	struct ipcidr *service_cidrs;
	struct lb_networks networks;
	bool networks_fresh; /* networks have changed since they were handed out */
	uint32_t round;
};

static void *copy_array(const void *from, size_t count, size_t size)
{
	void *copy = xcalloc(count, size);

	if (count > 0)
		memcpy(copy, from, count * size);
	return copy;
}

/* The first address of @family that the Node has, InternalIPs first; the operator's word comes
 * before the Node's (section 1.5). */
static struct ipaddr node_ip(const struct proxy_planner *planner, const struct proxy_node *node,
                             uint8_t family)
{
	if (planner->bind_address.family == family)
		return planner->bind_address;
	if (node == NULL)
		return (struct ipaddr){ 0 };
	for (size_t i = 0; i < node->internal_ip_count; i++)
		if (node->internal_ips[i].family == family)
			return node->internal_ips[i];
	for (size_t i = 0; i < node->external_ip_count; i++)
		if (node->external_ips[i].family == family)
			return node->external_ips[i];
	return (struct ipaddr){ 0 };
}

/* Never served: loopback, as kube-proxy's nftables mode, and link-local addresses. */
static bool can_have_node_ports(const struct ipaddr *addr)
{
	return addr->family != 0 && !ipaddr_is_loopback(addr) && !ipaddr_is_link_local(addr);
}

/* Is @addr selected by nodePortAddresses? A family without a range is open (section 2.7). */
static bool is_selected(const struct proxy_planner *planner, const struct ipaddr *addr)
{
	bool family_named = false;

	for (size_t i = 0; i < planner->node_port_cidr_count; i++) {
		const struct ipcidr *cidr = &planner->node_port_cidrs[i];

		family_named = family_named || cidr->addr.family == addr->family;
		if (ipcidr_contains(cidr, addr))
			return true;
	}
	return !family_named;
}

static int addr_order(const void *x, const void *y)
{
	return ipaddr_cmp(x, y);
}

static void select_node_ports(const struct proxy_planner *planner, struct facts *out)
{
	size_t count = 0;

	out->node_port_addresses =
		xcalloc(planner->address_count + 2, sizeof(*out->node_port_addresses));
	if (planner->node_port_cidr_count == 0) {
		for (size_t f = 0; f < 2; f++)
			if (can_have_node_ports(&out->view.node_ips[f]))
				out->node_port_addresses[count++] = out->view.node_ips[f];
	} else {
		for (size_t i = 0; i < planner->address_count; i++)
			if (can_have_node_ports(&planner->addresses[i]) &&
			    is_selected(planner, &planner->addresses[i]))
				out->node_port_addresses[count++] = planner->addresses[i];
	}
	if (count > 1)
		qsort(out->node_port_addresses, count, sizeof(struct ipaddr), addr_order);
	out->view.node_port_addresses = out->node_port_addresses;
	out->view.node_port_address_count = count;
}

/* Are all addresses of this family selected, whatever they are (section 2.7)? */
static bool is_unbounded(const struct proxy_planner *planner, uint8_t family)
{
	bool family_named = false;

	for (size_t i = 0; i < planner->node_port_cidr_count; i++) {
		const struct ipcidr *cidr = &planner->node_port_cidrs[i];

		if (cidr->addr.family != family)
			continue;
		family_named = true;
		if (cidr->prefix == 0)
			return true;
	}
	return !family_named && planner->node_port_cidr_count > 0;
}

/* As the addresses of NodePorts, which were selected; these are never loopback ones. */
static void select_health_addresses(const struct proxy_planner *planner, struct facts *out)
{
	struct ipaddr *list = xcalloc(
		out->view.node_port_address_count + planner->address_count + 2, sizeof(*list));
	size_t count = 0;

	for (size_t f = 0; f < 2; f++) {
		uint8_t family = f == 0 ? 4 : 6;

		if (is_unbounded(planner, family)) {
			list[count++] = (struct ipaddr){ .family = family };
			continue;
		}
		for (size_t i = 0; i < out->view.node_port_address_count; i++)
			if (out->node_port_addresses[i].family == family)
				list[count++] = out->node_port_addresses[i];
		for (size_t i = 0; i < planner->address_count; i++)
			if (planner->node_port_cidr_count > 0 &&
			    planner->addresses[i].family == family &&
			    ipaddr_is_loopback(&planner->addresses[i]) &&
			    is_selected(planner, &planner->addresses[i]))
				list[count++] = planner->addresses[i];
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), addr_order);
	out->health_addresses = list;
	out->health_address_count = count;
}

static void collect_node_addresses(const struct proxy_planner *planner, struct facts *out)
{
	const struct proxy_node *node = store_node(planner->store);
	size_t internal = node != NULL ? node->internal_ip_count : 0;
	size_t external = node != NULL ? node->external_ip_count : 0;
	struct ipaddr *list = xcalloc(internal + external + planner->address_count, sizeof(*list));

	if (internal > 0)
		memcpy(list, node->internal_ips, internal * sizeof(*list));
	if (external > 0)
		memcpy(list + internal, node->external_ips, external * sizeof(*list));
	if (planner->address_count > 0)
		memcpy(list + internal + external, planner->addresses,
		       planner->address_count * sizeof(*list));
	out->node_addresses = list;
	out->view.node_addresses = list;
	out->view.node_address_count = internal + external + planner->address_count;
}

/* A Node that is deleted, or made again and not yet told its addresses, is still this machine: what was
 * known of it last counts, as in kube-proxy (section 1.5). */
static struct facts derive_facts(const struct proxy_planner *planner)
{
	const struct proxy_node *node = store_node(planner->store);
	const struct facts *last = &planner->facts;
	const char *last_zone = last->zone != NULL ? last->zone : "";
	struct facts out = { .zone = xstrdup(node != NULL ? node->zone : last_zone) };

	for (size_t f = 0; f < 2; f++) {
		out.view.node_ips[f] = node_ip(planner, node, f == 0 ? 4 : 6);
		if (out.view.node_ips[f].family == 0)
			out.view.node_ips[f] = last->view.node_ips[f];
	}
	out.view.no_external_ips = planner->no_external_ips;
	out.view.node_name = planner->node_name;
	out.view.zone = out.zone;
	select_node_ports(planner, &out);
	select_health_addresses(planner, &out);
	collect_node_addresses(planner, &out);
	return out;
}

static bool same_facts(const struct facts *a, const struct facts *b)
{
	size_t count = a->view.node_port_address_count;
	size_t addresses = a->view.node_address_count;

	return a->zone != NULL && strcmp(a->zone, b->zone) == 0 &&
	       memcmp(a->view.node_ips, b->view.node_ips, sizeof(a->view.node_ips)) == 0 &&
	       count == b->view.node_port_address_count &&
	       memcmp(a->node_port_addresses, b->node_port_addresses,
	              count * sizeof(struct ipaddr)) == 0 &&
	       addresses == b->view.node_address_count &&
	       memcmp(a->node_addresses, b->node_addresses, addresses * sizeof(struct ipaddr)) == 0;
}

static void free_facts(struct facts *facts)
{
	free(facts->zone);
	free(facts->node_port_addresses);
	free(facts->node_addresses);
	free(facts->health_addresses);
}

static void refresh_facts(struct proxy_planner *planner)
{
	struct facts next = derive_facts(planner);
	bool same = same_facts(&planner->facts, &next);

	free_facts(&planner->facts);
	planner->facts = next;
	if (!same)
		store_touch_all(planner->store);
}

/* Configured pod ranges, and the Node's own where these count. */
static void refresh_pods(struct proxy_planner *planner)
{
	const struct proxy_node *node = store_node(planner->store);
	size_t of_node = planner->pods_of_node && node != NULL ? node->pod_cidr_count : 0;
	size_t count = planner->config_pod_count;
	struct lb_networks *networks = &planner->networks;
	struct ipcidr *cidrs;

	/* a Node that is deleted and made again has none for a while, and its pods live on */
	if (planner->pods_of_node && of_node == 0 && networks->pod_cidr_count > 0)
		return;
	cidrs = xcalloc(count + of_node, sizeof(*cidrs));
	if (count > 0)
		memcpy(cidrs, planner->config_pods, count * sizeof(*cidrs));
	if (of_node > 0)
		memcpy(cidrs + count, node->pod_cidrs, of_node * sizeof(*cidrs));
	count = proxy_merge_cidrs(cidrs, count + of_node);
	if (count != networks->pod_cidr_count ||
	    (count > 0 && memcmp(cidrs, planner->pod_cidrs, count * sizeof(*cidrs)) != 0))
		planner->networks_fresh = true;
	free(planner->pod_cidrs);
	planner->pod_cidrs = cidrs;
	networks->pod_cidrs = cidrs;
	networks->pod_cidr_count = count;
}

struct proxy_planner *proxy_planner_new(const struct proxy_config *config,
                                        const uint8_t seed[static 16])
{
	struct proxy_planner *planner = xcalloc(1, sizeof(*planner));

	planner->node_name = xstrdup(config->node_name);
	planner->pods_of_node = config->pods_of_node;
	planner->no_external_ips = config->no_external_ips;
	planner->bind_address = config->bind_address;
	planner->config_pod_count = config->pod_cidr_count;
	planner->config_pods =
		copy_array(config->pod_cidrs, config->pod_cidr_count, sizeof(struct ipcidr));
	planner->node_port_cidr_count = config->node_port_cidr_count;
	planner->node_port_cidrs = copy_array(config->node_port_cidrs, config->node_port_cidr_count,
	                                      sizeof(struct ipcidr));
	planner->store = store_new(seed, config->node_name);
	planner->claims = claims_new(seed);
	planner->networks_fresh = true;
	refresh_facts(planner);
	refresh_pods(planner);
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
	free_facts(&planner->facts);
	free(planner->addresses);
	free(planner->pod_cidrs);
	free(planner->service_cidrs);
	free(planner->config_pods);
	free(planner->node_port_cidrs);
	free(planner->node_name);
	free(planner);
}

void proxy_planner_set_addresses(struct proxy_planner *planner, const struct ipaddr *addrs,
                                 size_t count)
{
	free(planner->addresses);
	planner->addresses = copy_array(addrs, count, sizeof(*addrs));
	planner->address_count = count;
	planner->addresses_changed = true;
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

void proxy_planner_list_remove(struct proxy_planner *planner, enum proxy_kind kind,
                               const char *namespace, const char *name)
{
	store_list_remove(planner->store, kind, namespace, name);
}

void proxy_planner_list_end(struct proxy_planner *planner, uint32_t kinds, bool complete,
                            struct diags *diags)
{
	store_list_end(planner->store, kinds, complete, diags);
}

static void refresh_service_cidrs(struct proxy_planner *planner)
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

void proxy_planner_refresh(struct proxy_planner *planner)
{
	bool node_changed = store_take_node_changed(planner->store);

	if (node_changed || planner->addresses_changed)
		refresh_facts(planner);
	if (node_changed)
		refresh_pods(planner);
	if (store_take_cidrs_changed(planner->store))
		refresh_service_cidrs(planner);
	planner->addresses_changed = false;
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
	proxy_planner_refresh(planner);
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

void proxy_planner_touch(struct proxy_planner *planner, const char *service)
{
	store_touch_name(planner->store, service);
}

void proxy_planner_touch_all(struct proxy_planner *planner)
{
	store_touch_all(planner->store);
	planner->networks_fresh = true;
}

const struct proxy_node *proxy_planner_node(const struct proxy_planner *planner)
{
	return store_node(planner->store);
}

const struct lb_networks *proxy_planner_networks(const struct proxy_planner *planner)
{
	return &planner->networks;
}

const struct ipaddr *proxy_planner_health_addresses(const struct proxy_planner *planner,
                                                    size_t *count)
{
	*count = planner->facts.health_address_count;
	return planner->facts.health_addresses;
}

size_t proxy_planner_take_triggers(struct proxy_planner *planner, struct proxy_trigger **out)
{
	struct triggers taken = *store_triggers(planner->store);

	*store_triggers(planner->store) = (struct triggers){ 0 };
	*out = taken.list;
	return taken.count;
}

struct proxy_counts proxy_planner_counts(const struct proxy_planner *planner)
{
	return store_counts(planner->store);
}

struct proxy_store *planner_store(struct proxy_planner *planner)
{
	return planner->store;
}

const struct proxy_facts *planner_facts(const struct proxy_planner *planner)
{
	return &planner->facts.view;
}

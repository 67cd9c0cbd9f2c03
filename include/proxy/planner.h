/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_PLANNER_H
#define PROXY_PLANNER_H

/*
 * Objects in, desired load-balancing state out, Service by Service.
 *
 * The planner holds the latest form of every object and knows which Services an
 * event touched; only those are planned again. It also decides who holds an
 * address that several Services claim: the oldest by creationTimestamp, then by
 * namespace/name. Pure: no I/O, no clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "lb.h"
#include "proxy/object.h"

/* Bounds; objects beyond are refused with a diagnostic. */
#define PROXY_MAX_SERVICES 200000u
#define PROXY_MAX_SLICES 400000u
#define PROXY_MAX_SERVICE_CIDRS 1024u

/** What the operator decided; borrowed strings and arrays are copied. */
struct proxy_config {
	const char *node_name; /* own Node, and what nodeName is compared with */
	/* and so do the own Node's spec.podCIDRs: the last ones known, also while it has none */
	bool pods_of_node;
	const struct ipcidr *node_port_cidrs; /* NodePorts are served on local addresses in these */
	/* 0: on the Node's primary addresses, the last ones known */
	size_t node_port_cidr_count;
	const struct ipcidr *pod_cidrs; /* what counts as a pod source */
	size_t pod_cidr_count;
	bool no_external_ips; /* spec.externalIPs of all Services does not count */
	struct ipaddr
		bind_address; /* in place of the Node's primary address of its family; none: that */
};

struct proxy_planner; /* opaque: object store, claims, what is to be planned again */

/** proxy_planner_new() - an empty planner.
 *
 * @seed: random bytes for the hash tables.
 *
 * Return: release with proxy_planner_free().
 */
struct proxy_planner *proxy_planner_new(const struct proxy_config *config,
                                        const uint8_t seed[static 16]);

/** proxy_planner_free() - with all objects. NULL is a no-op. */
void proxy_planner_free(struct proxy_planner *planner);

/** proxy_planner_put() - add or replace one object (a watch's ADDED or MODIFIED).
 *
 * @object: a packed object; taken. Nodes other than the own one are dropped.
 *
 * Return: whether anything changed; an object equal to the stored one changes nothing.
 */
bool proxy_planner_put(struct proxy_planner *planner, struct proxy_meta *object,
                       struct diags *diags);

/** proxy_planner_delete() - remove one object (a watch's DELETED); an unknown one is no error.
 *
 * Return: whether anything changed.
 */
bool proxy_planner_delete(struct proxy_planner *planner, enum proxy_kind kind,
                          const char *namespace, const char *name);

/** proxy_planner_list_begin() - a complete list of objects is about to come.
 *
 * Lists of different kinds may be under way at the same time.
 *
 * @kinds: bits `1u << kind` of the kinds that the list covers.
 */
void proxy_planner_list_begin(struct proxy_planner *planner, uint32_t kinds);

/** proxy_planner_list_add() - one object of the list; taken. Takes effect when the list ends. */
void proxy_planner_list_add(struct proxy_planner *planner, struct proxy_meta *object);

/** proxy_planner_list_keep() - the list has this object, but in a form that is of no use: keep
 *  the stored one. Return: whether there is one. */
bool proxy_planner_list_keep(struct proxy_planner *planner, enum proxy_kind kind,
                             const char *namespace, const char *name);

/** proxy_planner_list_remove() - the list does not have this object any more: it was deleted, or is
 *  about to be added in another form, after it had been added. Linear in what the list has added. */
void proxy_planner_list_remove(struct proxy_planner *planner, enum proxy_kind kind,
                               const char *namespace, const char *name);

/** proxy_planner_list_end() - the list ended.
 *
 * @kinds: as given to proxy_planner_list_begin().
 * @complete: it was read to its end: objects that it does not hold are removed.
 *            Otherwise nothing of it takes effect.
 */
void proxy_planner_list_end(struct proxy_planner *planner, uint32_t kinds, bool complete,
                            struct diags *diags);

/** What has changed since the last call. */
struct proxy_changes {
	struct lb_service **services; /* each owned by the caller, as is the array */
	size_t count;
	bool networks; /* proxy_planner_networks() has changed */
};

/** proxy_planner_changes() - plan every Service anew that an event touched, and those whose claims
 *  changed hands with it.
 *
 * A Service that is gone comes as an lb_service without frontends; its id is
 * given to another one only in a later call.
 *
 * @out: release with proxy_changes_done(), or take services out of it (set to NULL).
 */
void proxy_planner_changes(struct proxy_planner *planner, struct proxy_changes *out,
                           struct diags *diags);

/** proxy_changes_done() - free what is left in it. */
void proxy_changes_done(struct proxy_changes *changes);

/** proxy_planner_touch_all() - have everything planned again by the next proxy_planner_changes(). */
void proxy_planner_touch_all(struct proxy_planner *planner);

/** proxy_planner_touch() - have one Service planned again; one that is not known is no error.
 *
 * @service: "namespace/name".
 */
void proxy_planner_touch(struct proxy_planner *planner, const char *service);

/** proxy_planner_set_addresses() - the addresses that this machine has now.
 *
 * For NodePorts on ranges, and to know a ClusterIP that is an address of the node. Copied.
 */
void proxy_planner_set_addresses(struct proxy_planner *planner, const struct ipaddr *addrs,
                                 size_t count);

/** proxy_planner_refresh() - bring what depends on the Node and the ServiceCIDRs up to date;
 *  proxy_planner_changes() does it, too. */
void proxy_planner_refresh(struct proxy_planner *planner);

/** proxy_planner_node() - the own Node, as far as it is known now; NULL: it is not. Valid until the
 *  planner changes. */
const struct proxy_node *proxy_planner_node(const struct proxy_planner *planner);

/** proxy_planner_networks() - service and pod ranges; valid until the planner changes. */
const struct lb_networks *proxy_planner_networks(const struct proxy_planner *planner);

/** proxy_planner_health_addresses() - where healthCheckNodePorts are answered: on the addresses that
 *  NodePorts are served on, and on loopback ones if they were asked for.
 *
 * Of a family without bounds only the unspecified address (0.0.0.0, ::) is there.
 *
 * Return: @count addresses, sorted; valid until the planner changes.
 */
const struct ipaddr *proxy_planner_health_addresses(const struct proxy_planner *planner,
                                                    size_t *count);

/* Beyond that many between two calls of proxy_planner_take_triggers() they are dropped. */
#define PROXY_MAX_TRIGGERS 4096u

/** When a change that an EndpointSlice tells of began. */
struct proxy_trigger {
	uint32_t id; /* of the Service */
	uint8_t family;
	int64_t at_us; /* proxy_endpoint_slice.triggered_us */
};

/** proxy_planner_take_triggers() - those of all slices that came or changed since the last call.
 *
 * A Service one of whose slices was removed has none from before.
 *
 * @out: an array that the caller frees; NULL when there are none.
 *
 * Return: how many.
 */
size_t proxy_planner_take_triggers(struct proxy_planner *planner, struct proxy_trigger **out);

/** Counts for logs and metrics. */
struct proxy_counts {
	size_t services;
	size_t slices;
	size_t service_cidrs;
	uint64_t service_changes; /* so far: Services that came, changed or went */
	uint64_t slice_changes;
	bool node_known;   /* the own Node is there */
	bool node_seen;    /* it is, or was */
	bool node_leaving; /* and is, or was at last, about to be removed */
};

struct proxy_counts proxy_planner_counts(const struct proxy_planner *planner);

#endif

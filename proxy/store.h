/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_STORE_H
#define PROXY_STORE_H

/*
 * The latest form of every object, by key, and which Services they touch.
 *
 * A record stands for one namespace/name that a Service has or that a slice's
 * label names; it holds what planning that Service needs. Both hash tables are
 * seeded: names are chosen by strangers.
 */

#include "proxy/planner.h"
#include "triggers.h"

struct proxy_store;
struct claim;

/** One Service as the store sees it. Owned by the store. */
struct record {
	uint32_t id;
	const char *name;                    /* "namespace/name" */
	const struct proxy_service *service; /* NULL: only slices name it */
	struct object *slices;               /* list of its slices */
	size_t slice_count;
	bool dirty;
	uint32_t round; /* of planner.c: the round that planned it last */
	struct record *next_dirty;
	struct claim *claims; /* of planner.c: what it claimed when last planned */
	size_t claim_count;
	int64_t claimed_created; /* its creationTimestamp then */
};

struct proxy_store *store_new(const uint8_t seed[static 16], const char *node_name);
void store_free(struct proxy_store *store);

/* As in proxy/planner.h. */
bool store_put(struct proxy_store *store, struct proxy_meta *meta, struct diags *diags);
bool store_delete(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                  const char *name);
void store_list_begin(struct proxy_store *store, uint32_t kinds);
void store_list_add(struct proxy_store *store, struct proxy_meta *meta);
bool store_list_keep(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                     const char *name);
void store_list_remove(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                       const char *name);
void store_list_end(struct proxy_store *store, uint32_t kinds, bool complete, struct diags *diags);

/** store_touch() - have @record planned again. */
void store_touch(struct proxy_store *store, struct record *record);
/** store_touch_name() - the same for that of "namespace/name", if there is one. */
void store_touch_name(struct proxy_store *store, const char *name);
void store_touch_all(struct proxy_store *store);

/** store_take_dirty() - the next record to plan again, or NULL; it is clean afterwards. */
struct record *store_take_dirty(struct proxy_store *store);

/** store_find() - the record of "namespace/name", or NULL. */
const struct record *store_find(const struct proxy_store *store, const char *name);

/** store_slices() - the slices of @record; the array is the store's, valid until the next call. */
const struct proxy_endpoint_slice *const *store_slices(struct proxy_store *store,
                                                       const struct record *record);

/** store_drop_empty() - forget @record if neither a Service nor a slice is left of it.
 *
 * Return: whether it was freed.
 */
bool store_drop_empty(struct proxy_store *store, struct record *record);

/** store_node() - the own Node, NULL when unknown. */
const struct proxy_node *store_node(const struct proxy_store *store);

/** store_service_cidrs() - append all ServiceCIDRs' ranges to a new array; the caller frees it. */
struct ipcidr *store_service_cidrs(const struct proxy_store *store, size_t *count);

/** store_take_node_changed() - was the own Node, store_take_cidrs_changed() a ServiceCIDR changed
 *  since the last call? */
bool store_take_node_changed(struct proxy_store *store);
bool store_take_cidrs_changed(struct proxy_store *store);

/** store_triggers() - the caller may take the list. */
struct triggers *store_triggers(struct proxy_store *store);

struct proxy_counts store_counts(const struct proxy_store *store);
const uint8_t *store_seed(const struct proxy_store *store);

#endif

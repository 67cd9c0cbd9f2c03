/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "triggers.h"

/* Every use below has the store at hand: its seed keys the hash. */
#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)siphash(store->seed, (keyptr), (keylen)))
#define uthash_malloc(size) xmalloc(size)
#define uthash_free(ptr, size) free(ptr)
#define uthash_fatal(msg) panic(__FILE__, __LINE__, (msg))
#include <uthash.h>

#define KINDS (PROXY_SERVICE_CIDR + 1)

/* "kind/namespace/name"; the kind is one character. */
#define KEY_BYTES (2 * PROXY_MAX_NAME + 4)

/** One stored object. */
struct object {
	UT_hash_handle hh;
	struct proxy_meta *meta;
	struct object *next_slice;  /* of the same record */
	struct object **prev_slice; /* what points at this one */
	uint32_t seen;              /* the list that mentioned it last */
	uint32_t applied;           /* the list that changed it last */
	char key[];
};

struct record_entry {
	UT_hash_handle hh;
	struct record record;
	char name[];
};

struct proxy_store {
	uint8_t seed[16];
	char *node_name;
	struct object *objects;
	struct record_entry *records;
	struct record *dirty;
	const struct proxy_node *node;
	bool node_changed;
	bool node_seen;    /* ever */
	bool node_leaving; /* when it was there last */
	bool cidrs_changed;
	size_t counts[KINDS];
	uint64_t changes[KINDS]; /* so far: objects that came, changed or went */
	struct triggers triggers;

	uint32_t *free_ids; /* ids given back, a stack */
	size_t free_id_count, free_id_cap;
	uint32_t next_id;

	const struct proxy_endpoint_slice **slices; /* scratch of store_slices() */
	size_t slice_cap;

	struct list {
		uint32_t number;             /* of the current or last list of this kind */
		struct proxy_meta **pending; /* its objects that differ from what is stored */
		size_t count, cap;
	} lists[KINDS];
};

static void drop_pending(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->pending[i]);
	free(list->pending);
	list->pending = NULL;
	list->count = 0;
	list->cap = 0;
}

struct proxy_store *store_new(const uint8_t seed[static 16], const char *node_name)
{
	struct proxy_store *store = xcalloc(1, sizeof(*store));

	memcpy(store->seed, seed, sizeof(store->seed));
	store->node_name = xstrdup(node_name);
	return store;
}

void store_free(struct proxy_store *store)
{
	struct object *object;
	struct object *next;
	struct record_entry *entry;
	struct record_entry *next_entry;

	if (store == NULL)
		return;
	HASH_ITER (hh, store->objects, object, next) {
		HASH_DELETE(hh, store->objects, object);
		free(object->meta);
		free(object);
	}
	HASH_ITER (hh, store->records, entry, next_entry) {
		HASH_DELETE(hh, store->records, entry);
		free(entry);
	}
	for (size_t kind = 0; kind < KINDS; kind++)
		drop_pending(&store->lists[kind]);
	free(store->slices);
	triggers_done(&store->triggers);
	free(store->free_ids);
	free(store->node_name);
	free(store);
}

static size_t make_key(char *buf, enum proxy_kind kind, const char *namespace, const char *name)
{
	int n = snprintf(buf, KEY_BYTES, "%c/%s/%s", 'a' + (int)kind, namespace, name);

	ASSERT(n > 0 && n < KEY_BYTES);
	return (size_t)n;
}

static struct object *find(const struct proxy_store *store, enum proxy_kind kind,
                           const char *namespace, const char *name)
{
	char key[KEY_BYTES];
	size_t len = make_key(key, kind, namespace, name);
	struct object *object;

	HASH_FIND(hh, store->objects, key, len, object);
	return object;
}

static uint32_t new_id(struct proxy_store *store)
{
	if (store->free_id_count > 0)
		return store->free_ids[--store->free_id_count];
	return store->next_id++;
}

static struct record *get_record(struct proxy_store *store, const char *namespace, const char *name)
{
	char key[KEY_BYTES];
	int len = snprintf(key, sizeof(key), "%s/%s", namespace, name);
	struct record_entry *entry;

	ASSERT(len > 0 && (size_t)len < sizeof(key));
	HASH_FIND(hh, store->records, key, (size_t)len, entry);
	if (entry != NULL)
		return &entry->record;
	entry = xcalloc(1, sizeof(*entry) + (size_t)len + 1);
	memcpy(entry->name, key, (size_t)len + 1);
	entry->record.name = entry->name;
	entry->record.id = new_id(store);
	HASH_ADD(hh, store->records, name, (size_t)len, entry);
	return &entry->record;
}

const struct record *store_find(const struct proxy_store *store, const char *name)
{
	struct record_entry *entry;

	HASH_FIND(hh, store->records, name, strlen(name), entry);
	return entry != NULL ? &entry->record : NULL;
}

bool store_drop_empty(struct proxy_store *store, struct record *record)
{
	struct record_entry *entry =
		(struct record_entry *)(void *)((char *)record -
	                                        offsetof(struct record_entry, record));

	if (record->service != NULL || record->slices != NULL || record->dirty ||
	    record->claim_count > 0)
		return false;
	store->free_ids = vec_reserve(store->free_ids, &store->free_id_cap,
	                              store->free_id_count + 1, sizeof(*store->free_ids));
	store->free_ids[store->free_id_count++] = record->id;
	HASH_DELETE(hh, store->records, entry);
	free(record->claims);
	free(entry);
	return true;
}

void store_touch(struct proxy_store *store, struct record *record)
{
	if (record->dirty)
		return;
	record->dirty = true;
	record->next_dirty = store->dirty;
	store->dirty = record;
}

void store_touch_name(struct proxy_store *store, const char *name)
{
	struct record_entry *entry;

	HASH_FIND(hh, store->records, name, strlen(name), entry);
	if (entry != NULL)
		store_touch(store, &entry->record);
}

void store_touch_all(struct proxy_store *store)
{
	struct record_entry *entry;
	struct record_entry *next;

	HASH_ITER (hh, store->records, entry, next)
		store_touch(store, &entry->record);
}

struct record *store_take_dirty(struct proxy_store *store)
{
	struct record *record = store->dirty;

	if (record == NULL)
		return NULL;
	store->dirty = record->next_dirty;
	record->next_dirty = NULL;
	record->dirty = false;
	return record;
}

const struct proxy_endpoint_slice *const *store_slices(struct proxy_store *store,
                                                       const struct record *record)
{
	size_t count = 0;

	store->slices = vec_reserve(store->slices, &store->slice_cap, record->slice_count + 1,
	                            sizeof(*store->slices));
	for (const struct object *o = record->slices; o != NULL; o = o->next_slice)
		store->slices[count++] = (const struct proxy_endpoint_slice *)(void *)o->meta;
	return store->slices;
}

/* Takes the stored object out of whatever it is linked into; @gone: for good. */
static void detach(struct proxy_store *store, struct object *object, bool gone)
{
	struct proxy_meta *meta = object->meta;

	switch (meta->kind) {
	case PROXY_SERVICE: {
		struct record *record = get_record(store, meta->namespace, meta->name);

		record->service = NULL;
		store_touch(store, record);
		break;
	}
	case PROXY_ENDPOINT_SLICE: {
		const struct proxy_endpoint_slice *slice = (void *)meta;
		struct record *record;

		if (*slice->service == '\0')
			break;
		record = get_record(store, meta->namespace, slice->service);
		*object->prev_slice = object->next_slice;
		if (object->next_slice != NULL)
			object->next_slice->prev_slice = object->prev_slice;
		record->slice_count--;
		store_touch(store, record);
		if (gone)
			triggers_forget(&store->triggers, record->id);
		break;
	}
	case PROXY_NODE:
		store->node = NULL;
		store->node_changed = true;
		break;
	case PROXY_SERVICE_CIDR:
		store->cidrs_changed = true;
		break;
	}
}

static void attach(struct proxy_store *store, struct object *object)
{
	struct proxy_meta *meta = object->meta;

	store->changes[meta->kind]++;
	switch (meta->kind) {
	case PROXY_SERVICE: {
		struct record *record = get_record(store, meta->namespace, meta->name);

		record->service = (const struct proxy_service *)(void *)meta;
		store_touch(store, record);
		break;
	}
	case PROXY_ENDPOINT_SLICE: {
		const struct proxy_endpoint_slice *slice = (void *)meta;
		struct record *record;

		if (*slice->service == '\0')
			break;
		record = get_record(store, meta->namespace, slice->service);
		object->next_slice = record->slices;
		object->prev_slice = &record->slices;
		if (object->next_slice != NULL)
			object->next_slice->prev_slice = &object->next_slice;
		record->slices = object;
		record->slice_count++;
		store_touch(store, record);
		triggers_note(&store->triggers, record->id, slice);
		break;
	}
	case PROXY_NODE:
		store->node = (const struct proxy_node *)(void *)meta;
		store->node_seen = true;
		store->node_leaving = store->node->leaving;
		store->node_changed = true;
		break;
	case PROXY_SERVICE_CIDR:
		store->cidrs_changed = true;
		break;
	}
}

static size_t max_objects(enum proxy_kind kind)
{
	switch (kind) {
	case PROXY_SERVICE:
		return PROXY_MAX_SERVICES;
	case PROXY_ENDPOINT_SLICE:
		return PROXY_MAX_SLICES;
	case PROXY_NODE:
		return 1;
	case PROXY_SERVICE_CIDR:
		return PROXY_MAX_SERVICE_CIDRS;
	}
	return 0;
}

static struct object *insert(struct proxy_store *store, struct proxy_meta *meta,
                             struct diags *diags)
{
	char key[KEY_BYTES];
	char subject[KEY_BYTES + 16];
	size_t len = make_key(key, meta->kind, meta->namespace, meta->name);
	struct object *object;

	if (store->counts[meta->kind] >= max_objects(meta->kind)) {
		diag_add(diags, proxy_object_subject(meta, subject, sizeof(subject)),
		         "refused: there are %zu of its kind already", store->counts[meta->kind]);
		free(meta);
		return NULL;
	}
	object = xcalloc(1, sizeof(*object) + len + 1);
	memcpy(object->key, key, len + 1);
	object->meta = meta;
	HASH_ADD(hh, store->objects, key, len, object);
	store->counts[meta->kind]++;
	return object;
}

/* Nodes other than the own one are of no use here. */
static bool is_wanted(const struct proxy_store *store, const struct proxy_meta *meta)
{
	return meta->kind != PROXY_NODE || strcmp(meta->name, store->node_name) == 0;
}

bool store_put(struct proxy_store *store, struct proxy_meta *meta, struct diags *diags)
{
	struct object *object;

	if (!is_wanted(store, meta)) {
		free(meta);
		return false;
	}
	object = find(store, meta->kind, meta->namespace, meta->name);
	if (object != NULL && proxy_object_equal(object->meta, meta)) {
		free(meta);
		return false;
	}
	if (object == NULL) {
		object = insert(store, meta, diags);
		if (object == NULL)
			return false;
	} else {
		detach(store, object, false);
		free(object->meta);
		object->meta = meta;
	}
	attach(store, object);
	return true;
}

static void remove_object(struct proxy_store *store, struct object *object)
{
	detach(store, object, true);
	store->counts[object->meta->kind]--;
	store->changes[object->meta->kind]++;
	HASH_DELETE(hh, store->objects, object);
	free(object->meta);
	free(object);
}

bool store_delete(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                  const char *name)
{
	struct object *object = find(store, kind, namespace, name);

	if (object == NULL)
		return false;
	remove_object(store, object);
	return true;
}

void store_list_begin(struct proxy_store *store, uint32_t kinds)
{
	for (size_t kind = 0; kind < KINDS; kind++) {
		if ((kinds & (1u << kind)) == 0)
			continue;
		ASSERT(store->lists[kind].count == 0);
		store->lists[kind].number++;
	}
}

void store_list_add(struct proxy_store *store, struct proxy_meta *meta)
{
	struct list *list = &store->lists[meta->kind];
	struct object *object;

	if (!is_wanted(store, meta)) {
		free(meta);
		return;
	}
	object = find(store, meta->kind, meta->namespace, meta->name);
	if (object != NULL) {
		bool first = object->seen != list->number;

		object->seen = list->number;
		if (first && proxy_object_equal(object->meta, meta)) {
			free(meta);
			return;
		}
	}
	list->pending =
		vec_reserve(list->pending, &list->cap, list->count + 1, sizeof(*list->pending));
	list->pending[list->count++] = meta;
}

bool store_list_keep(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                     const char *name)
{
	struct object *object = find(store, kind, namespace, name);

	if (object != NULL)
		object->seen = store->lists[kind].number;
	return object != NULL;
}

void store_list_remove(struct proxy_store *store, enum proxy_kind kind, const char *namespace,
                       const char *name)
{
	struct object *object = find(store, kind, namespace, name);
	struct list *list = &store->lists[kind];
	size_t left = 0;

	if (object != NULL)
		object->seen = 0;
	for (size_t i = 0; i < list->count; i++) {
		struct proxy_meta *meta = list->pending[i];

		if (strcmp(meta->name, name) == 0 && strcmp(meta->namespace, namespace) == 0)
			free(meta);
		else
			list->pending[left++] = meta;
	}
	list->count = left;
}

static void apply_pending(struct proxy_store *store, struct list *list, struct diags *diags)
{
	for (size_t i = 0; i < list->count; i++) {
		struct proxy_meta *meta = list->pending[i];
		struct object *object = find(store, meta->kind, meta->namespace, meta->name);
		char subject[KEY_BYTES + 16];
		char key[KEY_BYTES];

		(void)make_key(key, meta->kind, meta->namespace, meta->name);
		if (object != NULL && object->applied == list->number)
			diag_add(diags, proxy_object_subject(meta, subject, sizeof(subject)),
			         "given twice, the later one counts");
		(void)store_put(store, meta, diags);
		HASH_FIND(hh, store->objects, key, strlen(key), object);
		if (object != NULL) {
			object->seen = list->number;
			object->applied = list->number;
		}
	}
	list->count = 0;
}

static void remove_unseen(struct proxy_store *store, uint32_t kinds)
{
	struct object *object;
	struct object *next;

	HASH_ITER (hh, store->objects, object, next)
		if ((kinds & (1u << object->meta->kind)) != 0 &&
		    object->seen != store->lists[object->meta->kind].number)
			remove_object(store, object);
}

void store_list_end(struct proxy_store *store, uint32_t kinds, bool complete, struct diags *diags)
{
	if (complete)
		remove_unseen(store, kinds); /* first: what goes makes room below the bounds */
	for (size_t kind = 0; kind < KINDS; kind++) {
		if ((kinds & (1u << kind)) == 0)
			continue;
		if (complete)
			apply_pending(store, &store->lists[kind], diags);
		drop_pending(&store->lists[kind]);
	}
}

const struct proxy_node *store_node(const struct proxy_store *store)
{
	return store->node;
}

struct ipcidr *store_service_cidrs(const struct proxy_store *store, size_t *count)
{
	const struct object *object;
	struct ipcidr *out = NULL;
	size_t cap = 0;

	*count = 0;
	for (object = store->objects; object != NULL; object = object->hh.next) {
		const struct proxy_service_cidr *cidr = (void *)object->meta;

		if (object->meta->kind != PROXY_SERVICE_CIDR || cidr->cidr_count == 0)
			continue;
		out = vec_reserve(out, &cap, *count + cidr->cidr_count, sizeof(*out));
		memcpy(out + *count, cidr->cidrs, cidr->cidr_count * sizeof(*out));
		*count += cidr->cidr_count;
	}
	return out;
}

bool store_take_node_changed(struct proxy_store *store)
{
	bool changed = store->node_changed;

	store->node_changed = false;
	return changed;
}

bool store_take_cidrs_changed(struct proxy_store *store)
{
	bool changed = store->cidrs_changed;

	store->cidrs_changed = false;
	return changed;
}

struct triggers *store_triggers(struct proxy_store *store)
{
	return &store->triggers;
}

struct proxy_counts store_counts(const struct proxy_store *store)
{
	return (struct proxy_counts){
		.services = store->counts[PROXY_SERVICE],
		.slices = store->counts[PROXY_ENDPOINT_SLICE],
		.service_cidrs = store->counts[PROXY_SERVICE_CIDR],
		.service_changes = store->changes[PROXY_SERVICE],
		.slice_changes = store->changes[PROXY_ENDPOINT_SLICE],
		.node_known = store->node != NULL,
		.node_seen = store->node_seen,
		.node_leaving = store->node_leaving,
	};
}

const uint8_t *store_seed(const struct proxy_store *store)
{
	return store->seed;
}

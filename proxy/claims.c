/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)siphash(claims->seed, (keyptr), (keylen)))
#define uthash_malloc(size) xmalloc(size)
#define uthash_free(ptr, size) free(ptr)
#define uthash_fatal(msg) panic(__FILE__, __LINE__, (msg))
#include <uthash.h>

_Static_assert(sizeof(struct claim_key) == 20, "compared and hashed bytewise: no padding");

/* One key and the line of those who claim it, the holder first. */
struct claimed {
	UT_hash_handle hh;
	struct claim_key key;
	struct claim *line;
};

/* A place in such a line; records hold theirs in one array, sorted by key. */
struct claim {
	struct claimed *what;
	struct record *record;
	struct claim *next;
	struct claim **prev; /* what points at this one */
};

struct claims {
	uint8_t seed[16];
	struct claimed *all;
	struct claim_key *keys; /* scratch */
	size_t key_cap;
};

struct claims *claims_new(const uint8_t seed[static 16])
{
	struct claims *claims = xcalloc(1, sizeof(*claims));

	memcpy(claims->seed, seed, sizeof(claims->seed));
	return claims;
}

void claims_free(struct claims *claims)
{
	struct claimed *what;
	struct claimed *next;

	if (claims == NULL)
		return;
	HASH_ITER (hh, claims->all, what, next) {
		HASH_DELETE(hh, claims->all, what);
		free(what);
	}
	free(claims->keys);
	free(claims);
}

static int key_order(const void *x, const void *y)
{
	return memcmp(x, y, sizeof(struct claim_key));
}

static struct claim_key frontend_key(const struct lb_service *service, size_t i)
{
	const struct lb_frontend *frontend = &service->frontends[i];

	return (struct claim_key){
		.addr = frontend->addr,
		.protocol = service->ports[frontend->port_index].protocol,
		.port = frontend->port,
	};
}

static struct claim_key address_key(const struct lb_address *address, uint16_t what)
{
	return (struct claim_key){ .addr = address->addr, .port = what };
}

/* All keys of @service, sorted; within one Service they are distinct already. */
static size_t collect_keys(struct claims *claims, const struct lb_service *service)
{
	size_t want = (size_t)service->frontend_count + service->cluster_ip_count +
	              service->local_address_count;
	size_t n = 0;

	claims->keys = vec_reserve(claims->keys, &claims->key_cap, want, sizeof(*claims->keys));
	for (size_t i = 0; i < service->frontend_count; i++)
		claims->keys[n++] = frontend_key(service, i);
	for (size_t i = 0; i < service->cluster_ip_count; i++)
		claims->keys[n++] = address_key(&service->cluster_ips[i], CLAIM_CLUSTER_IP);
	for (size_t i = 0; i < service->local_address_count; i++)
		claims->keys[n++] = address_key(&service->local_addresses[i], CLAIM_LOCAL);
	if (n > 1)
		qsort(claims->keys, n, sizeof(*claims->keys), key_order);
	return n;
}

/* Does @a come before @b in line? An unknown age is younger than any. */
static bool is_older(const struct record *a, const struct record *b)
{
	int64_t x = a->claimed_created != 0 ? a->claimed_created : INT64_MAX;
	int64_t y = b->claimed_created != 0 ? b->claimed_created : INT64_MAX;

	return x != y ? x < y : strcmp(a->name, b->name) < 0;
}

static struct claimed *find_or_add(struct claims *claims, const struct claim_key *key)
{
	struct claimed *what;

	HASH_FIND(hh, claims->all, key, sizeof(*key), what);
	if (what == NULL) {
		what = xcalloc(1, sizeof(*what));
		what->key = *key;
		HASH_ADD(hh, claims->all, key, sizeof(*key), what);
	}
	return what;
}

/* Any Service may stand for a local pod: newcomers wait behind the holder, wherever they are in age. */
static bool goes_before(const struct claim *other, const struct claim *claim)
{
	const struct claim_key *key = &claim->what->key;

	if (key->protocol == 0 && key->port == CLAIM_LOCAL)
		return other == claim->what->line;
	return is_older(other->record, claim->record);
}

static void join_line(struct claim *claim, struct proxy_store *store)
{
	struct claim **link = &claim->what->line;

	while (*link != NULL && goes_before(*link, claim))
		link = &(*link)->next;
	if (link == &claim->what->line && *link != NULL)
		store_touch(store, (*link)->record); /* it held the claim until now */
	claim->next = *link;
	claim->prev = link;
	if (claim->next != NULL)
		claim->next->prev = &claim->next;
	*link = claim;
}

static void leave_line(struct claims *claims, struct claim *claim, struct proxy_store *store)
{
	struct claimed *what = claim->what;
	bool held = what->line == claim;
	const struct claim *next;

	*claim->prev = claim->next;
	if (claim->next != NULL)
		claim->next->prev = claim->prev;
	next = what->line;
	if (next == NULL) {
		ASSERT(claims->all != NULL); /* it holds @what */
		HASH_DELETE(hh, claims->all, what);
		free(what);
	} else if (held) {
		store_touch(store, next->record); /* it holds the claim from now on */
	}
}

static void release_all(struct claims *claims, struct proxy_store *store, struct record *record)
{
	for (size_t i = 0; i < record->claim_count; i++)
		leave_line(claims, &record->claims[i], store);
	free(record->claims);
	record->claims = NULL;
	record->claim_count = 0;
}

static bool claims_unchanged(const struct claims *claims, const struct record *record, size_t count)
{
	if (count != record->claim_count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (key_order(&record->claims[i].what->key, &claims->keys[i]) != 0)
			return false;
	return true;
}

void claims_update(struct claims *claims, struct proxy_store *store, struct record *record,
                   const struct lb_service *service)
{
	int64_t created = record->service != NULL ? record->service->meta.created : 0;
	size_t count = collect_keys(claims, service);

	if (created == record->claimed_created && claims_unchanged(claims, record, count))
		return;
	release_all(claims, store, record);
	record->claimed_created = created;
	if (count == 0)
		return;
	record->claims = xcalloc(count, sizeof(*record->claims));
	record->claim_count = count;
	for (size_t i = 0; i < count; i++) {
		record->claims[i].what = find_or_add(claims, &claims->keys[i]);
		record->claims[i].record = record;
		join_line(&record->claims[i], store);
	}
}

static const struct record *holder(const struct claims *claims, const struct claim_key *key)
{
	struct claimed *what;

	HASH_FIND(hh, claims->all, key, sizeof(*key), what);
	ASSERT(what != NULL && what->line != NULL);
	return what->line->record;
}

void claims_mark(struct claims *claims, const struct record *record, struct lb_service *service,
                 struct diags *diags)
{
	for (size_t i = 0; i < service->frontend_count; i++) {
		struct claim_key key = frontend_key(service, i);
		const struct record *by = holder(claims, &key);
		char subject[2 * PROXY_MAX_NAME + 16];
		char addr[IPADDR_TEXT];

		service->frontends[i].lost = by != record;
		if (by == record)
			continue;
		(void)snprintf(subject, sizeof(subject), "Service %s", record->name);
		diag_add(diags, subject, "%s %s port %u is held by Service %s, which is older",
		         proxy_protocol_name(key.protocol), ipaddr_format(&key.addr, addr),
		         key.port, by->name);
	}
	for (size_t i = 0; i < service->cluster_ip_count; i++) {
		struct claim_key key = address_key(&service->cluster_ips[i], CLAIM_CLUSTER_IP);

		service->cluster_ips[i].lost = holder(claims, &key) != record;
	}
	for (size_t i = 0; i < service->local_address_count; i++) {
		struct claim_key key = address_key(&service->local_addresses[i], CLAIM_LOCAL);

		service->local_addresses[i].lost = holder(claims, &key) != record;
	}
}

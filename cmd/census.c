/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What one Service has of interest; most have nothing. */
struct entry {
	char *service;
	uint16_t port; /* 0: nobody asks */
	bool families[2];
	uint32_t endpoints[2];
	uint32_t without_local[CENSUS_POLICIES][2];
};

struct census {
	struct entry **entries; /* by the Service's id; NULL: nothing */
	size_t cap;
	size_t checks;
	uint64_t changes;
	uint64_t without_local[CENSUS_POLICIES][2];
};

struct census *census_new(void)
{
	return xcalloc(1, sizeof(struct census));
}

static void free_entry(struct entry *entry)
{
	if (entry == NULL)
		return;
	free(entry->service);
	free(entry);
}

void census_free(struct census *census)
{
	if (census == NULL)
		return;
	for (size_t i = 0; i < census->cap; i++)
		free_entry(census->entries[i]);
	free(census->entries);
	free(census);
}

/* Counts a port once for each policy, however many addresses lead to it. */
static void count_without_local(const struct lb_service *service, struct entry *out)
{
	uint8_t *seen = xcalloc(service->port_count, 1);

	for (size_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *f = &service->frontends[i];
		const struct lb_port *port = &service->ports[f->port_index];
		enum census_policy policy =
			f->kind == LB_CLUSTER_IP ? CENSUS_INTERNAL : CENSUS_EXTERNAL;

		if (!f->local_only || !port->has_any || port->local.count > 0 ||
		    (seen[f->port_index] & (1u << policy)) != 0)
			continue;
		seen[f->port_index] |= (uint8_t)(1u << policy);
		out->without_local[policy][port->family == 6]++;
	}
	free(seen);
}

static struct entry read_service(const struct lb_service *service)
{
	struct entry entry = { .port = service->health_check_port };

	for (size_t i = 0; i < service->port_count; i++)
		entry.families[service->ports[i].family == 6] = true;
	memcpy(entry.endpoints, service->ready_local, sizeof(entry.endpoints));
	if (!entry.families[0] && !entry.families[1])
		entry.port = 0;
	count_without_local(service, &entry);
	return entry;
}

static bool is_empty(const struct entry *entry)
{
	for (size_t p = 0; p < CENSUS_POLICIES; p++)
		if (entry->without_local[p][0] + entry->without_local[p][1] > 0)
			return false;
	return entry->port == 0;
}

static bool same(const struct entry *a, const struct entry *b, const char *name)
{
	return a->port == b->port && strcmp(a->service, name) == 0 &&
	       memcmp(a->families, b->families, sizeof(a->families)) == 0 &&
	       memcmp(a->endpoints, b->endpoints, sizeof(a->endpoints)) == 0 &&
	       memcmp(a->without_local, b->without_local, sizeof(a->without_local)) == 0;
}

static size_t checks_of(const struct entry *entry)
{
	return entry->port != 0 ? (size_t)entry->families[0] + entry->families[1] : 0;
}

static void drop(struct census *census, uint32_t id)
{
	struct entry *entry = id < census->cap ? census->entries[id] : NULL;

	if (entry == NULL)
		return;
	census->checks -= checks_of(entry);
	for (size_t p = 0; p < CENSUS_POLICIES; p++)
		for (size_t f = 0; f < 2; f++)
			census->without_local[p][f] -= entry->without_local[p][f];
	free_entry(entry);
	census->entries[id] = NULL;
}

static void keep(struct census *census, uint32_t id, const struct entry *from, const char *name)
{
	size_t had = census->cap;
	struct entry *entry = xmalloc(sizeof(*entry));

	census->entries =
		vec_reserve(census->entries, &census->cap, (size_t)id + 1, sizeof(struct entry *));
	for (size_t i = had; i < census->cap; i++)
		census->entries[i] = NULL;
	*entry = *from;
	entry->service = xstrdup(name);
	census->entries[id] = entry;
	census->checks += checks_of(entry);
	for (size_t p = 0; p < CENSUS_POLICIES; p++)
		for (size_t f = 0; f < 2; f++)
			census->without_local[p][f] += entry->without_local[p][f];
}

void census_note(struct census *census, const struct lb_service *service)
{
	const struct entry *had = service->id < census->cap ? census->entries[service->id] : NULL;
	struct entry entry = read_service(service);
	bool empty = is_empty(&entry);

	if (had == NULL ? empty : same(had, &entry, service->name))
		return;
	census->changes++;
	drop(census, service->id);
	if (!empty)
		keep(census, service->id, &entry, service->name);
}

uint64_t census_changes(const struct census *census)
{
	return census->changes;
}

static int check_order(const void *x, const void *y)
{
	const struct census_check *a = x;
	const struct census_check *b = y;
	int diff = strcmp(a->service, b->service);

	return diff != 0 ? diff : (int)a->family - (int)b->family;
}

size_t census_checks(const struct census *census, struct census_check **out)
{
	struct census_check *list = xcalloc(census->checks, sizeof(*list));
	size_t count = 0;

	for (size_t i = 0; i < census->cap && count < census->checks; i++) {
		const struct entry *entry = census->entries[i];

		for (size_t f = 0; entry != NULL && entry->port != 0 && f < 2; f++)
			if (entry->families[f])
				list[count++] =
					(struct census_check){ entry->service, f == 0 ? 4 : 6,
					                       entry->port, entry->endpoints[f] };
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), check_order);
	*out = list;
	return count;
}

uint64_t census_without_local(const struct census *census, enum census_policy policy,
                              uint8_t family)
{
	return census->without_local[policy][family == 6];
}

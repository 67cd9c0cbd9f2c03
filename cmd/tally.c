/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/tally.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "cmd/metrics.h"

/* Every use below has the tally at hand: its seed keys the hash. */
#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)siphash(tally->seed, (keyptr), (keylen)))
#define uthash_malloc(size) xmalloc(size)
#define uthash_free(ptr, size) free(ptr)
#define uthash_fatal(msg) panic(__FILE__, __LINE__, (msg))
#include <uthash.h>

struct key {
	uint8_t family;
	uint8_t front[24]; /* nftx_key_front(), the rest zeros */
};

/** A line of the text. */
struct series {
	char *port; /* its name */
	uint8_t protocol;
	uint64_t sum;
};

/** A frontend. */
struct meter {
	UT_hash_handle hh;
	struct entry *entry;
	uint32_t series; /* of the entry */
	struct key key;
	bool listed; /* in the table: nobody else has taken the address over */

	/* as the last reading had its element */
	uint8_t verdict;
	uint8_t chain;
	uint32_t number;
	uint64_t packets;
};

/** A Service that has frontends. */
struct entry {
	char *name; /* "namespace/name" */
	struct series *series;
	struct meter *meters; /* in the order of its frontends */
	uint32_t series_count;
	uint32_t meter_count;
};

struct row {
	const struct entry *entry;
	const struct series *series;
};

struct tally {
	uint8_t seed[16];
	bool begun;
	struct entry **entries; /* by the Service's id; NULL: none */
	size_t cap;
	struct meter *meters; /* by key */
	size_t series_count;
	struct row *rows; /* sorted; series_count of them if they are up to date */
	bool sorted;
};

struct tally *tally_new(const uint8_t seed[static 16])
{
	struct tally *tally = xcalloc(1, sizeof(*tally));

	memcpy(tally->seed, seed, sizeof(tally->seed));
	return tally;
}

/* ---- What a Service has --------------------------------------------------------------------- */

static struct key key_of(const struct lb_service *service, const struct lb_frontend *frontend)
{
	struct key key = { .family = frontend->addr.family };

	(void)nftx_key_front(key.front, &frontend->addr,
	                     service->ports[frontend->port_index].protocol, frontend->port);
	return key;
}

static bool is_series(const struct series *series, const struct lb_port *port)
{
	return series->protocol == port->protocol && strcmp(series->port, port->name) == 0;
}

/* The place of @port among the first @count series; @count when it is not there. */
static uint32_t find_series(const struct series *series, uint32_t count, const struct lb_port *port)
{
	for (uint32_t i = 0; i < count; i++)
		if (is_series(&series[i], port))
			return i;
	return count;
}

static uint32_t need_series(struct entry *entry, const struct lb_port *port)
{
	uint32_t at = find_series(entry->series, entry->series_count, port);

	if (at == entry->series_count)
		entry->series[entry->series_count++] =
			(struct series){ .port = xstrdup(port->name), .protocol = port->protocol };
	return at;
}

/* Return: NULL for a Service without frontends. */
static struct entry *make_entry(const struct lb_service *service)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));
	uint32_t *series = xcalloc(service->port_count, sizeof(*series)); /* of ports, and 1 */

	entry->name = xstrdup(service->name);
	entry->series = xcalloc(service->port_count, sizeof(*entry->series));
	entry->meters = xcalloc(service->frontend_count, sizeof(*entry->meters));
	for (uint32_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *frontend = &service->frontends[i];
		uint32_t *at = &series[frontend->port_index];

		if (frontend->lost)
			continue;
		if (*at == 0)
			*at = need_series(entry, &service->ports[frontend->port_index]) + 1;
		entry->meters[entry->meter_count++] = (struct meter){
			.entry = entry, .series = *at - 1, .key = key_of(service, frontend)
		};
	}
	free(series);
	return entry;
}

static void free_entry(struct entry *entry)
{
	for (uint32_t i = 0; i < entry->series_count; i++)
		free(entry->series[i].port);
	free(entry->series);
	free(entry->meters);
	free(entry->name);
	free(entry);
}

/* Are @entry's frontends those of @service, all of them still its own? */
static bool is_current(const struct entry *entry, const struct lb_service *service)
{
	uint32_t count = 0;

	if (strcmp(entry->name, service->name) != 0)
		return false;
	for (uint32_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *frontend = &service->frontends[i];
		const struct meter *meter = &entry->meters[count];
		struct key key;

		if (frontend->lost)
			continue;
		key = key_of(service, frontend);
		if (count == entry->meter_count || !meter->listed ||
		    memcmp(&meter->key, &key, sizeof(key)) != 0 ||
		    !is_series(&entry->series[meter->series],
		               &service->ports[frontend->port_index]))
			return false;
		count++;
	}
	return count == entry->meter_count;
}

/* ---- All of them ---------------------------------------------------------------------------- */

static void unlist(struct tally *tally, struct meter *meter)
{
	if (!meter->listed)
		return;
	ASSERT(tally->meters != NULL);
	HASH_DEL(tally->meters, meter);
	meter->listed = false;
}

static struct meter *find_meter(const struct tally *tally, const struct key *key)
{
	struct meter *meter;

	HASH_FIND(hh, tally->meters, key, sizeof(*key), meter);
	return meter;
}

/* An address that another Service had goes to this one, whichever of both was noted first. */
static void list(struct tally *tally, struct meter *meter)
{
	struct meter *had = find_meter(tally, &meter->key);

	if (had != NULL)
		unlist(tally, had);
	HASH_ADD(hh, tally->meters, key, sizeof(meter->key), meter);
	meter->listed = true;
}

static bool same_series(const struct series *a, const struct series *b)
{
	return a->protocol == b->protocol && strcmp(a->port, b->port) == 0;
}

/* What goes on as it was: sums, and readings of frontends that stay in their sum. */
static void carry_over(const struct tally *tally, const struct entry *from, struct entry *to)
{
	for (uint32_t i = 0; i < to->series_count; i++)
		for (uint32_t k = 0; k < from->series_count; k++)
			if (same_series(&to->series[i], &from->series[k]))
				to->series[i].sum = from->series[k].sum;
	for (uint32_t i = 0; i < to->meter_count; i++) {
		struct meter *meter = &to->meters[i];
		const struct meter *had = find_meter(tally, &meter->key);

		if (had == NULL || had->entry != from ||
		    !same_series(&to->series[meter->series], &from->series[had->series]))
			continue;
		meter->verdict = had->verdict;
		meter->chain = had->chain;
		meter->number = had->number;
		meter->packets = had->packets;
	}
}

static void drop_entry(struct tally *tally, struct entry *entry)
{
	for (uint32_t i = 0; i < entry->meter_count; i++)
		unlist(tally, &entry->meters[i]);
	tally->series_count -= entry->series_count;
	free_entry(entry);
}

static struct entry **place(struct tally *tally, uint32_t id)
{
	size_t had = tally->cap;

	tally->entries =
		vec_reserve(tally->entries, &tally->cap, (size_t)id + 1, sizeof(struct entry *));
	for (size_t i = had; i < tally->cap; i++)
		tally->entries[i] = NULL;
	return &tally->entries[id];
}

void tally_note(struct tally *tally, const struct lb_service *service)
{
	struct entry **at = place(tally, service->id);
	struct entry *had = *at;
	struct entry *entry;

	if (had != NULL ? is_current(had, service) : service->frontend_count == 0)
		return;
	entry = make_entry(service);
	if (had != NULL && strcmp(had->name, entry->name) == 0)
		carry_over(tally, had, entry);
	if (had != NULL)
		drop_entry(tally, had);
	for (uint32_t i = 0; i < entry->meter_count; i++)
		list(tally, &entry->meters[i]);
	tally->series_count += entry->series_count;
	tally->sorted = false;
	*at = entry;
	if (entry->meter_count == 0) {
		free_entry(entry);
		*at = NULL;
	}
}

void tally_free(struct tally *tally)
{
	if (tally == NULL)
		return;
	for (size_t i = 0; i < tally->cap; i++)
		if (tally->entries[i] != NULL)
			drop_entry(tally, tally->entries[i]);
	free(tally->entries);
	free(tally->rows);
	free(tally);
}

/* ---- Readings ------------------------------------------------------------------------------- */

void tally_restart(struct tally *tally)
{
	tally->begun = true;
	for (struct meter *meter = tally->meters; meter != NULL; meter = meter->hh.next)
		meter->packets = 0;
}

void tally_take(void *ctx, const struct nftx_elem *elem, uint64_t packets)
{
	struct tally *tally = ctx;
	struct key key = { .family = elem->family };
	struct meter *meter;
	bool replaced;

	memcpy(key.front, elem->key, nftx_map_key_bytes(NFTX_FRONTENDS, elem->family));
	meter = find_meter(tally, &key);
	if (!tally->begun || meter == NULL)
		return;
	replaced = packets < meter->packets || elem->verdict != meter->verdict ||
	           elem->chain != meter->chain || elem->number != meter->number;
	meter->entry->series[meter->series].sum += replaced ? packets : packets - meter->packets;
	meter->verdict = elem->verdict;
	meter->chain = elem->chain;
	meter->number = elem->number;
	meter->packets = packets;
}

size_t tally_frontends(const struct tally *tally)
{
	return HASH_COUNT(tally->meters);
}

size_t tally_series(const struct tally *tally)
{
	return tally->series_count;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static int row_order(const void *x, const void *y)
{
	const struct row *a = x;
	const struct row *b = y;
	int order = strcmp(a->entry->name, b->entry->name);

	if (order == 0)
		order = strcmp(a->series->port, b->series->port);
	return order != 0 ? order : (int)a->series->protocol - (int)b->series->protocol;
}

static void sort_rows(struct tally *tally)
{
	size_t count = 0;

	free(tally->rows);
	tally->rows = xcalloc(tally->series_count, sizeof(*tally->rows));
	for (size_t i = 0; i < tally->cap; i++) {
		const struct entry *entry = tally->entries[i];

		for (uint32_t k = 0; entry != NULL && k < entry->series_count; k++)
			tally->rows[count++] = (struct row){ entry, &entry->series[k] };
	}
	ASSERT(count == tally->series_count);
	if (count > 1)
		qsort(tally->rows, count, sizeof(*tally->rows), row_order);
	tally->sorted = true;
}

static const char *protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case 6:
		return "TCP";
	case 17:
		return "UDP";
	default:
		return "SCTP";
	}
}

static void write_row(const struct row *row, const char *name, struct strbuf *out)
{
	const char *service = strchr(row->entry->name, '/');
	size_t len = service != NULL ? (size_t)(service - row->entry->name) : 0;

	strbuf_puts(out, name);
	strbuf_puts(out, "{port=\"");
	metrics_escape(out, row->series->port, strlen(row->series->port));
	strbuf_puts(out, "\",protocol=\"");
	strbuf_puts(out, protocol_name(row->series->protocol));
	strbuf_puts(out, "\",service_name=\"");
	service = row->entry->name + len + (service != NULL);
	metrics_escape(out, service, strlen(service));
	strbuf_puts(out, "\",service_namespace=\"");
	metrics_escape(out, row->entry->name, len);
	strbuf_printf(out, "\"} %" PRIu64 "\n", row->series->sum);
}

void tally_write(struct tally *tally, const char *name, struct strbuf *out)
{
	if (!tally->sorted)
		sort_rows(tally);
	for (size_t i = 0; i < tally->series_count; i++)
		write_row(&tally->rows[i], name, out);
}

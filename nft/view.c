/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/view.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nft/render.h"
#include "nft/slots.h"
#include "nft/state.h"

/* A view being read. */
struct reader {
	const struct nftx_elems *elems;
	struct nftx_elem key;
	struct nftx_view *view;
	uint32_t drawn; /* slots that the frontend draws from */
	uint32_t local_drawn;
};

static const struct nftx_elem *find(const struct reader *r, enum nftx_map map)
{
	struct nftx_elem want = r->key;

	want.map = (uint8_t)map;
	return nftx_elems_find(r->elems, &want);
}

/* Where the elements of @map that belong to the frontend begin, and how many they are. */
static size_t find_all(const struct reader *r, enum nftx_map map, size_t *first)
{
	struct nftx_elem want = r->key;
	size_t len = nftx_map_key_bytes(NFTX_FRONTENDS, want.family);
	size_t begin;
	size_t end;

	want.map = (uint8_t)map;
	memset(want.key + len, 0, sizeof(want.key) - len);
	begin = nftx_elems_lower_bound(r->elems, &want);
	for (end = begin; end < r->elems->count; end++) {
		const struct nftx_elem *elem = &r->elems->list[end];

		if (elem->family != want.family || elem->map != want.map ||
		    memcmp(elem->key, want.key, len) != 0)
			break;
	}
	*first = begin;
	return end - begin;
}

/* A verdict that picks a backend, refuses or drops: the last step of every way. */
static enum nftx_answer read_end(struct reader *r, const struct nftx_elem *elem)
{
	if (elem == NULL)
		return NFTX_ANSWER_FOREIGN;
	if (elem->verdict == NFTX_DROP)
		return NFTX_ANSWER_DROP;
	if (elem->verdict != NFTX_GOTO)
		return NFTX_ANSWER_FOREIGN;
	if (elem->chain == NFTX_REFUSE)
		return NFTX_ANSWER_REFUSE;
	if (elem->chain == NFTX_SLOTS) {
		r->drawn = elem->number;
		return NFTX_ANSWER_SERVE;
	}
	if (elem->chain == NFTX_LOCAL_SLOTS) {
		r->local_drawn = elem->number;
		return NFTX_ANSWER_SERVE;
	}
	return NFTX_ANSWER_FOREIGN;
}

/* Does @elem send on to @chain, which looks into a map of its own? */
static bool goes_to(const struct nftx_elem *elem, enum nftx_chain chain)
{
	return elem != NULL && elem->verdict == NFTX_GOTO && elem->chain == chain;
}

static void read_way(struct reader *r)
{
	struct nftx_view *view = r->view;
	const struct nftx_elem *step = find(r, NFTX_FRONTENDS);

	if (step == NULL)
		return;
	view->label = step->comment;
	if (goes_to(step, NFTX_RESTRICTED)) {
		view->restricted = true;
		step = find(r, NFTX_RESTRICTED_FRONTENDS);
	}
	if (goes_to(step, NFTX_STICKY)) {
		const struct nftx_elem *timeout = find(r, NFTX_STICKY_TIMEOUTS);

		view->affinity_s = timeout != NULL ? timeout->number : 0;
		step = find(r, NFTX_STICKY_FRONTENDS);
	}
	if (goes_to(step, NFTX_LOCAL_ONLY)) {
		const struct nftx_elem *local = find(r, NFTX_LOCAL_FRONTENDS);

		view->local_only = true;
		(void)read_end(r, find(r, NFTX_CLUSTER_FRONTENDS));
		view->answer = local != NULL ? read_end(r, local) : NFTX_ANSWER_DROP;
		return;
	}
	view->answer = read_end(r, step);
	if (view->answer == NFTX_ANSWER_DROP || r->local_drawn > 0)
		view->local_only = true; /* internal policy: nothing else is rendered so */
}

static int backend_order(const void *x, const void *y)
{
	const struct nftx_view_backend *a = x;
	const struct nftx_view_backend *b = y;
	int diff = ipaddr_cmp(&a->addr, &b->addr);

	if (diff == 0)
		diff = (int)a->port - (int)b->port;
	return diff != 0 ? diff : (int)b->is_drawn - (int)a->is_drawn;
}

static bool same_backend(const struct nftx_view_backend *a, const struct nftx_view_backend *b)
{
	return a->port == b->port && ipaddr_equal(&a->addr, &b->addr);
}

static void settle(struct nftx_view_row *row)
{
	size_t kept = 0;

	if (row->count > 1)
		qsort(row->list, row->count, sizeof(*row->list), backend_order);
	for (size_t i = 0; i < row->count; i++)
		if (kept == 0 || !same_backend(&row->list[kept - 1], &row->list[i]))
			row->list[kept++] = row->list[i];
	row->count = kept;
}

static void read_rows(struct reader *r)
{
	struct nftx_view *view = r->view;
	size_t addr_len = ipaddr_len(r->key.family);
	size_t first;
	size_t count = find_all(r, NFTX_BACKENDS, &first);

	view->all.list = xcalloc(count, sizeof(*view->all.list));
	view->local.list = xcalloc(count, sizeof(*view->local.list));
	for (size_t i = 0; i < count; i++) {
		const struct nftx_elem *elem = &r->elems->list[first + i];
		uint32_t slot = nftx_elem_slot(elem);
		bool local = slot >= NFTX_LOCAL_BASE;
		struct nftx_view_row *row = local ? &view->local : &view->all;
		struct nftx_view_backend *backend = &row->list[row->count++];
		uint16_t port_be;

		*backend = (struct nftx_view_backend){ .addr = { .family = r->key.family } };
		memcpy(backend->addr.bytes, elem->data, addr_len);
		memcpy(&port_be, elem->data + addr_len, sizeof(port_be));
		backend->port = ntohs(port_be);
		backend->is_drawn =
			local ? slot - NFTX_LOCAL_BASE < r->local_drawn : slot < r->drawn;
	}
	settle(&view->all);
	settle(&view->local);
}

static struct lb_pool put_row(struct lb_backend *to, uint32_t first,
                              const struct nftx_view_row *row)
{
	for (size_t i = 0; i < row->count; i++)
		to[first + i] =
			(struct lb_backend){ .addr = row->list[i].addr, .port = row->list[i].port };
	return (struct lb_pool){ first, (uint32_t)row->count };
}

/* The elements of the frontend but its source ranges, which need no further look. */
static void collect(const struct reader *r, struct nftx_elems *out)
{
	for (int map = 0; map < NFTX_MAP_COUNT; map++) {
		size_t first;
		size_t count;

		if (map == NFTX_ALLOWED_SOURCES ||
		    !str_starts(nftx_map_info((enum nftx_map)map)->key, "APS"))
			continue;
		count = find_all(r, (enum nftx_map)map, &first);
		for (size_t i = 0; i < count; i++)
			*nftx_elems_push(out) = r->elems->list[first + i];
	}
}

/* Renders what was read, into the slots it has, and compares. */
static bool is_rendered_so(const struct reader *r, const struct nftx_elems *have)
{
	const struct nftx_view *view = r->view;
	size_t count = view->all.count + view->local.count;
	AUTO_FREE struct lb_backend *backends = xcalloc(count, sizeof(*backends));
	struct lb_port port = {
		.label = view->label,
		.family = view->addr.family,
		.protocol = view->protocol,
		.has_any = view->answer != NFTX_ANSWER_REFUSE,
		.all = put_row(backends, 0, &view->all),
		.local = put_row(backends, (uint32_t)view->all.count, &view->local),
	};
	struct lb_frontend frontend = {
		.addr = view->addr,
		.kind = view->external ? LB_EXTERNAL_IP : LB_CLUSTER_IP,
		.port = view->port,
		.local_only = view->local_only,
		.restricted = view->restricted,
	};
	struct lb_service service = {
		.affinity_s = view->affinity_s,
		.port_count = 1,
		.frontend_count = 1,
		.backend_count = (uint32_t)count,
		.ports = &port,
		.frontends = &frontend,
		.backends = backends,
	};
	struct nftx_elems want = { 0 };
	struct nftx_diff diff = { 0 };
	bool same;

	nftx_keep_dumped_slots(have, &service);
	nftx_render(&service, &want);
	nftx_elems_sort(&want);
	nftx_diff_elems(have, &want, &diff);
	same = diff.del.count == 0 && diff.add.count == 0;
	nftx_diff_done(&diff);
	free(want.list);
	return same;
}

static bool is_ours(const struct reader *r)
{
	const struct nftx_view *view = r->view;
	struct nftx_elems have = { 0 };
	bool ours;

	if (view->answer == NFTX_ANSWER_FOREIGN || view->label == NULL ||
	    view->all.count > NFTX_TOP || view->local.count > NFTX_LOCAL_TOP ||
	    view->restricted != (view->range_count > 0) ||
	    (view->answer == NFTX_ANSWER_SERVE && !view->local_only && view->all.count == 0))
		return false;
	collect(r, &have);
	nftx_elems_sort(&have);
	ours = is_rendered_so(r, &have);
	free(have.list);
	return ours;
}

void nftx_view_read(const struct nftx_elems *elems, const struct nftx_elem *key,
                    struct nftx_view *out)
{
	struct reader r = { .elems = elems, .key = { .family = key->family }, .view = out };
	size_t addr_len = ipaddr_len(key->family);
	uint16_t port_be;
	size_t first;

	memcpy(r.key.key, key->key, nftx_map_key_bytes(NFTX_FRONTENDS, key->family));
	memcpy(&port_be, key->key + addr_len + 4, sizeof(port_be));
	*out = (struct nftx_view){
		.addr = { .family = key->family },
		.protocol = key->key[addr_len],
		.port = ntohs(port_be),
	};
	memcpy(out->addr.bytes, key->key, addr_len);
	out->local_only = find(&r, NFTX_EXTERNAL_LOCAL) != NULL;
	out->external = out->local_only || find(&r, NFTX_EXTERNAL_CLUSTER) != NULL;
	read_way(&r);
	read_rows(&r);
	out->range_count = find_all(&r, NFTX_ALLOWED_SOURCES, &first);
	out->ranges = out->range_count > 0 ? &elems->list[first] : NULL;
	out->is_ours = is_ours(&r);
}

void nftx_view_done(struct nftx_view *view)
{
	free(view->all.list);
	free(view->local.list);
	*view = (struct nftx_view){ 0 };
}

const struct nftx_view_backend *nftx_view_has(const struct nftx_view_row *row,
                                              const struct ipaddr *addr, uint16_t port)
{
	size_t low = 0;
	size_t high = row->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = ipaddr_cmp(&row->list[mid].addr, addr);

		if (diff == 0)
			diff = (int)row->list[mid].port - (int)port;
		if (diff == 0)
			return &row->list[mid];
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

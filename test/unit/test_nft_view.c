/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/view.h"

#include <stdlib.h>
#include <string.h>

#include "nft/render.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

static struct nftx_elems render(const struct lb_service *service)
{
	struct nftx_elems elems = { 0 };

	nftx_render(service, &elems);
	nftx_elems_sort(&elems);
	return elems;
}

static struct nftx_elem front_key(const struct lb_service *service, const struct lb_frontend *front)
{
	const struct lb_port *port = &service->ports[front->port_index];
	struct nftx_elem key = { .family = port->family, .map = NFTX_FRONTENDS };

	(void)nftx_key_front(key.key, &front->addr, port->protocol, front->port);
	return key;
}

static void assert_row(const struct nftx_view_row *row, const struct lb_service *service,
                       const struct lb_pool *pool)
{
	assert_int_equal(row->count, pool->count);
	for (uint32_t i = 0; i < pool->count; i++) {
		const struct lb_backend *backend = &service->backends[pool->first + i];
		const struct nftx_view_backend *found =
			nftx_view_has(row, &backend->addr, backend->port);

		assert_non_null(found);
		assert_true(found->is_drawn);
	}
}

static enum nftx_answer answer_of(const struct lb_frontend *front, const struct lb_port *port)
{
	if (!port->has_any)
		return NFTX_ANSWER_REFUSE;
	return front->local_only && port->local.count == 0 ? NFTX_ANSWER_DROP : NFTX_ANSWER_SERVE;
}

static void assert_view(const struct nftx_view *view, const struct lb_service *service,
                        const struct lb_frontend *front)
{
	static const struct lb_pool none;
	const struct lb_port *port = &service->ports[front->port_index];
	bool is_cluster_ip = front->kind == LB_CLUSTER_IP;

	assert_true(view->is_ours);
	assert_string_equal(view->label, port->label);
	assert_true(ipaddr_equal(&view->addr, &front->addr));
	assert_int_equal(view->protocol, port->protocol);
	assert_int_equal(view->port, front->port);
	assert_int_equal(view->answer, answer_of(front, port));
	assert_int_equal(view->external, !is_cluster_ip);
	assert_int_equal(view->restricted, front->restricted);
	if (!port->has_any)
		return; /* refused before anything else is looked at */
	assert_int_equal(view->local_only, front->local_only);
	if (view->answer == NFTX_ANSWER_SERVE || !is_cluster_ip)
		assert_int_equal(view->affinity_s, service->affinity_s);
	assert_row(&view->all, service, front->local_only && is_cluster_ip ? &none : &port->all);
	assert_row(&view->local, service, front->local_only ? &port->local : &none);
}

/* What was rendered reads back as what it was rendered from. */
static void reads_what_was_rendered(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 500; round++) {
		struct lb_service *service = random_service(&random, 1);
		struct nftx_elems elems = render(service);

		for (size_t i = 0; i < service->frontend_count; i++) {
			struct nftx_elem key = front_key(service, &service->frontends[i]);
			struct nftx_view view;

			nftx_view_read(&elems, &key, &view);
			assert_view(&view, service, &service->frontends[i]);
			nftx_view_done(&view);
		}
		free(elems.list);
		free(service);
	}
}

static bool is_of_a_front(const struct nftx_elem *elem)
{
	return elem->map != NFTX_ALLOWED_SOURCES &&
	       str_starts(nftx_map_info(elem->map)->key, "APS");
}

/* Takes one element away, or changes what it leads to. Return: whether that made any difference. */
static bool tamper(struct nftx_elems *elems, size_t at, bool take)
{
	struct nftx_elem *elem = &elems->list[at];

	if (take) {
		memmove(elem, elem + 1, (--elems->count - at) * sizeof(*elem));
		return true;
	}
	switch (nftx_map_info(elem->map)->data) {
	case NFTX_DATA_NONE:
		return false;
	case NFTX_DATA_TARGET: /* to the backend of another slot, so that one stands twice */
		if (at + 1 >= elems->count || elem[1].map != elem->map ||
		    memcmp(elem->key, elem[1].key, ipaddr_len(elem->family) + 8) != 0 ||
		    (nftx_elem_slot(elem) < NFTX_LOCAL_BASE) !=
		            (nftx_elem_slot(&elem[1]) < NFTX_LOCAL_BASE))
			return false;
		memcpy(elem->data, elem[1].data, sizeof(elem->data));
		return true;
	case NFTX_DATA_VERDICT:
		if (elem->chain == NFTX_SLOTS || elem->chain == NFTX_LOCAL_SLOTS)
			elem->number *= 2;
		else
			elem->verdict = NFTX_FOREIGN;
		return true;
	}
	return false;
}

/* One backend less can be a smaller row. */
static bool can_be_ours_without(const struct nftx_elem *elem)
{
	return elem->map == NFTX_BACKENDS || elem->map == NFTX_LOCAL_FRONTENDS;
}

/* Whatever somebody does to an element of a frontend: it is not ours any more, and reading it ends. */
static void notices_what_others_did(void **unused)
{
	uint64_t random = random_seed();
	size_t noticed = 0;

	(void)unused;
	for (int round = 0; round < 2000; round++) {
		struct lb_service *service = random_service(&random, 1);
		struct nftx_elems elems = render(service);
		size_t at = elems.count > 0 ? random_below(&random, (uint32_t)elems.count) : 0;

		if (elems.count > 0 && is_of_a_front(&elems.list[at])) {
			struct nftx_elem key = elems.list[at];
			bool take = random_below(&random, 2) == 0;
			struct nftx_view view;

			if (tamper(&elems, at, take)) {
				nftx_view_read(&elems, &key, &view);
				if (!take || !can_be_ours_without(&key)) {
					assert_false(view.is_ours);
					noticed++;
				}
				nftx_view_done(&view);
			}
		}
		free(elems.list);
		free(service);
	}
	assert_true(noticed > 100);
}

static struct nftx_elem make_elem(enum nftx_map map, uint32_t slot, uint8_t last)
{
	static const struct ipaddr addr = { .family = 4, .bytes = { 10, 96, 0, 1 } };
	struct nftx_elem elem = { .family = 4, .map = (uint8_t)map };

	(void)nftx_key_front(elem.key, &addr, 6, 80);
	if (map == NFTX_BACKENDS) {
		nftx_elem_set_slot(&elem, slot);
		elem.data[0] = 10;
		elem.data[3] = last;
		elem.data[5] = 80;
	} else if (map == NFTX_FRONTENDS) {
		elem.verdict = NFTX_GOTO;
		elem.chain = NFTX_SLOTS;
		elem.number = slot;
		elem.comment = "ns/a";
	}
	return elem;
}

/* Rows that we would not write: rows with holes, beyond the verdict, without a frontend. */
static void reads_foreign_rows(void **unused)
{
	static const struct {
		const char *what;
		uint32_t verdict; /* slots-K; 0: no frontend */
		uint32_t slots[3];
		uint8_t backends[3];
		size_t count;
		enum nftx_answer answer;
		size_t want;  /* backends */
		size_t drawn; /* of them */
		bool is_ours;
	} rows[] = {
		{ "as we write it", 2, { 0, 1 }, { 1, 2 }, 2, NFTX_ANSWER_SERVE, 2, 2, true },
		{ "a hole", 2, { 1 }, { 2 }, 1, NFTX_ANSWER_SERVE, 1, 1, false },
		{ "beyond the verdict", 1, { 0, 1 }, { 1, 2 }, 2, NFTX_ANSWER_SERVE, 2, 1, false },
		{ "one twice", 2, { 0, 1 }, { 1, 1 }, 2, NFTX_ANSWER_SERVE, 1, 1, false },
		{ "no row", 1, { 0 }, { 0 }, 0, NFTX_ANSWER_SERVE, 0, 0, false },
		{ "no frontend", 0, { 0 }, { 1 }, 1, NFTX_ANSWER_NONE, 1, 0, false },
		{ "a row that is no local one",
		  1,
		  { 40000 },
		  { 1 },
		  1,
		  NFTX_ANSWER_SERVE,
		  0,
		  0,
		  false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nftx_elems elems = { 0 };
		struct nftx_view view;
		struct nftx_elem key = make_elem(NFTX_FRONTENDS, rows[i].verdict, 0);
		size_t drawn = 0;

		print_message("  - %s\n", rows[i].what);
		if (rows[i].verdict > 0) {
			*nftx_elems_push(&elems) = key;
			*nftx_elems_push(&elems) = make_elem(NFTX_INTERNAL, 0, 0);
		}
		for (size_t k = 0; k < rows[i].count; k++)
			*nftx_elems_push(&elems) =
				make_elem(NFTX_BACKENDS, rows[i].slots[k], rows[i].backends[k]);
		nftx_elems_sort(&elems);
		nftx_view_read(&elems, &key, &view);
		assert_int_equal(view.answer, rows[i].answer);
		assert_int_equal(view.all.count, rows[i].want);
		for (size_t k = 0; k < view.all.count; k++)
			drawn += view.all.list[k].is_drawn;
		assert_int_equal(drawn, rows[i].drawn);
		assert_int_equal(view.is_ours, rows[i].is_ours);
		nftx_view_done(&view);
		free(elems.list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_was_rendered),
		cmocka_unit_test(notices_what_others_did),
		cmocka_unit_test(reads_foreign_rows),
	};

	return cmocka_run_group_tests_name("nft/view", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a difference of elements is in words, where no source could bring it about:
 * somebody else was at the kernel's table. The rest is in test/golden.
 */
#include "cmd/diff.h"

#include <stdlib.h>
#include <string.h>

#include "nft/render.h"
#include "test/unit/objects.h"
#include "test/unit/planner.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

/* The kernel holds what @services make; its elements are the dump's own. */
static void fill_kernel(struct diff *diff, struct lb_service *const *services, size_t count)
{
	for (size_t i = 0; i < count; i++)
		nftx_render(services[i], &diff->from.elems);
	for (size_t i = 0; i < diff->from.elems.count; i++)
		diff->from.elems.list[i].comment = copy(diff->from.elems.list[i].comment);
	nftx_elems_sort(&diff->from.elems);
}

static void take_away(struct nftx_elems *elems, size_t at)
{
	free((void *)(uintptr_t)elems->list[at].comment);
	memmove(&elems->list[at], &elems->list[at + 1],
	        (--elems->count - at) * sizeof(*elems->list));
}

/* A desired state of one Service, and a kernel that holds another version of it. */
static void make(struct diff *diff, struct lb_service *desired, struct lb_service *present)
{
	diff->to.planner = new_planner();
	diff->to.changes.services = xcalloc(1, sizeof(desired));
	diff->to.changes.services[0] = desired;
	diff->to.changes.count = 1;
	fill_kernel(diff, &present, 1);
}

static void compute(struct diff *diff)
{
	diff_render(&diff->to, &diff->from.elems);
	diff_compute(diff);
}

/* Lines are there exactly when elements differ; a Service is no difference from itself. */
static void tells_every_difference(void **unused)
{
	uint64_t random = random_seed();
	size_t differ = 0;

	(void)unused;
	for (int round = 0; round < 1000; round++) {
		uint64_t again = random;
		struct lb_service *present = random_service(&random, 1);
		struct lb_service *desired =
			round % 10 == 0 ? random_service(&again, 1) : random_service(&random, 1);
		struct diff diff = { 0 };
		bool same;

		make(&diff, desired, present);
		free(present);
		if (round % 3 == 0 && diff.from.elems.count > 0)
			take_away(&diff.from.elems,
			          random_below(&random, (uint32_t)diff.from.elems.count));
		compute(&diff);
		same = diff.elements.del.count + diff.elements.add.count == 0;
		assert_int_equal(diff_is_empty(&diff), same);
		assert_int_equal(diff.counts[DIFF_ADD] + diff.counts[DIFF_REMOVE] +
		                         diff.counts[DIFF_CHANGE],
		                 diff.line_count);
		differ += !same;
		diff_done(&diff);
	}
	assert_true(differ > 500);
}

/* Whatever is printed can be printed: no line is without its object, in any form. */
static void prints_every_difference(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 300; round++) {
		struct lb_service *present = random_service(&random, 1);
		struct diff diff = { 0 };
		struct strbuf text = { 0 };

		make(&diff, random_service(&random, 1), present);
		free(present);
		compute(&diff);
		diff_text(&diff, round % 2 == 0, &text);
		assert_non_null(strstr(text.text, diff_is_empty(&diff) ? "in sync" : "to add"));
		strbuf_clear(&text);
		diff_json(&diff, &text);
		assert_non_null(strstr(text.text, "\"kind\": \"kubenft.diff\""));
		strbuf_clear(&text);
		diff_nft(&diff, &text);
		assert_true(text.len > 0);
		strbuf_done(&text);
		diff_done(&diff);
	}
}

enum deed {
	DELETE_FRONTEND,
	DELETE_BACKEND,
	ADD_BACKEND_BEYOND,
	MOVE_BACKENDS,
	MOVE_IN_ONE_ROW,
	CHANGE_VERDICT,
	FOREIGN_VERDICT,
	NO_COMMENT,
	ADD_FRONTEND,
	ADD_ORPHAN,
	DELETE_CLUSTER_IP,
	DELETE_HAIRPIN,
	ADD_POD_RANGE,
	EVIL_COMMENT,
};

static struct nftx_elem *element(struct diff *diff, enum nftx_map map, size_t n)
{
	for (size_t i = 0; i < diff->from.elems.count; i++)
		if (diff->from.elems.list[i].map == map && n-- == 0)
			return &diff->from.elems.list[i];
	fail_msg("no such element");
	abort(); /* not reached, which the compiler does not know */
}

static void delete_element(struct diff *diff, enum nftx_map map, size_t n)
{
	take_away(&diff->from.elems, (size_t)(element(diff, map, n) - diff->from.elems.list));
}

/* An element like the first of @map, of the address 10.96.0.9. */
static struct nftx_elem *add_element(struct diff *diff, enum nftx_map map)
{
	struct nftx_elem elem = *element(diff, map, 0);

	elem.key[3] = 9;
	elem.comment = NULL;
	*nftx_elems_push(&diff->from.elems) = elem;
	return &diff->from.elems.list[diff->from.elems.count - 1];
}

static void set_comment(struct nftx_elem *elem, const char *comment)
{
	free((void *)(uintptr_t)elem->comment);
	elem->comment = copy(comment);
}

static void swap_backends(struct diff *diff, size_t m, size_t n)
{
	struct nftx_elem *a = element(diff, NFTX_BACKENDS, m);
	struct nftx_elem *b = element(diff, NFTX_BACKENDS, n);
	uint8_t data[NFTX_DATA_MAX];

	memcpy(data, a->data, sizeof(data));
	memcpy(a->data, b->data, sizeof(data));
	memcpy(b->data, data, sizeof(data));
}

static void meddle(struct diff *diff, enum deed deed)
{
	struct nftx_elem *elem;

	switch (deed) {
	case DELETE_FRONTEND:
		delete_element(diff, NFTX_FRONTENDS, 0);
		break;
	case DELETE_BACKEND:
		delete_element(diff, NFTX_BACKENDS, 1);
		break;
	case ADD_BACKEND_BEYOND:
		elem = add_element(diff, NFTX_BACKENDS);
		elem->key[3] = 1;
		elem->data[3] = 77;
		nftx_elem_set_slot(elem, 100);
		break;
	case MOVE_BACKENDS:
		swap_backends(diff, 0, 2);
		swap_backends(diff, 3, 5);
		break;
	case MOVE_IN_ONE_ROW:
		swap_backends(diff, 3, 5);
		break;
	case CHANGE_VERDICT:
		element(diff, NFTX_FRONTENDS, 0)->chain = NFTX_REFUSE;
		element(diff, NFTX_FRONTENDS, 0)->number = 0;
		break;
	case FOREIGN_VERDICT:
		element(diff, NFTX_FRONTENDS, 0)->verdict = NFTX_FOREIGN;
		break;
	case NO_COMMENT:
		set_comment(element(diff, NFTX_FRONTENDS, 0), NULL);
		break;
	case ADD_FRONTEND:
		(void)add_element(diff, NFTX_FRONTENDS);
		break;
	case ADD_ORPHAN:
		(void)add_element(diff, NFTX_BACKENDS);
		break;
	case DELETE_CLUSTER_IP:
		delete_element(diff, NFTX_CLUSTER_IPS, 0);
		break;
	case DELETE_HAIRPIN:
		delete_element(diff, NFTX_HAIRPIN, 0);
		break;
	case ADD_POD_RANGE:
		elem = add_element(diff, NFTX_CLUSTER_IPS);
		elem->map = NFTX_POD_CIDRS;
		elem->last = (struct ipaddr){ .family = 4, .bytes = { 10, 96, 0, 9 } };
		break;
	case EVIL_COMMENT:
		set_comment(add_element(diff, NFTX_FRONTENDS), "\033[2J\"\n\xffx");
		break;
	}
	nftx_elems_sort(&diff->from.elems);
}

static const struct row {
	enum deed deed;
	const char *want;
} rows[] = {
	{ DELETE_FRONTEND, "ns/a/TCP\n"
	                   "  + frontend 10.96.0.1:80 ClusterIP (changed by somebody else)\n"
	                   "1 to add, 0 to remove, 0 to change\n" },
	{ DELETE_BACKEND, "ns/a/TCP\n"
	                  "  ~ frontend 10.96.0.1:80 ClusterIP, 2 -> 3 endpoints (changed by "
	                  "somebody else)\n"
	                  "0 to add, 0 to remove, 1 to change\n" },
	{ ADD_BACKEND_BEYOND, "ns/a/TCP\n"
	                      "  ~ frontend 10.96.0.1:80 ClusterIP (changed by somebody else)\n"
	                      "  - endpoint 10.0.0.77:8080 (foreign element)\n"
	                      "0 to add, 1 to remove, 1 to change\n" },
	{ MOVE_BACKENDS, "in sync\n" },
	{ MOVE_IN_ONE_ROW, "ns/a/TCP\n"
	                   "  ~ frontend 203.0.113.1:80 external IP (changed by somebody else)\n"
	                   "0 to add, 0 to remove, 1 to change\n" },
	{ CHANGE_VERDICT,
	  "ns/a/TCP\n"
	  "  ~ frontend 10.96.0.1:80 ClusterIP, refuses -> serves, 0 -> 3 endpoints (changed by "
	  "somebody else)\n"
	  "0 to add, 0 to remove, 1 to change\n" },
	{ FOREIGN_VERDICT, "ns/a/TCP\n"
	                   "  ~ frontend 10.96.0.1:80 ClusterIP, goes astray -> serves, 0 -> 3 "
	                   "endpoints (changed by "
	                   "somebody else)\n"
	                   "0 to add, 0 to remove, 1 to change\n" },
	{ NO_COMMENT, "ns/a/TCP\n"
	              "  ~ frontend 10.96.0.1:80 ClusterIP (changed by somebody else)\n"
	              "0 to add, 0 to remove, 1 to change\n" },
	{ ADD_FRONTEND, "node\n"
	                "  - frontend 10.96.0.9:80 TCP (foreign element)\n"
	                "0 to add, 1 to remove, 0 to change\n" },
	{ ADD_ORPHAN, "node\n"
	              "  - frontend 10.96.0.9:80 TCP (foreign element)\n"
	              "  - endpoint 10.0.0.1:8080 (foreign element)\n"
	              "0 to add, 2 to remove, 0 to change\n" },
	{ DELETE_CLUSTER_IP, "ns/a/TCP\n"
	                     "  + refusal of closed ports of 10.96.0.1\n"
	                     "1 to add, 0 to remove, 0 to change\n" },
	{ DELETE_HAIRPIN, "node\n"
	                  "  + hairpin of local endpoint 10.0.0.1\n"
	                  "1 to add, 0 to remove, 0 to change\n" },
	{ ADD_POD_RANGE, "node\n"
	                 "  - pod range 10.96.0.9\n"
	                 "0 to add, 1 to remove, 0 to change\n" },
	{ EVIL_COMMENT, "?[2J\"?"
	                "?x/TCP\n"
	                "  - frontend 10.96.0.9:80 ClusterIP (foreign element)\n"
	                "0 to add, 1 to remove, 0 to change\n" },
};

static void tells_what_others_did(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diff diff = { .to.planner = new_planner() };
		struct strbuf text = { 0 };
		struct diags diags = { 0 };

		print_message("  - %.60s\n", rows[i].want);
		put(diff.to.planner, SERVICE(.name = "a", .cluster_ips = "10.96.0.1",
		                             .ports = "-:tcp:80", .external_ips = "203.0.113.1"));
		put(diff.to.planner,
		    SLICE("a-1", "a", "-:tcp:8080", "10.0.0.1@node-1 10.0.0.2 10.0.0.3"));
		proxy_planner_changes(diff.to.planner, &diff.to.changes, &diags);
		fill_kernel(&diff, diff.to.changes.services, 1);
		nftx_render_networks(proxy_planner_networks(diff.to.planner), &diff.from.elems);
		meddle(&diff, rows[i].deed);
		compute(&diff);
		diff_text(&diff, false, &text);
		assert_string_equal(text.text, rows[i].want);
		strbuf_done(&text);
		diff_done(&diff);
		diag_done(&diags);
	}
}

static void tells_of_tables(void **unused)
{
	struct diff diff = { .tables = { DIFF_TABLE_MISSING, DIFF_OTHER_LAYOUT },
		             .layouts = { "", "kubenft ruleset 0" },
		             .affinity_sizes = { 0, 100000 } };
	char comment[NFTX_COMMENT_TEXT];
	struct strbuf text = { 0 };
	struct strbuf want = { 0 };

	(void)unused;
	diff.to.planner = new_planner();
	diff_compute(&diff);
	diff_text(&diff, false, &text);
	strbuf_printf(&want,
	              "node\n"
	              "  + table ip kubenft (table missing)\n"
	              "  ~ table ip6 kubenft (another layout: 'kubenft ruleset 0', would be '%s')\n"
	              "  ~ affinity map of ip6, room for 100000 -> 65535 clients (records would be "
	              "lost)\n"
	              "1 to add, 0 to remove, 2 to change\n",
	              nftx_layout_comment(&diff.to.nft[1], comment, sizeof(comment)));
	assert_string_equal(text.text, want.text);
	strbuf_clear(&text);
	diff_text(&diff, true, &text);
	assert_non_null(strstr(text.text, "\033[32m+ table ip kubenft (table missing)\033[0m\n"));
	strbuf_done(&text);
	strbuf_done(&want);
	diff_done(&diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_every_difference),
		cmocka_unit_test(prints_every_difference),
		cmocka_unit_test(tells_what_others_did),
		cmocka_unit_test(tells_of_tables),
	};

	return cmocka_run_group_tests_name("cmd/diff", tests, NULL, NULL);
}

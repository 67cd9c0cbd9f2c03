/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "nft/render.h"
#include "nft/slots.h"
#include "nft/state.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

/* What a table would hold after @diff: the kernel's rules, a delete needs the element, an add its absence. */
static struct nftx_elems apply(const struct nftx_elems *present, const struct nftx_diff *diff)
{
	struct nftx_elems out = { 0 };
	size_t deleted = 0;

	for (size_t i = 0; i < present->count; i++) {
		bool goes = false;

		for (size_t k = 0; k < diff->del.count && !goes; k++)
			goes = nftx_elem_cmp(&diff->del.list[k], &present->list[i]) == 0;
		if (goes)
			deleted++;
		else
			*nftx_elems_push(&out) = present->list[i];
	}
	assert_int_equal(deleted, diff->del.count);
	for (size_t k = 0; k < diff->add.count; k++) {
		for (size_t i = 0; i < out.count; i++)
			assert_int_not_equal(nftx_elem_cmp(&diff->add.list[k], &out.list[i]), 0);
		*nftx_elems_push(&out) = diff->add.list[k];
	}
	nftx_elems_sort(&out);
	return out;
}

static struct nftx_elems render(const struct lb_service *service)
{
	struct nftx_elems elems = { 0 };

	nftx_render(service, &elems);
	nftx_elems_sort(&elems);
	return elems;
}

static void assert_equal(const struct nftx_elems *a, const struct nftx_elems *b)
{
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(nftx_elem_cmp(&a->list[i], &b->list[i]), 0);
		assert_true(nftx_elem_same(&a->list[i], &b->list[i]));
	}
}

/* apply(present, diff(present, desired)) == desired, and diff(x, x) is empty. */
static void turns_one_into_the_other(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 500; round++) {
		struct lb_service *was = random_service(&random, 1);
		struct lb_service *now = random_service(&random, 1);
		struct nftx_elems present = render(was);
		struct nftx_elems desired;
		struct nftx_elems applied;
		struct nftx_diff diff = { 0 };
		struct nftx_diff none = { 0 };

		nftx_keep_service_slots(was, now);
		desired = render(now);
		nftx_diff_elems(&present, &desired, &diff);
		applied = apply(&present, &diff);
		assert_equal(&applied, &desired);
		nftx_diff_elems(&desired, &desired, &none);
		assert_int_equal(none.del.count + none.add.count, 0);
		nftx_diff_done(&diff);
		free(present.list);
		free(desired.list);
		free(applied.list);
		free(was);
		free(now);
	}
}

/* Slots read back from rendered elements are the slots: nothing moves. */
static void keeps_dumped_slots(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 300; round++) {
		uint64_t again = random;
		struct lb_service *was = random_service(&random, 1);
		struct lb_service *now = random_service(&again, 1);
		struct nftx_elems present;
		struct nftx_elems desired;

		for (size_t i = 0; i < was->port_count; i++) { /* as after some history */
			const struct lb_pool *pool = &was->ports[i].all;

			for (uint32_t k = 0; k + 1 < pool->count; k += 2) {
				struct lb_backend *pair = &was->backends[pool->first + k];
				struct lb_backend swap = pair[0];

				pair[0] = pair[1];
				pair[1] = swap;
			}
		}
		present = render(was);
		nftx_keep_dumped_slots(&present, now);
		desired = render(now);
		assert_equal(&present, &desired);
		free(present.list);
		free(desired.list);
		free(was);
		free(now);
	}
}

static struct nftx_elem verdict_elem(enum nftx_verdict verdict, enum nftx_chain chain,
                                     uint32_t number, const char *comment)
{
	struct nftx_elem elem = { .family = 4,
		                  .map = NFTX_FRONTENDS,
		                  .verdict = (uint8_t)verdict,
		                  .chain = (uint8_t)chain,
		                  .number = number,
		                  .comment = comment };
	const struct ipaddr addr = { .family = 4, .bytes = { 10, 96, 0, 1 } };

	(void)nftx_key_front(elem.key, &addr, 6, 80);
	return elem;
}

static void tells_elements_apart(void **unused)
{
	struct nftx_elem base = verdict_elem(NFTX_GOTO, NFTX_SLOTS, 4, "a/b");
	struct nftx_elem others[] = {
		verdict_elem(NFTX_GOTO, NFTX_SLOTS, 8, "a/b"),
		verdict_elem(NFTX_GOTO, NFTX_LOCAL_SLOTS, 4, "a/b"),
		verdict_elem(NFTX_DROP, NFTX_CHAIN_NONE, 0, "a/b"),
		verdict_elem(NFTX_JUMP, NFTX_SLOTS, 4, "a/b"),
		verdict_elem(NFTX_GOTO, NFTX_SLOTS, 4, "a/c"),
		verdict_elem(NFTX_GOTO, NFTX_SLOTS, 4, NULL),
	};
	struct nftx_elem foreign = verdict_elem(NFTX_FOREIGN, NFTX_CHAIN_NONE, 0, NULL);

	(void)unused;
	assert_true(nftx_elem_same(&base, &base));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		assert_false(nftx_elem_same(&base, &others[i]));
	assert_false(nftx_elem_same(&foreign, &foreign)); /* what we cannot read is never right */
}

/* A comment is cut in the kernel: what was cut is no difference. */
static void compares_long_comments(void **unused)
{
	char full[400];
	char cut[NFTX_COMMENT_MAX + 1];
	struct nftx_elem a;
	struct nftx_elem b;

	(void)unused;
	memset(full, 'x', sizeof(full) - 1);
	full[sizeof(full) - 1] = '\0';
	memcpy(cut, full, NFTX_COMMENT_MAX);
	cut[NFTX_COMMENT_MAX] = '\0';
	a = verdict_elem(NFTX_DROP, NFTX_CHAIN_NONE, 0, full);
	b = verdict_elem(NFTX_DROP, NFTX_CHAIN_NONE, 0, cut);
	assert_true(nftx_elem_same(&a, &b));
	cut[NFTX_COMMENT_MAX - 1] = 'y';
	assert_false(nftx_elem_same(&a, &b));
}

static void orders_slots_as_numbers(void **unused)
{
	struct nftx_elem a = { .family = 4, .map = NFTX_BACKENDS };
	struct nftx_elem b = a;

	(void)unused;
	nftx_elem_set_slot(&a, 2);
	nftx_elem_set_slot(&b, 256);
	assert_true(nftx_elem_cmp(&a, &b) < 0);
	assert_true(nftx_elem_cmp(&b, &a) > 0);
	assert_int_equal(nftx_elem_slot(&b), 256);
}

static void writes_ranges(void **unused)
{
	static const struct {
		const char *first;
		const char *last;
		const char *text;
	} cases[] = {
		{ "10.0.0.0", "10.255.255.255", "10.0.0.0/8" },
		{ "0.0.0.0", "255.255.255.255", "0.0.0.0/0" },
		{ "10.0.0.1", "10.0.0.1", "10.0.0.1" },
		{ "10.0.0.0", "10.0.0.2", "10.0.0.0-10.0.0.2" },
		{ "10.0.0.1", "10.0.0.2", "10.0.0.1-10.0.0.2" },
		{ "fd00::", "fd00::ffff", "fd00::/112" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nftx_elem elem = { .map = NFTX_POD_CIDRS };
		struct strbuf text = { 0 };
		struct ipaddr first;

		assert_int_equal(ipaddr_parse(cases[i].first, &first, NULL), 0);
		assert_int_equal(ipaddr_parse(cases[i].last, &elem.last, NULL), 0);
		elem.family = first.family;
		(void)nftx_key_addr(elem.key, &first);
		nftx_elem_text(&text, &elem);
		assert_string_equal(text.text, cases[i].text);
		strbuf_done(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_one_into_the_other),
		cmocka_unit_test(keeps_dumped_slots),
		cmocka_unit_test(tells_elements_apart),
		cmocka_unit_test(orders_slots_as_numbers),
		cmocka_unit_test(compares_long_comments),
		cmocka_unit_test(writes_ranges),
	};

	return cmocka_run_group_tests_name("nft/diff and nft/elem", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Services that the kernel refuses: here such that claim an address which another one
 * has, as the planner never makes them. All others are served.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/blame.h"
#include "nft/survey.h"
#include "test/kernel/kernel_state.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define TCP 6
#define COUNT 40

static const struct nftx_options options[2];

/* At 10.96.0.@at, port 80, with a backend whose port tells @form; with 81 or more three of them, so that
 * the kernel refuses more than one message of what clashes with another form. */
static struct lb_service *service(uint32_t id, uint8_t at, uint16_t form)
{
	const struct lb_backend backends[] = {
		{ .addr = { 4, { 10, 244, 0, (uint8_t)id } }, .port = form },
		{ .addr = { 4, { 10, 244, 1, (uint8_t)id } }, .port = form },
		{ .addr = { 4, { 10, 244, 2, (uint8_t)id } }, .port = form },
	};
	uint32_t count = form > 80 ? 3 : 1;
	struct lb_port port = {
		.name = "", .family = 4, .protocol = TCP, .has_any = true, .all = { 0, count }
	};
	struct lb_frontend frontend = { .addr = { 4, { 10, 96, 0, at } },
		                        .kind = LB_CLUSTER_IP,
		                        .port = 80 };
	struct lb_address address = { .addr = frontend.addr };
	char name[32];

	(void)snprintf(name, sizeof(name), "ns/s%u", id);
	return lb_service_build(
		&(struct lb_service){ .id = id,
	                              .name = name,
	                              .port_count = 1,
	                              .frontend_count = 1,
	                              .backend_count = count,
	                              .cluster_ip_count = 1,
	                              .ports = &port,
	                              .frontends = &frontend,
	                              .backends = (struct lb_backend *)(uintptr_t)backends,
	                              .cluster_ips = &address });
}

struct kernel {
	struct nftx_sock *sock;
	struct nftx_state *state;
	bool names;     /* does it name elements? */
	unsigned sends; /* so far */
	unsigned loses; /* the answers to that one; 0: none */
};

static void setup(struct kernel *kernel, bool names)
{
	netns_enter();
	*kernel = (struct kernel){ .names = names, .state = nftx_state_new(options) };
	assert_int_equal(nftx_sock_open(&kernel->sock, NULL), 0);
}

static void teardown(struct kernel *kernel)
{
	nftx_state_free(kernel->state);
	nftx_sock_close(kernel->sock);
}

static int send_to(void *ctx, const struct nftx_batch *batch, struct nftx_refusals *refusals,
                   struct err *err)
{
	struct kernel *kernel = ctx;
	int ret = nftx_sock_send(kernel->sock, batch, refusals, err);

	if (++kernel->sends == kernel->loses)
		return err_set(err, ENOBUFS, "lost");
	for (size_t i = 0; refusals != NULL && !kernel->names && i < refusals->count; i++)
		refusals->list[i].has_elem = false;
	return ret;
}

/* As often as it makes progress: a search is made once in a call. */
static int refill(struct kernel *kernel, struct nftx_blames *blames)
{
	struct nftx_survey survey;
	size_t before;
	int ret;

	assert_int_equal(nftx_survey(kernel->sock, options,
	                             NFTX_TABLE_F_OWNER | NFTX_TABLE_F_PERSIST, &survey, NULL),
	                 0);
	do {
		before = blames->count;
		ret = nftx_refill(kernel->state, survey.ground, true, send_to, kernel, blames,
		                  NULL);
	} while (nftx_is_blamable(ret) && blames->count > before &&
	         blames->count < NFTX_BLAMES_MAX);
	nftx_survey_done(&survey);
	if (ret == 0) {
		nftx_state_committed(kernel->state);
		assert_kernel_holds(kernel->sock, kernel->state);
	}
	return ret;
}

/* Is the form that has @form as its backend's port in the kernel, at 10.96.0.@at? */
static bool serves(struct kernel *kernel, uint8_t at, uint16_t form)
{
	struct nftx_elem want = { .family = 4, .map = NFTX_BACKENDS };
	struct nftx_elems got = { 0 };
	const struct nftx_elem *found;
	bool is;

	(void)nftx_key_front(want.key, &(struct ipaddr){ 4, { 10, 96, 0, at } }, TCP, 80);
	kernel_dump_all(kernel->sock, &got);
	found = nftx_elems_find(&got, &want);
	is = found != NULL && found->data[4] == form >> 8 && found->data[5] == (form & 0xff);
	nftx_dump_done(&got);
	return is;
}

static bool is_blamed(const struct nftx_blames *blames, uint32_t id, bool kept)
{
	for (size_t i = 0; i < blames->count; i++)
		if (blames->list[i].id == id)
			return blames->list[i].kept == kept;
	return false;
}

static void stage(struct kernel *kernel, uint32_t id, uint8_t at, uint16_t form)
{
	nftx_state_stage(kernel->state, service(id, at, form));
}

static const bool naming[] = { true, false };

/* Three of forty are left out, whether the kernel names them or not. */
static void all_others_are_served(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(naming); i++) {
		struct nftx_blames blames = { 0 };
		struct kernel kernel;

		setup(&kernel, naming[i]);
		for (uint32_t id = 0; id < COUNT; id++) {
			bool bad = id == 7 || id == 19 || id == COUNT - 1;

			stage(&kernel, id, (uint8_t)(bad ? id - 5 : id), bad ? 90 : 80);
		}
		assert_int_equal(refill(&kernel, &blames), 0);
		assert_int_equal(blames.count, 3);
		assert_true(is_blamed(&blames, 7, false));
		assert_true(is_blamed(&blames, 19, false));
		assert_true(is_blamed(&blames, COUNT - 1, false));
		if (naming[i])
			assert_non_null(strstr(blames.list[0].reason, "10.96.0."));
		for (uint32_t id = 0; id < COUNT; id++)
			assert_int_equal(serves(&kernel, (uint8_t)id, 80),
			                 id != 7 && id != 19 && id != COUNT - 1);
		nftx_blames_done(&blames);
		teardown(&kernel);
	}
}

/* Everything but @id again as it was at first; @id, with another form, where @at is. */
static void stage_again(struct kernel *kernel, uint32_t id, uint8_t at)
{
	for (uint32_t other = 0; other < COUNT; other++)
		stage(kernel, other, (uint8_t)(other == id ? at : other), other == id ? 81 : 80);
}

/* What was good before the kernel refused a change stays, and a form that is good replaces it. */
static void the_last_good_form_stays(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(naming); i++) {
		struct nftx_blames blames = { 0 };
		struct kernel kernel;
		struct nftx_batch *batch;

		setup(&kernel, naming[i]);
		stage_again(&kernel, COUNT, 0);
		assert_int_equal(refill(&kernel, &blames), 0);
		assert_int_equal(blames.count, 0);
		stage(&kernel, 9, 3, 81);
		batch = nftx_state_change(kernel.state);
		nftx_batch_end(batch, true);
		assert_true(nftx_sock_commit(kernel.sock, batch, NULL) < 0);
		nftx_batch_free(batch);
		nftx_state_forget(kernel.state);
		stage_again(&kernel, 9, 3);
		assert_int_equal(refill(&kernel, &blames), 0);
		assert_int_equal(blames.count, 1);
		assert_true(is_blamed(&blames, 9, true));
		assert_true(serves(&kernel, 3, 80) && serves(&kernel, 9, 80));
		nftx_blames_done(&blames);

		/* another refill, which tries it again, and one that holds it */
		nftx_state_forget(kernel.state);
		stage_again(&kernel, 9, 3);
		assert_int_equal(refill(&kernel, &blames), 0);
		assert_true(is_blamed(&blames, 9, true));
		assert_true(serves(&kernel, 9, 80));
		nftx_blames_done(&blames);
		nftx_state_forget(kernel.state);
		for (uint32_t id = 0; id < COUNT; id++)
			if (id != 9)
				stage(&kernel, id, (uint8_t)id, 80);
		nftx_state_hold(kernel.state, service(9, 3, 81));
		assert_int_equal(refill(&kernel, &blames), 0);
		assert_int_equal(blames.count, 0);
		assert_true(serves(&kernel, 9, 80));

		stage(&kernel, 9, 200, 82);
		batch = nftx_state_change(kernel.state);
		nftx_batch_end(batch, true);
		assert_int_equal(nftx_sock_commit(kernel.sock, batch, NULL), 0);
		nftx_batch_free(batch);
		nftx_state_committed(kernel.state);
		assert_kernel_holds(kernel.sock, kernel.state);
		assert_true(serves(&kernel, 200, 82) && !serves(&kernel, 9, 80));
		teardown(&kernel);
	}
}

/* A refill out of doubt, as after somebody else wrote, with a change that the kernel refuses. */
static void what_was_doubted_stays(void **unused)
{
	struct nftx_blames blames = { 0 };
	struct kernel kernel;

	(void)unused;
	setup(&kernel, true);
	stage_again(&kernel, COUNT, 0);
	assert_int_equal(refill(&kernel, &blames), 0);
	nftx_state_doubt(kernel.state);
	stage(&kernel, 9, 3, 81);
	assert_int_equal(refill(&kernel, &blames), 0);
	assert_int_equal(blames.count, 1);
	assert_true(is_blamed(&blames, 9, true));
	assert_true(serves(&kernel, 9, 80));
	nftx_blames_done(&blames);

	/* the same when that refill failed for another reason before, without and with a culprit */
	nftx_state_doubt(kernel.state);
	nftx_state_forget(kernel.state);
	stage_again(&kernel, 9, 3);
	kernel.loses = kernel.sends + 2;
	assert_int_equal(refill(&kernel, &blames), -ENOBUFS);
	assert_true(is_blamed(&blames, 9, true));
	nftx_blames_done(&blames);
	nftx_state_forget(kernel.state);
	stage_again(&kernel, 9, 3);
	assert_int_equal(refill(&kernel, &blames), 0);
	assert_true(is_blamed(&blames, 9, true));
	assert_true(serves(&kernel, 9, 80));
	nftx_blames_done(&blames);
	teardown(&kernel);
}

/* Nobody is left out for an address that somebody who was refused merely had. */
static void an_old_form_makes_place_for_what_is_wanted(void **unused)
{
	struct nftx_blames blames = { 0 };
	struct kernel kernel;

	(void)unused;
	setup(&kernel, true);
	stage_again(&kernel, COUNT, 0);
	assert_int_equal(refill(&kernel, &blames), 0);
	nftx_state_forget(kernel.state);
	stage_again(&kernel, 9, 3);
	stage(&kernel, 12, 9, 83); /* has the address now that was 9's */
	assert_int_equal(refill(&kernel, &blames), 0);
	assert_int_equal(blames.count, 1);
	assert_true(is_blamed(&blames, 9, false));
	assert_true(serves(&kernel, 9, 83) && serves(&kernel, 3, 80));
	nftx_blames_done(&blames);
	teardown(&kernel);
}

/* When very many are refused nothing is applied: the kernel keeps what it has. */
static void too_many_are_nobodys_fault(void **unused)
{
	struct nftx_blames blames = { 0 };
	struct kernel kernel;

	(void)unused;
	setup(&kernel, true);
	stage(&kernel, 0, 0, 80);
	assert_int_equal(refill(&kernel, &blames), 0);
	nftx_state_forget(kernel.state);
	stage(&kernel, 0, 0, 81);
	for (uint32_t id = 1; id <= 2 * NFTX_BLAMES_MAX; id++)
		stage(&kernel, id, 0, 90);
	assert_true(refill(&kernel, &blames) < 0);
	assert_int_equal(blames.count, NFTX_BLAMES_MAX);
	assert_true(serves(&kernel, 0, 80));
	nftx_blames_done(&blames);
	teardown(&kernel);
}

/* What is no object's fault blames nobody: somebody else's table, which no search would mend. */
static void somebody_elses_table_is_nobodys_fault(void **unused)
{
	const struct nftx_ground ground[2] = { { .exists = true, .adopt = true },
		                               { .exists = true, .adopt = true } };
	struct nftx_blames blames = { 0 };
	struct kernel owner;
	struct nftx_sock *other;

	(void)unused;
	setup(&owner, true);
	stage(&owner, 0, 0, 80);
	assert_int_equal(refill(&owner, &blames), 0);
	other = owner.sock;
	assert_int_equal(nftx_sock_open(&owner.sock, NULL), 0);
	nftx_state_forget(owner.state);
	stage(&owner, 0, 0, 81);
	owner.sends = 0;
	assert_int_equal(nftx_refill(owner.state, ground, true, send_to, &owner, &blames, NULL),
	                 -EPERM);
	assert_int_equal(owner.sends, 1);
	assert_int_equal(blames.count, 0);
	nftx_sock_close(other);
	teardown(&owner);
}

/* Rules that the kernel does not take: a search finds out that no Service is to blame. */
static void what_is_refused_without_services_is_nobodys_fault(void **unused)
{
	/* a table to be taken over that is not there: its maps are emptied in vain */
	const struct nftx_ground ground[2] = { { .adopt = true }, { .adopt = true } };
	struct nftx_blames blames = { 0 };
	struct kernel kernel;
	struct err err = { 0 };

	(void)unused;
	setup(&kernel, true);
	stage(&kernel, 0, 0, 80);
	assert_int_equal(nftx_refill(kernel.state, ground, true, send_to, &kernel, &blames, &err),
	                 -ENOENT);
	assert_int_equal(blames.count, 0);
	assert_int_equal(kernel.sends, 2);
	assert_string_equal(err.msg,
	                    "ip frontends: deleting all elements: No such file or directory");
	teardown(&kernel);
}

/* A dry run that fails for another reason ends the search: it would blame the wrong one. */
static void a_search_that_fails_blames_nobody(void **unused)
{
	(void)unused;
	for (unsigned loses = 2; loses < 10; loses++) {
		struct nftx_blames blames = { 0 };
		struct nftx_survey survey;
		struct kernel kernel;

		setup(&kernel, false);
		kernel.loses = loses;
		stage_again(&kernel, 9, 3);
		assert_int_equal(nftx_survey(kernel.sock, options, 0, &survey, NULL), 0);
		if (nftx_refill(kernel.state, survey.ground, true, send_to, &kernel, &blames,
		                NULL) < 0)
			assert_true(blames.count == 0 || kernel.sends == loses);
		else
			assert_true(kernel.sends < loses);
		for (size_t i = 0; i < blames.count; i++)
			assert_int_equal(blames.list[i].id, 9);
		nftx_survey_done(&survey);
		nftx_blames_done(&blames);
		teardown(&kernel);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_others_are_served),
		cmocka_unit_test(the_last_good_form_stays),
		cmocka_unit_test(what_was_doubted_stays),
		cmocka_unit_test(an_old_form_makes_place_for_what_is_wanted),
		cmocka_unit_test(too_many_are_nobodys_fault),
		cmocka_unit_test(somebody_elses_table_is_nobodys_fault),
		cmocka_unit_test(a_search_that_fails_blames_nobody),
		cmocka_unit_test(what_is_refused_without_services_is_nobodys_fault),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/blame in the kernel", tests, NULL, NULL);
}

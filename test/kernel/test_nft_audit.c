/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What somebody does to a table that anybody may change, as an audit finds it.
 */
#include "nft/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/survey.h"
#include "test/kernel/netns.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

#define SERVICES 24

static const struct nftx_options options[2] = { { .detect = NFTX_DETECT_CIDR },
	                                        { .detect = NFTX_DETECT_CIDR } };
static struct nftx_sock *sock;
static struct nftx_state *state;

/* Brings what is staged into plain tables. */
static void refill(void)
{
	struct nftx_survey survey;
	struct nftx_batch *batch;
	struct err err = { 0 };

	assert_int_equal(nftx_survey(sock, options, 0, &survey, &err), 0);
	batch = nftx_state_refill(state, survey.ground);
	nftx_batch_end(batch, true);
	if (nftx_sock_commit(sock, batch, &err) < 0)
		fail_msg("%s", err.msg);
	nftx_batch_free(batch);
	nftx_survey_done(&survey);
	nftx_state_committed(state);
}

static int fill(void **unused)
{
	static struct ipcidr cidrs[2];
	struct lb_networks networks = { 1, 1, &cidrs[0], &cidrs[1] };
	uint64_t random = 7;
	struct err err = { 0 };

	(void)unused;
	netns_enter();
	assert_int_equal(ipcidr_parse("10.96.0.0/12", &cidrs[0], NULL), 0);
	assert_int_equal(ipcidr_parse("10.244.0.0/16", &cidrs[1], NULL), 0);
	assert_int_equal(nftx_sock_open(&sock, &err), 0);
	state = nftx_state_new(options);
	for (uint32_t id = 0; id < SERVICES; id++)
		nftx_state_stage(state, random_service(&random, id));
	nftx_state_stage_networks(state, &networks);
	refill();
	return 0;
}

static int leave(void **unused)
{
	(void)unused;
	nftx_state_free(state);
	nftx_sock_close(sock);
	return 0;
}

/* "tables missing 1 foreign 0 changed 0: examples" */
static void audit(struct strbuf *text)
{
	struct nftx_findings findings = { 0 };
	struct err err = { 0 };
	int ret = nftx_audit(sock, options, state, &findings, &err);

	if (ret < 0)
		fail_msg("%s", err.msg);
	strbuf_printf(text, "%s missing %zu foreign %zu changed %zu",
	              findings.tables ? "tables" : "elements", findings.missing, findings.foreign,
	              findings.changed);
	if (findings.examples.len > 0)
		strbuf_printf(text, ": %s", findings.examples.text);
	assert_int_equal(ret, findings.tables ||
	                              findings.missing + findings.foreign + findings.changed > 0);
	nftx_findings_done(&findings);
}

static void finds_nothing(void **unused)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct nftx_elems all = { 0 };

	(void)unused;
	audit(&text);
	assert_string_equal(text.text, "elements missing 0 foreign 0 changed 0");
	nftx_state_elements(state, &all);
	assert_true(all.count > SERVICES);
	assert_int_equal(nftx_state_count(state), all.count);
	free(all.list);
}

static const struct row {
	const char *what;
	const char *command;
	const char *want; /* its beginning */
} rows[] = {
	{ "one table is missing", "delete table ip6 kubenft",
	  "tables missing 0 foreign 0 changed 0: table ip6 kubenft missing; " },
	{ "both are", "flush ruleset",
	  "tables missing 0 foreign 0 changed 0: table ip kubenft missing; table ip6 kubenft "
	  "missing" },
	{ "one sleeps", "add table ip kubenft { flags dormant; }",
	  "tables missing 0 foreign 0 changed 0: table ip kubenft dormant; " },
	{ "a rule was added", "add rule ip kubenft services drop",
	  "tables missing 0 foreign 0 changed 0: table ip kubenft with other rules; " },
	{ "a foreign element", "add element ip kubenft cluster-ips { 9.9.9.9 }",
	  "elements missing 0 foreign 1 changed 0: ip cluster-ips: 9.9.9.9 foreign; " },
	{ "an element is missing", "delete element ip kubenft service-cidrs { 10.96.0.0/12 }",
	  "elements missing 1 foreign 0 changed 0: ip service-cidrs: 10.96.0.0/12 missing; " },
	{ "a map is empty: some of what is missing is named", "flush map ip6 kubenft backends",
	  "elements missing " },
	{ "a backend is another", NULL, "elements missing 0 foreign 0 changed 1: ip backends: " },
	{ "a range has changed",
	  "delete element ip kubenft service-cidrs { 10.96.0.0/12 }; "
	  "add element ip kubenft service-cidrs { 10.96.0.0/13 }",
	  "elements missing 0 foreign 0 changed 1: ip service-cidrs: 10.96.0.0/13 changed; " },
	{ "what the kernel remembers of clients is its own",
	  "add element ip kubenft affinity { 1.1.1.1 . 2.2.2.2 . tcp . 80 timeout 9s : 3.3.3.3 . "
	  "80 }",
	  "elements missing 0 foreign 0 changed 0" },
};

/* A command that turns some backend of IPv4 elsewhere. */
static void change_backend(char *command, size_t size)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct nftx_elems elems = { 0 };
	size_t key;

	nftx_state_select(state, 4, 1u << NFTX_BACKENDS, &elems);
	assert_true(elems.count > 0);
	nftx_elem_text(&text, &elems.list[elems.count / 2]);
	key = strcspn(text.text, ":");
	(void)snprintf(command, size,
	               "nft 'delete element ip kubenft backends { %.*s }; "
	               "add element ip kubenft backends { %.*s : 9.9.9.9 . 9 }'",
	               (int)key, text.text, (int)key, text.text);
	free(elems.list);
}

static void finds_what_was_done(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };
		char command[256];

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(fill(NULL), 0);
		if (rows[i].command != NULL)
			(void)snprintf(command, sizeof(command), "nft '%s'", rows[i].command);
		else
			change_backend(command, sizeof(command));
		assert_int_equal(system(command), 0);
		audit(&text);
		if (!str_starts(text.text, rows[i].want))
			fail_msg("%s", text.text);
		assert_true(text.len < 2000);
		leave(NULL);
	}
}

/* What was known is enough to bring it all back, with what has changed besides. */
static void refills_what_was_known(void **unused)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct nftx_elems before = { 0 };
	struct nftx_elems after = { 0 };
	struct nftx_diff diff = { 0 };
	uint64_t random = 8;

	(void)unused;
	nftx_state_elements(state, &before);
	nftx_state_doubt(state);
	assert_false(nftx_state_is_known(state));
	assert_int_equal(system("nft flush ruleset"), 0);
	refill();
	audit(&text);
	assert_string_equal(text.text, "elements missing 0 foreign 0 changed 0");
	nftx_state_elements(state, &after);
	nftx_diff_elems(&before, &after, &diff);
	assert_int_equal(diff.del.count + diff.add.count, 0);
	nftx_state_doubt(state);
	nftx_state_stage(state, random_service(&random, 3));
	nftx_state_stage(state, random_service(&random, SERVICES));
	refill();
	text.len = 0;
	audit(&text);
	assert_string_equal(text.text, "elements missing 0 foreign 0 changed 0");
	nftx_diff_done(&diff);
	free(before.list);
	free(after.list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_nothing, fill, leave),
		cmocka_unit_test(finds_what_was_done),
		cmocka_unit_test_setup_teardown(refills_what_was_known, fill, leave),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/audit", tests, NULL, NULL);
}

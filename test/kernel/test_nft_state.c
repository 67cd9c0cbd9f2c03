/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state against the real kernel: what it thinks is there is there, to the
 * element, whatever sequence of changes led to it, and whatever the kernel
 * refused on the way.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nft/affinity.h"
#include "nft/attr.h"
#include "nft/elem_codec.h"
#include "nft/sock.h"
#include "nft/state.h"
#include "nft/survey.h"
#include "test/kernel/kernel_state.h"
#include "test/kernel/netns.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

#define SERVICES 24

static const uint8_t families[2] = { 4, 6 };
static const struct nftx_options options[2] = { { .detect = NFTX_DETECT_CIDR },
	                                        { .detect = NFTX_DETECT_CIDR } };

static struct lb_networks some_networks(void)
{
	static struct ipcidr cidrs[6];
	static const char *const texts[] = { "10.96.0.0/12",     "192.168.0.0/24", "192.168.1.0/25",
		                             "fd00:10:96::/112", "10.244.0.0/16",  "::/0" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(ipcidr_parse(texts[i], &cidrs[i], NULL), 0);
	return (struct lb_networks){ 4, 2, cidrs, cidrs + 4 };
}

static int send_batch(struct nftx_sock *sock, struct nftx_batch *batch, struct err *err)
{
	int ret;

	nftx_batch_end(batch, true);
	ret = nftx_sock_commit(sock, batch, err);
	nftx_batch_free(batch);
	return ret;
}

/* Refills with what is staged. */
static void refill(struct nftx_sock *sock, struct nftx_state *state)
{
	struct nftx_survey survey;
	struct err err = { 0 };

	if (nftx_survey(sock, options, NFTX_TABLE_F_OWNER | NFTX_TABLE_F_PERSIST, &survey, &err) <
	    0)
		fail_msg("survey: %s", err.msg);
	if (send_batch(sock, nftx_state_refill(state, survey.ground), &err) < 0)
		fail_msg("refill: %s", err.msg);
	nftx_state_committed(state);
	nftx_survey_done(&survey);
}

static void stage_all(uint64_t *random, struct nftx_state *state)
{
	struct lb_networks networks = some_networks();

	for (uint32_t id = 0; id < SERVICES; id++)
		nftx_state_stage(state, random_service(random, id));
	nftx_state_stage_networks(state, &networks);
}

/* dump(apply(x)) == x after a refill, after a hundred changes, and after another refill. */
static void holds_what_was_sent(void **unused)
{
	uint64_t random = random_seed();
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_sock *sock;
	struct err err = { 0 };

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, &err), 0);
	stage_all(&random, state);
	refill(sock, state);
	assert_kernel_holds(sock, state);
	for (int round = 0; round < 100; round++) {
		uint32_t count = 1 + random_below(&random, 4);
		struct nftx_batch *batch;

		for (uint32_t i = 0; i < count; i++)
			nftx_state_stage(state,
			                 random_service(&random, random_below(&random, SERVICES)));
		batch = nftx_state_change(state);
		if (batch == NULL)
			continue;
		if (send_batch(sock, batch, &err) < 0)
			fail_msg("round %d: %s", round, err.msg);
		nftx_state_committed(state);
		assert_kernel_holds(sock, state);
	}
	nftx_state_forget(state);
	stage_all(&random, state);
	refill(sock, state);
	assert_kernel_holds(sock, state);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

/* Staging what is there already sends nothing. */
static void sends_nothing_for_nothing(void **unused)
{
	uint64_t random = random_seed();
	uint64_t again = random;
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_sock *sock;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	for (uint32_t id = 0; id < SERVICES; id++)
		nftx_state_stage(state, random_service(&random, id));
	refill(sock, state);
	for (uint32_t id = 0; id < SERVICES; id++)
		nftx_state_stage(state, random_service(&again, id));
	assert_null(nftx_state_change(state));
	assert_kernel_holds(sock, state);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

/* An operation of a batch, read back from its messages. */
struct operation {
	bool is_add;
	struct nftx_raw_elem raw;
};

static size_t read_message(const struct nlmsghdr *msg, struct operation *out, size_t room)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(msg);
	const struct nlattr *list;
	const struct nlattr *attr;
	const char *set = "";
	size_t count = 0;

	attr_for_each_of (list, msg, sizeof(*head)) {
		if (mnl_attr_get_type(list) == NFTA_SET_ELEM_LIST_SET)
			set = mnl_attr_get_str(list);
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each (attr, list) {
			int map = 0;

			while (strcmp(nftx_map_info((enum nftx_map)map)->name, set) != 0)
				map++;
			assert_true(count < room);
			out[count].is_add = (msg->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM;
			assert_int_equal(
				nftx_elem_decode(attr, head->nfgen_family == NFPROTO_IPV4 ? 4 : 6,
			                         (enum nftx_map)map, &out[count].raw, NULL),
				0);
			if (out[count].raw.elem.comment != NULL)
				out[count].raw.elem.comment = out[count].raw.comment;
			count++;
		}
	}
	return count;
}

static size_t read_operations(const struct nftx_batch *batch, struct operation *out, size_t room)
{
	const struct nlmsghdr *msg;
	size_t count = 0;

	for (uint32_t seq = 1; (msg = nftx_batch_message(batch, seq)) != NULL; seq++) {
		uint16_t type = msg->nlmsg_type & 0xff;

		if ((msg->nlmsg_type >> 8) == NFNL_SUBSYS_NFTABLES &&
		    (type == NFT_MSG_NEWSETELEM || type == NFT_MSG_DELSETELEM))
			count += read_message(msg, out + count, room - count);
	}
	return count;
}

/* Is the element deleted by the same batch, to be added with other data? */
static bool is_replaced(const struct operation *operations, size_t count,
                        const struct nftx_elem *elem)
{
	for (size_t i = 0; i < count; i++)
		if (!operations[i].is_add && nftx_elem_cmp(&operations[i].raw.elem, elem) == 0)
			return true;
	return false;
}

/* Changes the kernel behind the state's back so that operation @n must be refused.
 * Return: false when nothing can make the kernel refuse it: adding to a set what is there, or
 * adding after a deletion of the same key, which is the one that can be refused. */
static bool sabotage(struct nftx_sock *sock, const struct operation *operations, size_t count,
                     size_t n)
{
	const struct operation *operation = &operations[n];
	struct nftx_batch *batch;
	struct nftx_elem elem = operation->raw.elem;
	struct err err = { 0 };

	if (operation->is_add && (nftx_map_info(elem.map)->data == NFTX_DATA_NONE ||
	                          is_replaced(operations, count, &elem)))
		return false;
	batch = nftx_batch_new();
	if (operation->is_add) {
		if (nftx_map_info(elem.map)->data == NFTX_DATA_TARGET)
			elem.data[0] ^= 0xff;
		else
			elem.verdict = elem.verdict == NFTX_DROP ? NFTX_GOTO : NFTX_DROP;
		if (elem.verdict == NFTX_GOTO)
			elem.chain = NFTX_REFUSE;
		nftx_batch_add(batch, &elem);
	} else {
		nftx_batch_del(batch, &elem);
	}
	if (send_batch(sock, batch, &err) < 0)
		fail_msg("sabotage: %s", err.msg);
	return true;
}

#define OPERATIONS_MAX 4096

/* The same change, made to fail at its n-th operation. Return: whether there was an n-th one. */
static bool fail_at(uint64_t seed, size_t n, size_t *refused)
{
	static struct operation operations[OPERATIONS_MAX];
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_elems before = { 0 };
	struct nftx_elems after = { 0 };
	struct strbuf text = { 0 };
	struct err err = { 0 };
	struct nftx_batch *batch;
	struct nftx_sock *sock;
	uint64_t random = seed;
	uint64_t replay;
	size_t count;

	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	stage_all(&random, state);
	refill(sock, state);
	replay = random;
	for (uint32_t id = 0; id < 3; id++)
		nftx_state_stage(state, random_service(&random, id));
	batch = nftx_state_change(state);
	assert_non_null(batch);
	nftx_batch_end(batch, true);
	count = read_operations(batch, operations, OPERATIONS_MAX);
	if (n < count && sabotage(sock, operations, count, n)) {
		int ret;

		kernel_dump_all(sock, &before);
		ret = nftx_sock_commit(sock, batch, &err);
		assert_int_equal(ret, operations[n].is_add ? -EEXIST : -ENOENT);
		nftx_elem_text(&text, &operations[n].raw.elem);
		text.text[text.len < 60 ? text.len : 60] = '\0';
		if (strstr(err.msg, text.text) == NULL)
			fail_msg("'%s' does not name '%s'", err.msg, text.text);
		kernel_dump_all(sock, &after);
		assert_equal_elems(&after, &before);
		(*refused)++;

		nftx_state_forget(state);
		random = seed;
		stage_all(&random, state);
		for (uint32_t id = 0; id < 3; id++)
			nftx_state_stage(state, random_service(&replay, id));
		refill(sock, state);
		assert_kernel_holds(sock, state);
	}
	nftx_batch_free(batch);
	nftx_dump_done(&before);
	nftx_dump_done(&after);
	strbuf_done(&text);
	nftx_state_free(state);
	nftx_sock_close(sock);
	return n < count;
}

/* The kernel refuses operation n, for every n: nothing of the batch is there, the error names the
 * element, and a refill ends right. */
static void survives_every_refusal(void **unused)
{
	uint64_t seed = random_seed();
	size_t refused = 0;
	size_t n = 0;

	(void)unused;
	while (fail_at(seed, n, &refused))
		n++;
	print_message("  %zu operations, %zu refusals\n", n, refused);
	assert_true(refused > 0);
}

/* A record of affinity: @client of the frontend and with the backend of @backend. */
static struct nftx_elem make_record(const struct nftx_elem *backend, uint8_t client)
{
	struct nftx_elem record = { .family = backend->family, .map = NFTX_AFFINITY };
	size_t len = ipaddr_len(backend->family);

	record.key[0] = client;
	record.key[1] = (uint8_t)nftx_elem_slot(backend);
	memcpy(record.key + len, backend->key, nftx_map_key_bytes(NFTX_FRONTENDS, backend->family));
	memcpy(record.data, backend->data, sizeof(record.data));
	return record;
}

static bool contains(const struct nftx_elems *elems, const struct nftx_elem *elem)
{
	for (size_t i = 0; i < elems->count; i++)
		if (nftx_elem_cmp(&elems->list[i], elem) == 0)
			return true;
	return false;
}

/* Writes two records for each backend: client 1 is on it, client 2 on one that is gone.
 * Return: how many are true, those of client 1 on frontends with affinity. */
static size_t write_records(struct nftx_sock *sock, const struct nftx_elems *present,
                            const struct nftx_elems *sticky)
{
	struct nftx_batch *batch = nftx_batch_new();
	struct err err = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < present->count; i++) {
		const struct nftx_elem *elem = &present->list[i];
		struct nftx_elem record;

		if (elem->map != NFTX_BACKENDS || nftx_elem_slot(elem) >= NFTX_LOCAL_BASE)
			continue; /* of the local row most are in the other one, too */
		count += contains(sticky, elem);
		record = make_record(elem, 1);
		nftx_batch_add(batch, &record);
		record = make_record(elem, 2);
		record.data[1] ^= 0x40;
		nftx_batch_add(batch, &record);
	}
	if (send_batch(sock, batch, &err) < 0)
		fail_msg("%s", err.msg);
	return count;
}

static struct nftx_elems dump_affinity(struct nftx_sock *sock)
{
	struct nftx_elems out = { 0 };

	for (size_t f = 0; f < 2; f++)
		assert_int_equal(nftx_sock_dump(sock, families[f], NFTX_AFFINITY, &out, NULL), 0);
	return out;
}

/* Of all records, those whose frontend has affinity and still has the backend stay. */
static void purges_stale_affinity(void **unused)
{
	uint64_t random = 7; /* a seed that gives Services with affinity, and without */
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_elems present = { 0 };
	struct nftx_elems sticky = { 0 };
	struct nftx_elems restarted = { 0 };
	struct nftx_elems records;
	struct err err = { 0 };
	struct nftx_batch *batch;
	struct nftx_sock *sock;
	size_t stay;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	stage_all(&random, state);
	refill(sock, state);
	assert_true(nftx_state_lost_affinity(state)); /* a refill does not know what was there */
	assert_false(nftx_state_lost_affinity(state));
	nftx_state_elements(state, &present);
	nftx_state_sticky_elements(state, &sticky);
	stay = write_records(sock, &present, &sticky);
	assert_true(stay > 0);
	records = dump_affinity(sock);
	assert_true(records.count > 2 * stay);
	batch = nftx_affinity_purge(&sticky, &restarted, &records, true);
	assert_non_null(batch);
	if (send_batch(sock, batch, &err) < 0)
		fail_msg("%s", err.msg);
	nftx_dump_done(&records);
	records = dump_affinity(sock);
	assert_int_equal(records.count, stay);
	for (size_t i = 0; i < records.count; i++)
		assert_int_equal(records.list[i].key[0], 1);
	assert_null(nftx_affinity_purge(&sticky, &restarted, &records, true));
	for (size_t i = 0; i < sticky.count; i++) /* policies that became Local cost records */
		if (sticky.list[i].map == NFTX_STICKY_FRONTENDS)
			*nftx_elems_push(&restarted) = sticky.list[i];
	batch = nftx_affinity_purge(&sticky, &restarted, &records, true);
	assert_non_null(batch);
	assert_true(nftx_batch_size(batch).elements < records.count);
	nftx_batch_free(batch);
	free(restarted.list);
	free(present.list);
	free(sticky.list);
	nftx_dump_done(&records);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

/* Whether the rules of both tables are as they were written, remember chains included. */
static bool is_intact(struct nftx_sock *sock)
{
	bool intact = true;

	for (size_t f = 0; f < 2; f++) {
		struct nftx_chains chains;

		assert_int_equal(nftx_sock_chains(sock, families[f], &chains, NULL), 0);
		intact = intact && nftx_ruleset_is_intact(&options[f], &chains);
		free(chains.list);
	}
	return intact;
}

/* Nobody can change a rule, delete one, or add a rule, a chain or anything else that is no element
 * without being noticed. */
static void notices_changed_rules(void **unused)
{
	static const char *const crimes[] = {
		"flush chain ip kubenft services",
		"add rule ip kubenft refuse accept",
		"insert rule ip6 kubenft services accept",
		"flush chain ip kubenft prerouting; add rule ip kubenft prerouting jump services",
		"add chain ip kubenft mine",
		"flush chain ip6 kubenft remember-10800",
		"flush chain ip kubenft remember-10; add rule ip kubenft remember-10 accept",
		"add set ip kubenft mine { type inet_service; }",
		"add map ip6 kubenft mine { type inet_service : verdict; }",
		"add counter ip kubenft mine",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(crimes); i++) {
		uint64_t random = 7; /* a seed that gives Services with affinity */
		struct nftx_state *state = nftx_state_new(options);
		struct nftx_sock *sock;
		char command[256];

		netns_enter();
		print_message("  - %s\n", crimes[i]);
		assert_int_equal(nftx_sock_open(&sock, NULL), 0);
		stage_all(&random, state);
		refill(sock, state);
		assert_true(is_intact(sock));
		nftx_sock_close(sock); /* it owns the tables: now they are everybody's */
		(void)snprintf(command, sizeof(command), "nft '%s'", crimes[i]);
		assert_int_equal(system(command), 0);
		assert_int_equal(nftx_sock_open(&sock, NULL), 0);
		assert_false(is_intact(sock));
		nftx_sock_close(sock);
		nftx_state_free(state);
	}
}

static struct lb_service *sticky_service(uint64_t *random, uint32_t id, uint32_t timeout_s)
{
	struct lb_service *service = random_service(random, id);

	while (service->frontend_count == 0) {
		free(service);
		service = random_service(random, id);
	}
	service->affinity_s = timeout_s;
	return service;
}

static size_t count_remember_chains(struct nftx_sock *sock)
{
	struct nftx_chains chains;
	size_t count = 0;

	assert_int_equal(nftx_sock_chains(sock, 6, &chains, NULL), 0);
	for (size_t i = 0; i < chains.count; i++)
		count += chains.list[i].chain == NFTX_REMEMBER;
	free(chains.list);
	return count;
}

/* Beside @others, each with a timeout of its own, one whose timeout changes again and again. */
static void change_a_timeout(uint32_t others)
{
	uint64_t random = random_seed();
	struct nftx_state *state = nftx_state_new(options);
	struct err err = { 0 };
	struct nftx_sock *sock;
	size_t used = others + 2; /* of the one that changes what it had before, too */
	size_t remembered;

	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	for (uint32_t id = 1; id <= others; id++)
		nftx_state_stage(state, sticky_service(&random, id, 1000 + id));
	refill(sock, state);
	for (uint32_t i = 1; i <= 200; i++) {
		struct nftx_batch *batch;

		nftx_state_stage(state, sticky_service(&random, 0, i));
		batch = nftx_state_change(state);
		if (batch == NULL)
			continue;
		if (send_batch(sock, batch, &err) < 0)
			fail_msg("round %u: %s", i, err.msg);
		nftx_state_committed(state);
		assert_kernel_holds(sock, state);
	}
	assert_true(is_intact(sock));
	remembered = count_remember_chains(sock);
	assert_true(remembered > others);
	assert_true(remembered <=
	            1 + (2 * used > NFTX_TIMEOUTS_KEPT ? 2 * used : NFTX_TIMEOUTS_KEPT));
	nftx_state_free(state);
	nftx_sock_close(sock);
}

/* A Service whose timeout changes again and again does not fill the tables with chains. */
static void forgets_unused_timeouts(void **unused)
{
	(void)unused;
	change_a_timeout(0);
	change_a_timeout(5);
	change_a_timeout(40);
}

/* A table that another socket owns is left alone. */
static void respects_an_owner(void **unused)
{
	uint64_t random = random_seed();
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_table table;
	struct nftx_sock *owner;
	struct nftx_sock *other;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&owner, NULL), 0);
	assert_int_equal(nftx_sock_open(&other, NULL), 0);
	stage_all(&random, state);
	refill(owner, state);
	assert_int_equal(nftx_sock_table(other, 4, NFTX_TABLE, &table, NULL), 0);
	assert_true(table.exists);
	assert_true(table.owned_by_other);
	assert_int_equal(nftx_sock_table(owner, 4, NFTX_TABLE, &table, NULL), 0);
	assert_false(table.owned_by_other);
	nftx_sock_close(owner);
	assert_int_equal(nftx_sock_table(other, 4, NFTX_TABLE, &table, NULL), 0);
	assert_true(table.exists);
	assert_false(table.owned_by_other);
	assert_int_equal(table.flags, NFTX_TABLE_F_PERSIST);
	nftx_sock_close(other);
	nftx_state_free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_what_was_sent),
		cmocka_unit_test(sends_nothing_for_nothing),
		cmocka_unit_test(survives_every_refusal),
		cmocka_unit_test(purges_stale_affinity),
		cmocka_unit_test(notices_changed_rules),
		cmocka_unit_test(forgets_unused_timeouts),
		cmocka_unit_test(respects_an_owner),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/state in the kernel", tests, NULL, NULL);
}

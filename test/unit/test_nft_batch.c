/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/batch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "nft/attr.h"
#include "nft/elem_codec.h"
#include "nft/refusal.h"
#include "test/unit/test.h"

static struct nftx_elem backend(uint32_t slot)
{
	const struct ipaddr addr = { .family = 4, .bytes = { 10, 96, 0, 1 } };
	struct nftx_elem elem = { .family = 4, .map = NFTX_BACKENDS };

	(void)nftx_key_front(elem.key, &addr, 6, 80);
	nftx_elem_set_slot(&elem, slot);
	elem.data[0] = 10;
	return elem;
}

static uint16_t type_of(const struct nlmsghdr *msg)
{
	return msg->nlmsg_type & 0xff;
}

/* Elements added in any order leave as few messages, deletions first. */
static void gathers(void **state)
{
	struct nftx_batch *batch = nftx_batch_new();
	struct nftx_elem a = backend(1);
	struct nftx_elem b = backend(2);
	struct nftx_elem ip = { .family = 6, .map = NFTX_CLUSTER_IPS, .key = { 0xfd } };

	(void)state;
	nftx_batch_add(batch, &a);
	nftx_batch_add(batch, &ip);
	nftx_batch_del(batch, &b);
	nftx_batch_add(batch, &b);
	nftx_batch_end(batch, true);
	assert_int_equal(nftx_batch_size(batch).elements, 4);
	assert_int_equal(nftx_batch_size(batch).messages, 3);
	assert_int_equal(type_of(nftx_batch_message(batch, 1)), NFT_MSG_DELSETELEM);
	assert_int_equal(type_of(nftx_batch_message(batch, 2)), NFT_MSG_NEWSETELEM);
	assert_int_equal(type_of(nftx_batch_message(batch, 3)), NFT_MSG_NEWSETELEM);
	assert_int_equal(nftx_batch_message(batch, 4)->nlmsg_type, NFNL_MSG_BATCH_END);
	assert_null(nftx_batch_message(batch, 5));
	nftx_batch_free(batch);
}

/* What a map has more afterwards. */
static void says_what_it_does_to_maps(void **state)
{
	struct nftx_batch *batch = nftx_batch_new();
	struct nftx_elem a = backend(1);
	struct nftx_elem b = backend(2);
	struct nftx_elem ip = { .family = 6, .map = NFTX_CLUSTER_IPS, .key = { 0xfd } };
	struct nftx_batch_size size;

	(void)state;
	nftx_batch_flush_map(batch, 6, NFTX_CLUSTER_IPS);
	nftx_batch_del(batch, &a);
	nftx_batch_destroy(batch, &b);
	nftx_batch_del(batch, &b);
	nftx_batch_add(batch, &a);
	nftx_batch_add(batch, &ip);
	nftx_batch_end(batch, true);
	size = nftx_batch_size(batch);
	assert_int_equal(size.maps[a.family == 6][NFTX_BACKENDS].added, -2);
	assert_false(size.maps[a.family == 6][NFTX_BACKENDS].emptied);
	assert_int_equal(size.maps[1][NFTX_CLUSTER_IPS].added, 1);
	assert_true(size.maps[1][NFTX_CLUSTER_IPS].emptied);
	assert_int_equal(size.maps[0][NFTX_CLUSTER_IPS].added, 0);
	assert_false(size.maps[0][NFTX_CLUSTER_IPS].emptied);
	nftx_batch_free(batch);
}

/* 100,000 elements: every message is within its bound, every element is there, in one batch. */
static void splits_messages(void **state)
{
	struct nftx_batch *batch = nftx_batch_new();
	const struct nlmsghdr *msg;
	size_t iovecs;
	size_t elements = 0;
	uint32_t next = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		struct nftx_elem elem = backend(i);

		nftx_batch_add(batch, &elem);
	}
	nftx_batch_end(batch, false);
	for (uint32_t seq = 1; (msg = nftx_batch_message(batch, seq)) != NULL; seq++) {
		const struct nlattr *list;
		const struct nlattr *attr;

		assert_true(msg->nlmsg_len < 65536);
		attr_for_each_of (list, msg, sizeof(struct nfgenmsg)) {
			if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
				continue;
			attr_for_each (attr, list) {
				struct nftx_raw_elem raw;

				assert_int_equal(
					nftx_elem_decode(attr, 4, NFTX_BACKENDS, &raw, NULL), 0);
				assert_int_equal(nftx_elem_slot(&raw.elem), next++);
				elements++;
			}
		}
	}
	assert_int_equal(elements, 100000);
	assert_non_null(nftx_batch_iov(batch, &iovecs));
	assert_true(iovecs > 1);
	nftx_batch_free(batch);
}

/* decode(encode(x)) == x for an element of every kind. */
static void decodes_what_it_encodes(void **state)
{
	const struct ipaddr v6 = { .family = 6, .bytes = { 0xfd, [15] = 9 } };
	char buf[2048] __attribute__((aligned(8)));

	(void)state;
	for (int map = 0; map < NFTX_MAP_COUNT; map++) {
		const struct nftx_map_info *info = nftx_map_info((enum nftx_map)map);
		struct nftx_elem elem = { .family = 6, .map = (uint8_t)map };
		struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
		struct nftx_raw_elem raw;

		(void)nftx_key_addr(elem.key, &v6);
		if (info->data == NFTX_DATA_VERDICT) {
			elem.verdict = NFTX_JUMP;
			elem.chain = NFTX_REMEMBER;
			elem.number = 10800;
			elem.comment = "namespace/service:port";
		} else if (info->data == NFTX_DATA_TARGET) {
			(void)nftx_key_addr(elem.data, &v6);
		} else if (info->ranges && info->key[1] != '\0') {
			elem.last = v6;
		} else if (info->ranges) {
			continue; /* two elements, see the kernel test */
		}
		nftx_elem_encode(msg, &elem, false);
		assert_true(mnl_nlmsg_get_payload_len(msg) <= NFTX_ELEM_ATTR_MAX);
		assert_int_equal(nftx_elem_decode(mnl_nlmsg_get_payload(msg), 6, (enum nftx_map)map,
		                                  &raw, NULL),
		                 0);
		assert_int_equal(nftx_elem_cmp(&raw.elem, &elem), 0);
		assert_true(nftx_elem_same(&raw.elem, &elem));
	}
}

/* A comment of any length fits the bound that messages are filled by. */
static void bounds_elements(void **state)
{
	char buf[2048] __attribute__((aligned(8)));
	struct nftx_elem elem = { .family = 6,
		                  .map = NFTX_FRONTENDS,
		                  .verdict = NFTX_GOTO,
		                  .chain = NFTX_LOCAL_SLOTS,
		                  .number = 512 };
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nftx_raw_elem raw;
	char comment[600];

	(void)state;
	memset(comment, 'x', sizeof(comment) - 1);
	comment[sizeof(comment) - 1] = '\0';
	elem.comment = comment;
	nftx_elem_encode(msg, &elem, false);
	assert_true(mnl_nlmsg_get_payload_len(msg) <= NFTX_ELEM_ATTR_MAX);
	assert_int_equal(
		nftx_elem_decode(mnl_nlmsg_get_payload(msg), 6, NFTX_FRONTENDS, &raw, NULL), 0);
	assert_int_equal(strlen(raw.comment), NFTX_COMMENT_MAX);
}

/* Writes an answer of the kernel: error @code to the message @seq, blaming @offset. */
static size_t put_answer(char *buf, uint32_t seq, int code, uint32_t offset)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct nlmsgerr *error;

	msg->nlmsg_type = NLMSG_ERROR;
	msg->nlmsg_flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
	error = mnl_nlmsg_put_extra_header(msg, sizeof(*error));
	error->error = code;
	error->msg.nlmsg_seq = seq;
	mnl_attr_put_u32(msg, NLMSGERR_ATTR_OFFS, offset);
	return msg->nlmsg_len;
}

static void names_what_was_refused(void **state)
{
	struct nftx_refusals *refusals = xcalloc(1, sizeof(*refusals));
	struct nftx_batch *batch = nftx_batch_new();
	char answers[512] __attribute__((aligned(8)));
	const struct nlmsghdr *msg;
	const struct nlattr *list;
	const struct nlattr *attr;
	struct err err = { 0 };
	uint32_t offset = 0;
	size_t len;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		struct nftx_elem elem = backend(i);

		nftx_batch_add(batch, &elem);
	}
	nftx_batch_flush_map(batch, 6, NFTX_HAIRPIN);
	nftx_batch_end(batch, true);
	msg = nftx_batch_message(batch, 2);
	attr_for_each_of (list, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		attr_for_each (attr, list) {
			struct nftx_raw_elem raw;

			assert_int_equal(nftx_elem_decode(attr, 4, NFTX_BACKENDS, &raw, NULL), 0);
			if (nftx_elem_slot(&raw.elem) == 7)
				offset = (uint32_t)((const char *)attr - (const char *)msg);
		}
	}
	len = put_answer(answers, 1, 0, 0); /* an acknowledgement is no refusal */
	assert_int_equal(nftx_refusal(batch, answers, len, NULL, &err), 0);
	len += put_answer(answers + len, 2, -EEXIST, offset);
	assert_int_equal(nftx_refusal(batch, answers, len, NULL, &err), -EEXIST);
	assert_string_equal(err.msg, "ip backends: adding 10.96.0.1 . tcp . 80 . 7 : 10.0.0.0 . 0: "
	                             "File exists");
	len = put_answer(answers, 1, -ENOENT, 0);
	assert_int_equal(nftx_refusal(batch, answers, len, NULL, &err), -ENOENT);
	assert_string_equal(err.msg,
	                    "ip6 hairpin: deleting all elements: No such file or directory");
	len = put_answer(answers, 0, -EPERM, 0);
	assert_int_equal(nftx_refusal(batch, answers, len, NULL, &err), -EPERM);
	assert_string_equal(err.msg, "the transaction: Operation not permitted");
	/* all of them as values */
	len = put_answer(answers, 2, -EEXIST, offset);
	len += put_answer(answers + len, 1, -ENOENT, 0);
	len += put_answer(answers + len, 2, -EINVAL, 0);
	assert_int_equal(nftx_refusal(batch, answers, len, refusals, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "ip backends: adding 10.96.0.1"));
	assert_int_equal(refusals->count, 3);
	assert_true(refusals->list[0].has_elem && refusals->list[0].is_add);
	assert_int_equal(refusals->list[0].code, EEXIST);
	assert_int_equal(nftx_elem_slot(&refusals->list[0].elem), 7);
	assert_true(refusals->list[1].is_about_elems);
	assert_false(refusals->list[1].has_elem || refusals->list[1].is_add);
	assert_true(refusals->list[2].is_add);
	assert_false(refusals->list[2].has_elem); /* an older kernel does not say which one */
	free(refusals);
	nftx_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gathers),         cmocka_unit_test(says_what_it_does_to_maps),
		cmocka_unit_test(splits_messages), cmocka_unit_test(decodes_what_it_encodes),
		cmocka_unit_test(bounds_elements), cmocka_unit_test(names_what_was_refused),
	};

	return cmocka_run_group_tests_name("nft/batch", tests, NULL, NULL);
}

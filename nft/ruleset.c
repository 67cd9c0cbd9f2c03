/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/ruleset.h"

#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#include "base/mem.h"
#include "must.h"
#include "ruleset_rules.h"

/* nft's number for a verdict as the data of a map. */
#define TYPE_VERDICT 0xffffff00u

/* The default, one second, costs 4 ms of every second with a full map. */
#define AFFINITY_GC_MS 10000u

#define UDATA_ROOM 256u /* more than any of ours */

static uint8_t nfproto(uint8_t family)
{
	ASSERT(family == 4 || family == 6);
	return family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static void put_comment(struct nftnl_table *table, const struct nftx_options *options)
{
	struct nftnl_udata_buf *udata = nftx_must(nftnl_udata_buf_alloc(UDATA_ROOM));
	char comment[NFTX_COMMENT_TEXT];

	(void)nftx_layout_comment(options, comment, sizeof(comment));
	ASSERT(nftnl_udata_put_strz(udata, NFTNL_UDATA_TABLE_COMMENT, comment));
	nftx_must_ok(nftnl_table_set_data(table, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(udata),
	                                  nftnl_udata_buf_len(udata)));
	nftnl_udata_buf_free(udata);
}

void nftx_ruleset_put_table(struct nftx_batch *batch, uint8_t family,
                            const struct nftx_options *options, uint32_t flags)
{
	struct nftnl_table *table = nftx_must(nftnl_table_alloc());

	nftx_must_ok(nftnl_table_set_str(table, NFTNL_TABLE_NAME, nftx_batch_table(batch)));
	nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, flags);
	put_comment(table, options);
	nftnl_table_nlmsg_build_payload(
		nftx_batch_msg(batch, NFT_MSG_NEWTABLE, nfproto(family), NLM_F_CREATE), table);
	nftx_batch_msg_end(batch);
	nftnl_table_free(table);
}

void nftx_ruleset_put_delete(struct nftx_batch *batch, uint8_t family, const char *table)
{
	struct nlmsghdr *msg = nftx_batch_msg(batch, NFT_MSG_DELTABLE, nfproto(family), 0);

	mnl_attr_put_strz(msg, NFTA_TABLE_NAME, table);
	nftx_batch_msg_end(batch);
}

/* A typeof expression of nft: a kind, and numbers that only that kind understands. */
static void put_typeof(struct nftnl_udata_buf *udata, uint8_t index, uint32_t kind,
                       const uint32_t *values, uint8_t count)
{
	struct nftnl_udata *field = nftnl_udata_nest_start(udata, index);
	struct nftnl_udata *data;

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, kind);
	data = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	for (uint8_t i = 0; i < count; i++)
		nftnl_udata_put_u32(udata, i, values[i]);
	nftnl_udata_nest_end(udata, data);
	nftnl_udata_nest_end(udata, field);
}

/* enum expr_types, enum proto_desc_id and the header field numbers of nft 1.0.6 and 1.1.7. */
#define EXPR_PAYLOAD 7u
#define EXPR_META 9u
#define EXPR_CONCAT 13u
#define EXPR_NUMGEN 23u

static const uint32_t typeof_ip_daddr[] = { 12, 12 };
static const uint32_t typeof_ip6_daddr[] = { 13, 9 };
static const uint32_t typeof_th_dport[] = { 11, 2 };
static const uint32_t typeof_l4proto[] = { 16 };
static const uint32_t typeof_slot[] = { NFT_NG_RANDOM, NFTX_SLOT_RANGE, 0 };

static void put_typeof_daddr(struct nftnl_udata_buf *udata, uint8_t family)
{
	put_typeof(udata, 0, EXPR_PAYLOAD, family == 4 ? typeof_ip_daddr : typeof_ip6_daddr, 2);
}

/* Byte orders and typeof of key and data: nft can show a slot number no other way. */
static void put_backends_udata(struct nftnl_set *set, uint8_t family)
{
	struct nftnl_udata_buf *udata = nftx_must(nftnl_udata_buf_alloc(UDATA_ROOM));
	struct nftnl_udata *outer;
	struct nftnl_udata *inner;

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_KEYBYTEORDER, 0);
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_DATABYTEORDER, 0);

	outer = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_KEY_TYPEOF);
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, EXPR_CONCAT);
	inner = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	put_typeof_daddr(udata, family);
	put_typeof(udata, 1, EXPR_META, typeof_l4proto, ARRAY_LEN(typeof_l4proto));
	put_typeof(udata, 2, EXPR_PAYLOAD, typeof_th_dport, ARRAY_LEN(typeof_th_dport));
	put_typeof(udata, 3, EXPR_NUMGEN, typeof_slot, ARRAY_LEN(typeof_slot));
	nftnl_udata_nest_end(udata, inner);
	nftnl_udata_nest_end(udata, outer);

	outer = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_DATA_TYPEOF);
	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_TYPEOF_EXPR, EXPR_CONCAT);
	inner = nftnl_udata_nest_start(udata, NFTNL_UDATA_SET_TYPEOF_DATA);
	put_typeof_daddr(udata, family);
	put_typeof(udata, 1, EXPR_PAYLOAD, typeof_th_dport, ARRAY_LEN(typeof_th_dport));
	nftnl_udata_nest_end(udata, inner);
	nftnl_udata_nest_end(udata, outer);

	nftnl_udata_put_u32(udata, NFTNL_UDATA_SET_DATA_INTERVAL, 0);

	nftx_must_ok(nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(udata),
	                                nftnl_udata_buf_len(udata)));
	nftnl_udata_buf_free(udata);
}

static uint32_t set_flags(const struct nftx_map_info *info)
{
	uint32_t flags = 0;

	if (info->data != NFTX_DATA_NONE)
		flags |= NFT_SET_MAP;
	if (info->dynamic)
		flags |= NFT_SET_EVAL | NFT_SET_TIMEOUT;
	if (info->ranges)
		flags |= NFT_SET_INTERVAL;
	if (info->ranges && info->key[1] != '\0')
		flags |= NFT_SET_CONCAT;
	return flags;
}

/* Ranges of a concatenation are compared field by field, so the kernel must know the fields. */
static void put_fields(struct nftnl_set *set, const char *fields, uint8_t family)
{
	uint8_t bytes[NFT_REG32_COUNT];
	uint32_t count = 0;

	for (const char *p = fields; *p != '\0'; p++) {
		ASSERT(count < NFT_REG32_COUNT);
		bytes[count++] = (uint8_t)nftx_field_bytes(*p, family);
	}
	nftx_must_ok(nftnl_set_set_data(set, NFTNL_SET_DESC_CONCAT, bytes, count));
}

static void put_data(struct nftnl_set *set, enum nftx_map map, uint8_t family)
{
	switch (nftx_map_info(map)->data) {
	case NFTX_DATA_NONE:
		break;
	case NFTX_DATA_VERDICT:
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE, TYPE_VERDICT);
		break;
	case NFTX_DATA_TARGET:
		nftnl_set_set_u32(set, NFTNL_SET_DATA_TYPE,
		                  nftx_fields_type(NFTX_TARGET_FIELDS, family));
		nftnl_set_set_u32(set, NFTNL_SET_DATA_LEN,
		                  (uint32_t)nftx_map_data_bytes(map, family));
		break;
	}
}

/* @exclusive: NLM_F_EXCL, or 0 for a set that may exist. */
static void put_set(struct nftx_batch *batch, uint8_t family, enum nftx_map map,
                    const struct nftx_options *options, uint16_t exclusive)
{
	const struct nftx_map_info *info = nftx_map_info(map);
	struct nftnl_set *set = nftx_must(nftnl_set_alloc());
	uint32_t flags = set_flags(info);

	nftx_must_ok(nftnl_set_set_str(set, NFTNL_SET_TABLE, nftx_batch_table(batch)));
	nftx_must_ok(nftnl_set_set_str(set, NFTNL_SET_NAME, info->name));
	/* The kernel wants a number for each; rules and elements use the names. */
	nftnl_set_set_u32(set, NFTNL_SET_ID, (uint32_t)map + 1);
	nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, nftx_fields_type(info->key, family));
	nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, (uint32_t)nftx_map_key_bytes(map, family));
	put_data(set, map, family);
	if ((flags & NFT_SET_CONCAT) != 0)
		put_fields(set, info->key, family);
	if (info->dynamic) {
		nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, nftx_affinity_size(options));
		nftnl_set_set_u32(set, NFTNL_SET_GC_INTERVAL, AFFINITY_GC_MS);
	}
	if (map == NFTX_BACKENDS)
		put_backends_udata(set, family);
	if (nftx_map_counts(map, options)) /* each element gets its own copy; @set frees this one */
		nftnl_set_add_expr(set, nftx_must(nftnl_expr_alloc("counter")));

	nftnl_set_nlmsg_build_payload(nftx_batch_msg(batch, NFT_MSG_NEWSET, nfproto(family),
	                                             (uint16_t)(NLM_F_CREATE | exclusive)),
	                              set);
	nftx_batch_msg_end(batch);
	nftnl_set_free(set);
}

static void put_chain(struct nftx_batch *batch, uint8_t family, const struct nftx_chain_id *id)
{
	const struct nftx_hook *hook = nftx_chain_hook(id->chain);
	struct nftnl_chain *chain = nftx_must(nftnl_chain_alloc());
	char name[NFTX_CHAIN_TEXT];

	(void)nftx_chain_name(id->chain, id->number, name);
	nftx_must_ok(nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, nftx_batch_table(batch)));
	nftx_must_ok(nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name));
	if (hook != NULL) {
		nftx_must_ok(nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "nat"));
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook->hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, hook->priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
	}
	nftnl_chain_nlmsg_build_payload(
		nftx_batch_msg(batch, NFT_MSG_NEWCHAIN, nfproto(family), NLM_F_CREATE | NLM_F_EXCL),
		chain);
	nftx_batch_msg_end(batch);
	nftnl_chain_free(chain);
}

static void put_rule(struct nftx_batch *batch, uint8_t family, const char *chain,
                     const struct nftx_rule *value)
{
	struct nftnl_rule *rule = nftx_must(nftnl_rule_alloc());

	nftx_must_ok(nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, nftx_batch_table(batch)));
	nftx_must_ok(nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain));
	nftx_rule_encode(value, family, rule);
	nftnl_rule_nlmsg_build_payload(nftx_batch_msg(batch, NFT_MSG_NEWRULE, nfproto(family),
	                                              NLM_F_CREATE | NLM_F_APPEND),
	                               rule);
	nftx_batch_msg_end(batch);
	nftnl_rule_free(rule);
}

static void put_rules(struct nftx_batch *batch, uint8_t family, const struct nftx_chain_id *id,
                      const struct nftx_options *options)
{
	struct nftx_rule rules[NFTX_CHAIN_RULES];
	size_t count = nftx_chain_rules(id, options, rules);
	char name[NFTX_CHAIN_TEXT];

	(void)nftx_chain_name(id->chain, id->number, name);
	for (size_t i = 0; i < count; i++)
		put_rule(batch, family, name, &rules[i]);
}

void nftx_ruleset_put_layout(struct nftx_batch *batch, uint8_t family,
                             const struct nftx_options *options)
{
	struct nftx_chain_id ids[NFTX_STATIC_CHAINS];

	nftx_static_chains(ids);
	for (enum nftx_map map = 0; map < NFTX_MAP_COUNT; map++)
		put_set(batch, family, map, options, NLM_F_EXCL);
	/* Rules name chains, so all chains come first. */
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		put_chain(batch, family, &ids[i]);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		put_rules(batch, family, &ids[i], options);
}

void nftx_ruleset_put_affinity_size(struct nftx_batch *batch, uint8_t family,
                                    const struct nftx_options *options)
{
	put_set(batch, family, NFTX_AFFINITY, options, 0);
}

void nftx_ruleset_put_remember(struct nftx_batch *batch, uint8_t family, uint32_t timeout_s)
{
	struct nftx_chain_id id = { .chain = NFTX_REMEMBER, .number = timeout_s };

	ASSERT(timeout_s > 0);
	put_chain(batch, family, &id);
	put_rules(batch, family, &id, NULL);
}

void nftx_ruleset_put_forget(struct nftx_batch *batch, uint8_t family, uint32_t timeout_s)
{
	char name[NFTX_CHAIN_TEXT];
	struct nlmsghdr *msg;

	(void)nftx_chain_name(NFTX_REMEMBER, timeout_s, name);
	msg = nftx_batch_msg(batch, NFT_MSG_DELRULE, nfproto(family), 0); /* all of the chain */
	mnl_attr_put_strz(msg, NFTA_RULE_TABLE, nftx_batch_table(batch));
	mnl_attr_put_strz(msg, NFTA_RULE_CHAIN, name);
	nftx_batch_msg_end(batch);
	msg = nftx_batch_msg(batch, NFT_MSG_DELCHAIN, nfproto(family), 0);
	mnl_attr_put_strz(msg, NFTA_CHAIN_TABLE, nftx_batch_table(batch));
	mnl_attr_put_strz(msg, NFTA_CHAIN_NAME, name);
	nftx_batch_msg_end(batch);
}

size_t nftx_ruleset_chains(const struct nftx_options *options,
                           struct nftx_chain_count list[static NFTX_CHAINS_MAX])
{
	struct nftx_chain_id ids[NFTX_STATIC_CHAINS];
	struct nftx_rule rules[NFTX_CHAIN_RULES];

	_Static_assert(NFTX_STATIC_CHAINS <= NFTX_CHAINS_MAX, "room for every chain");
	nftx_static_chains(ids);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		list[i] = (struct nftx_chain_count){
			.chain = ids[i].chain,
			.number = ids[i].number,
			.rules = (uint32_t)nftx_chain_rules(&ids[i], options, rules),
		};
	return ARRAY_LEN(ids);
}

static const struct nftx_chain_count *find_chain(const struct nftx_chains *chains,
                                                 const struct nftx_chain_count *want)
{
	for (size_t i = 0; i < chains->count; i++)
		if (chains->list[i].chain == want->chain && chains->list[i].number == want->number)
			return &chains->list[i];
	return NULL;
}

bool nftx_ruleset_is_intact(const struct nftx_options *options, const struct nftx_chains *chains)
{
	struct nftx_chain_count want[NFTX_CHAINS_MAX];
	size_t count = nftx_ruleset_chains(options, want);

	if (chains->rewritten || chains->others != NFTX_MAP_COUNT)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct nftx_chain_count *have = find_chain(chains, &want[i]);

		if (have == NULL || have->rules != want[i].rules)
			return false;
	}
	for (size_t i = 0; i < chains->count; i++) {
		const struct nftx_chain_count *have = &chains->list[i];

		if (have->chain == NFTX_CHAIN_NONE ||
		    (have->chain == NFTX_REMEMBER && have->rules != 1))
			return false;
	}
	return true;
}

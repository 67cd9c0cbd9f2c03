/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/str.h"
#include "nft/batch.h"
#include "nft/ruleset.h"
#include "test/unit/test.h"

#define WORDS 16 /* the kernel's registers, of 4 bytes */

static const struct nftx_options cidr = { .detect = NFTX_DETECT_CIDR };

/* Everything the ruleset can consist of, one set of options a batch. */
static const struct option_row {
	const char *what;
	struct nftx_options options;
	size_t rules; /* of one family, the one of remember-60 included */
} option_rows[] = {
	{ "pods by address", { .detect = NFTX_DETECT_CIDR }, 271 },
	{ "pods not known", { .detect = NFTX_DETECT_NONE }, 269 },
	{ "pods by bridge", { .detect = NFTX_DETECT_BRIDGE, .interface = "cbr0" }, 272 },
	{ "pods by prefix", { .detect = NFTX_DETECT_PREFIX, .interface = "veth" }, 272 },
	{ "masquerade all", { .detect = NFTX_DETECT_CIDR, .masquerade_all = true }, 271 },
	{ "masquerade all, pods not known",
	  { .detect = NFTX_DETECT_NONE, .masquerade_all = true },
	  270 },
};

typedef void (*message_fn)(const struct nlmsghdr *nlh, uint8_t family, void *data);

/* Call @fn for each message of the batch, its begin and end left out. */
static void each_message(const struct nftx_batch *batch, message_fn fn, void *data)
{
	size_t count;
	const struct iovec *iov = nftx_batch_iov(batch, &count);

	for (size_t i = 0; i < count; i++) {
		const struct nlmsghdr *nlh = iov[i].iov_base;
		int left = (int)iov[i].iov_len;

		while (mnl_nlmsg_ok(nlh, left)) {
			const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

			if (NFNL_SUBSYS_ID(nlh->nlmsg_type) == NFNL_SUBSYS_NFTABLES)
				fn(nlh, nfg->nfgen_family == NFPROTO_IPV4 ? 4 : 6, data);
			nlh = mnl_nlmsg_next(nlh, &left);
		}
		assert_int_equal(left, 0);
	}
}

static struct nftx_batch *whole_batch(const struct nftx_options *options)
{
	struct nftx_batch *batch = nftx_batch_new();

	for (uint8_t family = 4; family <= 6; family += 2) {
		nftx_ruleset_put_table(batch, family, options,
		                       NFTX_TABLE_F_OWNER | NFTX_TABLE_F_PERSIST);
		nftx_ruleset_put_layout(batch, family, options);
		nftx_ruleset_put_remember(batch, family, 60);
	}
	nftx_batch_end(batch, true);
	return batch;
}

/* ---- Tables ---- */

static void check_table(const struct nlmsghdr *nlh, uint8_t family, void *data)
{
	static const char comment[] = "kubenft ruleset 3 pods=cidr";
	size_t *seen = data;
	struct nftnl_table *table;
	const uint8_t *udata;
	uint32_t len;

	(void)family;
	if (NFNL_MSG_TYPE(nlh->nlmsg_type) != NFT_MSG_NEWTABLE)
		return;
	table = nftnl_table_alloc();
	assert_non_null(table);
	assert_return_code(nftnl_table_nlmsg_parse(nlh, table), 0);
	assert_string_equal(nftnl_table_get_str(table, NFTNL_TABLE_NAME), "kubenft");
	assert_int_equal(nftnl_table_get_u32(table, NFTNL_TABLE_FLAGS), 6);
	udata = nftnl_table_get_data(table, NFTNL_TABLE_USERDATA, &len);
	assert_int_equal(len, 2 + sizeof(comment));
	assert_int_equal(udata[0], 0);
	assert_int_equal(udata[1], sizeof(comment));
	assert_memory_equal(udata + 2, comment, sizeof(comment));
	/* Adopting must not be refused because the table is there. */
	assert_int_equal(nlh->nlmsg_flags & NLM_F_EXCL, 0);
	nftnl_table_free(table);
	++*seen;
}

static void tables_have_flags_and_comment(void **state)
{
	struct nftx_batch *batch = whole_batch(&cidr);
	size_t seen = 0;

	(void)state;
	each_message(batch, check_table, &seen);
	assert_int_equal(seen, 2);
	nftx_batch_free(batch);
}

static void check_delete(const struct nlmsghdr *nlh, uint8_t family, void *data)
{
	struct nftnl_table *table = nftnl_table_alloc();
	size_t *seen = data;

	assert_non_null(table);
	assert_int_equal(NFNL_MSG_TYPE(nlh->nlmsg_type), NFT_MSG_DELTABLE);
	assert_int_equal(family, 6);
	assert_return_code(nftnl_table_nlmsg_parse(nlh, table), 0);
	assert_string_equal(nftnl_table_get_str(table, NFTNL_TABLE_NAME), "kube-proxy");
	assert_false(nftnl_table_is_set(table, NFTNL_TABLE_FLAGS));
	nftnl_table_free(table);
	++*seen;
}

static void any_table_can_be_deleted(void **state)
{
	struct nftx_batch *batch = nftx_batch_new();
	size_t seen = 0;

	(void)state;
	nftx_ruleset_put_delete(batch, 6, "kube-proxy");
	nftx_batch_end(batch, true);
	each_message(batch, check_delete, &seen);
	assert_int_equal(seen, 1);
	nftx_batch_free(batch);
}

/* ---- Sets ---- */

/* ruleset.md, section 3: what nft itself writes for this type. */
static const uint8_t backends_udata_ip[] = {
	0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x01, 0x04, 0x00, 0x00, 0x00, 0x00, 0x03, 0x60, 0x00,
	0x04, 0x0d, 0x00, 0x00, 0x00, 0x01, 0x58, 0x00, 0x14, 0x00, 0x04, 0x07, 0x00, 0x00, 0x00,
	0x01, 0x0c, 0x00, 0x04, 0x0c, 0x00, 0x00, 0x00, 0x01, 0x04, 0x0c, 0x00, 0x00, 0x00, 0x01,
	0x0e, 0x00, 0x04, 0x09, 0x00, 0x00, 0x00, 0x01, 0x06, 0x00, 0x04, 0x10, 0x00, 0x00, 0x00,
	0x02, 0x14, 0x00, 0x04, 0x07, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x00, 0x04, 0x0b, 0x00, 0x00,
	0x00, 0x01, 0x04, 0x02, 0x00, 0x00, 0x00, 0x03, 0x1a, 0x00, 0x04, 0x17, 0x00, 0x00, 0x00,
	0x01, 0x12, 0x00, 0x04, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x00, 0x00, 0x01, 0x00, 0x02,
	0x04, 0x00, 0x00, 0x00, 0x00, 0x04, 0x34, 0x00, 0x04, 0x0d, 0x00, 0x00, 0x00, 0x01, 0x2c,
	0x00, 0x14, 0x00, 0x04, 0x07, 0x00, 0x00, 0x00, 0x01, 0x0c, 0x00, 0x04, 0x0c, 0x00, 0x00,
	0x00, 0x01, 0x04, 0x0c, 0x00, 0x00, 0x00, 0x01, 0x14, 0x00, 0x04, 0x07, 0x00, 0x00, 0x00,
	0x01, 0x0c, 0x00, 0x04, 0x0b, 0x00, 0x00, 0x00, 0x01, 0x04, 0x02, 0x00, 0x00, 0x00, 0x06,
	0x04, 0x00, 0x00, 0x00, 0x00,
};

/* Where header and field of the destination address are: 12, 12 in ip, 13, 9 in ip6. */
static const size_t backends_udata_daddr[] = { 34, 40, 132, 138 };

static void check_backends_udata(const struct nftnl_set *set, uint8_t family)
{
	uint8_t want[sizeof(backends_udata_ip)];
	const void *got;
	uint32_t len;

	memcpy(want, backends_udata_ip, sizeof(want));
	for (size_t i = 0; i < ARRAY_LEN(backends_udata_daddr); i++) {
		assert_int_equal(want[backends_udata_daddr[i]], 12);
		if (family == 6)
			want[backends_udata_daddr[i]] = i % 2 == 0 ? 13 : 9;
	}
	got = nftnl_set_get_data(set, NFTNL_SET_USERDATA, &len);
	assert_int_equal(sizeof(want), 170);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(got, want, sizeof(want));
}

static uint32_t expected_flags(const struct nftx_map_info *info)
{
	if (info->dynamic)
		return NFT_SET_MAP | NFT_SET_EVAL | NFT_SET_TIMEOUT;
	if (info->data != NFTX_DATA_NONE)
		return NFT_SET_MAP;
	if (info->ranges)
		return NFT_SET_INTERVAL | (strlen(info->key) > 1 ? NFT_SET_CONCAT : 0u);
	return 0;
}

static void check_set_data(const struct nftnl_set *set, enum nftx_map map, uint8_t family)
{
	switch (nftx_map_info(map)->data) {
	case NFTX_DATA_NONE:
		assert_false(nftnl_set_is_set(set, NFTNL_SET_DATA_TYPE));
		break;
	case NFTX_DATA_VERDICT:
		assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE), 0xffffff00);
		break;
	case NFTX_DATA_TARGET:
		assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_DATA_TYPE),
		                 family == 4 ? 0x1cd : 0x20d);
		assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_DATA_LEN), family == 4 ? 8 : 20);
		break;
	}
}

/* Lengths without padding; the kernel compares ranges field by field. */
static void check_fields(const struct nftnl_set *set, uint8_t family)
{
	static const uint8_t ip[] = { 4, 1, 2, 4 };
	static const uint8_t ip6[] = { 16, 1, 2, 16 };
	const void *got;
	uint32_t len;

	got = nftnl_set_get_data(set, NFTNL_SET_DESC_CONCAT, &len);
	assert_true(len >= sizeof(ip));
	assert_memory_equal(got, family == 4 ? ip : ip6, sizeof(ip));
}

static void check_set(const struct nlmsghdr *nlh, uint8_t family, void *data)
{
	enum nftx_map *next = data;
	const struct nftx_map_info *info;
	struct nftnl_set *set;

	if (NFNL_MSG_TYPE(nlh->nlmsg_type) != NFT_MSG_NEWSET)
		return;
	info = nftx_map_info(*next);
	set = nftnl_set_alloc();
	assert_non_null(set);
	assert_return_code(nftnl_set_nlmsg_parse(nlh, set), 0);
	assert_string_equal(nftnl_set_get_str(set, NFTNL_SET_NAME), info->name);
	assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_FLAGS), expected_flags(info));
	assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_KEY_TYPE),
	                 nftx_fields_type(info->key, family));
	assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_KEY_LEN),
	                 nftx_map_key_bytes(*next, family));
	check_set_data(set, *next, family);
	/* A size would make a full map fail the transaction; only the packet path's map has one. */
	assert_int_equal(nftnl_set_is_set(set, NFTNL_SET_DESC_SIZE), info->dynamic);
	assert_int_equal(nftnl_set_is_set(set, NFTNL_SET_USERDATA), *next == NFTX_BACKENDS);
	assert_false(nftnl_set_is_set(set, NFTNL_SET_TIMEOUT));
	if (info->dynamic) {
		assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_DESC_SIZE), 65535);
		assert_int_equal(nftnl_set_get_u32(set, NFTNL_SET_GC_INTERVAL), 10000);
	}
	if (*next == NFTX_BACKENDS)
		check_backends_udata(set, family);
	if (*next == NFTX_ALLOWED_SOURCES)
		check_fields(set, family);
	nftnl_set_free(set);
	*next = *next + 1 < NFTX_MAP_COUNT ? *next + 1 : 0;
}

static void sets_are_as_documented(void **state)
{
	struct nftx_batch *batch = whole_batch(&cidr);
	enum nftx_map next = NFTX_FRONTENDS;

	(void)state;
	each_message(batch, check_set, &next);
	assert_int_equal(next, NFTX_FRONTENDS);
	nftx_batch_free(batch);
}

/* ---- Rules ---- */

/* What of the registers one rule has written so far. */
struct registers {
	bool written[WORDS];
	uint8_t family;
};

static void use(struct registers *regs, uint32_t reg, size_t bytes, bool is_write)
{
	size_t first = reg - NFT_REG32_00;

	assert_true(reg >= NFT_REG32_00 && reg <= NFT_REG32_15);
	assert_true(bytes > 0 && first + (bytes + 3) / 4 <= WORDS);
	for (size_t i = first; i < first + (bytes + 3) / 4; i++) {
		if (!is_write)
			assert_true(regs->written[i]);
		regs->written[i] = true;
	}
}

static enum nftx_map map_by_name(const char *name)
{
	for (enum nftx_map map = 0; map < NFTX_MAP_COUNT; map++)
		if (strcmp(nftx_map_info(map)->name, name) == 0)
			return map;
	fail_msg("no map is named '%s'", name);
	return NFTX_MAP_COUNT;
}

static size_t ct_bytes(uint32_t key)
{
	switch (key) {
	case NFT_CT_SRC_IP6:
	case NFT_CT_DST_IP6:
		return 16;
	case NFT_CT_SRC_IP:
	case NFT_CT_DST_IP:
	case NFT_CT_STATUS:
		return 4;
	case NFT_CT_PROTO_DST:
		return 2;
	default:
		fail_msg("ct key %u is not in use", key);
		return 0;
	}
}

static void walk_lookup(struct registers *regs, const struct nftnl_expr *expr)
{
	enum nftx_map map = map_by_name(nftnl_expr_get_str(expr, NFTNL_EXPR_LOOKUP_SET));

	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_SREG),
	    nftx_map_key_bytes(map, regs->family), false);
	if (!nftnl_expr_is_set(expr, NFTNL_EXPR_LOOKUP_DREG))
		return;
	if (nftx_map_info(map)->data == NFTX_DATA_VERDICT)
		assert_int_equal(nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_DREG), NFT_REG_VERDICT);
	else
		use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_LOOKUP_DREG),
		    nftx_map_data_bytes(map, regs->family), true);
}

static void walk_dynset(struct registers *regs, const struct nftnl_expr *expr)
{
	enum nftx_map map = map_by_name(nftnl_expr_get_str(expr, NFTNL_EXPR_DYNSET_SET_NAME));

	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY),
	    nftx_map_key_bytes(map, regs->family), false);
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_DYNSET_SREG_DATA),
	    nftx_map_data_bytes(map, regs->family), false);
	assert_int_equal(nftnl_expr_get_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT), 60000);
}

/* Address and port lie as the map's data does. */
static void walk_nat(struct registers *regs, const struct nftnl_expr *expr)
{
	uint32_t addr_bytes = (uint32_t)nftx_field_bytes(NFTX_FIELD_ADDR, regs->family);
	uint32_t addr_reg = nftnl_expr_get_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN);
	uint32_t port_reg = nftnl_expr_get_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN);

	use(regs, addr_reg, addr_bytes, false);
	use(regs, port_reg, 2, false);
	assert_int_equal(addr_reg, NFT_REG32_00);
	assert_int_equal(port_reg, addr_reg + addr_bytes / 4);
	assert_int_equal(nftnl_expr_get_u32(expr, NFTNL_EXPR_NAT_FAMILY),
	                 regs->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static void walk_cmp(struct registers *regs, const struct nftnl_expr *expr)
{
	uint32_t len;

	(void)nftnl_expr_get(expr, NFTNL_EXPR_CMP_DATA, &len);
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_CMP_SREG), len, false);
}

static void walk_bitwise(struct registers *regs, const struct nftnl_expr *expr)
{
	size_t len = nftnl_expr_get_u32(expr, NFTNL_EXPR_BITWISE_LEN);

	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_BITWISE_SREG), len, false);
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_BITWISE_DREG), len, true);
}

static void walk_payload(struct registers *regs, const struct nftnl_expr *expr)
{
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_PAYLOAD_DREG),
	    nftnl_expr_get_u32(expr, NFTNL_EXPR_PAYLOAD_LEN), true);
}

static void walk_meta(struct registers *regs, const struct nftnl_expr *expr)
{
	uint32_t key = nftnl_expr_get_u32(expr, NFTNL_EXPR_META_KEY);

	uint32_t len = key == NFT_META_IIFNAME ? 16 : key == NFT_META_IIF ? 4 : 1;

	assert_true(key == NFT_META_L4PROTO || key == NFT_META_IIFNAME || key == NFT_META_IIF);
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_META_DREG), len, true);
}

static void walk_ct(struct registers *regs, const struct nftnl_expr *expr)
{
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_CT_DREG),
	    ct_bytes(nftnl_expr_get_u32(expr, NFTNL_EXPR_CT_KEY)), true);
}

static void walk_numgen(struct registers *regs, const struct nftnl_expr *expr)
{
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_NG_DREG), 4, true);
}

static void walk_fib(struct registers *regs, const struct nftnl_expr *expr)
{
	use(regs, nftnl_expr_get_u32(expr, NFTNL_EXPR_FIB_DREG), 4, true);
}

static void walk_nothing(struct registers *regs, const struct nftnl_expr *expr)
{
	(void)regs;
	(void)expr;
}

static const struct walker {
	const char *name;
	void (*fn)(struct registers *regs, const struct nftnl_expr *expr);
} walkers[] = {
	{ "payload", walk_payload }, { "meta", walk_meta },         { "ct", walk_ct },
	{ "numgen", walk_numgen },   { "fib", walk_fib },           { "cmp", walk_cmp },
	{ "bitwise", walk_bitwise }, { "lookup", walk_lookup },     { "dynset", walk_dynset },
	{ "nat", walk_nat },         { "immediate", walk_nothing }, { "masq", walk_nothing },
	{ "reject", walk_nothing },
};

static int walk_expr(struct nftnl_expr *expr, void *data)
{
	const char *name = nftnl_expr_get_str(expr, NFTNL_EXPR_NAME);

	for (size_t i = 0; i < ARRAY_LEN(walkers); i++) {
		if (strcmp(walkers[i].name, name) == 0) {
			walkers[i].fn(data, expr);
			return 0;
		}
	}
	fail_msg("no rule has a %s expression", name);
	return -1;
}

static void walk_rule(const struct nlmsghdr *nlh, uint8_t family, void *data)
{
	size_t *rules = data; /* per family */
	struct registers regs = { .family = family };
	struct nftnl_rule *rule;

	if (NFNL_MSG_TYPE(nlh->nlmsg_type) != NFT_MSG_NEWRULE)
		return;
	rule = nftnl_rule_alloc();
	assert_non_null(rule);
	assert_return_code(nftnl_rule_nlmsg_parse(nlh, rule), 0);
	(void)nftnl_expr_foreach(rule, walk_expr, &regs);
	nftnl_rule_free(rule);
	rules[family == 6]++;
}

static void rules_read_only_what_they_have_loaded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++) {
		struct nftx_batch *batch = whole_batch(&option_rows[i].options);
		size_t rules[2] = { 0 };

		print_message("  - %s\n", option_rows[i].what);
		each_message(batch, walk_rule, rules);
		assert_int_equal(rules[0], option_rows[i].rules);
		assert_int_equal(rules[1], option_rows[i].rules);
		nftx_batch_free(batch);
	}
}

/* ---- Chains ---- */

/* Names of the chains of one family, each between blanks, in the order of the batch. */
struct chain_names {
	struct strbuf text[2];
	uint8_t family;
	size_t count[2];
};

static int check_target(struct nftnl_expr *expr, void *data)
{
	struct chain_names *names = data;
	AUTO_STRBUF struct strbuf wanted = { 0 };

	if (strcmp(nftnl_expr_get_str(expr, NFTNL_EXPR_NAME), "immediate") != 0 ||
	    !nftnl_expr_is_set(expr, NFTNL_EXPR_IMM_CHAIN))
		return 0;
	strbuf_printf(&wanted, " %s ", nftnl_expr_get_str(expr, NFTNL_EXPR_IMM_CHAIN));
	assert_non_null(strstr(names->text[names->family == 6].text, wanted.text));
	return 0;
}

static void check_chains(const struct nlmsghdr *nlh, uint8_t family, void *data)
{
	struct chain_names *names = data;
	uint16_t type = NFNL_MSG_TYPE(nlh->nlmsg_type);
	char buf[NFTX_CHAIN_TEXT];
	uint32_t number;

	names->family = family;
	if (type == NFT_MSG_NEWCHAIN) {
		struct nftnl_chain *chain = nftnl_chain_alloc();
		const char *name;
		enum nftx_chain id;

		assert_non_null(chain);
		assert_return_code(nftnl_chain_nlmsg_parse(nlh, chain), 0);
		name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
		id = nftx_chain_parse(name, &number);
		assert_int_not_equal(id, NFTX_CHAIN_NONE);
		assert_string_equal(nftx_chain_name(id, number, buf), name);
		assert_int_equal(nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM), id <= NFTX_INPUT);
		strbuf_printf(&names->text[family == 6], " %s ", name);
		names->count[family == 6]++;
		nftnl_chain_free(chain);
	} else if (type == NFT_MSG_NEWRULE) {
		struct nftnl_rule *rule = nftnl_rule_alloc();

		assert_non_null(rule);
		assert_return_code(nftnl_rule_nlmsg_parse(nlh, rule), 0);
		(void)nftnl_expr_foreach(rule, check_target, names);
		nftnl_rule_free(rule);
	}
}

static void verdicts_go_to_chains_made_before(void **state)
{
	struct nftx_batch *batch = whole_batch(&cidr);
	struct chain_names names = { 0 };

	(void)state;
	each_message(batch, check_chains, &names);
	/* 4 base chains, 8 others, 13 and 10 rungs of two chains each, one remember chain. */
	assert_int_equal(names.count[0], 59);
	assert_int_equal(names.count[1], 59);
	strbuf_done(&names.text[0]);
	strbuf_done(&names.text[1]);
	nftx_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_have_flags_and_comment),
		cmocka_unit_test(any_table_can_be_deleted),
		cmocka_unit_test(sets_are_as_documented),
		cmocka_unit_test(rules_read_only_what_they_have_loaded),
		cmocka_unit_test(verdicts_go_to_chains_made_before),
	};

	return cmocka_run_group_tests_name("nft/ruleset", tests, NULL, NULL);
}

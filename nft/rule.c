/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rule.h"

#include <stddef.h>
#include <string.h>

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>

#include <libnftnl/expr.h>

#include "must.h"

/* A rule being encoded. */
struct encoder {
	struct nftnl_rule *rule;
	uint8_t family;
};

/* Every field begins a register of its own, as it begins at a multiple of 4 in a key. */
static uint32_t reg(size_t offset)
{
	ASSERT(offset % 4 == 0 && offset / 4 <= NFT_REG32_15 - NFT_REG32_00);
	return NFT_REG32_00 + (uint32_t)(offset / 4);
}

static struct nftnl_expr *add(const struct encoder *enc, const char *name)
{
	struct nftnl_expr *expr = nftx_must(nftnl_expr_alloc(name));

	nftnl_rule_add_expr(enc->rule, expr);
	return expr;
}

static void add_payload(const struct encoder *enc, uint32_t base, uint32_t at, uint32_t len,
                        uint32_t dreg)
{
	struct nftnl_expr *expr = add(enc, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, at);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, dreg);
}

static void add_meta(const struct encoder *enc, uint32_t key, uint32_t dreg)
{
	struct nftnl_expr *expr = add(enc, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, dreg);
}

static void add_original(const struct encoder *enc, uint32_t key, uint32_t dreg)
{
	struct nftnl_expr *expr = add(enc, "ct");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, dreg);
}

static void add_random(const struct encoder *enc, const struct nftx_step *step, uint32_t dreg)
{
	struct nftnl_expr *expr = add(enc, "numgen");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_TYPE, NFT_NG_RANDOM);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_MODULUS, step->number);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_OFFSET, step->offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NG_DREG, dreg);
}

static void add_cmp(const struct encoder *enc, uint32_t op, const void *data, uint32_t len)
{
	struct nftnl_expr *expr = add(enc, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, reg(0));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
	nftx_must_ok(nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, len));
}

/* Offsets as in struct iphdr, struct ip6_hdr and the first bytes of TCP, UDP and SCTP. */
static void add_load(const struct encoder *enc, const struct nftx_step *step, enum nftx_load load,
                     uint32_t dreg)
{
	bool v4 = enc->family == 4;
	uint32_t addr_len = (uint32_t)nftx_field_bytes(NFTX_FIELD_ADDR, enc->family);

	switch (load) {
	case NFTX_LOAD_DADDR:
		add_payload(enc, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, addr_len, dreg);
		break;
	case NFTX_LOAD_SADDR:
		add_payload(enc, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 12 : 8, addr_len, dreg);
		break;
	case NFTX_LOAD_PROTOCOL:
		add_meta(enc, NFT_META_L4PROTO, dreg);
		break;
	case NFTX_LOAD_DPORT:
		add_payload(enc, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, dreg);
		break;
	case NFTX_LOAD_ORIG_DADDR:
		add_original(enc, v4 ? NFT_CT_DST_IP : NFT_CT_DST_IP6, dreg);
		break;
	case NFTX_LOAD_ORIG_SADDR:
		add_original(enc, v4 ? NFT_CT_SRC_IP : NFT_CT_SRC_IP6, dreg);
		break;
	case NFTX_LOAD_ORIG_DPORT:
		add_original(enc, NFT_CT_PROTO_DST, dreg);
		break;
	case NFTX_LOAD_RANDOM:
		add_random(enc, step, dreg);
		break;
	case NFTX_LOAD_NONE:
	case NFTX_LOAD_COUNT:
		ASSERT(!"a field of a key");
	}
}

/* One field into the register of @offset. Return: the offset of the next field. */
static size_t load_field(const struct encoder *enc, const struct nftx_step *step,
                         enum nftx_load load, size_t offset)
{
	size_t len = nftx_field_bytes(nftx_load_field(load), enc->family);

	add_load(enc, step, load, reg(offset));
	return offset + (len + 3) / 4 * 4;
}

/* The step's key into the registers from 0. Return: the offset behind it. */
static size_t load_key(const struct encoder *enc, const struct nftx_step *step)
{
	const char *fields = nftx_map_info(step->map)->key;
	size_t offset = 0;

	for (size_t i = 0; fields[i] != '\0'; i++) {
		ASSERT(i < NFTX_KEY_LOADS && nftx_load_field(step->key[i]) == fields[i]);
		offset = load_field(enc, step, step->key[i], offset);
	}
	return offset;
}

static struct nftnl_expr *add_lookup(const struct encoder *enc, const struct nftx_step *step)
{
	struct nftnl_expr *expr;

	(void)load_key(enc, step);
	expr = add(enc, "lookup");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, reg(0));
	nftx_must_ok(
		nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, nftx_map_info(step->map)->name));
	return expr;
}

static void add_not_in(const struct encoder *enc, const struct nftx_step *step)
{
	struct nftnl_expr *expr = add_lookup(enc, step);

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

static void add_verdict_map(const struct encoder *enc, const struct nftx_step *step)
{
	struct nftnl_expr *expr = add_lookup(enc, step);

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
}

/* What is found, address and port, takes the place of the key. */
static void add_dnat_map(const struct encoder *enc, const struct nftx_step *step)
{
	size_t port_offset = nftx_field_bytes(NFTX_FIELD_ADDR, enc->family);
	struct nftnl_expr *expr = add_lookup(enc, step);

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, reg(0));
	expr = add(enc, "nat");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_FAMILY,
	                   enc->family == 4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_ADDR_MIN, reg(0));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_NAT_REG_PROTO_MIN, reg(port_offset));
}

/* The data, the destination as it is now, goes to the registers behind the key. */
static void add_update_map(const struct encoder *enc, const struct nftx_step *step)
{
	size_t data = load_key(enc, step);
	size_t port_offset = load_field(enc, step, NFTX_LOAD_DADDR, data);
	struct nftnl_expr *expr;

	(void)load_field(enc, step, NFTX_LOAD_DPORT, port_offset);
	expr = add(enc, "dynset");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftx_must_ok(nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME,
	                                nftx_map_info(step->map)->name));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, reg(0));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_DATA, reg(data));
	nftnl_expr_set_u64(expr, NFTNL_EXPR_DYNSET_TIMEOUT, (uint64_t)step->number * 1000);
}

static void add_translated(const struct encoder *enc)
{
	static const uint32_t mask = IPS_DST_NAT;
	static const uint32_t zero;
	struct nftnl_expr *expr = add(enc, "ct");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_STATUS);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, reg(0));
	expr = add(enc, "bitwise");
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, reg(0));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, reg(0));
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
	nftx_must_ok(nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask)));
	nftx_must_ok(nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &zero, sizeof(zero)));
	add_cmp(enc, NFT_CMP_NEQ, &zero, sizeof(zero));
}

/* @flag: NFTA_FIB_F_SADDR or _DADDR; @cmp: NFT_CMP_EQ for an address of this node, or NFT_CMP_NEQ. */
static void add_local(const struct encoder *enc, uint32_t flag, uint32_t cmp)
{
	static const uint32_t local = RTN_LOCAL;
	struct nftnl_expr *expr = add(enc, "fib");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, flag);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, reg(0));
	add_cmp(enc, cmp, &local, sizeof(local));
}

/* A whole name is compared with the zeros behind it, a beginning without any. */
static void add_interface(const struct encoder *enc, const struct nftx_step *step)
{
	char name[16] = { 0 };
	size_t len = strlen(step->interface);

	ASSERT(len > 0 && len < sizeof(name));
	memcpy(name, step->interface, len);
	add_meta(enc, NFT_META_IIFNAME, reg(0));
	add_cmp(enc, step->op == NFTX_OP_INTERFACE ? NFT_CMP_EQ : NFT_CMP_NEQ, name,
	        step->prefix ? (uint32_t)len : sizeof(name));
}

static void add_tcp(const struct encoder *enc)
{
	static const uint8_t tcp = IPPROTO_TCP;

	add_meta(enc, NFT_META_L4PROTO, reg(0));
	add_cmp(enc, NFT_CMP_EQ, &tcp, sizeof(tcp));
}

static void add_verdict(const struct encoder *enc, const struct nftx_step *step, int verdict)
{
	struct nftnl_expr *expr = add(enc, "immediate");
	char name[NFTX_CHAIN_TEXT];

	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (verdict == NF_DROP)
		return;
	(void)nftx_chain_name(step->chain, step->number, name);
	nftx_must_ok(nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, name));
}

static void add_reject(const struct encoder *enc, enum nft_reject_types type)
{
	struct nftnl_expr *expr = add(enc, "reject");
	/* Port unreachable. */
	uint8_t code = enc->family == 4 ? 3 : 4;

	nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, type);
	nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, type == NFT_REJECT_TCP_RST ? 0 : code);
}

static void add_some_interface(const struct encoder *enc)
{
	static const uint32_t none = 0;

	add_meta(enc, NFT_META_IIF, reg(0));
	add_cmp(enc, NFT_CMP_NEQ, &none, sizeof(none));
}

static void add_step(const struct encoder *enc, const struct nftx_step *step)
{
	switch (step->op) {
	case NFTX_OP_TRANSLATED:
		add_translated(enc);
		break;
	case NFTX_OP_LOCAL_SOURCE:
		add_local(enc, NFTA_FIB_F_SADDR, NFT_CMP_EQ);
		break;
	case NFTX_OP_ELSEWHERE:
		add_local(enc, NFTA_FIB_F_DADDR, NFT_CMP_NEQ);
		break;
	case NFTX_OP_TCP:
		add_tcp(enc);
		break;
	case NFTX_OP_INTERFACE:
	case NFTX_OP_NOT_INTERFACE:
		add_interface(enc, step);
		break;
	case NFTX_OP_SOME_INTERFACE:
		add_some_interface(enc);
		break;
	case NFTX_OP_IN:
		(void)add_lookup(enc, step);
		break;
	case NFTX_OP_NOT_IN:
		add_not_in(enc, step);
		break;
	case NFTX_OP_VERDICT_MAP:
		add_verdict_map(enc, step);
		break;
	case NFTX_OP_DNAT_MAP:
		add_dnat_map(enc, step);
		break;
	case NFTX_OP_UPDATE_MAP:
		add_update_map(enc, step);
		break;
	case NFTX_OP_JUMP:
		add_verdict(enc, step, NFT_JUMP);
		break;
	case NFTX_OP_GOTO:
		add_verdict(enc, step, NFT_GOTO);
		break;
	case NFTX_OP_DROP:
		add_verdict(enc, step, NF_DROP);
		break;
	case NFTX_OP_MASQUERADE:
		nftnl_expr_set_u32(add(enc, "masq"), NFTNL_EXPR_MASQ_FLAGS,
		                   NF_NAT_RANGE_PROTO_RANDOM_FULLY);
		break;
	case NFTX_OP_RESET:
		add_reject(enc, NFT_REJECT_TCP_RST);
		break;
	case NFTX_OP_REJECT:
		add_reject(enc, NFT_REJECT_ICMP_UNREACH);
		break;
	case NFTX_OP_END:
	case NFTX_OP_POD:
	case NFTX_OP_NOT_POD:
	case NFTX_OP_NODE_ITSELF:
		ASSERT(!"an operation of a finished rule");
	}
}

void nftx_rule_encode(const struct nftx_rule *rule, uint8_t family, struct nftnl_rule *out)
{
	struct encoder enc = { .rule = out, .family = family };

	for (size_t i = 0; i < NFTX_RULE_STEPS && rule->steps[i].op != NFTX_OP_END; i++)
		add_step(&enc, &rule->steps[i]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "rule.h"

static const struct load_info {
	char field;
	const char *text[2]; /* ip, ip6 */
} loads[NFTX_LOAD_COUNT] = {
	[NFTX_LOAD_DADDR] = { NFTX_FIELD_ADDR, { "ip daddr", "ip6 daddr" } },
	[NFTX_LOAD_SADDR] = { NFTX_FIELD_ADDR, { "ip saddr", "ip6 saddr" } },
	[NFTX_LOAD_PROTOCOL] = { NFTX_FIELD_PROTOCOL, { "meta l4proto", "meta l4proto" } },
	[NFTX_LOAD_DPORT] = { NFTX_FIELD_PORT, { "th dport", "th dport" } },
	[NFTX_LOAD_ORIG_DADDR] = { NFTX_FIELD_ADDR,
	                           { "ct original ip daddr", "ct original ip6 daddr" } },
	[NFTX_LOAD_ORIG_SADDR] = { NFTX_FIELD_ADDR,
	                           { "ct original ip saddr", "ct original ip6 saddr" } },
	[NFTX_LOAD_ORIG_DPORT] = { NFTX_FIELD_PORT,
	                           { "ct original proto-dst", "ct original proto-dst" } },
	[NFTX_LOAD_RANDOM] = { NFTX_FIELD_NUMBER, { "numgen random", "numgen random" } },
};

char nftx_load_field(enum nftx_load load)
{
	ASSERT(load > NFTX_LOAD_NONE && load < NFTX_LOAD_COUNT);
	return loads[load].field;
}

static void add_load(struct strbuf *buf, const struct nftx_step *step, enum nftx_load load,
                     uint8_t family)
{
	strbuf_puts(buf, loads[load].text[family == 6]);
	if (load != NFTX_LOAD_RANDOM)
		return;
	strbuf_printf(buf, " mod %u", step->number);
	if (step->offset != 0)
		strbuf_printf(buf, " offset %u", step->offset);
}

void nftx_key_text(struct strbuf *buf, const struct nftx_step *step, uint8_t family)
{
	for (size_t i = 0; i < NFTX_KEY_LOADS && step->key[i] != NFTX_LOAD_NONE; i++) {
		if (i > 0)
			strbuf_puts(buf, " . ");
		add_load(buf, step, step->key[i], family);
	}
}

/* Key, what is asked of the set, and the set. */
static void add_lookup(struct strbuf *buf, const struct nftx_step *step, uint8_t family,
                       const char *relation)
{
	nftx_key_text(buf, step, family);
	strbuf_printf(buf, " %s@%s", relation, nftx_map_info(step->map)->name);
}

/* nft leaves out the units that are zero. */
static void add_duration(struct strbuf *buf, uint32_t seconds)
{
	static const struct unit {
		uint32_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (seconds >= units[i].seconds)
			strbuf_printf(buf, "%u%c", seconds / units[i].seconds, units[i].letter);
		seconds %= units[i].seconds;
	}
}

static void add_update(struct strbuf *buf, const struct nftx_step *step, uint8_t family)
{
	strbuf_printf(buf, "update @%s { ", nftx_map_info(step->map)->name);
	nftx_key_text(buf, step, family);
	strbuf_puts(buf, " timeout ");
	add_duration(buf, step->number);
	strbuf_puts(buf, " : ");
	add_load(buf, step, NFTX_LOAD_DADDR, family);
	strbuf_puts(buf, " . ");
	add_load(buf, step, NFTX_LOAD_DPORT, family);
	strbuf_puts(buf, " }");
}

/* A star at the end means a beginning; nft escapes one that is part of the name. */
static void add_interface(struct strbuf *buf, const struct nftx_step *step)
{
	size_t len = strlen(step->interface);
	bool star = !step->prefix && len > 0 && step->interface[len - 1] == '*';

	strbuf_printf(buf, "iifname %s\"", step->op == NFTX_OP_NOT_INTERFACE ? "!= " : "");
	strbuf_add(buf, step->interface, star ? len - 1 : len);
	if (star)
		strbuf_puts(buf, "\\");
	strbuf_puts(buf, star || step->prefix ? "*\"" : "\"");
}

static void add_chain(struct strbuf *buf, const char *verb, const struct nftx_step *step)
{
	char name[NFTX_CHAIN_TEXT];

	strbuf_printf(buf, "%s %s", verb, nftx_chain_name(step->chain, step->number, name));
}

static void add_step(struct strbuf *buf, const struct nftx_step *step, uint8_t family)
{
	switch (step->op) {
	case NFTX_OP_TRANSLATED:
		strbuf_puts(buf, "ct status dnat");
		break;
	case NFTX_OP_LOCAL_SOURCE:
		strbuf_puts(buf, "fib saddr type local");
		break;
	case NFTX_OP_ELSEWHERE:
		strbuf_puts(buf, "fib daddr type != local");
		break;
	case NFTX_OP_TCP:
		/* nft takes it for implied by the reset that follows. */
		break;
	case NFTX_OP_INTERFACE:
	case NFTX_OP_NOT_INTERFACE:
		add_interface(buf, step);
		break;
	case NFTX_OP_SOME_INTERFACE:
		strbuf_puts(buf, "iif != 0");
		break;
	case NFTX_OP_IN:
		add_lookup(buf, step, family, "");
		break;
	case NFTX_OP_NOT_IN:
		add_lookup(buf, step, family, "!= ");
		break;
	case NFTX_OP_VERDICT_MAP:
		add_lookup(buf, step, family, "vmap ");
		break;
	case NFTX_OP_DNAT_MAP:
		strbuf_printf(buf, "dnat %s to ", family == 4 ? "ip" : "ip6");
		add_lookup(buf, step, family, "map ");
		break;
	case NFTX_OP_UPDATE_MAP:
		add_update(buf, step, family);
		break;
	case NFTX_OP_JUMP:
		add_chain(buf, "jump", step);
		break;
	case NFTX_OP_GOTO:
		add_chain(buf, "goto", step);
		break;
	case NFTX_OP_DROP:
		strbuf_puts(buf, "drop");
		break;
	case NFTX_OP_MASQUERADE:
		strbuf_puts(buf, "masquerade fully-random");
		break;
	case NFTX_OP_RESET:
		strbuf_puts(buf, "reject with tcp reset");
		break;
	case NFTX_OP_REJECT:
		strbuf_puts(buf, "reject");
		break;
	case NFTX_OP_END:
	case NFTX_OP_POD:
	case NFTX_OP_NOT_POD:
	case NFTX_OP_NODE_ITSELF:
		ASSERT(!"an operation of a finished rule");
	}
}

void nftx_rule_text(struct strbuf *buf, const struct nftx_rule *rule, uint8_t family)
{
	size_t start = buf->len;

	for (size_t i = 0; i < NFTX_RULE_STEPS && rule->steps[i].op != NFTX_OP_END; i++) {
		if (buf->len > start && buf->text[buf->len - 1] != ' ')
			strbuf_puts(buf, " ");
		add_step(buf, &rule->steps[i], family);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "nft/ruleset.h"
#include "rule.h"
#include "ruleset_rules.h"

static const char *field_text(char field, uint8_t family)
{
	ASSERT(family == 4 || family == 6);
	switch (field) {
	case NFTX_FIELD_ADDR:
		return family == 4 ? "ipv4_addr" : "ipv6_addr";
	case NFTX_FIELD_PROTOCOL:
		return "inet_proto";
	case NFTX_FIELD_PORT:
		return "inet_service";
	default:
		panic(__FILE__, __LINE__, "a field without a type name");
	}
}

static void add_type(struct strbuf *buf, const char *fields, uint8_t family)
{
	for (const char *p = fields; *p != '\0'; p++)
		strbuf_printf(buf, "%s%s", p > fields ? " . " : "", field_text(*p, family));
}

/* The one map whose key has a plain number; what nft prints is in the set's userdata. */
static void add_backends_typeof(struct strbuf *buf, uint8_t family)
{
	static const struct nftx_step key = {
		.key = { NFTX_LOAD_DADDR, NFTX_LOAD_PROTOCOL, NFTX_LOAD_DPORT, NFTX_LOAD_RANDOM },
		.number = NFTX_SLOT_RANGE,
	};
	static const struct nftx_step data = { .key = { NFTX_LOAD_DADDR, NFTX_LOAD_DPORT } };

	strbuf_puts(buf, "\t\ttypeof ");
	nftx_key_text(buf, &key, family);
	strbuf_puts(buf, " : ");
	nftx_key_text(buf, &data, family);
	strbuf_puts(buf, "\n");
}

void nftx_ruleset_text_set(struct strbuf *buf, uint8_t family, enum nftx_map map,
                           const struct nftx_options *options)
{
	const struct nftx_map_info *info = nftx_map_info(map);

	strbuf_printf(buf, "\t%s %s {\n", info->data == NFTX_DATA_NONE ? "set" : "map", info->name);
	if (map == NFTX_BACKENDS) {
		add_backends_typeof(buf, family);
		return;
	}
	strbuf_puts(buf, "\t\ttype ");
	add_type(buf, info->key, family);
	switch (info->data) {
	case NFTX_DATA_NONE:
		break;
	case NFTX_DATA_VERDICT:
		strbuf_puts(buf, " : verdict");
		break;
	case NFTX_DATA_TARGET:
		strbuf_puts(buf, " : ");
		add_type(buf, NFTX_TARGET_FIELDS, family);
		break;
	}
	strbuf_puts(buf, "\n");
	if (info->ranges)
		strbuf_puts(buf, "\t\tflags interval\n");
	if (nftx_map_counts(map, options))
		strbuf_puts(buf, "\t\tcounter\n");
	if (info->dynamic)
		strbuf_printf(buf, "\t\tsize %u\n\t\tflags dynamic,timeout\n\t\tgc-interval 10s\n",
		              nftx_affinity_size(options));
}

static void add_chain(struct strbuf *buf, uint8_t family, const struct nftx_chain_id *id,
                      const struct nftx_options *options)
{
	const struct nftx_hook *hook = nftx_chain_hook(id->chain);
	struct nftx_rule rules[NFTX_CHAIN_RULES];
	size_t count = nftx_chain_rules(id, options, rules);
	char name[NFTX_CHAIN_TEXT];

	strbuf_printf(buf, "\tchain %s {\n", nftx_chain_name(id->chain, id->number, name));
	if (hook != NULL)
		strbuf_printf(buf, "\t\ttype nat hook %s priority %s; policy accept;\n", hook->name,
		              hook->priority_text);
	for (size_t i = 0; i < count; i++) {
		strbuf_puts(buf, "\t\t");
		nftx_rule_text(buf, &rules[i], family);
		strbuf_puts(buf, "\n");
	}
	strbuf_puts(buf, "\t}\n");
}

void nftx_ruleset_text_chains(struct strbuf *buf, uint8_t family,
                              const struct nftx_options *options, const uint32_t *timeouts,
                              size_t timeout_count)
{
	struct nftx_chain_id ids[NFTX_STATIC_CHAINS];

	nftx_static_chains(ids);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		if (i > 0)
			strbuf_puts(buf, "\n");
		add_chain(buf, family, &ids[i], options);
	}
	for (size_t i = 0; i < timeout_count; i++) {
		struct nftx_chain_id id = { .chain = NFTX_REMEMBER, .number = timeouts[i] };

		strbuf_puts(buf, "\n");
		add_chain(buf, family, &id, options);
	}
}

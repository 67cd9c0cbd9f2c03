/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/layout.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const struct nftx_map_info maps[NFTX_MAP_COUNT] = {
	[NFTX_FRONTENDS] = { .name = "frontends", .key = "APS", .data = NFTX_DATA_VERDICT },
	[NFTX_BACKENDS] = { .name = "backends", .key = "APSN", .data = NFTX_DATA_TARGET },
	[NFTX_RESTRICTED_FRONTENDS] = { .name = "restricted-frontends",
	                                .key = "APS",
	                                .data = NFTX_DATA_VERDICT },
	[NFTX_STICKY_FRONTENDS] = { .name = "sticky-frontends",
	                            .key = "APS",
	                            .data = NFTX_DATA_VERDICT },
	[NFTX_LOCAL_FRONTENDS] = { .name = "local-frontends",
	                           .key = "APS",
	                           .data = NFTX_DATA_VERDICT },
	[NFTX_CLUSTER_FRONTENDS] = { .name = "cluster-frontends",
	                             .key = "APS",
	                             .data = NFTX_DATA_VERDICT },
	[NFTX_STICKY_TIMEOUTS] = { .name = "sticky-timeouts",
	                           .key = "APS",
	                           .data = NFTX_DATA_VERDICT },
	[NFTX_AFFINITY] = { .name = "affinity",
	                    .key = "AAPS",
	                    .data = NFTX_DATA_TARGET,
	                    .dynamic = true },
	[NFTX_CLUSTER_IPS] = { .name = "cluster-ips", .key = "A" },
	[NFTX_SERVICE_CIDRS] = { .name = "service-cidrs", .key = "A", .ranges = true },
	[NFTX_POD_CIDRS] = { .name = "pod-cidrs", .key = "A", .ranges = true },
	[NFTX_INTERNAL] = { .name = "internal", .key = "APS" },
	[NFTX_EXTERNAL_CLUSTER] = { .name = "external-cluster", .key = "APS" },
	[NFTX_EXTERNAL_LOCAL] = { .name = "external-local", .key = "APS" },
	[NFTX_HAIRPIN] = { .name = "hairpin", .key = "AA" },
	[NFTX_ALLOWED_SOURCES] = { .name = "allowed-sources", .key = "APSA", .ranges = true },
};

/* What stands behind a chain's name. */
enum numbering {
	UNNUMBERED,
	LADDER,  /* K, a power of two up to top */
	SECONDS, /* T */
};

static const struct chain_info {
	const char *name; /* of a numbered chain the part before its number */
	enum numbering numbering;
	uint32_t top;
} chains[NFTX_CHAIN_COUNT] = {
	[NFTX_PREROUTING] = { .name = "prerouting" },
	[NFTX_OUTPUT] = { .name = "output" },
	[NFTX_POSTROUTING] = { .name = "postrouting" },
	[NFTX_INPUT] = { .name = "input" },
	[NFTX_SERVICES] = { .name = "services" },
	[NFTX_REFUSE] = { .name = "refuse" },
	[NFTX_RESTRICTED] = { .name = "restricted" },
	[NFTX_STICKY] = { .name = "sticky" },
	[NFTX_LOCAL_ONLY] = { .name = "local-only" },
	[NFTX_CLUSTER_SCOPE] = { .name = "cluster-scope" },
	[NFTX_AFTER_DNAT] = { .name = "after-dnat" },
	[NFTX_CLUSTER_IP_SOURCES] = { .name = "cluster-ip-sources" },
	[NFTX_PICK] = { .name = "pick-", .numbering = LADDER, .top = NFTX_TOP },
	[NFTX_SLOTS] = { .name = "slots-", .numbering = LADDER, .top = NFTX_TOP },
	[NFTX_LOCAL_PICK] = { .name = "local-pick-", .numbering = LADDER, .top = NFTX_LOCAL_TOP },
	[NFTX_LOCAL_SLOTS] = { .name = "local-slots-", .numbering = LADDER, .top = NFTX_LOCAL_TOP },
	[NFTX_REMEMBER] = { .name = "remember-", .numbering = SECONDS, .top = UINT32_MAX },
};

const struct nftx_map_info *nftx_map_info(enum nftx_map map)
{
	ASSERT(map < NFTX_MAP_COUNT);
	return &maps[map];
}

size_t nftx_field_bytes(char field, uint8_t family)
{
	ASSERT(family == 4 || family == 6);
	switch (field) {
	case NFTX_FIELD_ADDR:
		return family == 4 ? 4 : 16;
	case NFTX_FIELD_PROTOCOL:
		return 1;
	case NFTX_FIELD_PORT:
		return 2;
	case NFTX_FIELD_NUMBER:
		return 4;
	default:
		panic(__FILE__, __LINE__, "not a field letter");
	}
}

static size_t fields_bytes(const char *fields, uint8_t family)
{
	size_t sum = 0;

	for (const char *p = fields; *p != '\0'; p++)
		sum += (nftx_field_bytes(*p, family) + 3) / 4 * 4;
	return sum;
}

size_t nftx_map_key_bytes(enum nftx_map map, uint8_t family)
{
	return fields_bytes(nftx_map_info(map)->key, family);
}

size_t nftx_map_data_bytes(enum nftx_map map, uint8_t family)
{
	if (nftx_map_info(map)->data != NFTX_DATA_TARGET)
		return 0;
	return fields_bytes(NFTX_TARGET_FIELDS, family);
}

/* enum datatypes of nft's include/datatype.h, which no library exports. */
static uint32_t field_type(char field, uint8_t family)
{
	ASSERT(family == 4 || family == 6);
	switch (field) {
	case NFTX_FIELD_ADDR:
		return family == 4 ? 7 : 8;
	case NFTX_FIELD_PROTOCOL:
		return 12;
	case NFTX_FIELD_PORT:
		return 13;
	case NFTX_FIELD_NUMBER:
		return 4;
	default:
		panic(__FILE__, __LINE__, "not a field letter");
	}
}

uint32_t nftx_fields_type(const char *fields, uint8_t family)
{
	uint32_t type = 0;

	for (const char *p = fields; *p != '\0'; p++)
		type = type << 6 | field_type(*p, family);
	return type;
}

const char *nftx_chain_name(enum nftx_chain chain, uint32_t number,
                            char buf[static NFTX_CHAIN_TEXT])
{
	ASSERT(chain > NFTX_CHAIN_NONE && chain < NFTX_CHAIN_COUNT);
	if (chains[chain].numbering == UNNUMBERED)
		(void)snprintf(buf, NFTX_CHAIN_TEXT, "%s", chains[chain].name);
	else
		(void)snprintf(buf, NFTX_CHAIN_TEXT, "%s%u", chains[chain].name, number);
	return buf;
}

/* The number as nftx_chain_name() writes it, and nothing else. */
static bool parse_number(const struct chain_info *info, const char *text, uint32_t *number)
{
	uint32_t value;

	if (text[0] == '0' || str_to_u32(text, info->top, &value) < 0)
		return false;
	if (info->numbering == LADDER && (value & (value - 1)) != 0)
		return false;
	*number = value;
	return true;
}

enum nftx_chain nftx_chain_parse(const char *name, uint32_t *number)
{
	*number = 0;
	for (int i = NFTX_CHAIN_NONE + 1; i < NFTX_CHAIN_COUNT; i++) {
		const struct chain_info *info = &chains[i];

		if (info->numbering == UNNUMBERED) {
			if (strcmp(name, info->name) == 0)
				return (enum nftx_chain)i;
		} else if (str_starts(name, info->name) &&
		           parse_number(info, name + strlen(info->name), number)) {
			return (enum nftx_chain)i;
		}
	}
	return NFTX_CHAIN_NONE;
}

uint32_t nftx_rung(uint32_t count)
{
	uint32_t rung = 1;

	ASSERT(count >= 1 && count <= NFTX_TOP);
	while (rung < count)
		rung *= 2;
	return rung;
}

uint32_t nftx_affinity_size(const struct nftx_options *options)
{
	return options->affinity_size != 0 ? options->affinity_size : NFTX_AFFINITY_SIZE_DEFAULT;
}

bool nftx_map_counts(enum nftx_map map, const struct nftx_options *options)
{
	return options->count_connections && map == NFTX_FRONTENDS;
}

/* A star of the name itself is escaped, so that no name looks like a prefix. */
static void add_interface(struct strbuf *text, const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if (*p == '*' || *p == '\\')
			strbuf_puts(text, "\\");
		strbuf_add(text, p, 1);
	}
}

const char *nftx_layout_comment(const struct nftx_options *options, char *buf, size_t size)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	strbuf_printf(&text, "kubenft ruleset %d pods=", NFTX_LAYOUT_VERSION);
	switch (options->detect) {
	case NFTX_DETECT_NONE:
		strbuf_puts(&text, "none");
		break;
	case NFTX_DETECT_CIDR:
		strbuf_puts(&text, "cidr");
		break;
	case NFTX_DETECT_BRIDGE:
	case NFTX_DETECT_PREFIX:
		strbuf_puts(&text, "iif:");
		add_interface(&text, options->interface);
		if (options->detect == NFTX_DETECT_PREFIX)
			strbuf_puts(&text, "*");
		break;
	}
	if (options->masquerade_all)
		strbuf_puts(&text, " masquerade-all");
	if (options->count_connections)
		strbuf_puts(&text, " count-connections");
	ASSERT(text.len < size);
	memcpy(buf, text.text, text.len + 1);
	return buf;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "nft/layout.h"
#include "test/unit/test.h"

/* Sizes and types are those of ruleset.md, section 3. */
static const struct map_row {
	enum nftx_map map;
	const char *name;
	size_t key_bytes[2]; /* ip, ip6 */
	size_t data_bytes[2];
	uint32_t key_type[2];
	enum nftx_data data;
	bool ranges;
	bool dynamic;
} map_rows[] = {
	{ NFTX_FRONTENDS,
	  "frontends",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_BACKENDS,
	  "backends",
	  { 16, 28 },
	  { 8, 20 },
	  { 0x1cc344, 0x20c344 },
	  NFTX_DATA_TARGET,
	  false,
	  false },
	{ NFTX_RESTRICTED_FRONTENDS,
	  "restricted-frontends",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_STICKY_FRONTENDS,
	  "sticky-frontends",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_LOCAL_FRONTENDS,
	  "local-frontends",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_CLUSTER_FRONTENDS,
	  "cluster-frontends",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_STICKY_TIMEOUTS,
	  "sticky-timeouts",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_VERDICT,
	  false,
	  false },
	{ NFTX_AFFINITY,
	  "affinity",
	  { 16, 40 },
	  { 8, 20 },
	  { 0x1c730d, 0x20830d },
	  NFTX_DATA_TARGET,
	  false,
	  true },
	{ NFTX_CLUSTER_IPS,
	  "cluster-ips",
	  { 4, 16 },
	  { 0, 0 },
	  { 7, 8 },
	  NFTX_DATA_NONE,
	  false,
	  false },
	{ NFTX_SERVICE_CIDRS,
	  "service-cidrs",
	  { 4, 16 },
	  { 0, 0 },
	  { 7, 8 },
	  NFTX_DATA_NONE,
	  true,
	  false },
	{ NFTX_POD_CIDRS, "pod-cidrs", { 4, 16 }, { 0, 0 }, { 7, 8 }, NFTX_DATA_NONE, true, false },
	{ NFTX_INTERNAL,
	  "internal",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_NONE,
	  false,
	  false },
	{ NFTX_EXTERNAL_CLUSTER,
	  "external-cluster",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_NONE,
	  false,
	  false },
	{ NFTX_EXTERNAL_LOCAL,
	  "external-local",
	  { 12, 24 },
	  { 0, 0 },
	  { 0x730d, 0x830d },
	  NFTX_DATA_NONE,
	  false,
	  false },
	{ NFTX_HAIRPIN,
	  "hairpin",
	  { 8, 32 },
	  { 0, 0 },
	  { 0x1c7, 0x208 },
	  NFTX_DATA_NONE,
	  false,
	  false },
	{ NFTX_ALLOWED_SOURCES,
	  "allowed-sources",
	  { 16, 40 },
	  { 0, 0 },
	  { 0x1cc347, 0x20c348 },
	  NFTX_DATA_NONE,
	  true,
	  false },
};

static void maps_are_as_documented(void **state)
{
	static const uint8_t families[] = { 4, 6 };

	(void)state;
	assert_int_equal(ARRAY_LEN(map_rows), NFTX_MAP_COUNT);
	for (size_t i = 0; i < ARRAY_LEN(map_rows); i++) {
		const struct map_row *row = &map_rows[i];
		const struct nftx_map_info *info = nftx_map_info(row->map);

		print_message("  - %s\n", row->name);
		assert_string_equal(info->name, row->name);
		assert_int_equal(info->data, row->data);
		assert_int_equal(info->ranges, row->ranges);
		assert_int_equal(info->dynamic, row->dynamic);
		for (size_t f = 0; f < 2; f++) {
			assert_int_equal(nftx_map_key_bytes(row->map, families[f]),
			                 row->key_bytes[f]);
			assert_int_equal(nftx_map_data_bytes(row->map, families[f]),
			                 row->data_bytes[f]);
			assert_int_equal(nftx_fields_type(info->key, families[f]),
			                 row->key_type[f]);
		}
	}
	assert_int_equal(nftx_fields_type(NFTX_TARGET_FIELDS, 4), 0x1cd);
	assert_int_equal(nftx_fields_type(NFTX_TARGET_FIELDS, 6), 0x20d);
}

static void assert_name(enum nftx_chain chain, uint32_t number, const char *name)
{
	char buf[NFTX_CHAIN_TEXT];
	uint32_t parsed;

	if (name != NULL)
		assert_string_equal(nftx_chain_name(chain, number, buf), name);
	assert_int_equal(nftx_chain_parse(nftx_chain_name(chain, number, buf), &parsed), chain);
	assert_int_equal(parsed, number);
}

static void chain_names_are_read_back(void **state)
{
	(void)state;
	for (int c = NFTX_CHAIN_NONE + 1; c < NFTX_PICK; c++)
		assert_name((enum nftx_chain)c, 0, NULL);
	for (uint32_t k = 1; k <= NFTX_TOP; k *= 2) {
		assert_name(NFTX_PICK, k, NULL);
		assert_name(NFTX_SLOTS, k, NULL);
	}
	for (uint32_t k = 1; k <= NFTX_LOCAL_TOP; k *= 2) {
		assert_name(NFTX_LOCAL_PICK, k, NULL);
		assert_name(NFTX_LOCAL_SLOTS, k, NULL);
	}
	assert_name(NFTX_PREROUTING, 0, "prerouting");
	assert_name(NFTX_CLUSTER_IP_SOURCES, 0, "cluster-ip-sources");
	assert_name(NFTX_PICK, 1, "pick-1");
	assert_name(NFTX_SLOTS, 4096, "slots-4096");
	assert_name(NFTX_LOCAL_PICK, 512, "local-pick-512");
	assert_name(NFTX_LOCAL_SLOTS, 8, "local-slots-8");
	assert_name(NFTX_REMEMBER, 10800, "remember-10800");
	assert_name(NFTX_REMEMBER, UINT32_MAX, "remember-4294967295");
}

/* Whatever nftx_chain_name() would not write is somebody else's chain. */
static void other_names_are_not_ours(void **state)
{
	static const char *const names[] = {
		"",
		"service",
		"services2",
		"Services",
		"slots",
		"slots-",
		"slots-0",
		"slots-3",
		"slots-04",
		"slots-+4",
		"slots- 4",
		"slots-4 ",
		"slots-4x",
		"slots-8192",
		"slots-4294967297",
		"pick-12",
		"local-pick-1k",
		"local-",
		"local-slots-24",
		"local-pick-1024",
		"remember-",
		"remember-0",
		"remember-1s",
		"remember-4294967296",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint32_t number = 7;

		print_message("  - '%s'\n", names[i]);
		assert_int_equal(nftx_chain_parse(names[i], &number), NFTX_CHAIN_NONE);
		assert_int_equal(number, 0);
	}
}

static void a_rung_is_the_next_power_of_two(void **state)
{
	static const struct row {
		uint32_t count;
		uint32_t rung;
	} rows[] = {
		{ 1, 1 },  { 2, 2 },   { 3, 4 },     { 4, 4 },       { 5, 8 },
		{ 9, 16 }, { 17, 32 }, { 512, 512 }, { 2049, 4096 }, { 4096, 4096 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(nftx_rung(rows[i].count), rows[i].rung);
}

/* Each row differs from every other in the rules, so it must in the comment. */
static const struct comment_row {
	struct nftx_options options;
	const char *comment;
} comment_rows[] = {
	{ { .detect = NFTX_DETECT_NONE }, "kubenft ruleset 3 pods=none" },
	{ { .detect = NFTX_DETECT_CIDR }, "kubenft ruleset 3 pods=cidr" },
	{ { .detect = NFTX_DETECT_BRIDGE, .interface = "cbr0" },
	  "kubenft ruleset 3 pods=iif:cbr0" },
	{ { .detect = NFTX_DETECT_PREFIX, .interface = "veth" },
	  "kubenft ruleset 3 pods=iif:veth*" },
	{ { .detect = NFTX_DETECT_BRIDGE, .interface = "veth*" },
	  "kubenft ruleset 3 pods=iif:veth\\*" },
	{ { .detect = NFTX_DETECT_PREFIX, .interface = "veth\\" },
	  "kubenft ruleset 3 pods=iif:veth\\\\*" },
	{ { .detect = NFTX_DETECT_CIDR, .masquerade_all = true },
	  "kubenft ruleset 3 pods=cidr masquerade-all" },
	{ { .detect = NFTX_DETECT_PREFIX, .interface = "***************", .masquerade_all = true },
	  "kubenft ruleset 3 pods=iif:\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\*\\** "
	  "masquerade-all" },
	{ { .detect = NFTX_DETECT_CIDR, .count_connections = true },
	  "kubenft ruleset 3 pods=cidr count-connections" },
	{ { .detect = NFTX_DETECT_NONE, .masquerade_all = true, .count_connections = true },
	  "kubenft ruleset 3 pods=none masquerade-all count-connections" },
};

static void the_comment_tells_layouts_apart(void **state)
{
	const struct nftx_options sized = { .detect = NFTX_DETECT_CIDR, .affinity_size = 1000 };
	char buf[NFTX_COMMENT_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(comment_rows); i++) {
		const struct comment_row *row = &comment_rows[i];

		assert_string_equal(nftx_layout_comment(&row->options, buf, sizeof(buf)),
		                    row->comment);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(comment_rows[j].comment, row->comment);
	}
	assert_string_equal(nftx_layout_comment(&sized, buf, sizeof(buf)),
	                    "kubenft ruleset 3 pods=cidr");
	assert_int_equal(nftx_affinity_size(&comment_rows[0].options), 65535);
	assert_int_equal(nftx_affinity_size(&sized), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_as_documented),
		cmocka_unit_test(chain_names_are_read_back),
		cmocka_unit_test(other_names_are_not_ours),
		cmocka_unit_test(a_rung_is_the_next_power_of_two),
		cmocka_unit_test(the_comment_tells_layouts_apart),
	};

	return cmocka_run_group_tests_name("nft/layout", tests, NULL, NULL);
}

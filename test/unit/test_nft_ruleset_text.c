/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/str.h"
#include "nft/ruleset.h"
#include "test/unit/test.h"

/* That the whole text is nft's is proven in test/kernel/test_nft_ruleset.c. */
static const struct text_row {
	const char *what;
	struct nftx_options options;
	const char *has;
	const char *lacks; /* NULL: nothing */
} text_rows[] = {
	{ "pods by address: the short cut",
	  { .detect = NFTX_DETECT_CIDR },
	  "\t\tip saddr @pod-cidrs goto cluster-scope\n",
	  "iifname" },
	{ "pods by address: masquerade by source",
	  { .detect = NFTX_DETECT_CIDR },
	  "\tchain cluster-ip-sources {\n\t\tip saddr != @pod-cidrs masquerade fully-random\n",
	  NULL },
	{ "pods not known: no rule depends on it",
	  { .detect = NFTX_DETECT_NONE },
	  "\tchain cluster-ip-sources {\n\t\tip saddr . ip daddr @hairpin masquerade",
	  "@pod-cidrs" },
	{ "pods by bridge",
	  { .detect = NFTX_DETECT_BRIDGE, .interface = "cbr0" },
	  "\t\tiifname \"cbr0\" goto cluster-scope\n",
	  "@pod-cidrs" },
	{ "not a pod by bridge",
	  { .detect = NFTX_DETECT_BRIDGE, .interface = "cbr0" },
	  "\t\tiif != 0 iifname != \"cbr0\" masquerade fully-random\n"
	  "\t\tfib saddr type local masquerade fully-random\n",
	  NULL },
	{ "not a pod by prefix",
	  { .detect = NFTX_DETECT_PREFIX, .interface = "veth" },
	  "\t\tiif != 0 iifname != \"veth*\" masquerade fully-random\n"
	  "\t\tfib saddr type local masquerade fully-random\n",
	  NULL },
	{ "masquerade all: no condition",
	  { .detect = NFTX_DETECT_CIDR, .masquerade_all = true },
	  "\tchain cluster-ip-sources {\n\t\tmasquerade fully-random\n",
	  "!= @pod-cidrs" },
	{ "masquerade all, pods not known",
	  { .detect = NFTX_DETECT_NONE, .masquerade_all = true },
	  "\tchain cluster-ip-sources {\n\t\tmasquerade fully-random\n",
	  "@pod-cidrs" },
	{ "the shortest ladder chain has one try",
	  { .detect = NFTX_DETECT_CIDR },
	  "\tchain slots-1 {\n\t\tjump pick-1\n\t\tdrop\n\t}\n",
	  NULL },
	{ "a short one ends at the slot that is there as long as there is any",
	  { .detect = NFTX_DETECT_CIDR },
	  "\tchain slots-2 {\n\t\tjump pick-2\n\t\tjump pick-1\n\t\tdrop\n\t}\n",
	  NULL },
	{ "a longer one tries a part without empty slots before",
	  { .detect = NFTX_DETECT_CIDR },
	  "\t\tjump pick-8\n\t\tjump pick-8\n\t\tjump pick-4\n\t\tjump pick-1\n\t\tdrop\n\t}\n",
	  NULL },
	{ "local slots are numbered from 32768",
	  { .detect = NFTX_DETECT_CIDR },
	  "\tchain local-pick-8 {\n\t\tdnat ip to ip daddr . meta l4proto . th dport . "
	  "numgen random mod 8 offset 32768 map @backends\n",
	  NULL },
	{ "remember chains are last, their time in nft's units",
	  { .detect = NFTX_DETECT_CIDR },
	  "\t}\n\n\tchain remember-10800 {\n\t\tupdate @affinity { ct original ip saddr . "
	  "ct original ip daddr . meta l4proto . ct original proto-dst timeout 3h : "
	  "ip daddr . th dport }\n\t}\n",
	  NULL },
};

static void text_follows_the_options(void **state)
{
	static const uint32_t timeout = 10800;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(text_rows); i++) {
		const struct text_row *row = &text_rows[i];
		AUTO_STRBUF struct strbuf text = { 0 };

		print_message("  - %s\n", row->what);
		nftx_ruleset_text_chains(&text, 4, &row->options, &timeout, 1);
		assert_non_null(strstr(text.text, row->has));
		if (row->lacks != NULL)
			assert_null(strstr(text.text, row->lacks));
	}
}

static void text_of_sets(void **state)
{
	const struct nftx_options small = { .detect = NFTX_DETECT_CIDR, .affinity_size = 1000 };
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	nftx_ruleset_text_set(&text, 6, NFTX_AFFINITY, &small);
	nftx_ruleset_text_set(&text, 6, NFTX_BACKENDS, &small);
	nftx_ruleset_text_set(&text, 4, NFTX_ALLOWED_SOURCES, &small);
	assert_string_equal(
		text.text,
		"\tmap affinity {\n"
		"\t\ttype ipv6_addr . ipv6_addr . inet_proto . inet_service : "
		"ipv6_addr . inet_service\n"
		"\t\tsize 1000\n"
		"\t\tflags dynamic,timeout\n"
		"\t\tgc-interval 10s\n"
		"\tmap backends {\n"
		"\t\ttypeof ip6 daddr . meta l4proto . th dport . numgen random mod 65536 : "
		"ip6 daddr . th dport\n"
		"\tset allowed-sources {\n"
		"\t\ttype ipv4_addr . inet_proto . inet_service . ipv4_addr\n"
		"\t\tflags interval\n");
}

static void counters_are_in_frontends_and_nowhere_else(void **state)
{
	const struct nftx_options counting = { .detect = NFTX_DETECT_CIDR,
		                               .count_connections = true };
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	nftx_ruleset_text_set(&text, 4, NFTX_FRONTENDS, &counting);
	assert_string_equal(text.text, "\tmap frontends {\n"
	                               "\t\ttype ipv4_addr . inet_proto . inet_service : verdict\n"
	                               "\t\tcounter\n");
	strbuf_done(&text);
	for (int map = NFTX_FRONTENDS + 1; map < NFTX_MAP_COUNT; map++)
		nftx_ruleset_text_set(&text, 6, (enum nftx_map)map, &counting);
	assert_null(strstr(text.text, "counter"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_follows_the_options),
		cmocka_unit_test(text_of_sets),
		cmocka_unit_test(counters_are_in_frontends_and_nowhere_else),
	};

	return cmocka_run_group_tests_name("nft/ruleset_text", tests, NULL, NULL);
}

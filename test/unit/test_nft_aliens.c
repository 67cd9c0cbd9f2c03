/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/aliens.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "test/unit/test.h"

#define MAX 8

static bool is_theirs(const char *name)
{
	return str_starts(name, "K-");
}

/* All in one table; a base chain begins with a capital B. */
static const struct row {
	const char *what;
	const char *chains[MAX]; /* sorted */
	const char *rules[MAX];  /* "chain target" */
	const char *want;        /* picked ones; then how many jumps go */
	size_t jumps;
} rows[] = {
	{ "nothing of theirs", { "Base", "other" }, { "Base other" }, "", 0 },
	{ "chains without a jump to them",
	  { "Base", "K-a", "other" },
	  { "Base other" },
	  "K-a ",
	  0 },
	{ "a base chain's jumps go, but no other one of it",
	  { "Base", "K-a", "other" },
	  { "Base K-a", "Base other", "Base K-a" },
	  "K-a ",
	  2 },
	{ "what they do among themselves does not matter",
	  { "Base", "K-a", "K-b", "K-c" },
	  { "Base K-a", "K-a K-b", "K-b K-c", "K-a K-c" },
	  "K-a K-b K-c ",
	  1 },
	{ "one that another's chain uses stays",
	  { "Base", "K-a", "K-mark", "other" },
	  { "Base K-a", "K-a K-mark", "other K-mark" },
	  "K-a ",
	  1 },
	{ "and with it what it uses, to the end",
	  { "Base", "K-a", "K-b", "K-c", "K-d", "other" },
	  { "K-c K-d", "K-b K-c", "K-a K-b", "other K-b", "Base K-a" },
	  "K-a ",
	  1 },
	{ "a base chain of such a name stays", { "Base", "K-a" }, { "K-a Base" }, "K-a ", 0 },
	{ "a jump from a chain whose name we could not read",
	  { "Base", "K-a" },
	  { " K-a" },
	  "",
	  0 },
	{ "a jump to a chain that is not there", { "Base" }, { "Base K-x" }, "", 0 },
};

static void name(char out[static NFTX_ALIEN_NAME], const char *text, size_t len)
{
	memcpy(out, text, len);
	out[len] = '\0';
}

static void make(const struct row *row, struct nftx_aliens *out)
{
	out->family = 4;
	out->chains = xcalloc(MAX, sizeof(*out->chains));
	out->rules = xcalloc(MAX, sizeof(*out->rules));
	for (size_t i = 0; i < MAX && row->chains[i] != NULL; i++) {
		struct nftx_alien_chain *chain = &out->chains[out->chain_count++];

		name(chain->table, "nat", 3);
		name(chain->name, row->chains[i], strlen(row->chains[i]));
		chain->base = row->chains[i][0] == 'B';
	}
	for (size_t i = 0; i < MAX && row->rules[i] != NULL; i++) {
		struct nftx_alien_rule *rule = &out->rules[out->rule_count++];
		size_t len = strcspn(row->rules[i], " ");

		name(rule->table, "nat", 3);
		name(rule->chain, row->rules[i], len);
		name(rule->target, row->rules[i] + len + 1, strlen(row->rules[i] + len + 1));
		rule->handle = i;
	}
}

static void picks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRBUF struct strbuf text = { 0 };
		struct nftx_batch *batch = nftx_batch_new();
		struct nftx_aliens aliens = { 0 };
		size_t count;

		print_message("  - %s\n", rows[i].what);
		make(&rows[i], &aliens);
		count = nftx_aliens_pick(&aliens, is_theirs);
		strbuf_puts(&text, "");
		for (size_t k = 0; k < aliens.chain_count; k++) {
			if (!aliens.chains[k].picked)
				continue;
			strbuf_printf(&text, "%s ", aliens.chains[k].name);
			count--;
		}
		assert_string_equal(text.text, rows[i].want);
		assert_int_equal(count, 0);
		assert_int_equal(nftx_aliens_put_delete(&aliens, batch), rows[i].jumps);
		nftx_batch_end(batch, true);
		nftx_batch_free(batch);
		nftx_aliens_done(&aliens);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(picks) };

	return cmocka_run_group_tests_name("nft/aliens", tests, NULL, NULL);
}

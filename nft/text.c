/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/text.h"

#include <stdlib.h>

#include "base/mem.h"
#include "nft/ruleset.h"

/* A run of elements of one map. */
struct run {
	size_t begin;
	size_t end;
};

static struct run next_run(const struct nftx_elems *elems, size_t begin, uint8_t family,
                           enum nftx_map map)
{
	struct run run = { begin, begin };

	while (run.end < elems->count && elems->list[run.end].family == family &&
	       elems->list[run.end].map == map)
		run.end++;
	return run;
}

static void text_map(struct strbuf *buf, const struct nftx_options *options,
                     const struct nftx_elems *elems, struct run run, uint8_t family,
                     enum nftx_map map)
{
	nftx_ruleset_text_set(buf, family, map, options);
	for (size_t i = run.begin; i < run.end; i++) {
		strbuf_puts(buf, i == run.begin ? "\t\telements = { " : "\t\t\t     ");
		nftx_elem_listing(buf, &elems->list[i], nftx_map_counts(map, options));
		strbuf_puts(buf, i + 1 < run.end ? ",\n" : " }\n");
	}
	strbuf_puts(buf, "\t}\n");
}

static int u32_order(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x;
	uint32_t b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* The remember chains that any element jumps to; both tables have them all. */
static uint32_t *collect_timeouts(const struct nftx_elems *elems, size_t *count)
{
	uint32_t *list = NULL;
	size_t kept = 0;
	size_t cap = 0;
	size_t n = 0;

	for (size_t i = 0; i < elems->count; i++) {
		if (elems->list[i].chain != NFTX_REMEMBER)
			continue;
		list = vec_reserve(list, &cap, n + 1, sizeof(*list));
		list[n++] = elems->list[i].number;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), u32_order);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || list[kept - 1] != list[i])
			list[kept++] = list[i];
	*count = kept;
	return list;
}

void nftx_text(struct strbuf *buf, const struct nftx_options options[static 2],
               const struct nftx_elems *elems, bool elements_only)
{
	static const uint8_t families[] = { 4, 6 };
	size_t timeout_count;
	AUTO_FREE uint32_t *timeouts = collect_timeouts(elems, &timeout_count);
	char comment[256];
	size_t at = 0;

	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		strbuf_printf(buf, "table %s %s {\n\tcomment \"%s\"\n",
		              families[f] == 4 ? "ip" : "ip6", NFTX_TABLE,
		              nftx_layout_comment(&options[f], comment, sizeof(comment)));
		for (int map = 0; map < NFTX_MAP_COUNT; map++) {
			struct run run = next_run(elems, at, families[f], (enum nftx_map)map);

			at = run.end;
			if (elements_only && run.begin == run.end)
				continue;
			strbuf_puts(buf, "\n");
			text_map(buf, &options[f], elems, run, families[f], (enum nftx_map)map);
		}
		if (!elements_only) {
			strbuf_puts(buf, "\n");
			nftx_ruleset_text_chains(buf, families[f], &options[f], timeouts,
			                         timeout_count);
		}
		strbuf_puts(buf, "}\n");
	}
}

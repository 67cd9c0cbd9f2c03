/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/diff_impl.h"
#include "nft/render.h"
#include "nft/slots.h"

static const uint8_t families[2] = { 4, 6 };

/* Rules never change, so others than ours are somebody else's; notes the remember chains. */
static int read_chains(struct diff *diff, struct nftx_sock *sock, size_t f, struct err *err)
{
	struct nftx_chains chains;
	size_t count = 0;
	int ret = nftx_sock_chains(sock, families[f], &chains, err);

	if (ret < 0)
		return ret;
	if (!nftx_ruleset_is_intact(&diff->to.nft[f], &chains))
		diff->tables[f] = DIFF_FOREIGN_RULES;
	diff->from.timeouts[f] = xcalloc(chains.count, sizeof(uint32_t));
	for (size_t i = 0; i < chains.count; i++) /* sorted by chain and number */
		if (chains.list[i].chain == NFTX_REMEMBER)
			diff->from.timeouts[f][count++] = chains.list[i].number;
	diff->from.timeout_count[f] = count;
	free(chains.list);
	return 0;
}

/* What is in the affinity map is the kernel's own memory, never reconciled; its size is ours. */
static int read_affinity_size(struct diff *diff, struct nftx_sock *sock, size_t f, struct err *err)
{
	uint32_t size;
	int ret = nftx_sock_map_size(sock, families[f], NFTX_AFFINITY, &size, err);

	if (ret == 0 && size != nftx_affinity_size(&diff->to.nft[f]))
		diff->affinity_sizes[f] = size;
	return ret;
}

static int read_family(struct diff *diff, struct nftx_sock *sock, size_t f, struct err *err)
{
	struct nftx_table table;
	char comment[256];
	int ret = nftx_sock_table(sock, families[f], NFTX_TABLE, &table, err);

	if (ret < 0)
		return ret;
	(void)nftx_layout_comment(&diff->to.nft[f], comment, sizeof(comment));
	if (!table.exists) {
		diff->tables[f] = DIFF_TABLE_MISSING;
		return 0;
	}
	if (strcmp(table.comment, comment) != 0) {
		/* what its maps mean is not known */
		diff->tables[f] = DIFF_OTHER_LAYOUT;
		memcpy(diff->layouts[f], table.comment, sizeof(table.comment));
		return 0;
	}
	ret = read_chains(diff, sock, f, err);
	if (ret == 0)
		ret = read_affinity_size(diff, sock, f, err);
	for (int map = 0; map < NFTX_MAP_COUNT && ret == 0; map++)
		if (map != NFTX_AFFINITY)
			ret = nftx_sock_dump(sock, families[f], (enum nftx_map)map,
			                     &diff->from.elems, err);
	return ret;
}

int diff_read_kernel(struct diff *diff, struct nftx_sock *sock, struct err *err)
{
	int ret = 0;

	for (size_t f = 0; f < 2 && ret == 0; f++)
		ret = read_family(diff, sock, f, err);
	nftx_elems_sort(&diff->from.elems);
	return ret;
}

static int u32_order(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x;
	uint32_t b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

/* Both tables have the remember chains that any Service needs. */
static void note_timeouts(struct diff_side *side)
{
	size_t count = 0;
	size_t kept = 0;
	uint32_t *list = xcalloc(side->changes.count, sizeof(*list));

	for (size_t i = 0; i < side->changes.count; i++)
		if (side->changes.services[i]->affinity_s != 0)
			list[count++] = side->changes.services[i]->affinity_s;
	if (count > 1)
		qsort(list, count, sizeof(*list), u32_order);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || list[kept - 1] != list[i])
			list[kept++] = list[i];
	side->timeouts[0] = list;
	side->timeouts[1] = xcalloc(kept, sizeof(*list));
	if (kept > 0)
		memcpy(side->timeouts[1], list, kept * sizeof(*list));
	side->timeout_count[0] = kept;
	side->timeout_count[1] = kept;
}

void diff_render(struct diff_side *side, const struct nftx_elems *slots)
{
	nftx_render_networks(proxy_planner_networks(side->planner), &side->elems);
	for (size_t i = 0; i < side->changes.count; i++) {
		if (slots != NULL)
			nftx_keep_dumped_slots(slots, side->changes.services[i]);
		nftx_render(side->changes.services[i], &side->elems);
	}
	nftx_elems_sort(&side->elems);
	note_timeouts(side);
}

static void side_done(struct diff_side *side)
{
	if (side->planner == NULL)
		nftx_dump_done(&side->elems);
	free(side->elems.list);
	free(side->timeouts[0]);
	free(side->timeouts[1]);
	proxy_changes_done(&side->changes);
	proxy_planner_free(side->planner);
	*side = (struct diff_side){ 0 };
}

void diff_done(struct diff *diff)
{
	for (size_t i = 0; i < diff->line_count; i++) {
		diff_front_free(diff->lines[i].front);
		free(diff->lines[i].detail);
	}
	free(diff->lines);
	nftx_diff_done(&diff->elements);
	nftx_blames_done(&diff->check.refused);
	side_done(&diff->from);
	side_done(&diff->to);
	*diff = (struct diff){ 0 };
}

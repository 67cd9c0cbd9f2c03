/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/audit.h"

#include <stdlib.h>
#include <string.h>

#include "nft/ruleset.h"

#define EXAMPLES 5 /* elements that are named */

static const uint8_t families[2] = { 4, 6 };

static const char *family_name(uint8_t family)
{
	return family == 4 ? "ip" : "ip6";
}

/* Return: 1 when the table and its rules are ours, 0 when not. */
static int audit_table(struct nftx_sock *sock, uint8_t family, const struct nftx_options *options,
                       struct nftx_findings *out, struct err *err)
{
	const char *trouble = NULL;
	struct nftx_table table;
	struct nftx_chains chains = { 0 };
	char comment[NFTX_COMMENT_TEXT];
	int ret = nftx_sock_table(sock, family, NFTX_TABLE, &table, err);

	if (ret == 0 && table.exists)
		ret = nftx_sock_chains(sock, family, &chains, err);
	if (ret < 0)
		return ret;
	if (!table.exists)
		trouble = "missing";
	else if ((table.flags & NFTX_TABLE_F_DORMANT) != 0)
		trouble = "dormant";
	else if (strcmp(table.comment, nftx_layout_comment(options, comment, sizeof(comment))) != 0)
		trouble = "of another layout";
	else if (!nftx_ruleset_is_intact(options, &chains))
		trouble = "with other rules";
	free(chains.list);
	if (trouble == NULL)
		return 1;
	out->tables = true;
	strbuf_printf(&out->examples, "table %s %s %s; ", family_name(family), NFTX_TABLE, trouble);
	return 0;
}

static void name_one(struct nftx_findings *out, const struct nftx_elem *elem, const char *what)
{
	if (out->missing + out->foreign + out->changed > EXAMPLES)
		return;
	strbuf_printf(&out->examples, "%s %s: ", family_name(elem->family),
	              nftx_map_info(elem->map)->name);
	nftx_elem_text(&out->examples, elem);
	strbuf_printf(&out->examples, " %s; ", what);
}

/* An element that is in both lists has changed. */
static void count_diff(const struct nftx_diff *diff, struct nftx_findings *out)
{
	size_t i = 0;
	size_t k = 0;

	while (i < diff->del.count || k < diff->add.count) {
		int order = i == diff->del.count ? 1
		            : k == diff->add.count
		                    ? -1
		                    : nftx_elem_cmp(&diff->del.list[i], &diff->add.list[k]);

		if (order < 0) {
			out->foreign++;
			name_one(out, &diff->del.list[i++], "foreign");
		} else if (order > 0) {
			out->missing++;
			name_one(out, &diff->add.list[k++], "missing");
		} else {
			out->changed++;
			name_one(out, &diff->del.list[i++], "changed");
			k++;
		}
	}
}

/* Compares the maps of @maps, element by element. */
static int compare(struct nftx_sock *sock, uint8_t family, uint32_t maps,
                   const struct nftx_state *state, struct nftx_findings *out, struct err *err)
{
	struct nftx_elems present = { 0 };
	struct nftx_elems desired = { 0 };
	struct nftx_diff diff = { 0 };
	int ret = 0;

	for (int map = 0; map < NFTX_MAP_COUNT && ret == 0; map++)
		if ((maps >> map & 1) != 0)
			ret = nftx_sock_dump(sock, family, (enum nftx_map)map, &present, err);
	if (ret == 0) {
		nftx_elems_sort(&present);
		nftx_state_select(state, family, maps, &desired);
		nftx_diff_elems(&present, &desired, &diff);
		count_diff(&diff, out);
	}
	nftx_diff_done(&diff);
	nftx_dump_done(&present);
	free(desired.list);
	return ret;
}

/* Nine in ten elements are backends: they are listed only if their digest says that something is
 * wrong. The rest are verdicts, ranges and comments. */
static int audit_elements(struct nftx_sock *sock, uint8_t family, const struct nftx_state *state,
                          struct nftx_findings *out, struct err *err)
{
	const uint32_t all = (1u << NFTX_MAP_COUNT) - 1;
	struct nftx_digest desired = nftx_state_digest(state, family, NFTX_BACKENDS);
	struct nftx_digest present;
	int ret = nftx_sock_digest(sock, family, NFTX_BACKENDS, &present, err);

	if (ret == 0 && !nftx_digest_same(&present, &desired))
		ret = compare(sock, family, 1u << NFTX_BACKENDS, state, out, err);
	if (ret < 0)
		return ret;
	return compare(sock, family, all & ~(1u << NFTX_BACKENDS | 1u << NFTX_AFFINITY), state, out,
	               err);
}

int nftx_audit(struct nftx_sock *sock, const struct nftx_options options[static 2],
               const struct nftx_state *state, struct nftx_findings *out, struct err *err)
{
	for (size_t f = 0; f < 2; f++) {
		int ret = audit_table(sock, families[f], &options[f], out, err);

		if (ret == 1) /* else there is nothing to compare */
			ret = audit_elements(sock, families[f], state, out, err);
		if (ret < 0)
			return ret;
	}
	return out->tables || out->missing + out->foreign + out->changed > 0;
}

void nftx_findings_done(struct nftx_findings *findings)
{
	strbuf_done(&findings->examples);
	*findings = (struct nftx_findings){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the form for nft(8)
 *
 * Elements are all that nft can be asked for. Tables, chains and rules of ours it
 * prints, but cannot read: rules with `ct original proto-dst` in a concatenation are
 * refused by nft 1.0.6. What it cannot do is said in comments.
 */
#include "cmd/diff_impl.h"

static const char *family_text(size_t f)
{
	return f == 0 ? "ip" : "ip6";
}

static size_t family_index(const struct nftx_elem *elem)
{
	return elem->family == 4 ? 0 : 1;
}

static bool has_timeout(const struct diff_side *side, size_t f, uint32_t timeout_s)
{
	for (size_t i = 0; i < side->timeout_count[f]; i++)
		if (side->timeouts[f][i] == timeout_s)
			return true;
	return false;
}

/* Can nft do it? Not where it would need a table or a chain that is not there. */
static bool can_do(const struct diff *diff, const struct nftx_elem *elem, bool add)
{
	size_t f = family_index(elem);

	if (diff->tables[f] == DIFF_TABLE_MISSING || diff->tables[f] == DIFF_OTHER_LAYOUT)
		return false;
	return !add || elem->chain != NFTX_REMEMBER || has_timeout(&diff->from, f, elem->number);
}

static void add_element(struct strbuf *out, const struct nftx_elem *elem, bool add)
{
	if (add)
		nftx_elem_text(out, elem);
	else
		nftx_elem_key_text(out, elem);
}

/* One command for each map. */
static size_t add_commands(struct strbuf *out, const struct diff *diff,
                           const struct nftx_elems *elems, bool add)
{
	const struct nftx_elem *last = NULL;
	size_t left_out = 0;

	for (size_t i = 0; i < elems->count; i++) {
		const struct nftx_elem *elem = &elems->list[i];

		if (!can_do(diff, elem, add)) {
			left_out++;
			continue;
		}
		if (last != NULL && last->family == elem->family && last->map == elem->map)
			strbuf_puts(out, ",\n\t");
		else
			strbuf_printf(out, "%s%s element %s %s %s {\n\t",
			              last != NULL ? "\n}\n" : "", add ? "add" : "delete",
			              family_text(family_index(elem)), NFTX_TABLE,
			              nftx_map_info((enum nftx_map)elem->map)->name);
		add_element(out, elem, add);
		last = elem;
	}
	if (last != NULL)
		strbuf_puts(out, "\n}\n");
	return left_out;
}

static void add_table_notes(struct strbuf *out, const struct diff *diff)
{
	for (size_t f = 0; f < 2; f++)
		if (diff->tables[f] != DIFF_NO_REASON)
			strbuf_printf(
				out, "# table %s %s: %s; nft cannot make it, kubenft run does\n",
				family_text(f), NFTX_TABLE, diff_reason_text(diff->tables[f]));
}

static void add_map_notes(struct strbuf *out, const struct diff *diff)
{
	for (size_t f = 0; f < 2; f++)
		if (diff->affinity_sizes[f] != 0)
			strbuf_printf(out,
			              "# map %s %s affinity has another size; kubenft run "
			              "changes it\n",
			              family_text(f), NFTX_TABLE);
}

static void add_chain_notes(struct strbuf *out, const struct diff *diff)
{
	for (size_t f = 0; f < 2; f++) {
		if (diff->tables[f] != DIFF_NO_REASON)
			continue;
		for (size_t i = 0; i < diff->to.timeout_count[f]; i++)
			if (!has_timeout(&diff->from, f, diff->to.timeouts[f][i]))
				strbuf_printf(out,
				              "# chain %s %s remember-%u is missing; nft cannot "
				              "make it, kubenft run does\n",
				              family_text(f), NFTX_TABLE, diff->to.timeouts[f][i]);
	}
}

static void add_refused(struct strbuf *out, const char *name, const char *reason)
{
	strbuf_puts(out, "# refused by the kernel: ");
	diff_add_plain(out, name);
	strbuf_puts(out, *name != '\0' ? ": " : "");
	diff_add_plain(out, reason);
	strbuf_puts(out, "\n");
}

static void add_check_notes(struct strbuf *out, const struct diff_check *check)
{
	for (size_t i = 0; i < check->refused.count; i++)
		add_refused(out, check->refused.list[i].name, check->refused.list[i].reason);
	if (check->error[0] != '\0')
		add_refused(out, "", check->error);
}

void diff_nft(const struct diff *diff, struct strbuf *out)
{
	size_t left_out;

	add_check_notes(out, &diff->check);
	if (diff_is_empty(diff)) {
		strbuf_puts(out, "# in sync\n");
		return;
	}
	add_table_notes(out, diff);
	add_map_notes(out, diff);
	add_chain_notes(out, diff);
	left_out = add_commands(out, diff, &diff->elements.del, false);
	left_out += add_commands(out, diff, &diff->elements.add, true);
	if (left_out > 0)
		strbuf_printf(out, "# left out for that: %zu elements\n", left_out);
}

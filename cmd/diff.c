/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the dry run
 *
 * The same desired state as run's, compared with a dump instead of with what run
 * remembers. Backends are first given the slots they have in the kernel, so that
 * another order of the same backends is no difference.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/commands.h"
#include "nft/render.h"
#include "nft/slots.h"
#include "nft/sock.h"
#include "nft/state.h"

static const uint8_t families[2] = { 4, 6 };

struct dry_run {
	struct nftx_elems present;
	struct nftx_elems desired;
	struct nftx_diff diff;
	struct strbuf text;
	size_t added, removed, changed;
	bool tables_differ;
};

/* Says when rules are not as they were written: by somebody else, as they never change. */
static int read_chains(struct nftx_sock *sock, uint8_t family, const struct nftx_options *options,
                       struct dry_run *run, struct err *err)
{
	struct nftx_chains chains;
	int ret = nftx_sock_chains(sock, family, &chains, err);

	if (ret < 0)
		return ret;
	if (!nftx_ruleset_is_intact(options, &chains)) {
		run->tables_differ = true;
		strbuf_printf(&run->text,
		              "~ table %s %s (somebody changed its rules, would be replaced)\n",
		              family == 4 ? "ip" : "ip6", NFTX_TABLE);
	}
	free(chains.list);
	return 0;
}

/* Another size of the affinity map than asked for; what is in it is the kernel's own. */
static int read_affinity_size(struct nftx_sock *sock, uint8_t family,
                              const struct nftx_options *options, struct dry_run *run,
                              struct err *err)
{
	uint32_t want = nftx_affinity_size(options);
	uint32_t size;
	int ret = nftx_sock_map_size(sock, family, NFTX_AFFINITY, &size, err);

	if (ret < 0 || size == want)
		return ret;
	run->tables_differ = true;
	strbuf_printf(&run->text, "~ map %s affinity (size %u, would be %s %u)\n",
	              family == 4 ? "ip" : "ip6", size,
	              size > want ? "emptied and replaced by one of" : "enlarged to", want);
	return 0;
}

/* Reads one family's table, and says in @run->text when it is not there or of another layout. */
static int read_family(struct nftx_sock *sock, uint8_t family, const struct nftx_options *options,
                       struct dry_run *run, struct err *err)
{
	const char *name = family == 4 ? "ip" : "ip6";
	struct nftx_table table;
	char comment[256];
	int ret = nftx_sock_table(sock, family, NFTX_TABLE, &table, err);

	if (ret < 0)
		return ret;
	(void)nftx_layout_comment(options, comment, sizeof(comment));
	if (!table.exists) {
		strbuf_printf(&run->text, "+ table %s %s (missing)\n", name, NFTX_TABLE);
		run->tables_differ = true;
		return 0;
	}
	if (strcmp(table.comment, comment) != 0) {
		strbuf_printf(
			&run->text,
			"~ table %s %s (of another layout: '%.100s', would be replaced by '%s')\n",
			name, NFTX_TABLE, table.comment, comment);
		run->tables_differ = true;
		return 0;
	}
	ret = read_chains(sock, family, options, run, err);
	if (ret == 0)
		ret = read_affinity_size(sock, family, options, run, err);
	for (int map = 0; map < NFTX_MAP_COUNT && ret == 0; map++)
		if (map != NFTX_AFFINITY) /* the kernel's own memory, never reconciled */
			ret = nftx_sock_dump(sock, family, (enum nftx_map)map, &run->present, err);
	return ret;
}

static int read_present(const struct nftx_options options[static 2], struct dry_run *run,
                        struct err *err)
{
	struct nftx_sock *sock;
	int ret = nftx_sock_open(&sock, err);

	if (ret < 0)
		return ret;
	for (size_t f = 0; f < 2 && ret == 0; f++)
		ret = read_family(sock, families[f], &options[f], run, err);
	nftx_sock_close(sock);
	nftx_elems_sort(&run->present);
	return ret;
}

static void render_desired(struct proxy_planner *planner, struct proxy_changes *changes,
                           struct dry_run *run)
{
	nftx_render_networks(proxy_planner_networks(planner), &run->desired);
	for (size_t i = 0; i < changes->count; i++) {
		nftx_keep_dumped_slots(&run->present, changes->services[i]);
		nftx_render(changes->services[i], &run->desired);
	}
	nftx_elems_sort(&run->desired);
}

/* The label of the frontend that an element belongs to, NULL for those of none. */
static const char *label_in(const struct nftx_elems *elems, const struct nftx_elem *elem)
{
	struct nftx_elem key = *elem;
	size_t low = 0;
	size_t high = elems->count;

	key.map = NFTX_FRONTENDS;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = nftx_elem_cmp(&elems->list[mid], &key);

		if (order == 0)
			return elems->list[mid].comment;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static const char *label_of(const struct dry_run *run, const struct nftx_elem *elem)
{
	const char *label = NULL;

	if (str_starts(nftx_map_info(elem->map)->key, nftx_map_info(NFTX_FRONTENDS)->key)) {
		label = label_in(&run->desired, elem);
		if (label == NULL)
			label = label_in(&run->present, elem);
	}
	return label != NULL ? label : "";
}

/* A line to print: an element that goes, comes, or (both) changes. */
struct line {
	const char *label;
	const struct nftx_elem *elem; /* @to, or @from when it goes */
	const struct nftx_elem *from; /* NULL: it comes */
	const struct nftx_elem *to;   /* NULL: it goes */
};

static int line_order(const void *x, const void *y)
{
	const struct line *a = x;
	const struct line *b = y;
	int diff = strcmp(a->label, b->label);

	return diff != 0 ? diff
	                 : nftx_elem_cmp(a->to != NULL ? a->to : a->from,
	                                 b->to != NULL ? b->to : b->from);
}

static void print_line(struct dry_run *run, const struct line *line)
{
	const struct nftx_elem *elem = line->elem;
	char sign = '~';

	if (line->from == NULL)
		sign = '+';
	else if (line->to == NULL)
		sign = '-';

	strbuf_printf(&run->text, "  %c %s %s: ", sign, elem->family == 4 ? "ip" : "ip6",
	              nftx_map_info(elem->map)->name);
	nftx_elem_text(&run->text, elem);
	if (sign == '~') {
		strbuf_puts(&run->text, "  (was ");
		nftx_elem_text(&run->text, line->from);
		strbuf_puts(&run->text, ")");
	}
	strbuf_puts(&run->text, "\n");
	run->added += sign == '+';
	run->removed += sign == '-';
	run->changed += sign == '~';
}

/* Joins the two sorted lists: an element that is in both has changed. */
static size_t make_lines(const struct dry_run *run, struct line *lines)
{
	const struct nftx_elems *del = &run->diff.del;
	const struct nftx_elems *add = &run->diff.add;
	size_t i = 0;
	size_t k = 0;
	size_t n = 0;

	while (i < del->count || k < add->count) {
		int order = i == del->count   ? 1
		            : k == add->count ? -1
		                              : nftx_elem_cmp(&del->list[i], &add->list[k]);
		struct line *line = &lines[n++];

		if (order > 0) {
			*line = (struct line){ .elem = &add->list[k], .to = &add->list[k] };
			k++;
		} else {
			*line = (struct line){ .elem = &del->list[i], .from = &del->list[i] };
			i++;
		}
		if (order == 0) {
			line->to = &add->list[k++];
			line->elem = line->to;
		}
		line->label = label_of(run, line->elem);
	}
	return n;
}

static void print_diff(struct dry_run *run)
{
	size_t room = run->diff.del.count + run->diff.add.count;
	struct line *lines = xcalloc(room, sizeof(*lines));
	size_t count = make_lines(run, lines);

	if (count > 1)
		qsort(lines, count, sizeof(*lines), line_order);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(lines[i - 1].label, lines[i].label) != 0)
			strbuf_printf(&run->text, "%s\n",
			              *lines[i].label != '\0' ? lines[i].label : "(node)");
		print_line(run, &lines[i]);
	}
	free(lines);
	if (count == 0 && !run->tables_differ)
		strbuf_puts(&run->text, "in sync\n");
	else
		strbuf_printf(&run->text, "%zu to add, %zu to remove, %zu to change\n", run->added,
		              run->removed, run->changed);
}

static void dry_run_done(struct dry_run *run)
{
	nftx_dump_done(&run->present);
	free(run->desired.list);
	nftx_diff_done(&run->diff);
	strbuf_done(&run->text);
}

int command_diff(const struct options *options)
{
	struct proxy_planner *planner = command_planner(options);
	struct nftx_options nft[2];
	struct proxy_changes changes = { 0 };
	struct dry_run run = { 0 };
	struct err err = { 0 };
	int ret = command_load_once(options, planner, &changes, &err);
	int code = EXIT_TROUBLE;

	if (ret == 0) {
		options_nft(options, proxy_planner_networks(planner), nft);
		ret = read_present(nft, &run, &err);
	}
	if (ret == 0) {
		render_desired(planner, &changes, &run);
		nftx_diff_elems(&run.present, &run.desired, &run.diff);
		print_diff(&run);
		if (fwrite(run.text.text, 1, run.text.len, stdout) != run.text.len ||
		    fflush(stdout) != 0)
			ret = err_set(&err, EIO, "standard output: cannot write");
	}
	if (ret < 0)
		log_error("diff", LOG_STR("reason", err.msg));
	else if (run.tables_differ || run.diff.del.count + run.diff.add.count > 0)
		code = EXIT_DIFFERS;
	else
		code = EXIT_SUCCESS;
	dry_run_done(&run);
	proxy_changes_done(&changes);
	proxy_planner_free(planner);
	return code;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the dry run
 *
 * The same desired state as run's, compared with a dump instead of with what run
 * remembers, or with what another source makes. Backends are first given the slots
 * they have on the other side, so that another order of the same backends is no
 * difference.
 */
#include "cmd/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"

/* What @source says, into one side. */
static int load_side(const struct options *options, const char *source, struct diff_side *side,
                     struct err *err)
{
	struct options mine = *options;
	int ret;

	mine.source = source;
	side->planner = command_planner(&mine);
	ret = command_load_once(&mine, side->planner, &side->changes, err);
	if (ret == 0)
		options_nft(&mine, proxy_planner_networks(side->planner), side->nft);
	return ret;
}

/* The rules may depend on the source, too: whether a family tells pods by their ranges. */
static void compare_layouts(struct diff *diff)
{
	for (size_t f = 0; f < 2; f++) {
		char before[NFTX_COMMENT_TEXT];
		char after[NFTX_COMMENT_TEXT];

		(void)nftx_layout_comment(&diff->from.nft[f], before, sizeof(before));
		(void)nftx_layout_comment(&diff->to.nft[f], after, sizeof(after));
		if (strcmp(before, after) == 0)
			continue;
		diff->tables[f] = DIFF_OTHER_LAYOUT;
		memcpy(diff->layouts[f], before, sizeof(before));
	}
}

static int between_sources(const struct options *options, struct diff *diff, struct err *err)
{
	int ret = load_side(options, options->from, &diff->from, err);

	if (ret == 0)
		ret = load_side(options, options->to, &diff->to, err);
	if (ret < 0)
		return ret;
	compare_layouts(diff);
	diff_render(&diff->from, NULL);
	return 0;
}

static int with_kernel(const struct options *options, struct diff *diff, struct err *err)
{
	struct nftx_sock *sock;
	int ret = load_side(options, options->source, &diff->to, err);

	if (ret < 0)
		return ret;
	ret = nftx_sock_open(&sock, err);
	if (ret < 0)
		return ret;
	ret = diff_read_kernel(diff, sock, err);
	nftx_sock_close(sock);
	return ret;
}

static int check(const struct options *options, struct diff *diff, struct err *err)
{
	struct nftx_sock *sock;
	int ret = options->check ? nftx_sock_open(&sock, err) : 0;

	if (!options->check || ret < 0)
		return ret;
	diff_check(diff, sock);
	nftx_sock_close(sock);
	return 0;
}

static bool wants_colour(const struct options *options)
{
	const char *no = getenv("NO_COLOR");

	switch (options->colour) {
	case COLOUR_ALWAYS:
		return true;
	case COLOUR_NEVER:
		return false;
	case COLOUR_AUTO:
		break;
	}
	return (no == NULL || *no == '\0') && isatty(STDOUT_FILENO);
}

static int print(const struct options *options, const struct diff *diff, struct err *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	switch (options->output) {
	case OUTPUT_TEXT:
		diff_text(diff, wants_colour(options), &text);
		break;
	case OUTPUT_JSON:
		diff_json(diff, &text);
		break;
	case OUTPUT_NFT:
		diff_nft(diff, &text);
		break;
	}
	if (fwrite(text.text, 1, text.len, stdout) != text.len || fflush(stdout) != 0)
		return err_set(err, EIO, "standard output: cannot write");
	return 0;
}

int command_diff(const struct options *options)
{
	struct diff diff = { 0 };
	struct err err = { 0 };
	int ret = options->from != NULL ? between_sources(options, &diff, &err)
	                                : with_kernel(options, &diff, &err);
	int code = EXIT_TROUBLE;

	if (ret == 0) {
		diff_render(&diff.to, &diff.from.elems);
		diff_compute(&diff);
		ret = check(options, &diff, &err);
	}
	if (ret == 0)
		ret = print(options, &diff, &err);
	if (ret < 0)
		log_error("diff", LOG_STR("reason", err.msg));
	else if (diff_is_refused(&diff))
		log_error("diff: the kernel refuses what a start would send",
		          LOG_U64("services", diff.check.refused.count),
		          LOG_STR("reason", diff.check.error));
	else
		code = diff_is_empty(&diff) ? EXIT_SUCCESS : EXIT_DIFFERS;
	diff_done(&diff);
	return code;
}

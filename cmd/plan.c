/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmd/commands.h"
#include "nft/render.h"
#include "nft/text.h"

/* Return: 0 when all was written. */
static int print(const struct strbuf *text)
{
	if (text->len > 0 && fwrite(text->text, 1, text->len, stdout) != text->len)
		return -EIO;
	return fflush(stdout) == 0 ? 0 : -EIO;
}

int command_plan(const struct options *options)
{
	struct proxy_planner *planner = command_planner(options);
	struct nftx_options nft[2];
	struct proxy_changes changes = { 0 };
	struct nftx_elems elems = { 0 };
	struct strbuf text = { 0 };
	struct err err = { 0 };
	int ret = command_load_once(options, planner, &changes, &err);

	if (ret == 0) {
		nftx_render_networks(proxy_planner_networks(planner), &elems);
		for (size_t i = 0; i < changes.count; i++)
			nftx_render(changes.services[i], &elems);
		nftx_elems_sort(&elems);
		options_nft(options, proxy_planner_networks(planner), nft);
		nftx_text(&text, nft, &elems, options->elements_only);
		ret = print(&text);
		if (ret < 0)
			(void)err_set(&err, EIO, "standard output: cannot write");
	}
	if (ret < 0)
		log_error("plan", LOG_STR("reason", err.msg));
	strbuf_done(&text);
	free(elems.list);
	proxy_changes_done(&changes);
	proxy_planner_free(planner);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

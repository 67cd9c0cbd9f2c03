/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/kernel/kernel_state.h"

#include <stdlib.h>

#include "test/unit/test.h"

static const uint8_t families[2] = { 4, 6 };

void kernel_dump_all(struct nftx_sock *sock, struct nftx_elems *out)
{
	struct err err = { 0 };

	for (size_t f = 0; f < 2; f++)
		for (int map = 0; map < NFTX_MAP_COUNT; map++)
			if (nftx_sock_dump(sock, families[f], (enum nftx_map)map, out, &err) < 0)
				fail_msg("dump: %s", err.msg);
	nftx_elems_sort(out);
}

/* The first difference between two lists as text; "" when they are equal. */
void assert_equal_elems(const struct nftx_elems *got, const struct nftx_elems *want)
{
	struct nftx_diff diff = { 0 };
	struct strbuf text = { 0 };

	nftx_diff_elems(got, want, &diff);
	if (diff.del.count > 0) {
		strbuf_puts(&text, " too much: ");
		nftx_elem_text(&text, &diff.del.list[0]);
	}
	if (diff.add.count > 0) {
		strbuf_puts(&text, " missing: ");
		nftx_elem_text(&text, &diff.add.list[0]);
	}
	if (text.len > 0)
		fail_msg("%s", text.text);
	assert_int_equal(got->count, want->count);
	nftx_diff_done(&diff);
	strbuf_done(&text);
}

void assert_kernel_holds(struct nftx_sock *sock, const struct nftx_state *state)
{
	struct nftx_elems got = { 0 };
	struct nftx_elems want = { 0 };

	kernel_dump_all(sock, &got);
	nftx_state_elements(state, &want);
	assert_equal_elems(&got, &want);
	nftx_dump_done(&got);
	free(want.list);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "nft/state.h"

static void push(struct nftx_elems *to, const struct nftx_elem *elem)
{
	*nftx_elems_push(to) = *elem;
}

void nftx_diff_elems(const struct nftx_elems *from, const struct nftx_elems *to,
                     struct nftx_diff *out)
{
	size_t i = 0;
	size_t k = 0;

	while (i < from->count || k < to->count) {
		int order = i == from->count ? 1
		            : k == to->count ? -1
		                             : nftx_elem_cmp(&from->list[i], &to->list[k]);

		if (order < 0) {
			push(&out->del, &from->list[i++]);
		} else if (order > 0) {
			push(&out->add, &to->list[k++]);
		} else {
			if (!nftx_elem_same(&from->list[i], &to->list[k])) {
				push(&out->del, &from->list[i]);
				push(&out->add, &to->list[k]);
			}
			i++;
			k++;
		}
	}
}

void nftx_diff_done(struct nftx_diff *diff)
{
	free(diff->del.list);
	free(diff->add.list);
	*diff = (struct nftx_diff){ 0 };
}

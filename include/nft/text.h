/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_TEXT_H
#define NFT_TEXT_H

#include "base/str.h"
#include "nft/elem.h"
#include "nft/layout.h"

/** nftx_text() - append both tables as `nft list ruleset` would print them.
 *
 * Stable to the byte for equal input: elements in their order, one a line.
 *
 * @options: of ip and ip6.
 * @elems: sorted.
 * @elements_only: leave out what never changes: the chains, and maps without elements.
 */
void nftx_text(struct strbuf *buf, const struct nftx_options options[static 2],
               const struct nftx_elems *elems, bool elements_only);

#endif

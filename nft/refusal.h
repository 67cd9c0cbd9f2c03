/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_REFUSAL_H
#define NFT_REFUSAL_H

/*
 * What the kernel refused of a batch, in words (ruleset.md, section 7).
 */

#include "nft/batch.h"

/** nftx_refusal() - find the first error among netlink answers to @batch.
 *
 * @answers: as received; acknowledgements (error 0) are skipped.
 *
 * Return: 0 when there is no error among them, else the kernel's negative errno,
 *         with a sentence that names the element: "ip frontends: adding 10.96.0.1 .
 *         tcp . 80 : goto slots-1: no such file or directory".
 */
int nftx_refusal(const struct nftx_batch *batch, const void *answers, size_t len,
                 struct err *err) MUST_CHECK;

#endif

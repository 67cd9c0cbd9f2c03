/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_REFUSAL_H
#define NFT_REFUSAL_H

/*
 * What the kernel refused of a batch, as values and in words (ruleset.md, section 7).
 *
 * It tries every message of a batch and answers each that it refuses; of the
 * elements in one message it names the first that it refuses. Kernels that do not
 * name elements say which message it is.
 */

#include "nft/batch.h"

/** A refused message. */
struct nftx_refused {
	int code;            /* positive errno */
	bool is_about_elems; /* adding, deleting: not a table, a set, a chain or a rule */
	bool is_add;
	bool has_elem;                      /* the kernel said which one */
	struct nftx_elem elem;              /* its comment is in @comment */
	char comment[NFTX_COMMENT_MAX + 1]; /* "": none */
};

#define NFTX_REFUSED_MAX 64 /* further ones are passed over */

struct nftx_refusals {
	struct nftx_refused list[NFTX_REFUSED_MAX];
	size_t count;
};

/** nftx_refusal() - find the errors among netlink answers to @batch.
 *
 * @answers: as received; acknowledgements (error 0) are skipped.
 * @out: every error is appended; NULL: not wanted.
 *
 * Return: 0 when there is no error among them, else the kernel's negative errno for the first,
 *         with a sentence that names the element: "ip frontends: adding 10.96.0.1 .
 *         tcp . 80 : goto slots-1: no such file or directory".
 */
int nftx_refusal(const struct nftx_batch *batch, const void *answers, size_t len,
                 struct nftx_refusals *out, struct err *err) MUST_CHECK;

/** nftx_refused_text() - the sentence for one of them that has its element. */
void nftx_refused_text(const struct nftx_refused *refused, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_SURVEY_H
#define NFT_SURVEY_H

/*
 * What a refill finds in the kernel: adopt, replace or create?
 */

#include "nft/sock.h"
#include "nft/state.h"

/** Both families' tables, with the memory of their lists. */
struct nftx_survey {
	struct nftx_ground ground[2]; /* ip, ip6 */
	uint32_t *timeouts[2];
};

/** nftx_survey() - look at both tables.
 *
 * A table is adopted when it is of our layout, nobody has touched its rules, and its
 * flags allow it: a plain one cannot become owned (the kernel says EOPNOTSUPP). Its
 * affinity map can be enlarged, but not made smaller. One whose rules cannot be listed,
 * because others write all the time, is replaced.
 *
 * @options: of ip and ip6.
 * @flags: NFTX_TABLE_F_* that the tables shall have.
 * @out: set on success only; release with nftx_survey_done().
 *
 * Return: 0; -EBUSY when another, living process owns a table; or a negative errno.
 */
int nftx_survey(struct nftx_sock *sock, const struct nftx_options options[static 2], uint32_t flags,
                struct nftx_survey *out, struct err *err) MUST_CHECK;

/** nftx_survey_rival() - a table that did our work before is to go in the refill's transaction, if
 *  it is there and nobody owns it: connections then meet one or the other, never both or none.
 *
 * @name: borrowed for the life of @survey.
 *
 * Return: in how many families it goes, or a negative errno.
 */
int nftx_survey_rival(struct nftx_sock *sock, const char *name, struct nftx_survey *survey,
                      struct err *err) MUST_CHECK;

/** nftx_survey_done() - free the lists. */
void nftx_survey_done(struct nftx_survey *survey);

#endif

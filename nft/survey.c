/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Notes the remember chains of a table that can be adopted. */
static void note_timeouts(const struct nftx_chains *chains, struct nftx_survey *survey, size_t f)
{
	struct nftx_ground *ground = &survey->ground[f];

	survey->timeouts[f] = xcalloc(chains->count, sizeof(uint32_t));
	ground->timeouts = survey->timeouts[f];
	for (size_t i = 0; i < chains->count; i++)
		if (chains->list[i].chain == NFTX_REMEMBER)
			survey->timeouts[f][ground->timeout_count++] = chains->list[i].number;
}

/* Which way its sticky frontends went. Where that cannot be read, none of them is known. */
static void note_sticky(struct nftx_sock *sock, struct nftx_ground *ground, uint8_t family)
{
	if (ground->timeout_count > 0 && /* else nobody was ever remembered */
	    nftx_sock_dump(sock, family, NFTX_STICKY_FRONTENDS, &ground->sticky, NULL) < 0)
		nftx_dump_done(&ground->sticky);
}

/* Looks into a table that can be adopted so far. */
static int survey_content(struct nftx_sock *sock, const struct nftx_options *options, size_t f,
                          struct nftx_survey *survey, struct err *err)
{
	struct nftx_ground *ground = &survey->ground[f];
	uint32_t want = nftx_affinity_size(options);
	uint8_t family = f == 0 ? 4 : 6;
	struct nftx_chains chains;
	uint32_t size;
	int ret = nftx_sock_map_size(sock, family, NFTX_AFFINITY, &size, err);

	if (ret < 0)
		return ret;
	ret = nftx_sock_chains(sock, family, &chains, err);
	if (ret == -EINTR) /* others write all the time: what cannot be looked at is replaced */
		return 0;
	if (ret < 0)
		return ret;
	ground->adopt = size != 0 && size <= want && nftx_ruleset_is_intact(options, &chains);
	ground->enlarge = ground->adopt && size < want;
	if (ground->adopt) {
		note_timeouts(&chains, survey, f);
		note_sticky(sock, ground, family);
	}
	free(chains.list);
	return 0;
}

static int survey_family(struct nftx_sock *sock, const struct nftx_options *options, size_t f,
                         struct nftx_survey *survey, struct err *err)
{
	struct nftx_ground *ground = &survey->ground[f];
	uint8_t family = f == 0 ? 4 : 6;
	struct nftx_table table;
	char comment[256];
	int ret = nftx_sock_table(sock, family, NFTX_TABLE, &table, err);

	if (ret < 0)
		return ret;
	if (table.owned_by_other)
		return err_set(err, EBUSY,
		               "table '%s %s' belongs to another process: kubenft is already "
		               "running on this node",
		               family == 4 ? "ip" : "ip6", NFTX_TABLE);
	(void)nftx_layout_comment(options, comment, sizeof(comment));
	ground->exists = table.exists;
	if (!table.exists || strcmp(table.comment, comment) != 0 ||
	    ((table.flags ^ ground->table_flags) & NFTX_TABLE_F_PERSIST) != 0)
		return 0;
	return survey_content(sock, options, f, survey, err);
}

int nftx_survey(struct nftx_sock *sock, const struct nftx_options options[static 2], uint32_t flags,
                struct nftx_survey *out, struct err *err)
{
	struct nftx_survey survey = { .ground = { { .table_flags = flags },
		                                  { .table_flags = flags } } };
	int ret = 0;

	for (size_t f = 0; f < 2 && ret == 0; f++)
		ret = survey_family(sock, &options[f], f, &survey, err);
	if (ret < 0) {
		nftx_survey_done(&survey);
		return ret;
	}
	*out = survey;
	return 0;
}

int nftx_survey_rival(struct nftx_sock *sock, const char *name, struct nftx_survey *survey,
                      struct err *err)
{
	int count = 0;

	for (size_t f = 0; f < 2; f++) {
		struct nftx_table table;
		int ret = nftx_sock_table(sock, f == 0 ? 4 : 6, name, &table, err);

		if (ret < 0)
			return ret;
		if (!table.exists || table.owned_by_other)
			continue;
		survey->ground[f].rival = name;
		count++;
	}
	return count;
}

void nftx_survey_done(struct nftx_survey *survey)
{
	for (size_t f = 0; f < 2; f++) {
		free(survey->timeouts[f]);
		nftx_dump_done(&survey->ground[f].sticky);
	}
}

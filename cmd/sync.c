/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sync.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "cmd/held.h"
#include "nft/affinity.h"
#include "nft/blame.h"
#include "nft/flow_notes.h"
#include "nft/survey.h"

/* Of kube-proxy in nftables mode (kube-proxy-behaviour.md, section 3.1). */
#define RIVAL_TABLE "kube-proxy"

/* Records may expire between their dump and their deletion, which refuses the whole batch. */
#define PURGE_TRIES 5

struct sync {
	const struct options *options;
	struct nftx_options nft[2]; /* what @state was made with */
	struct proxy_planner *planner;
	struct nftx_sock *sock;
	struct nftx_state *state;
	struct census *census;          /* may be NULL */
	struct tally *tally;            /* may be NULL */
	struct held held;               /* what the kernel refused */
	struct nftx_flow_fronts noted;  /* concerned by syncs that the kernel refused so far */
	struct nftx_flow_fronts fronts; /* by syncs that it accepted, not asked for yet */
	sync_service_fn watch;          /* NULL: nobody */
	void *watch_ctx;
	bool note_gains;
	unsigned looks;              /* at the records, since a sync asked for it */
	struct nftx_elems restarted; /* until their records were looked through a second time */
	bool can_destroy;            /* it knows DESTROYSETELEM, as far as we know */
	bool can_own; /* we want to own the tables, and the kernel takes that, as far as we know */
	bool can_enlarge; /* it makes maps larger, as far as we know */
	bool enlarged;    /* the batch at hand asks for that */
	bool unread;      /* what the tables hold is not from @state */
	bool began;   /* a refill was committed: a rival that comes later is none of our business */
	bool staged;  /* all that was there is staged again: it need not be planned anew */
	bool rebuild; /* do not adopt tables in the next refill */
};

struct sync *sync_new(const struct options *options, struct proxy_planner *planner,
                      struct nftx_sock *sock)
{
	struct sync *sync = xcalloc(1, sizeof(*sync));

	sync->options = options;
	sync->planner = planner;
	sync->sock = sock;
	options_nft(options, proxy_planner_networks(planner), sync->nft);
	sync->state = nftx_state_new(sync->nft);
	sync->unread = true;
	sync->can_own = options->table_owner;
	sync->can_destroy = true;
	sync->can_enlarge = true;
	return sync;
}

void sync_free(struct sync *sync)
{
	if (sync == NULL)
		return;
	nftx_state_free(sync->state);
	nftx_flow_fronts_done(&sync->noted);
	nftx_flow_fronts_done(&sync->fronts);
	held_done(&sync->held);
	free(sync->restarted.list);
	free(sync);
}

void sync_watch(struct sync *sync, sync_service_fn fn, void *ctx)
{
	sync->watch = fn;
	sync->watch_ctx = ctx;
}

struct nftx_flow_fronts *sync_fronts(struct sync *sync)
{
	return &sync->fronts;
}

void sync_gap_fronts(const struct sync *sync, struct nftx_flow_fronts *out)
{
	nftx_state_fronts(sync->state, IPPROTO_TCP, out);
}

void sync_set_census(struct sync *sync, struct census *census)
{
	sync->census = census;
}

void sync_set_tally(struct sync *sync, struct tally *tally)
{
	sync->tally = tally;
}

void sync_note_gains(struct sync *sync, bool gains)
{
	sync->note_gains = gains;
}

bool sync_is_known(const struct sync *sync)
{
	return nftx_state_is_known(sync->state);
}

void sync_forget(struct sync *sync, bool rebuild)
{
	if (nftx_state_is_known(sync->state)) {
		nftx_state_doubt(sync->state);
		sync->staged = true;
	}
	sync->rebuild |= rebuild;
}

int sync_check(struct sync *sync, struct nftx_findings *out, struct err *err)
{
	return nftx_audit(sync->sock, sync->nft, sync->state, out, err);
}

size_t sync_elements(const struct sync *sync)
{
	return nftx_state_count(sync->state);
}

size_t sync_held(const struct sync *sync)
{
	return sync->held.count;
}

uint64_t sync_wait(const struct sync *sync)
{
	return held_wait(&sync->held, clock_us());
}

bool sync_owns(const struct sync *sync)
{
	return sync->can_own;
}

/* A batch on its way to the kernel, and what is to be known of it. */
struct errand {
	struct sync *sync;
	struct sync_report *report;
};

static int send_batch(void *ctx, const struct nftx_batch *batch, struct nftx_refusals *refusals,
                      struct err *err)
{
	const struct errand *errand = ctx;
	uint64_t begin = clock_us();
	int ret;

	errand->report->size = nftx_batch_size(batch);
	ret = nftx_sock_send(errand->sync->sock, batch, refusals, err);
	errand->report->commit_us += clock_us() - begin;
	return ret;
}

/* What a refill finds in the kernel, and what it is to do with it. */
static int survey(struct sync *sync, struct nftx_survey *out, struct sync_report *report,
                  struct err *err)
{
	uint32_t flags = sync->can_own ? NFTX_TABLE_F_OWNER | NFTX_TABLE_F_PERSIST : 0;
	int ret = nftx_survey(sync->sock, sync->nft, flags, out, err);

	if (ret < 0)
		return ret;
	for (size_t f = 0; f < 2; f++) {
		struct nftx_ground *ground = &out->ground[f];

		if (sync->rebuild || (ground->enlarge && !sync->can_enlarge))
			ground->adopt = ground->enlarge = false;
		sync->enlarged = sync->enlarged || ground->enlarge;
	}
	if (!sync->began)
		ret = nftx_survey_rival(sync->sock, RIVAL_TABLE, out, err);
	if (ret < 0)
		nftx_survey_done(out);
	else
		report->rivals = (unsigned)ret;
	return ret < 0 ? ret : 0;
}

static void tell_blamed(const struct nftx_blames *blames, struct diags *diags)
{
	for (size_t i = 0; i < blames->count; i++) {
		const struct nftx_blamed *blamed = &blames->list[i];
		char subject[2 * PROXY_MAX_NAME + 16];

		(void)snprintf(subject, sizeof(subject), "Service %s", blamed->name);
		diag_add(diags, subject, "refused by the kernel, %s: %s",
		         blamed->kept ? "its last form stays" : "left out", blamed->reason);
	}
}

/* What is noted counts when the kernel has accepted it: until then it serves what it has, and a flow that
 * is deleted comes again. */
static void note_flows(struct sync *sync)
{
	struct nftx_flow_fronts fronts = { 0 };

	nftx_state_note_flows(sync->state, sync->note_gains, &fronts);
	nftx_flow_fronts_merge(&sync->noted, &fronts);
}

/* The first refill finds what an earlier daemon has left. Of a frontend that is wanted no more, every
 * translated flow is stale; notes of those that are wanted follow, and count then. */
static void note_found(struct sync *sync, const struct nftx_survey *found)
{
	struct nftx_flow_fronts fronts = { 0 };

	for (size_t f = 0; f < 2; f++) {
		struct nftx_elems elems = { 0 };
		struct ipaddr addr;
		uint8_t protocol;
		uint16_t port;

		if (!found->ground[f].exists ||
		    nftx_sock_dump(sync->sock, f == 0 ? 4 : 6, NFTX_FRONTENDS, &elems, NULL) < 0)
			continue; /* of another layout: who knows what it was */
		for (size_t i = 0; i < elems.count; i++) {
			nftx_elem_front(&elems.list[i], &addr, &protocol, &port);
			if (protocol == IPPROTO_UDP)
				nftx_note_gone_front(&fronts, &addr, port);
		}
		nftx_dump_done(&elems);
	}
	nftx_flow_fronts_merge(&sync->noted, &fronts);
}

static int refill(struct sync *sync, struct sync_report *report, struct diags *diags,
                  struct err *err)
{
	struct errand errand = { sync, report };
	struct nftx_blames blames = { 0 };
	struct nftx_survey found;
	int ret = survey(sync, &found, report, err);

	if (ret < 0)
		return ret;
	if (sync->unread) {
		note_found(sync, &found);
		note_flows(sync);
	}
	ret = nftx_refill(sync->state, found.ground, true, send_batch, &errand, &blames, err);
	nftx_survey_done(&found);
	if (ret == 0)
		held_accepted(&sync->held, &blames);
	if (blames.count > 0)
		note_flows(sync);
	held_add(&sync->held, &blames, clock_us());
	tell_blamed(&blames, diags);
	nftx_blames_done(&blames);
	return ret;
}

/* Return: 1 when nothing differs, as refill() otherwise. */
static int change(struct sync *sync, struct sync_report *report, struct err *err)
{
	static const struct nftx_blames nobody = { 0 };
	struct errand errand = { sync, report };
	struct nftx_batch *batch = nftx_state_change(sync->state);
	int ret = 1;

	if (batch != NULL) {
		nftx_batch_end(batch, true);
		ret = send_batch(&errand, batch, NULL, err);
		nftx_batch_free(batch);
	}
	if (ret >= 0)
		held_accepted(&sync->held, &nobody);
	return ret;
}

/* Two sets of options are the same layout when their tables' comments are equal. */
static bool same_options(const struct nftx_options *a, const struct nftx_options *b)
{
	char x[256];
	char y[256];

	return strcmp(nftx_layout_comment(a, x, sizeof(x)), nftx_layout_comment(b, y, sizeof(y))) ==
	       0;
}

/* The rules depend on which families have pod ranges, and these may come from the Node: another
 * answer is another layout. */
static void follow_options(struct sync *sync)
{
	struct nftx_options nft[2];

	options_nft(sync->options, proxy_planner_networks(sync->planner), nft);
	if (same_options(&nft[0], &sync->nft[0]) && same_options(&nft[1], &sync->nft[1]))
		return;
	memcpy(sync->nft, nft, sizeof(nft));
	nftx_state_free(sync->state);
	sync->state = nftx_state_new(nft);
	sync->unread = true;
	sync->staged = false;
}

/* Hands what the planner has to the state. */
static void stage(struct sync *sync, struct sync_report *report, struct diags *diags)
{
	struct proxy_changes changes;
	uint64_t now = clock_us();
	const char *due;

	if (report->refill && !sync->staged)
		proxy_planner_touch_all(sync->planner);
	while ((due = held_due(&sync->held, now)) != NULL)
		proxy_planner_touch(sync->planner, due);
	proxy_planner_changes(sync->planner, &changes, diags);
	report->services =
		sync->staged ? proxy_planner_counts(sync->planner).services : changes.count;
	sync->staged = false;
	for (size_t i = 0; i < changes.count; i++) {
		if (sync->watch != NULL)
			sync->watch(sync->watch_ctx, changes.services[i]);
		if (sync->census != NULL)
			census_note(sync->census, changes.services[i]);
		if (sync->tally != NULL)
			tally_note(sync->tally, changes.services[i]);
		if (held_keeps(&sync->held, changes.services[i], now))
			nftx_state_hold(sync->state, changes.services[i]);
		else
			nftx_state_stage(sync->state, changes.services[i]);
		changes.services[i] = NULL;
	}
	if (changes.networks)
		nftx_state_stage_networks(sync->state, proxy_planner_networks(sync->planner));
	proxy_changes_done(&changes);
}

static int run_once(struct sync *sync, struct sync_report *report, struct diags *diags,
                    struct err *err)
{
	uint64_t begin = clock_us();
	int ret;

	proxy_planner_refresh(sync->planner);
	follow_options(sync);
	*report = (struct sync_report){ .refill = !nftx_state_is_known(sync->state) };
	stage(sync, report, diags);
	note_flows(sync);
	report->plan_us = clock_us() - begin;
	begin = clock_us();
	sync->enlarged = false;
	ret = report->refill ? refill(sync, report, diags, err) : change(sync, report, err);
	report->build_us = clock_us() - begin - report->commit_us;
	if (ret < 0) {
		held_refused(&sync->held);
		nftx_state_forget(sync->state);
		return ret;
	}
	nftx_flow_fronts_merge(&sync->fronts, &sync->noted);
	if (ret == 1) /* nothing differs */
		return 0;
	nftx_state_committed(sync->state);
	if (report->refill) {
		sync->unread = false;
		sync->rebuild = false;
		sync->began = true;
	}
	report->sent = true;
	return 0;
}

/* Has the kernel done what it was asked for? Before Linux 6.5 it says nothing and does nothing. */
static bool is_enlarged(struct sync *sync)
{
	for (size_t f = 0; f < 2; f++) {
		uint32_t size = 0;

		if (nftx_sock_map_size(sync->sock, f == 0 ? 4 : 6, NFTX_AFFINITY, &size, NULL) ==
		            0 &&
		    size < nftx_affinity_size(&sync->nft[f]))
			return false;
	}
	return true;
}

int sync_run(struct sync *sync, struct sync_report *report, struct diags *diags, struct err *err)
{
	int ret = run_once(sync, report, diags, err);

	if (ret == 0 && sync->enlarged && !is_enlarged(sync)) {
		/* the tables are replaced then, and what was remembered is lost */
		sync->can_enlarge = false;
		nftx_state_forget(sync->state);
	} else if (ret == -EOPNOTSUPP && sync->can_own && report->refill) {
		/* before Linux 6.9 a table cannot be owned and persistent: plain then, never owned
		 * without persistence, which would tear down all translation whenever we stop */
		sync->can_own = false;
	} else {
		return ret;
	}
	diag_clear(diags);
	return run_once(sync, report, diags, err);
}

/* The purge of one moment; -ENOENT when records expired under it (without DESTROYSETELEM). */
static int purge_once(struct sync *sync, size_t *purged, struct err *err)
{
	struct nftx_elems present = { 0 };
	struct nftx_elems records = { 0 };
	struct nftx_batch *batch = NULL;
	int ret = nftx_sock_dump(sync->sock, 4, NFTX_AFFINITY, &records, err);

	if (ret == 0)
		ret = nftx_sock_dump(sync->sock, 6, NFTX_AFFINITY, &records, err);
	if (ret == 0 && records.count > 0) {
		nftx_state_sticky_elements(sync->state, &present);
		batch = nftx_affinity_purge(&present, &sync->restarted, &records,
		                            sync->can_destroy);
	}
	if (batch != NULL) {
		nftx_batch_end(batch, true);
		ret = nftx_sock_commit(sync->sock, batch, err);
		if (ret == 0)
			*purged += nftx_batch_size(batch).elements;
		nftx_batch_free(batch);
	}
	free(present.list);
	nftx_dump_done(&records);
	return ret;
}

int sync_purge(struct sync *sync, bool again, size_t *purged, struct err *err)
{
	int ret = -ENOENT;
	bool asked;

	*purged = 0;
	if (!nftx_state_is_known(sync->state))
		return 0;
	asked = nftx_state_lost_affinity(sync->state);
	if ((!asked && !again) || !nftx_state_has_affinity(sync->state))
		return 0;
	nftx_state_restarted(sync->state, &sync->restarted);
	nftx_elems_sort(&sync->restarted);
	for (int i = 0; i < PURGE_TRIES && ret == -ENOENT; i++) {
		ret = purge_once(sync, purged, err);
		if ((ret == -EINVAL || ret == -EOPNOTSUPP) && sync->can_destroy) {
			sync->can_destroy = false; /* a kernel before 6.3 */
			ret = -ENOENT;
		}
	}
	sync->looks = asked ? 0 : sync->looks + 1;
	if (sync->looks >= SYNC_PURGE_LOOKS)
		sync->restarted.count = 0;
	if (ret < 0)
		return ret;
	return asked ? 1 : 2;
}

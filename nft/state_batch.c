/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is sent: the difference of a change, or everything. */
#include <stdlib.h>

#include "base/mem.h"
#include "nft/render.h"
#include "nft/ruleset.h"
#include "nft/state.h"
#include "state_impl.h"

static const uint8_t families[2] = { 4, 6 };

static void note_timeout(struct nftx_state *state, uint32_t timeout_s)
{
	state->timeouts = vec_reserve(state->timeouts, &state->timeout_cap,
	                              state->timeout_count + 1, sizeof(*state->timeouts));
	state->timeouts[state->timeout_count++] = timeout_s;
}

/* Makes sure that remember-@timeout_s exists when the batch has run. */
static void need_timeout(struct nftx_state *state, struct nftx_batch *batch, uint32_t timeout_s)
{
	for (size_t i = 0; i < state->timeout_count; i++)
		if (state->timeouts[i] == timeout_s)
			return;
	note_timeout(state, timeout_s);
	for (size_t f = 0; f < 2; f++)
		nftx_ruleset_put_remember(batch, families[f], timeout_s);
}

static bool is_used(const struct nftx_state *state, uint32_t timeout_s)
{
	for (size_t id = 0; id < state->place_count; id++) {
		const struct place *place = &state->places[id];

		if ((place->present != NULL && place->present->affinity_s == timeout_s) ||
		    (place->staged != NULL && place->staged->affinity_s == timeout_s))
			return true;
	}
	return false;
}

/* Chains are kept, as most are needed again; but whoever changes a timeout again and again cannot
 * fill the kernel with them: when there are twice as many as were in use the last time, or some, they
 * are looked through. Not at every change, which would then cost what all other Services have. A chain
 * goes only when no Service needed it before this batch: one that the batch itself stops using is
 * still referred to when the kernel comes to its deletion. */
static void drop_unused_timeouts(struct nftx_state *state, struct nftx_batch *batch)
{
	size_t kept = 0;

	if (state->timeout_count <= NFTX_TIMEOUTS_KEPT ||
	    state->timeout_count <= 2 * state->timeouts_used)
		return;
	for (size_t i = 0; i < state->timeout_count; i++) {
		if (is_used(state, state->timeouts[i])) {
			state->timeouts[kept++] = state->timeouts[i];
			continue;
		}
		for (size_t f = 0; f < 2; f++)
			nftx_ruleset_put_forget(batch, families[f], state->timeouts[i]);
	}
	state->timeout_count = state->timeouts_used = kept;
}

static void need_staged_timeouts(struct nftx_state *state, struct nftx_batch *batch)
{
	for (size_t i = 0; i < state->staged_count; i++) {
		const struct lb_service *service = state->places[state->staged[i]].staged;

		if (service->affinity_s != 0)
			need_timeout(state, batch, service->affinity_s);
	}
}

/* What one Service's change needs; lists are sorted only within it. */
static void diff_place(const struct place *place, struct nftx_diff *out)
{
	struct nftx_elems was = { 0 };
	struct nftx_elems now = { 0 };

	if (place->present != NULL)
		nftx_render(place->present, &was);
	nftx_render(place->staged, &now);
	nftx_elems_sort(&was);
	nftx_elems_sort(&now);
	nftx_diff_elems(&was, &now, out);
	free(was.list);
	free(now.list);
}

/* Does the change of a sticky Service leave records behind that are not true any more? */
static bool loses_affinity(const struct place *place, const struct nftx_diff *diff, size_t first)
{
	if (place->present == NULL || place->present->affinity_s == 0)
		return false;
	for (size_t i = first; i < diff->del.count; i++)
		if (diff->del.list[i].map == NFTX_BACKENDS ||
		    diff->del.list[i].map == NFTX_STICKY_FRONTENDS)
			return true;
	return false;
}

/* A sticky frontend that goes on another way than before: not only to more or fewer slots. */
static void note_restarted(struct nftx_state *state, const struct nftx_diff *diff)
{
	size_t k = 0;

	state->staged_restarted.count = 0;
	for (size_t i = 0; i < diff->del.count; i++) {
		const struct nftx_elem *was = &diff->del.list[i];

		if (was->map != NFTX_STICKY_FRONTENDS)
			continue;
		while (k < diff->add.count && nftx_elem_cmp(&diff->add.list[k], was) < 0)
			k++;
		if (k < diff->add.count && nftx_elem_cmp(&diff->add.list[k], was) == 0 &&
		    diff->add.list[k].chain != was->chain)
			*nftx_elems_push(&state->staged_restarted) = *was;
	}
}

/* An element that one Service gives up and another takes over unchanged needs nothing. */
static void cancel_handovers(struct nftx_diff *diff)
{
	struct nftx_diff net = { 0 };

	nftx_elems_sort(&diff->del);
	nftx_elems_sort(&diff->add);
	nftx_diff_elems(&diff->del, &diff->add, &net);
	nftx_diff_done(diff);
	*diff = net;
}

static void put_networks(struct nftx_batch *batch, const struct networks *networks)
{
	struct nftx_elems elems = { 0 };

	nftx_render_networks(&networks->view, &elems);
	for (size_t i = 0; i < elems.count; i++)
		nftx_batch_add(batch, &elems.list[i]);
	free(elems.list);
}

/* Ranges are few and seldom change: the whole set is written anew. */
static void change_networks(struct nftx_batch *batch, const struct networks *networks)
{
	for (size_t f = 0; f < 2; f++) {
		nftx_batch_flush_map(batch, families[f], NFTX_SERVICE_CIDRS);
		nftx_batch_flush_map(batch, families[f], NFTX_POD_CIDRS);
	}
	put_networks(batch, networks);
}

struct nftx_batch *nftx_state_change(struct nftx_state *state)
{
	struct nftx_diff diff = { 0 };
	struct nftx_batch *batch;

	ASSERT(state->known);
	state->staged_loss = false;
	for (size_t i = 0; i < state->staged_count; i++) {
		const struct place *place = &state->places[state->staged[i]];
		size_t first = diff.del.count;

		diff_place(place, &diff);
		state->staged_loss = state->staged_loss || loses_affinity(place, &diff, first);
	}
	if (state->staged_count > 1)
		cancel_handovers(&diff);
	if (diff.del.count == 0 && diff.add.count == 0 && !state->networks_staged) {
		nftx_diff_done(&diff);
		nftx_state_committed(state);
		return NULL;
	}
	note_restarted(state, &diff);
	batch = nftx_batch_new();
	drop_unused_timeouts(state, batch);
	need_staged_timeouts(state, batch);
	for (size_t i = 0; i < diff.del.count; i++)
		nftx_batch_del(batch, &diff.del.list[i]);
	if (state->networks_staged)
		change_networks(batch, &state->staged_networks);
	for (size_t i = 0; i < diff.add.count; i++)
		nftx_batch_add(batch, &diff.add.list[i]);
	nftx_diff_done(&diff);
	return batch;
}

static void prepare_table(const struct nftx_state *state, struct nftx_batch *batch, size_t f,
                          const struct nftx_ground *ground)
{
	const struct nftx_options *options = &state->options[f];
	uint8_t family = families[f];

	if (ground->rival != NULL)
		nftx_ruleset_put_delete(batch, family, ground->rival);
	if (ground->exists && !ground->adopt)
		nftx_ruleset_put_delete(batch, family, nftx_batch_table(batch));
	nftx_ruleset_put_table(batch, family, options, ground->table_flags);
	if (!ground->adopt) {
		nftx_ruleset_put_layout(batch, family, options);
		return;
	}
	if (ground->enlarge)
		nftx_ruleset_put_affinity_size(batch, family, options);
	for (int map = 0; map < NFTX_MAP_COUNT; map++)
		if (map != NFTX_AFFINITY)
			nftx_batch_flush_map(batch, family, (enum nftx_map)map);
}

static bool has_timeout(const struct nftx_ground *ground, uint32_t timeout_s)
{
	for (size_t i = 0; ground->adopt && i < ground->timeout_count; i++)
		if (ground->timeouts[i] == timeout_s)
			return true;
	return false;
}

/* A remember chain that one table keeps is made in the other: both have the same ones. */
static void adopt_timeouts(struct nftx_state *state, struct nftx_batch *batch,
                           const struct nftx_ground ground[2])
{
	for (size_t f = 0; f < 2; f++) {
		for (size_t i = 0; ground[f].adopt && i < ground[f].timeout_count; i++) {
			uint32_t timeout_s = ground[f].timeouts[i];

			if (!has_timeout(&ground[1 - f], timeout_s)) {
				nftx_ruleset_put_remember(batch, families[1 - f], timeout_s);
				note_timeout(state, timeout_s);
			} else if (f == 0) {
				note_timeout(state, timeout_s);
			}
		}
	}
}

/* The same for a refill, which knows what was there from the table: a policy that changed while nobody
 * followed it, or in a change that was refused, is another one all the same. */
static void note_refilled(struct nftx_state *state, const struct nftx_ground ground[2],
                          const struct nftx_elems *elems)
{
	for (size_t i = 0; i < elems->count; i++) {
		const struct nftx_elem *elem = &elems->list[i];
		const struct nftx_ground *found = &ground[elem->family == 6];
		const struct nftx_elem *was;

		if (elem->map != NFTX_STICKY_FRONTENDS || !found->adopt)
			continue;
		was = nftx_elems_find(&found->sticky, elem);
		if (was == NULL || was->chain != elem->chain)
			*nftx_elems_push(&state->staged_restarted) = *elem;
	}
}

struct nftx_batch *nftx_state_refill_first(struct nftx_state *state,
                                           const struct nftx_ground ground[2], size_t count)
{
	const char *table = ground[0].table != NULL ? ground[0].table : NFTX_TABLE;
	struct nftx_batch *batch = nftx_batch_new_for(table);
	struct nftx_elems elems = { 0 };

	ASSERT(!state->known);
	state->timeout_count = 0;
	state->staged_loss = true;
	state->staged_restarted.count = 0;
	for (size_t f = 0; f < 2; f++)
		prepare_table(state, batch, f, &ground[f]);
	adopt_timeouts(state, batch, ground);
	need_staged_timeouts(state, batch);
	if (state->networks_staged)
		put_networks(batch, &state->staged_networks);
	for (size_t i = 0; i < count; i++) {
		elems.count = 0;
		nftx_render(state->places[state->staged[i]].staged, &elems);
		for (size_t k = 0; k < elems.count; k++)
			nftx_batch_add(batch, &elems.list[k]);
		note_refilled(state, ground, &elems);
	}
	free(elems.list);
	return batch;
}

struct nftx_batch *nftx_state_refill(struct nftx_state *state, const struct nftx_ground ground[2])
{
	return nftx_state_refill_first(state, ground, state->staged_count);
}

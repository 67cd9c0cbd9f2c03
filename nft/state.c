/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nft/flow_notes.h"
#include "nft/render.h"
#include "nft/ruleset.h"
#include "nft/slots.h"

static const uint8_t families[2] = { 4, 6 };

/* Ranges with their own memory. */
struct networks {
	struct lb_networks view;
	struct ipcidr *cidrs; /* service CIDRs, then pod CIDRs */
};

/* The place of one Service, by its id. */
struct place {
	struct lb_service *present; /* NULL: nothing of it in the kernel */
	struct lb_service *staged;  /* NULL: no change */
};

struct nftx_state {
	struct nftx_options options[2]; /* ip, ip6 */
	bool known;
	bool lost_affinity; /* by commits since it was asked for */
	bool staged_loss;   /* by the batch taken last */
	struct nftx_elems restarted;
	struct nftx_elems staged_restarted;

	struct place *places;
	size_t place_count;
	struct networks networks;

	uint32_t *staged; /* ids */
	size_t staged_count, staged_cap;
	struct networks staged_networks;
	bool networks_staged;

	uint32_t *timeouts; /* the remember chains that both tables have */
	size_t timeout_count, timeout_cap;
};

struct nftx_state *nftx_state_new(const struct nftx_options options[static 2])
{
	struct nftx_state *state = xcalloc(1, sizeof(*state));

	memcpy(state->options, options, sizeof(state->options));
	return state;
}

static void free_networks(struct networks *networks)
{
	free(networks->cidrs);
	*networks = (struct networks){ 0 };
}

void nftx_state_forget(struct nftx_state *state)
{
	for (size_t id = 0; id < state->place_count; id++) {
		free(state->places[id].present);
		free(state->places[id].staged);
	}
	free(state->places);
	state->places = NULL;
	state->place_count = 0;
	state->staged_count = 0;
	free_networks(&state->networks);
	free_networks(&state->staged_networks);
	state->networks_staged = false;
	state->timeout_count = 0;
	state->known = false;
}

void nftx_state_free(struct nftx_state *state)
{
	if (state == NULL)
		return;
	nftx_state_forget(state);
	free(state->staged);
	free(state->timeouts);
	free(state->restarted.list);
	free(state->staged_restarted.list);
	free(state);
}

bool nftx_state_is_known(const struct nftx_state *state)
{
	return state->known;
}

static struct place *get_place(struct nftx_state *state, uint32_t id)
{
	size_t had = state->place_count;

	if (id >= had) {
		state->places = vec_reserve(state->places, &state->place_count, (size_t)id + 1,
		                            sizeof(*state->places));
		memset(state->places + had, 0, (state->place_count - had) * sizeof(*state->places));
	}
	return &state->places[id];
}

static void note_staged(struct nftx_state *state, uint32_t id)
{
	state->staged = vec_reserve(state->staged, &state->staged_cap, state->staged_count + 1,
	                            sizeof(*state->staged));
	state->staged[state->staged_count++] = id;
}

void nftx_state_doubt(struct nftx_state *state)
{
	ASSERT(state->known && state->staged_count == 0 && !state->networks_staged);
	for (size_t id = 0; id < state->place_count; id++) {
		struct place *place = &state->places[id];

		if (place->present == NULL)
			continue;
		note_staged(state, (uint32_t)id);
		place->staged = place->present;
		place->present = NULL;
	}
	state->staged_networks = state->networks;
	state->networks = (struct networks){ 0 };
	state->networks_staged = true;
	state->timeout_count = 0;
	state->known = false;
}

void nftx_state_stage(struct nftx_state *state, struct lb_service *service)
{
	struct place *place = get_place(state, service->id);

	if (place->present != NULL)
		nftx_keep_service_slots(place->present, service);
	if (place->staged == NULL)
		note_staged(state, service->id);
	free(place->staged);
	place->staged = service;
}

void nftx_state_stage_networks(struct nftx_state *state, const struct lb_networks *networks)
{
	size_t services = networks->service_cidr_count;
	size_t pods = networks->pod_cidr_count;
	struct networks *to = &state->staged_networks;

	free_networks(to);
	to->cidrs = xcalloc(services + pods, sizeof(*to->cidrs));
	if (services > 0)
		memcpy(to->cidrs, networks->service_cidrs, services * sizeof(*to->cidrs));
	if (pods > 0)
		memcpy(to->cidrs + services, networks->pod_cidrs, pods * sizeof(*to->cidrs));
	to->view = (struct lb_networks){ services, pods, to->cidrs, to->cidrs + services };
	state->networks_staged = true;
}

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
 * fill the kernel with them. A chain goes only when no Service needed it before this batch: one that
 * the batch itself stops using is still referred to when the kernel comes to its deletion. */
static void drop_unused_timeouts(struct nftx_state *state, struct nftx_batch *batch)
{
	size_t kept = 0;

	if (state->timeout_count <= NFTX_TIMEOUTS_KEPT)
		return;
	for (size_t i = 0; i < state->timeout_count; i++) {
		if (is_used(state, state->timeouts[i])) {
			state->timeouts[kept++] = state->timeouts[i];
			continue;
		}
		for (size_t f = 0; f < 2; f++)
			nftx_ruleset_put_forget(batch, families[f], state->timeouts[i]);
	}
	state->timeout_count = kept;
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
		nftx_ruleset_put_delete(batch, family, NFTX_TABLE);
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

struct nftx_batch *nftx_state_refill(struct nftx_state *state, const struct nftx_ground ground[2])
{
	struct nftx_batch *batch = nftx_batch_new();
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
	for (size_t i = 0; i < state->staged_count; i++) {
		elems.count = 0;
		nftx_render(state->places[state->staged[i]].staged, &elems);
		for (size_t k = 0; k < elems.count; k++)
			nftx_batch_add(batch, &elems.list[k]);
	}
	free(elems.list);
	return batch;
}

/* A Service that left nothing behind is forgotten, so that its id can be used again. */
static bool is_gone(const struct lb_service *service)
{
	return service->frontend_count == 0 && service->cluster_ip_count == 0 &&
	       service->local_address_count == 0;
}

void nftx_state_committed(struct nftx_state *state)
{
	for (size_t i = 0; i < state->staged_count; i++) {
		struct place *place = &state->places[state->staged[i]];

		free(place->present);
		place->present = place->staged;
		place->staged = NULL;
		if (is_gone(place->present)) {
			free(place->present);
			place->present = NULL;
		}
	}
	state->staged_count = 0;
	if (state->networks_staged) {
		free_networks(&state->networks);
		state->networks = state->staged_networks;
		state->staged_networks = (struct networks){ 0 };
		state->networks_staged = false;
	}
	state->known = true;
	state->lost_affinity =
		state->lost_affinity || state->staged_loss || state->staged_restarted.count > 0;
	state->staged_loss = false;
	for (size_t i = 0; i < state->staged_restarted.count; i++)
		*nftx_elems_push(&state->restarted) = state->staged_restarted.list[i];
	state->staged_restarted.count = 0;
}

void nftx_state_note_flows(const struct nftx_state *state, bool gains,
                           struct nftx_flow_fronts *fronts)
{
	for (size_t i = 0; i < state->staged_count; i++) {
		const struct place *place = &state->places[state->staged[i]];

		nftx_note_gone(place->present, place->staged, fronts);
	}
	for (size_t i = 0; i < state->staged_count; i++) {
		const struct place *place = &state->places[state->staged[i]];

		nftx_note_kept(place->present, place->staged, gains, fronts);
	}
}

void nftx_state_fronts(const struct nftx_state *state, uint8_t protocol,
                       struct nftx_flow_fronts *out)
{
	for (size_t id = 0; id < state->place_count; id++) {
		const struct lb_service *service = state->places[id].present;

		for (uint32_t i = 0; service != NULL && i < service->frontend_count; i++) {
			const struct lb_frontend *frontend = &service->frontends[i];

			if (!frontend->lost &&
			    service->ports[frontend->port_index].protocol == protocol)
				nftx_flow_fronts_add(out, &frontend->addr, frontend->port, NULL, 0);
		}
	}
}

bool nftx_state_lost_affinity(struct nftx_state *state)
{
	bool lost = state->lost_affinity;

	state->lost_affinity = false;
	return lost;
}

void nftx_state_restarted(struct nftx_state *state, struct nftx_elems *out)
{
	for (size_t i = 0; i < state->restarted.count; i++)
		*nftx_elems_push(out) = state->restarted.list[i];
	state->restarted.count = 0;
}

bool nftx_state_has_affinity(const struct nftx_state *state)
{
	return state->timeout_count > 0; /* only remember chains write records, and they are kept */
}

void nftx_state_sticky_elements(const struct nftx_state *state, struct nftx_elems *out)
{
	for (size_t id = 0; id < state->place_count; id++)
		if (state->places[id].present != NULL && state->places[id].present->affinity_s != 0)
			nftx_render(state->places[id].present, out);
	nftx_elems_sort(out);
}

void nftx_state_elements(const struct nftx_state *state, struct nftx_elems *out)
{
	if (state->networks.cidrs != NULL)
		nftx_render_networks(&state->networks.view, out);
	for (size_t id = 0; id < state->place_count; id++)
		if (state->places[id].present != NULL)
			nftx_render(state->places[id].present, out);
	nftx_elems_sort(out);
}

/* Appends those elements of @from that are wanted. */
static void select_from(const struct nftx_elems *from, uint8_t family, uint32_t maps,
                        struct nftx_elems *out)
{
	for (size_t i = 0; i < from->count; i++)
		if (from->list[i].family == family && (maps >> from->list[i].map & 1) != 0)
			*nftx_elems_push(out) = from->list[i];
}

void nftx_state_select(const struct nftx_state *state, uint8_t family, uint32_t maps,
                       struct nftx_elems *out)
{
	struct nftx_elems elems = { 0 };

	if (state->networks.cidrs != NULL)
		nftx_render_networks(&state->networks.view, &elems);
	select_from(&elems, family, maps, out);
	for (size_t id = 0; id < state->place_count; id++) {
		if (state->places[id].present == NULL)
			continue;
		elems.count = 0;
		nftx_render(state->places[id].present, &elems);
		select_from(&elems, family, maps, out);
	}
	free(elems.list);
	nftx_elems_sort(out);
}

struct nftx_digest nftx_state_digest(const struct nftx_state *state, uint8_t family,
                                     enum nftx_map map)
{
	struct nftx_digest digest = { 0 };
	struct nftx_elems elems = { 0 };

	for (size_t id = 0; id < state->place_count; id++) {
		if (state->places[id].present == NULL)
			continue;
		elems.count = 0;
		nftx_render(state->places[id].present, &elems);
		for (size_t i = 0; i < elems.count; i++)
			if (elems.list[i].family == family && elems.list[i].map == map)
				nftx_digest_add(&digest, &elems.list[i]);
	}
	free(elems.list);
	return digest;
}

size_t nftx_state_count(const struct nftx_state *state)
{
	struct nftx_elems elems = { 0 };
	size_t count =
		state->networks.view.service_cidr_count + state->networks.view.pod_cidr_count;

	for (size_t id = 0; id < state->place_count; id++) {
		if (state->places[id].present == NULL)
			continue;
		elems.count = 0;
		nftx_render(state->places[id].present, &elems);
		count += elems.count;
	}
	free(elems.list);
	return count;
}

size_t nftx_state_memory(const struct nftx_state *state)
{
	size_t bytes = state->place_count * sizeof(*state->places);

	for (size_t id = 0; id < state->place_count; id++)
		if (state->places[id].present != NULL)
			bytes += state->places[id].present->block_bytes;
	return bytes;
}

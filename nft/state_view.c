/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What others ask of a state. */
#include <stdlib.h>

#include "nft/flow_notes.h"
#include "nft/render.h"
#include "nft/state.h"
#include "state_impl.h"

void nftx_state_note_flows(const struct nftx_state *state, bool gains,
                           struct nftx_flow_fronts *fronts)
{
	for (size_t i = 0; i < state->staged_count; i++) {
		const struct place *place = &state->places[state->staged[i]];

		nftx_note_gone(place->present != NULL ? place->present : place->last, place->staged,
		               fronts);
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

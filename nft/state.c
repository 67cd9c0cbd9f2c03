/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nft/slots.h"
#include "state_impl.h"

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

/* Keeps what of a place was in the kernel, as far as is known, and forgets the rest. */
static void forget_place(struct place *place)
{
	struct lb_service **accepted = NULL;

	if (place->present != NULL)
		accepted = &place->present;
	else if (place->doubted || place->fell_back)
		accepted = &place->staged;
	if (accepted != NULL) {
		free(place->last);
		place->last = *accepted;
		*accepted = NULL;
	}
	free(place->present);
	free(place->staged);
	place->present = place->staged = NULL;
	place->doubted = place->fell_back = false;
}

void nftx_state_forget(struct nftx_state *state)
{
	for (size_t id = 0; id < state->place_count; id++)
		forget_place(&state->places[id]);
	state->staged_count = 0;
	free_networks(&state->networks);
	free_networks(&state->staged_networks);
	state->networks_staged = false;
	state->timeout_count = state->timeouts_used = 0;
	state->known = false;
}

void nftx_state_free(struct nftx_state *state)
{
	if (state == NULL)
		return;
	nftx_state_forget(state);
	for (size_t id = 0; id < state->place_count; id++)
		free(state->places[id].last);
	free(state->places);
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

struct place *nftx_state_place(struct nftx_state *state, uint32_t id)
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
		place->doubted = true;
	}
	state->staged_networks = state->networks;
	state->networks = (struct networks){ 0 };
	state->networks_staged = true;
	state->timeout_count = state->timeouts_used = 0;
	state->known = false;
}

void nftx_place_stage(struct nftx_state *state, struct place *place, struct lb_service *service)
{
	if (place->staged == NULL)
		note_staged(state, service->id);
	if (place->doubted) {
		free(place->last);
		place->last = place->staged;
	} else {
		free(place->staged);
	}
	place->staged = service;
	place->doubted = place->fell_back = false;
}

void nftx_state_stage(struct nftx_state *state, struct lb_service *service)
{
	struct place *place = nftx_state_place(state, service->id);

	if (place->present != NULL)
		nftx_keep_service_slots(place->present, service);
	nftx_place_stage(state, place, service);
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
		place->doubted = place->fell_back = false;
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
	for (size_t id = 0; id < state->place_count && !state->known; id++) {
		free(state->places[id].last);
		state->places[id].last = NULL;
	}
	state->known = true;
	state->lost_affinity =
		state->lost_affinity || state->staged_loss || state->staged_restarted.count > 0;
	state->staged_loss = false;
	for (size_t i = 0; i < state->staged_restarted.count; i++)
		*nftx_elems_push(&state->restarted) = state->staged_restarted.list[i];
	state->staged_restarted.count = 0;
}

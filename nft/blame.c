/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/blame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "nft/render.h"
#include "state_impl.h"

void nftx_blames_done(struct nftx_blames *blames)
{
	for (size_t i = 0; i < blames->count; i++) {
		free(blames->list[i].name);
		free(blames->list[i].reason);
	}
	free(blames->list);
	*blames = (struct nftx_blames){ 0 };
}

bool nftx_is_blamable(int code)
{
	switch (-code) {
	case 0:
	case EPERM:
	case EACCES:
	case ENOMEM:
	case ENOBUFS:
	case EMSGSIZE:
	case EINTR:
	case ERESTART:
	case EAGAIN:
	case ENOTCONN:
		return false;
	default:
		return true;
	}
}

/* ---- Leaving out ---------------------------------------------------------------------------- */

static void note(struct nftx_blames *out, const struct lb_service *service, const char *reason,
                 bool kept)
{
	struct nftx_blamed *blamed = NULL;

	for (size_t i = 0; i < out->count && blamed == NULL; i++)
		if (out->list[i].id == service->id)
			blamed = &out->list[i];
	if (blamed == NULL) {
		out->list = vec_reserve(out->list, &out->cap, out->count + 1, sizeof(*out->list));
		blamed = &out->list[out->count++];
		*blamed = (struct nftx_blamed){ .id = service->id, .name = xstrdup(service->name) };
	}
	free(blamed->reason);
	blamed->reason = xstrdup(reason);
	blamed->kept = kept;
}

/* An id is given anew when its Service is gone. */
static bool has_last_of(const struct place *place, const struct lb_service *service)
{
	return place->last != NULL && strcmp(place->last->name, service->name) == 0;
}

/* Stages what was accepted last, if anything, in place of what is staged. */
static void leave_out(struct place *place, const char *reason, struct nftx_blames *out)
{
	struct lb_service *refused = place->staged;
	bool kept = has_last_of(place, refused);

	note(out, refused, reason, kept);
	place->staged = kept ? place->last : NULL;
	if (kept)
		place->last = NULL;
	place->doubted = false;
	place->fell_back = kept;
	free(refused);
}

/* Forgets the places where nothing is staged any more. */
static void close_ranks(struct nftx_state *state)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->staged_count; i++)
		if (state->places[state->staged[i]].staged != NULL)
			state->staged[kept++] = state->staged[i];
	state->staged_count = kept;
}

void nftx_state_hold(struct nftx_state *state, struct lb_service *service)
{
	struct place *place = nftx_state_place(state, service->id);

	if (place->present == NULL && place->staged == NULL && has_last_of(place, service)) {
		nftx_place_stage(state, place, place->last);
		place->last = NULL;
		place->fell_back = true;
	}
	free(service);
}

/* ---- By name -------------------------------------------------------------------------------- */

/* Whose a refused element is. */
struct suspect {
	struct place *place; /* NULL: nobody's */
	bool exact;          /* wants it as it was refused, not with other data */
};

static void collect(const struct nftx_refusals *refusals, struct nftx_elems *out)
{
	for (size_t i = 0; i < refusals->count; i++) {
		const struct nftx_refused *refused = &refusals->list[i];
		struct nftx_elem *elem;

		if (!refused->is_add || !refused->has_elem || !nftx_is_blamable(-refused->code))
			continue;
		elem = nftx_elems_push(out);
		*elem = refused->elem;
		elem->comment = refused->comment[0] != '\0' ? refused->comment : NULL;
	}
	nftx_elems_sort(out);
}

/* Who wants it as it was refused is to blame, but before him who merely still has it. */
static bool is_likelier(const struct suspect *than, const struct place *place, bool exact)
{
	if (than->place == NULL)
		return true;
	if (than->place->fell_back != place->fell_back)
		return place->fell_back;
	return exact && !than->exact;
}

static void suspect_place(struct place *place, const struct nftx_elems *refused,
                          struct nftx_elems *scratch, struct suspect *suspects)
{
	scratch->count = 0;
	nftx_render(place->staged, scratch);
	for (size_t i = 0; i < scratch->count; i++) {
		const struct nftx_elem *elem = &scratch->list[i];
		const struct nftx_elem *found = nftx_elems_find(refused, elem);
		struct suspect *suspect;
		bool exact;

		if (found == NULL)
			continue;
		suspect = &suspects[found - refused->list];
		exact = nftx_elem_same(found, elem);
		if (is_likelier(suspect, place, exact))
			*suspect = (struct suspect){ place, exact };
	}
}

static const struct nftx_refused *refusal_of(const struct nftx_refusals *refusals,
                                             const struct nftx_elem *elem)
{
	size_t i = 0;

	while (!refusals->list[i].has_elem || nftx_elem_cmp(&refusals->list[i].elem, elem) != 0)
		i++; /* it was collected from there */
	return &refusals->list[i];
}

/* Has somebody with more than one refused element been dealt with? */
static bool is_repeated(const struct suspect *suspects, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (suspects[i].place == suspects[index].place)
			return true;
	return false;
}

size_t nftx_state_blame(struct nftx_state *state, const struct nftx_refusals *refusals,
                        struct nftx_blames *out)
{
	AUTO_FREE struct suspect *suspects = xcalloc(NFTX_REFUSED_MAX, sizeof(*suspects));
	struct nftx_elems refused = { 0 };
	struct nftx_elems scratch = { 0 };
	size_t count = 0;

	collect(refusals, &refused);
	for (size_t i = 0; i < state->staged_count && refused.count > 0; i++)
		suspect_place(&state->places[state->staged[i]], &refused, &scratch, suspects);
	for (size_t i = 0; i < refused.count; i++) {
		struct err err = { 0 };

		if (suspects[i].place == NULL || is_repeated(suspects, i))
			continue;
		nftx_refused_text(refusal_of(refusals, &refused.list[i]), &err);
		leave_out(suspects[i].place, err.msg, out);
		count++;
	}
	close_ranks(state);
	free(refused.list);
	free(scratch.list);
	return count;
}

/* ---- By trial ------------------------------------------------------------------------------- */

/* Return: 0 when the kernel would take the first @count of the Services, else what it said. */
static int try_first(struct nftx_state *state, const struct nftx_ground ground[2], size_t count,
                     nftx_send_fn send, void *ctx, struct err *err)
{
	struct nftx_batch *batch = nftx_state_refill_first(state, ground, count);
	int ret;

	nftx_batch_end(batch, false);
	ret = send(ctx, batch, NULL, err);
	nftx_batch_free(batch);
	return ret;
}

bool nftx_state_search(struct nftx_state *state, const struct nftx_ground ground[2],
                       nftx_send_fn send, void *ctx, struct nftx_blames *out)
{
	struct err reason = { 0 };
	size_t good = 0;
	size_t bad = state->staged_count;
	int ret = try_first(state, ground, good, send, ctx, NULL);

	if (ret == 0)
		ret = try_first(state, ground, bad, send, ctx, &reason);
	else
		bad = good;
	while (nftx_is_blamable(ret) && bad - good > 1) {
		size_t half = good + (bad - good) / 2;
		struct err said = { 0 };

		ret = try_first(state, ground, half, send, ctx, &said);
		if (ret == 0) {
			good = half;
			ret = -reason.code;
		} else {
			bad = half;
			reason = said;
		}
	}
	if (!nftx_is_blamable(ret) || bad == good)
		return false;
	leave_out(&state->places[state->staged[bad - 1]], reason.msg, out);
	close_ranks(state);
	return true;
}

/* ---- Both ----------------------------------------------------------------------------------- */

int nftx_refill(struct nftx_state *state, const struct nftx_ground ground[2], bool commit,
                nftx_send_fn send, void *ctx, struct nftx_blames *out, struct err *err)
{
	AUTO_FREE struct nftx_refusals *refusals = xcalloc(1, sizeof(*refusals));
	bool may_search = true;

	for (;;) {
		struct nftx_batch *batch = nftx_state_refill(state, ground);
		bool found;
		int ret;

		nftx_batch_end(batch, commit);
		ret = send(ctx, batch, refusals, err);
		nftx_batch_free(batch);
		if (!nftx_is_blamable(ret) || out->count >= NFTX_BLAMES_MAX)
			return ret;
		found = nftx_state_blame(state, refusals, out) > 0;
		if (!found && may_search) {
			may_search = false;
			found = nftx_state_search(state, ground, send, ctx, out);
		}
		if (!found)
			return ret;
	}
}

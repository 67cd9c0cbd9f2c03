/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "held.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void remove_at(struct held *held, size_t index)
{
	free(held->list[index].name);
	held->count--;
	memmove(&held->list[index], &held->list[index + 1],
	        (held->count - index) * sizeof(*held->list));
}

void held_done(struct held *held)
{
	for (size_t i = 0; i < held->count; i++)
		free(held->list[i].name);
	free(held->list);
	*held = (struct held){ 0 };
}

/* Return: NULL when it is not held. */
static struct held_service *find(struct held *held, uint32_t id)
{
	for (size_t i = 0; i < held->count; i++)
		if (held->list[i].id == id)
			return &held->list[i];
	return NULL;
}

bool held_keeps(struct held *held, const struct lb_service *service, uint64_t now_us)
{
	struct held_service *one = find(held, service->id);

	if (one == NULL)
		return false;
	if (service->frontend_count == 0 || strcmp(one->name, service->name) != 0) {
		remove_at(held, (size_t)(one - held->list));
		return false;
	}
	one->on_trial = now_us >= one->due_us;
	one->wants = !one->on_trial;
	return one->wants;
}

static bool is_blamed(const struct nftx_blames *blames, uint32_t id)
{
	for (size_t i = 0; i < blames->count; i++)
		if (blames->list[i].id == id)
			return true;
	return false;
}

void held_accepted(struct held *held, const struct nftx_blames *blames)
{
	size_t i = 0;

	while (i < held->count) {
		if (held->list[i].on_trial && !is_blamed(blames, held->list[i].id))
			remove_at(held, i);
		else
			i++;
	}
}

void held_refused(struct held *held)
{
	for (size_t i = 0; i < held->count; i++) {
		held->list[i].wants = held->list[i].wants || held->list[i].on_trial;
		held->list[i].on_trial = false;
	}
}

static uint64_t longer(uint64_t pause_us)
{
	uint64_t twice = pause_us * 2;

	return twice < HELD_PAUSE_MAX_US ? twice : HELD_PAUSE_MAX_US;
}

void held_add(struct held *held, const struct nftx_blames *blames, uint64_t now_us)
{
	for (size_t i = 0; i < blames->count; i++) {
		const struct nftx_blamed *blamed = &blames->list[i];
		struct held_service *one = find(held, blamed->id);

		if (one == NULL) {
			held->list = vec_reserve(held->list, &held->cap, held->count + 1,
			                         sizeof(*held->list));
			one = &held->list[held->count++];
			*one = (struct held_service){ .id = blamed->id,
				                      .name = xstrdup(blamed->name),
				                      .pause_us = HELD_PAUSE_MIN_US };
		} else {
			one->pause_us = longer(one->pause_us);
		}
		one->due_us = now_us + one->pause_us;
		one->wants = one->on_trial = false;
	}
}

uint64_t held_wait(const struct held *held, uint64_t now_us)
{
	uint64_t wait = HELD_IDLE;

	for (size_t i = 0; i < held->count; i++) {
		const struct held_service *one = &held->list[i];
		uint64_t left = one->due_us > now_us ? one->due_us - now_us : 0;

		if (one->wants && left < wait)
			wait = left;
	}
	return wait;
}

const char *held_due(struct held *held, uint64_t now_us)
{
	for (size_t i = 0; i < held->count; i++) {
		struct held_service *one = &held->list[i];

		if (!one->wants || one->due_us > now_us)
			continue;
		one->wants = false;
		return one->name;
	}
	return NULL;
}

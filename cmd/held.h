/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HELD_H
#define CMD_HELD_H

/*
 * Services that the kernel refused and that were left out (nft/blame.h), and when to
 * try them again. Pure: time is an argument.
 *
 * A trial that fails costs two refills, so one that is refused again and again is tried
 * with growing pauses, in its newest form, and only when it has changed since.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/blame.h"

#define HELD_PAUSE_MIN_US 1000000u    /* before the first trial */
#define HELD_PAUSE_MAX_US 3600000000u /* each refusal doubles it up to this */
#define HELD_IDLE UINT64_MAX

/** One of them. */
struct held_service {
	uint32_t id;
	char *name; /* "namespace/name", owned */
	uint64_t due_us;
	uint64_t pause_us;
	bool wants;    /* a newer form waits */
	bool on_trial; /* the sync under way brings it */
};

/** Zero-initialise. */
struct held {
	struct held_service *list;
	size_t count, cap;
};

/** held_done() - free everything; empty and usable afterwards. */
void held_done(struct held *held);

/** held_keeps() - shall @service, which was planned anew, stay out of the next sync?
 *
 * Not one that is gone, and none that is due: that is on trial then.
 */
bool held_keeps(struct held *held, const struct lb_service *service, uint64_t now_us);

/** held_accepted() - a sync was committed: who was on trial and is not in @blames is free again. */
void held_accepted(struct held *held, const struct nftx_blames *blames);

/** held_refused() - a sync failed: who was on trial waits on. */
void held_refused(struct held *held);

/** held_add() - hold all of @blames from now on. */
void held_add(struct held *held, const struct nftx_blames *blames, uint64_t now_us);

/** held_wait() - microseconds until somebody is to be tried; 0: now; HELD_IDLE: nobody. */
uint64_t held_wait(const struct held *held, uint64_t now_us);

/** held_due() - somebody who is to be tried now, NULL: nobody. He counts as asked for afterwards.
 *
 * Return: "namespace/name"; valid until @held changes.
 */
const char *held_due(struct held *held, uint64_t now_us);

#endif

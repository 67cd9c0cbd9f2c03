/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "drift.h"

#include <string.h>

static void note(struct drift *drift, enum drift_work work, uint64_t now_us)
{
	/* nothing happened for a while: whatever was before is over */
	if (drift->work == DRIFT_NOTHING && now_us - drift->done_us >= DRIFT_QUIET_US)
		drift->streak = 0;
	if (drift->noticed_us == 0)
		drift->noticed_us = now_us;
	if (drift->work < work)
		drift->work = work;
}

/* Names come from outside: the list is bounded, and nobody is pushed out of it. */
static void blame(struct drift *drift, const struct nftx_notice *notice, uint64_t now_us)
{
	struct drift_culprit *culprit = NULL;

	for (size_t i = 0; i < drift->culprit_count && culprit == NULL; i++)
		if (strcmp(drift->culprits[i].process, notice->process) == 0)
			culprit = &drift->culprits[i];
	if (culprit == NULL && drift->culprit_count < DRIFT_CULPRITS) {
		culprit = &drift->culprits[drift->culprit_count++];
		memcpy(culprit->process, notice->process, sizeof(culprit->process));
	}
	memcpy(drift->last.process, notice->process, sizeof(drift->last.process));
	drift->last.pid = notice->pid;
	drift->last.count = 1;
	drift->last.last_us = now_us;
	if (culprit == NULL) {
		drift->unlisted++;
		return;
	}
	culprit->pid = notice->pid;
	culprit->count++;
	culprit->last_us = now_us;
	drift->last.count = culprit->count;
}

void drift_changed(struct drift *drift, const struct nftx_notice *notice, uint64_t now_us)
{
	drift->events++;
	blame(drift, notice, now_us);
	note(drift, DRIFT_REPAIR, now_us);
	drift->changed_us = now_us;
	/* what emptying our maps does not remove, and what does not tell the rules from ours */
	drift->rebuild |= notice->added[NFTX_TOUCH_SET] > 0 || notice->added[NFTX_TOUCH_OTHER] > 0;
}

void drift_doubted(struct drift *drift, uint64_t now_us)
{
	drift->losses++;
	note(drift, DRIFT_LOOK, now_us);
}

uint64_t drift_pause(const struct drift *drift)
{
	uint64_t longest = DRIFT_SHARE * drift->took_us;
	uint64_t pause = DRIFT_PAUSE_MIN_US;

	if (longest < DRIFT_PAUSE_MAX_US)
		longest = DRIFT_PAUSE_MAX_US;
	if (drift->streak == 0)
		return 0;
	for (uint32_t i = 1; i < drift->streak && pause < longest; i++)
		pause *= 2;
	return pause < longest ? pause : longest;
}

uint64_t drift_wait(const struct drift *drift, uint64_t now_us)
{
	uint64_t due_us = drift->done_us + drift_pause(drift);

	if (drift->work == DRIFT_NOTHING)
		return DRIFT_IDLE;
	return due_us > now_us ? due_us - now_us : 0;
}

static void end(struct drift *drift, uint64_t now_us, uint64_t took_us)
{
	drift->work = DRIFT_NOTHING;
	drift->noticed_us = 0;
	drift->rebuild = false;
	drift->done_us = now_us;
	drift->took_us = took_us;
	if (drift->streak < UINT32_MAX)
		drift->streak++;
}

void drift_looked(struct drift *drift, bool differs, uint64_t now_us, uint64_t took_us)
{
	drift->looks++;
	if (!differs) {
		if (drift->work == DRIFT_LOOK)
			end(drift, now_us, took_us);
		return;
	}
	drift->differs++;
	if (drift->noticed_us == 0)
		drift->noticed_us = now_us;
	drift->work = DRIFT_REPAIR;
}

bool drift_repaired(struct drift *drift, uint64_t now_us, uint64_t took_us)
{
	if (drift->work == DRIFT_NOTHING)
		return false;
	drift->repairs++;
	end(drift, now_us, took_us);
	return true;
}

bool drift_is_backing_off(const struct drift *drift, uint64_t now_us)
{
	return drift->streak >= DRIFT_STUBBORN &&
	       (drift->work != DRIFT_NOTHING || now_us - drift->done_us < DRIFT_QUIET_US);
}

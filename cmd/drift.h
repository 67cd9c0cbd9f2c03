/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_DRIFT_H
#define CMD_DRIFT_H

/*
 * What to do when somebody else has changed our tables, and when. Pure: time is
 * an argument.
 *
 * A change is repaired at once. Who changes them again and again gets repairs with
 * growing pauses, so that two programs that each want their own way do not eat the
 * machine; after a quiet time everything is as at the beginning. Where it is not
 * known whether something changed (notices were lost), the same, with a look first.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/notice.h"

#define DRIFT_PAUSE_MIN_US 20000u
#define DRIFT_PAUSE_MAX_US 1000000u /* or DRIFT_SHARE times what a repair takes, if that is more */
#define DRIFT_SHARE 20u
#define DRIFT_QUIET_US 10000000u /* without a change, and the next one is the first again */
#define DRIFT_STUBBORN 5         /* repairs without a quiet time: we back off, and say so */
#define DRIFT_IDLE UINT64_MAX
#define DRIFT_CULPRITS 16

/** Somebody who changed our tables. */
struct drift_culprit {
	char process[16]; /* "" when not known */
	uint32_t pid;     /* of the last time */
	uint64_t count;
	uint64_t last_us;
};

/** What is to be done. */
enum drift_work {
	DRIFT_NOTHING,
	DRIFT_LOOK,   /* compare, and repair what differs */
	DRIFT_REPAIR, /* refill */
};

/** Zero-initialise. All but the last part is for health and metrics. */
struct drift {
	uint64_t events;  /* foreign transactions that touched our tables */
	uint64_t repairs; /* refills after which the tables were right again */
	uint64_t losses;  /* times that notices were lost or could not be had */
	uint64_t looks;   /* comparisons made */
	uint64_t differs; /* of which found something */
	struct drift_culprit last;
	struct drift_culprit
		culprits[DRIFT_CULPRITS]; /* by name; who came first in a full list stays */
	size_t culprit_count;
	uint64_t unlisted; /* events of those who found it full */

	enum drift_work work;
	bool rebuild;        /* the repair must replace the tables */
	uint64_t noticed_us; /* when the oldest thing not repaired was noticed; 0: nothing is */
	uint64_t changed_us; /* when the last change was noticed */
	uint64_t done_us;    /* the end of the last repair or look; 0: none yet */
	uint64_t took_us;
	uint32_t streak; /* repairs and looks without a quiet time before them */
};

/** drift_changed() - a foreign transaction has touched our tables. */
void drift_changed(struct drift *drift, const struct nftx_notice *notice, uint64_t now_us);

/** drift_doubted() - something may have changed: notices were lost, or nobody listened for a moment. */
void drift_doubted(struct drift *drift, uint64_t now_us);

/** drift_wait() - microseconds until what drift_work() says is to be done; 0: now; DRIFT_IDLE. */
uint64_t drift_wait(const struct drift *drift, uint64_t now_us);

/** drift_pause() - microseconds between the last repair and the next one. */
uint64_t drift_pause(const struct drift *drift);

/** drift_looked() - a comparison was made. @differs: then a repair is due at once. */
void drift_looked(struct drift *drift, bool differs, uint64_t now_us, uint64_t took_us);

/** drift_repaired() - a refill was committed, whoever asked for it: nothing is to be done any more.
 *
 * Return: whether there was something to repair.
 */
bool drift_repaired(struct drift *drift, uint64_t now_us, uint64_t took_us);

/** drift_is_backing_off() - do repairs wait because somebody undoes them? */
bool drift_is_backing_off(const struct drift *drift, uint64_t now_us);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HEALTH_H
#define CMD_HEALTH_H

/*
 * Is the daemon well? What was observed goes in, answers come out; time is an
 * argument.
 *
 * Each part is judged by itself, and fails:
 *
 * | part   | when                                                      | /healthz | /livez | /readyz |
 * |--------|-----------------------------------------------------------|----------|--------|---------|
 * | loop   | never: who gets an answer sees that it turns              |          |        |         |
 * | source | nothing was listed yet, or it is in trouble; or, in mode  |          |        |         |
 * |        | NodeCIDR, the Node has no podCIDRs at the start           |          |        |         |
 * | watch  | no word from the API server for HEALTH_WATCH_OLD_US       |          |        |         |
 * |        | ... and for HEALTH_WATCH_HUNG_US it was not even asked    | red      | red    |         |
 * | sync   | a change is not in the kernel for timeout_us              | red      |        |         |
 * |        | ... and for that long and idle_us nobody tried            | red      | red    |         |
 * |        | Services are left out because the kernel refuses them     |          |        |         |
 * | drift  | others undo repairs of our tables again and again         |          |        |         |
 * |        | ... and they are not repaired for timeout_us              | red      |        |         |
 * | node   | the own Node is unknown, or about to be removed           | red      |        |         |
 * | start  | the first sync is not in the kernel                       |          |        | red     |
 *
 * /livez, on which the kubelet restarts us, is red only for what a restart can
 * cure: work that is due and that nobody does. It is not red while the API server
 * is away, while the kernel or another owner of our tables refuses what we send,
 * or for somebody else's writing; a loop that is blocked does not answer at all.
 *
 * /healthz, on which load balancers send traffic here, is not red while the API
 * server is away: it is away for all nodes at once, and what the kernel has goes
 * on serving. Until the first sync, the start counts as a change that is not in the
 * kernel.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "cmd/http.h"

#define HEALTH_TIMEOUT_US 60000000u /* twice kube-proxy's syncPeriod */
#define HEALTH_IDLE_US 60000000u    /* nobody tries a sync that is due, by default */
#define HEALTH_WATCH_OLD_US 300000000u
#define HEALTH_WATCH_HUNG_US 900000000u /* a watch is asked anew after 10 minutes at most */
#define HEALTH_STALL_US 50000u          /* a turn of the loop longer than that is a stall */
#define HEALTH_STALLS_SHOWN_US 60000000u

#define HEALTH_REASON 160

/** The present moment. */
struct health_now {
	uint64_t us;     /* clock_us() */
	int64_t wall_ns; /* since 1970 */
};

/** What was observed. Times are clock_us(), 0: never. Fill it through the functions below. */
struct health {
	uint64_t timeout_us;
	uint64_t idle_us;
	uint64_t started_us;

	bool listed;                      /* all was read at least once, and may be written */
	char source_error[HEALTH_REASON]; /* "": none */
	uint64_t contact_us; /* the API server's last word, started_us before the first one;
	                      * 0: there is no API server */
	uint64_t asked_us;   /* it was asked for the last time */

	uint64_t pending_us; /* the oldest change that is not in the kernel, 0: all are */
	uint64_t tried_us;   /* the last sync */
	uint64_t updated_us; /* the last sync that succeeded */
	int64_t updated_wall_ns;
	uint64_t failures; /* in a row */
	char sync_error[HEALTH_REASON];
	size_t refused; /* Services that the kernel refuses, and that are left out */

	uint64_t drift_us; /* the kernel differs since then */
	bool drift_stubborn;
	char drift_by[64];

	bool node_known; /* at least once */
	bool node_leaving;

	uint64_t stalls;     /* turns longer than HEALTH_STALL_US */
	uint64_t longest_us; /* the longest of them that is not older than HEALTH_STALLS_SHOWN_US */
	uint64_t longest_at_us;
};

/** health_init() - the daemon starts.
 *
 * @idle_us: not shorter than the longest pause between two tries of a sync that fails.
 */
void health_init(struct health *health, uint64_t now_us, uint64_t timeout_us, uint64_t idle_us);

/** health_source() - how the source is now.
 *
 * @listed: it was read as a whole at least once, and may go into the kernel.
 * @trouble: what is wrong with it; NULL when nothing is.
 */
void health_source(struct health *health, bool listed, const char *trouble);

/** health_watch() - how the watch on the API server is now, if there is one.
 *
 * @contact_us: when it last said something that was of use; 0: never.
 * @asked_us: when it was last asked.
 */
void health_watch(struct health *health, uint64_t contact_us, uint64_t asked_us);

/** health_changed() - a change came that the kernel has not got. */
void health_changed(struct health *health, uint64_t now_us);

/** health_synced() - a sync ended; @reason: NULL when everything is in the kernel now. */
void health_synced(struct health *health, struct health_now now, const char *reason);

/** health_refused() - how many Services are left out because the kernel refuses them. */
void health_refused(struct health *health, size_t count);

/** health_drift() - what others do to our tables.
 *
 * @since_us: they are changed and not repaired since then; 0: they are ours.
 * @stubborn: repairs are undone again and again, and so they wait.
 * @by: the process; "" when it is not known.
 */
void health_drift(struct health *health, uint64_t since_us, bool stubborn, const char *by);

/** health_node() - what is known of the own Node, or was known last. */
void health_node(struct health *health, bool known, bool leaving);

/** health_turned() - the loop was busy for @busy_us. Return: whether that was a stall. */
bool health_turned(struct health *health, uint64_t now_us, uint64_t busy_us);

enum health_part {
	HEALTH_LOOP,
	HEALTH_SOURCE,
	HEALTH_WATCH,
	HEALTH_SYNC,
	HEALTH_DRIFT,
	HEALTH_NODE,
	HEALTH_START,
	HEALTH_PARTS,
};

/** The endpoints, as bits. */
enum {
	HEALTH_HEALTHZ = 1 << 0,
	HEALTH_LIVEZ = 1 << 1,
	HEALTH_READYZ = 1 << 2,
};

/** How each part is. */
struct health_verdict {
	struct health_finding {
		bool failed;
		unsigned counts; /* HEALTH_*: the endpoints that are red because of it */
		char reason[HEALTH_REASON + 80];
	} parts[HEALTH_PARTS];
	bool healthy;  /* kube-proxy's: /healthz but for the node */
	bool eligible; /* the node shall get traffic */
	bool alive;
	bool ready;
};

void health_judge(const struct health *health, uint64_t now_us, struct health_verdict *out);

/** health_is_healthy() - the verdict's healthy alone. */
bool health_is_healthy(const struct health *health, uint64_t now_us);

/** health_answer() - answer /healthz, /livez and /readyz; `?verbose` lists the parts as text.
 *
 * Any other path is 404. The JSON of the first two is kube-proxy's (behaviour, section 5.6): its
 * "healthy" is the endpoint's own verdict, that of each family what /healthz says of the kernel.
 */
void health_answer(const struct health *health, struct health_now now,
                   const struct http_request *request, struct http_answer *answer);

#endif

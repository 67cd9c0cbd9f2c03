/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SOURCE_H
#define CMD_SOURCE_H

/*
 * Where the daemon's objects come from, followed for as long as it runs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "cmd/options.h"
#include "proxy/planner.h"

struct ev_loop;
struct events;
struct metrics;
struct source; /* opaque */

/** Called from the loop when the planner has got something new.
 *
 * @event_us: when the first of it was noticed, as clock_us() counts.
 */
typedef void (*source_changed_fn)(void *ctx, uint64_t event_us);

/** What a source is made with; all borrowed until source_close(). */
struct source_setting {
	struct ev_loop *loop;
	const struct options *options;
	struct proxy_planner *planner;
	struct metrics *metrics; /* may be NULL */
	struct events *events;   /* sent to an API server; may be NULL */
	source_changed_fn changed;
	void *ctx;
};

/** source_open() - begin to follow the source that the options name.
 *
 * @setting: copied; its function is not called from inside this call.
 *
 * Return: 0, or a negative errno when the daemon had better not start: a file that does not exist
 *         or cannot be read, no API server to be found. An API server that does not answer is waited
 *         for.
 */
int source_open(const struct source_setting *setting, struct source **out,
                struct err *err) MUST_CHECK;

/** source_close() - NULL is a no-op. */
void source_close(struct source *source);

/** source_turn() - at the end of a turn of the loop: do what its watchers have put off. */
void source_turn(struct source *source);

/** source_is_complete() - does the planner hold everything there is? Before that, nothing of it may
 *  go into the kernel; once true, it stays true. */
bool source_is_complete(const struct source *source);

/** source_api_load() - list everything that the API server has, once, into @planner.
 *
 * Return: 0; or a negative errno with a sentence when there is no server to be found, when it has
 *         refused or failed three times, or has not listed everything within a minute.
 */
int source_api_load(const struct options *options, struct proxy_planner *planner,
                    struct err *err) MUST_CHECK;

#define SOURCE_KINDS (PROXY_SERVICE_CIDR + 1) /* by enum proxy_kind */

/** How a source is, for health and metrics. Times are clock_us(), 0: never. */
struct source_state {
	const char *trouble; /* NULL: none; of the source, until its next turn */
	uint64_t reads;      /* of a file or directory, so far */
	uint64_t failed_reads;
	bool watches;        /* an API server, about which the rest is */
	uint64_t contact_us; /* it said something that was of use */
	uint64_t asked_us;   /* it was asked */
	struct source_kind {
		bool is_absent; /* not there or not for us: no word is to come */
		uint64_t contact_us;
		uint64_t relists; /* complete lists after the first */
	} kinds[SOURCE_KINDS];
};

void source_state(const struct source *source, struct source_state *out);

/** source_log() - a line on what it is doing. */
void source_log(const struct source *source);

#endif

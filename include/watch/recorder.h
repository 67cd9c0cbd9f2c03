/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_RECORDER_H
#define WATCH_RECORDER_H

/*
 * Events of events.k8s.io/v1: what is told to people through the API server.
 *
 * A recorder takes what has happened, makes one Event of what is identical - its
 * series counts how often - and says what to send. Pure: time is an argument,
 * requests are orders, their answers are fed. It keeps the server's burden small:
 *
 *   - one request at a time, and only when watches and lists leave a token over;
 *   - a series is told at once when it begins, after that whenever it has become
 *     twice as old, but no sooner than after 5 s and no later than after 30 min;
 *   - a bound on what is kept: what is beyond is dropped and counted;
 *   - a request that fails is tried again, with pauses that double up to 30 s, 12
 *     times in all, and what still happens then is a new Event after 6 min; what
 *     the server refuses is not tried again for an hour.
 *
 * The shape is client-go's (tools/events): the same fields, names and limits.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "watch/http.h"
#include "watch/rate.h"
#include "watch/reflector.h"

#define WATCH_MAX_RECORDS 256 /* Events that wait, or whose series may go on */
#define WATCH_MAX_NOTE 1024u  /* bytes; the server refuses more */

#define WATCH_RECORD_TRIES 12
#define WATCH_RECORD_PAUSE_MIN_US 1000000u  /* after a failure, a quarter more or less */
#define WATCH_RECORD_PAUSE_MAX_US 30000000u /* after several in a row */
#define WATCH_RECORD_WAIT_US 30000000u      /* for an answer */
#define WATCH_RECORD_LOST_US 3600000000u    /* what was refused is not tried before */
#define WATCH_SERIES_MIN_US 5000000u        /* between two requests about a series */
#define WATCH_SERIES_MAX_US 1800000000u
#define WATCH_SERIES_END_US 360000000u /* what has not happened for so long is over */

struct watch_recorder; /* opaque */

/** What has happened. Two are identical when all of this is. Copied. */
struct watch_record {
	bool is_warning;
	const char *reason;    /* "Starting"; at most 128 characters, as @action */
	const char *action;    /* "StartKubeProxy" */
	const char *kind;      /* of the object that it is about, of API version v1 */
	const char *namespace; /* "" for an object without: the Event is then in "default" */
	const char *name;
	const char *note; /* may be ""; cut to WATCH_MAX_NOTE */
};

/** watch_recorder_new() - nothing has happened.
 *
 * @controller: reportingController.
 * @instance: reportingInstance, cut to 128 characters. Both are copied.
 * @seed: random; jitter comes from it.
 *
 * Return: release with watch_recorder_free().
 */
struct watch_recorder *watch_recorder_new(const char *controller, const char *instance,
                                          uint64_t seed);

/** watch_recorder_free() - NULL is a no-op. What waits is lost. */
void watch_recorder_free(struct watch_recorder *recorder);

/** watch_recorder_add() - it has happened.
 *
 * @wall_ns: nanoseconds since 1970.
 */
void watch_recorder_add(struct watch_recorder *recorder, uint64_t now_us, int64_t wall_ns,
                        const struct watch_record *record);

/** What is to be done: as struct watch_order. */
struct watch_record_order {
	enum watch_todo todo;
	uint64_t until_us;
	struct watch_request request; /* to be sent; its text is valid until the next call */
};

/** watch_recorder_next() - ask after something was added or fed, and when until_us has come.
 *
 * @rate: that of all requests; a token is taken for each that is to be sent, and only when
 *        WATCH_RESOURCES others are left in it.
 */
void watch_recorder_next(struct watch_recorder *recorder, struct watch_rate *rate, uint64_t now_us,
                         struct watch_record_order *out);

/** watch_recorder_head() - the head of the answer is there. @retry_after_s: 0 without. */
void watch_recorder_head(struct watch_recorder *recorder, unsigned status, uint32_t retry_after_s);

/** watch_recorder_body() - a piece of the body, cut anywhere. */
void watch_recorder_body(struct watch_recorder *recorder, const char *bytes, size_t len);

/** watch_recorder_end() - the answer has ended. @ret: 0, or what went wrong, in words @reason. */
void watch_recorder_end(struct watch_recorder *recorder, uint64_t now_us, int ret,
                        const char *reason);

/** What became of what has happened; counts since the start. */
struct watch_record_status {
	uint64_t created;  /* Events that the server has taken */
	uint64_t updated;  /* series, likewise */
	uint64_t dropped;  /* there was no room */
	uint64_t refused;  /* by the server, for good */
	uint64_t failed;   /* tried in vain */
	size_t waiting;    /* or under way */
	bool is_forbidden; /* we may not create Events; nothing is sent for an hour */
	char reason[256];  /* of the last refusal or failure */
};

struct watch_record_status watch_recorder_status(const struct watch_recorder *recorder);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

#define SECOND_US 1000000u
#define SECOND_NS 1000000000

static const char *const part_names[HEALTH_PARTS] = { "loop",  "source", "watch", "sync",
	                                              "drift", "node",   "start" };

/* ---- Observations --------------------------------------------------------------------------- */

static void keep_text(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text != NULL ? text : "");
}

void health_init(struct health *health, uint64_t now_us, uint64_t timeout_us, uint64_t idle_us)
{
	*health = (struct health){
		.timeout_us = timeout_us,
		.idle_us = idle_us,
		.started_us = now_us,
		.pending_us = now_us, /* what a start brings is not in the kernel yet */
	};
}

void health_source(struct health *health, bool listed, const char *trouble)
{
	health->listed = listed;
	keep_text(health->source_error, sizeof(health->source_error), trouble);
}

void health_watch(struct health *health, uint64_t contact_us, uint64_t asked_us)
{
	/* of a server that never answered, the silence counts from the start */
	health->contact_us = contact_us != 0 ? contact_us : health->started_us;
	health->asked_us = asked_us > contact_us ? asked_us : contact_us;
}

void health_changed(struct health *health, uint64_t now_us)
{
	if (health->pending_us == 0)
		health->pending_us = now_us;
}

void health_synced(struct health *health, struct health_now now, const char *reason)
{
	health->tried_us = now.us;
	keep_text(health->sync_error, sizeof(health->sync_error), reason);
	if (reason != NULL) {
		health->failures++;
		health_changed(health, now.us);
		return;
	}
	health->failures = 0;
	health->pending_us = 0;
	health->updated_us = now.us;
	health->updated_wall_ns = now.wall_ns;
}

void health_refused(struct health *health, size_t count)
{
	health->refused = count;
}

void health_drift(struct health *health, uint64_t since_us, bool stubborn, const char *by)
{
	health->drift_us = since_us;
	health->drift_stubborn = stubborn;
	keep_text(health->drift_by, sizeof(health->drift_by), *by != '\0' ? by : "somebody");
}

void health_node(struct health *health, bool known, bool leaving)
{
	health->node_known = known;
	health->node_leaving = leaving;
}

bool health_turned(struct health *health, uint64_t now_us, uint64_t busy_us)
{
	if (health->longest_at_us + HEALTH_STALLS_SHOWN_US < now_us ||
	    busy_us > health->longest_us) {
		health->longest_us = busy_us;
		health->longest_at_us = now_us;
	}
	if (busy_us < HEALTH_STALL_US)
		return false;
	health->stalls++;
	return true;
}

/* ---- The verdict ---------------------------------------------------------------------------- */

static uint64_t age(uint64_t now_us, uint64_t since_us)
{
	return now_us > since_us ? now_us - since_us : 0;
}

static unsigned seconds(uint64_t us)
{
	return (unsigned)(us / SECOND_US);
}

#define SAY(finding, ...) (void)snprintf((finding)->reason, sizeof((finding)->reason), __VA_ARGS__)

static void fail(struct health_finding *finding, unsigned counts)
{
	finding->failed = true;
	finding->counts = counts;
}

static void judge_loop(const struct health *health, struct health_finding *out)
{
	SAY(out, "%" PRIu64 " stalls, the longest turn of late took %" PRIu64 " ms", health->stalls,
	    health->longest_us / 1000);
}

static void judge_source(const struct health *health, struct health_finding *out)
{
	if (*health->source_error != '\0') {
		fail(out, 0);
		SAY(out, "%s; %s", health->source_error,
		    health->listed ? "the last good state stays" : "nothing was written yet");
	} else if (!health->listed) {
		fail(out, 0);
		SAY(out, "nothing was listed yet");
	}
}

static void judge_watch(const struct health *health, uint64_t now_us, struct health_finding *out)
{
	uint64_t silent = age(now_us, health->contact_us);
	uint64_t idle = age(now_us, health->asked_us);
	char word[80];

	if (health->contact_us == 0) {
		SAY(out, "no API server to watch");
		return;
	}
	if (health->contact_us == health->started_us)
		(void)snprintf(word, sizeof(word), "no word from the API server yet, for %u s",
		               seconds(silent));
	else
		(void)snprintf(word, sizeof(word), "the API server's last word is %u s old",
		               seconds(silent));
	SAY(out, "%s", word);
	if (silent < HEALTH_WATCH_OLD_US)
		return;
	fail(out, 0);
	if (idle < HEALTH_WATCH_HUNG_US)
		return;
	fail(out, HEALTH_HEALTHZ | HEALTH_LIVEZ);
	SAY(out, "%s, and it was not asked for %u s", word, seconds(idle));
}

static void judge_sync(const struct health *health, uint64_t now_us, struct health_finding *out)
{
	uint64_t waits = age(now_us, health->pending_us);
	uint64_t idle = age(now_us, health->tried_us > health->pending_us ? health->tried_us
	                                                                  : health->pending_us);

	if (health->refused > 0)
		fail(out, 0);
	if (health->pending_us == 0 && health->refused > 0)
		SAY(out, "the kernel refuses %zu Service%s, everything else is in it",
		    health->refused, health->refused > 1 ? "s" : "");
	else if (health->pending_us == 0)
		SAY(out, "everything is in the kernel");
	if (health->pending_us == 0)
		return;
	if (health->failures > 0)
		SAY(out, "the oldest change waits for %u s, %" PRIu64 " tries failed: %s",
		    seconds(waits), health->failures, health->sync_error);
	else
		SAY(out, "the oldest change waits for %u s", seconds(waits));
	if (waits < health->timeout_us)
		return;
	fail(out, HEALTH_HEALTHZ);
	/* nothing may be written before everything was listed: then no try is due */
	if (health->listed && idle >= health->timeout_us + health->idle_us) {
		fail(out, HEALTH_HEALTHZ | HEALTH_LIVEZ);
		SAY(out, "a change waits for %u s, and no sync was tried for %u s", seconds(waits),
		    seconds(idle));
	}
}

static void judge_drift(const struct health *health, uint64_t now_us, struct health_finding *out)
{
	uint64_t since = age(now_us, health->drift_us);

	if (health->drift_stubborn) {
		fail(out, 0);
		SAY(out, "%s undoes our repairs again and again", health->drift_by);
	}
	if (health->drift_us == 0)
		return;
	if (!health->drift_stubborn)
		SAY(out, "changed by %s %u s ago, not repaired yet", health->drift_by,
		    seconds(since));
	if (since < health->timeout_us)
		return;
	fail(out, HEALTH_HEALTHZ);
	SAY(out, "changed by %s, not repaired for %u s", health->drift_by, seconds(since));
}

static void judge_node(const struct health *health, struct health_finding *out)
{
	if (health->node_known && !health->node_leaving)
		return;
	fail(out, HEALTH_HEALTHZ);
	SAY(out, "%s",
	    health->node_known
	            ? "the own Node is being deleted, or tainted ToBeDeletedByClusterAutoscaler"
	            : "the own Node is unknown");
}

static void judge_start(const struct health *health, struct health_finding *out)
{
	if (health->updated_us != 0)
		return;
	fail(out, HEALTH_READYZ);
	SAY(out, "the first sync is not in the kernel");
}

void health_judge(const struct health *health, uint64_t now_us, struct health_verdict *out)
{
	unsigned red = 0;

	*out = (struct health_verdict){ 0 };
	judge_loop(health, &out->parts[HEALTH_LOOP]);
	judge_source(health, &out->parts[HEALTH_SOURCE]);
	judge_watch(health, now_us, &out->parts[HEALTH_WATCH]);
	judge_sync(health, now_us, &out->parts[HEALTH_SYNC]);
	judge_drift(health, now_us, &out->parts[HEALTH_DRIFT]);
	judge_node(health, &out->parts[HEALTH_NODE]);
	judge_start(health, &out->parts[HEALTH_START]);
	for (int i = 0; i < HEALTH_PARTS; i++)
		if (i != HEALTH_NODE)
			red |= out->parts[i].counts;
	out->healthy = (red & HEALTH_HEALTHZ) == 0;
	out->eligible = !out->parts[HEALTH_NODE].failed;
	out->alive = (red & HEALTH_LIVEZ) == 0;
	out->ready = (red & HEALTH_READYZ) == 0;
}

bool health_is_healthy(const struct health *health, uint64_t now_us)
{
	struct health_verdict verdict;

	health_judge(health, now_us, &verdict);
	return verdict.healthy;
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* As Go's RFC3339Nano: a fraction without its trailing zeros. */
static void put_time(struct strbuf *buf, int64_t wall_ns)
{
	time_t second = (time_t)(wall_ns / SECOND_NS);
	char text[sizeof("2006-01-02T15:04:05")] = "";
	struct tm tm;

	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
	strbuf_printf(buf, "\"%s", text);
	if (wall_ns % SECOND_NS != 0) {
		strbuf_printf(buf, ".%09d", (int)(wall_ns % SECOND_NS));
		while (buf->text[buf->len - 1] == '0')
			buf->text[--buf->len] = '\0';
	}
	strbuf_puts(buf, "Z\"");
}

/* When the kernel was last brought up to date; Go's zero time for "never". */
static void put_updated(struct strbuf *buf, const struct health *health)
{
	if (health->updated_us == 0)
		strbuf_puts(buf, "\"0001-01-01T00:00:00Z\"");
	else
		put_time(buf, health->updated_wall_ns);
}

static void put_bool(struct strbuf *buf, const char *key, bool value)
{
	strbuf_printf(buf, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_families(struct strbuf *buf, const struct health *health, bool healthy)
{
	static const char *const names[] = { "IPv4", "IPv6" };

	/* a transaction holds both families: they are updated together */
	for (size_t i = 0; i < ARRAY_LEN(names) && health->updated_us != 0; i++) {
		strbuf_printf(buf, "%s\"%s\":{\"lastUpdated\":", i > 0 ? "," : "", names[i]);
		put_updated(buf, health);
		put_bool(buf, "healthy", healthy);
		strbuf_puts(buf, "}");
	}
}

static void answer_json(const struct health *health, struct health_now now,
                        const struct health_verdict *verdict, bool livez,
                        struct http_answer *answer)
{
	bool good = livez ? verdict->alive : verdict->healthy && verdict->eligible;
	struct strbuf *body = &answer->body;

	http_json(answer, good ? 200 : 503);
	strbuf_puts(body, "{\"lastUpdated\":");
	if (good)
		put_time(body, now.wall_ns);
	else
		put_updated(body, health);
	strbuf_puts(body, ",\"currentTime\":");
	put_time(body, now.wall_ns);
	if (!livez)
		put_bool(body, "nodeEligible", verdict->eligible);
	put_bool(body, "healthy", livez ? verdict->alive : verdict->healthy);
	strbuf_puts(body, ",\"status\":{");
	put_families(body, health, verdict->healthy);
	strbuf_puts(body, "}}");
}

static void answer_verbose(const struct health_verdict *verdict, unsigned endpoint,
                           const char *path, bool good, struct http_answer *answer)
{
	struct strbuf *body = &answer->body;

	http_text(answer, good ? 200 : 503, "");
	for (int i = 0; i < HEALTH_PARTS; i++) {
		const struct health_finding *part = &verdict->parts[i];

		strbuf_printf(body, "[%c]%s %s%s%s%s\n", part->failed ? '-' : '+', part_names[i],
		              part->failed ? "failed" : "ok",
		              part->failed && (part->counts & endpoint) == 0 ? ", not counted here"
		                                                             : "",
		              *part->reason != '\0' ? ": " : "", part->reason);
	}
	strbuf_printf(body, "%s check %s\n", path + 1, good ? "passed" : "failed");
}

void health_answer(const struct health *health, struct health_now now,
                   const struct http_request *request, struct http_answer *answer)
{
	bool verbose = http_query_has(request->query, "verbose");
	struct health_verdict v;

	health_judge(health, now.us, &v);
	if (strcmp(request->path, "/healthz") == 0) {
		if (verbose)
			answer_verbose(&v, HEALTH_HEALTHZ, request->path, v.healthy && v.eligible,
			               answer);
		else
			answer_json(health, now, &v, false, answer);
	} else if (strcmp(request->path, "/livez") == 0) {
		if (verbose)
			answer_verbose(&v, HEALTH_LIVEZ, request->path, v.alive, answer);
		else
			answer_json(health, now, &v, true, answer);
	} else if (strcmp(request->path, "/readyz") == 0) {
		if (verbose)
			answer_verbose(&v, HEALTH_READYZ, request->path, v.ready, answer);
		else
			http_text(answer, v.ready ? 200 : 503, v.ready ? "ok" : "not ready");
	} else {
		http_not_found(answer);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/mem.h"
#include "base/str.h"
#include "jitter.h"
#include "recorder_json.h"

#define PATH "/apis/events.k8s.io/v1/namespaces/"
#define MAX_ANSWER 4096u /* of a refusal's body; what is beyond says nothing new */
#define NEVER UINT64_MAX

enum state {
	STATE_NEW = 1, /* to be created */
	STATE_TAKEN,   /* the server has it */
	STATE_LOST,    /* given up */
};

/** An Event, and how often it has happened. */
struct entry {
	enum state state;
	bool is_behind; /* the server has it, but not its last count */
	struct recorder_event event;
	char *fields; /* of @event, as the next two */
	char *namespace;
	char *name;
	uint64_t first_us;
	uint64_t last_us;
	uint64_t due_us; /* no request about it before; STATE_LOST: no new one */
	unsigned tries;  /* in vain */
};

struct watch_recorder {
	char *controller;
	char *instance;
	struct entry *entries[WATCH_MAX_RECORDS];
	size_t count;
	int64_t newest_ns; /* no two have the same name */
	uint64_t prng;
	uint64_t not_before_us;
	uint64_t forbidden_until_us;
	unsigned failures; /* in a row */

	/* the request under way */
	struct entry *sent; /* NULL: none */
	uint64_t sent_us;
	unsigned answered; /* status; 0: not yet */
	uint32_t retry_after_s;
	struct strbuf target;
	struct strbuf body;
	struct strbuf answer;

	struct watch_record_status status;
};

/* ---- What has happened ---------------------------------------------------------------------- */

struct watch_recorder *watch_recorder_new(const char *controller, const char *instance,
                                          uint64_t seed)
{
	struct watch_recorder *r = xcalloc(1, sizeof(*r));
	struct strbuf cut = { 0 };

	strbuf_add(&cut, instance, strnlen(instance, RECORDER_MAX_INSTANCE));
	r->controller = xstrdup(controller);
	r->instance = cut.text;
	r->prng = seed | 1;
	return r;
}

static void free_entry(struct entry *entry)
{
	free(entry->fields);
	free(entry->namespace);
	free(entry->name);
	free(entry);
}

static void clear(struct watch_recorder *r)
{
	while (r->count > 0)
		free_entry(r->entries[--r->count]);
	r->sent = NULL;
}

void watch_recorder_free(struct watch_recorder *r)
{
	if (r == NULL)
		return;
	clear(r);
	strbuf_done(&r->target);
	strbuf_done(&r->body);
	strbuf_done(&r->answer);
	free(r->controller);
	free(r->instance);
	free(r);
}

static bool is_waiting(const struct entry *entry)
{
	return entry->state == STATE_NEW || (entry->state == STATE_TAKEN && entry->is_behind);
}

/* What has not happened for long, and of which everything is told, is over. */
static void forget(struct watch_recorder *r, uint64_t now_us)
{
	for (size_t i = 0; i < r->count;) {
		struct entry *entry = r->entries[i];

		if (entry == r->sent || is_waiting(entry) ||
		    now_us < entry->last_us + WATCH_SERIES_END_US) {
			i++;
			continue;
		}
		free_entry(entry);
		r->entries[i] = r->entries[--r->count];
	}
}

static struct entry *find(const struct watch_recorder *r, const char *namespace, const char *fields)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->entries[i]->fields, fields) == 0 &&
		    strcmp(r->entries[i]->namespace, namespace) == 0)
			return r->entries[i];
	return NULL;
}

/* It is as if it happened for the first time: the server knows nothing of it. */
static void begin(struct watch_recorder *r, struct entry *entry, const char *object,
                  uint64_t now_us, int64_t wall_ns)
{
	struct strbuf name = { 0 };

	if (wall_ns <= r->newest_ns)
		wall_ns = r->newest_ns + 1;
	r->newest_ns = wall_ns;
	recorder_json_name(&name, object, wall_ns);
	free(entry->name);
	entry->name = name.text;
	entry->state = STATE_NEW;
	entry->tries = 0;
	entry->due_us = now_us;
	entry->first_us = now_us;
	entry->event = (struct recorder_event){
		.controller = r->controller,
		.instance = r->instance,
		.namespace = entry->namespace,
		.name = entry->name,
		.fields = entry->fields,
		.first_ns = wall_ns,
	};
}

static struct entry *new_entry(struct watch_recorder *r, const char *namespace, const char *fields)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->fields = xstrdup(fields);
	entry->namespace = xstrdup(namespace);
	r->entries[r->count++] = entry;
	return entry;
}

static void add(struct watch_recorder *r, uint64_t now_us, int64_t wall_ns,
                const struct watch_record *record, const char *fields)
{
	const char *namespace = *record->namespace != '\0' ? record->namespace : "default";
	struct entry *entry = find(r, namespace, fields);

	if (entry == NULL && r->count == WATCH_MAX_RECORDS) {
		r->status.dropped++;
		return;
	}
	if (entry == NULL) {
		entry = new_entry(r, namespace, fields);
		begin(r, entry, record->name, now_us, wall_ns);
	} else if (entry->state == STATE_LOST && now_us >= entry->due_us) {
		begin(r, entry, record->name, now_us, wall_ns);
	}
	entry->last_us = now_us;
	entry->event.last_ns = wall_ns;
	if (entry->event.count < INT32_MAX) /* an int32 in the API */
		entry->event.count++;
	entry->is_behind = entry->state != STATE_LOST; /* for STATE_NEW once it is sent */
}

void watch_recorder_add(struct watch_recorder *r, uint64_t now_us, int64_t wall_ns,
                        const struct watch_record *record)
{
	struct strbuf fields = { 0 };

	if (now_us < r->forbidden_until_us) {
		r->status.refused++;
		return;
	}
	forget(r, now_us);
	recorder_json_fields(&fields, record);
	add(r, now_us, wall_ns, record, fields.text);
	strbuf_done(&fields);
}

/* ---- What is sent --------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A series that seems to be over is told at once. */
static uint64_t wanted_us(const struct entry *entry)
{
	if (!is_waiting(entry))
		return NEVER;
	if (entry->state == STATE_NEW)
		return entry->due_us;
	return earlier(entry->due_us, entry->last_us + WATCH_SERIES_END_US);
}

/* Those that have failed less often come first, then those that have waited longest. */
static bool comes_before(const struct entry *a, const struct entry *b)
{
	if (a->tries != b->tries)
		return a->tries < b->tries;
	return wanted_us(a) < wanted_us(b);
}

/* Sets @out_us to when there is something to send; NEVER: nothing waits. */
static struct entry *next_entry(const struct watch_recorder *r, uint64_t now_us, uint64_t *out_us)
{
	struct entry *next = NULL;

	*out_us = NEVER;
	for (size_t i = 0; i < r->count; i++) {
		struct entry *entry = r->entries[i];
		uint64_t us = wanted_us(entry);

		*out_us = earlier(*out_us, us);
		if (us <= now_us && (next == NULL || comes_before(entry, next)))
			next = entry;
	}
	return next;
}

static void send_entry(struct watch_recorder *r, struct entry *entry, uint64_t now_us,
                       struct watch_record_order *out)
{
	bool is_new = entry->state == STATE_NEW;

	r->sent = entry;
	r->sent_us = now_us;
	r->answered = 0;
	r->retry_after_s = 0;
	entry->is_behind = false; /* unless it happens again meanwhile */
	strbuf_clear(&r->answer);
	strbuf_clear(&r->target);
	strbuf_clear(&r->body);
	strbuf_puts(&r->target, PATH);
	answer_escape(&r->target, entry->namespace);
	strbuf_puts(&r->target, "/events");
	if (is_new) {
		recorder_json_event(&r->body, &entry->event);
	} else {
		strbuf_puts(&r->target, "/");
		answer_escape(&r->target, entry->name);
		recorder_json_series(&r->body, &entry->event);
	}
	out->todo = WATCH_SEND;
	out->request = (struct watch_request){
		.method = is_new ? "POST" : "PATCH",
		.target = r->target.text,
		.type = is_new ? "application/json" : "application/merge-patch+json",
		.body = r->body.text,
		.body_len = r->body.len,
	};
}

void watch_recorder_next(struct watch_recorder *r, struct watch_rate *rate, uint64_t now_us,
                         struct watch_record_order *out)
{
	struct entry *entry;
	uint64_t ready_us;

	*out = (struct watch_record_order){ .todo = WATCH_WAIT };
	if (r->sent != NULL) {
		out->until_us = r->sent_us + WATCH_RECORD_WAIT_US;
		if (now_us < out->until_us)
			return;
		out->todo = WATCH_CANCEL;
		watch_recorder_end(r, now_us, -1, "the server did not answer");
		return;
	}
	entry = next_entry(r, now_us, &out->until_us);
	if (out->until_us == NEVER)
		return;
	ready_us = watch_rate_spare(rate, WATCH_RESOURCES, now_us);
	if (ready_us < r->not_before_us)
		ready_us = r->not_before_us;
	if (out->until_us < ready_us)
		out->until_us = ready_us;
	if (entry == NULL || now_us < ready_us)
		return;
	watch_rate_take(rate, now_us);
	send_entry(r, entry, now_us, out);
}

/* ---- What the server says ------------------------------------------------------------------- */

void watch_recorder_head(struct watch_recorder *r, unsigned status, uint32_t retry_after_s)
{
	r->answered = status;
	r->retry_after_s = retry_after_s;
}

void watch_recorder_body(struct watch_recorder *r, const char *bytes, size_t len)
{
	if (r->answered < 300)
		return; /* it is what we have sent */
	if (len > MAX_ANSWER - r->answer.len)
		len = MAX_ANSWER - r->answer.len;
	strbuf_add(&r->answer, bytes, len);
}

static void taken(struct watch_recorder *r, struct entry *entry, uint64_t now_us)
{
	uint64_t age_us = now_us - entry->first_us;

	if (entry->state == STATE_NEW)
		r->status.created++;
	else
		r->status.updated++;
	entry->state = STATE_TAKEN;
	entry->tries = 0;
	if (age_us < WATCH_SERIES_MIN_US)
		age_us = WATCH_SERIES_MIN_US;
	entry->due_us = now_us + earlier(age_us, WATCH_SERIES_MAX_US);
	r->failures = 0;
	r->status.is_forbidden = false;
}

static void lose(struct entry *entry, uint64_t until_us)
{
	entry->state = STATE_LOST;
	entry->is_behind = false;
	entry->due_us = until_us;
}

/* The server, or the way to it, is in trouble: so it would be for the next one. */
static void fail(struct watch_recorder *r, struct entry *entry, uint64_t now_us)
{
	uint64_t asked_us = (uint64_t)r->retry_after_s * 1000000;
	uint64_t pause_us = WATCH_RECORD_PAUSE_MIN_US;

	for (unsigned i = 0; i < r->failures && pause_us < WATCH_RECORD_PAUSE_MAX_US; i++)
		pause_us *= 2;
	pause_us = jitter_pause(&r->prng, earlier(pause_us, WATCH_RECORD_PAUSE_MAX_US));
	asked_us = earlier(asked_us, WATCH_RETRY_AFTER_MAX_US);
	r->not_before_us = now_us + (pause_us > asked_us ? pause_us : asked_us);
	r->failures++;
	entry->is_behind = entry->state == STATE_TAKEN;
	if (++entry->tries < WATCH_RECORD_TRIES)
		return;
	r->status.failed++;
	lose(entry, now_us + WATCH_SERIES_END_US);
}

static void forbid(struct watch_recorder *r, uint64_t now_us)
{
	for (size_t i = 0; i < r->count; i++)
		r->status.refused += is_waiting(r->entries[i]);
	r->forbidden_until_us = now_us + WATCH_RECORD_LOST_US;
	r->status.is_forbidden = true;
	clear(r);
}

/* Nothing that will be otherwise when it is asked again. */
static bool is_final(unsigned status)
{
	return status >= 300 && status < 500 && status != 401 && status != 408 && status != 409 &&
	       status != 429;
}

static void refused(struct watch_recorder *r, struct entry *entry, uint64_t now_us, bool is_ending)
{
	if (r->answered == 409 && entry->state == STATE_NEW) {
		/* by a try whose answer was lost, perhaps with another count */
		entry->is_behind = entry->event.count > 1;
		taken(r, entry, now_us);
	} else if (r->answered == 404 && entry->state == STATE_TAKEN) {
		entry->state = STATE_NEW; /* the server keeps Events for an hour */
		entry->due_us = now_us;
	} else if (r->answered == 403 && !is_ending) {
		entry->is_behind = entry->state == STATE_TAKEN;
		forbid(r, now_us);
	} else if (is_final(r->answered)) {
		r->status.refused++;
		lose(entry, now_us + WATCH_RECORD_LOST_US);
	} else {
		fail(r, entry, now_us);
	}
}

static void note_refusal(struct watch_recorder *r, const struct answer_status *said)
{
	(void)snprintf(r->status.reason, sizeof(r->status.reason), "the server answered %u%s%s",
	               r->answered, said->text[0] != '\0' ? ", " : "", said->text);
}

void watch_recorder_end(struct watch_recorder *r, uint64_t now_us, int ret, const char *reason)
{
	struct entry *entry = r->sent;
	struct answer_status said;
	cJSON *tree;

	r->sent = NULL;
	if (r->answered >= 200 && r->answered < 300) {
		taken(r, entry, now_us);
		return;
	}
	if (ret < 0 || r->answered == 0) {
		(void)snprintf(r->status.reason, sizeof(r->status.reason), "%s", reason);
		fail(r, entry, now_us);
		return;
	}
	tree = cJSON_ParseWithLength(r->answer.len > 0 ? r->answer.text : "", r->answer.len);
	answer_status(tree, &said);
	note_refusal(r, &said);
	cJSON_Delete(tree);
	refused(r, entry, now_us, said.is_ending);
}

struct watch_record_status watch_recorder_status(const struct watch_recorder *r)
{
	struct watch_record_status status = r->status;

	for (size_t i = 0; i < r->count; i++)
		status.waiting += is_waiting(r->entries[i]) || r->entries[i] == r->sent;
	return status;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: which request is next
 *
 * A request is under way, or the next one waits for its time. Every answer ends
 * in settle(), which says what is next: a watch from the last revision on, the
 * next page, or a list.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/jitter.h"
#include "watch/reflector_impl.h"

#define PAGE_LIMIT 500

/* A server ends a watch after so long (client-go: 5 to 10 minutes). */
#define WATCH_MIN_S 300
#define WATCH_MAX_S 600

/* A server that refuses streaming lists is asked for one again after this. */
#define NO_STREAM_US 3600000000u

/* Of an answer that is neither list nor watch, so much is read. */
#define TEXT_BYTES ((size_t)64 << 10)

/* A watch that ends sooner, and without an event, is no good watch. */
#define SHORT_US 1000000u

/* Servers send bookmarks about every minute. A watch of this length without a single one looks at
 * nothing: its revision is of a future that a restored etcd has never had. */
#define BLIND_US 150000000u

/* A list again sooner than this after the last one waits, like after a failure; so does one after a
 * second list in a row that was of no use, however long that took. */
#define LIST_AGAIN_US 5000000u

void watch_resources(const char *node_name, char *node_selector, size_t size,
                     struct watch_resource out[static WATCH_RESOURCES])
{
	struct strbuf name = { 0 };

	answer_escape(&name, node_name);
	(void)snprintf(node_selector, size, "fieldSelector=metadata.name%%3D%s",
	               name.len > 0 ? name.text : "");
	strbuf_done(&name);
	out[0] = (struct watch_resource){
		.kind = PROXY_SERVICE,
		.name = "services",
		.path = "/api/v1/services",
		.selectors = "labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"
			     "&fieldSelector=spec.clusterIP%21%3DNone",
	};
	out[1] = (struct watch_resource){
		.kind = PROXY_ENDPOINT_SLICE,
		.name = "endpointslices",
		.path = "/apis/discovery.k8s.io/v1/endpointslices",
		.selectors = "labelSelector=%21service.kubernetes.io%2Fheadless",
	};
	out[2] = (struct watch_resource){
		.kind = PROXY_NODE,
		.name = "nodes",
		.path = "/api/v1/nodes",
		.selectors = node_selector,
	};
	out[3] = (struct watch_resource){
		.kind = PROXY_SERVICE_CIDR,
		.name = "servicecidrs",
		.path = "/apis/networking.k8s.io/v1/servicecidrs",
		.selectors = "",
		.is_optional = true,
	};
}

struct watch_reflector *watch_reflector_new(const struct watch_resource *resource,
                                            struct watch_rate *rate, uint64_t seed,
                                            watch_event_fn on_event, void *ctx)
{
	struct watch_reflector *r = xcalloc(1, sizeof(*r));

	r->resource = resource;
	r->rate = rate;
	r->on_event = on_event;
	r->ctx = ctx;
	r->prng = seed | 1;
	r->must_list = true;
	r->lines.max = WATCH_MAX_OBJECT_BYTES;
	r->manifest.arena.limit = WATCH_MAX_TREE_BYTES;
	return r;
}

void watch_reflector_free(struct watch_reflector *r)
{
	if (r == NULL)
		return;
	reflector_end_page(r);
	lines_done(&r->lines);
	jsonx_arena_done(&r->manifest.arena);
	strbuf_done(&r->text);
	diag_done(&r->diags);
	free(r);
}

const struct watch_status *watch_reflector_status(const struct watch_reflector *r)
{
	return &r->status;
}

struct diags *watch_reflector_diags(struct watch_reflector *r)
{
	return &r->diags;
}

void reflector_tell(struct watch_reflector *r, enum watch_event_type type,
                    struct proxy_meta *object, const struct watch_ident *ident)
{
	struct watch_event event = {
		.type = type,
		.kind = r->resource->kind,
		.object = object,
		.namespace = ident != NULL ? ident->namespace : "",
		.name = ident != NULL ? ident->name : "",
	};

	r->on_event(r->ctx, &event);
}

void reflector_well(struct watch_reflector *r)
{
	r->failures = 0;
	r->status.failing_since_us = 0;
	r->status.is_absent = false;
}

static void begin_list(struct watch_reflector *r)
{
	if (r->is_listing)
		return;
	r->is_listing = true;
	reflector_tell(r, WATCH_LIST_BEGIN, NULL, NULL);
}

static void break_list(struct watch_reflector *r)
{
	r->next_page[0] = '\0';
	if (r->is_listing)
		reflector_tell(r, WATCH_LIST_BROKEN, NULL, NULL);
	r->is_listing = false;
}

void reflector_listed(struct watch_reflector *r, const char *revision)
{
	memcpy(r->revision, revision, strlen(revision) + 1);
	r->is_listing = false;
	r->must_list = false;
	r->in_one_page = false;
	r->next_page[0] = '\0';
	r->fruitless++;
	r->status.relists += r->status.is_listed && !r->status.is_absent;
	r->status.is_listed = true;
	reflector_tell(r, WATCH_LIST_END, NULL, NULL);
	reflector_well(r);
}

/* The next request waits, longer with every failure in a row; and with every list that was of no
 * use, though it succeeded: lists of a whole cluster are what a server in trouble can bear least. */
static void pause_us(struct watch_reflector *r, uint64_t now_us)
{
	uint64_t pause = WATCH_PAUSE_MIN_US;
	uint64_t asked = (uint64_t)r->retry_after_s * 1000000;
	unsigned steps = r->failures;

	if (r->fruitless > steps + 2)
		steps = r->fruitless - 2;
	for (unsigned i = 0; i < steps && pause < WATCH_PAUSE_MAX_US; i++)
		pause *= 2;
	if (pause > WATCH_PAUSE_MAX_US)
		pause = WATCH_PAUSE_MAX_US;
	pause = jitter_pause(&r->prng, pause);
	if (asked > WATCH_RETRY_AFTER_MAX_US)
		asked = WATCH_RETRY_AFTER_MAX_US;
	r->failures++;
	r->not_before_us = now_us + (pause > asked ? pause : asked);
}

static void fail(struct watch_reflector *r, uint64_t now_us, const char *fmt, ...) ERR_PRINTF(3, 4);

static void fail(struct watch_reflector *r, uint64_t now_us, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->status.reason, sizeof(r->status.reason), fmt, ap);
	va_end(ap);
	if (r->status.failing_since_us == 0)
		r->status.failing_since_us = now_us;
	r->status.failures++;
	break_list(r);
	pause_us(r, now_us);
}

/* What we asked to begin from is not there: only a list can tell where we are. */
static void gone(struct watch_reflector *r, uint64_t now_us)
{
	if (r->request == REQUEST_PAGE && r->next_page[0] != '\0')
		r->in_one_page = true;
	r->status.expired++;
	break_list(r);
	r->must_list = true;
	r->revision[0] = '\0';
	if (r->fruitless > 1 || now_us - r->list_us < LIST_AGAIN_US)
		pause_us(r, now_us);
}

static void absent(struct watch_reflector *r, uint64_t now_us, const char *why)
{
	break_list(r);
	reflector_well(r);
	r->must_list = true;
	r->status.is_absent = true;
	r->status.is_listed = true;
	(void)snprintf(r->status.reason, sizeof(r->status.reason), "%s", why);
	r->not_before_us = now_us + WATCH_ABSENT_PAUSE_US;
}

/* A server that does not know streaming lists says so with one of these. */
static bool refuses_stream(unsigned status)
{
	return status == 400 || status == 405 || status == 406 || status == 415 || status == 422 ||
	       status == 501;
}

/* What has been listed before is not gone because we may not see it any more. */
static bool is_absence(const struct watch_reflector *r)
{
	return r->resource->is_optional && (r->answered == 403 || r->answered == 404) &&
	       (!r->status.is_listed || r->status.is_absent);
}

/* An answer that is not 200: usually with a Status as its body. */
static void settle_refusal(struct watch_reflector *r, uint64_t now_us)
{
	const char *text = r->text.len > 0 ? r->text.text : "";
	unsigned code = r->answered;
	struct answer_status status;

	answer_status(reflector_parse(r, text, r->text.len), &status);
	reflector_forget_tree(r);
	if (code == 410 || status.is_gone) {
		gone(r, now_us);
	} else if (is_absence(r)) {
		absent(r, now_us, status.text);
	} else if (r->request == REQUEST_STREAM && refuses_stream(code)) {
		r->no_stream_before_us = now_us + NO_STREAM_US;
	} else {
		/* a watch that is refused for what it asks for will be refused again */
		if (r->request == REQUEST_WATCH && (code == 400 || code == 404 || code == 422))
			r->must_list = true;
		fail(r, now_us, "the server answered %u%s%s", code,
		     status.text[0] != '\0' ? ", " : "", status.text);
	}
}

static void settle_page(struct watch_reflector *r, uint64_t now_us)
{
	const struct answer_page *page = &r->page_end;

	if (json_stream_end(&r->page) < 0) {
		fail(r, now_us, "a page of the list is broken: %s", r->err.msg);
	} else if (!page->is_list) {
		fail(r, now_us, "the answer is not a list");
	} else if (!page->has_more) {
		reflector_listed(r, page->revision);
	} else if (page->continue_token[0] != '\0') {
		memcpy(r->next_page, page->continue_token, sizeof(r->next_page));
	} else {
		r->in_one_page = true;
		fail(r, now_us, "a continue token of more than %d bytes", ANSWER_MAX_CONTINUE);
	}
}

static void settle_watch(struct watch_reflector *r, uint64_t now_us)
{
	uint64_t lasted = now_us - r->sent_us;

	if (r->is_listing) {
		r->no_stream_before_us = now_us + NO_STREAM_US;
		fail(r, now_us, "the streaming list ended before it was complete");
	} else if (!r->has_events && lasted < SHORT_US) {
		fail(r, now_us, "the watch ended at once, without an event");
	} else if (!r->has_events && lasted >= BLIND_US) {
		r->must_list = true;
		r->revision[0] = '\0';
		r->fruitless = 0;
	} else {
		reflector_well(r);
		r->fruitless = 0;
	}
}

/* Draws the conclusion from the answer that has ended. */
static void settle(struct watch_reflector *r, uint64_t now_us, int ret, const char *reason)
{
	switch (r->outcome) {
	case OUTCOME_GONE:
		gone(r, now_us);
		return;
	case OUTCOME_USELESS:
		r->must_list = true;
		fail(r, now_us, "%s", r->err.msg);
		return;
	case OUTCOME_FAILED:
		fail(r, now_us, "%s", r->err.msg);
		return;
	case OUTCOME_NONE:
		break;
	}
	if (ret < 0)
		fail(r, now_us, "%s", reason);
	else if (r->answered != 200)
		settle_refusal(r, now_us);
	else if (r->request == REQUEST_PAGE)
		settle_page(r, now_us);
	else
		settle_watch(r, now_us);
}

static void end_request(struct watch_reflector *r)
{
	reflector_end_page(r);
	lines_done(&r->lines);
	strbuf_done(&r->text);
	r->request = 0;
	r->status.is_watching = false;
	r->status.silent_since_us = 0;
}

void watch_reflector_end(struct watch_reflector *r, uint64_t now_us, int ret, const char *reason)
{
	ASSERT(r->request != 0);
	settle(r, now_us, ret, reason);
	end_request(r);
}

void watch_reflector_head(struct watch_reflector *r, uint64_t now_us, unsigned status,
                          uint32_t retry_after_s)
{
	ASSERT(r->request != 0);
	r->answered = status;
	r->retry_after_s = retry_after_s;
	r->status.silent_since_us = now_us;
	if (status != 200)
		return;
	r->status.heard_us = now_us;
	if (r->request == REQUEST_PAGE)
		reflector_begin_page(r);
	if (r->request != REQUEST_WATCH) {
		begin_list(r);
		return;
	}
	r->status.is_watching = true;
	r->status.failing_since_us = 0;
}

static int take_text(struct watch_reflector *r, const char *bytes, size_t len)
{
	size_t room = TEXT_BYTES - r->text.len;

	strbuf_add(&r->text, bytes, len < room ? len : room);
	return 0;
}

int watch_reflector_body(struct watch_reflector *r, uint64_t now_us, const char *bytes, size_t len)
{
	int ret;

	ASSERT(r->request != 0);
	r->status.silent_since_us = now_us;
	if (r->outcome != OUTCOME_NONE)
		return -ECANCELED;
	if (r->answered != 200)
		return take_text(r, bytes, len);
	r->status.heard_us = now_us;
	if (r->request == REQUEST_PAGE)
		ret = reflector_on_page(r, bytes, len);
	else
		ret = lines_push(&r->lines, bytes, len, reflector_on_line, r);
	if (r->request == REQUEST_STREAM && !r->is_listing)
		r->status.is_watching = true;
	if (ret < 0 && r->outcome == OUTCOME_NONE)
		r->outcome = OUTCOME_FAILED;
	return ret < 0 ? -ECANCELED : 0;
}

/* The silence after which the request under way is given up. */
static uint64_t deadline(const struct watch_reflector *r)
{
	bool is_open = r->answered == 200 && r->request != REQUEST_PAGE && !r->is_listing;

	return (is_open ? r->ends_us : r->status.silent_since_us) + WATCH_SILENCE_US;
}

/* The query, begun with what all requests of this resource have. */
static void add_query(const struct watch_reflector *r, struct strbuf *target)
{
	const char *selectors = r->resource->selectors;

	strbuf_printf(target, "%s?%s%s", r->resource->path, selectors,
	              *selectors != '\0' ? "&" : "");
}

static void add_watch(struct watch_reflector *r, struct strbuf *target, uint64_t now_us)
{
	uint64_t seconds = WATCH_MIN_S + jitter_below(&r->prng, WATCH_MAX_S - WATCH_MIN_S);

	r->ends_us = now_us + seconds * 1000000;
	strbuf_printf(target, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRIu64, seconds);
	if (r->revision[0] == '\0')
		return;
	strbuf_puts(target, "&resourceVersion=");
	answer_escape(target, r->revision);
}

static void add_page(struct watch_reflector *r, struct strbuf *target)
{
	strbuf_printf(target, "limit=%d", r->in_one_page ? 0 : PAGE_LIMIT);
	if (r->next_page[0] == '\0')
		return;
	strbuf_puts(target, "&continue=");
	answer_escape(target, r->next_page);
}

static enum request next_request(const struct watch_reflector *r, uint64_t now_us)
{
	if (!r->must_list)
		return REQUEST_WATCH;
	return r->next_page[0] != '\0' || now_us < r->no_stream_before_us ? REQUEST_PAGE
	                                                                  : REQUEST_STREAM;
}

static void send_next(struct watch_reflector *r, uint64_t now_us, struct watch_order *out)
{
	struct strbuf target = { 0 };

	watch_rate_take(r->rate, now_us);
	r->request = next_request(r, now_us);
	r->sent_us = now_us;
	r->ends_us = 0;
	r->answered = 0;
	r->retry_after_s = 0;
	r->has_events = false;
	r->outcome = OUTCOME_NONE;
	r->status.silent_since_us = now_us;
	if (r->request == REQUEST_WATCH) {
		r->status.watches++;
	} else if (r->next_page[0] == '\0') {
		r->status.lists++;
		r->list_us = now_us;
	}
	add_query(r, &target);
	if (r->request == REQUEST_PAGE)
		add_page(r, &target);
	else
		add_watch(r, &target, now_us);
	if (r->request == REQUEST_STREAM)
		strbuf_puts(&target, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	ASSERT(target.len < sizeof(out->target));
	memcpy(out->target, target.text, target.len + 1);
	strbuf_done(&target);
	out->todo = WATCH_SEND;
}

static void give_up(struct watch_reflector *r, uint64_t now_us)
{
	if (r->request == REQUEST_STREAM && r->is_listing)
		r->no_stream_before_us = now_us + NO_STREAM_US;
	r->status.timeouts++;
	r->retry_after_s = 0;
	fail(r, now_us, "the server has said nothing for %" PRIu64 " s",
	     (now_us - r->status.silent_since_us) / 1000000);
	end_request(r);
}

void watch_reflector_next(struct watch_reflector *r, uint64_t now_us, struct watch_order *out)
{
	uint64_t ready;

	out->todo = WATCH_WAIT;
	out->target[0] = '\0';
	if (r->request != 0) {
		out->until_us = deadline(r);
		if (now_us < out->until_us)
			return;
		give_up(r, now_us);
		out->todo = WATCH_CANCEL;
		return;
	}
	ready = watch_rate_ready(r->rate, now_us);
	out->until_us = r->not_before_us > ready ? r->not_before_us : ready;
	if (now_us >= out->until_us)
		send_next(r, now_us, out);
}

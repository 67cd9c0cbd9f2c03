/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the API server as the source
 *
 * Four reflectors (watch/reflector.h) say what to ask and what the answers mean;
 * watch/http.h asks. Here the two meet: bytes to the reflector, its events to the
 * planner, its orders to the requests. What a turn of the loop has brought is
 * told once, at its end.
 */
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "cmd/api_client.h"
#include "cmd/api_events.h"
#include "cmd/api_metrics.h"
#include "cmd/api_probe.h"
#include "cmd/clock.h"
#include "cmd/log.h"
#include "cmd/report.h"
#include "cmd/source_impl.h"
#include "watch/http.h"
#include "watch/reflector.h"

/* A server that answers wrongly so often, or not at all for so long, is given up by those who ask it
 * once. */
#define ONCE_FAILURES 3
#define ONCE_S 60.

/** One resource. */
struct peer {
	struct api *api;
	const struct watch_resource *resource;
	struct watch_reflector *reflector;
	struct watch_transfer *transfer; /* NULL: no request is under way */
	struct diags found;              /* by the last list */
	uint64_t asked_us;               /* the last request was sent */
	bool answered;                   /* with a head */
	uint64_t list_begin_us;
	uint64_t objects_before; /* of the list */
	bool is_listing;
	bool was_listed; /* and all of these were said */
	bool was_absent;
	bool was_failing;
	char reason[256]; /* the last one */
};

struct api {
	struct source source;
	struct source_setting setting;
	struct api_client client;
	struct watch_rate rate;
	struct watch_resource resources[WATCH_RESOURCES];
	char node_selector[3 * PROXY_MAX_NAME + 64];
	struct peer peers[WATCH_RESOURCES];
	struct api_probe probe;
	struct api_metrics metrics;
	struct api_events events;
	ev_timer timer;
	uint64_t
		event_us; /* when the first of what the planner has got was noticed; 0: nothing new */
	uint64_t dead_peers;
	size_t turns;
	bool is_complete;
	bool node_missing; /* and it was said */
};

static void note_event(struct api *api)
{
	if (api->event_us == 0)
		api->event_us = clock_us();
}

static uint32_t kind_bit(enum proxy_kind kind)
{
	return 1u << kind;
}

/* What is news to a daemon is in the way of those that print something. */
static enum log_level level_of(const struct api *api)
{
	return api->setting.options->command == COMMAND_RUN ? LOG_INFO : LOG_DEBUG;
}

/* What was listed is in force: findings are those of the whole list. */
static void end_list(struct peer *peer, struct proxy_planner *planner)
{
	const struct watch_status *status = watch_reflector_status(peer->reflector);
	struct diags *diags = watch_reflector_diags(peer->reflector);

	proxy_planner_list_end(planner, kind_bit(peer->resource->kind), true, diags);
	report_new(&peer->found, diags);
	peer->is_listing = false;
	LOG_AT(level_of(peer->api), NULL, "listed", LOG_STR("resource", peer->resource->name),
	       LOG_U64("objects", status->objects - peer->objects_before),
	       LOG_U64("took_us", clock_us() - peer->list_begin_us));
	note_event(peer->api);
}

static void on_event(void *ctx, const struct watch_event *event)
{
	struct peer *peer = ctx;
	struct proxy_planner *planner = peer->api->setting.planner;
	uint32_t bit = kind_bit(event->kind);
	bool changed = false;

	switch (event->type) {
	case WATCH_LIST_BEGIN:
		peer->is_listing = true;
		peer->list_begin_us = clock_us();
		peer->objects_before = watch_reflector_status(peer->reflector)->objects;
		proxy_planner_list_begin(planner, bit);
		break;
	case WATCH_LIST_OBJECT:
		proxy_planner_list_add(planner, event->object);
		break;
	case WATCH_LIST_KEEP:
		(void)proxy_planner_list_keep(planner, event->kind, event->namespace, event->name);
		break;
	case WATCH_LIST_REMOVE:
		proxy_planner_list_remove(planner, event->kind, event->namespace, event->name);
		break;
	case WATCH_LIST_END:
		end_list(peer, planner);
		break;
	case WATCH_LIST_BROKEN:
		peer->is_listing = false;
		proxy_planner_list_end(planner, bit, false, NULL);
		break;
	case WATCH_PUT:
		changed = proxy_planner_put(planner, event->object,
		                            watch_reflector_diags(peer->reflector));
		break;
	case WATCH_DELETE:
		changed = proxy_planner_delete(planner, event->kind, event->namespace, event->name);
		break;
	}
	if (changed)
		note_event(peer->api);
}

static void say_absent(const struct peer *peer, const struct watch_status *status)
{
	log_warning(
		"not there or not for us: unallocated addresses of service ranges are left alone",
		LOG_STR("resource", peer->resource->name), LOG_STR("reason", status->reason));
}

/* What has changed about a resource is said once, and a new reason for a failure, too. */
static void report_peer(struct peer *peer)
{
	const struct watch_status *status = watch_reflector_status(peer->reflector);
	struct diags *diags = watch_reflector_diags(peer->reflector);
	bool is_failing = status->failing_since_us != 0;

	if (!peer->is_listing && diags->total > 0) {
		report_diags(diags);
		diag_clear(diags);
	}
	if (status->is_absent && !peer->was_absent)
		say_absent(peer, status);
	peer->was_absent = status->is_absent;
	/* Those that ask once have a sentence of their own at the end. */
	if (peer->api->setting.options->command != COMMAND_RUN)
		return;
	if (is_failing && (!peer->was_failing || strcmp(peer->reason, status->reason) != 0)) {
		log_warning_limited("not watched, what is known stays in force",
		                    LOG_STR("resource", peer->resource->name),
		                    LOG_STR("reason", status->reason));
		memcpy(peer->reason, status->reason, sizeof(peer->reason));
	}
	if (!is_failing && peer->was_failing && !status->is_absent)
		log_info("watched again", LOG_STR("resource", peer->resource->name));
	peer->was_failing = is_failing;
}

static int on_head(void *ctx, const struct watch_head *head)
{
	struct peer *peer = ctx;

	peer->answered = true;
	api_metrics_answered(&peer->api->metrics, "GET", head->status, clock_us() - peer->asked_us);
	watch_reflector_head(peer->reflector, clock_us(), head->status, head->retry_after_s);
	return 0;
}

static int on_body(void *ctx, const char *bytes, size_t len)
{
	struct peer *peer = ctx;

	return watch_reflector_body(peer->reflector, clock_us(), bytes, len);
}

static void on_end(void *ctx, int ret, const struct err *err)
{
	struct peer *peer = ctx;

	peer->transfer = NULL;
	if (!peer->answered)
		api_metrics_answered(&peer->api->metrics, "GET", 0, clock_us() - peer->asked_us);
	watch_reflector_end(peer->reflector, clock_us(), ret, ret < 0 ? err->msg : "");
}

static void cancel(struct peer *peer)
{
	if (!peer->answered)
		api_metrics_answered(&peer->api->metrics, "GET", 0, clock_us() - peer->asked_us);
	watch_http_cancel(peer->api->client.http, peer->transfer);
	peer->transfer = NULL;
}

static const struct watch_transfer_fn peer_fn = { on_head, on_body, on_end };

/* Carries out what the reflector wants. Return: when it wants to be asked again. */
static uint64_t advance(struct peer *peer, uint64_t now_us)
{
	struct watch_order order;

	for (;;) {
		watch_reflector_next(peer->reflector, now_us, &order);
		switch (order.todo) {
		case WATCH_WAIT:
			return order.until_us;
		case WATCH_SEND:
			peer->asked_us = now_us;
			peer->answered = false;
			peer->transfer = watch_http_get(peer->api->client.http, order.target,
			                                &peer_fn, peer);
			break;
		case WATCH_CANCEL:
			peer->api->dead_peers++;
			cancel(peer);
			break;
		}
	}
}

/* The open watch that has been silent for the longest. */
static uint64_t longest_silence(const struct api *api)
{
	uint64_t since = 0;

	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		const struct watch_status *status = watch_reflector_status(api->peers[i].reflector);

		if (status->is_watching && (since == 0 || status->silent_since_us < since))
			since = status->silent_since_us;
	}
	return since;
}

/* A server that leaves a probe unanswered is dead to the watches that are silent, too. */
static void give_up_silent(struct api *api, uint64_t now_us)
{
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		struct peer *peer = &api->peers[i];
		const struct watch_status *status = watch_reflector_status(peer->reflector);

		if (peer->transfer == NULL || !status->is_watching ||
		    !api_probe_is_silent(now_us, status->silent_since_us))
			continue;
		cancel(peer);
		watch_reflector_end(peer->reflector, now_us, -ETIMEDOUT,
		                    "the server is silent, and does not answer a probe");
	}
	watch_http_drop_connections(api->client.http);
	api->dead_peers++;
}

static void arm(struct api *api, uint64_t now_us, uint64_t until_us)
{
	ev_timer_stop(api->setting.loop, &api->timer);
	if (until_us == UINT64_MAX)
		return;
	ev_timer_set(&api->timer, until_us > now_us ? (double)(until_us - now_us) / 1e6 : 0., 0.);
	ev_timer_start(api->setting.loop, &api->timer);
}

/* All are listed: from now on the planner holds the whole cluster. */
static void check_complete(struct api *api)
{
	for (size_t i = 0; i < WATCH_RESOURCES; i++)
		if (!watch_reflector_status(api->peers[i].reflector)->is_listed)
			return;
	if (!api->is_complete)
		note_event(api);
	api->is_complete = true;
	if (!api->node_missing)
		report_node(api->setting.options, api->setting.planner);
	api->node_missing = !proxy_planner_counts(api->setting.planner).node_known;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Return: when somebody wants to be asked again. */
static uint64_t turn_peers(struct api *api, uint64_t now_us)
{
	uint64_t until_us;

	until_us = api_probe_turn(&api->probe, now_us, longest_silence(api));
	if (api->probe.is_lost)
		give_up_silent(api, now_us);
	api->probe.is_lost = false;
	/* Where requests are rationed, one that asks often must not take all of them. */
	api->turns++;
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		struct peer *peer = &api->peers[(api->turns + i) % WATCH_RESOURCES];

		until_us = earlier(until_us, advance(peer, now_us));
		report_peer(peer);
	}
	return until_us;
}

static void tell_changes(struct api *api)
{
	if (api->event_us == 0 && api->is_complete)
		return;
	check_complete(api);
	if (!api->is_complete)
		return;
	api->setting.changed(api->setting.ctx, api->event_us);
	api->event_us = 0;
}

/* Lists and watches come first: Events wait until everything was listed once, and then each time
 * until those have what they want. */
static void api_turn(struct source *source)
{
	struct api *api = (void *)source;
	uint64_t now_us = clock_us();
	uint64_t until_us = turn_peers(api, now_us);

	tell_changes(api);
	if (api->is_complete)
		until_us = earlier(until_us, api_events_turn(&api->events, now_us));
	arm(api, now_us, until_us);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop; /* being awake is enough: the turn does the rest */
	(void)w;
	(void)events;
}

static bool api_is_complete(const struct source *source)
{
	return ((const struct api *)(const void *)source)->is_complete;
}

static void api_log(const struct source *source)
{
	const struct api *api = (const void *)source;
	struct watch_http_stats http = watch_http_stats(api->client.http);

	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		const struct watch_status *s = watch_reflector_status(api->peers[i].reflector);

		log_info("source", LOG_STR("resource", api->resources[i].name),
		         LOG_STR("state", s->is_absent          ? "absent"
		                          : s->failing_since_us ? "failing"
		                          : s->is_watching      ? "watched"
		                                                : "listing"),
		         LOG_STR("reason", s->failing_since_us || s->is_absent ? s->reason : ""),
		         LOG_U64("objects", s->objects), LOG_U64("events", s->events),
		         LOG_U64("lists", s->lists), LOG_U64("watches", s->watches),
		         LOG_U64("expired", s->expired), LOG_U64("failures", s->failures));
	}
	log_info("source", LOG_STR("server", api->client.cluster.server),
	         LOG_U64("requests", http.requests), LOG_U64("connections", http.connections),
	         LOG_U64("body_bytes", http.body_bytes), LOG_U64("http", http.http_major),
	         LOG_U64("dead_peers", api->dead_peers));
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Who answers a probe is there for all watches that are open. */
static uint64_t contact_of(const struct api *api, const struct peer *peer)
{
	const struct watch_status *status = watch_reflector_status(peer->reflector);

	return status->is_watching ? later(status->heard_us, api->probe.alive_us)
	                           : status->heard_us;
}

/* The resource that is worst off counts; one that is not for us does not. */
static void api_state(const struct source *source, struct source_state *out)
{
	const struct api *api = (const void *)source;
	bool first = true;

	out->watches = true;
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		const struct peer *peer = &api->peers[i];
		const struct watch_status *status = watch_reflector_status(peer->reflector);
		struct source_kind *kind = &out->kinds[peer->resource->kind];
		uint64_t asked_us = peer->asked_us;

		kind->is_absent = status->is_absent;
		kind->contact_us = contact_of(api, peer);
		kind->relists = status->relists;
		if (status->is_absent)
			continue;
		if (status->failing_since_us != 0 && out->trouble == NULL)
			out->trouble = status->reason;
		if (status->is_watching)
			asked_us = later(asked_us, api->probe.sent_us);
		out->contact_us = first || kind->contact_us < out->contact_us ? kind->contact_us
		                                                              : out->contact_us;
		out->asked_us = first || asked_us < out->asked_us ? asked_us : out->asked_us;
		first = false;
	}
}

static void api_close(struct source *source)
{
	struct api *api = (void *)source;

	ev_timer_stop(api->setting.loop, &api->timer);
	api_client_close(&api->client);
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		watch_reflector_free(api->peers[i].reflector);
		diag_done(&api->peers[i].found);
	}
	free(api);
}

static uint64_t random_seed(void)
{
	uint64_t seed = clock_us();

	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	return seed;
}

static void open_peers(struct api *api)
{
	const struct options *options = api->setting.options;

	watch_rate_init(&api->rate, options->api_milli_qps, options->api_burst, clock_us());
	watch_resources(options->node_name, api->node_selector, sizeof(api->node_selector),
	                api->resources);
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		struct peer *peer = &api->peers[i];

		peer->api = api;
		peer->resource = &api->resources[i];
		peer->reflector = watch_reflector_new(peer->resource, &api->rate, random_seed(),
		                                      on_event, peer);
	}
}

int source_api_open(const struct source_setting *setting, struct source **out, struct err *err)
{
	struct api *api = xcalloc(1, sizeof(*api));
	int ret;

	api->source = (struct source){ api_close, api_turn, api_is_complete, api_log, api_state };
	api->setting = *setting;
	ev_init(&api->timer, on_timer);
	ret = api_client_open(&api->client, setting->loop, setting->options, err);
	if (ret < 0) {
		api_close(&api->source);
		return ret;
	}
	api->probe.http = api->client.http;
	api_metrics_init(&api->metrics, setting->metrics, api->client.cluster.server);
	open_peers(api);
	api->events = (struct api_events){ .events = setting->events,
		                           .http = api->client.http,
		                           .rate = &api->rate,
		                           .metrics = &api->metrics };
	LOG_AT(level_of(api), NULL, "watching the API server",
	       LOG_STR("server", api->client.cluster.server));
	*out = &api->source;
	return 0;
}

/* Why it is of no use to wait any longer; 0 while it is. */
static int check_once(const struct api *api, bool is_late, struct err *err)
{
	for (size_t i = 0; i < WATCH_RESOURCES; i++) {
		const struct watch_status *s = watch_reflector_status(api->peers[i].reflector);

		if (!s->is_listed && s->failures >= ONCE_FAILURES)
			return err_set(err, EIO, "%s: %s", api->resources[i].name, s->reason);
	}
	return is_late ? err_set(err, ETIMEDOUT, "%s: not listed within %.0f s",
	                         api->client.cluster.server, ONCE_S)
	               : 0;
}

static void ignore_change(void *ctx, uint64_t event_us)
{
	(void)ctx;
	(void)event_us;
}

int source_api_load(const struct options *options, struct proxy_planner *planner, struct err *err)
{
	struct source_setting setting = { .options = options,
		                          .planner = planner,
		                          .changed = ignore_change };
	struct source *source;
	ev_timer late;
	int ret;

	setting.loop = ev_loop_new(EVFLAG_AUTO);
	if (setting.loop == NULL)
		return err_set(err, EIO, "no event loop");
	ret = source_api_open(&setting, &source, err);
	if (ret < 0) {
		ev_loop_destroy(setting.loop);
		return ret;
	}
	ev_timer_init(&late, on_timer, ONCE_S, 0.);
	ev_timer_start(setting.loop, &late);
	source_turn(source);
	while (ret == 0 && !source_is_complete(source)) {
		(void)ev_run(setting.loop, EVRUN_ONCE);
		source_turn(source);
		ret = check_once((struct api *)source, !ev_is_active(&late), err);
	}
	source_close(source);
	ev_loop_destroy(setting.loop);
	return ret;
}

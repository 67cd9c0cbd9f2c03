/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/api_events.h"

#include <ev.h>

#include "cmd/api_client.h"
#include "cmd/clock.h"
#include "cmd/log.h"

static void count_answer(struct api_events *ae, unsigned status)
{
	ae->answered = true;
	api_metrics_answered(ae->metrics, ae->method, status, clock_us() - ae->asked_us);
}

static int on_head(void *ctx, const struct watch_head *head)
{
	struct api_events *ae = ctx;

	count_answer(ae, head->status);
	watch_recorder_head(events_recorder(ae->events), head->status, head->retry_after_s);
	return 0;
}

static int on_body(void *ctx, const char *bytes, size_t len)
{
	struct api_events *ae = ctx;

	watch_recorder_body(events_recorder(ae->events), bytes, len);
	return 0;
}

/* That there is no right is said once, until there is; what came to nothing, each time. */
static void report(struct api_events *ae)
{
	struct watch_record_status now = events_status(ae->events);

	if (now.is_forbidden && !ae->said.is_forbidden)
		log_warning("no right to send Events, none is sent for an hour",
		            LOG_STR("reason", now.reason));
	else if (!now.is_forbidden && ae->said.is_forbidden)
		log_info("Events are sent again", LOG_U64("created", now.created));
	else if (!now.is_forbidden &&
	         (now.refused > ae->said.refused || now.failed > ae->said.failed))
		log_warning_limited("Event not sent", LOG_STR("reason", now.reason));
	ae->said = now;
}

static void on_end(void *ctx, int ret, const struct err *err)
{
	struct api_events *ae = ctx;

	ae->transfer = NULL;
	if (!ae->answered)
		count_answer(ae, 0);
	watch_recorder_end(events_recorder(ae->events), clock_us(), ret, ret < 0 ? err->msg : "");
	report(ae);
}

static const struct watch_transfer_fn events_fn = { on_head, on_body, on_end };

uint64_t api_events_turn(struct api_events *ae, uint64_t now_us)
{
	struct watch_record_order order;

	if (ae->events == NULL)
		return UINT64_MAX;
	for (;;) {
		watch_recorder_next(events_recorder(ae->events), ae->rate, now_us, &order);
		switch (order.todo) {
		case WATCH_WAIT:
			return order.until_us;
		case WATCH_SEND:
			ae->method = order.request.method;
			ae->asked_us = now_us;
			ae->answered = false;
			ae->transfer = watch_http_send(ae->http, &order.request, &events_fn, ae);
			break;
		case WATCH_CANCEL:
			if (!ae->answered)
				count_answer(ae, 0);
			watch_http_cancel(ae->http, ae->transfer);
			ae->transfer = NULL;
			report(ae);
			break;
		}
	}
}

static void on_late(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop; /* it is not active any more */
	(void)w;
	(void)events;
}

static void send_all(struct api_events *ae, struct ev_loop *loop)
{
	ev_timer late;

	ev_timer_init(&late, on_late, API_EVENTS_FLUSH_S, 0.);
	ev_timer_start(loop, &late);
	while (ev_is_active(&late)) {
		(void)api_events_turn(ae, clock_us());
		if (ae->transfer == NULL)
			break;
		(void)ev_run(loop, EVRUN_ONCE);
	}
	ev_timer_stop(loop, &late);
}

void api_events_flush(struct events *events, const struct options *options)
{
	struct api_metrics metrics = { 0 };
	struct api_client client = { 0 };
	struct watch_rate rate;
	struct api_events ae = { .events = events, .rate = &rate, .metrics = &metrics };
	struct err err = { 0 };
	struct ev_loop *loop;

	if (events_status(events).waiting == 0)
		return;
	loop = ev_loop_new(EVFLAG_AUTO);
	if (loop == NULL)
		return;
	watch_rate_init(&rate, options->api_milli_qps, options->api_burst, clock_us());
	if (api_client_open(&client, loop, options, &err) == 0) {
		ae.http = client.http;
		send_all(&ae, loop);
	}
	api_client_close(&client);
	ev_loop_destroy(loop);
}

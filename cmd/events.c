/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/events.h"

#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "cmd/process.h"

struct events {
	struct ev_loop *loop;
	const char *node;
	struct watch_recorder *recorder;
	ev_timer wake;
};

static void on_wake(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop; /* being awake is enough: the source's turn does the rest */
	(void)w;
	(void)events;
}

/* The host's name even where the Node has another: that is what client-go takes. */
static void instance(char *out, size_t size)
{
	static const char prefix[] = "kube-proxy-";

	memcpy(out, prefix, sizeof(prefix));
	if (gethostname(out + strlen(prefix), size - sizeof(prefix)) < 0)
		out[strlen(prefix)] = '\0';
	out[size - 1] = '\0';
}

struct events *events_new(struct ev_loop *loop, const struct options *options)
{
	struct events *events;
	char name[128];
	uint64_t seed = clock_us();

	if (options->source != NULL)
		return NULL;
	events = xcalloc(1, sizeof(*events));
	events->loop = loop;
	events->node = options->node_name;
	instance(name, sizeof(name));
	(void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
	events->recorder = watch_recorder_new("kube-proxy", name, seed);
	ev_timer_init(&events->wake, on_wake, 0., 0.);
	return events;
}

void events_free(struct events *events)
{
	if (events == NULL)
		return;
	ev_timer_stop(events->loop, &events->wake);
	watch_recorder_free(events->recorder);
	free(events);
}

static void add(struct events *events, const struct watch_record *record)
{
	watch_recorder_add(events->recorder, clock_us(), process_wall_ns(), record);
	if (ev_is_active(&events->wake))
		return;
	ev_timer_set(&events->wake, 0., 0.);
	ev_timer_start(events->loop, &events->wake);
}

static void add_of_node(struct events *events, bool is_warning, const char *reason,
                        const char *note)
{
	const struct watch_record record = {
		.is_warning = is_warning,
		.reason = reason,
		.action = "StartKubeProxy",
		.kind = "Node",
		.namespace = "",
		.name = events->node,
		.note = note,
	};

	add(events, &record);
}

void events_starting(struct events *events)
{
	if (events != NULL)
		add_of_node(events, false, "Starting", "");
}

void events_server_failed(struct events *events, enum events_server server, const char *reason)
{
	if (events != NULL)
		add_of_node(events, true,
		            server == EVENTS_HEALTH ? "FailedToStartProxierHealthcheck"
		                                    : "FailedToStartMetricServer",
		            reason);
}

void events_health_port_failed(struct events *events, const char *service, uint16_t port,
                               const char *reason)
{
	struct strbuf namespace AUTO_STRBUF = { 0 };
	struct strbuf note AUTO_STRBUF = { 0 };
	size_t space = strcspn(service, "/");
	struct watch_record record = {
		.is_warning = true,
		.reason = "FailedToStartServiceHealthcheck",
		.action = "Listen",
		.kind = "Service",
	};

	if (events == NULL)
		return;
	strbuf_add(&namespace, service, space);
	strbuf_printf(&note, "node %s failed to start healthcheck \"%s\" on port %u: %s",
	              events->node, service, port, reason);
	record.namespace = namespace.text;
	record.name = service[space] == '/' ? service + space + 1 : "";
	record.note = note.text;
	add(events, &record);
}

struct watch_recorder *events_recorder(struct events *events)
{
	return events->recorder;
}

struct watch_record_status events_status(const struct events *events)
{
	return events != NULL ? watch_recorder_status(events->recorder)
	                      : (struct watch_record_status){ 0 };
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/events.h"

#include <ev.h>
#include <string.h>

#include "test/unit/test.h"

static struct ev_loop *loop;
static struct options options = { .node_name = "node-1" };

static int set_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	/* A watcher that is left would keep it. */
	assert_false(ev_run(loop, EVRUN_NOWAIT));
	ev_loop_destroy(loop);
	return 0;
}

static void a_file_as_the_source_has_none(void **state)
{
	struct options of_file = { .source = "cluster.yaml", .node_name = "node-1" };
	struct events *events = events_new(loop, &of_file);

	(void)state;
	assert_null(events);
	events_starting(events);
	events_server_failed(events, EVENTS_HEALTH, "in use");
	events_health_port_failed(events, "shop/web", 30000, "in use");
	assert_int_equal(events_status(events).waiting, 0);
	events_free(events);
}

static void tell_start(struct events *events)
{
	events_starting(events);
}

static void tell_health(struct events *events)
{
	events_server_failed(events, EVENTS_HEALTH, "127.0.0.1:10256: in use");
}

static void tell_metrics(struct events *events)
{
	events_server_failed(events, EVENTS_METRICS, "127.0.0.1:10249: in use");
}

static void tell_port(struct events *events)
{
	events_health_port_failed(events, "shop/web", 30000, "192.0.2.1:30000: in use");
}

#define OF_NODE "\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"node-1\"}"

static const struct row {
	const char *what;
	void (*tell)(struct events *events);
	const char *target;
	const char *fields;
} rows[] = {
	{ "the start", tell_start, "/namespaces/default/events",
	  "\"type\":\"Normal\",\"reason\":\"Starting\",\"action\":\"StartKubeProxy\"," OF_NODE
	  "}" },
	{ "the health port", tell_health, "/namespaces/default/events",
	  "\"type\":\"Warning\",\"reason\":\"FailedToStartProxierHealthcheck\","
	  "\"action\":\"StartKubeProxy\"," OF_NODE ",\"note\":\"127.0.0.1:10256: in use\"}" },
	{ "the metrics port", tell_metrics, "/namespaces/default/events",
	  "\"type\":\"Warning\",\"reason\":\"FailedToStartMetricServer\","
	  "\"action\":\"StartKubeProxy\"," OF_NODE ",\"note\":\"127.0.0.1:10249: in use\"}" },
	{ "a Service's port", tell_port, "/namespaces/shop/events",
	  "\"type\":\"Warning\",\"reason\":\"FailedToStartServiceHealthcheck\","
	  "\"action\":\"Listen\",\"regarding\":{\"apiVersion\":\"v1\",\"kind\":\"Service\","
	  "\"namespace\":\"shop\",\"name\":\"web\"},\"note\":\"node node-1 failed to start "
	  "healthcheck \\\"shop/web\\\" on port 30000: 192.0.2.1:30000: in use\"}" },
};

static void tells_what_kube_proxy_tells(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct events *events = events_new(loop, &options);
		struct watch_record_order order;
		struct watch_rate rate;
		size_t len = strlen(rows[i].fields);

		print_message("  - %s\n", rows[i].what);
		watch_rate_init(&rate, 0, 0, 1);
		rows[i].tell(events);
		/* long after, as the recorder's clock is ours */
		watch_recorder_next(events_recorder(events), &rate, UINT64_MAX / 2, &order);
		assert_int_equal(order.todo, WATCH_SEND);
		assert_non_null(strstr(order.request.target, rows[i].target));
		assert_non_null(strstr(order.request.body, "\"reportingController\":\"kube-proxy\","
		                                           "\"reportingInstance\":\"kube-proxy-"));
		assert_string_equal(order.request.body + order.request.body_len - len,
		                    rows[i].fields);
		events_free(events);
	}
}

static void on_late(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l; /* it is not active any more */
	(void)w;
	(void)revents;
}

/* What is told in the middle of a turn must not wait until somebody else wakes the loop. */
static void the_loop_turns_when_there_is_something_to_send(void **state)
{
	struct events *events = events_new(loop, &options);
	ev_timer late;

	(void)state;
	ev_timer_init(&late, on_late, 5., 0.);
	ev_timer_start(loop, &late);
	events_starting(events);
	events_health_port_failed(events, "shop/web", 30000, "in use");
	(void)ev_run(loop, EVRUN_ONCE);
	assert_true(ev_is_active(&late));
	assert_int_equal(events_status(events).waiting, 2);
	ev_timer_stop(loop, &late);
	events_free(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_as_the_source_has_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_what_kube_proxy_tells, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_loop_turns_when_there_is_something_to_send,
		                                set_up, tear_down),
	};

	return cmocka_run_group_tests_name("cmd/events", tests, NULL, NULL);
}

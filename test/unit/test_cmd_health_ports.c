/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/health_ports.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test/unit/loop_client.h"
#include "test/unit/test.h"

static struct ev_loop *loop;
static struct httpd *server;
static struct health_ports *ports;
static bool healthy;
static struct ipaddr addresses[2]; /* both of IPv4, and of this process alone */

static bool tell(void *ctx)
{
	return *(bool *)ctx;
}

static int set_up(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	addresses[0] = addresses[1] = loop_own_address();
	addresses[1].bytes[1] += 1;
	healthy = true;
	if (httpd_new(loop, HTTPD_DEADLINE_US, &server, NULL) < 0)
		return -1;
	ports = health_ports_new(server, 1024, tell, &healthy);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	health_ports_free(ports);
	httpd_free(server);
	ev_loop_destroy(loop);
	return 0;
}

static void says_what_kube_proxy_says(void **state)
{
	static const struct row {
		const char *what;
		const char *service;
		uint32_t endpoints;
		bool healthy;
		unsigned status;
		const char *weight;
		const char *body;
	} rows[] = {
		{ "endpoints here", "default/web", 2, true, 200, "2",
		  "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": "
		  "\"web\"\n\t},"
		  "\n\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}" },
		{ "none", "default/web", 0, true, 503, "0",
		  "{\n\t\"service\": {\n\t\t\"namespace\": \"default\",\n\t\t\"name\": "
		  "\"web\"\n\t},"
		  "\n\t\"localEndpoints\": 0,\n\t\"serviceProxyHealthy\": true\n}" },
		{ "not healthy: the true count all the same", "a/b", 18, false, 503, "18",
		  "{\n\t\"service\": {\n\t\t\"namespace\": \"a\",\n\t\t\"name\": \"b\"\n\t},"
		  "\n\t\"localEndpoints\": 18,\n\t\"serviceProxyHealthy\": false\n}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_answer answer = { 0 };

		print_message("  - %s\n", rows[i].what);
		health_port_answer(rows[i].service, rows[i].endpoints, rows[i].healthy, &answer);
		assert_int_equal(answer.status, rows[i].status);
		assert_string_equal(answer.content_type, "application/json");
		assert_int_equal(answer.header_count, 2);
		assert_string_equal(answer.headers[0].name, "X-Content-Type-Options");
		assert_string_equal(answer.headers[0].value, "nosniff");
		assert_string_equal(answer.headers[1].name, "X-Load-Balancing-Endpoint-Weight");
		assert_string_equal(answer.headers[1].value, rows[i].weight);
		assert_string_equal(answer.body.text, rows[i].body);
		http_answer_done(&answer);
	}
}

/* What is answered at a port: the weight, or -1 when nobody listens. */
static int weight_at(const struct ipaddr *address, uint16_t port)
{
	static const char header[] = "X-Load-Balancing-Endpoint-Weight: ";
	AUTO_STRBUF struct strbuf got = { 0 };
	int fd = loop_connect(address, port);
	const char *found;
	int weight = 0;

	if (fd < 0)
		return -1;
	(void)close(fd);
	loop_get(loop, address, port, "/any/path?at=all", &got);
	found = strstr(got.text, header);
	assert_non_null(found);
	for (found += strlen(header); *found >= '0' && *found <= '9'; found++)
		weight = weight * 10 + (*found - '0');
	return weight;
}

static bool apply(const struct census_check *checks, size_t count, size_t address_count)
{
	return health_ports_apply(ports, checks, count, addresses, address_count);
}

/* The list of the behaviour document, section 7.3. */
static void follows_services(void **state)
{
	struct census_check two[] = { { "ns/a", 4, 32001, 0 }, { "ns/b", 4, 32002, 5 } };
	struct ipaddr *a = &addresses[0];

	(void)state;
	(void)apply(NULL, 0, 1);
	assert_int_equal(weight_at(a, 32001), -1);
	(void)apply(two, 2, 1);
	assert_int_equal(weight_at(a, 32001), 0);
	assert_int_equal(weight_at(a, 32002), 5);
	two[0].endpoints = 18;
	(void)apply(two, 2, 1);
	assert_int_equal(weight_at(a, 32001), 18);
	assert_int_equal(weight_at(a, 32002), 5);
	two[0].endpoints = 0;
	(void)apply(two, 2, 1);
	assert_int_equal(weight_at(a, 32001), 0);
	two[0].port = 32003;
	(void)apply(two, 2, 1);
	assert_int_equal(weight_at(a, 32001), -1);
	assert_int_equal(weight_at(a, 32003), 0);
	(void)apply(two + 1, 1, 1);
	assert_int_equal(weight_at(a, 32003), -1);
	assert_int_equal(weight_at(a, 32002), 5);
	(void)apply(NULL, 0, 1);
	assert_int_equal(weight_at(a, 32002), -1);
}

static void swaps_ports_between_services(void **state)
{
	const struct census_check before[] = { { "ns/a", 4, 32001, 1 }, { "ns/b", 4, 32002, 2 } };
	const struct census_check after[] = { { "ns/a", 4, 32002, 1 }, { "ns/b", 4, 32001, 2 } };

	(void)state;
	assert_false(apply(before, 2, 1));
	assert_false(apply(after, 2, 1));
	assert_int_equal(weight_at(&addresses[0], 32002), 1);
	assert_int_equal(weight_at(&addresses[0], 32001), 2);
	assert_int_equal(health_ports_stats(ports).failures[0], 0);
}

static void follows_addresses(void **state)
{
	const struct census_check one = { "ns/a", 4, 32001, 1 };

	(void)state;
	(void)apply(&one, 1, 0);
	assert_int_equal(weight_at(&addresses[0], 32001), -1);
	(void)apply(&one, 1, 2);
	assert_int_equal(weight_at(&addresses[0], 32001), 1);
	assert_int_equal(weight_at(&addresses[1], 32001), 1);
	assert_int_equal(health_ports_stats(ports).listening[0], 2);
	(void)apply(&one, 1, 1);
	assert_int_equal(weight_at(&addresses[0], 32001), 1);
	assert_int_equal(weight_at(&addresses[1], 32001), -1);
}

/* An address of the other family is none for this check. */
static void keeps_families_apart(void **state)
{
	const struct census_check six = { "ns/a", 6, 32001, 1 };

	(void)state;
	(void)apply(&six, 1, 1);
	assert_int_equal(health_ports_stats(ports).listening[1], 0);
	assert_int_equal(health_ports_stats(ports).failing[1], 0);
	assert_int_equal(weight_at(&addresses[0], 32001), -1);
}

static void nothing(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	(void)ctx;
	(void)request;
	http_not_found(answer);
}

/* All addresses of a Service or none; others are not affected, and it is tried again. */
static void tries_again(void **state)
{
	const struct census_check two[] = { { "ns/a", 4, 32001, 1 }, { "ns/b", 4, 32002, 2 } };
	struct httpd_listener *stranger;

	(void)state;
	assert_int_equal(
		httpd_listen(server, &addresses[1], 32001, false, nothing, NULL, &stranger, NULL),
		0);
	assert_true(apply(two, 2, 2));
	assert_int_equal(weight_at(&addresses[0], 32001), -1);
	assert_int_equal(weight_at(&addresses[0], 32002), 2);
	assert_int_equal(health_ports_stats(ports).failing[0], 1);
	assert_int_equal(health_ports_stats(ports).listening[0], 2);
	assert_true(health_ports_retry(ports));
	assert_int_equal(health_ports_stats(ports).failures[0], 2);
	httpd_close(stranger);
	assert_false(health_ports_retry(ports));
	assert_int_equal(weight_at(&addresses[0], 32001), 1);
	assert_int_equal(weight_at(&addresses[1], 32001), 1);
	assert_int_equal(health_ports_stats(ports).failing[0], 0);
}

static void tells_the_daemons_health(void **state)
{
	const struct census_check one = { "ns/a", 4, 32001, 7 };
	AUTO_STRBUF struct strbuf got = { 0 };

	(void)state;
	(void)apply(&one, 1, 1);
	loop_get(loop, &addresses[0], 32001, "/", &got);
	assert_non_null(strstr(got.text, "HTTP/1.1 200 "));
	healthy = false;
	strbuf_clear(&got);
	loop_get(loop, &addresses[0], 32001, "/", &got);
	assert_non_null(strstr(got.text, "HTTP/1.1 503 "));
	assert_non_null(
		strstr(got.text, "\"localEndpoints\": 7,\n\t\"serviceProxyHealthy\": false"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static struct {
	unsigned calls;
	char what[256];
} failed;

static void note_failure(void *ctx, const char *service, uint16_t port, const char *reason)
{
	assert_ptr_equal(ctx, &healthy);
	failed.calls++;
	(void)snprintf(failed.what, sizeof(failed.what), "%s %u %s", service, port, reason);
}

static void tells_each_failure(void **state)
{
	const struct census_check two[] = { { "ns/a", 4, 32001, 1 }, { "ns/b", 4, 32002, 2 } };
	struct httpd_listener *stranger;

	(void)state;
	assert_int_equal(
		httpd_listen(server, &addresses[0], 32001, false, nothing, NULL, &stranger, NULL),
		0);
	health_ports_watch(ports, note_failure);
	assert_true(apply(two, 2, 1));
	assert_int_equal(failed.calls, 1);
	assert_memory_equal(failed.what, "ns/a 32001 ", 11);
	assert_non_null(strstr(failed.what, "Address already in use"));
	assert_true(health_ports_retry(ports));
	assert_int_equal(failed.calls, 2);
	httpd_close(stranger);
	assert_false(health_ports_retry(ports));
	assert_int_equal(failed.calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_kube_proxy_says),
		TEST(follows_services),
		TEST(swaps_ports_between_services),
		TEST(follows_addresses),
		TEST(keeps_families_apart),
		TEST(tries_again),
		TEST(tells_each_failure),
		TEST(tells_the_daemons_health),
	};

	return cmocka_run_group_tests_name("cmd/health_ports", tests, NULL, NULL);
}

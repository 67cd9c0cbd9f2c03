/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/census.h"

#include <stdlib.h>
#include <string.h>

#include "proxy/plan.h"
#include "test/unit/objects.h"
#include "test/unit/test.h"

/* Plans a Service with one slice in each family, on node-1, and notes it. */
static void note(struct census *census, uint32_t id, const char *name,
                 const struct service_spec *spec, const char *v4, const char *v6)
{
	struct ipaddr node_ip;
	const struct proxy_facts facts = { .node_name = "node-1",
		                           .zone = "",
		                           .node_port_addresses = &node_ip,
		                           .node_port_address_count = 1 };
	struct proxy_meta *service = spec != NULL ? make_service(spec) : NULL;
	struct proxy_meta *slices[] = { SLICE("x1", "x", "a:tcp:80 b:tcp:81", v4),
		                        SLICE("x2", "x", "a:tcp:80 b:tcp:81", v6) };
	const struct proxy_endpoint_slice *list[] = { (void *)slices[0], (void *)slices[1] };
	struct diags diags = { 0 };
	struct lb_service *planned;

	assert_int_equal(ipaddr_parse("192.0.2.1", &node_ip, NULL), 0);
	((struct proxy_endpoint_slice *)(void *)slices[1])->family = 6;
	planned = proxy_plan_service(id, name, (void *)service, list, 2, &facts, &diags);
	census_note(census, planned);
	free(planned);
	free(service);
	free(slices[0]);
	free(slices[1]);
	diag_done(&diags);
}

#define SPEC(...) (&(struct service_spec){ __VA_ARGS__ })
#define BALANCED(...)                                                                      \
	SPEC(.name = "x", .type = PROXY_LOAD_BALANCER, .cluster_ips = "10.96.0.1 fd00::1", \
	     .ports = "a:tcp:80:30080 b:tcp:81", .external_local = true, __VA_ARGS__)

#define FAR4 "10.0.0.9@node-2"
#define FAR6 "fd00::9@node-2"
#define HERE4 "10.0.0.1@node-1"
#define HERE6 "fd00::a@node-1"

static void expect_checks(const struct census *census, const char *want)
{
	struct strbuf text = { 0 };
	struct census_check *checks;
	size_t count = census_checks(census, &checks);

	strbuf_puts(&text, "");
	for (size_t i = 0; i < count; i++)
		strbuf_printf(&text, "%s/%u:%u=%u ", checks[i].service, checks[i].family,
		              checks[i].port, checks[i].endpoints);
	assert_string_equal(text.text, want);
	strbuf_done(&text);
	free(checks);
}

static void follows_checks(void **state)
{
	struct census *census = census_new();
	uint64_t changes;

	(void)state;
	expect_checks(census, "");
	note(census, 70, "ns/b", BALANCED(.health_check_port = 32000), HERE4, FAR6);
	note(census, 3, "ns/a", BALANCED(.health_check_port = 32001), FAR4, HERE6);
	note(census, 4, "ns/c", SPEC(.name = "x", .cluster_ips = "10.96.0.1", .ports = "a:tcp:80"),
	     HERE4, HERE6);
	expect_checks(census, "ns/a/4:32001=0 ns/a/6:32001=1 ns/b/4:32000=1 ns/b/6:32000=0 ");
	changes = census_changes(census);
	note(census, 70, "ns/b", BALANCED(.health_check_port = 32000), HERE4, FAR6);
	assert_int_equal(census_changes(census), changes);
	note(census, 70, "ns/b", BALANCED(.health_check_port = 32002), HERE4, FAR6);
	assert_int_equal(census_changes(census), changes + 1);
	note(census, 70, "ns/b", BALANCED(.health_check_port = 32002), HERE4 " 10.0.0.2@node-1",
	     FAR6);
	assert_int_equal(census_changes(census), changes + 2);
	note(census, 70, "ns/b", BALANCED(.health_check_port = 32002), FAR4, HERE6);
	assert_int_equal(census_changes(census), changes + 3);
	expect_checks(census, "ns/a/4:32001=0 ns/a/6:32001=1 ns/b/4:32002=0 ns/b/6:32002=1 ");
	note(census, 3, "ns/a", NULL, HERE4, HERE6); /* it is gone */
	expect_checks(census, "ns/b/4:32002=0 ns/b/6:32002=1 ");
	note(census, 3, "ns/z",
	     SPEC(.name = "x", .type = PROXY_LOAD_BALANCER, .cluster_ips = "fd00::1",
	          .ports = "a:tcp:80", .external_local = true, .health_check_port = 9),
	     HERE4, HERE6);
	expect_checks(census, "ns/b/4:32002=0 ns/b/6:32002=1 ns/z/6:9=1 ");
	census_free(census);
}

static void expect_without(const struct census *census, unsigned internal4, unsigned internal6,
                           unsigned external4, unsigned external6)
{
	assert_int_equal(census_without_local(census, CENSUS_INTERNAL, 4), internal4);
	assert_int_equal(census_without_local(census, CENSUS_INTERNAL, 6), internal6);
	assert_int_equal(census_without_local(census, CENSUS_EXTERNAL, 4), external4);
	assert_int_equal(census_without_local(census, CENSUS_EXTERNAL, 6), external6);
}

/* kubeproxy_sync_proxy_rules_no_local_endpoints_total: service ports, each once. */
static void counts_ports_without_local_endpoints(void **state)
{
	struct census *census = census_new();

	(void)state;
	/* port a has two external addresses of IPv4, port b one */
	note(census, 1, "ns/a", BALANCED(.ingress_ips = "203.0.113.1"), FAR4, FAR6);
	expect_without(census, 0, 0, 2, 0);
	note(census, 2, "ns/b", BALANCED(.ingress_ips = "2001:db8::1", .internal_local = true),
	     FAR4, FAR6);
	expect_without(census, 2, 2, 3, 2);
	note(census, 2, "ns/b", BALANCED(.ingress_ips = "2001:db8::1", .internal_local = true),
	     HERE4, FAR6);
	expect_without(census, 0, 2, 2, 2);
	/* none anywhere: not a matter of policy */
	note(census, 2, "ns/b", BALANCED(.ingress_ips = "2001:db8::1", .internal_local = true), "",
	     FAR6 "/");
	expect_without(census, 0, 0, 2, 0);
	note(census, 1, "ns/a", NULL, "", "");
	expect_without(census, 0, 0, 0, 0);
	census_free(census);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_checks),
		cmocka_unit_test(counts_ports_without_local_endpoints),
	};

	return cmocka_run_group_tests_name("cmd/census", tests, NULL, NULL);
}

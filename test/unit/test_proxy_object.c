/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/object.h"

#include <stdlib.h>
#include <string.h>

#include "test/unit/objects.h"
#include "test/unit/test.h"

static struct service_spec full_service(void)
{
	return (struct service_spec){
		.name = "a",
		.created = 7,
		.type = PROXY_LOAD_BALANCER,
		.cluster_ips = "10.96.0.1 fd00::1",
		.ports = "web:tcp:80:30080 dns:udp:53",
		.external_ips = "203.0.113.1",
		.ingress_ips = "203.0.113.2 2001:db8::2",
		.source_ranges = "198.51.100.0/24",
		.external_local = true,
		.internal_local = true,
		.affinity_s = 10,
	};
}

static bool equal_and_free(struct proxy_meta *a, struct proxy_meta *b)
{
	bool equal = proxy_object_equal(a, b);

	assert_int_equal(proxy_object_equal(b, a), equal);
	free(a);
	free(b);
	return equal;
}

/* Each row changes one field of a Service; every one must be seen. */
static void sees_every_field_of_a_service(void **state)
{
	struct service_spec specs[11];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		specs[i] = full_service();
	specs[0].name = "b";
	specs[1].created = 8;
	specs[2].type = PROXY_NODE_PORT;
	specs[3].cluster_ips = "10.96.0.1 fd00::2";
	specs[4].ports = "web:tcp:80:30081 dns:udp:53";
	specs[5].external_ips = "203.0.113.9";
	specs[6].ingress_ips = "203.0.113.2 2001:db8::3";
	specs[7].source_ranges = "198.51.100.0/25";
	specs[8].external_local = false;
	specs[9].internal_local = false;
	specs[10].affinity_s = 11;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct service_spec base = full_service();

		print_message("  - row %zu\n", i);
		assert_false(equal_and_free(make_service(&base), make_service(&specs[i])));
		assert_true(equal_and_free(make_service(&specs[i]), make_service(&specs[i])));
	}
}

static void sees_every_field_of_a_slice(void **state)
{
	static const struct slice_spec base = { "s", "a", "web:tcp:80",
		                                "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" };
	static const struct slice_spec others[] = {
		{ "t", "a", "web:tcp:80", "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "b", "web:tcp:80", "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:81", "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "wob:tcp:80", "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:udp:80", "10.0.0.1@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.3@n1/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.1@n3/rs+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.1@n1/r+zones:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.1@n1/rs+zones:z2 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.1@n1/rs+nodes:z1 10.0.0.2@n2" },
		{ "s", "a", "web:tcp:80", "10.0.0.1@n1/rs+zones:z1" },
	};

	(void)state;
	assert_true(equal_and_free(make_slice(&base), make_slice(&base)));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		print_message("  - row %zu\n", i);
		assert_false(equal_and_free(make_slice(&base), make_slice(&others[i])));
	}
}

static void sees_every_field_of_a_node(void **state)
{
	(void)state;
	assert_true(
		equal_and_free(make_node("n", "192.0.2.1", "z"), make_node("n", "192.0.2.1", "z")));
	assert_false(
		equal_and_free(make_node("n", "192.0.2.1", "z"), make_node("n", "192.0.2.2", "z")));
	assert_false(
		equal_and_free(make_node("n", "192.0.2.1", "z"), make_node("n", "192.0.2.1", "y")));
	assert_false(equal_and_free(make_service_cidr("c", "10.0.0.0/8"),
	                            make_service_cidr("c", "10.0.0.0/9")));
	assert_false(equal_and_free(make_service_cidr("c", "10.0.0.0/8"), make_node("c", "", "")));
}

/* A packed block holds all it points to: the original's memory may go. */
static void packs_deeply(void **state)
{
	struct proxy_meta *first =
		SLICE("s", "a", "web:tcp:80", "10.0.0.1@n1+zones:z1,z2+nodes:n1");
	struct proxy_meta *copy = proxy_object_pack(first);
	const struct proxy_endpoint_slice *slice = (void *)copy;

	(void)state;
	assert_true(proxy_object_equal(first, copy));
	memset(first, 0xa5, first->block_bytes);
	free(first);
	assert_string_equal(slice->meta.name, "s");
	assert_string_equal(slice->service, "a");
	assert_string_equal(slice->ports[0].name, "web");
	assert_string_equal(slice->names[slice->endpoints[0].node - 1], "n1");
	assert_int_equal(slice->hints[slice->endpoints[0].zone_hints - 1].count, 2);
	assert_string_equal(slice->hints[slice->endpoints[0].zone_hints - 1].names[1], "z2");
	assert_string_equal(slice->hints[slice->endpoints[0].node_hints - 1].names[0], "n1");
	free(copy);
}

/* kube-proxy-behaviour 1.3: ipFamilies says which of clusterIPs is of which family. */
static void picks_the_cluster_ip_of_a_family(void **state)
{
	struct proxy_service service = { .type = PROXY_CLUSTER_IP };
	struct ipaddr v4;
	struct ipaddr v6;

	(void)state;
	assert_int_equal(ipaddr_parse("10.96.0.1", &v4, NULL), 0);
	assert_int_equal(ipaddr_parse("fd00::1", &v6, NULL), 0);
	service.cluster_ip = v4;
	assert_ptr_equal(proxy_service_cluster_ip(&service, 4), &service.cluster_ip);
	assert_null(proxy_service_cluster_ip(&service, 6)); /* an old API server: the one address */
	service.cluster_ips[0] = v6;
	service.cluster_ips[1] = v4;
	service.ip_families[0] = 6;
	service.ip_families[1] = 4;
	assert_ptr_equal(proxy_service_cluster_ip(&service, 4), &service.cluster_ips[1]);
	assert_ptr_equal(proxy_service_cluster_ip(&service, 6), &service.cluster_ips[0]);
	service.ip_families[1] = 0;
	assert_null(proxy_service_cluster_ip(&service, 4));
	service.type = PROXY_EXTERNAL_NAME;
	assert_null(proxy_service_cluster_ip(&service, 6));
	service.type = PROXY_CLUSTER_IP;
	service.cluster_ip = (struct ipaddr){ 0 }; /* "None" */
	assert_null(proxy_service_cluster_ip(&service, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sees_every_field_of_a_service),
		cmocka_unit_test(sees_every_field_of_a_slice),
		cmocka_unit_test(sees_every_field_of_a_node),
		cmocka_unit_test(packs_deeply),
		cmocka_unit_test(picks_the_cluster_ip_of_a_family),
	};

	return cmocka_run_group_tests_name("proxy/object", tests, NULL, NULL);
}

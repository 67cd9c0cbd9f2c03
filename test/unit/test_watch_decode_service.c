/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"
#include "test/unit/watch_rows.h"
#include "watch/decode.h"

#define NAMED "\"kind\":\"Service\",\"metadata\":{\"name\":\"web\"}"

static const struct decode_row spec_rows[] = {
	{ .what = "an empty spec", .json = "", .want = "Service default/web" },
	{ .what = "a ClusterIP, dual stack",
	  .json = "\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.0.1\","
	          "\"clusterIPs\":[\"10.96.0.1\",\"fd00::1\"],\"ipFamilies\":[\"IPv4\",\"IPv6\"],"
	          "\"ipFamilyPolicy\":\"PreferDualStack\","
	          "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":"
	          "8080}]",
	  .want = "Service default/web ip=10.96.0.1 ips=10.96.0.1,fd00::1 v4 v6 http/tcp/80" },
	{ .what = "IPv6 first",
	  .json = "\"clusterIP\":\"fd00::1\",\"clusterIPs\":[\"fd00::1\"],\"ipFamilies\":["
	          "\"IPv6\"]",
	  .want = "Service default/web ip=fd00::1 ips=fd00::1 v6" },
	{ .what = "an old API server gives no families",
	  .json = "\"clusterIP\":\"10.96.0.1\"",
	  .want = "Service default/web ip=10.96.0.1" },
	{ .what = "leading zeros are decimal",
	  .json = "\"clusterIP\":\"172.030.0.041\",\"clusterIPs\":[\"172.030.0.041\"],"
	          "\"externalIPs\":[\"010.000.000.008\"]",
	  .want = "Service default/web ip=172.30.0.41 ips=172.30.0.41 external=10.0.0.8" },
	{ .what = "an IPv4-mapped address is the IPv4 address",
	  .json = "\"clusterIP\":\"::ffff:10.0.0.1\"",
	  .want = "Service default/web ip=10.0.0.1" },
	{ .what = "no ClusterIP yet", .json = "\"clusterIP\":\"\"", .want = "Service default/web" },
	{ .what = "headless is not for us",
	  .json = "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]" },
	{ .what = "headless is not for us, whatever else is wrong",
	  .json = "\"ports\":[{\"port\":0}],\"clusterIP\":\"None\"" },
	{ .what = "None in clusterIPs alone means none",
	  .json = "\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"None\",\"\"]",
	  .want = "Service default/web ip=10.0.0.1" },
	{ .what = "ExternalName",
	  .json = "\"type\":\"ExternalName\",\"externalName\":\"example.com\"",
	  .want = "Service default/web ExternalName" },
	{ .what = "a type that is empty is ClusterIP",
	  .json = "\"type\":\"\"",
	  .want = "Service default/web" },
	{ .what = "every port field, every protocol, and their defaults",
	  .json = "\"type\":\"NodePort\",\"ports\":[{\"port\":1},"
	          "{\"name\":\"\",\"port\":65535,\"protocol\":\"UDP\",\"nodePort\":65535},"
	          "{\"name\":\"s\",\"port\":3,\"protocol\":\"SCTP\",\"nodePort\":0},"
	          "{\"port\":4,\"protocol\":\"\",\"name\":null,\"nodePort\":null,\"appProtocol\":"
	          "\"h2c\"}]",
	  .want = "Service default/web NodePort /tcp/1 /udp/65535@65535 s/sctp/3 /tcp/4" },
	{ .what = "a node port counts whatever the type",
	  .json = "\"ports\":[{\"port\":80,\"nodePort\":30080}]",
	  .want = "Service default/web /tcp/80@30080" },
	{ .what = "no ports at all",
	  .json = "\"clusterIP\":\"10.0.0.1\",\"ports\":null",
	  .want = "Service default/web ip=10.0.0.1" },
	{ .what = "traffic policies",
	  .json = "\"externalTrafficPolicy\":\"Local\",\"internalTrafficPolicy\":\"Local\"",
	  .want = "Service default/web external-local internal-local" },
	{ .what = "any other traffic policy is Cluster",
	  .json = "\"externalTrafficPolicy\":\"local\",\"internalTrafficPolicy\":\"\"",
	  .want = "Service default/web" },
	{ .what = "no affinity",
	  .json = "\"sessionAffinity\":\"None\","
	          "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":0}}",
	  .want = "Service default/web" },
	{ .what = "affinity with its default",
	  .json = "\"sessionAffinity\":\"ClientIP\"",
	  .want = "Service default/web affinity=10800" },
	{ .what = "affinity with its default, spelled out",
	  .json = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":"
	          "{\"clientIP\":{\"timeoutSeconds\":null}}",
	  .want = "Service default/web affinity=10800" },
	{ .what = "a timeout given before the affinity",
	  .json = "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":86400}},"
	          "\"sessionAffinity\":\"ClientIP\"",
	  .want = "Service default/web affinity=86400" },
	{ .what = "the shortest timeout",
	  .json = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":"
	          "{\"clientIP\":{\"timeoutSeconds\":1}}",
	  .want = "Service default/web affinity=1" },
	{ .what = "a timeout of 0 is the default",
	  .json = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":"
	          "{\"clientIP\":{\"timeoutSeconds\":0}}",
	  .want = "Service default/web affinity=10800",
	  .note = "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not in 1-86400, taken "
	          "as "
	          "10800" },
	{ .what = "a timeout that is too long",
	  .json = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":"
	          "{\"clientIP\":{\"timeoutSeconds\":1e300}}",
	  .want = "Service default/web affinity=86400",
	  .note = "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 1e+300 is not in 1-86400, "
	          "taken "
	          "as 86400" },
	{ .what = "a timeout that is negative",
	  .json = "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":"
	          "{\"clientIP\":{\"timeoutSeconds\":-5}}",
	  .want = "Service default/web affinity=1",
	  .note = "spec.sessionAffinityConfig.clientIP.timeoutSeconds: -5 is not in 1-86400, taken "
	          "as "
	          "1" },
	{ .what = "a timeout with a fraction",
	  .json = "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":1.5}}",
	  .ret = -ERANGE,
	  .msg = "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 1.5 is not a whole number" },
	{ .what = "external IPs: unparsable ones are left out, blank ones silently",
	  .json = "\"externalIPs\":[\"192.0.2.1\",\"\",\"  \",null,\"192.0.2\",\"fd00::2\",\" "
	          "1.2.3.4\"]",
	  .want = "Service default/web external=192.0.2.1,fd00::2",
	  .note = "spec.externalIPs[4]: '192.0.2' is not an IP address, ignored | "
	          "spec.externalIPs[6]: ' 1.2.3.4' is not an IP address, ignored" },
	{ .what = "source ranges: spaces around them are ignored",
	  .json = "\"loadBalancerSourceRanges\":[\" 10.0.0.0/8\\n\",\"2001:db8::/032\",\"\\t "
	          "\",\"10.1.2.3/016\"]",
	  .want = "Service default/web ranges=10.0.0.0/8,2001:db8::/32,10.1.0.0/16" },
	{ .what = "source ranges: unparsable ones are left out",
	  .json = "\"loadBalancerSourceRanges\":[\"10.0.0.0\",\"10.0.0.0/33\",\"0.0.0.0/0\",\"1 "
	          "0.0.0.0/8\"]",
	  .want = "Service default/web ranges=0.0.0.0/0",
	  .note = "spec.loadBalancerSourceRanges[0]: '10.0.0.0' is not a CIDR, ignored | "
	          "spec.loadBalancerSourceRanges[1]: '10.0.0.0/33' is not a CIDR, ignored | "
	          "spec.loadBalancerSourceRanges[3]: '1 0.0.0.0/8' is not a CIDR, ignored" },
	{ .what = "a health check port",
	  .json = "\"type\":\"LoadBalancer\",\"healthCheckNodePort\":32000",
	  .want = "Service default/web LoadBalancer health=32000" },
	{ .what = "fields of no meaning to a proxy may be anything",
	  .json = "\"selector\":[],\"trafficDistribution\":5,\"publishNotReadyAddresses\":\"x\","
	          "\"loadBalancerIP\":{},\"ipFamilyPolicy\":1,\"selector\":1",
	  .want = "Service default/web" },
	{ .what = "an unknown type",
	  .json = "\"type\":\"Cluster\\nIP\"",
	  .ret = -EINVAL,
	  .msg = "spec.type: 'Cluster?IP' is not one of ClusterIP, NodePort, LoadBalancer, "
	         "ExternalName" },
	{ .what = "an unknown protocol",
	  .json = "\"ports\":[{\"port\":1},{\"port\":1,\"protocol\":\"tcp\"}]",
	  .ret = -EINVAL,
	  .msg = "spec.ports[1].protocol: 'tcp' is not one of TCP, UDP, SCTP" },
	{ .what = "an unknown family",
	  .json = "\"ipFamilies\":[\"IPv4\",\"ipv6\"]",
	  .ret = -EINVAL,
	  .msg = "spec.ipFamilies[1]: 'ipv6' is not one of IPv4, IPv6" },
	{ .what = "a ClusterIP that is none",
	  .json = "\"clusterIP\":\"10.96.0.256\"",
	  .ret = -EINVAL,
	  .msg = "spec.clusterIP: '10.96.0.256' is not an IP address" },
	{ .what = "a second ClusterIP that is none",
	  .json = "\"clusterIPs\":[\"10.96.0.1\",\"none\"]",
	  .ret = -EINVAL,
	  .msg = "spec.clusterIPs[1]: 'none' is not an IP address" },
	{ .what = "three ClusterIPs",
	  .json = "\"clusterIPs\":[\"1.1.1.1\",\"::1\",\"1.1.1.2\"]",
	  .ret = -E2BIG,
	  .msg = "spec.clusterIPs: 3 entries, at most 2" },
	{ .what = "three families",
	  .json = "\"ipFamilies\":[\"IPv4\",\"IPv6\",\"IPv4\"]",
	  .ret = -E2BIG,
	  .msg = "spec.ipFamilies: 3 entries, at most 2" },
	{ .what = "no port number",
	  .json = "\"ports\":[{\"name\":\"x\"}]",
	  .ret = -EINVAL,
	  .msg = "spec.ports[0].port: missing" },
	{ .what = "port 0",
	  .json = "\"ports\":[{\"port\":0}]",
	  .ret = -ERANGE,
	  .msg = "spec.ports[0].port: 0 is not in 1-65535" },
	{ .what = "port -1",
	  .json = "\"ports\":[{\"port\":-1}]",
	  .ret = -ERANGE,
	  .msg = "spec.ports[0].port: -1 is not in 1-65535" },
	{ .what = "port 65536",
	  .json = "\"ports\":[{\"port\":65536}]",
	  .ret = -ERANGE,
	  .msg = "spec.ports[0].port: 65536 is not in 1-65535" },
	{ .what = "port 80.5",
	  .json = "\"ports\":[{\"port\":80.5}]",
	  .ret = -ERANGE,
	  .msg = "spec.ports[0].port: 80.5 is not in 1-65535" },
	{ .what = "node port 65536",
	  .json = "\"ports\":[{\"port\":1,\"nodePort\":65536}]",
	  .ret = -ERANGE,
	  .msg = "spec.ports[0].nodePort: 65536 is not in 0-65535" },
	{ .what = "health check port -1",
	  .json = "\"healthCheckNodePort\":-1",
	  .ret = -ERANGE,
	  .msg = "spec.healthCheckNodePort: -1 is not in 0-65535" },
	{ .what = "a port given twice",
	  .json = "\"ports\":[{\"port\":80,\"name\":\"a\",\"port\":81}]",
	  .ret = -EINVAL,
	  .msg = "spec.ports[0].port: given twice" },
	{ .what = "ports given twice",
	  .json = "\"ports\":[],\"ports\":[]",
	  .ret = -EINVAL,
	  .msg = "spec.ports: given twice" },
	{ .what = "a port that is null",
	  .json = "\"ports\":[null]",
	  .ret = -EINVAL,
	  .msg = "spec.ports[0]: not an object" },
	{ .what = "a port name with a space",
	  .json = "\"ports\":[{\"name\":\"a b\",\"port\":1}]",
	  .ret = -EINVAL,
	  .msg = "spec.ports[0].name: 'a b' is not a name" },
	{ .what = "a port name of 63 bytes",
	  .json = "\"ports\":[{\"name\":"
	          "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678901\","
	          "\"port\":1}]",
	  .want = "Service default/web "
	          "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz12345678901"
	          "/tcp/1" },
	{ .what = "a port name of 64 bytes",
	  .json = "\"ports\":[{\"name\":"
	          "\"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz123456789012\","
	          "\"port\":1}]",
	  .ret = -ENAMETOOLONG,
	  .msg = "spec.ports[0].name: 64 bytes, at most 63" },
};

static void decodes_specs(void **state)
{
	(void)state;
	check_decode_rows("{" NAMED ",\"spec\":{%s}}", spec_rows, ARRAY_LEN(spec_rows));
}

static const struct decode_row other_rows[] = {
	{ .what = "addresses of a load balancer",
	  .json = NAMED
	  ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"},"
	  "{\"ip\":\"192.0.2.2\",\"ipMode\":\"VIP\"},{\"ip\":\"192.0.2.3\",\"ipMode\":null},"
	  "{\"ip\":\"192.0.2.4\",\"ipMode\":\"Proxy\"},{\"ip\":\"192.0.2.5\",\"ipMode\":\"\"},"
	  "{\"hostname\":\"lb.example\"},{\"ip\":\"\"},{\"ip\":\"fd00::1\",\"ports\":[]}]}}",
	  .want = "Service default/web ingress=192.0.2.1,192.0.2.2,192.0.2.3,fd00::1" },
	{ .what = "an unparsable address of a load balancer is left out",
	  .json = NAMED
	  ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"x\"},{\"ip\":\"1.2.3.4\"}]}}",
	  .want = "Service default/web ingress=1.2.3.4",
	  .note = "status.loadBalancer.ingress[0].ip: 'x' is not an IP address, ignored" },
	{ .what = "an unparsable address that would be left out anyway",
	  .json = NAMED
	  ",\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"x\",\"ipMode\":\"Proxy\"}]}}",
	  .want = "Service default/web" },
	{ .what = "an ingress given twice",
	  .json = NAMED ",\"status\":{\"loadBalancer\":{\"ingress\":[],\"ingress\":[]}}",
	  .ret = -EINVAL,
	  .msg = "status.loadBalancer.ingress: given twice" },
	{ .what = "no spec, no status", .json = NAMED, .want = "Service default/web" },
	{ .what = "spec given twice",
	  .json = NAMED ",\"spec\":{},\"spec\":{}",
	  .ret = -EINVAL,
	  .msg = "spec: given twice" },
	{ .what = "another proxy's Service is not for us",
	  .json = "\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"labels\":"
	          "{\"service.kubernetes.io/"
	          "service-proxy-name\":\"other\"}},\"spec\":{\"type\":1}" },
	{ .what = "another proxy's Service, with an empty name",
	  .json = "\"kind\":\"Service\",\"metadata\":{\"labels\":"
	          "{\"service.kubernetes.io/service-proxy-name\":\"\"},\"name\":\"web\"}" },
	{ .what = "the headless label means nothing on a Service",
	  .json = "\"kind\":\"Service\",\"metadata\":{\"name\":\"web\",\"labels\":"
	          "{\"service.kubernetes.io/headless\":\"\"}}",
	  .want = "Service default/web" },
};

static void decodes_the_rest(void **state)
{
	(void)state;
	check_decode_rows("{%s}", other_rows, ARRAY_LEN(other_rows));
}

#define SPEC(field) "{" NAMED ",\"spec\":{" field "}}"
#define INGRESS(field) "{" NAMED ",\"status\":{\"loadBalancer\":{\"ingress\":[{" field "}]}}}"

static void refuses_wrong_types(void **state)
{
	static const struct field_row fields[] = {
		{ "spec", "{" NAMED ",\"spec\":%s}", TAKES_OBJECT },
		{ "spec.type", SPEC("\"type\":%s"), TAKES_STRING },
		{ "spec.clusterIP", SPEC("\"clusterIP\":%s"), "" },
		{ "spec.clusterIPs", SPEC("\"clusterIPs\":%s"), TAKES_LIST },
		{ "spec.clusterIPs[0]", SPEC("\"clusterIPs\":[%s]"), "" },
		{ "spec.ipFamilies", SPEC("\"ipFamilies\":%s"), TAKES_LIST },
		{ "spec.ipFamilies[0]", SPEC("\"ipFamilies\":[%s]"), "" },
		{ "spec.externalTrafficPolicy", SPEC("\"externalTrafficPolicy\":%s"),
		  TAKES_STRING },
		{ "spec.internalTrafficPolicy", SPEC("\"internalTrafficPolicy\":%s"),
		  TAKES_STRING },
		{ "spec.sessionAffinity", SPEC("\"sessionAffinity\":%s"), TAKES_STRING },
		{ "spec.sessionAffinityConfig", SPEC("\"sessionAffinityConfig\":%s"),
		  TAKES_OBJECT },
		{ "spec.sessionAffinityConfig.clientIP",
		  SPEC("\"sessionAffinityConfig\":{\"clientIP\":%s}"), TAKES_OBJECT },
		{ "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
		  SPEC("\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":%s}}"),
		  TAKES_NUMBER },
		{ "spec.healthCheckNodePort", SPEC("\"healthCheckNodePort\":%s"), TAKES_NUMBER },
		{ "spec.ports", SPEC("\"ports\":%s"), TAKES_LIST },
		{ "spec.ports[0].port", SPEC("\"ports\":[{\"port\":%s}]"), TAKES_NUMBER },
		{ "spec.ports[0].nodePort", SPEC("\"ports\":[{\"nodePort\":%s,\"port\":1}]"),
		  TAKES_NUMBER },
		{ "spec.ports[0].name", SPEC("\"ports\":[{\"name\":%s,\"port\":1}]"),
		  TAKES_STRING },
		{ "spec.ports[0].protocol", SPEC("\"ports\":[{\"protocol\":%s,\"port\":1}]"), "" },
		{ "spec.externalIPs", SPEC("\"externalIPs\":%s"), TAKES_LIST },
		{ "spec.externalIPs[0]", SPEC("\"externalIPs\":[%s]"), TAKES_STRING },
		{ "spec.loadBalancerSourceRanges", SPEC("\"loadBalancerSourceRanges\":%s"),
		  TAKES_LIST },
		{ "spec.loadBalancerSourceRanges[0]", SPEC("\"loadBalancerSourceRanges\":[%s]"),
		  TAKES_STRING },
		{ "status", "{" NAMED ",\"status\":%s}", TAKES_OBJECT },
		{ "status.loadBalancer", "{" NAMED ",\"status\":{\"loadBalancer\":%s}}",
		  TAKES_OBJECT },
		{ "status.loadBalancer.ingress",
		  "{" NAMED ",\"status\":{\"loadBalancer\":{\"ingress\":%s}}}", TAKES_LIST },
		{ "status.loadBalancer.ingress[0].ip", INGRESS("\"ip\":%s"), TAKES_STRING },
		{ "status.loadBalancer.ingress[0].ipMode", INGRESS("\"ipMode\":%s"), TAKES_STRING },
	};

	(void)state;
	check_wrong_types(fields, ARRAY_LEN(fields));
}

/* @count times @entry, as a member of spec. */
static int decode_many(const char *field, const char *entry, size_t count, struct err *err)
{
	struct strbuf text AUTO_STRBUF = { 0 };
	struct proxy_meta *got = NULL;
	struct diags diags = { 0 };
	struct watch_ident ident;
	cJSON *json;
	int ret;

	strbuf_printf(&text, "{" NAMED ",\"spec\":{\"%s\":[", field);
	for (size_t i = 0; i < count; i++)
		strbuf_printf(&text, "%s%s", i > 0 ? "," : "", entry);
	strbuf_puts(&text, "]}}");
	json = cJSON_Parse(text.text);
	assert_non_null(json);
	ret = watch_decode(json, NULL, &ident, &got, &diags, err);
	cJSON_Delete(json);
	diag_done(&diags);
	free(got);
	return ret;
}

static void bounds_lists(void **state)
{
	static const struct {
		const char *field;
		const char *entry;
		size_t max;
	} rows[] = {
		{ "ports", "{\"port\":1}", PROXY_MAX_PORTS },
		{ "externalIPs", "\"1.2.3.4\"", PROXY_MAX_ADDRESSES },
		{ "loadBalancerSourceRanges", "\"1.2.3.4/32\"", PROXY_MAX_ADDRESSES },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };
		char want[100];

		(void)snprintf(want, sizeof(want), "spec.%s: %zu entries, at most %zu",
		               rows[i].field, rows[i].max + 1, rows[i].max);
		assert_int_equal(decode_many(rows[i].field, rows[i].entry, rows[i].max, &err), 0);
		assert_int_equal(decode_many(rows[i].field, rows[i].entry, rows[i].max + 1, &err),
		                 -E2BIG);
		assert_string_equal(err.msg, want);
	}
}

/* YAML has a number that JSON has not. */
static void refuses_what_is_not_a_number(void **state)
{
	static const char yaml[] =
		"kind: Service\nmetadata: {name: a}\nspec: {ports: [{port: .nan}]}\n---\n"
		"kind: Service\nmetadata: {name: b}\nspec:\n  sessionAffinity: ClientIP\n"
		"  sessionAffinityConfig: {clientIP: {timeoutSeconds: .nan}}\n";
	struct feed feed = feed_text(yaml, strlen(yaml), 0);
	struct decoded decoded = { 0 };

	(void)state;
	assert_int_equal(watch_manifest_read(feed_read, &feed, decode_object, &decoded, NULL), 0);
	assert_int_equal(decoded.refused, 2);
	assert_string_equal(
		decoded.why.text,
		"Service default/a: spec.ports[0].port: nan is not in 1-65535\n"
		"Service default/b: spec.sessionAffinityConfig.clientIP.timeoutSeconds: "
		"nan is not a whole number\n");
	decoded_done(&decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_specs),
		cmocka_unit_test(decodes_the_rest),
		cmocka_unit_test(refuses_wrong_types),
		cmocka_unit_test(bounds_lists),
		cmocka_unit_test(refuses_what_is_not_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

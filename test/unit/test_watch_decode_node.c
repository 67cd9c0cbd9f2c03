/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Node and ServiceCIDR. */
#include <errno.h>

#include "test/unit/test.h"
#include "test/unit/watch_rows.h"

#define NODE "\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}"
#define CIDR "\"kind\":\"ServiceCIDR\",\"metadata\":{\"name\":\"c\"}"

static const struct decode_row rows[] = {
	{ .what = "the least there can be", .json = NODE, .want = "Node n1" },
	{ .what = "addresses, in order and by type",
	  .json = NODE
	  ",\"status\":{\"addresses\":[{\"type\":\"ExternalIP\",\"address\":\"192.0.2.1\"},"
	  "{\"type\":\"InternalIP\",\"address\":\"fd00::1\"},"
	  "{\"type\":\"Hostname\",\"address\":\"n1\"},"
	  "{\"type\":\"InternalIP\",\"address\":\"10.0.0.01\"},"
	  "{\"type\":\"InternalDNS\",\"address\":\"n1.example\"},{\"type\":\"InternalIP\"},{}]}",
	  .want = "Node n1 internal=fd00::1,10.0.0.1 external=192.0.2.1" },
	{ .what = "an unparsable address is left out",
	  .json = NODE ",\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"n1\"}]}",
	  .want = "Node n1",
	  .note = "status.addresses[0].address: 'n1' is not an IP address, ignored" },
	{ .what = "pod ranges",
	  .json = NODE ",\"spec\":{\"podCIDR\":\"10.244.1.0/24\","
	               "\"podCIDRs\":[\"10.244.1.0/24\",\"fd00:244::/64\"]}",
	  .want = "Node n1 pods=10.244.1.0/24,fd00:244::/64" },
	{ .what = "the single pod range counts where there are no others",
	  .json = NODE ",\"spec\":{\"podCIDR\":\"10.244.1.0/24\",\"podCIDRs\":[]}",
	  .want = "Node n1 pods=10.244.1.0/24" },
	{ .what = "a pod range that is none",
	  .json = NODE ",\"spec\":{\"podCIDR\":\"10.244.1.0\"}",
	  .want = "Node n1",
	  .note = "spec.podCIDR: '10.244.1.0' is not a CIDR, ignored" },
	{ .what = "the zone",
	  .json = "\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"labels\":"
	          "{\"topology.kubernetes.io/zone\":\"zone-a\",\"topology.kubernetes.io/"
	          "region\":1}}",
	  .want = "Node n1 zone=zone-a" },
	{ .what = "a node that is being deleted",
	  .json = "\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\","
	          "\"deletionTimestamp\":\"2026-11-22T07:41:28Z\"}",
	  .want = "Node n1 leaving" },
	{ .what = "a node that is not being deleted",
	  .json = "\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\",\"deletionTimestamp\":null}",
	  .want = "Node n1" },
	{ .what = "a node that the autoscaler removes",
	  .json = NODE ",\"spec\":{\"taints\":[{\"key\":\"a\",\"effect\":1},"
	               "{\"key\":\"ToBeDeletedByClusterAutoscaler\",\"value\":\"1\"}]}",
	  .want = "Node n1 leaving" },
	{ .what = "other taints, and unschedulable, mean nothing",
	  .json = NODE ",\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":\"a\"},{}]}",
	  .want = "Node n1" },
	{ .what = "addresses given twice",
	  .json = NODE ",\"status\":{\"addresses\":[],\"addresses\":[]}",
	  .ret = -EINVAL,
	  .msg = "status.addresses: given twice" },
	{ .what = "ranges of Services",
	  .json = CIDR ",\"spec\":{\"cidrs\":[\"10.96.0.0/12\",\"fd00:10:96::/108\"]},\"status\":1",
	  .want = "ServiceCIDR c cidrs=10.96.0.0/12,fd00:10:96::/108" },
	{ .what = "no ranges of Services", .json = CIDR, .want = "ServiceCIDR c" },
	{ .what = "a range of Services that is none, and one with bits behind the prefix",
	  .json = CIDR ",\"spec\":{\"cidrs\":[\"10.96.0.0/x\",\"010.96.1.2/012\"]}",
	  .want = "ServiceCIDR c cidrs=10.96.0.0/12",
	  .note = "spec.cidrs[0]: '10.96.0.0/x' is not a CIDR, ignored" },
};

static void decodes_rows(void **state)
{
	(void)state;
	check_decode_rows("{%s}", rows, ARRAY_LEN(rows));
}

static void refuses_wrong_types(void **state)
{
	static const struct field_row fields[] = {
		{ "spec", "{" NODE ",\"spec\":%s}", TAKES_OBJECT },
		{ "spec.podCIDR", "{" NODE ",\"spec\":{\"podCIDR\":%s}}", TAKES_STRING },
		{ "spec.podCIDRs", "{" NODE ",\"spec\":{\"podCIDRs\":%s}}", TAKES_LIST },
		{ "spec.podCIDRs[0]", "{" NODE ",\"spec\":{\"podCIDRs\":[%s]}}", TAKES_STRING },
		{ "spec.taints", "{" NODE ",\"spec\":{\"taints\":%s}}", TAKES_LIST },
		{ "spec.taints[0]", "{" NODE ",\"spec\":{\"taints\":[%s]}}", TAKES_OBJECT },
		{ "spec.taints[0].key", "{" NODE ",\"spec\":{\"taints\":[{\"key\":%s}]}}",
		  TAKES_STRING },
		{ "status", "{" NODE ",\"status\":%s}", TAKES_OBJECT },
		{ "status.addresses", "{" NODE ",\"status\":{\"addresses\":%s}}", TAKES_LIST },
		{ "status.addresses[0]", "{" NODE ",\"status\":{\"addresses\":[%s]}}",
		  TAKES_OBJECT },
		{ "status.addresses[0].type",
		  "{" NODE ",\"status\":{\"addresses\":[{\"type\":%s}]}}", TAKES_STRING },
		{ "status.addresses[0].address",
		  "{" NODE ",\"status\":{\"addresses\":[{\"address\":%s}]}}", TAKES_STRING },
		{ "spec", "{" CIDR ",\"spec\":%s}", TAKES_OBJECT },
		{ "spec.cidrs", "{" CIDR ",\"spec\":{\"cidrs\":%s}}", TAKES_LIST },
		{ "spec.cidrs[0]", "{" CIDR ",\"spec\":{\"cidrs\":[%s]}}", TAKES_STRING },
	};

	(void)state;
	check_wrong_types(fields, ARRAY_LEN(fields));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes_rows),
		cmocka_unit_test(refuses_wrong_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/leftovers.h"

#include "test/unit/test.h"

static void knows_kube_proxys_chains(void **state)
{
	static const struct {
		const char *name;
		bool is;
	} rows[] = {
		{ "KUBE-SERVICES", true },
		{ "KUBE-POSTROUTING", true },
		{ "KUBE-SVC-TCOU7JCQXEZGVUNU", true },
		{ "KUBE-SEP-6E7XQMQ4RAYOWTTM", true },
		{ "KUBE-NODE-PORT", true },
		{ "KUBE-SERVICES-2", false },
		{ "KUBE-IPTABLES-HINT", false }, /* the kubelet's */
		{ "KUBE-KUBELET-CANARY", false },
		{ "KUBE-FIREWALL", false },
		{ "KUBE-MARK-DROP", false },
		{ "KUBE-NWPLCY-DEFAULT", false }, /* of a network policy */
		{ "KUBE-", false },
		{ "CNI-HOSTPORT-DNAT", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("  - '%s'\n", rows[i].name);
		assert_int_equal(leftovers_is_chain(rows[i].name), rows[i].is);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(knows_kube_proxys_chains) };

	return cmocka_run_group_tests_name("cmd/leftovers", tests, NULL, NULL);
}

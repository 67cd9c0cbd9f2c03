/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/options.h"

#include <errno.h>
#include <string.h>

#include "test/unit/test.h"

#define MAX_ARGS 8

static int parse(const char *const *args, struct options *out, struct err *err)
{
	char *argv[MAX_ARGS + 2] = { (char *)(uintptr_t) "kubenft" };
	int argc = 1;

	for (; argc <= MAX_ARGS && args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	return options_parse(argc, argv, out, err);
}

static const struct row {
	const char *what;
	const char *args[MAX_ARGS];
	const char *msg; /* when it is refused */
} refused[] = {
	{ "a file and an API server",
	  { "run", "--source", "x", "--kubeconfig", "y" },
	  "--source is in place of the API server: it cannot be given together with --kubeconfig "
	  "or "
	  "--master" },
	{ "a rate that is none",
	  { "run", "--kube-api-qps", "many" },
	  "--kube-api-qps: 'many' is not a number of requests a second" },
	{ "a burst that is none",
	  { "run", "--kube-api-burst", "-1" },
	  "--kube-api-burst: '-1' is not a number of requests" },
	{ "a period without unit",
	  { "run", "--min-sync-period", "5" },
	  "--min-sync-period: '5' is not a duration such as 1s or 500ms" },
	{ "an unknown command", { "ran" }, "unknown command 'ran'; see kubenft --help" },
	{ "an unknown option", { "run", "--sauce", "x" }, "unknown option --sauce" },
	{ "an unknown letter", { "run", "-x" }, "unknown option -x" },
	{ "a missing value", { "run", "--source" }, "--source needs a value" },
	{ "an option of another command",
	  { "run", "--source", "x", "--elements-only" },
	  "--elements-only is not an option of kubenft run" },
	{ "a further argument", { "plan", "--source", "x", "y" }, "unexpected argument 'y'" },
	{ "an empty path", { "plan", "--source", "" }, "--source: empty path" },
	{ "a blank node name",
	  { "plan", "--source", "x", "--hostname-override", " " },
	  "--hostname-override: empty node name" },
	{ "no CIDR",
	  { "plan", "--source", "x", "--cluster-cidr", "10.0.0.0/8,10.0.0.0" },
	  "--cluster-cidr: '10.0.0.0' is not a CIDR" },
	{ "an unknown mode",
	  { "plan", "--source", "x", "--detect-local-mode", "Guess" },
	  "--detect-local-mode: 'Guess' is none of ClusterCIDR, NodeCIDR, BridgeInterface, "
	  "InterfaceNamePrefix" },
	{ "a mode without its interface",
	  { "plan", "--source", "x", "--detect-local-mode", "BridgeInterface" },
	  "--detect-local-mode=BridgeInterface needs --pod-bridge-interface" },
	{ "a mode without its prefix",
	  { "plan", "--source", "x", "--detect-local-mode", "InterfaceNamePrefix" },
	  "--detect-local-mode=InterfaceNamePrefix needs --pod-interface-name-prefix" },
	{ "no interface name",
	  { "plan", "--source", "x", "--pod-bridge-interface", "0123456789abcdef" },
	  "--pod-bridge-interface: an interface name has 1 to 15 characters" },
	{ "no boolean",
	  { "plan", "--source", "x", "--masquerade-all=yes" },
	  "--masquerade-all: 'yes' is neither true nor false" },
	{ "an option of the daemon",
	  { "plan", "--source", "x", "--table-owner=false" },
	  "--table-owner is not an option of kubenft plan" },
	{ "no duration",
	  { "run", "--source", "x", "--check-period", "5" },
	  "--check-period: '5' is not a duration such as 1h or 90s" },
	{ "a period in which nothing else would be done",
	  { "run", "--source", "x", "--check-period=900ms" },
	  "--check-period: '900ms' is less than 1s (0: never)" },
	{ "no format",
	  { "plan", "--source", "x", "--logging-format", "xml" },
	  "--logging-format: 'xml' is neither text nor json" },
	{ "an affinity map without room",
	  { "run", "--source", "x", "--affinity-size", "0" },
	  "--affinity-size: '0' is not a number from 1 to 262144" },
	{ "an affinity map too large to be looked through",
	  { "run", "--source", "x", "--affinity-size", "262145" },
	  "--affinity-size: '262145' is not a number from 1 to 262144" },
	{ "a size with a unit",
	  { "run", "--source", "x", "--affinity-size", "64k" },
	  "--affinity-size: '64k' is not a number from 1 to 262144" },
	{ "no number",
	  { "plan", "--source", "x", "-v", "-1" },
	  "--v: '-1' is not a number from 0 to 100" },
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct options options = { .verbosity = 77 };
		struct err err = { 0 };

		print_message("  - %s\n", refused[i].what);
		assert_true(parse(refused[i].args, &options, &err) < 0);
		assert_string_equal(err.msg, refused[i].msg);
		assert_int_equal(options.verbosity, 77); /* untouched */
	}
}

static void reads_everything(void **state)
{
	static const char *const args[MAX_ARGS + 1] = {
		"diff",
		"--source=a.yaml",
		"--hostname-override= Node-1 ",
		"--cluster-cidr",
		"10.0.0.0/8,fd00::/8",
		"--masquerade-all",
		"-v2",
		"--logging-format=json",
	};
	static const struct ipcidr pods = { .addr = { .family = 6 } };
	const struct lb_networks networks = { .pod_cidr_count = 1, .pod_cidrs = &pods };
	struct nftx_options nft[2];
	struct options options;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse(args, &options, &err), 0);
	assert_int_equal(options.command, COMMAND_DIFF);
	assert_string_equal(options.source, "a.yaml");
	assert_string_equal(options.node_name, "node-1");
	assert_int_equal(options.cluster_cidr_count, 2);
	assert_true(options.masquerade_all);
	assert_int_equal(options.verbosity, 2);
	assert_int_equal(options.log_format, LOG_JSON);
	options_nft(&options, &networks, nft);
	assert_int_equal(nft[0].detect, NFTX_DETECT_NONE); /* no pod range of IPv4 */
	assert_int_equal(nft[1].detect, NFTX_DETECT_CIDR);
	assert_true(nft[0].masquerade_all && nft[1].masquerade_all);
}

static const struct {
	const char *args[MAX_ARGS];
	const char *kubeconfig;
	const char *master;
	uint32_t milli_qps;
	uint32_t burst;
	uint64_t period_us;
} servers[] = {
	{ { "run" }, NULL, NULL, 5000, 10, 0 },
	{ { "run", "--kubeconfig=", "--master=", "--kube-api-qps=0", "--kube-api-burst=0" },
	  NULL,
	  NULL,
	  5000,
	  10,
	  0 },
	{ { "--kubeconfig=/k", "--kube-api-qps=2.5", "--kube-api-burst=3", "--min-sync-period=1s" },
	  "/k",
	  NULL,
	  2500,
	  3,
	  1000000 },
	{ { "run", "--master=https://a", "--kube-api-qps=-1", "--iptables-min-sync-period=250ms" },
	  NULL,
	  "https://a",
	  0,
	  10,
	  250000 },
};

static void takes_an_api_server(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		struct options options;
		struct err err = { 0 };

		assert_int_equal(parse(servers[i].args, &options, &err), 0);
		assert_null(options.source);
		if (servers[i].kubeconfig == NULL)
			assert_null(options.kubeconfig);
		else
			assert_string_equal(options.kubeconfig, servers[i].kubeconfig);
		if (servers[i].master == NULL)
			assert_null(options.master);
		else
			assert_string_equal(options.master, servers[i].master);
		assert_int_equal(options.api_milli_qps, servers[i].milli_qps);
		assert_int_equal(options.api_burst, servers[i].burst);
		assert_int_equal(options.min_sync_period_us, servers[i].period_us);
	}
}

static void tells_pods_by_interface(void **state)
{
	static const char *const bridge[MAX_ARGS + 1] = {
		"plan",
		"--source=x",
		"--detect-local-mode=BridgeInterface",
		"--pod-bridge-interface=cbr0",
		"--nodeport-addresses=10.0.0.0/8,fd00::/8",
		"--affinity-size=262144",
	};
	static const char *const prefix[MAX_ARGS + 1] = {
		"plan",
		"--source=x",
		"--detect-local-mode=InterfaceNamePrefix",
		"--pod-interface-name-prefix=veth",
	};
	const struct lb_networks networks = { 0 };
	struct nftx_options nft[2];
	struct options options;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse(bridge, &options, &err), 0);
	options_nft(&options, &networks, nft);
	assert_int_equal(nft[0].detect, NFTX_DETECT_BRIDGE);
	assert_string_equal(nft[1].interface, "cbr0");
	assert_int_equal(options.node_port_cidr_count, 2);
	assert_int_equal(nft[0].affinity_size, 262144);
	assert_int_equal(nft[1].affinity_size, 262144);
	assert_int_equal(parse(prefix, &options, &err), 0);
	options_nft(&options, &networks, nft);
	assert_int_equal(nft[1].detect, NFTX_DETECT_PREFIX);
	assert_string_equal(nft[0].interface, "veth");
	assert_int_equal(options.node_port_cidr_count, 0);
	assert_int_equal(nftx_affinity_size(&nft[0]), 65535);
}

/* kube-proxy's DaemonSet with only its command replaced. */
static void runs_without_a_command(void **state)
{
	static const char *const args[MAX_ARGS + 1] = { "--source", "x", "--masquerade-all=false" };
	static const char *const cleanup[MAX_ARGS + 1] = { "cleanup", "--kube-proxy" };
	static const char *const guarded[MAX_ARGS + 1] = { "--source", "x", "--table-owner=false",
		                                           "--check-period=90s" };
	struct options options;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse(cleanup, &options, &err), 0);
	assert_int_equal(options.command, COMMAND_CLEANUP);
	assert_true(options.kube_proxy);
	assert_int_equal(parse(guarded, &options, &err), 0);
	assert_false(options.kube_proxy);
	assert_false(options.table_owner);
	assert_int_equal(options.check_period_us, 90000000);
	assert_int_equal(parse(args, &options, &err), 0);
	assert_int_equal(options.command, COMMAND_RUN);
	assert_true(options.table_owner);
	assert_int_equal(options.check_period_us, 3600000000);
	assert_false(options.masquerade_all);
	assert_true(strlen(options.node_name) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(takes_an_api_server),
		cmocka_unit_test(tells_pods_by_interface),
		cmocka_unit_test(runs_without_a_command),
	};

	return cmocka_run_group_tests_name("cmd/options", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/options.h"

#include <errno.h>
#include <string.h>

#include "cmd/settings_set.h"
#include "test/unit/command_line.h"
#include "test/unit/test.h"

static const struct row {
	const char *what;
	const char *args[COMMAND_LINE_MAX + 1];
	const char *msg; /* when it is refused */
} refused[] = {
	{ "a file and an API server",
	  { "run", "--source", "x", "--kubeconfig", "y" },
	  "--source is in place of the API server: it cannot be given together with --kubeconfig "
	  "or "
	  "--master" },
	{ "a rate that is none",
	  { "run", "--kube-api-qps", "many" },
	  "--kube-api-qps: 'many' is not a number" },
	{ "a burst that is none",
	  { "run", "--kube-api-burst", "-1" },
	  "--kube-api-burst: '-1' is not a number from 0 to 1000000" },
	{ "a period without unit",
	  { "run", "--min-sync-period", "5" },
	  "--min-sync-period: '5' is not a duration such as 1s or 500ms" },
	{ "one source of two", { "diff", "--from", "x" }, "--from and --to go together" },
	{ "three sources",
	  { "diff", "--from", "x", "--to", "y", "--source", "z" },
	  "--from and --to are in place of any other source" },
	{ "standard input twice",
	  { "diff", "--from", "-", "--to", "-" },
	  "--from and --to cannot both be standard input" },
	{ "an unknown form",
	  { "diff", "--source", "x", "-o", "xml" },
	  "--output: 'xml' is none of text, json, nft" },
	{ "no colour",
	  { "diff", "--source", "x", "--color=red" },
	  "--color: 'red' is none of auto, always, never" },
	{ "an option of the daemon",
	  { "plan", "--source", "x", "--table-owner=false" },
	  "--table-owner is not an option of kubenft plan" },
	{ "a period in which nothing else would be done",
	  { "run", "--source", "x", "--check-period=900ms" },
	  "--check-period: '900ms' is less than 1s (0: never)" },
	{ "an unknown command", { "ran" }, "unknown command 'ran'; see kubenft --help" },
	{ "an unknown option", { "run", "--sauce", "x" }, "unknown option --sauce" },
	{ "an unknown letter", { "run", "-x" }, "unknown option -x" },
	{ "a missing value", { "run", "--source" }, "--source needs a value" },
	{ "an option of another command",
	  { "run", "--source", "x", "--elements-only" },
	  "--elements-only is not an option of kubenft run" },
	{ "a further argument", { "plan", "--source", "x", "y" }, "unexpected argument 'y'" },
	{ "an empty path", { "plan", "--source", "" }, "--source: empty" },
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
	  "--v: '-1' is not a number from 0 to 2147483647" },
	{ "the beginning of a name", { "run", "--sourc", "x" }, "unknown option --sourc" },
	{ "a dash alone", { "run", "-" }, "unexpected argument '-'" },
	{ "an argument behind --", { "run", "--source=x", "--", "y" }, "unexpected argument 'y'" },
	{ "a letter without its number", { "run", "-v" }, "-v needs a value" },
	{ "a boolean's value in an argument of its own",
	  { "run", "--masquerade-all", "true" },
	  "unexpected argument 'true'" },
	{ "a period of nothing",
	  { "run", "--iptables-sync-period", "0" },
	  "--iptables-sync-period: '0' is too short" },
	{ "a pause that is longer than the period",
	  { "run", "--min-sync-period", "31s" },
	  "minSyncPeriod is longer than syncPeriod" },
	{ "no address",
	  { "run", "--bind-address", "eth0" },
	  "--bind-address: 'eth0' is not an IP address" },
	{ "a port that is too large",
	  { "run", "--healthz-bind-address", "0.0.0.0:65536" },
	  "--healthz-bind-address: '0.0.0.0:65536' is not of the form address:port" },
	{ "a bracket that is not closed",
	  { "run", "--metrics-bind-address", "[::1" },
	  "--metrics-bind-address: '[::1' is not of the form address:port" },
	{ "the mode of Windows",
	  { "run", "--proxy-mode", "kernelspace" },
	  "--proxy-mode: 'kernelspace' is for Windows: leave it empty" },
	{ "a mode nobody knows",
	  { "run", "--proxy-mode", "userspace" },
	  "--proxy-mode: 'userspace' is not a mode: leave it empty, or nftables" },
	{ "a feature gate without a value",
	  { "run", "--feature-gates", "AllAlpha" },
	  "--feature-gates: 'AllAlpha' is not of the form name=value" },
	{ "a feature gate that is no boolean",
	  { "run", "--feature-gates", "A=true,B=maybe" },
	  "--feature-gates: B: 'maybe' is neither true nor false" },
	{ "a score beyond the kernel's",
	  { "run", "--oom-score-adj", "-1001" },
	  "--oom-score-adj: '-1001' is not a number from -1000 to 1000" },
	{ "a file in place of the API server, and the API server",
	  { "run", "--source", "x", "--master", "y" },
	  "--source is in place of the API server: it cannot be given together with --kubeconfig "
	  "or --master" },
	{ "a control character", { "run", "--source", "a\nb" }, "--source: a control character" },
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct options options = { .verbosity = 77 };
		struct err err = { 0 };

		print_message("  - %s\n", refused[i].what);
		assert_true(parse_command_line(refused[i].args, &options, &err) < 0);
		assert_string_equal(err.msg, refused[i].msg);
		assert_int_equal(options.verbosity, 77); /* untouched */
	}
}

static void reads_everything(void **state)
{
	static const char *const args[COMMAND_LINE_MAX + 1] = {
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
	assert_int_equal(parse_command_line(args, &options, &err), 0);
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
	options_done(&options);
}

static const struct {
	const char *args[COMMAND_LINE_MAX + 1];
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

		assert_int_equal(parse_command_line(servers[i].args, &options, &err), 0);
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
		options_done(&options);
	}
}

static void tells_pods_by_interface(void **state)
{
	static const char *const bridge[COMMAND_LINE_MAX + 1] = {
		"plan",
		"--source=x",
		"--detect-local-mode=BridgeInterface",
		"--pod-bridge-interface=cbr0",
		"--nodeport-addresses=10.0.0.0/8,fd00::/8",
		"--affinity-size=262144",
		"--count-connections",
	};
	static const char *const prefix[COMMAND_LINE_MAX + 1] = {
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
	assert_int_equal(parse_command_line(bridge, &options, &err), 0);
	options_nft(&options, &networks, nft);
	assert_int_equal(nft[0].detect, NFTX_DETECT_BRIDGE);
	assert_string_equal(nft[1].interface, "cbr0");
	assert_int_equal(options.node_port_cidr_count, 2);
	assert_int_equal(nft[0].affinity_size, 262144);
	assert_int_equal(nft[1].affinity_size, 262144);
	assert_true(nft[0].count_connections && nft[1].count_connections);
	options_done(&options);
	assert_int_equal(parse_command_line(prefix, &options, &err), 0);
	options_nft(&options, &networks, nft);
	assert_int_equal(nft[1].detect, NFTX_DETECT_PREFIX);
	assert_string_equal(nft[0].interface, "veth");
	assert_int_equal(options.node_port_cidr_count, 0);
	assert_int_equal(nftx_affinity_size(&nft[0]), 65535);
	assert_false(nft[0].count_connections || nft[1].count_connections);
	options_done(&options);
}

/* kube-proxy's DaemonSet with only its command replaced. */
static void runs_without_a_command(void **state)
{
	static const char *const args[COMMAND_LINE_MAX + 1] = { "--source", "x",
		                                                "--masquerade-all=false" };
	struct options options;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse_command_line(args, &options, &err), 0);
	assert_int_equal(options.command, COMMAND_RUN);
	assert_false(options.masquerade_all);
	assert_true(strlen(options.node_name) > 0);
	options_done(&options);
}

/* Each row leads to a verbosity of 4: kube-proxy's ways to write a flag. */
static void reads_flags_as_kube_proxy_does(void **state)
{
	static const char *const rows[][COMMAND_LINE_MAX + 1] = {
		{ "-v=4" },
		{ "-v4" },
		{ "-v", "4" },
		{ "--v=4" },
		{ "--v", "4" },
		{ "--v=1", "-v=4" },
		{ "--masquerade_all=T", "--cluster_cidr=10.0.0.0/8", "--v=4", "--" },
		{ "--hostname-override", "", "--kubeconfig=", "--v=4" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct options options;
		struct err err = { 0 };

		if (parse_command_line(rows[i], &options, &err) < 0)
			fail_msg("row %zu: %s", i, err.msg);
		assert_int_equal(options.verbosity, 4);
		assert_null(options.kubeconfig);
		options_done(&options);
	}
}

static void has_kube_proxys_defaults(void **state)
{
	static const char *const args[COMMAND_LINE_MAX + 1] = { "run" };
	struct options options;
	struct err err = { 0 };
	char text[IPADDR_TEXT];

	(void)state;
	assert_int_equal(parse_command_line(args, &options, &err), 0);
	assert_int_equal(options.findings.total, 0);
	assert_int_equal(options.api_milli_qps, 5000);
	assert_int_equal(options.api_burst, 10);
	assert_int_equal(options.sync_period_us, 30000000);
	assert_int_equal(options.min_sync_period_us, 0); /* ours: changes are applied at once */
	assert_int_equal(options.oom_score, -999);
	assert_int_equal(options.sysctls.max_per_core, 32768);
	assert_int_equal(options.sysctls.min, 131072);
	assert_int_equal(options.sysctls.tcp_established_us, 86400000000);
	assert_int_equal(options.sysctls.tcp_close_wait_us, 3600000000);
	assert_string_equal(ipaddr_format(&options.healthz_bind.addr, text), "0.0.0.0");
	assert_int_equal(options.healthz_bind.port, 10256);
	assert_string_equal(ipaddr_format(&options.metrics_bind.addr, text), "127.0.0.1");
	assert_int_equal(options.metrics_bind.port, 10249);
	assert_int_equal(options.bind_address.family, 0);
	options_done(&options);
}

static const struct {
	const char *what;
	const char *args[COMMAND_LINE_MAX + 1];
	const char *healthz; /* NULL: nowhere */
	const char *metrics;
} listens[] = {
	{ "an IPv6 bind address", { "--bind-address", "fd00::1" }, "[::]:10256", "[::1]:10249" },
	{ "no port is the default port",
	  { "--healthz-bind-address=192.0.2.1", "--metrics-bind-address=::" },
	  "192.0.2.1:10256",
	  "[::]:10249" },
	{ "the deprecated ports",
	  { "--healthz-port=1", "--metrics-port=2" },
	  "0.0.0.0:1",
	  "127.0.0.1:2" },
	{ "an address' own port counts before the deprecated one",
	  { "--healthz-port=1", "--healthz-bind-address=[fd00::1]:3" },
	  "[fd00::1]:3",
	  "127.0.0.1:10249" },
	{ "port 0 is nowhere", { "--healthz-port=0", "--metrics-port=0" }, NULL, NULL },
	{ "an empty address is the default",
	  { "--healthz-bind-address=", "--metrics-bind-address=" },
	  "0.0.0.0:10256",
	  "127.0.0.1:10249" },
};

static void expect_listen(const struct bind_address *at, const char *want)
{
	struct strbuf text = { 0 };

	assert_int_equal(at->port != 0, want != NULL);
	if (want == NULL)
		return;
	put_bind_address(at, &text);
	assert_string_equal(text.text, want);
	strbuf_done(&text);
}

static void knows_where_to_listen(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(listens); i++) {
		struct options options;
		struct err err = { 0 };

		print_message("  - %s\n", listens[i].what);
		assert_int_equal(parse_command_line(listens[i].args, &options, &err), 0);
		expect_listen(&options.healthz_bind, listens[i].healthz);
		expect_listen(&options.metrics_bind, listens[i].metrics);
		options_done(&options);
	}
}

static const struct {
	const char *what;
	const char *args[COMMAND_LINE_MAX + 1];
	const char *subject;
	const char *text;
} found[] = {
	{ "a flag of another mode",
	  { "--ipvs-scheduler=rr" },
	  "--ipvs-scheduler",
	  "has no effect: only in kube-proxy's ipvs mode" },
	{ "another mode",
	  { "--proxy-mode=ipvs" },
	  "mode",
	  "ipvs: kubenft always uses nftables; what is left of kube-proxy's mode has to be "
	  "removed" },
	{ "a feature gate that means nothing here",
	  { "--feature-gates=AllowServiceExternalIPs=true,AllAlpha=false" },
	  "feature gate",
	  "AllAlpha has no effect here" },
};

static void says_what_has_no_effect(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(found); i++) {
		struct options options;
		struct err err = { 0 };

		print_message("  - %s\n", found[i].what);
		assert_int_equal(parse_command_line(found[i].args, &options, &err), 0);
		assert_int_equal(options.findings.total, 1);
		assert_string_equal(options.findings.list[0].subject, found[i].subject);
		assert_string_equal(options.findings.list[0].text, found[i].text);
		options_done(&options);
	}
}

/* Beside a configuration that cannot be read, too. */
static void answers_questions_before_anything_else(void **state)
{
	static const char *const rows[][COMMAND_LINE_MAX + 1] = {
		{ "--config=/nonexistent", "--help" },
		{ "--config=/nonexistent", "-h" },
		{ "--config=/nonexistent", "--version" },
		{ "--config=/nonexistent", "--version=raw" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct options options;
		struct err err = { 0 };

		assert_int_equal(parse_command_line(rows[i], &options, &err), 0);
		assert_int_equal(options.help, i < 2);
		assert_int_equal(options.version, i >= 2);
		options_done(&options);
	}
}

static void a_list_may_come_in_pieces(void **state)
{
	static const char *const args[COMMAND_LINE_MAX + 1] = {
		"--nodeport-addresses=10.0.0.0/8",
		"--nodeport-addresses=fd00::/8,192.0.2.0/24",
		"--feature-gates=AllowServiceExternalIPs=true",
		"--feature-gates=AllowServiceExternalIPs=false",
	};
	struct options options;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse_command_line(args, &options, &err), 0);
	assert_int_equal(options.node_port_cidr_count, 3);
	assert_true(options.no_external_ips);
	options_done(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(takes_an_api_server),
		cmocka_unit_test(tells_pods_by_interface),
		cmocka_unit_test(runs_without_a_command),
		cmocka_unit_test(reads_flags_as_kube_proxy_does),
		cmocka_unit_test(has_kube_proxys_defaults),
		cmocka_unit_test(knows_where_to_listen),
		cmocka_unit_test(says_what_has_no_effect),
		cmocka_unit_test(answers_questions_before_anything_else),
		cmocka_unit_test(a_list_may_come_in_pieces),
	};

	return cmocka_run_group_tests_name("cmd/options", tests, NULL, NULL);
}

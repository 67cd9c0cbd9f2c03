/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config.h"

#include <stdlib.h>
#include <string.h>

#include "cmd/config_text.h"
#include "test/unit/command_line.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

#define HEAD "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
#define OWN "apiVersion: kubenft.io/v1alpha1\nkind: KubenftConfiguration\n"

/* With --config=f but where the row says otherwise. */
static const struct row {
	const char *what;
	const char *text; /* of the file; NULL: there is no --config */
	const char *args[COMMAND_LINE_MAX];
	const char *path; /* a setting, and the value in force */
	const char *value;
	const char *finding; /* "subject: text" of the first; NULL: there is none */
} rows[] = {
	{ "a flag does not count beside the file",
	  HEAD,
	  { "--oom-score-adj=5" },
	  "oomScoreAdj",
	  "-999",
	  "--oom-score-adj: does not count beside --config: its place in the file is oomScoreAdj" },
	{ "one that has no place there neither",
	  HEAD,
	  { "--healthz-port=5" },
	  "healthzBindAddress",
	  "0.0.0.0:10256",
	  "--healthz-port: does not count beside --config" },
	{ "nor does one that the file contradicts",
	  HEAD "oomScoreAdj: 6\n",
	  { "--oom-score-adj=5" },
	  "oomScoreAdj",
	  "6",
	  "--oom-score-adj: does not count beside --config: its place in the file is oomScoreAdj" },
	{ "the node's name counts",
	  HEAD "hostnameOverride: a\n",
	  { "--hostname-override=b" },
	  "hostnameOverride",
	  "b",
	  NULL },
	{ "an empty one does not",
	  HEAD "hostnameOverride: a\n",
	  { "--hostname-override=" },
	  "hostnameOverride",
	  "a",
	  NULL },
	{ "flags for logs count",
	  HEAD "logging: {verbosity: 5, format: text}\n",
	  { "-v=2", "--logging-format=json" },
	  "logging.verbosity",
	  "2",
	  NULL },
	{ "the file's word on logs counts without them",
	  HEAD "logging: {verbosity: 5}\n",
	  { NULL },
	  "logging.verbosity",
	  "5",
	  NULL },
	{ "our own flags count",
	  HEAD "nftables: {minSyncPeriod: 2s}\n",
	  { "--min-sync-period=3s" },
	  "nftables.minSyncPeriod",
	  "3s",
	  NULL },
	{ "what a written file cannot say is named: a port that is closed",
	  NULL,
	  { "--write-config-to=w", "--healthz-port=0" },
	  "healthzBindAddress",
	  "",
	  "--healthz-port: 0 has no place in a file: what reads it opens the default port" },
	{ "the other one",
	  NULL,
	  { "--write-config-to=w", "--metrics-port=0", "--healthz-port=5" },
	  "metricsBindAddress",
	  "",
	  "--metrics-port: 0 has no place in a file: what reads it opens the default port" },
	{ "the API server's address",
	  NULL,
	  { "--write-config-to=w", "--master=https://m" },
	  "mode",
	  "nftables",
	  "--master: has no place in a file" },
	{ "a port that is not the default has its place",
	  NULL,
	  { "--write-config-to=w", "--healthz-port=5" },
	  "healthzBindAddress",
	  "0.0.0.0:5",
	  NULL },
	{ "a setting without effect is named",
	  HEAD "ipvs: {strictARP: true}\n",
	  { NULL },
	  "ipvs.strictARP",
	  "true",
	  "ipvs.strictARP: has no effect: only in kube-proxy's ipvs mode" },
	{ "its default is not",
	  HEAD "ipvs: {strictARP: false}\n",
	  { NULL },
	  "mode",
	  "nftables",
	  NULL },
	{ "the file without any kube-proxy",
	  OWN "source: x\n",
	  { NULL },
	  "mode",
	  "nftables",
	  NULL },

	{ "without a mode, nftables' section counts",
	  HEAD "nftables: {syncPeriod: 5s}\niptables: {syncPeriod: 6s}\n",
	  { NULL },
	  "nftables.syncPeriod",
	  "5s",
	  NULL },
	{ "and where it says nothing, iptables', which kube-proxy took",
	  HEAD "nftables: {syncPeriod: 0s}\niptables: {syncPeriod: 6s}\n",
	  { NULL },
	  "nftables.syncPeriod",
	  "6s",
	  NULL },
	{ "masqueradeAll, too",
	  HEAD "nftables: {masqueradeAll: false}\niptables: {masqueradeAll: true}\n",
	  { NULL },
	  "nftables.masqueradeAll",
	  "true",
	  NULL },
	{ "in nftables mode its section alone",
	  HEAD "mode: nftables\niptables: {masqueradeAll: true}\n",
	  { NULL },
	  "nftables.masqueradeAll",
	  "false",
	  NULL },
	{ "in iptables mode its section alone",
	  HEAD "mode: iptables\nnftables: {syncPeriod: 5s}\niptables: {syncPeriod: 6s}\n",
	  { NULL },
	  "nftables.syncPeriod",
	  "6s",
	  "mode: iptables: kubenft always uses nftables; what is left of kube-proxy's mode has to "
	  "be removed" },
	{ "in ipvs mode its section alone",
	  HEAD "mode: ipvs\niptables: {minSyncPeriod: 5s}\nipvs: {minSyncPeriod: 6s}\n",
	  { NULL },
	  "nftables.minSyncPeriod",
	  "6s",
	  "mode: ipvs: kubenft always uses nftables; what is left of kube-proxy's mode has to be "
	  "removed" },
	{ "iptables' flags count in all modes",
	  NULL,
	  { "--proxy-mode=nftables", "--iptables-sync-period=7s" },
	  "nftables.syncPeriod",
	  "7s",
	  NULL },
	{ "ours before them",
	  NULL,
	  { "--min-sync-period=3s", "--iptables-min-sync-period=2s" },
	  "nftables.minSyncPeriod",
	  "3s",
	  NULL },
	{ "ipvs' do not",
	  NULL,
	  { "--proxy-mode=nftables", "--ipvs-sync-period=7s" },
	  "nftables.syncPeriod",
	  "30s",
	  NULL },
	{ "a port of its own for the health address",
	  HEAD "bindAddress: 'fd00::1'\nhealthzBindAddress: 192.0.2.1\n",
	  { NULL },
	  "healthzBindAddress",
	  "192.0.2.1:10256",
	  NULL },
	{ "the default follows the bind address",
	  HEAD "bindAddress: 'fd00::1'\n",
	  { NULL },
	  "metricsBindAddress",
	  "[::1]:10249",
	  NULL },
};

static int parse_row(const struct row *row, struct options *out, struct err *err)
{
	const char *args[COMMAND_LINE_MAX + 1] = { NULL };
	size_t count = 0;

	for (; row->args[count] != NULL; count++)
		args[count] = row->args[count];
	if (row->text != NULL) {
		dir_write("f", row->text);
		args[count] = "--config=f";
	}
	return parse_command_line(args, out, err);
}

static void expect_finding(const struct diags *findings, const char *want)
{
	struct strbuf text = { 0 };

	assert_int_equal(findings->total, want != NULL);
	if (want == NULL)
		return;
	strbuf_printf(&text, "%s: %s", findings->list[0].subject, findings->list[0].text);
	assert_string_equal(text.text, want);
	strbuf_done(&text);
}

static void weighs_flags_and_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct setting *setting = settings_find_path(rows[i].path, 0);
		struct options options;
		struct err err = { 0 };

		print_message("  - %s\n", rows[i].what);
		if (parse_row(&rows[i], &options, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(settings_value(options.settings, setting), rows[i].value);
		expect_finding(&options.findings, rows[i].finding);
		options_done(&options);
	}
}

static const struct row refused[] = {
	{ .what = "the file and the field are named",
	  .text = HEAD "bindAddress: here\n",
	  .value = "f: bindAddress: 'here' is not an IP address" },
	{ .what = "a listed address",
	  .text = HEAD "metricsBindAddress: '1.2.3.4:x'\n",
	  .value = "f: metricsBindAddress: '1.2.3.4:x' is not of the form address:port" },
	{ .what = "a mode",
	  .text = HEAD "mode: kernelspace\n",
	  .value = "f: mode: 'kernelspace' is for Windows: leave it empty" },
	{ .what = "a range",
	  .text = HEAD "nodePortAddresses: [primary, 10.0.0.0/8]\n",
	  .value = "f: nodePortAddresses: 'primary' is not a CIDR" },
	{ .what = "a flag beside it",
	  .text = HEAD,
	  .args = { "--hostname-override= " },
	  .value = "--hostname-override: empty node name" },
	{ .what = "a detect mode without its interface",
	  .text = HEAD "detectLocalMode: BridgeInterface\n",
	  .value = "f: detectLocalMode BridgeInterface needs detectLocal.bridgeInterface" },
	{ .what = "its interface as a flag, which does not count",
	  .text = HEAD "detectLocalMode: InterfaceNamePrefix\n",
	  .args = { "--pod-interface-name-prefix=veth" },
	  .value = "f: detectLocalMode InterfaceNamePrefix needs detectLocal.interfaceNamePrefix" },
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct options options;
		struct err err = { 0 };

		print_message("  - %s\n", refused[i].what);
		assert_true(parse_row(&refused[i], &options, &err) < 0);
		assert_string_equal(err.msg, refused[i].value);
	}
}

/* Of a file and an API server, a flag has its way against the configuration. */
static void a_flag_decides_where_objects_come_from(void **state)
{
	static const struct {
		const char *text;
		const char *args[COMMAND_LINE_MAX];
		const char *source;
		const char *kubeconfig;
	} cases[] = {
		{ HEAD "clientConnection: {kubeconfig: k}\n", { "--source=s" }, "s", NULL },
		{ OWN "source: s\n", { "--master=m" }, NULL, NULL },
		{ HEAD "clientConnection: {kubeconfig: k}\n---\n" OWN "source: s\n",
		  { "diff", "--from=a", "--to=b" },
		  NULL,
		  NULL },
		{ OWN "source: s\n", { NULL }, "s", NULL },
		{ HEAD "clientConnection: {kubeconfig: k}\n", { NULL }, NULL, "k" },
		{ HEAD "clientConnection: {kubeconfig: k}\n", { "--master=m" }, NULL, "k" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct row row = { .text = cases[i].text };
		struct options options;
		struct err err = { 0 };

		memcpy(row.args, cases[i].args, sizeof(row.args));
		if (parse_row(&row, &options, &err) < 0)
			fail_msg("case %zu: %s", i, err.msg);
		assert_string_equal(options.source != NULL ? options.source : "",
		                    cases[i].source != NULL ? cases[i].source : "");
		assert_string_equal(options.kubeconfig != NULL ? options.kubeconfig : "",
		                    cases[i].kubeconfig != NULL ? cases[i].kubeconfig : "");
		options_done(&options);
	}
}

static void puts_everything_where_it_belongs(void **state)
{
	static const struct row row = {
		.text = HEAD
		"bindAddress: 192.0.2.7\n"
		"clientConnection: {qps: -1, burst: 20}\n"
		"clusterCIDR: 10.0.0.0/8, fd00::/8\n"
		"conntrack: {maxPerCore: 1, min: 2, tcpBeLiberal: true,\n"
		"  tcpEstablishedTimeout: 3s, tcpCloseWaitTimeout: 4s, udpTimeout: 5s,\n"
		"  udpStreamTimeout: 6s}\n"
		"featureGates: {AllowServiceExternalIPs: false}\n"
		"hostnameOverride: ' Node-7 '\n"
		"bindAddressHardFail: true\n"
		"oomScoreAdj: -5\n",
	};
	struct options options;
	struct err err = { 0 };
	char text[IPADDR_TEXT];

	(void)state;
	if (parse_row(&row, &options, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(ipaddr_format(&options.bind_address, text), "192.0.2.7");
	assert_int_equal(options.api_milli_qps, 0);
	assert_int_equal(options.api_burst, 20);
	assert_int_equal(options.cluster_cidr_count, 2);
	assert_int_equal(options.sysctls.max_per_core, 1);
	assert_int_equal(options.sysctls.min, 2);
	assert_int_equal(options.sysctls.tcp_established_us, 3000000);
	assert_int_equal(options.sysctls.tcp_close_wait_us, 4000000);
	assert_int_equal(options.sysctls.udp_us, 5000000);
	assert_int_equal(options.sysctls.udp_stream_us, 6000000);
	assert_true(options.sysctls.tcp_be_liberal);
	assert_true(options.no_external_ips);
	assert_string_equal(options.node_name, "node-7");
	assert_true(options.bind_hard_fail);
	assert_int_equal(options.oom_score, -5);
	options_done(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weighs_flags_and_file),
		cmocka_unit_test(refuses),
		cmocka_unit_test(a_flag_decides_where_objects_come_from),
		cmocka_unit_test(puts_everything_where_it_belongs),
	};

	return cmocka_run_group_tests_name("cmd/config", tests, dir_make, dir_remove);
}

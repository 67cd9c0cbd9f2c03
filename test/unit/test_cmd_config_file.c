/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config_file.h"

#include <errno.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

#define HEAD "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
#define OWN "apiVersion: kubenft.io/v1alpha1\nkind: KubenftConfiguration\n"

static int read_text(const char *text, struct settings *settings, struct diags *findings,
                     struct err *err)
{
	struct strbuf held = { 0 };
	int ret;

	dir_write("f", text);
	ret = config_file_read("f", settings, &held, findings, err);
	if (ret == 0)
		assert_string_equal(held.text, text);
	strbuf_done(&held);
	settings_resolve(settings, true);
	return ret;
}

static const struct row {
	const char *what;
	const char *text;
	const char *path; /* a setting and the value that it has then */
	const char *value;
	const char *finding; /* NULL: there is none */
} good[] = {
	{ "a number", HEAD "conntrack: {min: 7}\n", "conntrack.min", "7", NULL },
	{ "a duration", HEAD "conntrack: {udpTimeout: 1h30m}\n", "conntrack.udpTimeout", "1h30m0s",
	  NULL },
	{ "a boolean", HEAD "bindAddressHardFail: true\n", "bindAddressHardFail", "true", NULL },
	{ "a fraction", HEAD "clientConnection: {qps: 2.5}\n", "clientConnection.qps", "2.5",
	  NULL },
	{ "a list", HEAD "nodePortAddresses: [10.0.0.0/8, 'fd00::/8']\n", "nodePortAddresses",
	  "10.0.0.0/8,fd00::/8", NULL },
	{ "switches", HEAD "featureGates: {A: true, B: false}\n", "featureGates", "A=true,B=false",
	  NULL },
	{ "patterns", HEAD "logging: {vmodule: [{filePattern: a*, verbosity: 2}]}\n",
	  "logging.vmodule", "a*=2", NULL },
	{ "four levels", HEAD "logging: {options: {json: {infoBufferSize: 64Ki}}}\n",
	  "logging.options.json.infoBufferSize", "64Ki", NULL },
	{ "a size as a number", HEAD "logging: {options: {text: {infoBufferSize: 4096}}}\n",
	  "logging.options.text.infoBufferSize", "4096", NULL },
	{ "nanoseconds, where they may be", HEAD "logging: {flushFrequency: 5000000000}\n",
	  "logging.flushFrequency", "5s", NULL },
	{ "JSON",
	  "{\"kind\":\"KubeProxyConfiguration\",\"apiVersion\":\"kubeproxy.config.k8s.io/"
	  "v1alpha1\","
	  "\"oomScoreAdj\":-5}",
	  "oomScoreAdj", "-5", NULL },

	{ "null is not given", HEAD "conntrack: {min: null}\n", "conntrack.min", "131072", NULL },
	{ "a section that is null", HEAD "conntrack: null\n", "conntrack.min", "131072", NULL },
	{ "an empty string is not given", HEAD "healthzBindAddress: \"\"\n", "healthzBindAddress",
	  "0.0.0.0:10256", NULL },
	{ "0s is not given, even where it could not be", HEAD "configSyncPeriod: 0s\n",
	  "configSyncPeriod", "15m0s", NULL },
	{ "0 is not given", HEAD "clientConnection: {burst: 0}\n", "clientConnection.burst", "10",
	  NULL },
	{ "0 of a pointer is 0", HEAD "conntrack: {maxPerCore: 0}\n", "conntrack.maxPerCore", "0",
	  NULL },
	{ "0s of a pointer is 0s", HEAD "conntrack: {tcpEstablishedTimeout: 0s}\n",
	  "conntrack.tcpEstablishedTimeout", "0s", NULL },
	{ "false of a pointer is false", HEAD "iptables: {localhostNodePorts: false}\n",
	  "iptables.localhostNodePorts", "false", NULL },
	{ "an empty list is not given", HEAD "nodePortAddresses: []\n", "nodePortAddresses",
	  "primary", NULL },

	{ "a field nobody knows", HEAD "oomScore: 3\noomScoreAdj: 4\n", "oomScoreAdj", "4",
	  "oomScore: unknown, not looked at" },
	{ "one deeper down", HEAD "conntrack: {max: 3, min: 4}\n", "conntrack.min", "4",
	  "conntrack.max: unknown, not looked at" },
	{ "one with much inside", HEAD "extra: {a: [1, {b: 2}]}\n", "conntrack.min", "131072",
	  "extra: unknown, not looked at" },
	{ "in another case", HEAD "Mode: ipvs\n", "mode", "nftables",
	  "Mode: unknown, not looked at" },
	{ "a field given twice", HEAD "oomScoreAdj: 3\noomScoreAdj: 4\n", "oomScoreAdj", "4",
	  "oomScoreAdj: given twice, the last one counts" },
	{ "given twice, the last time as not given",
	  HEAD "healthzBindAddress: 1.2.3.4:5\nhealthzBindAddress: \"\"\n", "healthzBindAddress",
	  "0.0.0.0:10256", "healthzBindAddress: given twice, the last one counts" },
	{ "given twice, the last time null", HEAD "oomScoreAdj: 3\noomScoreAdj: null\n",
	  "oomScoreAdj", "-999", "oomScoreAdj: given twice, the last one counts" },
	{ "a section given twice", HEAD "conntrack: {min: 3}\nconntrack: {maxPerCore: 4}\n",
	  "conntrack.min", "131072", "conntrack: given twice, the last one counts" },
	{ "the same, what is in the last one",
	  HEAD "ipvs: {}\nconntrack: {min: 3}\nconntrack: {min: 4}\n", "conntrack.min", "4",
	  "conntrack: given twice, the last one counts" },
	{ "a section given twice, the last time null", HEAD "conntrack: {min: 3}\nconntrack:\n",
	  "conntrack.min", "131072", "conntrack: given twice, the last one counts" },
	{ "YAML 1.1's booleans, which Kubernetes takes",
	  HEAD "enableProfiling: yes\nbindAddressHardFail: On\n", "bindAddressHardFail", "true",
	  NULL },
	{ "and the other way round", HEAD "iptables: {localhostNodePorts: NO}\n",
	  "iptables.localhostNodePorts", "false", NULL },
	{ "more verbosity than there is", HEAD "logging: {verbosity: 10000}\n", "logging.verbosity",
	  "10000", NULL },
	{ "ours in kube-proxy's", HEAD "source: x\n", "mode", "nftables",
	  "source: unknown, not looked at" },
	{ "ours alone", OWN "mode: ipvs\n", "mode", "nftables", "mode: unknown, not looked at" },
	{ "both, in any order", OWN "---\n" HEAD "oomScoreAdj: 4\n", "oomScoreAdj", "4", NULL },
	{ "empty documents between", "---\n---\n" HEAD "oomScoreAdj: 4\n---\n", "oomScoreAdj", "4",
	  NULL },
};

static void reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const struct row *row = &good[i];
		struct settings *settings = settings_new();
		struct diags findings = { 0 };
		struct err err = { 0 };

		print_message("  - %s\n", row->what);
		if (read_text(row->text, settings, &findings, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(settings_value(settings, settings_find_path(row->path, 0)),
		                    row->value);
		assert_int_equal(findings.total, row->finding != NULL);
		if (row->finding != NULL)
			assert_string_equal(findings.list[0].text, row->finding);
		diag_done(&findings);
		settings_free(settings);
	}
}

static const struct {
	const char *what;
	const char *text;
	const char *msg;
} bad[] = {
	{ "an empty file", "",
	  "f: there is neither a KubeProxyConfiguration nor a KubenftConfiguration in it" },
	{ "broken YAML", "kind: [\n",
	  "f: document 1, line 2: broken YAML: did not find expected node content while parsing a "
	  "flow node" },
	{ "another version",
	  "apiVersion: kubeproxy.config.k8s.io/v1beta1\nkind: KubeProxyConfiguration\n",
	  "f: document 1: apiVersion 'kubeproxy.config.k8s.io/v1beta1', kind "
	  "'KubeProxyConfiguration' is neither kubeproxy.config.k8s.io/v1alpha1 "
	  "KubeProxyConfiguration nor kubenft.io/v1alpha1 KubenftConfiguration" },
	{ "no object", "[1]\n",
	  "f: document 1: apiVersion '', kind '' is neither kubeproxy.config.k8s.io/v1alpha1 "
	  "KubeProxyConfiguration nor kubenft.io/v1alpha1 KubenftConfiguration" },
	{ "one kind twice", HEAD "---\n" HEAD, "f: document 2: a second KubeProxyConfiguration" },
	{ "a string for a number", HEAD "oomScoreAdj: \"3\"\n", "f: oomScoreAdj: not a number" },
	{ "a number for a string", HEAD "hostnameOverride: 3\n",
	  "f: hostnameOverride: not a string" },
	{ "a string for a boolean", HEAD "enableProfiling: \"true\"\n",
	  "f: enableProfiling: neither true nor false" },
	{ "a number for a duration", HEAD "conntrack: {udpTimeout: 15}\n",
	  "f: conntrack.udpTimeout: a duration is a string, such as \"15s\"" },
	{ "a string for a list", HEAD "nodePortAddresses: primary\n",
	  "f: nodePortAddresses: not a list" },
	{ "a number in a list", HEAD "nodePortAddresses: [a, 1]\n",
	  "f: nodePortAddresses[1]: not a string" },
	{ "nothing in a list, which would otherwise be the default",
	  HEAD "nodePortAddresses: [\"\"]\n", "f: nodePortAddresses[0]: empty" },
	{ "two in one", HEAD "nodePortAddresses: [\"10.0.0.0/8,fd00::/8\"]\n",
	  "f: nodePortAddresses[0]: a comma in it" },
	{ "a string in switches", HEAD "featureGates: {A: x}\n",
	  "f: featureGates.A: neither true nor false" },
	{ "a pattern without a name", HEAD "logging: {vmodule: [{verbosity: 2}]}\n",
	  "f: logging.vmodule[0].filePattern: missing" },
	{ "a value for a section", HEAD "conntrack: 3\n", "f: conntrack: not an object" },
	{ "a fraction", HEAD "oomScoreAdj: 1.5\n",
	  "f: oomScoreAdj: '1.5' is not a number from -1000 to 1000" },
	{ "beyond the range", HEAD "conntrack: {min: 1e12}\n",
	  "f: conntrack.min: '1000000000000' is not a number from 0 to 2147483647" },
	{ "a negative duration", HEAD "conntrack: {udpTimeout: -1s}\n",
	  "f: conntrack.udpTimeout: '-1s' is not a duration such as 1s or 500ms" },
	{ "two mistakes", HEAD "oomScoreAdj: x\nconntrack: {min: y}\n",
	  "f: oomScoreAdj: not a number; conntrack.min: not a number" },
	{ "more than there is room for",
	  HEAD "conntrack: {udpTimeout: 15, udpStreamTimeout: 15, tcpCloseWaitTimeout: 15}\n",
	  "f: conntrack.udpTimeout: a duration is a string, such as \"15s\"; "
	  "conntrack.udpStreamTimeout: a duration is a string, such as \"15s\"; and 1 more" },
};

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct settings *settings = settings_new();
		struct diags findings = { 0 };
		struct err err = { 0 };

		print_message("  - %s\n", bad[i].what);
		assert_true(read_text(bad[i].text, settings, &findings, &err) < 0);
		assert_string_equal(err.msg, bad[i].msg);
		diag_done(&findings);
		settings_free(settings);
	}
}

static void bounds_the_file(void **state)
{
	struct strbuf text = { 0 };
	struct strbuf held = { 0 };
	struct err err = { 0 };

	(void)state;
	strbuf_puts(&text, HEAD);
	while (text.len <= CONFIG_MAX_BYTES)
		strbuf_puts(&text, "# a comment, and another one\n");
	dir_write("f", text.text);
	assert_int_equal(config_file_load("f", &held, &err), -EFBIG);
	assert_string_equal(err.msg, "f: more than 1024 KiB");
	strbuf_done(&held);
	strbuf_done(&text);
	assert_int_equal(config_file_load("none", &held, &err), -ENOENT);
	assert_string_equal(err.msg, "none: No such file or directory");
	strbuf_done(&held);
	assert_int_equal(dir_inheritable_fds(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bounds_the_file),
	};

	return cmocka_run_group_tests_name("cmd/config_file", tests, dir_make, dir_remove);
}

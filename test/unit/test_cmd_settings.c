/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/settings.h"

#include <ctype.h>
#include <string.h>

#include "cmd/options.h"
#include "test/unit/test.h"

static void is_a_default_canonical(const struct setting *setting)
{
	struct strbuf text = { 0 };
	struct err err = { 0 };

	if (setting_canonical(setting, setting->fallback, &text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text.text, setting->fallback);
	strbuf_done(&text);
}

/* What nobody else looks at when a row is added. */
static void the_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		bool is_flag = setting->flag != NULL;

		print_message("  - %s\n", is_flag ? setting->flag : setting->path);
		assert_true(is_flag || setting->path != NULL);
		is_a_default_canonical(setting);
		assert_true(strlen(setting->help) > 0);
		assert_true(islower((unsigned char)setting->help[0]) ||
		            isupper((unsigned char)setting->help[1]) ||
		            str_starts(setting->help, "NodePorts"));
		assert_true(setting->help[strlen(setting->help) - 1] != '.');
		assert_int_equal(is_flag, setting->arg != NULL);
		assert_int_equal(is_flag, (setting->bits & 0xff) != 0); /* some command has it */
		if (is_flag)
			assert_ptr_equal(settings_find_flag(setting->flag), setting);
		if (setting->path != NULL)
			assert_ptr_equal(settings_find_path(setting->path, setting->bits), setting);
		if (setting->path != NULL)
			assert_false(settings_is_section(setting->path, setting->bits));
		assert_true(setting->at == 0 || setting->set == NULL);
	}
}

static void finds_sections(void **state)
{
	(void)state;
	assert_true(settings_is_section("logging", 0));
	assert_true(settings_is_section("logging.options.text", 0));
	assert_false(settings_is_section("logging.opt", 0));
	assert_false(settings_is_section("logging", SETTING_OWN));
	assert_null(settings_find_path("logging", 0));
	assert_null(settings_find_path("source", 0));
	assert_non_null(settings_find_path("source", SETTING_OWN));
	assert_null(settings_find_flag(""));
}

static const struct row {
	const char *what;
	enum setting_type type;
	const char *text;
	const char *canonical; /* NULL: refused */
	const char *json;
} rows[] = {
	{ "Go's ways to say true", SETTING_BOOL, "T", "true", "true" },
	{ "and false", SETTING_BOOL, "0", "false", "false" },
	{ "but no other", SETTING_BOOL, "tRue", NULL, NULL },
	{ "a number", SETTING_NUMBER, "-7", "-7", "-7" },
	{ "with leading zeros", SETTING_NUMBER, "007", "7", "7" },
	{ "the largest", SETTING_NUMBER, "2147483647", "2147483647", "2147483647" },
	{ "one more", SETTING_NUMBER, "2147483648", NULL, NULL },
	{ "a plus sign", SETTING_NUMBER, "+7", NULL, NULL },
	{ "two signs", SETTING_NUMBER, "--7", NULL, NULL },
	{ "a fraction", SETTING_DECIMAL, "2.50", "2.5", "2.5" },
	{ "thousandths", SETTING_DECIMAL, "-0.0059", "-0.005", "-0.005" },
	{ "a fraction without a whole", SETTING_DECIMAL, ".5", "0.5", "0.5" },
	{ "no number at all", SETTING_DECIMAL, "-", NULL, NULL },
	{ "a duration", SETTING_DURATION, "90m", "1h30m0s", "\"1h30m0s\"" },
	{ "zero", SETTING_DURATION, "0", "0s", "\"0s\"" },
	{ "a text", SETTING_TEXT, "a \"b\"", "a \"b\"", "\"a \\\"b\\\"\"" },
	{ "a control character", SETTING_TEXT, "a\x7f", NULL, NULL },
	{ "one of those beyond ASCII", SETTING_TEXT, "a\xc2\x85", NULL, NULL },
	{ "the end of a line in Unicode", SETTING_TEXT, "a\xe2\x80\xa8", NULL, NULL },
	{ "a mark of the byte order", SETTING_TEXT, "\xef\xbb\xbf", NULL, NULL },
	{ "bytes that are not UTF-8", SETTING_LIST, "a,\xb1", NULL, NULL },
	{ "letters beyond ASCII", SETTING_TEXT, "\xc3\xa4\xf0\x9f\x98\x80",
	  "\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
	{ "a size", SETTING_SIZE, "64Ki", "64Ki", "\"64Ki\"" },
	{ "of nothing", SETTING_SIZE, "Ki", NULL, NULL },
	{ "of what nobody knows", SETTING_SIZE, "64KB", NULL, NULL },
	{ "a list", SETTING_LIST, "a,b", "a,b", "[\"a\",\"b\"]" },
	{ "an empty one", SETTING_LIST, "", "", "[]" },
	{ "nothing between commas is no item", SETTING_LIST, ",a,,b,", ",a,,b,", "[\"a\",\"b\"]" },
	{ "switches", SETTING_SWITCHES, "A=1,B=f", "A=true,B=false", "{\"A\":true,\"B\":false}" },
	{ "one switch twice, the last one counts", SETTING_SWITCHES, "A=1,B=f,A=0",
	  "A=true,B=false,A=false", "{\"B\":false,\"A\":false}" },
	{ "no switch", SETTING_SWITCHES, "", "", "{}" },
	{ "a switch without a name", SETTING_SWITCHES, "=true", NULL, NULL },
	{ "a switch without a value", SETTING_SWITCHES, "A=", NULL, NULL },
	{ "nothing between commas", SETTING_SWITCHES, "A=1,,B=1", NULL, NULL },
	{ "patterns", SETTING_VMODULE, "a*=2,b=0", "a*=2,b=0",
	  "[{\"filePattern\":\"a*\",\"verbosity\":2},{\"filePattern\":\"b\",\"verbosity\":0}]" },
	{ "no pattern", SETTING_VMODULE, "", "", "[]" },
	{ "a negative verbosity", SETTING_VMODULE, "a=-1", NULL, NULL },
};

static void reads_and_prints_each_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct setting setting = { .type = rows[i].type };
		struct strbuf text = { 0 };
		struct strbuf json = { 0 };
		struct err err = { 0 };
		int ret = setting_canonical(&setting, rows[i].text, &text, &err);

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(ret < 0, rows[i].canonical == NULL);
		if (ret == 0) {
			assert_string_equal(text.text, rows[i].canonical);
			setting_json(&setting, text.text, &json);
			assert_string_equal(json.text, rows[i].json);
		} else {
			assert_true(strlen(err.msg) > 0);
		}
		strbuf_done(&text);
		strbuf_done(&json);
	}
}

static void bounds_a_text(void **state)
{
	const struct setting setting = { .type = SETTING_TEXT };
	struct strbuf text = { 0 };
	struct strbuf out = { 0 };
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 16384; i++)
		strbuf_puts(&text, "a");
	assert_true(setting_canonical(&setting, text.text, &out, &err) < 0);
	assert_string_equal(err.msg, "longer than 16383 characters");
	assert_int_equal(setting_canonical(&setting, text.text + 1, &out, &err), 0);
	strbuf_done(&text);
	strbuf_done(&out);
}

/* The flags and fields of kube-proxy 1.36 and their defaults (behaviour, sections 5.4 and 5.5), but
 * for the mode and the minSyncPeriods, which are our own. */
static const struct {
	const char *flag;
	const char *path;
	const char *fallback;
} kube_proxys[] = {
	{ "feature-gates", "featureGates", "" },
	{ "kubeconfig", "clientConnection.kubeconfig", "" },
	{ NULL, "clientConnection.acceptContentTypes", "" },
	{ "kube-api-content-type", "clientConnection.contentType",
	  "application/vnd.kubernetes.protobuf" },
	{ "kube-api-qps", "clientConnection.qps", "5" },
	{ "kube-api-burst", "clientConnection.burst", "10" },
	{ "logging-format", "logging.format", "text" },
	{ "log-flush-frequency", "logging.flushFrequency", "5s" },
	{ "v", "logging.verbosity", "0" },
	{ "vmodule", "logging.vmodule", "" },
	{ "log-text-split-stream", "logging.options.text.splitStream", "false" },
	{ "log-text-info-buffer-size", "logging.options.text.infoBufferSize", "0" },
	{ "log-json-split-stream", "logging.options.json.splitStream", "false" },
	{ "log-json-info-buffer-size", "logging.options.json.infoBufferSize", "0" },
	{ "hostname-override", "hostnameOverride", "" },
	{ "bind-address", "bindAddress", "0.0.0.0" },
	{ "healthz-bind-address", "healthzBindAddress", "0.0.0.0:10256" },
	{ "metrics-bind-address", "metricsBindAddress", "127.0.0.1:10249" },
	{ "bind-address-hard-fail", "bindAddressHardFail", "false" },
	{ "profiling", "enableProfiling", "false" },
	{ "show-hidden-metrics-for-version", "showHiddenMetricsForVersion", "" },
	{ "proxy-mode", "mode", "nftables" },
	{ "iptables-masquerade-bit", "iptables.masqueradeBit", "14" },
	{ NULL, "iptables.masqueradeAll", "false" },
	{ "iptables-localhost-nodeports", "iptables.localhostNodePorts", "true" },
	{ "iptables-sync-period", "iptables.syncPeriod", "30s" },
	{ "iptables-min-sync-period", "iptables.minSyncPeriod", "0s" },
	{ "ipvs-sync-period", "ipvs.syncPeriod", "30s" },
	{ "ipvs-min-sync-period", "ipvs.minSyncPeriod", "0s" },
	{ "ipvs-scheduler", "ipvs.scheduler", "" },
	{ "ipvs-exclude-cidrs", "ipvs.excludeCIDRs", "" },
	{ "ipvs-strict-arp", "ipvs.strictARP", "false" },
	{ "ipvs-tcp-timeout", "ipvs.tcpTimeout", "0s" },
	{ "ipvs-tcpfin-timeout", "ipvs.tcpFinTimeout", "0s" },
	{ "ipvs-udp-timeout", "ipvs.udpTimeout", "0s" },
	{ NULL, "ipvs.masqueradeAll", "false" },
	{ NULL, "nftables.masqueradeBit", "14" },
	{ "masquerade-all", "nftables.masqueradeAll", "false" },
	{ NULL, "nftables.syncPeriod", "30s" },
	{ NULL, "nftables.minSyncPeriod", "0s" },
	{ NULL, "winkernel.networkName", "" },
	{ NULL, "winkernel.sourceVip", "" },
	{ NULL, "winkernel.enableDSR", "false" },
	{ NULL, "winkernel.rootHnsEndpointName", "" },
	{ NULL, "winkernel.forwardHealthCheckVip", "false" },
	{ "detect-local-mode", "detectLocalMode", "ClusterCIDR" },
	{ "pod-bridge-interface", "detectLocal.bridgeInterface", "" },
	{ "pod-interface-name-prefix", "detectLocal.interfaceNamePrefix", "" },
	{ "cluster-cidr", "clusterCIDR", "" },
	{ "nodeport-addresses", "nodePortAddresses", "primary" },
	{ "oom-score-adj", "oomScoreAdj", "-999" },
	{ "conntrack-max-per-core", "conntrack.maxPerCore", "32768" },
	{ "conntrack-min", "conntrack.min", "131072" },
	{ "conntrack-tcp-timeout-established", "conntrack.tcpEstablishedTimeout", "24h0m0s" },
	{ "conntrack-tcp-timeout-close-wait", "conntrack.tcpCloseWaitTimeout", "1h0m0s" },
	{ "conntrack-tcp-be-liberal", "conntrack.tcpBeLiberal", "false" },
	{ "conntrack-udp-timeout", "conntrack.udpTimeout", "0s" },
	{ "conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout", "0s" },
	{ "config-sync-period", "configSyncPeriod", "15m0s" },
	{ NULL, "portRange", "" },
	{ NULL, "windowsRunAsService", "false" },
	{ "config", NULL, "" },
	{ "write-config-to", NULL, "" },
	{ "cleanup", NULL, "false" },
	{ "init-only", NULL, "false" },
	{ "master", NULL, "" },
	{ "healthz-port", NULL, "10256" },
	{ "metrics-port", NULL, "10249" },
	{ "machine-id-file", NULL, "" },
	{ "boot-id-file", NULL, "" },
	{ "version", NULL, "false" },
	{ "help", NULL, "false" },
};

static void knows_all_that_kube_proxy_has(void **state)
{
	size_t ours = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kube_proxys); i++) {
		const char *flag = kube_proxys[i].flag;
		const char *path = kube_proxys[i].path;
		const struct setting *setting =
			flag != NULL ? settings_find_flag(flag) : settings_find_path(path, 0);

		print_message("  - %s\n", flag != NULL ? flag : path);
		assert_non_null(setting);
		assert_true(path == NULL || settings_find_path(path, 0) == setting);
		assert_string_equal(setting->fallback, kube_proxys[i].fallback);
		assert_true(flag == NULL || (setting->bits & COMMAND_RUN) != 0);
	}
	for (size_t i = 0; i < settings_count; i++)
		ours += settings_table[i].path != NULL &&
		        (settings_table[i].bits & SETTING_OWN) == 0;
	for (size_t i = 0; i < ARRAY_LEN(kube_proxys); i++)
		ours -= kube_proxys[i].path != NULL;
	assert_int_equal(ours, 0); /* a field that kube-proxy does not have is in our document */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_all_that_kube_proxy_has),
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(finds_sections),
		cmocka_unit_test(reads_and_prints_each_type),
		cmocka_unit_test(bounds_a_text),
	};

	return cmocka_run_group_tests_name("cmd/settings", tests, NULL, NULL);
}

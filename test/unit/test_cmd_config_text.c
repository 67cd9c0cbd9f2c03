/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config_text.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/config_file.h"
#include "test/unit/command_line.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

#define HEAD "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"

static struct options parse_text(const char *text)
{
	static const char *const args[COMMAND_LINE_MAX + 1] = { "--config=f", "-v=3" };
	struct options options;
	struct err err = { 0 };

	dir_write("f", text);
	if (parse_command_line(args, &options, &err) < 0)
		fail_msg("%s", err.msg);
	return options;
}

/* The member of @object at a path; fails the test when a name on the way is not there once. */
static const cJSON *member(const cJSON *object, const char *path)
{
	const cJSON *found = object;

	while (*path != '\0') {
		size_t len = strcspn(path, ".");
		unsigned count = 0;

		object = found;
		for (const cJSON *child = object->child; child != NULL; child = child->next) {
			if (strncmp(child->string, path, len) != 0 || child->string[len] != '\0')
				continue;
			found = child;
			count++;
		}
		if (count != 1)
			fail_msg("%s: %u times", path, count);
		path += len + (path[len] == '.');
	}
	return found;
}

static const struct {
	const char *path;
	const char *json;
} fields[] = {
	{ "kind", "\"KubeProxyConfiguration\"" },
	{ "apiVersion", "\"kubeproxy.config.k8s.io/v1alpha1\"" },
	{ "featureGates", "{\"A\":true}" },
	{ "clientConnection.qps", "0.5" },
	{ "logging.verbosity", "3" },
	{ "logging.vmodule", "[{\"filePattern\":\"x\",\"verbosity\":1}]" },
	{ "logging.options.json.infoBufferSize", "\"0\"" },
	{ "mode", "\"nftables\"" },
	{ "healthzBindAddress", "\"0.0.0.0:10256\"" },
	{ "nodePortAddresses", "[\"primary\"]" },
	{ "oomScoreAdj", "0" },
	{ "conntrack.tcpEstablishedTimeout", "\"24h0m0s\"" },
	{ "conntrack.tcpBeLiberal", "false" },
	{ "windowsRunAsService", "false" },
};

#define TEXT                                                            \
	HEAD "featureGates: {A: true}\n"                                \
	     "clientConnection: {qps: 0.5, kubeconfig: \"a b\\\"c\"}\n" \
	     "logging: {vmodule: [{filePattern: x, verbosity: 1}]}\n"   \
	     "oomScoreAdj: 0\n"                                         \
	     "bindAddress: 'fd00::1'\nhealthzBindAddress: 0.0.0.0\n"    \
	     "mode: ipvs\nipvs: {minSyncPeriod: 1500ms, excludeCIDRs: [a, b]}\n"

static void answers_configz(void **state)
{
	struct options options = parse_text(TEXT);
	struct strbuf text = { 0 };
	cJSON *json;
	const cJSON *proxy;

	(void)state;
	config_json(options.settings, &text);
	json = cJSON_ParseWithOpts(text.text, NULL, true);
	assert_non_null(json);
	proxy = cJSON_GetObjectItemCaseSensitive(json, "kubeproxy.config.k8s.io");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		char *got = cJSON_PrintUnformatted(member(proxy, fields[i].path));

		assert_string_equal(got, fields[i].json);
		free(got);
	}
	for (size_t i = 0; i < settings_count; i++) {
		const char *path = settings_table[i].path;
		bool own = (settings_table[i].bits & SETTING_OWN) != 0;

		if (path != NULL)
			(void)member(own ? cJSON_GetObjectItemCaseSensitive(json, "kubenft.io")
			                 : proxy,
			             path);
	}
	cJSON_Delete(json);
	strbuf_done(&text);
	options_done(&options);
}

static void writes_what_it_would_read(void **state)
{
	struct options first = parse_text(TEXT);
	struct options second;
	struct strbuf text = { 0 };
	struct strbuf again = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(config_write(first.settings, "written", &err), 0);
	assert_int_equal(config_file_load("written", &text, &err), 0);
	second = parse_text(text.text);
	config_yaml(second.settings, &again);
	assert_string_equal(again.text, text.text);
	assert_string_equal(second.kubeconfig, "a b\"c");
	assert_int_equal(second.min_sync_period_us, 1500000); /* of ipvs, which was the mode */
	assert_int_equal(second.findings.total, 3); /* the gate, vmodule, excludeCIDRs: no mode */
	strbuf_done(&text);
	strbuf_done(&again);
	options_done(&first);
	options_done(&second);
}

static void says_where_it_cannot_write(void **state)
{
	struct options options = parse_text(HEAD);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(config_write(options.settings, "none/written", &err), -ENOENT);
	assert_string_equal(err.msg, "none/written: No such file or directory");
	options_done(&options);
}

static void lists_flags_by_name(void **state)
{
	struct options options = parse_text(HEAD "oomScoreAdj: 0\n");
	struct strbuf text = { 0 };
	struct strbuf json = { 0 };
	cJSON *object;

	(void)state;
	config_flags(options.settings, &text);
	for (const char *line = text.text; strchr(line, '\n')[1] != '\0';) {
		const char *next = strchr(line, '\n') + 1;

		assert_true(strncmp(line, next, strcspn(line, "=")) <= 0);
		line = next;
	}
	assert_non_null(strstr(text.text, "\nbind-address=0.0.0.0\n"));
	assert_non_null(strstr(text.text, "\nconfig=f\n"));
	assert_non_null(strstr(text.text, "\noom-score-adj=-999\n")); /* the flag was not given */
	assert_non_null(strstr(text.text, "\nv=3\n"));
	config_flags_json(options.settings, &json);
	object = cJSON_ParseWithOpts(json.text, NULL, true);
	assert_non_null(object);
	assert_string_equal(member(object, "v")->valuestring, "3");
	cJSON_Delete(object);
	strbuf_done(&text);
	strbuf_done(&json);
	options_done(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_configz),
		cmocka_unit_test(writes_what_it_would_read),
		cmocka_unit_test(says_where_it_cannot_write),
		cmocka_unit_test(lists_flags_by_name),
	};

	return cmocka_run_group_tests_name("cmd/config_text", tests, dir_make, dir_remove);
}

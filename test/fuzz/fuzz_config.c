/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the configuration file of run, the whole way to the settings: what is refused is so
 * with a sentence, and what is accepted is within its bounds, can be shown, and means the same when
 * it is written and read back.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/config_text.h"
#include "cmd/options.h"
#include "test/unit/command_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory with these bytes, as --config. */
static const char *config_flag(const void *data, size_t size)
{
	static char flag[64];
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("config", MFD_CLOEXEC);
	ASSERT(fd >= 0 && ftruncate(fd, 0) == 0);
	ASSERT(pwrite(fd, data, size, 0) == (ssize_t)size);
	(void)snprintf(flag, sizeof(flag), "--config=/proc/self/fd/%d", fd);
	return flag;
}

static int parse(const void *data, size_t size, struct options *out, struct err *err)
{
	const char *const args[COMMAND_LINE_MAX] = { "run", config_flag(data, size),
		                                     "--hostname-override=n" };

	return parse_command_line(args, out, err);
}

/* For a line of the log, or of a terminal. */
static void check_text(const char *text)
{
	ASSERT(*text != '\0');
	for (const char *p = text; *p != '\0'; p++)
		ASSERT((unsigned char)*p >= ' ' && *p != 0x7f);
}

static void check_refusal(int ret, const struct err *err)
{
	ASSERT(ret < 0 && err->code == -ret);
	check_text(err->msg);
}

static void check_bounds(const struct options *options)
{
	ASSERT(options->command == COMMAND_RUN && strcmp(options->node_name, "n") == 0);
	ASSERT(options->cluster_cidr_count <= OPTIONS_MAX_CIDRS);
	ASSERT(options->node_port_cidr_count <= OPTIONS_MAX_CIDRS);
	ASSERT(options->detect <= DETECT_PREFIX);
	ASSERT(options->detect != DETECT_BRIDGE || options->pod_bridge[0] != '\0');
	ASSERT(options->detect != DETECT_PREFIX || options->pod_interface_prefix[0] != '\0');
	ASSERT(memchr(options->pod_bridge, '\0', sizeof(options->pod_bridge)) != NULL);
	ASSERT(options->affinity_size >= 1 && options->affinity_size <= OPTIONS_MAX_AFFINITY);
	ASSERT(options->oom_score >= -1000 && options->oom_score <= 1000);
	ASSERT(options->min_sync_period_us <= options->sync_period_us);
	ASSERT(options->sysctls.min >= 0 && options->sysctls.max_per_core >= 0);
	ASSERT(options->source == NULL || options->kubeconfig == NULL);
	for (size_t i = 0; i < options->findings.count; i++) {
		check_text(options->findings.list[i].subject);
		check_text(options->findings.list[i].text);
	}
}

/* /configz */
static void check_json(const struct options *options)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	cJSON *json;

	config_json(options->settings, &text);
	json = cJSON_ParseWithOpts(text.text, NULL, 1);
	ASSERT(json != NULL);
	cJSON_Delete(json);
}

/* But for those whose effect is another setting's, and done with. */
static void check_same(const struct options *a, const struct options *b)
{
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		const char *value = settings_value(a->settings, setting);

		if (setting->path == NULL || (setting->bits & SETTING_DERIVED) != 0 ||
		    strcmp(value, settings_value(b->settings, setting)) == 0)
			continue;
		(void)fprintf(stderr, "%s: '%s' is '%s'\n", setting->path, value,
		              settings_value(b->settings, setting));
		ASSERT(!"the same");
	}
}

/* --write-config-to */
static void check_written(const struct options *options)
{
	AUTO_STRBUF struct strbuf once = { 0 };
	struct options again = { 0 };
	struct err err = { 0 };

	config_yaml(options->settings, &once);
	if (parse(once.text, once.len, &again, &err) < 0) {
		(void)fprintf(stderr, "%s\n%s", err.msg, once.text);
		ASSERT(!"what was written is read");
	}
	check_same(options, &again);
	check_bounds(&again);
	options_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options options = { 0 };
	struct err err = { 0 };
	int ret = parse(data, size, &options, &err);

	if (ret < 0) {
		check_refusal(ret, &err);
		return 0;
	}
	check_bounds(&options);
	check_json(&options);
	check_written(&options);
	options_done(&options);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/config_file.h"
#include "cmd/settings_set.h"

static const struct setting *by_flag(const char *name)
{
	const struct setting *setting = settings_find_flag(name);

	ASSERT(setting != NULL);
	return setting;
}

static const struct setting *by_path(const char *path)
{
	const struct setting *setting = settings_find_path(path, 0);

	ASSERT(setting != NULL);
	return setting;
}

/* Puts where a value comes from in front of what is wrong with it. */
static int blame(const struct options *options, const struct setting *setting, int ret,
                 struct err *err)
{
	if (settings_origin(options->settings, setting) == FROM_FILE)
		return err_wrap(err, ret, "%.100s: %s", options->config, setting->path);
	return err_wrap(err, ret, "--%s", setting->flag != NULL ? setting->flag : setting->path);
}

/* ---- Settings that follow from others --------------------------------------------------------- */

/* An address without a port gets that of the deprecated flag, where 0 means: nowhere. */
static int derive_bind_address(struct options *options, const char *address, const char *port,
                               const char *fallback6, struct err *err)
{
	struct settings *settings = options->settings;
	const struct setting *setting = by_flag(address);
	const char *port_text = settings_value(settings, by_flag(port));
	bool is_default = settings_origin(settings, setting) == FROM_DEFAULT;
	bool bound6 = strchr(settings_value(settings, by_flag("bind-address")), ':') != NULL;
	struct strbuf text = { 0 };
	struct bind_address at;
	uint32_t number = 0;
	char host[IPADDR_TEXT];
	const char *from = settings_value(settings, setting);
	int ret = str_to_u32(port_text, UINT16_MAX, &number);

	ASSERT(ret == 0);
	if (number == 0) {
		settings_replace(settings, setting, "");
		return 0;
	}
	if (is_default) {
		from = bound6 ? fallback6 : from;
		ret = parse_bind_address(from, 0, &at, err);
		ASSERT(ret == 0);
		from = ipaddr_format(&at.addr, host);
	}
	ret = parse_bind_address(from, (uint16_t)number, &at, err);
	if (ret < 0)
		return blame(options, setting, ret, err);
	put_bind_address(&at, &text);
	settings_replace(settings, setting, text.text);
	strbuf_done(&text);
	return 0;
}

/* masqueradeAll and the periods are said for each mode of kube-proxy. A flag counts in all modes;
 * in a file the section of the mode that it names, and without a mode ours before iptables',
 * which kube-proxy would have taken. */
static void derive_of_mode(struct settings *settings, const char *mode, const char *name)
{
	static const struct {
		const char *section;
		const char *mode;
	} sections[] = {
		{ "nftables", "nftables" }, { "iptables", "iptables" }, { "ipvs", "ipvs" },
		{ "nftables", "" },         { "iptables", "" },
	};
	const struct setting *found = NULL;
	const struct setting *ours = NULL;

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		AUTO_STRBUF struct strbuf path = { 0 };
		const struct setting *setting;
		enum setting_origin origin;

		strbuf_printf(&path, "%s.%s", sections[i].section, name);
		setting = by_path(path.text);
		origin = settings_origin(settings, setting);
		ours = i == 0 ? setting : ours;
		if (origin == FROM_FLAG && i < 2) {
			found = setting;
			break;
		}
		if (found == NULL && origin == FROM_FILE && strcmp(sections[i].mode, mode) == 0)
			found = setting;
	}
	settings_replace(settings, ours,
	                 found != NULL ? settings_value(settings, found) : ours->fallback);
}

static int derive(struct options *options, struct err *err)
{
	static const char *const names[] = { "masqueradeAll", "syncPeriod", "minSyncPeriod" };
	struct settings *settings = options->settings;
	const struct setting *mode = by_path("mode");
	bool is_given = settings_origin(settings, mode) != FROM_DEFAULT;
	int ret;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		derive_of_mode(settings, is_given ? settings_value(settings, mode) : "", names[i]);
	ret = set_mode(options, settings_value(settings, mode), err);
	if (ret < 0)
		return blame(options, mode, ret, err);
	settings_replace(settings, mode, "nftables");
	ret = derive_bind_address(options, "healthz-bind-address", "healthz-port", "[::]:10256",
	                          err);
	if (ret == 0)
		ret = derive_bind_address(options, "metrics-bind-address", "metrics-port",
		                          "[::1]:10249", err);
	return ret;
}

/* ---- Putting it into force -------------------------------------------------------------------- */

static int apply(struct options *options, struct err *err)
{
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		const char *text = settings_value(options->settings, setting);
		int ret = 0;

		if (setting->at != 0)
			setting_store(setting, text, options);
		else if (setting->set != NULL && *text != '\0')
			ret = setting->set(options, text, err);
		if (ret < 0)
			return blame(options, setting, ret, err);
	}
	return 0;
}

static int default_node_name(struct options *options, struct err *err)
{
	char name[PROXY_MAX_NAME + 1] = "";

	if (*options->node_name != '\0')
		return 0;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return err_set(err, errno, "reading the host name: %s", strerrordesc_np(errno));
	return err_wrap(err, set_node_name(options, name, err), "the host name");
}

/* diff: --from and --to. */
static int check_two_sources(const struct options *options, struct err *err)
{
	if (options->from == NULL && options->to == NULL)
		return 0;
	if (options->from == NULL || options->to == NULL)
		return err_set(err, EINVAL, "--from and --to go together");
	if (options->source != NULL || options->kubeconfig != NULL || options->master != NULL)
		return err_set(err, EINVAL, "--from and --to are in place of any other source");
	if (strcmp(options->from, "-") == 0 && strcmp(options->to, "-") == 0)
		return err_set(err, EINVAL, "--from and --to cannot both be standard input");
	return 0;
}

/* Named as it can be given: beside --config these flags do not count. */
static int refuse_mode(const struct options *options, const char *mode, const char *flag,
                       struct err *err)
{
	if (options->config == NULL)
		return err_set(err, EINVAL, "--detect-local-mode=%s needs --%s", mode, flag);
	return err_set(err, EINVAL, "%s: detectLocalMode %s needs %s", options->config, mode,
	               by_flag(flag)->path);
}

/* What cannot be seen in one setting alone. Of two that exclude each other, a flag has its way
 * against the file. */
static int check(struct options *options, struct err *err)
{
	bool source_is_flag = settings_origin(options->settings, by_flag("source")) == FROM_FLAG;
	bool server_is_flag =
		settings_origin(options->settings, by_flag("kubeconfig")) == FROM_FLAG ||
		options->master != NULL;
	bool compares = options->from != NULL || options->to != NULL;

	if ((source_is_flag || compares) && !server_is_flag)
		options->kubeconfig = NULL;
	if (!source_is_flag && (server_is_flag || compares))
		options->source = NULL;
	if (options->source != NULL && (options->kubeconfig != NULL || options->master != NULL))
		return err_set(
			err, EINVAL,
			"--source is in place of the API server: it cannot be given together "
			"with --kubeconfig or --master");
	if (options->detect == DETECT_BRIDGE && *options->pod_bridge == '\0')
		return refuse_mode(options, "BridgeInterface", "pod-bridge-interface", err);
	if (options->detect == DETECT_PREFIX && *options->pod_interface_prefix == '\0')
		return refuse_mode(options, "InterfaceNamePrefix", "pod-interface-name-prefix",
		                   err);
	if (options->min_sync_period_us > options->sync_period_us)
		return err_set(err, EINVAL, "minSyncPeriod is longer than syncPeriod");
	return check_two_sources(options, err);
}

/* ---- What the operator should know ------------------------------------------------------------ */

static void find_ignored_flag(struct options *options, const struct setting *setting)
{
	const char *given = settings_given_flag(options->settings, setting);

	AUTO_STRBUF struct strbuf name = { 0 };

	if (given == NULL || *given == '\0' || options->config == NULL ||
	    (setting->bits & SETTING_BESIDE_CONFIG) != 0)
		return;
	strbuf_printf(&name, "--%s", setting->flag);
	diag_add(&options->findings, name.text, "does not count beside --config%s%s",
	         setting->path != NULL ? ": its place in the file is " : "",
	         setting->path != NULL ? setting->path : "");
}

static void find_idle_setting(struct options *options, const struct setting *setting)
{
	enum setting_origin origin = settings_origin(options->settings, setting);

	AUTO_STRBUF struct strbuf name = { 0 };

	if (origin == FROM_DEFAULT || setting_has_effect(setting) ||
	    strcmp(settings_value(options->settings, setting), setting->fallback) == 0)
		return;
	strbuf_printf(&name, "%s%s", origin == FROM_FILE ? "" : "--",
	              origin == FROM_FILE ? setting->path : setting->flag);
	diag_add(&options->findings, name.text, "has no effect: %s", setting->help);
}

/* A file that is read back means the same but for these. */
static void find_unwritten(struct options *options)
{
	static const char closed[] =
		"0 has no place in a file: what reads it opens the default port";

	if (options->write_config_to == NULL)
		return;
	if (options->master != NULL)
		diag_add(&options->findings, "--master", "has no place in a file");
	if (options->healthz_bind.port == 0)
		diag_add(&options->findings, "--healthz-port", "%s", closed);
	if (options->metrics_bind.port == 0)
		diag_add(&options->findings, "--metrics-port", "%s", closed);
}

int config_complete(struct options *options, struct err *err)
{
	int ret = 0;

	options->config = settings_given_flag(options->settings, by_flag("config"));
	if (options->config != NULL && *options->config == '\0')
		options->config = NULL;
	if (options->config != NULL) {
		ret = config_file_read(options->config, options->settings, &options->config_text,
		                       &options->findings, err);
		if (ret < 0)
			return ret;
	}
	settings_resolve(options->settings, options->config != NULL);
	ret = derive(options, err);
	if (ret == 0)
		ret = apply(options, err);
	if (ret == 0)
		ret = default_node_name(options, err);
	if (ret == 0)
		ret = check(options, err);
	for (size_t i = 0; i < settings_count && ret == 0; i++) {
		find_ignored_flag(options, &settings_table[i]);
		find_idle_setting(options, &settings_table[i]);
	}
	if (ret == 0)
		find_unwritten(options);
	return ret;
}

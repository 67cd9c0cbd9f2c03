/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the command line
 *
 * Flags are read as kube-proxy's (pflag) are, so that a DaemonSet's arguments work as they stand:
 * '_' is '-' in a name, -v=2 is -v 2, a boolean's value follows '=' only. getopt_long() can do
 * none of these, and would take the beginning of a name for the name.
 */
#include "options.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/config.h"

#define ALL_COMMANDS 0xffu
#define MAX_FLAG 64

static const struct command_info {
	enum command command;
	const char *name;
	const char *help;
} commands[] = {
	{ COMMAND_RUN, "run", "keep the kernel's ruleset equal to the Services of a source" },
	{ COMMAND_DIFF, "diff",
	  "print what run would change now; exit 0 in sync, 1 differs, 2 trouble" },
	{ COMMAND_PLAN, "plan", "print the ruleset that run would make, as nft text" },
	{ COMMAND_CLEANUP, "cleanup", "remove everything kubenft has put into the kernel" },
	{ COMMAND_VERSION, "version", "print the version" },
};

static const char *command_name(enum command command)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].command == command)
			return commands[i].name;
	return "";
}

static int find_command(const char *text, enum command *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, text) == 0) {
			*out = commands[i].command;
			return 0;
		}
	}
	return err_set(err, EINVAL, "unknown command '%.64s'; see kubenft --help", text);
}

/* ---- The command line ------------------------------------------------------------------------- */

/** Arguments being read. */
struct args {
	int argc;
	char **argv;
	int next; /* not yet read */
	const struct options *options;
};

/* @name begins behind the dashes and may go on with a value. */
static const struct setting *find_flag(const char *name)
{
	size_t len = strcspn(name, "=");
	char text[MAX_FLAG];

	if (len >= sizeof(text))
		return NULL;
	for (size_t i = 0; i < len; i++)
		text[i] = (char)(name[i] == '_' ? '-' : name[i]);
	text[len] = '\0';
	return settings_find_flag(text);
}

/* -v2, -v=2, -o json, -h; the letters are those of the flags that are named so. */
static const struct setting *find_letter(const char *letter)
{
	if (*letter == 'v')
		return settings_find_flag("v");
	if (*letter == 'o')
		return settings_find_flag("output");
	return strcmp(letter, "h") == 0 ? settings_find_flag("help") : NULL;
}

static bool needs_value(const struct setting *setting)
{
	return setting->type != SETTING_BOOL && (setting->bits & SETTING_VALUE_OPTIONAL) == 0;
}

/* @value: what the argument itself holds behind the name, or NULL. */
static int take_flag(struct args *args, const struct setting *setting, const char *value,
                     struct err *err)
{
	const char *name = args->argv[args->next - 1];
	enum command command = args->options->command;
	int ret;

	if ((setting->bits & ALL_COMMANDS & (unsigned)command) == 0)
		return err_set(err, EINVAL, "--%s is not an option of kubenft %s", setting->flag,
		               command_name(command));
	if (value == NULL && !needs_value(setting))
		value = "true";
	if (value == NULL && args->next == args->argc)
		return err_set(err, EINVAL, "%.64s needs a value", name);
	if (value == NULL)
		value = args->argv[args->next++];
	ret = settings_flag(args->options->settings, setting, value, err);
	return ret < 0 ? err_wrap(err, ret, "--%s", setting->flag) : 0;
}

static int take_argument(struct args *args, struct err *err)
{
	const char *arg = args->argv[args->next++];
	const struct setting *setting;
	const char *value;

	if (arg[0] != '-' || arg[1] == '\0')
		return err_set(err, EINVAL, "unexpected argument '%.64s'", arg);
	if (arg[1] != '-') {
		setting = find_letter(arg + 1);
		value = arg[2] != '\0' ? arg + 2 + (arg[2] == '=') : NULL;
	} else {
		setting = find_flag(arg + 2);
		value = strchr(arg, '=');
		value = value != NULL ? value + 1 : NULL;
	}
	if (setting == NULL)
		return err_set(err, EINVAL, "unknown option %.64s", arg);
	return take_flag(args, setting, value, err);
}

static int take_all(struct args *args, struct err *err)
{
	int ret = 0;

	while (ret == 0 && args->next < args->argc && strcmp(args->argv[args->next], "--") != 0)
		ret = take_argument(args, err);
	if (ret == 0 && args->next + 1 < args->argc)
		return err_set(err, EINVAL, "unexpected argument '%.64s'",
		               args->argv[args->next + 1]);
	return ret;
}

/* Was one of the flags given that make all others pointless? */
static bool is_asked_for(struct options *options, const char *flag)
{
	const struct setting *setting = settings_find_flag(flag);
	const char *given = settings_given_flag(options->settings, setting);

	return given != NULL && (strcmp(given, "true") == 0 || strcmp(given, "raw") == 0);
}

int options_parse(int argc, char **argv, struct options *out, struct err *err)
{
	struct options options = {
		.command = COMMAND_RUN,
		.argc = argc,
		.argv = argv,
		.settings = settings_new(),
	};
	struct args args = { .argc = argc, .argv = argv, .next = 1, .options = &options };
	int ret = 0;

	if (argc > 1 && argv[1][0] != '-') {
		ret = find_command(argv[1], &options.command, err);
		args.next = 2;
	}
	if (ret == 0)
		ret = take_all(&args, err);
	if (ret == 0) {
		options.help = is_asked_for(&options, "help");
		options.version = is_asked_for(&options, "version");
		if (!options.help && !options.version)
			ret = config_complete(&options, err);
	}
	if (ret < 0)
		options_done(&options);
	else
		*out = options;
	return ret;
}

void options_done(struct options *options)
{
	settings_free(options->settings);
	strbuf_done(&options->config_text);
	diag_done(&options->findings);
	options->settings = NULL;
}

/* ---- Help ------------------------------------------------------------------------------------- */

static void help_option(struct strbuf *buf, const struct setting *setting)
{
	const char *fallback = setting->fallback;

	strbuf_printf(buf, "  %s--%s",
	              strcmp(setting->flag, "help") == 0     ? "-h, "
	              : strcmp(setting->flag, "v") == 0      ? "-v, "
	              : strcmp(setting->flag, "output") == 0 ? "-o, "
	                                                     : "    ",
	              setting->flag);
	if (needs_value(setting))
		strbuf_printf(buf, " %s", setting->arg);
	else
		strbuf_printf(buf, "[=%s]", setting->arg);
	strbuf_printf(buf, "\n        %s", setting->help);
	if (*fallback != '\0' && strcmp(fallback, "false") != 0)
		strbuf_printf(buf, " (default %s)", fallback);
	strbuf_puts(buf, "\n");
}

static void help_commands(struct strbuf *buf)
{
	strbuf_puts(buf, "usage: kubenft COMMAND [OPTION]...\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		strbuf_printf(buf, "  %-8s %s\n", commands[i].name, commands[i].help);
	strbuf_puts(buf, "\nWithout a command, options alone mean run. "
	                 "kubenft COMMAND --help lists a command's options.\n");
}

void options_help(struct strbuf *buf, enum command command)
{
	const char *heading = "\nAccepted for kube-proxy's sake, without effect:\n\n";

	strbuf_puts(
		buf,
		"kubenft makes Kubernetes Services work on this node, in place of kube-proxy.\n\n");
	if (command == 0) {
		help_commands(buf);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].command == command)
			strbuf_printf(buf, "usage: kubenft %s [OPTION]...: %s\n\n",
			              commands[i].name, commands[i].help);
	for (int idle = 0; idle < 2; idle++) {
		for (size_t i = 0; i < settings_count; i++) {
			const struct setting *setting = &settings_table[i];

			if (setting->flag == NULL || (setting->bits & (unsigned)command) == 0 ||
			    setting_has_effect(setting) == (idle != 0))
				continue;
			if (idle)
				strbuf_puts(buf, heading);
			if (idle)
				heading = "";
			help_option(buf, setting);
		}
	}
}

/* ---- For nft/ --------------------------------------------------------------------------------- */

static bool has_family(const struct lb_networks *networks, uint8_t family)
{
	for (size_t i = 0; i < networks->pod_cidr_count; i++)
		if (networks->pod_cidrs[i].addr.family == family)
			return true;
	return false;
}

void options_nft(const struct options *options, const struct lb_networks *networks,
                 struct nftx_options out[static 2])
{
	for (size_t f = 0; f < 2; f++) {
		out[f] = (struct nftx_options){ .masquerade_all = options->masquerade_all,
			                        .affinity_size = options->affinity_size,
			                        .count_connections = options->count_connections };
		switch (options->detect) {
		case DETECT_CLUSTER_CIDR:
		case DETECT_NODE_CIDR:
			out[f].detect = has_family(networks, f == 0 ? 4 : 6) ? NFTX_DETECT_CIDR
			                                                     : NFTX_DETECT_NONE;
			break;
		case DETECT_BRIDGE:
			out[f].detect = NFTX_DETECT_BRIDGE;
			memcpy(out[f].interface, options->pod_bridge, sizeof(out[f].interface));
			break;
		case DETECT_PREFIX:
			out[f].detect = NFTX_DETECT_PREFIX;
			memcpy(out[f].interface, options->pod_interface_prefix,
			       sizeof(out[f].interface));
			break;
		}
	}
}

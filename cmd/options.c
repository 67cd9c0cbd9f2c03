/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

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

#define CHECK_PERIOD_MIN_US 1000000u
#define CHECK_PERIOD_US 3600000000u

#define SOURCE_COMMANDS (COMMAND_RUN | COMMAND_DIFF | COMMAND_PLAN)

/* kube-proxy's defaults (kube-proxy-behaviour.md, section 5.4). */
#define API_MILLI_QPS 5000
#define API_BURST 10

typedef int (*option_fn)(struct options *options, const char *value, struct err *err);

static int set_source(struct options *options, const char *value, struct err *err)
{
	if (*value == '\0')
		return err_set(err, EINVAL, "empty path");
	options->source = value;
	return 0;
}

/* Empty is not given, as in the manifests of many. */
static int set_kubeconfig(struct options *options, const char *value, struct err *err)
{
	(void)err;
	options->kubeconfig = *value == '\0' ? NULL : value;
	return 0;
}

static int set_master(struct options *options, const char *value, struct err *err)
{
	(void)err;
	options->master = *value == '\0' ? NULL : value;
	return 0;
}

/* Negative lifts the limit, zero means the default: kube-proxy's clients have it so. */
static int set_api_qps(struct options *options, const char *value, struct err *err)
{
	bool unlimited = *value == '-';

	if (str_to_milli(value + unlimited, 1000000000, &options->api_milli_qps) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number of requests a second", value);
	if (options->api_milli_qps == 0)
		options->api_milli_qps = API_MILLI_QPS;
	else if (unlimited)
		options->api_milli_qps = 0;
	return 0;
}

static int set_api_burst(struct options *options, const char *value, struct err *err)
{
	if (str_to_u32(value, 1000000, &options->api_burst) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number of requests", value);
	if (options->api_burst == 0)
		options->api_burst = API_BURST;
	return 0;
}

static int set_min_sync_period(struct options *options, const char *value, struct err *err)
{
	if (str_to_duration(value, &options->min_sync_period_us) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a duration such as 1s or 500ms", value);
	return 0;
}

/* As kube-proxy: surrounding blanks and case do not count (behaviour, section 1.5). */
static int set_node_name(struct options *options, const char *value, struct err *err)
{
	size_t len;

	while (isspace((unsigned char)*value))
		value++;
	len = strlen(value);
	while (len > 0 && isspace((unsigned char)value[len - 1]))
		len--;
	if (len == 0)
		return err_set(err, EINVAL, "empty node name");
	if (len > PROXY_MAX_NAME)
		return err_set(err, EINVAL, "a node name of %zu characters, at most %d", len,
		               PROXY_MAX_NAME);
	for (size_t i = 0; i < len; i++)
		options->node_name[i] = (char)tolower((unsigned char)value[i]);
	options->node_name[len] = '\0';
	return 0;
}

/* A list of CIDRs separated by commas; the option may be repeated. */
static int add_cidrs(struct ipcidr *cidrs, size_t *count, const char *value, struct err *err)
{
	const char *rest = value;

	while (*rest != '\0') {
		size_t len = strcspn(rest, ",");
		char text[IPADDR_TEXT];
		int ret;

		if (*count >= OPTIONS_MAX_CIDRS)
			return err_set(err, EINVAL, "more than %d CIDRs", OPTIONS_MAX_CIDRS);
		if (len >= sizeof(text))
			return err_set(err, EINVAL, "'%.64s' is not a CIDR", rest);
		memcpy(text, rest, len);
		text[len] = '\0';
		ret = ipcidr_parse(text, &cidrs[*count], err);
		if (ret < 0)
			return ret;
		(*count)++;
		rest += len;
		rest += *rest == ',';
	}
	return 0;
}

static int set_cluster_cidr(struct options *options, const char *value, struct err *err)
{
	return add_cidrs(options->cluster_cidrs, &options->cluster_cidr_count, value, err);
}

static int set_node_port_addresses(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "primary") == 0) {
		options->node_port_cidr_count = 0;
		return 0;
	}
	return add_cidrs(options->node_port_cidrs, &options->node_port_cidr_count, value, err);
}

static int set_detect_mode(struct options *options, const char *value, struct err *err)
{
	static const char *const names[] = { "ClusterCIDR", "NodeCIDR", "BridgeInterface",
		                             "InterfaceNamePrefix" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(value, names[i]) == 0) {
			options->detect = (enum detect_mode)i;
			return 0;
		}
	}
	return err_set(err, EINVAL,
	               "'%.32s' is none of ClusterCIDR, NodeCIDR, BridgeInterface, "
	               "InterfaceNamePrefix",
	               value);
}

/* The kernel's rules for interface names: short, no slash, no blank. */
static int set_interface(char out[static 16], const char *value, struct err *err)
{
	size_t len = strlen(value);

	if (len == 0 || len > 15)
		return err_set(err, EINVAL, "an interface name has 1 to 15 characters");
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)value[i]) || value[i] == '/' || value[i] == '"')
			return err_set(err, EINVAL, "'%.16s' is no interface name", value);
	memcpy(out, value, len + 1);
	return 0;
}

static int set_bridge(struct options *options, const char *value, struct err *err)
{
	return set_interface(options->pod_bridge, value, err);
}

static int set_prefix(struct options *options, const char *value, struct err *err)
{
	return set_interface(options->pod_interface_prefix, value, err);
}

static int set_bool(bool *out, const char *value, struct err *err)
{
	if (value == NULL || strcmp(value, "true") == 0)
		*out = true;
	else if (strcmp(value, "false") == 0)
		*out = false;
	else
		return err_set(err, EINVAL, "'%.32s' is neither true nor false", value);
	return 0;
}

static int set_masquerade_all(struct options *options, const char *value, struct err *err)
{
	return set_bool(&options->masquerade_all, value, err);
}

static int set_affinity_size(struct options *options, const char *value, struct err *err)
{
	uint32_t size = 0;

	if (str_to_u32(value, OPTIONS_MAX_AFFINITY, &size) < 0 || size == 0)
		return err_set(err, EINVAL, "'%.32s' is not a number from 1 to %u", value,
		               OPTIONS_MAX_AFFINITY);
	options->affinity_size = size;
	return 0;
}

static int set_table_owner(struct options *options, const char *value, struct err *err)
{
	return set_bool(&options->table_owner, value, err);
}

static int set_check_period(struct options *options, const char *value, struct err *err)
{
	uint64_t period;

	if (str_to_duration(value, &period) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a duration such as 1h or 90s", value);
	if (period != 0 && period < CHECK_PERIOD_MIN_US)
		return err_set(err, EINVAL, "'%.32s' is less than 1s (0: never)", value);
	options->check_period_us = period;
	return 0;
}

static int set_elements_only(struct options *options, const char *value, struct err *err)
{
	return set_bool(&options->elements_only, value, err);
}

static int set_kube_proxy(struct options *options, const char *value, struct err *err)
{
	return set_bool(&options->kube_proxy, value, err);
}

static int set_log_format(struct options *options, const char *value, struct err *err)
{
	if (strcmp(value, "text") == 0)
		options->log_format = LOG_TEXT;
	else if (strcmp(value, "json") == 0)
		options->log_format = LOG_JSON;
	else
		return err_set(err, EINVAL, "'%.32s' is neither text nor json", value);
	return 0;
}

static int set_verbosity(struct options *options, const char *value, struct err *err)
{
	if (str_to_u32(value, 100, &options->verbosity) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number from 0 to 100", value);
	return 0;
}

static int set_help(struct options *options, const char *value, struct err *err)
{
	(void)value;
	(void)err;
	options->help = true;
	return 0;
}

static const struct option_info {
	const char *name;
	char letter;       /* 0: none */
	int argument;      /* no_argument, required_argument, optional_argument */
	int in;            /* commands that have it */
	const char *value; /* what --help calls the argument */
	const char *help;
	option_fn set;
} table[] = {
	{ "source", 0, required_argument, SOURCE_COMMANDS, "PATH",
	  "file, directory of files, or - for standard input, in place of the API server: "
	  "Services, "
	  "EndpointSlices, Nodes and ServiceCIDRs in YAML or JSON, as kubectl get -o prints them; "
	  "run follows changes",
	  set_source },
	{ "kubeconfig", 0, required_argument, SOURCE_COMMANDS, "FILE",
	  "where the API server is and who we are to it (default: the service account of the pod "
	  "that we run in)",
	  set_kubeconfig },
	{ "master", 0, required_argument, SOURCE_COMMANDS, "URL",
	  "the API server, in place of the one in the kubeconfig", set_master },
	{ "kube-api-qps", 0, required_argument, SOURCE_COMMANDS, "N",
	  "requests a second to the API server in the long run, negative: any number (default 5)",
	  set_api_qps },
	{ "kube-api-burst", 0, required_argument, SOURCE_COMMANDS, "N",
	  "requests to the API server that may follow one another at once (default 10)",
	  set_api_burst },
	{ "min-sync-period", 0, required_argument, COMMAND_RUN, "DURATION",
	  "shortest time between two syncs; changes that come sooner go together (default 0s)",
	  set_min_sync_period },
	{ "iptables-min-sync-period", 0, required_argument, COMMAND_RUN, "DURATION",
	  "kube-proxy's name for --min-sync-period, in all of its modes", set_min_sync_period },
	{ "hostname-override", 0, required_argument, SOURCE_COMMANDS, "NAME",
	  "name of this node's Node object (default: the host name, in lower case)",
	  set_node_name },
	{ "cluster-cidr", 0, required_argument, SOURCE_COMMANDS, "CIDR[,CIDR]",
	  "sources in these ranges are pods (default: none, pods are not told from others)",
	  set_cluster_cidr },
	{ "detect-local-mode", 0, required_argument, SOURCE_COMMANDS, "MODE",
	  "how pods are told: ClusterCIDR (by --cluster-cidr, the default), NodeCIDR (by the own "
	  "Node's spec.podCIDRs), BridgeInterface, InterfaceNamePrefix",
	  set_detect_mode },
	{ "pod-bridge-interface", 0, required_argument, SOURCE_COMMANDS, "NAME",
	  "for BridgeInterface: what comes in through this bridge comes from pods", set_bridge },
	{ "pod-interface-name-prefix", 0, required_argument, SOURCE_COMMANDS, "PREFIX",
	  "for InterfaceNamePrefix: what comes in through interfaces named so comes from pods",
	  set_prefix },
	{ "nodeport-addresses", 0, required_argument, SOURCE_COMMANDS, "primary|CIDR[,CIDR]",
	  "serve NodePorts on the Node's primary addresses, or on the addresses of this machine "
	  "in these ranges (default primary)",
	  set_node_port_addresses },
	{ "masquerade-all", 0, optional_argument, SOURCE_COMMANDS, "true|false",
	  "masquerade everything sent to a ClusterIP (default false)", set_masquerade_all },
	{ "affinity-size", 0, required_argument, SOURCE_COMMANDS, "N",
	  "clients of Services with session affinity that the kernel remembers, for each family "
	  "(default 65535)",
	  set_affinity_size },
	{ "table-owner", 0, optional_argument, COMMAND_RUN, "true|false",
	  "own the tables, so that nobody else can change them (Linux 6.9 and later); false: "
	  "others may, and what they change is repaired (default true)",
	  set_table_owner },
	{ "check-period", 0, required_argument, COMMAND_RUN, "DURATION",
	  "compare what the kernel holds with what it shall hold this often; 0: never (default 1h)",
	  set_check_period },
	{ "elements-only", 0, optional_argument, COMMAND_PLAN, "true|false",
	  "leave out the chains and empty maps, which are the same for all Services (default "
	  "false)",
	  set_elements_only },
	{ "kube-proxy", 0, optional_argument, COMMAND_CLEANUP, "true|false",
	  "instead of our tables, remove what kube-proxy has left in any of its modes, and name "
	  "what cannot be removed safely (default false)",
	  set_kube_proxy },
	{ "logging-format", 0, required_argument, SOURCE_COMMANDS | COMMAND_CLEANUP, "text|json",
	  "shape of the log lines on standard error (default text)", set_log_format },
	{ "v", 'v', required_argument, SOURCE_COMMANDS | COMMAND_CLEANUP, "N",
	  "verbosity; from 2 on every change is logged (default 0)", set_verbosity },
	{ "help", 'h', no_argument, SOURCE_COMMANDS | COMMAND_CLEANUP | COMMAND_VERSION, NULL,
	  "print this help", set_help },
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

static int default_node_name(struct options *options, struct err *err)
{
	char name[PROXY_MAX_NAME + 1] = "";

	if (gethostname(name, sizeof(name) - 1) < 0)
		return err_set(err, errno, "reading the host name: %s", strerrordesc_np(errno));
	return set_node_name(options, name, err);
}

static int set_option(const struct option_info *info, struct options *options, const char *value,
                      struct err *err)
{
	int ret;

	if ((info->in & (int)options->command) == 0)
		return err_set(err, EINVAL, "--%s is not an option of kubenft %s", info->name,
		               command_name(options->command));
	ret = info->set(options, value, err);
	return ret < 0 ? err_wrap(err, ret, "--%s", info->name) : 0;
}

static int parse_all(int argc, char **argv, struct options *options, struct err *err)
{
	struct option longs[ARRAY_LEN(table) + 1] = { 0 };
	int picked;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		longs[i] = (struct option){ table[i].name, table[i].argument, &picked, (int)i };
	opterr = 0;
	optind = 1;
	for (;;) {
		int found;

		picked = -1;
		found = getopt_long(argc, argv, "+:v:h", longs, NULL);
		if (found == -1)
			break;
		for (size_t i = 0; found > 0 && i < ARRAY_LEN(table); i++)
			if (table[i].letter != 0 && table[i].letter == found)
				picked = (int)i;
		if (found == ':')
			return err_set(err, EINVAL, "%.64s needs a value", argv[optind - 1]);
		if (picked < 0)
			return err_set(err, EINVAL, "unknown option %.64s", argv[optind - 1]);
		if (set_option(&table[picked], options, optarg, err) < 0)
			return -EINVAL;
	}
	if (optind < argc)
		return err_set(err, EINVAL, "unexpected argument '%.64s'", argv[optind]);
	return 0;
}

/* What cannot be seen in one option alone. */
static int check_source_command(const struct options *options, struct err *err)
{
	if (options->source != NULL && (options->kubeconfig != NULL || options->master != NULL))
		return err_set(
			err, EINVAL,
			"--source is in place of the API server: it cannot be given together "
			"with --kubeconfig or --master");
	if (options->detect == DETECT_BRIDGE && *options->pod_bridge == '\0')
		return err_set(err, EINVAL,
		               "--detect-local-mode=BridgeInterface needs --pod-bridge-interface");
	if (options->detect == DETECT_PREFIX && *options->pod_interface_prefix == '\0')
		return err_set(err, EINVAL,
		               "--detect-local-mode=InterfaceNamePrefix needs "
		               "--pod-interface-name-prefix");
	return 0;
}

int options_parse(int argc, char **argv, struct options *out, struct err *err)
{
	struct options options = { .command = COMMAND_RUN,
		                   .api_milli_qps = API_MILLI_QPS,
		                   .api_burst = API_BURST,
		                   .table_owner = true,
		                   .check_period_us = CHECK_PERIOD_US };
	int skip = 0;
	int ret;

	ret = default_node_name(&options, err);
	if (ret == 0 && argc > 1 && argv[1][0] != '-') {
		ret = find_command(argv[1], &options.command, err);
		skip = 1;
	}
	if (ret == 0)
		ret = parse_all(argc - skip, argv + skip, &options, err);
	if (ret < 0)
		return ret;
	if (!options.help && ((int)options.command & SOURCE_COMMANDS) != 0) {
		ret = check_source_command(&options, err);
		if (ret < 0)
			return ret;
	}
	*out = options;
	return 0;
}

static void help_option(struct strbuf *buf, const struct option_info *info)
{
	AUTO_STRBUF struct strbuf head = { 0 };

	if (info->letter != 0)
		strbuf_printf(&head, "-%c, --%s", info->letter, info->name);
	else
		strbuf_printf(&head, "    --%s", info->name);
	if (info->argument == required_argument)
		strbuf_printf(&head, " %s", info->value);
	else if (info->argument == optional_argument)
		strbuf_printf(&head, "[=%s]", info->value);
	strbuf_printf(buf, "  %s\n        %s\n", head.text, info->help);
}

void options_help(struct strbuf *buf, enum command command)
{
	strbuf_puts(
		buf,
		"kubenft makes Kubernetes Services work on this node, in place of kube-proxy.\n\n");
	if (command == 0) {
		strbuf_puts(buf, "usage: kubenft COMMAND [OPTION]...\n\n");
		for (size_t i = 0; i < ARRAY_LEN(commands); i++)
			strbuf_printf(buf, "  %-8s %s\n", commands[i].name, commands[i].help);
		strbuf_puts(buf, "\nWithout a command, options alone mean run. "
		                 "kubenft COMMAND --help lists a command's options.\n");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (commands[i].command == command)
			strbuf_printf(buf, "usage: kubenft %s [OPTION]...: %s\n\n",
			              commands[i].name, commands[i].help);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if ((table[i].in & (int)command) != 0)
			help_option(buf, &table[i]);
}

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
			                        .affinity_size = options->affinity_size };
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

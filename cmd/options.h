/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

/*
 * What the operator has decided: the commands, and all settings as the rest of the
 * program needs them. Where they come from is in cmd/settings.h and cmd/config.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/ipaddr.h"
#include "base/str.h"
#include "cmd/bind.h"
#include "cmd/log.h"
#include "cmd/settings.h"
#include "cmd/sysctl.h"
#include "lb.h"
#include "nft/layout.h"
#include "proxy/object.h"

#define OPTIONS_MAX_CIDRS 16
#define OPTIONS_API_MILLI_QPS 5000
#define OPTIONS_API_BURST 10

/* The kernel's dump of a map, which a purge needs, is quadratic: four seconds with so many. */
#define OPTIONS_MAX_AFFINITY 262144u

/** The subcommands; also bits, to say which options each one has. */
enum command {
	COMMAND_RUN = 1 << 0,
	COMMAND_DIFF = 1 << 1,
	COMMAND_PLAN = 1 << 2,
	COMMAND_CLEANUP = 1 << 3,
	COMMAND_VERSION = 1 << 4,
};

/* --detect-local-mode: which sources are pods (kube-proxy-behaviour.md, section 2.10). */
enum detect_mode {
	DETECT_CLUSTER_CIDR, /* those in --cluster-cidr */
	DETECT_NODE_CIDR,    /* those in the own Node's spec.podCIDRs */
	DETECT_BRIDGE,       /* what comes in through --pod-bridge-interface */
	DETECT_PREFIX, /* ... through interfaces whose names begin with --pod-interface-name-prefix */
};

/* diff: -o and --color. */
enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_NFT };
enum colour { COLOUR_AUTO, COLOUR_ALWAYS, COLOUR_NEVER };

/** All settings, with their defaults filled in. Release with options_done(). */
struct options {
	enum command command;
	int argc; /* as given to options_parse() */
	char **argv;
	struct settings *settings; /* the same as text, with what was given; owned */
	struct strbuf
		config_text;   /* what the configuration file held; without text: there is none */
	struct diags findings; /* what is accepted and has no effect, what the file has too much */

	bool help;
	bool version;
	bool cleanup;
	bool init_only;
	const char *config;
	const char *write_config_to;

	const char *source;     /* file, directory or "-"; NULL: the API server */
	const char *kubeconfig; /* NULL: what a pod is given */
	const char *master;     /* the API server's URL, in place of the kubeconfig's; NULL: that */
	uint32_t
		api_milli_qps; /* requests to the API server, thousandths a second; 0: any number */
	uint32_t api_burst;
	uint64_t min_sync_period_us;
	uint64_t sync_period_us; /* longest pause before a failed sync is tried again */
	char node_name[PROXY_MAX_NAME + 1];
	struct ipaddr bind_address; /* in place of the Node's of this family; none: the Node's */
	struct bind_address healthz_bind;
	struct bind_address metrics_bind;
	bool bind_hard_fail; /* end when one of them cannot be had */
	struct ipcidr cluster_cidrs[OPTIONS_MAX_CIDRS];
	size_t cluster_cidr_count;
	enum detect_mode detect;
	char pod_bridge[16]; /* IFNAMSIZ */
	char pod_interface_prefix[16];
	struct ipcidr node_port_cidrs[OPTIONS_MAX_CIDRS];
	size_t node_port_cidr_count; /* 0: the Node's primary addresses */
	bool no_external_ips;
	bool masquerade_all;
	uint32_t affinity_size; /* 0: NFTX_AFFINITY_SIZE_DEFAULT */
	bool count_connections;
	bool table_owner;
	uint64_t check_period_us; /* 0: never */
	bool seccomp;
	const char *from; /* diff: two sources instead of a source and the kernel; both or none */
	const char *to;
	enum output output;
	enum colour colour;
	bool elements_only;
	bool check;      /* diff: by the kernel */
	bool kube_proxy; /* clean up what that has left */
	struct sysctl_settings sysctls;
	int32_t oom_score;
	enum log_format log_format;
	uint32_t verbosity;
};

/** options_parse() - read the command line, and the configuration file that it names.
 *
 * Without a subcommand, when the first argument is an option, the command is run:
 * kube-proxy's DaemonSet works with its command replaced. For --help and --version
 * nothing else is looked at.
 *
 * @argv: borrowed for the life of @out.
 *
 * Return: 0, or a negative errno with a sentence that names the argument, or the file and the
 *         field; @out is then untouched.
 */
int options_parse(int argc, char **argv, struct options *out, struct err *err) MUST_CHECK;

/** options_done() - free what @options holds. */
void options_done(struct options *options);

/** options_help() - append the help of one command, or of the program when @command is 0. */
void options_help(struct strbuf *buf, enum command command);

/** options_nft() - what the ruleset depends on, for ip and ip6.
 *
 * Where pods are told by their address, a family without a pod range does not tell them.
 */
void options_nft(const struct options *options, const struct lb_networks *networks,
                 struct nftx_options out[static 2]);

#endif

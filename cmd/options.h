/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

/*
 * The command line. One table describes every option; parsing, --help and the
 * check against the man page come from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ipaddr.h"
#include "base/str.h"
#include "cmd/log.h"
#include "lb.h"
#include "nft/layout.h"
#include "proxy/object.h"

#define OPTIONS_MAX_CIDRS 16

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

/** All settings, with their defaults filled in. */
struct options {
	enum command command;
	bool help;
	const char *source;     /* file, directory or "-"; NULL: the API server */
	const char *kubeconfig; /* NULL: what a pod is given */
	const char *master;     /* the API server's URL, in place of the kubeconfig's; NULL: that */
	uint32_t
		api_milli_qps; /* requests to the API server, thousandths a second; 0: any number */
	uint32_t api_burst;
	uint64_t min_sync_period_us;
	char node_name[PROXY_MAX_NAME + 1];
	struct ipcidr cluster_cidrs[OPTIONS_MAX_CIDRS];
	size_t cluster_cidr_count;
	enum detect_mode detect;
	char pod_bridge[16]; /* IFNAMSIZ */
	char pod_interface_prefix[16];
	struct ipcidr node_port_cidrs[OPTIONS_MAX_CIDRS];
	size_t node_port_cidr_count; /* 0: the Node's primary addresses */
	bool masquerade_all;
	uint32_t affinity_size; /* 0: NFTX_AFFINITY_SIZE_DEFAULT */
	bool table_owner;
	uint64_t check_period_us; /* 0: never */
	bool elements_only;
	bool kube_proxy; /* clean up what that has left */
	enum log_format log_format;
	uint32_t verbosity;
};

/** options_parse() - read the command line.
 *
 * Without a subcommand, when the first argument is an option, the command is run:
 * kube-proxy's DaemonSet works with its command replaced.
 *
 * @argv: borrowed for the life of @out.
 *
 * Return: 0, or -EINVAL with a sentence that names the argument.
 */
int options_parse(int argc, char **argv, struct options *out, struct err *err) MUST_CHECK;

/** options_help() - append the help of one command, or of the program when @command is 0. */
void options_help(struct strbuf *buf, enum command command);

/** options_nft() - what the ruleset depends on, for ip and ip6.
 *
 * Where pods are told by their address, a family without a pod range does not tell them.
 */
void options_nft(const struct options *options, const struct lb_networks *networks,
                 struct nftx_options out[static 2]);

#endif

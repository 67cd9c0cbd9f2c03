/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "cmd/addresses.h"
#include "cmd/commands.h"
#include "cmd/report.h"
#include "cmd/source.h"
#include "cmd/source_load.h"

struct proxy_planner *command_planner(const struct options *options)
{
	struct proxy_config config = {
		.node_name = options->node_name,
		.pod_cidrs = options->cluster_cidrs,
		.pod_cidr_count =
			options->detect == DETECT_CLUSTER_CIDR ? options->cluster_cidr_count : 0,
		.pods_of_node = options->detect == DETECT_NODE_CIDR,
		.node_port_cidrs = options->node_port_cidrs,
		.node_port_cidr_count = options->node_port_cidr_count,
		.no_external_ips = options->no_external_ips,
		.bind_address = options->bind_address,
	};
	uint8_t seed[16] = { 0 };

	/* fails only before the kernel has any entropy; the hash tables then lack their guard */
	if (getrandom(seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		log_warning("no random seed for the hash tables",
		            LOG_STR("reason", strerrordesc_np(errno)));
	return proxy_planner_new(&config, seed);
}

/* Does the answer depend on this machine, beside the objects? */
static bool of_machine(const struct options *options)
{
	return options->command != COMMAND_PLAN && options->from == NULL;
}

static int load_addresses(const struct options *options, struct proxy_planner *planner,
                          struct err *err)
{
	struct addresses *addresses;
	const struct ipaddr *list;
	size_t count;
	int ret;

	if (options->node_port_cidr_count == 0 && !of_machine(options))
		return 0; /* a plan depends on the machine only where it is asked to */
	ret = addresses_open(&addresses, err);
	if (ret < 0)
		return ret;
	list = addresses_list(addresses, &count);
	proxy_planner_set_addresses(planner, list, count);
	addresses_close(addresses);
	return 0;
}

static int load_file(const struct options *options, struct proxy_planner *planner,
                     struct diags *diags, struct err *err)
{
	struct source_counts counts;
	struct watch_file *file;
	int ret = watch_file_open(options->source, false, &file, err);

	if (ret < 0)
		return ret;
	ret = source_load(file, planner, &counts, diags, err);
	watch_file_close(file);
	return ret;
}

int command_load_once(const struct options *options, struct proxy_planner *planner,
                      struct proxy_changes *changes, struct err *err)
{
	struct diags diags = { 0 };
	int ret = load_addresses(options, planner, err);

	if (ret < 0)
		return ret;
	ret = options->source != NULL ? load_file(options, planner, &diags, err)
	                              : source_api_load(options, planner, err);
	if (ret == 0)
		proxy_planner_changes(planner, changes, &diags);
	report_diags(&diags);
	if (ret == 0 && options->source != NULL)
		report_node(options, planner); /* the API's source has said it */
	if (ret == 0)
		report_fit(options, &(struct ip_facts){ .node = proxy_planner_node(planner),
		                                        .has_ipv6 = !of_machine(options) ||
		                                                    ip_check_has_ipv6() });
	diag_done(&diags);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/ip_check.h"

#include <errno.h>
#include <unistd.h>

#include "base/mem.h"

static uint8_t primary_family(const struct options *options, const struct proxy_node *node)
{
	if (options->bind_address.family != 0)
		return options->bind_address.family;
	if (node != NULL && node->internal_ip_count > 0)
		return node->internal_ips[0].family;
	if (node != NULL && node->external_ip_count > 0)
		return node->external_ips[0].family;
	return 4;
}

static const char *name_of(uint8_t family)
{
	return family == 4 ? "IPv4" : "IPv6";
}

static uint8_t other_than(uint8_t family)
{
	return family == 4 ? 6 : 4;
}

static bool has_family(const struct ipcidr *cidrs, size_t count, uint8_t family)
{
	for (size_t i = 0; i < count; i++)
		if (cidrs[i].addr.family == family)
			return true;
	return false;
}

/* Are there any, and none of @family? */
static bool lacks(const struct ipcidr *cidrs, size_t count, uint8_t family)
{
	return count > 0 && !has_family(cidrs, count, family);
}

static bool is_dual(const struct ipcidr *cidrs, size_t count)
{
	return has_family(cidrs, count, 4) && has_family(cidrs, count, 6);
}

/* A family of which nodePortAddresses has no range is served on all addresses of it: a surprise
 * where the cluster has that family. */
static void check_node_ports(const struct options *options, const struct proxy_node *node,
                             uint8_t primary, struct diags *diags)
{
	const struct ipcidr *cidrs = options->node_port_cidrs;
	size_t count = options->node_port_cidr_count;
	bool dual = is_dual(options->cluster_cidrs, options->cluster_cidr_count) ||
	            (node != NULL && is_dual(node->pod_cidrs, node->pod_cidr_count));
	uint8_t missing = lacks(cidrs, count, primary)                       ? primary
	                  : dual && lacks(cidrs, count, other_than(primary)) ? other_than(primary)
	                                                                     : 0;

	if (missing != 0)
		diag_add(diags, "nodePortAddresses",
		         "only %s ranges, and %s: NodePorts are served on all %s addresses of this "
		         "node",
		         name_of(other_than(missing)),
		         missing == primary ? "the node's primary address is of the other family"
		                            : "the cluster appears to be dual-stack",
		         name_of(missing));
	if (count == 0 && node != NULL && node->internal_ip_count + node->external_ip_count == 0 &&
	    options->bind_address.family == 0)
		diag_add(diags, "nodePortAddresses",
		         "primary, and Node %s has no address: no NodePort is served until it has",
		         node->meta.name);
}

static void check_port(const char *setting, const struct bind_address *at, uint8_t primary,
                       struct diags *diags)
{
	static const struct ipaddr any6 = { .family = 6 };
	static const struct ipaddr any4 = { .family = 4 };

	if (at->port != 0 && at->addr.family == other_than(primary) &&
	    !ipaddr_equal(&at->addr, &any4) && !ipaddr_equal(&at->addr, &any6))
		diag_add(diags, setting, "an %s address, and this node has only %s",
		         name_of(at->addr.family), name_of(primary));
}

static int check_pods(const struct options *options, const struct ip_facts *facts, uint8_t primary,
                      struct diags *diags, struct err *err)
{
	const struct proxy_node *node = facts->node;
	const char *other = name_of(other_than(primary));
	const char *has =
		facts->has_ipv6 ? "the node's primary address is of" : "this node has only";

	if (lacks(options->cluster_cidrs, options->cluster_cidr_count, primary)) {
		if (options->detect == DETECT_CLUSTER_CIDR && !facts->has_ipv6)
			return err_set(err, EINVAL,
			               "clusterCIDR: only %s ranges, and %s %s: no pod would be "
			               "told from others",
			               other, has, name_of(primary));
		diag_add(diags, "clusterCIDR", "only %s ranges, and %s %s", other, has,
		         name_of(primary));
	}
	if (node != NULL && lacks(node->pod_cidrs, node->pod_cidr_count, primary)) {
		if (options->detect == DETECT_NODE_CIDR)
			return err_set(
				err, EINVAL,
				"detectLocalMode NodeCIDR: spec.podCIDRs of Node %s has "
				"only %s ranges, and %s %s: no pod would be told from others",
				node->meta.name, other, has, name_of(primary));
		diag_add(diags, "detectLocalMode",
		         "spec.podCIDRs of Node %s has only %s ranges, and %s %s", node->meta.name,
		         other, has, name_of(primary));
	}
	return 0;
}

int ip_check(const struct options *options, const struct ip_facts *facts, struct diags *diags,
             struct err *err)
{
	uint8_t primary = primary_family(options, facts->node);

	if (primary == 6 && !facts->has_ipv6)
		return err_set(err, EINVAL, "%s is of IPv6, and this kernel has no IPv6",
		               options->bind_address.family != 0 ? "bindAddress"
		                                                 : "the Node's primary address");
	check_node_ports(options, facts->node, primary, diags);
	if (!facts->has_ipv6) {
		check_port("healthzBindAddress", &options->healthz_bind, primary, diags);
		check_port("metricsBindAddress", &options->metrics_bind, primary, diags);
	}
	return check_pods(options, facts, primary, diags, err);
}

bool ip_check_waits(const struct options *options, const struct ip_facts *facts)
{
	return options->detect == DETECT_NODE_CIDR &&
	       (facts->node == NULL || facts->node->pod_cidr_count == 0);
}

int ip_gate_turn(struct ip_gate *gate, const struct options *options, const struct ip_facts *facts,
                 uint64_t now_us, struct diags *diags, struct err *err)
{
	int ret;

	if (gate->is_open)
		return 1;
	if (ip_check_waits(options, facts)) {
		if (gate->since_us == 0)
			gate->since_us = now_us;
		if (now_us - gate->since_us < IP_GATE_PATIENCE_US)
			return 0;
		return err_set(err, ETIMEDOUT,
		               "detectLocalMode NodeCIDR: Node %.63s has had no spec.podCIDRs for "
		               "%u minutes: does anybody assign them (--allocate-node-cidrs)?",
		               options->node_name, IP_GATE_PATIENCE_US / 60000000u);
	}
	ret = ip_check(options, facts, diags, err);
	gate->is_open = ret == 0;
	gate->since_us = 0;
	return ret < 0 ? ret : 1;
}

uint64_t ip_gate_wait(const struct ip_gate *gate, uint64_t now_us)
{
	uint64_t end_us = gate->since_us + IP_GATE_PATIENCE_US;

	return end_us > now_us ? end_us - now_us : 0;
}

bool ip_check_has_ipv6(void)
{
	return access("/proc/net/if_inet6", F_OK) == 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_IP_CHECK_H
#define CMD_IP_CHECK_H

/*
 * Do the settings fit the node's address families? As kube-proxy asks at its
 * start (kube-proxy-behaviour.md, section 5.3): what would leave a node half served
 * ends run, the rest is only said. Pure; time is an argument.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "cmd/options.h"
#include "proxy/object.h"

/** What they are compared with. */
struct ip_facts {
	const struct proxy_node *node; /* the own one; NULL: unknown */
	bool has_ipv6;                 /* the kernel; without it the node is single-stack */
};

/** ip_check() - compare.
 *
 * The primary family is that of --bind-address, else of the Node's first InternalIP, else of its
 * first ExternalIP, else IPv4.
 *
 * @diags: gets what is only said, each finding with a setting as its subject.
 *
 * Return: 0, or -EINVAL with a sentence that names the setting and the family when run must not
 *         start: no IPv6 for a primary address of it; in mode ClusterCIDR, on a single-stack node,
 *         a clusterCIDR of the other family only; in mode NodeCIDR podCIDRs of the other family
 *         only.
 */
int ip_check(const struct options *options, const struct ip_facts *facts, struct diags *diags,
             struct err *err) MUST_CHECK;

/** ip_check_waits() - mode NodeCIDR, and the Node has no podCIDRs. */
bool ip_check_waits(const struct options *options, const struct ip_facts *facts);

#define IP_GATE_PATIENCE_US 300000000u

/** Before the first sync. Zero-initialise. */
struct ip_gate {
	bool is_open;
	uint64_t since_us; /* that it waits for podCIDRs; 0: it does not */
};

/** ip_gate_turn() - everything was listed; may it go into the kernel?
 *
 * In mode NodeCIDR not before the Node has podCIDRs: what an earlier daemon has left in the kernel
 * knows them, and serves on.
 *
 * Return: 1 when the gate is open, 0 when it waits, or a negative errno when run must end: as
 *         ip_check(), or -ETIMEDOUT after IP_GATE_PATIENCE_US without podCIDRs.
 */
int ip_gate_turn(struct ip_gate *gate, const struct options *options, const struct ip_facts *facts,
                 uint64_t now_us, struct diags *diags, struct err *err) MUST_CHECK;

/** ip_gate_wait() - microseconds until waiting is over. */
uint64_t ip_gate_wait(const struct ip_gate *gate, uint64_t now_us);

/** ip_check_has_ipv6() - does this machine's kernel? */
bool ip_check_has_ipv6(void);

#endif

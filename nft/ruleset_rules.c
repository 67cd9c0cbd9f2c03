/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ruleset_rules.h"

#include <linux/netfilter.h>

#include "base/mem.h"

/* Keys and steps that several rules share. */
#define FRONT NFTX_LOAD_DADDR, NFTX_LOAD_PROTOCOL, NFTX_LOAD_DPORT
#define ORIG NFTX_LOAD_ORIG_DADDR, NFTX_LOAD_PROTOCOL, NFTX_LOAD_ORIG_DPORT
#define LOOKUP(what, set, ...)                                                  \
	{                                                                       \
		.op = NFTX_OP_##what, .map = NFTX_##set, .key = { __VA_ARGS__ } \
	}
#define DO(what)                     \
	{                            \
		.op = NFTX_OP_##what \
	}
#define TO(what, where)                                     \
	{                                                   \
		.op = NFTX_OP_##what, .chain = NFTX_##where \
	}
#define RULE(in, ...)                                                   \
	{                                                               \
		.chain = NFTX_##in, .rule = {.steps = { __VA_ARGS__ } } \
	}

/* The rules of the chains that exist once, in order. */
static const struct rule_template {
	enum nftx_chain chain;
	struct nftx_rule rule;
} templates[] = {
	RULE(PREROUTING, TO(JUMP, SERVICES)),
	RULE(OUTPUT, TO(JUMP, SERVICES)),
	RULE(POSTROUTING, DO(TRANSLATED), TO(JUMP, AFTER_DNAT)),
	/* Packets to endpoints on this very node never see postrouting. */
	RULE(INPUT, DO(TRANSLATED), LOOKUP(VERDICT_MAP, STICKY_TIMEOUTS, ORIG)),

	RULE(SERVICES, LOOKUP(VERDICT_MAP, FRONTENDS, FRONT)),
	/* An address of this node may be a ClusterIP, or in such a range: of a DNS cache, or by mistake.
	 * Its other ports are the node's own. */
	RULE(SERVICES, LOOKUP(IN, CLUSTER_IPS, NFTX_LOAD_DADDR), DO(ELSEWHERE), TO(GOTO, REFUSE)),
	RULE(SERVICES, LOOKUP(IN, SERVICE_CIDRS, NFTX_LOAD_DADDR), DO(ELSEWHERE), DO(DROP)),

	RULE(REFUSE, DO(TCP), DO(RESET)),
	RULE(REFUSE, DO(REJECT)),

	RULE(RESTRICTED, LOOKUP(NOT_IN, ALLOWED_SOURCES, FRONT, NFTX_LOAD_SADDR), DO(DROP)),
	RULE(RESTRICTED, LOOKUP(VERDICT_MAP, RESTRICTED_FRONTENDS, FRONT)),
	RULE(RESTRICTED, DO(DROP)),

	RULE(STICKY, LOOKUP(DNAT_MAP, AFFINITY, NFTX_LOAD_SADDR, FRONT)),
	RULE(STICKY, LOOKUP(VERDICT_MAP, STICKY_FRONTENDS, FRONT)),
	RULE(STICKY, DO(DROP)),

	RULE(LOCAL_ONLY, DO(LOCAL_SOURCE), TO(GOTO, CLUSTER_SCOPE)),
	RULE(LOCAL_ONLY, DO(POD), TO(GOTO, CLUSTER_SCOPE)),
	RULE(LOCAL_ONLY, LOOKUP(VERDICT_MAP, LOCAL_FRONTENDS, FRONT)),
	RULE(LOCAL_ONLY, DO(DROP)),

	RULE(CLUSTER_SCOPE, LOOKUP(VERDICT_MAP, CLUSTER_FRONTENDS, FRONT)),
	RULE(CLUSTER_SCOPE, DO(DROP)),

	RULE(AFTER_DNAT, LOOKUP(VERDICT_MAP, STICKY_TIMEOUTS, ORIG)),
	RULE(AFTER_DNAT, LOOKUP(IN, INTERNAL, ORIG), TO(GOTO, CLUSTER_IP_SOURCES)),
	RULE(AFTER_DNAT, LOOKUP(IN, EXTERNAL_CLUSTER, ORIG), DO(MASQUERADE)),
	RULE(AFTER_DNAT, LOOKUP(IN, EXTERNAL_LOCAL, ORIG), DO(LOCAL_SOURCE), DO(MASQUERADE)),
	RULE(AFTER_DNAT, LOOKUP(IN, HAIRPIN, NFTX_LOAD_SADDR, NFTX_LOAD_DADDR), DO(MASQUERADE)),

	RULE(CLUSTER_IP_SOURCES, DO(NOT_POD), DO(MASQUERADE)),
	RULE(CLUSTER_IP_SOURCES, DO(NODE_ITSELF), DO(MASQUERADE)),
	RULE(CLUSTER_IP_SOURCES, LOOKUP(IN, HAIRPIN, NFTX_LOAD_SADDR, NFTX_LOAD_DADDR),
	     DO(MASQUERADE)),
};

static const struct nftx_hook hooks[NFTX_CHAIN_COUNT] = {
	[NFTX_PREROUTING] = { "prerouting", "dstnat", NF_INET_PRE_ROUTING, -100 },
	[NFTX_OUTPUT] = { "output", "-100", NF_INET_LOCAL_OUT, -100 },
	[NFTX_POSTROUTING] = { "postrouting", "srcnat", NF_INET_POST_ROUTING, 100 },
	[NFTX_INPUT] = { "input", "100", NF_INET_LOCAL_IN, 100 },
};

static const struct ladder {
	enum nftx_chain chain;
	uint32_t top;
} ladders[] = {
	{ NFTX_PICK, NFTX_TOP },
	{ NFTX_SLOTS, NFTX_TOP },
	{ NFTX_LOCAL_PICK, NFTX_LOCAL_TOP },
	{ NFTX_LOCAL_SLOTS, NFTX_LOCAL_TOP },
};

void nftx_static_chains(struct nftx_chain_id list[static NFTX_STATIC_CHAINS])
{
	size_t count = 0;

	for (enum nftx_chain c = NFTX_PREROUTING; c <= NFTX_CLUSTER_IP_SOURCES; c++)
		list[count++] = (struct nftx_chain_id){ .chain = c };
	for (size_t i = 0; i < ARRAY_LEN(ladders); i++) {
		for (uint32_t k = 1; k <= ladders[i].top; k *= 2) {
			ASSERT(count < NFTX_STATIC_CHAINS);
			list[count++] = (struct nftx_chain_id){ ladders[i].chain, k };
		}
	}
	ASSERT(count == NFTX_STATIC_CHAINS);
}

const struct nftx_hook *nftx_chain_hook(enum nftx_chain chain)
{
	ASSERT(chain < NFTX_CHAIN_COUNT);
	return hooks[chain].name != NULL ? &hooks[chain] : NULL;
}

/* How a source is told to be a pod, or not to be one. */
static struct nftx_step pod_step(const struct nftx_options *options, bool is_pod)
{
	if (options->detect == NFTX_DETECT_CIDR)
		return (struct nftx_step){
			.op = is_pod ? NFTX_OP_IN : NFTX_OP_NOT_IN,
			.map = NFTX_POD_CIDRS,
			.key = { NFTX_LOAD_SADDR },
		};
	return (struct nftx_step){
		.op = is_pod ? NFTX_OP_INTERFACE : NFTX_OP_NOT_INTERFACE,
		.interface = options->interface,
		.prefix = options->detect == NFTX_DETECT_PREFIX,
	};
}

static bool by_interface(const struct nftx_options *options)
{
	return options->detect == NFTX_DETECT_BRIDGE || options->detect == NFTX_DETECT_PREFIX;
}

/* Put the options into a template. Return: false when they leave nothing of the rule.
 *
 * What a bridge passes on from one of its ports to another, and what this node sends itself, has no
 * input interface in postrouting: the one is from pods, the other is told by its address. */
static bool resolve(const struct nftx_rule *from, const struct nftx_options *options,
                    struct nftx_rule *out)
{
	size_t count = 0;

	*out = (struct nftx_rule){ 0 };
	for (size_t i = 0; i < NFTX_RULE_STEPS; i++) {
		const struct nftx_step *step = &from->steps[i];
		bool is_template = step->op == NFTX_OP_POD || step->op == NFTX_OP_NOT_POD;

		if (step->op == NFTX_OP_NODE_ITSELF) {
			if (!by_interface(options) || options->masquerade_all)
				return false;
			out->steps[count++] = (struct nftx_step){ .op = NFTX_OP_LOCAL_SOURCE };
			continue;
		}
		if (!is_template) {
			if (step->op != NFTX_OP_END)
				out->steps[count++] = *step;
			continue;
		}
		if (step->op == NFTX_OP_NOT_POD && options->masquerade_all)
			continue;
		if (options->detect == NFTX_DETECT_NONE)
			return false;
		if (step->op == NFTX_OP_NOT_POD && by_interface(options))
			out->steps[count++] = (struct nftx_step){ .op = NFTX_OP_SOME_INTERFACE };
		out->steps[count++] = pod_step(options, step->op == NFTX_OP_POD);
	}
	return true;
}

static size_t single_rules(enum nftx_chain chain, const struct nftx_options *options,
                           struct nftx_rule rules[static NFTX_CHAIN_RULES])
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(templates); i++) {
		if (templates[i].chain != chain)
			continue;
		ASSERT(count < NFTX_CHAIN_RULES);
		if (resolve(&templates[i].rule, options, &rules[count]))
			count++;
	}
	return count;
}

static struct nftx_rule one_step(struct nftx_step step)
{
	return (struct nftx_rule){ .steps = { step } };
}

static struct nftx_rule jump_rule(enum nftx_chain chain, uint32_t number)
{
	return one_step((struct nftx_step){ .op = NFTX_OP_JUMP, .chain = chain, .number = number });
}

/* Translate to one of K slots drawn at random; an empty one means to go on behind this rule. */
static size_t pick_rules(uint32_t k, uint32_t first_slot,
                         struct nftx_rule rules[static NFTX_CHAIN_RULES])
{
	rules[0] = one_step((struct nftx_step){ .op = NFTX_OP_DNAT_MAP,
	                                        .map = NFTX_BACKENDS,
	                                        .key = { FRONT, NFTX_LOAD_RANDOM },
	                                        .number = k,
	                                        .offset = first_slot });
	return 1;
}

/* More than K/2 of the slots are taken: a few tries over all, then one that cannot miss. But a packet
 * in flight while a commit shrinks the row draws from the row of now by the K of before: it may miss
 * all, yet the first slot is there as long as there is any. */
static size_t slots_rules(enum nftx_chain pick, uint32_t k,
                          struct nftx_rule rules[static NFTX_CHAIN_RULES])
{
	size_t count = 0;

	for (size_t tries = k > 2 ? NFTX_TRIES : 1; count < tries;)
		rules[count++] = jump_rule(pick, k);
	if (k > 2)
		rules[count++] = jump_rule(pick, k / 2);
	if (k > 1)
		rules[count++] = jump_rule(pick, 1);
	rules[count++] = one_step((struct nftx_step)DO(DROP));
	return count;
}

static size_t remember_rules(uint32_t timeout_s, struct nftx_rule rules[static NFTX_CHAIN_RULES])
{
	rules[0] = one_step((struct nftx_step){ .op = NFTX_OP_UPDATE_MAP,
	                                        .map = NFTX_AFFINITY,
	                                        .key = { NFTX_LOAD_ORIG_SADDR, ORIG },
	                                        .number = timeout_s });
	return 1;
}

size_t nftx_chain_rules(const struct nftx_chain_id *id, const struct nftx_options *options,
                        struct nftx_rule rules[static NFTX_CHAIN_RULES])
{
	switch (id->chain) {
	case NFTX_PREROUTING:
	case NFTX_OUTPUT:
	case NFTX_POSTROUTING:
	case NFTX_INPUT:
	case NFTX_SERVICES:
	case NFTX_REFUSE:
	case NFTX_RESTRICTED:
	case NFTX_STICKY:
	case NFTX_LOCAL_ONLY:
	case NFTX_CLUSTER_SCOPE:
	case NFTX_AFTER_DNAT:
	case NFTX_CLUSTER_IP_SOURCES:
		return single_rules(id->chain, options, rules);
	case NFTX_PICK:
		return pick_rules(id->number, 0, rules);
	case NFTX_SLOTS:
		return slots_rules(NFTX_PICK, id->number, rules);
	case NFTX_LOCAL_PICK:
		return pick_rules(id->number, NFTX_LOCAL_BASE, rules);
	case NFTX_LOCAL_SLOTS:
		return slots_rules(NFTX_LOCAL_PICK, id->number, rules);
	case NFTX_REMEMBER:
		return remember_rules(id->number, rules);
	case NFTX_CHAIN_NONE:
	case NFTX_CHAIN_COUNT:
		break;
	}
	panic(__FILE__, __LINE__, "rules of no chain");
}

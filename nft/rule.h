/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_RULE_H
#define NFT_RULE_H

/*
 * A rule as a value: a few steps, each a condition, a lookup or a verdict.
 *
 * The kernel's expressions (nft/rule.c) and nft's text (nft/rule_text.c) are
 * both computed from it. Which register holds what is nowhere written down: it
 * follows from the fields of a key (ruleset.md, section 4).
 */

#include <stdbool.h>
#include <stdint.h>

#include <libnftnl/rule.h>

#include "base/str.h"
#include "nft/layout.h"

/** Where a field of a key is loaded from. */
enum nftx_load {
	NFTX_LOAD_NONE,
	NFTX_LOAD_DADDR,
	NFTX_LOAD_SADDR,
	NFTX_LOAD_PROTOCOL,
	NFTX_LOAD_DPORT,
	NFTX_LOAD_ORIG_DADDR, /* conntrack's tuple of the original direction: */
	NFTX_LOAD_ORIG_SADDR, /* what the packet had before any translation */
	NFTX_LOAD_ORIG_DPORT,
	NFTX_LOAD_RANDOM, /* a number from offset to offset + number - 1 of the step */
	NFTX_LOAD_COUNT,
};

enum nftx_op {
	NFTX_OP_END,

	/* Conditions: the rule ends here unless they hold. */
	NFTX_OP_TRANSLATED,   /* the connection's destination was changed */
	NFTX_OP_LOCAL_SOURCE, /* the source is an address of this node */
	NFTX_OP_ELSEWHERE,    /* the destination is none */
	NFTX_OP_TCP,
	NFTX_OP_INTERFACE, /* the input interface, or its beginning */
	NFTX_OP_NOT_INTERFACE,
	NFTX_OP_SOME_INTERFACE, /* there is an input interface */
	NFTX_OP_IN,             /* the key is in the set */
	NFTX_OP_NOT_IN,

	/* Conditions only of templates: what they become depends on nftx_options. */
	NFTX_OP_POD,
	NFTX_OP_NOT_POD,
	NFTX_OP_NODE_ITSELF, /* what NOT_POD does not see where pods are told by interface */

	/* Lookups that do something with what they find. */
	NFTX_OP_VERDICT_MAP,
	NFTX_OP_DNAT_MAP,
	NFTX_OP_UPDATE_MAP, /* record key and destination for number seconds */

	/* Verdicts. */
	NFTX_OP_JUMP,
	NFTX_OP_GOTO,
	NFTX_OP_DROP,
	NFTX_OP_MASQUERADE,
	NFTX_OP_RESET,
	NFTX_OP_REJECT,
};

#define NFTX_KEY_LOADS 4
#define NFTX_RULE_STEPS 3

/** One step. What counts depends on the operation. */
struct nftx_step {
	enum nftx_op op;
	enum nftx_map map;                  /* IN, NOT_IN and *_MAP */
	enum nftx_load key[NFTX_KEY_LOADS]; /* the same; ends early with NFTX_LOAD_NONE */
	enum nftx_chain chain;              /* JUMP, GOTO */
	uint32_t number;                    /* K of the chain, range of a random field, seconds */
	uint32_t offset;                    /* of a random field */
	const char *interface;              /* borrowed; *INTERFACE */
	bool prefix;                        /* interface is only its beginning */
};

/** A rule; ends early with NFTX_OP_END. */
struct nftx_rule {
	struct nftx_step steps[NFTX_RULE_STEPS];
};

/** nftx_rule_encode() - append the rule's expressions to @out. */
void nftx_rule_encode(const struct nftx_rule *rule, uint8_t family, struct nftnl_rule *out);

/** nftx_rule_text() - append the rule as nft 1.0.6 lists it, without indentation and newline. */
void nftx_rule_text(struct strbuf *buf, const struct nftx_rule *rule, uint8_t family);

/** nftx_load_field() - the field letter (NFTX_FIELD_*) that @load fills. */
char nftx_load_field(enum nftx_load load);

/** nftx_key_text() - append the fields of @step's key, separated as in a concatenation. */
void nftx_key_text(struct strbuf *buf, const struct nftx_step *step, uint8_t family);

#endif

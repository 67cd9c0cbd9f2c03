/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_LAYOUT_H
#define NFT_LAYOUT_H

/*
 * The fixed part of the ruleset, by name: two tables, fifteen sets and maps, the
 * chains. ruleset.md sections 2-4 is the reference; a change here that an older
 * table does not have needs another NFTX_LAYOUT_VERSION.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NFTX_TABLE "kubenft"
#define NFTX_LAYOUT_VERSION 3

/* enum nft_table_flags of linux/netfilter/nf_tables.h; persist is since Linux 6.9. */
#define NFTX_TABLE_F_DORMANT 0x1u /* none of its chains is in force */
#define NFTX_TABLE_F_OWNER 0x2u
#define NFTX_TABLE_F_PERSIST 0x4u

/** The sets and maps of each table. */
enum nftx_map {
	NFTX_FRONTENDS,
	NFTX_BACKENDS,
	NFTX_RESTRICTED_FRONTENDS,
	NFTX_STICKY_FRONTENDS,
	NFTX_LOCAL_FRONTENDS,
	NFTX_CLUSTER_FRONTENDS,
	NFTX_STICKY_TIMEOUTS,
	NFTX_AFFINITY,
	NFTX_CLUSTER_IPS,
	NFTX_SERVICE_CIDRS,
	NFTX_POD_CIDRS,
	NFTX_INTERNAL,
	NFTX_EXTERNAL_CLUSTER,
	NFTX_EXTERNAL_LOCAL,
	NFTX_HAIRPIN,
	NFTX_ALLOWED_SOURCES,
	NFTX_MAP_COUNT,
};

/* A field of a key: one letter, as in ruleset.md section 3. */
#define NFTX_FIELD_ADDR 'A'     /* 4 or 16 bytes, network order */
#define NFTX_FIELD_PROTOCOL 'P' /* 1 byte */
#define NFTX_FIELD_PORT 'S'     /* 2 bytes, network order */
#define NFTX_FIELD_NUMBER 'N'   /* 4 bytes, host order */

#define NFTX_TARGET_FIELDS "AS" /* the data of NFTX_DATA_TARGET */

enum nftx_data {
	NFTX_DATA_NONE,    /* a set */
	NFTX_DATA_VERDICT, /* a verdict map */
	NFTX_DATA_TARGET,  /* address and port: NFTX_TARGET_FIELDS */
};

struct nftx_map_info {
	const char *name;
	const char *key; /* NFTX_FIELD_* letters */
	enum nftx_data data;
	bool ranges;  /* interval set: elements are ranges */
	bool dynamic; /* filled by the packet path, with timeouts; limited in size */
};

/** nftx_map_info() - what @map is. */
const struct nftx_map_info *nftx_map_info(enum nftx_map map);

/** nftx_field_bytes() - length of one NFTX_FIELD_*, without padding. */
size_t nftx_field_bytes(char field, uint8_t family);

/** nftx_map_key_bytes() - length of a key, every field padded to a multiple of 4. */
size_t nftx_map_key_bytes(enum nftx_map map, uint8_t family);

/** nftx_map_data_bytes() - length of the data (padded); 0 for sets and verdict maps. */
size_t nftx_map_data_bytes(enum nftx_map map, uint8_t family);

/** nftx_fields_type() - nft's type number of a concatenation: 6 bits a field (ip: 7, ip6: 8, 12, 13, 4). */
uint32_t nftx_fields_type(const char *fields, uint8_t family);

/** The chains. Those that exist once per number are told apart by it. */
enum nftx_chain {
	NFTX_CHAIN_NONE, /* no chain; in a decoded verdict: one that is not ours */
	NFTX_PREROUTING,
	NFTX_OUTPUT,
	NFTX_POSTROUTING,
	NFTX_INPUT,
	NFTX_SERVICES,
	NFTX_REFUSE,
	NFTX_RESTRICTED,
	NFTX_STICKY,
	NFTX_LOCAL_ONLY,
	NFTX_CLUSTER_SCOPE,
	NFTX_AFTER_DNAT,
	NFTX_CLUSTER_IP_SOURCES,
	NFTX_PICK,        /* pick-K */
	NFTX_SLOTS,       /* slots-K */
	NFTX_LOCAL_PICK,  /* local-pick-K */
	NFTX_LOCAL_SLOTS, /* local-slots-K */
	NFTX_REMEMBER,    /* remember-T, T in seconds; made on demand, never removed */
	NFTX_CHAIN_COUNT,
};

/* The ladder: K = 1, 2, 4 ... top. */
#define NFTX_TOP 4096u
#define NFTX_LOCAL_TOP 512u
#define NFTX_LOCAL_BASE 32768u /* first slot of local backends */
#define NFTX_SLOT_RANGE 65536u /* slot numbers are below; nft shows it in the type of backends */
#define NFTX_TRIES 8

#define NFTX_CHAIN_TEXT 32 /* room for any chain's name */

/** nftx_chain_name() - "slots-8"; @number is K or T, ignored by single chains; @buf is returned. */
const char *nftx_chain_name(enum nftx_chain chain, uint32_t number,
                            char buf[static NFTX_CHAIN_TEXT]);

/** nftx_chain_parse() - the reverse: only what nftx_chain_name() would write is ours.
 *
 * @number: K or T, 0 for a single chain or one that is not ours.
 *
 * Return: NFTX_CHAIN_NONE for a name that is not ours.
 */
enum nftx_chain nftx_chain_parse(const char *name, uint32_t *number);

/** nftx_rung() - the smallest K of the ladder with @count <= K; @count is 1 to NFTX_TOP. */
uint32_t nftx_rung(uint32_t count);

/** How pods are told from other sources (detectLocalMode). */
enum nftx_detect {
	NFTX_DETECT_NONE,   /* not at all: no short-circuit, no masquerade towards ClusterIPs */
	NFTX_DETECT_CIDR,   /* source address in @pod-cidrs */
	NFTX_DETECT_BRIDGE, /* input interface is nftx_options.interface */
	NFTX_DETECT_PREFIX, /* input interface begins with it */
};

#define NFTX_AFFINITY_SIZE_DEFAULT 65535u

/** What the rules depend on; fixed for a daemon's life, recorded in the table's comment but for the
 *  size of the affinity maps, which the kernel tells and which can be made larger. */
struct nftx_options {
	bool masquerade_all;
	enum nftx_detect detect;
	char interface[16];     /* IFNAMSIZ; for BRIDGE and PREFIX, then not empty */
	uint32_t affinity_size; /* elements in each affinity map; 0: the default */
	bool count_connections; /* a counter in each element of frontends */
};

/** nftx_map_counts() - does each element of @map have a counter? It counts the packets that met it,
 *  the first ones of connections: no other packet comes to our chains. */
bool nftx_map_counts(enum nftx_map map, const struct nftx_options *options);

/** nftx_affinity_size() - the size in force, the default resolved. */
uint32_t nftx_affinity_size(const struct nftx_options *options);

#define NFTX_COMMENT_TEXT 128 /* room for any layout comment; nft's own limit */

/** nftx_layout_comment() - the table's comment, e.g. "kubenft ruleset 3 pods=cidr"; a table
 *  with another one is of another layout. @buf, of NFTX_COMMENT_TEXT bytes, is returned. */
const char *nftx_layout_comment(const struct nftx_options *options, char *buf, size_t size);

#endif

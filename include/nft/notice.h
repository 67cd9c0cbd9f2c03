/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_NOTICE_H
#define NFT_NOTICE_H

/*
 * What the kernel tells everybody about each nf_tables transaction (group
 * NFNLGRP_NFTABLES), turned into values.
 *
 * As Linux 6.18 does it (tried): a commit that changed anything sends a message for
 * every object it touched, all with the sender's port and the low 16 bits of the new
 * generation, many to a datagram, those of several tables mixed; then NEWGEN, in a
 * datagram of its own, with generation, process id and name. Deleting a table
 * names its chains, rules and sets but not its elements; replacing a rule is a
 * deletion and an addition. What the packet path adds to affinity is not told.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a transaction can touch. */
enum nftx_touch {
	NFTX_TOUCH_TABLE,
	NFTX_TOUCH_CHAIN,
	NFTX_TOUCH_RULE,
	NFTX_TOUCH_SET,
	NFTX_TOUCH_ELEMENT,
	NFTX_TOUCH_OTHER, /* named counters, flowtables: nothing that we have */
	NFTX_TOUCH_COUNT,
};

/** A transaction of somebody else that touched our tables. */
struct nftx_notice {
	uint32_t generation; /* 0: its end was lost, and with it whose it was */
	uint32_t pid;
	char process[16]; /* TASK_COMM_LEN; "" when not known */
	uint32_t added[NFTX_TOUCH_COUNT];
	uint32_t removed[NFTX_TOUCH_COUNT];
};

#define NFTX_NOTICES_MAX 16

/** What was heard since the list was emptied. Zero-initialise, but for @own. */
struct nftx_notices {
	uint32_t own; /* the port whose transactions are ours */
	struct nftx_notice list[NFTX_NOTICES_MAX];
	size_t count;
	uint32_t merged; /* transactions that found the list full: their counts are in its last */
	uint32_t others; /* transactions that touched none of our tables */
	uint32_t datagrams;

	bool open; /* a transaction whose end was not heard yet */
	uint32_t open_port;
	uint16_t open_generation;
	struct nftx_notice begun;
};

/** nftx_notices_read() - one datagram. Messages that are none of nf_tables, or broken, are passed over. */
void nftx_notices_read(struct nftx_notices *notices, const void *datagram, size_t len);

/** nftx_notices_clear() - empty the list for the next reading; a transaction under way is kept. */
void nftx_notices_clear(struct nftx_notices *notices);

#endif

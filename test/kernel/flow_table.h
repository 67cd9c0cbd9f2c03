/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_KERNEL_FLOW_TABLE_H
#define TEST_KERNEL_FLOW_TABLE_H

/*
 * The kernel's connection tracking table for tests: put flows in, look what is
 * there; and walks of struct nftx_flows to their end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/flows.h"

/** One flow, as far as we look. */
struct entry {
	struct lb_backend src, dst; /* as it was sent */
	struct lb_backend reply;    /* who answers */
	uint16_t zone;
	uint8_t proto;
	bool translated; /* the kernel says that its destination was */
	bool answered;   /* to be created so; not compared */
};

struct entries {
	struct entry *list;
	size_t count, cap;
};

/** table_enter() - a network namespace of our own and a socket into its table; setup of cmocka. */
int table_enter(void **state);

/** table_leave() - the teardown. */
int table_leave(void **state);

/** entries_add() - room for one more. */
struct entry *entries_add(struct entries *entries);

/** place() - "address port". */
struct lb_backend place(const char *text);

/** flow() - from a client whose port is @number, to @dst, answered by @reply; NULL: by @dst. */
struct entry flow(uint8_t proto, const char *dst, const char *reply, uint16_t number);

/** table_create() - put flows into the table. */
void table_create(const struct entry *list, size_t count);

/** table_delete() - take one out by its original tuple. */
void table_delete(const struct entry *entry);

/** table_has() - is exactly this one there? */
bool table_has(const struct entry *entry);

/** assert_table_is() - these and no others are there; sorts @want. */
void assert_table_is(struct entries *want);

/** table_relay() - ask for the whole table by request @seq and send the answers to @fd. */
void table_relay(int fd, uint32_t seq);

/** put_entry() - a message of conntrack's about @entry with both tuples, as long as its nlmsg_len. */
struct nlmsghdr *put_entry(void *buf, const struct entry *entry, uint16_t type, uint16_t flags);

/** flows_open() - must succeed. */
struct nftx_flows *flows_open(void);

/** front() - adds a frontend of up to two backends, NULL for none. */
void front(struct nftx_flow_fronts *fronts, const char *where, const char *one, const char *two);

/** flows_start() - must succeed. */
void flows_start(struct nftx_flows *flows, struct nftx_flow_fronts *fronts);

/** flows_await() - until there is something to do. */
void flows_await(struct nftx_flows *flows);

/** flows_finish() - turns until no work is left. Return: the longest turn, in milliseconds. */
double flows_finish(struct nftx_flows *flows);

/** now_ms() - monotonic. */
double now_ms(void);

#endif

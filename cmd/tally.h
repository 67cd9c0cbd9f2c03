/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_TALLY_H
#define CMD_TALLY_H

/*
 * New connections per Service port, summed up from the kernel's counters
 * (nft/counters.h). Pure.
 *
 * The kernel counts for each frontend, and a frontend whose element is replaced
 * begins at 0 again: when its verdict changes, as when the number of endpoints passes
 * a power of two, and with every refill. So what a reading finds more than the one
 * before is added to a sum that lives as long as its Service port. Lost is what came
 * between the last reading and a replacement; and, when a frontend was replaced twice
 * since and has the verdict that it had, at most what it had counted by then.
 *
 * Counted are first packets that met an address of the Service: attempts, also those that were
 * refused or dropped, and of these each repetition, because the kernel remembers nothing of them.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "lb.h"
#include "nft/elem.h"

struct tally; /* opaque */

/** tally_new() - nothing is known. Release with tally_free().
 *
 * @seed: of its hash table, random.
 */
struct tally *tally_new(const uint8_t seed[static 16]);

/** tally_free() - NULL is a no-op. */
void tally_free(struct tally *tally);

/** tally_note() - @service is so now, in the kernel or about to be.
 *
 * A port of it that is new begins with 0, one that is not there any more is forgotten; a Service
 * without frontends is gone. One that only its endpoints have changed of costs a comparison.
 */
void tally_note(struct tally *tally, const struct lb_service *service);

/** tally_restart() - all frontends were filled anew: their counters began at 0.
 *
 * Before the first time nothing is taken: what the table counts is a former daemon's.
 */
void tally_restart(struct tally *tally);

/** tally_take() - the counter of one element of frontends, as it was read. An nftx_count_fn.
 *
 * @ctx: the tally.
 */
void tally_take(void *ctx, const struct nftx_elem *elem, uint64_t packets);

/** tally_frontends() - how many there are. */
size_t tally_frontends(const struct tally *tally);

/** tally_series() - how many lines tally_write() appends. */
size_t tally_series(const struct tally *tally);

/** tally_write() - append a line for each Service port and protocol, sorted by them:
 *
 *	NAME{port="http",protocol="TCP",service_name="web",service_namespace="default"} 12
 *
 * A port without a name is "". Sums of both families, and of all addresses.
 */
void tally_write(struct tally *tally, const char *name, struct strbuf *out);

#endif

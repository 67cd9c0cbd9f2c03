/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_TALLY_READER_H
#define CMD_TALLY_READER_H

/*
 * Brings a tally up to date, on the loop: a piece of the kernel's dump each turn, so
 * that nothing else waits for more than one of them.
 */

#include <ev.h>
#include <stdbool.h>

#include "cmd/tally.h"
#include "nft/counters.h"

/* Where there are more frontends nothing is read: the kernel's dump is quadratic, and takes a third
 * of a second of a processor with so many (ruleset.md, section 8.4). */
#define TALLY_READER_FRONTENDS 65536u

/** To be called from the loop: a reading has ended, well or not. */
typedef void (*tally_read_fn)(void *ctx);

/** Zero-initialise, tally_reader_init(); release with tally_reader_close(). */
struct tally_reader {
	struct ev_loop *loop;
	struct tally *tally;
	tally_read_fn done;
	void *ctx;

	struct nftx_counters *counters; /* NULL until it is needed */
	ev_io io;
	bool reading;
	bool stale; /* what this reading still brings may be from before a refill */
	bool told;  /* that there are too many frontends */
};

/** tally_reader_init() - @tally is borrowed. */
void tally_reader_init(struct tally_reader *reader, struct ev_loop *loop, struct tally *tally,
                       tally_read_fn done, void *ctx);

/** tally_reader_close() - stop. */
void tally_reader_close(struct tally_reader *reader);

/** tally_reader_can() - are there few enough frontends? Else it is said once. */
bool tally_reader_can(struct tally_reader *reader);

/** tally_reader_start() - begin a reading, or join the one under way.
 *
 * Return: whether there is one, and so will be a call of done(); else it was said why not.
 */
bool tally_reader_start(struct tally_reader *reader);

/** tally_reader_refilled() - a refill was committed: tally_restart().
 *
 * A reading under way goes on to its end, but the kernel has made a piece of it before.
 */
void tally_reader_refilled(struct tally_reader *reader);

#endif

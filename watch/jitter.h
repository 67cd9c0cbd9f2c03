/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_JITTER_H
#define WATCH_JITTER_H

/* So that what many nodes do does not happen at once. */

#include <stdint.h>

/** jitter_below() - 0 to @bound - 1 at random. @prng: the state, not 0 at first. */
uint64_t jitter_below(uint64_t *prng, uint64_t bound);

/** jitter_pause() - @us, a quarter more or less. */
uint64_t jitter_pause(uint64_t *prng, uint64_t us);

#endif

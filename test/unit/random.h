/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_RANDOM_H
#define TEST_UNIT_RANDOM_H

/*
 * Seeded random values for property tests. The seed is printed, and TEST_SEED in
 * the environment repeats a run.
 */

#include <stdint.h>

#include "lb.h"

/** random_seed() - TEST_SEED or the clock; printed. */
uint64_t random_seed(void);

/** random_next() - the next 64 bits of the sequence in @state (splitmix64). */
uint64_t random_next(uint64_t *state);

/** random_below() - 0 to @bound - 1. */
uint32_t random_below(uint64_t *state, uint32_t bound);

/** random_service() - a Service of the given id, with addresses no other id has.
 *
 * Any mixture of families, protocols, policies, affinity, ranges and endpoint numbers, none included.
 *
 * Return: release with free().
 */
struct lb_service *random_service(uint64_t *state, uint32_t id);

#endif

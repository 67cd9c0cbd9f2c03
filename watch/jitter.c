/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jitter.h"

/* xorshift64*: enough to spread requests. */
uint64_t jitter_below(uint64_t *prng, uint64_t bound)
{
	*prng ^= *prng >> 12;
	*prng ^= *prng << 25;
	*prng ^= *prng >> 27;
	return ((*prng * 2685821657736338717u) >> 16) % bound;
}

uint64_t jitter_pause(uint64_t *prng, uint64_t us)
{
	return us - us / 4 + jitter_below(prng, us / 2);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CLOCK_H
#define CMD_CLOCK_H

#include <stdint.h>
#include <time.h>

/** clock_us() - monotonic time in microseconds; never 0. */
static inline uint64_t clock_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + 1;
}

#endif

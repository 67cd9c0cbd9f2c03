/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_PROCESS_H
#define CMD_PROCESS_H

/*
 * What this process uses, as the process_* metrics have it, and may use.
 */

#include <stdint.h>

/** Bytes, descriptors, seconds. What could not be found out is 0. */
struct process_usage {
	double cpu_s;
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t virtual_max_bytes;
	uint64_t open_fds;
	uint64_t max_fds;
};

/** process_usage() - some system calls, 50 us. */
struct process_usage process_usage(void);

/** process_raise_fds() - take as many descriptors as may be had: the soft limit becomes the hard one.
 *
 * Return: how many that is.
 */
uint64_t process_raise_fds(void);

/** process_wall_ns() - nanoseconds since 1970. */
int64_t process_wall_ns(void);

#endif

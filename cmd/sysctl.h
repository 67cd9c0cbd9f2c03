/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SYSCTL_H
#define CMD_SYSCTL_H

/*
 * What kube-proxy sets on a node at its start (kube-proxy-behaviour.md, sections
 * 4.2 and 4.3): conntrack's size and timeouts, and its own OOM score. A value is
 * written only where another one is found, so that a process without the
 * privilege to write works where a privileged one has been before (--init-only).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/** What is wanted. Durations in microseconds; 0 leaves a value as it is. */
struct sysctl_settings {
	int32_t max_per_core; /* connections for each CPU; 0 leaves the maximum, and @min, alone */
	int32_t min;          /* at least so many */
	uint64_t tcp_established_us;
	uint64_t tcp_close_wait_us;
	uint64_t udp_us;
	uint64_t udp_stream_us;
	bool tcp_be_liberal; /* never written back to false */
};

/** Where the kernel's settings are. */
struct sysctl_root {
	const char *sysctls; /* "/proc/sys" */
	const char *modules; /* "/sys/module" */
	unsigned cpus;       /* online */
};

/** sysctl_machine() - this machine's. */
struct sysctl_root sysctl_machine(void);

/** sysctl_conntrack_max() - how many connections @settings mean; 0: leave it. */
uint32_t sysctl_conntrack_max(const struct sysctl_settings *settings, unsigned cpus);

/** sysctl_apply() - write what differs, in the network namespace of the caller.
 *
 * nf_conntrack_max is the initial network namespace's: where it is nobody's to write (mode 0444) it is
 * left alone, and the log says so. So is the hash table's size where /sys is read-only.
 *
 * Return: 0, or the negative errno of the first file that could not be read or written; what comes
 *         after it is not tried.
 */
int sysctl_apply(const struct sysctl_root *root, const struct sysctl_settings *settings,
                 struct err *err) MUST_CHECK;

/** sysctl_oom_score() - set this process's oom_score_adj; a failure is only logged.
 *
 * @path: "/proc/self/oom_score_adj".
 */
void sysctl_oom_score(const char *path, int32_t score);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_PRIVILEGE_H
#define CMD_PRIVILEGE_H

/*
 * What the daemon may do after its start: a program that strangers talk to has
 * no more privilege than its work needs. Beside this: cmd/syscall_filter.h.
 */

#include "base/err.h"

/** privilege_drop() - keep CAP_NET_ADMIN and nothing else, for good.
 *
 * Sets no_new_privs and empties all sets of capabilities but for CAP_NET_ADMIN. Threads keep
 * what they have: call it before there are any; later ones inherit. A process without
 * CAP_SETPCAP keeps its bounding set, which no_new_privs makes void.
 *
 * Return: 0 or a negative errno.
 */
int privilege_drop(struct err *err) MUST_CHECK;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_SYSCALL_FILTER_H
#define CMD_SYSCALL_FILTER_H

/*
 * Which system calls the daemon may make once it is started: those that it and its
 * libraries need, by an allow-list (seccomp(2), by libseccomp).
 *
 * What is not on the list fails, it does not kill: a C library that is newer than
 * the list must not take a node's proxy down.
 *
 *	ENOSYS	whatever is not mentioned, so that glibc takes another way, as on an
 *		older kernel (clone3, whose flags cannot be seen: then clone)
 *	EPERM	what is of use only to an intruder, and arguments that are
 *	EROFS	opening a file for writing: to the daemon, every file system is read-only
 *
 * Calls of another ABI of the machine (32 bit, x32), which no library makes, end it.
 *
 * Sockets are of netlink (routes, netfilter, socket listing), TCP and UDP. None of AF_UNIX: they
 * lead to every other daemon of the machine. Names are thus resolved by files and DNS, without
 * nscd and systemd-resolved's own protocol, which glibc then does by itself.
 */

#include "base/err.h"

/** syscall_filter_load() - put it into force for all threads, those to come included.
 *
 * Wants no_new_privs or CAP_SYS_ADMIN. Cannot be undone.
 *
 * Return: 0, -EOPNOTSUPP when the kernel has no filters, or another negative errno: then nothing
 *         has changed.
 */
int syscall_filter_load(struct err *err) MUST_CHECK;

#endif

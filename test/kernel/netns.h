/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_KERNEL_NETNS_H
#define TEST_KERNEL_NETNS_H

/** netns_enter() - move this process to a network namespace of its own; exits 77 if not permitted. */
void netns_enter(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/kernel/netns.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

void netns_enter(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return;
	(void)fprintf(stderr, "no network namespace: root is needed\n");
	exit(77);
}

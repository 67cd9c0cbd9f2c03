/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "cmd/commands.h"
#include "cmd/sysctl.h"

int command_init(const struct options *options)
{
	struct sysctl_root machine = sysctl_machine();
	struct err err = { 0 };

	if (sysctl_apply(&machine, &options->sysctls, &err) < 0) {
		log_error("init", LOG_STR("reason", err.msg));
		return EXIT_FAILURE;
	}
	log_info("init", LOG_STR("state", "the kernel's settings are as wanted"));
	return EXIT_SUCCESS;
}

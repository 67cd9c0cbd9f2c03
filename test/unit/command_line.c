/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/command_line.h"

int parse_command_line(const char *const *args, struct options *out, struct err *err)
{
	/* borrowed by what is parsed, for as long as it lives: until the next one */
	static char *argv[COMMAND_LINE_MAX + 2] = { (char *)(uintptr_t) "kubenft" };
	int argc = 1;

	for (; argc <= COMMAND_LINE_MAX && args[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	argv[argc] = NULL;
	return options_parse(argc, argv, out, err);
}

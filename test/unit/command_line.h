/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_COMMAND_LINE_H
#define TEST_UNIT_COMMAND_LINE_H

/* Command lines for tests. */

#include "cmd/options.h"

#define COMMAND_LINE_MAX 12

/** parse_command_line() - options_parse() of @args, at most COMMAND_LINE_MAX, ended by NULL. */
int parse_command_line(const char *const *args, struct options *out, struct err *err) MUST_CHECK;

#endif

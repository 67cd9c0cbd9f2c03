/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

/*
 * The subcommands. Each returns the process's exit code.
 */

#include "cmd/options.h"
#include "proxy/planner.h"

#define EXIT_DIFFERS 1 /* diff, as diff(1) */
#define EXIT_TROUBLE 2 /* diff, as diff(1) */
#define EXIT_USAGE 2   /* all others */

int command_run(const struct options *options);
/** command_init() - run --init-only: what needs privilege at the start, and nothing else. */
int command_init(const struct options *options);
int command_diff(const struct options *options);
int command_plan(const struct options *options);
int command_cleanup(const struct options *options);

/** command_planner() - a planner configured by @options; release with proxy_planner_free(). */
struct proxy_planner *command_planner(const struct options *options);

/** command_load_once() - read the source a single time and plan everything, for diff and plan.
 *
 * Findings are logged. @changes: release with proxy_changes_done().
 *
 * Return: 0, or a negative errno whose sentence names the file.
 */
int command_load_once(const struct options *options, struct proxy_planner *planner,
                      struct proxy_changes *changes, struct err *err) MUST_CHECK;

#endif

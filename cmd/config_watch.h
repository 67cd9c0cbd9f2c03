/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CONFIG_WATCH_H
#define CMD_CONFIG_WATCH_H

/*
 * The configuration does not change while the daemon runs: it ends when the file
 * does, and its supervisor starts it with the new one. The ruleset stays meanwhile.
 */

#include "base/err.h"
#include "cmd/options.h"

struct ev_loop;
struct config_watch; /* opaque */

/** config_watch_open() - tell when the configuration file holds something else than @options.
 *
 * Through symbolic links and replaced directories, as in a ConfigMap's volume. A file that is gone,
 * or that options_parse() would refuse, is logged and has no further consequence: better the old
 * configuration than none. A pipe gives its content once: there is nothing to follow.
 *
 * @options: borrowed until config_watch_close().
 * @changed: called from the loop, once.
 * @out: NULL when there is no configuration file, or it is a pipe.
 *
 * Return: 0, or a negative errno when the file cannot be followed.
 */
int config_watch_open(struct ev_loop *loop, const struct options *options,
                      void (*changed)(void *ctx), void *ctx, struct config_watch **out,
                      struct err *err) MUST_CHECK;

/** config_watch_close() - NULL is a no-op. */
void config_watch_close(struct config_watch *watch);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_REPORT_H
#define CMD_REPORT_H

/*
 * Findings into the log.
 */

#include "base/diag.h"
#include "cmd/ip_check.h"
#include "cmd/options.h"
#include "proxy/planner.h"

/** report_diags() - log every finding. */
void report_diags(const struct diags *diags);

/** report_new() - log those of @diags that @before does not have, and those of @before that are
 *  gone by their number; @before becomes @diags, which is left empty.
 *
 * For a source that is read again and again: what was said once is not repeated.
 */
void report_new(struct diags *before, struct diags *diags);

/** report_settings() - log findings about settings. */
void report_settings(const struct diags *diags);

/** report_fit() - for commands that are no daemon: what run would say of the node's address families,
 *  or what would keep it from starting. */
void report_fit(const struct options *options, const struct ip_facts *facts);

/** report_node() - say it when the own Node is unknown: there are no NodePorts then, but for those
 *  on addresses that it had when it was known last. */
void report_node(const struct options *options, const struct proxy_planner *planner);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report.h"

#include <string.h>

#include "cmd/log.h"

static void log_diag(const struct diag *diag)
{
	log_warning_limited("object", LOG_STR("subject", diag->subject),
	                    LOG_STR("reason", diag->text));
}

static void log_not_kept(const struct diags *diags)
{
	if (diags->total > diags->count)
		log_warning("more findings, not shown",
		            LOG_U64("count", diags->total - diags->count));
}

void report_diags(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++)
		log_diag(&diags->list[i]);
	log_not_kept(diags);
}

static bool has_diag(const struct diags *diags, const struct diag *diag)
{
	for (size_t i = 0; i < diags->count; i++)
		if (strcmp(diags->list[i].subject, diag->subject) == 0 &&
		    strcmp(diags->list[i].text, diag->text) == 0)
			return true;
	return false;
}

void report_new(struct diags *before, struct diags *diags)
{
	size_t gone = 0;

	for (size_t i = 0; i < diags->count; i++)
		if (!has_diag(before, &diags->list[i]))
			log_diag(&diags->list[i]);
	if (before->total != diags->total)
		log_not_kept(diags);
	for (size_t i = 0; i < before->count; i++)
		gone += !has_diag(diags, &before->list[i]);
	if (gone > 0)
		log_info("findings gone", LOG_U64("count", gone), LOG_U64("left", diags->total));
	diag_done(before);
	*before = *diags;
	*diags = (struct diags){ 0 };
}

void report_node(const struct options *options, const struct proxy_planner *planner)
{
	if (!proxy_planner_counts(planner).node_known)
		log_warning(
			"own Node not found: NodePorts only on addresses that it had before, no "
			"endpoint counts as local but by its nodeName",
			LOG_STR("node", options->node_name));
}

void report_settings(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++)
		log_warning("configuration", LOG_STR("setting", diags->list[i].subject),
		            LOG_STR("reason", diags->list[i].text));
}

void report_fit(const struct options *options, const struct ip_facts *facts)
{
	struct diags diags = { 0 };
	struct err err = { 0 };

	if (ip_check(options, facts, &diags, &err) < 0)
		log_warning("run would not start", LOG_STR("reason", err.msg));
	else if (ip_check_waits(options, facts))
		log_warning("run would wait for the Node's spec.podCIDRs",
		            LOG_STR("node", options->node_name));
	report_settings(&diags);
	diag_done(&diags);
}

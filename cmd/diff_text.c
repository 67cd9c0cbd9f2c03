/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/diff_impl.h"
#include "proxy/object.h"

#define SHOWN_RANGES 8 /* of a frontend; JSON has them all */

/* Escape sequences, or nothing. */
struct style {
	const char *signs[DIFF_CHANGE + 1];
	const char *heading;
	const char *end;
};

static const struct style plain = { { "", "", "", "" }, "", "" };
static const struct style coloured = { { "", "\033[32m", "\033[31m", "\033[33m" },
	                               "\033[1m",
	                               "\033[0m" };

static const char *const reasons[DIFF_REASON_COUNT] = {
	[DIFF_NO_REASON] = "",
	[DIFF_TABLE_MISSING] = "table missing",
	[DIFF_OTHER_LAYOUT] = "another layout",
	[DIFF_FOREIGN_RULES] = "rules changed by somebody else",
	[DIFF_RECORDS_LOST] = "records would be lost",
	[DIFF_FOREIGN_ELEMENT] = "foreign element",
	[DIFF_FOREIGN_CHANGE] = "changed by somebody else",
	[DIFF_NO_ENDPOINTS] = "no endpoints",
	[DIFF_NO_LOCAL_ENDPOINT] = "no local endpoint",
	[DIFF_SERVICE_GONE] = "no Service to proxy",
	[DIFF_NO_CLUSTER_IP] = "no cluster IP",
	[DIFF_PORT_GONE] = "port gone",
	[DIFF_ADDRESS_GONE] = "address or port gone",
	[DIFF_HELD] = "held by another Service",
	[DIFF_NOT_READY] = "endpoint not ready",
	[DIFF_TERMINATING] = "endpoint terminating",
	[DIFF_ENDPOINT_GONE] = "endpoint gone",
	[DIFF_ELSEWHERE] = "endpoint hinted elsewhere",
	[DIFF_NOT_LOCAL] = "endpoint not local",
	[DIFF_TOO_MANY] = "too many endpoints",
	[DIFF_FALLBACK] = "terminating, but none is ready",
	[DIFF_NOW_LOCAL] = "local now",
	[DIFF_NO_LONGER_LOCAL] = "no longer local",
};

const char *diff_reason_text(enum diff_reason reason)
{
	ASSERT(reason < DIFF_REASON_COUNT);
	return reasons[reason];
}

const char *diff_protocol_text(uint8_t protocol)
{
	switch ((enum proxy_protocol)protocol) {
	case PROXY_TCP:
		return "TCP";
	case PROXY_UDP:
		return "UDP";
	case PROXY_SCTP:
		return "SCTP";
	}
	return "?";
}

void diff_add_plain(struct strbuf *out, const char *text)
{
	for (; *text != '\0'; text++)
		strbuf_add(out, *text >= ' ' && *text <= '~' ? text : "?", 1);
}

bool diff_same_group(const struct diff_group *a, const struct diff_group *b)
{
	if (a->label == NULL || b->label == NULL)
		return a->label == b->label;
	return a->protocol == b->protocol && strncmp(a->label, b->label, NFTX_COMMENT_MAX) == 0;
}

static const char *kind_text(const struct diff_front *front)
{
	switch (front->kind) {
	case LB_CLUSTER_IP:
		return " ClusterIP";
	case LB_NODE_PORT:
		return " NodePort";
	case LB_EXTERNAL_IP:
		return " external IP";
	case LB_LOAD_BALANCER_IP:
		return " load balancer IP";
	}
	return front->before.external || front->after.external ? " external address" : "";
}

static const char *answer_text(enum nftx_answer answer)
{
	switch (answer) {
	case NFTX_ANSWER_NONE:
		return "nothing";
	case NFTX_ANSWER_SERVE:
		return "serves";
	case NFTX_ANSWER_REFUSE:
		return "refuses";
	case NFTX_ANSWER_DROP:
		return "drops";
	case NFTX_ANSWER_FOREIGN:
		return "goes astray";
	}
	return "";
}

static void add_endpoint(struct strbuf *out, const struct diff_line *line)
{
	char text[IPADDR_TEXT];

	strbuf_printf(out, line->family == 6 ? "[%s]:%u" : "%s:%u",
	              ipaddr_format(&line->addr, text), line->port);
}

static void add_ranges(struct strbuf *out, const struct nftx_view *view)
{
	if (!view->restricted) {
		strbuf_puts(out, "any");
		return;
	}
	for (size_t i = 0; i < view->range_count && i < SHOWN_RANGES; i++) {
		struct ipaddr first = { .family = view->addr.family };

		memcpy(first.bytes,
		       view->ranges[i].key + nftx_map_key_bytes(NFTX_FRONTENDS, first.family),
		       ipaddr_len(first.family));
		strbuf_puts(out, i > 0 ? " " : "");
		nftx_range_text(out, &first, &view->ranges[i].last);
	}
	if (view->range_count > SHOWN_RANGES)
		strbuf_printf(out, " and %zu more", view->range_count - SHOWN_RANGES);
}

static void add_affinity(struct strbuf *out, const struct nftx_view *view)
{
	if (view->affinity_s == 0)
		strbuf_puts(out, "none");
	else
		strbuf_printf(out, "%u s", view->affinity_s);
}

static const char *policy_text(const struct nftx_view *view)
{
	return view->local_only ? "Local" : "Cluster";
}

/* What of a new frontend is not as usual. */
static void add_state(struct strbuf *out, const struct nftx_view *view)
{
	if (view->local_only)
		strbuf_puts(out, ", policy Local");
	if (view->affinity_s != 0) {
		strbuf_puts(out, ", affinity ");
		add_affinity(out, view);
	}
	if (view->restricted) {
		strbuf_puts(out, ", sources ");
		add_ranges(out, view);
	}
	if (view->answer != NFTX_ANSWER_SERVE)
		strbuf_printf(out, ", %s", answer_text(view->answer));
}

/* What of a frontend differs; a frontend that only others have touched may differ in nothing of it. */
static void add_changes(struct strbuf *out, const struct nftx_view *before,
                        const struct nftx_view *after)
{
	struct strbuf was = { 0 };
	struct strbuf will = { 0 };

	if (before->answer != after->answer)
		strbuf_printf(out, ", %s -> %s", answer_text(before->answer),
		              answer_text(after->answer));
	if (before->external != after->external)
		strbuf_printf(out, ", %s -> %s", before->external ? "external" : "ClusterIP",
		              after->external ? "external" : "ClusterIP");
	if (!diff_same_policy(before, after))
		strbuf_printf(out, ", policy %s -> %s", policy_text(before), policy_text(after));
	if (!diff_same_affinity(before, after)) {
		strbuf_puts(out, ", affinity ");
		add_affinity(out, before);
		strbuf_puts(out, " -> ");
		add_affinity(out, after);
	}
	add_ranges(&was, before);
	add_ranges(&will, after);
	if (strcmp(was.text, will.text) != 0)
		strbuf_printf(out, ", sources %s -> %s", was.text, will.text);
	else if (before->range_count != after->range_count)
		strbuf_printf(out, ", %zu -> %zu sources", before->range_count, after->range_count);
	strbuf_done(&was);
	strbuf_done(&will);
}

/* What others did to a row may concern this frontend alone. */
static void add_counts(struct strbuf *out, const struct nftx_view *before,
                       const struct nftx_view *after)
{
	size_t was = diff_endpoint_count(before);
	size_t will = diff_endpoint_count(after);

	if (was != will)
		strbuf_printf(out, ", %zu -> %zu endpoints", was, will);
}

static void add_front(struct strbuf *out, const struct diff_line *line)
{
	strbuf_puts(out, "frontend ");
	add_endpoint(out, line);
	if (line->group.label == NULL)
		strbuf_printf(out, " %s", diff_protocol_text(line->front->before.protocol));
	strbuf_puts(out, kind_text(line->front));
	if (line->op == DIFF_ADD)
		add_state(out, &line->front->after);
	else if (line->op == DIFF_CHANGE)
		add_changes(out, &line->front->before, &line->front->after);
	if (line->op == DIFF_CHANGE && line->reason == DIFF_FOREIGN_CHANGE)
		add_counts(out, &line->front->before, &line->front->after);
}

static void add_object(struct strbuf *out, const struct diff_line *line)
{
	char text[IPADDR_TEXT];

	switch (line->object) {
	case DIFF_TABLE:
		strbuf_printf(out, "table %s %s", line->family == 4 ? "ip" : "ip6", NFTX_TABLE);
		return;
	case DIFF_AFFINITY_MAP:
		strbuf_printf(out, "affinity map of %s, room for %u -> %u clients",
		              line->family == 4 ? "ip" : "ip6", line->size_before,
		              line->size_after);
		return;
	case DIFF_SERVICE_RANGE:
	case DIFF_POD_RANGE:
		strbuf_printf(out, "%s range ", line->object == DIFF_POD_RANGE ? "pod" : "service");
		nftx_range_text(out, &line->addr, &line->last);
		return;
	case DIFF_FRONTEND:
		add_front(out, line);
		return;
	case DIFF_CLOSED_PORTS:
		strbuf_printf(out, "refusal of closed ports of %s",
		              ipaddr_format(&line->addr, text));
		return;
	case DIFF_ENDPOINT:
		strbuf_puts(out, "endpoint ");
		add_endpoint(out, line);
		return;
	case DIFF_LOCAL_ENDPOINT:
		strbuf_printf(out, "hairpin of local endpoint %s",
		              ipaddr_format(&line->addr, text));
		return;
	}
}

static void add_line(struct strbuf *out, const struct diff_line *line, const struct style *style)
{
	static const char signs[] = { [DIFF_ADD] = '+', [DIFF_REMOVE] = '-', [DIFF_CHANGE] = '~' };

	strbuf_printf(out, "  %s%c ", style->signs[line->op], signs[line->op]);
	add_object(out, line);
	if (line->reason != DIFF_NO_REASON) {
		strbuf_printf(out, " (%s", diff_reason_text(line->reason));
		if (line->detail != NULL) {
			strbuf_puts(out, ": ");
			diff_add_plain(out, line->detail);
		}
		strbuf_puts(out, ")");
	}
	strbuf_printf(out, "%s\n", style->end);
}

static void add_heading(struct strbuf *out, const struct diff_group *group,
                        const struct style *style)
{
	strbuf_puts(out, style->heading);
	if (group->label == NULL) {
		strbuf_puts(out, "node");
	} else {
		diff_add_plain(out, group->label);
		strbuf_printf(out, "/%s", diff_protocol_text(group->protocol));
	}
	strbuf_printf(out, "%s\n", style->end);
}

static void add_refused(struct strbuf *out, const char *name, const char *reason,
                        const struct style *style)
{
	strbuf_printf(out, "  %s! ", style->signs[DIFF_REMOVE]);
	diff_add_plain(out, name);
	strbuf_puts(out, *name != '\0' ? ": " : "");
	diff_add_plain(out, reason);
	strbuf_printf(out, "%s\n", style->end);
}

static void add_check(struct strbuf *out, const struct diff *diff, const struct style *style)
{
	const struct diff_check *check = &diff->check;

	if (!check->made)
		return;
	if (!diff_is_refused(diff)) {
		strbuf_puts(out, "checked: the kernel takes all of it\n");
		return;
	}
	strbuf_printf(out, "%srefused by the kernel%s\n", style->heading, style->end);
	for (size_t i = 0; i < check->refused.count; i++)
		add_refused(out, check->refused.list[i].name, check->refused.list[i].reason, style);
	if (check->error[0] != '\0')
		add_refused(out, "", check->error, style);
}

void diff_text(const struct diff *diff, bool colour, struct strbuf *out)
{
	const struct style *style = colour ? &coloured : &plain;

	for (size_t i = 0; i < diff->line_count; i++) {
		const struct diff_line *line = &diff->lines[i];

		if (i == 0 || !diff_same_group(&diff->lines[i - 1].group, &line->group))
			add_heading(out, &line->group, style);
		add_line(out, line, style);
	}
	add_check(out, diff, style);
	if (diff_is_empty(diff))
		strbuf_puts(out, "in sync\n");
	else
		strbuf_printf(out, "%zu to add, %zu to remove, %zu to change\n",
		              diff->counts[DIFF_ADD], diff->counts[DIFF_REMOVE],
		              diff->counts[DIFF_CHANGE]);
}

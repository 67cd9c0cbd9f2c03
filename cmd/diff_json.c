/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the JSON form
 *
 * Described in kubenft(8), and by test/data/diff.schema.json. Whoever reads it may
 * rely on what has this version; fields may be added, none changes its meaning
 * without another version.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/diff_impl.h"

#define DIFF_JSON_VERSION 1

static const char *op_text(enum diff_op op)
{
	switch (op) {
	case DIFF_ADD:
		return "add";
	case DIFF_REMOVE:
		return "remove";
	case DIFF_CHANGE:
		return "change";
	}
	return "";
}

static const char *object_text(enum diff_object object)
{
	switch (object) {
	case DIFF_TABLE:
		return "table";
	case DIFF_AFFINITY_MAP:
		return "affinityMap";
	case DIFF_SERVICE_RANGE:
		return "serviceRange";
	case DIFF_POD_RANGE:
		return "podRange";
	case DIFF_FRONTEND:
		return "frontend";
	case DIFF_CLOSED_PORTS:
		return "closedPorts";
	case DIFF_ENDPOINT:
		return "endpoint";
	case DIFF_LOCAL_ENDPOINT:
		return "localEndpoint";
	}
	return "";
}

static const char *kind_text(enum lb_kind kind)
{
	switch (kind) {
	case LB_CLUSTER_IP:
		return "ClusterIP";
	case LB_NODE_PORT:
		return "NodePort";
	case LB_EXTERNAL_IP:
		return "ExternalIP";
	case LB_LOAD_BALANCER_IP:
		return "LoadBalancerIP";
	}
	return "Unknown";
}

static const char *answer_text(enum nftx_answer answer)
{
	switch (answer) {
	case NFTX_ANSWER_NONE:
		return "none";
	case NFTX_ANSWER_SERVE:
		return "serve";
	case NFTX_ANSWER_REFUSE:
		return "refuse";
	case NFTX_ANSWER_DROP:
		return "drop";
	case NFTX_ANSWER_FOREIGN:
		return "foreign";
	}
	return "";
}

/* A string of another program's as JSON: in bytes that everybody agrees on. */
static void add_string(struct strbuf *out, const char *text)
{
	AUTO_STRBUF struct strbuf clean = { 0 };

	strbuf_puts(&clean, "");
	diff_add_plain(&clean, text);
	strbuf_json(out, clean.text);
}

static void add_range(struct strbuf *out, const struct ipaddr *first, const struct ipaddr *last)
{
	strbuf_puts(out, "\"");
	nftx_range_text(out, first, last);
	strbuf_puts(out, "\"");
}

static void add_state(struct strbuf *out, const char *name, const struct nftx_view *view)
{
	strbuf_printf(out,
	              ", \"%s\": {\"answer\": \"%s\", \"policy\": \"%s\", \"affinitySeconds\": %u, "
	              "\"endpoints\": %zu",
	              name, answer_text(view->answer), view->local_only ? "Local" : "Cluster",
	              view->affinity_s, diff_endpoint_count(view));
	if (view->restricted) {
		strbuf_puts(out, ", \"sources\": [");
		for (size_t i = 0; i < view->range_count; i++) {
			struct ipaddr first = { .family = view->addr.family };

			memcpy(first.bytes,
			       view->ranges[i].key +
			               nftx_map_key_bytes(NFTX_FRONTENDS, first.family),
			       ipaddr_len(first.family));
			strbuf_puts(out, i > 0 ? ", " : "");
			add_range(out, &first, &view->ranges[i].last);
		}
		strbuf_puts(out, "]");
	}
	strbuf_puts(out, "}");
}

static void add_front(struct strbuf *out, const struct diff_line *line)
{
	const struct diff_front *front = line->front;

	strbuf_printf(out, ", \"protocol\": \"%s\", \"addressKind\": \"%s\"",
	              diff_protocol_text(line->op == DIFF_REMOVE ? front->before.protocol
	                                                         : front->after.protocol),
	              kind_text(front->kind));
	if (line->op != DIFF_ADD)
		add_state(out, "before", &front->before);
	if (line->op != DIFF_REMOVE)
		add_state(out, "after", &front->after);
}

static void add_object(struct strbuf *out, const struct diff_line *line)
{
	char text[IPADDR_TEXT];

	switch (line->object) {
	case DIFF_TABLE:
		return;
	case DIFF_AFFINITY_MAP:
		strbuf_printf(out, ", \"sizeBefore\": %u, \"sizeAfter\": %u", line->size_before,
		              line->size_after);
		return;
	case DIFF_SERVICE_RANGE:
	case DIFF_POD_RANGE:
		strbuf_puts(out, ", \"range\": ");
		add_range(out, &line->addr, &line->last);
		return;
	case DIFF_FRONTEND:
	case DIFF_ENDPOINT:
		strbuf_printf(out, ", \"address\": \"%s\", \"port\": %u",
		              ipaddr_format(&line->addr, text), line->port);
		if (line->object == DIFF_FRONTEND)
			add_front(out, line);
		return;
	case DIFF_CLOSED_PORTS:
	case DIFF_LOCAL_ENDPOINT:
		strbuf_printf(out, ", \"address\": \"%s\"", ipaddr_format(&line->addr, text));
		return;
	}
}

static void add_line(struct strbuf *out, const struct diff_line *line)
{
	strbuf_printf(out, "{\"op\": \"%s\", \"object\": \"%s\", \"family\": \"%s\"",
	              op_text(line->op), object_text(line->object),
	              line->family == 4 ? "ip" : "ip6");
	add_object(out, line);
	if (line->reason != DIFF_NO_REASON)
		strbuf_printf(out, ", \"reason\": \"%s\"", diff_reason_text(line->reason));
	if (line->detail != NULL) {
		strbuf_puts(out, ", \"detail\": ");
		add_string(out, line->detail);
	}
	strbuf_puts(out, "}");
}

/* Appends the lines from @begin on that are of one group; returns where they end. */
static size_t add_lines(struct strbuf *out, const struct diff *diff, size_t begin,
                        const char *indent)
{
	const struct diff_group *group = &diff->lines[begin].group;
	size_t i;

	for (i = begin; i < diff->line_count && diff_same_group(&diff->lines[i].group, group);
	     i++) {
		strbuf_printf(out, "%s%s", i > begin ? ",\n" : "\n", indent);
		add_line(out, &diff->lines[i]);
	}
	return i;
}

/* "namespace/name[:port]" in its parts. */
static void add_group(struct strbuf *out, const struct diff_group *group)
{
	AUTO_FREE char *label = xstrdup(group->label);
	char *name = strchr(label, '/');
	char *port;

	if (name != NULL)
		*name++ = '\0';
	port = strchr(name != NULL ? name : label, ':');
	if (port != NULL)
		*port++ = '\0';
	strbuf_puts(out, "{\"namespace\": ");
	add_string(out, name != NULL ? label : "");
	strbuf_puts(out, ", \"name\": ");
	add_string(out, name != NULL ? name : label);
	strbuf_puts(out, ", \"port\": ");
	add_string(out, port != NULL ? port : "");
	strbuf_printf(out, ", \"protocol\": \"%s\", \"changes\": [",
	              diff_protocol_text(group->protocol));
}

static void add_name(struct strbuf *out, const char *text)
{
	AUTO_FREE char *name = xstrdup(text);
	char *slash = strchr(name, '/');

	if (slash != NULL)
		*slash = '\0';
	strbuf_puts(out, "{\"namespace\": ");
	add_string(out, slash != NULL ? name : "");
	strbuf_puts(out, ", \"name\": ");
	add_string(out, slash != NULL ? slash + 1 : name);
}

static void add_check(struct strbuf *out, const struct diff *diff)
{
	const struct diff_check *check = &diff->check;

	if (!check->made)
		return;
	strbuf_printf(out, "  \"check\": {\"accepted\": %s, \"refused\": [",
	              diff_is_refused(diff) ? "false" : "true");
	for (size_t i = 0; i < check->refused.count; i++) {
		strbuf_puts(out, i > 0 ? ",\n    " : "\n    ");
		add_name(out, check->refused.list[i].name);
		strbuf_puts(out, ", \"reason\": ");
		add_string(out, check->refused.list[i].reason);
		strbuf_puts(out, "}");
	}
	strbuf_puts(out, "]");
	if (check->error[0] != '\0') {
		strbuf_puts(out, ", \"error\": ");
		add_string(out, check->error);
	}
	strbuf_puts(out, "},\n");
}

void diff_json(const struct diff *diff, struct strbuf *out)
{
	bool first = true;
	size_t i = 0;

	strbuf_printf(out,
	              "{\n  \"kind\": \"kubenft.diff\",\n  \"version\": %d,\n  \"inSync\": %s,\n"
	              "  \"counts\": {\"add\": %zu, \"remove\": %zu, \"change\": %zu},\n",
	              DIFF_JSON_VERSION, diff_is_empty(diff) ? "true" : "false",
	              diff->counts[DIFF_ADD], diff->counts[DIFF_REMOVE], diff->counts[DIFF_CHANGE]);
	add_check(out, diff);
	strbuf_puts(out, "  \"node\": [");
	if (diff->line_count > 0 && diff->lines[0].group.label == NULL) {
		i = add_lines(out, diff, 0, "    ");
		strbuf_puts(out, "\n  ");
	}
	strbuf_puts(out, "],\n  \"services\": [");
	while (i < diff->line_count) {
		strbuf_puts(out, first ? "\n    " : ",\n    ");
		first = false;
		add_group(out, &diff->lines[i].group);
		i = add_lines(out, diff, i, "      ");
		strbuf_puts(out, "]}");
	}
	strbuf_puts(out, first ? "]\n}\n" : "\n  ]\n}\n");
}

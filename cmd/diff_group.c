/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/diff_impl.h"
#include "proxy/explain.h"

/* A group while its lines are made. */
struct telling {
	struct diff *diff;
	struct diff_group group;
	struct diff_pair *pairs;
	size_t count;
	bool is_foreign; /* its label is none that we write */
	struct proxy_explanation explained[2];
};

static size_t family_index(uint8_t family)
{
	return family == 4 ? 0 : 1;
}

/* Asks the planner about the port that the group's label names. */
static void explain(struct telling *t)
{
	AUTO_FREE char *service = t->group.label != NULL ? xstrdup(t->group.label) : NULL;
	char *colon;

	t->is_foreign = service == NULL || strchr(service, '/') == NULL;
	if (t->is_foreign)
		return;
	colon = strchr(service, ':');
	if (colon != NULL)
		*colon++ = '\0';
	for (size_t f = 0; f < 2; f++) {
		struct proxy_port_id id = { .service = service,
			                    .port = colon != NULL ? colon : "",
			                    .family = f == 0 ? 4 : 6,
			                    .protocol = t->group.protocol };

		proxy_planner_explain(t->diff->to.planner, &id, &t->explained[f]);
	}
}

static struct diff_line *push(struct telling *t, enum diff_op op, enum diff_object object,
                              const struct ipaddr *addr, uint16_t port, enum diff_reason reason)
{
	struct diff_line *line = diff_push(t->diff, op, object, addr, port);

	line->group = t->group;
	line->reason = reason;
	return line;
}

static bool is_there(const struct nftx_view *view)
{
	return view->answer != NFTX_ANSWER_NONE;
}

/* Does the frontend have any element at all? */
static bool has_anything(const struct nftx_view *view)
{
	return is_there(view) || view->external || view->all.count + view->local.count > 0 ||
	       view->range_count > 0;
}

static enum diff_reason reason_of_answer(enum nftx_answer answer)
{
	switch (answer) {
	case NFTX_ANSWER_REFUSE:
		return DIFF_NO_ENDPOINTS;
	case NFTX_ANSWER_DROP:
		return DIFF_NO_LOCAL_ENDPOINT;
	case NFTX_ANSWER_NONE:
	case NFTX_ANSWER_SERVE:
	case NFTX_ANSWER_FOREIGN:
		return DIFF_NO_REASON;
	}
	return DIFF_NO_REASON;
}

/* Why a frontend goes. */
static enum diff_reason reason_of_removal(const struct telling *t, const struct diff_pair *pair)
{
	if (t->is_foreign || !is_there(&pair->front->before))
		return DIFF_FOREIGN_ELEMENT;
	switch (t->explained[family_index(pair->key.family)].presence) {
	case PROXY_NO_SERVICE:
		return DIFF_SERVICE_GONE;
	case PROXY_NO_CLUSTER_IP:
		return DIFF_NO_CLUSTER_IP;
	case PROXY_NO_PORT:
		return DIFF_PORT_GONE;
	case PROXY_PRESENT:
		break;
	}
	return nftx_elems_find(&t->diff->to.elems, &pair->key) != NULL ? DIFF_HELD
	                                                               : DIFF_ADDRESS_GONE;
}

static bool same_ranges(const struct nftx_view *a, const struct nftx_view *b)
{
	if (a->range_count != b->range_count)
		return false;
	for (size_t i = 0; i < a->range_count; i++)
		if (nftx_elem_cmp(&a->ranges[i], &b->ranges[i]) != 0 ||
		    !nftx_elem_same(&a->ranges[i], &b->ranges[i]))
			return false;
	return true;
}

bool diff_same_policy(const struct nftx_view *a, const struct nftx_view *b)
{
	bool known = (a->external && b->external) ||
	             (a->answer == NFTX_ANSWER_SERVE && b->answer == NFTX_ANSWER_SERVE);

	return !known || a->local_only == b->local_only;
}

bool diff_same_affinity(const struct nftx_view *a, const struct nftx_view *b)
{
	bool known = a->answer == NFTX_ANSWER_SERVE && b->answer == NFTX_ANSWER_SERVE;

	return !known || a->affinity_s == b->affinity_s;
}

size_t diff_endpoint_count(const struct nftx_view *view)
{
	size_t count = 0;

	for (size_t i = 0; i < view->all.count; i++)
		count += view->all.list[i].is_drawn;
	for (size_t i = 0; i < view->local.count; i++) {
		const struct nftx_view_backend *b = &view->local.list[i];
		const struct nftx_view_backend *other =
			nftx_view_has(&view->all, &b->addr, b->port);

		count += b->is_drawn && (other == NULL || !other->is_drawn);
	}
	return count;
}

/* Do both lead clients the same way, whatever the backends are? */
static bool same_way(const struct nftx_view *a, const struct nftx_view *b)
{
	return a->answer == b->answer && a->external == b->external &&
	       a->restricted == b->restricted && same_ranges(a, b) && diff_same_policy(a, b) &&
	       diff_same_affinity(a, b);
}

static void count_fate(struct strbuf *text, const struct proxy_explanation *explained,
                       enum proxy_fate fate, const char *what)
{
	size_t count = 0;

	for (size_t i = 0; i < explained->count; i++)
		count += explained->list[i].fate == fate;
	if (count > 0)
		strbuf_printf(text, "%s%zu %s", text->len > 0 ? ", " : "", count, what);
}

/* What there is instead of an endpoint that could serve. */
static char *detail_of_answer(const struct telling *t, const struct diff_pair *pair,
                              enum diff_reason reason)
{
	const struct proxy_explanation *explained = &t->explained[family_index(pair->key.family)];
	struct strbuf text = { 0 };

	if (reason == DIFF_HELD)
		return xstrdup(nftx_elems_find(&t->diff->to.elems, &pair->key)->comment);
	if (reason != DIFF_NO_ENDPOINTS && reason != DIFF_NO_LOCAL_ENDPOINT)
		return NULL;
	if (reason == DIFF_NO_LOCAL_ENDPOINT) {
		count_fate(&text, explained, PROXY_USED, "on other nodes");
		count_fate(&text, explained, PROXY_NOT_LOCAL, "on other nodes");
	}
	count_fate(&text, explained, PROXY_NOT_READY, "not ready");
	count_fate(&text, explained, PROXY_TERMINATING, "terminating");
	if (text.len == 0)
		strbuf_puts(&text, "there is none");
	return text.text;
}

static void tell_front(struct telling *t, struct diff_pair *pair, enum diff_op op,
                       enum diff_reason reason)
{
	const struct nftx_view *view =
		op == DIFF_REMOVE ? &pair->front->before : &pair->front->after;
	struct diff_line *line = push(t, op, DIFF_FRONTEND, &view->addr, view->port, reason);

	line->detail = detail_of_answer(t, pair, reason);
	line->front = pair->front;
	pair->front = NULL;
}

static void compare_front(struct telling *t, struct diff_pair *pair)
{
	const struct nftx_view *before = &pair->front->before;
	const struct nftx_view *after = &pair->front->after;

	if (!is_there(after)) {
		if (has_anything(before))
			tell_front(t, pair, DIFF_REMOVE, reason_of_removal(t, pair));
	} else if (!is_there(before)) {
		tell_front(t, pair, DIFF_ADD,
		           has_anything(before) ? DIFF_FOREIGN_CHANGE
		                                : reason_of_answer(after->answer));
	} else if (!before->is_ours) {
		tell_front(t, pair, DIFF_CHANGE, DIFF_FOREIGN_CHANGE);
	} else if (!same_way(before, after)) {
		tell_front(t, pair, DIFF_CHANGE,
		           before->answer != after->answer ? reason_of_answer(after->answer)
		                                           : DIFF_NO_REASON);
	}
}

/* An endpoint of the group, in one family. */
struct endpoint {
	struct ipaddr addr;
	uint16_t port;
	unsigned seen;
};

enum {
	BEFORE = 1 << 0,
	AFTER = 1 << 1,
	DRAWN = 1 << 2, /* before, and connections could get there */
	LOCAL_BEFORE = 1 << 3,
	LOCAL_AFTER = 1 << 4,
};

struct endpoints {
	struct endpoint *list;
	size_t count, cap;
};

static void see_row(struct endpoints *to, const struct nftx_view_row *row, unsigned seen)
{
	to->list = vec_reserve(to->list, &to->cap, to->count + row->count + 1, sizeof(*to->list));
	for (size_t i = 0; i < row->count; i++)
		to->list[to->count++] = (struct endpoint){
			.addr = row->list[i].addr,
			.port = row->list[i].port,
			.seen = seen | ((seen & BEFORE) != 0 && row->list[i].is_drawn ? DRAWN : 0),
		};
}

static int endpoint_order(const void *x, const void *y)
{
	const struct endpoint *a = x;
	const struct endpoint *b = y;
	int diff = ipaddr_cmp(&a->addr, &b->addr);

	return diff != 0 ? diff : (int)a->port - (int)b->port;
}

/* All endpoints behind the group's frontends of one family, each once. */
static struct endpoints collect_endpoints(const struct telling *t, uint8_t family)
{
	struct endpoints out = { 0 };
	size_t kept = 0;

	for (size_t i = 0; i < t->count; i++) {
		const struct nftx_view *before = &t->pairs[i].front->before;
		const struct nftx_view *after = &t->pairs[i].front->after;
		bool local = before->local_only && after->local_only && before->is_ours;

		if (t->pairs[i].key.family != family)
			continue;
		see_row(&out, &before->all, BEFORE);
		see_row(&out, &before->local, BEFORE | (local ? LOCAL_BEFORE : 0));
		see_row(&out, &after->all, AFTER);
		see_row(&out, &after->local, AFTER | (local ? LOCAL_AFTER : 0));
	}
	if (out.count > 1)
		qsort(out.list, out.count, sizeof(*out.list), endpoint_order);
	for (size_t i = 0; i < out.count; i++) {
		if (kept > 0 && endpoint_order(&out.list[kept - 1], &out.list[i]) == 0)
			out.list[kept - 1].seen |= out.list[i].seen;
		else
			out.list[kept++] = out.list[i];
	}
	out.count = kept;
	return out;
}

static enum diff_reason reason_of_fate(enum proxy_fate fate)
{
	switch (fate) {
	case PROXY_USED:
		return DIFF_NO_REASON;
	case PROXY_USED_TERMINATING:
		return DIFF_FALLBACK;
	case PROXY_NOT_READY:
		return DIFF_NOT_READY;
	case PROXY_TERMINATING:
		return DIFF_TERMINATING;
	case PROXY_ELSEWHERE:
		return DIFF_ELSEWHERE;
	case PROXY_NOT_LOCAL:
		return DIFF_NOT_LOCAL;
	case PROXY_TOO_MANY:
		return DIFF_TOO_MANY;
	}
	return DIFF_NO_REASON;
}

/* Why an endpoint comes or goes. */
static enum diff_reason reason_of_endpoint(const struct telling *t, const struct endpoint *endpoint,
                                           enum diff_reason group_gone)
{
	const struct proxy_explanation *explained =
		&t->explained[family_index(endpoint->addr.family)];
	const struct proxy_explained *found;

	if ((endpoint->seen & (AFTER | DRAWN)) == 0)
		return DIFF_FOREIGN_ELEMENT;
	if ((endpoint->seen & AFTER) == 0 && group_gone != DIFF_NO_REASON)
		return group_gone;
	found = proxy_explanation_find(explained, &endpoint->addr, endpoint->port);
	if (found == NULL)
		return DIFF_ENDPOINT_GONE;
	return reason_of_fate(found->fate);
}

/* Why nothing of the group stays in a family; DIFF_NO_REASON: something does. */
static enum diff_reason reason_of_group(const struct telling *t, uint8_t family)
{
	enum diff_reason reason = DIFF_NO_REASON;

	for (size_t i = 0; i < t->count; i++) {
		if (t->pairs[i].key.family != family)
			continue;
		if (is_there(&t->pairs[i].front->after))
			return DIFF_NO_REASON;
		reason = reason_of_removal(t, &t->pairs[i]);
	}
	return reason;
}

/* Return: whether anything was told. */
static bool compare_endpoints(struct telling *t, uint8_t family)
{
	struct endpoints endpoints = collect_endpoints(t, family);
	enum diff_reason gone = reason_of_group(t, family);
	size_t before = t->diff->line_count;

	for (size_t i = 0; i < endpoints.count; i++) {
		const struct endpoint *e = &endpoints.list[i];
		bool was_local = (e->seen & LOCAL_BEFORE) != 0;
		bool is_local = (e->seen & LOCAL_AFTER) != 0;

		if ((e->seen & (BEFORE | AFTER)) != (BEFORE | AFTER))
			(void)push(t, (e->seen & AFTER) != 0 ? DIFF_ADD : DIFF_REMOVE,
			           DIFF_ENDPOINT, &e->addr, e->port,
			           reason_of_endpoint(t, e, gone));
		else if (was_local != is_local)
			(void)push(t, DIFF_CHANGE, DIFF_ENDPOINT, &e->addr, e->port,
			           is_local ? DIFF_NOW_LOCAL : DIFF_NO_LONGER_LOCAL);
	}
	free(endpoints.list);
	return t->diff->line_count > before;
}

void diff_tell_group(struct diff *diff, const struct diff_group *group, struct diff_pair *pairs,
                     size_t count)
{
	struct telling t = { .diff = diff, .group = *group, .pairs = pairs, .count = count };
	bool told[2];

	explain(&t);
	for (size_t f = 0; f < 2; f++)
		told[f] = compare_endpoints(&t, f == 0 ? 4 : 6);
	for (size_t i = 0; i < count; i++) {
		compare_front(&t, &pairs[i]);
		/* a difference of elements is never passed over */
		if (pairs[i].front != NULL && pairs[i].touched &&
		    !told[family_index(pairs[i].key.family)])
			tell_front(&t, &pairs[i], DIFF_CHANGE, DIFF_FOREIGN_CHANGE);
	}
	for (size_t f = 0; f < 2; f++)
		proxy_explanation_done(&t.explained[f]);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: from elements to lines
 *
 * What differs is known from the elements, all of them compared in their order.
 * Each element that differs belongs to a frontend, or it is an address or a range
 * of its own. A touched frontend is looked at together with all others of its
 * Service port, on both sides: only so is an endpoint that is behind a further
 * address from now on no new endpoint.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/diff_impl.h"

struct diff_line *diff_push(struct diff *diff, enum diff_op op, enum diff_object object,
                            const struct ipaddr *addr, uint16_t port)
{
	struct diff_line *line;

	diff->lines = vec_reserve(diff->lines, &diff->line_cap, diff->line_count + 1,
	                          sizeof(*diff->lines));
	line = &diff->lines[diff->line_count++];
	*line = (struct diff_line){
		.op = op, .object = object, .family = addr->family, .addr = *addr, .port = port
	};
	diff->counts[op]++;
	return line;
}

void diff_front_free(struct diff_front *front)
{
	if (front == NULL)
		return;
	nftx_view_done(&front->before);
	nftx_view_done(&front->after);
	free(front);
}

static bool is_of_front(const struct nftx_elem *elem)
{
	return str_starts(nftx_map_info(elem->map)->key, nftx_map_info(NFTX_FRONTENDS)->key);
}

/* The frontend that an element belongs to. */
static struct nftx_elem front_key(const struct nftx_elem *elem)
{
	struct nftx_elem key = { .family = elem->family, .map = NFTX_FRONTENDS };

	memcpy(key.key, elem->key, nftx_map_key_bytes(NFTX_FRONTENDS, elem->family));
	return key;
}

static void collect_keys(const struct nftx_elems *from, struct nftx_elems *keys)
{
	for (size_t i = 0; i < from->count; i++) {
		struct nftx_elem key;

		if (!is_of_front(&from->list[i]))
			continue;
		key = front_key(&from->list[i]);
		/* neighbours are often of one frontend */
		if (keys->count == 0 || nftx_elem_cmp(&keys->list[keys->count - 1], &key) != 0)
			*nftx_elems_push(keys) = key;
	}
}

/* The frontends with an element that differs, sorted, each once. */
static struct nftx_elems touched_fronts(const struct nftx_diff *elements)
{
	struct nftx_elems keys = { 0 };
	size_t kept = 0;

	collect_keys(&elements->del, &keys);
	collect_keys(&elements->add, &keys);
	nftx_elems_sort(&keys);
	for (size_t i = 0; i < keys.count; i++)
		if (kept == 0 || nftx_elem_cmp(&keys.list[kept - 1], &keys.list[i]) != 0)
			keys.list[kept++] = keys.list[i];
	keys.count = kept;
	return keys;
}

/* A frontend of a group, on one side or both. */
struct member {
	struct diff_group group;
	struct nftx_elem key;
};

struct members {
	struct member *list;
	size_t count, cap;
};

static void push_member(struct members *to, const char *label, const struct nftx_elem *key)
{
	uint8_t protocol = key->key[ipaddr_len(key->family)];

	to->list = vec_reserve(to->list, &to->cap, to->count + 1, sizeof(*to->list));
	to->list[to->count++] = (struct member){
		.group = { .label = label, .protocol = label != NULL ? protocol : 0 },
		.key = *key,
	};
}

/* In the kernel a label is cut. */
static int label_cmp(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strncmp(a, b, NFTX_COMMENT_MAX);
}

static int group_cmp(const struct diff_group *a, const struct diff_group *b)
{
	int diff = label_cmp(a->label, b->label);

	return diff != 0 ? diff : (int)a->protocol - (int)b->protocol;
}

static int member_order(const void *x, const void *y)
{
	const struct member *a = x;
	const struct member *b = y;
	int diff = group_cmp(&a->group, &b->group);

	return diff != 0 ? diff : nftx_elem_cmp(&a->key, &b->key);
}

static void sort_members(struct members *members)
{
	size_t kept = 0;

	if (members->count > 1)
		qsort(members->list, members->count, sizeof(*members->list), member_order);
	for (size_t i = 0; i < members->count; i++)
		if (kept == 0 || member_order(&members->list[kept - 1], &members->list[i]) != 0)
			members->list[kept++] = members->list[i];
	members->count = kept;
}

static const char *label_at(const struct diff_side *side, const struct nftx_elem *key)
{
	const struct nftx_elem *elem = nftx_elems_find(&side->elems, key);

	return elem != NULL ? elem->comment : NULL;
}

/* The touched frontends by group. One whose label differs is in two groups; one without a label
 * belongs to the Service that shall have it, or to nobody. */
static struct members touched_members(const struct diff *diff, const struct nftx_elems *touched)
{
	struct members out = { 0 };

	for (size_t i = 0; i < touched->count; i++) {
		const struct nftx_elem *key = &touched->list[i];
		const char *before = label_at(&diff->from, key);
		const char *after = label_at(&diff->to, key);

		if (after != NULL || before == NULL)
			push_member(&out, after, key);
		if (before != NULL && label_cmp(before, after) != 0)
			push_member(&out, before, key);
	}
	sort_members(&out);
	return out;
}

static bool has_group(const struct members *sorted, const struct diff_group *group)
{
	size_t low = 0;
	size_t high = sorted->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int diff = group_cmp(&sorted->list[mid].group, group);

		if (diff == 0)
			return true;
		if (diff < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/* Adds the other frontends of touched groups. */
static void add_untouched(const struct diff_side *side, const struct members *touched,
                          struct members *all)
{
	for (size_t i = 0; i < side->elems.count; i++) {
		const struct nftx_elem *elem = &side->elems.list[i];
		struct diff_group group = { .label = elem->comment,
			                    .protocol = elem->key[ipaddr_len(elem->family)] };

		if (elem->map == NFTX_FRONTENDS && elem->comment != NULL &&
		    has_group(touched, &group)) {
			struct nftx_elem key = front_key(elem);

			push_member(all, elem->comment, &key);
		}
	}
}

/* What a group has of a frontend on one side. */
static void read_side(const struct diff_side *side, const struct member *member, bool is_from,
                      struct nftx_view *out)
{
	const struct nftx_elem *elem = nftx_elems_find(&side->elems, &member->key);
	static const struct nftx_elems nothing;
	bool is_mine;

	if (elem == NULL)
		is_mine = is_from; /* its row may be there all the same */
	else
		is_mine = label_cmp(elem->comment, member->group.label) == 0 ||
		          (is_from && elem->comment == NULL);
	nftx_view_read(is_mine ? &side->elems : &nothing, &member->key, out);
}

/* What a source says about the addresses of frontends. */
struct kind {
	struct nftx_elem key;
	enum lb_kind kind;
};

struct kinds {
	struct kind *list;
	size_t count, cap;
};

static int kind_order(const void *x, const void *y)
{
	return nftx_elem_cmp(&((const struct kind *)x)->key, &((const struct kind *)y)->key);
}

static void collect_kinds(const struct diff_side *side, struct kinds *out)
{
	for (size_t i = 0; i < side->changes.count; i++) {
		const struct lb_service *service = side->changes.services[i];

		out->list = vec_reserve(out->list, &out->cap, out->count + service->frontend_count,
		                        sizeof(*out->list));
		for (size_t k = 0; k < service->frontend_count; k++) {
			const struct lb_frontend *front = &service->frontends[k];
			const struct lb_port *port = &service->ports[front->port_index];
			struct kind *kind = &out->list[out->count];

			if (front->lost)
				continue;
			*kind = (struct kind){ .key = { .family = port->family,
				                        .map = NFTX_FRONTENDS },
				               .kind = (enum lb_kind)front->kind };
			(void)nftx_key_front(kind->key.key, &front->addr, port->protocol,
			                     front->port);
			out->count++;
		}
	}
	if (out->count > 1)
		qsort(out->list, out->count, sizeof(*out->list), kind_order);
}

static enum lb_kind find_kind(const struct kinds *kinds, const struct nftx_elem *key)
{
	const struct kind want = { .key = *key };
	const struct kind *found = NULL;

	if (kinds->count > 0)
		found = bsearch(&want, kinds->list, kinds->count, sizeof(want), kind_order);
	return found != NULL ? found->kind : 0;
}

/* Everything that the groups are told from. */
struct groups {
	struct nftx_elems touched;
	struct members members; /* of touched groups, touched or not */
	struct kinds from, to;
};

static struct diff_pair make_pair(const struct diff *diff, const struct groups *groups,
                                  const struct member *member)
{
	struct diff_pair pair = {
		.key = member->key,
		.touched = nftx_elems_find(&groups->touched, &member->key) != NULL,
		.front = xcalloc(1, sizeof(*pair.front)),
	};
	struct diff_front *front = pair.front;

	read_side(&diff->from, member, true, &front->before);
	read_side(&diff->to, member, false, &front->after);
	front->kind =
		find_kind(front->after.answer != NFTX_ANSWER_NONE ? &groups->to : &groups->from,
	                  &member->key);
	if (front->kind == 0 && member->group.label != NULL && !front->before.external &&
	    !front->after.external)
		front->kind = LB_CLUSTER_IP;
	return pair;
}

/* The members from @begin on that are one group. Of nobody's frontends each is its own. */
static size_t group_end(const struct members *members, size_t begin)
{
	size_t end = begin + 1;

	while (members->list[begin].group.label != NULL && end < members->count &&
	       group_cmp(&members->list[end].group, &members->list[begin].group) == 0)
		end++;
	return end;
}

static void tell_groups(struct diff *diff, const struct groups *groups)
{
	const struct members *members = &groups->members;
	size_t end;

	for (size_t begin = 0; begin < members->count; begin = end) {
		struct diff_pair *pairs;

		end = group_end(members, begin);
		pairs = xcalloc(end - begin, sizeof(*pairs));
		for (size_t i = begin; i < end; i++)
			pairs[i - begin] = make_pair(diff, groups, &members->list[i]);
		diff_tell_group(diff, &members->list[begin].group, pairs, end - begin);
		for (size_t i = begin; i < end; i++)
			diff_front_free(pairs[i - begin].front);
		free(pairs);
	}
}

static void compare_fronts(struct diff *diff)
{
	struct groups groups = { .touched = touched_fronts(&diff->elements) };

	if (groups.touched.count > 0) {
		struct members touched = touched_members(diff, &groups.touched);

		collect_kinds(&diff->from, &groups.from);
		collect_kinds(&diff->to, &groups.to);
		for (size_t i = 0; i < touched.count; i++)
			push_member(&groups.members, touched.list[i].group.label,
			            &touched.list[i].key);
		add_untouched(&diff->from, &touched, &groups.members);
		add_untouched(&diff->to, &touched, &groups.members);
		sort_members(&groups.members);
		tell_groups(diff, &groups);
		free(touched.list);
	}
	free(groups.touched.list);
	free(groups.members.list);
	free(groups.from.list);
	free(groups.to.list);
}

static struct ipaddr first_addr(const struct nftx_elem *elem)
{
	struct ipaddr addr = { .family = elem->family };

	memcpy(addr.bytes, elem->key, ipaddr_len(elem->family));
	return addr;
}

static int told_order(const void *x, const void *y)
{
	const struct diff_line *a = x;
	const struct diff_line *b = y;

	return a->object != b->object ? (int)a->object - (int)b->object
	                              : ipaddr_cmp(&a->addr, &b->addr);
}

/* Does one of the first @count lines, in told_order(), imply that an element of @addr comes or goes? */
static bool is_told(const struct diff *diff, size_t count, enum diff_op op, enum diff_object object,
                    const struct ipaddr *addr)
{
	const struct diff_line want = { .object = object, .addr = *addr };
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (told_order(&diff->lines[mid], &want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < count && told_order(&diff->lines[low], &want) == 0; low++)
		if (diff->lines[low].op == op || diff->lines[low].op == DIFF_CHANGE)
			return true;
	return false;
}

/* The Service port of some frontend on @addr. */
static struct diff_group group_of(const struct diff *diff, const struct ipaddr *addr)
{
	const struct diff_side *sides[2] = { &diff->to, &diff->from };
	struct nftx_elem key = { .family = addr->family, .map = NFTX_FRONTENDS };

	(void)nftx_key_addr(key.key, addr);
	for (size_t i = 0; i < 2; i++) {
		size_t at = nftx_elems_lower_bound(&sides[i]->elems, &key);
		const struct nftx_elem *elem = &sides[i]->elems.list[at];

		if (at < sides[i]->elems.count && elem->map == NFTX_FRONTENDS &&
		    memcmp(elem->key, key.key, ipaddr_len(addr->family)) == 0 &&
		    elem->comment != NULL)
			return (struct diff_group){ elem->comment,
				                    elem->key[ipaddr_len(addr->family)] };
	}
	return (struct diff_group){ 0 };
}

/* Elements that are addresses or ranges of their own. */
static void tell_addresses(struct diff *diff, const struct nftx_elems *elems, size_t told,
                           enum diff_op op)
{
	for (size_t i = 0; i < elems->count; i++) {
		const struct nftx_elem *elem = &elems->list[i];
		struct ipaddr addr = first_addr(elem);

		if (elem->map == NFTX_CLUSTER_IPS) {
			if (!is_told(diff, told, op, DIFF_FRONTEND, &addr))
				diff_push(diff, op, DIFF_CLOSED_PORTS, &addr, 0)->group =
					group_of(diff, &addr);
		} else if (elem->map == NFTX_HAIRPIN) {
			if (!is_told(diff, told, op, DIFF_ENDPOINT, &addr))
				(void)diff_push(diff, op, DIFF_LOCAL_ENDPOINT, &addr, 0);
		} else if (elem->map == NFTX_SERVICE_CIDRS || elem->map == NFTX_POD_CIDRS) {
			diff_push(diff, op,
			          elem->map == NFTX_POD_CIDRS ? DIFF_POD_RANGE : DIFF_SERVICE_RANGE,
			          &addr, 0)
				->last = elem->last;
		}
	}
}

static void compare_addresses(struct diff *diff)
{
	size_t told = diff->line_count;

	if (told > 1)
		qsort(diff->lines, told, sizeof(*diff->lines), told_order);
	tell_addresses(diff, &diff->elements.del, told, DIFF_REMOVE);
	tell_addresses(diff, &diff->elements.add, told, DIFF_ADD);
}

static void compare_tables(struct diff *diff)
{
	for (size_t f = 0; f < 2; f++) {
		const struct ipaddr family = { .family = f == 0 ? 4 : 6 };
		struct diff_line *line;

		if (diff->tables[f] == DIFF_NO_REASON)
			continue;
		line = diff_push(diff,
		                 diff->tables[f] == DIFF_TABLE_MISSING ? DIFF_ADD : DIFF_CHANGE,
		                 DIFF_TABLE, &family, 0);
		line->reason = diff->tables[f];
		if (diff->tables[f] == DIFF_OTHER_LAYOUT) {
			struct strbuf text = { 0 };
			char comment[NFTX_COMMENT_TEXT];

			strbuf_printf(
				&text, "'%s', would be '%s'", diff->layouts[f],
				nftx_layout_comment(&diff->to.nft[f], comment, sizeof(comment)));
			line->detail = text.text;
		}
	}
}

static void compare_affinity_maps(struct diff *diff)
{
	for (size_t f = 0; f < 2; f++) {
		const struct ipaddr family = { .family = f == 0 ? 4 : 6 };
		struct diff_line *line;

		if (diff->affinity_sizes[f] == 0)
			continue;
		line = diff_push(diff, DIFF_CHANGE, DIFF_AFFINITY_MAP, &family, 0);
		line->size_before = diff->affinity_sizes[f];
		line->size_after = nftx_affinity_size(&diff->to.nft[f]);
		if (line->size_after < line->size_before)
			line->reason = DIFF_RECORDS_LOST; /* the map is made anew */
	}
}

static int line_order(const void *x, const void *y)
{
	const struct diff_line *a = x;
	const struct diff_line *b = y;
	int diff = group_cmp(&a->group, &b->group);

	if (diff == 0)
		diff = (int)a->object - (int)b->object;
	if (diff == 0)
		diff = ipaddr_cmp(&a->addr, &b->addr);
	if (diff == 0)
		diff = (int)a->port - (int)b->port;
	return diff != 0 ? diff : (int)a->op - (int)b->op;
}

void diff_compute(struct diff *diff)
{
	nftx_diff_elems(&diff->from.elems, &diff->to.elems, &diff->elements);
	compare_fronts(diff);
	compare_addresses(diff);
	compare_tables(diff);
	compare_affinity_maps(diff);
	if (diff->line_count > 1)
		qsort(diff->lines, diff->line_count, sizeof(*diff->lines), line_order);
}

bool diff_is_empty(const struct diff *diff)
{
	return diff->line_count == 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: names and hints
 *
 * The endpoints of a slice name few nodes and few sets of zones, so they carry
 * numbers into tables of the distinct ones. The tables are made by sorting,
 * which costs the same whatever the names are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/decode_impl.h"

/** Names that an endpoint gives, and where their number goes. */
struct ref {
	struct proxy_names names;
	uint16_t *slot;
};

/** An EndpointSlice being read. */
struct draft {
	struct proxy_endpoint_slice slice;
	struct proxy_slice_port *ports;
	struct proxy_endpoint *endpoints;
	struct ref *nodes; /* one name each */
	struct ref *hints;
	size_t node_count;
	size_t hint_count;
};

/** An endpoint being read. */
struct endpoint {
	const cJSON *addresses;
	const char *node;
	bool ready;
	bool serving;
	bool terminating;
	struct proxy_names zones;
	struct proxy_names nodes;
};

static int ref_cmp(const void *a, const void *b)
{
	const struct ref *x = a;
	const struct ref *y = b;

	if (x->names.count != y->names.count)
		return x->names.count < y->names.count ? -1 : 1;
	for (size_t i = 0; i < x->names.count; i++) {
		int diff = strcmp(x->names.names[i], y->names.names[i]);

		if (diff != 0)
			return diff;
	}
	return 0;
}

/* Numbers @refs from 1, equal ones alike, leaving one of each at the front; returns how many. */
static size_t number_refs(struct ref *refs, size_t count)
{
	size_t distinct = 0;

	if (count > 1)
		qsort(refs, count, sizeof(*refs), ref_cmp);
	for (size_t i = 0; i < count; i++) {
		uint16_t *slot = refs[i].slot;

		if (distinct == 0 || ref_cmp(&refs[distinct - 1], &refs[i]) != 0)
			refs[distinct++] = refs[i];
		if (distinct > UINT16_MAX)
			return distinct;
		*slot = (uint16_t)distinct;
	}
	return distinct;
}

static int make_tables(struct jsonx *jx, struct draft *draft)
{
	struct proxy_endpoint_slice *slice = &draft->slice;
	size_t names = number_refs(draft->nodes, draft->node_count);
	size_t hints = number_refs(draft->hints, draft->hint_count);
	const char **name_list = jsonx_alloc(jx, names, sizeof(*name_list));
	struct proxy_names *hint_list = jsonx_alloc(jx, hints, sizeof(*hint_list));

	if (hints > UINT16_MAX)
		return jsonx_fail(jx, E2BIG, "endpoints: %zu different hints, at most %d", hints,
		                  UINT16_MAX);
	for (size_t i = 0; i < names; i++)
		name_list[i] = draft->nodes[i].names.names[0];
	for (size_t i = 0; i < hints; i++)
		hint_list[i] = draft->hints[i].names;
	slice->names = name_list;
	slice->name_count = (uint16_t)names; /* no more than endpoints */
	slice->hints = hint_list;
	slice->hint_count = (uint16_t)hints;
	return 0;
}

static const struct jsonx_field port_fields[] = {
	{ "name", decode_port_name, offsetof(struct proxy_slice_port, name) },
	{ "port", jsonx_port_or_none, offsetof(struct proxy_slice_port, port) },
	{ "protocol", decode_protocol, offsetof(struct proxy_slice_port, protocol) },
};

static int decode_port(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	struct proxy_slice_port port = { .protocol = PROXY_TCP };
	int ret = jsonx_object(jx, item, port_fields, ARRAY_LEN(port_fields), &port);

	if (ret < 0)
		return ret;
	if (port.name == NULL)
		jsonx_note(jx, "without a name, ignored");
	else if (port.port == 0)
		jsonx_note(jx, "without a port number, ignored");
	else
		draft->ports[draft->slice.port_count++] = port;
	return 0;
}

static int decode_ports(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_PORTS, &count);

	if (ret < 0)
		return ret;
	draft->ports = jsonx_alloc(jx, count, sizeof(*draft->ports));
	return jsonx_each(jx, item, decode_port, draft);
}

static int decode_conditions(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = {
		{ "ready", jsonx_bool, offsetof(struct endpoint, ready) },
		{ "serving", jsonx_bool, offsetof(struct endpoint, serving) },
		{ "terminating", jsonx_bool, offsetof(struct endpoint, terminating) },
	};

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

/** A list of names being read. */
struct name_list {
	const char **names;
	uint16_t count;
};

static int decode_hint(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "name", jsonx_name, 0 } };
	struct name_list *list = out;
	const char *name = "";
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &name);

	if (ret < 0)
		return ret;
	if (*name == '\0')
		return jsonx_missing(jx, "name");
	list->names[list->count++] = name;
	return 0;
}

/* struct proxy_names */
static int decode_hint_list(struct jsonx *jx, const cJSON *item, void *out)
{
	struct proxy_names *to = out;
	struct name_list list = { 0 };
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_HINTS, &count);

	if (ret < 0)
		return ret;
	list.names = jsonx_alloc(jx, count, sizeof(*list.names));
	ret = jsonx_each(jx, item, decode_hint, &list);
	to->names = list.names;
	to->count = list.count;
	return ret;
}

static int decode_hints(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = {
		{ "forZones", decode_hint_list, offsetof(struct endpoint, zones) },
		{ "forNodes", decode_hint_list, offsetof(struct endpoint, nodes) },
	};

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

/* const cJSON *: the list, checked to be one of strings. */
static int decode_endpoint_addresses(struct jsonx *jx, const cJSON *item, void *out)
{
	const cJSON **to = out;
	const char *text;
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_ADDRESSES, &count);

	if (ret == 0)
		ret = jsonx_each(jx, item, jsonx_string, &text);
	*to = item;
	return ret;
}

static const struct jsonx_field endpoint_fields[] = {
	{ "addresses", decode_endpoint_addresses, offsetof(struct endpoint, addresses) },
	{ "conditions", decode_conditions, 0 },
	{ "hints", decode_hints, 0 },
	{ "nodeName", jsonx_name, offsetof(struct endpoint, node) },
};

/* The first address, the only one that counts; false, with a finding, when it is of no use. */
static bool first_address(struct jsonx *jx, const cJSON *addresses, uint8_t family,
                          struct ipaddr *out)
{
	const cJSON *first = addresses != NULL ? addresses->child : NULL;
	char quoted[JSONX_QUOTE];

	if (first == NULL)
		jsonx_note(jx, "no address, ignored");
	else if (ipaddr_parse(first->valuestring, out, NULL) < 0)
		jsonx_note(jx, "'%s' is not an IP address, ignored",
		           jsonx_quote(first->valuestring, quoted));
	else if (out->family != family)
		jsonx_note(jx, "'%s' is not an IPv%u address, ignored",
		           jsonx_quote(first->valuestring, quoted), family);
	else
		return true;
	return false;
}

static void add_ref(struct ref *refs, size_t *count, struct proxy_names names, uint16_t *slot)
{
	if (names.count > 0)
		refs[(*count)++] = (struct ref){ .names = names, .slot = slot };
}

static int decode_endpoint(struct jsonx *jx, const cJSON *item, void *out)
{
	struct endpoint in = { .node = "", .ready = true, .serving = true };
	struct draft *draft = out;
	struct proxy_endpoint_slice *slice = &draft->slice;
	struct proxy_endpoint *to = &draft->endpoints[slice->endpoint_count];
	struct proxy_names node = { 0 };
	int ret = jsonx_object(jx, item, endpoint_fields, ARRAY_LEN(endpoint_fields), &in);

	if (ret < 0)
		return ret;
	if (!first_address(jx, in.addresses, slice->family, &to->addr))
		return 0;
	slice->endpoint_count++;
	to->conditions =
		(uint8_t)((in.ready ? PROXY_EP_READY : 0) | (in.serving ? PROXY_EP_SERVING : 0) |
	                  (in.terminating ? PROXY_EP_TERMINATING : 0));
	if (*in.node != '\0') {
		const char **name = jsonx_alloc(jx, 1, sizeof(*name));

		*name = in.node;
		node = (struct proxy_names){ .count = 1, .names = name };
	}
	add_ref(draft->nodes, &draft->node_count, node, &to->node);
	add_ref(draft->hints, &draft->hint_count, in.zones, &to->zone_hints);
	add_ref(draft->hints, &draft->hint_count, in.nodes, &to->node_hints);
	return 0;
}

static int decode_endpoints(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_ENDPOINTS, &count);

	if (ret < 0 || draft->slice.family == 0) /* host names: such a slice is ignored */
		return ret;
	draft->endpoints = jsonx_alloc(jx, count, sizeof(*draft->endpoints));
	draft->nodes = jsonx_alloc(jx, count, sizeof(*draft->nodes));
	draft->hints = jsonx_alloc(jx, count * 2, sizeof(*draft->hints));
	return jsonx_each(jx, item, decode_endpoint, draft);
}

static int decode_address_type(struct jsonx *jx, const cJSON *item, void *out)
{
	uint8_t *family = out;
	char quoted[JSONX_QUOTE];
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0)
		return ret;
	if (strcmp(text, "IPv4") == 0)
		*family = 4;
	else if (strcmp(text, "IPv6") == 0)
		*family = 6;
	else if (strcmp(text, "FQDN") == 0)
		*family = 0;
	else
		return jsonx_fail(jx, EINVAL, "'%s' is not one of IPv4, IPv6, FQDN",
		                  jsonx_quote(text, quoted));
	return 0;
}

/* The family comes first: endpoints are judged by it wherever it stands in the text. */
static int decode_slice_family(struct jsonx *jx, const cJSON *json, uint8_t *out)
{
	static const struct jsonx_field fields[] = { { "addressType", decode_address_type, 0 } };
	uint8_t family = UINT8_MAX;
	int ret = jsonx_object(jx, json, fields, ARRAY_LEN(fields), &family);

	if (ret < 0)
		return ret;
	if (family == UINT8_MAX)
		return jsonx_missing(jx, "addressType");
	*out = family;
	return 0;
}

int decode_slice(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                 struct proxy_meta **out)
{
	static const struct jsonx_field fields[] = {
		{ "endpoints", decode_endpoints, 0 },
		{ "ports", decode_ports, 0 },
	};
	struct draft draft = { .slice = { .meta = meta->meta, .service = meta->service } };
	int ret;

	if (meta->headless) {
		*out = NULL;
		return 0;
	}
	ret = decode_slice_family(jx, json, &draft.slice.family);
	if (ret == 0)
		ret = jsonx_object(jx, json, fields, ARRAY_LEN(fields), &draft);
	if (ret == 0)
		ret = make_tables(jx, &draft);
	if (ret < 0)
		return ret;
	if (meta->triggered == NULL ||
	    str_to_time_us(meta->triggered, &draft.slice.triggered_us) < 0)
		draft.slice.triggered_us = 0;
	draft.slice.ports = draft.ports;
	draft.slice.endpoints = draft.endpoints;
	*out = proxy_object_pack(&draft.slice.meta);
	return 0;
}

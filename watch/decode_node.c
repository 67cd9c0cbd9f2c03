/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds without namespace: Node and ServiceCIDR. */
#include <string.h>

#include "base/mem.h"
#include "watch/decode_impl.h"

/* The cluster autoscaler puts this taint on a node that it is about to remove. */
#define LEAVING_TAINT "ToBeDeletedByClusterAutoscaler"

/** A Node being read. */
struct draft {
	struct decode_list internal_ips;
	struct decode_list external_ips;
	struct decode_list pod_cidrs;
	const char *pod_cidr;
	bool leaving;
};

/** An entry of status.addresses. */
struct address {
	const char *type;
	const char *address;
};

static int decode_address(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = {
		{ "type", jsonx_string, offsetof(struct address, type) },
		{ "address", jsonx_string, offsetof(struct address, address) },
	};
	struct address address = { .type = "", .address = "" };
	struct draft *draft = out;
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &address);

	if (ret < 0)
		return ret;
	jsonx_enter(jx, "address");
	if (strcmp(address.type, "InternalIP") == 0)
		decode_add_address(jx, address.address, &draft->internal_ips);
	else if (strcmp(address.type, "ExternalIP") == 0)
		decode_add_address(jx, address.address, &draft->external_ips);
	jsonx_leave(jx);
	return 0;
}

static int decode_node_addresses(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	int ret = decode_list_init(jx, item, sizeof(struct ipaddr), &draft->internal_ips);

	if (ret == 0)
		ret = decode_list_init(jx, item, sizeof(struct ipaddr), &draft->external_ips);
	return ret < 0 ? ret : jsonx_each(jx, item, decode_address, draft);
}

static int decode_taint(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "key", jsonx_string, 0 } };
	struct draft *draft = out;
	const char *key = "";
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &key);

	if (ret == 0 && strcmp(key, LEAVING_TAINT) == 0)
		draft->leaving = true;
	return ret;
}

static int decode_taints(struct jsonx *jx, const cJSON *item, void *out)
{
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_ADDRESSES, &count);

	return ret < 0 ? ret : jsonx_each(jx, item, decode_taint, out);
}

static int decode_node_spec(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = {
		{ "podCIDR", jsonx_string, offsetof(struct draft, pod_cidr) },
		{ "podCIDRs", decode_ranges, offsetof(struct draft, pod_cidrs) },
		{ "taints", decode_taints, 0 },
	};
	struct draft *draft = out;
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), draft);

	if (ret < 0 || draft->pod_cidrs.count > 0 || draft->pod_cidr == NULL)
		return ret;
	draft->pod_cidrs.list = jsonx_alloc(jx, 1, sizeof(struct ipcidr));
	jsonx_enter(jx, "podCIDR");
	decode_add_range(jx, draft->pod_cidr, &draft->pod_cidrs);
	jsonx_leave(jx);
	return 0;
}

static int decode_node_status(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "addresses", decode_node_addresses, 0 } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

int decode_node(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                struct proxy_meta **out)
{
	static const struct jsonx_field fields[] = {
		{ "spec", decode_node_spec, 0 },
		{ "status", decode_node_status, 0 },
	};
	struct draft draft = { .leaving = meta->deleted };
	struct proxy_node node;
	int ret = jsonx_object(jx, json, fields, ARRAY_LEN(fields), &draft);

	if (ret < 0)
		return ret;
	node = (struct proxy_node){
		.meta = meta->meta,
		.zone = meta->zone,
		.leaving = draft.leaving,
		.internal_ips = draft.internal_ips.list,
		.internal_ip_count = draft.internal_ips.count,
		.external_ips = draft.external_ips.list,
		.external_ip_count = draft.external_ips.count,
		.pod_cidrs = draft.pod_cidrs.list,
		.pod_cidr_count = draft.pod_cidrs.count,
	};
	*out = proxy_object_pack(&node.meta);
	return 0;
}

static int decode_cidr_spec(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "cidrs", decode_ranges, 0 } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

int decode_service_cidr(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                        struct proxy_meta **out)
{
	static const struct jsonx_field fields[] = { { "spec", decode_cidr_spec, 0 } };
	struct decode_list cidrs = { 0 };
	struct proxy_service_cidr cidr = { .meta = meta->meta };
	int ret = jsonx_object(jx, json, fields, ARRAY_LEN(fields), &cidrs);

	if (ret < 0)
		return ret;
	cidr.cidrs = cidrs.list;
	cidr.cidr_count = cidrs.count;
	*out = proxy_object_pack(&cidr.meta);
	return 0;
}

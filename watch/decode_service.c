/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "watch/decode_impl.h"

#define AFFINITY_DEFAULT_S 10800
#define AFFINITY_MAX_S 86400

/** A Service being read. */
struct draft {
	struct proxy_service service;
	struct decode_list external_ips;
	struct decode_list ingress_ips;
	struct decode_list source_ranges;
	struct proxy_service_port *ports;
	const cJSON *timeout; /* of sessionAffinityConfig.clientIP; NULL: none */
	double timeout_s;
	bool client_ip; /* sessionAffinity */
};

static int decode_type(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct {
		const char *text;
		enum proxy_service_type type;
	} types[] = {
		{ "", PROXY_CLUSTER_IP },
		{ "ClusterIP", PROXY_CLUSTER_IP },
		{ "NodePort", PROXY_NODE_PORT },
		{ "LoadBalancer", PROXY_LOAD_BALANCER },
		{ "ExternalName", PROXY_EXTERNAL_NAME },
	};
	struct draft *draft = out;
	char quoted[JSONX_QUOTE];
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0)
		return ret;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (strcmp(types[i].text, text) == 0) {
			draft->service.type = types[i].type;
			return 0;
		}
	}
	return jsonx_fail(jx, EINVAL,
	                  "'%s' is not one of ClusterIP, NodePort, LoadBalancer, ExternalName",
	                  jsonx_quote(text, quoted));
}

/* struct ipaddr; "" and "None" mean none. */
static int decode_cluster_ip(struct jsonx *jx, const cJSON *item, void *out)
{
	char quoted[JSONX_QUOTE];
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0 || *text == '\0' || strcmp(text, "None") == 0)
		return ret;
	if (ipaddr_parse(text, out, NULL) < 0)
		return jsonx_fail(jx, EINVAL, "'%s' is not an IP address",
		                  jsonx_quote(text, quoted));
	return 0;
}

static int decode_cluster_ips(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	size_t i = 0;
	int ret = jsonx_count(jx, item, ARRAY_LEN(draft->service.cluster_ips), &i);

	i = 0;
	for (const cJSON *ip = item->child; ret == 0 && ip != NULL; ip = ip->next, i++) {
		jsonx_enter_index(jx, i);
		ret = decode_cluster_ip(jx, ip, &draft->service.cluster_ips[i]);
		jsonx_leave(jx);
	}
	return ret;
}

static int decode_family(struct jsonx *jx, const cJSON *item, uint8_t *out)
{
	char quoted[JSONX_QUOTE];
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0)
		return ret;
	if (strcmp(text, "IPv4") == 0)
		*out = 4;
	else if (strcmp(text, "IPv6") == 0)
		*out = 6;
	else
		return jsonx_fail(jx, EINVAL, "'%s' is not one of IPv4, IPv6",
		                  jsonx_quote(text, quoted));
	return 0;
}

static int decode_families(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	size_t i = 0;
	int ret = jsonx_count(jx, item, ARRAY_LEN(draft->service.ip_families), &i);

	i = 0;
	for (const cJSON *family = item->child; ret == 0 && family != NULL;
	     family = family->next, i++) {
		jsonx_enter_index(jx, i);
		ret = decode_family(jx, family, &draft->service.ip_families[i]);
		jsonx_leave(jx);
	}
	return ret;
}

/* bool: is a traffic policy "Local"? All other values mean Cluster. */
static int decode_policy(struct jsonx *jx, const cJSON *item, void *out)
{
	bool *to = out;
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret == 0)
		*to = strcmp(text, "Local") == 0;
	return ret;
}

static int decode_affinity(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret == 0)
		draft->client_ip = strcmp(text, "ClientIP") == 0;
	return ret;
}

static int decode_timeout(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;

	draft->timeout = item;
	return jsonx_number(jx, item, &draft->timeout_s);
}

static int decode_client_ip(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "timeoutSeconds", decode_timeout, 0 } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

static int decode_affinity_config(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "clientIP", decode_client_ip, 0 } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

/* The timeout is read only where there is affinity, so it is judged when both are known. */
static uint32_t affinity_of(struct jsonx *jx, const struct draft *draft)
{
	double timeout_s = draft->timeout_s;
	uint32_t use_s;

	if (!draft->client_ip)
		return 0;
	if (draft->timeout == NULL)
		return AFFINITY_DEFAULT_S;
	if (timeout_s >= 1 && timeout_s <= AFFINITY_MAX_S)
		return (uint32_t)timeout_s;
	use_s = timeout_s < 0 ? 1 : timeout_s > 0 ? AFFINITY_MAX_S : AFFINITY_DEFAULT_S;
	jsonx_note(jx,
	           "spec.sessionAffinityConfig.clientIP.timeoutSeconds: %g is not in 1-%d, taken "
	           "as %u",
	           timeout_s, AFFINITY_MAX_S, use_s);
	return use_s;
}

static const struct jsonx_field port_fields[] = {
	{ "name", decode_port_name, offsetof(struct proxy_service_port, name) },
	{ "port", jsonx_port, offsetof(struct proxy_service_port, port) },
	{ "nodePort", jsonx_port_or_none, offsetof(struct proxy_service_port, node_port) },
	{ "protocol", decode_protocol, offsetof(struct proxy_service_port, protocol) },
};

static int decode_port(struct jsonx *jx, const cJSON *item, void *out)
{
	struct draft *draft = out;
	struct proxy_service_port *port = &draft->ports[draft->service.port_count++];
	int ret;

	*port = (struct proxy_service_port){ .name = "", .protocol = PROXY_TCP };
	ret = jsonx_object(jx, item, port_fields, ARRAY_LEN(port_fields), port);
	if (ret < 0)
		return ret;
	return port->port == 0 ? jsonx_missing(jx, "port") : 0;
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

static const struct jsonx_field spec_fields[] = {
	{ "ports", decode_ports, 0 },
	{ "clusterIP", decode_cluster_ip, offsetof(struct draft, service.cluster_ip) },
	{ "clusterIPs", decode_cluster_ips, 0 },
	{ "ipFamilies", decode_families, 0 },
	{ "type", decode_type, 0 },
	{ "externalTrafficPolicy", decode_policy, offsetof(struct draft, service.external_local) },
	{ "internalTrafficPolicy", decode_policy, offsetof(struct draft, service.internal_local) },
	{ "sessionAffinity", decode_affinity, 0 },
	{ "sessionAffinityConfig", decode_affinity_config, 0 },
	{ "healthCheckNodePort", jsonx_port_or_none,
	  offsetof(struct draft, service.health_check_node_port) },
	{ "externalIPs", decode_addresses, offsetof(struct draft, external_ips) },
	{ "loadBalancerSourceRanges", decode_ranges, offsetof(struct draft, source_ranges) },
};

static int decode_spec(struct jsonx *jx, const cJSON *item, void *out)
{
	return jsonx_object(jx, item, spec_fields, ARRAY_LEN(spec_fields), out);
}

/** An entry of status.loadBalancer.ingress. */
struct ingress {
	const char *ip;
	const char *mode;
};

static int decode_ingress_entry(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = {
		{ "ip", jsonx_string, offsetof(struct ingress, ip) },
		{ "ipMode", jsonx_string, offsetof(struct ingress, mode) },
	};
	struct ingress ingress = { .ip = "", .mode = "VIP" };
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &ingress);

	if (ret < 0 || strcmp(ingress.mode, "VIP") != 0)
		return ret;
	jsonx_enter(jx, "ip");
	decode_add_address(jx, ingress.ip, out);
	jsonx_leave(jx);
	return 0;
}

static int decode_ingress(struct jsonx *jx, const cJSON *item, void *out)
{
	int ret = decode_list_init(jx, item, sizeof(struct ipaddr), out);

	return ret < 0 ? ret : jsonx_each(jx, item, decode_ingress_entry, out);
}

static int decode_load_balancer(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "ingress", decode_ingress,
		                                       offsetof(struct draft, ingress_ips) } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

static int decode_status(struct jsonx *jx, const cJSON *item, void *out)
{
	static const struct jsonx_field fields[] = { { "loadBalancer", decode_load_balancer, 0 } };

	return jsonx_object(jx, item, fields, ARRAY_LEN(fields), out);
}

static const struct jsonx_field service_fields[] = {
	{ "spec", decode_spec, 0 },
	{ "status", decode_status, 0 },
};

/* What the API server's field selector spec.clusterIP!=None leaves out. */
static bool is_headless(const cJSON *json)
{
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(json, "spec");
	const char *ip = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "clusterIP"));

	return ip != NULL && strcmp(ip, "None") == 0;
}

int decode_service(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                   struct proxy_meta **out)
{
	struct draft draft = { .service = { .meta = meta->meta, .type = PROXY_CLUSTER_IP } };
	struct proxy_service *service = &draft.service;
	int ret;

	if (meta->other_proxy || is_headless(json)) {
		*out = NULL;
		return 0;
	}
	ret = jsonx_object(jx, json, service_fields, ARRAY_LEN(service_fields), &draft);
	if (ret < 0)
		return ret;
	service->affinity_s = affinity_of(jx, &draft);
	service->ports = draft.ports;
	service->external_ips = draft.external_ips.list;
	service->external_ip_count = draft.external_ips.count;
	service->ingress_ips = draft.ingress_ips.list;
	service->ingress_ip_count = draft.ingress_ips.count;
	service->source_ranges = draft.source_ranges.list;
	service->source_range_count = draft.source_ranges.count;
	*out = proxy_object_pack(&service->meta);
	return 0;
}

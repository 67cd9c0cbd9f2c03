/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/decode_impl.h"

#define SUBJECT_TEXT (2 * PROXY_MAX_NAME + 80)

typedef int (*decode_fn)(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                         struct proxy_meta **out);

static const struct kind_info {
	enum proxy_kind kind;
	const char *text;
	const char *group; /* of apiVersion; "" for the core group */
	bool has_namespace;
	decode_fn decode;
} kinds[] = {
	{ PROXY_ENDPOINT_SLICE, "EndpointSlice", "discovery.k8s.io", true, decode_slice },
	{ PROXY_SERVICE, "Service", "", true, decode_service },
	{ PROXY_NODE, "Node", "", false, decode_node },
	{ PROXY_SERVICE_CIDR, "ServiceCIDR", "networking.k8s.io", false, decode_service_cidr },
};

/* "discovery.k8s.io/v1" is of the group "discovery.k8s.io", "v1" of the core group. */
static bool is_of_group(const char *api_version, const char *group)
{
	const char *slash = strchr(api_version, '/');
	size_t len = slash != NULL ? (size_t)(slash - api_version) : 0;

	return strlen(group) == len && strncmp(api_version, group, len) == 0;
}

/* Other groups have kinds of the same name: serving.knative.dev has a Service. */
static const struct kind_info *find_kind(const char *text, const char *api_version)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].text, text) == 0)
			return api_version == NULL || is_of_group(api_version, kinds[i].group)
			               ? &kinds[i]
			               : NULL;
	}
	return NULL;
}

static const char *peek(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* For messages: bytes that a name cannot have are replaced, what does not fit is cut. */
static void copy_name(char *to, size_t size, const char *from)
{
	size_t len = 0;

	for (; from != NULL && from[len] != '\0' && len < size - 1; len++)
		to[len] = (char)(jsonx_is_name_char(from[len]) ? from[len] : '?');
	to[len] = '\0';
}

/* Fills @ident as well as it can, whatever is wrong with the object. */
static const struct kind_info *identify(const cJSON *json, const char *kind,
                                        struct watch_ident *ident)
{
	const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(json, "metadata");
	const char *text = peek(json, "kind");
	const char *ns = peek(metadata, "namespace");
	const struct kind_info *info;

	if (text == NULL || *text == '\0')
		text = kind != NULL ? kind : "";
	info = find_kind(text, peek(json, "apiVersion"));
	if (info != NULL && info->has_namespace && (ns == NULL || *ns == '\0'))
		ns = "default";
	if (info != NULL && !info->has_namespace)
		ns = "";
	*ident = (struct watch_ident){ .kind = info != NULL ? info->kind : 0 };
	copy_name(ident->kind_text, sizeof(ident->kind_text), text);
	copy_name(ident->namespace, sizeof(ident->namespace), ns);
	copy_name(ident->name, sizeof(ident->name), peek(metadata, "name"));
	return info;
}

const char *watch_ident_format(const struct watch_ident *ident, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%s %s%s%s",
	               ident->kind_text[0] != '\0' ? ident->kind_text : "object", ident->namespace,
	               ident->namespace[0] != '\0' ? "/" : "",
	               ident->name[0] != '\0' ? ident->name : "(without name)");
	return buf;
}

static const struct jsonx_field label_fields[] = {
	{ "kubernetes.io/service-name", jsonx_name, offsetof(struct decode_meta, service) },
	{ "service.kubernetes.io/headless", jsonx_is_given,
	  offsetof(struct decode_meta, headless) },
	{ "service.kubernetes.io/service-proxy-name", jsonx_is_given,
	  offsetof(struct decode_meta, other_proxy) },
	{ "topology.kubernetes.io/zone", jsonx_name, offsetof(struct decode_meta, zone) },
};

static int decode_labels(struct jsonx *jx, const cJSON *item, void *out)
{
	return jsonx_object(jx, item, label_fields, ARRAY_LEN(label_fields), out);
}

/* Nothing depends on what is in here but a statistic: never a reason to refuse an object. */
static int peek_annotations(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **triggered = out;

	(void)jx;
	*triggered = peek(item, "endpoints.kubernetes.io/last-change-trigger-time");
	return 0;
}

static const struct jsonx_field metadata_fields[] = {
	{ "annotations", peek_annotations, offsetof(struct decode_meta, triggered) },
	{ "name", jsonx_name, offsetof(struct decode_meta, meta.name) },
	{ "namespace", jsonx_name, offsetof(struct decode_meta, meta.namespace) },
	{ "creationTimestamp", jsonx_string, offsetof(struct decode_meta, created) },
	{ "deletionTimestamp", jsonx_is_given, offsetof(struct decode_meta, deleted) },
	{ "labels", decode_labels, 0 },
};

static int decode_metadata(struct jsonx *jx, const cJSON *item, void *out)
{
	struct decode_meta *meta = out;
	char quoted[JSONX_QUOTE];
	int ret = jsonx_object(jx, item, metadata_fields, ARRAY_LEN(metadata_fields), meta);

	if (ret < 0)
		return ret;
	if (meta->meta.name == NULL || meta->meta.name[0] == '\0')
		return jsonx_missing(jx, "name");
	if (meta->created != NULL && str_to_time(meta->created, &meta->meta.created) < 0) {
		jsonx_enter(jx, "creationTimestamp");
		jsonx_note(jx, "'%s' is not a time", jsonx_quote(meta->created, quoted));
		jsonx_leave(jx);
	}
	return 0;
}

/** The members that all kinds have. */
struct head {
	const char *kind;
	const char *api_version;
	struct decode_meta meta;
};

static const struct jsonx_field head_fields[] = {
	{ "kind", jsonx_string, offsetof(struct head, kind) },
	{ "apiVersion", jsonx_string, offsetof(struct head, api_version) },
	{ "metadata", decode_metadata, offsetof(struct head, meta) },
};

static int decode_known(struct jsonx *jx, const cJSON *json, const struct kind_info *info,
                        struct proxy_meta **out)
{
	struct head head = { .meta = { .service = "", .zone = "" } };
	struct proxy_meta *meta = &head.meta.meta;
	int ret = jsonx_object(jx, json, head_fields, ARRAY_LEN(head_fields), &head);

	if (ret < 0)
		return ret;
	if (meta->name == NULL)
		return jsonx_missing(jx, "metadata");
	meta->kind = info->kind;
	if (!info->has_namespace)
		meta->namespace = "";
	else if (meta->namespace == NULL || meta->namespace[0] == '\0')
		meta->namespace = "default";
	return info->decode(jx, json, &head.meta, out);
}

int watch_decode(const cJSON *json, const char *kind, struct watch_ident *ident,
                 struct proxy_meta **out, struct diags *diags, struct err *err)
{
	const struct kind_info *info = identify(json, kind, ident);
	char subject[SUBJECT_TEXT];
	struct jsonx jx;
	int ret;

	if (!cJSON_IsObject(json))
		return err_set(err, EINVAL, "not an object");
	if (ident->kind_text[0] == '\0')
		return err_set(err, EINVAL, "kind: missing");
	if (info == NULL) {
		*out = NULL;
		return 0;
	}
	jsonx_init(&jx, diags, watch_ident_format(ident, subject, sizeof(subject)), err);
	ret = decode_known(&jx, json, info, out);
	jsonx_done(&jx);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the entry of a cluster and that of a user say. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "watch/base64.h"
#include "watch/kubeconfig_impl.h"
#include "watch/url.h"

struct cluster {
	const char *server;
	const char *tls_server_name;
	const char *proxy_url;
	const char *ca;
	const char *ca_data;
	bool insecure;
};

struct user {
	const char *cert;
	const char *cert_data;
	const char *key;
	const char *key_data;
	const char *token;
	const char *token_file;
	const char *username;
	const char *password;
};

int kubeconfig_text(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **to = out;
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0)
		return ret;
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return jsonx_fail(jx, EINVAL, "a line break or another control character");
	if (text[0] != '\0')
		*to = text;
	return 0;
}

/* Base64, perhaps with line breaks; empty means absent. */
static int decode_data(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **to = out;
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret == 0 && text[0] != '\0')
		*to = text;
	return ret;
}

static int refuse_plugin(struct jsonx *jx, const cJSON *item, void *out)
{
	(void)item;
	(void)out;
	return jsonx_fail(jx, EOPNOTSUPP,
	                  "plugins are not run; use tokenFile, token or client-certificate");
}

/* Empty is what an encoder may write for a user that impersonates nobody. */
static int refuse_impersonation(struct jsonx *jx, const cJSON *item, void *out)
{
	bool is_empty = cJSON_IsString(item) ? item->valuestring[0] == '\0' : item->child == NULL;

	(void)out;
	if (is_empty && !cJSON_IsNumber(item) && !cJSON_IsBool(item))
		return 0;
	return jsonx_fail(jx, EOPNOTSUPP,
	                  "impersonation is not supported; name a user that has the rights itself");
}

static const struct jsonx_field cluster_fields[] = {
	{ "server", kubeconfig_text, offsetof(struct cluster, server) },
	{ "tls-server-name", kubeconfig_text, offsetof(struct cluster, tls_server_name) },
	{ "proxy-url", kubeconfig_text, offsetof(struct cluster, proxy_url) },
	{ "certificate-authority", kubeconfig_text, offsetof(struct cluster, ca) },
	{ "certificate-authority-data", decode_data, offsetof(struct cluster, ca_data) },
	{ "insecure-skip-tls-verify", jsonx_bool, offsetof(struct cluster, insecure) },
};

/* Basic authentication ends the name at the first colon (RFC 7617, section 2). */
static int decode_username(struct jsonx *jx, const cJSON *item, void *out)
{
	int ret = kubeconfig_text(jx, item, out);

	if (ret == 0 && strchr(item->valuestring, ':') != NULL)
		return jsonx_fail(jx, EINVAL, "a colon, which a user name cannot have");
	return ret;
}

static const struct jsonx_field user_fields[] = {
	{ "client-certificate", kubeconfig_text, offsetof(struct user, cert) },
	{ "client-certificate-data", decode_data, offsetof(struct user, cert_data) },
	{ "client-key", kubeconfig_text, offsetof(struct user, key) },
	{ "client-key-data", decode_data, offsetof(struct user, key_data) },
	{ "token", kubeconfig_text, offsetof(struct user, token) },
	{ "tokenFile", kubeconfig_text, offsetof(struct user, token_file) },
	{ "username", decode_username, offsetof(struct user, username) },
	{ "password", kubeconfig_text, offsetof(struct user, password) },
	{ "exec", refuse_plugin, 0 },
	{ "auth-provider", refuse_plugin, 0 },
	{ "as", refuse_impersonation, 0 },
	{ "as-uid", refuse_impersonation, 0 },
	{ "as-groups", refuse_impersonation, 0 },
	{ "as-user-extra", refuse_impersonation, 0 },
};

int kubeconfig_fail_at(struct jsonx *jx, const char *key, int ret, const struct err *why)
{
	jsonx_enter(jx, key);
	ret = jsonx_fail(jx, -ret, "%s", why->msg);
	jsonx_leave(jx);
	return ret;
}

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

static int set_material(struct jsonx *jx, const char *data_key, const char *data, const char *path,
                        const char *dir, struct watch_material *out)
{
	struct err why = { 0 };
	size_t len = 0;
	int ret;

	if (data == NULL) {
		out->path = path != NULL ? kubeconfig_join(dir, path) : NULL;
		return 0;
	}
	if (base64_decode(data, &out->pem, &len) < 0) {
		ret = err_set(&why, EINVAL, "not base64");
	} else if (strlen(out->pem) != len || strstr(out->pem, "-----BEGIN ") == NULL) {
		explicit_bzero(out->pem, len); /* also what is behind a NUL byte */
		ret = err_set(&why, EINVAL, "no PEM text is encoded in it");
	} else {
		return 0;
	}
	return kubeconfig_fail_at(jx, data_key, ret, &why);
}

static int set_server(struct jsonx *jx, const struct cluster *from, struct watch_cluster *to)
{
	struct err why = { 0 };
	int ret;

	if (from->server == NULL)
		return jsonx_missing(jx, "server");
	ret = url_server(from->server, &to->server, &why);
	if (ret < 0)
		return kubeconfig_fail_at(jx, "server", ret, &why);
	if (from->proxy_url != NULL && (ret = url_check_proxy(from->proxy_url, &why)) < 0)
		return kubeconfig_fail_at(jx, "proxy-url", ret, &why);
	if (from->tls_server_name != NULL && !url_is_host(from->tls_server_name)) {
		ret = err_set(&why, EINVAL, "neither a name nor an address");
		return kubeconfig_fail_at(jx, "tls-server-name", ret, &why);
	}
	to->proxy_url = copy(from->proxy_url);
	to->tls_server_name = copy(from->tls_server_name);
	return 0;
}

int kubeconfig_cluster(struct jsonx *jx, const cJSON *json, const char *dir,
                       struct watch_cluster *to)
{
	struct cluster from = { 0 };
	int ret = jsonx_object(jx, json, cluster_fields, ARRAY_LEN(cluster_fields), &from);

	if (ret == 0)
		ret = set_server(jx, &from, to);
	if (ret == 0 && from.insecure && (from.ca != NULL || from.ca_data != NULL))
		ret = jsonx_fail(jx, EINVAL,
		                 "a certificate-authority together with insecure-skip-tls-verify");
	if (ret == 0)
		ret = set_material(jx, "certificate-authority-data", from.ca_data, from.ca, dir,
		                   &to->ca);
	to->insecure = from.insecure;
	return ret;
}

static int set_certificate(struct jsonx *jx, const struct user *from, const char *dir,
                           struct watch_cluster *to)
{
	bool has_cert = from->cert != NULL || from->cert_data != NULL;
	bool has_key = from->key != NULL || from->key_data != NULL;
	int ret;

	if (has_cert && !has_key)
		return jsonx_fail(jx, EINVAL, "a client-certificate without client-key");
	if (has_key && !has_cert)
		return jsonx_fail(jx, EINVAL, "a client-key without client-certificate");
	ret = set_material(jx, "client-certificate-data", from->cert_data, from->cert, dir,
	                   &to->cert);
	if (ret < 0)
		return ret;
	return set_material(jx, "client-key-data", from->key_data, from->key, dir, &to->key);
}

int kubeconfig_user(struct jsonx *jx, const cJSON *json, const char *dir, struct watch_cluster *to)
{
	struct user from = { 0 };
	int ret = jsonx_object(jx, json, user_fields, ARRAY_LEN(user_fields), &from);

	if (ret < 0)
		return ret;
	if (from.username == NULL && from.password != NULL)
		return jsonx_missing(jx, "username");
	if (from.username != NULL && (from.token != NULL || from.token_file != NULL))
		return jsonx_fail(jx, EINVAL, "both a token and a username; the server takes one");
	if (from.token_file != NULL)
		to->token_file = kubeconfig_join(dir, from.token_file);
	else
		to->token = copy(from.token);
	if (from.username != NULL) {
		to->username = xstrdup(from.username);
		to->password = xstrdup(from.password != NULL ? from.password : "");
	}
	return set_certificate(jx, &from, dir, to);
}

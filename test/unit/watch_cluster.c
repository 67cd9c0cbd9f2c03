/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/watch_cluster.h"

#include <string.h>

static void add_text(struct strbuf *buf, const char *key, const char *text)
{
	if (text != NULL)
		strbuf_printf(buf, " %s=%s", key, text);
}

static void add_material(struct strbuf *buf, const char *key, const struct watch_material *from)
{
	add_text(buf, key, from->path);
	if (from->pem != NULL)
		strbuf_printf(buf, " %s=(%s)", key, from->pem);
}

void describe_cluster(struct strbuf *buf, const struct watch_cluster *cluster)
{
	strbuf_puts(buf, cluster->server != NULL ? cluster->server : "(none)");
	add_text(buf, "name", cluster->tls_server_name);
	add_text(buf, "proxy", cluster->proxy_url);
	strbuf_puts(buf, cluster->insecure ? " insecure" : "");
	add_material(buf, "ca", &cluster->ca);
	add_material(buf, "cert", &cluster->cert);
	add_material(buf, "key", &cluster->key);
	add_text(buf, "token", cluster->token);
	add_text(buf, "token-file", cluster->token_file);
	add_text(buf, "username", cluster->username);
	add_text(buf, "password", cluster->password);
}

static bool is_set(const struct watch_material *material)
{
	return material->pem != NULL || material->path != NULL;
}

static bool is_material_sane(const struct watch_material *material)
{
	if (material->path != NULL)
		return material->pem == NULL && material->path[0] != '\0';
	return material->pem == NULL || strstr(material->pem, "-----BEGIN ") != NULL;
}

static bool is_server_sane(const char *server)
{
	return server != NULL &&
	       (str_starts(server, "https://") || str_starts(server, "http://")) &&
	       server[strlen(server) - 1] != '/' && strpbrk(server, " ?#\\\r\n") == NULL;
}

bool cluster_is_sane(const struct watch_cluster *cluster)
{
	return is_server_sane(cluster->server) && is_material_sane(&cluster->ca) &&
	       is_material_sane(&cluster->cert) && is_material_sane(&cluster->key) &&
	       is_set(&cluster->cert) == is_set(&cluster->key) &&
	       !(cluster->insecure && is_set(&cluster->ca)) &&
	       (cluster->username == NULL) == (cluster->password == NULL) &&
	       (cluster->token != NULL) + (cluster->token_file != NULL) +
	                       (cluster->username != NULL) <=
	               1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/jsonx.h"
#include "watch/kubeconfig_impl.h"
#include "watch/url.h"

void kubeconfig_wipe(char *text)
{
	if (text == NULL)
		return;
	explicit_bzero(text, strlen(text));
	free(text);
}

char *kubeconfig_join(const char *dir, const char *path)
{
	struct strbuf joined = { 0 };
	size_t len = strlen(dir);

	if (len == 0 || path[0] == '/')
		return xstrdup(path);
	strbuf_puts(&joined, dir);
	if (dir[len - 1] != '/')
		strbuf_puts(&joined, "/");
	strbuf_puts(&joined, path);
	return joined.text;
}

/* A proxy sees what goes to a loopback address, too. */
int kubeconfig_check_exposure(const struct watch_cluster *cluster, const char *server,
                              struct err *err)
{
	bool has_secret =
		cluster->token != NULL || cluster->token_file != NULL || cluster->username != NULL;
	bool is_proxied = cluster->proxy_url != NULL && str_starts(server, "http://");

	if (has_secret && (is_proxied || url_is_exposed(server)))
		return err_set(err, EINVAL,
		               "a token or password is not sent unencrypted; use https://");
	return 0;
}

int watch_cluster_of_pod(const char *host, const char *port, const char *dir,
                         struct watch_cluster *out, struct err *err)
{
	struct strbuf server = { 0 };
	char quoted[JSONX_QUOTE];
	uint32_t number = 0;
	bool is_ipv6;

	if (host == NULL || host[0] == '\0')
		return err_set(err, EINVAL, "KUBERNETES_SERVICE_HOST: not set");
	if (port == NULL || port[0] == '\0')
		return err_set(err, EINVAL, "KUBERNETES_SERVICE_PORT: not set");
	if (!url_is_host(host))
		return err_set(err, EINVAL,
		               "KUBERNETES_SERVICE_HOST: '%s' is neither a name nor an address",
		               jsonx_quote(host, quoted));
	if (str_to_u32(port, UINT16_MAX, &number) < 0 || number == 0)
		return err_set(err, EINVAL, "KUBERNETES_SERVICE_PORT: '%s' is not in 1-65535",
		               jsonx_quote(port, quoted));
	is_ipv6 = strchr(host, ':') != NULL;
	strbuf_printf(&server, "https://%s%s%s:%u", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "",
	              number);
	*out = (struct watch_cluster){
		.server = server.text,
		.ca = { .path = kubeconfig_join(dir, "ca.crt") },
		.token_file = kubeconfig_join(dir, "token"),
	};
	return 0;
}

/* The URL of "host:port", "host" and "host:port/"; a path needs a scheme, as for kube-proxy. */
static int complete_server(const char *text, char **out, struct err *err)
{
	struct strbuf url AUTO_STRBUF = { 0 };
	const char *slash = strchr(text, '/');

	if (strstr(text, "://") != NULL)
		return url_server(text, out, err);
	if (slash != NULL && slash[1] != '\0')
		return err_set(err, EINVAL, "neither a URL nor host:port");
	strbuf_printf(&url, "http://%s", text);
	return url_server(url.text, out, err);
}

int watch_cluster_set_server(struct watch_cluster *cluster, const char *server, struct err *err)
{
	char *url = NULL;
	int ret = complete_server(server, &url, err);

	if (ret < 0)
		return ret;
	ret = kubeconfig_check_exposure(cluster, url, err);
	if (ret < 0) {
		free(url);
		return ret;
	}
	kubeconfig_wipe(cluster->server);
	kubeconfig_wipe(cluster->tls_server_name);
	cluster->server = url;
	cluster->tls_server_name = NULL;
	return 0;
}

void watch_cluster_done(struct watch_cluster *cluster)
{
	char *const owned[] = {
		cluster->server,   cluster->tls_server_name, cluster->proxy_url,  cluster->ca.pem,
		cluster->ca.path,  cluster->cert.pem,        cluster->cert.path,  cluster->key.pem,
		cluster->key.path, cluster->token,           cluster->token_file, cluster->username,
		cluster->password,
	};

	for (size_t i = 0; i < ARRAY_LEN(owned); i++)
		kubeconfig_wipe(owned[i]);
	*cluster = (struct watch_cluster){ 0 };
}

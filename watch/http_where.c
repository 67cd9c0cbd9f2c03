/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/http_where.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/** What a URL consists of; from curl_url_get(). */
struct parts {
	char *scheme;
	char *host; /* an IPv6 address has brackets */
	char *port; /* also when the URL has none */
	char *path;
};

static void free_parts(struct parts *parts)
{
	curl_free(parts->scheme);
	curl_free(parts->host);
	curl_free(parts->port);
	curl_free(parts->path);
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool is_there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return is_there;
}

static bool split_url(CURLU *url, const char *server, struct parts *out)
{
	return curl_url_set(url, CURLUPART_URL, server, CURLU_DISALLOW_USER) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_SCHEME, &out->scheme, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_HOST, &out->host, 0) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_PORT, &out->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_PATH, &out->path, 0) == CURLUE_OK &&
	       !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT) &&
	       (strcmp(out->scheme, "https") == 0 || strcmp(out->scheme, "http") == 0);
}

/* A name or an address as it stands in a certificate. */
static bool is_tls_name(const char *name)
{
	return *name != '\0' && strlen(name) < 256 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") ==
	               strlen(name);
}

static char *join(const char *scheme, const char *host, const char *port, const char *path)
{
	struct strbuf text = { 0 };
	bool is_bare = strchr(host, ':') != NULL && *host != '[';
	size_t len = strlen(path);

	if (len > 0 && path[len - 1] == '/')
		len--;
	strbuf_printf(&text, "%s%s%s%s:%s", scheme, is_bare ? "[" : "", host, is_bare ? "]" : "",
	              port);
	strbuf_add(&text, path, len);
	return text.text;
}

static void join_parts(const struct parts *parts, const char *tls_name, struct http_where *out)
{
	const char *scheme = strcmp(parts->scheme, "https") == 0 ? "https://" : "http://";

	out->is_tls = strcmp(parts->scheme, "https") == 0;
	out->origin = join(scheme, parts->host, parts->port, "");
	if (!out->is_tls || tls_name == NULL) {
		out->base = join(scheme, parts->host, parts->port, parts->path);
		return;
	}
	out->base = join(scheme, tls_name, parts->port, parts->path);
	out->connect_to = join("::", parts->host, parts->port, "");
	out->host = join("Host: ", parts->host, parts->port, "");
}

int http_where_init(const struct watch_cluster *cluster, struct http_where *out, struct err *err)
{
	const char *name = cluster->tls_server_name;
	struct parts parts = { 0 };
	CURLU *url = curl_url();
	int ret = 0;

	ASSERT(url != NULL);
	if (!split_url(url, cluster->server, &parts)) {
		ret = err_set(err, EINVAL, "server: not a URL of the form https://host:port/path");
	} else if (name != NULL && !is_tls_name(name)) {
		ret = err_set(err, EINVAL, "tls-server-name: not a host name or address");
	} else {
		*out = (struct http_where){ 0 };
		join_parts(&parts, name, out);
	}
	free_parts(&parts);
	curl_url_cleanup(url);
	return ret;
}

void http_where_done(struct http_where *where)
{
	free(where->origin);
	free(where->base);
	free(where->connect_to);
	free(where->host);
	*where = (struct http_where){ 0 };
}

bool http_where_is_target(const char *target)
{
	if (*target != '/')
		return false;
	for (const char *p = target; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return false;
	}
	return true;
}

char *http_where_proxy(const char *proxy_url)
{
	struct strbuf text = { 0 };

	if (!str_starts(proxy_url, "socks5://"))
		return xstrdup(proxy_url);
	strbuf_printf(&text, "socks5h://%s", proxy_url + strlen("socks5://"));
	return text.text;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "base/ipaddr.h"
#include "base/mem.h"
#include "base/str.h"

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define NAME_CHARS ALPHANUMERIC "-._"
#define HEX_DIGITS "0123456789abcdefABCDEF"
/* unreserved and sub-delims of RFC 3986, and the percent sign, which is checked apart */
#define COMMON_CHARS ALPHANUMERIC "-._~!$&'()*+,;=%"
#define USERINFO_CHARS COMMON_CHARS ":"
#define PATH_CHARS COMMON_CHARS ":@/"

#define MAX_NAME 253

/** A stretch of a text. */
struct span {
	const char *at;
	size_t len;
};

/** A URL, cut; what is not there is empty. */
struct parts {
	struct span scheme;
	struct span user; /* and password */
	bool has_user;
	struct span host; /* brackets included */
	struct span port;
	bool has_port;
	struct span path; /* and everything behind it */
};

/* Copies what fits into a small buffer; a longer one is nothing that its reader knows. */
static bool span_copy(struct span span, char *buf, size_t size)
{
	if (span.len >= size)
		return false;
	memcpy(buf, span.at, span.len);
	buf[span.len] = '\0';
	return true;
}

static bool span_is(struct span span, const char *word)
{
	return span.len == strlen(word) && strncasecmp(span.at, word, span.len) == 0;
}

static bool has_only(struct span span, const char *chars)
{
	for (size_t i = 0; i < span.len; i++)
		if (span.at[i] == '\0' || strchr(chars, span.at[i]) == NULL)
			return false;
	return true;
}

/* Has it only @chars, and two digits behind each percent sign? */
static bool is_encoded(struct span span, const char *chars)
{
	if (!has_only(span, chars))
		return false;
	for (size_t i = 0; i < span.len; i++)
		if (span.at[i] == '%' &&
		    (span.len - i < 3 ||
		     !has_only((struct span){ span.at + i + 1, 2 }, HEX_DIGITS)))
			return false;
	return true;
}

/* Strictly, as inet_pton(3) does: others read 0127.0.0.1 as octal. */
static struct ipaddr read_address(struct span span)
{
	struct ipaddr addr = { 0 };
	char text[INET6_ADDRSTRLEN];

	if (!span_copy(span, text, sizeof(text)))
		return addr;
	if (inet_pton(AF_INET, text, addr.bytes) == 1)
		addr.family = 4;
	else if (inet_pton(AF_INET6, text, addr.bytes) == 1)
		addr.family = 6;
	return addr;
}

static bool is_bracketed(struct span host)
{
	return host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
}

static struct span without_brackets(struct span host)
{
	return is_bracketed(host) ? (struct span){ host.at + 1, host.len - 2 } : host;
}

static bool is_name(struct span span)
{
	return span.len > 0 && span.len <= MAX_NAME && has_only(span, NAME_CHARS);
}

static bool is_host(struct span host)
{
	return is_bracketed(host) ? read_address(without_brackets(host)).family == 6
	                          : is_name(host);
}

/* scheme://[user@]host[:port]; what comes behind is the path. False without "://". */
static bool split(const char *text, struct parts *parts)
{
	const char *colon = strstr(text, "://");
	struct span rest;
	const char *at;
	size_t host;

	if (colon == NULL)
		return false;
	*parts = (struct parts){ .scheme = { text, (size_t)(colon - text) } };
	rest = (struct span){ colon + 3, strcspn(colon + 3, "/?#\\") };
	parts->path = (struct span){ rest.at + rest.len, strlen(rest.at + rest.len) };
	at = memrchr(rest.at, '@', rest.len);
	if (at != NULL) {
		parts->has_user = true;
		parts->user = (struct span){ rest.at, (size_t)(at - rest.at) };
		rest = (struct span){ at + 1, rest.len - parts->user.len - 1 };
	}
	at = memchr(rest.at, ']', rest.len);
	host = at != NULL ? (size_t)(at - rest.at) + 1 : 0;
	while (host < rest.len && rest.at[host] != ':')
		host++;
	parts->host = (struct span){ rest.at, host };
	if (host < rest.len) {
		parts->has_port = true;
		parts->port = (struct span){ rest.at + host + 1, rest.len - host - 1 };
	}
	return true;
}

static int check_host_and_port(const struct parts *parts, struct err *err)
{
	char digits[6];
	uint32_t port = 0;

	if (parts->host.len == 0)
		return err_set(err, EINVAL, "no host in the URL");
	if (!is_host(parts->host))
		return err_set(err, EINVAL,
		               "the host is neither a name, an IPv4 address nor an IPv6 address "
		               "in brackets");
	if (parts->has_port && (!span_copy(parts->port, digits, sizeof(digits)) ||
	                        str_to_u32(digits, UINT16_MAX, &port) < 0 || port == 0))
		return err_set(err, EINVAL, "the port is not in 1-65535");
	return 0;
}

static int check_length(const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (len > URL_MAX)
		return err_set(err, EINVAL, "a URL of %zu bytes, at most %d", len, URL_MAX);
	return 0;
}

static int check_server(const struct parts *parts, struct err *err)
{
	if (parts->has_user)
		return err_set(err, EINVAL,
		               "a user name in the URL; it belongs into the user's entry");
	if (parts->path.len > 0 && strpbrk(parts->path.at, "?#") != NULL)
		return err_set(err, EINVAL, "a query or a fragment in the URL");
	if (!is_encoded(parts->path, PATH_CHARS))
		return err_set(err, EINVAL, "a path that no URL has");
	return check_host_and_port(parts, err);
}

int url_server(const char *text, char **out, struct err *err)
{
	struct strbuf url = { 0 };
	struct parts parts;
	size_t len;
	int ret = check_length(text, err);

	if (ret < 0)
		return ret;
	if (!split(text, &parts) ||
	    !(span_is(parts.scheme, "https") || span_is(parts.scheme, "http")))
		return err_set(err, EINVAL, "the URL begins with neither https:// nor http://");
	ret = check_server(&parts, err);
	if (ret < 0)
		return ret;
	strbuf_puts(&url, span_is(parts.scheme, "https") ? "https://" : "http://");
	len = strlen(parts.host.at);
	while (len > 0 && parts.host.at[len - 1] == '/')
		len--;
	strbuf_add(&url, parts.host.at, len);
	*out = url.text;
	return 0;
}

int url_check_proxy(const char *text, struct err *err)
{
	struct parts parts;
	int ret = check_length(text, err);

	if (ret < 0)
		return ret;
	if (!split(text, &parts) ||
	    !(span_is(parts.scheme, "http") || span_is(parts.scheme, "https") ||
	      span_is(parts.scheme, "socks5")))
		return err_set(err, EINVAL,
		               "the URL begins with none of http://, https://, socks5://");
	if (parts.has_user && !is_encoded(parts.user, USERINFO_CHARS))
		return err_set(err, EINVAL,
		               "a user or password with characters that a URL has only "
		               "percent-encoded");
	if (parts.path.len > 0 && strcmp(parts.path.at, "/") != 0)
		return err_set(err, EINVAL, "more than a host and a port in the URL");
	return check_host_and_port(&parts, err);
}

bool url_is_exposed(const char *server)
{
	struct parts parts;
	struct ipaddr addr;

	if (!split(server, &parts))
		return true;
	if (span_is(parts.scheme, "https"))
		return false;
	addr = read_address(without_brackets(parts.host)); /* none for a name */
	return !ipaddr_is_loopback(&addr);
}

bool url_is_host(const char *text)
{
	struct span span = { text, strlen(text) };

	return is_name(span) || read_address(span).family == 6;
}

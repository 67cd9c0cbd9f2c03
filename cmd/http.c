/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/http.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define QUERY_NAME 64

void http_header(struct http_answer *answer, const char *name, const char *fmt, ...)
{
	struct http_header *header = &answer->headers[answer->header_count];
	va_list ap;

	ASSERT(answer->header_count < HTTP_MAX_HEADERS);
	answer->header_count++;
	header->name = name;
	va_start(ap, fmt);
	(void)vsnprintf(header->value, sizeof(header->value), fmt, ap);
	va_end(ap);
}

void http_text(struct http_answer *answer, unsigned status, const char *text)
{
	answer->status = status;
	answer->content_type = HTTP_TEXT;
	http_header(answer, "X-Content-Type-Options", "nosniff");
	strbuf_puts(&answer->body, text);
}

void http_json(struct http_answer *answer, unsigned status)
{
	answer->status = status;
	answer->content_type = HTTP_JSON;
	http_header(answer, "X-Content-Type-Options", "nosniff");
}

void http_not_found(struct http_answer *answer)
{
	http_text(answer, 404, "404 page not found\n");
}

void http_answer_done(struct http_answer *answer)
{
	strbuf_done(&answer->body);
}

static void copy_part(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, from, len);
	to[len] = '\0';
}

bool http_query_next(const char **query, char *name, char *value, size_t size)
{
	const char *at = *query;
	size_t len;
	size_t name_len;

	while (*at == '&')
		at++;
	if (*at == '\0')
		return false;
	len = strcspn(at, "&");
	name_len = strcspn(at, "=&");
	copy_part(name, size, at, name_len);
	copy_part(value, size, at + name_len + (name_len < len), len - name_len - (name_len < len));
	*query = at + len;
	return true;
}

bool http_query_has(const char *query, const char *name)
{
	char found[QUERY_NAME];
	char value[QUERY_NAME];

	while (http_query_next(&query, found, value, sizeof(found)))
		if (strcmp(found, name) == 0)
			return true;
	return false;
}

/* Is the media range at @range, of @len bytes, one that @type is in? */
static bool is_in_range(const char *range, size_t len, const char *type)
{
	size_t main_len = strcspn(type, "/") + 1;

	if (len == 3 && strncmp(range, "*/*", 3) == 0)
		return true;
	if (len == main_len + 1 && range[main_len] == '*')
		return strncasecmp(range, type, main_len) == 0;
	return len == strlen(type) && strncasecmp(range, type, len) == 0;
}

bool http_accepts(const char *accept, const char *type)
{
	const char *at = accept;

	if (accept[strspn(accept, " \t")] == '\0')
		return true;
	while (*at != '\0') {
		at += strspn(at, " \t,");
		if (is_in_range(at, strcspn(at, " \t,;"), type))
			return true;
		at += strcspn(at, ",");
	}
	return false;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that occur in several kinds: addresses, ranges, protocols, port names. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "watch/decode_impl.h"

#define PORT_NAME_MAX 63 /* of the API; it is part of a comment in the kernel */

int decode_list_init(struct jsonx *jx, const cJSON *item, size_t size, struct decode_list *out)
{
	size_t count;
	int ret = jsonx_count(jx, item, PROXY_MAX_ADDRESSES, &count);

	if (ret < 0)
		return ret;
	out->list = jsonx_alloc(jx, count, size);
	out->count = 0;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Copies @text without the white space around it; false when it is too long to be of use. */
static bool trim(const char *text, char *buf, size_t size)
{
	size_t len = strlen(text);

	while (len > 0 && is_space(text[len - 1]))
		len--;
	while (len > 0 && is_space(*text)) {
		text++;
		len--;
	}
	if (len >= size)
		return false;
	memcpy(buf, text, len);
	buf[len] = '\0';
	return true;
}

void decode_add_address(struct jsonx *jx, const char *text, struct decode_list *list)
{
	struct ipaddr *addrs = list->list;
	char trimmed[IPADDR_TEXT];
	char quoted[JSONX_QUOTE];

	if (ipaddr_parse(text, &addrs[list->count], NULL) == 0)
		list->count++;
	else if (!trim(text, trimmed, sizeof(trimmed)) || trimmed[0] != '\0')
		jsonx_note(jx, "'%s' is not an IP address, ignored", jsonx_quote(text, quoted));
}

void decode_add_range(struct jsonx *jx, const char *text, struct decode_list *list)
{
	struct ipcidr *cidrs = list->list;
	char trimmed[IPADDR_TEXT];
	char quoted[JSONX_QUOTE];
	bool fits = trim(text, trimmed, sizeof(trimmed));

	if (fits && trimmed[0] == '\0')
		return;
	if (fits && ipcidr_parse(trimmed, &cidrs[list->count], NULL) == 0)
		list->count++;
	else
		jsonx_note(jx, "'%s' is not a CIDR, ignored", jsonx_quote(text, quoted));
}

static int add_address(struct jsonx *jx, const cJSON *item, void *out)
{
	const char *text = "";
	int ret = cJSON_IsNull(item) ? 0 : jsonx_string(jx, item, &text);

	if (ret == 0)
		decode_add_address(jx, text, out);
	return ret;
}

static int add_range(struct jsonx *jx, const cJSON *item, void *out)
{
	const char *text = "";
	int ret = cJSON_IsNull(item) ? 0 : jsonx_string(jx, item, &text);

	if (ret == 0)
		decode_add_range(jx, text, out);
	return ret;
}

int decode_addresses(struct jsonx *jx, const cJSON *item, void *out)
{
	int ret = decode_list_init(jx, item, sizeof(struct ipaddr), out);

	return ret < 0 ? ret : jsonx_each(jx, item, add_address, out);
}

int decode_ranges(struct jsonx *jx, const cJSON *item, void *out)
{
	int ret = decode_list_init(jx, item, sizeof(struct ipcidr), out);

	return ret < 0 ? ret : jsonx_each(jx, item, add_range, out);
}

int decode_protocol(struct jsonx *jx, const cJSON *item, void *out)
{
	enum proxy_protocol *to = out;
	char quoted[JSONX_QUOTE];
	const char *text;
	int ret = jsonx_string(jx, item, &text);

	if (ret < 0 || *text == '\0')
		return ret;
	if (strcmp(text, "TCP") == 0)
		*to = PROXY_TCP;
	else if (strcmp(text, "UDP") == 0)
		*to = PROXY_UDP;
	else if (strcmp(text, "SCTP") == 0)
		*to = PROXY_SCTP;
	else
		return jsonx_fail(jx, EINVAL, "'%s' is not one of TCP, UDP, SCTP",
		                  jsonx_quote(text, quoted));
	return 0;
}

int decode_port_name(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **to = out;
	const char *name;
	int ret = jsonx_name(jx, item, &name);

	if (ret < 0)
		return ret;
	if (strlen(name) > PORT_NAME_MAX)
		return jsonx_fail(jx, ENAMETOOLONG, "%zu bytes, at most %d", strlen(name),
		                  PORT_NAME_MAX);
	*to = name;
	return 0;
}

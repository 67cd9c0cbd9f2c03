/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Cuts "HOST:PORT", "[HOST]:PORT" or "[HOST]" in @text; @port becomes NULL where there is none. */
static char *split(char *text, char **port)
{
	char *colon = strrchr(text, ':');
	char *end;

	*port = NULL;
	if (*text == '[') {
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return NULL;
		if (end[1] == ':')
			*port = end + 2;
		*end = '\0';
		return text + 1;
	}
	if (colon != NULL && strchr(text, ':') == colon) { /* with several it is an IPv6 address */
		*colon = '\0';
		*port = colon + 1;
	}
	return text;
}

int bind_parse(const char *text, uint16_t default_port, struct bind_address *out, struct err *err)
{
	struct bind_address found = { .port = default_port };
	char copy[BIND_TEXT];
	uint32_t number;
	char *host;
	char *port;

	if (strlen(text) >= sizeof(copy))
		return err_set(err, EINVAL, "'%.64s...' is no address with port", text);
	memcpy(copy, text, strlen(text) + 1);
	host = split(copy, &port);
	if (host == NULL || ipaddr_parse(host, &found.addr, NULL) < 0)
		return err_set(err, EINVAL, "'%s' is no IP address with port", text);
	if (port != NULL) {
		if (str_to_u32(port, UINT16_MAX, &number) < 0 || number == 0)
			return err_set(err, EINVAL, "'%s': the port is not in 1-65535", text);
		found.port = (uint16_t)number;
	}
	*out = found;
	return 0;
}

const char *bind_format(const struct bind_address *bind, char buf[static BIND_TEXT])
{
	char text[IPADDR_TEXT];

	(void)snprintf(buf, BIND_TEXT, bind->addr.family == 6 ? "[%s]:%u" : "%s:%u",
	               ipaddr_format(&bind->addr, text), bind->port);
	return buf;
}

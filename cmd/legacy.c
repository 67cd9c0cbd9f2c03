/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "legacy.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* behind libc's, with which it shares names */
#include <linux/netfilter_ipv4/ip_tables.h>

#include "base/mem.h"

#define TABLE_BYTES_MAX (256u << 20) /* more rules than any kernel takes in reasonable time */

/* The rules are one block of memory, in which chains are named where they begin; what else there
 * may be of the same text does not matter. Both families ask by structures of the same layout. */
static bool table_has(int fd, int level, const char *table, const char *text)
{
	struct ipt_getinfo info = { 0 };
	socklen_t len = sizeof(info);
	struct ipt_get_entries *entries;
	bool found = false;

	memcpy(info.name, table, strnlen(table, sizeof(info.name) - 1));
	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &len) < 0 || info.size > TABLE_BYTES_MAX)
		return false;
	len = (socklen_t)(sizeof(*entries) + info.size);
	entries = xcalloc(1, len);
	memcpy(entries->name, info.name, sizeof(entries->name));
	entries->size = info.size;
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, entries, &len) == 0)
		found = memmem(entries->entrytable, info.size, text, strlen(text)) != NULL;
	free(entries);
	return found;
}

void legacy_tables_with(uint8_t family, const char *prefix, struct strbuf *out)
{
	FILE *names = fopen(
		family == 4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names", "re");
	int fd = socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char table[64];

	while (names != NULL && fd >= 0 && fgets(table, sizeof(table), names) != NULL) {
		table[strcspn(table, "\n")] = '\0';
		if (table_has(fd, family == 4 ? SOL_IP : SOL_IPV6, table, prefix))
			strbuf_printf(out, "%s%s", out->len > 0 ? " " : "", table);
	}
	if (names != NULL)
		(void)fclose(names);
	if (fd >= 0)
		(void)close(fd);
}

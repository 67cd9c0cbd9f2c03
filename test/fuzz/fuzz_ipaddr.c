/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text as an address and as a range: what is accepted has one canonical form. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ipaddr.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_address(const char *text)
{
	char buf[IPADDR_TEXT];
	struct ipaddr addr;
	struct ipaddr again;
	struct ipaddr next;

	if (ipaddr_parse(text, &addr, NULL) < 0)
		return;
	ASSERT(addr.family == 4 || addr.family == 6);
	for (size_t i = ipaddr_len(addr.family); i < sizeof(addr.bytes); i++)
		ASSERT(addr.bytes[i] == 0);
	ASSERT(ipaddr_parse(ipaddr_format(&addr, buf), &again, NULL) == 0);
	ASSERT(ipaddr_equal(&addr, &again));
	next = addr;
	if (ipaddr_next(&next))
		ASSERT(ipaddr_cmp(&addr, &next) < 0);
}

static void check_range(const char *text)
{
	char buf[IPADDR_TEXT];
	struct ipcidr cidr;
	struct ipcidr again;
	struct ipaddr last;

	if (ipcidr_parse(text, &cidr, NULL) < 0)
		return;
	ASSERT(cidr.prefix <= ipaddr_len(cidr.addr.family) * 8);
	ASSERT(ipcidr_parse(ipcidr_format(&cidr, buf), &again, NULL) == 0);
	ASSERT(ipcidr_cmp(&cidr, &again) == 0);
	last = ipcidr_last(&cidr);
	ASSERT(ipcidr_contains(&cidr, &cidr.addr));
	ASSERT(ipcidr_contains(&cidr, &last));
	ASSERT(ipaddr_cmp(&cidr.addr, &last) <= 0);
	if (ipaddr_next(&last))
		ASSERT(!ipcidr_contains(&cidr, &last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text AUTO_FREE = xmalloc(size + 1);

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	check_address(text);
	check_range(text);
	return 0;
}

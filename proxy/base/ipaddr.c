/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/ipaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct ipaddr) == 17, "compared and hashed bytewise: no padding");

/* Reads 1-3 significant digits after any number of zeros; returns the end or NULL. */
static const char *parse_decimal(const char *p, unsigned max, unsigned *out)
{
	unsigned value = 0;
	size_t digits = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (unsigned)(*p - '0');
		if (value > max || ++digits > 16)
			return NULL;
	}
	if (digits == 0)
		return NULL;
	*out = value;
	return p;
}

static const char *parse_v4(const char *p, uint8_t bytes[static 4])
{
	for (int i = 0; i < 4; i++) {
		unsigned octet = 0;

		if (i > 0 && *p++ != '.')
			return NULL;
		p = parse_decimal(p, 255, &octet);
		if (p == NULL)
			return NULL;
		bytes[i] = (uint8_t)octet;
	}
	return p;
}

static void unmap_v4(struct ipaddr *addr)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (addr->family != 6 || memcmp(addr->bytes, mapped, sizeof(mapped)) != 0)
		return;
	memmove(addr->bytes, addr->bytes + 12, 4);
	memset(addr->bytes + 4, 0, 12);
	addr->family = 4;
}

/* The text of an embedded IPv4 tail may have leading zeros as well: rewrite it for inet_pton. */
static bool parse_v6(const char *text, uint8_t bytes[static 16])
{
	const char *tail = strrchr(text, ':');
	char canonical[IPADDR_TEXT];
	uint8_t v4[4];
	const char *end;
	int n;

	if (tail == NULL || strchr(tail, '.') == NULL)
		return inet_pton(AF_INET6, text, bytes) == 1;
	end = parse_v4(tail + 1, v4);
	if (end == NULL || *end != '\0')
		return false;
	n = snprintf(canonical, sizeof(canonical), "%.*s%u.%u.%u.%u", (int)(tail + 1 - text), text,
	             v4[0], v4[1], v4[2], v4[3]);
	return n > 0 && (size_t)n < sizeof(canonical) && inet_pton(AF_INET6, canonical, bytes) == 1;
}

int ipaddr_parse(const char *text, struct ipaddr *out, struct err *err)
{
	struct ipaddr addr = { 0 };

	if (strchr(text, ':') != NULL) {
		addr.family = 6;
		if (strlen(text) >= IPADDR_TEXT || !parse_v6(text, addr.bytes))
			return err_set(err, EINVAL, "'%.64s' is not an IP address", text);
		unmap_v4(&addr);
	} else {
		const char *end = parse_v4(text, addr.bytes);

		addr.family = 4;
		if (end == NULL || *end != '\0')
			return err_set(err, EINVAL, "'%.64s' is not an IP address", text);
	}
	*out = addr;
	return 0;
}

const char *ipaddr_format(const struct ipaddr *addr, char buf[static IPADDR_TEXT])
{
	if (addr->family == 0)
		(void)snprintf(buf, IPADDR_TEXT, "none");
	else
		(void)inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->bytes, buf,
		                IPADDR_TEXT);
	return buf;
}

size_t ipaddr_len(uint8_t family)
{
	return family == 4 ? 4 : 16;
}

int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a, b, sizeof(*a));
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool ipaddr_is_loopback(const struct ipaddr *addr)
{
	static const struct ipaddr v6 = { .family = 6, .bytes = { [15] = 1 } };

	return addr->family == 4 ? addr->bytes[0] == 127 : ipaddr_equal(addr, &v6);
}

bool ipaddr_is_link_local(const struct ipaddr *addr)
{
	if (addr->family == 4)
		return addr->bytes[0] == 169 && addr->bytes[1] == 254;
	return addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80;
}

/* Sets (@value true) or clears all bits of @addr behind the first @prefix. */
static void fill_host_bits(struct ipaddr *addr, unsigned prefix, bool value)
{
	unsigned bits = (unsigned)ipaddr_len(addr->family) * 8;

	for (unsigned i = prefix; i < bits; i++) {
		uint8_t bit = (uint8_t)(0x80u >> (i % 8));

		if (value)
			addr->bytes[i / 8] |= bit;
		else
			addr->bytes[i / 8] &= (uint8_t)~bit;
	}
}

int ipcidr_parse(const char *text, struct ipcidr *out, struct err *err)
{
	const char *slash = strchr(text, '/');
	char head[IPADDR_TEXT];
	struct ipcidr cidr = { 0 };
	unsigned prefix = 0;
	const char *end;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(head))
		return err_set(err, EINVAL, "'%.64s' is not a CIDR", text);
	memcpy(head, text, (size_t)(slash - text));
	head[slash - text] = '\0';
	if (ipaddr_parse(head, &cidr.addr, NULL) < 0)
		return err_set(err, EINVAL, "'%.64s' is not a CIDR", text);
	end = parse_decimal(slash + 1, 128, &prefix);
	/* ::ffff:a.b.c.d/n counts the bits of the long form */
	if (end != NULL && cidr.addr.family == 4 && strchr(head, ':') != NULL)
		prefix = prefix >= 96 ? prefix - 96 : 33;
	if (end == NULL || *end != '\0' || prefix > ipaddr_len(cidr.addr.family) * 8)
		return err_set(err, EINVAL, "'%.64s' is not a CIDR", text);
	cidr.prefix = (uint8_t)prefix;
	fill_host_bits(&cidr.addr, prefix, false);
	*out = cidr;
	return 0;
}

const char *ipcidr_format(const struct ipcidr *cidr, char buf[static IPADDR_TEXT])
{
	size_t len = strlen(ipaddr_format(&cidr->addr, buf));

	(void)snprintf(buf + len, IPADDR_TEXT - len, "/%u", cidr->prefix);
	return buf;
}

struct ipaddr ipcidr_last(const struct ipcidr *cidr)
{
	struct ipaddr last = cidr->addr;

	fill_host_bits(&last, cidr->prefix, true);
	return last;
}

bool ipcidr_contains(const struct ipcidr *cidr, const struct ipaddr *addr)
{
	struct ipaddr masked = *addr;

	if (addr->family != cidr->addr.family)
		return false;
	fill_host_bits(&masked, cidr->prefix, false);
	return ipaddr_equal(&masked, &cidr->addr);
}

int ipcidr_cmp(const struct ipcidr *a, const struct ipcidr *b)
{
	int diff = ipaddr_cmp(&a->addr, &b->addr);

	return diff != 0 ? diff : (int)a->prefix - (int)b->prefix;
}

bool ipaddr_next(struct ipaddr *addr)
{
	struct ipaddr next = *addr;

	for (size_t i = ipaddr_len(addr->family); i-- > 0;) {
		if (++next.bytes[i] != 0) {
			*addr = next;
			return true;
		}
	}
	return false;
}

struct ipaddr ipaddr_before(const struct ipaddr *addr)
{
	struct ipaddr before = *addr;

	for (size_t i = ipaddr_len(addr->family); i-- > 0;)
		if (before.bytes[i]-- != 0)
			break;
	return before;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_IPADDR_H
#define BASE_IPADDR_H

/*
 * IP addresses as values: copied, compared bytewise, never referenced.
 *
 * Text is read once, at the edge, as kube-proxy reads it ("sloppy" parsing in
 * k8s.io/utils/net): decimal octets may have leading zeros, which mean nothing;
 * an IPv4-mapped IPv6 address is the IPv4 address.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** One address; family 0 means "none". Bytes in network order, those unused are zero. */
struct ipaddr {
	uint8_t family; /* 4, 6 or 0 */
	uint8_t bytes[16];
};

/** A range written address/prefix, the bits behind the prefix are zero. */
struct ipcidr {
	struct ipaddr addr;
	uint8_t prefix; /* bits, 0-32 or 0-128 */
};

/* Room for any address or CIDR as text, NUL included. */
#define IPADDR_TEXT 64

/** ipaddr_parse() - read an address.
 *
 * Return: 0, or -EINVAL with a sentence that quotes @text; @out is then untouched.
 */
int ipaddr_parse(const char *text, struct ipaddr *out, struct err *err) MUST_CHECK;

/** ipaddr_format() - canonical text (RFC 5952); @buf is returned for use in printf. */
const char *ipaddr_format(const struct ipaddr *addr, char buf[static IPADDR_TEXT]);

/** ipaddr_len() - bytes of an address of this family: 4 or 16. */
size_t ipaddr_len(uint8_t family);

/** ipaddr_cmp() - order by family, then by bytes. */
int ipaddr_cmp(const struct ipaddr *a, const struct ipaddr *b);

/** ipaddr_equal() - same family and bytes. */
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b);

/** ipaddr_is_loopback() - 127.0.0.0/8 or ::1. */
bool ipaddr_is_loopback(const struct ipaddr *addr);

/** ipaddr_is_link_local() - 169.254.0.0/16 or fe80::/10. */
bool ipaddr_is_link_local(const struct ipaddr *addr);

/** ipcidr_parse() - read address/prefix; host bits are cleared.
 *
 * Return: 0, or -EINVAL with a sentence that quotes @text; @out is then untouched.
 */
int ipcidr_parse(const char *text, struct ipcidr *out, struct err *err) MUST_CHECK;

/** ipcidr_format() - canonical text; @buf is returned. */
const char *ipcidr_format(const struct ipcidr *cidr, char buf[static IPADDR_TEXT]);

/** ipcidr_last() - the range's highest address. */
struct ipaddr ipcidr_last(const struct ipcidr *cidr);

/** ipcidr_contains() - is @addr of the same family and inside? */
bool ipcidr_contains(const struct ipcidr *cidr, const struct ipaddr *addr);

/** ipcidr_cmp() - order by first address, then the wider range first. */
int ipcidr_cmp(const struct ipcidr *a, const struct ipcidr *b);

/** ipaddr_next() - the address after @addr.
 *
 * Return: false when @addr is the highest of its family; @addr is then untouched.
 */
bool ipaddr_next(struct ipaddr *addr);

/** ipaddr_before() - the address before @addr, which must not be the lowest of its family. */
struct ipaddr ipaddr_before(const struct ipaddr *addr);

#endif

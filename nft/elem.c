/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/elem.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/siphash.h"

size_t nftx_key_addr(uint8_t *key, const struct ipaddr *addr)
{
	size_t len = ipaddr_len(addr->family);

	memcpy(key, addr->bytes, len);
	return len;
}

size_t nftx_key_front(uint8_t *key, const struct ipaddr *addr, uint8_t protocol, uint16_t port)
{
	size_t len = nftx_key_addr(key, addr);
	uint16_t port_be = htons(port);

	memset(key + len, 0, 8);
	key[len] = protocol;
	memcpy(key + len + 4, &port_be, sizeof(port_be));
	return len + 8;
}

void nftx_elem_front(const struct nftx_elem *elem, struct ipaddr *addr, uint8_t *protocol,
                     uint16_t *port)
{
	size_t len = ipaddr_len(elem->family);
	uint16_t port_be;

	*addr = (struct ipaddr){ .family = elem->family };
	memcpy(addr->bytes, elem->key, len);
	*protocol = elem->key[len];
	memcpy(&port_be, elem->key + len + 4, sizeof(port_be));
	*port = ntohs(port_be);
}

static size_t slot_offset(const struct nftx_elem *elem)
{
	return nftx_map_key_bytes(NFTX_BACKENDS, elem->family) - sizeof(uint32_t);
}

uint32_t nftx_elem_slot(const struct nftx_elem *elem)
{
	uint32_t slot;

	memcpy(&slot, elem->key + slot_offset(elem), sizeof(slot));
	return slot;
}

void nftx_elem_set_slot(struct nftx_elem *elem, uint32_t slot)
{
	memcpy(elem->key + slot_offset(elem), &slot, sizeof(slot));
}

int nftx_elem_cmp(const struct nftx_elem *a, const struct nftx_elem *b)
{
	int diff = (int)a->family - (int)b->family;

	if (diff == 0)
		diff = (int)a->map - (int)b->map;
	if (diff != 0)
		return diff;
	if (a->map == NFTX_BACKENDS) {
		uint32_t x = nftx_elem_slot(a);
		uint32_t y = nftx_elem_slot(b);

		diff = memcmp(a->key, b->key, slot_offset(a));
		return diff != 0 ? diff : (x > y) - (x < y);
	}
	return memcmp(a->key, b->key, nftx_map_key_bytes(a->map, a->family));
}

static bool same_comment(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strncmp(a, b, NFTX_COMMENT_MAX) == 0; /* what is longer is cut in the kernel */
}

bool nftx_elem_same(const struct nftx_elem *a, const struct nftx_elem *b)
{
	const struct nftx_map_info *info = nftx_map_info(a->map);

	if (info->ranges && !ipaddr_equal(&a->last, &b->last))
		return false;
	switch (info->data) {
	case NFTX_DATA_NONE:
		break;
	case NFTX_DATA_VERDICT:
		if (a->verdict == NFTX_FOREIGN || a->verdict != b->verdict ||
		    a->chain != b->chain || a->number != b->number)
			return false;
		break;
	case NFTX_DATA_TARGET:
		if (memcmp(a->data, b->data, nftx_map_data_bytes(a->map, a->family)) != 0)
			return false;
		break;
	}
	return same_comment(a->comment, b->comment);
}

void nftx_digest_add(struct nftx_digest *digest, const struct nftx_elem *elem)
{
	static const uint8_t key[16] = "kubenft digest 1";
	size_t key_bytes = nftx_map_key_bytes(elem->map, elem->family);
	uint8_t bytes[2 + NFTX_KEY_MAX + NFTX_DATA_MAX] = { elem->family, elem->map };

	memcpy(bytes + 2, elem->key, key_bytes);
	memcpy(bytes + 2 + key_bytes, elem->data, nftx_map_data_bytes(elem->map, elem->family));
	digest->count++;
	digest->sum += siphash(key, bytes, sizeof(bytes));
}

bool nftx_digest_same(const struct nftx_digest *a, const struct nftx_digest *b)
{
	return a->count == b->count && a->sum == b->sum;
}

static struct ipaddr read_addr(const uint8_t *bytes, uint8_t family)
{
	struct ipaddr addr = { .family = family };

	memcpy(addr.bytes, bytes, ipaddr_len(family));
	return addr;
}

void nftx_range_text(struct strbuf *buf, const struct ipaddr *first, const struct ipaddr *last)
{
	unsigned bits = (unsigned)ipaddr_len(first->family) * 8;
	char text[IPADDR_TEXT];

	strbuf_puts(buf, ipaddr_format(first, text));
	if (ipaddr_equal(first, last))
		return;
	for (unsigned prefix = 0; prefix < bits; prefix++) {
		struct ipcidr cidr = { *first, (uint8_t)prefix };
		struct ipaddr top = ipcidr_last(&cidr);

		/* contains() is false when @first has host bits */
		if (ipaddr_equal(&top, last) && ipcidr_contains(&cidr, first)) {
			strbuf_printf(buf, "/%u", prefix);
			return;
		}
	}
	strbuf_printf(buf, "-%s", ipaddr_format(last, text));
}

static void text_protocol(struct strbuf *buf, uint8_t protocol)
{
	switch (protocol) {
	case 6:
		strbuf_puts(buf, "tcp");
		break;
	case 17:
		strbuf_puts(buf, "udp");
		break;
	case 132:
		strbuf_puts(buf, "sctp");
		break;
	default:
		strbuf_printf(buf, "%u", protocol);
		break;
	}
}

static uint16_t read_port(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* One field of a key; returns its padded length. */
static size_t text_field(struct strbuf *buf, char field, const uint8_t *bytes,
                         const struct nftx_elem *elem, bool is_range)
{
	struct ipaddr addr;
	char text[IPADDR_TEXT];
	uint32_t number;

	switch (field) {
	case NFTX_FIELD_ADDR:
		addr = read_addr(bytes, elem->family);
		if (is_range)
			nftx_range_text(buf, &addr, &elem->last);
		else
			strbuf_puts(buf, ipaddr_format(&addr, text));
		return ipaddr_len(elem->family);
	case NFTX_FIELD_PROTOCOL:
		text_protocol(buf, bytes[0]);
		break;
	case NFTX_FIELD_PORT:
		strbuf_printf(buf, "%u", read_port(bytes));
		break;
	case NFTX_FIELD_NUMBER:
		memcpy(&number, bytes, sizeof(number));
		strbuf_printf(buf, "%u", number);
		break;
	default:
		panic(__FILE__, __LINE__, "unknown field letter");
	}
	return 4;
}

static void text_verdict(struct strbuf *buf, const struct nftx_elem *elem)
{
	char chain[NFTX_CHAIN_TEXT];

	switch ((enum nftx_verdict)elem->verdict) {
	case NFTX_DROP:
		strbuf_puts(buf, "drop");
		return;
	case NFTX_GOTO:
	case NFTX_JUMP:
		strbuf_printf(buf, "%s %s", elem->verdict == NFTX_GOTO ? "goto" : "jump",
		              nftx_chain_name(elem->chain, elem->number, chain));
		return;
	case NFTX_NO_VERDICT:
	case NFTX_FOREIGN:
		strbuf_puts(buf, "(a verdict that is not ours)");
		return;
	}
}

void nftx_elem_key_text(struct strbuf *buf, const struct nftx_elem *elem)
{
	const struct nftx_map_info *info = nftx_map_info(elem->map);
	size_t at = 0;

	for (const char *field = info->key; *field != '\0'; field++) {
		if (field != info->key)
			strbuf_puts(buf, " . ");
		at += text_field(buf, *field, elem->key + at, elem,
		                 info->ranges && field[1] == '\0');
	}
}

void nftx_elem_text(struct strbuf *buf, const struct nftx_elem *elem)
{
	nftx_elem_listing(buf, elem, false);
}

void nftx_elem_listing(struct strbuf *buf, const struct nftx_elem *elem, bool counts)
{
	const struct nftx_map_info *info = nftx_map_info(elem->map);
	struct ipaddr addr;
	char text[IPADDR_TEXT];

	nftx_elem_key_text(buf, elem);
	if (counts)
		strbuf_puts(buf, " counter packets 0 bytes 0");
	if (elem->comment != NULL)
		strbuf_printf(buf, " comment \"%.*s\"", NFTX_COMMENT_MAX, elem->comment);
	switch (info->data) {
	case NFTX_DATA_NONE:
		break;
	case NFTX_DATA_VERDICT:
		strbuf_puts(buf, " : ");
		text_verdict(buf, elem);
		break;
	case NFTX_DATA_TARGET:
		addr = read_addr(elem->data, elem->family);
		strbuf_printf(buf, " : %s . %u", ipaddr_format(&addr, text),
		              read_port(elem->data + ipaddr_len(elem->family)));
		break;
	}
}

struct nftx_elem *nftx_elems_push(struct nftx_elems *elems)
{
	struct nftx_elem *elem;

	elems->list = vec_reserve(elems->list, &elems->cap, elems->count + 1, sizeof(*elems->list));
	elem = &elems->list[elems->count++];
	*elem = (struct nftx_elem){ 0 };
	return elem;
}

static int elem_order(const void *x, const void *y)
{
	return nftx_elem_cmp(x, y);
}

void nftx_elems_sort(struct nftx_elems *elems)
{
	bool sorted = true;

	for (size_t i = 1; i < elems->count && sorted; i++)
		sorted = nftx_elem_cmp(&elems->list[i - 1], &elems->list[i]) <= 0;
	if (!sorted)
		qsort(elems->list, elems->count, sizeof(*elems->list), elem_order);
}

size_t nftx_elems_lower_bound(const struct nftx_elems *elems, const struct nftx_elem *want)
{
	size_t low = 0;
	size_t high = elems->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (nftx_elem_cmp(&elems->list[mid], want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct nftx_elem *nftx_elems_find(const struct nftx_elems *elems,
                                        const struct nftx_elem *want)
{
	size_t at = nftx_elems_lower_bound(elems, want);

	return at < elems->count && nftx_elem_cmp(&elems->list[at], want) == 0 ? &elems->list[at]
	                                                                       : NULL;
}

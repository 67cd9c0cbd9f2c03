/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elem_codec.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "attr.h"
#include "base/mem.h"

static void put_value(struct nlmsghdr *msg, uint16_t type, const void *bytes, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(msg, type);

	mnl_attr_put(msg, NFTA_DATA_VALUE, len, bytes);
	mnl_attr_nest_end(msg, nest);
}

static uint32_t verdict_code(const struct nftx_elem *elem)
{
	switch ((enum nftx_verdict)elem->verdict) {
	case NFTX_DROP:
		return NF_DROP;
	case NFTX_GOTO:
		return (uint32_t)NFT_GOTO;
	case NFTX_JUMP:
		return (uint32_t)NFT_JUMP;
	case NFTX_NO_VERDICT:
	case NFTX_FOREIGN:
		break;
	}
	panic(__FILE__, __LINE__, "a verdict that cannot be written");
}

static void put_verdict(struct nlmsghdr *msg, const struct nftx_elem *elem)
{
	struct nlattr *data = mnl_attr_nest_start(msg, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(msg, NFTA_DATA_VERDICT);
	char chain[NFTX_CHAIN_TEXT];

	mnl_attr_put_u32(msg, NFTA_VERDICT_CODE, htonl(verdict_code(elem)));
	if (elem->verdict != NFTX_DROP)
		mnl_attr_put_strz(msg, NFTA_VERDICT_CHAIN,
		                  nftx_chain_name(elem->chain, elem->number, chain));
	mnl_attr_nest_end(msg, verdict);
	mnl_attr_nest_end(msg, data);
}

/* A comment is a TLV of its own inside the opaque user data: type 0, length, text with its NUL. */
static void put_comment(struct nlmsghdr *msg, const char *comment)
{
	uint8_t tlv[2 + NFTX_COMMENT_MAX + 1];
	size_t len = strlen(comment);

	if (len > NFTX_COMMENT_MAX)
		len = NFTX_COMMENT_MAX;
	tlv[0] = 0;
	tlv[1] = (uint8_t)(len + 1);
	memcpy(tlv + 2, comment, len);
	tlv[2 + len] = '\0';
	mnl_attr_put(msg, NFTA_SET_ELEM_USERDATA, len + 3, tlv);
}

/* A range is two elements: its first address, and the first one behind it, flagged. */
static void encode_range(struct nlmsghdr *msg, const struct nftx_elem *elem)
{
	size_t len = ipaddr_len(elem->family);
	struct ipaddr end = elem->last;
	struct nlattr *nest = mnl_attr_nest_start(msg, NFTA_LIST_ELEM);

	put_value(msg, NFTA_SET_ELEM_KEY, elem->key, len);
	mnl_attr_nest_end(msg, nest);
	if (!ipaddr_next(&end))
		return; /* it reaches the top */
	nest = mnl_attr_nest_start(msg, NFTA_LIST_ELEM);
	put_value(msg, NFTA_SET_ELEM_KEY, end.bytes, len);
	mnl_attr_put_u32(msg, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(msg, nest);
}

void nftx_elem_encode(struct nlmsghdr *msg, const struct nftx_elem *elem, bool key_only)
{
	const struct nftx_map_info *info = nftx_map_info(elem->map);
	size_t key_len = nftx_map_key_bytes(elem->map, elem->family);
	struct nlattr *nest;

	if (info->ranges && info->key[1] == '\0') {
		encode_range(msg, elem);
		return;
	}
	nest = mnl_attr_nest_start(msg, NFTA_LIST_ELEM);
	put_value(msg, NFTA_SET_ELEM_KEY, elem->key, key_len);
	if (info->ranges) {
		size_t addr_len = ipaddr_len(elem->family);
		uint8_t end[NFTX_KEY_MAX];

		memcpy(end, elem->key, key_len);
		memcpy(end + key_len - addr_len, elem->last.bytes, addr_len);
		put_value(msg, NFTA_SET_ELEM_KEY_END, end, key_len);
	}
	if (!key_only) {
		if (info->data == NFTX_DATA_VERDICT)
			put_verdict(msg, elem);
		else if (info->data == NFTX_DATA_TARGET)
			put_value(msg, NFTA_SET_ELEM_DATA, elem->data,
			          nftx_map_data_bytes(elem->map, elem->family));
		if (elem->comment != NULL)
			put_comment(msg, elem->comment);
	}
	mnl_attr_nest_end(msg, nest);
}

/* Copies the value inside a nested data attribute, whose length must be @len. */
static int get_value(const struct nlattr *data, void *out, size_t len)
{
	const struct nlattr *attr;

	attr_for_each (attr, data) {
		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE)
			continue;
		if (mnl_attr_get_payload_len(attr) != len)
			return -EBADMSG;
		memcpy(out, mnl_attr_get_payload(attr), len);
		return 0;
	}
	return -EBADMSG;
}

static void set_verdict(struct nftx_elem *elem, uint32_t code, const char *chain)
{
	elem->verdict = NFTX_FOREIGN;
	if (chain != NULL) {
		elem->chain = (uint8_t)nftx_chain_parse(chain, &elem->number);
		if (elem->chain == NFTX_CHAIN_NONE)
			return;
	}
	if (code == NF_DROP)
		elem->verdict = NFTX_DROP;
	else if (code == (uint32_t)NFT_GOTO && chain != NULL)
		elem->verdict = NFTX_GOTO;
	else if (code == (uint32_t)NFT_JUMP && chain != NULL)
		elem->verdict = NFTX_JUMP;
}

static void get_verdict(const struct nlattr *data, struct nftx_elem *elem)
{
	const struct nlattr *verdict;

	elem->verdict = NFTX_FOREIGN;
	attr_for_each (verdict, data) {
		const struct nlattr *attr;
		const char *chain = NULL;
		uint32_t code = 0;

		if (mnl_attr_get_type(verdict) != NFTA_DATA_VERDICT)
			continue;
		attr_for_each (attr, verdict) {
			if (mnl_attr_get_type(attr) == NFTA_VERDICT_CODE &&
			    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				code = ntohl(mnl_attr_get_u32(attr));
			else if (mnl_attr_get_type(attr) == NFTA_VERDICT_CHAIN &&
			         mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
				chain = mnl_attr_get_str(attr);
		}
		set_verdict(elem, code, chain);
	}
}

static void get_comment(const struct nlattr *attr, struct nftx_raw_elem *out)
{
	const uint8_t *p = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	while (left >= 2 && (size_t)p[1] + 2 <= left) {
		size_t len = p[1];

		if (p[0] == 0 && len >= 1 && len <= sizeof(out->comment) && p[2 + len - 1] == 0) {
			memcpy(out->comment, p + 2, len);
			out->elem.comment = out->comment;
			return;
		}
		p += 2 + len;
		left -= 2 + len;
	}
}

/* The counter that a map with counters gives to each element. */
static uint64_t get_packets(const struct nlattr *expression)
{
	const struct nlattr *attr;
	const struct nlattr *value;
	const char *name = "";
	uint64_t packets = 0;

	attr_for_each (attr, expression) {
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA || strcmp(name, "counter") != 0)
			continue;
		attr_for_each (value, attr) {
			if (mnl_attr_get_type(value) == NFTA_COUNTER_PACKETS &&
			    mnl_attr_validate(value, MNL_TYPE_U64) >= 0)
				packets = be64toh(mnl_attr_get_u64(value));
		}
	}
	return packets;
}

/* The end of a concatenated range: only its last field, an address, may differ from the key. */
static int get_key_end(const struct nlattr *attr, struct nftx_elem *elem, size_t key_len)
{
	size_t addr_len = ipaddr_len(elem->family);
	uint8_t end[NFTX_KEY_MAX];

	if (get_value(attr, end, key_len) < 0 || memcmp(end, elem->key, key_len - addr_len) != 0)
		return -EBADMSG;
	elem->last = (struct ipaddr){ .family = elem->family };
	memcpy(elem->last.bytes, end + key_len - addr_len, addr_len);
	return 0;
}

static int get_data(const struct nlattr *attr, struct nftx_elem *elem)
{
	switch (nftx_map_info(elem->map)->data) {
	case NFTX_DATA_VERDICT:
		get_verdict(attr, elem);
		return 0;
	case NFTX_DATA_TARGET:
		return get_value(attr, elem->data, nftx_map_data_bytes(elem->map, elem->family));
	case NFTX_DATA_NONE:
		break;
	}
	return -EBADMSG;
}

int nftx_elem_decode(const struct nlattr *attr, uint8_t family, enum nftx_map map,
                     struct nftx_raw_elem *out, struct err *err)
{
	const struct nlattr *found[NFTA_SET_ELEM_MAX + 1] = { NULL };
	size_t key_len = nftx_map_key_bytes(map, family);
	struct nftx_elem *elem = &out->elem;
	const struct nlattr *part;
	int ret = 0;

	*out = (struct nftx_raw_elem){ .elem = { .family = family, .map = (uint8_t)map } };
	attr_for_each (part, attr) {
		if (mnl_attr_get_type(part) <= NFTA_SET_ELEM_MAX)
			found[mnl_attr_get_type(part)] = part;
	}
	if (found[NFTA_SET_ELEM_KEY] == NULL)
		ret = -EBADMSG;
	else
		ret = get_value(found[NFTA_SET_ELEM_KEY], elem->key, key_len);
	if (ret == 0 && nftx_map_info(map)->ranges) {
		memcpy(elem->last.bytes, elem->key + key_len - ipaddr_len(family),
		       ipaddr_len(family));
		elem->last.family = family;
	}
	if (ret == 0 && found[NFTA_SET_ELEM_KEY_END] != NULL)
		ret = get_key_end(found[NFTA_SET_ELEM_KEY_END], elem, key_len);
	if (ret == 0 && found[NFTA_SET_ELEM_DATA] != NULL)
		ret = get_data(found[NFTA_SET_ELEM_DATA], elem);
	if (ret == 0 && found[NFTA_SET_ELEM_FLAGS] != NULL &&
	    mnl_attr_validate(found[NFTA_SET_ELEM_FLAGS], MNL_TYPE_U32) >= 0)
		out->interval_end = (ntohl(mnl_attr_get_u32(found[NFTA_SET_ELEM_FLAGS])) &
		                     NFT_SET_ELEM_INTERVAL_END) != 0;
	if (ret == 0 && found[NFTA_SET_ELEM_EXPR] != NULL)
		out->packets = get_packets(found[NFTA_SET_ELEM_EXPR]);
	if (ret == 0 && found[NFTA_SET_ELEM_USERDATA] != NULL)
		get_comment(found[NFTA_SET_ELEM_USERDATA], out);
	if (ret < 0)
		return err_set(err, EBADMSG, "an element of '%s' is not of its type",
		               nftx_map_info(map)->name);
	return 0;
}

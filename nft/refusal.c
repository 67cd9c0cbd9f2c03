/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "refusal.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "attr.h"
#include "elem_codec.h"

/* The offset inside our message that the extended ack blames, 0: none, and its sentence. */
static size_t blamed_offset(const struct nlmsghdr *answer, const char **sentence)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	size_t head = sizeof(*error);
	const struct nlattr *attr;
	size_t offset = 0;

	if ((answer->nlmsg_flags & NLM_F_ACK_TLVS) == 0)
		return 0;
	if ((answer->nlmsg_flags & NLM_F_CAPPED) == 0)
		head += NLMSG_ALIGN((size_t)error->msg.nlmsg_len) - sizeof(error->msg);
	attr_for_each_of (attr, answer, head) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			offset = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		         mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			*sentence = mnl_attr_get_str(attr);
	}
	return offset;
}

static enum nftx_map map_by_name(const char *name)
{
	for (int map = 0; map < NFTX_MAP_COUNT; map++)
		if (strcmp(nftx_map_info((enum nftx_map)map)->name, name) == 0)
			return (enum nftx_map)map;
	return NFTX_MAP_COUNT;
}

/* Appends the element of @list that @offset (from the message's begin) points at or into. */
static void name_element(struct strbuf *text, const struct nlmsghdr *msg, const struct nlattr *list,
                         uint8_t family, enum nftx_map map, size_t offset)
{
	const struct nlattr *attr;

	attr_for_each (attr, list) {
		size_t begin = (size_t)((const char *)attr - (const char *)msg);
		struct nftx_raw_elem raw;

		if (offset < begin || offset >= begin + attr->nla_len)
			continue;
		if (nftx_elem_decode(attr, family, map, &raw, NULL) == 0)
			nftx_elem_text(text, &raw.elem);
		return;
	}
	strbuf_puts(text, "an element");
}

static const char *message_kind(uint16_t type)
{
	switch (type & 0xff) {
	case NFT_MSG_NEWTABLE:
		return "table";
	case NFT_MSG_DELTABLE:
		return "deleting table";
	case NFT_MSG_NEWCHAIN:
		return "chain";
	case NFT_MSG_NEWRULE:
		return "rule of chain";
	case NFT_MSG_NEWSET:
		return "set";
	case NFT_MSG_NEWSETELEM:
		return "adding";
	case NFT_MSG_DELSETELEM:
	case NFTX_MSG_DESTROYSETELEM:
		return "deleting";
	default:
		return "message";
	}
}

/* Tables' children have their own name; of a rule it is its chain's. */
static uint16_t name_attr(uint16_t type)
{
	switch (type & 0xff) {
	case NFT_MSG_NEWCHAIN:
		return NFTA_CHAIN_NAME;
	case NFT_MSG_NEWRULE:
		return NFTA_RULE_CHAIN;
	case NFT_MSG_NEWSET:
		return NFTA_SET_NAME;
	default:
		return NFTA_TABLE_NAME;
	}
}

static void name_message(struct strbuf *text, const struct nlmsghdr *msg, size_t offset)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(msg);
	uint8_t family = head->nfgen_family == NFPROTO_IPV4 ? 4 : 6;
	uint16_t type = msg->nlmsg_type & 0xff;
	const char *kind = message_kind(type);
	const struct nlattr *attr;
	enum nftx_map map;

	strbuf_puts(text, family == 4 ? "ip " : "ip6 ");
	if (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM &&
	    type != NFTX_MSG_DESTROYSETELEM) {
		strbuf_printf(text, "%s '%s'", kind, nftx_attr_text(msg, name_attr(type)));
		return;
	}
	map = map_by_name(nftx_attr_text(msg, NFTA_SET_ELEM_LIST_SET));
	if (map == NFTX_MAP_COUNT)
		return;
	strbuf_printf(text, "%s: %s ", nftx_map_info(map)->name, kind);
	attr_for_each_of (attr, msg, sizeof(*head)) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS) {
			name_element(text, msg, attr, family, map, offset);
			return;
		}
	}
	strbuf_puts(text, "all elements");
}

static int describe(const struct nftx_batch *batch, const struct nlmsghdr *answer, int code,
                    struct err *err)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	const struct nlmsghdr *msg = nftx_batch_message(batch, error->msg.nlmsg_seq);
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *sentence = "";
	size_t offset = blamed_offset(answer, &sentence);

	if (msg != NULL && msg->nlmsg_type >= NLMSG_MIN_TYPE &&
	    (msg->nlmsg_type >> 8) == NFNL_SUBSYS_NFTABLES)
		name_message(&text, msg, offset);
	else
		strbuf_puts(&text, "the transaction");
	return err_set(err, code, "%.150s: %s%s%.40s", text.text, strerrordesc_np(code),
	               *sentence != '\0' ? ": " : "", sentence);
}

int nftx_refusal(const struct nftx_batch *batch, const void *answers, size_t len, struct err *err)
{
	const struct nlmsghdr *answer = answers;
	int left = (int)len;

	for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
		const struct nlmsgerr *error;

		if (answer->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(answer) < sizeof(*error))
			continue;
		error = mnl_nlmsg_get_payload(answer);
		if (error->error != 0)
			return describe(batch, answer, -error->error, err);
	}
	return 0;
}

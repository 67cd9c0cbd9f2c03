/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/refusal.h"

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

/* Reads the element of @list that @offset (from the message's begin) points at or into. */
static void read_element(const struct nlmsghdr *msg, const struct nlattr *list, uint8_t family,
                         enum nftx_map map, size_t offset, struct nftx_refused *out)
{
	const struct nlattr *attr;

	attr_for_each (attr, list) {
		size_t begin = (size_t)((const char *)attr - (const char *)msg);
		struct nftx_raw_elem raw;

		if (offset < begin || offset >= begin + attr->nla_len)
			continue;
		if (nftx_elem_decode(attr, family, map, &raw, NULL) < 0)
			return;
		out->has_elem = true;
		out->elem = raw.elem;
		out->elem.comment = NULL;
		if (raw.elem.comment != NULL)
			memcpy(out->comment, raw.comment, sizeof(out->comment));
		return;
	}
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

static uint8_t message_family(const struct nlmsghdr *msg)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(msg);

	return head->nfgen_family == NFPROTO_IPV4 ? 4 : 6;
}

/* What of a message about elements was refused. */
static void read_message(const struct nlmsghdr *msg, size_t offset, enum nftx_map map,
                         struct nftx_refused *out)
{
	const struct nlattr *list = nftx_attr_find(msg, NFTA_SET_ELEM_LIST_ELEMENTS);

	out->is_about_elems = true;
	out->is_add = (msg->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM;
	if (list != NULL)
		read_element(msg, list, message_family(msg), map, offset, out);
}

static void name_elements(struct strbuf *text, const struct nlmsghdr *msg, enum nftx_map map,
                          const struct nftx_refused *refused)
{
	struct nftx_elem elem = refused->elem;

	strbuf_printf(text, "%s: %s ", nftx_map_info(map)->name, message_kind(msg->nlmsg_type));
	if (refused->comment[0] != '\0')
		elem.comment = refused->comment;
	if (refused->has_elem)
		nftx_elem_text(text, &elem);
	else if (nftx_attr_find(msg, NFTA_SET_ELEM_LIST_ELEMENTS) != NULL)
		strbuf_puts(text, "an element");
	else
		strbuf_puts(text, "all elements");
}

static void read_refused(struct strbuf *text, const struct nlmsghdr *msg, size_t offset,
                         struct nftx_refused *out)
{
	uint16_t type = msg->nlmsg_type & 0xff;
	enum nftx_map map;

	strbuf_puts(text, message_family(msg) == 4 ? "ip " : "ip6 ");
	if (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM &&
	    type != NFTX_MSG_DESTROYSETELEM) {
		strbuf_printf(text, "%s '%s'", message_kind(type),
		              nftx_attr_text(msg, name_attr(type)));
		return;
	}
	map = map_by_name(nftx_attr_text(msg, NFTA_SET_ELEM_LIST_SET));
	if (map == NFTX_MAP_COUNT)
		return;
	read_message(msg, offset, map, out);
	name_elements(text, msg, map, out);
}

static int describe(const struct nftx_batch *batch, const struct nlmsghdr *answer,
                    struct nftx_refused *out, struct err *err)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(answer);
	const struct nlmsghdr *msg = nftx_batch_message(batch, error->msg.nlmsg_seq);
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *sentence = "";
	size_t offset = blamed_offset(answer, &sentence);

	*out = (struct nftx_refused){ .code = -error->error };
	if (msg != NULL && msg->nlmsg_type >= NLMSG_MIN_TYPE &&
	    (msg->nlmsg_type >> 8) == NFNL_SUBSYS_NFTABLES)
		read_refused(&text, msg, offset, out);
	else
		strbuf_puts(&text, "the transaction");
	return err_set(err, out->code, "%.150s: %s%s%.40s", text.text, strerrordesc_np(out->code),
	               *sentence != '\0' ? ": " : "", sentence);
}

int nftx_refusal(const struct nftx_batch *batch, const void *answers, size_t len,
                 struct nftx_refusals *out, struct err *err)
{
	const struct nlmsghdr *answer = answers;
	int left = (int)len;
	int ret = 0;

	for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
		const struct nlmsgerr *error;
		struct nftx_refused refused;
		int code;

		if (answer->nlmsg_type != NLMSG_ERROR ||
		    mnl_nlmsg_get_payload_len(answer) < sizeof(*error))
			continue;
		error = mnl_nlmsg_get_payload(answer);
		if (error->error == 0 || (ret != 0 && out == NULL))
			continue;
		code = describe(batch, answer, &refused, ret == 0 ? err : NULL);
		if (ret == 0)
			ret = code;
		if (out != NULL && out->count < NFTX_REFUSED_MAX)
			out->list[out->count++] = refused;
	}
	return ret;
}

void nftx_refused_text(const struct nftx_refused *refused, struct err *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct nftx_elem elem = refused->elem;

	if (refused->comment[0] != '\0')
		elem.comment = refused->comment;
	strbuf_printf(&text, "%s %s: %s ", elem.family == 4 ? "ip" : "ip6",
	              nftx_map_info((enum nftx_map)elem.map)->name,
	              refused->is_add ? "adding" : "deleting");
	nftx_elem_text(&text, &elem);
	(void)err_set(err, refused->code, "%.150s: %s", text.text, strerrordesc_np(refused->code));
}

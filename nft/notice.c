/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/notice.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "attr.h"
#include "nft/layout.h"

/* How a message of nf_tables is counted. */
struct kind {
	enum nftx_touch touch;
	bool removes;
};

static bool kind_of(uint16_t type, struct kind *out)
{
	static const struct {
		uint8_t message;
		struct kind kind;
	} rows[] = {
		{ NFT_MSG_NEWTABLE, { NFTX_TOUCH_TABLE, false } },
		{ NFT_MSG_DELTABLE, { NFTX_TOUCH_TABLE, true } },
		{ NFT_MSG_NEWCHAIN, { NFTX_TOUCH_CHAIN, false } },
		{ NFT_MSG_DELCHAIN, { NFTX_TOUCH_CHAIN, true } },
		{ NFT_MSG_NEWRULE, { NFTX_TOUCH_RULE, false } },
		{ NFT_MSG_DELRULE, { NFTX_TOUCH_RULE, true } },
		{ NFT_MSG_NEWSET, { NFTX_TOUCH_SET, false } },
		{ NFT_MSG_DELSET, { NFTX_TOUCH_SET, true } },
		{ NFT_MSG_NEWSETELEM, { NFTX_TOUCH_ELEMENT, false } },
		{ NFT_MSG_DELSETELEM, { NFTX_TOUCH_ELEMENT, true } },
		{ NFT_MSG_NEWOBJ, { NFTX_TOUCH_OTHER, false } },
		{ NFT_MSG_DELOBJ, { NFTX_TOUCH_OTHER, true } },
		{ NFT_MSG_NEWFLOWTABLE, { NFTX_TOUCH_OTHER, false } },
		{ NFT_MSG_DELFLOWTABLE, { NFTX_TOUCH_OTHER, true } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].message == type) {
			*out = rows[i].kind;
			return true;
		}
	}
	return false;
}

static void merge(struct nftx_notice *into, const struct nftx_notice *from)
{
	for (size_t i = 0; i < NFTX_TOUCH_COUNT; i++) {
		into->added[i] += from->added[i];
		into->removed[i] += from->removed[i];
	}
}

/* The transaction that was begun is complete, or its end will not come any more. */
static void complete(struct nftx_notices *notices)
{
	if (!notices->open)
		return;
	notices->open = false;
	if (notices->count < NFTX_NOTICES_MAX) {
		notices->list[notices->count++] = notices->begun;
	} else {
		merge(&notices->list[NFTX_NOTICES_MAX - 1], &notices->begun);
		notices->merged++;
	}
}

static bool belongs(const struct nftx_notices *notices, const struct nlmsghdr *msg,
                    uint16_t generation)
{
	return notices->open && notices->open_port == msg->nlmsg_pid &&
	       notices->open_generation == generation;
}

static uint32_t attr_u32(const struct nlmsghdr *msg, uint16_t type)
{
	const struct nlattr *attr = nftx_attr_find(msg, type);

	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0
	               ? ntohl(mnl_attr_get_u32(attr))
	               : 0;
}

static void take_end(struct nftx_notices *notices, const struct nlmsghdr *msg, uint16_t generation)
{
	const char *process = nftx_attr_text(msg, NFTA_GEN_PROC_NAME);

	if (!belongs(notices, msg, generation)) {
		complete(notices);
		notices->others++;
		return;
	}
	notices->begun.generation = attr_u32(msg, NFTA_GEN_ID);
	notices->begun.pid = attr_u32(msg, NFTA_GEN_PROC_PID);
	memcpy(notices->begun.process, process,
	       strnlen(process, sizeof(notices->begun.process) - 1));
	complete(notices);
}

static void take_touch(struct nftx_notices *notices, const struct nlmsghdr *msg,
                       const struct kind *kind, uint16_t generation)
{
	if (!belongs(notices, msg, generation)) {
		complete(notices);
		notices->open = true;
		notices->open_port = msg->nlmsg_pid;
		notices->open_generation = generation;
		notices->begun = (struct nftx_notice){ 0 };
	}
	if (kind->removes)
		notices->begun.removed[kind->touch]++;
	else
		notices->begun.added[kind->touch]++;
}

static void take(struct nftx_notices *notices, const struct nlmsghdr *msg)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(msg);
	uint16_t type = NFNL_MSG_TYPE(msg->nlmsg_type);
	struct kind kind;

	if (NFNL_SUBSYS_ID(msg->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(msg) < sizeof(*head) || msg->nlmsg_pid == notices->own)
		return;
	if (type == NFT_MSG_NEWGEN)
		take_end(notices, msg, ntohs(head->res_id));
	else if ((head->nfgen_family == NFPROTO_IPV4 || head->nfgen_family == NFPROTO_IPV6) &&
	         kind_of(type, &kind) &&
	         strcmp(nftx_attr_text(msg, NFTA_TABLE_NAME), NFTX_TABLE) == 0)
		take_touch(notices, msg, &kind, ntohs(head->res_id));
}

void nftx_notices_read(struct nftx_notices *notices, const void *datagram, size_t len)
{
	const struct nlmsghdr *msg = datagram;
	int left = (int)len;

	notices->datagrams++;
	/* libmnl takes a length of 2 GiB or more for a negative one */
	for (; mnl_nlmsg_ok(msg, left) && msg->nlmsg_len <= len; msg = mnl_nlmsg_next(msg, &left))
		take(notices, msg);
}

void nftx_notices_clear(struct nftx_notices *notices)
{
	notices->count = 0;
	notices->merged = 0;
	notices->others = 0;
	notices->datagrams = 0;
}

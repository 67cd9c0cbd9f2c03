/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ATTR_H
#define NFT_ATTR_H

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

/* mnl_attr_for_each_nested() without its narrowing of a pointer difference. */
#define attr_for_each(attr, nest)                                                               \
	for ((attr) = mnl_attr_get_payload(nest);                                               \
	     mnl_attr_ok((attr), (int)((const char *)mnl_attr_get_payload(nest) +               \
	                               mnl_attr_get_payload_len(nest) - (const char *)(attr))); \
	     (attr) = mnl_attr_next(attr))

/* The same for the attributes of a message behind its nfgenmsg. */
#define attr_for_each_of(attr, msg, head)                                              \
	for ((attr) = mnl_nlmsg_get_payload_offset((msg), (head));                     \
	     mnl_attr_ok((attr), (int)((const char *)mnl_nlmsg_get_payload_tail(msg) - \
	                               (const char *)(attr)));                         \
	     (attr) = mnl_attr_next(attr))

/** nftx_attr_find() - the attribute of @type behind a message's nfgenmsg, or NULL. */
static inline const struct nlattr *nftx_attr_find(const struct nlmsghdr *msg, uint16_t type)
{
	const struct nlattr *attr;

	attr_for_each_of (attr, msg, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

/** nftx_attr_text() - its text, "" when it is missing or none. */
static inline const char *nftx_attr_text(const struct nlmsghdr *msg, uint16_t type)
{
	const struct nlattr *attr = nftx_attr_find(msg, type);

	return attr != NULL && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0
	               ? mnl_attr_get_str(attr)
	               : "";
}

#endif

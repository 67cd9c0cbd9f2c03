/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NFT_ATTR_H
#define NFT_ATTR_H

#include <libmnl/libmnl.h>

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

#endif

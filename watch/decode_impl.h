/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_DECODE_IMPL_H
#define WATCH_DECODE_IMPL_H

/* What the decoders of the kinds share. */

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/ipaddr.h"
#include "proxy/object.h"
#include "watch/jsonx.h"

/** What metadata says. */
struct decode_meta {
	struct proxy_meta meta;
	const char *created;
	const char *service;   /* label kubernetes.io/service-name, "" when missing */
	const char *zone;      /* label topology.kubernetes.io/zone, "" when missing */
	const char *triggered; /* annotation endpoints.kubernetes.io/last-change-trigger-time */
	bool deleted;          /* a deletionTimestamp is set */
	bool other_proxy;      /* label service.kubernetes.io/service-proxy-name */
	bool headless;         /* label service.kubernetes.io/headless */
};

/** A list of addresses or ranges under construction. */
struct decode_list {
	void *list; /* struct ipaddr or struct ipcidr, room for all entries */
	uint16_t count;
};

/** decode_list_init() - room for the entries of @item, at most PROXY_MAX_ADDRESSES. */
int decode_list_init(struct jsonx *jx, const cJSON *item, size_t size,
                     struct decode_list *out) MUST_CHECK;

/** decode_addresses() - struct decode_list of struct ipaddr; unparsable ones are noted and left out. */
int decode_addresses(struct jsonx *jx, const cJSON *item, void *out) MUST_CHECK;

/** decode_ranges() - struct decode_list of struct ipcidr, likewise; spaces around a range are ignored. */
int decode_ranges(struct jsonx *jx, const cJSON *item, void *out) MUST_CHECK;

/** decode_add_address() - @text to a list of struct ipaddr, unless unparsable (noted) or blank. */
void decode_add_address(struct jsonx *jx, const char *text, struct decode_list *list);

/** decode_add_range() - @text to a list of struct ipcidr, likewise. */
void decode_add_range(struct jsonx *jx, const char *text, struct decode_list *list);

/** decode_protocol() - enum proxy_protocol; unchanged by "". */
int decode_protocol(struct jsonx *jx, const cJSON *item, void *out) MUST_CHECK;

/** decode_port_name() - const char *: a name of at most 63 bytes. */
int decode_port_name(struct jsonx *jx, const cJSON *item, void *out) MUST_CHECK;

/* One kind each. @out: a packed block, or NULL for an object that is not for this proxy. */

int decode_service(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                   struct proxy_meta **out) MUST_CHECK;

int decode_slice(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                 struct proxy_meta **out) MUST_CHECK;

int decode_node(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                struct proxy_meta **out) MUST_CHECK;

int decode_service_cidr(struct jsonx *jx, const cJSON *json, const struct decode_meta *meta,
                        struct proxy_meta **out) MUST_CHECK;

#endif

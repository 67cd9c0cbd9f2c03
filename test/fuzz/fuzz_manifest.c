/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes: read as a manifest, decoded, packed. The first byte says in how
 * large pieces they are read, which must make no difference.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test/unit/watch_feed.h"
#include "watch/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reading gave, as far as it must not depend on the pieces. */
struct result {
	int ret;
	size_t objects;
	size_t decoded;
	size_t bytes;
	struct err err;
};

static void check_name(const char *name)
{
	size_t len = strlen(name);

	ASSERT(len <= PROXY_MAX_NAME);
	for (size_t i = 0; i < len; i++)
		ASSERT(name[i] > ' ' && name[i] < 0x7f && name[i] != '"' && name[i] != '/');
}

static void check_service(const struct proxy_service *service)
{
	ASSERT(service->port_count <= PROXY_MAX_PORTS);
	ASSERT(service->affinity_s <= 86400);
	for (size_t i = 0; i < service->port_count; i++) {
		check_name(service->ports[i].name);
		ASSERT(service->ports[i].port != 0);
		ASSERT(service->ports[i].protocol != 0);
	}
	for (size_t i = 0; i < service->external_ip_count; i++)
		ASSERT(service->external_ips[i].family == 4 ||
		       service->external_ips[i].family == 6);
}

static void check_slice(const struct proxy_endpoint_slice *slice)
{
	check_name(slice->service);
	ASSERT(slice->name_count <= slice->endpoint_count);
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		const struct proxy_endpoint *ep = &slice->endpoints[i];

		ASSERT(ep->addr.family == slice->family);
		ASSERT(ep->node <= slice->name_count);
		ASSERT(ep->zone_hints <= slice->hint_count);
		ASSERT(ep->node_hints <= slice->hint_count);
	}
	for (size_t i = 0; i < slice->port_count; i++)
		ASSERT(slice->ports[i].port != 0);
	for (size_t i = 0; i < slice->name_count; i++)
		check_name(slice->names[i]);
	for (size_t i = 0; i < slice->hint_count; i++)
		ASSERT(slice->hints[i].count > 0 && slice->hints[i].count <= PROXY_MAX_HINTS);
}

static void check_object(const struct proxy_meta *meta)
{
	const void *object = meta;
	struct strbuf text = { 0 };

	check_name(meta->name);
	check_name(meta->namespace);
	ASSERT(meta->name[0] != '\0');
	if (meta->kind == PROXY_SERVICE)
		check_service(object);
	else if (meta->kind == PROXY_ENDPOINT_SLICE)
		check_slice(object);
	describe_object(&text, meta);
	strbuf_done(&text);
}

static void on_object(void *ctx, const cJSON *object, const char *kind,
                      const struct watch_place *place)
{
	struct result *result = ctx;
	struct proxy_meta *meta = NULL;
	struct diags diags = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };
	char subject[600];
	int ret = watch_decode(object, kind, &ident, &meta, &diags, &err);

	ASSERT(place->document > 0 && place->line > 0);
	ASSERT(ret <= 0 && (ret < 0) == (err.msg[0] != '\0'));
	ASSERT(ret == 0 || meta == NULL);
	ASSERT(diags.count <= 10);
	(void)watch_ident_format(&ident, subject, sizeof(subject));
	result->objects++;
	if (meta != NULL) {
		check_object(meta);
		result->decoded++;
		result->bytes += meta->block_bytes;
	}
	diag_done(&diags);
	free(meta);
}

static struct result read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
	struct feed feed = feed_text((const char *)data, size, step);
	struct result result = { 0 };

	result.ret = watch_manifest_read(feed_read, &feed, on_object, &result, &result.err);
	ASSERT(result.ret <= 0);
	ASSERT((result.ret < 0) == str_starts(result.err.msg, "document "));
	return result;
}

/* Does it begin like JSON, perhaps behind a byte order mark and white space? */
static bool is_json(const uint8_t *data, size_t size)
{
	size_t i = size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (i < size && (data[i] == ' ' || (data[i] >= '\t' && data[i] <= '\r')))
		i++;
	return i < size && (data[i] == '{' || data[i] == '[');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result whole;
	struct result pieces;

	if (size < 1)
		return 0;
	whole = read_in_pieces(data + 1, size - 1, 0);
	pieces = read_in_pieces(data + 1, size - 1, (size_t)data[0] + 1);
	ASSERT((whole.ret < 0) == (pieces.ret < 0));
	/* libyaml decodes as much as it is given, so it sees a broken byte sooner or later. */
	if (whole.ret < 0 && !is_json(data + 1, size - 1))
		return 0;
	ASSERT(whole.ret == pieces.ret);
	ASSERT(whole.objects == pieces.objects);
	ASSERT(whole.decoded == pieces.decoded);
	ASSERT(whole.bytes == pieces.bytes);
	ASSERT(strcmp(whole.err.msg, pieces.err.msg) == 0);
	return 0;
}

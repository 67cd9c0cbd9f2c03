/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/watch_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/decode.h"

struct feed feed_text(const char *text, size_t len, size_t step)
{
	return (struct feed){ .head = text, .head_len = len, .total = len, .step = step };
}

int feed_read(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err)
{
	struct feed *feed = ctx;
	size_t len = 0;

	if (feed->step > 0 && size > feed->step)
		size = feed->step;
	if (feed->fail_at > 0 && feed->pos >= feed->fail_at)
		return err_set(err, EIO, "the disk is gone");
	while (len < size && feed->pos < feed->total) {
		bool head = feed->pos < feed->head_len;
		size_t at = head ? feed->pos : (feed->pos - feed->head_len) % feed->body_len;
		size_t n = (head ? feed->head_len : feed->body_len) - at;

		if (n > size - len)
			n = size - len;
		if (n > feed->total - feed->pos)
			n = feed->total - feed->pos;
		memcpy(buf + len, (head ? feed->head : feed->body) + at, n);
		len += n;
		feed->pos += n;
	}
	*out_len = len;
	return 0;
}

void record_object(void *ctx, const cJSON *object, const char *kind,
                   const struct watch_place *place)
{
	char *text = cJSON_PrintUnformatted(object);

	strbuf_printf(ctx, "%u:%u %s%s%s\n", place->document, place->line, kind != NULL ? kind : "",
	              kind != NULL ? " " : "", text != NULL ? text : "(none)");
	cJSON_free(text);
}

void count_object(void *ctx, const cJSON *object, const char *kind, const struct watch_place *place)
{
	size_t *count = ctx;

	(void)object;
	(void)kind;
	(void)place;
	++*count;
}

void decode_object(void *ctx, const cJSON *object, const char *kind,
                   const struct watch_place *place)
{
	struct decoded *decoded = ctx;
	struct proxy_meta *meta = NULL;
	struct watch_ident ident;
	struct err err = { 0 };
	int ret = watch_decode(object, kind, &ident, &meta, &decoded->diags, &err);

	(void)place;
	if (ret < 0) {
		char subject[600];

		decoded->refused++;
		strbuf_printf(&decoded->why, "%s: %s\n",
		              watch_ident_format(&ident, subject, sizeof(subject)), err.msg);
	} else if (meta == NULL) {
		decoded->skipped++;
	} else {
		ASSERT(decoded->count < ARRAY_LEN(decoded->list));
		decoded->list[decoded->count++] = meta;
	}
}

void decoded_done(struct decoded *decoded)
{
	for (size_t i = 0; i < decoded->count; i++)
		free(decoded->list[i]);
	strbuf_done(&decoded->why);
	diag_done(&decoded->diags);
	*decoded = (struct decoded){ 0 };
}

static void add_addrs(struct strbuf *buf, const char *what, const struct ipaddr *list, size_t count)
{
	char text[IPADDR_TEXT];

	for (size_t i = 0; i < count; i++)
		strbuf_printf(buf, "%s%s", i > 0 ? "," : what, ipaddr_format(&list[i], text));
}

static void add_cidrs(struct strbuf *buf, const char *what, const struct ipcidr *list, size_t count)
{
	char text[IPADDR_TEXT];

	for (size_t i = 0; i < count; i++)
		strbuf_printf(buf, "%s%s", i > 0 ? "," : what, ipcidr_format(&list[i], text));
}

static void describe_service(struct strbuf *buf, const struct proxy_service *service)
{
	static const char *const types[] = {
		[PROXY_CLUSTER_IP] = "",
		[PROXY_NODE_PORT] = " NodePort",
		[PROXY_LOAD_BALANCER] = " LoadBalancer",
		[PROXY_EXTERNAL_NAME] = " ExternalName",
	};
	size_t ips = service->cluster_ips[1].family != 0 ? 2 : service->cluster_ips[0].family != 0;

	strbuf_puts(buf, types[service->type]);
	add_addrs(buf, " ip=", &service->cluster_ip, service->cluster_ip.family != 0);
	add_addrs(buf, " ips=", service->cluster_ips, ips);
	for (size_t i = 0; i < 2 && service->ip_families[i] != 0; i++)
		strbuf_printf(buf, " v%u", service->ip_families[i]);
	if (service->external_local)
		strbuf_puts(buf, " external-local");
	if (service->internal_local)
		strbuf_puts(buf, " internal-local");
	if (service->affinity_s != 0)
		strbuf_printf(buf, " affinity=%u", service->affinity_s);
	if (service->health_check_node_port != 0)
		strbuf_printf(buf, " health=%u", service->health_check_node_port);
	for (size_t i = 0; i < service->port_count; i++) {
		const struct proxy_service_port *port = &service->ports[i];

		strbuf_printf(buf, " %s/%s/%u", port->name, proxy_protocol_name(port->protocol),
		              port->port);
		if (port->node_port != 0)
			strbuf_printf(buf, "@%u", port->node_port);
	}
	add_addrs(buf, " external=", service->external_ips, service->external_ip_count);
	add_addrs(buf, " ingress=", service->ingress_ips, service->ingress_ip_count);
	add_cidrs(buf, " ranges=", service->source_ranges, service->source_range_count);
}

static void add_hints(struct strbuf *buf, char mark, const struct proxy_endpoint_slice *slice,
                      uint16_t number)
{
	if (number == 0)
		return;
	for (size_t i = 0; i < slice->hints[number - 1].count; i++)
		strbuf_printf(buf, "%c%s", i > 0 ? '+' : mark, slice->hints[number - 1].names[i]);
}

static void describe_slice(struct strbuf *buf, const struct proxy_endpoint_slice *slice)
{
	strbuf_printf(buf, " of=%s v%u", slice->service, slice->family);
	for (size_t i = 0; i < slice->port_count; i++)
		strbuf_printf(buf, " %s/%s/%u", slice->ports[i].name,
		              proxy_protocol_name(slice->ports[i].protocol), slice->ports[i].port);
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		const struct proxy_endpoint *ep = &slice->endpoints[i];
		char text[IPADDR_TEXT];

		strbuf_printf(buf, " %s:", ipaddr_format(&ep->addr, text));
		strbuf_printf(buf, "%s%s%s", ep->conditions & PROXY_EP_READY ? "r" : "",
		              ep->conditions & PROXY_EP_SERVING ? "s" : "",
		              ep->conditions & PROXY_EP_TERMINATING ? "t" : "");
		if (ep->node != 0)
			strbuf_printf(buf, "@%s", slice->names[ep->node - 1]);
		add_hints(buf, '~', slice, ep->zone_hints);
		add_hints(buf, '^', slice, ep->node_hints);
	}
	strbuf_printf(buf, " (%u names, %u hints)", slice->name_count, slice->hint_count);
}

static void describe_node(struct strbuf *buf, const struct proxy_node *node)
{
	if (node->zone[0] != '\0')
		strbuf_printf(buf, " zone=%s", node->zone);
	if (node->leaving)
		strbuf_puts(buf, " leaving");
	add_addrs(buf, " internal=", node->internal_ips, node->internal_ip_count);
	add_addrs(buf, " external=", node->external_ips, node->external_ip_count);
	add_cidrs(buf, " pods=", node->pod_cidrs, node->pod_cidr_count);
}

void describe_object(struct strbuf *buf, const struct proxy_meta *object)
{
	const void *o = object;

	strbuf_printf(buf, "%s %s%s%s", proxy_kind_name(object->kind), object->namespace,
	              object->namespace[0] != '\0' ? "/" : "", object->name);
	if (object->created != 0)
		strbuf_printf(buf, " t=%lld", (long long)object->created);
	switch (object->kind) {
	case PROXY_SERVICE:
		describe_service(buf, o);
		break;
	case PROXY_ENDPOINT_SLICE:
		describe_slice(buf, o);
		break;
	case PROXY_NODE:
		describe_node(buf, o);
		break;
	case PROXY_SERVICE_CIDR:
		add_cidrs(buf, " cidrs=", ((const struct proxy_service_cidr *)o)->cidrs,
		          ((const struct proxy_service_cidr *)o)->cidr_count);
		break;
	}
}

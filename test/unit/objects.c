/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX 64

/* The words of a text, in memory of their own; the words are valid until words_done(). */
struct words {
	char *text;
	const char *list[MAX];
	size_t count;
};

static struct words split(const char *text, const char *separators)
{
	struct words words = { .text = xstrdup(text != NULL ? text : "") };
	char *state = NULL;

	for (char *word = strtok_r(words.text, separators, &state); word != NULL;
	     word = strtok_r(NULL, separators, &state)) {
		ASSERT(words.count < MAX);
		words.list[words.count++] = word;
	}
	return words;
}

static uint16_t number(const char *text)
{
	uint32_t value = 0;

	ASSERT(str_to_u32(text, UINT16_MAX, &value) == 0);
	return (uint16_t)value;
}

static struct ipaddr addr(const char *text)
{
	struct ipaddr out;

	ASSERT(ipaddr_parse(text, &out, NULL) == 0);
	return out;
}

static uint16_t addrs(const char *text, struct ipaddr *out)
{
	struct words words = split(text, " ");

	for (size_t i = 0; i < words.count; i++)
		out[i] = addr(words.list[i]);
	free(words.text);
	return (uint16_t)words.count;
}

static uint16_t cidrs(const char *text, struct ipcidr *out)
{
	struct words words = split(text, " ");

	for (size_t i = 0; i < words.count; i++)
		ASSERT(ipcidr_parse(words.list[i], &out[i], NULL) == 0);
	free(words.text);
	return (uint16_t)words.count;
}

static enum proxy_protocol protocol(const char *text)
{
	return strcmp(text, "udp") == 0    ? PROXY_UDP
	       : strcmp(text, "sctp") == 0 ? PROXY_SCTP
	                                   : PROXY_TCP;
}

/* The ports of either kind of object; names live in @names. */
static uint16_t ports(const char *text, struct proxy_service_port *out, struct words names[MAX])
{
	struct words words = split(text, " ");

	for (size_t i = 0; i < words.count; i++) {
		names[i] = split(words.list[i], ":");
		ASSERT(names[i].count >= 3);
		out[i] = (struct proxy_service_port){
			.name = strcmp(names[i].list[0], "-") == 0 ? "" : names[i].list[0],
			.protocol = protocol(names[i].list[1]),
			.port = number(names[i].list[2]),
			.node_port = names[i].count > 3 ? number(names[i].list[3]) : 0,
		};
	}
	free(words.text);
	return (uint16_t)words.count;
}

struct proxy_meta *make_service(const struct service_spec *spec)
{
	struct proxy_service_port port_list[MAX];
	struct words names[MAX] = { 0 };
	struct ipaddr externals[MAX];
	struct ipaddr ingress[MAX];
	struct ipaddr own[MAX] = { 0 };
	struct ipcidr ranges[MAX];
	uint16_t own_count = addrs(spec->cluster_ips, own);
	struct proxy_service service = {
		.meta = { .kind = PROXY_SERVICE,
		          .namespace = "ns",
		          .name = spec->name,
		          .created = spec->created },
		.type = spec->type != 0 ? spec->type : PROXY_CLUSTER_IP,
		.cluster_ip = own[0],
		.cluster_ips = { own[0], own[1] },
		.ip_families = { own[0].family, own_count > 1 ? own[1].family : 0 },
		.external_local = spec->external_local,
		.internal_local = spec->internal_local,
		.affinity_s = spec->affinity_s,
		.health_check_node_port = spec->health_check_port,
		.port_count = ports(spec->ports, port_list, names),
		.external_ip_count = addrs(spec->external_ips, externals),
		.ingress_ip_count = addrs(spec->ingress_ips, ingress),
		.source_range_count = cidrs(spec->source_ranges, ranges),
		.ports = port_list,
		.external_ips = externals,
		.ingress_ips = ingress,
		.source_ranges = ranges,
	};
	struct proxy_meta *packed = proxy_object_pack(&service.meta);

	for (size_t i = 0; i < MAX; i++)
		free(names[i].text);
	return packed;
}

/* An EndpointSlice being written. */
struct slice_draft {
	struct proxy_endpoint endpoints[MAX];
	const char *names[MAX];
	struct proxy_names hints[MAX];
	struct words parts[MAX];
	struct words hint_words[MAX];
	struct proxy_endpoint_slice slice;
};

static void read_hint(struct slice_draft *d, struct proxy_endpoint *endpoint, const char *text)
{
	bool zones = str_starts(text, "zones:");
	struct words *words = &d->hint_words[d->slice.hint_count];

	*words = split(strchr(text, ':') + 1, ",");
	d->hints[d->slice.hint_count] = (struct proxy_names){ (uint16_t)words->count, words->list };
	d->slice.hint_count++;
	if (zones)
		endpoint->zone_hints = d->slice.hint_count;
	else
		endpoint->node_hints = d->slice.hint_count;
}

static uint8_t conditions(const char *letters)
{
	return (uint8_t)((strchr(letters, 'r') != NULL ? PROXY_EP_READY : 0) |
	                 (strchr(letters, 's') != NULL ? PROXY_EP_SERVING : 0) |
	                 (strchr(letters, 't') != NULL ? PROXY_EP_TERMINATING : 0));
}

static void read_endpoint(struct slice_draft *d, const char *text)
{
	struct proxy_endpoint *endpoint = &d->endpoints[d->slice.endpoint_count];
	struct words *parts = &d->parts[d->slice.endpoint_count++];
	char *slash;
	char *at;

	*parts = split(text, "+");
	*endpoint = (struct proxy_endpoint){ .conditions = conditions("rs") };
	slash = strchr(parts->text, '/');
	at = strchr(parts->text, '@');
	if (slash != NULL) {
		endpoint->conditions = conditions(slash + 1);
		*slash = '\0';
	}
	if (at != NULL) {
		*at = '\0';
		d->names[d->slice.name_count++] = at + 1;
		endpoint->node = d->slice.name_count;
	}
	endpoint->addr = addr(parts->list[0]);
	for (size_t i = 1; i < parts->count; i++)
		read_hint(d, endpoint, parts->list[i]);
}

struct proxy_meta *make_slice(const struct slice_spec *spec)
{
	struct slice_draft *d = xcalloc(1, sizeof(*d));
	struct proxy_service_port port_list[MAX];
	struct proxy_slice_port slice_ports[MAX];
	struct words names[MAX] = { 0 };
	struct words words = split(spec->endpoints, " ");
	struct proxy_meta *packed;

	d->slice.port_count = ports(spec->ports, port_list, names);
	for (size_t i = 0; i < d->slice.port_count; i++)
		slice_ports[i] =
			(struct proxy_slice_port){ port_list[i].name, port_list[i].protocol,
			                           port_list[i].port };
	for (size_t i = 0; i < words.count; i++)
		read_endpoint(d, words.list[i]);
	d->slice.meta = (struct proxy_meta){ .kind = PROXY_ENDPOINT_SLICE,
		                             .namespace = "ns",
		                             .name = spec->name };
	d->slice.service = spec->service;
	d->slice.family = words.count > 0 ? d->endpoints[0].addr.family : 4;
	d->slice.ports = slice_ports;
	d->slice.endpoints = d->endpoints;
	d->slice.names = d->names;
	d->slice.hints = d->hints;
	packed = proxy_object_pack(&d->slice.meta);
	for (size_t i = 0; i < MAX; i++) {
		free(names[i].text);
		free(d->parts[i].text);
		free(d->hint_words[i].text);
	}
	free(words.text);
	free(d);
	return packed;
}

struct proxy_meta *make_node(const char *name, const char *addresses, const char *zone)
{
	struct ipaddr internal[MAX];
	struct proxy_node node = {
		.meta = { .kind = PROXY_NODE, .namespace = "", .name = name },
		.zone = zone,
		.internal_ip_count = addrs(addresses, internal),
		.internal_ips = internal,
	};

	return proxy_object_pack(&node.meta);
}

struct proxy_meta *make_service_cidr(const char *name, const char *text)
{
	struct ipcidr list[MAX];
	struct proxy_service_cidr cidr = {
		.meta = { .kind = PROXY_SERVICE_CIDR, .namespace = "", .name = name },
		.cidr_count = cidrs(text, list),
		.cidrs = list,
	};

	return proxy_object_pack(&cidr.meta);
}

static void text_pool(struct strbuf *buf, const char *name, const struct lb_service *service,
                      const struct lb_pool *pool)
{
	char text[IPADDR_TEXT];

	strbuf_printf(buf, " %s{", name);
	for (uint32_t i = 0; i < pool->count; i++) {
		const struct lb_backend *backend = &service->backends[pool->first + i];

		strbuf_printf(buf, "%s%s:%u", i > 0 ? " " : "", ipaddr_format(&backend->addr, text),
		              backend->port);
	}
	strbuf_puts(buf, "}");
}

void text_service(struct strbuf *buf, const struct lb_service *service)
{
	char text[IPADDR_TEXT];

	for (size_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *f = &service->frontends[i];
		const struct lb_port *port = &service->ports[f->port_index];

		strbuf_printf(buf, "%s %s %u", ipaddr_format(&f->addr, text),
		              proxy_protocol_name(port->protocol), f->port);
		if (f->kind != LB_CLUSTER_IP)
			strbuf_puts(buf, " external");
		if (f->restricted)
			strbuf_puts(buf, " restricted");
		if (f->lost)
			strbuf_puts(buf, " lost");
		if (!port->has_any)
			strbuf_puts(buf, " none");
		if (f->local_only)
			text_pool(buf, "local", service, &port->local);
		if (!f->local_only || f->kind != LB_CLUSTER_IP)
			text_pool(buf, "all", service, &port->all);
		strbuf_puts(buf, "\n");
	}
	for (size_t i = 0; i < service->local_address_count; i++)
		strbuf_printf(buf, "local %s\n",
		              ipaddr_format(&service->local_addresses[i].addr, text));
	for (size_t i = 0; i < service->source_range_count; i++)
		strbuf_printf(buf, "allow %s\n", ipcidr_format(&service->source_ranges[i], text));
	if (service->health_check_port != 0)
		strbuf_printf(buf, "health %u ready %u+%u\n", service->health_check_port,
		              service->ready_local[0], service->ready_local[1]);
}

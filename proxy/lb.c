/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* Where each part of the block lies; the strings come last. */
struct shape {
	size_t ports, frontends, backends, cluster_ips, local_addresses, ranges, strings, bytes;
};

static size_t align_up(size_t n)
{
	return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

/* "namespace/name:port" with its NUL; the port's name is its tail. */
static size_t label_bytes(const struct lb_service *draft, const char *port)
{
	return strlen(draft->name) + (*port != '\0' ? 1 : 0) + strlen(port) + 1;
}

static struct shape measure(const struct lb_service *draft)
{
	struct shape s;

	s.ports = align_up(sizeof(*draft));
	s.frontends = align_up(s.ports + draft->port_count * sizeof(*draft->ports));
	s.backends = align_up(s.frontends + draft->frontend_count * sizeof(*draft->frontends));
	s.cluster_ips = align_up(s.backends + draft->backend_count * sizeof(*draft->backends));
	s.local_addresses = s.cluster_ips + draft->cluster_ip_count * sizeof(*draft->cluster_ips);
	s.ranges = s.local_addresses + draft->local_address_count * sizeof(*draft->local_addresses);
	s.strings = s.ranges + draft->source_range_count * sizeof(*draft->source_ranges);
	s.bytes = s.strings + strlen(draft->name) + 1;
	for (size_t i = 0; i < draft->port_count; i++)
		s.bytes += label_bytes(draft, draft->ports[i].name);
	return s;
}

static void *put(char *block, size_t offset, const void *src, size_t bytes)
{
	if (bytes > 0)
		memcpy(block + offset, src, bytes);
	return block + offset;
}

struct lb_service *lb_service_build(const struct lb_service *draft)
{
	struct shape s = measure(draft);
	char *block = xmalloc(s.bytes);
	struct lb_service *out = put(block, 0, draft, sizeof(*draft));
	size_t text = s.strings;

	ASSERT(s.bytes <= UINT32_MAX);
	out->block_bytes = (uint32_t)s.bytes;
	out->ports = put(block, s.ports, draft->ports, draft->port_count * sizeof(*draft->ports));
	out->frontends = put(block, s.frontends, draft->frontends,
	                     draft->frontend_count * sizeof(*draft->frontends));
	out->backends = put(block, s.backends, draft->backends,
	                    draft->backend_count * sizeof(*draft->backends));
	out->cluster_ips = put(block, s.cluster_ips, draft->cluster_ips,
	                       draft->cluster_ip_count * sizeof(*draft->cluster_ips));
	out->local_addresses = put(block, s.local_addresses, draft->local_addresses,
	                           draft->local_address_count * sizeof(*draft->local_addresses));
	out->source_ranges = put(block, s.ranges, draft->source_ranges,
	                         draft->source_range_count * sizeof(*draft->source_ranges));
	out->name = put(block, text, draft->name, strlen(draft->name) + 1);
	text += strlen(draft->name) + 1;
	for (size_t i = 0; i < draft->port_count; i++) {
		const char *port = draft->ports[i].name;
		size_t size = label_bytes(draft, port);

		(void)snprintf(block + text, size, "%s%s%s", draft->name, *port != '\0' ? ":" : "",
		               port);
		out->ports[i].label = block + text;
		out->ports[i].name = block + text + size - 1 - strlen(port);
		text += size;
	}
	return out;
}

int lb_backend_cmp(const struct lb_backend *a, const struct lb_backend *b)
{
	int diff = ipaddr_cmp(&a->addr, &b->addr);

	return diff != 0 ? diff : (int)a->port - (int)b->port;
}

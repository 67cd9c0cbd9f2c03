/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/flow_notes.h"

#include <stdlib.h>

#include "base/mem.h"

#define UDP 17

static const struct lb_port *port_of(const struct lb_service *service,
                                     const struct lb_frontend *frontend)
{
	return &service->ports[frontend->port_index];
}

static bool is_udp(const struct lb_service *service, const struct lb_frontend *frontend)
{
	return !frontend->lost && port_of(service, frontend)->protocol == UDP;
}

/* The order of lb_service.frontends: by address, protocol, port. */
static int front_order(const struct lb_service *service, const struct lb_frontend *a,
                       const struct lb_frontend *udp)
{
	int diff = ipaddr_cmp(&a->addr, &udp->addr);

	if (diff == 0)
		diff = (int)port_of(service, a)->protocol - UDP;
	return diff != 0 ? diff : (int)a->port - (int)udp->port;
}

/* The same UDP frontend in @service, NULL when it has none. */
static const struct lb_frontend *find_front(const struct lb_service *service,
                                            const struct lb_frontend *want)
{
	size_t low = 0;
	size_t high = service != NULL ? service->frontend_count : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct lb_frontend *frontend = &service->frontends[mid];
		int order = front_order(service, frontend, want);

		if (order == 0)
			return frontend->lost ? NULL : frontend;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void nftx_note_gone_front(struct nftx_flow_fronts *fronts, const struct ipaddr *addr, uint16_t port)
{
	const struct lb_backend itself = { .addr = *addr, .port = port };

	nftx_flow_fronts_add(fronts, addr, port, &itself, 1);
}

void nftx_note_gone(const struct lb_service *was, const struct lb_service *now,
                    struct nftx_flow_fronts *fronts)
{
	for (size_t i = 0; was != NULL && i < was->frontend_count; i++) {
		const struct lb_frontend *frontend = &was->frontends[i];

		if (is_udp(was, frontend) && find_front(now, frontend) == NULL)
			nftx_note_gone_front(fronts, &frontend->addr, frontend->port);
	}
}

static int backend_order(const void *x, const void *y)
{
	return lb_backend_cmp(x, y);
}

/* What became of a set of serving backends. */
enum change { SAME, GAINED, LOST };

static enum change compare(const struct lb_service *was, const struct lb_pool *before,
                           const struct lb_service *now, const struct lb_pool *after)
{
	if (before->count == 0 || after->count == 0)
		return before->count == after->count ? SAME : LOST;
	for (uint32_t i = 0; i < before->count; i++)
		if (bsearch(&was->backends[before->first + i], now->backends + after->first,
		            after->count, sizeof(*now->backends), backend_order) == NULL)
			return LOST;
	return before->count == after->count ? SAME : GAINED;
}

void nftx_note_kept(const struct lb_service *was, const struct lb_service *now, bool gains,
                    struct nftx_flow_fronts *fronts)
{
	for (size_t i = 0; i < now->frontend_count; i++) {
		const struct lb_frontend *frontend = &now->frontends[i];
		const struct lb_frontend *old;
		const struct lb_pool *serving;
		enum change change = LOST;

		if (!is_udp(now, frontend))
			continue;
		serving = &port_of(now, frontend)->serving;
		old = find_front(was, frontend);
		if (old != NULL)
			change = compare(was, &port_of(was, old)->serving, now, serving);
		if (change == LOST || (change == GAINED && gains))
			nftx_flow_fronts_add(fronts, &frontend->addr, frontend->port,
			                     now->backends + serving->first, serving->count);
	}
}

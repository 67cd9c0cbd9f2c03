/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proxy/explain.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "endpoints.h"
#include "planner_impl.h"

static const struct proxy_service_port *find_port(const struct proxy_service *service,
                                                  const struct proxy_port_id *id)
{
	for (size_t i = 0; i < service->port_count; i++)
		if (service->ports[i].protocol == (enum proxy_protocol)id->protocol &&
		    strcmp(service->ports[i].name, id->port) == 0)
			return &service->ports[i];
	return NULL;
}

static enum proxy_presence look_up(const struct record *record, const struct proxy_port_id *id,
                                   const struct proxy_service_port **port)
{
	if (record == NULL || record->service == NULL)
		return PROXY_NO_SERVICE;
	if (proxy_service_cluster_ip(record->service, id->family) == NULL)
		return PROXY_NO_CLUSTER_IP;
	*port = find_port(record->service, id);
	return *port != NULL ? PROXY_PRESENT : PROXY_NO_PORT;
}

void proxy_planner_explain(struct proxy_planner *planner, const struct proxy_port_id *id,
                           struct proxy_explanation *out)
{
	const struct record *record = store_find(planner_store(planner), id->service);
	const struct proxy_service_port *port = NULL;

	*out = (struct proxy_explanation){ .presence = look_up(record, id, &port) };
	if (out->presence == PROXY_PRESENT)
		out->list = explain_endpoints(
			port, id->family, store_slices(planner_store(planner), record),
			record->slice_count, planner_facts(planner),
			wanted_endpoints(record->service, port, id->family), &out->count);
}

void proxy_explanation_done(struct proxy_explanation *explanation)
{
	free(explanation->list);
	*explanation = (struct proxy_explanation){ 0 };
}

static int explained_order(const void *x, const void *y)
{
	return lb_backend_cmp(&((const struct proxy_explained *)x)->backend,
	                      &((const struct proxy_explained *)y)->backend);
}

const struct proxy_explained *proxy_explanation_find(const struct proxy_explanation *explanation,
                                                     const struct ipaddr *addr, uint16_t port)
{
	const struct proxy_explained want = { .backend = { .addr = *addr, .port = port } };

	if (explanation->count == 0)
		return NULL;
	return bsearch(&want, explanation->list, explanation->count, sizeof(want), explained_order);
}

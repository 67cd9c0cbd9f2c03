/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_ENDPOINTS_H
#define PROXY_ENDPOINTS_H

/*
 * Which endpoints serve a service port, in one family: merging slices, conditions,
 * topology hints (kube-proxy-behaviour.md, sections 1.4 and 2.1).
 */

#include "lb.h"
#include "proxy/explain.h"
#include "proxy/object.h"
#include "proxy/plan.h"

/** Growable list of backends. */
struct backend_list {
	struct lb_backend *list;
	size_t count;
	size_t cap;
};

/** One endpoint behind a service port, before selection. */
struct candidate {
	struct lb_backend backend;
	uint8_t conditions; /* PROXY_EP_* */
	uint8_t hints;      /* HINT_* */
};

/** Reused between calls, so that planning does not allocate; zero-initialise, free the list. */
struct endpoint_scratch {
	struct candidate *candidates;
	size_t cap;
	size_t gathered; /* candidates of all calls so far */
	/* of the last call: how many each set would have had, without its bound */
	uint32_t all_count, local_count;
};

/** Which sets a service port needs (section 1.3, "computed predicates"). */
struct endpoint_want {
	bool all;   /* UsesClusterEndpoints */
	bool local; /* UsesLocalEndpoints */
};

/** wanted_endpoints() - of the plan (proxy/plan.c): which sets the frontends of @port draw from. */
struct endpoint_want wanted_endpoints(const struct proxy_service *service,
                                      const struct proxy_service_port *port, uint8_t family);

/** explain_endpoints() - the choice of select_endpoints(), endpoint by endpoint.
 *
 * Return: sorted by address and port, each once; the caller frees it.
 */
struct proxy_explained *explain_endpoints(const struct proxy_service_port *port, uint8_t family,
                                          const struct proxy_endpoint_slice *const *slices,
                                          size_t slice_count, const struct proxy_facts *facts,
                                          struct endpoint_want want, size_t *out_count);

/** select_endpoints() - append the endpoints of @port in @family to @out.
 *
 * @lb: gets has_any, and where in @out the sets are; sorted by address and port, none longer than
 *      LB_MAX_BACKENDS (the local one: LB_MAX_LOCAL_BACKENDS): those with the lowest addresses.
 */
void select_endpoints(const struct proxy_service_port *port, uint8_t family,
                      const struct proxy_endpoint_slice *const *slices, size_t slice_count,
                      const struct proxy_facts *facts, struct endpoint_want want,
                      struct endpoint_scratch *scratch, struct backend_list *out,
                      struct lb_port *lb);

/** count_ready_local() - how many addresses of ready endpoints of this node @slices have, whatever
 *  their ports (section 2.9). */
uint32_t count_ready_local(uint8_t family, const struct proxy_endpoint_slice *const *slices,
                           size_t slice_count, const struct proxy_facts *facts,
                           struct endpoint_scratch *scratch);

#endif

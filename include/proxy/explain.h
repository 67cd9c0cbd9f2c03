/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef PROXY_EXPLAIN_H
#define PROXY_EXPLAIN_H

/*
 * Why a plan is as it is: what became of a Service's port and of each endpoint
 * behind it. Asked for only where somebody wants to know.
 */

#include "proxy/planner.h"

/** Is there something to plan for a port? */
enum proxy_presence {
	PROXY_PRESENT = 1,
	PROXY_NO_SERVICE,
	PROXY_NO_CLUSTER_IP, /* headless, of type ExternalName, or without an address of the family */
	PROXY_NO_PORT,
};

/** What became of an endpoint. */
enum proxy_fate {
	PROXY_USED = 1,
	PROXY_USED_TERMINATING, /* going away, but no endpoint is ready */
	PROXY_NOT_READY,
	PROXY_TERMINATING,
	PROXY_ELSEWHERE, /* hints keep it for other zones or nodes */
	PROXY_NOT_LOCAL, /* the traffic policy wants endpoints of this node */
	PROXY_TOO_MANY,  /* beyond LB_MAX_BACKENDS, or the local bound */
};

/** An endpoint behind a port. */
struct proxy_explained {
	struct lb_backend backend;
	enum proxy_fate fate;
};

struct proxy_explanation {
	enum proxy_presence presence;
	struct proxy_explained
		*list; /* every endpoint, by lb_backend_cmp(); those in no slice are not here */
	size_t count;
};

/** A port of a Service, in one family. */
struct proxy_port_id {
	const char *service; /* "namespace/name" */
	const char *port;    /* its name, "" when unnamed */
	uint8_t family;      /* 4 or 6 */
	uint8_t protocol;
};

/** proxy_planner_explain() - explain a port by the objects that @planner has now.
 *
 * @out: release with proxy_explanation_done().
 */
void proxy_planner_explain(struct proxy_planner *planner, const struct proxy_port_id *id,
                           struct proxy_explanation *out);

/** proxy_explanation_done() - free the list. */
void proxy_explanation_done(struct proxy_explanation *explanation);

/** proxy_explanation_find() - an endpoint of it, or NULL. */
const struct proxy_explained *proxy_explanation_find(const struct proxy_explanation *explanation,
                                                     const struct ipaddr *addr, uint16_t port);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_HEALTH_PORTS_H
#define CMD_HEALTH_PORTS_H

/*
 * healthCheckNodePort: on a port of its own for each Service of a load balancer with
 * externalTrafficPolicy Local, this node says how many ready endpoints of it run
 * here (kube-proxy-behaviour.md, section 2.9). Any path, any method.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/census.h"
#include "cmd/httpd.h"

#define HEALTH_PORTS_MAX 4096  /* listening sockets; what is beyond is not answered, and said */
#define HEALTH_PORTS_LEAVE 256 /* descriptors for all else: without any, nobody answers /livez */

/** health_port_answer() - what is answered about a Service. Pure.
 *
 * @service: "namespace/name".
 * @healthy: of the daemon, health_is_healthy().
 */
void health_port_answer(const char *service, uint32_t endpoints, bool healthy,
                        struct http_answer *answer);

struct health_ports; /* opaque */

/** Is the daemon healthy now, whatever its node's fate (health_is_healthy())? */
typedef bool (*health_ports_fn)(void *ctx);

/** health_ports_new() - nothing is listened on.
 *
 * @max_fds: the process may have that many descriptors; HEALTH_PORTS_LEAVE of them are left alone.
 * @server, @ctx: borrowed.
 *
 * Return: release with health_ports_free(), before @server.
 */
struct health_ports *health_ports_new(struct httpd *server, uint64_t max_fds,
                                      health_ports_fn healthy, void *ctx);

/** A port could not be opened. @service: "namespace/name". */
typedef void (*health_ports_failed_fn)(void *ctx, const char *service, uint16_t port,
                                       const char *reason);

/** health_ports_watch() - be told of each attempt that fails, also of those that are not logged any
 *  more. @ctx is that of health_ports_new(). */
void health_ports_watch(struct health_ports *ports, health_ports_failed_fn failed);

/** health_ports_free() - close everything. NULL is a no-op. */
void health_ports_free(struct health_ports *ports);

/** health_ports_apply() - listen for these, with these numbers, and for nothing else.
 *
 * To be called after each sync that succeeded. What cannot be opened is logged, and tried again by
 * each call and by health_ports_retry(); of one Service and family all addresses are open or none.
 *
 * @checks: by Service and family, as census_checks() has them.
 * @addresses: proxy_planner_health_addresses(); those of another family than a check's do not count.
 *
 * Return: whether something could not be opened.
 */
bool health_ports_apply(struct health_ports *ports, const struct census_check *checks, size_t count,
                        const struct ipaddr *addresses, size_t address_count);

/** health_ports_are_at() - are these the addresses of the last health_ports_apply()? */
bool health_ports_are_at(const struct health_ports *ports, const struct ipaddr *addresses,
                         size_t count);

/** health_ports_retry() - try again what could not be opened. Return: whether something still is
 *  not. */
bool health_ports_retry(struct health_ports *ports);

/** Counts for metrics. */
struct health_ports_stats {
	size_t listening[2]; /* sockets, of IPv4 and IPv6 */
	size_t failing[2];   /* Services that cannot be opened */
	uint64_t failures[2];
};

struct health_ports_stats health_ports_stats(const struct health_ports *ports);

#endif

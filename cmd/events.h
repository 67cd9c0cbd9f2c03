/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_EVENTS_H
#define CMD_EVENTS_H

/*
 * Events: what the daemon tells people through the API server, as kube-proxy does
 * (kube-proxy-behaviour.md, section 5.9). The daemon's parts say what has happened;
 * it is noted here at once and sent later by the source (cmd/api_events.h), if that
 * is an API server. No call waits for anything, and all take NULL, which is a daemon
 * that has nobody to tell.
 */

#include <stdint.h>

#include "cmd/options.h"
#include "watch/recorder.h"

struct ev_loop;
struct events; /* opaque */

/** events_new() - nothing has happened.
 *
 * @loop: borrowed; it is woken up when there is something to send.
 *
 * Return: release with events_free(); NULL when the source of @options is no API server.
 */
struct events *events_new(struct ev_loop *loop, const struct options *options);

void events_free(struct events *events);

/** events_starting() - the daemon runs. */
void events_starting(struct events *events);

/** The servers that --bind-address-hard-fail is about. */
enum events_server { EVENTS_HEALTH, EVENTS_METRICS };

/** events_server_failed() - it cannot listen, and the daemon ends for that. */
void events_server_failed(struct events *events, enum events_server server, const char *reason);

/** events_health_port_failed() - a healthCheckNodePort cannot be opened.
 *
 * @service: "namespace/name".
 */
void events_health_port_failed(struct events *events, const char *service, uint16_t port,
                               const char *reason);

/** events_recorder() - for whoever sends; not of NULL. */
struct watch_recorder *events_recorder(struct events *events);

/** events_status() - all 0 for NULL. */
struct watch_record_status events_status(const struct events *events);

#endif

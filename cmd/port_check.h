/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_PORT_CHECK_H
#define CMD_PORT_CHECK_H

/*
 * NodePorts at which a process of this machine waits for connections: it gets no
 * new ones any more, which somebody should know.
 *
 * Only NodePorts that are new are looked at, a second after the sync that brought
 * them, and never in a sync.
 */

#include <ev.h>
#include <stdint.h>

#include "cmd/sync.h"

struct port_check_front; /* one address of a new NodePort */

/** Zero-initialise; release with port_check_close(). */
struct port_check {
	struct ev_loop *loop;
	ev_timer timer;
	uint64_t *known; /* by Service id: a sum over its NodePorts, 0 for none */
	size_t known_count;
	struct port_check_front *fresh;
	size_t fresh_count, fresh_cap;
};

/** port_check_init() - hears of Services from @sync. */
void port_check_init(struct port_check *check, struct ev_loop *loop, struct sync *sync);

/** port_check_close() - before the loop is destroyed. One without a loop is a no-op. */
void port_check_close(struct port_check *check);

/** port_check_note() - @service shall be so; its NodePorts are looked at when they are others than
 *  before. */
void port_check_note(struct port_check *check, const struct lb_service *service);

/** port_check_run() - look at all that was noted since the last time.
 *
 * @diags: a finding for each port of a Service at which somebody waits.
 *
 * Return: 0 or a negative errno; what was noted is forgotten either way.
 */
int port_check_run(struct port_check *check, struct diags *diags, struct err *err) MUST_CHECK;

#endif

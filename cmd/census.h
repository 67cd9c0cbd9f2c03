/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_CENSUS_H
#define CMD_CENSUS_H

/*
 * What all planned Services add up to, kept up to date Service by Service: the
 * ports at which load balancers ask for local endpoints, and how many service ports
 * of policy Local have none.
 */

#include <stddef.h>
#include <stdint.h>

#include "lb.h"

struct census; /* opaque */

/** census_new() - nothing was counted. Release with census_free(). */
struct census *census_new(void);

/** census_free() - NULL is a no-op. */
void census_free(struct census *census);

/** census_note() - @service is so now; one without ports is gone. */
void census_note(struct census *census, const struct lb_service *service);

/** census_changes() - grows whenever one of the answers below becomes another one. */
uint64_t census_changes(const struct census *census);

/** A port of this node at which somebody asks about a Service, in one family. */
struct census_check {
	const char *service; /* "namespace/name"; of the census, until the Service is noted again */
	uint8_t family;
	uint16_t port;
	uint32_t endpoints; /* ready ones on this node */
};

/** census_checks() - all of them, by Service and family.
 *
 * @out: an array that the caller frees.
 *
 * Return: how many there are.
 */
size_t census_checks(const struct census *census, struct census_check **out);

enum census_policy {
	CENSUS_INTERNAL, /* internalTrafficPolicy */
	CENSUS_EXTERNAL,
	CENSUS_POLICIES,
};

/** census_without_local() - service ports of @family whose policy is Local, that have usable
 *  endpoints, but none on this node. */
uint64_t census_without_local(const struct census *census, enum census_policy policy,
                              uint8_t family);

#endif

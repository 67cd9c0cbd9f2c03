/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "port_check.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/host_sockets.h"
#include "cmd/log.h"
#include "cmd/report.h"

#define DELAY_S 1.

/* Fronts kept until they are looked at, and owners that are looked for: both cost time. */
#define FRESH_MAX (1u << 17)
#define OWNERS_MAX 4

struct port_check_front {
	struct ipaddr addr;
	uint8_t protocol;
	uint16_t port;
	bool said;
	char *label; /* "namespace/name:port" */
};

static bool is_node_port(const struct lb_frontend *frontend)
{
	return frontend->kind == LB_NODE_PORT && !frontend->lost;
}

/* FNV-1a; chosen by nobody who gains from a collision, which would only spare a warning. */
static uint64_t add_bytes(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 1099511628211u;
	return sum;
}

static uint64_t sum_of(const struct lb_service *service)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < service->frontend_count; i++) {
		const struct lb_frontend *frontend = &service->frontends[i];
		const struct lb_port *port = &service->ports[frontend->port_index];

		if (!is_node_port(frontend))
			continue;
		if (sum == 0)
			sum = add_bytes(14695981039346656037u, service->name,
			                strlen(service->name));
		sum = add_bytes(sum, frontend->addr.bytes, sizeof(frontend->addr.bytes));
		sum = add_bytes(sum, &frontend->port, sizeof(frontend->port));
		sum = add_bytes(sum, &port->protocol, sizeof(port->protocol));
	}
	return sum;
}

static void add_fresh(struct port_check *check, const struct lb_service *service,
                      const struct lb_frontend *frontend)
{
	const struct lb_port *port = &service->ports[frontend->port_index];

	if (check->fresh_count >= FRESH_MAX)
		return;
	check->fresh = vec_reserve(check->fresh, &check->fresh_cap, check->fresh_count + 1,
	                           sizeof(*check->fresh));
	check->fresh[check->fresh_count++] = (struct port_check_front){
		.addr = frontend->addr,
		.protocol = port->protocol,
		.port = frontend->port,
		.label = xstrdup(port->label),
	};
}

void port_check_note(struct port_check *check, const struct lb_service *service)
{
	uint64_t sum = sum_of(service);
	size_t had = check->known_count;

	if (service->id >= had) {
		if (sum == 0)
			return;
		check->known = vec_reserve(check->known, &check->known_count,
		                           (size_t)service->id + 1, sizeof(*check->known));
		memset(check->known + had, 0, (check->known_count - had) * sizeof(*check->known));
	}
	if (check->known[service->id] == sum)
		return;
	check->known[service->id] = sum;
	for (size_t i = 0; i < service->frontend_count; i++)
		if (is_node_port(&service->frontends[i]))
			add_fresh(check, service, &service->frontends[i]);
}

static int front_order(const void *x, const void *y)
{
	const struct port_check_front *a = x;
	const struct port_check_front *b = y;

	if (a->port != b->port)
		return (a->port > b->port) - (a->port < b->port);
	return a->protocol - b->protocol;
}

struct looking {
	struct port_check *check;
	struct diags *diags;
	unsigned owners;
};

/* The first of the fronts with this protocol and port, or the end of all. */
static size_t find_fronts(const struct port_check *check, const struct port_check_front *want)
{
	size_t low = 0;
	size_t high = check->fresh_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (front_order(&check->fresh[mid], want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? "TCP" : protocol == IPPROTO_UDP ? "UDP" : "SCTP";
}

static void say(struct looking *looking, const struct port_check_front *front,
                const struct host_socket *socket)
{
	char owner[HOST_OWNER_TEXT] = "a process";
	char addr[IPADDR_TEXT];
	char subject[256];

	if (looking->owners > 0) {
		looking->owners--;
		(void)host_socket_owner(socket, owner);
	}
	(void)snprintf(subject, sizeof(subject), "Service %s", front->label);
	diag_add(looking->diags, subject,
	         "nodePort %u (%s) is in use on this node by %s: what comes in at %s goes to the "
	         "Service instead",
	         front->port, protocol_name(front->protocol), owner,
	         ipaddr_format(&front->addr, addr));
}

/* One word about a port is enough, whatever the addresses and sockets. */
static void on_socket(void *ctx, const struct host_socket *socket)
{
	const struct port_check_front want = { .protocol = socket->protocol, .port = socket->port };
	struct looking *looking = ctx;
	struct port_check *check = looking->check;
	size_t first = find_fronts(check, &want);
	bool taken = false;

	for (size_t i = first; i < check->fresh_count; i++) {
		if (front_order(&check->fresh[i], &want) != 0 || check->fresh[i].said)
			break;
		if (host_socket_takes(socket, &check->fresh[i].addr)) {
			say(looking, &check->fresh[i], socket);
			taken = true;
			break;
		}
	}
	for (size_t i = first; taken && i < check->fresh_count; i++) {
		if (front_order(&check->fresh[i], &want) != 0)
			break;
		check->fresh[i].said = true;
	}
}

static void forget(struct port_check *check)
{
	for (size_t i = 0; i < check->fresh_count; i++)
		free(check->fresh[i].label);
	free(check->fresh);
	check->fresh = NULL;
	check->fresh_count = check->fresh_cap = 0;
}

int port_check_run(struct port_check *check, struct diags *diags, struct err *err)
{
	struct looking looking = { check, diags, OWNERS_MAX };
	int ret = 0;

	if (check->fresh_count > 0) {
		qsort(check->fresh, check->fresh_count, sizeof(*check->fresh), front_order);
		ret = host_sockets_each(on_socket, &looking, err);
	}
	forget(check);
	return ret;
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct diags diags = { 0 };
	struct err err = { 0 };

	(void)loop;
	(void)events;
	if (port_check_run(w->data, &diags, &err) < 0)
		log_warning_limited("NodePorts not compared with the node's own sockets",
		                    LOG_STR("reason", err.msg));
	report_diags(&diags);
	diag_done(&diags);
}

static void on_service(void *ctx, const struct lb_service *service)
{
	struct port_check *check = ctx;

	port_check_note(check, service);
	if (check->fresh_count > 0 && !ev_is_active(&check->timer)) {
		ev_timer_set(&check->timer, DELAY_S, 0.);
		ev_timer_start(check->loop, &check->timer);
	}
}

void port_check_init(struct port_check *check, struct ev_loop *loop, struct sync *sync)
{
	check->loop = loop;
	ev_init(&check->timer, on_timer);
	check->timer.data = check;
	sync_watch(sync, on_service, check);
}

void port_check_close(struct port_check *check)
{
	if (check->loop == NULL)
		return;
	ev_timer_stop(check->loop, &check->timer);
	forget(check);
	free(check->known);
	check->known = NULL;
	check->known_count = 0;
}

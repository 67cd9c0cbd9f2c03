/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/health_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/log.h"

/** A Service in one family. Listeners point to it: its place does not change. */
struct entry {
	struct health_ports *ports;
	char *service;
	uint8_t family;
	uint16_t port;
	uint32_t endpoints;
	struct httpd_listener **listeners; /* one for each address of the family, or none */
	size_t listener_count;
	bool failed; /* and it was said */
};

struct health_ports {
	struct httpd *server;
	health_ports_fn healthy;
	health_ports_failed_fn failed; /* may be NULL */
	void *ctx;
	struct entry **entries; /* by Service and family */
	size_t count;
	struct ipaddr *addresses;
	size_t address_count;
	size_t listening;
	size_t max; /* sockets */
	struct health_ports_stats stats;
};

void health_port_answer(const char *service, uint32_t endpoints, bool healthy,
                        struct http_answer *answer)
{
	size_t space = strcspn(service, "/");
	struct strbuf name = { 0 };

	http_json(answer, endpoints > 0 && healthy ? 200 : 503);
	http_header(answer, "X-Load-Balancing-Endpoint-Weight", "%u", endpoints);
	strbuf_add(&name, service, space);
	strbuf_puts(&answer->body, "{\n\t\"service\": {\n\t\t\"namespace\": ");
	strbuf_json(&answer->body, name.text);
	strbuf_puts(&answer->body, ",\n\t\t\"name\": ");
	strbuf_json(&answer->body, service[space] == '/' ? service + space + 1 : "");
	strbuf_printf(&answer->body,
	              "\n\t},\n\t\"localEndpoints\": %u,\n\t\"serviceProxyHealthy\": %s\n}",
	              endpoints, healthy ? "true" : "false");
	strbuf_done(&name);
}

static void answer_entry(void *ctx, const struct http_request *request, struct http_answer *answer)
{
	const struct entry *entry = ctx;

	(void)request;
	health_port_answer(entry->service, entry->endpoints,
	                   entry->ports->healthy(entry->ports->ctx), answer);
}

struct health_ports *health_ports_new(struct httpd *server, uint64_t max_fds,
                                      health_ports_fn healthy, void *ctx)
{
	struct health_ports *ports = xcalloc(1, sizeof(*ports));
	uint64_t max = max_fds > HEALTH_PORTS_LEAVE ? max_fds - HEALTH_PORTS_LEAVE : 0;

	ports->max = max < HEALTH_PORTS_MAX ? (size_t)max : HEALTH_PORTS_MAX;
	ports->server = server;
	ports->healthy = healthy;
	ports->ctx = ctx;
	return ports;
}

void health_ports_watch(struct health_ports *ports, health_ports_failed_fn failed)
{
	ports->failed = failed;
}

static void close_entry(struct entry *entry)
{
	for (size_t i = 0; i < entry->listener_count; i++)
		httpd_close(entry->listeners[i]);
	entry->ports->listening -= entry->listener_count;
	free(entry->listeners);
	entry->listeners = NULL;
	entry->listener_count = 0;
}

static void free_entry(struct entry *entry)
{
	close_entry(entry);
	free(entry->service);
	free(entry);
}

void health_ports_free(struct health_ports *ports)
{
	if (ports == NULL)
		return;
	for (size_t i = 0; i < ports->count; i++)
		free_entry(ports->entries[i]);
	free(ports->entries);
	free(ports->addresses);
	free(ports);
}

static int open_listeners(struct entry *entry, struct err *err)
{
	struct health_ports *ports = entry->ports;

	free(entry->listeners); /* there was no address to listen on */
	entry->listeners = xcalloc(ports->address_count, sizeof(struct httpd_listener *));
	for (size_t i = 0; i < ports->address_count; i++) {
		int ret;

		if (ports->addresses[i].family != entry->family)
			continue;
		if (ports->listening >= ports->max)
			return err_set(err, EMFILE, "more than %zu sockets for health checks",
			               ports->max);
		ret = httpd_listen(ports->server, &ports->addresses[i], entry->port, false,
		                   answer_entry, entry, &entry->listeners[entry->listener_count],
		                   err);
		if (ret < 0)
			return ret;
		entry->listener_count++;
		ports->listening++;
	}
	return 0;
}

static void open_entry(struct entry *entry)
{
	struct health_ports *ports = entry->ports;
	struct err err = { 0 };

	if (open_listeners(entry, &err) < 0) {
		close_entry(entry);
		ports->stats.failures[entry->family == 6]++;
		if (ports->failed != NULL)
			ports->failed(ports->ctx, entry->service, entry->port, err.msg);
		if (!entry->failed)
			log_warning_limited("health check port not opened, to be tried again",
			                    LOG_STR("service", entry->service),
			                    LOG_U64("port", entry->port),
			                    LOG_STR("reason", err.msg));
		entry->failed = true;
	} else {
		if (entry->failed)
			log_info("health check port opened", LOG_STR("service", entry->service),
			         LOG_U64("port", entry->port));
		entry->failed = false;
	}
}

static struct entry *new_entry(struct health_ports *ports, const struct census_check *check)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));

	entry->ports = ports;
	entry->service = xstrdup(check->service);
	entry->family = check->family;
	entry->port = check->port;
	return entry;
}

static int compare(const struct entry *entry, const struct census_check *check)
{
	int diff = strcmp(entry->service, check->service);

	return diff != 0 ? diff : (int)entry->family - (int)check->family;
}

bool health_ports_are_at(const struct health_ports *ports, const struct ipaddr *addresses,
                         size_t count)
{
	return count == ports->address_count &&
	       (count == 0 || memcmp(addresses, ports->addresses, count * sizeof(*addresses)) == 0);
}

/* Return: whether the addresses are other ones than before. */
static bool take_addresses(struct health_ports *ports, const struct ipaddr *addresses, size_t count)
{
	if (health_ports_are_at(ports, addresses, count))
		return false;
	free(ports->addresses);
	ports->addresses = xcalloc(count, sizeof(*addresses));
	if (count > 0)
		memcpy(ports->addresses, addresses, count * sizeof(*addresses));
	ports->address_count = count;
	return true;
}

bool health_ports_apply(struct health_ports *ports, const struct census_check *checks, size_t count,
                        const struct ipaddr *addresses, size_t address_count)
{
	struct entry **entries = xcalloc(count, sizeof(struct entry *));
	bool moved = take_addresses(ports, addresses, address_count);
	size_t had = 0;

	for (size_t i = 0; i < count; i++) {
		while (had < ports->count && compare(ports->entries[had], &checks[i]) < 0)
			free_entry(ports->entries[had++]);
		if (had < ports->count && compare(ports->entries[had], &checks[i]) == 0)
			entries[i] = ports->entries[had++];
		else
			entries[i] = new_entry(ports, &checks[i]);
		if (moved || entries[i]->port != checks[i].port)
			close_entry(entries[i]);
		entries[i]->port = checks[i].port;
		entries[i]->endpoints = checks[i].endpoints;
	}
	while (had < ports->count)
		free_entry(ports->entries[had++]);
	free(ports->entries);
	ports->entries = entries;
	ports->count = count;
	return health_ports_retry(ports); /* after all closing: a port may change hands */
}

bool health_ports_retry(struct health_ports *ports)
{
	bool failed = false;

	for (size_t i = 0; i < ports->count; i++) {
		if (ports->entries[i]->listener_count == 0)
			open_entry(ports->entries[i]);
		failed = failed || ports->entries[i]->failed;
	}
	return failed;
}

struct health_ports_stats health_ports_stats(const struct health_ports *ports)
{
	struct health_ports_stats stats = ports->stats;

	for (size_t i = 0; i < ports->count; i++) {
		const struct entry *entry = ports->entries[i];

		stats.listening[entry->family == 6] += entry->listener_count;
		stats.failing[entry->family == 6] += entry->failed;
	}
	return stats;
}

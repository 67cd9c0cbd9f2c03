/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/host_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/unit/test.h"

static const struct row {
	const char *what;
	const char *bound;
	bool both;
	const char *addr;
	bool takes;
} rows[] = {
	{ "any address of IPv4", "0.0.0.0", false, "192.0.2.1", true },
	{ "the very address", "192.0.2.1", false, "192.0.2.1", true },
	{ "another address", "192.0.2.2", false, "192.0.2.1", false },
	{ "any address of IPv6, IPv6 only", "::", false, "2001:db8::1", true },
	{ "... not IPv4", "::", false, "192.0.2.1", false },
	{ "any address of both, IPv4", "::", true, "192.0.2.1", true },
	{ "... IPv6", "::", true, "2001:db8::1", true },
	{ "any address of IPv4, not IPv6", "0.0.0.0", false, "2001:db8::1", false },
	{ "the very address of IPv6", "2001:db8::1", false, "2001:db8::1", true },
	{ "loopback", "::1", false, "2001:db8::1", false },
};

static void takes_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct host_socket socket = { .both = rows[i].both };
		struct ipaddr addr;

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(ipaddr_parse(rows[i].bound, &socket.addr, NULL), 0);
		assert_int_equal(ipaddr_parse(rows[i].addr, &addr, NULL), 0);
		assert_int_equal(host_socket_takes(&socket, &addr), rows[i].takes);
	}
}

struct search {
	uint16_t port;
	unsigned found;
	struct host_socket socket;
};

static void look(void *ctx, const struct host_socket *socket)
{
	struct search *search = ctx;

	if (socket->port != search->port || socket->protocol != IPPROTO_TCP)
		return;
	search->found++;
	search->socket = *socket;
}

static struct search search_for(uint16_t port)
{
	struct search search = { .port = port };
	struct err err = { 0 };

	if (host_sockets_each(look, &search, &err) < 0)
		fail_msg("%s", err.msg);
	return search;
}

/* A socket of our own is found while it listens, with its address and owner. */
static void finds_our_own(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	char owner[HOST_OWNER_TEXT];
	char want[HOST_OWNER_TEXT];
	char addr[IPADDR_TEXT];
	struct search search;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_return_code(bind(fd, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&at, &len), errno);
	assert_int_equal(search_for(ntohs(at.sin_port)).found, 0);
	assert_return_code(listen(fd, 1), errno);
	search = search_for(ntohs(at.sin_port));
	assert_int_equal(search.found, 1);
	assert_string_equal(ipaddr_format(&search.socket.addr, addr), "127.0.0.1");
	assert_int_equal(search.socket.uid, geteuid());
	(void)snprintf(want, sizeof(want), "(pid %d)", (int)getpid());
	assert_non_null(strstr(host_socket_owner(&search.socket, owner), want));
	(void)close(fd);
	assert_int_equal(search_for(ntohs(at.sin_port)).found, 0);
	/* whose it was cannot be said any more */
	(void)snprintf(want, sizeof(want), "a process of uid %u ('ss -lnp' names it)",
	               (unsigned)geteuid());
	assert_string_equal(host_socket_owner(&search.socket, owner), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_rows),
		cmocka_unit_test(finds_our_own),
	};

	return cmocka_run_group_tests_name("cmd/host_sockets", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/loop_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmd/clock.h"
#include "test/unit/test.h"

#define PATIENCE_US 10000000u

/* 127.1.0.0 and up: a process id has at most 22 bits (PID_MAX_LIMIT), and each gives another. */
struct ipaddr loop_own_address(void)
{
	uint32_t id = (uint32_t)getpid();

	return (struct ipaddr){ .family = 4,
		                .bytes = { 127, (uint8_t)(1 + (id >> 16)), (uint8_t)(id >> 8),
		                           (uint8_t)id } };
}

int loop_connect(const struct ipaddr *addr, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(addr->family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret;

	assert_true(fd >= 0);
	memcpy(&in.sin_addr, addr->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, addr->bytes, sizeof(in6.sin6_addr));
	if (addr->family == 4)
		ret = connect(fd, (struct sockaddr *)&in, sizeof(in));
	else
		ret = connect(fd, (struct sockaddr *)&in6, sizeof(in6));
	if (ret < 0) {
		assert_int_equal(errno, ECONNREFUSED);
		(void)close(fd);
		return -1;
	}
	return fd;
}

void loop_send(struct ev_loop *loop, int fd, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return; /* the server has closed it: what it said can still be read */
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
}

bool loop_read(struct ev_loop *loop, int fd, const char *until, struct strbuf *out)
{
	uint64_t deadline = clock_us() + PATIENCE_US;

	strbuf_puts(out, "");
	for (;;) {
		char buf[16384];
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n > 0)
			strbuf_add(out, buf, (size_t)n);
		if (until != NULL && strstr(out->text, until) != NULL)
			return true;
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return until == NULL;
		assert_true(clock_us() < deadline);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
}

void loop_get(struct ev_loop *loop, const struct ipaddr *addr, uint16_t port, const char *path,
              struct strbuf *out)
{
	AUTO_STRBUF struct strbuf request = { 0 };
	int fd = loop_connect(addr, port);

	assert_true(fd >= 0);
	strbuf_printf(&request, "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", path);
	loop_send(loop, fd, request.text);
	assert_true(loop_read(loop, fd, NULL, out));
	(void)close(fd);
}

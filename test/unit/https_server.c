/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/https_server.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

#define DEADLINE_MS 30000

static struct {
	pid_t pid;
	int questions;
	int answers;
	char buf[1024]; /* of answers, up to @len */
	size_t len;
	struct {
		char name[32];
		unsigned port;
	} ports[32];
	size_t count;
} server;

/* One line of what the server says, without its end. */
static void read_line(char *out, size_t size)
{
	char *end;

	while ((end = memchr(server.buf, '\n', server.len)) == NULL) {
		struct pollfd poll_fd = { .fd = server.answers, .events = POLLIN };
		ssize_t got;

		assert_int_equal(poll(&poll_fd, 1, DEADLINE_MS), 1);
		assert_true(server.len < sizeof(server.buf));
		got = read(server.answers, server.buf + server.len,
		           sizeof(server.buf) - server.len);
		assert_true(got > 0);
		server.len += (size_t)got;
	}
	*end = '\0';
	assert_true((size_t)(end - server.buf) < size);
	memcpy(out, server.buf, (size_t)(end + 1 - server.buf));
	server.len -= (size_t)(end + 1 - server.buf);
	memmove(server.buf, end + 1, server.len);
}

static void read_ports(void)
{
	char line[64];

	for (;;) {
		char *space;

		read_line(line, sizeof(line));
		space = strchr(line, ' ');
		assert_non_null(space);
		*space = '\0';
		if (strcmp(line, "ready") == 0)
			return;
		assert_true(server.count < ARRAY_LEN(server.ports));
		(void)snprintf(server.ports[server.count].name, sizeof(server.ports[0].name),
		               "%.31s", line);
		assert_int_equal(str_to_u32(space + 1, 65535, &server.ports[server.count].port), 0);
		server.count++;
	}
}

static void spawn(const char *script)
{
	char *path = xstrdup(script);
	char *where = xstrdup(dir_path());
	char name[] = "python3";
	char flag[] = "-Wignore";
	char *argv[] = { name, flag, path, where, NULL };
	posix_spawn_file_actions_t actions;
	int to[2];
	int from[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO), 0);
	assert_int_equal(posix_spawnp(&server.pid, name, &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	server.questions = to[1];
	server.answers = from[0];
	free(path);
	free(where);
}

int https_start(void **state)
{
	char script[PATH_MAX];
	/* Proxies of the machine that runs the tests are none of ours. */
	static const char *const variables[] = { "http_proxy", "https_proxy", "HTTPS_PROXY",
		                                 "all_proxy",  "ALL_PROXY",   "no_proxy",
		                                 "NO_PROXY" };

	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		unsetenv(variables[i]);
	assert_non_null(realpath("test/unit/https_server.py", script));
	assert_int_equal(dir_make(state), 0);
	spawn(script);
	read_ports();
	return 0;
}

int https_stop(void **state)
{
	int status;

	/* It ends with its input. */
	close(server.questions);
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	close(server.answers);
	assert_int_equal(status, 0);
	return dir_remove(state);
}

unsigned https_port(const char *name)
{
	for (size_t i = 0; i < server.count; i++) {
		if (strcmp(server.ports[i].name, name) == 0)
			return server.ports[i].port;
	}
	return 0;
}

void https_need(const char *name)
{
	if (https_port(name) == 0)
		skip();
}

unsigned https_ask(const char *question)
{
	char line[64];
	uint32_t answer;

	(void)snprintf(line, sizeof(line), "%s\n", question);
	assert_int_equal(write(server.questions, line, strlen(line)), strlen(line));
	read_line(line, sizeof(line));
	assert_int_equal(str_to_u32(line, UINT32_MAX, &answer), 0);
	return answer;
}

unsigned https_connections(const char *name)
{
	char question[64];

	(void)snprintf(question, sizeof(question), "count %s", name);
	return https_ask(question);
}

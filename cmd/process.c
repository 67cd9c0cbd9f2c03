/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* The decimal number at @at, which moves behind it and a blank. */
static uint64_t next_number(const char **at)
{
	uint64_t value = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		value = value * 10 + (uint64_t)(**at - '0');
	*at += **at == ' ';
	return value;
}

/* The first two numbers of /proc/self/statm: pages of virtual and of resident memory. */
static void read_memory(struct process_usage *out)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	const char *at = text;
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	out->virtual_bytes = next_number(&at) * page;
	out->resident_bytes = next_number(&at) * page;
}

static uint64_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	(void)closedir(dir);
	return count > 0 ? count - 1 : 0; /* without the one that we count with */
}

static uint64_t limit(__rlimit_resource_t which)
{
	struct rlimit value;

	return getrlimit(which, &value) == 0 ? (uint64_t)value.rlim_cur : 0;
}

struct process_usage process_usage(void)
{
	struct process_usage out = { .open_fds = count_fds(),
		                     .max_fds = limit(RLIMIT_NOFILE),
		                     .virtual_max_bytes = limit(RLIMIT_AS) };
	struct timespec cpu;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
		out.cpu_s = (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9;
	read_memory(&out);
	return out;
}

uint64_t process_raise_fds(void)
{
	struct rlimit value;

	if (getrlimit(RLIMIT_NOFILE, &value) < 0)
		return 0;
	value.rlim_cur = value.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &value);
	return limit(RLIMIT_NOFILE);
}

int64_t process_wall_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

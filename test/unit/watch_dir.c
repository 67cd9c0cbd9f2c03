/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/watch_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "test/unit/test.h"

static struct {
	char path[64];
	char back[PATH_MAX];
	char data[PATH_MAX];
	size_t inheritable; /* that were there before */
} dir;

static size_t count_fds(bool inheritable_only)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(list);
	while ((entry = readdir(list)) != NULL) {
		uint32_t fd;
		int flags;

		if (str_to_u32(entry->d_name, INT_MAX, &fd) < 0)
			continue;
		flags = fcntl((int)fd, F_GETFD);
		if (!inheritable_only || (fd > 2 && (flags & FD_CLOEXEC) == 0))
			count++;
	}
	closedir(list);
	return count;
}

int dir_make(void **state)
{
	(void)state;
	assert_non_null(getcwd(dir.back, sizeof(dir.back)));
	if (dir.data[0] == '\0')
		assert_non_null(realpath("test/data", dir.data));
	(void)snprintf(dir.path, sizeof(dir.path), "/tmp/kubenft-test-XXXXXX");
	assert_non_null(mkdtemp(dir.path));
	assert_int_equal(chdir(dir.path), 0);
	dir.inheritable = count_fds(true);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int dir_remove(void **state)
{
	(void)state;
	assert_int_equal(chdir(dir.back), 0);
	return nftw(dir.path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *dir_path(void)
{
	return dir.path;
}

const char *dir_data(void)
{
	return dir.data;
}

void dir_write(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

size_t dir_open_fds(void)
{
	return count_fds(false);
}

size_t dir_inheritable_fds(void)
{
	return count_fds(true) - dir.inheritable;
}

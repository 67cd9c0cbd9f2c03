/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "watch/file_follow.h"

#define PATH_SHOWN 120

struct watch_file {
	char *path;
	bool is_stdin;
	bool was_read; /* standard input gives its bytes once */
	struct follow follow;
	char *now; /* the file being read */
};

/** A descriptor being read, and how much of it. */
struct source {
	int fd;
	uint64_t bytes;
};

/* The names in a directory that are read, sorted, in a vector that ends with NULL. */
static int list_names(DIR *dir, char ***out, struct err *err)
{
	const struct dirent *entry;
	char **names = NULL;
	size_t count = 0;
	size_t cap = 0;

	names = vec_reserve(names, &cap, 1, sizeof(*names));
	/* cppcheck-suppress readdirCalled ; there are no threads */
	while ((entry = readdir(dir)) != NULL) {
		if (!follow_is_manifest_name(entry->d_name))
			continue;
		names = vec_reserve(names, &cap, count + 2, sizeof(*names));
		names[count++] = xstrdup(entry->d_name);
		if (count > WATCH_MAX_FILES)
			break;
	}
	names[count] = NULL;
	*out = names;
	if (count > WATCH_MAX_FILES)
		return err_set(err, E2BIG, "more than %d files", WATCH_MAX_FILES);
	return 0;
}

static void free_names(char **names)
{
	for (char **name = names; name != NULL && *name != NULL; name++)
		free(*name);
	free(names);
}

static int name_cmp(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

/* Links in a directory lead to files whose directories have to be watched as well. */
static int watch_links(struct watch_file *file, int dirfd, char *const *names, struct err *err)
{
	char full[PATH_MAX];
	struct stat st;

	for (; *names != NULL; names++) {
		int ret;

		if (fstatat(dirfd, *names, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(st.st_mode))
			continue;
		if (!follow_join(full, file->path, *names))
			return err_set(err, ENAMETOOLONG, "the path is too long");
		ret = follow_path(&file->follow, full, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int read_source(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err)
{
	struct source *source = ctx;
	ssize_t len;

	do {
		len = read(source->fd, buf, size);
	} while (len < 0 && errno == EINTR);
	if (len < 0) {
		int code = errno;

		return err_set(err, code, "cannot read: %s", strerror(code));
	}
	source->bytes += (uint64_t)len;
	if (source->bytes > WATCH_MAX_STREAM_BYTES)
		return err_set(err, EFBIG, "larger than %u MiB", WATCH_MAX_STREAM_BYTES >> 20);
	*out_len = (size_t)len;
	return 0;
}

static int check_regular(const struct stat *st, struct err *err)
{
	if (!S_ISREG(st->st_mode))
		return err_set(err, EINVAL, "not a regular file");
	if (st->st_size > WATCH_MAX_STREAM_BYTES)
		return err_set(err, EFBIG, "%lld bytes, at most %u MiB", (long long)st->st_size,
		               WATCH_MAX_STREAM_BYTES >> 20);
	return 0;
}

static bool is_same_state(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int read_open_file(int fd, watch_object_fn on_object, void *ctx, struct err *err)
{
	struct source source = { .fd = fd };
	struct stat before;
	struct stat after;
	int ret;

	if (fstat(fd, &before) < 0) {
		int code = errno;

		return err_set(err, code, "%s", strerror(code));
	}
	ret = check_regular(&before, err);
	if (ret == 0)
		ret = watch_manifest_read(read_source, &source, on_object, ctx, err);
	if (ret == 0 && fstat(fd, &after) == 0 && !is_same_state(&before, &after))
		ret = err_set(err, EAGAIN, "changed while it was read");
	return ret;
}

/* A file is looked at before it is opened: opening a device or a pipe has effects. */
static int read_file(int dirfd, const char *name, watch_object_fn on_object, void *ctx,
                     struct err *err)
{
	struct stat st;
	int code;
	int ret;
	int fd;

	if (fstatat(dirfd, name, &st, 0) < 0) {
		code = errno;
		return err_set(err, code, "%s", strerror(code));
	}
	ret = check_regular(&st, err);
	if (ret < 0)
		return ret;
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		code = errno;
		return err_set(err, code, "cannot open: %s", strerror(code));
	}
	ret = read_open_file(fd, on_object, ctx, err);
	close(fd);
	return ret;
}

static void set_now(struct watch_file *file, const char *dir, const char *name)
{
	char full[PATH_MAX];

	free(file->now);
	if (name != NULL && follow_join(full, dir, name))
		file->now = xstrdup(full);
	else
		file->now = xstrdup(name != NULL ? name : dir);
}

/* Is there nothing, or something that is no file, under a name that was listed? */
static bool is_skipped(int dirfd, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, 0) == 0)
		return !S_ISREG(st.st_mode);
	/* gone since it was listed; a link without target is an error instead */
	return errno == ENOENT && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0;
}

static int read_names(struct watch_file *file, DIR *dir, watch_object_fn on_object, void *ctx,
                      struct err *err)
{
	char **names;
	size_t count = 0;
	int ret = list_names(dir, &names, err);

	while (names[count] != NULL)
		count++;
	qsort(names, count, sizeof(*names), name_cmp);
	if (ret == 0 && file->follow.fd >= 0)
		ret = watch_links(file, dirfd(dir), names, err);
	for (size_t i = 0; i < count && ret == 0; i++) {
		if (is_skipped(dirfd(dir), names[i]))
			continue;
		set_now(file, file->path, names[i]);
		ret = read_file(dirfd(dir), names[i], on_object, ctx, err);
	}
	free_names(names);
	return ret;
}

static int read_dir(struct watch_file *file, watch_object_fn on_object, void *ctx, struct err *err)
{
	DIR *dir;
	int ret;

	if (file->follow.fd >= 0) {
		ret = follow_dir(&file->follow, file->path, err);
		if (ret < 0)
			return ret;
	}
	dir = opendir(file->path);
	if (dir == NULL) {
		int code = errno;

		return err_set(err, code, "cannot open: %s", strerror(code));
	}
	ret = read_names(file, dir, on_object, ctx, err);
	closedir(dir);
	return ret;
}

static int read_path(struct watch_file *file, watch_object_fn on_object, void *ctx, struct err *err)
{
	struct stat st;

	if (stat(file->path, &st) == 0 && S_ISDIR(st.st_mode))
		return read_dir(file, on_object, ctx, err);
	return read_file(AT_FDCWD, file->path, on_object, ctx, err);
}

static int read_followed(struct watch_file *file, watch_object_fn on_object, void *ctx,
                         struct err *err)
{
	int ret;

	follow_renew(&file->follow);
	ret = follow_path(&file->follow, file->path, err);
	if (ret == 0)
		ret = read_path(file, on_object, ctx, err);
	follow_renewed(&file->follow);
	return ret;
}

static int read_stdin(struct watch_file *file, watch_object_fn on_object, void *ctx,
                      struct err *err)
{
	struct source source = { .fd = STDIN_FILENO };

	if (file->was_read)
		return err_set(err, ESPIPE, "can be read only once");
	file->was_read = true;
	return watch_manifest_read(read_source, &source, on_object, ctx, err);
}

int watch_file_read(struct watch_file *file, watch_object_fn on_object, void *ctx, struct err *err)
{
	size_t len;
	int ret;

	set_now(file, file->is_stdin ? "standard input" : file->path, NULL);
	if (file->is_stdin)
		ret = read_stdin(file, on_object, ctx, err);
	else if (file->follow.fd >= 0)
		ret = read_followed(file, on_object, ctx, err);
	else
		ret = read_path(file, on_object, ctx, err);
	if (ret == 0)
		return 0;
	len = strlen(file->now);
	return err_wrap(err, ret, "%s%s", len > PATH_SHOWN ? "..." : "",
	                len > PATH_SHOWN ? file->now + len - PATH_SHOWN : file->now);
}

static int start_following(struct watch_file *file, bool is_dir, struct err *err)
{
	int ret = follow_open(&file->follow, err);

	if (ret == 0)
		ret = follow_path(&file->follow, file->path, err);
	if (ret == 0 && is_dir)
		ret = follow_dir(&file->follow, file->path, err);
	return ret;
}

int watch_file_open(const char *path, bool follow, struct watch_file **out, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct watch_file *file;
	struct stat st;
	int ret = 0;

	if (!is_stdin && stat(path, &st) < 0) {
		int code = errno;

		return err_set(err, code, "%.*s: %s", PATH_SHOWN, path, strerror(code));
	}
	file = xcalloc(1, sizeof(*file));
	file->path = xstrdup(path);
	file->is_stdin = is_stdin;
	file->follow.fd = -1;
	if (follow && !is_stdin)
		ret = start_following(file, S_ISDIR(st.st_mode), err);
	if (ret < 0) {
		watch_file_close(file);
		return err_wrap(err, ret, "%.*s", PATH_SHOWN, path);
	}
	*out = file;
	return 0;
}

void watch_file_close(struct watch_file *file)
{
	if (file == NULL)
		return;
	follow_close(&file->follow);
	free(file->path);
	free(file->now);
	free(file);
}

int watch_file_fd(const struct watch_file *file)
{
	return file->follow.fd;
}

const char *watch_file_name(const struct watch_file *file)
{
	size_t len = strlen(file->path);

	if (file->is_stdin)
		return "standard input";
	return len > PATH_SHOWN ? file->path + len - PATH_SHOWN : file->path;
}

const char *watch_file_now(const struct watch_file *file)
{
	return file->now != NULL ? file->now : file->path;
}

enum watch_file_change watch_file_drain(struct watch_file *file)
{
	return follow_drain(&file->follow);
}

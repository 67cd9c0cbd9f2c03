/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: what is watched
 *
 * inotify watches directories here, never files: an editor or a volume replaces
 * files, and a watch on the old one would say nothing. Watched are the directory
 * that holds the path's last component, that of every symbolic link on the way
 * (a ConfigMap volume swaps the link "..data"), the path itself if it is a
 * directory, and, where a component is missing, the directory it would be in.
 * Each watch comes with the names in it that matter.
 */
#include "watch/file_follow.h"

#include <errno.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define EVENTS                                                                      \
	((uint32_t)IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | \
	 IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

#define MAX_LINKS 40 /* on the way to one file, as the kernel allows */
#define MAX_READS 4  /* of events, some 500 each, before others have their turn */
#define MAX_WALKS 8  /* tries to follow a path whose directories change meanwhile */
#define PATH_SHOWN 120

/** A path on its way through links: @dir is resolved, @rest is not. */
struct walk {
	char dir[PATH_MAX];
	char rest[PATH_MAX];
	char name[NAME_MAX + 1];
};

static void names_clear(struct follow_names *in)
{
	for (size_t i = 0; i < in->count; i++) {
		free(in->list[i].dir);
		free(in->list[i].name);
	}
	in->count = 0;
}

static void names_done(struct follow_names *in)
{
	names_clear(in);
	free(in->list);
	*in = (struct follow_names){ 0 };
}

static void names_add(struct follow_names *in, int wd, const char *dir, const char *name)
{
	in->list = vec_reserve(in->list, &in->cap, in->count + 1, sizeof(*in->list));
	in->list[in->count++] = (struct follow_name){
		.wd = wd,
		.dir = xstrdup(dir),
		.name = name != NULL ? xstrdup(name) : NULL,
	};
}

static bool has_watch(const struct follow_names *in, int wd)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->list[i].wd == wd)
			return true;
	return false;
}

bool follow_is_manifest_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot != NULL &&
	       (strcmp(dot, ".json") == 0 || strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

/* -ENOENT: the directory is gone, the path has to be followed anew. */
static int add_watch(struct follow *follow, const char *dir, const char *name, struct err *err)
{
	int wd = inotify_add_watch(follow->fd, dir, EVENTS);
	int code = errno;

	if (wd >= 0) {
		names_add(&follow->names, wd, dir, name);
		return 0;
	}
	if (code == ENOTDIR)
		code = ENOENT;
	if (code == ENOSPC)
		return err_set(err, code,
		               "no inotify watch left: raise fs.inotify.max_user_watches");
	return err_set(err, code, "cannot watch '%.*s': %s", PATH_SHOWN, dir, strerror(code));
}

/* Moves the first component of @rest to @name; false when there is none. */
static bool take_component(struct walk *w)
{
	size_t skip = strspn(w->rest, "/");
	size_t len = strcspn(w->rest + skip, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(w->name, w->rest + skip, len);
	w->name[len] = '\0';
	skip += len;
	skip += strspn(w->rest + skip, "/");
	memmove(w->rest, w->rest + skip, strlen(w->rest + skip) + 1);
	return true;
}

bool follow_join(char out[static PATH_MAX], const char *dir, const char *name)
{
	bool slash = dir[0] != '\0' && dir[strlen(dir) - 1] != '/';
	int n = snprintf(out, PATH_MAX, "%s%s%s", dir, slash ? "/" : "", name);

	return n > 0 && n < PATH_MAX;
}

/* Puts the target of the link @full in front of what is left to follow. */
static int enter_link(struct walk *w, const char *full)
{
	char target[PATH_MAX];
	char rest[PATH_MAX];
	ssize_t len = readlink(full, target, sizeof(target) - 1);

	if (len < 0)
		return -ENOENT; /* it was replaced since: follow anew */
	target[len] = '\0';
	if (!follow_join(rest, target, w->rest))
		return -ENAMETOOLONG;
	memcpy(w->rest, rest, sizeof(rest));
	if (target[0] == '/')
		memcpy(w->dir, "/", 2);
	return 0;
}

enum step {
	STEP_DONE = 0,
	STEP_ON,
	STEP_LINK,
};

/* Follows one component. The watch comes before the second look, so that no change between the two
 * is missed. */
static int walk_step(struct follow *follow, struct walk *w, struct err *err)
{
	char full[PATH_MAX];
	struct stat st;
	int ret;

	if (!follow_join(full, w->dir, w->name))
		return err_set(err, ENAMETOOLONG, "the path is too long");
	if (lstat(full, &st) < 0 || !S_ISDIR(st.st_mode) || w->rest[0] == '\0') {
		ret = add_watch(follow, w->dir, w->name, err);
		if (ret < 0)
			return ret;
		if (lstat(full, &st) < 0)
			return STEP_DONE;
	}
	if (S_ISLNK(st.st_mode)) {
		ret = enter_link(w, full);
		return ret < 0 ? err_set(err, -ret, "cannot follow '%.*s': %s", PATH_SHOWN, full,
		                         strerror(-ret))
		               : STEP_LINK;
	}
	if (!S_ISDIR(st.st_mode))
		return STEP_DONE;
	memcpy(w->dir, full, sizeof(full));
	return STEP_ON;
}

static int walk_path(struct follow *follow, const char *path, struct err *err)
{
	struct walk *w AUTO_FREE = xmalloc(sizeof(*w));
	int links = 0;

	memcpy(w->dir, path[0] == '/' ? "/" : ".", 2);
	if (strlen(path) >= sizeof(w->rest))
		return err_set(err, ENAMETOOLONG, "the path is too long");
	memcpy(w->rest, path, strlen(path) + 1);
	while (links <= MAX_LINKS && take_component(w)) {
		int ret = walk_step(follow, w, err);

		if (ret <= 0)
			return ret;
		if (ret == STEP_LINK)
			links++;
	}
	return 0; /* a circle of links is found by opening the file */
}

int follow_path(struct follow *follow, const char *path, struct err *err)
{
	int ret = -ENOENT;

	for (int i = 0; i < MAX_WALKS && ret == -ENOENT; i++)
		ret = walk_path(follow, path, err);
	return ret;
}

int follow_dir(struct follow *follow, const char *path, struct err *err)
{
	return add_watch(follow, path, NULL, err);
}

int follow_open(struct follow *follow, struct err *err)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0) {
		int code = errno;

		return err_set(err, code, "cannot use inotify: %s", strerror(code));
	}
	follow->fd = fd;
	return 0;
}

void follow_close(struct follow *follow)
{
	if (follow->fd >= 0)
		close(follow->fd);
	follow->fd = -1;
	names_done(&follow->names);
	names_done(&follow->old);
	names_done(&follow->writing);
}

void follow_renew(struct follow *follow)
{
	names_done(&follow->old);
	follow->old = follow->names;
	follow->names = (struct follow_names){ 0 };
	names_clear(&follow->writing);
}

void follow_renewed(struct follow *follow)
{
	if (follow->names.count == 0) { /* nothing could be watched: what there was is better */
		names_done(&follow->names);
		follow->names = follow->old;
		follow->old = (struct follow_names){ 0 };
		return;
	}
	for (size_t i = 0; i < follow->old.count; i++) {
		int wd = follow->old.list[i].wd;

		/* One that is gone with its directory, or was removed a line earlier, is EINVAL. */
		if (!has_watch(&follow->names, wd))
			(void)inotify_rm_watch(follow->fd, wd);
	}
	names_done(&follow->old);
}

/* Who in @in is meant by an event, or NULL. */
static struct follow_name *find_name(struct follow_names *in, const struct inotify_event *event)
{
	const char *name = event->len > 0 ? event->name : "";

	for (size_t i = 0; i < in->count; i++) {
		struct follow_name *it = &in->list[i];

		if (it->wd == event->wd && (it->name != NULL ? strcmp(it->name, name) == 0
		                                             : follow_is_manifest_name(name)))
			return it;
	}
	return NULL;
}

/* A file that was just created is empty until its writer closes it; a link is complete. */
static bool is_being_created(const struct follow_name *it, const char *name)
{
	char full[PATH_MAX];
	struct stat st;

	return follow_join(full, it->dir, name) && lstat(full, &st) == 0 && S_ISREG(st.st_mode) &&
	       st.st_nlink == 1;
}

static void set_writing(struct follow *follow, const struct inotify_event *event, bool writing)
{
	struct follow_names *in = &follow->writing;
	struct follow_name *it = find_name(in, event);

	if (writing && it == NULL) {
		names_add(in, event->wd, "", event->name);
	} else if (!writing && it != NULL) {
		free(it->dir);
		free(it->name);
		*it = in->list[--in->count];
	}
}

static enum watch_file_change on_event(struct follow *follow, const struct inotify_event *event)
{
	const struct follow_name *it;

	if (event->mask & IN_Q_OVERFLOW) {
		names_clear(&follow->writing);
		return WATCH_FILE_CHANGED;
	}
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
		return has_watch(&follow->names, event->wd) ? WATCH_FILE_CHANGED
		                                            : WATCH_FILE_UNCHANGED;
	it = find_name(&follow->names, event);
	if (it == NULL)
		return WATCH_FILE_UNCHANGED;
	if ((event->mask & IN_MODIFY) != 0 ||
	    ((event->mask & IN_CREATE) != 0 && is_being_created(it, event->name))) {
		set_writing(follow, event, true);
		return WATCH_FILE_WRITING;
	}
	if (event->mask & IN_ATTRIB)
		return WATCH_FILE_WRITING; /* cp -p sets mode and times before it closes */
	set_writing(follow, event, false);
	return WATCH_FILE_CHANGED;
}

enum watch_file_change follow_drain(struct follow *follow)
{
	alignas(struct inotify_event) char buf[16384];
	enum watch_file_change result = WATCH_FILE_UNCHANGED;

	for (int i = 0; i < MAX_READS && follow->fd >= 0; i++) {
		ssize_t len = read(follow->fd, buf, sizeof(buf));

		if (len <= 0)
			break;
		for (const char *p = buf; p < buf + len;) {
			const struct inotify_event *event = (const void *)p;
			enum watch_file_change change = on_event(follow, event);

			if (change > result)
				result = change;
			p += sizeof(*event) + event->len;
		}
	}
	/* One file is complete, but another one of the same state is not. */
	if (result == WATCH_FILE_CHANGED && follow->writing.count > 0)
		result = WATCH_FILE_WRITING;
	return result;
}

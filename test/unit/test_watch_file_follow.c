/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/unit/test.h"
#include "test/unit/watch_dir.h"
#include "test/unit/watch_feed.h"
#include "watch/file.h"

/* The kernel queues events before the call that causes them returns: waiting is for the worst case. */
#define DEADLINE_MS 5000

static int read_count(struct watch_file *file)
{
	size_t count = 0;
	int ret = watch_file_read(file, count_object, &count, NULL);

	return ret < 0 ? ret : (int)count;
}

static void expect(struct watch_file *file, enum watch_file_change change)
{
	struct pollfd poller = { .fd = watch_file_fd(file), .events = POLLIN };

	if (change != WATCH_FILE_UNCHANGED)
		assert_int_equal(poll(&poller, 1, DEADLINE_MS), 1);
	assert_int_equal(watch_file_drain(file), change);
	assert_int_equal(poll(&poller, 1, 0), 0);
}

/* Opens and reads @path; it has @count objects. */
static struct watch_file *follow(const char *path, int count)
{
	struct watch_file *file;

	assert_int_equal(watch_file_open(path, true, &file, NULL), 0);
	assert_true(watch_file_fd(file) >= 0);
	assert_int_equal(read_count(file), count);
	expect(file, WATCH_FILE_UNCHANGED);
	return file;
}

/* A change was seen, and @count objects are there now; negative: an error. */
static void expect_state(struct watch_file *file, int count)
{
	expect(file, WATCH_FILE_CHANGED);
	assert_int_equal(read_count(file), count);
	expect(file, WATCH_FILE_UNCHANGED);
}

static void sees_a_change_before_the_first_read(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	assert_int_equal(watch_file_open("a.yaml", true, &file, NULL), 0);
	dir_write("a.yaml", "a: 1\n---\nb: 2");
	expect_state(file, 2);
	watch_file_close(file);
}

static void sees_a_file_written_in_place(void **state)
{
	struct watch_file *file;
	int fd;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	fd = open("a.yaml", O_WRONLY | O_TRUNC | O_CLOEXEC);
	expect(file, WATCH_FILE_WRITING);
	assert_int_equal(write(fd, "a: 1\n---\n", 9), 9);
	expect(file, WATCH_FILE_WRITING);
	assert_int_equal(write(fd, "b: 1\n", 5), 5);
	close(fd);
	expect_state(file, 2);
	watch_file_close(file);
}

/* Closed by one writer and opened by the next before anybody looked: not complete. */
static void sees_who_writes_last(void **state)
{
	struct watch_file *file;
	int fd;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	dir_write("a.yaml", "a: 2");
	fd = open("a.yaml", O_WRONLY | O_TRUNC | O_CLOEXEC);
	expect(file, WATCH_FILE_WRITING);
	close(fd);
	expect_state(file, 0);
	watch_file_close(file);
}

static void sees_a_file_replaced(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	for (unsigned i = 0; i < 3; i++) { /* again and again, each time another inode */
		dir_write("a.yaml.new", i % 2 == 0 ? "a: 1\n---\nb: 1" : "c: 1");
		expect(file, WATCH_FILE_UNCHANGED);
		assert_int_equal(rename("a.yaml.new", "a.yaml"), 0);
		expect_state(file, i % 2 == 0 ? 2 : 1);
	}
	watch_file_close(file);
}

/* vi: the old file is renamed away, a new one is written under its name. */
static void sees_a_file_renamed_away_and_written_anew(void **state)
{
	struct watch_file *file;
	int fd;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	assert_int_equal(rename("a.yaml", "a.yaml~"), 0);
	expect_state(file, -ENOENT);
	fd = open("a.yaml", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	expect(file, WATCH_FILE_WRITING);
	close(fd);
	expect_state(file, 0);
	assert_int_equal(unlink("a.yaml~"), 0);
	expect(file, WATCH_FILE_UNCHANGED);
	watch_file_close(file);
}

static void sees_a_file_deleted_and_made_again(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	assert_int_equal(unlink("a.yaml"), 0);
	expect_state(file, -ENOENT);
	dir_write("a.yaml", "a: 1\n---\nb: 1");
	expect_state(file, 2);
	watch_file_close(file);
}

static void sees_links_made(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	dir_write("other", "a: 1\n---\nb: 1");
	file = follow("a.yaml", 1);
	assert_int_equal(unlink("a.yaml"), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(link("other", "a.yaml"), 0);
	expect_state(file, 2);
	assert_int_equal(unlink("a.yaml"), 0);
	assert_int_equal(symlink("other", "a.yaml"), 0);
	expect_state(file, 2);
	dir_write("other", "a: 1");
	expect_state(file, 1);
	watch_file_close(file);
}

static void a_change_of_mode_is_no_complete_state(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	assert_int_equal(chmod("a.yaml", 0644), 0);
	expect(file, WATCH_FILE_WRITING);
	watch_file_close(file);
}

static void does_not_mind_the_neighbours(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("a.yaml", "a: 1");
	file = follow("a.yaml", 1);
	dir_write("b.yaml", "a: 1");
	dir_write("a.yam", "a: 1");
	dir_write("a.yaml.swp", "a: 1");
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(unlink("b.yaml"), 0);
	assert_int_equal(read_count(file), 1); /* reading is no event either */
	expect(file, WATCH_FILE_UNCHANGED);
	watch_file_close(file);
}

/* What the kubelet does with a ConfigMap volume, step by step. */
static void swap_volume(const char *version, const char *text, const char *old)
{
	char name[64];

	assert_int_equal(mkdir(version, 0700), 0);
	(void)snprintf(name, sizeof(name), "%s/a.yaml", version);
	dir_write(name, text);
	assert_int_equal(symlink(version, "..data_tmp"), 0);
	assert_int_equal(rename("..data_tmp", "..data"), 0);
	if (old != NULL) {
		(void)snprintf(name, sizeof(name), "%s/a.yaml", old);
		assert_int_equal(unlink(name), 0);
		assert_int_equal(rmdir(old), 0);
	}
}

static void sees_a_volume_swapped(void **state)
{
	(void)state;
	swap_volume("..1", "a: 1", NULL);
	assert_int_equal(symlink("..data/a.yaml", "a.yaml"), 0);
	for (unsigned i = 0; i < 2; i++) { /* the file, then the directory */
		struct watch_file *file = follow(i == 0 ? "a.yaml" : dir_path(), 1);

		swap_volume("..2", "a: 1\n---\nb: 1", "..1");
		expect_state(file, 2);
		swap_volume("..1", "a: 1", "..2");
		expect_state(file, 1);
		watch_file_close(file);
	}
}

static void follows_links_through_directories(void **state)
{
	struct watch_file *file;
	char target[128];

	(void)state;
	assert_int_equal(mkdir("x", 0700), 0);
	assert_int_equal(mkdir("y", 0700), 0);
	assert_int_equal(mkdir("z", 0700), 0);
	dir_write("z/a.yaml", "a: 1");
	(void)snprintf(target, sizeof(target), "%s/y/to-z", dir_path());
	assert_int_equal(symlink(target, "x/to-y"), 0); /* absolute */
	assert_int_equal(symlink("../z", "y/to-z"), 0); /* relative, with .. */
	file = follow("x/to-y/a.yaml", 1);
	dir_write("z/a.yaml", "a: 1\n---\nb: 1");
	expect_state(file, 2);
	assert_int_equal(unlink("y/to-z"), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(symlink("../z", "y/to-z"), 0);
	expect_state(file, 2);
	assert_int_equal(unlink("x/to-y"), 0);
	expect_state(file, -ENOENT);
	dir_write("y/unrelated", "");
	dir_write("z/a.yaml", "");
	expect(file, WATCH_FILE_UNCHANGED); /* nobody leads there any more */
	watch_file_close(file);
}

static void sees_the_parent_made_again(void **state)
{
	struct watch_file *file;

	(void)state;
	assert_int_equal(mkdir("p", 0700), 0);
	assert_int_equal(mkdir("p/q", 0700), 0);
	dir_write("p/q/a.yaml", "a: 1");
	file = follow("p/q/a.yaml", 1);
	assert_int_equal(unlink("p/q/a.yaml"), 0);
	assert_int_equal(rmdir("p/q"), 0);
	assert_int_equal(rmdir("p"), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(mkdir("p", 0700), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(mkdir("p/q", 0700), 0);
	expect_state(file, -ENOENT);
	dir_write("p/q/a.yaml", "a: 1");
	expect_state(file, 1);
	assert_int_equal(rename("p/q", "p/r"), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(rename("p/r", "p/q"), 0);
	expect_state(file, 1);
	watch_file_close(file);
}

static void sees_what_happens_in_a_directory(void **state)
{
	struct watch_file *file;

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/a.yaml", "a: 1");
	file = follow("d", 1);
	dir_write("d/b.json", "{}");
	expect_state(file, 2);
	dir_write("d/.b.json.swp", "{}");
	dir_write("d/notes.txt", "{}");
	expect(file, WATCH_FILE_UNCHANGED);
	assert_int_equal(rename("d/notes.txt", "d/c.yml"), 0);
	expect_state(file, 3);
	assert_int_equal(rename("d/c.yml", "d/c.bak"), 0);
	expect_state(file, 2);
	assert_int_equal(unlink("d/a.yaml"), 0);
	expect_state(file, 1);
	dir_write("a.yaml", "a: 1");
	expect(file, WATCH_FILE_UNCHANGED);
	assert_int_equal(rename("d", "e"), 0);
	expect_state(file, -ENOENT);
	assert_int_equal(mkdir("d", 0700), 0);
	expect_state(file, 0);
	dir_write("d/a.yaml", "a: 1");
	expect_state(file, 1);
	watch_file_close(file);
}

/* Two others in the directory, because the kernel drops an event that repeats the last one. */
static void disturb(unsigned events)
{
	for (unsigned i = 0; i < events; i++)
		assert_int_equal(chmod(i % 2 == 0 ? "d/one.txt" : "d/two.txt", 0600), 0);
}

/* @looks: at most so many. */
static enum watch_file_change look_until_changed(struct watch_file *file, unsigned looks)
{
	struct pollfd poller = { .fd = watch_file_fd(file), .events = POLLIN };
	enum watch_file_change change = WATCH_FILE_UNCHANGED;

	while (change == WATCH_FILE_UNCHANGED && looks-- > 0 && poll(&poller, 1, 0) == 1)
		change = watch_file_drain(file);
	return change;
}

/* Who looks has other work, too: what is left makes the descriptor readable again. */
static void is_not_held_by_a_busy_neighbour(void **state)
{
	struct watch_file *file;

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/a.yaml", "a: 1");
	dir_write("d/one.txt", "");
	dir_write("d/two.txt", "");
	file = follow("d", 1);
	disturb(5000);
	dir_write("d/b.yaml", "a: 1");
	assert_int_equal(look_until_changed(file, 1), WATCH_FILE_UNCHANGED);
	assert_int_equal(look_until_changed(file, 5), WATCH_FILE_CHANGED);
	assert_int_equal(read_count(file), 2);
	expect(file, WATCH_FILE_UNCHANGED);
	watch_file_close(file);
}

/* One file of a directory is complete while another one is not: wait for both. */
static void waits_for_all_files_of_a_directory(void **state)
{
	struct watch_file *file;
	int fd;

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/a.yaml", "a: 1");
	dir_write("d/b.yaml", "a: 1");
	file = follow("d", 2);
	fd = open("d/a.yaml", O_WRONLY | O_TRUNC | O_CLOEXEC);
	dir_write("d/b.yaml", "a: 2");
	expect(file, WATCH_FILE_WRITING);
	dir_write("d/c.yaml", "a: 3");
	expect(file, WATCH_FILE_WRITING);
	close(fd);
	expect_state(file, 2);
	watch_file_close(file);
}

static void a_file_becomes_a_directory(void **state)
{
	struct watch_file *file;

	(void)state;
	dir_write("p", "a: 1");
	file = follow("p", 1);
	assert_int_equal(unlink("p"), 0);
	assert_int_equal(mkdir("p", 0700), 0);
	expect_state(file, 0);
	dir_write("p/a.yaml", "a: 1");
	expect_state(file, 1);
	watch_file_close(file);
}

/* Watches that are not needed any more do not pile up. */
static void does_not_collect_watches(void **state)
{
	struct watch_file *file;
	char line[256];
	size_t watches = 0;
	FILE *info;

	(void)state;
	swap_volume("..1", "a: 1", NULL);
	assert_int_equal(symlink("..data/a.yaml", "a.yaml"), 0);
	file = follow("a.yaml", 1);
	for (unsigned i = 0; i < 20; i++) {
		char version[16];
		char old[16];

		(void)snprintf(version, sizeof(version), "..%u", i + 2);
		(void)snprintf(old, sizeof(old), "..%u", i + 1);
		swap_volume(version, "a: 1", NULL);
		expect_state(file, 1);
		assert_int_equal(chmod(old, 0700), 0);
	}
	(void)snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", watch_file_fd(file));
	info = fopen(line, "re");
	assert_non_null(info);
	while (fgets(line, sizeof(line), info) != NULL)
		watches += str_starts(line, "inotify ");
	(void)fclose(info);
	assert_int_equal(watches, 2);
	watch_file_close(file);
}

/* More events than the kernel keeps: something may have been missed. */
static void a_lost_event_counts_as_a_change(void **state)
{
	struct watch_file *file;
	unsigned max = 16384;
	int fds[2];
	FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");

	(void)state;
	if (limit != NULL) {
		char line[32];
		uint32_t number;

		if (fgets(line, sizeof(line), limit) != NULL) {
			line[strcspn(line, "\n")] = '\0';
			if (str_to_u32(line, UINT32_MAX, &number) == 0)
				max = number;
		}
		(void)fclose(limit);
	}
	if (max > 200000)
		skip();
	dir_write("a.yaml", "a: 1");
	dir_write("b", "");
	dir_write("c", "");
	fds[0] = open("b", O_RDONLY | O_CLOEXEC);
	fds[1] = open("c", O_RDONLY | O_CLOEXEC);
	file = follow("a.yaml", 1);
	for (unsigned i = 0; i <= max; i++) /* equal events one after the other count once */
		assert_int_equal(fchmod(fds[i % 2], 0600), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(look_until_changed(file, max), WATCH_FILE_CHANGED);
	assert_int_equal(read_count(file), 1);
	expect(file, WATCH_FILE_UNCHANGED);
	watch_file_close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sees_a_change_before_the_first_read),
		TEST(sees_a_file_written_in_place),
		TEST(sees_who_writes_last),
		TEST(sees_a_file_replaced),
		TEST(sees_a_file_renamed_away_and_written_anew),
		TEST(sees_a_file_deleted_and_made_again),
		TEST(sees_links_made),
		TEST(a_change_of_mode_is_no_complete_state),
		TEST(does_not_mind_the_neighbours),
		TEST(is_not_held_by_a_busy_neighbour),
		TEST(sees_a_volume_swapped),
		TEST(follows_links_through_directories),
		TEST(sees_the_parent_made_again),
		TEST(sees_what_happens_in_a_directory),
		TEST(waits_for_all_files_of_a_directory),
		TEST(a_file_becomes_a_directory),
		TEST(does_not_collect_watches),
		TEST(a_lost_event_counts_as_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading real files; how they are followed is in test_watch_file_follow.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/test.h"
#include "test/unit/watch_dir.h"
#include "test/unit/watch_feed.h"
#include "watch/file.h"

/* Reads @path once; the objects go to @log. */
static int read_once(const char *path, struct strbuf *log, struct err *err)
{
	struct watch_file *file;
	int ret = watch_file_open(path, false, &file, err);

	if (ret < 0)
		return ret;
	assert_int_equal(watch_file_fd(file), -1);
	assert_int_equal(watch_file_drain(file), WATCH_FILE_UNCHANGED);
	ret = watch_file_read(file, record_object, log, err);
	watch_file_close(file);
	return ret;
}

static void expect_error(const char *path, int ret, const char *msg)
{
	struct strbuf log AUTO_STRBUF = { 0 };
	struct err err = { 0 };

	assert_int_equal(read_once(path, &log, &err), ret);
	assert_string_equal(err.msg, msg);
	assert_int_equal(err.code, -ret);
}

static void reads_a_file(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	dir_write("a.yaml", "a: 1\n---\nb: 2\n");
	assert_int_equal(read_once("a.yaml", &log, NULL), 0);
	assert_string_equal(log.text, "1:1 {\"a\":1}\n2:3 {\"b\":2}\n");
}

static void format_is_not_a_matter_of_the_name(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	dir_write("a.yaml", "{\"a\":1}{\"b\":2}");
	assert_int_equal(read_once("a.yaml", &log, NULL), 0);
	assert_string_equal(log.text, "1:1 {\"a\":1}\n2:1 {\"b\":2}\n");
}

static void an_empty_file_holds_nothing(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	dir_write("a.yaml", "");
	assert_int_equal(read_once("a.yaml", &log, NULL), 0);
	assert_int_equal(log.len, 0);
}

static void says_what_is_wrong_with_a_path(void **state)
{
	char deep[8192];

	(void)state;
	expect_error("none.yaml", -ENOENT, "none.yaml: No such file or directory");
	expect_error("", -ENOENT, ": No such file or directory");
	dir_write("a.yaml", "a: 1\n---\nb: [\n");
	expect_error("a.yaml", -EBADMSG,
	             "a.yaml: document 2, line 4: broken YAML: did not find expected node content "
	             "while parsing a flow node");
	assert_int_equal(mkfifo("pipe.yaml", 0600), 0);
	expect_error("pipe.yaml", -EINVAL, "pipe.yaml: not a regular file");
	expect_error("/dev/null", -EINVAL, "/dev/null: not a regular file");
	assert_int_equal(symlink("loop", "loop"), 0);
	expect_error("loop", -ELOOP, "loop: Too many levels of symbolic links");
	memset(deep, 'x', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(read_once(deep, NULL, NULL), -ENAMETOOLONG);
}

static void shows_the_end_of_a_long_path(void **state)
{
	struct strbuf path AUTO_STRBUF = { 0 };
	struct err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < 60; i++)
		strbuf_puts(&path, "./.././");
	path.len = 0;
	strbuf_printf(&path, "%s/", dir_path());
	for (unsigned i = 0; i < 100; i++)
		strbuf_puts(&path, "./");
	strbuf_puts(&path, "broken.json");
	dir_write("broken.json", "{");
	assert_int_equal(read_once(path.text, NULL, &err), -EBADMSG);
	assert_true(str_starts(err.msg, "..."));
	assert_non_null(strstr(err.msg, "/broken.json: document 1, line 1: the text ends"));
}

/* A hole is enough: the size is known before anything is read. */
static void refuses_a_huge_file(void **state)
{
	(void)state;
	dir_write("huge.json", "");
	assert_int_equal(truncate("huge.json", (off_t)200 << 20), 0);
	expect_error("huge.json", -EFBIG, "huge.json: 209715200 bytes, at most 128 MiB");
}

static void reads_a_directory_in_order(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/b.json", "{\"n\":2}");
	dir_write("d/c.yml", "n: 3");
	dir_write("d/a.yaml", "n: 1");
	dir_write("d/.hidden.yaml", "n: 4");
	dir_write("d/a.yaml~", "n: 5");
	dir_write("d/notes.txt", "n: 6");
	dir_write("d/yaml", "n: 7");
	dir_write("d/.yaml", "n: 8");
	assert_int_equal(mkdir("d/sub.yaml", 0700), 0);
	dir_write("d/sub.yaml/x.yaml", "n: 9");
	assert_int_equal(mkfifo("d/pipe.yaml", 0600), 0);
	assert_int_equal(symlink("../outside", "d/d.yaml"), 0);
	dir_write("outside", "n: 10");
	assert_int_equal(read_once("d", &log, NULL), 0);
	assert_string_equal(log.text,
	                    "1:1 {\"n\":1}\n1:1 {\"n\":2}\n1:1 {\"n\":3}\n1:1 {\"n\":10}\n");
}

static void an_empty_directory_holds_nothing(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	assert_int_equal(read_once("d", &log, NULL), 0);
	assert_int_equal(log.len, 0);
}

static void names_the_file_of_a_directory(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/a.yaml", "n: 1");
	dir_write("d/b.yaml", "n: *x");
	expect_error("d", -EBADMSG, "d/b.yaml: document 1, line 1: aliases are not supported");
	expect_error("d/", -EBADMSG, "d/b.yaml: document 1, line 1: aliases are not supported");
	dir_write("d/b.yaml", "");
	assert_int_equal(symlink("nowhere", "d/c.yaml"), 0);
	expect_error("d", -ENOENT, "d/c.yaml: No such file or directory");
}

static void bounds_the_files_of_a_directory(void **state)
{
	char name[32];

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	for (unsigned i = 0; i <= WATCH_MAX_FILES; i++) {
		(void)snprintf(name, sizeof(name), "d/%u.yaml", i);
		dir_write(name, "");
	}
	expect_error("d", -E2BIG, "d: more than 4096 files");
	assert_int_equal(unlink(name), 0);
	assert_int_equal(read_once("d", NULL, NULL), 0);
}

/* The object that is there is handed out, then the file is found to be another one. */
static void append_to_file(void *ctx, const cJSON *object, const char *kind,
                           const struct watch_place *place)
{
	int fd = open("a.yaml", O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)object;
	(void)kind;
	(void)place;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "# more\n", 7), 7);
	close(fd);
	++*(unsigned *)ctx;
}

static void notices_a_change_while_reading(void **state)
{
	struct watch_file *file;
	struct err err = { 0 };
	unsigned calls = 0;

	(void)state;
	dir_write("a.yaml", "a: 1\n");
	assert_int_equal(watch_file_open("a.yaml", false, &file, &err), 0);
	assert_int_equal(watch_file_read(file, append_to_file, &calls, &err), -EAGAIN);
	assert_string_equal(err.msg, "a.yaml: changed while it was read");
	assert_int_equal(calls, 1);
	watch_file_close(file);
}

static void check_descriptors(void *ctx, const cJSON *object, const char *kind,
                              const struct watch_place *place)
{
	struct watch_file *file = *(struct watch_file **)ctx;

	(void)object;
	(void)kind;
	(void)place;
	assert_int_equal(dir_inheritable_fds(), 0);
	assert_true(str_starts(watch_file_now(file), "d/"));
}

static void leaks_no_descriptor(void **state)
{
	size_t before = dir_open_fds();
	struct watch_file *file;

	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	dir_write("d/a.yaml", "a: 1\n");
	dir_write("d/b.yaml", "b: 1\n");
	assert_int_equal(watch_file_open("d", true, &file, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(watch_file_read(file, check_descriptors, &file, NULL), 0);
	dir_write("d/b.yaml", "}\n");
	assert_int_equal(watch_file_read(file, check_descriptors, &file, NULL), -EBADMSG);
	watch_file_close(file);
	watch_file_close(NULL);
	assert_int_equal(dir_open_fds(), before);
}

/* Standard input becomes @fd, which is closed, for one reading. */
static int read_stdin(int fd, struct strbuf *log, struct err *err)
{
	int saved = dup(STDIN_FILENO);
	struct watch_file *file;
	int ret;

	assert_true(saved >= 0 && fd >= 0);
	assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	close(fd);
	assert_int_equal(watch_file_open("-", true, &file, err), 0);
	assert_int_equal(watch_file_fd(file), -1);
	ret = watch_file_read(file, record_object, log, err);
	if (ret == 0)
		assert_int_equal(watch_file_read(file, record_object, log, err), -ESPIPE);
	watch_file_close(file);
	assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
	close(saved);
	return ret;
}

static void reads_standard_input_once(void **state)
{
	struct strbuf log AUTO_STRBUF = { 0 };
	struct err err = { 0 };

	(void)state;
	dir_write("in", "{\"a\":1}");
	assert_int_equal(read_stdin(open("in", O_RDONLY | O_CLOEXEC), &log, &err), 0);
	assert_string_equal(log.text, "1:1 {\"a\":1}\n");
	assert_string_equal(err.msg, "standard input: can be read only once");
	dir_write("in", "{\"a\":1");
	assert_int_equal(read_stdin(open("in", O_RDONLY | O_CLOEXEC), &log, &err), -EBADMSG);
	assert_string_equal(err.msg,
	                    "standard input: document 1, line 1: the text ends inside an object");
}

/* A pipe that gives line feeds for as long as somebody reads. */
static void bounds_standard_input(void **state)
{
	static char lines[1 << 16];
	struct err err = { 0 };
	int status = 0;
	int fds[2];
	pid_t pid;

	(void)state;
	memset(lines, '\n', sizeof(lines));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		while (write(fds[1], lines, sizeof(lines)) > 0)
			;
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(read_stdin(fds[0], NULL, &err), -EFBIG);
	assert_non_null(strstr(err.msg, "larger than 128 MiB"));
	assert_true(str_starts(err.msg, "standard input: document 1, line "));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* by the closed pipe */
}

/* What an API server gave as JSON, kubectl prints as YAML: the same objects. */
static void real_answers_decode_alike(void **state)
{
	static const char *const files[] = { "services.json", "endpointslices.json", "node.json",
		                             "servicecidrs.json" };
	struct decoded json = { 0 };
	struct decoded yaml = { 0 };
	struct watch_file *file;
	char path[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir_data(), files[i]);
		assert_int_equal(watch_file_open(path, false, &file, NULL), 0);
		assert_int_equal(watch_file_read(file, decode_object, &json, NULL), 0);
		watch_file_close(file);
	}
	(void)snprintf(path, sizeof(path), "%s/all.yaml", dir_data());
	assert_int_equal(watch_file_open(path, false, &file, NULL), 0);
	assert_int_equal(watch_file_read(file, decode_object, &yaml, NULL), 0);
	watch_file_close(file);

	assert_int_equal(json.count, 12);
	assert_int_equal(yaml.count, 12);
	for (size_t i = 0; i < json.count; i++) {
		struct strbuf a AUTO_STRBUF = { 0 };
		struct strbuf b AUTO_STRBUF = { 0 };

		describe_object(&a, json.list[i]);
		describe_object(&b, yaml.list[i]);
		print_message("  - %s\n", a.text);
		assert_string_equal(a.text, b.text);
		assert_true(proxy_object_equal(json.list[i], yaml.list[i]));
	}
	assert_int_equal(json.refused + yaml.refused, 0);
	assert_int_equal(json.diags.total + yaml.diags.total, 0);
	decoded_done(&json);
	decoded_done(&yaml);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_a_file),
		TEST(format_is_not_a_matter_of_the_name),
		TEST(an_empty_file_holds_nothing),
		TEST(says_what_is_wrong_with_a_path),
		TEST(shows_the_end_of_a_long_path),
		TEST(refuses_a_huge_file),
		TEST(reads_a_directory_in_order),
		TEST(an_empty_directory_holds_nothing),
		TEST(names_the_file_of_a_directory),
		TEST(bounds_the_files_of_a_directory),
		TEST(notices_a_change_while_reading),
		TEST(leaks_no_descriptor),
		TEST(reads_standard_input_once),
		TEST(bounds_standard_input),
		TEST(real_answers_decode_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/log.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/clock.h"
#include "cmd/config_file.h"
#include "test/unit/test.h"
#include "test/unit/watch_dir.h"

/* Standard error goes to a file from log_begin() to log_end(). */
static int kept_stderr = -1;

static void log_begin(void)
{
	int fd = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	assert_true(kept_stderr >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(fd);
}

static void log_end(struct strbuf *out)
{
	struct err err = { 0 };

	assert_int_equal(dup2(kept_stderr, STDERR_FILENO), STDERR_FILENO);
	(void)close(kept_stderr);
	assert_int_equal(config_file_load("log", out, &err), 0);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void say_one_of_each(void)
{
	log_error("broken", LOG_STR("reason", "a \"b\"\n\x01"));
	log_warning("odd", LOG_U64("count", UINT64_MAX));
	log_info("done", LOG_STR("a", ""), LOG_U64("b", 0));
	log_debug("detail", LOG_STR("a", "b"));
}

static void writes_lines_as_klog_does(void **state)
{
	/* Lmmdd hh:mm:ss.uuuuuu threadid file:line] "message" key=value */
#define HEAD(letter)                                                     \
	letter "[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6} +[0-9]+ " \
	       "test_cmd_log\\.c:[0-9]+\\] "
	static const char pattern[] =
		"^" HEAD("E") "\"broken\" reason=\"a \\\\\"b\\\\\"\\\\u000a\\\\u0001\"\n" HEAD(
			"W") "\"odd\" count=18446744073709551615\n" HEAD("I") "\"done\" a=\"\" "
									      "b=0\n$";
	AUTO_STRBUF struct strbuf text = { 0 };
	regex_t regex;

	(void)state;
	log_setup(LOG_TEXT, 1);
	log_begin();
	say_one_of_each();
	log_end(&text);
	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
	if (regexec(&regex, text.text, 0, NULL, 0) != 0)
		fail_msg("%s", text.text);
	regfree(&regex);
}

static void says_more_from_verbosity_2_on(void **state)
{
	static const size_t lines[] = { 3, 3, 4, 4 };

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		AUTO_STRBUF struct strbuf text = { 0 };

		log_setup(LOG_TEXT, v);
		log_begin();
		say_one_of_each();
		log_end(&text);
		assert_int_equal(count_lines(text.text), lines[v]);
		assert_int_equal(strstr(text.text, "\"detail\" a=\"b\"\n") != NULL, v >= 2);
		if (v >= 2) {
			text.text[--text.len] = '\0';
			assert_int_equal(strrchr(text.text, '\n')[1], 'I');
		}
	}
}

static const cJSON *member(const cJSON *object, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* As Kubernetes' own: ts in milliseconds, caller, msg, v of what is no error; and a level. */
static void writes_json_as_kubernetes_does(void **state)
{
	static const struct {
		const char *level;
		const char *msg;
		double v; /* -1: none */
	} want[] = {
		{ "error", "broken", -1 },
		{ "warning", "odd", -1 },
		{ "info", "done", 0 },
		{ "info", "detail", 2 },
	};
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *at;

	(void)state;
	log_setup(LOG_JSON, 2);
	log_begin();
	say_one_of_each();
	log_end(&text);
	at = text.text;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		const char *end = NULL;
		cJSON *line = cJSON_ParseWithOpts(at, &end, false);
		double age;

		assert_non_null(line);
		assert_int_equal(*end, '\n');
		at = end + 1;
		age = (double)time(NULL) * 1e3 - member(line, "ts")->valuedouble;
		assert_true(age > -2000 && age < 60000);
		assert_string_equal(member(line, "level")->valuestring, want[i].level);
		assert_string_equal(member(line, "msg")->valuestring, want[i].msg);
		assert_true(str_starts(member(line, "caller")->valuestring, "test_cmd_log.c:"));
		if (want[i].v < 0)
			assert_null(member(line, "v"));
		else
			assert_true(cJSON_IsNumber(member(line, "v")) &&
			            member(line, "v")->valuedouble >= want[i].v &&
			            member(line, "v")->valuedouble <= want[i].v);
		if (i == 0)
			assert_string_equal(member(line, "reason")->valuestring, "a \"b\"\n\x01");
		cJSON_Delete(line);
	}
	assert_int_equal(*at, '\0');
}

static void say(unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		log_warning_limited("here", LOG_U64("i", i));
}

static void limits_each_place_by_itself(void **state)
{
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	log_setup(LOG_TEXT, 0);
	log_begin();
	say(LOG_BURST + 50);
	log_warning_limited("elsewhere", LOG_U64("i", 0));
	log_end(&text);
	assert_int_equal(count_lines(text.text), LOG_BURST + 1);
	assert_non_null(strstr(text.text, "\"elsewhere\" i=0\n"));
}

static void tells_how_much_was_not_said(void **state)
{
	struct log_limit limit = { .window_us = clock_us() - LOG_WINDOW_US,
		                   .in_window = LOG_BURST,
		                   .dropped = 50 };
	AUTO_STRBUF struct strbuf text = { 0 };

	(void)state;
	log_setup(LOG_TEXT, 0);
	log_begin();
	LOG_AT(LOG_WARNING, &limit, "again", LOG_U64("i", 1));
	LOG_AT(LOG_WARNING, &limit, "again", LOG_U64("i", 2));
	log_end(&text);
	assert_non_null(strstr(text.text, "\"again\" i=1 suppressed=\"50\"\n"));
	assert_non_null(strstr(text.text, "\"again\" i=2\n"));
	assert_int_equal(limit.in_window, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_lines_as_klog_does),
		cmocka_unit_test(says_more_from_verbosity_2_on),
		cmocka_unit_test(writes_json_as_kubernetes_does),
		cmocka_unit_test(limits_each_place_by_itself),
		cmocka_unit_test(tells_how_much_was_not_said),
	};

	return cmocka_run_group_tests_name("cmd/log", tests, dir_make, dir_remove);
}

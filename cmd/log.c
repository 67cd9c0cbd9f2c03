/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "cmd/clock.h"

static enum log_format format = LOG_TEXT;
static unsigned verbosity;

void log_setup(enum log_format new_format, unsigned new_verbosity)
{
	format = new_format;
	verbosity = new_verbosity;
}

bool log_enabled(enum log_level level)
{
	return level < LOG_DEBUG || verbosity >= 2;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void put_fields(struct strbuf *buf, const struct log_field *fields, int count)
{
	for (int i = 0; i < count; i++) {
		if (format == LOG_JSON) {
			strbuf_puts(buf, ",");
			strbuf_json(buf, fields[i].key);
			strbuf_puts(buf, ":");
		} else {
			strbuf_printf(buf, " %s=", fields[i].key);
		}
		if (fields[i].text != NULL)
			strbuf_json(buf, fields[i].text);
		else
			strbuf_printf(buf, "%lu", (unsigned long)fields[i].number);
	}
}

static void put_text_head(struct strbuf *buf, enum log_level level, const char *file, int line,
                          const char *msg)
{
	static const char letters[] = "?EWII";
	struct timespec now;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)localtime_r(&now.tv_sec, &tm);
	strbuf_printf(buf, "%c%02d%02d %02d:%02d:%02d.%06ld %7d %s:%d] ", letters[level],
	              tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	              now.tv_nsec / 1000, (int)getpid(), base_name(file), line);
	strbuf_json(buf, msg);
}

/* The shape of Kubernetes' JSON logs: ts in milliseconds, caller, msg, v. */
static void put_json_head(struct strbuf *buf, enum log_level level, const char *file, int line,
                          const char *msg)
{
	static const char *const names[] = { "", "error", "warning", "info", "info" };
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	strbuf_printf(buf, "{\"ts\":%lld.%03ld,\"level\":\"%s\",\"caller\":\"%s:%d\",\"msg\":",
	              (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000,
	              now.tv_nsec / 1000 % 1000, names[level], base_name(file), line);
	strbuf_json(buf, msg);
	if (level >= LOG_INFO)
		strbuf_printf(buf, ",\"v\":%d", level == LOG_DEBUG ? 2 : 0);
}

/* Return: whether the line may be written; tells how many were not when a window ends. */
static bool within_limit(struct log_limit *limit, struct strbuf *note)
{
	uint64_t now = clock_us();

	if (limit->window_us == 0 || now - limit->window_us >= LOG_WINDOW_US) {
		if (limit->dropped > 0)
			strbuf_printf(note, "%u", limit->dropped);
		*limit = (struct log_limit){ .window_us = now };
	}
	if (limit->in_window >= LOG_BURST) {
		limit->dropped++;
		return false;
	}
	limit->in_window++;
	return true;
}

void log_line(enum log_level level, const char *file, int line, struct log_limit *limit,
              const char *msg, const struct log_field *fields, int count)
{
	AUTO_STRBUF struct strbuf buf = { 0 };
	AUTO_STRBUF struct strbuf dropped = { 0 };
	size_t done = 0;

	if (limit != NULL && !within_limit(limit, &dropped))
		return;
	if (format == LOG_JSON)
		put_json_head(&buf, level, file, line, msg);
	else
		put_text_head(&buf, level, file, line, msg);
	put_fields(&buf, fields, count);
	if (dropped.len > 0)
		put_fields(&buf, &LOG_STR("suppressed", dropped.text), 1);
	strbuf_puts(&buf, format == LOG_JSON ? "}\n" : "\n");
	while (done < buf.len) {
		ssize_t n = write(STDERR_FILENO, buf.text + done, buf.len - done);

		if (n <= 0)
			return; /* nobody listens; there is no better place to say so */
		done += (size_t)n;
	}
}

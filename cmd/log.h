/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CMD_LOG_H
#define CMD_LOG_H

/*
 * Structured log lines on standard error, one write(2) each: klog's text shape,
 *
 *	I1102 15:04:05.678901    1234 run.c:88] "synced" kind="refill" added=12
 *
 * or one JSON object a line. A value that comes from outside is quoted.
 */

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_ERROR = 1,
	LOG_WARNING,
	LOG_INFO,
	LOG_DEBUG, /* shown from -v 2 on */
};

enum log_format { LOG_TEXT, LOG_JSON };

/** A field of a line; @text is used when it is not NULL. */
struct log_field {
	const char *key;
	const char *text;
	uint64_t number;
};

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .text = (v) })
#define LOG_U64(k, v) ((struct log_field){ .key = (k), .number = (v) })

/** How often a call site may speak: a burst, then one line in a while. Static, zeroed. */
struct log_limit {
	uint64_t window_us; /* when the present window began */
	uint32_t in_window;
	uint32_t dropped;
};

/** log_setup() - to be called once, before the first line. */
void log_setup(enum log_format format, unsigned verbosity);

/** log_line() - write one line; used through the macros below.
 *
 * @limit: NULL for sites that cannot be provoked from outside.
 */
void log_line(enum log_level level, const char *file, int line, struct log_limit *limit,
              const char *msg, const struct log_field *fields, int count);

/** log_enabled() - would a line of this level be written? */
bool log_enabled(enum log_level level);

#define LOG_FIELDS(...) ((const struct log_field[]){ { .key = "" }, __VA_ARGS__ })
#define LOG_COUNT(...) ((int)(sizeof(LOG_FIELDS(__VA_ARGS__)) / sizeof(struct log_field)))

#define LOG_AT(level, limit, msg, ...)                                                     \
	do {                                                                               \
		if (log_enabled(level))                                                    \
			log_line((level), __FILE__, __LINE__, (limit), (msg),              \
			         LOG_FIELDS(__VA_ARGS__) + 1, LOG_COUNT(__VA_ARGS__) - 1); \
	} while (0)

#define log_error(msg, ...) LOG_AT(LOG_ERROR, NULL, msg, __VA_ARGS__)
#define log_warning(msg, ...) LOG_AT(LOG_WARNING, NULL, msg, __VA_ARGS__)
#define log_info(msg, ...) LOG_AT(LOG_INFO, NULL, msg, __VA_ARGS__)
#define log_debug(msg, ...) LOG_AT(LOG_DEBUG, NULL, msg, __VA_ARGS__)

/* The same, at most LOG_BURST lines from this place in LOG_WINDOW_US. */
#define log_warning_limited(msg, ...)                                   \
	do {                                                            \
		static struct log_limit log_limit_here;                 \
		LOG_AT(LOG_WARNING, &log_limit_here, msg, __VA_ARGS__); \
	} while (0)

#define LOG_BURST 100
#define LOG_WINDOW_US 10000000u

#endif

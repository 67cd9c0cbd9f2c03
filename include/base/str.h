/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BASE_STR_H
#define BASE_STR_H

/* Text: a buffer that grows, and numbers read strictly. No locale anywhere. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/** Text under construction. Zero-initialise; @text is NUL-terminated once anything was added. */
struct strbuf {
	char *text;
	size_t len;
	size_t cap;
};

/** strbuf_add() - append @len bytes of @text. */
void strbuf_add(struct strbuf *buf, const char *text, size_t len);

/** strbuf_puts() - append a string. */
void strbuf_puts(struct strbuf *buf, const char *text);

/** strbuf_printf() - append formatted text. */
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) ERR_PRINTF(2, 3);

/** What stands for bytes that are no character: U+FFFD. */
#define STR_REPLACEMENT "\xef\xbf\xbd"

/** strbuf_json() - append @text as a JSON string, quotes included (RFC 8259, section 7). What is no
 *  UTF-8 becomes U+FFFD. */
void strbuf_json(struct strbuf *buf, const char *text);

/** strbuf_clear() - empty it, keep the memory. */
void strbuf_clear(struct strbuf *buf);

/** strbuf_done() - free the memory; the buffer is empty and usable afterwards. */
void strbuf_done(struct strbuf *buf);

#define AUTO_STRBUF __attribute__((cleanup(strbuf_done)))

/** str_utf8() - the character at the beginning of @text, in UTF-8.
 *
 * Return: its length in bytes; 0 when there is none: the end, an overlong form, half of a surrogate
 *         pair, beyond U+10FFFF.
 */
size_t str_utf8(const char *text, uint32_t *out);

/** str_to_u32() - decimal digits only, the whole of @text, at most @max.
 *
 * Return: 0, or -EINVAL / -ERANGE with @out untouched.
 */
int str_to_u32(const char *text, uint32_t max, uint32_t *out) MUST_CHECK;

/** str_to_time() - RFC 3339 with optional fraction, as in metadata.creationTimestamp.
 *
 * @out: seconds since 1970-01-01T00:00:00Z; the fraction is dropped.
 *
 * Return: 0 or -EINVAL with @out untouched.
 */
int str_to_time(const char *text, int64_t *out) MUST_CHECK;

/** str_to_time_us() - the same with its fraction: @out_us are microseconds, what is smaller is dropped. */
int str_to_time_us(const char *text, int64_t *out_us) MUST_CHECK;

/** str_to_duration() - a duration as Go writes it: "1h30m", "15s", "0.5s", "100ms", "0".
 *
 * One or more decimal numbers with a unit each, of ns, us (also with a Greek mu), ms, s, m, h; what
 * is smaller than a microsecond is dropped. At most a year, never negative.
 *
 * Return: 0, or -EINVAL / -ERANGE with @out_us untouched.
 */
int str_to_duration(const char *text, uint64_t *out_us) MUST_CHECK;

/** strbuf_duration() - append a duration as Go prints it: "1h0m0s", "1.5s", "20ms", "0s". */
void strbuf_duration(struct strbuf *buf, uint64_t us);

/** str_to_milli() - a decimal number with an optional fraction, in thousandths: "5", "0.25", "1e1" is none.
 *
 * Digits beyond the third after the point are dropped.
 *
 * Return: 0, or -EINVAL / -ERANGE (more than @max thousandths) with @out untouched.
 */
int str_to_milli(const char *text, uint32_t max, uint32_t *out) MUST_CHECK;

/** str_starts() - does @text begin with @prefix? */
bool str_starts(const char *text, const char *prefix);

#endif

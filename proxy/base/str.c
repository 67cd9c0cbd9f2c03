/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void strbuf_add(struct strbuf *buf, const char *text, size_t len)
{
	buf->text = vec_reserve(buf->text, &buf->cap, buf->len + len + 1, 1);
	memcpy(buf->text + buf->len, text, len);
	buf->len += len;
	buf->text[buf->len] = '\0';
}

void strbuf_puts(struct strbuf *buf, const char *text)
{
	strbuf_add(buf, text, strlen(text));
}

void strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	buf->text = vec_reserve(buf->text, &buf->cap, buf->len + (size_t)n + 1, 1);
	va_start(ap, fmt);
	(void)vsnprintf(buf->text + buf->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)n;
}

/* Return: how many bytes of @text were taken. */
static size_t put_character(struct strbuf *buf, const char *text)
{
	uint32_t character;
	size_t bytes = str_utf8(text, &character);

	if (bytes > 0)
		strbuf_add(buf, text, bytes);
	else
		strbuf_puts(buf, STR_REPLACEMENT);
	return bytes > 0 ? bytes : 1;
}

void strbuf_json(struct strbuf *buf, const char *text)
{
	strbuf_puts(buf, "\"");
	while (*text != '\0') {
		unsigned char c = (unsigned char)*text;
		size_t bytes = 1;

		if (c == '"' || c == '\\')
			strbuf_printf(buf, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			strbuf_printf(buf, "\\u%04x", c);
		else
			bytes = put_character(buf, text);
		text += bytes;
	}
	strbuf_puts(buf, "\"");
}

void strbuf_clear(struct strbuf *buf)
{
	buf->len = 0;
	if (buf->text != NULL)
		buf->text[0] = '\0';
}

void strbuf_done(struct strbuf *buf)
{
	free(buf->text);
	*buf = (struct strbuf){ 0 };
}

size_t str_utf8(const char *text, uint32_t *out)
{
	static const uint32_t lowest[] = { 0, 1, 0x80, 0x800, 0x10000 }; /* by length */
	const uint8_t *p = (const uint8_t *)text;
	size_t len = *p == 0             ? 0
	             : *p < 0x80         ? 1
	             : (*p >> 5) == 0x06 ? 2
	             : (*p >> 4) == 0x0e ? 3
	             : (*p >> 3) == 0x1e ? 4
	                                 : 0;
	uint32_t value = len > 1 ? *p & (0x7fu >> len) : *p;

	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3fu);
	}
	if (len == 0 || value < lowest[len] || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*out = value;
	return len;
}

int str_to_u32(const char *text, uint32_t max, uint32_t *out)
{
	uint64_t value = 0;

	if (*text == '\0')
		return -EINVAL;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(*p - '0');
		if (value > max)
			return -ERANGE;
	}
	*out = (uint32_t)value;
	return 0;
}

/* Exactly @digits decimal digits; returns the value or -1. */
static int fixed_digits(const char *p, int digits)
{
	int value = 0;

	for (int i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		value = value * 10 + (p[i] - '0');
	}
	return value;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar; March starts the counting year. */
static int64_t days_from_civil(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t shifted = (month + 9) % 12;
	int64_t day_of_year = (153 * shifted + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

int str_to_time(const char *text, int64_t *out)
{
	const char *zone = text + 19;
	int64_t offset = 0;
	int f[6];

	if (strlen(text) < 20 || text[4] != '-' || text[7] != '-' ||
	    (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
		return -EINVAL;
	f[0] = fixed_digits(text, 4);
	for (int i = 1; i < 6; i++)
		f[i] = fixed_digits(text + 2 + 3 * i, 2);
	if (f[0] < 0 || f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] < 0 || f[3] > 23 ||
	    f[4] < 0 || f[4] > 59 || f[5] < 0 || f[5] > 60)
		return -EINVAL;
	if (*zone == '.')
		for (zone++; *zone >= '0' && *zone <= '9'; zone++)
			;
	if (strcmp(zone, "Z") != 0 && strcmp(zone, "z") != 0) {
		int hours;
		int minutes;

		if ((*zone != '+' && *zone != '-') || strlen(zone) != 6 || zone[3] != ':')
			return -EINVAL;
		hours = fixed_digits(zone + 1, 2);
		minutes = fixed_digits(zone + 4, 2);
		if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
			return -EINVAL;
		offset = (*zone == '+' ? 1 : -1) * (hours * 3600 + minutes * 60);
	}
	*out = days_from_civil(f[0], f[1], f[2]) * 86400 + f[3] * 3600 + f[4] * 60 + f[5] - offset;
	return 0;
}

int str_to_time_us(const char *text, int64_t *out_us)
{
	int64_t seconds;
	int64_t fraction = 0;
	int64_t unit = 100000;
	int ret = str_to_time(text, &seconds);

	if (ret < 0)
		return ret;
	for (const char *p = text[19] == '.' ? text + 20 : ""; *p >= '0' && *p <= '9'; p++) {
		fraction += (*p - '0') * unit;
		unit /= 10;
	}
	*out_us = seconds * 1000000 + fraction;
	return 0;
}

bool str_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

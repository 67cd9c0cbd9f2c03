/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define NS_PER_S 1000000000u
#define YEAR_NS (366ull * 86400 * NS_PER_S)

/* "12.5" as 12 and 500000000; at least one digit. */
struct decimal {
	uint64_t whole;
	uint64_t nano; /* the fraction in 1e-9, further digits dropped */
};

/* Return: how many characters it has, 0 for none, or -ERANGE. */
static int read_decimal(const char *text, struct decimal *out)
{
	const char *p = text;
	uint64_t weight = 100000000;
	bool has_digits = false;

	*out = (struct decimal){ 0 };
	for (; *p >= '0' && *p <= '9'; p++) {
		has_digits = true;
		out->whole = out->whole * 10 + (uint64_t)(*p - '0');
		if (out->whole > YEAR_NS)
			return -ERANGE;
	}
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++) {
			has_digits = true;
			out->nano += weight * (uint64_t)(*p - '0');
			weight /= 10;
		}
	return has_digits ? (int)(p - text) : 0;
}

static const struct unit {
	const char *name;
	uint64_t ns;
} units[] = {
	/* before "m" what begins with it */
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* U+00B5 and U+03BC, both mu */
	{ "\xce\xbcs", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
};

static const struct unit *find_unit(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (str_starts(text, units[i].name))
			return &units[i];
	return NULL;
}

/* In whole nanoseconds: in doubles, some of what strbuf_duration() prints comes back a microsecond
 * less. Return: UINT64_MAX when it is more than a year. */
static uint64_t in_ns(const struct decimal *number, const struct unit *unit)
{
	uint64_t fraction = unit->ns < NS_PER_S ? number->nano * unit->ns / NS_PER_S
	                                        : number->nano * (unit->ns / NS_PER_S);

	if (number->whole > YEAR_NS / unit->ns)
		return UINT64_MAX;
	return number->whole * unit->ns + fraction;
}

int str_to_duration(const char *text, uint64_t *out_us)
{
	uint64_t total_ns = 0;

	if (strcmp(text, "0") == 0) {
		*out_us = 0;
		return 0;
	}
	if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		struct decimal number;
		const struct unit *unit;
		uint64_t ns;
		int len = read_decimal(text, &number);

		if (len < 0)
			return len;
		unit = len > 0 ? find_unit(text + len) : NULL;
		if (unit == NULL)
			return -EINVAL;
		ns = in_ns(&number, unit);
		if (ns > YEAR_NS || total_ns + ns > YEAR_NS)
			return -ERANGE;
		total_ns += ns;
		text += (size_t)len + strlen(unit->name);
	}
	*out_us = total_ns / 1000;
	return 0;
}

/* @whole and @rest, of which 10^@digits are one, without zeros at the end: "1.5". */
static void put_decimal(struct strbuf *buf, unsigned whole, unsigned rest, int digits)
{
	strbuf_printf(buf, "%u.%0*u", whole, digits, rest);
	while (buf->text[buf->len - 1] == '0')
		buf->text[--buf->len] = '\0';
	if (buf->text[buf->len - 1] == '.')
		buf->text[--buf->len] = '\0';
}

void strbuf_duration(struct strbuf *buf, uint64_t us)
{
	uint64_t hours = us / 3600000000;
	uint64_t minutes = us / 60000000 % 60;

	if (us > 0 && us < 1000) {
		strbuf_printf(buf, "%u\xc2\xb5s", (unsigned)us);
		return;
	}
	if (us > 0 && us < 1000000) {
		put_decimal(buf, (unsigned)(us / 1000), (unsigned)(us % 1000), 3);
		strbuf_puts(buf, "ms");
		return;
	}
	if (hours > 0)
		strbuf_printf(buf, "%lluh", (unsigned long long)hours);
	if (hours > 0 || minutes > 0)
		strbuf_printf(buf, "%um", (unsigned)minutes);
	put_decimal(buf, (unsigned)(us / 1000000 % 60), (unsigned)(us % 1000000), 6);
	strbuf_puts(buf, "s");
}

int str_to_milli(const char *text, uint32_t max, uint32_t *out)
{
	struct decimal number;
	uint64_t milli;
	int len = read_decimal(text, &number);

	if (len < 0)
		return len;
	if (len == 0 || text[len] != '\0')
		return -EINVAL;
	if (number.whole > max / 1000)
		return -ERANGE;
	milli = number.whole * 1000 + number.nano / 1000000;
	if (milli > max)
		return -ERANGE;
	*out = (uint32_t)milli;
	return 0;
}

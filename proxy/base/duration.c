/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define YEAR_S (366ull * 86400)

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
		if (out->whole > UINT32_MAX)
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

int str_to_duration(const char *text, uint64_t *out_us)
{
	double total_ns = 0;

	if (strcmp(text, "0") == 0) {
		*out_us = 0;
		return 0;
	}
	if (*text == '\0')
		return -EINVAL;
	while (*text != '\0') {
		struct decimal number;
		const struct unit *unit;
		int len = read_decimal(text, &number);

		if (len < 0)
			return len;
		unit = len > 0 ? find_unit(text + len) : NULL;
		if (unit == NULL)
			return -EINVAL;
		total_ns += ((double)number.whole + (double)number.nano / 1e9) * (double)unit->ns;
		text += (size_t)len + strlen(unit->name);
	}
	if (total_ns > (double)YEAR_S * 1e9)
		return -ERANGE;
	*out_us = (uint64_t)(total_ns / 1000);
	return 0;
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
	milli = number.whole * 1000 + number.nano / 1000000;
	if (milli > max)
		return -ERANGE;
	*out = (uint32_t)milli;
	return 0;
}

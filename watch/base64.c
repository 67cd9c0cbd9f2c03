/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why not a library's: b64_pton() of glibc is undocumented, lives in a library
 * that nothing else here needs (libresolv) and skips white space of any kind,
 * as nettle's does; OpenSSL's accepts unused bits, libb64's skips whatever it
 * does not know.
 */
#include "watch/base64.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define INVALID 0xffu

/** Four digits being read. */
struct quad {
	uint32_t bits;
	unsigned digits; /* padding included */
	unsigned pads;
};

static uint32_t digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	if (c == '+')
		return 62;
	return c == '/' ? 63 : INVALID;
}

static int take_digit(struct quad *quad, char c)
{
	uint32_t value = 0;

	if (c == '=') {
		if (quad->digits < 2)
			return -EINVAL;
		quad->pads++;
	} else {
		value = digit_value(c);
		if (value == INVALID || quad->pads > 0)
			return -EINVAL;
	}
	quad->bits = quad->bits << 6 | value;
	quad->digits++;
	return 0;
}

/* The unused bits are those that the padding stands for. */
static bool has_stray_bits(const struct quad *quad)
{
	return (quad->bits & ((1u << 8 * quad->pads) - 1)) != 0;
}

static int decode(const char *text, char *bytes, size_t *out_len)
{
	struct quad quad = { 0 };
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\r' || *text == '\n')
			continue;
		if (quad.digits == 4) {
			if (quad.pads > 0)
				return -EINVAL; /* text behind the padding */
			quad = (struct quad){ 0 };
		}
		if (take_digit(&quad, *text) < 0)
			return -EINVAL;
		if (quad.digits < 4)
			continue;
		if (has_stray_bits(&quad))
			return -EINVAL;
		for (unsigned i = 0; i < 3 - quad.pads; i++)
			bytes[len++] = (char)(quad.bits >> (16 - 8 * i) & 0xff);
	}
	*out_len = len;
	return quad.digits == 0 || quad.digits == 4 ? 0 : -EINVAL;
}

int base64_decode(const char *text, char **out, size_t *out_len)
{
	size_t size = strlen(text) / 4 * 3 + 1;
	char *bytes = xmalloc(size);
	size_t len = 0;

	if (decode(text, bytes, &len) < 0) {
		explicit_bzero(bytes, size);
		free(bytes);
		return -EINVAL;
	}
	bytes[len] = '\0';
	*out = bytes;
	*out_len = len;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: zones
 *
 * The bytes of a document are looked at closely only where it matters: outside
 * of documents, directly inside a top-level object (the envelope, whose key
 * "items" makes it a List), and between the items. All other values are skipped
 * by counting brackets.
 */
#include "watch/json_split.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum zone {
	ZONE_OUTSIDE = 0,
	ZONE_ENVELOPE,
	ZONE_ITEMS,  /* between items */
	ZONE_SCALAR, /* in an item that is neither object nor array */
	ZONE_DEEP,   /* in a value that ends with a bracket, at depth @floor */
};

enum class {
	BAD = 0,
	QUOTE,
	OPEN,
	CLOSE,
	NEWLINE,
	PLAIN, /* from here on without meaning inside a value */
	SPACE,
	COLON,
	COMMA,
};

/* What a byte outside of strings is. Letters, digits and signs make up literals. */
/* clang-format off */
static const uint8_t classes[256] = {
	['\n'] = NEWLINE, [' '] = SPACE, ['\t'] = SPACE, ['\r'] = SPACE,
	['"'] = QUOTE, [':'] = COLON, [','] = COMMA,
	['{'] = OPEN, ['['] = OPEN, ['}'] = CLOSE, [']'] = CLOSE,
	['+'] = PLAIN, ['-'] = PLAIN, ['.'] = PLAIN,
	['0'] = PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	['A'] = PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	['a'] = PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
	PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN, PLAIN,
};
/* clang-format on */

/* Where reading is, in registers while a zone is scanned. */
struct cursor {
	const char *p;
	const char *end;
};

static int unexpected(struct err *err, char c)
{
	unsigned char byte = (unsigned char)c;

	if (byte == 0)
		return err_set(err, EBADMSG, "a NUL byte");
	if (byte > 0x20 && byte < 0x7f)
		return err_set(err, EBADMSG, "unexpected '%c'", c);
	return err_set(err, EBADMSG, "unexpected byte 0x%02x", byte);
}

static int push(struct json_split *split, char bracket, struct err *err)
{
	uint64_t bit = 1ull << (split->depth % 64);

	if (split->depth == WATCH_MAX_DEPTH)
		return err_set(err, E2BIG, "nested deeper than %d levels", WATCH_MAX_DEPTH);
	if (bracket == '{')
		split->stack[split->depth / 64] |= bit;
	else
		split->stack[split->depth / 64] &= ~bit;
	split->depth++;
	return 0;
}

static int pop(struct json_split *split, char bracket, struct err *err)
{
	unsigned top =
		split->depth - 1; /* zones with brackets to close have a depth of 1 or more */
	bool is_object = (split->stack[top / 64] >> (top % 64)) & 1;

	if (is_object != (bracket == '}'))
		return err_set(err, EBADMSG, "'%c' does not close '%c'", bracket,
		               is_object ? '{' : '[');
	split->depth = top;
	return 0;
}

/* Bytes of a word that end plain text in a string: quote, backslash, controls. The lowest is exact. */
static uint64_t special_bytes(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101ull;
	const uint64_t highs = 0x8080808080808080ull;
	uint64_t quote = word ^ (ones * '"');
	uint64_t slash = word ^ (ones * '\\');

	return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
	        ((word - ones * 0x20) & ~word)) &
	       highs;
}

static const char *skip_text(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t word;
		uint64_t found;

		memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		word = __builtin_bswap64(word);
#endif
		found = special_bytes(word);
		if (found != 0)
			return p + (__builtin_ctzll(found) >> 3);
		p += 8;
	}
	while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
		p++;
	return p;
}

static int refuse_control(struct err *err, char c)
{
	if (c == '\0')
		return err_set(err, EBADMSG, "a NUL byte");
	return err_set(err, EBADMSG, "a control character in a string");
}

/* From inside a string to behind its closing quote. Returns 1 there; 0 when the text ends first,
 * with @at on the first byte not understood yet, which may be an escape that is cut. */
static inline int skip_string(const char **at, const char *end, struct err *err)
{
	const char *p = *at;

	for (;;) {
		p = skip_text(p, end);
		*at = p;
		if (p == end)
			return 0;
		if (*p == '"') {
			*at = p + 1;
			return 1;
		}
		if (*p != '\\')
			return refuse_control(err, *p);
		if (end - p < 2 || (p[1] == 'u' && end - p < 6))
			return 0;
		if (p[1] == 'u' && memcmp(p + 2, "0000", 4) == 0)
			return err_set(err, EBADMSG, "a NUL byte in a string");
		p += 2;
	}
}

static int scan_outside(struct json_split *split, struct cursor *cur, struct err *err)
{
	while (cur->p < cur->end) {
		char c = *cur->p++;
		uint8_t class = classes[(unsigned char)c];

		if (class == NEWLINE) {
			split->line++;
		} else if (class == OPEN) {
			split->document++;
			split->zone = c == '{' ? ZONE_ENVELOPE : ZONE_DEEP;
			split->floor = 0;
			split->last = '{';
			split->items_key = false;
			split->has_items = false;
			(void)push(split, c, NULL); /* the first of many */
			return JSON_DOC_BEGIN;
		} else if (class != SPACE) {
			cur->p--;
			return unexpected(err, c);
		}
	}
	return JSON_MORE;
}

/* A '[' or '{' directly inside the envelope. */
static int open_in_envelope(struct json_split *split, char c, struct err *err)
{
	bool items = c == '[' && split->items_key && split->last == ':';
	int ret = push(split, c, err);

	if (ret < 0)
		return ret;
	split->items_key = false;
	if (!items) {
		split->last = 'v';
		split->zone = ZONE_DEEP;
		split->floor = 1;
		return 0;
	}
	if (split->has_items)
		return err_set(err, EBADMSG, "items: given twice");
	split->has_items = true;
	split->zone = ZONE_ITEMS;
	split->last = '[';
	return JSON_ITEMS_BEGIN;
}

static int close_envelope(struct json_split *split, char c, struct err *err)
{
	int ret = pop(split, c, err);

	if (ret < 0)
		return ret;
	split->zone = ZONE_OUTSIDE;
	return JSON_DOC_END;
}

/* Order and completeness of keys and values are the parser's to check; here it matters only
 * whether a string is a key. */
static int scan_envelope(struct json_split *split, struct cursor *cur, struct err *err)
{
	while (cur->p < cur->end) {
		char c = *cur->p++;

		switch ((enum class)classes[(unsigned char)c]) {
		case SPACE:
			break;
		case NEWLINE:
			split->line++;
			break;
		case QUOTE:
			split->is_key = split->last == '{' || split->last == ',';
			split->last = '"';
			split->in_string = true;
			split->string_bytes = 0;
			return 0;
		case OPEN:
			return open_in_envelope(split, c, err);
		case CLOSE:
			return close_envelope(split, c, err);
		case COLON:
		case COMMA:
			split->last = (uint8_t)c;
			break;
		case PLAIN:
			split->last = 'v';
			break;
		case BAD:
			cur->p--;
			return unexpected(err, c);
		}
	}
	return JSON_MORE;
}

static int begin_item(struct json_split *split, char c, struct err *err)
{
	uint8_t class = classes[(unsigned char)c];

	if (split->last == 'v')
		return err_set(err, EBADMSG, "items: expected ',' or ']' before '%c'", c);
	split->last = 'v';
	split->zone = ZONE_SCALAR;
	split->in_string = class == QUOTE;
	if (class == OPEN) {
		int ret = push(split, c, err);

		if (ret < 0)
			return ret;
		split->zone = ZONE_DEEP;
		split->floor = 2;
	}
	return JSON_ITEM_BEGIN;
}

static int scan_items(struct json_split *split, struct cursor *cur, struct err *err)
{
	while (cur->p < cur->end) {
		char c = *cur->p++;
		uint8_t class = classes[(unsigned char)c];

		if (class == NEWLINE) {
			split->line++;
		} else if (class == COMMA && split->last == 'v') {
			split->last = ',';
		} else if (c == ']' && split->last != ',') {
			split->depth = 1;
			split->zone = ZONE_ENVELOPE;
			split->last = 'v';
			return JSON_ITEMS_END;
		} else if (class == OPEN || class == QUOTE || class == PLAIN) {
			return begin_item(split, c, err);
		} else if (class != SPACE) {
			cur->p--;
			return unexpected(err, c);
		}
	}
	return JSON_MORE;
}

/* Not in a string: a literal, up to the first byte that cannot be part of one. */
static int scan_scalar(struct json_split *split, struct cursor *cur)
{
	while (cur->p < cur->end && classes[(unsigned char)*cur->p] == PLAIN)
		cur->p++;
	if (cur->p == cur->end)
		return JSON_MORE;
	split->zone = ZONE_ITEMS;
	return JSON_ITEM_END;
}

static int close_deep(struct json_split *split, char c, struct err *err)
{
	int ret = pop(split, c, err);

	if (ret < 0 || split->depth > split->floor)
		return ret;
	switch (split->floor) {
	case 0:
		split->zone = ZONE_OUTSIDE;
		return JSON_DOC_END;
	case 1:
		split->zone = ZONE_ENVELOPE;
		return 0;
	default:
		split->zone = ZONE_ITEMS;
		return JSON_ITEM_END;
	}
}

/* Nearly all bytes pass through this loop: what it needs is in locals. */
static int scan_deep(struct json_split *split, struct cursor *cur, struct err *err)
{
	const char *const end = cur->end;
	const char *p = cur->p;
	int ret = JSON_MORE;

	while (p < end) {
		uint8_t class;
		char c;

		do {
			c = *p++;
			class = classes[(unsigned char)c];
		} while (class >= PLAIN && p < end);

		if (class == QUOTE) {
			ret = skip_string(&p, end, err);
			if (ret <= 0) {
				split->in_string = ret == 0;
				ret = ret == 0 ? JSON_MORE : ret;
				break;
			}
			ret = JSON_MORE;
		} else if (class == OPEN || class == CLOSE) {
			ret = class == OPEN ? push(split, c, err) : close_deep(split, c, err);
			if (ret != 0 || split->zone != ZONE_DEEP)
				break;
			ret = JSON_MORE;
		} else if (class == NEWLINE) {
			split->line++;
		} else if (class == BAD) {
			p--;
			ret = unexpected(err, c);
			break;
		}
	}
	cur->p = p;
	return ret;
}

/* The rest of a string that was cut, or that begins a key or an item. */
static int resume_string(struct json_split *split, const char *text, struct cursor *cur,
                         struct err *err)
{
	const char *start = cur->p;
	int ret = skip_string(&cur->p, cur->end, err);

	split->string_bytes += (size_t)(cur->p - start);
	if (ret <= 0)
		return ret < 0 ? ret : JSON_MORE;
	split->in_string = false;
	if (split->zone == ZONE_SCALAR) {
		split->zone = ZONE_ITEMS;
		return JSON_ITEM_END;
	}
	if (split->zone == ZONE_ENVELOPE)
		split->items_key = split->is_key && split->string_bytes == 6 &&
		                   cur->p - text >= 6 && memcmp(cur->p - 6, "items", 5) == 0;
	return 0;
}

static int scan(struct json_split *split, const char *text, struct cursor *cur, struct err *err)
{
	if (split->in_string)
		return resume_string(split, text, cur, err);
	switch ((enum zone)split->zone) {
	case ZONE_OUTSIDE:
		return scan_outside(split, cur, err);
	case ZONE_ENVELOPE:
		return scan_envelope(split, cur, err);
	case ZONE_ITEMS:
		return scan_items(split, cur, err);
	case ZONE_SCALAR:
		return scan_scalar(split, cur);
	case ZONE_DEEP:
		return scan_deep(split, cur, err);
	}
	panic(__FILE__, __LINE__, "no such zone");
}

int json_split_next(struct json_split *split, const char *text, size_t len, size_t *pos,
                    struct err *err)
{
	struct cursor cur = { .p = text + *pos, .end = text + len };
	int ret;

	do {
		ret = scan(split, text, &cur, err);
	} while (ret == 0);
	*pos = (size_t)(cur.p - text);
	return ret;
}

bool json_split_is_between(const struct json_split *split)
{
	return split->zone == ZONE_OUTSIDE;
}

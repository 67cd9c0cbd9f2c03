/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/yamlx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/mem.h"

static const struct word {
	const char *text;
	enum yamlx_type type;
	double number;
} words[] = {
	{ "", YAMLX_NULL, 0 },
	{ "~", YAMLX_NULL, 0 },
	{ "null", YAMLX_NULL, 0 },
	{ "Null", YAMLX_NULL, 0 },
	{ "NULL", YAMLX_NULL, 0 },
	{ "true", YAMLX_TRUE, 0 },
	{ "True", YAMLX_TRUE, 0 },
	{ "TRUE", YAMLX_TRUE, 0 },
	{ "false", YAMLX_FALSE, 0 },
	{ "False", YAMLX_FALSE, 0 },
	{ "FALSE", YAMLX_FALSE, 0 },
	{ ".nan", YAMLX_NUMBER, (double)NAN },
	{ ".NaN", YAMLX_NUMBER, (double)NAN },
	{ ".NAN", YAMLX_NUMBER, (double)NAN },
	{ ".inf", YAMLX_NUMBER, (double)INFINITY },
	{ ".Inf", YAMLX_NUMBER, (double)INFINITY },
	{ ".INF", YAMLX_NUMBER, (double)INFINITY },
	{ "+.inf", YAMLX_NUMBER, (double)INFINITY },
	{ "+.Inf", YAMLX_NUMBER, (double)INFINITY },
	{ "+.INF", YAMLX_NUMBER, (double)INFINITY },
	{ "-.inf", YAMLX_NUMBER, -(double)INFINITY },
	{ "-.Inf", YAMLX_NUMBER, -(double)INFINITY },
	{ "-.INF", YAMLX_NUMBER, -(double)INFINITY },
};

static const char *skip_digits(const char *p)
{
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

/* [-+]? (0 | [1-9][0-9]*)? (\.[0-9]*)? ([eE][-+]?[0-9]+)? with a digit in front of the exponent */
static bool is_number(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	const char *start = p;
	size_t digits;

	p = skip_digits(p);
	digits = (size_t)(p - start);
	if (digits > 1 && *start == '0')
		return false;
	if (*p == '.') {
		const char *fraction = p + 1;

		p = skip_digits(fraction);
		digits += (size_t)(p - fraction);
	}
	if (digits == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		const char *exponent = p + 1 + (p[1] == '-' || p[1] == '+');

		p = skip_digits(exponent);
		if (p == exponent)
			return false;
	}
	return *p == '\0';
}

enum yamlx_type yamlx_resolve(const char *text, size_t len, double *out_number)
{
	if (len > 5 && (unsigned char)(*text - '+') > '9' - '+')
		return YAMLX_STRING; /* too long for a word, no number: nearly all there are */
	for (size_t i = 0; i < ARRAY_LEN(words) && len <= 5; i++) {
		if (strcmp(text, words[i].text) == 0) {
			*out_number = words[i].number;
			return words[i].type;
		}
	}
	if (!is_number(text))
		return YAMLX_STRING;
	*out_number = strtod(text, NULL);
	return YAMLX_NUMBER;
}

bool yamlx_is_text(const char *tag)
{
	return tag != NULL && (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0);
}

bool yamlx_is_tagged(const char *tag, enum yamlx_type type)
{
	if (tag == NULL)
		return true;
	switch (type) {
	case YAMLX_NULL:
		return strcmp(tag, YAML_NULL_TAG) == 0;
	case YAMLX_TRUE:
	case YAMLX_FALSE:
		return strcmp(tag, YAML_BOOL_TAG) == 0;
	case YAMLX_NUMBER:
		return strcmp(tag, YAML_INT_TAG) == 0 || strcmp(tag, YAML_FLOAT_TAG) == 0;
	case YAMLX_STRING:
		return yamlx_is_text(tag);
	}
	return false;
}

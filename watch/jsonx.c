/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch/jsonx.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "proxy/object.h"

#define PATH_TEXT 120

void jsonx_init(struct jsonx *jx, struct diags *diags, const char *subject, struct err *err)
{
	*jx = (struct jsonx){
		.diags = diags,
		.subject = subject,
		.err = err,
		.scratch = { .limit = SIZE_MAX }, /* the text was bounded */
	};
}

void jsonx_done(struct jsonx *jx)
{
	if (jx->notes > JSONX_MAX_NOTES)
		diag_add(jx->diags, jx->subject, "and %u more of this object",
		         jx->notes - JSONX_MAX_NOTES);
	jsonx_arena_done(&jx->scratch);
}

void *jsonx_alloc(struct jsonx *jx, size_t count, size_t size)
{
	void *mem;

	ASSERT(size == 0 || count <= SIZE_MAX / 2 / size);
	mem = jsonx_arena_alloc(&jx->scratch, count * size);
	ASSERT(mem != NULL);
	return memset(mem, 0, count * size);
}

static void add(char *buf, size_t size, size_t *len, const char *text)
{
	size_t n = strlen(text);

	if (n > size - 1 - *len)
		n = size - 1 - *len;
	memcpy(buf + *len, text, n);
	*len += n;
	buf[*len] = '\0';
}

/* "spec.ports[2]: ", or nothing at the top. */
static const char *path_text(const struct jsonx *jx, char buf[static PATH_TEXT])
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < jx->depth; i++) {
		const struct jsonx_step *step = &jx->path[i];

		if (step->key != NULL) {
			add(buf, PATH_TEXT, &len, i > 0 ? "." : "");
			add(buf, PATH_TEXT, &len, step->key);
		} else {
			char index[24];

			(void)snprintf(index, sizeof(index), "[%zu]", step->index);
			add(buf, PATH_TEXT, &len, index);
		}
	}
	if (len > 0)
		add(buf, PATH_TEXT, &len, ": ");
	return buf;
}

int jsonx_fail(struct jsonx *jx, int code, const char *fmt, ...)
{
	struct err what = { 0 };
	char path[PATH_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	return err_set(jx->err, code, "%s%s", path_text(jx, path), what.msg);
}

int jsonx_missing(struct jsonx *jx, const char *key)
{
	int ret;

	jsonx_enter(jx, key);
	ret = jsonx_fail(jx, EINVAL, "missing");
	jsonx_leave(jx);
	return ret;
}

void jsonx_note(struct jsonx *jx, const char *fmt, ...)
{
	struct err what = { 0 };
	char path[PATH_TEXT];
	va_list ap;

	if (jx->notes++ >= JSONX_MAX_NOTES)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(what.msg, sizeof(what.msg), fmt, ap);
	va_end(ap);
	diag_add(jx->diags, jx->subject, "%s%s", path_text(jx, path), what.msg);
}

void jsonx_enter(struct jsonx *jx, const char *key)
{
	ASSERT(jx->depth < JSONX_MAX_PATH);
	jx->path[jx->depth++] = (struct jsonx_step){ .key = key };
}

void jsonx_enter_index(struct jsonx *jx, size_t index)
{
	ASSERT(jx->depth < JSONX_MAX_PATH);
	jx->path[jx->depth++] = (struct jsonx_step){ .index = index };
}

void jsonx_leave(struct jsonx *jx)
{
	jx->depth--;
}

static size_t find_field(const struct jsonx_field *fields, size_t count, const char *key)
{
	size_t i = 0;

	while (i < count && (fields[i].key[0] != key[0] || strcmp(fields[i].key, key) != 0))
		i++;
	return i;
}

int jsonx_object(struct jsonx *jx, const cJSON *item, const struct jsonx_field *fields,
                 size_t count, void *base)
{
	uint32_t seen = 0;

	ASSERT(count <= 32);
	if (!cJSON_IsObject(item))
		return jsonx_fail(jx, EINVAL, "not an object");
	for (const cJSON *child = item->child; child != NULL; child = child->next) {
		size_t i = find_field(fields, count, child->string);
		int ret = 0;

		if (i == count)
			continue;
		jsonx_enter(jx, fields[i].key);
		if (seen & (1u << i))
			ret = jsonx_fail(jx, EINVAL, "given twice");
		else if (!cJSON_IsNull(child))
			ret = fields[i].decode(jx, child, (char *)base + fields[i].offset);
		jsonx_leave(jx);
		if (ret < 0)
			return ret;
		seen |= 1u << i;
	}
	return 0;
}

int jsonx_count(struct jsonx *jx, const cJSON *item, size_t max, size_t *out)
{
	size_t count = 0;

	if (!cJSON_IsArray(item))
		return jsonx_fail(jx, EINVAL, "not a list");
	for (const cJSON *child = item->child; child != NULL; child = child->next)
		count++;
	if (count > max)
		return jsonx_fail(jx, E2BIG, "%zu entries, at most %zu", count, max);
	*out = count;
	return 0;
}

int jsonx_each(struct jsonx *jx, const cJSON *list, jsonx_fn each, void *out)
{
	size_t index = 0;

	for (const cJSON *child = list->child; child != NULL; child = child->next) {
		int ret;

		jsonx_enter_index(jx, index++);
		ret = each(jx, child, out);
		jsonx_leave(jx);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int jsonx_item(struct jsonx *jx, const cJSON *item, void *out)
{
	const cJSON **to = out;

	(void)jx;
	*to = item;
	return 0;
}

int jsonx_string(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **to = out;

	if (!cJSON_IsString(item))
		return jsonx_fail(jx, EINVAL, "not a string");
	*to = item->valuestring;
	return 0;
}

bool jsonx_is_name_char(char c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '`' && c != '/' && c != '\\';
}

int jsonx_name(struct jsonx *jx, const cJSON *item, void *out)
{
	const char **to = out;
	char quoted[JSONX_QUOTE];
	size_t len = 0;

	if (!cJSON_IsString(item))
		return jsonx_fail(jx, EINVAL, "not a string");
	for (; item->valuestring[len] != '\0'; len++)
		if (!jsonx_is_name_char(item->valuestring[len]))
			return jsonx_fail(jx, EINVAL, "'%s' is not a name",
			                  jsonx_quote(item->valuestring, quoted));
	if (len > PROXY_MAX_NAME)
		return jsonx_fail(jx, ENAMETOOLONG, "%zu bytes, at most %d", len, PROXY_MAX_NAME);
	*to = item->valuestring;
	return 0;
}

int jsonx_is_given(struct jsonx *jx, const cJSON *item, void *out)
{
	bool *to = out;

	(void)jx;
	(void)item;
	*to = true;
	return 0;
}

int jsonx_bool(struct jsonx *jx, const cJSON *item, void *out)
{
	bool *to = out;

	if (!cJSON_IsBool(item))
		return jsonx_fail(jx, EINVAL, "neither true nor false");
	*to = cJSON_IsTrue(item);
	return 0;
}

int jsonx_number(struct jsonx *jx, const cJSON *item, void *out)
{
	double *to = out;
	double number;

	if (!cJSON_IsNumber(item))
		return jsonx_fail(jx, EINVAL, "not a number");
	number = item->valuedouble;
	/* From 2^53 on all doubles are whole. */
	if (isnan(number) || (fabs(number) < 0x1p53 && number != (double)(int64_t)number))
		return jsonx_fail(jx, ERANGE, "%g is not a whole number", number);
	*to = number;
	return 0;
}

static int get_port(struct jsonx *jx, const cJSON *item, double min, uint16_t *out)
{
	double number;

	if (!cJSON_IsNumber(item))
		return jsonx_fail(jx, EINVAL, "not a number");
	number = item->valuedouble;
	if (!(number >= min && number <= UINT16_MAX) || number != (double)(uint16_t)number)
		return jsonx_fail(jx, ERANGE, "%.17g is not in %g-%d", number, min, UINT16_MAX);
	*out = (uint16_t)number;
	return 0;
}

int jsonx_port(struct jsonx *jx, const cJSON *item, void *out)
{
	return get_port(jx, item, 1, out);
}

int jsonx_port_or_none(struct jsonx *jx, const cJSON *item, void *out)
{
	return get_port(jx, item, 0, out);
}

const char *jsonx_quote(const char *text, char buf[static JSONX_QUOTE])
{
	size_t i = 0;

	for (; i < JSONX_QUOTE - 4 && text[i] != '\0'; i++)
		buf[i] = (char)(text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
	memcpy(buf + i, "...", 4);
	if (text[i] == '\0')
		buf[i] = '\0';
	return buf;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/watch_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_feed.h"
#include "watch/decode.h"

/* @template with its first %s replaced. */
static cJSON *parse_filled(const char *template, const char *piece)
{
	const char *hole = strstr(template, "%s");
	struct strbuf text AUTO_STRBUF = { 0 };
	cJSON *json;

	assert_non_null(hole);
	strbuf_add(&text, template, (size_t)(hole - template));
	strbuf_puts(&text, piece);
	strbuf_puts(&text, hole + 2);
	json = cJSON_Parse(text.text);
	assert_non_null(json);
	return json;
}

static void check_row(const char *template, const struct decode_row *row)
{
	cJSON *json = parse_filled(template, row->json);
	struct strbuf notes AUTO_STRBUF = { 0 };
	struct strbuf text AUTO_STRBUF = { 0 };
	struct proxy_meta *got = NULL;
	struct diags diags = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };

	assert_int_equal(watch_decode(json, NULL, &ident, &got, &diags, &err), row->ret);
	cJSON_Delete(json);
	assert_string_equal(err.msg, row->msg != NULL ? row->msg : "");
	for (size_t i = 0; i < diags.count; i++)
		strbuf_printf(&notes, "%s%s", i > 0 ? " | " : "", diags.list[i].text);
	diag_done(&diags);
	assert_string_equal(notes.text != NULL ? notes.text : "",
	                    row->note != NULL ? row->note : "");
	if (got != NULL)
		describe_object(&text, got);
	free(got);
	assert_string_equal(text.text != NULL ? text.text : "(none)",
	                    row->want != NULL ? row->want : "(none)");
}

void check_decode_rows(const char *template, const struct decode_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("  - %s\n", rows[i].what);
		check_row(template, &rows[i]);
	}
}

static void check_type(const struct field_row *row, const char *value, bool fits)
{
	cJSON *json = parse_filled(row->json, value);
	struct proxy_meta *got = NULL;
	struct diags diags = { 0 };
	struct watch_ident ident;
	struct err err = { 0 };
	int ret = watch_decode(json, NULL, &ident, &got, &diags, &err);

	cJSON_Delete(json);
	diag_done(&diags);
	free(got);
	if (fits)
		return;
	assert_int_equal(ret, -EINVAL);
	assert_true(strncmp(err.msg, row->path, strlen(row->path)) == 0);
	assert_true(strncmp(err.msg + strlen(row->path), ": ", 2) == 0);
}

void check_wrong_types(const struct field_row *rows, size_t count)
{
	static const struct {
		const char *value;
		const char *type;
	} values[] = {
		{ "\"x\"", TAKES_STRING }, { "1", TAKES_NUMBER },  { "true", TAKES_BOOL },
		{ "[]", TAKES_LIST },      { "{}", TAKES_OBJECT },
	};

	for (size_t i = 0; i < count; i++) {
		print_message("  - %s takes '%s'\n", rows[i].path, rows[i].takes);
		for (size_t k = 0; k < ARRAY_LEN(values); k++)
			check_type(&rows[i], values[k].value,
			           strstr(rows[i].takes, values[k].type) != NULL);
	}
}

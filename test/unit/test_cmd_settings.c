/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/settings.h"

#include <ctype.h>
#include <string.h>

#include "cmd/options.h"
#include "test/unit/test.h"

static void is_a_default_canonical(const struct setting *setting)
{
	struct strbuf text = { 0 };
	struct err err = { 0 };

	if (setting_canonical(setting, setting->fallback, &text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(text.text, setting->fallback);
	strbuf_done(&text);
}

/* What nobody else looks at when a row is added. */
static void the_table_is_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		bool is_flag = setting->flag != NULL;

		print_message("  - %s\n", is_flag ? setting->flag : setting->path);
		assert_true(is_flag || setting->path != NULL);
		is_a_default_canonical(setting);
		assert_true(strlen(setting->help) > 0);
		assert_true(islower((unsigned char)setting->help[0]) ||
		            isupper((unsigned char)setting->help[1]) ||
		            str_starts(setting->help, "NodePorts"));
		assert_true(setting->help[strlen(setting->help) - 1] != '.');
		assert_int_equal(is_flag, setting->arg != NULL);
		assert_int_equal(is_flag, (setting->bits & 0xff) != 0); /* some command has it */
		if (is_flag)
			assert_ptr_equal(settings_find_flag(setting->flag), setting);
		if (setting->path != NULL)
			assert_ptr_equal(settings_find_path(setting->path, setting->bits), setting);
		if (setting->path != NULL)
			assert_false(settings_is_section(setting->path, setting->bits));
		assert_true(setting->at == 0 || setting->set == NULL);
	}
}

static void finds_sections(void **state)
{
	(void)state;
	assert_true(settings_is_section("logging", 0));
	assert_true(settings_is_section("logging.options.text", 0));
	assert_false(settings_is_section("logging.opt", 0));
	assert_false(settings_is_section("logging", SETTING_OWN));
	assert_null(settings_find_path("logging", 0));
	assert_null(settings_find_path("source", 0));
	assert_non_null(settings_find_path("source", SETTING_OWN));
	assert_null(settings_find_flag(""));
}

static const struct row {
	const char *what;
	enum setting_type type;
	const char *text;
	const char *canonical; /* NULL: refused */
	const char *json;
} rows[] = {
	{ "Go's ways to say true", SETTING_BOOL, "T", "true", "true" },
	{ "and false", SETTING_BOOL, "0", "false", "false" },
	{ "but no other", SETTING_BOOL, "tRue", NULL, NULL },
	{ "a number", SETTING_NUMBER, "-7", "-7", "-7" },
	{ "with leading zeros", SETTING_NUMBER, "007", "7", "7" },
	{ "the largest", SETTING_NUMBER, "2147483647", "2147483647", "2147483647" },
	{ "one more", SETTING_NUMBER, "2147483648", NULL, NULL },
	{ "a plus sign", SETTING_NUMBER, "+7", NULL, NULL },
	{ "two signs", SETTING_NUMBER, "--7", NULL, NULL },
	{ "a fraction", SETTING_DECIMAL, "2.50", "2.5", "2.5" },
	{ "thousandths", SETTING_DECIMAL, "-0.0059", "-0.005", "-0.005" },
	{ "a fraction without a whole", SETTING_DECIMAL, ".5", "0.5", "0.5" },
	{ "no number at all", SETTING_DECIMAL, "-", NULL, NULL },
	{ "a duration", SETTING_DURATION, "90m", "1h30m0s", "\"1h30m0s\"" },
	{ "zero", SETTING_DURATION, "0", "0s", "\"0s\"" },
	{ "a text", SETTING_TEXT, "a \"b\"", "a \"b\"", "\"a \\\"b\\\"\"" },
	{ "a control character", SETTING_TEXT, "a\x7f", NULL, NULL },
	{ "one of those beyond ASCII", SETTING_TEXT, "a\xc2\x85", NULL, NULL },
	{ "the end of a line in Unicode", SETTING_TEXT, "a\xe2\x80\xa8", NULL, NULL },
	{ "a mark of the byte order", SETTING_TEXT, "\xef\xbb\xbf", NULL, NULL },
	{ "bytes that are not UTF-8", SETTING_LIST, "a,\xb1", NULL, NULL },
	{ "letters beyond ASCII", SETTING_TEXT, "\xc3\xa4\xf0\x9f\x98\x80",
	  "\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"" },
	{ "a size", SETTING_SIZE, "64Ki", "64Ki", "\"64Ki\"" },
	{ "of nothing", SETTING_SIZE, "Ki", NULL, NULL },
	{ "of what nobody knows", SETTING_SIZE, "64KB", NULL, NULL },
	{ "a list", SETTING_LIST, "a,b", "a,b", "[\"a\",\"b\"]" },
	{ "an empty one", SETTING_LIST, "", "", "[]" },
	{ "switches", SETTING_SWITCHES, "A=1,B=f", "A=true,B=false", "{\"A\":true,\"B\":false}" },
	{ "one switch twice, the last one counts", SETTING_SWITCHES, "A=1,B=f,A=0",
	  "A=true,B=false,A=false", "{\"B\":false,\"A\":false}" },
	{ "no switch", SETTING_SWITCHES, "", "", "{}" },
	{ "a switch without a name", SETTING_SWITCHES, "=true", NULL, NULL },
	{ "a switch without a value", SETTING_SWITCHES, "A=", NULL, NULL },
	{ "nothing between commas", SETTING_SWITCHES, "A=1,,B=1", NULL, NULL },
	{ "patterns", SETTING_VMODULE, "a*=2,b=0", "a*=2,b=0",
	  "[{\"filePattern\":\"a*\",\"verbosity\":2},{\"filePattern\":\"b\",\"verbosity\":0}]" },
	{ "no pattern", SETTING_VMODULE, "", "", "[]" },
	{ "a negative verbosity", SETTING_VMODULE, "a=-1", NULL, NULL },
};

static void reads_and_prints_each_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct setting setting = { .type = rows[i].type };
		struct strbuf text = { 0 };
		struct strbuf json = { 0 };
		struct err err = { 0 };
		int ret = setting_canonical(&setting, rows[i].text, &text, &err);

		print_message("  - %s\n", rows[i].what);
		assert_int_equal(ret < 0, rows[i].canonical == NULL);
		if (ret == 0) {
			assert_string_equal(text.text, rows[i].canonical);
			setting_json(&setting, text.text, &json);
			assert_string_equal(json.text, rows[i].json);
		} else {
			assert_true(strlen(err.msg) > 0);
		}
		strbuf_done(&text);
		strbuf_done(&json);
	}
}

static void bounds_a_text(void **state)
{
	const struct setting setting = { .type = SETTING_TEXT };
	struct strbuf text = { 0 };
	struct strbuf out = { 0 };
	struct err err = { 0 };

	(void)state;
	for (int i = 0; i < 16384; i++)
		strbuf_puts(&text, "a");
	assert_true(setting_canonical(&setting, text.text, &out, &err) < 0);
	assert_string_equal(err.msg, "longer than 16383 characters");
	assert_int_equal(setting_canonical(&setting, text.text + 1, &out, &err), 0);
	strbuf_done(&text);
	strbuf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(finds_sections),
		cmocka_unit_test(reads_and_prints_each_type),
		cmocka_unit_test(bounds_a_text),
	};

	return cmocka_run_group_tests_name("cmd/settings", tests, NULL, NULL);
}

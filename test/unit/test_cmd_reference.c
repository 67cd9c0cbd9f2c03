/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What README.md and the manual page say of the settings is what the table says.
 * With REFERENCE_UPDATE=1 in the environment it is written there (make reference-update).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/config_file.h"
#include "cmd/options.h"
#include "cmd/settings.h"
#include "test/unit/test.h"

static const char *type_name(enum setting_type type)
{
	switch (type) {
	case SETTING_BOOL:
		return "boolean";
	case SETTING_NUMBER:
		return "number";
	case SETTING_DECIMAL:
		return "decimal number";
	case SETTING_DURATION:
		return "duration";
	case SETTING_TEXT:
		return "text";
	case SETTING_SIZE:
		return "size";
	case SETTING_LIST:
		return "list";
	case SETTING_SWITCHES:
		return "booleans by name";
	case SETTING_VMODULE:
		return "patterns";
	}
	return "";
}

static void put_type(const struct setting *setting, struct strbuf *out)
{
	strbuf_puts(out, type_name(setting->type));
	if (setting->type == SETTING_NUMBER && (setting->min != 0 || setting->max != 0))
		strbuf_printf(out, ", %lld to %lld", (long long)setting->min,
		              (long long)setting->max);
	else if (setting->type == SETTING_DURATION && setting->min > 0)
		strbuf_puts(out, ", not 0");
}

static void put_code(const char *before, const char *text, struct strbuf *out)
{
	if (text != NULL && *text != '\0')
		strbuf_printf(out, " `%s%s` |", before, text);
	else
		strbuf_puts(out, " |");
}

static void put_readme_rows(bool effect, bool own, struct strbuf *out)
{
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		bool is_own = (setting->bits & SETTING_OWN) != 0;

		if (setting_has_effect(setting) != effect || is_own != own)
			continue;
		strbuf_puts(out, "|");
		put_code("--", setting->flag, out);
		put_code("", setting->path, out);
		strbuf_puts(out, " ");
		put_type(setting, out);
		strbuf_puts(out, " |");
		put_code("", setting->fallback, out);
		strbuf_printf(out, " %s |\n", setting->help);
	}
}

static void put_readme(struct strbuf *out)
{
	static const char head[] = "| flag | field | type | default | meaning |\n"
				   "|---|---|---|---|---|\n";

	strbuf_printf(out, "Settings of kube-proxy, the fields being those of `%s`:\n\n%s",
	              CONFIG_KIND, head);
	put_readme_rows(true, false, out);
	strbuf_printf(out, "\nOurs, the fields being those of `%s`:\n\n%s", CONFIG_OWN_KIND, head);
	put_readme_rows(true, true, out);
	strbuf_printf(out,
	              "\nAccepted for kube-proxy's sake, without effect, and named in the log "
	              "when they are not at their default:\n\n%s",
	              head);
	put_readme_rows(false, false, out);
}

/* A sentence of the manual page. */
static void put_sentence(const char *text, struct strbuf *out)
{
	size_t start = out->len;

	strbuf_printf(out, "%s.\n", text);
	if (out->text[start] >= 'a' && out->text[start] <= 'z')
		out->text[start] = (char)(out->text[start] - 'a' + 'A');
}

static void put_man_item(const struct setting *setting, struct strbuf *out)
{
	bool optional =
		setting->type == SETTING_BOOL || (setting->bits & SETTING_VALUE_OPTIONAL) != 0;

	strbuf_puts(out, ".It ");
	if (strcmp(setting->flag, "help") == 0)
		strbuf_puts(out, "Fl h , ");
	if (strcmp(setting->flag, "v") == 0)
		strbuf_printf(out, "Fl v Ar %s , ", setting->arg);
	strbuf_printf(out, optional ? "Fl -%s Ns Op = Ns Ar %s\n" : "Fl -%s Ar %s\n", setting->flag,
	              setting->arg);
	put_sentence(setting->help, out);
	if (*setting->fallback != '\0' && strcmp(setting->fallback, "false") != 0)
		strbuf_printf(out, "The default is\n.Ql %s .\n", setting->fallback);
	if (setting->path != NULL)
		strbuf_printf(out, "In the file:\n.Ql %s .\n", setting->path);
}

static void put_man(struct strbuf *out)
{
	for (int idle = 0; idle < 2; idle++) {
		strbuf_puts(out,
		            idle ? ".Ss Options without effect\nAccepted for kube-proxy's sake, "
		                   "and named in the log when they are not at their default.\n"
		                 : ".Ss Options\n");
		strbuf_puts(out, ".Bl -tag -width Ds\n");
		for (size_t i = 0; i < settings_count; i++)
			if (settings_table[i].flag != NULL &&
			    setting_has_effect(&settings_table[i]) == (idle == 0))
				put_man_item(&settings_table[i], out);
		strbuf_puts(out, ".El\n");
	}
}

static void read_file(const char *path, struct strbuf *out)
{
	struct err err = { 0 };

	if (config_file_load(path, out, &err) < 0)
		fail_msg("%s", err.msg);
}

/* What stands between two lines is to be @want. */
static void expect_between(const char *path, const char *begin, const char *end,
                           const struct strbuf *want)
{
	struct strbuf text = { 0 };
	const char *from;
	const char *to;

	read_file(path, &text);
	from = strstr(text.text, begin);
	assert_non_null(from);
	from += strlen(begin);
	to = strstr(from, end);
	assert_non_null(to);
	if ((size_t)(to - from) == want->len && memcmp(from, want->text, want->len) == 0) {
		strbuf_done(&text);
		return;
	}
	if (getenv("REFERENCE_UPDATE") != NULL) {
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		(void)fprintf(file, "%.*s%s%s", (int)(from - text.text), text.text, want->text, to);
		assert_int_equal(fclose(file), 0);
		strbuf_done(&text);
		return;
	}
	strbuf_done(&text);
	fail_msg("%s does not say what cmd/settings_table.c says: make reference-update", path);
}

static void the_readme_tells_of_every_setting(void **state)
{
	struct strbuf want = { 0 };

	(void)state;
	put_readme(&want);
	expect_between("README.md", "<!-- settings -->\n", "<!-- end of settings -->\n", &want);
	strbuf_done(&want);
}

static void the_manual_tells_of_every_flag(void **state)
{
	struct strbuf want = { 0 };

	(void)state;
	put_man(&want);
	expect_between("cmd/kubenft.8", ".\\\" settings\n", ".\\\" end of settings\n", &want);
	strbuf_done(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_readme_tells_of_every_setting),
		cmocka_unit_test(the_manual_tells_of_every_flag),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}

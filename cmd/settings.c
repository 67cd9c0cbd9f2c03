/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What was given, and what counts of it. All owned, canonical. */
struct settings {
	struct value {
		char *flag;
		char *file;
		char *effective;
		enum setting_origin origin;
	} * values;
};

const struct setting *settings_find_flag(const char *name)
{
	for (size_t i = 0; i < settings_count; i++)
		if (settings_table[i].flag != NULL && strcmp(settings_table[i].flag, name) == 0)
			return &settings_table[i];
	return NULL;
}

/* Is the setting in the document that @bits name? */
static bool is_in(const struct setting *setting, unsigned bits)
{
	return setting->path != NULL && ((setting->bits ^ bits) & SETTING_OWN) == 0;
}

const struct setting *settings_find_path(const char *path, unsigned bits)
{
	for (size_t i = 0; i < settings_count; i++)
		if (is_in(&settings_table[i], bits) && strcmp(settings_table[i].path, path) == 0)
			return &settings_table[i];
	return NULL;
}

bool settings_is_section(const char *path, unsigned bits)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];

		if (is_in(setting, bits) && str_starts(setting->path, path) &&
		    setting->path[len] == '.')
			return true;
	}
	return false;
}

bool setting_has_effect(const struct setting *setting)
{
	return setting->at != 0 || setting->set != NULL || (setting->bits & SETTING_DERIVED) != 0;
}

struct settings *settings_new(void)
{
	struct settings *settings = xcalloc(1, sizeof(*settings));

	settings->values = xcalloc(settings_count, sizeof(*settings->values));
	return settings;
}

void settings_free(struct settings *settings)
{
	if (settings == NULL)
		return;
	for (size_t i = 0; i < settings_count; i++) {
		free(settings->values[i].flag);
		free(settings->values[i].file);
		free(settings->values[i].effective);
	}
	free(settings->values);
	free(settings);
}

static struct value *value_of(const struct settings *settings, const struct setting *setting)
{
	ASSERT(setting >= settings_table && setting < settings_table + settings_count);
	return &settings->values[setting - settings_table];
}

static bool is_list(const struct setting *setting)
{
	return setting->type == SETTING_LIST || setting->type == SETTING_SWITCHES ||
	       setting->type == SETTING_VMODULE;
}

int settings_flag(struct settings *settings, const struct setting *setting, const char *text,
                  struct err *err)
{
	struct value *value = value_of(settings, setting);
	struct strbuf joined = { 0 };
	int ret;

	if (*text == '\0' && (setting->bits & SETTING_NOT_EMPTY) != 0)
		return err_set(err, EINVAL, "empty");
	if (is_list(setting) && value->flag != NULL && *value->flag != '\0')
		strbuf_printf(&joined, "%s,", value->flag);
	ret = setting_canonical(setting, text, &joined, err);
	if (ret < 0) {
		strbuf_done(&joined);
		return ret;
	}
	free(value->flag);
	value->flag = joined.text;
	return 0;
}

/* A value that means "not set", however short a duration may be otherwise. */
static bool is_zero(const struct setting *setting, const char *text)
{
	static const char *const zeros[] = { "0", "0s", "false" };
	struct setting unlimited = *setting;
	AUTO_STRBUF struct strbuf canonical = { 0 };

	if (*text == '\0' || (setting->bits & SETTING_KEEPS_ZERO) != 0)
		return *text == '\0';
	unlimited.min = unlimited.max = 0;
	if (setting_canonical(&unlimited, text, &canonical, NULL) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
		if (strcmp(canonical.text, zeros[i]) == 0)
			return true;
	return false;
}

void settings_forget_file(struct settings *settings, const struct setting *setting)
{
	struct value *value = value_of(settings, setting);

	free(value->file);
	value->file = NULL;
}

int settings_file(struct settings *settings, const struct setting *setting, const char *text,
                  struct err *err)
{
	struct value *value = value_of(settings, setting);
	struct strbuf canonical = { 0 };
	int ret;

	settings_forget_file(settings, setting);
	if (is_zero(setting, text))
		return 0;
	ret = setting_canonical(setting, text, &canonical, err);
	if (ret < 0)
		strbuf_done(&canonical);
	else
		value->file = canonical.text;
	return ret;
}

void settings_resolve(struct settings *settings, bool has_config)
{
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];
		struct value *value = &settings->values[i];
		bool flag_counts = !has_config || (setting->bits & SETTING_BESIDE_CONFIG) != 0;
		const char *text = setting->fallback;

		value->origin = FROM_DEFAULT;
		if (value->file != NULL) {
			text = value->file;
			value->origin = FROM_FILE;
		}
		if (flag_counts && value->flag != NULL && *value->flag != '\0') {
			text = value->flag;
			value->origin = FROM_FLAG;
		}
		settings_replace(settings, setting, text);
	}
}

void settings_replace(struct settings *settings, const struct setting *setting, const char *text)
{
	struct value *value = value_of(settings, setting);
	char *copy = xstrdup(text);

	free(value->effective);
	value->effective = copy;
}

const char *settings_value(const struct settings *settings, const struct setting *setting)
{
	const struct value *value = value_of(settings, setting);

	return value->effective != NULL ? value->effective : setting->fallback;
}

enum setting_origin settings_origin(const struct settings *settings, const struct setting *setting)
{
	return value_of(settings, setting)->origin;
}

const char *settings_given_flag(const struct settings *settings, const struct setting *setting)
{
	return value_of(settings, setting)->flag;
}

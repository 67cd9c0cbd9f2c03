/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a value of each type may be, and how it is written. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/options.h"
#include "cmd/settings.h"

#define MAX_TEXT 16384
#define MAX_MILLI 1000000000

/* What Go's strconv.ParseBool() takes. */
static int put_bool(const char *text, struct strbuf *out, struct err *err)
{
	static const char *const names[2][6] = { { "0", "f", "F", "false", "False", "FALSE" },
		                                 { "1", "t", "T", "true", "True", "TRUE" } };

	for (size_t i = 0; i < 2 * ARRAY_LEN(names[0]); i++) {
		if (strcmp(text, names[i % 2][i / 2]) == 0) {
			strbuf_puts(out, i % 2 == 0 ? "false" : "true");
			return 0;
		}
	}
	return err_set(err, EINVAL, "'%.32s' is neither true nor false", text);
}

static int put_number(const struct setting *setting, const char *text, struct strbuf *out,
                      struct err *err)
{
	bool any = setting->min == 0 && setting->max == 0;
	long long min = any ? INT32_MIN : setting->min;
	long long max = any ? INT32_MAX : setting->max;
	bool negative = *text == '-';
	uint32_t digits = 0;
	long long number;

	if (str_to_u32(text + negative, UINT32_MAX, &digits) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number from %lld to %lld", text, min,
		               max);
	number = negative ? -(long long)digits : digits;
	if (number < min || number > max)
		return err_set(err, EINVAL, "'%.32s' is not a number from %lld to %lld", text, min,
		               max);
	strbuf_printf(out, "%lld", number);
	return 0;
}

static int put_decimal(const char *text, struct strbuf *out, struct err *err)
{
	bool negative = *text == '-';
	uint32_t milli = 0;

	if (str_to_milli(text + negative, MAX_MILLI, &milli) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a number", text);
	strbuf_printf(out, "%s%u", negative ? "-" : "", milli / 1000);
	milli %= 1000;
	if (milli > 0)
		strbuf_puts(out, ".");
	for (uint32_t weight = 100; milli > 0; milli %= weight, weight /= 10)
		strbuf_printf(out, "%u", milli / weight);
	return 0;
}

static int put_duration(const struct setting *setting, const char *text, struct strbuf *out,
                        struct err *err)
{
	uint64_t us = 0;

	if (str_to_duration(text, &us) < 0)
		return err_set(err, EINVAL, "'%.32s' is not a duration such as 1s or 500ms", text);
	if (us < (uint64_t)setting->min)
		return err_set(err, EINVAL, "'%.32s' is too short", text);
	strbuf_duration(out, us);
	return 0;
}

/* What YAML takes as it is, and leaves as it is: no ends of lines, no mark of the byte order. */
static bool is_plain(uint32_t character)
{
	return character >= 0x20 && (character < 0x7f || character >= 0xa0) &&
	       character != 0x2028 && character != 0x2029 && character != 0xfeff &&
	       character != 0xfffe && character != 0xffff;
}

static int check_text(const char *text, struct err *err)
{
	size_t len = strnlen(text, MAX_TEXT);
	uint32_t character = 0;

	if (len == MAX_TEXT)
		return err_set(err, EINVAL, "longer than %d characters", MAX_TEXT - 1);
	while (*text != '\0') {
		size_t bytes = str_utf8(text, &character);

		if (bytes == 0)
			return err_set(err, EINVAL, "not UTF-8");
		if (!is_plain(character))
			return err_set(err, EINVAL, "a control character");
		text += bytes;
	}
	return 0;
}

/* Of a Kubernetes quantity what makes sense for memory. */
static int put_size(const char *text, struct strbuf *out, struct err *err)
{
	static const char *const suffixes[] = {
		"", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "E"
	};
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; i < ARRAY_LEN(suffixes) && digits > 0 && digits < 16; i++) {
		if (strcmp(text + digits, suffixes[i]) == 0) {
			strbuf_puts(out, text);
			return 0;
		}
	}
	return err_set(err, EINVAL, "'%.32s' is not a size such as 64Ki", text);
}

/** An entry "name=value" of a list. */
struct entry {
	char name[128];
	char value[64];
};

/* Return: what follows the entry, or NULL with a sentence. */
static const char *next_entry(const char *text, struct entry *entry, struct err *err)
{
	size_t len = strcspn(text, ",");
	const char *equal = memchr(text, '=', len);
	size_t name = equal != NULL ? (size_t)(equal - text) : 0;
	size_t value = equal != NULL ? len - name - 1 : 0;

	if (name == 0 || name >= sizeof(entry->name) || value >= sizeof(entry->value)) {
		(void)err_set(err, EINVAL, "'%.*s' is not of the form name=value",
		              len < 64 ? (int)len : 64, text);
		return NULL;
	}
	memcpy(entry->name, text, name);
	entry->name[name] = '\0';
	memcpy(entry->value, equal + 1, value);
	entry->value[value] = '\0';
	return text + len + (text[len] == ',');
}

static int put_entries(const struct setting *setting, const char *text, struct strbuf *out,
                       struct err *err)
{
	const struct setting verbosity = { .max = INT32_MAX };
	struct entry entry;
	const char *separator = "";
	int ret = 0;

	while (*text != '\0') {
		text = next_entry(text, &entry, err);
		if (text == NULL)
			return -EINVAL;
		strbuf_printf(out, "%s%s=", separator, entry.name);
		ret = setting->type == SETTING_SWITCHES
		              ? put_bool(entry.value, out, err)
		              : put_number(&verbosity, entry.value, out, err);
		if (ret < 0)
			return err_wrap(err, ret, "%.64s", entry.name);
		separator = ",";
	}
	return ret;
}

int setting_canonical(const struct setting *setting, const char *text, struct strbuf *out,
                      struct err *err)
{
	int ret = check_text(text, err);

	strbuf_puts(out, "");
	if (ret < 0 || *text == '\0')
		return ret;
	switch (setting->type) {
	case SETTING_BOOL:
		return put_bool(text, out, err);
	case SETTING_NUMBER:
		return put_number(setting, text, out, err);
	case SETTING_DECIMAL:
		return put_decimal(text, out, err);
	case SETTING_DURATION:
		return put_duration(setting, text, out, err);
	case SETTING_SIZE:
		return put_size(text, out, err);
	case SETTING_SWITCHES:
	case SETTING_VMODULE:
		return put_entries(setting, text, out, err);
	case SETTING_TEXT:
	case SETTING_LIST:
		break;
	}
	strbuf_puts(out, text);
	return 0;
}

void setting_store(const struct setting *setting, const char *text, struct options *options)
{
	void *to = (char *)options + setting->at;
	uint32_t number = 0;
	int ret;

	switch (setting->type) {
	case SETTING_BOOL:
		*(bool *)to = strcmp(text, "true") == 0;
		return;
	case SETTING_NUMBER:
		ret = str_to_u32(text + (*text == '-'), UINT32_MAX, &number);
		ASSERT(ret == 0);
		*(int32_t *)to = *text == '-' ? (int32_t)-number : (int32_t)number;
		return;
	case SETTING_DURATION:
		ret = str_to_duration(text, to);
		ASSERT(ret == 0);
		return;
	case SETTING_TEXT:
		*(const char **)to = *text != '\0' ? text : NULL;
		return;
	case SETTING_DECIMAL:
	case SETTING_SIZE:
	case SETTING_LIST:
	case SETTING_SWITCHES:
	case SETTING_VMODULE:
		break;
	}
	panic(__FILE__, __LINE__, "a setting of this type needs a function of its own");
}

static void put_json_list(const char *text, struct strbuf *out)
{
	AUTO_STRBUF struct strbuf item = { 0 };
	const char *separator = "";

	strbuf_puts(out, "[");
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		strbuf_clear(&item);
		strbuf_add(&item, text, len);
		if (len > 0) {
			strbuf_puts(out, separator);
			strbuf_json(out, item.text);
			separator = ",";
		}
		text += len + (text[len] == ',');
	}
	strbuf_puts(out, "]");
}

/* Is there an entry of this name in @text? */
static bool has_entry(const char *text, const char *name)
{
	struct entry entry;

	while (*text != '\0') {
		text = next_entry(text, &entry, NULL);
		ASSERT(text != NULL);
		if (strcmp(entry.name, name) == 0)
			return true;
	}
	return false;
}

/* An object has a name once: the last one counts, as when it is applied. */
static void put_json_switches(const char *text, struct strbuf *out)
{
	const char *separator = "";
	struct entry entry;

	strbuf_puts(out, "{");
	while (*text != '\0') {
		text = next_entry(text, &entry, NULL);
		ASSERT(text != NULL);
		if (has_entry(text, entry.name))
			continue;
		strbuf_puts(out, separator);
		strbuf_json(out, entry.name);
		strbuf_printf(out, ":%s", entry.value);
		separator = ",";
	}
	strbuf_puts(out, "}");
}

static void put_json_vmodule(const char *text, struct strbuf *out)
{
	const char *separator = "";
	struct entry entry;

	strbuf_puts(out, "[");
	while (*text != '\0') {
		text = next_entry(text, &entry, NULL);
		ASSERT(text != NULL);
		strbuf_printf(out, "%s{\"filePattern\":", separator);
		strbuf_json(out, entry.name);
		strbuf_printf(out, ",\"verbosity\":%s}", entry.value);
		separator = ",";
	}
	strbuf_puts(out, "]");
}

void setting_json(const struct setting *setting, const char *text, struct strbuf *out)
{
	switch (setting->type) {
	case SETTING_BOOL:
	case SETTING_NUMBER:
	case SETTING_DECIMAL:
		strbuf_puts(out, text);
		break;
	case SETTING_DURATION:
	case SETTING_TEXT:
	case SETTING_SIZE:
		strbuf_json(out, text);
		break;
	case SETTING_LIST:
		put_json_list(text, out);
		break;
	case SETTING_SWITCHES:
		put_json_switches(text, out);
		break;
	case SETTING_VMODULE:
		put_json_vmodule(text, out);
		break;
	}
}

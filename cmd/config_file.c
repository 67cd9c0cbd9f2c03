/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: how an object is read
 *
 * Its members are walked with a stack that is as deep as the table's longest
 * path; what a path means, a setting or a section of settings, the table says.
 * A value becomes text and is then checked as a flag's would be.
 */
#include "cmd/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "watch/jsonx.h"
#include "watch/manifest.h"

#define MAX_LEVELS 5 /* logging.options.text.splitStream, and one more for a leaf's own members */

/** One file being read. */
struct reading {
	const char *path;
	struct settings *settings;
	struct diags *findings;
	struct diags wrong; /* what refuses the file */
	struct strbuf text; /* borrowed from the caller */
	size_t at;          /* of @text, handed to the parser */
	bool has[2];        /* the document of kube-proxy, ours */
};

/** A document being read. */
struct document {
	struct reading *reading;
	unsigned bits; /* SETTING_OWN or 0 */
	struct jsonx jx;
	bool *seen; /* settings that were given */
};

/* ---- Bytes ------------------------------------------------------------------------------------ */

static int read_all(int fd, const char *path, struct strbuf *out, struct err *err)
{
	char buf[16384];
	ssize_t n;

	do {
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno != EINTR)
			return err_set(err, errno, "%.100s: %s", path, strerrordesc_np(errno));
		if (n > 0)
			strbuf_add(out, buf, (size_t)n);
		if (out->len > CONFIG_MAX_BYTES)
			return err_set(err, EFBIG, "%.100s: more than %u KiB", path,
			               CONFIG_MAX_BYTES >> 10);
	} while (n != 0);
	return 0;
}

int config_file_load(const char *path, struct strbuf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "%.100s: %s", path, strerrordesc_np(errno));
	strbuf_puts(out, "");
	ret = read_all(fd, path, out, err);
	(void)close(fd);
	return ret;
}

/* watch_read_fn */
static int hand_out(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err)
{
	struct reading *r = ctx;
	size_t left = r->text.len - r->at;

	(void)err;
	*out_len = left < size ? left : size;
	memcpy(buf, r->text.text + r->at, *out_len);
	r->at += *out_len;
	return 0;
}

/* ---- Values to text --------------------------------------------------------------------------- */

/* More than 15 digits are not exact in a double. */
static void put_double(double number, struct strbuf *out)
{
	strbuf_printf(out, "%.15g", number);
}

static int put_list(struct jsonx *jx, const cJSON *item, void *out)
{
	struct strbuf *text = out;
	const char *string = NULL;
	int ret = jsonx_string(jx, item, &string);

	if (ret < 0)
		return ret;
	if (*string == '\0')
		return jsonx_fail(jx, EINVAL, "empty");
	if (strchr(string, ',') != NULL)
		return jsonx_fail(jx, EINVAL, "a comma in it");
	strbuf_printf(text, "%s%s", text->len > 0 ? "," : "", string);
	return 0;
}

/* An item of logging.vmodule: {filePattern, verbosity}. */
static int put_pattern(struct jsonx *jx, const cJSON *item, void *out)
{
	struct pattern {
		const char *pattern;
		double verbosity;
	} pattern = { 0 };
	static const struct jsonx_field fields[] = {
		{ "filePattern", jsonx_string, offsetof(struct pattern, pattern) },
		{ "verbosity", jsonx_number, offsetof(struct pattern, verbosity) },
	};
	struct strbuf *text = out;
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &pattern);

	if (ret < 0)
		return ret;
	if (pattern.pattern == NULL)
		return jsonx_missing(jx, "filePattern");
	strbuf_printf(text, "%s%s=", text->len > 0 ? "," : "", pattern.pattern);
	put_double(pattern.verbosity, text);
	return 0;
}

static int put_string(struct jsonx *jx, const cJSON *item, struct strbuf *text)
{
	const char *string = NULL;
	int ret = jsonx_string(jx, item, &string);

	if (ret == 0)
		strbuf_puts(text, string);
	return ret;
}

/* The booleans of YAML 1.1, in which Kubernetes reads its files. */
static int put_bool_word(const char *word, struct strbuf *text)
{
	static const char *const words[2][9] = {
		{ "n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL },
		{ "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL },
	};

	for (size_t i = 0; word != NULL && i < 2 * ARRAY_LEN(words[0]); i++) {
		const char *known = words[i % 2][i / 2];

		if (known != NULL && strcmp(word, known) == 0) {
			strbuf_puts(text, i % 2 == 0 ? "false" : "true");
			return 0;
		}
	}
	return -EINVAL;
}

static int put_bool(struct jsonx *jx, const cJSON *item, struct strbuf *text)
{
	bool value = false;
	int ret;

	if (put_bool_word(cJSON_GetStringValue(item), text) == 0)
		return 0;
	ret = jsonx_bool(jx, item, &value);
	if (ret == 0)
		strbuf_puts(text, value ? "true" : "false");
	return ret;
}

static int put_switches(struct jsonx *jx, const cJSON *item, struct strbuf *text)
{
	if (!cJSON_IsObject(item))
		return jsonx_fail(jx, EINVAL, "not an object");
	for (const cJSON *child = item->child; child != NULL; child = child->next) {
		int ret;

		jsonx_enter(jx, child->string);
		strbuf_printf(text, "%s%s=", text->len > 0 ? "," : "", child->string);
		ret = put_bool(jx, child, text);
		jsonx_leave(jx);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int put_number(struct jsonx *jx, const cJSON *item, struct strbuf *text)
{
	if (!cJSON_IsNumber(item))
		return jsonx_fail(jx, EINVAL, "not a number");
	put_double(item->valuedouble, text);
	return 0;
}

static int put_duration(struct jsonx *jx, const struct setting *setting, const cJSON *item,
                        struct strbuf *text)
{
	if (!cJSON_IsNumber(item))
		return put_string(jx, item, text);
	if ((setting->bits & SETTING_NS_NUMBER) == 0)
		return jsonx_fail(jx, EINVAL, "a duration is a string, such as \"15s\"");
	put_double(item->valuedouble, text);
	strbuf_puts(text, "ns");
	return 0;
}

static int put_each(struct jsonx *jx, const cJSON *item, jsonx_fn each, struct strbuf *text)
{
	size_t count = 0;
	int ret = jsonx_count(jx, item, SIZE_MAX, &count);

	return ret < 0 ? ret : jsonx_each(jx, item, each, text);
}

static int put_value(struct jsonx *jx, const struct setting *setting, const cJSON *item,
                     struct strbuf *text)
{
	switch (setting->type) {
	case SETTING_BOOL:
		return put_bool(jx, item, text);
	case SETTING_NUMBER:
	case SETTING_DECIMAL:
		return put_number(jx, item, text);
	case SETTING_DURATION:
		return put_duration(jx, setting, item, text);
	case SETTING_SIZE:
		return cJSON_IsNumber(item) ? put_number(jx, item, text)
		                            : put_string(jx, item, text);
	case SETTING_LIST:
		return put_each(jx, item, put_list, text);
	case SETTING_SWITCHES:
		return put_switches(jx, item, text);
	case SETTING_VMODULE:
		return put_each(jx, item, put_pattern, text);
	case SETTING_TEXT:
		break;
	}
	return put_string(jx, item, text);
}

/* ---- Objects ---------------------------------------------------------------------------------- */

static void add_wrong(struct document *d, const struct err *err)
{
	diag_add(&d->reading->wrong, d->reading->path, "%s", err->msg);
}

/* The value of a setting that is there; null: it is not set. */
static void take_value(struct document *d, const struct setting *setting, const cJSON *item)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	struct err err = { 0 };
	int ret;

	d->jx.err = &err;
	if (d->seen[setting - settings_table])
		jsonx_note(&d->jx, "given twice, the last one counts");
	d->seen[setting - settings_table] = true;
	strbuf_puts(&text, "");
	ret = cJSON_IsNull(item) ? 0 : put_value(&d->jx, setting, item, &text);
	if (ret == 0) {
		struct err why = { 0 };

		ret = settings_file(d->reading->settings, setting, text.text, &why);
		if (ret < 0)
			(void)jsonx_fail(&d->jx, -ret, "%s", why.msg);
	}
	if (ret < 0)
		add_wrong(d, &err);
	d->jx.err = NULL;
}

/* "logging.options" of where the walk is. */
static void put_path(const struct jsonx *jx, struct strbuf *out)
{
	strbuf_clear(out);
	for (unsigned i = 0; i < jx->depth; i++)
		strbuf_printf(out, "%s%s", i > 0 ? "." : "", jx->path[i].key);
}

/* Is there a member of the same name before @item? The first member's prev is the last one. */
static bool is_repeated(const cJSON *item)
{
	for (const cJSON *other = item->prev; other != NULL && other->next != NULL;
	     other = other->prev)
		if (strcmp(other->string, item->string) == 0)
			return true;
	return false;
}

/* As kube-proxy, which knows nothing any more of a section when another one of that name comes. */
static void forget_section(struct document *d, const char *path)
{
	size_t len = strlen(path);

	jsonx_note(&d->jx, "given twice, the last one counts");
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];

		if (!d->seen[i] || !str_starts(setting->path, path) || setting->path[len] != '.')
			continue;
		settings_forget_file(d->reading->settings, setting);
		d->seen[i] = false;
	}
}

/* Return: whether @item is a section to be walked. */
static bool take_member(struct document *d, const cJSON *item)
{
	AUTO_STRBUF struct strbuf path = { 0 };
	const struct setting *setting;
	struct err err = { 0 };

	put_path(&d->jx, &path);
	if (strcmp(path.text, "apiVersion") == 0 || strcmp(path.text, "kind") == 0)
		return false;
	setting = settings_find_path(path.text, d->bits);
	if (setting != NULL) {
		take_value(d, setting, item);
		return false;
	}
	if (d->jx.depth >= MAX_LEVELS || !settings_is_section(path.text, d->bits)) {
		char quoted[JSONX_QUOTE];

		diag_add(d->reading->findings, d->reading->path, "%s: unknown, not looked at",
		         jsonx_quote(path.text, quoted));
		return false;
	}
	if (is_repeated(item))
		forget_section(d, path.text);
	if (cJSON_IsObject(item))
		return true;
	if (!cJSON_IsNull(item)) {
		d->jx.err = &err;
		(void)jsonx_fail(&d->jx, EINVAL, "not an object");
		d->jx.err = NULL;
		add_wrong(d, &err);
	}
	return false;
}

static void walk(struct document *d, const cJSON *object)
{
	const cJSON *next[MAX_LEVELS + 1] = { object->child };
	unsigned level = 0;

	for (;;) {
		const cJSON *item = next[level];

		if (item == NULL) {
			if (level == 0)
				return;
			level--;
			jsonx_leave(&d->jx);
			continue;
		}
		next[level] = item->next;
		jsonx_enter(&d->jx, item->string);
		if (take_member(d, item))
			next[++level] = item->child;
		else
			jsonx_leave(&d->jx);
	}
}

/* ---- Documents -------------------------------------------------------------------------------- */

static const char *string_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text != NULL ? text : "";
}

/* watch_object_fn */
static void on_object(void *ctx, const cJSON *object, const char *kind,
                      const struct watch_place *place)
{
	static const struct {
		const char *api_version;
		const char *kind;
		unsigned bits;
	} documents[2] = {
		{ CONFIG_API_VERSION, CONFIG_KIND, 0 },
		{ CONFIG_OWN_API_VERSION, CONFIG_OWN_KIND, SETTING_OWN },
	};
	struct reading *r = ctx;
	struct document d = { .reading = r };
	char quoted[2][JSONX_QUOTE];
	size_t i = 0;

	(void)kind;
	while (i < 2 && (strcmp(string_of(object, "apiVersion"), documents[i].api_version) != 0 ||
	                 strcmp(string_of(object, "kind"), documents[i].kind) != 0))
		i++;
	if (i == 2) {
		diag_add(&r->wrong, r->path,
		         "document %u: apiVersion '%s', kind '%s' is neither %s %s nor %s %s",
		         place->document, jsonx_quote(string_of(object, "apiVersion"), quoted[0]),
		         jsonx_quote(string_of(object, "kind"), quoted[1]), CONFIG_API_VERSION,
		         CONFIG_KIND, CONFIG_OWN_API_VERSION, CONFIG_OWN_KIND);
		return;
	}
	if (r->has[i]) {
		diag_add(&r->wrong, r->path, "document %u: a second %s", place->document,
		         documents[i].kind);
		return;
	}
	r->has[i] = true;
	d.bits = documents[i].bits;
	d.seen = xcalloc(settings_count, sizeof(*d.seen));
	jsonx_init(&d.jx, r->findings, r->path, NULL);
	walk(&d, object);
	jsonx_done(&d.jx);
	free(d.seen);
}

/* All that is wrong, in one sentence. */
static int tell_wrong(const struct reading *r, struct err *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	size_t i = 0;

	for (; i < r->wrong.count && text.len < sizeof(err->msg) / 3; i++)
		strbuf_printf(&text, "%s%s", i > 0 ? "; " : "", r->wrong.list[i].text);
	if (i < r->wrong.total)
		strbuf_printf(&text, "; and %zu more", r->wrong.total - i);
	return err_set(err, EINVAL, "%.60s: %s", r->path, text.text);
}

int config_file_read(const char *path, struct settings *settings, struct strbuf *text,
                     struct diags *findings, struct err *err)
{
	struct reading r = { .path = path, .settings = settings, .findings = findings };
	struct err why = { 0 };
	int ret = config_file_load(path, text, err);

	if (ret < 0)
		return ret;
	r.text = *text;
	ret = watch_manifest_read(hand_out, &r, on_object, &r, &why);
	if (ret < 0)
		(void)err_set(err, -ret, "%.60s: %s", path, why.msg);
	else if (r.wrong.total > 0)
		ret = tell_wrong(&r, err);
	else if (!r.has[0] && !r.has[1])
		ret = err_set(err, EINVAL, "%.100s: there is neither a %s nor a %s in it", path,
		              CONFIG_KIND, CONFIG_OWN_KIND);
	diag_done(&r.wrong);
	return ret;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/config_file.h"
#include "cmd/options.h"

/** An object being written, JSON or YAML. */
struct writer {
	struct strbuf *out;
	bool yaml;
	const char *path; /* of the last value written; "" at the beginning */
	bool first;       /* nothing is in the innermost object */
};

/* How many sections @a and @b have in common, and how many bytes these are, with their dots. */
static unsigned common_sections(const char *a, const char *b, size_t *bytes)
{
	unsigned count = 0;

	*bytes = 0;
	for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++) {
		if (a[i] == '.') {
			count++;
			*bytes = i + 1;
		}
	}
	return count;
}

static unsigned count_sections(const char *path)
{
	unsigned count = 0;

	for (; *path != '\0'; path++)
		count += *path == '.';
	return count;
}

static void put_name(struct writer *w, unsigned depth, const char *name, size_t len)
{
	if (w->yaml) {
		strbuf_printf(w->out, "%*s%.*s: ", (int)(2 * depth), "", (int)len, name);
		return;
	}
	strbuf_printf(w->out, "%s\"%.*s\":", w->first ? "" : ",", (int)len, name);
	w->first = false;
}

static void open_section(struct writer *w, unsigned depth, const char *name, size_t len)
{
	put_name(w, depth, name, len);
	if (w->yaml)
		w->out->text[w->out->len - 1] = '\n';
	else
		strbuf_puts(w->out, "{");
	w->first = true;
}

static void close_sections(struct writer *w, unsigned count)
{
	for (unsigned i = 0; i < count && !w->yaml; i++)
		strbuf_puts(w->out, "}");
	w->first = w->first && count == 0;
}

static void put_setting(struct writer *w, const struct setting *setting, const char *value)
{
	size_t bytes;
	unsigned depth = common_sections(w->path, setting->path, &bytes);
	const char *rest = setting->path + bytes;
	size_t len;

	close_sections(w, count_sections(w->path) - depth);
	for (; rest[len = strcspn(rest, ".")] == '.'; rest += len + 1)
		open_section(w, depth++, rest, len);
	put_name(w, depth, rest, len);
	setting_json(setting, value, w->out);
	if (w->yaml)
		strbuf_puts(w->out, "\n");
	w->path = setting->path;
}

static void put_document(struct writer *w, const struct settings *settings, unsigned bits)
{
	w->path = "";
	for (size_t i = 0; i < settings_count; i++) {
		const struct setting *setting = &settings_table[i];

		if (setting->path != NULL && ((setting->bits ^ bits) & SETTING_OWN) == 0)
			put_setting(w, setting, settings_value(settings, setting));
	}
	close_sections(w, count_sections(w->path));
}

void config_json(const struct settings *settings, struct strbuf *out)
{
	struct writer w = { .out = out };

	strbuf_puts(out, "{\"kubeproxy.config.k8s.io\":{\"kind\":\"" CONFIG_KIND
	                 "\",\"apiVersion\":\"" CONFIG_API_VERSION "\"");
	put_document(&w, settings, 0);
	strbuf_puts(out, "},\"kubenft.io\":{\"kind\":\"" CONFIG_OWN_KIND
	                 "\",\"apiVersion\":\"" CONFIG_OWN_API_VERSION "\"");
	w.first = false;
	put_document(&w, settings, SETTING_OWN);
	strbuf_puts(out, "}}");
}

void config_yaml(const struct settings *settings, struct strbuf *out)
{
	struct writer w = { .out = out, .yaml = true };

	strbuf_puts(out, "apiVersion: " CONFIG_API_VERSION "\nkind: " CONFIG_KIND "\n");
	put_document(&w, settings, 0);
	strbuf_puts(out,
	            "---\napiVersion: " CONFIG_OWN_API_VERSION "\nkind: " CONFIG_OWN_KIND "\n");
	put_document(&w, settings, SETTING_OWN);
}

static int write_all(int fd, const struct strbuf *text)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t n = write(fd, text->text + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int config_write(const struct settings *settings, const char *path, struct err *err)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret;

	if (fd < 0)
		return err_set(err, errno, "%.100s: %s", path, strerrordesc_np(errno));
	config_yaml(settings, &text);
	ret = write_all(fd, &text);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	return ret < 0 ? err_set(err, -ret, "%.100s: %s", path, strerrordesc_np(-ret)) : 0;
}

static int by_flag_name(const void *x, const void *y)
{
	const struct setting *const *a = x;
	const struct setting *const *b = y;

	return strcmp((*a)->flag, (*b)->flag);
}

/* The flags of run, in the order of their names. Return: their number; the caller frees @out. */
static size_t sorted_flags(const struct setting ***out)
{
	const struct setting **list = xcalloc(settings_count, sizeof(const struct setting *));
	size_t count = 0;

	for (size_t i = 0; i < settings_count; i++)
		if (settings_table[i].flag != NULL && (settings_table[i].bits & COMMAND_RUN) != 0)
			list[count++] = &settings_table[i];
	qsort(list, count, sizeof(const struct setting *), by_flag_name);
	*out = list;
	return count;
}

static const char *flag_value(const struct settings *settings, const struct setting *setting)
{
	const char *given = settings_given_flag(settings, setting);

	return given != NULL ? given : setting->fallback;
}

void config_flags(const struct settings *settings, struct strbuf *out)
{
	const struct setting **list;
	size_t count = sorted_flags(&list);

	for (size_t i = 0; i < count; i++)
		strbuf_printf(out, "%s=%s\n", list[i]->flag, flag_value(settings, list[i]));
	free(list);
}

void config_flags_json(const struct settings *settings, struct strbuf *out)
{
	const struct setting **list;
	size_t count = sorted_flags(&list);

	strbuf_puts(out, "{");
	for (size_t i = 0; i < count; i++) {
		strbuf_printf(out, "%s\"%s\":", i > 0 ? "," : "", list[i]->flag);
		strbuf_json(out, flag_value(settings, list[i]));
	}
	strbuf_puts(out, "}");
	free(list);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/** The values of one combination of labels. */
struct series {
	char *labels[METRICS_MAX_LABELS];
	double value;      /* of a histogram: the sum */
	uint64_t count;    /* of a histogram */
	uint64_t *buckets; /* of a histogram: observations in each, not in those below */
};

struct metrics {
	struct list {
		struct series *list; /* by label values */
		size_t count;
		size_t cap;
	} metrics[METRIC_COUNT];
	struct kept {
		metrics_write_fn write; /* NULL: here */
		void *ctx;
	} elsewhere[METRIC_COUNT];
};

static size_t label_count(const struct metric_info *info)
{
	size_t count = 0;

	while (info->labels[count] != NULL)
		count++;
	return count;
}

static int compare(const struct series *series, const char *const *labels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int diff = strcmp(series->labels[i], labels[i]);

		if (diff != 0)
			return diff;
	}
	return 0;
}

/* Where the series is or would be; @found says which. */
static size_t find(const struct list *list, const char *const *labels, size_t count, bool *found)
{
	size_t low = 0;
	size_t high = list->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare(&list->list[middle], labels, count) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*found = low < list->count && compare(&list->list[low], labels, count) == 0;
	return low;
}

static struct series *insert(struct list *list, size_t at, const struct metric_info *info,
                             const char *const *labels, size_t count)
{
	struct series *series;

	list->list = vec_reserve(list->list, &list->cap, list->count + 1, sizeof(*list->list));
	series = &list->list[at];
	memmove(series + 1, series, (list->count - at) * sizeof(*series));
	list->count++;
	*series = (struct series){ 0 };
	for (size_t i = 0; i < count; i++)
		series->labels[i] = xstrdup(labels[i]);
	if (info->type == METRIC_HISTOGRAM)
		series->buckets = xcalloc(info->bucket_count + 1, sizeof(*series->buckets));
	return series;
}

/* NULL when there are too many. */
static struct series *get(struct metrics *metrics, enum metric metric, const char *const *labels)
{
	const struct metric_info *info = metric_info(metric);
	struct list *list = &metrics->metrics[metric];
	size_t count = label_count(info);
	bool found;
	size_t at = find(list, labels, count, &found);

	if (found)
		return &list->list[at];
	if (list->count < METRICS_MAX_SERIES)
		return insert(list, at, info, labels, count);
	metrics->metrics[METRIC_SERIES_DROPPED].list[0].value++;
	return NULL;
}

struct metrics *metrics_new(void)
{
	struct metrics *metrics = xcalloc(1, sizeof(*metrics));

	for (int i = 0; i < METRIC_COUNT; i++)
		if (label_count(metric_info((enum metric)i)) == 0)
			(void)get(metrics, (enum metric)i, NO_LABELS);
	return metrics;
}

void metrics_free(struct metrics *metrics)
{
	if (metrics == NULL)
		return;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		struct list *list = &metrics->metrics[i];

		for (size_t k = 0; k < list->count; k++) {
			for (size_t l = 0; l < METRICS_MAX_LABELS; l++)
				free(list->list[k].labels[l]);
			free(list->list[k].buckets);
		}
		free(list->list);
	}
	free(metrics);
}

void metrics_add(struct metrics *metrics, enum metric metric, double n, const char *const *labels)
{
	struct series *series = get(metrics, metric, labels);

	ASSERT(metric_info(metric)->type != METRIC_HISTOGRAM);
	if (series != NULL)
		series->value += n;
}

void metrics_set(struct metrics *metrics, enum metric metric, double value,
                 const char *const *labels)
{
	struct series *series = get(metrics, metric, labels);

	ASSERT(metric_info(metric)->type != METRIC_HISTOGRAM);
	if (series != NULL)
		series->value = value;
}

void metrics_observe(struct metrics *metrics, enum metric metric, double value,
                     const char *const *labels)
{
	const struct metric_info *info = metric_info(metric);
	struct series *series = get(metrics, metric, labels);
	size_t at = 0;

	ASSERT(info->type == METRIC_HISTOGRAM);
	if (series == NULL || series->buckets == NULL)
		return;
	while (at < info->bucket_count && value > info->buckets[at])
		at++;
	series->buckets[at]++;
	series->count++;
	series->value += value;
}

double metrics_get(const struct metrics *metrics, enum metric metric, const char *const *labels)
{
	const struct metric_info *info = metric_info(metric);
	const struct list *list = &metrics->metrics[metric];
	bool found;
	size_t at = find(list, labels, label_count(info), &found);

	if (!found)
		return 0;
	return info->type == METRIC_HISTOGRAM ? (double)list->list[at].count : list->list[at].value;
}

void metrics_keep_elsewhere(struct metrics *metrics, enum metric metric, metrics_write_fn write,
                            void *ctx)
{
	ASSERT(metric_info(metric)->type != METRIC_HISTOGRAM);
	metrics->elsewhere[metric] = (struct kept){ write, ctx };
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* The shortest text that means this number. */
static void put_number(struct strbuf *out, double value)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	strbuf_puts(out, text);
}

void metrics_escape(struct strbuf *out, const char *text, size_t len)
{
	size_t from = 0;
	uint32_t character;

	for (size_t i = 0; i < len;) {
		size_t bytes = (unsigned char)text[i] < 0x80 ? 1 : str_utf8(text + i, &character);

		if (bytes > 0 && text[i] != '\n' && text[i] != '\\' && text[i] != '"') {
			i += bytes;
			continue;
		}
		strbuf_add(out, text + from, i - from);
		strbuf_puts(out, bytes > 0 ? "\\" : STR_REPLACEMENT);
		if (bytes > 0)
			strbuf_add(out, text[i] == '\n' ? "n" : text + i, 1);
		from = ++i;
	}
	strbuf_add(out, text + from, len - from);
}

/* name_suffix{label="value",...,le="bound"}; @le: NULL without. */
static void put_name(struct strbuf *out, const struct metric_info *info, const char *suffix,
                     const struct series *series, const char *le)
{
	size_t count = label_count(info);

	strbuf_puts(out, info->name);
	strbuf_puts(out, suffix);
	if (count == 0 && le == NULL) {
		strbuf_puts(out, " ");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		strbuf_printf(out, "%s%s=\"", i == 0 ? "{" : ",", info->labels[i]);
		metrics_escape(out, series->labels[i], strlen(series->labels[i]));
		strbuf_puts(out, "\"");
	}
	if (le != NULL)
		strbuf_printf(out, "%sle=\"%s\"", count == 0 ? "{" : ",", le);
	strbuf_puts(out, "} ");
}

static void put_histogram(struct strbuf *out, const struct metric_info *info,
                          const struct series *series)
{
	uint64_t below = 0;

	for (size_t i = 0; i <= info->bucket_count; i++) {
		AUTO_STRBUF struct strbuf bound = { 0 };

		if (i < info->bucket_count)
			put_number(&bound, info->buckets[i]);
		else
			strbuf_puts(&bound, "+Inf");
		below += series->buckets[i];
		put_name(out, info, "_bucket", series, bound.text);
		put_number(out, (double)below);
		strbuf_puts(out, "\n");
	}
	put_name(out, info, "_sum", series, NULL);
	put_number(out, series->value);
	strbuf_puts(out, "\n");
	put_name(out, info, "_count", series, NULL);
	put_number(out, (double)series->count);
	strbuf_puts(out, "\n");
}

void metrics_write(const struct metrics *metrics, struct strbuf *out)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		const struct metric_info *info = metric_info((enum metric)i);
		const struct list *list = &metrics->metrics[i];

		if (list->count == 0 && metrics->elsewhere[i].write == NULL)
			continue;
		strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help,
		              info->name, metric_type_name(info->type));
		if (metrics->elsewhere[i].write != NULL)
			metrics->elsewhere[i].write(metrics->elsewhere[i].ctx, info->name, out);
		for (size_t k = 0; k < list->count; k++) {
			if (info->type == METRIC_HISTOGRAM) {
				put_histogram(out, info, &list->list[k]);
				continue;
			}
			put_name(out, info, "", &list->list[k], NULL);
			put_number(out, list->list[k].value);
			strbuf_puts(out, "\n");
		}
	}
}

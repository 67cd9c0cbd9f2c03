/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/pages.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "cmd/config_text.h"

/* Who we stand in for: tools look for this name. */
#define COMPONENT "kube-proxy"
#define SECOND_NS 1000000000
#define SECOND_US 1000000

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

typedef void (*page_fn)(const struct pages *pages, const struct http_request *request,
                        struct http_answer *answer);

/* ---- /healthz: the only check is that we answer ----------------------------------------------- */

static void answer_healthz(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer)
{
	bool verbose = http_query_has(request->query, "verbose");
	const char *query = request->query;
	AUTO_STRBUF struct strbuf unknown = { 0 };
	bool excluded = false;
	char name[64];
	char value[64];

	(void)pages;
	while (http_query_next(&query, name, value, sizeof(name))) {
		if (strcmp(name, "exclude") != 0 || *value == '\0')
			continue;
		if (strcmp(value, "ping") == 0)
			excluded = true;
		else
			strbuf_printf(&unknown, "%s\"%s\"", unknown.len > 0 ? ", " : "", value);
	}
	http_text(answer, 200, "");
	if (!verbose) {
		strbuf_puts(&answer->body, "ok");
		return;
	}
	strbuf_printf(&answer->body, "[+]ping %s\n", excluded ? "excluded: ok" : "ok");
	if (unknown.len > 0)
		strbuf_printf(&answer->body,
		              "warn: some health checks cannot be excluded: no matches for %s\n",
		              unknown.text);
	strbuf_puts(&answer->body, "healthz check passed\n");
}

static void answer_ping(const struct pages *pages, const struct http_request *request,
                        struct http_answer *answer)
{
	(void)pages;
	(void)request;
	http_text(answer, 200, "ok");
}

/* ---- Metrics, mode, configuration, version ---------------------------------------------------- */

static void answer_metrics(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer)
{
	(void)request;
	answer->status = 200;
	answer->shared = "/metrics"; /* it is long, and the same for everybody */
	answer->content_type = METRICS_TYPE;
	http_header(answer, "Process-Start-Time-Unix", "%lld",
	            (long long)(pages->started_ns / SECOND_NS));
	metrics_write(pages->metrics, &answer->body);
}

static void answer_mode(const struct pages *pages, const struct http_request *request,
                        struct http_answer *answer)
{
	(void)pages;
	(void)request;
	http_text(answer, 200, "nftables");
}

static void answer_configz(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer)
{
	(void)request;
	http_json(answer, 200);
	config_json(pages->options->settings, &answer->body);
}

static void answer_version(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer)
{
	(void)request;
	http_json(answer, 200);
	strbuf_puts(&answer->body, "{\"gitVersion\":");
	strbuf_json(&answer->body, pages->version);
	strbuf_puts(&answer->body, "}");
}

/* ---- /statusz and /flagz ----------------------------------------------------------------------- */

enum form { FORM_TEXT, FORM_V1ALPHA1, FORM_V1BETA1, FORM_REFUSED };

static bool is_parameter(const char *text, size_t len, const char *name, const char *value)
{
	size_t name_len = strlen(name);

	return len == name_len + strlen(value) && strncasecmp(text, name, name_len) == 0 &&
	       strncmp(text + name_len, value, strlen(value)) == 0;
}

/* One entry of Accept, behind application/json: does it ask for our object, and in which version? */
static enum form structured_form(const char *entry, size_t len, const char *kind)
{
	enum form form = FORM_REFUSED;
	bool of_kind = false;
	bool of_group = false;

	for (size_t at = strcspn(entry, ";,"); at < len; at += strcspn(entry + at, ";,")) {
		const char *text;
		size_t text_len;

		at += 1 + strspn(entry + at + 1, " \t");
		text = entry + at;
		text_len = strcspn(text, ";, \t");
		of_kind = of_kind || is_parameter(text, text_len, "as=", kind);
		of_group = of_group || is_parameter(text, text_len, "g=", "config.k8s.io");
		if (is_parameter(text, text_len, "v=", "v1beta1"))
			form = FORM_V1BETA1;
		else if (is_parameter(text, text_len, "v=", "v1alpha1"))
			form = FORM_V1ALPHA1;
	}
	return of_kind && of_group ? form : FORM_REFUSED;
}

/* The first entry of Accept that can be served decides. */
static enum form wanted_form(const char *accept, const char *kind)
{
	const char *at = accept;

	if (accept[strspn(accept, " \t")] == '\0')
		return FORM_TEXT;
	while (*at != '\0') {
		AUTO_STRBUF struct strbuf entry = { 0 };
		enum form form;

		at += strspn(at, " \t,");
		strbuf_add(&entry, at, strcspn(at, ","));
		at += entry.len;
		if (entry.len > 0 && http_accepts(entry.text, "text/plain"))
			return FORM_TEXT;
		if (entry.len == 0 || !http_accepts(entry.text, "application/json"))
			continue;
		form = structured_form(entry.text, entry.len, kind);
		if (form != FORM_REFUSED)
			return form;
	}
	return FORM_REFUSED;
}

/* What both begin with. Return: whether the rest is to be text, JSON, or nothing. */
static enum form begin_zpage(const struct http_request *request, const char *kind, const char *path,
                             struct http_answer *answer)
{
	enum form form = wanted_form(request->accept, kind);

	switch (form) {
	case FORM_REFUSED:
		http_text(answer, 406, "media type in Accept header is not supported\n");
		break;
	case FORM_TEXT:
		http_text(answer, 200, "");
		strbuf_printf(&answer->body,
		              "\n" COMPONENT " %s\n"
		              "Warning: This endpoint is not meant to be machine parseable, has no "
		              "formatting compatibility guarantees and is for debugging purposes "
		              "only.\n\n",
		              path);
		break;
	case FORM_V1ALPHA1:
		http_json(answer, 200);
		http_header(answer, "Warning", "299 - \"config.k8s.io/v1alpha1 %s is deprecated\"",
		            kind);
		break;
	case FORM_V1BETA1:
		http_json(answer, 200);
		break;
	}
	if (form == FORM_V1ALPHA1 || form == FORM_V1BETA1)
		strbuf_printf(&answer->body,
		              "{\"kind\":\"%s\",\"apiVersion\":\"config.k8s.io/%s\","
		              "\"metadata\":{\"name\":\"" COMPONENT "\"}",
		              kind, form == FORM_V1BETA1 ? "v1beta1" : "v1alpha1");
	return form;
}

static void answer_flagz(const struct pages *pages, const struct http_request *request,
                         struct http_answer *answer)
{
	switch (begin_zpage(request, "Flagz", "flagz", answer)) {
	case FORM_REFUSED:
		break;
	case FORM_TEXT:
		config_flags(pages->options->settings, &answer->body);
		break;
	case FORM_V1ALPHA1:
	case FORM_V1BETA1:
		strbuf_puts(&answer->body, ",\"flags\":");
		config_flags_json(pages->options->settings, &answer->body);
		strbuf_puts(&answer->body, "}");
		break;
	}
}

static void answer_statusz(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer);

static const struct page {
	const char *path;
	page_fn answer;
	bool listed; /* at /statusz */
} table[] = {
	{ "/configz", answer_configz, true }, { "/flagz", answer_flagz, true },
	{ "/healthz", answer_healthz, true }, { "/healthz/ping", answer_ping, false },
	{ "/metrics", answer_metrics, true }, { "/proxyMode", answer_mode, true },
	{ "/statusz", answer_statusz, true }, { "/version", answer_version, true },
};

static void put_status_text(const struct pages *pages, const char *started, struct strbuf *out)
{
	unsigned long long up = pages->up_us / SECOND_US;

	strbuf_printf(out, "Started: %s\nUp: %llu hr %02llu min %02llu sec\n", started, up / 3600,
	              up / 60 % 60, up % 60);
	strbuf_printf(out, "Binary version: %s\nPaths:", pages->version);
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].listed)
			strbuf_printf(out, " %s", table[i].path);
	strbuf_puts(out, "\n");
}

static void put_status_json(const struct pages *pages, const char *started, struct strbuf *out)
{
	strbuf_printf(out,
	              ",\"startTime\":\"%s\",\"uptimeSeconds\":%llu,\"binaryVersion\":", started,
	              (unsigned long long)(pages->up_us / SECOND_US));
	strbuf_json(out, pages->version);
	strbuf_puts(out, ",\"paths\":[");
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (table[i].listed)
			strbuf_printf(out, "%s\"%s\"", i > 0 ? "," : "", table[i].path);
	strbuf_puts(out, "]}");
}

static void answer_statusz(const struct pages *pages, const struct http_request *request,
                           struct http_answer *answer)
{
	time_t second = (time_t)(pages->started_ns / SECOND_NS);
	char started[sizeof("Mon Jan _2 15:04:05 UTC 2006")] = "";
	char rfc3339[sizeof("2006-01-02T15:04:05Z")] = "";
	struct tm tm;

	(void)gmtime_r(&second, &tm);
	(void)strftime(started, sizeof(started), "%a %b %e %H:%M:%S UTC %Y", &tm);
	(void)strftime(rfc3339, sizeof(rfc3339), "%Y-%m-%dT%H:%M:%SZ", &tm);
	switch (begin_zpage(request, "Statusz", "statusz", answer)) {
	case FORM_REFUSED:
		break;
	case FORM_TEXT:
		put_status_text(pages, started, &answer->body);
		break;
	case FORM_V1ALPHA1:
	case FORM_V1BETA1:
		put_status_json(pages, rfc3339, &answer->body);
		break;
	}
}

void pages_answer(const struct pages *pages, const struct http_request *request,
                  struct http_answer *answer)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].path, request->path) == 0) {
			table[i].answer(pages, request, answer);
			return;
		}
	}
	http_not_found(answer);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(member(object, key));

	return text != NULL ? text : "";
}

static enum answer_type type_of(const char *text)
{
	static const char *const names[] = {
		[ANSWER_ADDED] = "ADDED",     [ANSWER_MODIFIED] = "MODIFIED",
		[ANSWER_DELETED] = "DELETED", [ANSWER_BOOKMARK] = "BOOKMARK",
		[ANSWER_ERROR] = "ERROR",
	};

	for (size_t i = ANSWER_ADDED; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], text) == 0)
			return (enum answer_type)i;
	return ANSWER_UNKNOWN;
}

static const char *revision_of(const cJSON *metadata)
{
	const char *revision = text_of(metadata, "resourceVersion");

	return strlen(revision) <= ANSWER_MAX_REVISION ? revision : "";
}

void answer_event(const cJSON *tree, struct answer_event *out)
{
	const cJSON *object = member(tree, "object");
	const cJSON *metadata = member(object, "metadata");
	const char *end = text_of(member(metadata, "annotations"), "k8s.io/initial-events-end");

	*out = (struct answer_event){
		.type_text = text_of(tree, "type"),
		.object = cJSON_IsObject(object) ? object : NULL,
		.revision = revision_of(metadata),
		.ends_list = strcmp(end, "true") == 0,
	};
	out->type = type_of(out->type_text);
}

/* Unprintable bytes are replaced: this goes into logs. */
static void copy_text(char *to, size_t size, const char *reason, const char *message)
{
	(void)snprintf(to, size, "%s%s%s", reason, *reason != '\0' && *message != '\0' ? ": " : "",
	               message);
	for (; *to != '\0'; to++)
		if ((unsigned char)*to < ' ' || *to == 0x7f)
			*to = ' ';
}

static bool has_cause(const cJSON *tree, const char *reason)
{
	const cJSON *causes = member(member(tree, "details"), "causes");

	for (const cJSON *cause = causes != NULL ? causes->child : NULL; cause != NULL;
	     cause = cause->next)
		if (strcmp(text_of(cause, "reason"), reason) == 0)
			return true;
	return false;
}

/* After a restore of etcd, and from a member that lags behind, a revision is not there yet. */
static bool is_too_large(const cJSON *tree)
{
	return has_cause(tree, "ResourceVersionTooLarge") ||
	       strstr(text_of(tree, "message"), "Too large resource version") != NULL;
}

void answer_status(const cJSON *tree, struct answer_status *out)
{
	const cJSON *code = member(tree, "code");
	const char *reason = text_of(tree, "reason");

	*out = (struct answer_status){ 0 };
	if (strcmp(text_of(tree, "kind"), "Status") != 0)
		return;
	if (cJSON_IsNumber(code) && code->valuedouble >= 100 && code->valuedouble < 1000)
		out->code = (unsigned)code->valuedouble;
	copy_text(out->text, sizeof(out->text), reason, text_of(tree, "message"));
	out->is_gone = out->code == 410 || strcmp(reason, "Expired") == 0 ||
	               strcmp(reason, "Gone") == 0 || is_too_large(tree);
	out->is_ending = has_cause(tree, "NamespaceTerminating");
}

void answer_page(const cJSON *envelope, struct answer_page *out)
{
	const cJSON *metadata = member(envelope, "metadata");
	const char *token = text_of(metadata, "continue");

	*out = (struct answer_page){
		.is_list = cJSON_IsObject(metadata) && cJSON_IsArray(member(envelope, "items")),
		.has_more = *token != '\0',
	};
	(void)snprintf(out->revision, sizeof(out->revision), "%s", revision_of(metadata));
	if (strlen(token) <= ANSWER_MAX_CONTINUE)
		(void)snprintf(out->continue_token, sizeof(out->continue_token), "%s", token);
}

void answer_escape(struct strbuf *buf, const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text) != NULL)
			strbuf_add(buf, text, 1);
		else
			strbuf_printf(buf, "%%%02X", (unsigned)(unsigned char)*text);
	}
}

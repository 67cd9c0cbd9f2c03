/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: secrets and sentences
 *
 * A sentence may name fields, which are ours, and quote the names of entries,
 * but never anything else that the text says. Two things see to it: what the
 * readers of JSON and YAML quote is cut off (see syntax_error()), and a name is
 * quoted only when it looks like one (see quote_name()), since a quotation mark
 * that is missing can make a name of all that follows, secrets included.
 */
#include "watch/kubeconfig.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "watch/jsonx.h"
#include "watch/kubeconfig_impl.h"
#include "watch/manifest.h"

/** The text, as the manifest reader takes it. */
struct input {
	const char *text;
	size_t left;
};

/** A kubeconfig being read. */
struct reading {
	const char *dir;
	unsigned objects;
	struct watch_cluster cluster;
	int ret;
	struct err err;
};

/** One of the three lists: entries of a name and a body. */
struct list {
	const char *key;
	const char *body_key;
	const cJSON *json;
};

/** The top of a kubeconfig. */
struct config {
	const char *kind;
	const char *api_version;
	const char *current_context;
	struct list contexts;
	struct list clusters;
	struct list users;
};

/** An entry as it is read. */
struct named {
	const char *name;
	const cJSON *body;
};

/** An entry of a list, found by its name. */
struct entry {
	const struct list *list;
	const char *name;
	bool is_found;
	size_t at; /* while searching */
	size_t index;
	const cJSON *body;
};

struct context {
	const char *cluster;
	const char *user;
};

static const struct jsonx_field config_fields[] = {
	{ "kind", kubeconfig_text, offsetof(struct config, kind) },
	{ "apiVersion", kubeconfig_text, offsetof(struct config, api_version) },
	{ "current-context", kubeconfig_text, offsetof(struct config, current_context) },
	{ "contexts", jsonx_item, offsetof(struct config, contexts.json) },
	{ "clusters", jsonx_item, offsetof(struct config, clusters.json) },
	{ "users", jsonx_item, offsetof(struct config, users.json) },
};

static const struct jsonx_field context_fields[] = {
	{ "cluster", kubeconfig_text, offsetof(struct context, cluster) },
	{ "user", kubeconfig_text, offsetof(struct context, user) },
};

/* " 'name'", or nothing for what does not look like a name. */
static const char *quote_name(const char *name, char buf[static JSONX_QUOTE + 3])
{
	char quoted[JSONX_QUOTE];
	size_t len;

	buf[0] = '\0';
	for (const char *p = name; *p != '\0'; p++)
		if (!jsonx_is_name_char(*p) && *p != '/')
			return buf;
	len = strlen(jsonx_quote(name, quoted));
	memcpy(buf, " '", 2);
	memcpy(buf + 2, quoted, len);
	memcpy(buf + 2 + len, "'", 2);
	return buf;
}

/* A field of one word: otherwise it is another kind of object. */
static int check_word(struct jsonx *jx, const char *key, const char *value, const char *word)
{
	int ret;

	if (strcmp(value, word) == 0)
		return 0;
	jsonx_enter(jx, key);
	ret = jsonx_fail(jx, EINVAL, "not %s", word);
	jsonx_leave(jx);
	return ret;
}

static int visit_entry(struct jsonx *jx, const cJSON *item, void *out)
{
	struct entry *entry = out;
	struct named seen = { .name = "" };
	const struct jsonx_field fields[] = {
		{ "name", jsonx_string, offsetof(struct named, name) },
		{ entry->list->body_key, jsonx_item, offsetof(struct named, body) },
	};
	int ret = jsonx_object(jx, item, fields, ARRAY_LEN(fields), &seen);

	if (ret == 0 && !entry->is_found && strcmp(seen.name, entry->name) == 0) {
		entry->is_found = true;
		entry->index = entry->at;
		entry->body = seen.body;
	}
	entry->at++;
	return ret;
}

/* The path goes on to the entry's body, until leave_entry(). */
static void enter_entry(struct jsonx *jx, const struct entry *entry)
{
	jsonx_enter(jx, entry->list->key);
	jsonx_enter_index(jx, entry->index);
	jsonx_enter(jx, entry->list->body_key);
}

static void leave_entry(struct jsonx *jx)
{
	jsonx_leave(jx);
	jsonx_leave(jx);
	jsonx_leave(jx);
}

/* The first entry of @list that is called @name; it is none when there is no such entry. */
static int find_entry(struct jsonx *jx, const struct list *list, const char *name,
                      struct entry *out)
{
	size_t count;
	int ret;

	*out = (struct entry){ .list = list, .name = name };
	if (list->json == NULL)
		return 0;
	jsonx_enter(jx, list->key);
	ret = jsonx_count(jx, list->json, WATCH_MAX_KUBECONFIG_BYTES, &count);
	if (ret == 0)
		ret = jsonx_each(jx, list->json, visit_entry, out);
	jsonx_leave(jx);
	if (ret == 0 && out->is_found && out->body == NULL) {
		enter_entry(jx, out);
		ret = jsonx_fail(jx, EINVAL, "missing");
		leave_entry(jx);
	}
	return ret;
}

static int no_entry(struct jsonx *jx, const char *key, const struct entry *entry)
{
	char quoted[JSONX_QUOTE + 3];
	int ret;

	jsonx_enter(jx, key);
	ret = jsonx_fail(jx, EINVAL, "there is no %s%s", entry->list->body_key,
	                 quote_name(entry->name, quoted));
	jsonx_leave(jx);
	return ret;
}

/* The entry that the current context calls @name in its field @key. */
static int find_named(struct jsonx *jx, const struct entry *context, const char *key,
                      const struct list *list, const char *name, struct entry *out)
{
	int ret = find_entry(jx, list, name, out);

	if (ret < 0 || out->is_found)
		return ret;
	enter_entry(jx, context);
	ret = no_entry(jx, key, out);
	leave_entry(jx);
	return ret;
}

/* The current context's cluster and user; without a user's name @user is not found. */
static int find_both(struct jsonx *jx, const struct config *config, struct entry *cluster,
                     struct entry *user)
{
	struct context names = { .cluster = "", .user = "" };
	struct entry context;
	int ret;

	if (config->current_context[0] == '\0')
		return jsonx_missing(jx, "current-context");
	ret = find_entry(jx, &config->contexts, config->current_context, &context);
	if (ret < 0)
		return ret;
	if (!context.is_found)
		return no_entry(jx, "current-context", &context);
	enter_entry(jx, &context);
	ret = jsonx_object(jx, context.body, context_fields, ARRAY_LEN(context_fields), &names);
	if (ret == 0 && names.cluster[0] == '\0')
		ret = jsonx_missing(jx, "cluster");
	leave_entry(jx);
	if (ret == 0)
		ret = find_named(jx, &context, "cluster", &config->clusters, names.cluster,
		                 cluster);
	if (ret == 0 && names.user[0] != '\0')
		ret = find_named(jx, &context, "user", &config->users, names.user, user);
	return ret;
}

static int decode_both(struct jsonx *jx, const struct entry *cluster, const struct entry *user,
                       struct reading *reading)
{
	struct err why = { 0 };
	int ret;

	enter_entry(jx, cluster);
	ret = kubeconfig_cluster(jx, cluster->body, reading->dir, &reading->cluster);
	leave_entry(jx);
	if (ret < 0 || !user->is_found)
		return ret;
	enter_entry(jx, user);
	ret = kubeconfig_user(jx, user->body, reading->dir, &reading->cluster);
	leave_entry(jx);
	if (ret < 0)
		return ret;
	enter_entry(jx, cluster);
	ret = kubeconfig_check_exposure(&reading->cluster, reading->cluster.server, &why);
	if (ret < 0)
		ret = kubeconfig_fail_at(jx, "server", ret, &why);
	leave_entry(jx);
	return ret;
}

static int decode_config(struct jsonx *jx, const cJSON *object, struct reading *reading)
{
	struct config config = {
		.kind = "Config",
		.api_version = "v1",
		.current_context = "",
		.contexts = { "contexts", "context", NULL },
		.clusters = { "clusters", "cluster", NULL },
		.users = { "users", "user", NULL },
	};
	struct entry cluster = { .list = &config.clusters };
	struct entry user = { .list = &config.users };
	int ret = jsonx_object(jx, object, config_fields, ARRAY_LEN(config_fields), &config);

	if (ret == 0)
		ret = check_word(jx, "kind", config.kind, "Config");
	if (ret == 0)
		ret = check_word(jx, "apiVersion", config.api_version, "v1");
	if (ret == 0)
		ret = find_both(jx, &config, &cluster, &user);
	return ret < 0 ? ret : decode_both(jx, &cluster, &user, reading);
}

static void on_object(void *ctx, const cJSON *object, const char *kind,
                      const struct watch_place *place)
{
	struct reading *reading = ctx;
	struct jsonx jx;

	(void)kind;
	if (reading->ret < 0)
		return;
	if (reading->objects++ > 0) {
		reading->ret = err_set(&reading->err, EINVAL,
		                       "document %u, line %u: a second object; a kubeconfig is one",
		                       place->document, place->line);
		return;
	}
	jsonx_init(&jx, NULL, "", &reading->err); /* nothing here is noted, all is refused */
	reading->ret = decode_config(&jx, object, reading);
	jsonx_done(&jx);
}

static int read_text(void *ctx, char *buf, size_t size, size_t *out_len, struct err *err)
{
	struct input *input = ctx;

	(void)err;
	if (size > input->left)
		size = input->left;
	memcpy(buf, input->text, size);
	input->text += size;
	input->left -= size;
	*out_len = size;
	return 0;
}

/* What a reader quotes of the text stands in quotation marks, behind the place. */
static int syntax_error(int ret, const struct err *why, struct err *err)
{
	int code = ret == -EBADMSG ? EINVAL : -ret;
	const char *end = strstr(why->msg, ": ");
	size_t len = end != NULL ? (size_t)(end - why->msg) : 0;

	if (strpbrk(why->msg, "'\"") == NULL)
		return err_set(err, code, "%s", why->msg);
	return err_set(err, code, "%.*s%sbroken syntax", (int)len, why->msg, len > 0 ? ": " : "");
}

int watch_kubeconfig_parse(const char *text, size_t len, const char *dir, struct watch_cluster *out,
                           struct err *err)
{
	struct input input = { .text = text, .left = len };
	struct reading reading = { .dir = dir };
	struct err why = { 0 };
	int ret;

	if (len > WATCH_MAX_KUBECONFIG_BYTES)
		return err_set(err, E2BIG, "larger than %u KiB", WATCH_MAX_KUBECONFIG_BYTES >> 10);
	ret = watch_manifest_read(read_text, &input, on_object, &reading, &why);
	if (ret < 0)
		ret = syntax_error(ret, &why, err);
	else if (reading.ret < 0)
		ret = err_set(err, -reading.ret, "%s", reading.err.msg);
	else if (reading.objects == 0)
		ret = err_set(err, EINVAL, "empty");
	if (ret < 0) {
		watch_cluster_done(&reading.cluster);
		return ret;
	}
	*out = reading.cluster;
	return 0;
}

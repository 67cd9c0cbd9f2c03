/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_ANSWER_H
#define WATCH_ANSWER_H

/* What the JSON of an API server says, objects aside. */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

/* Revisions are opaque text; etcd's have at most 20 digits. */
#define ANSWER_MAX_REVISION 63
#define ANSWER_MAX_CONTINUE 2047

enum answer_type {
	ANSWER_UNKNOWN = 0,
	ANSWER_ADDED,
	ANSWER_MODIFIED,
	ANSWER_DELETED,
	ANSWER_BOOKMARK,
	ANSWER_ERROR,
};

/** A line of a watch. Text is borrowed from the tree. */
struct answer_event {
	enum answer_type type;
	const char *type_text; /* "" when there is none */
	const cJSON *object;   /* NULL when there is none */
	const char *revision;  /* of the object; "" when it has none that is usable */
	bool ends_list;        /* a bookmark: the initial events are over */
};

/** answer_event() - read a parsed line, whatever it is. */
void answer_event(const cJSON *tree, struct answer_event *out);

/** A Status object (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). */
struct answer_status {
	unsigned code;  /* 0: none given */
	bool is_gone;   /* the revision asked for is not there any more, or not yet */
	bool is_ending; /* the namespace is being removed: nothing can be created in it */
	char text[200]; /* reason and message, printable; "" when it says neither */
};

/** answer_status() - read a parsed Status; @tree may be anything, or NULL. */
void answer_status(const cJSON *tree, struct answer_status *out);

/** What a page of a list says about itself. "" where there is nothing usable. */
struct answer_page {
	char revision[ANSWER_MAX_REVISION + 1];
	char continue_token[ANSWER_MAX_CONTINUE + 1];
	bool is_list;  /* it has metadata and is no Status */
	bool has_more; /* there is a token, usable or not */
};

void answer_page(const cJSON *envelope, struct answer_page *out);

/** answer_escape() - append @text percent-encoded, as a query's value (RFC 3986, 2.1). */
struct strbuf;
void answer_escape(struct strbuf *buf, const char *text);

#endif

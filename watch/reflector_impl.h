/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_REFLECTOR_IMPL_H
#define WATCH_REFLECTOR_IMPL_H

/* The two halves of a reflector: which request is next, and what answers hold. */

#include "base/str.h"
#include "watch/answer.h"
#include "watch/decode.h"
#include "watch/json_stream.h"
#include "watch/lines.h"
#include "watch/reflector.h"

/** Requests there are. */
enum request {
	REQUEST_STREAM = 1, /* a streaming list, which goes on as a watch */
	REQUEST_PAGE,       /* a page of a list */
	REQUEST_WATCH,
};

/** How an answer turned out, as far as its body tells. */
enum outcome {
	OUTCOME_NONE = 0, /* nothing special */
	OUTCOME_GONE,     /* the revision or the continue token is not there */
	OUTCOME_FAILED,   /* with a reason; go on from where we were */
	OUTCOME_USELESS,  /* with a reason; list again */
};

struct watch_reflector {
	const struct watch_resource *resource;
	struct watch_rate *rate;
	watch_event_fn on_event;
	void *ctx;
	uint64_t prng;

	/* what comes next */
	bool must_list;                          /* else a watch is next */
	char revision[ANSWER_MAX_REVISION + 1];  /* last seen; "": none that can be used */
	char next_page[ANSWER_MAX_CONTINUE + 1]; /* of the list under way */
	bool in_one_page;                        /* continue tokens expire before they are used */
	uint64_t no_stream_before_us;            /* the server refused streaming lists */
	uint64_t not_before_us;
	uint64_t list_us;   /* when the last list began */
	unsigned failures;  /* in a row */
	unsigned fruitless; /* lists in a row that no watch has told anything after */

	/* the request under way */
	enum request request; /* 0: none */
	uint64_t sent_us;
	uint64_t ends_us;  /* when the server is to end it; 0: soon */
	unsigned answered; /* status of its answer; 0: not yet */
	uint32_t retry_after_s;
	bool is_listing; /* a list was begun and not ended */
	bool has_events; /* this answer */
	enum outcome outcome;
	struct lines lines;
	struct manifest manifest; /* its place and arena, for pages and lines */
	struct json_stream page;
	bool is_page_open;
	struct answer_page page_end; /* what the page says at its end */
	struct strbuf text;          /* of an answer that is no list and no watch */
	struct err err;              /* the sentence of what failed */

	struct diags diags;
	struct watch_status status;
};

/** reflector_tell() - an event about objects. */
void reflector_tell(struct watch_reflector *r, enum watch_event_type type,
                    struct proxy_meta *object, const struct watch_ident *ident);

/** reflector_listed() - the list is complete as of @revision. */
void reflector_listed(struct watch_reflector *r, const char *revision);

/** reflector_well() - an answer made sense: what failed before is over. */
void reflector_well(struct watch_reflector *r);

/** reflector_on_line() - lines_fn of a watch or a streaming list; @ctx is the reflector. */
int reflector_on_line(void *ctx, char *line, size_t len, bool is_cut);

/** reflector_begin_page(), reflector_end_page() - around the body of a page of a list. */
void reflector_begin_page(struct watch_reflector *r);
void reflector_end_page(struct watch_reflector *r);

/** reflector_on_page() - a piece of a page. Return: 0 or a negative errno, with err set. */
int reflector_on_page(struct watch_reflector *r, const char *bytes, size_t len);

/** reflector_parse() - a tree in the arena, or NULL. */
cJSON *reflector_parse(struct watch_reflector *r, const char *text, size_t len);

/** reflector_forget_tree() - the arena is free for the next one. */
void reflector_forget_tree(struct watch_reflector *r);

#endif

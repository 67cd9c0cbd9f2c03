/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WATCH_REFLECTOR_H
#define WATCH_REFLECTOR_H

/*
 * One resource of an API server, listed and watched for years: a state machine
 * that is fed with answers and time, and that says which request is next
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/, KEP-3157;
 * kube-proxy-behaviour.md, section 1.2). Pure: no socket, no clock.
 *
 *   list      a streaming list: a watch with sendInitialEvents, whose end is a
 *             bookmark; where the server refuses that, pages of 500
 *   watch     from the last revision on, 300-600 s long, then the next one
 *   list      again when the revision is gone (410) or makes no sense
 *
 * A list takes effect when it is complete, and not at all when it breaks off.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diag.h"
#include "base/err.h"
#include "proxy/object.h"
#include "watch/rate.h"

#define WATCH_MAX_REQUEST 4096u

/* Pauses after failures, before jitter of a quarter; a longer Retry-After is honoured up to the
 * last. */
#define WATCH_PAUSE_MIN_US 800000u
#define WATCH_PAUSE_MAX_US 30000000u
#define WATCH_RETRY_AFTER_MAX_US 600000000u

/* A resource that need not be there is asked for again after this long. */
#define WATCH_ABSENT_PAUSE_US 300000000u

/* An answer whose head, or a list of which nothing more, has come for so long is given up; a watch,
 * when it lasts longer than asked for by so much. */
#define WATCH_SILENCE_US 30000000u

/** What to list and watch. Static data. */
struct watch_resource {
	enum proxy_kind kind;
	const char *name;      /* "services" */
	const char *path;      /* "/api/v1/services" */
	const char *selectors; /* of the query, percent-encoded: "labelSelector=...", or "" */
	/* A server that does not have it (404) or does not let us see it (403) is one without such
	 * objects. */
	bool is_optional;
};

/** The resources of a service proxy (kube-proxy-behaviour.md, section 1.1); their number. */
#define WATCH_RESOURCES 4

/** watch_resources() - Services, EndpointSlices, the own Node, ServiceCIDRs.
 *
 * @node_selector: room for the Node's field selector, which @out borrows.
 */
void watch_resources(const char *node_name, char *node_selector, size_t size,
                     struct watch_resource out[static WATCH_RESOURCES]);

enum watch_event_type {
	WATCH_LIST_BEGIN = 1, /* a list is about to come */
	WATCH_LIST_OBJECT,    /* it has @object */
	WATCH_LIST_KEEP,      /* it has @namespace/@name, in a form that is of no use */
	WATCH_LIST_REMOVE,    /* it does not have @namespace/@name any more */
	WATCH_LIST_END,       /* it is complete: what it does not have is gone */
	WATCH_LIST_BROKEN,    /* it broke off: nothing of it is to take effect */
	WATCH_PUT,            /* @object is new or has changed */
	WATCH_DELETE,         /* @namespace/@name is gone */
};

/** Something about the objects. Borrowed for the call, but for @object. */
struct watch_event {
	enum watch_event_type type;
	enum proxy_kind kind;
	struct proxy_meta *object; /* packed; to be taken, release with free() */
	const char *namespace;
	const char *name;
};

typedef void (*watch_event_fn)(void *ctx, const struct watch_event *event);

struct watch_reflector; /* opaque */

/** watch_reflector_new() - @resource, @rate (shared by all of a server) and @ctx are borrowed.
 *
 * @seed: random; jitter and the length of watches come from it.
 */
struct watch_reflector *watch_reflector_new(const struct watch_resource *resource,
                                            struct watch_rate *rate, uint64_t seed,
                                            watch_event_fn on_event, void *ctx);

/** watch_reflector_free() - NULL is a no-op. A list under way is not told to break off. */
void watch_reflector_free(struct watch_reflector *reflector);

/** What is to be done with requests. */
enum watch_todo {
	WATCH_WAIT = 1, /* nothing before @until_us */
	WATCH_SEND,     /* send a GET of @target now, and feed its answer */
	WATCH_CANCEL,   /* give up the request under way; nothing of it may be fed any more */
};

struct watch_order {
	enum watch_todo todo;
	uint64_t until_us;              /* UINT64_MAX: not before something is fed */
	char target[WATCH_MAX_REQUEST]; /* path and query */
};

/** watch_reflector_next() - ask after the start, after each feeding, and when @until_us has come. */
void watch_reflector_next(struct watch_reflector *reflector, uint64_t now_us,
                          struct watch_order *out);

/** watch_reflector_head() - the head of the answer is there.
 *
 * @retry_after_s: its Retry-After, 0 without.
 */
void watch_reflector_head(struct watch_reflector *reflector, uint64_t now_us, unsigned status,
                          uint32_t retry_after_s);

/** watch_reflector_body() - a piece of the body, cut anywhere.
 *
 * Return: 0; or -ECANCELED when the rest is of no interest: end the transfer, then call
 *         watch_reflector_end() with that.
 */
int watch_reflector_body(struct watch_reflector *reflector, uint64_t now_us, const char *bytes,
                         size_t len) MUST_CHECK;

/** watch_reflector_end() - the answer has ended.
 *
 * @ret: 0 when it came to its end, else what went wrong, with a sentence in @reason.
 */
void watch_reflector_end(struct watch_reflector *reflector, uint64_t now_us, int ret,
                         const char *reason);

/** What it has been through, for logs, health and metrics. */
struct watch_status {
	bool is_listed;   /* a list has been complete, or the resource is absent */
	bool is_absent;   /* optional, and not there or not for us */
	bool is_watching; /* a watch is open and has been answered */
	uint64_t
		silent_since_us; /* of the request under way: last byte, or its beginning; 0: none */
	uint64_t heard_us;       /* last byte of a good answer; 0: never */
	uint64_t failing_since_us; /* 0: all is well */
	char reason[256];          /* of the last failure */
	uint64_t objects;          /* put or listed */
	uint64_t events;           /* of watches */
	uint64_t lists;            /* begun */
	uint64_t relists;          /* completed after the first */
	uint64_t watches;          /* begun, streaming lists not counted */
	uint64_t expired;          /* 410 */
	uint64_t failures;         /* all others */
	uint64_t timeouts;         /* of these: the server said nothing */
	uint64_t dropped;          /* objects larger than the bound */
};

const struct watch_status *watch_reflector_status(const struct watch_reflector *reflector);

/** watch_reflector_diags() - findings about objects since they were cleared; the caller clears. */
struct diags *watch_reflector_diags(struct watch_reflector *reflector);

#endif

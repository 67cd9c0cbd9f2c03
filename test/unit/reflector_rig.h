/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TEST_UNIT_REFLECTOR_RIG_H
#define TEST_UNIT_REFLECTOR_RIG_H

/* A reflector without a server: the test says what is answered, and what time it is. */

#include "base/str.h"
#include "watch/reflector.h"

/** One reflector, what it told, and the time. */
struct rig {
	struct watch_resource resource;
	struct watch_rate rate;
	struct watch_reflector *r;
	struct strbuf told; /* "begin in:ns/a end " */
	struct watch_order order;
	uint64_t now;
};

/** open_rig() - of a resource, 0 to 3, and without limit of requests. */
void open_rig(struct rig *rig, int resource);
void close_rig(struct rig *rig);

const struct watch_status *status_of(const struct rig *rig);

/** expect_told() - just this since the last time. */
void expect_told(struct rig *rig, const char *want);

/** expect_send() - the next request is due now and holds @parts, separated by blanks; those with ! it
 *  does not. */
void expect_send(struct rig *rig, const char *parts);

/** expect_pause() - the next request waits so long; the time becomes its. */
void expect_pause(struct rig *rig, uint64_t min, uint64_t max);

/* The parts of an answer, and an answer with all of them. */
void head(struct rig *rig, unsigned status);
int body(struct rig *rig, const char *text);
void end(struct rig *rig);
void answer(struct rig *rig, unsigned status, const char *text);

/** list() - lists ns/a by streaming; the watch is open and at revision 7. */
void list(struct rig *rig);

#define SERVICE(type, name, revision)                                                              \
	"{\"type\":\"" type "\",\"object\":{\"kind\":\"Service\",\"apiVersion\":\"v1\","           \
	"\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"resourceVersion\":\"" revision \
	"\"},\"spec\":{\"clusterIP\":\"10.96.0.1\",\"ports\":[{\"port\":80}]}}}\n"
#define LIST_END(revision)                                                                     \
	"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Service\",\"metadata\":{"               \
	"\"resourceVersion\":\"" revision "\",\"annotations\":{\"k8s.io/initial-events-end\":" \
	"\"true\"}}}}\n"
#define BOOKMARK(revision)                                                       \
	"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Service\",\"metadata\":{" \
	"\"resourceVersion\":\"" revision "\"}}}\n"
#define STATUS(code, reason) \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"" reason "\",\"code\":" code "}"
#define GONE "{\"type\":\"ERROR\",\"object\":" STATUS("410", "Expired") "}\n"
#define PAGE(revision, token, items)                                                         \
	"{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":" \
	"\"" revision "\",\"continue\":\"" token "\"},\"items\":[" items "]}"
#define ITEM(name)                                                                            \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\"},\"spec\":{\"clusterIP\":" \
	"\"10.96.0.1\",\"ports\":[{\"port\":80}]}}"

#endif

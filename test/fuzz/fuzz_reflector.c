/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any answers of a server: fed to a reflector. The first two bytes say which
 * resource it is of, and in how large pieces the answers come, which must make
 * no difference. 0xff ends an answer, and begins the next one with a status
 * that the byte behind it chooses.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "watch/reflector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned statuses[] = { 200, 200, 200, 200, 410, 422, 404, 429, 500 };

struct told {
	bool is_listing;
	bool is_listed;
	struct strbuf events;
	enum proxy_kind kind;
};

static void on_event(void *ctx, const struct watch_event *event)
{
	struct told *told = ctx;
	bool of_list = event->type <= WATCH_LIST_BROKEN;

	ASSERT(event->kind == told->kind);
	ASSERT(told->is_listing == (of_list && event->type != WATCH_LIST_BEGIN));
	ASSERT(told->is_listed || of_list);
	ASSERT((event->object != NULL) ==
	       (event->type == WATCH_LIST_OBJECT || event->type == WATCH_PUT));
	ASSERT(event->object == NULL || event->object->kind == told->kind);
	told->is_listing =
		of_list && event->type != WATCH_LIST_END && event->type != WATCH_LIST_BROKEN;
	told->is_listed = told->is_listed || event->type == WATCH_LIST_END;
	strbuf_printf(&told->events, "%d %s/%s\n", (int)event->type, event->namespace, event->name);
	free(event->object);
}

/* Until a request is out. */
static uint64_t ask(struct watch_reflector *r, uint64_t now)
{
	struct watch_order order;

	for (int i = 0; i < 10; i++) {
		watch_reflector_next(r, now, &order);
		ASSERT(order.todo != WATCH_CANCEL);
		if (order.todo == WATCH_SEND) {
			ASSERT(strlen(order.target) < sizeof(order.target));
			for (const char *c = order.target; *c != '\0'; c++)
				ASSERT(*c > ' ' && *c < 0x7f);
			return now;
		}
		ASSERT(order.until_us > now && order.until_us - now <= WATCH_RETRY_AFTER_MAX_US);
		now = order.until_us;
	}
	ASSERT(!"a request is due at last");
	return now;
}

static int feed(struct watch_reflector *r, uint64_t now, const uint8_t *data, size_t len,
                size_t step)
{
	int ret = 0;

	while (len > 0 && ret == 0) {
		size_t n = len < step ? len : step;

		ret = watch_reflector_body(r, now, (const char *)data, n);
		ASSERT(ret == 0 || ret == -ECANCELED);
		data += n;
		len -= n;
	}
	return ret;
}

static void play(const uint8_t *data, size_t size, size_t resource, size_t step, struct strbuf *out)
{
	static char selector[600];
	struct watch_resource all[WATCH_RESOURCES];
	struct told told = { 0 };
	struct watch_rate rate;
	struct watch_reflector *r;
	uint64_t now = 1000000;
	unsigned status = 200;

	watch_resources("node-1", selector, sizeof(selector), all);
	watch_rate_init(&rate, 5000, 10, now);
	told.kind = all[resource].kind;
	r = watch_reflector_new(&all[resource], &rate, 7, on_event, &told);
	for (int answers = 0; answers < 64; answers++) {
		const uint8_t *end = size > 0 ? memchr(data, 0xff, size) : NULL;
		size_t len = end != NULL ? (size_t)(end - data) : size;
		int ret;

		now = ask(r, now);
		watch_reflector_head(r, now, status, 0);
		ret = feed(r, now, data, len, step);
		now += 2000000;
		watch_reflector_end(r, now, ret, "");
		if (end == NULL || len + 2 > size)
			break;
		status = statuses[data[len + 1] % ARRAY_LEN(statuses)];
		data += len + 2;
		size -= len + 2;
	}
	ASSERT(watch_reflector_diags(r)->count <= DIAG_MAX);
	strbuf_puts(out, told.events.text != NULL ? told.events.text : "");
	strbuf_printf(out, "%s", watch_reflector_status(r)->reason);
	watch_reflector_free(r);
	strbuf_done(&told.events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole = { 0 };
	struct strbuf pieces = { 0 };

	if (size < 2)
		return 0;
	play(data + 2, size - 2, data[0] % WATCH_RESOURCES, size, &whole);
	play(data + 2, size - 2, data[0] % WATCH_RESOURCES, (size_t)data[1] + 1, &pieces);
	ASSERT(strcmp(whole.text, pieces.text) == 0);
	strbuf_done(&whole);
	strbuf_done(&pieces);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "test/unit/reflector_rig.h"

#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"

static void record(void *ctx, const struct watch_event *event)
{
	static const char *const names[] = {
		[WATCH_LIST_BEGIN] = "begin", [WATCH_LIST_OBJECT] = "in",
		[WATCH_LIST_KEEP] = "keep",   [WATCH_LIST_REMOVE] = "out",
		[WATCH_LIST_END] = "end",     [WATCH_LIST_BROKEN] = "broken",
		[WATCH_PUT] = "put",          [WATCH_DELETE] = "delete",
	};
	struct rig *rig = ctx;
	const char *ns = event->object != NULL ? event->object->namespace : event->namespace;
	const char *name = event->object != NULL ? event->object->name : event->name;

	assert_int_equal(event->kind, rig->resource.kind);
	strbuf_printf(&rig->told, "%s%s%s%s%s ", names[event->type], *name != '\0' ? ":" : "", ns,
	              *ns != '\0' ? "/" : "", name);
	free(event->object);
}

void open_rig(struct rig *rig, int resource)
{
	static char selector[512];
	struct watch_resource all[WATCH_RESOURCES];

	watch_resources("n1", selector, sizeof(selector), all);
	*rig = (struct rig){ .resource = all[resource], .now = 1000000 };
	watch_rate_init(&rig->rate, 0, 0, rig->now);
	rig->r = watch_reflector_new(&rig->resource, &rig->rate, 42, record, rig);
	strbuf_puts(&rig->told, "");
}

void close_rig(struct rig *rig)
{
	watch_reflector_free(rig->r);
	strbuf_done(&rig->told);
}

const struct watch_status *status_of(const struct rig *rig)
{
	return watch_reflector_status(rig->r);
}

void expect_told(struct rig *rig, const char *want)
{
	assert_string_equal(rig->told.text, want);
	strbuf_clear(&rig->told);
	strbuf_puts(&rig->told, "");
}

void expect_send(struct rig *rig, const char *parts)
{
	char *copy = xstrdup(parts);
	char *rest = copy;

	watch_reflector_next(rig->r, rig->now, &rig->order);
	assert_int_equal(rig->order.todo, WATCH_SEND);
	for (char *part = strsep(&rest, " "); part != NULL; part = strsep(&rest, " ")) {
		bool wanted = *part != '!';

		if ((strstr(rig->order.target, part + !wanted) != NULL) != wanted)
			fail_msg("%s: %s", part, rig->order.target);
	}
	free(copy);
}

void expect_pause(struct rig *rig, uint64_t min, uint64_t max)
{
	watch_reflector_next(rig->r, rig->now, &rig->order);
	assert_int_equal(rig->order.todo, WATCH_WAIT);
	assert_in_range(rig->order.until_us - rig->now, min, max);
	rig->now = rig->order.until_us;
}

void head(struct rig *rig, unsigned status)
{
	watch_reflector_head(rig->r, rig->now, status, 0);
}

int body(struct rig *rig, const char *text)
{
	return watch_reflector_body(rig->r, rig->now, text, strlen(text));
}

void end(struct rig *rig)
{
	watch_reflector_end(rig->r, rig->now, 0, "");
}

void answer(struct rig *rig, unsigned status, const char *text)
{
	head(rig, status);
	assert_int_equal(body(rig, text), 0);
	end(rig);
}

void list(struct rig *rig)
{
	expect_send(rig, "sendInitialEvents=true");
	head(rig, 200);
	assert_int_equal(body(rig, SERVICE("ADDED", "a", "5") LIST_END("7")), 0);
	expect_told(rig, "begin in:ns/a end ");
}

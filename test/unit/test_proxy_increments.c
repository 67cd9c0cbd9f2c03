/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties of the planner, with seeded random histories of objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/planner.h"
#include "test/unit/objects.h"
#include "test/unit/planner.h"
#include "test/unit/random.h"
#include "test/unit/test.h"

#define NAMES 6

static struct proxy_meta *random_object(uint64_t *random)
{
	static const char *const names[NAMES] = { "a", "b", "c", "d", "e", "f" };
	static const char *const ips[] = { "10.96.0.1", "10.96.0.2", "10.96.0.2 fd00::2",
		                           "fd00::3" };
	static const char *const ports[] = { "-:tcp:80", "x:tcp:80 y:udp:80", "x:tcp:80:30000",
		                             "" };
	static const char *const externals[] = { NULL, "203.0.113.1", "203.0.113.1 203.0.113.2" };
	static const char *const endpoints[] = { "10.0.0.1", "10.0.0.1@node-1 10.0.0.2",
		                                 "10.0.0.1@node-1/st 10.0.0.3@node-2", "fd01::1" };
	static const char *const slices[] = { "s1", "s2", "s3", "s4", "s5" };

	switch (random_below(random, 8)) {
	case 0:
		return make_node("node-1", random_below(random, 2) ? "192.0.2.1" : "192.0.2.2",
		                 random_below(random, 2) ? "z" : "");
	case 1:
		return make_service_cidr(names[random_below(random, 2)],
		                         random_below(random, 2) ? "10.96.0.0/12" : "fd00::/112");
	case 2:
	case 3:
	case 4:
		return SERVICE(.name = names[random_below(random, NAMES)],
		               .created = random_below(random, 3), .type = PROXY_LOAD_BALANCER,
		               .cluster_ips = ips[random_below(random, 4)],
		               .ports = ports[random_below(random, 4)],
		               .external_ips = externals[random_below(random, 3)],
		               .external_local = random_below(random, 2) == 0,
		               .internal_local = random_below(random, 2) == 0);
	default:
		return SLICE(slices[random_below(random, 5)], names[random_below(random, NAMES)],
		             random_below(random, 2) ? "-:tcp:8080" : "x:tcp:8080 y:udp:9090",
		             endpoints[random_below(random, 4)]);
	}
}

/* The plan of everything, as text. */
static void whole_text(struct proxy_planner *planner, struct strbuf *text)
{
	struct diags diags = { 0 };

	proxy_planner_touch_all(planner);
	strbuf_clear(text);
	changes_text(planner, text, &diags);
	diag_done(&diags);
}

/* The last object of each name, so that the order of the others is free. */
static size_t last_of_each(struct proxy_meta **objects, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool repeated = false;

		for (size_t k = i + 1; k < count && !repeated; k++)
			repeated = objects[k]->kind == objects[i]->kind &&
			           strcmp(objects[k]->name, objects[i]->name) == 0;
		if (repeated)
			free(objects[i]);
		else
			objects[kept++] = objects[i];
	}
	return kept;
}

static void shuffle(uint64_t *random, struct proxy_meta **list, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = random_below(random, (uint32_t)i);
		struct proxy_meta *swap = list[i - 1];

		list[i - 1] = list[k];
		list[k] = swap;
	}
}

static void order_does_not_matter(void **unused)
{
	uint64_t random = random_seed();

	(void)unused;
	for (int round = 0; round < 300; round++) {
		struct proxy_planner *one = new_planner();
		struct proxy_planner *two = new_planner();
		struct strbuf text_one = { 0 };
		struct strbuf text_two = { 0 };
		struct proxy_meta *objects[30];
		size_t count = 1 + random_below(&random, 30);

		for (size_t i = 0; i < count; i++)
			objects[i] = random_object(&random);
		count = last_of_each(objects, count);
		for (size_t i = 0; i < count; i++)
			(void)put(one, proxy_object_pack(objects[i]));
		shuffle(&random, objects, count);
		for (size_t i = 0; i < count; i++)
			(void)put(two, objects[i]);
		whole_text(one, &text_one);
		whole_text(two, &text_two);
		assert_string_equal(text_one.text, text_two.text);
		strbuf_done(&text_one);
		strbuf_done(&text_two);
		proxy_planner_free(one);
		proxy_planner_free(two);
	}
}

/* After any history, planning only what was touched has led to the plan of everything. */
static void increments_add_up(void **unused)
{
	static const char *const names[NAMES] = { "ns/a", "ns/b", "ns/c", "ns/d", "ns/e", "ns/f" };
	uint64_t random = random_seed();
	struct proxy_planner *planner = new_planner();
	struct strbuf known[NAMES] = { 0 };
	struct strbuf whole = { 0 };
	struct strbuf joined = { 0 };

	(void)unused;
	for (int round = 0; round < 3000; round++) {
		struct proxy_meta *object = random_object(&random);
		struct proxy_changes changes;
		struct diags diags = { 0 };

		if (random_below(&random, 3) == 0) {
			(void)proxy_planner_delete(planner, object->kind, object->namespace,
			                           object->name);
			free(object);
		} else {
			(void)put(planner, object);
		}
		proxy_planner_changes(planner, &changes, &diags);
		for (size_t i = 0; i < changes.count; i++) {
			size_t n = 0;

			while (strcmp(names[n], changes.services[i]->name) != 0)
				n++;
			strbuf_clear(&known[n]);
			text_service(&known[n], changes.services[i]);
		}
		proxy_changes_done(&changes);
		diag_done(&diags);
		strbuf_clear(&joined);
		strbuf_puts(&joined, "");
		for (size_t n = 0; n < NAMES; n++)
			if (known[n].len > 0)
				strbuf_printf(&joined, "* %s\n%s", names[n], known[n].text);
		whole_text(planner, &whole);
		for (size_t n = 0; n < NAMES; n++) { /* Services with an empty plan */
			char line[16];
			char *at;

			(void)snprintf(line, sizeof(line), "* %s\n", names[n]);
			at = strstr(whole.text, line);
			if (at != NULL && known[n].len == 0)
				memmove(at, at + strlen(line), strlen(at + strlen(line)) + 1);
		}
		assert_string_equal(joined.text, whole.text);
	}
	for (size_t n = 0; n < NAMES; n++)
		strbuf_done(&known[n]);
	strbuf_done(&whole);
	strbuf_done(&joined);
	proxy_planner_free(planner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(increments_add_up),
	};

	return cmocka_run_group_tests_name("proxy/planner, properties", tests, NULL, NULL);
}

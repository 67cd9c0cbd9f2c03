/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd/tally_reader.h"

#include <stdlib.h>

#include "base/mem.h"
#include "test/unit/test.h"

#define EACH 16384u /* frontends of one Service, the most that there can be */

/* A Service of @count frontends, at ports of one address. */
static void note(struct tally *tally, uint32_t id, uint32_t count)
{
	struct lb_port port = { .name = "", .family = 4, .protocol = 6 };
	struct lb_frontend *frontends = xcalloc(count, sizeof(*frontends));
	struct lb_service draft = { .id = id,
		                    .name = "ns/wide",
		                    .port_count = 1,
		                    .frontend_count = count,
		                    .ports = &port,
		                    .frontends = frontends };
	struct lb_service *service;

	for (uint32_t i = 0; i < count; i++)
		frontends[i] = (struct lb_frontend){ .addr = { 4, { 10, (uint8_t)id } },
			                             .kind = LB_EXTERNAL_IP,
			                             .port = (uint16_t)(i + 1) };
	service = lb_service_build(&draft);
	tally_note(tally, service);
	free(service);
	free(frontends);
}

static void nobody(void *ctx)
{
	(void)ctx;
	fail();
}

/* Not even a socket is made then; and it is said once, until there are fewer again. */
static void nothing_is_read_of_too_many_frontends(void **state)
{
	const uint8_t seed[16] = "no matter";
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct tally *tally = tally_new(seed);
	struct tally_reader reader = { 0 };

	(void)state;
	tally_reader_init(&reader, loop, tally, nobody, NULL);
	for (uint32_t id = 0; id < TALLY_READER_FRONTENDS / EACH; id++)
		note(tally, id, EACH);
	assert_int_equal(tally_frontends(tally), TALLY_READER_FRONTENDS);
	assert_true(tally_reader_can(&reader));
	assert_false(reader.told);
	note(tally, 77, 1);
	for (int i = 0; i < 2; i++) {
		assert_false(tally_reader_can(&reader));
		assert_false(tally_reader_start(&reader));
		assert_true(reader.told);
		assert_null(reader.counters);
		assert_false(reader.reading);
	}
	note(tally, 77, 0);
	assert_true(tally_reader_can(&reader));
	assert_false(reader.told);
	tally_reader_close(&reader);
	tally_free(tally);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_read_of_too_many_frontends),
	};

	return cmocka_run_group_tests_name("cmd/tally_reader", tests, NULL, NULL);
}

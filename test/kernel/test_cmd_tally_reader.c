/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings of the kernel's counters on the loop. */
#include "cmd/tally_reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cmd/clock.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define FRONTS 2000u /* several pieces */
#define PACKETS 5u   /* that each has counted */

static const uint8_t seed[16] = "no matter";
static unsigned ended;

static void count_end(void *ctx)
{
	(void)ctx;
	ended++;
}

/* The map as a daemon makes it, with counters that have counted. */
static void make_map(void)
{
	FILE *nft = popen("nft -f - 2>&1", "we");

	assert_non_null(nft);
	(void)fprintf(nft, "table ip kubenft {\nmap frontends {\n"
	                   "type ipv4_addr . inet_proto . inet_service : verdict\n"
	                   "counter\nelements = {\n");
	for (unsigned i = 1; i <= FRONTS; i++)
		(void)fprintf(nft, "10.96.0.1 . tcp . %u counter packets %u bytes 9 : drop%s\n", i,
		              PACKETS, i < FRONTS ? "," : "");
	(void)fprintf(nft, "}\n}\n}\n");
	assert_int_equal(pclose(nft), 0);
}

static void note_all(struct tally *tally)
{
	struct lb_port port = { .name = "", .family = 4, .protocol = 6 };
	struct lb_frontend *frontends = xcalloc(FRONTS, sizeof(*frontends));
	struct lb_service draft = { .name = "ns/wide",
		                    .port_count = 1,
		                    .frontend_count = FRONTS,
		                    .ports = &port,
		                    .frontends = frontends };
	struct lb_service *service;

	for (uint32_t i = 0; i < FRONTS; i++)
		frontends[i] = (struct lb_frontend){ .addr = { 4, { 10, 96, 0, 1 } },
			                             .kind = LB_CLUSTER_IP,
			                             .port = (uint16_t)(i + 1) };
	service = lb_service_build(&draft);
	tally_note(tally, service);
	free(service);
	free(frontends);
}

/* The sum of the only Service. */
static unsigned long sum_of(struct tally *tally)
{
	AUTO_STRBUF struct strbuf text = { 0 };
	const char *sum;

	tally_write(tally, "x", &text);
	sum = strstr(text.text, "} ");
	assert_non_null(sum);
	return strtoul(sum + 2, NULL, 10);
}

/* Turns the loop until a piece was taken, or the reading has ended. */
static void take_piece(struct ev_loop *loop, struct tally *tally)
{
	unsigned long had = sum_of(tally);
	uint64_t deadline = clock_us() + 10000000;

	while (ended == 0 && sum_of(tally) == had && clock_us() < deadline)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_true(sum_of(tally) > had);
}

static void end_reading(struct ev_loop *loop)
{
	uint64_t deadline = clock_us() + 10000000;

	while (ended == 0 && clock_us() < deadline)
		(void)ev_run(loop, EVRUN_ONCE);
	assert_int_equal(ended, 1);
	ended = 0;
}

/* While the kernel resizes its hash table, some time after many insertions, a reading may leave out
 * some elements: the next one has them. */
static void read_until(struct ev_loop *loop, struct tally_reader *reader, unsigned long want)
{
	uint64_t deadline = clock_us() + 10000000;

	while (sum_of(reader->tally) < want && clock_us() < deadline) {
		assert_true(tally_reader_start(reader));
		end_reading(loop);
	}
	assert_int_equal(sum_of(reader->tally), want);
}

static void reads_a_piece_a_turn(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct tally *tally = tally_new(seed);
	struct tally_reader reader = { 0 };

	(void)state;
	netns_enter();
	make_map();
	note_all(tally);
	tally_restart(tally);
	tally_reader_init(&reader, loop, tally, count_end, NULL);
	assert_true(tally_reader_start(&reader));
	take_piece(loop, tally);
	assert_int_equal(ended, 0);
	assert_true(tally_reader_start(&reader)); /* joins it */
	end_reading(loop);
	assert_non_null(reader.counters); /* it has not failed */
	read_until(loop, &reader, FRONTS * PACKETS);
	/* nothing came meanwhile */
	assert_true(tally_reader_start(&reader));
	end_reading(loop);
	assert_int_equal(sum_of(tally), FRONTS * PACKETS);
	tally_reader_close(&reader);
	tally_free(tally);
	ev_loop_destroy(loop);
}

/* The kernel makes a piece before it is asked for: one that comes after a refill may be older. */
static void takes_nothing_from_before_a_refill(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct tally *tally = tally_new(seed);
	struct tally_reader reader = { 0 };
	unsigned long before;

	(void)state;
	netns_enter();
	make_map();
	note_all(tally);
	tally_restart(tally);
	tally_reader_init(&reader, loop, tally, count_end, NULL);
	assert_true(tally_reader_start(&reader));
	take_piece(loop, tally);
	before = sum_of(tally);
	assert_true(before < FRONTS * PACKETS);
	tally_reader_refilled(&reader);
	end_reading(loop);
	assert_int_equal(sum_of(tally), before);
	/* what the map has now is what came since */
	read_until(loop, &reader, before + FRONTS * PACKETS);
	tally_reader_close(&reader);
	tally_free(tally);
	ev_loop_destroy(loop);
}

static void may_go_in_the_middle_of_a_reading(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct tally *tally = tally_new(seed);
	struct tally_reader reader = { 0 };

	(void)state;
	netns_enter();
	make_map();
	note_all(tally);
	tally_restart(tally);
	tally_reader_init(&reader, loop, tally, count_end, NULL);
	assert_true(tally_reader_start(&reader));
	take_piece(loop, tally);
	tally_reader_close(&reader);
	assert_int_equal(ended, 0);
	(void)ev_run(loop, 0); /* comes back, as nothing is active */
	tally_free(tally);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_piece_a_turn),
		cmocka_unit_test(takes_nothing_from_before_a_refill),
		cmocka_unit_test(may_go_in_the_middle_of_a_reading),
	};

	return cmocka_run_group_tests_name("cmd/tally_reader, kernel", tests, NULL, NULL);
}

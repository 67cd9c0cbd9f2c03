/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters in the elements of frontends: what packets make of them, and how they
 * are read while others write.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "nft/counters.h"
#include "nft/sock.h"
#include "nft/sock_impl.h"
#include "nft/state.h"
#include "nft/survey.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define FRONTEND "127.96.0.1"
#define PORT 80
#define MANY 1500 /* frontends of each family: several pieces */

static const struct nftx_options options[2] = {
	{ .detect = NFTX_DETECT_NONE, .count_connections = true },
	{ .detect = NFTX_DETECT_NONE, .count_connections = true }
};

/** What a reading has brought. */
struct reading {
	struct nftx_elems elems;
	uint64_t packets; /* of all elements */
	unsigned pieces;
};

static void take(void *ctx, const struct nftx_elem *elem, uint64_t packets)
{
	struct reading *reading = ctx;
	struct nftx_elem *copy = nftx_elems_push(&reading->elems);

	*copy = *elem;
	copy->comment = elem->comment != NULL ? xstrdup(elem->comment) : NULL;
	reading->packets += packets;
}

/* Waits for a piece and takes it. Return: whether there are more. */
static bool read_piece(struct nftx_counters *counters, struct reading *reading)
{
	struct pollfd piece = { nftx_counters_fd(counters), POLLIN, 0 };
	struct err err = { 0 };
	int ret;

	assert_int_equal(poll(&piece, 1, 10000), 1);
	ret = nftx_counters_read(counters, take, reading, &err);
	if (ret < 0)
		fail_msg("%s", err.msg);
	reading->pieces++;
	return ret == 1;
}

static struct nftx_counters *begin_reading(void)
{
	struct nftx_counters *counters;
	struct err err = { 0 };

	assert_int_equal(nftx_counters_open(&counters, &err), 0);
	assert_int_equal(nftx_counters_start(counters, &err), 0);
	return counters;
}

static struct reading read_all(void)
{
	struct nftx_counters *counters = begin_reading();
	struct reading reading = { 0 };

	while (read_piece(counters, &reading))
		;
	nftx_counters_close(counters);
	nftx_elems_sort(&reading.elems);
	return reading;
}

static bool has_repeated(const struct nftx_elems *elems)
{
	for (size_t i = 1; i < elems->count; i++)
		if (nftx_elem_cmp(&elems->list[i - 1], &elems->list[i]) == 0)
			return true;
	return false;
}

/* While the kernel resizes its hash table, some time after many insertions, an element that comes
 * twice stands for one that was left out. */
static struct reading read_settled(size_t count)
{
	struct reading reading = read_all();

	for (int i = 0; i < 1000 && (reading.elems.count != count || has_repeated(&reading.elems));
	     i++) {
		nftx_dump_done(&reading.elems);
		nftx_pause();
		reading = read_all();
	}
	return reading;
}

static struct ipaddr address(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr, NULL), 0);
	return addr;
}

/* A UDP Service with @count endpoints on the loopback interface. */
static struct lb_service *make_service(uint32_t count)
{
	struct lb_backend backends[4];
	struct lb_port port = { .name = "dns",
		                .family = 4,
		                .protocol = IPPROTO_UDP,
		                .has_any = count > 0,
		                .all = { 0, count } };
	struct lb_frontend frontend = { .addr = address(FRONTEND),
		                        .kind = LB_CLUSTER_IP,
		                        .port = PORT };
	struct lb_service draft = { .name = "ns/web",
		                    .port_count = 1,
		                    .frontend_count = 1,
		                    .backend_count = count,
		                    .ports = &port,
		                    .frontends = &frontend,
		                    .backends = backends };

	for (uint32_t i = 0; i < count; i++) {
		backends[i] = (struct lb_backend){ .addr = address("127.1.0.1"), .port = 8080 };
		backends[i].addr.bytes[3] = (uint8_t)(i + 1);
	}
	return lb_service_build(&draft);
}

/* A Service without endpoints at address number @id, of both families. */
static struct lb_service *make_idle(uint32_t id)
{
	struct lb_port ports[2] = { { .name = "", .family = 4, .protocol = IPPROTO_TCP },
		                    { .name = "", .family = 6, .protocol = IPPROTO_TCP } };
	struct lb_frontend frontends[2] = {
		{ .addr = address("10.96.0.0"), .kind = LB_CLUSTER_IP, .port = PORT },
		{ .addr = address("fd00::"), .kind = LB_CLUSTER_IP, .port = PORT, .port_index = 1 },
	};
	struct lb_service draft = { .id = id,
		                    .name = "ns/idle",
		                    .port_count = 2,
		                    .frontend_count = 2,
		                    .ports = ports,
		                    .frontends = frontends };

	for (size_t i = 0; i < 2; i++) {
		uint8_t *end = frontends[i].addr.bytes + ipaddr_len(i == 0 ? 4 : 6);

		end[-2] = (uint8_t)(id >> 8);
		end[-1] = (uint8_t)id;
	}
	return lb_service_build(&draft);
}

static void commit(struct nftx_sock *sock, struct nftx_state *state, struct nftx_batch *batch)
{
	struct err err = { 0 };

	assert_non_null(batch);
	nftx_batch_end(batch, true);
	if (nftx_sock_commit(sock, batch, &err) < 0)
		fail_msg("commit: %s", err.msg);
	nftx_batch_free(batch);
	nftx_state_committed(state);
}

/* Return: whether both tables were adopted. */
static bool refill(struct nftx_sock *sock, struct nftx_state *state)
{
	struct nftx_survey survey;
	struct err err = { 0 };
	bool adopted;

	assert_int_equal(nftx_survey(sock, options, 0, &survey, &err), 0);
	adopted = survey.ground[0].adopt && survey.ground[1].adopt;
	commit(sock, state, nftx_state_refill(state, survey.ground));
	nftx_survey_done(&survey);
	return adopted;
}

static void bring_loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
	(void)close(fd);
}

/* Two packets of each of @count new flows; what becomes of them does not matter. */
static void send_flows(unsigned count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	(void)inet_pton(AF_INET, FRONTEND, &to.sin_addr);
	for (unsigned i = 0; i < count; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_return_code(fd, errno);
		(void)sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
		(void)sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to));
		(void)close(fd);
	}
}

static void assert_equal_elems(const struct nftx_elems *got, const struct nftx_elems *want)
{
	struct nftx_diff diff = { 0 };

	nftx_diff_elems(got, want, &diff);
	assert_int_equal(diff.del.count, 0);
	assert_int_equal(diff.add.count, 0);
	assert_int_equal(got->count, want->count);
	nftx_diff_done(&diff);
}

/* What a dump has, and what a reading has, is what was sent: no counter makes a difference. */
static void assert_as_sent(struct nftx_sock *sock, const struct nftx_state *state)
{
	struct nftx_elems got = { 0 };
	struct nftx_elems want = { 0 };
	struct nftx_elems fronts = { 0 };
	struct reading reading;

	for (size_t f = 0; f < 2; f++) {
		for (int map = 0; map < NFTX_MAP_COUNT; map++)
			assert_int_equal(nftx_sock_dump(sock, f == 0 ? 4 : 6, (enum nftx_map)map,
			                                &got, NULL),
			                 0);
		nftx_state_select(state, f == 0 ? 4 : 6, 1u << NFTX_FRONTENDS, &fronts);
	}
	nftx_elems_sort(&got);
	nftx_elems_sort(&fronts);
	nftx_state_elements(state, &want);
	reading = read_settled(fronts.count);
	assert_equal_elems(&got, &want);
	assert_equal_elems(&reading.elems, &fronts);
	nftx_dump_done(&got);
	nftx_dump_done(&reading.elems);
	free(want.list);
	free(fronts.list);
}

static uint64_t count_now(void)
{
	struct reading reading = read_all();

	assert_int_equal(reading.elems.count, 1);
	nftx_dump_done(&reading.elems);
	return reading.packets;
}

static void a_new_connection_counts_once(void **unused)
{
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_sock *sock;

	(void)unused;
	netns_enter();
	bring_loopback_up();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	nftx_state_stage(state, make_service(2));
	assert_false(refill(sock, state));
	assert_int_equal(count_now(), 0);
	send_flows(7);
	assert_int_equal(count_now(), 7);
	assert_as_sent(sock, state);

	/* an endpoint more is another verdict, an element anew */
	nftx_state_stage(state, make_service(3));
	commit(sock, state, nftx_state_change(state));
	assert_int_equal(count_now(), 0);
	send_flows(2);
	assert_int_equal(count_now(), 2);
	/* one more again is not */
	nftx_state_stage(state, make_service(4));
	commit(sock, state, nftx_state_change(state));
	assert_int_equal(count_now(), 2);
	/* what is refused counts, too, each packet: nothing is remembered of it */
	nftx_state_stage(state, make_service(0));
	commit(sock, state, nftx_state_change(state));
	send_flows(5);
	assert_int_equal(count_now(), 10);

	/* a table with counters is adopted where they are wanted; they begin anew */
	nftx_state_doubt(state);
	assert_true(refill(sock, state));
	assert_int_equal(count_now(), 0);
	assert_as_sent(sock, state);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

static void stage_many(struct nftx_state *state)
{
	for (uint32_t id = 1; id <= MANY; id++)
		nftx_state_stage(state, make_idle(id));
}

static void a_reading_has_every_frontend_once(void **unused)
{
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_sock *sock;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	stage_many(state);
	(void)refill(sock, state);
	assert_as_sent(sock, state);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

/* Every piece is of another generation of the ruleset than the one before; frontends are as they
 * were, so each is there once. */
static void a_reading_that_commits_disturb_goes_to_its_end(void **unused)
{
	struct nftx_state *state = nftx_state_new(options);
	struct nftx_counters *counters;
	struct nftx_elems fronts = { 0 };
	struct reading reading = { 0 };
	struct nftx_sock *sock;
	uint32_t endpoints = 4;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	nftx_state_stage(state, make_service(3));
	stage_many(state);
	(void)refill(sock, state);
	reading = read_settled(1 + 2 * MANY);
	nftx_dump_done(&reading.elems);
	reading = (struct reading){ 0 };
	counters = begin_reading();
	while (read_piece(counters, &reading)) {
		nftx_state_stage(state, make_service(endpoints));
		commit(sock, state, nftx_state_change(state));
		endpoints = 7 - endpoints;
	}
	assert_true(reading.pieces >= 10);
	nftx_elems_sort(&reading.elems);
	nftx_state_select(state, 4, 1u << NFTX_FRONTENDS, &fronts);
	nftx_state_select(state, 6, 1u << NFTX_FRONTENDS, &fronts);
	nftx_elems_sort(&fronts);
	assert_equal_elems(&reading.elems, &fronts);
	/* and the reader is good for another one */
	nftx_dump_done(&reading.elems);
	assert_int_equal(nftx_counters_start(counters, NULL), 0);
	while (read_piece(counters, &reading))
		;
	assert_int_equal(reading.elems.count, fronts.count);
	nftx_dump_done(&reading.elems);
	free(fronts.list);
	nftx_counters_close(counters);
	nftx_state_free(state);
	nftx_sock_close(sock);
}

static void a_table_that_is_not_there_has_counted_nothing(void **unused)
{
	struct reading reading;

	(void)unused;
	netns_enter();
	reading = read_all();
	assert_int_equal(reading.elems.count, 0);
	nftx_dump_done(&reading.elems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_connection_counts_once),
		cmocka_unit_test(a_reading_has_every_frontend_once),
		cmocka_unit_test(a_reading_that_commits_disturb_goes_to_its_end),
		cmocka_unit_test(a_table_that_is_not_there_has_counted_nothing),
	};

	return cmocka_run_group_tests_name("nft/counters", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets in flight while a commit shrinks a frontend's row. The verdict that such
 * a packet has met is of the old row, the slots that it draws from are those of the
 * new one: it must find an endpoint nevertheless.
 *
 * One thread sends first packets of new flows, each from an address of its own; the
 * other one commits, again and again. A packet that we drop on its way out of
 * this very machine is EPERM from send().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nft/sock.h"
#include "nft/state.h"
#include "nft/survey.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define FRONTEND "127.96.0.1"
#define PORT 80
#define BACKEND_PORT 8080
#define MOST 64
#define PACKETS 20000
#define CLIENT_PORT 1024

static const struct nftx_options options[2] = { { .detect = NFTX_DETECT_NONE },
	                                        { .detect = NFTX_DETECT_NONE } };

static const struct row {
	const char *what;
	bool local; /* internal traffic policy Local */
	uint32_t affinity_s;
	uint32_t sizes[4]; /* of the row, one after the other, 0: as many as are given */
} rows[] = {
	{ "from two endpoints to one", .sizes = { 2, 1 } },
	{ "from three endpoints to one", .sizes = { 3, 1 } },
	{ "from sixteen endpoints to one", .sizes = { 16, 1 } },
	{ "from thirteen endpoints to three", .sizes = { 13, 3 } },
	{ "down in several steps", .sizes = { 64, 17, 4, 1 } },
	{ "local endpoints, from sixteen to one", .local = true, .sizes = { 16, 1 } },
	{ "local endpoints, from two to one", .local = true, .sizes = { 2, 1 } },
	{ "with affinity, from sixteen to one", .affinity_s = 10800, .sizes = { 16, 1 } },
};

static struct ipaddr address(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr, NULL), 0);
	return addr;
}

/* One UDP frontend, @count endpoints on the loopback interface. */
static struct lb_service *make_service(const struct row *row, uint32_t count)
{
	struct lb_backend backends[MOST];
	struct lb_pool pool = { 0, count };
	struct lb_port port = { .name = "", .family = 4, .protocol = IPPROTO_UDP, .has_any = true };
	struct lb_frontend frontend = { .addr = address(FRONTEND),
		                        .kind = LB_CLUSTER_IP,
		                        .port = PORT,
		                        .local_only = row->local };
	struct lb_service draft = { .name = "ns/web",
		                    .affinity_s = row->affinity_s,
		                    .port_count = 1,
		                    .frontend_count = 1,
		                    .backend_count = count,
		                    .ports = &port,
		                    .frontends = &frontend,
		                    .backends = backends };

	for (uint32_t i = 0; i < count; i++) {
		backends[i] = (struct lb_backend){ .addr = address("127.1.0.0"),
			                           .is_local = 1,
			                           .port = BACKEND_PORT };
		backends[i].addr.bytes[3] = (uint8_t)(i + 1);
	}
	*(row->local ? &port.local : &port.all) = pool;
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

static void bring_loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	assert_return_code(ioctl(fd, SIOCSIFFLAGS, &request), errno);
	(void)close(fd);
}

struct sender {
	pthread_t thread;
	unsigned dropped; /* EPERM */
	int trouble;      /* another errno */
	atomic_bool done;
};

static struct sockaddr_in end_of(const char *text, uint16_t port)
{
	struct sockaddr_in end = { .sin_family = AF_INET, .sin_port = htons(port) };

	(void)inet_pton(AF_INET, text, &end.sin_addr);
	return end;
}

/* The first packet of a flow that nobody has seen before. Return: 0 or an errno. */
static int send_one(uint32_t client)
{
	struct sockaddr_in from = end_of("127.2.0.1", CLIENT_PORT);
	struct sockaddr_in to = end_of(FRONTEND, PORT);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	from.sin_addr.s_addr = htonl(ntohl(from.sin_addr.s_addr) + client);
	if (fd < 0)
		return errno;
	if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) < 0 ||
	    sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		ret = errno;
	(void)close(fd);
	return ret;
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;

	for (uint32_t i = 0; i < PACKETS && sender->trouble == 0; i++) {
		int ret = send_one(i);

		if (ret == EPERM)
			sender->dropped++;
		else
			sender->trouble = ret;
	}
	atomic_store(&sender->done, true);
	return NULL;
}

/* The size of the row that comes after the one at @at. */
static size_t next_size(const struct row *row, size_t at)
{
	return at + 1 < ARRAY_LEN(row->sizes) && row->sizes[at + 1] != 0 ? at + 1 : 0;
}

static void stage_and_refill(struct nftx_sock *sock, struct nftx_state *state,
                             struct lb_service *service)
{
	struct nftx_survey survey;

	assert_int_equal(nftx_survey(sock, options, 0, &survey, NULL), 0);
	nftx_state_stage(state, service);
	commit(sock, state, nftx_state_refill(state, survey.ground));
	nftx_survey_done(&survey);
}

/* In a namespace of its own, so that the flows of one row do not fill the table for the next. Return:
 * how many packets were dropped. */
static unsigned run_row(const struct row *row)
{
	struct nftx_state *state = nftx_state_new(options);
	struct sender sender = { 0 };
	struct nftx_sock *sock;
	unsigned commits = 0;
	size_t at = 0;

	netns_enter();
	bring_loopback_up();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	stage_and_refill(sock, state, make_service(row, row->sizes[0]));

	assert_int_equal(pthread_create(&sender.thread, NULL, send_all, &sender), 0);
	while (!atomic_load(&sender.done)) {
		commits++;
		at = next_size(row, at);
		nftx_state_stage(state, make_service(row, row->sizes[at]));
		commit(sock, state, nftx_state_change(state));
	}
	assert_int_equal(pthread_join(sender.thread, NULL), 0);
	assert_int_equal(sender.trouble, 0);
	print_message("  - %s: %u commits, %u packets, %u dropped\n", row->what, commits, PACKETS,
	              sender.dropped);
	assert_true(commits > 100);
	nftx_state_free(state);
	nftx_sock_close(sock);
	return sender.dropped;
}

static void no_packet_is_lost(void **unused)
{
	unsigned dropped = 0;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		dropped += run_row(&rows[i]);
	assert_int_equal(dropped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_packet_is_lost),
	};

	return cmocka_run_group_tests_name("nft/state, packets in flight", tests, NULL, NULL);
}

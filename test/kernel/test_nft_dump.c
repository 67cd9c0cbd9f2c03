/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dumps while somebody writes. The kernel does not say that a dump of elements was
 * disturbed, and where elements come or go between two pieces, others are missed.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nft/ruleset.h"
#include "nft/sock.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define STAY 3000 /* some pieces of a dump */
#define COME 300  /* and go */
#define DUMPS 60
#define PAUSE_US 40000 /* between two transactions: longer than a dump takes */

static const struct nftx_options options[2];

static struct nftx_elem backend(uint32_t number)
{
	struct nftx_elem elem = { .family = 4, .map = NFTX_BACKENDS };

	(void)nftx_key_front(elem.key, &(struct ipaddr){ 4, { 10, 96, 0, 1 } }, 6, 80);
	nftx_elem_set_slot(&elem, number);
	elem.data[0] = 10;
	return elem;
}

static void add_all(struct nftx_sock *sock)
{
	struct nftx_batch *batch = nftx_batch_new();

	nftx_ruleset_put_table(batch, 4, &options[0], 0);
	nftx_ruleset_put_layout(batch, 4, &options[0]);
	for (uint32_t i = 0; i < STAY; i++) {
		struct nftx_elem elem = backend(i);

		nftx_batch_add(batch, &elem);
	}
	nftx_batch_end(batch, true);
	assert_int_equal(nftx_sock_commit(sock, batch, NULL), 0);
	nftx_batch_free(batch);
}

/* Others come and go, until this process is killed. */
static void write_on(useconds_t pause_us)
{
	struct nftx_sock *sock;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || nftx_sock_open(&sock, NULL) < 0)
		_exit(1);
	for (bool there = false;; there = !there) {
		struct nftx_batch *batch = nftx_batch_new();

		for (uint32_t i = STAY; i < STAY + COME; i++) {
			struct nftx_elem elem = backend(i);

			(there ? nftx_batch_del : nftx_batch_add)(batch, &elem);
		}
		nftx_batch_end(batch, true);
		if (nftx_sock_commit(sock, batch, NULL) < 0)
			_exit(1);
		nftx_batch_free(batch);
		(void)usleep(pause_us);
	}
}

static pid_t start_writer(useconds_t pause_us)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		write_on(pause_us);
	return pid;
}

static void stop_writer(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* it wrote to the end */
}

/* What was there all the time is in every dump. */
static void misses_nothing(void **unused)
{
	struct nftx_sock *sock;
	uint32_t before;
	uint32_t after;
	pid_t pid;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	add_all(sock);
	pid = start_writer(PAUSE_US);
	assert_int_equal(nftx_sock_generation(sock, &before, NULL), 0);
	for (int i = 0; i < DUMPS; i++) {
		struct nftx_elems elems = { 0 };
		struct nftx_digest digest;
		size_t stayed = 0;

		assert_int_equal(nftx_sock_dump(sock, 4, NFTX_BACKENDS, &elems, NULL), 0);
		for (size_t k = 0; k < elems.count; k++)
			stayed += nftx_elem_slot(&elems.list[k]) < STAY;
		assert_int_equal(stayed, STAY);
		assert_true(elems.count == STAY || elems.count == STAY + COME);
		nftx_dump_done(&elems);
		assert_int_equal(nftx_sock_digest(sock, 4, NFTX_BACKENDS, &digest, NULL), 0);
		assert_true(digest.count == STAY || digest.count == STAY + COME);
	}
	assert_int_equal(nftx_sock_generation(sock, &after, NULL), 0);
	assert_int_not_equal(before, after);
	stop_writer(pid);
	nftx_sock_close(sock);
}

/* Where nothing ever stands still a dump comes to an end all the same. */
static void ends_though_others_write_all_the_time(void **unused)
{
	struct nftx_sock *sock;
	pid_t pid;

	(void)unused;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, NULL), 0);
	add_all(sock);
	pid = start_writer(0);
	for (int i = 0; i < DUMPS / 10; i++) {
		struct nftx_elems elems = { 0 };
		struct nftx_digest digest;
		int ret = nftx_sock_dump(sock, 4, NFTX_BACKENDS, &elems, NULL);

		assert_true(ret == 0 || ret == -EAGAIN);
		assert_true(ret < 0 || elems.count > 0);
		nftx_dump_done(&elems);
		assert_int_equal(nftx_sock_digest(sock, 4, NFTX_BACKENDS, &digest, NULL), 0);
	}
	stop_writer(pid);
	nftx_sock_close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misses_nothing),
		cmocka_unit_test(ends_though_others_write_all_the_time),
	};

	netns_enter();
	return cmocka_run_group_tests_name("dumps in the kernel", tests, NULL, NULL);
}

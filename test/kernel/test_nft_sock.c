/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening the socket where it cannot work: the daemon says why and leaves. And
 * answers of the kernel that are no refusals.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nft/sock.h"
#include "nft/sock_impl.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

/* From now on @call fails with @code in this process. */
static void deny(long call, int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_LEN(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

/* Runs the daemon in a child that cannot make sockets; its output and its exit code. */
static int run_denied(int code, char *output, size_t size)
{
	const char *binary = getenv("KUBENFT");
	size_t used = 0;
	int fds[2];
	int status;
	pid_t pid;
	ssize_t n;

	if (binary == NULL)
		binary = "build/kubenft";
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		deny(SYS_socket, code);
		(void)execl(binary, "kubenft", "run", "--source", "/dev/null", (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while (used < size - 1 && (n = read(fds[0], output + used, size - 1 - used)) > 0)
		used += (size_t)n;
	output[used] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void says_that_the_kernel_has_no_nf_tables(void **state)
{
	char output[4096];

	(void)state;
	assert_int_equal(run_denied(EPROTONOSUPPORT, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "this kernel has no nf_tables (CONFIG_NF_TABLES)"));
}

static void says_that_privilege_is_missing(void **state)
{
	char output[4096];

	(void)state;
	assert_int_equal(run_denied(EPERM, output, sizeof(output)), 1);
	assert_non_null(strstr(output, "no permission for nf_tables: CAP_NET_ADMIN is needed"));
}

/* What the kernel says, and what a person reads. nfnetlink answers EINVAL for a subsystem it does
 * not have. */
static void explains(void **state)
{
	static const struct {
		int code;
		int ret;
		const char *text;
	} rows[] = {
		{ EPERM, -EPERM, "no permission" },
		{ EINVAL, -EOPNOTSUPP, "no nf_tables" },
		{ EOPNOTSUPP, -EOPNOTSUPP, "no nf_tables" },
		{ EPROTONOSUPPORT, -EOPNOTSUPP, "no nf_tables" },
		{ ENOMEM, -ENOMEM, "nf_tables: Cannot allocate memory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = { 0 };

		assert_int_equal(nftx_explain(&err, rows[i].code), rows[i].ret);
		assert_non_null(strstr(err.msg, rows[i].text));
	}
}

/* A table that is not there has no elements and no chains, and that is no error. */
static void finds_nothing(void **state)
{
	struct nftx_elems elems = { 0 };
	struct nftx_chains chains;
	struct nftx_table table;
	struct nftx_sock *sock;
	struct err err = { 0 };

	(void)state;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, &err), 0);
	assert_int_equal(nftx_sock_table(sock, 4, NFTX_TABLE, &table, &err), 0);
	assert_false(table.exists);
	assert_int_equal(nftx_sock_dump(sock, 4, NFTX_FRONTENDS, &elems, &err), 0);
	assert_int_equal(elems.count, 0);
	assert_int_equal(nftx_sock_chains(sock, 4, &chains, &err), 0);
	assert_int_equal(chains.count, 0);
	nftx_sock_close(sock);
}

static struct nftx_elem some_element(uint32_t n)
{
	const struct ipaddr addr = {
		.family = 4, .bytes = { 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n }
	};
	struct nftx_elem elem = { .family = 4, .map = NFTX_CLUSTER_IPS };

	(void)nftx_key_addr(elem.key, &addr);
	return elem;
}

static struct nftx_batch *make_tables(void)
{
	const struct nftx_options options = { 0 };
	struct nftx_batch *batch = nftx_batch_new();

	nftx_ruleset_put_table(batch, 4, &options, 0);
	nftx_ruleset_put_layout(batch, 4, &options);
	nftx_batch_end(batch, true);
	return batch;
}

static size_t count_elements(struct nftx_sock *sock)
{
	struct nftx_elems elems = { 0 };
	size_t count;

	assert_int_equal(nftx_sock_dump(sock, 4, NFTX_CLUSTER_IPS, &elems, NULL), 0);
	count = elems.count;
	nftx_dump_done(&elems);
	return count;
}

/* More answers than the socket holds: that is said, and the next batch gets its own answers only. */
static void survives_lost_answers(void **state)
{
	struct nftx_batch *batch = make_tables();
	struct nftx_elem elem = some_element(1);
	struct nftx_sock *sock;
	struct err err = { 0 };

	(void)state;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, &err), 0);
	assert_int_equal(nftx_sock_commit(sock, batch, &err), 0);
	nftx_batch_free(batch);
	batch = nftx_batch_new();
	for (int i = 0; i < 60000; i++)
		nftx_ruleset_put_delete(batch, 4, "no such table");
	nftx_batch_end(batch, true);
	assert_int_equal(nftx_sock_commit(sock, batch, &err), -ENOBUFS);
	assert_non_null(strstr(err.msg, "the kernel's answers were lost"));
	nftx_batch_free(batch);
	batch = nftx_batch_new();
	nftx_batch_add(batch, &elem);
	nftx_batch_end(batch, true);
	if (nftx_sock_commit(sock, batch, &err) < 0)
		fail_msg("%s", err.msg);
	nftx_batch_free(batch);
	assert_int_equal(count_elements(sock), 1);
	nftx_sock_close(sock);
}

/* net.core.wmem_max; 0 when it is not to be read. */
static unsigned long socket_limit(void)
{
	FILE *file = fopen("/proc/sys/net/core/wmem_max", "re");
	char text[32] = "";

	if (file == NULL)
		return 0;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	(void)fclose(file);
	return strtoul(text, NULL, 10);
}

/* Runs in a child, as root of a user namespace only: what a batch may weigh is then limited. */
static int send_too_much(void)
{
	struct nftx_batch *batch;
	struct nftx_sock *sock;
	struct err err = { 0 };
	unsigned long limit = socket_limit(); /* the kernel doubles it */

	if (limit == 0 || limit > 16u << 20 || unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	if (nftx_sock_open(&sock, &err) < 0)
		return 77;
	batch = make_tables();
	if (nftx_sock_commit(sock, batch, &err) < 0)
		return 1;
	nftx_batch_free(batch);
	batch = nftx_batch_new();
	for (uint32_t i = 0; i * 16 < 2 * limit + (1u << 20);
	     i++) { /* of more than 16 bytes each */
		struct nftx_elem elem = some_element(i);

		nftx_batch_add(batch, &elem);
	}
	nftx_batch_end(batch, true);
	if (nftx_sock_commit(sock, batch, &err) != -EMSGSIZE)
		return 2;
	if (strstr(err.msg, "raise net.core.wmem_max") == NULL)
		return 3;
	nftx_batch_free(batch);
	if (count_elements(sock) != 0)
		return 4;
	nftx_sock_close(sock);
	return 0;
}

static void says_what_limits_a_batch(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(send_too_much());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* no user namespaces here */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Changes a table of its own as fast as it can, until it is killed. */
static void disturb(void)
{
	struct nftx_sock *sock;

	/* also when the test fails */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || nftx_sock_open(&sock, NULL) < 0)
		_exit(1);
	for (uint32_t i = 0;; i++) {
		struct nftx_batch *batch = nftx_batch_new();
		struct nlmsghdr *msg =
			nftx_batch_msg(batch, NFT_MSG_NEWTABLE, NFPROTO_IPV4, NLM_F_CREATE);

		mnl_attr_put_strz(msg, NFTA_TABLE_NAME, "neighbour");
		mnl_attr_put_u32(msg, NFTA_TABLE_FLAGS, htonl(i % 2)); /* asleep, awake */
		nftx_batch_msg_end(batch);
		nftx_batch_end(batch, true);
		if (nftx_sock_commit(sock, batch, NULL) < 0)
			_exit(1);
		nftx_batch_free(batch);
	}
}

/* A dump that somebody disturbed leaves nothing behind that would be taken for the next answer. */
static void outlives_disturbed_dumps(void **state)
{
	struct nftx_batch *batch = make_tables();
	struct nftx_chains chains;
	struct nftx_sock *sock;
	struct err err = { 0 };
	int disturbed = 0;
	int status;
	pid_t pid;

	(void)state;
	netns_enter();
	assert_int_equal(nftx_sock_open(&sock, &err), 0);
	assert_int_equal(nftx_sock_commit(sock, batch, &err), 0);
	nftx_batch_free(batch);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		disturb();
	for (int i = 0; i < 2000 && disturbed < 5; i++) {
		struct nftx_table table;
		int ret = nftx_sock_chains(sock, 4, &chains, &err);

		if (ret == 0)
			free(chains.list);
		else if (ret != -EINTR)
			fail_msg("%s", err.msg);
		disturbed += ret != 0;
		assert_int_equal(nftx_sock_table(sock, 4, NFTX_TABLE, &table, &err), 0);
		assert_true(table.exists);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	print_message("  given up %d times\n", disturbed);
	assert_int_equal(nftx_sock_chains(sock, 4, &chains, &err), 0);
	assert_true(chains.count > 0);
	free(chains.list);
	nftx_sock_close(sock);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_that_the_kernel_has_no_nf_tables),
		cmocka_unit_test(says_that_privilege_is_missing),
		cmocka_unit_test(explains),
		cmocka_unit_test(finds_nothing),
		cmocka_unit_test(outlives_disturbed_dumps),
		cmocka_unit_test(survives_lost_answers),
		cmocka_unit_test(says_what_limits_a_batch),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/sock", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening the socket where it cannot work: the daemon says why and leaves.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/seccomp.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_that_the_kernel_has_no_nf_tables),
		cmocka_unit_test(says_that_privilege_is_missing),
		cmocka_unit_test(explains),
		cmocka_unit_test(finds_nothing),
	};

	netns_enter();
	return cmocka_run_group_tests_name("nft/sock", tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon may still do once it is confined, by doing it: each test in a
 * child of its own, for none of it can be undone.
 */
#include "cmd/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/privilege.h"
#include "test/kernel/netns.h"
#include "test/unit/test.h"

#define FILE_NAME "test_cmd_syscall_filter.tmp"

/* errno, or 0. */
static int error_of(long ret)
{
	return ret < 0 ? errno : 0;
}

static int opened(int fd)
{
	int code = error_of(fd);

	if (fd >= 0)
		(void)close(fd);
	return code;
}

/* ---- What is refused -------------------------------------------------------------------------- */

static int run_program(void)
{
	char *argv[] = { NULL };

	return error_of(execve("/nothing/of/this/name", argv, argv));
}

static int run_program_at(void)
{
	return error_of(syscall(SYS_execveat, -1, "/nothing/of/this/name", NULL, NULL, 0));
}

static int make_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	return error_of(pid);
}

static int make_process_by_structure(void)
{
	return error_of(syscall(SYS_clone3, NULL, 0));
}

static int trace(void)
{
	return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int mount_something(void)
{
	return error_of(mount("none", "/nothing/of/this/name", "tmpfs", 0, NULL));
}

static int leave_namespace(void)
{
	return error_of(unshare(CLONE_NEWNS));
}

static int load_program(void)
{
	return error_of(syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0));
}

static int signal_others(void)
{
	return error_of(kill(getppid(), 0));
}

static int make_anonymous_file(void)
{
	return opened((int)syscall(SYS_memfd_create, "x", 0));
}

static int read_memory_of_others(void)
{
	return error_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int raise_limit(void)
{
	struct rlimit limit;

	return error_of(getrlimit(RLIMIT_NOFILE, &limit) + setrlimit(RLIMIT_NOFILE, &limit));
}

static int become_undumpable(void)
{
	return error_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int packet_socket(void)
{
	return opened(socket(AF_PACKET, SOCK_RAW, 0));
}

static int raw_socket(void)
{
	return opened(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int local_socket(void)
{
	return opened(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int other_netlink(void)
{
	return opened(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT));
}

static int pair_of_datagrams(void)
{
	int pair[2];
	int code = error_of(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));

	if (code == 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
	return code;
}

static int replace_iptables(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int code = error_of(setsockopt(fd, IPPROTO_IP, 64 /* IPT_SO_SET_REPLACE */, "", 0));

	(void)close(fd);
	return code;
}

static int write_file(void)
{
	return opened(open(FILE_NAME, O_WRONLY | O_CLOEXEC));
}

static int update_file(void)
{
	return opened(open(FILE_NAME, O_RDWR));
}

static int create_file(void)
{
	return opened(open(FILE_NAME ".2", O_CREAT | O_RDONLY, 0600));
}

static int empty_file(void)
{
	return opened(open(FILE_NAME, O_TRUNC | O_RDONLY));
}

static int remove_file(void)
{
	return error_of(unlink(FILE_NAME ".2"));
}

static int push_into_terminal(void)
{
	return error_of(syscall(SYS_ioctl, STDIN_FILENO, 0x5412 /* TIOCSTI */, "x"));
}

/* @by_sanitizers: builds with them let it through. */
static const struct refusal {
	const char *what;
	int (*try)(void);
	int expected;
	bool by_sanitizers;
} refusals[] = {
	{ "another program", run_program, EPERM, false },
	{ "another program, by a descriptor", run_program_at, EPERM, false },
	{ "another process", make_process, ENOSYS, true },
	{ "another process, by clone3", make_process_by_structure, ENOSYS, false },
	{ "tracing", trace, EPERM, true },
	{ "mounting", mount_something, EPERM, false },
	{ "another namespace", leave_namespace, EPERM, false },
	{ "BPF", load_program, EPERM, false },
	{ "a signal for somebody else", signal_others, EPERM, true },
	{ "a file in memory, which could be a program", make_anonymous_file, EPERM, false },
	{ "the memory of others", read_memory_of_others, EPERM, false },
	{ "another limit", raise_limit, ENOSYS, false },
	{ "prctl() but for a thread's name", become_undumpable, ENOSYS, true },
	{ "a packet socket", packet_socket, ENOSYS, false },
	{ "a raw socket", raw_socket, ENOSYS, false },
	{ "a way to other daemons", local_socket, ENOSYS, false },
	{ "another netlink", other_netlink, ENOSYS, false },
	{ "a pair of datagram sockets", pair_of_datagrams, ENOSYS, false },
	{ "tables of iptables", replace_iptables, ENOSYS, false },
	{ "writing a file", write_file, EROFS, false },
	{ "updating a file", update_file, EROFS, false },
	{ "creating a file", create_file, EROFS, false },
	{ "emptying a file", empty_file, EROFS, false },
	{ "removing a file", remove_file, ENOSYS, false },
	{ "input for a terminal", push_into_terminal, ENOSYS, false },
};

static bool is_sanitized(void)
{
#ifdef __SANITIZE_ADDRESS__
	return true;
#else
	return false;
#endif
}

/* In the child: its status is the number of complaints. */
static void confine(void)
{
	struct err err = { 0 };

	if (privilege_drop(&err) == 0 && syscall_filter_load(&err) == 0)
		return;
	(void)fprintf(stderr, "not confined: %s\n", err.msg);
	_exit(99);
}

static int status_of(int (*child)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Each is something that the kernel itself answers otherwise, else the row would prove nothing. */
static int are_refused(void)
{
	int before[ARRAY_LEN(refusals)];
	int wrong = 0;

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		before[i] = refusals[i].try == trace ? 0 : refusals[i].try();
	(void)unlink(FILE_NAME ".2");
	confine();
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct refusal *row = &refusals[i];
		int code = row->by_sanitizers && is_sanitized() ? row->expected : row->try();

		if (code == row->expected && before[i] != row->expected)
			continue;
		(void)fprintf(stderr, "%s: before '%s', confined '%s', expected '%s'\n", row->what,
		              strerrordesc_np(before[i]), strerrordesc_np(code),
		              strerrordesc_np(row->expected));
		wrong++;
	}
	return wrong;
}

static void refuses_what_only_an_intruder_needs(void **state)
{
	int fd = open(FILE_NAME, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	int status;

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	status = status_of(are_refused);
	(void)unlink(FILE_NAME);
	assert_int_equal(status, 0);
}

/* ---- What works ------------------------------------------------------------------------------- */

static int complain(const char *what, long ret)
{
	if (ret >= 0)
		return 0;
	(void)fprintf(stderr, "%s: %s\n", what, strerrordesc_np(errno));
	return 1;
}

static int resolve(const char *name)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	int code = getaddrinfo(name, "443", &hints, &found);

	if (code == 0)
		freeaddrinfo(found);
	return code;
}

static void *resolve_in_thread(void *arg)
{
	return resolve(arg) == 0 ? arg : NULL;
}

/* As libcurl does it. */
static int resolves_in_a_thread(void)
{
	static char name[] = "localhost";
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, resolve_in_thread, name) != 0 ||
	    pthread_join(thread, &result) != 0 || result == NULL) {
		(void)fprintf(stderr, "no name is resolved in a thread\n");
		return 1;
	}
	return 0;
}

static int sockets_work(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int pair[2];
	int one = 1;
	int wrong = 0;
	int fd;

	wrong += complain("TCP", fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
	wrong += complain("an option", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	wrong += complain("reuse", setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	wrong += complain("TOS", setsockopt(fd, IPPROTO_IP, IP_TOS, &one, sizeof(one)));
	wrong += complain("bind", bind(fd, (struct sockaddr *)&any, sizeof(any)));
	wrong += complain("listen", listen(fd, 1));
	wrong += complain("TCP, IPv6", socket(AF_INET6, SOCK_STREAM, 0));
	wrong += complain("UDP", socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	wrong += complain("UDP, IPv6", socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP));
	wrong += complain("netlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	wrong += complain("nfnetlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
	wrong += complain("sock_diag", fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG));
	wrong += complain("force", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &one, sizeof(one)));
	wrong += complain("a pair", socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	return wrong;
}

static int need_works(void)
{
	struct rlimit limit;
	int wrong = 0;

	confine();
	wrong += complain("reading", open("/proc/self/status", O_RDONLY | O_CLOEXEC));
	wrong += complain("a directory", open("/proc", O_RDONLY | O_DIRECTORY));
	wrong += complain("inotify", inotify_init1(IN_CLOEXEC));
	wrong += complain("epoll", epoll_create1(EPOLL_CLOEXEC));
	wrong += complain("a timer", timerfd_create(CLOCK_MONOTONIC, 0));
	wrong += complain("a limit", getrlimit(RLIMIT_NOFILE, &limit));
	wrong += complain("a thread's name", prctl(PR_SET_NAME, "x"));
	free(xmalloc(64u << 20));
	return wrong + sockets_work() + resolves_in_a_thread();
}

static void lets_the_daemon_do_its_work(void **state)
{
	(void)state;
	assert_int_equal(status_of(need_works), 0);
}

/* ---- The rest --------------------------------------------------------------------------------- */

struct waiting {
	pthread_barrier_t go;
	int code;
};

static void *try_later(void *arg)
{
	struct waiting *waiting = arg;

	(void)pthread_barrier_wait(&waiting->go);
	waiting->code = run_program();
	return NULL;
}

static int is_for_all_threads(void)
{
	struct waiting waiting = { .code = 0 };
	pthread_t thread;

	if (pthread_barrier_init(&waiting.go, NULL, 2) != 0 ||
	    pthread_create(&thread, NULL, try_later, &waiting) != 0)
		return 1;
	confine();
	(void)pthread_barrier_wait(&waiting.go);
	return pthread_join(thread, NULL) != 0 || waiting.code != EPERM;
}

static void counts_for_threads_that_are_there(void **state)
{
	(void)state;
	assert_int_equal(status_of(is_for_all_threads), 0);
}

static int end_by_abort(void)
{
	confine();
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

static void lets_a_bug_end_the_program_as_ever(void **state)
{
	int status = status_of(end_by_abort);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static int call_as_x32(void)
{
	confine();
	return (int)syscall(0x40000000 | SYS_getpid) > 0;
}

static void ends_what_calls_by_another_abi(void **state)
{
	int status;

	(void)state;
#ifndef __x86_64__
	skip();
#endif
	status = status_of(call_as_x32);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* Are these lines of /proc/self/status so? */
static int is_humble(void)
{
	static const char *const lines[] = {
		"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000001000\n",
		"CapEff:\t0000000000001000\n", "CapBnd:\t0000000000001000\n",
		"CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n",
	};
	char text[8192] = "";
	int wrong = 0;
	FILE *file;

	if (privilege_drop(NULL) < 0 || (file = fopen("/proc/self/status", "re")) == NULL)
		return 1;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		if (strstr(text, lines[i]) == NULL) {
			(void)fprintf(stderr, "not so: %s", lines[i]);
			wrong++;
		}
	return wrong;
}

static void keeps_one_capability(void **state)
{
	(void)state;
	assert_int_equal(status_of(is_humble), 0);
}

static int is_refused_as_nobody(void)
{
	struct err err = { 0 };
	int ret;

	if (setresuid(65534, 65534, 65534) < 0)
		return 1;
	ret = syscall_filter_load(&err);
	(void)fprintf(stderr, "  %s\n", err.msg);
	return ret != -EACCES || run_program() != ENOENT;
}

static void says_why_it_cannot_be_put_into_force(void **state)
{
	(void)state;
	assert_int_equal(status_of(is_refused_as_nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_only_an_intruder_needs),
		cmocka_unit_test(lets_the_daemon_do_its_work),
		cmocka_unit_test(counts_for_threads_that_are_there),
		cmocka_unit_test(lets_a_bug_end_the_program_as_ever),
		cmocka_unit_test(ends_what_calls_by_another_abi),
		cmocka_unit_test(keeps_one_capability),
		cmocka_unit_test(says_why_it_cannot_be_put_into_force),
	};

	netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DOC: the lists
 *
 * By name, because a machine has only some of the calls: what libseccomp or the
 * architecture does not know is passed over. Those of 32 bit machines are there
 * beside the others.
 */
#include "cmd/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const allowed[] = {
#ifdef __SANITIZE_ADDRESS__
	/* LeakSanitizer stops the process at its end by another one, which traces it. */
	"clone", "ptrace", "wait4", "waitid", "prctl", "kill", "tkill", "tgkill", "pipe",
	"getdents",
#endif

	/* descriptors, the event loop */
	"read", "readv", "pread64", "write", "writev", "close", "lseek", "_llseek", "fcntl",
	"fcntl64", "dup", "pipe2", "poll", "ppoll", "ppoll_time64", "select", "_newselect",
	"pselect6", "pselect6_time64", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2", "signalfd4", "timerfd_create", "timerfd_settime",
	"timerfd_settime64", "timerfd_gettime", "timerfd_gettime64",

	/* files, which are only read */
	"access", "faccessat", "faccessat2", "stat", "stat64", "lstat", "lstat64", "fstat",
	"fstat64", "newfstatat", "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64",
	"readlink", "readlinkat", "getdents64", "getcwd", "fadvise64", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch",

	/* sockets that are there */
	"bind", "connect", "listen", "accept", "accept4", "getsockname", "getpeername",
	"getsockopt", "shutdown", "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom",
	"recvmsg", "recvmmsg", "recvmmsg_time64",

	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",

	/* threads, signals, the end */
	"futex", "futex_time64", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity",
	"membarrier", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack",
	"restart_syscall", "exit", "exit_group",

	/* time, and who and where we are */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	"clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times",
	"getrusage", "getrlimit", "ugetrlimit", "getpid", "getppid", "gettid", "getuid", "getuid32",
	"geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getcpu", "getrandom",
	"sysinfo", "uname"
};

/* Of use only to an intruder: a sentence of the C library that says so, not that the kernel is old. */
static const char *const forbidden[] = {
	/* other programs and processes */
	"execve", "execveat", "fork", "vfork", "kill", "tkill", "ptrace", "process_vm_readv",
	"process_vm_writev", "pidfd_open", "pidfd_getfd", "memfd_create",

	/* other views of the machine, and ways around this filter */
	"mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsmount", "move_mount",
	"open_tree", "mount_setattr", "unshare", "setns", "open_by_handle_at", "capset", "bpf",
	"perf_event_open", "io_uring_setup", "userfaultfd",

	/* the machine itself */
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"add_key", "request_key", "keyctl", "settimeofday", "clock_settime", "adjtimex",
	"clock_adjtime", "sethostname"
};

/* The kernel takes an int from the lower half of a register; what is above is nobody's. */
#define BITS(number, mask, value)                              \
	{                                                      \
		(number), SCMP_CMP_MASKED_EQ, (mask), (value), \
	}
#define IS(arg, value) BITS(arg, UINT32_MAX, value)
#define TYPE(value) BITS(1, 0xf, value) /* of a socket; the rest is SOCK_CLOEXEC and the like */

#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
#ifdef __s390__
#	define CLONE_FLAGS 1
#else
#	define CLONE_FLAGS 0
#endif
/* From 64 on, options of IP and IPv6 are iptables' (IPT_SO_SET_REPLACE and others). */
#define NOT_IPTABLES BITS(2, ~63u, 0)

/* What depends on arguments: allowed when all of them are so, or an error then. */
static const struct rule {
	const char *name;
	int error;
	unsigned count;
	struct scmp_arg_cmp args[2];
} rules[] = {
	{ "open", 0, 1, { BITS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) } },
	{ "open", EROFS, 1, { BITS(1, O_WRONLY, O_WRONLY) } },
	{ "open", EROFS, 1, { BITS(1, O_RDWR, O_RDWR) } },
	{ "open", EROFS, 1, { BITS(1, O_CREAT, O_CREAT) } },
	{ "open", EROFS, 1, { BITS(1, O_TRUNC, O_TRUNC) } },
	{ "openat", 0, 1, { BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY) } },
	{ "openat", EROFS, 1, { BITS(2, O_WRONLY, O_WRONLY) } },
	{ "openat", EROFS, 1, { BITS(2, O_RDWR, O_RDWR) } },
	{ "openat", EROFS, 1, { BITS(2, O_CREAT, O_CREAT) } },
	{ "openat", EROFS, 1, { BITS(2, O_TRUNC, O_TRUNC) } },

	{ "socket", 0, 2, { IS(0, AF_INET), TYPE(SOCK_STREAM) } },
	{ "socket", 0, 2, { IS(0, AF_INET), TYPE(SOCK_DGRAM) } },
	{ "socket", 0, 2, { IS(0, AF_INET6), TYPE(SOCK_STREAM) } },
	{ "socket", 0, 2, { IS(0, AF_INET6), TYPE(SOCK_DGRAM) } },
	{ "socket", 0, 2, { IS(0, AF_NETLINK), IS(2, NETLINK_ROUTE) } },
	{ "socket", 0, 2, { IS(0, AF_NETLINK), IS(2, NETLINK_NETFILTER) } },
	{ "socket", 0, 2, { IS(0, AF_NETLINK), IS(2, NETLINK_SOCK_DIAG) } },
	/* not of datagrams: one of those can be connected to somebody else */
	{ "socketpair", 0, 2, { IS(0, AF_UNIX), TYPE(SOCK_STREAM) } },
	{ "socketpair", 0, 2, { IS(0, AF_UNIX), TYPE(SOCK_SEQPACKET) } },
	{ "setsockopt", 0, 1, { IS(1, SOL_SOCKET) } },
	{ "setsockopt", 0, 1, { IS(1, SOL_NETLINK) } },
	{ "setsockopt", 0, 1, { IS(1, IPPROTO_TCP) } },
	{ "setsockopt", 0, 2, { IS(1, IPPROTO_IP), NOT_IPTABLES } },
	{ "setsockopt", 0, 2, { IS(1, IPPROTO_IPV6), NOT_IPTABLES } },

	{ "clone", 0, 1, { BITS(CLONE_FLAGS, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD) } },
	{ "prctl", 0, 1, { IS(0, PR_SET_NAME) } },
	{ "prctl", 0, 1, { IS(0, PR_GET_NAME) } },
	{ "ioctl", 0, 1, { IS(1, FIONREAD) } },
	{ "ioctl", 0, 1, { IS(1, FIONBIO) } },
	{ "ioctl", 0, 1, { IS(1, TCGETS) } },
	{ "prlimit64", 0, 1, { { 2, SCMP_CMP_EQ, 0, 0 } } }, /* asks, sets nothing */
};

static bool is_allowed(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		if (strcmp(allowed[i], name) == 0)
			return true;
	return false;
}

/* What the machine does not have needs no rule. */
static int add(scmp_filter_ctx filter, int error, const char *name, unsigned count,
               const struct scmp_arg_cmp *args)
{
	uint32_t action = error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)error);
	int number = seccomp_syscall_resolve_name(name);

	return number >= 0 ? seccomp_rule_add_array(filter, action, number, count, args) : 0;
}

static int fill(scmp_filter_ctx filter)
{
	/* abort() signals itself, and nobody else */
	const struct scmp_arg_cmp own = IS(0, (scmp_datum_t)getpid());
	int ret = 0;

	for (size_t i = 0; i < ARRAY_LEN(allowed) && ret == 0; i++)
		ret = add(filter, 0, allowed[i], 0, NULL);
	for (size_t i = 0; i < ARRAY_LEN(forbidden) && ret == 0; i++)
		if (!is_allowed(forbidden[i]))
			ret = add(filter, EPERM, forbidden[i], 0, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rules) && ret == 0; i++)
		if (!is_allowed(rules[i].name))
			ret = add(filter, rules[i].error, rules[i].name, rules[i].count,
			          rules[i].args);
	if (ret == 0 && !is_allowed("tgkill"))
		ret = add(filter, 0, "tgkill", 1, &own);
	return ret;
}

/* All threads; by way of a tree, for calls are many; and without what kernels before 5.16 did to a
 * process with a filter, as if it ran other people's code: it costs and protects nobody here. */
static int set_up(scmp_filter_ctx filter)
{
	static const struct {
		enum scmp_filter_attr attr;
		uint32_t value;
	} wanted[] = {
		{ SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS },
		{ SCMP_FLTATR_CTL_NNP, 0 },
		{ SCMP_FLTATR_CTL_TSYNC, 1 },
		{ SCMP_FLTATR_CTL_OPTIMIZE, 2 },
		{ SCMP_FLTATR_CTL_SSB, 1 },
		{ SCMP_FLTATR_API_SYSRAWRC, 1 }, /* the kernel's own error */
	};
	int ret = 0;

	for (size_t i = 0; i < ARRAY_LEN(wanted) && ret == 0; i++)
		ret = seccomp_attr_set(filter, wanted[i].attr, wanted[i].value);
	return ret;
}

int syscall_filter_load(struct err *err)
{
	scmp_filter_ctx filter;
	int ret;

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
		return err_set(err, EOPNOTSUPP, "the kernel has no seccomp");
	filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL)
		return err_set(err, ENOMEM, "seccomp: no filter");
	ret = set_up(filter);
	if (ret == 0)
		ret = fill(filter);
	if (ret == 0)
		ret = seccomp_load(filter);
	seccomp_release(filter);
	return ret < 0 ? err_set(err, -ret, "seccomp: %s", strerrordesc_np(-ret)) : 0;
}

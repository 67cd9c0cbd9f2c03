# SPDX-License-Identifier: GPL-2.0-or-later
"""What the daemon may do once it has started. That its work goes on with no more than that is what
all other tests show."""

import os
import re

import web
from daemon import until
from harness import test, test_rows
from topology import NODE, pod_address

ONE = pod_address(11, 4)

NET_ADMIN = 1 << 12
CAPABILITIES = {"CapInh": 0, "CapPrm": NET_ADMIN, "CapEff": NET_ADMIN, "CapBnd": NET_ADMIN,
                "CapAmb": 0}

NOBODY = 65534

# Runs its arguments where the kernel answers a system call with an error: the call, its first
# argument or -1, errno.
REFUSING = """
import ctypes, os, sys
class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
name, first, error = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3])
context = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))
EQUAL = 4
compare = Compare(0, EQUAL, first, 0)
number = lib.seccomp_syscall_resolve_name(name)
done = lib.seccomp_rule_add_array(context, 0x50000 | error, number, int(first >= 0),
                                  ctypes.byref(compare))
if done or lib.seccomp_load(context):
    sys.exit("no filter")
os.execvp(sys.argv[4], sys.argv[4:])
"""
PR_GET_SECCOMP, EINVAL, EPERM = 21, 22, 1


def statuses(pid):
    """The fields of /proc/PID/status of each thread."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
            lines = [line.split(":", 1) for line in file.read().splitlines()]
        found.append({name: value.strip() for name, value in lines})
    return found


def _threads_are(t, daemon, seccomp):
    threads = statuses(daemon.pid)
    for status in threads:
        t.equal(f"capabilities of {status['Name']}", CAPABILITIES,
                {name: int(status[name], 16) for name in CAPABILITIES})
        t.equal(f"{status['Name']}: no new privileges, seccomp", ("1", seccomp),
                (status["NoNewPrivs"], status["Seccomp"]))
    return [status["Name"] for status in threads]


def _said(daemon):
    line = daemon.wait_log('"confined"')
    return dict(re.findall(r'(\w+)="([^"]*)"', line))


@test(quick=True)
def every_thread_has_one_capability_and_a_filter_of_system_calls(t):
    daemon = t.run(*t.web([ONE]))
    names = _threads_are(t, daemon, seccomp="2")
    t.true("the relay of connection tracking's dumps is among them", "kubenft-relay" in names,
           *names)
    t.equal("what is said", {"capabilities": "CAP_NET_ADMIN", "no_new_privs": "on",
                             "seccomp": "on"}, _said(daemon))
    t.equal("complaints", [], daemon.complaints())


@test()
def the_filter_can_be_turned_off(t):
    daemon = t.run(*t.web([ONE]), run_args=("--seccomp=false",))
    _threads_are(t, daemon, seccomp="0")
    t.equal("what is said", "off", _said(daemon)["seccomp"])


@test()
def the_filter_can_be_turned_off_in_the_file(t):
    path = os.path.join(t.directory, "config.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("apiVersion: kubenft.io/v1alpha1\nkind: KubenftConfiguration\nseccomp: false\n")
    daemon = t.run(*t.web([ONE]), run_args=("--config", path), cidrs=())
    _threads_are(t, daemon, seccomp="0")


@test_rows([("a_kernel_without_seccomp", "prctl", PR_GET_SECCOMP, EINVAL,
             "system calls are not limited", {"capabilities": "CAP_NET_ADMIN", "seccomp": "off"}),
            ("a_container_that_forbids_seccomp", "seccomp", -1, EPERM,
             "system calls are not limited", {"capabilities": "CAP_NET_ADMIN", "seccomp": "off"}),
            ("a_container_that_forbids_capset", "capset", -1, EPERM,
             "privileges are not dropped", {"capabilities": "all kept", "seccomp": "on"})],
           "{}_is_said_once_and_the_work_goes_on")
def cannot_be_confined(t, _, call, first, error, words, said):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece, prefix=("python3", "-c", REFUSING, call, str(first),
                                           str(error)))
    complaints = daemon.complaints()
    t.true(f"one line says '{words}'", len(complaints) == 1 and words in complaints[0],
           *complaints)
    t.equal("what is in force", said, {name: _said(daemon)[name] for name in said})
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_file_that_only_another_user_may_read_is_refused_and_named(t):
    t.write(*t.web([ONE]))
    os.chmod(t.source, 0o600)
    os.chown(t.source, NOBODY, NOBODY)
    daemon = t.start()
    line = daemon.wait_log('"not started"')
    until(lambda: not daemon.is_running(), "the end")
    daemon.stopped = True
    t.true("file and reason", t.source in line and "Permission denied" in line, line)
    os.chown(t.source, 0, 0)
    t.run()


@test()
def a_port_below_1024_is_opened_at_the_start(t):
    t.run(*t.web([ONE]), run_args=("--healthz-bind-address", f"{NODE[4]}:81"))
    t.equal("/livez", 200, web.Port(t.node, NODE[4], 81).get("/livez").status)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces without names.

A namespace lives as long as the file descriptor that this process holds, or a
process or socket inside it. Nothing is left in /run/netns, so nothing can be
left behind: when the run ends, in whatever way, the kernel takes it all down.
"""

import ctypes
import os
import signal
import subprocess

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_HOME = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class NotPermitted(Exception):
    """This machine does not let us make namespaces or set their sysctls."""


def _call(function, *args):
    if function(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function.__name__}: {os.strerror(code)}")


def die_with_parent():
    """For a child, between fork and exec: do not outlive the run."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Namespace:
    """Use as a context manager: sockets and processes made inside belong to it."""

    def __init__(self, name):
        self.name = name
        self._next_port = 33000
        try:
            _call(_libc.unshare, CLONE_NEWNET)
        except OSError as error:
            raise NotPermitted(f"cannot make a network namespace: {error}") from error
        try:
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _call(_libc.setns, _HOME, CLONE_NEWNET)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        self._settle_down()

    def __enter__(self):
        _call(_libc.setns, self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        _call(_libc.setns, _HOME, CLONE_NEWNET)

    def __repr__(self):
        return self.name

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def next_port(self):
        """A source port that was not used lately, for UDP and SCTP: what conntrack remembers of an
        earlier connection must not decide about a new one."""
        port = self._next_port
        self._next_port = 33000 if port >= 65000 else port + 1
        return port

    def ip(self, *commands):
        """Run ip(8) commands, one per string."""
        with self:
            done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n",
                                  text=True, capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: ip: {done.stderr.strip()}")

    def sysctl(self, **values):
        """Set sysctls below net/; a name has "__" for a slash."""
        with self:
            for name, value in values.items():
                path = "/proc/sys/net/" + name.replace("__", "/")
                try:
                    with open(path, "w", encoding="ascii") as file:
                        file.write(str(value))
                except OSError as error:
                    raise NotPermitted(f"cannot set {path}: {error.strerror}") from error

    def command(self, *argv, **kwargs):
        """Run a command inside; like subprocess.run(), with output captured as text."""
        kwargs.setdefault("capture_output", True)
        kwargs.setdefault("text", True)
        kwargs.setdefault("check", False)
        with self:
            return subprocess.run(argv, **kwargs)

    def _settle_down(self):
        # Addresses usable at once, no surprises from router advertisements and redirects,
        # ICMP errors not rationed: a test asks for more of them than a client would.
        self.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                    ipv6__conf__default__accept_ra=0, ipv6__conf__default__accept_redirects=0,
                    ipv4__conf__all__accept_redirects=0, ipv4__conf__default__accept_redirects=0,
                    ipv4__conf__all__send_redirects=0, ipv4__conf__default__send_redirects=0,
                    ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
                    ipv4__icmp_ratemask=0, ipv6__icmp__ratemask="\n")

    def make_router(self):
        self.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)

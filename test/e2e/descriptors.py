# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets of another process, as sockets of ours; and what can be done to them."""

import contextlib
import ctypes
import errno
import os
import socket

from daemon import Skip

_PIDFD_GETFD = 438
_FORCED = {socket.SO_SNDBUF: 32, socket.SO_RCVBUF: 33}  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
_NETLINK_NETFILTER = "12"

_libc = ctypes.CDLL(None, use_errno=True)


def _netlink_inodes(pid):
    """{inode: port id} of its sockets that speak with netfilter."""
    with open(f"/proc/{pid}/net/netlink", encoding="ascii") as file:
        lines = [line.split() for line in list(file)[1:]]
    return {fields[9]: int(fields[2]) for fields in lines if fields[1] == _NETLINK_NETFILTER}


def _socket_inode(pid, name):
    """Of a descriptor; None when it is no socket, or not open any more."""
    try:
        target = os.readlink(f"/proc/{pid}/fd/{name}")
    except FileNotFoundError:
        return None
    return target[8:-1] if target.startswith("socket:[") else None


@contextlib.contextmanager
def netlink_sockets(pid):
    """Meanwhile, {port id: socket} of the sockets through which a process speaks with netfilter.

    What is done to these is done to the process's own. It must not end before they are closed:
    they keep what it owns.
    """
    inodes = _netlink_inodes(pid)
    pidfd = os.pidfd_open(pid)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, pidfd)
        found = {}
        for name in os.listdir(f"/proc/{pid}/fd"):
            inode = _socket_inode(pid, name)
            if inode not in inodes:
                continue
            fd = _libc.syscall(_PIDFD_GETFD, pidfd, int(name), 0)
            if fd >= 0:
                found[inodes[inode]] = stack.enter_context(socket.socket(fileno=fd))
            elif ctypes.get_errno() != errno.EBADF:  # else it was closed since
                raise Skip(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
        yield found


class SmallBuffers:
    """A process's netlink sockets, with buffers of the kernel's smallest size: a batch of some
    kilobytes, a second answer or notice has no room. Nothing keeps the sockets open meanwhile."""

    def __init__(self, pid, *options):
        """@options: socket.SO_SNDBUF and socket.SO_RCVBUF, or one of both."""
        self.pid = pid
        self._before = {}
        with netlink_sockets(pid) as sockets:
            for port, sock in sockets.items():
                for option in options:
                    size = sock.getsockopt(socket.SOL_SOCKET, option) // 2  # the kernel doubles it
                    self._before[port, option] = size
                    sock.setsockopt(socket.SOL_SOCKET, option, 1)

    def end(self):
        """The buffers are as they were. The process must be the same still."""
        with netlink_sockets(self.pid) as sockets:
            for (port, option), size in self._before.items():
                if port not in sockets:
                    continue
                try:
                    sockets[port].setsockopt(socket.SOL_SOCKET, _FORCED[option], size)
                except PermissionError:
                    sockets[port].setsockopt(socket.SOL_SOCKET, option, size)

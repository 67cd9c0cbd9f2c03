# SPDX-License-Identifier: GPL-2.0-or-later
"""The sockets of another process, as sockets of ours."""

import contextlib
import ctypes
import errno
import os
import socket

from daemon import Skip

_PIDFD_GETFD = 438
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

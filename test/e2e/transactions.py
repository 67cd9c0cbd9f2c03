# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own word on who committed what: nf_tables' generation notices. And transactions of
our own, thousands in a second."""

import random
import select
import socket
import struct
import time
from collections import namedtuple

_NETLINK_NETFILTER = 12
_NFNLGRP_NFTABLES = 7
_SOL_NETLINK = 270
_NETLINK_ADD_MEMBERSHIP = 1
_SO_RCVBUFFORCE = 33

_NEWGEN = 10 << 8 | 15
_GEN_PROC_PID = 2
_GEN_PROC_NAME = 3

_NLM_F_REQUEST, _NLM_F_CREATE = 0x1, 0x400
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _NEWCHAIN, _DELCHAIN, _NEWSETELEM = (10 << 8 | kind for kind in (0, 3, 5, 12))
_NESTED = 0x8000

# at: time.monotonic() when it was read.
Transaction = namedtuple("Transaction", "pid process at messages")


def _attributes(data):
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        yield kind & 0x3FFF, data[offset + 4:offset + length]
        offset += max(length + 3 & ~3, 4)


class Listener:
    """Hears every transaction in a namespace from now on."""

    def __init__(self, namespace):
        with namespace:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                      _NETLINK_NETFILTER)
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, option, 16 << 20)
                break
            except PermissionError:
                pass
        self.sock.bind((0, 0))
        self.sock.setsockopt(_SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, _NFNLGRP_NFTABLES)
        self.seen = []
        self._messages = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def _drain(self):
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except BlockingIOError:
                return
            offset = 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == _NEWGEN:
                    self._note(data[offset + 20:offset + length])
                else:
                    self._messages += 1
                offset += length + 3 & ~3

    def _note(self, payload):
        fields = dict(_attributes(payload))
        pid = struct.unpack("!I", fields[_GEN_PROC_PID])[0]
        process = fields[_GEN_PROC_NAME].rstrip(b"\0").decode()
        self.seen.append(Transaction(pid, process, time.monotonic(), self._messages))
        self._messages = 0

    def of(self, pid):
        """The transactions of one process so far."""
        self._drain()
        return [t for t in self.seen if t.pid == pid]

    def wait(self, pid, count=1, patience=10.0):
        """Wait until @pid has made @count transactions; returns them."""
        deadline = time.monotonic() + patience
        while True:
            done = self.of(pid)
            left = deadline - time.monotonic()
            if len(done) >= count or left <= 0:
                return done
            select.select([self.sock], [], [], left)


def _pad(data):
    return data + b"\0" * (-len(data) % 4)


def _attribute(kind, data):
    return _pad(struct.pack("=HH", 4 + len(data), kind) + data)


def _message(kind, flags, family, resource, data=b""):
    body = struct.pack("!BBH", family, 0, resource) + data
    return struct.pack("=IHHII", 16 + len(body), kind, flags | _NLM_F_REQUEST, 0, 0) + body


def _batch(*messages):
    return b"".join([_message(_BATCH_BEGIN, 0, 0, 10), *messages, _message(_BATCH_END, 0, 0, 10)])


class Writer:
    """Commits what nft would take a process for."""

    def __init__(self, namespace):
        with namespace:
            self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self.sock.bind((0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def toggle(self, table, count=1):
        """@count transactions: a table that has no chains goes to sleep, awakes, ..."""
        batches = [_batch(_message(_NEWTABLE, _NLM_F_CREATE, 2, 0,
                                   _attribute(1, table.encode() + b"\0") +
                                   _attribute(2, struct.pack("!I", flags)))) for flags in (1, 0)]
        for i in range(count):
            self.sock.send(batches[i % 2])

    def toggle_chain(self, table, chain):
        """Two transactions, if they are allowed: an IPv4 table gets a chain and loses it."""
        names = _attribute(1, table.encode() + b"\0") + _attribute(3, chain.encode() + b"\0")
        for kind, flags in ((_NEWCHAIN, _NLM_F_CREATE), (_DELCHAIN, 0)):
            self.sock.send(_batch(_message(kind, flags, 2, 0, names)))
            self.pause()

    def pause(self):
        """Some milliseconds, any."""
        time.sleep(random.uniform(0, 0.004))


def add_address(sock, table, name, address):
    """Add an IPv4 address to a set, in a transaction of the owner of @sock, whoever that is."""
    key = _attribute(1 | _NESTED, _attribute(1, socket.inet_aton(address)))
    element = _attribute(1 | _NESTED, key)
    sock.send(_batch(_message(_NEWSETELEM, _NLM_F_CREATE, 2, 0,
                              _attribute(1, table.encode() + b"\0") +
                              _attribute(2, name.encode() + b"\0") +
                              _attribute(3 | _NESTED, element))))

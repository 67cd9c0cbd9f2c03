# SPDX-License-Identifier: GPL-2.0-or-later
"""A constant rate of new connections, from processes of their own."""

import errno
import os
import pickle
import selectors
import signal
import socket
import struct
import time
from collections import namedtuple

import probes
import servers
from netns import die_with_parent

# How long a connection may take. A SYN or an answer that was dropped is not seen by that alone
# (it is sent again), so TCP's own count of what it sent again is looked at, too.
PATIENCE = 3.0

# Times of time.monotonic(); resent: segments that TCP sent again; word: of a datagram.
Visit = namedtuple("Visit", "job began ended outcome backend resent word")

_TICK = 0.01
_TCP_INFO_TOTAL_RETRANS = 100  # offset in struct tcp_info


def _resent(sock):
    if sock.type != socket.SOCK_STREAM:
        return 0
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, _TCP_INFO_TOTAL_RETRANS)[0]


class _Client:
    """One process's part: @rate connections a second, to @jobs in turn."""

    def __init__(self, jobs, rate, stop):
        self.jobs, self.rate, self.stop = jobs, rate, stop
        self.selector = selectors.DefaultSelector()
        self.visits = []
        self.started = 0

    def loop(self):
        began = time.monotonic()
        stopping = False
        while not stopping or self.selector.get_map():
            now = time.monotonic()
            stopping = stopping or os.path.exists(self.stop)
            if not stopping:
                self._start(int((now - began) * self.rate) - self.started)
            self._collect(_TICK if self.selector.get_map() else 0)
            self._expire()
            if not self.selector.get_map():
                time.sleep(_TICK)  # until the next connection is due
        return self.visits

    def _start(self, count):
        # After a pause of the machine, no burst that makes up for it.
        self.started += max(count - 200, 0)
        for _ in range(min(count, 200)):
            index = self.started % len(self.jobs)
            self.started += 1
            began = time.monotonic()
            word = b"%s%d-%d" % (servers.MARK, os.getpid(), self.started)
            attempt = probes.start(self.jobs[index]._replace(word=word))
            if attempt.done is not None:
                self._finish((index, began, attempt, word), attempt.done)
                continue
            self.selector.register(attempt.sock, selectors.EVENT_READ,
                                   (index, began, attempt, word))

    def _finish(self, visit, result):
        index, began, attempt, word = visit
        self.visits.append(Visit(index, began, time.monotonic(), result.outcome, result.backend,
                                 _resent(attempt.sock), word.decode()))
        attempt.sock.close()

    def _collect(self, wait):
        for key, _ in self.selector.select(wait):
            result = key.data[2].on_readable()
            if result is not None:
                self.selector.unregister(key.fileobj)
                self._finish(key.data, result)

    def _expire(self):
        now = time.monotonic()
        for key in list(self.selector.get_map().values()):
            if now - key.data[1] > PATIENCE:
                self.selector.unregister(key.fileobj)
                self._finish(key.data, probes.failure(errno.ETIMEDOUT))


def _run_child(jobs, rate, stop, writing):
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    status = 1
    try:
        with jobs[0].namespace:
            visits = _Client(jobs, rate, stop).loop()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump([tuple(visit) for visit in visits], pipe)
        status = 0
    finally:
        os._exit(status)


class Load:
    """As a context manager: connections are made inside; visits() afterwards."""

    def __init__(self, directory, groups):
        """@groups: (jobs of one namespace, connections a second), a process for each."""
        self.stop_path = os.path.join(directory, "stop")
        self.groups = groups
        self.children = []
        self._visits = []

    def __enter__(self):
        for jobs, rate in self.groups:
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(reading)
                _run_child(jobs, rate, self.stop_path, writing)
            os.close(writing)
            self.children.append((pid, reading, jobs))
        return self

    def __exit__(self, *_):
        with open(self.stop_path, "w", encoding="ascii"):
            pass
        for pid, reading, jobs in self.children:
            with os.fdopen(reading, "rb") as pipe:
                data = pipe.read()
            os.waitpid(pid, 0)
            if not data:
                raise RuntimeError("a client process failed")
            self._visits += [Visit(jobs[visit[0]], *visit[1:]) for visit in pickle.loads(data)]

    def visits(self):
        return self._visits


def arrivals(path):
    """{word: (backend, when it had answered)} of the datagrams that arrived, as servers note it."""
    with open(path, encoding="ascii") as notes:
        return {word: (backend, float(at))
                for word, backend, at in (line.split() for line in notes)}

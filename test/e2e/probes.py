# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients: connect from a namespace to an address, and tell what happened."""

import errno
import itertools
import os
import select
import selectors
import socket
import struct
import time
from collections import namedtuple

# Long where an answer is expected (a lost SYN is sent again after a second), short where
# silence is the answer: there it is always waited for to the end.
PATIENCE = 5.0
SILENCE = 0.4

IP_RECVERR = 11
IPV6_RECVERR = 25
IP_FREEBIND = 15
IPV6_FREEBIND = 78

WINDOW = 256  # connections at a time

ANSWERED = "answered"
REFUSED = "refused"  # a reset, or ICMP port unreachable
PROHIBITED = "prohibited"  # EPERM: refused or dropped on the way out of this very machine
UNREACHABLE = "unreachable"  # ICMP, another one: the packet left the node; UDP hears it at once
TIMEOUT = "timeout"


# A connection to be made. protocol: a key of _KINDS; source: the client's address, None: any;
# word: what a datagram says, without blanks.
Job = namedtuple("Job", "namespace protocol address port source word", defaults=(None, b"?"))


class Result(namedtuple("Result", "outcome backend port source")):
    """backend, port: who answered; source: the client's address as seen there."""

    def __str__(self):
        if self.outcome != ANSWERED:
            return self.outcome
        return f"answered by {self.backend} port {self.port}, which saw source {self.source}"


_OUTCOMES = {
    errno.ECONNREFUSED: REFUSED,
    errno.EPERM: PROHIBITED,
    errno.ENETUNREACH: UNREACHABLE,
    errno.EHOSTUNREACH: UNREACHABLE,
    errno.ETIMEDOUT: TIMEOUT,
    errno.ECONNRESET: REFUSED,
}


def family_of(address):
    return 6 if ":" in address else 4


def _socket_family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def failure(code):
    return Result(_OUTCOMES.get(code, errno.errorcode.get(code, str(code))), None, None, None)


def _parse(data, skip=0):
    local, port, peer, _ = data.decode().split()[skip:]
    return Result(ANSWERED, local, int(port), peer)


def _allow_any_source(sock):
    """Let bind() take an address that only a route makes ours."""
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)


class _Tcp:
    def __init__(self, job):
        address, port = job.address, job.port
        self.sock = socket.socket(_socket_family(address),
                                  socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if job.source:
            _allow_any_source(self.sock)
            self.sock.bind((job.source, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.data = b""
        code = self.sock.connect_ex((address, port))
        self.done = None if code in (0, errno.EINPROGRESS) else failure(code)

    def on_readable(self):
        try:
            chunk = self.sock.recv(256)
        except BlockingIOError:
            return None
        except OSError as error:
            return failure(error.errno)
        self.data += chunk
        if self.data.endswith(b"\n"):
            return _parse(self.data)
        return None if chunk else failure(errno.ECONNRESET)


class _Udp:
    def __init__(self, job):
        address = job.address
        self.sock = socket.socket(_socket_family(address),
                                  socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.done = None
        if job.source:
            _allow_any_source(self.sock)
        while True:
            try:
                self.sock.bind((job.source or "", job.namespace.next_port()))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        # Without it, only "port unreachable" would be heard of.
        if family_of(address) == 4:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        try:
            self._send((address, job.port), job.word)
        except OSError as error:
            self.done = failure(error.errno)

    def _send(self, target, word):
        self.sock.connect(target)
        self.sock.send(word)

    def on_readable(self):
        try:
            return _parse(self.sock.recv(256), skip=1)
        except BlockingIOError:
            return None
        except OSError as error:
            return failure(error.errno)


class _UdpOpen(_Udp):
    """Takes an answer from any address: one that has not come back the way the question went."""

    def _send(self, target, word):
        self.sock.sendto(word, target)


def _echo_request(family):
    """An ICMP echo request; of IPv6, the kernel fills in the checksum."""
    if family == 6:
        return struct.pack("!BBHHH", 128, 0, 0, 1, 1)
    return struct.pack("!BBHHH", 8, 0, 0xffff - (0x0800 + 1 + 1), 1, 1)


class _Icmp:
    """Whoever answers an echo request is the backend, at port 0."""

    def __init__(self, job):
        family = family_of(job.address)
        self.done = None
        self.skip, self.reply = (20, 0) if family == 4 else (0, 129)
        self.sock = socket.socket(
            _socket_family(job.address), socket.SOCK_RAW | socket.SOCK_NONBLOCK,
            socket.IPPROTO_ICMP if family == 4 else socket.IPPROTO_ICMPV6)
        try:
            self.sock.connect((job.address, 0))
            self.sock.send(_echo_request(family))
        except OSError as error:
            self.done = failure(error.errno)

    def on_readable(self):
        try:
            data, peer = self.sock.recvfrom(256)
        except BlockingIOError:
            return None
        except OSError as error:
            return failure(error.errno)
        if data[self.skip] != self.reply:
            return None
        return Result(ANSWERED, peer[0], 0, None)


_KINDS = {"tcp": _Tcp, "udp": _Udp, "udp-open": _UdpOpen, "icmp": _Icmp}


def start(job):
    """Begin a connection, inside job.namespace; it has sock, done and on_readable()."""
    return _KINDS[job.protocol](job)


def _start_some(jobs, started, results, selector, patience):
    """Begin with jobs[started] and those behind it in the same namespace; returns how many."""
    first = started
    namespace = jobs[started].namespace
    with namespace:
        while started < len(jobs) and len(selector.get_map()) < WINDOW and \
                jobs[started].namespace is namespace:
            attempt = start(jobs[started])
            if attempt.done is None:
                selector.register(attempt.sock, selectors.EVENT_READ,
                                  (started, attempt, time.monotonic() + patience))
            else:
                attempt.sock.close()
                results[started] = attempt.done
            started += 1
    return started - first


def _collect(selector, results):
    for key, _ in selector.select(0.02):
        index, attempt, _ = key.data
        result = attempt.on_readable()
        if result is not None:
            selector.unregister(attempt.sock)
            attempt.sock.close()
            results[index] = result


def _expire(selector, results):
    now = time.monotonic()
    for key in list(selector.get_map().values()):
        index, attempt, deadline = key.data
        if now >= deadline:
            selector.unregister(attempt.sock)
            attempt.sock.close()
            results[index] = failure(errno.ETIMEDOUT)


def connect_all(jobs, patience=PATIENCE):
    """Make all connections, WINDOW of them at a time. Results in the order of @jobs."""
    results = [None] * len(jobs)
    started = 0
    swept = time.monotonic()
    with selectors.DefaultSelector() as selector:
        while started < len(jobs) or selector.get_map():
            while started < len(jobs) and len(selector.get_map()) < WINDOW:
                started += _start_some(jobs, started, results, selector, patience)
            if selector.get_map():
                _collect(selector, results)
            if time.monotonic() - swept > 0.02:
                _expire(selector, results)
                swept = time.monotonic()
    return results


def connect_each(namespace, protocol, targets, patience=PATIENCE):
    """One connection to each (address, port). Results in order."""
    if protocol == "sctp":
        raise ValueError("SCTP has its own probes: sctp.py")
    return connect_all([Job(namespace, protocol, *target) for target in targets], patience)


def connect_many(namespace, protocol, address, port, count, patience=PATIENCE):
    return connect_each(namespace, protocol, [(address, port)] * count, patience)


def connect(namespace, protocol, address, port, patience=PATIENCE):
    return connect_each(namespace, protocol, [(address, port)], patience)[0]


class UdpClient:
    """A UDP socket that keeps its port, as resolvers and media players do: one flow."""

    def __init__(self, namespace, address, port):
        self.namespace, self.address, self.port = namespace, address, port
        self._attempt = None

    def ask(self, patience=PATIENCE):
        """Send a datagram; the Result of it."""
        if self._attempt is None:
            with self.namespace:
                self._attempt = start(Job(self.namespace, "udp", self.address, self.port))
            if self._attempt.done:
                return self._attempt.done
        else:
            self._drain()
            try:
                self._attempt.sock.send(b"?")
            except OSError as error:
                return failure(error.errno)
        return self._wait(time.monotonic() + patience)

    def _drain(self):
        """What came too late for the datagram before."""
        while self._attempt.on_readable() is not None:
            pass

    def _wait(self, deadline):
        while True:
            result = self._attempt.on_readable()
            if result is not None:
                return result
            left = deadline - time.monotonic()
            if left <= 0:
                return failure(errno.ETIMEDOUT)
            select.select([self._attempt.sock], [], [], left)

    @property
    def own_port(self):
        return self._attempt.sock.getsockname()[1]

    def close(self):
        if self._attempt is not None:
            self._attempt.sock.close()


class HeldConnection:
    """A TCP connection that stays, to a server on one of servers.HOLD_PORTS."""

    def __init__(self, namespace, address, port):
        with namespace:
            self.sock = socket.socket(_socket_family(address), socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((address, port))
        self.result = _parse(self.sock.recv(256))

    def works(self):
        """Does what is sent come back?"""
        word = os.urandom(4).hex().encode()
        try:
            self.sock.sendall(word)
            return self.sock.recv(64) == word
        except OSError:
            return False

    def close(self):
        self.sock.close()


def tally(results):
    """How often each backend answered, or each failure happened."""
    counts = {}
    for result in results:
        key = f"{result.backend}:{result.port}" if result.outcome == ANSWERED else result.outcome
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items()))


def fresh_tags():
    """Numbers that tell one probe from another."""
    return itertools.count(int.from_bytes(os.urandom(3), "big") << 8 | 1)

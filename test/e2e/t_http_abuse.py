# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that are no good: the daemon's ports go on answering others, within bounds."""

import contextlib
import random
import socket
import statistics
import time

import topology
import web
from daemon import Failure, until
from harness import test_rows
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)

# Listening on all addresses, of both families.
EVERYWHERE = ("--healthz-bind-address", "[::]:10256", "--metrics-bind-address", "[::]:10249")

PORTS = {"health": (web.HEALTH_PORT, "/livez"), "metrics": (web.METRICS_PORT, "/metrics")}
ROWS = [(name, family) for name in PORTS for family in (4, 6)]

MAX_CONNECTIONS = 64
# What the kubelet waits for an answer; a bound for tests on a loaded machine.
PROMPT_S = 1.0
MEMORY_MIB = 12


def _running(t):
    """A daemon that serves: the port that is attacked from outside, and the Service."""
    service, piece = t.web([ONE])
    t.write(service, piece)
    daemon = t.start(*EVERYWHERE)
    daemon.wait_ready()
    return daemon, service


def _resident_mib(daemon):
    """0 under a sanitizer, which keeps what was freed for a while."""
    with open(f"/proc/{daemon.pid}/maps", encoding="utf-8") as file:
        if "libasan" in file.read():
            return 0
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise Failure("no VmRSS")


def _answers_promptly(t, name, family, count=20):
    """An honest client from elsewhere; the median, since the machine may be busy."""
    number, path = PORTS[name]
    took = []
    for _ in range(count):
        started = time.monotonic()
        t.equal("an honest client", 200,
                web.get(t.node, web.LOOPBACK[family], number, path, patience=10.0).status)
        took.append(time.monotonic() - started)
    t.true("answered promptly", statistics.median(took) < PROMPT_S,
           f"median {statistics.median(took):.3f} s")


def _goes_on(t, daemon, service, before_mib):
    """The daemon does its work, and has not grown."""
    t.write(service, t.web_slice(service, [TWO]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    grown = _resident_mib(daemon) - before_mib
    t.true(f"grown by less than {MEMORY_MIB} MiB", grown < MEMORY_MIB, f"{grown:.1f} MiB")
    print(f"# grown by {grown:.1f} MiB")
    t.equal("warnings and errors", [], daemon.complaints())


@test_rows(ROWS, "idle_connections_do_not_keep_others_out_of_the_{}_port_over_ipv{}",
           quick={"idle_connections_do_not_keep_others_out_of_the_health_port_over_ipv4"})
def idle(t, name, family):
    daemon, service = _running(t)
    before = _resident_mib(daemon)
    number = PORTS[name][0]
    with contextlib.ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(web.connect(t.external, topology.NODE[family], number))
        _answers_promptly(t, name, family)
        metrics = web.Port(t.node, web.LOOPBACK[4], web.METRICS_PORT)
        got = web.samples(metrics.get("/metrics").text)
        t.true("few are open", got[f'kubenft_http_connections{{server="{name}"}}'] <=
               MAX_CONNECTIONS)
        t.true("and the others were closed",
               got[f'kubenft_http_closed_total{{reason="evicted",server="{name}"}}'] >= 1900)
        _goes_on(t, daemon, service, before)


@test_rows(ROWS, "clients_that_send_slowly_do_not_keep_others_out_of_the_{}_port_over_ipv{}")
def slow(t, name, family):
    daemon, service = _running(t)
    before = _resident_mib(daemon)
    number, path = PORTS[name]
    begin = f"GET {path} HTTP/1.1\r\nHost: a\r\nX: ".encode()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(web.connect(t.external, topology.NODE[family], number))
                   for _ in range(200)]
        for sent in (begin, b"x", b"y"):
            for client in clients:
                with contextlib.suppress(ConnectionError):
                    client.sendall(sent)
            _answers_promptly(t, name, family, 5)
        _goes_on(t, daemon, service, before)


@test_rows(ROWS, "clients_that_do_not_read_do_not_keep_others_out_of_the_{}_port_over_ipv{}")
def unread(t, name, family):
    daemon, service = _running(t)
    before = _resident_mib(daemon)
    number, path = PORTS[name]
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(
                web.connect(t.external, topology.NODE[family], number))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                for _ in range(1000):
                    client.sendall(request)
        _answers_promptly(t, name, family)
        _goes_on(t, daemon, service, before)


def _garbage(seed):
    """Some kilobytes of no sense, and of nearly some."""
    chance = random.Random(seed)
    kinds = (
        lambda: bytes(chance.randrange(256) for _ in range(chance.randrange(3000))),
        lambda: b"GET " + b"/" * chance.randrange(8000) + b" HTTP/1.1\r\n\r\n",
        lambda: b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * chance.randrange(2000) + b"\r\n",
        lambda: b"GET / HTTP/1.1\r\n" + b":\r\n \r\n\t" * chance.randrange(20) + b"\r\n\r\n",
        lambda: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" + b"x" * 3000,
        lambda: b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nx",
        lambda: b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
        lambda: b"GET /%" + bytes(chance.randrange(256) for _ in range(9)) + b" HTTP/1.1\r\n\r\n",
        lambda: b"GET /healthz?" + b"verbose&exclude=%00&" * 100 + b" HTTP/1.1\r\n\r\n",
        lambda: b"\r\n" * chance.randrange(5000),
        lambda: b"\x00" * chance.randrange(5000),
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500,  # TLS
        lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    )
    return [kinds[i % len(kinds)]() for i in range(20 * len(kinds))]


@test_rows(ROWS, "garbage_does_not_disturb_the_{}_port_over_ipv{}",
           quick={"garbage_does_not_disturb_the_health_port_over_ipv4",
                  "garbage_does_not_disturb_the_metrics_port_over_ipv6"})
def garbage(t, name, family):
    daemon, service = _running(t)
    before = _resident_mib(daemon)
    number = PORTS[name][0]
    seed = random.randrange(1 << 32)
    print(f"# seed {seed}")
    for data in _garbage(seed):
        with web.connect(t.external, topology.NODE[family], number) as client:
            # some are closed at once, some when their time is over
            client.settimeout(0.02)
            with contextlib.suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
    _answers_promptly(t, name, family)
    _goes_on(t, daemon, service, before)


@test_rows(ROWS, "a_huge_head_is_refused_by_the_{}_port_over_ipv{}",
           quick={"a_huge_head_is_refused_by_the_health_port_over_ipv4"})
def huge_head(t, name, family):
    daemon, service = _running(t)
    before = _resident_mib(daemon)
    number, path = PORTS[name]
    begin = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ".encode()
    for size, want in ((4000, b"HTTP/1.1 200 "), (4200, b"HTTP/1.1 431 "),
                       (30000, b"HTTP/1.1 431 ")):
        with web.connect(t.external, topology.NODE[family], number) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                t.equal(f"{size} bytes", want, client.recv(13))
    with contextlib.ExitStack() as stack:  # without end
        clients = [stack.enter_context(web.connect(t.external, topology.NODE[family], number))
                   for _ in range(20)]
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(begin)
                for _ in range(50):
                    client.sendall(b"x" * 65536)
        _answers_promptly(t, name, family)
    _goes_on(t, daemon, service, before)


@test_rows([(4,), (6,)], "a_health_check_port_is_as_sturdy_over_ipv{}")
def health_check_port(t, family):
    number = t.world.node_port()
    ip = pod_address(11, family)
    service = t.service("web", [{"port": 80, "protocol": "TCP", "name": "web"}], (family,),
                        type="LoadBalancer", externalTrafficPolicy="Local",
                        healthCheckNodePort=number)
    piece = t.web_slice(service, [ip])
    daemon = t.run(service, piece)
    before = _resident_mib(daemon)
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(web.connect(t.external, topology.NODE[family], number))
        until(lambda: web.get(t.remote_client, topology.NODE[family], number, "/").status == 200,
              "an honest load balancer is answered")
        # a flood here is not one there
        t.equal("the health port", 200,
                web.get(t.node, web.LOOPBACK[4], web.HEALTH_PORT, "/healthz").status)
    t.true("not grown", _resident_mib(daemon) - before < MEMORY_MIB)

# SPDX-License-Identifier: GPL-2.0-or-later
"""A NodePort at which a process of the node itself waits is served, and it is said."""

import contextlib
import re
import socket

import topology
from daemon import until
from harness import test
from objects import port
from topology import pod_address

# At this number the servers of the tests listen on the node, too: TCP and UDP, both families.
IN_USE = 9090

COMPLAINT = re.compile(r'subject="Service default/([^"]*)" reason="nodePort (\d+) \((\w+)\) is in use')


def named(daemon, start=0):
    """{(Service and port, number, protocol)} that were named."""
    return {match.groups() for match in map(COMPLAINT.search, daemon.complaints(start)) if match}


def complaints(daemon, service, start=0):
    """Lines about a Service; waits for the first."""
    return until(lambda: [line for line in daemon.complaints(start)
                          if f"default/{service}" in line], f"{service} is named")


def node_port(t, name, number, protocol="TCP", families=(4,)):
    return t.service(name, [port(80, "web", protocol, number)], families)


@contextlib.contextmanager
def waiting(t, family, kind, address, number, only6=True):
    """A socket in the node's namespace."""
    with t.node:
        sock = socket.socket(family, kind)
    with sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only6))
        sock.bind((address, number))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        yield sock


@test(quick=True)
def a_nodeport_at_which_a_process_of_the_node_waits_is_served_and_named(t):
    service = t.service("web", [port(80, "web", "TCP", IN_USE)], (4,))
    piece = t.web_slice(service, [pod_address(11, 4)])
    free = node_port(t, "free", t.world.node_port())
    daemon = t.run(service, piece, free)
    line, = complaints(daemon, "web")
    # the process itself cannot be seen with CAP_NET_ADMIN alone: it has more
    for word in ("default/web:web", str(IN_USE), "TCP", "a process of uid 0", topology.NODE[4]):
        t.true(f"the warning says {word}", word in line, line)
    t.answered_by(t.external, "tcp", topology.NODE[4], IN_USE, [pod_address(11, 4)])
    t.equal("who is named", {("web:web", str(IN_USE), "TCP")}, named(daemon))


@test()
def a_nodeport_is_named_for_sockets_that_would_get_its_packets_and_no_others(t):
    four, six, tcp, udp = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM, socket.SOCK_DGRAM
    rows = {
        "any": ((four, tcp, "0.0.0.0"), "TCP", True),
        "own": ((four, tcp, topology.NODE[4]), "TCP", True),
        "mapped": ((six, tcp, f"::ffff:{topology.NODE[4]}", 0, False), "TCP", True),
        "both": ((six, tcp, "::", 0, False), "TCP", True),
        "datagrams": ((four, udp, "0.0.0.0"), "UDP", True),
        "second": ((four, tcp, topology.NODE_SECOND[4]), "TCP", False),
        "loopback": ((four, tcp, "127.0.0.1"), "TCP", False),
        "only6": ((six, tcp, "::"), "TCP", False),
        "protocol": ((four, udp, "0.0.0.0"), "TCP", False),
    }
    numbers = {name: t.world.node_port() for name in rows}
    with contextlib.ExitStack() as stack:
        for name, ((family, kind, address, *more), _, _) in rows.items():
            only6 = not more
            stack.enter_context(waiting(t, family, kind, address, numbers[name], only6))
        # Last in the log, when all the others were looked at: ports are named in no order.
        daemon = t.run(*(node_port(t, name, numbers[name], row[1]) for name, row in rows.items()),
                       node_port(t, "certain", IN_USE))
        complaints(daemon, "certain")
        wanted = {(f"{name}:web", str(numbers[name]), row[1])
                  for name, row in rows.items() if row[2]}
        until(lambda: wanted <= named(daemon), "all of them are named", 5)
        t.equal("who is named", wanted | {("certain:web", str(IN_USE), "TCP")}, named(daemon))


@test()
def a_nodeport_is_looked_at_when_it_is_new_and_not_again(t):
    service = node_port(t, "web", IN_USE, families=(4, 6))
    daemon = t.run(service)
    t.equal("complaints", 1, len(complaints(daemon, "web")))
    start = daemon.mark()

    def change(*things):
        mark = daemon.mark()
        t.write(*things, t.service("marker", [port(1)]))
        daemon.wait_synced(mark)
    # Endpoints that come and go, another port, and another Service that is named: not again.
    change(service, t.web_slice(service, [pod_address(11, 4)]))
    service.ports[0]["port"] = 81
    change(service)
    change(service, node_port(t, "datagrams", IN_USE, "UDP"))
    complaints(daemon, "datagrams", start)
    t.equal("who is named", {("datagrams:web", str(IN_USE), "UDP")}, named(daemon, start))
    # One that went and is there again is new.
    change()
    start = daemon.mark()
    change(service)
    t.equal("complaints", 1, len(complaints(daemon, "web", start)))


@test()
def ports_of_services_without_a_nodeport_may_be_in_use(t):
    certain = node_port(t, "certain", IN_USE)
    plain = t.service("plain", [port(8080, "web", "TCP")], externalIPs=["198.18.200.1"])
    daemon = t.run(certain, plain)
    complaints(daemon, "certain")
    t.equal("who is named", {("certain:web", str(IN_USE), "TCP")}, named(daemon))

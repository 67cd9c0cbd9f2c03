# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nobody shall answer: refused at once, dropped, or left alone, each where it should be."""

import time

import objects
import probes
import topology
from harness import test, test_rows
from objects import port
from topology import pod_address

ONE = pod_address(11, 4)


def _clients(t):
    return {"pod": t.client, "node": t.node, "external": t.external}


def _empty_service(t, protocol):
    """A Service without endpoints; returns its addresses."""
    node_port = t.world.node_port()
    service = t.service("empty", [port(80, "", protocol.upper(), node_port)])
    t.run(service)
    return [(service.ip(family), 80) for family in (4, 6)] + \
           [(topology.NODE[family], node_port) for family in (4, 6)]


@test_rows([(protocol, origin) for protocol in ("tcp", "udp", "sctp")
            for origin in ("pod", "node", "external")],
           "{}_to_a_service_without_endpoints_is_refused_from_{}",
           quick={"tcp_to_a_service_without_endpoints_is_refused_from_pod",
                  "udp_to_a_service_without_endpoints_is_refused_from_external"})
def without_endpoints(t, protocol, origin):
    for address, number in _empty_service(t, protocol):
        t.refused(_clients(t)[origin], protocol, address, number)


@test(quick=True)
def tcp_is_refused_at_once_and_every_time(t):
    address, number = _empty_service(t, "tcp")[0]
    started = time.monotonic()
    results = t.connect_many(t.client, "tcp", address, number, 200)
    took = time.monotonic() - started
    t.equal("what 200 connections met", {probes.REFUSED: 200}, probes.tally(results))
    # One lost answer would cost a second.
    t.true("refused at once", took < 0.9, f"took {took:.2f} s")


@test_rows([(origin, family) for origin in ("pod", "node", "external") for family in (4, 6)],
           "closed_ports_of_a_clusterip_are_refused_from_{}_v{}",
           quick={"closed_ports_of_a_clusterip_are_refused_from_pod_v4",
                  "closed_ports_of_a_clusterip_are_refused_from_external_v6"})
def closed_ports(t, origin, family):
    backend = pod_address(11, family)
    service = t.service("web", [port(80)])
    t.run(service, objects.endpoint_slice(service, [backend]))
    client = _clients(t)[origin]
    t.answered_by(client, "tcp", service.ip(family), 80, [backend])
    t.refused(client, "tcp", service.ip(family), 81)
    t.refused(client, "udp", service.ip(family), 80)
    t.refused(client, "sctp", service.ip(family), 80)


@test_rows([(origin, family) for origin in ("pod", "node", "external") for family in (4, 6)],
           "unallocated_service_addresses_are_dropped_from_{}_v{}",
           quick={"unallocated_service_addresses_are_dropped_from_pod_v4"})
def unallocated(t, origin, family):
    service, piece = t.web([pod_address(11, family)], families=(family,))
    t.run(service, piece)
    address = "10.96.250.250" if family == 4 else "fd00:10:96::ffff"
    for protocol in ("tcp", "udp"):
        t.dropped(_clients(t)[origin], protocol, address, 80)


@test()
def addresses_outside_the_service_ranges_are_left_alone(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for address in ("10.95.255.255", "10.97.0.0", "fd00:10:95::1", "fd00:10:97::1"):
        for client in (t.client, t.node):
            t.outcome(probes.UNREACHABLE, client, "udp", address, 80)


@test(quick=True)
def service_ranges_are_followed(t):
    service, piece = t.web([ONE])
    t.write(objects.node(), service, piece, with_node=False)
    t.run()
    t.outcome(probes.UNREACHABLE, t.client, "udp", "10.96.250.250", 80)
    t.write(objects.node(), objects.service_cidr(), service, piece, with_node=False)
    t.becomes_outcome(probes.TIMEOUT, t.client, "udp", "10.96.250.250", 80)
    t.write(objects.node(), service, piece, with_node=False)
    t.becomes_outcome(probes.UNREACHABLE, t.client, "udp", "10.96.250.250", 80)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_service_that_loses_its_endpoints_refuses_and_serves_again_when_they_return(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, "web", "TCP", node_port), port(80, "dns", "UDP")])
    full = t.web_slice(service, [ONE])
    none = t.web_slice(service, [])
    daemon = t.run(service, full)
    for _ in range(2):
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        t.answered_by(t.external, "tcp", topology.NODE[4], node_port, [ONE])
        mark = daemon.mark()
        t.write(service, none)
        daemon.wait_synced(mark)
        for protocol in ("tcp", "udp"):
            t.refused(t.client, protocol, service.ip(4), 80)
        t.refused(t.external, "tcp", topology.NODE[4], node_port)
        mark = daemon.mark()
        t.write(service, full)
        daemon.wait_synced(mark)
    t.answered_by(t.client, "udp", service.ip(4), 80, [ONE])


@test()
def a_removed_service_is_dropped_and_its_nodeport_is_the_nodes_again(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    daemon = t.run(service, objects.endpoint_slice(service, [ONE]))
    t.answered_by(t.external, "tcp", topology.NODE[4], node_port, [ONE])
    mark = daemon.mark()
    t.write()
    daemon.wait_synced(mark)
    t.dropped(t.client, "tcp", service.ip(4), 80)
    t.outcome(probes.REFUSED, t.external, "tcp", topology.NODE[4], node_port)


@test()
def a_connection_that_is_up_outlives_its_endpoints_removal(t):
    service = t.service("hold", [port(80)], families=(4,))
    piece = objects.endpoint_slice(service, [ONE], ((7000, "", "TCP"),))
    daemon = t.run(service, piece)
    connection = t.hold(t.client, service.ip(4), 80)
    mark = daemon.mark()
    t.write(service)
    daemon.wait_synced(mark)
    t.refused(t.client, "tcp", service.ip(4), 80)
    t.true("the connection works on", connection.works())

# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections spread evenly over the endpoints."""

import objects
import probes
import stats
import topology
from daemon import Failure
from harness import test, test_rows
from objects import port
from topology import pod_address, remote_address

COUNTS = (2, 3, 5, 9, 17)
CONNECTIONS = {"udp": 10000, "tcp": 5000}


def _endpoints(count, family):
    """Three on the node, the others elsewhere."""
    local = [pod_address(11 + i, family) for i in range(min(count, 3))]
    return local + [remote_address(i + 1, family) for i in range(count - len(local))]


def even(what, results, backends):
    """Expect all to be answered, in shares that chance explains."""
    lost = [r for r in results if r.outcome != probes.ANSWERED]
    counts = [sum(r.backend == backend for r in results) for backend in backends]
    if lost or sum(counts) != len(results):
        raise Failure(f"{what}: every connection answered by an endpoint",
                      f"got:      {probes.tally(results)}")
    x, p = stats.uniformity(counts)
    print(f"# {what}: chi-square {x:.1f} ({len(counts) - 1} df), p = {p:.2g}")
    if p < stats.FALSE_ALARM:
        raise Failure(f"{what}: an even spread", f"chi-square {x:.1f}, p = {p:.2g}",
                      f"got:      {probes.tally(results)}")


@test_rows([(protocol, family, count) for protocol, family in (("udp", 4), ("udp", 6), ("tcp", 4))
            for count in COUNTS], "{}_v{}_spreads_evenly_over_{}_endpoints",
           quick={"udp_v4_spreads_evenly_over_5_endpoints",
                  "udp_v4_spreads_evenly_over_17_endpoints",
                  "tcp_v4_spreads_evenly_over_3_endpoints"})
def spread(t, protocol, family, count):
    backends = _endpoints(count, family)
    service, piece = t.web(backends, families=(family,))
    t.run(service, piece)
    results = probes.connect_many(t.client, protocol, service.ip(family), 80,
                                  CONNECTIONS[protocol])
    even(f"{protocol} v{family}, {count} endpoints", results, backends)


@test()
def a_nodeport_spreads_evenly_over_5_endpoints(t):
    backends = _endpoints(5, 4)
    node_port = t.world.node_port()
    service = t.service("web", [port(80, "", "UDP", node_port)])
    t.run(service, objects.endpoint_slice(service, backends, ((8080, "", "UDP"),)))
    results = probes.connect_many(t.external, "udp", topology.NODE[4], node_port, 10000)
    even("NodePort, 5 endpoints", results, backends)


@test()
def the_spread_stays_even_when_endpoints_come_and_go(t):
    backends = _endpoints(12, 4)
    service, _ = t.web([])
    daemon = t.run(service, t.web_slice(service, backends[:5]))
    for present in (backends[1:5], backends[1:9], backends[4:7], backends[2:12]):
        mark = daemon.mark()
        t.write(service, t.web_slice(service, present))
        daemon.wait_synced(mark)
        results = probes.connect_many(t.client, "udp", service.ip(4), 80, 4000)
        even(f"after a change to {len(present)} endpoints", results, present)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Session affinity: one client meets one endpoint, for as long as it should and no longer."""

import itertools
import signal
import time

import probes
import topology
from daemon import Failure, until
from exposure import (CLUSTER_IP, DROPPED, EXTERNAL_IP, KINDS, LB_IP, NODE_PORT, Client,
                      Expectation, Exposed, expect)
from harness import test, test_rows
from objects import endpoint, port
from topology import crowd_address, pod_address, remote_address

FAMILIES = (4, 6)
CROWD = 40  # that all of them meet one of four endpoints happens once in 1e23 tests
DEFAULT_S = 10800

CUT_PATIENCE_S = 0.3

LEAVING = {"ready": False, "serving": True, "terminating": True}


def client_ip(timeout_s=DEFAULT_S):
    return {"sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": timeout_s}}}


def four_endpoints(family):
    return [pod_address(11, family), pod_address(12, family), remote_address(1, family),
            remote_address(2, family)]


class Visits:
    """Many clients, all with addresses of their own, at some frontends."""

    def __init__(self, t, *frontends):
        """@frontends: (protocol, (address, port))."""
        self.jobs = {}
        for protocol, (address, number) in frontends:
            family = probes.family_of(address)
            for i in range(CROWD):
                key = protocol, address, number, i
                self.jobs[key] = probes.Job(t.external, protocol, address, number,
                                            crowd_address(i, family))

    def endpoints(self, changing=False):
        """One connection each: {(frontend..., client): endpoint}.

        @changing: endpoints are going, and UDP exchanges with them may be cut: these meet None.
        Else one of all UDP exchanges may be lost, as it happens on a busy machine, but not again.
        """
        met = self._meet([key for key in self.jobs if key[0] == "tcp"], probes.PATIENCE)
        met |= self._meet([key for key in self.jobs if key[0] == "udp"],
                          CUT_PATIENCE_S if changing else probes.PATIENCE)
        lost = [key for key, result in met.items() if result.outcome != probes.ANSWERED]
        if not changing and len(lost) == 1 and lost[0][0] == "udp":
            met |= self._meet(lost, probes.PATIENCE)
        for key, result in met.items():
            if result.outcome != probes.ANSWERED and not (changing and key[0] == "udp"):
                raise Failure(f"client {key[3]} to {key[1]} {key[0]} {key[2]}",
                              "expected: an answer", f"got:      {result}")
        return {key: result.backend for key, result in met.items()}

    def _meet(self, keys, patience):
        return dict(zip(keys, probes.connect_all([self.jobs[key] for key in keys], patience)))

    def stay(self, met, rounds=4, what="every client meets the endpoint it has met before"):
        """All clients meet, again and again, whom they have met in @met."""
        for _ in range(rounds):
            same_endpoints(what, met, self.endpoints())


def same_endpoints(what, before, now):
    moved = [f"client {key[3]} at {key[1]} {key[0]} {key[2]}: first {before[key]}, then {now[key]}"
             for key in before if now[key] != before[key]]
    if moved:
        raise Failure(what, f"{len(moved)} of {len(before)} did not", *moved[:5])


def spread(t, met, at_least=2):
    """At each frontend, the clients meet several endpoints."""
    for frontend, entries in itertools.groupby(sorted(met.items()), lambda e: e[0][:3]):
        endpoints = {backend for _, backend in entries}
        t.true(f"{CROWD} clients at {frontend} meet {at_least} endpoints or more",
               len(endpoints) >= at_least, f"got: {sorted(endpoints)}")


def frontends(service, kinds=KINDS, families=FAMILIES, protocols=("tcp", "udp")):
    return [(protocol, service.at(kind, family)) for kind in kinds for family in families
            for protocol in protocols]


def remembered(t, address):
    """How many clients of this frontend address the kernel remembers."""
    family = "ip6" if ":" in address else "ip"
    listing = t.nft_ok("list", "map", family, "kubenft", "affinity")
    return listing.count(f" . {address} . ")


def sticky(t, timeout_s=DEFAULT_S, endpoints=four_endpoints, families=FAMILIES, **more):
    """A Service with affinity, its slices, and a daemon that serves it."""
    service = Exposed(t.world, families=families, **client_ip(timeout_s), **more)
    pieces = [service.slice(endpoints(f)) for f in families]
    return service, t.run(service, *pieces)


def change(t, daemon, *things):
    mark = daemon.mark()
    t.write(*things, t.service("marker", [port(1)]))
    daemon.wait_synced(mark)


# One client, one endpoint


def sticky_scene(t):
    service = Exposed(t.world, **client_ip())
    other = Exposed(t.world, "other")
    t.run(service, other, *(s.slice(four_endpoints(f)) for s in (service, other)
                            for f in FAMILIES))
    yield service, other


@test_rows([(kind, protocol, family) for kind in KINDS for protocol in ("tcp", "udp")
            for family in FAMILIES],
           "with_affinity_each_client_of_a_{}_meets_one_endpoint_{}_v{}",
           fixture=sticky_scene,
           quick={"with_affinity_each_client_of_a_clusterip_meets_one_endpoint_tcp_v4",
                  "with_affinity_each_client_of_a_nodeport_meets_one_endpoint_udp_v6",
                  "with_affinity_each_client_of_a_lbvip_meets_one_endpoint_tcp_v6"})
def one_endpoint(t, services, kind, protocol, family):
    visits = Visits(t, (protocol, services[0].at(kind, family)))
    met = visits.endpoints()
    visits.stay(met, 5)
    spread(t, met)


@test_rows([(source, kind) for source in ("pod", "node", "endpoint") for kind in KINDS],
           "with_affinity_a_{}_meets_one_endpoint_at_a_{}", fixture=sticky_scene,
           quick={"with_affinity_a_node_meets_one_endpoint_at_a_nodeport"})
def one_endpoint_from_inside(t, services, source, kind):
    namespace = {"pod": t.client, "node": t.node, "endpoint": t.pods[0]}[source]
    for family, protocol in itertools.product(FAMILIES, ("tcp", "udp")):
        address, number = services[0].at(kind, family)
        first = t.connect(namespace, protocol, address, number)
        again = t.connect_many(namespace, protocol, address, number, 30)
        t.equal(f"{protocol} v{family}: who answers", {(probes.ANSWERED, first.backend)},
                {(r.outcome, r.backend) for r in again})


@test(fixture=sticky_scene)
def with_affinity_one_port_is_remembered_apart_from_another(t, services):
    visits = Visits(t, *frontends(services[0], (CLUSTER_IP,), (4,)))
    met = visits.endpoints()
    pairs = {}
    for (protocol, _, _, client), backend in met.items():
        pairs.setdefault(client, {})[protocol] = backend
    t.true("the two ports lead some client to two endpoints",
           any(pair["tcp"] != pair["udp"] for pair in pairs.values()))


@test(fixture=sticky_scene)
def a_service_without_affinity_beside_one_with_it_spreads_each_client(t, services):
    for family in FAMILIES:
        for kind in (CLUSTER_IP, NODE_PORT):
            t.answered_by(t.external, "udp", *services[1].at(kind, family),
                          four_endpoints(family))


def host_network_scene(t):
    def endpoints(f):
        return [{"addresses": [topology.NODE[f]], "nodeName": topology.NODE_NAME},
                remote_address(1, f), pod_address(11, f)]
    service, _ = sticky(t, endpoints=endpoints)
    yield service


@test_rows([(kind,) for kind in KINDS],
           "with_affinity_an_endpoint_on_the_nodes_own_network_keeps_its_clients_at_a_{}",
           fixture=host_network_scene,
           quick={"with_affinity_an_endpoint_on_the_nodes_own_network_keeps_its_clients_at_a_"
                  "nodeport"})
def host_network(t, service, kind):
    visits = Visits(t, *frontends(service, (kind,)))
    met = visits.endpoints()
    own = set(topology.NODE.values())
    t.true("some clients met the node's own server", own & set(met.values()))
    t.true("some met another", set(met.values()) - own)
    visits.stay(met, 5)


# The timeout


def _visit_for(visits, met, seconds, longest_gap):
    """Visits all the time; returns when the last began, or None when one came too late."""
    began = last = time.monotonic()
    while last - began < seconds:
        same_endpoints("while a client comes again before its time is over, it stays", met,
                       visits.endpoints())
        now = time.monotonic()
        if now - last > longest_gap:
            return None
        last = now
    return last


@test_rows([("tcp", 4), ("udp", 6)], "affinity_slides_with_each_connection_and_expires_{}_v{}",
           quick={"affinity_slides_with_each_connection_and_expires_tcp_v4"})
def timeout(t, protocol, family):
    service, _ = sticky(t, 1, families=(family,))
    visits = Visits(t, *frontends(service, (CLUSTER_IP, NODE_PORT), (family,), (protocol,)))
    for _ in range(5):
        met = visits.endpoints()
        last = _visit_for(visits, met, 2.5, 0.7)
        if last:
            break
    t.true("this machine is fast enough", last)
    addresses = [service.at(kind, family)[0] for kind in (CLUSTER_IP, NODE_PORT)]
    gone = until(lambda: not any(remembered(t, a) for a in addresses) and time.monotonic(),
                 "the kernel forgets the clients", 6)
    t.true("not forgotten before the time", gone - last > 0.9, f"after {gone - last:.2f} s")
    now = visits.endpoints()
    t.true("some clients meet another endpoint than before", now != met)
    spread(t, now)


@test()
def a_new_affinity_timeout_holds_for_the_clients_that_come_again(t):
    service, daemon = sticky(t, families=(4,))
    piece = service.slice(four_endpoints(4))
    visits = Visits(t, *frontends(service, (CLUSTER_IP,), (4,)))
    met = visits.endpoints()
    service.spec.update(client_ip(1))
    change(t, daemon, service, piece)
    visits.stay(met, 1, "a new timeout moves nobody")
    until(lambda: not remembered(t, service.ip(4)), "the kernel forgets the clients", 6)


@test()
def affinity_that_is_turned_off_is_off_and_starts_anew_when_it_is_turned_on(t):
    service, daemon = sticky(t, families=(4,))
    piece = service.slice(four_endpoints(4))
    visits = Visits(t, *frontends(service, (CLUSTER_IP, NODE_PORT), (4,)))
    met = visits.endpoints()
    affinity = dict(service.spec)
    service.spec.update(sessionAffinity="None")
    del service.spec["sessionAffinityConfig"]
    change(t, daemon, service, piece)
    for kind in (CLUSTER_IP, NODE_PORT):
        t.answered_by(t.external, "udp", *service.at(kind, 4), four_endpoints(4))
    until(lambda: not remembered(t, service.ip(4)), "what was remembered goes", 3)
    service.spec.update(affinity)
    change(t, daemon, service, piece)
    now = visits.endpoints()
    t.true("some clients meet another endpoint than before", now != met)
    visits.stay(now)


# Restarts


@test_rows([("SIGTERM",), ("SIGKILL",)], "affinity_survives_a_restart_of_the_daemon_after_{}",
           quick={"affinity_survives_a_restart_of_the_daemon_after_SIGTERM"})
def restart(t, name):
    service, daemon = sticky(t)
    visits = Visits(t, *frontends(service))
    met = visits.endpoints()
    daemon.stop(getattr(signal, name))
    visits.stay(met, 1, "while no daemon runs, every client stays")
    t.run()
    visits.stay(met, 3, "after the restart every client stays")


@test()
def a_restart_with_an_endpoint_less_moves_its_clients_only(t):
    service, daemon = sticky(t, families=(4,))
    visits = Visits(t, *frontends(service, families=(4,)))
    met = visits.endpoints()
    daemon.stop_gracefully()
    gone = _most_visited(met)
    t.run(service, service.slice([e for e in four_endpoints(4) if e != gone]))
    _moved_for_good(t, visits, met, gone)


# Endpoints that go


def _most_visited(met):
    visited = list(met.values())
    return max(set(visited), key=visited.count)


def _moved_for_good(t, visits, met, *gone):
    """Clients of the endpoints @gone get others and keep these; all others stay."""
    def reached():
        return not any(backend in gone for backend in visits.endpoints(True).values())
    until(reached, f"nobody meets {' or '.join(gone)}", 3)
    now = visits.endpoints()
    stayed = {key: backend for key, backend in met.items() if backend not in gone}
    same_endpoints(f"clients of others than {' and '.join(gone)} stay", stayed, now)
    visits.stay(now, 4, "clients that had to move stay where they are now")
    t.true("some clients had to move", any(backend in gone for backend in met.values()))
    return now


HOW_ENDPOINTS_GO = {
    "is_removed": lambda rest, gone: rest,
    "is_leaving": lambda rest, gone: rest + [endpoint(gone, **LEAVING)],
    "is_no_longer_ready": lambda rest, gone: rest + [endpoint(gone, ready=False, serving=False)],
}


@test_rows([(how,) for how in HOW_ENDPOINTS_GO],
           "when_an_endpoint_{}_its_clients_get_a_lasting_new_one_and_all_others_stay",
           quick={"when_an_endpoint_is_removed_its_clients_get_a_lasting_new_one_and_all_others_"
                  "stay"})
def endpoint_goes(t, how):
    service, daemon = sticky(t)
    visits = Visits(t, *frontends(service))
    met = visits.endpoints()
    gone = {f: _most_visited({k: b for k, b in met.items() if probes.family_of(k[1]) == f})
            for f in FAMILIES}
    rest = {f: [e for e in four_endpoints(f) if e != gone[f]] for f in FAMILIES}
    change(t, daemon, service,
           *(service.slice(HOW_ENDPOINTS_GO[how](rest[f], gone[f])) for f in FAMILIES))
    now = _moved_for_good(t, visits, met, *gone.values())
    # It returns: nobody is drawn to it again.
    change(t, daemon, service, *(service.slice(four_endpoints(f)) for f in FAMILIES))
    visits.stay(now, 2, "an endpoint that returns disturbs nobody")


@test()
def endpoints_that_come_disturb_no_client(t):
    def endpoints(family, count):
        return [pod_address(11, family)] + [remote_address(i, family) for i in range(1, count)]
    service, daemon = sticky(t, endpoints=lambda f: endpoints(f, 2))
    visits = Visits(t, *frontends(service))
    met = visits.endpoints()
    for count in (3, 4, 5, 8, 9, 16, 17):
        change(t, daemon, service, *(service.slice(endpoints(f, count)) for f in FAMILIES))
        visits.stay(met, 1, f"with {count} endpoints every client stays")


@test()
def with_affinity_a_service_that_loses_all_endpoints_refuses_and_serves_again(t):
    service, daemon = sticky(t)
    visits = Visits(t, *frontends(service))
    visits.endpoints()
    for _ in range(2):
        change(t, daemon, service)
        for kind, family, protocol in itertools.product(KINDS, FAMILIES, ("tcp", "udp")):
            t.refused(t.external, protocol, *service.at(kind, family))
        change(t, daemon, service, *(service.slice(four_endpoints(f)) for f in FAMILIES))
        visits.stay(visits.endpoints(), 2)


# How long what is remembered may outlive the commit that took the endpoint: less than until the look
# that is made a second later in any case, and room for a busy machine.
AT_ONCE_S = 0.9


@test(quick=True)
def endpoints_removed_one_right_after_the_other_lose_their_clients_at_once(t):
    service, daemon = sticky(t, families=(4,))
    visits = Visits(t, *frontends(service, (CLUSTER_IP,), (4,)))
    met = visits.endpoints()
    left = four_endpoints(4)
    while len(left) > 1:
        left.remove(_most_visited({k: b for k, b in met.items() if b in left}))
        change(t, daemon, service, service.slice(left))
        until(lambda: set(visits.endpoints(True).values()) <= {None, *left},
              f"nobody meets others than {left}", AT_ONCE_S)
        met = visits.endpoints()


@test(quick=True)
def an_endpoint_removed_out_of_the_blue_loses_its_clients_at_once(t):
    # Long after the start and any change, when nothing is going on that may help by chance.
    service, daemon = sticky(t, families=(4,))
    visits = Visits(t, *frontends(service, (CLUSTER_IP, LB_IP), (4,)))
    met = visits.endpoints()
    _visit_for(visits, met, 2.5, 10)
    gone = _most_visited(met)
    change(t, daemon, service, service.slice([e for e in four_endpoints(4) if e != gone]))
    until(lambda: gone not in visits.endpoints(True).values(), f"nobody meets {gone}", AT_ONCE_S)
    _moved_for_good(t, visits, met, gone)


@test()
def a_service_that_takes_an_address_from_a_sticky_one_for_a_moment_leaves_no_client_behind(t):
    # An older one without affinity comes and goes; meanwhile the sticky one gets other endpoints.
    service, daemon = sticky(t, families=(4,))
    kinds = (EXTERNAL_IP,)
    visits = Visits(t, *frontends(service, kinds, (4,)))
    visits.endpoints()
    older = Exposed(t.world, "older", families=(4,), created="2025-01-01T00:00:00Z",
                    externalIPs=service.spec["externalIPs"])
    piece = older.slice([pod_address(13, 4)])
    change(t, daemon, service, service.slice(four_endpoints(4)), older, piece)
    t.equal("who answers", {pod_address(13, 4)}, set(visits.endpoints().values()))
    others = [remote_address(i, 4) for i in (5, 6)]
    change(t, daemon, service, service.slice(others))
    until(lambda: set(visits.endpoints(True).values()) == set(others), f"only {others} answer",
          AT_ONCE_S)


@test()
def a_service_that_takes_the_place_of_a_sticky_one_inherits_no_clients(t):
    # Same addresses, other endpoints: what was remembered would lead to somebody else's pods.
    service, daemon = sticky(t, families=(4,))
    visits = Visits(t, *frontends(service, families=(4,)))
    visits.endpoints()
    change(t, daemon)
    until(lambda: not remembered(t, service.ip(4)), "what was remembered goes", 3)
    other = [remote_address(i, 4) for i in (5, 6)]
    service.name = "heir"
    change(t, daemon, service, service.slice(other))
    met = visits.endpoints()
    t.equal("who answers", set(other), set(met.values()))
    visits.stay(met, 2)


# With policies and ranges


@test(quick=True)
def affinity_policy_Local_and_source_ranges_work_together(t):
    service, _ = sticky(t, externalTrafficPolicy="Local",
                        loadBalancerSourceRanges=["198.19.0.0/27", "2001:db8:19::/123"])
    external = Client(t.external, topology.EXTERNAL)
    pod = Client(t.client, {f: pod_address(5, f) for f in FAMILIES})
    for family in FAMILIES:
        at = service.at(LB_IP, family)
        visits = Visits(t, ("tcp", at), ("udp", at))
        inside = {4: 30, 6: 30}[family]  # addresses 1..31, client 0 has address 1
        visits.jobs = {key: job for key, job in visits.jobs.items() if key[3] < inside}
        met = visits.endpoints()
        local = set(four_endpoints(family)[:2])
        t.equal(f"v{family}: who answers clients within the ranges", local, set(met.values()))
        visits.stay(met, 5)
        crowd = {family: crowd_address(3, family)}
        one = met["udp", at[0], at[1], 3]
        expect(Expectation(external, *at, DROPPED), Expectation(pod, *at, DROPPED),
               Expectation(Client(t.external, crowd, source=crowd), *at, [one], False))
        # At the NodePort there are no ranges; a pod is short-circuited to one of all.
        first = t.connect(t.client, "udp", *service.at(NODE_PORT, family)).backend
        t.answered_by(t.client, "udp", *service.at(NODE_PORT, family), [first])


@test_rows([("external",), ("internal",)],
           "with_affinity_clients_of_endpoints_elsewhere_move_when_the_{}_policy_becomes_Local")
def policy_becomes_local(t, which):
    service, daemon = sticky(t)
    kinds = (CLUSTER_IP,) if which == "internal" else KINDS[1:]
    visits = Visits(t, *frontends(service, kinds))
    met = visits.endpoints()
    service.spec[f"{which}TrafficPolicy"] = "Local"
    change(t, daemon, service, *(service.slice(four_endpoints(f)) for f in FAMILIES))
    _moved_for_good(t, visits, met, *(e for f in FAMILIES for e in four_endpoints(f)[2:]))


@test(quick=True)
def with_affinity_clients_move_when_the_policy_becomes_Local_while_no_daemon_runs(t):
    service, daemon = sticky(t)
    visits = Visits(t, *frontends(service, KINDS[1:]))
    met = visits.endpoints()
    daemon.stop_gracefully()
    service.spec["externalTrafficPolicy"] = "Local"
    pieces = [service.slice(four_endpoints(f)) for f in FAMILIES]
    daemon = t.run(service, *pieces)
    # Pods may be served elsewhere, and a start that changes nothing moves none of them.
    _moved_for_good(t, visits, met, *(e for f in FAMILIES for e in four_endpoints(f)[2:]))
    pod = {f: t.connect(t.client, "udp", *service.at(NODE_PORT, f)).backend for f in FAMILIES}
    daemon.stop_gracefully()
    t.run(service, *pieces)
    for f in FAMILIES:
        t.answered_by(t.client, "udp", *service.at(NODE_PORT, f), [pod[f]])

# SPDX-License-Identifier: GPL-2.0-or-later
"""Established connections outlive whatever happens to endpoints and daemon; new ones obey."""

import time

import exposure
from exposure import KINDS, Expectation, Exposed, expect
from harness import test, test_rows
from objects import endpoint_slice, port
from topology import pod_address, remote_address

FAMILIES = (4, 6)


def endpoints(family, count):
    """One on the node, the others elsewhere."""
    return [pod_address(11, family)] + [remote_address(i, family) for i in range(1, count)]


class Held:
    """A Service whose TCP port keeps connections open and whose UDP port tells who answers, and
    connections through each of its frontends from everywhere."""

    def __init__(self, t, backends, **spec):
        self.t = t
        self.service = Exposed(t.world, **spec)
        self.daemon = t.run(self.service, *self._slices(backends))
        self.held = {}

    def _slices(self, backends):
        """TCP leads to the servers that hold connections, UDP to those that answer at once."""
        ports = ((7000, "web", "TCP"), (8080, "dns", "UDP"))
        return [endpoint_slice(self.service, backends(f), ports) for f in FAMILIES if backends(f)]

    def change(self, backends):
        marker = self.t.service("marker", [port(1)])
        mark = self.daemon.mark()
        self.t.write(self.service, *self._slices(backends), marker)
        self.daemon.wait_synced(mark)

    def open(self, when, kinds=KINDS):
        for kind in kinds:
            for family in FAMILIES:
                for client in (self.t.client, self.t.node, self.t.external):
                    held = self.t.hold(client, *self.service.at(kind, family))
                    self.held[f"{client} to {kind} v{family}, {when}"] = held

    def all_work(self, when):
        broken = [name for name, held in self.held.items() if not held.works()]
        self.t.equal(f"connections that are broken {when}", [], broken)

    def expect(self, source, backends, kinds=KINDS):
        """New connections: all of @backends answer, and nobody else."""
        client = exposure.clients(self.t)[source]
        expect(*(Expectation(client, *self.service.at(kind, f), backends(f))
                 for kind in kinds for f in FAMILIES))


STEPS = (1, 2, 3, 5, 9, 2)


@test(quick=True)
def connections_through_every_frontend_outlive_endpoints_that_come_and_go(t):
    held = Held(t, lambda f: endpoints(f, 1))
    held.open("at first")
    for count in STEPS:
        held.change(lambda f, count=count: endpoints(f, count))
        held.all_work(f"with {count} endpoints")
        held.expect("external", lambda f, count=count: endpoints(f, count))
        held.open(f"opened with {count} endpoints", KINDS[:2])
    held.change(lambda f: [])
    held.all_work("without endpoints")
    held.expect("external", lambda f: exposure.REFUSED)


@test()
def connections_outlive_their_own_endpoints_removal_and_every_endpoint_is_new(t):
    held = Held(t, lambda f: endpoints(f, 2))
    held.open("at first")
    others = lambda f: [pod_address(12, f), remote_address(5, f), remote_address(6, f)]
    held.change(others)
    held.all_work("when all endpoints are others")
    for source in ("pod", "external"):
        held.expect(source, others)


@test(quick=True)
def connections_through_every_frontend_outlive_restarts_of_the_daemon(t):
    held = Held(t, lambda f: endpoints(f, 3))
    held.open("at first")
    for stop in ("stop_gracefully", "kill"):
        getattr(held.daemon, stop)()
        held.all_work(f"after {stop}")
        held.daemon = t.run()
        held.all_work(f"after {stop} and a start")
        held.expect("pod", lambda f: endpoints(f, 3))


@test()
def connections_outlive_a_restart_with_other_endpoints(t):
    held = Held(t, lambda f: endpoints(f, 5))
    held.open("at first")
    held.daemon.kill()
    others = lambda f: [pod_address(13, f)]
    t.write(held.service, *held._slices(others))
    held.daemon = t.run()
    held.all_work("after the restart")
    held.expect("external", others)


@test()
def connections_outlive_their_services_removal(t):
    held = Held(t, lambda f: endpoints(f, 2))
    held.open("at first")
    mark = held.daemon.mark()
    t.write()
    held.daemon.wait_synced(mark)
    held.all_work("without the Service")


@test_rows([("externalTrafficPolicy", "Local"), ("internalTrafficPolicy", "Local"),
            ("sessionAffinity", "ClientIP"), ("loadBalancerSourceRanges", ["192.88.99.0/24"])],
           "connections_outlive_a_change_of_{}")
def policy_changes(t, field, value):
    held = Held(t, lambda f: endpoints(f, 2)[1:])
    held.open("at first")
    held.service.spec[field] = value
    held.change(lambda f: endpoints(f, 2)[1:])
    held.all_work(f"after a change of {field}")


@test(quick=True)
def with_affinity_connections_outlive_endpoints_and_restarts(t):
    held = Held(t, lambda f: endpoints(f, 3), sessionAffinity="ClientIP")
    held.open("at first")
    for count in (5, 2):
        held.change(lambda f, count=count: endpoints(f, count))
        held.all_work(f"with {count} endpoints")
    held.change(lambda f: [pod_address(12, f)])
    held.all_work("when their endpoints are gone")
    held.daemon.stop_gracefully()
    held.daemon = t.run()
    held.all_work("after a restart")


@test()
def after_each_commit_no_new_connection_meets_an_endpoint_that_was_removed(t):
    held = Held(t, lambda f: endpoints(f, 2))
    clients = exposure.clients(t)
    far = lambda f, first, count: [remote_address(i, f) for i in range(first, first + count)]
    for i in range(20):
        backends = lambda f, i=i: far(f, 1 + i % 5, 1 + i % 4)
        held.change(backends)
        jobs = [clients[source].job(*held.service.at(kind, f), "udp")
                for kind in KINDS for f in FAMILIES for source in ("pod", "external")
                for _ in range(5)]
        allowed = {address for f in FAMILIES for address in backends(f)}
        met = {str(r) for r in t.connect_all(jobs) if r.backend not in allowed}
        t.equal(f"answers from elsewhere after change {i}", set(), met)


@test(quick=True)
def new_udp_exchanges_are_answered_while_flows_of_removed_endpoints_are_cleaned_up(t):
    # So many flows that looking through them takes longer than the time between two changes: what
    # is deleted must be stale by the endpoints of now, not of when the search began.
    held = Held(t, lambda f: endpoints(f, 4))
    clients = exposure.clients(t)
    crowd = [clients["pod"].job(*held.service.at(KINDS[0], f), "udp") for f in FAMILIES] * 5000
    t.equal("outcomes at first", {"answered"}, {r.outcome for r in t.connect_all(crowd)})
    jobs = [clients[source].job(*held.service.at(kind, f), "udp")
            for kind in KINDS for f in FAMILIES for source in ("pod", "external")] * 3
    deadline = time.monotonic() + 2
    changes = 0
    while time.monotonic() < deadline:
        changes += 1
        backends = lambda f: [remote_address(1 + (changes + i) % 5, f) for i in range(2)]
        held.change(backends)
        allowed = {address for f in FAMILIES for address in backends(f)}
        wrong = {str(r) for r in t.connect_all(jobs, 1.0) if r.backend not in allowed}
        t.equal(f"what else new exchanges met after change {changes}", set(), wrong)

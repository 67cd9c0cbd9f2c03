# SPDX-License-Identifier: GPL-2.0-or-later
"""A constant stream of new connections to every kind of frontend, and what is expected of it."""

import bisect
from collections import Counter, namedtuple

import load
import objects
import probes
from exposure import CLUSTER_IP, LB_IP, NODE_PORT
from topology import NODE, pod_address, remote_address

RATE = 2000  # connections a second
HELD = 200  # long-lived ones beside them

# How long it takes an answer to pass the node, on a busy machine.
PASSED_WITHIN_S = 0.1

# A SYN is sent again after a second. When the machine itself stands still for as long, that says
# nothing: UDP, of which nothing is sent again, shows it.
STANDSTILL_S = 0.8

# Endpoints that are there all the time.
STABLE = {f: [pod_address(11, f), pod_address(12, f), remote_address(1, f)] for f in (4, 6)}

# From written on, the state may be in force; from seen on, the one before is not.
State = namedtuple("State", "written seen backends")


class History:
    """All states, in order of time."""

    def __init__(self, first):
        self.states = [State(0.0, 0.0, first)]

    def add(self, written, seen, backends):
        self.states.append(State(written, seen, backends))

    def _during(self, visit):
        """The states that may have been in force at some time of the visit."""
        # The first is the one before the first that was seen after the visit had begun.
        first = bisect.bisect_left(self.states, visit.began, key=lambda s: s.seen) - 1
        last = bisect.bisect_right(self.states, visit.ended, key=lambda s: s.written)
        return self.states[max(first, 0):last]

    def may_answer(self, visit):
        """Was its backend an endpoint at some time of the visit?"""
        return any(visit.backend in state.backends for state in self._during(visit))

    def was_cut(self, visit, backend, answered):
        """Was @backend, where the visit arrived, removed before its answer had passed the node?"""
        states = self._during(visit._replace(ended=answered + PASSED_WITHIN_S))
        return any(backend in state.backends for state in states) and \
            any(backend not in state.backends for state in states)


class Verdict:
    """What became of all connections."""

    def __init__(self, history, visits, arrived):
        """@arrived: what load.arrivals() returns."""
        failed = [v for v in visits if v.outcome != probes.ANSWERED]
        # UDP flows to an endpoint go with the endpoint (section 4.1), the answer on its way too.
        self.cut = [v for v in failed if v.job.protocol == "udp" and v.word in arrived and
                    history.was_cut(v, *arrived[v.word])]
        cut = {v.word for v in self.cut if v.job.protocol == "udp"}
        self.lost = [v for v in failed if v.job.protocol != "udp" or v.word not in cut]
        self.where = {v.word: arrived.get(v.word, ("nowhere", 0))[0] for v in self.lost}
        self.resent = [v for v in visits if v.outcome == probes.ANSWERED and v.resent]
        self.misrouted = [v for v in visits if v.outcome == probes.ANSWERED and
                          not history.may_answer(v)]
        self.by_protocol = Counter(v.job.protocol for v in visits)
        self.stable = sum(v.backend in STABLE[4] + STABLE[6] for v in visits)
        self.stood_still = any(v.ended - v.began > STANDSTILL_S for v in visits
                               if v.job.protocol == "udp")
        self.total = len(visits)
        self.seconds = max(v.began for v in visits) - min(v.began for v in visits)
        slowest = sorted(v.ended - v.began for v in visits)
        self.median_ms, self.worst_ms = slowest[len(slowest) // 2] * 1e3, slowest[-1] * 1e3

    def __str__(self):
        return (f"{self.total} connections in {self.seconds:.1f} s "
                f"({self.total / self.seconds:.0f}/s; {self.by_protocol['tcp']} TCP, "
                f"{self.by_protocol['udp']} UDP), {len(self.lost)} lost, "
                f"{len(self.cut)} of UDP cut with their endpoint, "
                f"{len(self.resent)} with a segment sent again, {len(self.misrouted)} misrouted; "
                f"{self.stable} by the stable endpoints; "
                f"median {self.median_ms:.2f} ms, slowest {self.worst_ms:.0f} ms")


def groups(t, service):
    """Two client processes: a pod, TCP and UDP at ClusterIPs, and external, at the others."""
    pod, external = [], []
    for f in (4, 6):
        for protocol in ("tcp", "udp"):
            pod.append(probes.Job(t.client, protocol, *service.at(CLUSTER_IP, f)))
            external += [probes.Job(t.external, protocol, *service.at(kind, f))
                         for kind in (NODE_PORT, LB_IP)]
    return [(pod, RATE // 2), (external, RATE // 2)]


class Held:
    """Long-lived connections of every client, through ClusterIPs and NodePorts of a Service."""

    def __init__(self, t, endpoints=STABLE):
        """@endpoints: of the Service, {family: addresses}."""
        self.t = t
        self.service = t.service("hold", [objects.port(80, "", "TCP", t.world.node_port())])
        self.things = [self.service] + [
            objects.endpoint_slice(self.service, endpoints[f], ((7000, "", "TCP"),))
            for f in (4, 6)]
        self.connections = []

    def connect(self):
        number = self.service.ports[0]["nodePort"]
        ways = [(client, self.service.ip(f), 80) for f in (4, 6)
                for client in (self.t.client, self.t.node)] + \
            [(self.t.external, NODE[f], number) for f in (4, 6)] * 2
        self.connections = [self.t.hold(*way) for _ in range(HELD // len(ways)) for way in ways]

    def all_work(self):
        self.t.equal("long-lived connections that work", HELD,
                     sum(c.works() for c in self.connections))


def judge(t, what, history, visits):
    verdict = Verdict(history, visits, load.arrivals(t.world.notes_path))
    print(f"# {what}: {len(history.states) - 1} changes; {verdict}", flush=True)
    t.equal("connections lost", [],
            [f"{v.job.protocol} {v.job.namespace} to {v.job.address}: {v.outcome}, "
             f"arrived at {verdict.where[v.word]}" for v in verdict.lost[:8]])
    # On a machine that is busy with other things, an exchange takes a tenth of a second.
    t.true("few UDP exchanges met the moment in which their endpoint went",
           len(verdict.cut) < verdict.total / 5, str(verdict))
    if not verdict.stood_still:
        t.equal("connections of which a segment was sent again", [],
                [str(v) for v in verdict.resent[:5]])
    t.equal("connections misrouted", [], [str(v) for v in verdict.misrouted[:5]])
    # Not a promise of kubenft, but without load it proves nothing.
    t.true("enough connections", verdict.total > RATE * verdict.seconds / 4, str(verdict))
    t.true("the stable endpoints had their share", verdict.stable > verdict.total / 10)

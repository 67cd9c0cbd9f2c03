# SPDX-License-Identifier: GPL-2.0-or-later
"""A constant stream of new connections while endpoints come and go: none lost, none misrouted."""

import bisect
import time
from collections import Counter, namedtuple

import load
import probes
from exposure import CLUSTER_IP, LB_IP, NODE_PORT, Exposed
from harness import test
from objects import port
from topology import pod_address, remote_address

RATE = 2000

# How long it takes an answer to pass the node, on a busy machine.
PASSED_WITHIN_S = 0.1

# A SYN is sent again after a second. When the machine itself stands still for as long, that says
# nothing: UDP, of which nothing is sent again, shows it.
STANDSTILL_S = 0.8

STABLE = {f: [pod_address(11, f), pod_address(12, f), remote_address(1, f)] for f in (4, 6)}
# Powers of two are passed in both directions, also several at once, with the stable three counted.
SIZES = (0, 1, 2, 5, 6, 13, 14, 0, 14, 9, 5, 3, 1, 7, 1)

# From written on, the state may be in force; from seen on, the one before is not.
State = namedtuple("State", "written seen backends")


def churning(step):
    """Numbers of remote pods that are endpoints besides the stable ones."""
    size = SIZES[step % len(SIZES)]
    return [3 + (step * 5 + i) % 17 for i in range(size)]


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


def _groups(t, service):
    """Two client processes: a pod, TCP and UDP at ClusterIPs, and external, at the others."""
    pod, external = [], []
    for f in (4, 6):
        for protocol in ("tcp", "udp"):
            pod.append(probes.Job(t.client, protocol, *service.at(CLUSTER_IP, f)))
            external += [probes.Job(t.external, protocol, *service.at(kind, f))
                         for kind in (NODE_PORT, LB_IP)]
    return [(pod, RATE // 2), (external, RATE // 2)]


def _churn(t, service, daemon, seconds, disturb=None):
    """Change the endpoints until @seconds are over; returns the history of states."""
    heard = t.transactions()
    pieces = lambda numbers: [service.slice(STABLE[f] + [remote_address(n, f) for n in numbers])
                              for f in (4, 6)]
    backends = lambda numbers: frozenset(
        b for f in (4, 6) for b in STABLE[f] + [remote_address(n, f) for n in numbers])
    history = History(backends(()))
    deadline = time.monotonic() + seconds
    step = 0
    while time.monotonic() < deadline:
        step += 1
        numbers = churning(step)
        if disturb:
            daemon = disturb(step, daemon)
        before = len(heard.of(daemon.pid))
        written = time.monotonic()
        # The marker makes every step a change.
        t.write(service, *pieces(numbers), t.service("marker", [port(1)]))
        done = heard.wait(daemon.pid, before + 1)
        t.true("the change was committed", len(done) > before, f"step {step}")
        history.add(written, done[-1].at, backends(numbers))
    return history


def _judge(t, what, history, visits):
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


@test(quick=True)
def under_load_endpoints_come_and_go_and_no_new_connection_is_lost_or_misrouted(t):
    service = Exposed(t.world)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)))
    with load.Load(t.directory, _groups(t, service)) as stream:
        history = _churn(t, service, daemon, t.world.load_seconds)
    _judge(t, "endpoints churn", history, stream.visits())


@test()
def under_load_the_daemon_restarts_and_no_new_connection_is_lost_or_misrouted(t):
    service = Exposed(t.world)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)))

    def disturb(step, running):
        if step % 10 != 0:
            return running
        running.kill() if step % 20 == 0 else running.stop_gracefully()
        return t.run()
    with load.Load(t.directory, _groups(t, service)) as stream:
        history = _churn(t, service, daemon, t.world.load_seconds / 6, disturb)
    _judge(t, "endpoints churn and the daemon restarts", history, stream.visits())

# SPDX-License-Identifier: GPL-2.0-or-later
"""A constant stream of new connections while endpoints come and go: none lost, none misrouted."""

import time

import load
from exposure import Exposed
from harness import test
from objects import port
from stream import STABLE, History, groups, judge
from topology import remote_address

# Powers of two are passed in both directions, also several at once, with the stable three counted.
SIZES = (0, 1, 2, 5, 6, 13, 14, 0, 14, 9, 5, 3, 1, 7, 1)


def churning(step):
    """Numbers of remote pods that are endpoints besides the stable ones."""
    size = SIZES[step % len(SIZES)]
    return [3 + (step * 5 + i) % 17 for i in range(size)]


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


@test(quick=True)
def under_load_endpoints_come_and_go_and_no_new_connection_is_lost_or_misrouted(t):
    service = Exposed(t.world)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)))
    with load.Load(t.directory, groups(t, service)) as stream:
        history = _churn(t, service, daemon, t.world.load_seconds)
    judge(t, "endpoints churn", history, stream.visits())


@test()
def under_load_the_daemon_restarts_and_no_new_connection_is_lost_or_misrouted(t):
    service = Exposed(t.world)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)))

    def disturb(step, running):
        if step % 10 != 0:
            return running
        running.kill() if step % 20 == 0 else running.stop_gracefully()
        return t.run()
    with load.Load(t.directory, groups(t, service)) as stream:
        history = _churn(t, service, daemon, t.world.load_seconds / 6, disturb)
    judge(t, "endpoints churn and the daemon restarts", history, stream.visits())

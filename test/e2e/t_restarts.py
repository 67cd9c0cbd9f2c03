# SPDX-License-Identifier: GPL-2.0-or-later
"""Restarts under load, one after the other: nobody notices."""

import time

import load
from exposure import Exposed
from harness import test
from stream import STABLE, Held, History, groups, judge

COUNT = 50
COUNT_QUICK = 6


@test(quick=True)
def restarts_under_load_cost_no_connection_old_or_new_and_are_one_transaction_each(t):
    count = COUNT if t.world.load_seconds >= 60 else COUNT_QUICK
    service, held = Exposed(t.world), Held(t)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)), *held.things)
    held.connect()
    heard = t.transactions()
    pids = []
    with load.Load(t.directory, groups(t, service)) as stream:
        for i in range(count):
            if i % 2:
                daemon.kill()
            else:
                daemon.stop_gracefully()
            daemon = t.run()
            pids.append(daemon.pid)
            heard.of(daemon.pid)
            if i % 5 == 0:
                held.all_work()
            time.sleep(0.1)  # spread over the load
        held.all_work()
    t.equal("transactions of each daemon", [1] * count, [len(heard.of(pid)) for pid in pids])
    judge(t, f"{count} restarts", History(frozenset(STABLE[4] + STABLE[6])), stream.visits())

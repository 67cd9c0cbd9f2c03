# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that mostly wait, several at a time: each on a node of its own, with nobody around."""

import queue
import threading
import traceback

import harness
from apiserver import control
from daemon import Failure, Skip
from netns import Namespace

# Each has a daemon and an API server; what they do at the start is what takes time.
AT_A_TIME = 6


_tests = {}  # name: (function, row, whether it only waits)


class _Job:
    def __init__(self, name, number):
        self.function, self.row, self.is_passive = _tests[name]
        self.number = number
        self.error = None
        self.done = threading.Event()

    def run(self, t):
        try:
            self._run(t)
        except BaseException as error:  # is for the thread that waits
            self.error = error
        self.done.set()

    def _run(self, t):
        node = Namespace(f"node{self.number}")
        place = t.elsewhere(node)
        trouble = []
        try:
            node.ip("link set lo up")
            self.function(place, *self.row)
        except Skip:
            raise
        except Failure as failure:
            trouble = [str(failure), *failure.facts, *place.facts()]
        except Exception:
            trouble = [*traceback.format_exc().splitlines(), *place.facts()]
        finally:
            trouble += place.close()
            node.close()
        if trouble:
            raise Failure(trouble[0], *trouble[1:])


def _work(t, jobs):
    # A daemon lives as long as the thread that started it: until its test has ended.
    while True:
        try:
            jobs.get_nowait().run(t)
        except queue.Empty:
            return


def _scene(t):
    """Starts all chosen tests; yields them by name."""
    jobs = {item.name: _Job(item.name, number) for number, item in enumerate(t.items)}
    # Keys that all servers share are made now, not by several threads.
    control.Server(directory=t.world.new_directory()).stop()
    waiting, passive = queue.Queue(), queue.Queue()
    for job in jobs.values():
        (passive if job.is_passive else waiting).put(job)
    for todo, count in ((passive, passive.qsize()), (waiting, min(AT_A_TIME, waiting.qsize()))):
        for _ in range(count):
            threading.Thread(target=_work, args=(t, todo), daemon=True).start()
    yield jobs


def _result(_, jobs, name):
    job = jobs[name]
    job.done.wait()
    if job.error:
        raise job.error


def test_rows(rows, name, quick=(), passive=False):
    """As harness.test_rows(), but the tests' Cases are on nodes of their own, without others.

    All such tests that follow one another, also in several modules, run at the same time.
    @passive: it only waits, so that it does not count as one that runs.
    """
    def register(function):
        for row in rows:
            title = name.format(*row)
            chosen = quick(*row) if callable(quick) else title in quick
            _tests[title] = function, row, passive
            harness.add(harness.Test(title, _result, chosen, (title,), (_scene, ()),
                                     function.__module__))
        return function
    return register


def test(quick=False, passive=False):
    def register(function):
        return test_rows([()], function.__name__, lambda: quick, passive)(function)
    return register

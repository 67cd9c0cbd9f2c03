# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases, and how they are reported (TAP)."""

import fnmatch
import time
import traceback

_cases = []
_shared = {}


class Skip(Exception):
    """Cannot be checked here."""


def case(function):
    """Register a function; its name is the sentence that is reported."""
    _cases.append((function.__name__.replace("_", " "), function, ()))
    return function


def rows(values, title):
    """Register one case for each row; @title is formatted with the row's values."""
    def register(function):
        for row in values:
            _cases.append((title.format(*row), function, row))
        return function
    return register


def equal(what, expected, got):
    if expected != got:
        raise AssertionError(f"{what}\nexpected: {expected!r}\ngot:      {got!r}")


def true(what, value):
    if not value:
        raise AssertionError(what)


def shared(make):
    """What @make returned when it was first asked for; closed at the end."""
    if make not in _shared:
        _shared[make] = make()
    return _shared[make]


def run(pattern):
    """Returns how many failed."""
    try:
        return _run(pattern)
    finally:
        for server in _shared.values():
            server.stop(check=False)


def _run(pattern):
    chosen = [entry for entry in _cases if fnmatch.fnmatchcase(entry[0], pattern)]
    print(f"1..{len(chosen)}", flush=True)
    failed = 0
    for number, (title, function, row) in enumerate(chosen, 1):
        started = time.monotonic()
        try:
            function(*row)
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception as error:  # a case must not end the others
            failed += 1
            print(f"not ok {number} - {title}")
            where = traceback.extract_tb(error.__traceback__)[1:]
            lines = [f"{type(error).__name__}: {error}",
                     *(f"at {frame.filename}:{frame.lineno}" for frame in where)]
            for line in "\n".join(lines).splitlines():
                print(f"# {line[:2000]}")
        else:
            print(f"ok {number} - {title} # {time.monotonic() - started:.2f} s", flush=True)
    return failed

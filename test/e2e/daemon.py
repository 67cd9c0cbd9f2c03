# SPDX-License-Identifier: GPL-2.0-or-later
"""kubenft as a process: the daemon, and the commands that come and go."""

import os
import re
import signal
import subprocess
import time

import topology
from netns import die_with_parent

NODE_ARGS = ("--hostname-override", topology.NODE_NAME)
CIDR_ARGS = ("--cluster-cidr", topology.CLUSTER_CIDRS)

REFILLED = re.compile(r'"synced".*kind="?refill"?')
SYNCED = re.compile(r'"synced"')

_SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:")


class Skip(Exception):
    """The machine cannot do this."""


class Failure(AssertionError):
    """An expectation that was not met; facts: lines that say more."""

    def __init__(self, message, *facts):
        super().__init__(message)
        self.facts = facts


def until(condition, what, patience=20.0, pause=0.002):
    """Poll until @condition() is true, and return what it returned.

    @what: what is waited for; a function when that is known only at the end.
    """
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"waited {patience:g} s in vain: {what() if callable(what) else what}")
        time.sleep(pause)


class Daemon:
    """kubenft run in a namespace. What it logs goes to a file.

    @prefix: a command that executes its arguments.  @env: variables besides ours.
    """

    def __init__(self, binary, namespace, log_path, args, stdin=None, prefix=(), env=None):
        self.log_path = log_path
        self.argv = [*prefix, binary, "run", *args]
        self.options = ()  # those of them that diff has, too, but for the source
        self.stopped = False
        with open(log_path, "ab") as log, namespace:
            self.process = subprocess.Popen(
                self.argv, stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=log, stderr=log, preexec_fn=die_with_parent,
                env={**os.environ, **env} if env else None)

    @property
    def pid(self):
        return self.process.pid

    def log(self, start=0):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            return file.read()

    def mark(self):
        """The log's end now, for the other methods' @start."""
        return os.path.getsize(self.log_path)

    def wait_log(self, pattern, start=0, patience=30.0):
        """Wait for a line; returns the match."""
        regex = re.compile(pattern) if isinstance(pattern, str) else pattern

        def found():
            for line in self.log(start).splitlines(keepends=True):
                # what has no end yet is being written
                if line.endswith("\n") and regex.search(line):
                    return line.rstrip("\n")
            if self.process.poll() is not None:
                raise Failure(f"kubenft ended with status {self.process.returncode} "
                              f"before it logged {regex.pattern!r}", *self.log().splitlines()[-15:])
            return None

        return until(found, f"log line {regex.pattern!r}", patience)

    def wait_ready(self, start=0):
        self.wait_log(REFILLED, start)

    def wait_synced(self, start):
        self.wait_log(SYNCED, start)

    def complaints(self, start=0):
        """Warnings and errors."""
        return [line for line in self.log(start).splitlines() if re.match(r"[WEF]\d{4} ", line)]

    def is_running(self):
        return self.process.poll() is None

    def stop(self, number=signal.SIGTERM, patience=10.0):
        """Returns the exit status as subprocess has it: negative for a signal."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"did not end within {patience:g} s of signal {number}") from None
        self.stopped = True
        return status

    def stop_gracefully(self):
        status = self.stop()
        if status != 0:
            raise Failure(f"SIGTERM: expected exit status 0, got {status}")

    def kill(self):
        return self.stop(signal.SIGKILL)


def sanitizer_report(text):
    """The first lines of a sanitizer's complaint, or None."""
    match = _SANITIZER.search(text)
    return text[match.start():].splitlines()[:20] if match else None


def run_command(binary, namespace, *args, stdin="", prefix=()):
    """A kubenft command to its end: subprocess.CompletedProcess, output as text."""
    done = namespace.command(*prefix, binary, *args, input=stdin, timeout=60)
    report = sanitizer_report(done.stderr)
    if report:
        raise Failure(f"kubenft {args[0]}: a sanitizer complains", *report)
    return done

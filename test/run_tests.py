#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run test programs, count test cases, say what failed.

usage: run_tests.py [option...] COMMAND...

Each COMMAND (one shell-quoted word) is a suite. What it prints as TAP is counted case by case;
a suite that prints no TAP is one case, judged by its exit status, 77 meaning skipped.
A suite that dies before its last case, or exits with a status that its cases do not explain,
counts as one failed case more, so nothing is lost in a crash.

The last line is always `N passed, N failed, N skipped`. Inside `make check` the environment
variable CHECK_DIR names a directory where the counts of several runs come together;
--total prints their sum. The exit status is then 0, so that the stages after this one run too.
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import sys
import time

PLAN = re.compile(r"^1\.\.(\d+)\s*$")
# cmocka prints a result behind whatever the test printed last, newline or not: look anywhere.
RESULT = re.compile(r"(not ok|ok) (\d+)\b(.*)$")
SKIP = re.compile(r"#\s*skip\b", re.IGNORECASE)
SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|: runtime error: ")
EXIT_SKIPPED = 77
# How much of a failed suite's output is shown
SHOWN_LINES = 60
SHOWN_CASES = 5
SHOWN_BEFORE = 10
SHOWN_BEHIND = 30


class Suite:
    """One command, what it printed and what that means."""

    def __init__(self, command, prefix):
        self.command = command
        self.name = " ".join([*prefix.split(), suite_name(command)])
        self.passed = []
        self.failed = []
        self.skipped = []
        self.output = ""
        self.seconds = 0.0

    def judge(self, text, status, late):
        """Count the cases in TAP text; status is as of subprocess, late means timed out."""
        self.output = text
        planned = seen = expected = 0
        for line in text.splitlines():
            plan = PLAN.match(line)
            if plan:
                planned += int(plan.group(1))
                expected = 0
                continue
            found = RESULT.search(line)
            # A number out of order is prose, but for the 0 of a failed group setup.
            if not found or int(found.group(2)) not in (0, expected + 1):
                continue
            expected = int(found.group(2))
            seen += 1
            self.count(found.group(1) == "ok", found.group(3))
        if late:
            self.failed.append(f"did not end within {late:.0f} s")
        elif seen == 0 and planned == 0:
            self.judge_plain(status)
        elif status < 0:
            self.failed.append(f"died of {signal.Signals(-status).name}")
        elif seen < planned:
            self.failed.append(f"{planned - seen} of {planned} cases never ran")
        elif status not in (0, EXIT_SKIPPED) and not self.failed:
            self.failed.append(f"exit status {status} although every case passed")

    def count(self, good, rest):
        """One TAP result; cmocka 1.1.5 writes a skipped case as `not ok 3 # SKIP name`."""
        name = rest.strip().removeprefix("-").strip()
        if SKIP.search(rest):
            self.skipped.append(SKIP.sub("", name).strip(" -#"))
            return
        name = name.partition(" # ")[0]
        if good:
            self.passed.append(name)
        else:
            self.failed.append(name)

    def judge_plain(self, status):
        """No TAP at all: the exit status is the one result."""
        if status == 0:
            self.passed.append("")
        elif status == EXIT_SKIPPED:
            self.skipped.append(self.output.strip().splitlines()[-1] if self.output.strip() else "")
        elif status < 0:
            self.failed.append(f"died of {signal.Signals(-status).name}")
        else:
            self.failed.append(f"exit status {status}" if status != 1 else "")

    def line(self):
        """The suite in one line."""
        verdict = "FAIL" if self.failed else "ok  " if self.passed else "skip"
        parts = [f"{len(self.passed)} passed"]
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        if self.skipped:
            parts.append(f"{len(self.skipped)} skipped")
        return f"  {verdict} {self.name:<40} {', '.join(parts)} ({self.seconds:.1f} s)"


def suite_name(command):
    """`build/asan/test/unit/test_nft_diff` is `nft_diff`; `test/lint/layers.sh` is `layers`;
    `test/e2e/run --part 1/2` is `e2e 1 of 2`."""
    words = shlex.split(command)
    while len(words) > 1 and ("=" in words[0] or words[0] in ("env", "setarch", "-R")):
        words.pop(0)
    base = os.path.basename(words[0])
    if base in ("run", "check"):
        name = os.path.basename(os.path.dirname(words[0]))
        part = words[words.index("--part") + 1].split("/") if "--part" in words else []
        return " of ".join([f"{name} {part[0]}", *part[1:]]) if part else name
    return re.sub(r"^test_|\.(sh|py)$", "", base)


def run(suite, timeout, log_dir):
    """Run one suite in a process group of its own, so that a timeout leaves nothing behind."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", PYTHONDONTWRITEBYTECODE="1")
    env.pop("CHECK_DIR", None)
    env.setdefault("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
    begin = time.monotonic()
    late = 0
    try:
        proc = subprocess.Popen(shlex.split(suite.command), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                                start_new_session=True)
    except OSError as error:
        suite.judge(f"{suite.command}: {error.strerror}\n", 127, 0)
        return suite
    try:
        out, _ = proc.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        late = timeout
        # INT first: a suite that made namespaces has to remove them.
        for sig in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(proc.pid, sig)
                out, _ = proc.communicate(timeout=10)
                break
            except subprocess.TimeoutExpired:
                continue
            except ProcessLookupError:
                out, _ = proc.communicate()
                break
        else:
            out = b"(still running after SIGKILL)\n"
    suite.seconds = time.monotonic() - begin
    suite.judge(out.decode("utf-8", "replace"), proc.returncode or 0, late)
    with open(os.path.join(log_dir, suite.name.replace(" ", "-") + ".log"), "w",
              encoding="utf-8") as log:
        log.write(f"$ {suite.command}\n{suite.output}")
    return suite


def excerpt(lines):
    """Of long output what matters: each failed case with what was said about it, or else the end."""
    results = [i for i, line in enumerate(lines) if RESULT.search(line)]
    crash = next((i for i, line in enumerate(lines) if SANITIZER.search(line)), None)
    bad = [i for i in results if "not ok" in lines[i] and not SKIP.search(lines[i])]
    if not bad and crash is None:
        return lines[-SHOWN_LINES:]
    shown = []
    for i in bad[:SHOWN_CASES]:
        # cmocka's tests print before their result, TAP's comments stand behind it.
        first = max([r + 1 for r in results if r < i] + [0, i - SHOWN_BEFORE])
        last = i + 1
        while last < len(lines) and lines[last].startswith("#") and last - i < SHOWN_BEHIND:
            last += 1
        shown += lines[first:last]
    if len(bad) > SHOWN_CASES:
        shown.append(f"... and {len(bad) - SHOWN_CASES} failed cases more")
    if crash is not None:
        shown += ["...", *lines[max(0, crash - SHOWN_BEFORE):crash + SHOWN_BEHIND]]
    elif max(results) < len(lines) - SHOWN_BEHIND:
        shown += ["...", *lines[-SHOWN_BEHIND:]]
    return shown


def show_failures(suite, log_dir):
    """The part of what a failed suite printed that matters, and where the rest is."""
    for line in excerpt(suite.output.rstrip().splitlines()):
        print(f"       | {line}")
    for name in suite.failed:
        print(f"       FAILED {suite.name}: {name}" if name else f"       FAILED {suite.name}")
    print(f"       all of it: {os.path.join(log_dir, suite.name.replace(' ', '-'))}.log")


def summary(passed, failed, skipped):
    """The one line that others read."""
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def record(check_dir, passed, failed_names, skipped):
    """Add one run to the counts of the whole check."""
    os.makedirs(check_dir, exist_ok=True)
    with open(os.path.join(check_dir, "results"), "a", encoding="utf-8") as out:
        out.write(f"count {passed} {len(failed_names)} {skipped}\n")
        for name in failed_names:
            out.write(f"failed {name}\n")


def total(check_dir):
    """Print the sum of everything recorded; exit status 1 when anything failed or nothing ran."""
    sums = [0, 0, 0]
    names = []
    try:
        with open(os.path.join(check_dir, "results"), encoding="utf-8") as lines:
            for line in lines:
                kind, _, rest = line.rstrip("\n").partition(" ")
                if kind == "count":
                    sums = [a + int(b) for a, b in zip(sums, rest.split())]
                else:
                    names.append(rest)
    except FileNotFoundError:
        names.append("no test ran at all")
        sums[1] = 1
    for name in names:
        print(f"FAILED {name}")
    print(summary(*sums))
    return 1 if sums[1] or not sums[0] else 0


def main():
    args = argparse.ArgumentParser(usage=__doc__)
    args.add_argument("--prefix", default="", help="put before each suite's name")
    args.add_argument("--log", default="build/check", help="directory for full outputs")
    args.add_argument("--jobs", type=int, default=1, help="suites run at the same time")
    args.add_argument("--timeout", type=float, default=300, help="seconds for one suite")
    args.add_argument("--failed", metavar="NAME", help="run nothing, record NAME as failed")
    args.add_argument("--total", metavar="DIR", help="run nothing, print the sum recorded in DIR")
    args.add_argument("commands", nargs="*")
    opts = args.parse_args()
    check_dir = os.environ.get("CHECK_DIR")

    if opts.total:
        return total(opts.total)
    if opts.failed:
        print(f"  FAIL {opts.failed}")
        record(check_dir or opts.log, 0, [opts.failed], 0)
        return 0

    os.makedirs(opts.log, exist_ok=True)
    suites = [Suite(command, opts.prefix) for command in opts.commands]
    with concurrent.futures.ThreadPoolExecutor(max_workers=opts.jobs) as pool:
        for suite in pool.map(lambda s: run(s, opts.timeout, opts.log), suites):
            print(suite.line(), flush=True)
            if suite.failed:
                show_failures(suite, opts.log)
    passed = sum(len(s.passed) for s in suites)
    failed = [f"{s.name}: {n}" if n else s.name for s in suites for n in s.failed]
    skipped = sum(len(s.skipped) for s in suites)
    print(summary(passed, len(failed), skipped), flush=True)
    if check_dir:
        record(check_dir, passed, failed, skipped)
        return 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests, what they get, and how they are reported (TAP)."""

import contextlib
import copy
import fnmatch
import itertools
import os
import shutil
import subprocess
import tempfile
import time
import traceback

import api
import objects
import probes
import sctp
import servers
import topology
import transactions
from daemon import (CIDR_ARGS, NODE_ARGS, Daemon, Failure, Skip, run_command, sanitizer_report,
                    until)

_registry = []


class Test:
    def __init__(self, name, function, quick, args, fixture=None, module=None, over_api=False):
        self.name = name
        self.function = function
        self.quick = quick
        self.args = args
        self.fixture = fixture  # (generator function, its arguments), or None
        self.module = module or function.__module__
        self.over_api = over_api  # objects come from an API server, not from a file

    def shares_scene_with(self, other):
        return self.fixture is not None and other is not None and \
            (self.fixture, self.over_api) == (other.fixture, other.over_api)


def _bind(fixture, row=()):
    """A fixture's arguments are the first values of a row, as many as it takes."""
    if fixture is None:
        return None
    count = fixture.__code__.co_argcount - 1
    return fixture, tuple(row[:count])


def add(item):
    """Register what the functions below do not fit."""
    _registry.append(item)


def test(quick=False, fixture=None):
    """Register a function as a test; its name is the sentence that is reported.

    @fixture: a generator function that makes, of a Case, what tests in a row share: it yields
    that once, and cleans up behind the yield. The tests get the Case and what was yielded.
    """
    def register(function):
        _registry.append(Test(function.__name__, function, quick, (), _bind(fixture)))
        return function
    return register


def test_rows(rows, name, quick=(), fixture=None):
    """Register one test for each row; @name is formatted with the row's values.

    @quick: names, or a function of the row. @fixture: as for test(); besides the Case it gets the
    row's first values, and rows that agree in these share what it made.
    """
    def register(function):
        for row in rows:
            title = name.format(*row)
            chosen = quick(*row) if callable(quick) else title in quick
            _registry.append(Test(title, function, chosen, row, _bind(fixture, row)))
        return function
    return register


def again_over_api(module, patterns, name, quick=()):
    """Register tests a second time, with their objects in an API server instead of in a file.

    @module: for select().  @patterns: of their names.  @name: formatted with a test's name.
    @quick: names as they were.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(t.name, pattern) for t in _registry):
            raise ValueError(f"no test matches {pattern}")
    chosen = [t for t in _registry
              if any(fnmatch.fnmatchcase(t.name, pattern) for pattern in patterns)]
    for t in chosen:
        _registry.append(Test(name.format(t.name), t.function, t.name in quick, t.args, t.fixture,
                              module, True))


def select(pattern, modules, only_quick):
    return [t for t in _registry
            if fnmatch.fnmatchcase(t.name, pattern) and
            fnmatch.fnmatchcase(t.module, modules) and (t.quick or not only_quick)]


class World:
    """What all tests share: the machines, the servers, addresses not used before."""

    def __init__(self, binary, load_seconds, seed=None):
        """@load_seconds: how long a test under load goes on.  @seed: of what happens at random."""
        self.load_seconds = load_seconds
        self.seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
        self.directory = tempfile.mkdtemp(prefix="kubenft-e2e-")
        os.chmod(self.directory, 0o755)
        # Where an unprivileged user can run it, too.
        self.binary = os.path.join(self.directory, "kubenft")
        shutil.copy(binary, self.binary)
        self.topology = None
        self.servers = 0
        self.notes_path = os.path.join(self.directory, "datagrams")
        self._addresses = 0
        self._node_ports = 30000
        self._external_ips = 0
        self._places = itertools.count(1)

    def new_directory(self):
        """One with a short path, as sockets need it; removed at the end."""
        path = os.path.join(self.directory, str(next(self._places)))
        os.mkdir(path)
        return path

    def start(self):
        self.topology = topology.Topology()
        self.servers = servers.start(self.topology.backends(), self.notes_path)

    def close(self):
        if self.servers:
            servers.stop(self.servers)
            self.servers = 0
        if self.topology:
            self.topology.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cluster_ips(self, families):
        """Fresh ones, so that no connection of an earlier test is remembered for them."""
        self._addresses += 1
        high, low = divmod(self._addresses, 250)
        both = {4: f"10.96.{high + 1}.{low + 1}", 6: f"fd00:10:96::{self._addresses + 16:x}"}
        return {family: both[family] for family in families}

    def node_port(self):
        self._node_ports += 1
        return self._node_ports

    def external_ips(self):
        """Fresh ones of no machine, for externalIPs and load balancers: {family: address}."""
        self._external_ips += 1
        high, low = divmod(self._external_ips, 250)
        return {4: f"198.18.{high}.{low + 1}", 6: f"2001:db8:18::{self._external_ips:x}"}


class Case:
    """One test's view: the machines, its files, its daemon, and short ways to do things."""

    def __init__(self, world, name, items=()):
        """@items: the tests that share it."""
        self.world = world
        self.items = items
        self.binary = world.binary
        machines = world.topology
        self.node, self.client, self.external = machines.node, machines.client, machines.external
        self.pods, self.remote_pods = machines.pods, machines.remote_pods
        self.remote_client = machines.remote_client
        self.backend_namespaces = machines.backends()
        self._settle(os.path.join(world.directory, name[:40]))

    def _settle(self, directory):
        os.mkdir(directory)
        self.directory = directory
        self.source = os.path.join(directory, "objects.yaml")
        self.log_path = os.path.join(directory, "log")
        self.daemons = []
        self.api = None  # where objects are instead of in a file, an api.Api
        self._stack = contextlib.ExitStack()
        self._endings = []

    def elsewhere(self, node):
        """A Case of its own on another @node, with nobody around; to be closed by the caller."""
        other = copy.copy(self)
        other.world = copy.copy(self.world)  # with its own counters
        other.node = node
        other._settle(os.path.join(self.directory, node.name))
        return other

    def at_end(self, function):
        """@function is called when the daemons have ended, the last one first; it returns
        complaints."""
        self._endings.append(function)

    # Objects

    def service(self, name, ports, families=(4, 6), **more):
        return objects.Service(name, self.world.cluster_ips(families), ports, **more)

    def web(self, backends, families=(4,), **more):
        """The plainest Service: TCP and UDP port 80, its slices with @backends at port 8080."""
        entries = [objects.port(80, "web", "TCP"), objects.port(80, "dns", "UDP")]
        service = self.service(more.pop("name", "web"), entries, families, **more)
        return service, self.web_slice(service, backends)

    @staticmethod
    def web_slice(service, backends, suffix="1", number=8080):
        return objects.endpoint_slice(service, backends,
                                      ((number, "web", "TCP"), (number, "dns", "UDP")), suffix)

    def write(self, *things, path=None, form=objects.yaml_documents, with_node=True):
        """These objects are what there is, in the source or in a file at @path.

        A file is written as by a careful program: another file, renamed. What is written to an API
        server is in the kernel when this returns, if a daemon runs.
        """
        always = [objects.node(), objects.service_cidr()] if with_node else []
        if self.api and path is None:
            self.api.write(*always, *things)
            return
        self.write_text(form([*always, *things]), path)

    def write_text(self, text, path=None):
        path = path or self.source
        temporary = os.path.join(os.path.dirname(path), ".new")
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(temporary, path)

    # kubenft

    @property
    def is_sanitized(self):
        """Is the binary one of which memory and time say nothing?"""
        with open(self.binary, "rb") as file:
            return b"__asan_init" in file.read()

    def source_args(self, path=None):
        """The options that say where the objects are."""
        if self.api and path is None:
            return self.api.args
        return ("--source", path or self.source)

    def start(self, *args, source=None, cidrs=CIDR_ARGS, run_args=(), **more):
        """Start a daemon without waiting for it. @run_args: what diff does not have.
        @more: as for Daemon."""
        options = (*NODE_ARGS, *cidrs, *args)
        daemon = Daemon(self.binary, self.node, self.log_path,
                        (*self.source_args(source), "-v", "4" if self.api else "2", *options,
                         *run_args), **more)
        daemon.options = options
        self.daemons.append(daemon)
        return daemon

    def run(self, *things, **more):
        """Write @things, start a daemon, wait until all of it is in the kernel."""
        if things:
            self.write(*things)
        start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        daemon = self.start(*more.pop("args", ()), **more)
        daemon.wait_ready(start)
        return daemon

    def command(self, *args, stdin="", prefix=()):
        done = run_command(self.binary, self.node, *args, stdin=stdin, prefix=prefix)
        if self.api:
            self.api.outputs += [done.stdout, done.stderr]
        return done

    def plan(self, *args, stdin="", source=None):
        return self.command("plan", *self.source_args(source), *NODE_ARGS, *CIDR_ARGS, *args,
                            stdin=stdin)

    def diff(self, *args, source=None, stdin=""):
        return self.command("diff", *self.source_args(source), *NODE_ARGS, *CIDR_ARGS, *args,
                            stdin=stdin)

    def nft(self, *args, stdin=None):
        return self.node.command("nft", *args, input=stdin)

    def nft_ok(self, *args, stdin=None):
        done = self.nft(*args, stdin=stdin)
        self.equal(f"nft {' '.join(args)}: exit status", 0, done.returncode, done.stderr)
        return done.stdout

    def tables(self):
        return self.nft_ok("list", "tables").split("\n")[:-1]

    def transactions(self):
        """Hear the kernel's transactions from now to the test's end."""
        return self._stack.enter_context(transactions.Listener(self.node))

    # Connections

    @staticmethod
    def connect_all(jobs, patience=probes.PATIENCE):
        return probes.connect_all(jobs, patience)

    def connect(self, namespace, protocol, address, port, patience=probes.PATIENCE):
        return self.connect_many(namespace, protocol, address, port, 1, patience)[0]

    def connect_many(self, namespace, protocol, address, port, count, patience=probes.PATIENCE):
        if protocol == "sctp":
            if not sctp.is_permitted(namespace):
                raise Skip("no raw sockets here")
            return sctp.send_many(namespace, self.backend_namespaces, address, port, count,
                                  patience)
        return probes.connect_many(namespace, protocol, address, port, count, patience)

    def hold(self, namespace, address, port):
        connection = probes.HeldConnection(namespace, address, port)
        self._stack.callback(connection.close)
        return connection

    def udp_client(self, namespace, address, port):
        client = probes.UdpClient(namespace, address, port)
        self._stack.callback(client.close)
        return client

    # Expectations

    @staticmethod
    def equal(what, expected, got, *facts):
        if expected != got:
            raise Failure(what, f"expected: {expected}", f"got:      {got}", *facts)

    @staticmethod
    def true(what, value, *facts):
        if not value:
            raise Failure(what, *facts)

    def answered_by(self, namespace, protocol, address, port, backends, count=None, number=8080):
        """Exactly @backends answer, each of them at least once, and nothing is lost.

        27 connections a backend: one is missed by chance once in 1e11 tests.
        Returns the results.
        """
        count = count or (20 if len(backends) == 1 else 27 * len(backends))
        results = self.connect_many(namespace, protocol, address, port, count)
        got = {(r.backend, r.port) for r in results if r.outcome == probes.ANSWERED}
        lost = {r.outcome for r in results if r.outcome != probes.ANSWERED}
        expected = {b if isinstance(b, tuple) else (b, number) for b in backends}
        if got != expected or lost:
            raise Failure(f"who answers {namespace} at {address} {protocol} {port}",
                          f"expected: {sorted(expected)}",
                          f"got:      {probes.tally(results)}")
        return results

    def outcome(self, expected, namespace, protocol, address, port, patience=None):
        """expected: one of probes' outcomes, or several as a tuple."""
        expected = (expected,) if isinstance(expected, str) else expected
        if patience is None:
            silent = probes.TIMEOUT in expected
            patience = probes.SILENCE if silent else probes.PATIENCE
        got = self.connect(namespace, protocol, address, port, patience)
        if got.outcome not in expected:
            raise Failure(f"{namespace} to {address} {protocol} {port}",
                          f"expected: {' or '.join(expected)}", f"got:      {got}")

    def refused(self, namespace, protocol, address, port):
        # What a machine refuses to itself is an error of send(), but for TCP.
        own = namespace is self.node and protocol != "tcp"
        self.outcome(probes.PROHIBITED if own else probes.REFUSED, namespace, protocol, address,
                     port)

    def dropped(self, namespace, protocol, address, port):
        own = namespace is self.node and protocol != "tcp"
        self.outcome(probes.PROHIBITED if own else probes.TIMEOUT, namespace, protocol, address,
                     port)

    def sources(self, results, expected):
        """@expected: function from a backend's address to the source it must have seen."""
        wrong = {str(r) for r in results if r.source != expected(r.backend)}
        if wrong:
            raise Failure("the source address that backends see",
                          f"expected: { {r.backend: expected(r.backend) for r in results} }",
                          *(f"got:      {text}" for text in sorted(wrong)[:6]))

    def becomes(self, namespace, protocol, address, port, backends, patience=5.0):
        """Wait until a connection is answered by one of @backends, then expect exactly them.

        For @backends of which none answered before; else wait for the daemon's log.
        """
        def reached():
            result = self.connect(namespace, protocol, address, port, probes.SILENCE)
            return result.outcome == probes.ANSWERED and result.backend in backends
        until(reached, f"{address} {protocol} {port} answered by {backends}", patience)
        self.answered_by(namespace, protocol, address, port, backends)

    def becomes_outcome(self, expected, namespace, protocol, address, port, patience=5.0):
        until(lambda: self.connect(namespace, protocol, address, port,
                                   probes.SILENCE).outcome == expected,
              f"{address} {protocol} {port} {expected}", patience)

    # The end

    def facts(self):
        """What a person would look at next."""
        lines = []
        if os.path.exists(self.log_path):
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                tail = file.read().splitlines()[-20:]
            lines += ["kubenft's log ends:"] + [f"  {line}" for line in tail]
        if self.api:
            lines += self.api.facts()
        for family in ("ip", "ip6"):
            for kind, name in (("map", "frontends"), ("map", "backends"), ("set", "cluster-ips"),
                               ("set", "internal"), ("set", "external-cluster"),
                               ("set", "external-local"),
                               ("map", "local-frontends"), ("map", "cluster-frontends"),
                               ("map", "restricted-frontends"), ("set", "allowed-sources"),
                               ("map", "sticky-frontends"), ("map", "affinity"),
                               ("set", "pod-cidrs"), ("set", "hairpin")):
                listing = self.nft("list", kind, family, "kubenft", name)
                if listing.returncode == 0 and "elements" in listing.stdout:
                    lines += [f"  {line}" for line in listing.stdout.splitlines()[:25]]
        return lines

    def close(self):
        """Stop what runs and remove what is left; complains about how a daemon ended."""
        trouble = []
        self._stack.close()
        for daemon in self.daemons:
            if not daemon.stopped:
                if not daemon.is_running():
                    trouble.append(f"kubenft had ended, status {daemon.process.returncode}")
                try:
                    daemon.stop_gracefully()
                except Failure as failure:
                    trouble.append(str(failure))
        if os.path.exists(self.log_path):
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                trouble += sanitizer_report(file.read()) or []
        for ending in reversed(self._endings):
            trouble += ending()
        for family in ("ip", "ip6"):
            self.nft("delete", "table", family, "kubenft")
        shutil.rmtree(self.directory, ignore_errors=True)
        return trouble


def _diagnose(lines):
    for line in lines:
        for part in str(line).splitlines() or [""]:
            print(f"#   {part}")


def _describe(error):
    if isinstance(error, Failure):
        return [str(error), *error.facts]
    if isinstance(error, subprocess.TimeoutExpired):
        return [str(error)]
    return traceback.format_exception(error)


class _Stage:
    """A Case, and what the tests share that run in it."""

    def __init__(self, world, items):
        """@items: the tests that are to run in it."""
        item = items[0]
        self.case = Case(world, item.name, items)
        self.shared = []  # what the tests get besides the Case
        self.broken = None
        self.told = False  # facts were printed
        self._manager = None
        try:
            if item.over_api:
                api.Api(self.case)
            if item.fixture:
                function, args = item.fixture
                self._manager = contextlib.contextmanager(function)(self.case, *args)
                self.shared = [self._manager.__enter__()]
        except Exception as error:  # is what every test of the fixture meets
            self.broken = error

    def run(self, item):
        if self.broken:
            raise self.broken
        item.function(self.case, *self.shared, *item.args)

    def facts(self):
        told, self.told = self.told, True
        return [] if told else self.case.facts()

    def close(self):
        """Returns complaints."""
        trouble = []
        if self._manager and not self.broken:
            try:
                self._manager.__exit__(None, None, None)
            except Exception as error:
                trouble = _describe(error)
        return self.case.close() + trouble


def _run_one(number, item, stage, is_last, started):
    """Returns whether the test passed (a skipped one did)."""
    skip = None
    lines = []
    try:
        stage.run(item)
    except Skip as reason:
        skip = str(reason)
    except Exception as error:  # a test must not end the others
        lines = _describe(error) + stage.facts()
    if is_last:
        lines += stage.close()
    took = time.monotonic() - started
    verdict = "not ok" if lines else "ok"
    note = f" # SKIP {skip}" if skip is not None and not lines else f" # {took:.2f} s"
    print(f"{verdict} {number} - {item.name}{note}", flush=True)
    _diagnose(lines)
    return not lines


def run_tests(items, world):
    """Returns the names of those that failed."""
    print(f"1..{len(items)}", flush=True)
    failed = []
    stage = None
    try:
        for number, item in enumerate(items, 1):
            started = time.monotonic()
            if stage is None:
                stage = _Stage(world, [item, *itertools.takewhile(item.shares_scene_with,
                                                                  items[number:])])
            following = items[number] if number < len(items) else None
            is_last = not item.shares_scene_with(following)
            done, stage = stage, None if is_last else stage
            if not _run_one(number, item, done, is_last, started):
                failed.append(item.name)
    finally:
        if stage:  # interrupted
            stage.close()
    return failed

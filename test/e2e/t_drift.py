# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else changes our tables, or tries to."""

import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time

import descriptors
import load
import objects
import probes
import transactions
from daemon import until
from exposure import Exposed
from harness import Skip, test, test_rows
from objects import port
from stream import STABLE, Held, History, groups, judge
from t_lifecycle import _owned_where_possible
from topology import pod_address, remote_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)
THREE = [ONE, TWO, remote_address(1, 4)]

PLAIN = ("--table-owner=false",)

CHANGED = re.compile(r'"tables changed by another process" process="([^"]*)" pid=(\d+)')
REPAIRED = re.compile(r'"tables repaired" .*since_notice_us=(\d+)')
STATE = re.compile(r'"drift" .*')


def _hundred_services(t):
    """What stands beside the Service of the test."""
    things = []
    for i in range(99):
        service = t.service(f"other-{i}", [port(80)], families=(4,))
        things += [service, objects.endpoint_slice(
            service, [remote_address(k, 4) for k in range(1, 11)])]
    return things


def _nft(t, text):
    """Run nft as another process; returns its pid when it has ended."""
    with t.node:
        process = subprocess.Popen(["nft", "-f", "-"], stdin=subprocess.PIPE, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = process.communicate(text + "\n", timeout=60)
    t.equal(f"nft {text}: exit status", 0, process.returncode, output)
    return process.pid


def _state(daemon):
    """What SIGUSR1 says about drift."""
    mark = daemon.mark()
    daemon.process.send_signal(signal.SIGUSR1)
    line = daemon.wait_log(STATE, mark)
    return dict(re.findall(r'(\w+)="?([^" ]*)"?', line.partition('"drift" ')[2]))


def _run_plain(t, *things):
    """Start a daemon that does not own its tables; when this returns, it listens."""
    daemon = t.run(*things, args=PLAIN)
    until(lambda: _state(daemon)["listening"] == "yes", "the daemon listens")
    return daemon


def _in_sync(t):
    done = t.diff()
    t.equal("diff: exit status", 0, done.returncode, done.stdout, done.stderr)


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def _stopped(daemon):
    """Meanwhile the daemon does not run."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.process.send_signal(signal.SIGCONT)


@test(quick=True)
def nft_flush_ruleset_costs_owned_tables_not_one_connection(t):
    service, held = Exposed(t.world), Held(t)
    daemon = t.run(service, *(service.slice(STABLE[f]) for f in (4, 6)), *held.things)
    if not _owned_where_possible(t):
        raise Skip("this kernel has no owned tables")
    held.connect()
    mark = daemon.mark()
    with load.Load(t.directory, groups(t, service)) as stream:
        for _ in range(20):
            _nft(t, "flush ruleset")
            time.sleep(0.05)  # spread over the load
        held.all_work()
    judge(t, "20 flushes", History(frozenset(STABLE[4] + STABLE[6])), stream.visits())
    t.equal("complaints", [], daemon.complaints(mark))
    t.equal("listening", "no", _state(daemon)["listening"])


# What another process does to tables that it may change. {ip}: of the Service.
CRIMES = [
    ("flushes_the_ruleset", "flush ruleset"),
    ("deletes_one_table", "delete table ip kubenft"),
    ("deletes_a_frontend", "delete element ip kubenft frontends {{ {ip} . tcp . 80 }}"),
    ("adds_a_frontend", "add element ip kubenft frontends {{ 10.96.9.9 . tcp . 80 : drop }}"),
    ("turns_a_backend_elsewhere",
     "delete element ip kubenft backends {{ {ip} . tcp . 80 . 0 }}\n"
     "add element ip kubenft backends {{ {ip} . tcp . 80 . 0 : 10.244.0.99 . 1 }}"),
    ("empties_a_map", "flush map ip kubenft backends"),
    ("replaces_the_rules_of_a_chain",
     "flush chain ip kubenft services\nadd rule ip kubenft services drop"),
    ("adds_a_chain",
     "add chain ip6 kubenft mine {{ type filter hook input priority 0; policy drop; }}"),
    ("puts_a_table_to_sleep", "add table ip kubenft {{ flags dormant; }}"),
    ("puts_something_of_its_own_into_a_table",
     "add counter ip kubenft c\nadd set ip kubenft s {{ type ipv4_addr; }}"),
    ("replaces_a_table_by_one_of_its_own",
     "delete table ip kubenft\nadd table ip kubenft\nadd map ip kubenft frontends "
     "{{ type ipv4_addr : verdict; }}"),
]


@test_rows(CRIMES, "where_nobody_owns_the_tables_somebody_{0}_and_it_is_repaired_at_once",
           quick={"where_nobody_owns_the_tables_somebody_flushes_the_ruleset_and_it_is_repaired_"
                  "at_once", "where_nobody_owns_the_tables_somebody_deletes_a_frontend_and_it_is_"
                  "repaired_at_once"})
def crime(t, _, command):
    service, piece = t.web(THREE)
    daemon = _run_plain(t, service, piece, *_hundred_services(t))
    t.true("the tables are plain", not _owned_where_possible(t))
    heard = t.transactions()
    mark = daemon.mark()
    culprit = _nft(t, command.format(ip=service.ip(4)))
    line = daemon.wait_log(REPAIRED, mark, patience=5)
    print(f"# repaired {int(REPAIRED.search(line)[1]) / 1000:.1f} ms after the notice")
    t.equal("who did it, as the daemon says", [("nft", str(culprit))],
            CHANGED.findall(daemon.log(mark)))
    _in_sync(t)
    for protocol in ("tcp", "udp"):
        t.answered_by(t.client, protocol, service.ip(4), 80, THREE)
    listing = t.nft_ok("list", "table", "ip", "kubenft")
    t.true("nothing foreign is left", "counter c" not in listing and "set s " not in listing)
    t.equal("transactions of the daemon", 1, len(heard.of(daemon.pid)))
    state = _state(daemon)
    t.equal("changes, repairs, losses", ("1", "1", "0"),
            (state["changes"], state["repairs"], state["notices_lost"]))
    t.true("the culprit is counted", re.search(r'"culprit" process="nft" pid=%d changes=1' %
                                               culprit, daemon.log(mark)), daemon.log(mark))


@test()
def changes_by_the_daemon_itself_are_not_taken_for_somebody_elses(t):
    service, piece = t.web(THREE, sessionAffinity="ClientIP")
    daemon = _run_plain(t, service, piece)
    mark = daemon.mark()
    for backends in ([ONE], THREE, [TWO], [], THREE) * 3:
        start = daemon.mark()
        t.write(service, t.web_slice(service, backends or [remote_address(5, 4)]))
        daemon.wait_synced(start)
    t.connect_many(t.client, "tcp", service.ip(4), 80, 20)
    state = _state(daemon)
    t.equal("changes, repairs, transactions of others", ("0", "0", "0"),
            (state["changes"], state["repairs"], state["transactions_of_others"]))
    t.equal("complaints", [], daemon.complaints(mark))


@test()
def owned_tables_become_plain_and_plain_ones_owned_in_one_transaction_and_no_connection_fails(t):
    service, piece = t.web(THREE)
    t.run(service, piece).stop_gracefully()
    jobs = [probes.Job(t.client, "tcp", service.ip(4), 80)]
    with load.Load(t.directory, [(jobs, 300)]) as stream:
        for args, flags in ((PLAIN, None), ((), "owner"), (PLAIN, None)):
            heard = transactions.Listener(t.node)
            daemon = t.run(args=args)
            t.equal("transactions", 1, len(heard.of(daemon.pid)))
            listing = t.nft_ok("list", "table", "ip", "kubenft")
            if flags is None or _owned_where_possible(t):
                t.equal("owned", flags is not None, "flags owner" in listing)
            daemon.stop_gracefully()
            heard.sock.close()
    failed = [v for v in stream.visits() if v.outcome != probes.ANSWERED or v.resent]
    t.equal("failed connections, or segments sent again", [], failed)


@test()
def against_somebody_stubborn_the_daemon_backs_off_and_wins_when_he_stops(t):
    service, piece = t.web(THREE)
    daemon = _run_plain(t, service, piece)
    with t.node:
        adversary = subprocess.Popen(
            ["sh", "-c", "while :; do nft delete table ip kubenft 2>/dev/null || sleep 0.005; done"],
            start_new_session=True)
    try:
        daemon.wait_log(r'"repairs are undone again and again, backing off" process="nft"')
        t.equal("backing off, says the state", "yes", _state(daemon)["backing_off"])
        before = int(_state(daemon)["repairs"])
        time.sleep(3)  # long enough for pauses of a second
        repairs = int(_state(daemon)["repairs"]) - before
    finally:
        os.killpg(adversary.pid, signal.SIGKILL)
        adversary.wait()
    print(f"# {repairs} repairs in 3 s against somebody who deletes the table each time")
    t.true("the daemon goes on repairing, but seldom", 1 <= repairs <= 12, f"{repairs} repairs")
    t.becomes(t.client, "tcp", service.ip(4), 80, THREE)
    until(lambda: t.diff().returncode == 0, "the kernel is in sync")


@test()
def thousands_of_transactions_on_other_tables_do_not_load_the_daemon(t):
    service, piece = t.web(THREE)
    daemon = _run_plain(t, service, piece)
    mark = daemon.mark()
    with transactions.Writer(t.node) as writer:
        before = _cpu_seconds(daemon.pid)
        began = time.monotonic()
        count = 0
        while time.monotonic() - began < 3:
            writer.toggle("neighbour", 100)
            count += 100
            time.sleep(0.01)
        took = time.monotonic() - began
        cost = _cpu_seconds(daemon.pid) - before
    t.nft("delete", "table", "ip", "neighbour")
    print(f"# {count / took:.0f} transactions a second cost {100 * cost / took:.1f} % of a CPU")
    t.true("enough transactions", count / took > 1000, f"{count / took:.0f} a second")
    t.true("the daemon's share", cost < 0.15 * took, f"{cost:.2f} s of {took:.1f} s")
    until(lambda: int(_state(daemon)["transactions_of_others"]) >= count or
          int(_state(daemon)["notices_lost"]) > 0, "it has heard of all of them, or says not")
    state = _state(daemon)
    t.equal("changes, repairs", ("0", "0"), (state["changes"], state["repairs"]))
    if state["notices_lost"] == "0":
        t.equal("complaints", [], daemon.complaints(mark))
    t.answered_by(t.client, "tcp", service.ip(4), 80, THREE)


@contextlib.contextmanager
def _writing(t, write):
    """Meanwhile, somebody does write(transactions.Writer) all the time."""
    end = threading.Event()

    def work():
        with transactions.Writer(t.node) as writer:
            while not end.is_set():
                write(writer)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@test_rows([("owned", ()), ("plain", PLAIN)],
           "where_others_wrote_during_the_first_refill_of_{0}_tables_the_daemon_looks_or_refills")
def written_during_refill(t, _, args):
    service, piece = t.web(THREE)
    with _writing(t, lambda writer: writer.toggle("neighbour", 20)):
        t.write(service, piece, *_hundred_services(t))

        def in_doubt():  # unless the writer had no processor just then
            daemon = t.run(args=args)
            if _state(daemon)["notices_lost"] != "0":
                return daemon
            daemon.stop_gracefully()
            return None
        daemon = until(in_doubt, "a daemon that knows of others who write")

        def resolved():  # a refill, where the ruleset never stands still for a look
            state = _state(daemon)
            return int(state["looks"]) + int(state["repairs"]) > 0
        until(resolved, "a look after the first refill, or another refill")
        t.equal("what looks found", "0", _state(daemon)["looks_that_found"])
        if not _owned_where_possible(t):
            mark = daemon.mark()
            t.nft_ok("delete", "table", "ip6", "kubenft")
            daemon.wait_log(REPAIRED, mark)
    t.nft("delete", "table", "ip", "neighbour")
    until(lambda: t.diff().returncode == 0, "the kernel is in sync")
    t.answered_by(t.client, "tcp", service.ip(4), 80, THREE)


@test()
def what_somebody_puts_into_a_table_while_the_daemon_takes_it_over_does_not_stay(t):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece, *_hundred_services(t))
    if not _owned_where_possible(t):
        raise Skip("this kernel has no owned tables")
    for _ in range(20):
        daemon.stop_gracefully()
        with _writing(t, lambda writer: writer.toggle_chain("kubenft", "mine")):
            daemon = t.run()
        until(lambda: t.diff().returncode == 0, "the kernel is in sync", patience=5)


def _overflow(t):
    """Commit on another table until the daemon's socket has lost something."""
    def has_lost():
        lines = t.node.command("cat", "/proc/net/netlink").stdout.splitlines()[1:]
        return any(fields[1] == "12" and fields[3] == "00000040" and int(fields[8]) > 0
                   for fields in map(str.split, lines) if int(fields[2]) != 0)
    with transactions.Writer(t.node) as writer:
        deadline = time.monotonic() + 60
        while not has_lost():
            t.true("the socket overflows in time", time.monotonic() < deadline)
            writer.toggle("neighbour", 2000)
    t.nft("delete", "table", "ip", "neighbour")


@test()
def lost_notices_make_the_daemon_look_and_nothing_else_where_nothing_happened(t):
    service, piece = t.web(THREE)
    daemon = _run_plain(t, service, piece)
    mark = daemon.mark()
    with _stopped(daemon):
        _overflow(t)
    daemon.wait_log("it is not known what others have done, looking", mark)
    until(lambda: int(_state(daemon)["looks"]) > 0, "the daemon has looked")
    state = _state(daemon)
    t.equal("repairs, and looks that found something", ("0", "0"),
            (state["repairs"], state["looks_that_found"]))
    t.true("losses are counted", int(state["notices_lost"]) > 0, state)
    t.answered_by(t.client, "tcp", service.ip(4), 80, THREE)


@test()
def what_was_changed_while_notices_were_lost_is_found_and_repaired(t):
    service, piece = t.web(THREE)
    daemon = _run_plain(t, service, piece)
    mark = daemon.mark()
    with _stopped(daemon):
        _overflow(t)
        t.nft_ok("delete", "element", "ip", "kubenft", "frontends",
                 f"{{ {service.ip(4)} . tcp . 80 }}")
    line = daemon.wait_log("the kernel does not hold what it should", mark)
    t.true("it is named", "missing=1" in line and service.ip(4) in line, line)
    daemon.wait_log(REPAIRED, mark)
    _in_sync(t)
    t.answered_by(t.client, "tcp", service.ip(4), 80, THREE)


@test_rows([("owned", ()), ("plain", PLAIN)],
           "the_background_check_finds_in_{0}_tables_what_nobody_told_and_repairs_it")
def background_check(t, _, args):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece, args=(*args, "--check-period=1s"))
    until(lambda: int(_state(daemon)["looks"]) > 0, "a first look")
    t.equal("looks that found something", "0", _state(daemon)["looks_that_found"])
    mark = daemon.mark()
    # Through the socket that owns the tables, all may be done unnoticed.
    with descriptors.netlink_sockets(daemon.pid) as stolen:
        transactions.add_address(stolen[daemon.pid], "kubenft", "cluster-ips", "9.9.9.9")
    line = daemon.wait_log("the kernel does not hold what it should", mark)
    t.true("it is named", "foreign=1" in line and "9.9.9.9" in line, line)
    daemon.wait_log(REPAIRED, mark)
    _in_sync(t)
    t.equal("changes that were noticed", "0", _state(daemon)["changes"])


@test()
def the_gap_after_a_flush_without_ownership_is_some_milliseconds(t):
    service, piece = t.web(THREE)
    t.write(service, piece, *_hundred_services(t))
    heard = t.transactions()
    gaps = []
    for _ in range(5):
        daemon = _run_plain(t)
        before = len(heard.of(daemon.pid))
        with t.node:
            process = subprocess.Popen(["nft", "flush", "ruleset"])
        t.equal("repairs", 1, len(heard.wait(daemon.pid, before + 1)) - before)
        process.wait()
        gaps.append(heard.of(daemon.pid)[-1].at - heard.of(process.pid)[-1].at)
        _in_sync(t)
        daemon.stop_gracefully()
    print(f"# the gap with 100 Services: median {1e3 * statistics.median(gaps):.1f} ms, "
          f"longest {1e3 * max(gaps):.1f} ms of {len(gaps)}")
    t.true("they are short", statistics.median(gaps) < 1, gaps)


@test()
def connections_that_were_begun_in_the_gap_reach_the_service_after_it(t):
    # What another table translates makes the kernel remember that these are not to be translated.
    t.nft_ok("-f", "-", stdin="""table ip neighbour {
        chain c { type nat hook postrouting priority 110; ip saddr 172.16.0.0/12 masquerade; }
    }""")
    service, piece = t.web([ONE])
    daemon = _run_plain(t, service, piece)
    mark = daemon.mark()
    with t.client:
        tcp = socket.socket()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for sock in (tcp, udp):
        sock.settimeout(0.1)
    # The outside world keeps silent, as a router may that drops what it does not know.
    done = t.external.command("nft", "-f", "-", input="""table ip silence {
        chain c { type filter hook prerouting priority -10; ip daddr 10.96.0.0/16 drop; }
    }""")
    t.equal("silence", 0, done.returncode, done.stderr)
    tcp.setblocking(False)
    try:
        with _stopped(daemon):
            _nft(t, "delete table ip kubenft")
            t.equal("a connection in the gap", 115, tcp.connect_ex((service.ip(4), 80)))
            udp.sendto(b"?", (service.ip(4), 80))
            flows = lambda: t.node.command("conntrack", "-L", "-d", service.ip(4)).stdout
            until(lambda: flows().count("[UNREPLIED]") == 2, "the kernel remembers both")
        daemon.wait_log(REPAIRED, mark)
        daemon.wait_log('"stale flows deleted" flows=2', mark)

        def answer(sock):
            try:
                return sock.recv(100)
            except (TimeoutError, BlockingIOError):
                return b""

        def ask():
            udp.sendto(b"?", (service.ip(4), 80))
            return answer(udp)
        t.true("the datagrams are answered", ONE in until(ask, "an answer").decode())
        t.true("the connection is made when its SYN is sent again", ONE in until(
            lambda: answer(tcp), "an answer", patience=4).decode())
    finally:
        tcp.close()
        udp.close()
        t.external.command("nft", "delete", "table", "ip", "silence")
        t.nft("delete", "table", "ip", "neighbour")

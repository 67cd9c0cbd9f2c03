# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, stop, death, neighbours: connections notice none of it."""

import os
import signal
import threading
import time

import objects
import probes
import topology
from daemon import REFILLED, Daemon, until
from harness import Skip, test, test_rows
from objects import port
from topology import pod_address, remote_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)
THREE = [ONE, TWO, remote_address(1, 4)]

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
             "--bounding-set=-all")


def _owned_where_possible(t):
    """Does the kernel know tables that are owned and persist (Linux 6.9)?"""
    return "flags owner" in t.nft_ok("list", "table", "ip", "kubenft")


@test_rows([("SIGTERM",), ("SIGINT",), ("SIGHUP",)], "{}_ends_with_status_0_and_the_rules_serve_on",
           quick={"SIGTERM_ends_with_status_0_and_the_rules_serve_on"})
def ends_gracefully(t, name):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece)
    t.equal("exit status", 0, daemon.stop(getattr(signal, name)))
    for protocol in ("tcp", "udp"):
        t.answered_by(t.client, protocol, service.ip(4), 80, THREE)
    t.refused(t.client, "tcp", service.ip(4), 81)


@test()
def under_nohup_SIGHUP_does_not_end_it(t):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece, prefix=("nohup",))
    mark = daemon.mark()
    daemon.process.send_signal(signal.SIGHUP)
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_log('"state"', mark)
    t.true("it runs", daemon.is_running())
    t.true("it does not stop", "stopping" not in daemon.log(mark), daemon.log(mark))


@test(quick=True)
def rules_serve_on_after_sigkill_and_the_next_daemon_takes_them_over(t):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece)
    daemon.kill()
    t.answered_by(t.client, "tcp", service.ip(4), 80, THREE)
    t.run(service, t.web_slice(service, [TWO]))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])
    t.write(service, t.web_slice(service, [ONE]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])


@test(quick=True)
def a_log_that_is_closed_does_not_go_into_a_socket(t):
    service, piece = t.web([ONE])
    t.write(service, piece)
    daemon = t.start(prefix=("sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "-"))
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    for number in range(3):
        t.equal(f"descriptor {number}", "/dev/null", os.readlink(f"/proc/{daemon.pid}/fd/{number}"))


class _Traffic(threading.Thread):
    """New TCP and UDP connections, some hundred a second, until stopped."""

    def __init__(self, namespace, address):
        super().__init__(daemon=True)
        self.namespace, self.address = namespace, address
        self.results = []
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            for protocol in ("tcp", "udp"):
                # No second try hides a loss: a SYN is sent again after a second.
                self.results += probes.connect_many(self.namespace, protocol, self.address, 80, 10,
                                                    patience=0.9)
            self._end.wait(0.02)

    def finish(self):
        self._end.set()
        self.join()
        return self.results


def _restart_under_traffic(t, stop):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece)
    traffic = _Traffic(t.client, service.ip(4))
    heard = t.transactions()
    traffic.start()
    counts = []
    try:
        for _ in range(5):
            stop(daemon)
            mark = daemon.mark()
            before = len(traffic.results)
            daemon = t.run()
            until(lambda before=before: len(traffic.results) > before + 40, "traffic goes on")
            counts.append((len(heard.of(daemon.pid)), len(REFILLED.findall(daemon.log(mark)))))
    finally:
        results = traffic.finish()
    print(f"# {len(results)} connections during 5 restarts")
    expected = {f"{backend}:8080" for backend in THREE}
    t.equal("connections that failed", {}, {key: count for key, count in
                                            probes.tally(results).items() if key not in expected})
    t.true("enough connections", len(results) > 200, f"{len(results)}")
    t.equal("transactions, and refills logged, of each start", [(1, 1)] * 5, counts)


@test(quick=True)
def no_new_connection_fails_while_the_daemon_is_restarted_five_times(t):
    _restart_under_traffic(t, lambda daemon: daemon.stop_gracefully())


@test()
def no_new_connection_fails_while_the_daemon_is_killed_five_times(t):
    _restart_under_traffic(t, lambda daemon: daemon.kill())


@test()
def no_new_connection_fails_while_endpoints_change(t):
    far = [remote_address(i, 4) for i in range(1, 10)]
    service, piece = t.web(far[:1])
    daemon = t.run(service, piece)
    traffic = _Traffic(t.client, service.ip(4))
    traffic.start()
    try:
        for count in (2, 5, 9, 8, 4, 3, 2, 1, 4, 9, 5):
            mark = daemon.mark()
            t.write(service, t.web_slice(service, far[:count]))
            daemon.wait_synced(mark)
            before = len(traffic.results)
            until(lambda before=before: len(traffic.results) > before + 20, "traffic goes on")
    finally:
        results = traffic.finish()
    expected = {f"{backend}:8080" for backend in far}
    t.equal("connections that failed", {}, {key: count for key, count in
                                            probes.tally(results).items() if key not in expected})


@test(quick=True)
def established_connections_outlive_stop_death_restart_and_flush(t):
    service = t.service("hold", [port(80)], families=(4,))
    piece = objects.endpoint_slice(service, [ONE], ((7000, "", "TCP"),))
    daemon = t.run(service, piece)
    held = [t.hold(client, service.ip(4), 80) for client in (t.client, t.node, t.external)]

    def all_work(when):
        t.equal(f"connections that work {when}", [True] * 3, [c.works() for c in held])
    all_work("at first")
    daemon.stop_gracefully()
    all_work("after SIGTERM")
    daemon = t.run()
    all_work("after a restart")
    daemon.kill()
    all_work("after SIGKILL")
    t.run()
    all_work("after another restart")
    t.nft("flush", "ruleset")
    all_work("after nft flush ruleset")


@test(quick=True)
def a_second_daemon_is_refused_and_does_no_harm(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    if not _owned_where_possible(t):
        raise Skip("this kernel has no owned tables")
    heard = t.transactions()
    second = Daemon(t.binary, t.node, t.log_path + ".2",
                    daemon.argv[2:])
    t.daemons.append(second)
    until(lambda: not second.is_running(), "the second daemon ends")
    second.stopped = True
    t.equal("its exit status", 1, second.process.returncode)
    t.true("it says why", "already running" in second.log(), second.log())
    t.equal("its transactions", [], heard.of(second.pid))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.write(service, t.web_slice(service, [TWO]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])


@test(quick=True)
def flush_ruleset_by_somebody_else_leaves_the_service_working(t):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece)
    t.nft("flush", "ruleset")
    t.becomes(t.client, "tcp", service.ip(4), 80, THREE)
    t.refused(t.client, "tcp", service.ip(4), 81)
    start = len(daemon.log())
    t.write(service, t.web_slice(service, [TWO]))
    daemon.wait_synced(start)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])
    t.true("the daemon runs", daemon.is_running())


@test()
def nobody_else_can_change_the_tables_while_the_daemon_runs(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    if not _owned_where_possible(t):
        raise Skip("this kernel has no owned tables")
    for command in (("delete", "table", "ip", "kubenft"),
                    ("flush", "map", "ip", "kubenft", "frontends"),
                    ("flush", "chain", "ip6", "kubenft", "services")):
        t.true(f"nft {' '.join(command)} is refused", t.nft(*command).returncode != 0)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def other_tables_are_left_alone(t):
    ruleset = """table inet neighbour {
        set s { type ipv4_addr; elements = { 192.0.2.1 } }
        chain c { type filter hook forward priority 0; policy accept; counter; }
    }"""
    t.nft_ok("-f", "-", stdin=ruleset)
    try:
        before = t.nft_ok("-s", "list", "table", "inet", "neighbour")
        service, piece = t.web([ONE])
        daemon = t.run(service, piece)
        daemon.stop_gracefully()
        t.equal("cleanup's exit status", 0, t.command("cleanup").returncode)
        t.equal("the neighbour's table", before,
                t.nft_ok("-s", "list", "table", "inet", "neighbour"))
    finally:
        t.nft("delete", "table", "inet", "neighbour")


@test(quick=True)
def a_start_removes_what_an_earlier_daemon_left_and_is_no_longer_wanted(t):
    blue, blue_piece = t.web([ONE], name="blue")
    red, red_piece = t.web([TWO], name="red")
    t.run(blue, blue_piece, red, red_piece).stop_gracefully()
    t.run(red, red_piece)
    t.dropped(t.client, "tcp", blue.ip(4), 80)
    t.answered_by(t.client, "tcp", red.ip(4), 80, [TWO])
    t.true("no trace of blue", blue.ip(4) not in t.nft_ok("list", "table", "ip", "kubenft"))


@test_rows([("a_plain_table", "add table ip kubenft\nadd chain ip kubenft x\n"),
            ("a_table_of_another_layout",
             'add table ip kubenft { comment "kubenft ruleset 0"; }\n'
             'add map ip kubenft frontends { type ipv4_addr : verdict; }\n')],
           "{0}_in_the_way_is_replaced")
def table_in_the_way(t, _, ruleset):
    t.nft_ok("-f", "-", stdin=ruleset)
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_start_with_other_options_replaces_the_table_and_connections_live_on(t):
    service = t.service("hold", [port(80)], families=(4,))
    things = (service, objects.endpoint_slice(service, [ONE], ((7000, "", "TCP"),)))
    t.run(*things).stop_gracefully()
    held = t.hold(t.client, service.ip(4), 80)
    t.run(*things, args=("--masquerade-all",))
    t.true("the connection works on", held.works())
    t.equal("the source of a new one", topology.POD_GATEWAY[4],
            t.hold(t.client, service.ip(4), 80).result.source)


@test(quick=True)
def cleanup_removes_both_tables_and_is_fine_with_nothing_there(t):
    service, piece = t.web([ONE])
    t.run(service, piece).stop_gracefully()
    t.equal("tables", ["table ip kubenft", "table ip6 kubenft"],
            [line for line in t.tables() if "kubenft" in line])
    for _ in range(2):
        done = t.command("cleanup")
        t.equal("cleanup's exit status", 0, done.returncode, done.stderr)
        t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])
    t.outcome(probes.UNREACHABLE, t.client, "udp", service.ip(4), 80)


@test()
def cleanup_beside_a_running_daemon_is_refused_and_does_no_harm(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    if not _owned_where_possible(t):
        raise Skip("this kernel has no owned tables")
    done = t.command("cleanup")
    t.equal("cleanup's exit status", 1, done.returncode, done.stderr)
    t.true("it says why", "running" in done.stderr, done.stderr)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test_rows([("run",), ("diff",), ("cleanup",)], "without_privilege_{}_says_so_and_fails",
           quick={"without_privilege_run_says_so_and_fails"})
def without_privilege(t, name):
    t.write(*t.web([ONE]))
    if t.node.command(*AS_NOBODY, "true").returncode != 0:
        raise Skip("cannot become nobody here")
    args = () if name == "cleanup" else ("--source", t.source, "--hostname-override", "node1")
    done = t.command(name, *args, prefix=AS_NOBODY)
    t.equal("exit status", 2 if name == "diff" else 1, done.returncode, done.stderr)
    t.true("the message names the privilege",
           "CAP_NET_ADMIN" in done.stderr or "privilege" in done.stderr or
           "root" in done.stderr, done.stderr)
    t.true("the message is short", len(done.stderr.splitlines()) <= 3, done.stderr)


@test()
def a_source_that_does_not_exist_fails_the_start_and_is_named(t):
    done = t.command("run", "--source", "/nonexistent/objects.yaml", "--hostname-override",
                     "node1")
    t.equal("exit status", 1, done.returncode, done.stderr)
    t.true("the message names the path", "/nonexistent/objects.yaml" in done.stderr, done.stderr)
    t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])


@test()
def a_source_that_is_broken_fails_the_start_and_nothing_is_written_to_the_kernel(t):
    service, piece = t.web([ONE])
    t.run(service, piece).stop_gracefully()
    heard = t.transactions()
    t.write_text("kind: [\n")
    daemon = t.start()
    until(lambda: not daemon.is_running(), "the daemon ends")
    daemon.stopped = True
    t.equal("exit status", 1, daemon.process.returncode)
    t.true("the file is named", t.source in daemon.log(), daemon.log())
    t.equal("transactions", [], heard.of(daemon.pid))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def an_idle_daemon_does_nothing(t):
    service, piece = t.web(THREE)
    daemon = t.run(service, piece)

    def switches():
        with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
            return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    # It may be on its way to sleep; then it sleeps.
    until(lambda: _same_for(switches, 0.6), "the daemon comes to rest")
    before = switches()
    t.connect(t.client, "tcp", service.ip(4), 80)
    t.dropped(t.client, "tcp", "10.96.250.1", 80)
    t.equal("wake-ups while connections come", 0, switches() - before)


def _same_for(value, seconds):
    """Does value() stay the same for so long?"""
    first = value()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value() != first:
            return False
        time.sleep(0.005)
    return True

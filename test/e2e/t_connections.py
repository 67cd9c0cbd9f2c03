# SPDX-License-Identifier: GPL-2.0-or-later
"""New connections are counted by Service, if that is asked for."""

import re
import subprocess
import threading
import time

import objects
import probes
import topology
import web
from daemon import Failure, until
from harness import Skip, test
from objects import port
from topology import pod_address, remote_address

COUNT = ("--count-connections",)
PLAIN = (*COUNT, "--table-owner=false")
METRIC = "kubenft_service_new_connections_total"
LINE = re.compile(METRIC + r'\{port="(.*)",protocol="(.*)",service_name="(.*)",'
                  r'service_namespace="(.*)"\}')
FAMILIES = (4, 6)

WEB = ("default", "web", "web", "TCP")
DNS = ("default", "web", "dns", "UDP")


def _scrape(t):
    return web.get(t.node, web.LOOPBACK[4], web.METRICS_PORT, "/metrics", patience=20.0).text


def _counts(t):
    """(namespace, service, port, protocol) -> the number of connections."""
    got = {}
    for name, value in web.samples(_scrape(t)).items():
        match = LINE.fullmatch(name)
        if match:
            got[(match[4], match[3], match[1], match[2])] = int(value)
        elif name.startswith(METRIC):
            raise Failure(f"a line of another form: {name}")
    return got


def _connect(t, namespace, protocol, address, number, count):
    results = t.connect_many(namespace, protocol, address, number, count)
    t.equal(f"outcomes at {address} {protocol} {number}", {probes.ANSWERED},
            {r.outcome for r in results})


def _backends(count, family=4):
    return [remote_address(i + 1, family) for i in range(count)]


def _served(t, count=2, **more):
    """The plainest Service, of both families."""
    service, piece = t.web(_backends(count), FAMILIES, **more)
    return service, (piece, t.web_slice(service, _backends(count, 6)))


def _lasting(t):
    """The same, whose TCP connections may stay."""
    service = t.service("web", [port(80, "web", "TCP"), port(80, "dns", "UDP")])
    return service, [objects.endpoint_slice(service, _backends(2, f),
                                            ((7000, "web", "TCP"), (8080, "dns", "UDP")))
                     for f in FAMILIES]


@test(quick=True)
def each_new_connection_counts_once_through_every_address(t):
    number = t.world.node_port()
    outside = t.world.external_ips()
    service = t.service("web", [port(80, "web", "TCP", number), port(80, "dns", "UDP", number)],
                        externalIPs=list(outside.values()))
    other, piece = t.web(_backends(1), name="other")
    t.run(service, other, piece, *(t.web_slice(service, _backends(2, f)) for f in FAMILIES),
          args=COUNT)
    t.equal("before the first connection", {WEB: 0, DNS: 0, ("default", "other", "web", "TCP"): 0,
                                            ("default", "other", "dns", "UDP"): 0}, _counts(t))
    want, n = {"tcp": 0, "udp": 0}, 1
    for family in FAMILIES:
        for namespace, address, at in ((t.client, service.ip(family), 80),
                                       (t.node, service.ip(family), 80),
                                       (t.client, topology.NODE[family], number),
                                       (t.external, topology.NODE[family], number),
                                       (t.external, outside[family], 80)):
            for protocol in ("tcp", "udp"):
                _connect(t, namespace, protocol, address, at, n)
                want[protocol] += n
                n += 1
    t.equal("connections", {WEB: want["tcp"], DNS: want["udp"],
                            ("default", "other", "web", "TCP"): 0,
                            ("default", "other", "dns", "UDP"): 0}, _counts(t))


@test(quick=True)
def a_connection_counts_once_however_long_it_goes_on(t):
    service, pieces = _lasting(t)
    t.run(service, *pieces, args=COUNT)
    held = t.hold(t.client, service.ip(4), 80)
    client = t.udp_client(t.client, service.ip(4), 80)
    for _ in range(3):
        t.true("the connection goes on", held.works())
        client.ask()
        counts = _counts(t)
        t.equal("connections", (1, 1), (counts[WEB], counts[DNS]))


@test(quick=True)
def attempts_count_that_are_refused_or_dropped(t):
    empty = t.service("empty", [port(80)], families=(4,))
    local = t.service("local", [port(80, "dns", "UDP")], families=(4,),
                      internalTrafficPolicy="Local")
    t.run(empty, local, t.web_slice(local, _backends(1)), args=COUNT)
    for _ in range(3):
        t.outcome(probes.REFUSED, t.client, "tcp", empty.ip(4), 80)
    for _ in range(2):
        t.outcome(probes.TIMEOUT, t.client, "udp", local.ip(4), 80, patience=0.1)
    t.equal("connections", {("default", "empty", "", "TCP"): 3, ("default", "local", "dns", "UDP"): 2},
            _counts(t))


@test(quick=True)
def a_count_goes_on_when_endpoints_pass_a_power_of_two(t):
    service, pieces = _served(t, 1)
    daemon = t.run(service, *pieces, args=COUNT)
    want = 0

    def come(count):
        nonlocal want
        for family in FAMILIES:
            _connect(t, t.client, "tcp", service.ip(family), 80, count)
            want += count

    def become(size):
        mark = daemon.mark()
        t.write(service, *(t.web_slice(service, _backends(size, f)) for f in FAMILIES))
        daemon.wait_synced(mark)

    # each time more than before, so that the figure in the kernel does not fall
    for count, size in enumerate((2, 3, 9, 2, 1, 5, 1), 3):
        come(count)
        t.equal(f"before there are {size} endpoints", want, _counts(t)[WEB])
        become(size)
    t.equal("at once", want, _counts(t)[WEB])
    come(5)
    t.equal("after that", want, _counts(t)[WEB])
    become(2)
    become(1)
    come(3)
    t.equal("there and back", want, _counts(t)[WEB])


@test(quick=True)
def a_count_goes_on_when_the_tables_are_filled_anew(t):
    service, pieces = _served(t)
    daemon = t.run(service, *pieces, args=PLAIN)
    want = 0
    for count in (3, 5, 4, 9):
        _connect(t, t.client, "tcp", service.ip(4), 80, count)
        want += count
        t.equal("before", want, _counts(t)[WEB])
        mark = daemon.mark()
        t.nft_ok("flush", "ruleset")
        daemon.wait_log('"tables repaired"', mark)
    t.equal("after the last repair", want, _counts(t)[WEB])


@test()
def a_daemon_begins_with_nothing_whatever_the_kernel_has_counted(t):
    service, pieces = _served(t)
    daemon = t.run(service, *pieces, args=COUNT)
    _connect(t, t.client, "tcp", service.ip(4), 80, 5)
    t.equal("the first daemon's", 5, _counts(t)[WEB])
    daemon.stop_gracefully()
    _connect(t, t.client, "tcp", service.ip(4), 80, 7)
    t.run(args=COUNT)
    t.equal("the second one's", 0, _counts(t)[WEB])
    _connect(t, t.client, "tcp", service.ip(4), 80, 2)
    t.equal("the second one's", 2, _counts(t)[WEB])


@test(quick=True)
def what_goes_takes_its_count_along(t):
    service, pieces = _served(t)
    other, piece = t.web(_backends(1), name="other")
    daemon = t.run(service, other, piece, *pieces, args=COUNT)
    _connect(t, t.client, "tcp", service.ip(4), 80, 5)
    _connect(t, t.client, "tcp", other.ip(4), 80, 3)
    t.equal("both", (5, 3), (_counts(t)[WEB], _counts(t)[("default", "other", "web", "TCP")]))
    mark = daemon.mark()
    t.write(other, piece)
    daemon.wait_synced(mark)
    t.equal("one is gone", {("default", "other", "web", "TCP"): 3,
                            ("default", "other", "dns", "UDP"): 0}, _counts(t))
    mark = daemon.mark()
    t.write(service, other, piece, *pieces)
    daemon.wait_synced(mark)
    t.equal("it begins anew", 0, _counts(t)[WEB])
    _connect(t, t.client, "tcp", service.ip(4), 80, 2)
    t.equal("and counts", 2, _counts(t)[WEB])


@test(quick=True)
def counters_are_no_difference(t):
    service, pieces = _served(t)
    t.run(service, *pieces, args=COUNT)
    _connect(t, t.client, "tcp", service.ip(4), 80, 4)
    t.true("the kernel counts", "counter packets 4 " in
           t.nft_ok("list", "map", "ip", "kubenft", "frontends"))
    done = t.diff(*COUNT)
    t.equal("diff", (0, "in sync\n"), (done.returncode, done.stdout))


@test(quick=True)
def what_plan_prints_is_what_the_kernel_lists(t):
    service, pieces = _served(t)
    t.run(service, *pieces, args=COUNT)
    planned = t.plan(*COUNT).stdout
    for family in ("ip", "ip6"):
        listed = t.nft_ok("list", "map", family, "kubenft", "frontends").split("\n")
        listed = [line for line in listed if not line.startswith("table")]
        head = f"table {family} kubenft {{"
        text = planned.partition(head)[2].partition("\tmap frontends {")[2].partition("\n\t}")[0]
        want = ["\tmap frontends {", *sorted(text.strip("\n").split("\n"))]
        got = [listed[0], *sorted(listed[1:listed.index("\t}")])]
        t.equal(family, [_element(line) for line in want], [_element(line) for line in got])


def _element(line):
    """Without what depends on its place in the list."""
    return line.replace("elements = {", "").strip().rstrip(",}").strip()


@test(quick=True)
def without_the_option_nothing_is_counted(t):
    service, pieces = _served(t)
    t.run(service, *pieces)
    _connect(t, t.client, "tcp", service.ip(4), 80, 4)
    t.true("no counter in the ruleset", "counter" not in t.nft_ok("list", "ruleset"))
    t.true("no word of it in the metrics", METRIC not in _scrape(t))


@test(quick=True)
def the_option_can_be_turned_on_and_off_without_losing_a_connection(t):
    service, pieces = _lasting(t)
    daemon = t.run(service, *pieces)
    held = t.hold(t.client, service.ip(4), 80)
    heard = t.transactions()
    for args in (COUNT, ()):
        done = t.diff(*args)
        t.equal("diff's exit status", 1, done.returncode)
        t.true("diff says why", "another layout" in done.stdout, done.stdout)
        daemon.stop_gracefully()
        daemon = t.run(args=args)
        t.equal("one transaction", 1, len(heard.of(daemon.pid)))
        t.true("the connection goes on", held.works())
        t.equal("a new one", probes.ANSWERED,
                t.connect(t.client, "udp", service.ip(4), 80).outcome)
        t.equal("diff's exit status", 0, t.diff(*args).returncode)


@test(quick=True)
def counts_are_there_however_often_the_kernel_is_written_to(t):
    service, pieces = _served(t)
    other, piece = t.web(_backends(1), name="other")
    daemon = t.run(service, other, piece, *pieces, args=COUNT)
    stop = threading.Event()
    mark = daemon.mark()

    def churn():
        step = 0
        while not stop.is_set():
            step += 1
            t.write(service, other, t.web_slice(other, _backends(1 + step % 9)), *pieces)
            time.sleep(0.002)

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        want = 0
        deadline = time.monotonic() + 60
        while daemon.log(mark).count('"synced"') < 200:
            _connect(t, t.client, "tcp", service.ip(4), 80, 3)
            want += 3
            t.equal("connections", want, _counts(t).get(WEB))
            t.true("the daemon keeps up", time.monotonic() < deadline)
    finally:
        stop.set()
        writer.join()


@test()
def what_prometheus_asks_of_counts_is_fulfilled(t):
    service, pieces = _served(t)
    t.run(service, *pieces, args=COUNT)
    text = _scrape(t)
    try:
        done = subprocess.run(("promtool", "check", "metrics"), input=text, text=True,
                              capture_output=True, check=False)
    except FileNotFoundError:
        raise Skip("no promtool here") from None
    complaints = [line for line in done.stderr.splitlines() if METRIC in line]
    t.equal("promtool", [], complaints)
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    t.equal("metrics are sorted by name", sorted(names), names)


@test(quick=True)
def a_scrape_that_waits_is_answered_when_its_daemon_is_asked_many_times(t):
    service, pieces = _served(t)
    t.run(service, *pieces, args=COUNT)
    answers = []

    def scrape():
        answers.append(METRIC + "{" in _scrape(t))

    for _ in range(5):
        threads = [threading.Thread(target=scrape) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    t.equal("answers with counts", [True] * 80, answers)
    until(lambda: web.samples(_scrape(t))['kubenft_http_connections{server="metrics"}'] <= 1,
          "connections end")

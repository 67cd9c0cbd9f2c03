# SPDX-License-Identifier: GPL-2.0-or-later
"""A node on which kube-proxy was at work before."""

import contextlib
import time

import kube_proxy
import load
import objects
import probes
from harness import test
from objects import port
from t_lifecycle import ONE, THREE
from topology import NODE, pod_address, remote_address

HELD = 200
RATE = 600  # new connections a second


@contextlib.contextmanager
def _kube_proxy(t, services):
    """Its tables are in force, and whatever is left of them goes at the end."""
    t.nft_ok("-f", "-", stdin=kube_proxy.ruleset(services))
    try:
        yield
    finally:
        for family in ("ip", "ip6"):
            t.nft("delete", "table", family, "kube-proxy")


def _tables(t):
    return sorted(line for line in t.tables() if "kube" in line)


@test(quick=True)
def from_kube_proxys_nftables_mode_it_is_one_transaction_and_no_connection_notices(t):
    node_port = t.world.node_port()
    entries = [port(80, "web", "TCP", node_port), port(80, "dns", "UDP", node_port)]
    web = t.service("web", entries)
    hold = t.service("hold", [port(80)], families=(4,))
    empty = t.service("empty", [port(80)], families=(4,))
    backends = {4: THREE, 6: [pod_address(11, 6), remote_address(1, 6)]}
    services = [(web, {f: [(b, 8080) for b in backends[f]] for f in (4, 6)}),
                (hold, {4: [(b, 7000) for b in THREE]}), (empty, {})]
    with _kube_proxy(t, services):
        t.refused(t.client, "udp", empty.ip(4), 80)
        t.answered_by(t.client, "tcp", web.ip(4), 80, THREE)
        held = [t.hold(client, hold.ip(4), 80)
                for client in (t.client, t.node) for _ in range(HELD // 2)]
        t.write(web, *(t.web_slice(web, backends[f]) for f in (4, 6)), hold,
                objects.endpoint_slice(hold, THREE, ((7000, "", "TCP"),)), empty)
        inside = [probes.Job(t.client, protocol, web.ip(family), 80)
                  for protocol in ("tcp", "udp") for family in (4, 6)]
        outside = [probes.Job(t.external, protocol, NODE[family], node_port)
                   for protocol in ("tcp", "udp") for family in (4, 6)]
        heard = t.transactions()
        with load.Load(t.directory, [(inside, RATE // 2), (outside, RATE // 2)]) as stream:
            time.sleep(1)  # of load on kube-proxy's tables
            daemon = t.run()
            switched = heard.wait(daemon.pid)[0].at  # read a little later than it happened
            end = time.monotonic() + 1.5
            while time.monotonic() < end:  # of load on ours
                t.equal("long-lived connections that work", HELD, sum(c.works() for c in held))
        t.equal("transactions of the daemon", 1, len(heard.of(daemon.pid)))
        t.equal("tables", ["table ip kubenft", "table ip6 kubenft"], _tables(t))
    t.true("the log says so", "tables of kube-proxy removed in the same transaction\" tables=2" in
           daemon.log(), daemon.log())
    visits = stream.visits()
    counts = (sum(v.ended < switched for v in visits), sum(v.began > switched for v in visits))
    print(f"# {len(visits)} new connections, {counts[0]} before and {counts[1]} after, "
          f"{HELD} long-lived ones")
    t.true("some before, some after", min(counts) > 20, counts)
    t.equal("failed connections, and segments sent again", ([], []),
            ([v for v in visits if v.outcome != probes.ANSWERED], [v for v in visits if v.resent]))
    t.equal("answered by others than the endpoints", [],
            [v for v in visits if v.backend not in backends[4] + backends[6]])
    t.refused(t.client, "tcp", empty.ip(4), 80)


@test()
def a_table_of_one_family_alone_goes_too_and_one_that_comes_later_stays(t):
    service, piece = t.web([ONE])
    with _kube_proxy(t, []):
        t.nft_ok("delete", "table", "ip6", "kube-proxy")
        daemon = t.run(service, piece, args=("--table-owner=false",))
        t.equal("tables", ["table ip kubenft", "table ip6 kubenft"], _tables(t))
        t.nft_ok("add", "table", "ip", "kube-proxy")
        mark = daemon.mark()
        t.nft_ok("delete", "table", "ip", "kubenft")
        daemon.wait_log('"tables repaired"', mark)
        t.equal("tables", ["table ip kube-proxy", "table ip kubenft", "table ip6 kubenft"],
                _tables(t))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Two Services that claim one address and port: the older one has it, and it is said."""

import itertools

import topology
from harness import test, test_rows
from objects import Service, endpoint_slice, port
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)
OLD, NEW = "2025-01-01T00:00:00Z", "2025-06-01T00:00:00Z"


def _pair(t, old_name="zebra", new_name="aardvark", old=OLD, new=NEW):
    """Two Services at one ClusterIP: (older, its slice, younger, its slice)."""
    ips = t.world.cluster_ips((4,))
    older = Service(old_name, ips, [port(80)], created=old)
    younger = Service(new_name, ips, [port(80)], created=new)
    return (older, endpoint_slice(older, [ONE]), younger, endpoint_slice(younger, [TWO]))


@test_rows([("first",), ("last",)],
           "the_older_of_two_services_at_one_clusterip_serves_when_it_is_read_{}",
           quick={"the_older_of_two_services_at_one_clusterip_serves_when_it_is_read_last"})
def older_serves(t, order):
    things = _pair(t)
    t.run(*(things if order == "first" else reversed(things)))
    t.answered_by(t.client, "tcp", things[0].ip(4), 80, [ONE])


@test(quick=True)
def the_log_names_both_claimants(t):
    things = _pair(t)
    daemon = t.run(*things)
    both = [line for line in daemon.complaints()
            if "default/zebra" in line and "default/aardvark" in line]
    t.true("a warning names default/zebra and default/aardvark", both,
           *daemon.log().splitlines())


@test()
def of_two_services_of_one_age_the_first_by_name_serves(t):
    things = _pair(t, "beta", "alpha", OLD, OLD)
    t.run(*things)
    t.answered_by(t.client, "tcp", things[0].ip(4), 80, [TWO])


@test(quick=True)
def the_younger_one_takes_over_when_the_older_one_goes_and_yields_when_it_returns(t):
    things = _pair(t)
    daemon = t.run(*things)
    address = things[0].ip(4)
    for present, backend in ((things[2:], TWO), (things, ONE), (things[2:], TWO)):
        mark = daemon.mark()
        t.write(*present)
        daemon.wait_synced(mark)
        t.answered_by(t.client, "tcp", address, 80, [backend])


@test()
def the_younger_ones_other_ports_are_served(t):
    older, piece, younger, younger_piece = _pair(t)
    younger.ports.append(port(81, "more"))
    younger.ports[0]["name"] = "web"
    younger_piece["ports"] = [{"name": name, "port": 8080, "protocol": "TCP"}
                              for name in ("web", "more")]
    t.run(older, piece, younger, younger_piece)
    t.answered_by(t.client, "tcp", older.ip(4), 80, [ONE])
    t.answered_by(t.client, "tcp", older.ip(4), 81, [TWO])


@test()
def one_nodeport_of_two_services_belongs_to_the_older_one(t):
    number = t.world.node_port()
    older = t.service("zebra", [port(80, node_port=number)], families=(4,), created=OLD)
    younger = t.service("aardvark", [port(80, node_port=number)], families=(4,), created=NEW)
    pieces = (endpoint_slice(older, [ONE]), endpoint_slice(younger, [TWO]))
    daemon = t.run(younger, older, *pieces)
    t.answered_by(t.external, "tcp", topology.NODE[4], number, [ONE])
    # Both keep what is theirs alone.
    t.answered_by(t.client, "tcp", older.ip(4), 80, [ONE])
    t.answered_by(t.client, "tcp", younger.ip(4), 80, [TWO])
    mark = daemon.mark()
    t.write(younger, *pieces)
    daemon.wait_synced(mark)
    t.answered_by(t.external, "tcp", topology.NODE[4], number, [TWO])


@test()
def three_claimants_give_way_in_order_of_age(t):
    ips = t.world.cluster_ips((4,))
    backends = [pod_address(11 + i, 4) for i in range(3)]
    services = [Service(f"s{i}", ips, [port(80)], created=f"2025-0{i + 1}-01T00:00:00Z")
                for i in range(3)]
    pieces = [endpoint_slice(s, [b]) for s, b in zip(services, backends)]
    t.run(*services, *pieces)
    sets = [c for n in (1, 2, 3) for c in itertools.combinations(range(3), n)]
    for present in sets:
        t.write(*(services[i] for i in present), *pieces)
        t.becomes(t.client, "tcp", ips[4], 80, [backends[min(present)]])

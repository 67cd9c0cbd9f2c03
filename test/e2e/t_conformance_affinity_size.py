# SPDX-License-Identifier: GPL-2.0-or-later
"""Session affinity in a map that is full, and in one of another size than before."""

import re

import probes
from daemon import until
from exposure import CLUSTER_IP, Exposed
from harness import test, test_rows
from objects import port
from t_conformance_affinity import (FAMILIES, Visits, change, client_ip, four_endpoints,
                                    remembered, same_endpoints, sticky)
from topology import crowd_address, pod_address

FULL = 20

# Clients, each at the TCP and the UDP port of one address.
FIRST = range(FULL // 2)
OTHERS = range(FULL // 2, 40)

# A record's place is free when the kernel has collected it, every ten seconds.
COLLECTED_S = 25


class Crowd:
    """Some clients at the ClusterIPs of a Service."""

    def __init__(self, t, service, clients, families=FAMILIES):
        self.t, self.service, self.families = t, service, families
        self.visits = Visits(t, *((protocol, service.at(CLUSTER_IP, f)) for f in families
                                  for protocol in ("tcp", "udp")))
        self.visits.jobs = {k: j for k, j in self.visits.jobs.items() if k[3] in clients}

    def meet(self):
        return self.visits.endpoints()

    def remembered(self):
        return {f: remembered(self.t, self.service.ip(f)) for f in self.families}


def size_of(t, family):
    listing = t.nft_ok("list", "map", "ip" if family == 4 else "ip6", "kubenft", "affinity")
    return int(re.search(r"size (\d+)", listing)[1])


def full_map(t, timeout_s=10800, *others):
    """A Service whose first clients fill the map of each family; (service, daemon, first, met)."""
    service = Exposed(t.world, **client_ip(timeout_s))
    daemon = t.run(service, *(service.slice(four_endpoints(f)) for f in FAMILIES), *others,
                   args=("--affinity-size", str(FULL)))
    first = Crowd(t, service, FIRST)
    met = first.meet()
    return service, daemon, first, met


@test(quick=True)
def with_a_full_affinity_map_remembered_clients_stay_and_others_are_balanced(t):
    service, _, first, met = full_map(t)
    t.equal("clients remembered", {f: FULL for f in FAMILIES}, first.remembered())
    others = Crowd(t, service, OTHERS)
    seen = {}
    for _ in range(8):
        for key, backend in others.meet().items():
            seen.setdefault(key, set()).add(backend)
        same_endpoints("who is remembered stays", met, first.meet())
    t.equal("clients remembered", {f: FULL for f in FAMILIES}, first.remembered())
    # With 8 draws from 4, one client meets one endpoint only once in 16,000 times.
    alone = [key for key, backends in seen.items() if len(backends) == 1]
    t.true("others are balanced with each connection", len(alone) < 4, f"got: {alone}")
    for f in FAMILIES:
        t.equal(f"v{f}: who answers the others", set(four_endpoints(f)),
                {b for backends in seen.values() for b in backends if probes.family_of(b) == f})


@test()
def in_a_full_affinity_map_there_is_room_again_when_records_have_expired(t):
    service, _, _, _ = full_map(t, 2)
    others = Crowd(t, service, list(OTHERS)[:FULL // 2])

    def all_remembered():
        others.meet()
        listing = "".join(t.nft_ok("list", "map", name, "kubenft", "affinity")
                          for name in ("ip", "ip6"))
        return all(f" {crowd_address(client, probes.family_of(ip))} . {ip} . {protocol} ."
                   in listing for protocol, ip, _, client in others.visits.jobs)
    until(all_remembered, "others are remembered", COLLECTED_S)


@test(quick=True)
def in_a_full_affinity_map_there_is_room_at_once_when_an_endpoint_is_gone(t):
    service, daemon, first, met = full_map(t)
    others = Crowd(t, service, OTHERS)
    gone = {f: max(four_endpoints(f), key=list(met.values()).count) for f in FAMILIES}
    left = {f: [e for e in four_endpoints(f) if e != gone[f]] for f in FAMILIES}
    stayed = {key: backend for key, backend in met.items() if backend not in gone.values()}
    change(t, daemon, service, *(service.slice(left[f]) for f in FAMILIES))
    until(lambda: all(n == FULL - sum(b == gone[f] for b in met.values())
                      for f, n in first.remembered().items()), "records of the endpoint go", 3)
    once = others.meet()
    t.equal("clients remembered", {f: FULL for f in FAMILIES}, first.remembered())
    again = others.meet()
    t.true("some of the others are remembered now",
           sum(once[key] == again[key] for key in once) >= 2 * FULL - len(stayed))
    same_endpoints("clients of other endpoints stay", stayed, first.meet())


@test(quick=True)
def a_larger_affinity_map_keeps_all_records_and_takes_more(t):
    service, daemon, first, met = full_map(t)
    daemon.stop_gracefully()
    differs = t.diff("--affinity-size", "1000")
    t.equal("diff's exit status", 1, differs.returncode)
    for family in ("ip", "ip6"):
        t.true("diff names the map",
               f"~ affinity map of {family}, room for {FULL} -> 1000 clients" in differs.stdout,
               differs.stdout)
    t.run(args=("--affinity-size", "1000"))
    t.equal("sizes", [1000, 1000], [size_of(t, f) for f in FAMILIES])
    same_endpoints("who was remembered stays", met, first.meet())
    others = Crowd(t, service, OTHERS)
    others.visits.stay(others.meet(), 3, "others are remembered, too")
    t.equal("diff's exit status afterwards", 0, t.diff("--affinity-size", "1000").returncode)


@test()
def a_smaller_affinity_map_is_a_new_one_and_has_its_limit(t):
    # Of a map that only got another number, the kernel would not keep to it.
    lasting = t.service("lasting", [port(80, "web", "TCP")], families=(4,))
    piece = t.web_slice(lasting, [pod_address(11, 4)], number=7000)
    service, daemon, _, _ = full_map(t, 10800, lasting, piece)
    held = t.hold(t.external, lasting.ip(4), 80)
    daemon.stop_gracefully()
    differs = t.diff("--affinity-size", "7")
    t.true("diff names the map", f"~ affinity map of ip, room for {FULL} -> 7 clients"
           in differs.stdout, differs.stdout)
    t.run(args=("--affinity-size", "7"))
    t.equal("sizes", [7, 7], [size_of(t, f) for f in FAMILIES])
    everybody = Crowd(t, service, range(40))
    for _ in range(3):
        everybody.meet()
        t.equal("clients remembered", {4: 7, 6: 7}, everybody.remembered())
    t.true("the connection that was up works", held.works())


@test_rows([("without_the_option", ()), ("with_the_default_spelled_out",
                                         ("--affinity-size", "65535"))],
           "a_start_{}_finds_the_affinity_map_as_it_should_be")
def default_size(t, _, args):
    service, daemon = sticky(t)
    crowd = Crowd(t, service, FIRST)
    met = crowd.meet()
    daemon.kill()
    t.run(args=args)
    t.equal("sizes", [65535, 65535], [size_of(t, f) for f in FAMILIES])
    same_endpoints("who was remembered stays", met, crowd.meet())

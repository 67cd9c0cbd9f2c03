# SPDX-License-Identifier: GPL-2.0-or-later
"""Input that contradicts itself or the node, and what kube-proxy gets wrong (marked [BUG] in
kube-proxy-behaviour.md): the rest is served, what is odd is named, nothing depends on chance."""

import exposure
import objects
import probes
import topology
from exposure import (CLUSTER_IP, DROPPED, EXTERNAL_IP, EXTERNAL_KINDS, KINDS, LB_IP, NODE_PORT,
                      PASSED, REFUSED, Client, Expectation, Exposed, expect)
from harness import test, test_rows
from objects import endpoint_slice, port
from topology import pod_address, remote_address

FAMILIES = (4, 6)
OLD, NEW = "2025-01-01T00:00:00Z", "2025-06-01T00:00:00Z"


def one(family):
    return [pod_address(11, family)]


def two(family):
    return [pod_address(12, family)]


def far(family):
    return [remote_address(1, family)]


def slices(service, backends):
    return [service.slice(backends(f)) for f in service.ips]


def change(t, daemon, *things, marker=True):
    mark = daemon.mark()
    t.write(*things, *([t.service("marker", [port(1)])] if marker else []))
    daemon.wait_synced(mark)


def served(t, source, service, kind, backends, masqueraded=None, families=FAMILIES):
    client = exposure.clients(t)[source]
    return [Expectation(client, *service.at(kind, f),
                        backends if isinstance(backends, str) else backends(f), masqueraded,
                        protocol)
            for f in families for protocol in ("udp", "tcp")]


def complained(t, daemon, *words):
    t.true(f"a warning says {' and '.join(words)}",
           any(all(word in line for word in words) for line in daemon.complaints()),
           *daemon.log().splitlines()[-10:])


# Two Services, one address and port. [BUG] of 2.11: kube-proxy serves one at random.

SHARED = {
    "external_ip": (EXTERNAL_IP, EXTERNAL_IP),
    "load_balancer_ip": (LB_IP, LB_IP),
    "external_ip_and_load_balancer_ip": (EXTERNAL_IP, LB_IP),
    "clusterip_and_external_ip": (CLUSTER_IP, EXTERNAL_IP),
    "external_ip_and_clusterip": (EXTERNAL_IP, CLUSTER_IP),
}


def _give(service, kind, ips):
    """Make @ips the addresses of this kind."""
    if kind == CLUSTER_IP:
        service.ips = ips
    elif kind == EXTERNAL_IP:
        service.external_ips = ips
        service.spec["externalIPs"] = list(ips.values())
    else:
        service.lb_ips = ips
        service.ingress = [{"ip": ip} for ip in ips.values()]


def _rivals(t, which, **younger_spec):
    old_kind, new_kind = SHARED[which]
    ips = t.world.cluster_ips(FAMILIES) if CLUSTER_IP in (old_kind, new_kind) else \
        t.world.external_ips()
    older = Exposed(t.world, "zebra", created=OLD)
    younger = Exposed(t.world, "aardvark", created=NEW, **younger_spec)
    _give(older, old_kind, ips)
    _give(younger, new_kind, ips)
    return older, younger, old_kind, new_kind


@test_rows([(which, order) for which in SHARED for order in ("first", "last")],
           "BUG_2.11_of_two_services_at_one_{}_the_older_serves_when_read_{}",
           quick={"BUG_2.11_of_two_services_at_one_external_ip_the_older_serves_when_read_last",
                  "BUG_2.11_of_two_services_at_one_load_balancer_ip_the_older_serves_when_read_"
                  "first"})
def older_serves(t, which, order):
    older, younger, old_kind, new_kind = _rivals(t, which)
    things = [older, *slices(older, one), younger, *slices(younger, two)]
    daemon = t.run(*(things if order == "first" else reversed(things)))
    expect(*served(t, "external", older, old_kind, one), *served(t, "pod", older, old_kind, one),
           *(flow for kind in KINDS if kind != new_kind
             for flow in served(t, "external", younger, kind, two)))
    complained(t, daemon, "default/zebra", "default/aardvark")


@test(quick=True)
def BUG_2_11_of_two_services_at_one_external_ip_none_flaps_when_other_things_change(t):
    older, younger, kind, _ = _rivals(t, "external_ip")
    daemon = t.run(younger, *slices(younger, two), older, *slices(older, one))
    for i in range(10):
        pieces = [*slices(older, one), *slices(younger, two)]
        things = [older, younger, *pieces] if i % 2 else [*pieces, younger, older]
        change(t, daemon, *things)
        expect(*served(t, "external", older, kind, one))


@test_rows([("external_ip",), ("load_balancer_ip",)],
           "BUG_2.11_the_younger_of_two_services_takes_over_the_{}_with_its_own_policy")
def takes_over(t, which):
    older, younger, kind, _ = _rivals(t, which, externalTrafficPolicy="Local")
    far_pieces = slices(younger, far)
    everything = [older, *slices(older, one), younger, *far_pieces]
    daemon = t.run(*everything)
    for _ in range(2):
        # The older: Cluster, masqueraded.
        expect(*served(t, "external", older, kind, one, True))
        # The younger: Local, and nothing is local.
        change(t, daemon, younger, *far_pieces)
        expect(*served(t, "external", younger, kind, DROPPED),
               *served(t, "pod", younger, kind, far, False))
        change(t, daemon, younger, *slices(younger, two))
        expect(*served(t, "external", younger, kind, two, False))
        change(t, daemon, *everything)


@test()
def two_services_share_an_external_ip_with_different_ports_and_protocols(t):
    ips = t.world.external_ips()
    web = t.service("web", [port(80, "web", "TCP")], externalIPs=list(ips.values()))
    dns = t.service("dns", [port(80, "dns", "UDP"), port(81, "web", "TCP")],
                    externalIPs=list(ips.values()))
    daemon = t.run(web, dns, *(t.web_slice(web, one(f)) for f in FAMILIES),
                   *(t.web_slice(dns, two(f)) for f in FAMILIES))
    t.equal("warnings and errors", [], daemon.complaints())
    client = exposure.clients(t)["external"]
    for f in FAMILIES:
        expect(Expectation(client, ips[f], 80, one(f), True, "tcp"),
               Expectation(client, ips[f], 80, two(f), True, "udp"),
               Expectation(client, ips[f], 81, two(f), True, "tcp"),
               Expectation(client, ips[f], 81, PASSED, None, "udp"))


@test()
def two_ports_of_one_service_at_one_number_leave_the_others_served(t):
    twice = t.service("twice", [port(80, "a"), port(80, "b"), port(81, "c")], families=(4,))
    good, piece = t.web(one(4), name="good")
    daemon = t.run(twice, endpoint_slice(twice, one(4), ((8080, "a", "TCP"), (8081, "b", "TCP"),
                                                         (8082, "c", "TCP"))), good, piece)
    t.answered_by(t.client, "tcp", twice.ip(4), 80, one(4))
    t.answered_by(t.client, "tcp", twice.ip(4), 81, one(4), number=8082)
    t.answered_by(t.client, "tcp", good.ip(4), 80, one(4))
    complained(t, daemon, "default/twice")


# Source ranges. external is at ::50 of its networks, the crowd at 198.19.0.0/16 and
# 2001:db8:19::/64, the pod in the cluster's. + served, x dropped.

RANGES = {
    # name: (ranges, external v4, blocked v4, external v6, blocked v6, field that is named)
    "that_overlap": (["203.0.113.0/25", "203.0.113.32/27", "203.0.113.0/24", "203.0.113.50/32",
                      "2001:db8:113::/64", "2001:db8:113::/48", "2001:db8:113::50/128"],
                     "+ x + x", None),
    "given_twice": (["203.0.113.0/24", "203.0.113.0/24", "2001:db8:113::/64",
                     "2001:db8:113:0::/64"], "+ x + x", None),
    "with_host_bits": (["203.0.113.77/24", "2001:db8:113::dead/64"], "+ x + x", None),
    "that_touch": (["203.0.113.48/31", "203.0.113.50/31", "203.0.113.52/30", "2001:db8:113::/65",
                    "2001:db8:113:0:8000::/65"], "+ x + x", None),
    "that_are_two_halves_of_everything": (["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"],
                                          "+ + + +", None),
    "with_0.0.0.0/0": (["192.0.2.0/24", "0.0.0.0/0", "2001:db8:113::/64"], "+ + + x", None),
    "with_::/0": (["203.0.113.0/24", "::/0"], "+ x + +", None),
    "of_IPv4_only": (["203.0.113.0/24"], "+ x + +", None),
    "of_IPv6_only": (["2001:db8:113::/64"], "+ + + x", None),
    "malformed_beside_good_ones": (["203.0.113.0", "203.0.113.0/33", "x", "203.0.113.0/24",
                                    "2001:db8:113::/129", "2001:db8:113::/64", "/8", "1.2.3.4/-1"],
                                   "+ x + x", "spec.loadBalancerSourceRanges"),
    "all_malformed": (["203.0.113.0/33", "all"], "+ + + +", "spec.loadBalancerSourceRanges"),
    "that_are_blank": (["", "  "], "+ + + +", None),
    "at_the_top_of_the_address_space": (["255.255.255.0/24", "203.0.113.0/24",
                                         "ffff::/16", "2001:db8:113::/64"], "+ x + x", None),
}


def ranges_scene(t):
    services = {name: Exposed(t.world, f"r{i}", loadBalancerSourceRanges=row[0])
                for i, (name, row) in enumerate(RANGES.items())}
    daemon = t.run(*services.values(), *(piece for s in services.values()
                                         for piece in slices(s, one)))
    yield services, daemon


@test_rows([(name,) for name in RANGES], "source_ranges_{}_admit_whom_they_should",
           fixture=ranges_scene,
           quick={"source_ranges_that_overlap_admit_whom_they_should",
                  "source_ranges_with_0.0.0.0/0_admit_whom_they_should",
                  "source_ranges_malformed_beside_good_ones_admit_whom_they_should"})
def ranges(t, scene, name):
    services, daemon = scene
    _, results, field = RANGES[name]
    clients = exposure.clients(t)
    expect(*(Expectation(clients[source], *services[name].at(LB_IP, f),
                         one(f) if result == "+" else DROPPED)
             for (f, source), result in zip(((4, "external"), (4, "blocked"), (6, "external"),
                                             (6, "blocked")), results.split())))
    if field:
        complained(t, daemon, f"default/{services[name].name}", field)


# Addresses in places that do not suit them


@test(quick=True)
def a_clusterip_outside_every_service_range_is_served_and_its_other_ports_are_refused(t):
    service, _ = t.web([], families=FAMILIES)
    service.ips = {4: "10.99.0.7", 6: "fd00:10:99::7"}
    t.run(service, *(t.web_slice(service, one(f)) for f in FAMILIES))
    clients = exposure.clients(t)
    for f in FAMILIES:
        neighbour = {4: "10.99.0.8", 6: "fd00:10:99::8"}[f]
        expect(*(Expectation(clients[source], service.ip(f), 80, one(f), source != "pod", protocol)
                 for source in ("pod", "node", "external") for protocol in ("tcp", "udp")),
               *(Expectation(clients[source], service.ip(f), 81, REFUSED, None, protocol)
                 for source in ("pod", "node", "external") for protocol in ("tcp", "udp")),
               Expectation(clients["pod"], neighbour, 80, PASSED, None, "udp"))


@test(quick=True)
def an_ingress_with_a_hostname_only_leaves_everything_else_served(t):
    service = Exposed(t.world, ingress=[{"hostname": "lb.example.net"},
                                        {"hostname": "lb2.example.net", "ipMode": "Proxy"}],
                      loadBalancerSourceRanges=["192.88.99.0/24"])
    daemon = t.run(service, *slices(service, one))
    expect(*(flow for kind in (CLUSTER_IP, NODE_PORT, EXTERNAL_IP)
             for flow in served(t, "external", service, kind, one, True)),
           *served(t, "pod", service, CLUSTER_IP, one, False))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def addresses_that_make_no_sense_are_named_and_their_neighbours_serve(t):
    service = Exposed(t.world, ingress=[])
    ips = t.world.external_ips()
    service.spec["externalIPs"] = ["1.2.3", "", *service.external_ips.values(), "web.example.net"]
    service.ingress = [{"ip": "1.2.3.256"}, {"ip": ""}, {}, *({"ip": ip} for ip in ips.values()),
                       {"ip": "fe80::1%eth0"}]
    service.lb_ips = ips
    daemon = t.run(service, *slices(service, one))
    expect(*(flow for kind in KINDS for flow in served(t, "external", service, kind, one, True)))
    for field in ("spec.externalIPs[0]", "spec.externalIPs[", "status.loadBalancer.ingress[0]"):
        complained(t, daemon, "default/web", field)


def own_address_scene(t):
    """A Service whose ClusterIP is an address of the node, at which the node has servers."""
    service, _ = t.web([], families=FAMILIES)
    service.ips = dict(topology.NODE_SECOND)
    other = Exposed(t.world, "other")
    daemon = t.run(service, *(t.web_slice(service, one(f)) for f in FAMILIES), other,
                   *slices(other, two))
    yield service, other, daemon


@test_rows([("pod",), ("node",), ("external",)],
           "a_clusterip_that_is_a_nodes_address_is_served_from_{}", fixture=own_address_scene,
           quick={"a_clusterip_that_is_a_nodes_address_is_served_from_external"})
def own_address(t, scene, source):
    client = exposure.clients(t)[source]
    expect(*(Expectation(client, scene[0].ip(f), 80, one(f), None, protocol)
             for f in FAMILIES for protocol in ("tcp", "udp")))


@test_rows([("pod",), ("external",)],
           "a_clusterip_that_is_a_nodes_address_does_not_lock_out_{}", fixture=own_address_scene,
           quick={"a_clusterip_that_is_a_nodes_address_does_not_lock_out_external"})
def own_servers(t, scene, source):
    # Section 2.4: closed ports of a ClusterIP are not refused on the way into the node itself.
    client = exposure.clients(t)[source]
    expect(*(Expectation(client, scene[0].ip(f), 8443, [scene[0].ip(f)], False, protocol, 8443)
             for f in FAMILIES for protocol in ("tcp", "udp")))


@test(fixture=own_address_scene)
def a_clusterip_that_is_a_nodes_address_leaves_other_services_served(t, scene):
    expect(*(flow for kind in KINDS for flow in served(t, "external", scene[1], kind, two, True)))


@test_rows([("pod",), ("node",), ("external",)],
           "a_clusterip_that_is_a_nodes_address_hides_nobody_but_who_is_no_pod_from_{}",
           fixture=own_address_scene,
           quick={"a_clusterip_that_is_a_nodes_address_hides_nobody_but_who_is_no_pod_from_node"})
def own_address_hides(t, scene, source):
    # Section 2.5, M2. What the node sends to an own address has that address for its source, to
    # which no other machine could answer.
    client = exposure.clients(t)[source]
    expect(*(Expectation(client, scene[0].ip(f), 80, one(f), source != "pod", protocol)
             for f in FAMILIES for protocol in ("tcp", "udp")))


@test(fixture=own_address_scene)
def a_clusterip_that_is_a_nodes_address_is_named(t, scene):
    complained(t, scene[2], "default/web", topology.NODE_SECOND[4])


@test_rows([("pod",), ("external",), ("node",)],
           "an_unallocated_service_address_that_the_node_has_is_its_own_for_{}",
           quick={"an_unallocated_service_address_that_the_node_has_is_its_own_for_external"})
def own_unallocated(t, source):
    # As of a DNS cache on the node. Section 2.4: not on the way into the node itself.
    own = {4: "10.96.241.1", 6: "fd00:10:96::f101"}
    service = Exposed(t.world)
    client = exposure.clients(t)[source]
    with topology.bound(t.node, *own.values()):
        t.run(service, *slices(service, one))
        expect(*(Expectation(client, own[f], 8443, [own[f]], None, protocol, 8443)
                 for f in FAMILIES for protocol in ("tcp", "udp")))
    expect(*(Expectation(client, own[f], 8443, DROPPED, None, protocol)
             for f in FAMILIES for protocol in ("tcp", "udp")))


@test_rows([("external_ip",), ("load_balancer_ip",)],
           "an_{}_that_is_the_nodes_address_is_served_and_the_nodes_other_ports_are_its_own")
def external_is_own(t, which):
    service = Exposed(t.world)
    _give(service, EXTERNAL_IP if which == "external_ip" else LB_IP, dict(topology.NODE))
    t.run(service, *slices(service, one))
    clients = exposure.clients(t)
    expect(*(Expectation(clients[source], topology.NODE[f], 80, one(f), True, protocol)
             for source in ("pod", "node", "external") for f in FAMILIES
             for protocol in ("tcp", "udp")),
           *(Expectation(clients[source], topology.NODE[f], 8443, [topology.NODE[f]], None,
                         protocol, 8443)
             for source in ("pod", "node", "external") for f in FAMILIES
             for protocol in ("tcp", "udp")))


@test()
def one_address_for_everything_in_one_service_is_served(t):
    # ClusterIP, external IP and load balancer address at once.
    service = Exposed(t.world)
    _give(service, EXTERNAL_IP, dict(service.ips))
    _give(service, LB_IP, dict(service.ips))
    t.run(service, *slices(service, one))
    for source in ("pod", "external"):
        expect(*served(t, source, service, CLUSTER_IP, one))
        t.refused(exposure.clients(t)[source].namespace, "tcp", service.ip(4), 81)


# Affinity timeouts

TIMEOUTS = {"0": 0, "minus_1": -1, "86401": 86401, "a_billion": 10 ** 9, "1e300": 1e300,
            "null": None}


def timeouts_scene(t):
    services = {name: Exposed(t.world, f"t{i}", sessionAffinity="ClientIP",
                              sessionAffinityConfig={"clientIP": {"timeoutSeconds": value}})
                for i, (name, value) in enumerate(TIMEOUTS.items())}
    bare = Exposed(t.world, "bare", sessionAffinity="ClientIP")
    good = Exposed(t.world, "good")
    everything = [*services.values(), bare, good]
    daemon = t.run(*everything, *(piece for service in everything for f in FAMILIES
                                  for piece in [service.slice(one(f) + two(f) + far(f))]))
    yield {**services, "absent": bare}, good, daemon


@test_rows([(name,) for name in (*TIMEOUTS, "absent")],
           "an_affinity_timeout_of_{}_is_named_if_it_is_wrong_and_clients_stay",
           fixture=timeouts_scene,
           quick={"an_affinity_timeout_of_0_is_named_if_it_is_wrong_and_clients_stay",
                  "an_affinity_timeout_of_86401_is_named_if_it_is_wrong_and_clients_stay"})
def timeouts(t, scene, name):
    services, good, daemon = scene
    service = services[name]
    for f in FAMILIES:
        first = t.connect(t.client, "tcp", *service.at(CLUSTER_IP, f))
        t.answered_by(t.client, "tcp", *service.at(CLUSTER_IP, f), [first.backend], count=30)
        t.answered_by(t.client, "udp", *good.at(CLUSTER_IP, f), one(f) + two(f) + far(f))
    if name not in ("null", "absent"):
        complained(t, daemon, f"default/{service.name}",
                   "spec.sessionAffinityConfig.clientIP.timeoutSeconds")


# More of what is marked [BUG]


@test(quick=True)
def BUG_1_4_an_endpoint_address_that_does_not_parse_breaks_nothing(t):
    service = Exposed(t.world)
    other = Exposed(t.world, "other")
    pieces = slices(service, lambda f: one(f) + two(f))
    for piece in pieces:
        for bad in ("10.244.0.300", "fd00::g", "<nil>", "10.244.0.0/24"):
            piece["endpoints"].insert(1, {"addresses": [bad], "nodeName": topology.NODE_NAME})
    daemon = t.run(service, *pieces, other, *slices(other, two))
    expect(*(flow for kind in KINDS for flow in served(t, "external", service, kind,
                                                       lambda f: one(f) + two(f))),
           *served(t, "external", other, NODE_PORT, two))
    complained(t, daemon, "web-ipv4-1", "endpoints[")
    change(t, daemon, service, *slices(service, two), other, *slices(other, one))
    expect(*served(t, "pod", service, CLUSTER_IP, two), *served(t, "pod", other, CLUSTER_IP, one))


def _unallocated(t, expected):
    clients = exposure.clients(t)
    expect(*(Expectation(clients[source], {4: "10.96.240.1", 6: "fd00:10:96::fff0"}[f], 80,
                         expected, None, "udp") for f in FAMILIES for source in ("pod",)))


def _service_cidr(name, *cidrs):
    thing = objects.service_cidr()
    thing["metadata"]["name"] = name
    thing["spec"]["cidrs"] = list(cidrs or topology.SERVICE_CIDRS.values())
    return thing


@test(quick=True)
def BUG_1_6_service_ranges_that_come_after_the_first_sync_hold_at_once(t):
    service = Exposed(t.world)
    things = [objects.node(), service, *slices(service, one)]
    t.write(*things, with_node=False)
    daemon = t.run()
    _unallocated(t, PASSED)
    for ranges_now, expected in (((_service_cidr("a"),), DROPPED), ((), PASSED),
                                 ((_service_cidr("a"), _service_cidr("b")), DROPPED)):
        mark = daemon.mark()
        t.write(*ranges_now, *things, with_node=False)
        daemon.wait_synced(mark)
        _unallocated(t, expected)


@test()
def BUG_1_6_of_two_equal_service_ranges_one_may_go(t):
    service = Exposed(t.world)
    things = [objects.node(), service, *slices(service, one)]
    t.write(_service_cidr("a"), _service_cidr("b"), _service_cidr("c", "10.96.0.0/12"), *things,
            with_node=False)
    daemon = t.run()
    for left in ("a", "b"):
        mark = daemon.mark()
        t.write(_service_cidr(left), *things, t.service("marker", [port(1)]), with_node=False)
        daemon.wait_synced(mark)
        _unallocated(t, DROPPED)
        expect(*served(t, "pod", service, CLUSTER_IP, one))


@test()
def BUG_1_6_a_service_range_that_a_later_list_does_not_have_is_gone(t):
    # A deletion that is seen by its absence only: kube-proxy keeps the range.
    service = Exposed(t.world)
    things = [objects.node(), service, *slices(service, one)]
    far_range = _service_cidr("far", "10.90.0.0/16", "fd00:10:90::/112")
    client = exposure.clients(t)["pod"]

    def expect_at_far_range(outcome):
        expect(*(Expectation(client, {4: "10.90.1.1", 6: "fd00:10:90::101"}[f], 80, outcome, None,
                             "udp") for f in FAMILIES))
        _unallocated(t, DROPPED)
    t.write(_service_cidr("kubernetes"), far_range, *things, with_node=False)
    daemon = t.run()
    expect_at_far_range(DROPPED)
    mark = daemon.mark()
    t.write(_service_cidr("kubernetes"), *things, with_node=False)
    daemon.wait_synced(mark)
    expect_at_far_range(PASSED)


@test(quick=True)
def BUG_1_9_a_slice_whose_label_is_edited_leaves_the_old_service(t):
    blue, red = Exposed(t.world, "blue"), Exposed(t.world, "red")
    blue_pieces = slices(blue, one)
    moving = [blue.slice(two(f), suffix="moving") for f in FAMILIES]
    daemon = t.run(blue, red, *blue_pieces, *moving)
    both = lambda f: one(f) + two(f)
    for label, at_blue, at_red in (("blue", both, REFUSED), ("red", one, two),
                                   ("", one, REFUSED), ("blue", both, REFUSED)):
        for piece in moving:
            piece["metadata"]["labels"] = {"kubernetes.io/service-name": label} if label else {}
        change(t, daemon, blue, red, *blue_pieces, *moving)
        expect(*(flow for kind in (CLUSTER_IP, LB_IP)
                 for flow in (*served(t, "pod", blue, kind, at_blue),
                              *served(t, "external", red, kind, at_red))))


@test(quick=True)
def BUG_3_4_names_too_long_for_a_comment_block_nothing_when_there_is_no_endpoint(t):
    def longest(name, **spec):
        service = Exposed(t.world, name.ljust(63, "x"), namespace="s" * 63, **spec)
        for entry in service.ports:
            entry["name"] = entry["name"].ljust(15, "p")
        return service
    empty = longest("empty")
    silent = longest("silent", externalTrafficPolicy="Local")
    good = Exposed(t.world, "good")
    pieces = [endpoint_slice(silent, far(f), ((8080, "web".ljust(15, "p"), "TCP"),
                                              (8080, "dns".ljust(15, "p"), "UDP")))
              for f in FAMILIES]
    daemon = t.run(empty, silent, *pieces, good, *slices(good, one))
    expect(*(flow for kind in KINDS for flow in (*served(t, "external", empty, kind, REFUSED),
                                                 *served(t, "external", good, kind, one))),
           *(flow for kind in EXTERNAL_KINDS
             for flow in served(t, "external", silent, kind, DROPPED)))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def BUG_1_3_a_service_of_one_family_ignores_external_addresses_of_the_other(t):
    # Of which kube-proxy takes account when it decides what is externally accessible.
    other = t.world.external_ips()
    service = t.service("web", [port(80, "web", "TCP")], families=(4,),
                        internalTrafficPolicy="Local", externalIPs=[other[6]],
                        externalTrafficPolicy="Local")
    service.ingress = [{"ip": other[6]}]
    t.run(service, t.web_slice(service, far(4)))
    t.dropped(t.client, "tcp", service.ip(4), 80)
    for protocol in ("tcp", "udp"):
        t.outcome(probes.UNREACHABLE, t.client, protocol, other[6], 80)


@test()
def BUG_8_2_13_a_wrong_node_name_is_said_at_the_start(t):
    service = Exposed(t.world)
    t.write(service, *slices(service, lambda f: one(f) + far(f)))
    daemon = t.run(args=("--hostname-override", "node-0"))
    complained(t, daemon, "own Node not found", "node-0")
    expect(*served(t, "external", service, LB_IP, lambda f: one(f) + far(f)))


@test()
def hints_that_name_nothing_that_exists_keep_nobody_out(t):
    service = Exposed(t.world)
    pieces = slices(service, lambda f: one(f) + far(f))
    for piece, hints in zip(pieces, ({"forNodes": [{"name": "nowhere"}]},
                                     {"forZones": [{"name": "nowhere"}], "forNodes": []})):
        for entry in piece["endpoints"]:
            entry["hints"] = hints
    daemon = t.run(service, *pieces)
    expect(*(flow for kind in KINDS for flow in served(t, "external", service, kind,
                                                       lambda f: one(f) + far(f))))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def clients_of_a_pod_are_seen_as_they_are_where_a_service_has_the_pods_own_address(t):
    # An external IP that is a pod's address: that port is the Service's, the others the pod's.
    service = Exposed(t.world)
    _give(service, EXTERNAL_IP, {f: pod_address(12, f) for f in FAMILIES})
    t.run(service, *slices(service, one))
    pod = Client(t.client, {f: pod_address(5, f) for f in FAMILIES})
    expect(*(Expectation(pod, pod_address(12, f), 80, one(f), True, protocol)
             for f in FAMILIES for protocol in ("tcp", "udp")),
           *(Expectation(pod, pod_address(12, f), 8443, two(f), False, protocol, 8443)
             for f in FAMILIES for protocol in ("tcp", "udp")))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Flows T1 to T12 of kube-proxy-behaviour.md 7.2: policies, source ranges, terminating endpoints;
what is refused, dropped and left alone."""

import exposure
import probes
import topology
from exposure import (CLUSTER_IP, DROPPED, EXTERNAL_IP, EXTERNAL_KINDS, KINDS, LB_IP, NODE_PORT,
                      PASSED, REFUSED, Expectation, Exposed, expect)
from harness import Skip, test, test_rows
from objects import endpoint, endpoint_slice, port
from scene import DEAD, FAMILIES, LEAVING, ONE, TWO, Scene, far, local, over_both
from topology import pod_address, remote_address

# T1: no endpoints


def t1_scene(t):
    scene = Scene(t)
    scene.service = scene.add(Exposed(t.world))
    yield scene.run()


@test_rows([(source, kind, protocol) for source in ("pod", "node", "external")
            for kind in KINDS for protocol in ("tcp", "udp")],
           "T1_without_endpoints_{}_is_refused_at_{}_{}", fixture=t1_scene,
           quick={"T1_without_endpoints_pod_is_refused_at_nodeport_tcp",
                  "T1_without_endpoints_external_is_refused_at_lbvip_udp"})
def t1(_, scene, source, kind, protocol):
    over_both(lambda f: [scene.flow(source, scene.service, kind, f, REFUSED, protocol=protocol)])


# T2: ClusterIP basics


def t2_scene(t):
    scene = Scene(t)
    scene.one = scene.add(Exposed(t.world, "svc1"), lambda f: local(f, ONE))
    ports = [port(80, "p80"), port(443, "p443"), port(53, "dns-tcp", "TCP"),
             port(53, "dns", "UDP"), port(53, "dns-sctp", "SCTP")]
    scene.many = scene.add(t.service("svc2", ports))
    targets = ((8080, "p80", "TCP"), (8443, "p443", "TCP"), (9090, "dns-tcp", "TCP"),
               (53, "dns", "UDP"), (53, "dns-sctp", "SCTP"))
    scene.things += [endpoint_slice(scene.many, local(f, ONE) + far(f, 1), targets)
                     for f in FAMILIES]
    yield scene.run()


@test(quick=True, fixture=t2_scene)
def T2_a_pod_reaches_the_endpoint_and_is_seen_as_itself(_, scene):
    over_both(lambda f: [scene.flow("pod", scene.one, CLUSTER_IP, f, local(f, ONE), False)])


@test(fixture=t2_scene)
def T2_an_endpoint_reaches_itself_and_sees_the_node(t, scene):
    itself = exposure.Client(t.pods[0], {f: pod_address(ONE, f) for f in FAMILIES})
    over_both(lambda f: [Expectation(itself, *scene.one.at(CLUSTER_IP, f), local(f, ONE), True)])


@test_rows([(80, "tcp", 8080), (443, "tcp", 8443), (53, "tcp", 9090), (53, "udp", 53)],
           "T2_port_{}_{}_leads_to_both_endpoints_at_{}", fixture=t2_scene,
           quick={"T2_port_53_udp_leads_to_both_endpoints_at_53"})
def t2_ports(_, scene, number, protocol, target):
    over_both(lambda f: [Expectation(scene.clients["pod"], scene.many.ip(f), number,
                                     local(f, ONE) + far(f, 1), False, protocol, target)])


@test(fixture=t2_scene)
def T2_port_53_sctp_leads_to_both_endpoints_at_53(t, scene):
    for f in FAMILIES:
        t.answered_by(t.client, "sctp", scene.many.ip(f), 53, local(f, ONE) + far(f, 1), number=53)


@test_rows([(443, "udp"), (81, "tcp"), (444, "udp")],
           "T2_the_wrong_port_{}_{}_of_a_clusterip_is_refused", fixture=t2_scene,
           quick={"T2_the_wrong_port_443_udp_of_a_clusterip_is_refused"})
def t2_wrong_port(_, scene, number, protocol):
    over_both(lambda f: [Expectation(scene.clients[source], scene.many.ip(f), number, REFUSED,
                                     protocol=protocol)
                         for source in ("pod", "node", "external")])


@test(fixture=t2_scene)
def T2_an_unallocated_address_is_dropped(_, scene):
    address = {4: "10.96.250.250", 6: "fd00:10:96::ffff"}
    over_both(lambda f: [Expectation(scene.clients[source], address[f], 80, DROPPED,
                                     protocol=protocol)
                         for source in ("pod", "external") for protocol in ("tcp", "udp")])


@test_rows([("pod", REFUSED), ("external", REFUSED), ("node", probes.PROHIBITED)],
           "an_icmp_echo_to_a_clusterip_is_{1}_for_{0}", fixture=t2_scene,
           quick={"an_icmp_echo_to_a_clusterip_is_refused_for_pod"})
def icmp(t, scene, source, outcome):
    namespace = {"pod": t.client, "external": t.external, "node": t.node}[source]
    for f in FAMILIES:
        # The probe itself works: somebody answers elsewhere.
        t.outcome(probes.ANSWERED, namespace, "icmp", topology.NODE[f], 0)
        t.outcome(outcome, namespace, "icmp", scene.many.ip(f), 0)


@test_rows([(source, kind) for source in ("pod", "node", "external")
            for kind in (EXTERNAL_IP, LB_IP)],
           "the_wrong_port_of_an_{1}_is_left_alone_from_{0}", fixture=t2_scene,
           quick={"the_wrong_port_of_an_lbvip_is_left_alone_from_pod"})
def wrong_external_port(_, scene, source, kind):
    client = scene.clients[source]
    over_both(lambda f: [Expectation(client, scene.one.at(kind, f)[0], 81, PASSED,
                                     protocol="udp")])


# T3: source ranges

RANGES = ["192.0.2.0/24", " 203.0.113.0/25", "2001:db8:2::/64 ", "2001:db8:113::/64"]
FAR_RANGES = ["203.0.113.0/25", "2001:db8:113::/64"]


def t3_scene(t):
    scene = Scene(t)
    second = t.world.external_ips()
    first = t.world.external_ips()
    scene.service = Exposed(t.world, loadBalancerSourceRanges=RANGES,
                            ingress=[{"ip": ip} for vips in (first, second)
                                     for ip in vips.values()])
    scene.service.lb_ips = first
    scene.second = second
    scene.add(scene.service, lambda f: local(f, ONE))
    # Ranges that the node's address as a Node is not in.
    scene.distant = scene.add(Exposed(t.world, "distant", loadBalancerSourceRanges=FAR_RANGES),
                              lambda f: local(f, ONE))
    # Of each, ranges of one family only: the other is open.
    scene.v4_only = scene.add(Exposed(t.world, "v4-only", loadBalancerSourceRanges=RANGES[:2]),
                              lambda f: local(f, ONE))
    yield scene.run()


T3_ROWS = [(source, target, result) for source, results in {
    "external": "+ + + +", "blocked": "+ + x x", "pod": "+ + x x", "node": "+ + + +",
}.items() for target, result in zip(("nodeport", "externalip", "lbvip", "second_lbvip"),
                                    results.split())]


@test_rows([(source, target, {"+": "served", "x": "dropped"}[r]) for source, target, r in T3_ROWS],
           "T3_with_source_ranges_{0}_is_{2}_at_{1}", fixture=t3_scene,
           quick={"T3_with_source_ranges_blocked_is_served_at_nodeport",
                  "T3_with_source_ranges_blocked_is_dropped_at_lbvip",
                  "T3_with_source_ranges_node_is_served_at_second_lbvip"})
def t3(_, scene, source, target, result):
    client = scene.clients[source]

    def flows(f):
        address, number = (scene.second[f], 80) if target == "second_lbvip" else \
            scene.service.at(target, f)
        return [Expectation(client, address, number,
                            local(f, ONE) if result == "served" else DROPPED,
                            True if result == "served" else None, protocol)
                for protocol in ("udp", "tcp")]
    over_both(flows)


@test(fixture=t3_scene)
def T3_with_source_ranges_a_pod_reaches_the_clusterip(_, scene):
    over_both(lambda f: [scene.flow("pod", scene.service, CLUSTER_IP, f, local(f, ONE), False)])


@test(quick=True, fixture=t3_scene)
def T3_the_node_reaches_an_address_bound_to_it_when_the_ranges_include_the_node(t, scene):
    with topology.bound(t.node, *scene.service.lb_ips.values(), *scene.second.values()):
        over_both(lambda f: [Expectation(scene.clients["node"], address, 80, local(f, ONE), True,
                                         protocol)
                             for address in (scene.service.lb_ips[f], scene.second[f])
                             for protocol in ("udp", "tcp")])


@test(fixture=t3_scene)
def T3_the_node_is_dropped_at_an_address_bound_to_it_when_the_ranges_do_not_include_it(t, scene):
    with topology.bound(t.node, *scene.distant.lb_ips.values()):
        over_both(lambda f: [scene.flow("node", scene.distant, LB_IP, f, DROPPED,
                                        protocol=protocol) for protocol in ("udp", "tcp")])
    over_both(lambda f: [scene.flow("external", scene.distant, LB_IP, f, local(f, ONE), True)])


@test(quick=True, fixture=t3_scene)
def T3_ranges_of_one_family_leave_the_other_open(_, scene):
    expect(scene.flow("blocked", scene.v4_only, LB_IP, 4, DROPPED),
           scene.flow("blocked", scene.v4_only, LB_IP, 6, local(6, ONE), True),
           scene.flow("pod", scene.v4_only, LB_IP, 6, local(6, ONE), True))


@test()
def T3_ranges_are_followed_and_do_not_cut_connections(t):
    scene = Scene(t)
    service = Exposed(t.world, families=(4,))
    piece = endpoint_slice(service, local(4, ONE), ((7000, "web", "TCP"), (8080, "dns", "UDP")))
    scene.things = [service, piece]
    scene.run()
    held = t.hold(t.external, *service.at(LB_IP, 4))
    open_to_all = [scene.flow(who, service, LB_IP, 4, local(4, ONE)) for who in
                   ("external", "blocked")]
    expect(*open_to_all)
    for ranges, external, blocked in ((["198.19.0.0/16"], DROPPED, local(4, ONE)),
                                      (["203.0.113.50/32"], local(4, ONE), DROPPED),
                                      (["203.0.113.50/32", "198.19.0.0/16"], local(4, ONE),
                                       local(4, ONE))):
        service.spec["loadBalancerSourceRanges"] = ranges
        scene.change(service, piece)
        expect(scene.flow("external", service, LB_IP, 4, external),
               scene.flow("blocked", service, LB_IP, 4, blocked))
        t.true(f"the connection that is up works with ranges {ranges}", held.works())
    del service.spec["loadBalancerSourceRanges"]
    scene.change(service, piece)
    expect(*open_to_all)


# T4: NodePorts

NODE_PORT_RANGES = {
    "primary": (None, True, False),
    "the_second_addresses_range": ("203.0.113.0/24,2001:db8:113::/64", False, True),
    "both_ranges": ("192.0.2.0/24,203.0.113.10/32,2001:db8::/32", True, True),
    "everything": ("0.0.0.0/0,::/0", True, True),
}


def t4_scene(t, ranges):
    text = NODE_PORT_RANGES[ranges][0]
    if text and "--nodeport-addresses" not in t.command("run", "--help").stdout:
        raise Skip("no --nodeport-addresses")
    scene = Scene(t)
    # A number at which the node itself listens: who answers tells whether it was translated.
    scene.service = scene.add(Exposed(t.world, node_port=9090),
                              lambda f: local(f, ONE) + far(f, 1))
    yield scene.run(*(("--nodeport-addresses", text) if text else ()))


@test_rows([(ranges, source) for ranges in NODE_PORT_RANGES for source in ("external", "node")],
           "T4_with_{}_nodeports_are_served_where_they_should_from_{}", fixture=t4_scene,
           quick={"T4_with_primary_nodeports_are_served_where_they_should_from_external"})
def t4(_, scene, ranges, source):
    _, first, second = NODE_PORT_RANGES[ranges]
    client = scene.clients[source]

    def flows(f):
        for address, served in ((topology.NODE[f], first), (topology.NODE_SECOND[f], second)):
            for protocol in ("tcp", "udp"):
                if served:
                    yield Expectation(client, address, 9090, local(f, ONE) + far(f, 1), True,
                                      protocol)
                else:
                    yield Expectation(client, address, 9090, [address], None, protocol, 9090)
    over_both(flows)


@test_rows([(ranges,) for ranges in NODE_PORT_RANGES],
           "T4_with_{}_the_port_on_127.0.0.1_and_::1_is_the_nodes_own", fixture=t4_scene,
           quick={"T4_with_primary_the_port_on_127.0.0.1_and_::1_is_the_nodes_own"})
def t4_loopback(_, scene, __):
    client = scene.clients["node"]
    expect(*(Expectation(client, address, 9090, [address], None, protocol, 9090)
             for address in ("127.0.0.1", "127.0.0.2", "::1") for protocol in ("tcp", "udp")))


# T5, T6: external traffic policy; all of it, with masquerading, is in t_conformance_masquerade


def policy_scene(t, policy):
    scene = Scene(t)
    spec = {"externalTrafficPolicy": "Local"} if policy == "local" else {}
    scene.both = scene.add(Exposed(t.world, "both", **spec), lambda f: local(f, TWO) + far(f, 1))
    scene.remote = scene.add(Exposed(t.world, "remote", **spec), lambda f: far(f, 1, 2))
    yield scene.run()


@test_rows([("local", source, kind) for source in ("pod", "node", "external")
            for kind in EXTERNAL_KINDS] +
           [("cluster", source, kind) for source in ("pod", "node", "external")
            for kind in EXTERNAL_KINDS],
           "T5_T6_with_policy_{}_and_no_local_endpoint_{}_meets_what_it_should_at_{}",
           fixture=policy_scene,
           quick={"T5_T6_with_policy_local_and_no_local_endpoint_external_meets_what_it_should_at_"
                  "lbvip",
                  "T5_T6_with_policy_local_and_no_local_endpoint_pod_meets_what_it_should_at_lbvip"
                  })
def t5_t6(_, scene, policy, source, kind):
    silent = policy == "local" and source == "external"
    hidden = policy == "cluster" or source == "node"
    over_both(lambda f: [
        scene.flow(source, scene.remote, kind, f, DROPPED if silent else far(f, 1, 2),
                   None if silent else hidden, protocol=protocol) for protocol in ("udp", "tcp")])


@test(quick=True, fixture=lambda t: policy_scene(t, "local"))
def T5_externally_only_local_endpoints_serve_and_clients_are_seen(_, scene):
    over_both(lambda f: [scene.flow("external", scene.both, kind, f, local(f, TWO), False,
                                    protocol=protocol)
                         for kind in EXTERNAL_KINDS for protocol in ("udp", "tcp")])


@test(fixture=lambda t: policy_scene(t, "local"))
def T5_a_node_that_talks_from_the_load_balancers_address_is_short_circuited(t, scene):
    with topology.bound(t.node, *scene.remote.lb_ips.values()):
        over_both(lambda f: [scene.flow("node", scene.remote, LB_IP, f, far(f, 1, 2), True,
                                        protocol=protocol) for protocol in ("udp", "tcp")])


@test()
def T5_T6_the_policy_is_followed(t):
    scene = Scene(t)
    service = Exposed(t.world)
    pieces = [service.slice(local(f, TWO) + far(f, 1)) for f in FAMILIES]
    scene.things = [service, *pieces]
    scene.run()
    for policy in ("Cluster", "Local", "Cluster", "Local"):
        service.spec["externalTrafficPolicy"] = policy
        scene.change(service, *pieces)
        is_local = policy == "Local"
        over_both(lambda f, is_local=is_local: [
            scene.flow("external", service, kind, f,
                       local(f, TWO) + ([] if is_local else far(f, 1)), not is_local)
            for kind in EXTERNAL_KINDS])


# T7: internal traffic policy

T7_ROWS = {
    "Cluster_and_three_endpoints": ("Cluster", (ONE, TWO), (1,), (ONE, TWO), (1,)),
    "Local_and_one_local_endpoint": ("Local", (ONE,), (1, 2), (ONE,), ()),
    "Local_and_two_local_endpoints": ("Local", (ONE, TWO), (1,), (ONE, TWO), ()),
    "Local_and_no_local_endpoint": ("Local", (), (1, 2), (), ()),
    "Local_and_no_endpoint": ("Local", (), (), None, None),
}


def t7_scene(t):
    scene = Scene(t)
    scene.services = {
        name: scene.add(Exposed(t.world, name.replace("_", "-").lower(),
                                internalTrafficPolicy=row[0]),
                        lambda f, row=row: local(f, *row[1]) + far(f, *row[2]))
        for name, row in T7_ROWS.items()}
    yield scene.run()


@test_rows([(name, source) for name in T7_ROWS for source in ("pod", "node", "external")],
           "T7_internal_policy_{}_from_{}", fixture=t7_scene,
           quick={"T7_internal_policy_Local_and_one_local_endpoint_from_pod",
                  "T7_internal_policy_Local_and_no_local_endpoint_from_pod"})
def t7(_, scene, name, source):
    row = T7_ROWS[name]

    def flows(f):
        backends = REFUSED if row[3] is None else local(f, *row[3]) + far(f, *row[4]) or DROPPED
        hidden = source != "pod"
        for protocol in ("udp", "tcp"):
            yield scene.flow(source, scene.services[name], CLUSTER_IP, f, backends,
                             None if isinstance(backends, str) else hidden, protocol=protocol)
    over_both(flows)


@test(quick=True)
def T7_internal_policy_and_its_endpoints_are_followed(t):
    scene = Scene(t)
    service = Exposed(t.world)
    scene.things = [service]
    scene.run()
    for policy, near, distant, expected in (
            ("Cluster", (ONE,), (1,), "all"), ("Local", (ONE,), (1,), "local"),
            ("Local", (), (1,), DROPPED), ("Local", (ONE, TWO), (1,), "local"),
            ("Local", (), (), REFUSED), ("Local", (), (1,), DROPPED), ("Cluster", (), (1,), "all")):
        service.spec["internalTrafficPolicy"] = policy
        scene.change(service, *(service.slice(local(f, *near) + far(f, *distant))
                                for f in FAMILIES if near or distant))
        over_both(lambda f, near=near, distant=distant, expected=expected: [scene.flow(
            "pod", service, CLUSTER_IP, f,
            {"all": local(f, *near) + far(f, *distant), "local": local(f, *near)}.get(expected,
                                                                                     expected))])


# T8, T9: terminating endpoints. r ready, t serving and terminating, x terminating only.

T8_ROWS = {
    # L: endpoints of the node, by pod; R: elsewhere. Then what the ClusterIP and what the load
    # balancer's address leads to: L1 is the node's first, R1 the other node's first.
    "L_r1_r2_t3_x4_R_r5": ("r r t x", "r", "L1 L2 R1", "L1 L2"),
    "L_t2_t3_x4_R_r5": ("- t t x", "r", "R1", "L2 L3"),
    "R_t5": ("", "t", "R1", DROPPED),
    "L_x5_R_x5": ("x", "x", REFUSED, REFUSED),
    "nothing": ("", "", REFUSED, REFUSED),
}
T9_ROWS = {
    "L_r1_r2_R_t3_x4_r5": ("r r", "t x r", "L1 L2 R3", "L1 L2 R3"),
    "L_t2_t3_R_x4_t5": ("- t t", "x t", "L2 L3 R2", "L2 L3 R2"),
    "R_t5": ("", "t", "R1", "R1"),
    "L_x5_R_x5": ("x", "x", REFUSED, REFUSED),
    "nothing": ("", "", REFUSED, REFUSED),
}
CONDITIONS = {"r": {"ready": True, "serving": True, "terminating": False}, "t": LEAVING, "x": DEAD}


def terminating_endpoints(row, family):
    entries = []
    for text, address in ((row[0], lambda i: pod_address(ONE + i, family)),
                          (row[1], lambda i: remote_address(1 + i, family))):
        entries += [endpoint(address(i), **CONDITIONS[letter])
                    for i, letter in enumerate(text.split()) if letter != "-"]
    return entries


def named(text, family):
    if text in (REFUSED, DROPPED):
        return text
    return [pod_address(ONE + int(word[1]) - 1, family) if word[0] == "L" else
            remote_address(int(word[1]), family) for word in text.split()]


def terminating_scene(t, policy):
    scene = Scene(t)
    rows, spec = (T8_ROWS, {"externalTrafficPolicy": "Local"}) if policy == "Local" else \
        (T9_ROWS, {})
    scene.services = {
        name: scene.add(Exposed(t.world, name.replace("_", "-").lower(), **spec),
                        lambda f, row=row: terminating_endpoints(row, f))
        for name, row in rows.items()}
    yield scene.run()


def terminating_flows(scene, service, policy, row, family):
    inside, outside = named(row[2], family), named(row[3], family)
    is_local = policy == "Local"
    for protocol in ("udp", "tcp"):
        for source, kind, backends, hidden in (
                ("pod", CLUSTER_IP, inside, False), ("pod", LB_IP, inside, not is_local),
                ("node", NODE_PORT, inside, True), ("external", LB_IP, outside, not is_local),
                ("external", NODE_PORT, outside, not is_local)):
            yield scene.flow(source, service, kind, family, backends,
                             None if isinstance(backends, str) else hidden, protocol=protocol)


@test_rows([("Local", name) for name in T8_ROWS] + [("Cluster", name) for name in T9_ROWS],
           "T8_T9_terminating_endpoints_with_external_policy_{}_{}", fixture=terminating_scene,
           quick={"T8_T9_terminating_endpoints_with_external_policy_Local_L_t2_t3_x4_R_r5",
                  "T8_T9_terminating_endpoints_with_external_policy_Cluster_R_t5"})
def t8_t9(_, scene, policy, name):
    row = (T8_ROWS if policy == "Local" else T9_ROWS)[name]
    over_both(lambda f: terminating_flows(scene, scene.services[name], policy, row, f))


@test_rows([("Local",), ("Cluster",)],
           "T8_T9_a_service_with_external_policy_{}_goes_through_all_rows_one_after_the_other")
def t8_t9_sequence(t, policy):
    rows = T8_ROWS if policy == "Local" else T9_ROWS
    scene = Scene(t)
    spec = {"externalTrafficPolicy": "Local"} if policy == "Local" else {}
    service = Exposed(t.world, **spec)
    scene.things = [service]
    scene.run()
    for name in (*rows, *reversed(rows)):
        row = rows[name]
        pieces = [service.slice(terminating_endpoints(row, f)) for f in FAMILIES
                  if row[0] or row[1]]
        scene.change(service, *pieces)
        over_both(lambda f, row=row: terminating_flows(scene, service, policy, row, f))


# T11: ipMode


def t11_scene(t):
    scene = Scene(t)
    scene.vips = {mode: t.world.external_ips() for mode in ("Proxy", "VIP", "nil", "after")}
    ingress = [{"ip": ip, **({} if mode in ("nil", "after") else {"ipMode": mode})}
               for mode, ips in scene.vips.items() for ip in ips.values()]
    ingress.insert(0, {"hostname": "lb.example.net"})
    ingress.insert(3, {"hostname": "lb.example.net", "ipMode": "VIP"})
    scene.service = scene.add(Exposed(t.world, ingress=ingress), lambda f: local(f, ONE))
    only_proxy = t.world.external_ips()
    scene.proxied = scene.add(Exposed(t.world, "proxied", externalTrafficPolicy="Local",
                                      ingress=[{"ip": ip, "ipMode": "Proxy"}
                                               for ip in only_proxy.values()]),
                              lambda f: far(f, 1))
    scene.proxied.lb_ips = only_proxy
    yield scene.run()


@test_rows([(mode, source) for mode in ("Proxy", "VIP", "nil") for source in
            ("pod", "node", "external")],
           "T11_an_ingress_of_ipMode_{}_is_treated_as_it_should_from_{}",
           fixture=t11_scene,
           quick={"T11_an_ingress_of_ipMode_Proxy_is_treated_as_it_should_from_pod"})
def t11(_, scene, mode, source):
    proxy = mode == "Proxy"
    over_both(lambda f: [Expectation(scene.clients[source], scene.vips[mode][f], 80,
                                     PASSED if proxy else local(f, ONE),
                                     None if proxy else True, "udp")])


@test(fixture=t11_scene)
def T11_with_ipMode_Proxy_even_policy_Local_drops_nothing(_, scene):
    over_both(lambda f: [scene.flow(source, scene.proxied, LB_IP, f, PASSED, protocol="udp")
                         for source in ("pod", "node", "external")])


@test(fixture=t11_scene)
def T11_a_hostname_among_the_ingress_is_ignored_without_complaint(t, scene):
    over_both(lambda f: [Expectation(scene.clients["external"], scene.vips["after"][f], 80,
                                     local(f, ONE), True)])
    t.equal("warnings and errors", [], scene.daemon.complaints())


# T12: bad spellings


def _padded(address):
    return ".".join(part.rjust(3, "0") for part in address.split("."))


def t12_scene(t):
    scene = Scene(t)
    plain = Exposed(t.world, families=(4,), externalTrafficPolicy="Local")
    scene.plain = plain
    odd = Exposed(t.world, families=(4,), node_port=plain.node_port,
                  externalTrafficPolicy="Local",
                  externalIPs=[_padded(plain.external_ips[4])],
                  ingress=[{"ip": _padded(plain.lb_ips[4])}],
                  loadBalancerSourceRanges=["203.0.113.000/025"])
    odd.ips = {4: _padded(plain.ip(4))}
    piece = plain.slice(local(4, ONE))
    piece["endpoints"][0]["addresses"] = [_padded(pod_address(ONE, 4))]
    scene.things = [odd, piece]
    yield scene.run()


@test_rows([(kind,) for kind in KINDS], "T12_a_{}_with_leading_zeros_is_decimal",
           fixture=t12_scene,
           quick={"T12_a_lbvip_with_leading_zeros_is_decimal"})
def t12(_, scene, kind):
    expect(scene.flow("external", scene.plain, kind, 4, local(4, ONE), kind == CLUSTER_IP))


@test(fixture=t12_scene)
def T12_a_source_range_with_leading_zeros_is_decimal(_, scene):
    expect(scene.flow("external", scene.plain, LB_IP, 4, local(4, ONE), False),
           scene.flow("blocked", scene.plain, LB_IP, 4, DROPPED),
           scene.flow("pod", scene.plain, LB_IP, 4, DROPPED))


@test(fixture=t12_scene)
def T12_an_endpoint_with_leading_zeros_is_the_pod_itself(t, scene):
    itself = exposure.Client(t.pods[0], {4: pod_address(ONE, 4)})
    expect(Expectation(itself, *scene.plain.at(CLUSTER_IP, 4), local(4, ONE), True))

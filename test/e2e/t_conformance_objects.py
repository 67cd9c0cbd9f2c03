# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects that change, T13 to T15 of kube-proxy-behaviour.md 7.2 and what users do (7.4): types,
labels, families, ports, addresses of the node."""

import contextlib
import os
import socket
import time

import exposure
import objects
import probes
import stats
import topology
from daemon import NODE_ARGS, Daemon, until
from exposure import (CLUSTER_IP, EXTERNAL_IP, EXTERNAL_KINDS, KINDS, LB_IP, NODE_PORT, REFUSED,
                      Expectation, Exposed, expect)
from harness import test, test_rows
from netns import Namespace
from objects import endpoint, endpoint_slice, port
from topology import pod_address, remote_address

FAMILIES = (4, 6)
PROXY_NAME = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"


def one(family):
    return [pod_address(11, family)]


def far(family):
    return [remote_address(1, family)]


class Scene:
    """One daemon; each step is a whole new set of objects."""

    def __init__(self, t, *things):
        self.t = t
        self.clients = exposure.clients(t)
        self.daemon = t.run(*things)

    def change(self, *things):
        mark = self.daemon.mark()
        self.t.write(*things, self.t.service("marker", [port(1)]))
        self.daemon.wait_synced(mark)

    def expect(self, service, outcomes, families=FAMILIES, sources=("pod", "external")):
        """@outcomes: {kind: function of the family, or an outcome}."""
        expect(*(Expectation(self.clients[source], *service.at(kind, f),
                             what if isinstance(what, str) else what(f), None, protocol)
                 for kind, what in outcomes.items() for f in families for source in sources
                 for protocol in ("tcp", "udp")))

    def untouched(self, service, *kinds):
        """Not served: probed from outside, where an untouched packet is heard of."""
        external = self.clients["external"]
        for f in FAMILIES:
            for kind in kinds:
                outcome = {NODE_PORT: probes.REFUSED, CLUSTER_IP: probes.TIMEOUT}.get(
                    kind, probes.UNREACHABLE)
                self.t.outcome(outcome, external.namespace, "udp", *service.at(kind, f))


def slices(service, backends=one):
    return [service.slice(backends(f)) for f in service.ips]


# T13: Services


@test(quick=True)
def T13_a_service_goes_through_all_types_and_back(t):
    service = Exposed(t.world)
    whole = service.object()
    scene = Scene(t, service, *slices(service))

    def of_type(name, keep, **spec):
        """The Service as another type: @keep are the kinds of frontend that it still has."""
        thing = {**whole, "spec": {**whole["spec"], "type": name, **spec}}
        if NODE_PORT not in keep:
            thing["spec"]["ports"] = [{k: v for k, v in entry.items() if k != "nodePort"}
                                      for entry in service.ports]
        if EXTERNAL_IP not in keep:
            del thing["spec"]["externalIPs"]
        if LB_IP not in keep:
            del thing["status"]
        scene.change(thing, *slices(service))
        scene.expect(service, {kind: one for kind in keep})
        scene.untouched(service, *(kind for kind in KINDS if kind not in keep))
    of_type("ClusterIP", (CLUSTER_IP,))
    of_type("NodePort", (CLUSTER_IP, NODE_PORT))
    of_type("LoadBalancer", KINDS)
    of_type("NodePort", (CLUSTER_IP, NODE_PORT, EXTERNAL_IP))
    of_type("ExternalName", (), externalName="example.net")
    of_type("ClusterIP", (CLUSTER_IP, EXTERNAL_IP))
    of_type("ClusterIP", (), clusterIP="None", clusterIPs=["None"])
    of_type("LoadBalancer", KINDS)


@test()
def T13_a_nodeport_that_changes_is_served_at_the_new_number_only(t):
    service = Exposed(t.world)
    old = Exposed(t.world, node_port=service.node_port)
    scene = Scene(t, service, *slices(service))
    for _ in range(2):
        scene.expect(service, {NODE_PORT: one})
        service.node_port += 500
        for entry in service.ports:
            entry["nodePort"] = service.node_port
        scene.change(service, *slices(service))
        scene.untouched(old, NODE_PORT)
    scene.expect(service, {kind: one for kind in KINDS})


@test()
def T13_a_service_made_again_with_its_addresses_serves_again(t):
    service = Exposed(t.world)
    scene = Scene(t, service, *slices(service))
    for backends in (far, one):
        scene.change()
        scene.untouched(service, *KINDS)
        scene.change(service, *slices(service, backends))
        scene.expect(service, {kind: backends for kind in KINDS})


@test_rows([("a_name", "someone-else"), ("no_value", "")],
           "T13_a_service_with_another_proxys_label_of_{}_is_not_ours")
def proxy_name(t, _, value):
    service = Exposed(t.world)
    labelled = service.object()
    labelled["metadata"]["labels"] = {PROXY_NAME: value}
    other = Exposed(t.world, "other")
    scene = Scene(t, labelled, *slices(service), other, *slices(other))
    for _ in range(2):
        scene.untouched(service, *KINDS)
        scene.expect(other, {kind: one for kind in KINDS})
        scene.change(service, *slices(service), other, *slices(other))
        scene.expect(service, {kind: one for kind in KINDS})
        scene.change(labelled, *slices(service), other, *slices(other))


@test()
def T13_a_slice_labelled_headless_is_not_used(t):
    service = Exposed(t.world)
    plain = slices(service)
    headless = slices(service)
    for piece in headless:
        piece["metadata"]["labels"][HEADLESS] = ""
    # Made by hand: no node, no condition but ready.
    for piece in plain:
        piece["endpoints"] = [{"addresses": entry["addresses"], "conditions": {"ready": True}}
                              for entry in piece["endpoints"]]
    scene = Scene(t, service, *plain)
    for _ in range(2):
        scene.expect(service, {kind: one for kind in KINDS})
        scene.change(service, *headless)
        scene.expect(service, {kind: REFUSED for kind in KINDS})
        scene.change(service, *plain)


@test(quick=True)
def T13_a_service_that_changes_its_families_is_served_in_those_it_has(t):
    whole = Exposed(t.world)
    pieces = slices(whole)
    scene = Scene(t, whole, *pieces)
    for families in ((4,), (4, 6), (6,), (6, 4)):
        service = Exposed(t.world, families=families, node_port=whole.node_port)
        service.ips = {f: whole.ips[f] for f in families}
        service.lb_ips, service.external_ips = whole.lb_ips, whole.external_ips
        service.ingress = [{"ip": ip} for ip in whole.lb_ips.values()]
        service.spec["externalIPs"] = list(whole.external_ips.values())
        scene.change(service, *pieces)
        scene.expect(whole, {kind: one for kind in KINDS}, families)
        for f in set(FAMILIES) - set(families):
            t.dropped(t.client, "udp", *whole.at(CLUSTER_IP, f))
            t.outcome(probes.REFUSED, t.external, "udp", *whole.at(NODE_PORT, f))
            for kind in (EXTERNAL_IP, LB_IP):
                t.outcome(probes.UNREACHABLE, t.external, "udp", *whole.at(kind, f))


# T14: endpoints of a Service with three ports, one of them without a name in the slices at first

WEB, DNS = ("web", "TCP"), ("dns", "UDP")


def _slice(service, addresses, *ports, suffix="1"):
    return endpoint_slice(service, addresses, [(number, name, protocol)
                                               for number, (name, protocol) in ports], suffix)


ONE, TWO, THREE = pod_address(11, 4), pod_address(12, 4), remote_address(1, 4)

# (what happens, slices, {service port: endpoints}); None: refused.
T14 = (
    ("there is none", [], {}),
    ("a slice comes", [([ONE], (8080, WEB))], {WEB: [(ONE, 8080)]}),
    ("an address comes", [([ONE, TWO], (8080, WEB))], {WEB: [(ONE, 8080), (TWO, 8080)]}),
    ("a port comes", [([ONE, TWO], (8080, WEB), (53, DNS))],
     {WEB: [(ONE, 8080), (TWO, 8080)], DNS: [(ONE, 53), (TWO, 53)]}),
    ("an address goes", [([TWO], (8080, WEB), (53, DNS))], {WEB: [(TWO, 8080)], DNS: [(TWO, 53)]}),
    ("a slice comes beside it", [([TWO], (8080, WEB), (53, DNS)), ([THREE], (8081, WEB))],
     {WEB: [(TWO, 8080), (THREE, 8081)], DNS: [(TWO, 53)]}),
    ("the first slice goes", [None, ([THREE], (8081, WEB))], {WEB: [(THREE, 8081)]}),
    ("the port gets another number", [None, ([THREE], (8082, WEB))], {WEB: [(THREE, 8082)]}),
    ("the port gets another name", [None, ([THREE], (8082, ("admin", "TCP")))],
     {("admin", "TCP"): [(THREE, 8082)]}),
    ("the port gets another protocol", [None, ([THREE], (8082, ("admin", "UDP")))], {}),
    ("a name that no port of the Service has", [None, ([THREE], (8082, ("x", "TCP")))], {}),
    ("all at once", [([ONE], (8080, WEB), (53, DNS)), ([TWO, ONE], (8443, ("admin", "TCP")))],
     {WEB: [(ONE, 8080)], DNS: [(ONE, 53)], ("admin", "TCP"): [(TWO, 8443), (ONE, 8443)]}),
    ("all slices go", [], {}),
)


@test(quick=True)
def T14_endpoints_go_through_all_transitions(t):
    numbers = {WEB: 80, DNS: 53, ("admin", "TCP"): 81}
    service = t.service("web", [port(n, name, protocol) for (name, protocol), n
                                in numbers.items()], families=(4,))
    scene = Scene(t, service)
    client = scene.clients["pod"]
    for what, pieces, wanted in T14:
        scene.change(service, *(_slice(service, *piece, suffix=str(i))
                                for i, piece in enumerate(pieces) if piece))
        for key, number in numbers.items():
            if key in wanted:
                results = t.connect_many(t.client, key[1].lower(), service.ip(4), number, 40)
                t.equal(f"when {what}: who answers at {key[0]}", set(wanted[key]),
                        {(r.backend, r.port) for r in results})
            else:
                expect(Expectation(client, service.ip(4), number, REFUSED, None, key[1].lower()))


@test()
def T14_a_port_without_a_name_leads_to_slices_without_a_name(t):
    service = t.service("web", [port(80)], families=(4,))
    scene = Scene(t, service)
    for name, outcome in (("", [ONE]), ("web", REFUSED), ("", [ONE])):
        scene.change(service, endpoint_slice(service, [ONE], ((8080, name, "TCP"),)))
        expect(Expectation(scene.clients["pod"], service.ip(4), 80, outcome, None, "tcp"))


# T15: slices


@test()
def T15_a_slice_of_host_names_is_ignored(t):
    service = Exposed(t.world, families=(4,))
    names = service.slice(["10.244.0.12"], suffix="names")
    names["addressType"] = "FQDN"
    names["endpoints"] = [{"addresses": ["web.example.net"]}]
    scene = Scene(t, service, *slices(service), names)
    scene.expect(service, {kind: one for kind in KINDS}, (4,))
    t.equal("warnings and errors", [], scene.daemon.complaints())


@test()
def T15_a_slice_of_another_namespace_is_another_services(t):
    service = Exposed(t.world, families=(4,))
    foreign = service.slice(far(4))
    foreign["metadata"]["namespace"] = "elsewhere"
    scene = Scene(t, service, *slices(service), foreign)
    scene.expect(service, {kind: one for kind in KINDS}, (4,))


@test()
def T16_with_both_policies_Local_and_only_terminating_endpoints_elsewhere(t):
    service = Exposed(t.world, internalTrafficPolicy="Local", externalTrafficPolicy="Local")
    leaving = [service.slice([endpoint(far(f)[0], ready=False, serving=True, terminating=True)])
               for f in FAMILIES]
    scene = Scene(t, service, *leaving)
    scene.expect(service, {CLUSTER_IP: exposure.DROPPED})
    scene.expect(service, {kind: far for kind in EXTERNAL_KINDS}, sources=("pod",))
    scene.expect(service, {kind: exposure.DROPPED for kind in EXTERNAL_KINDS},
                 sources=("external",))


# The node


@test(quick=True)
def nodeports_on_a_range_follow_the_machines_addresses_within_a_second(t):
    service = Exposed(t.world)
    new = {4: "203.0.113.11", 6: "2001:db8:113::11"}
    client = exposure.clients(t)["external"]
    args = ("--nodeport-addresses", "203.0.113.0/24,2001:db8:113::/64")
    daemon = t.run(service, *slices(service), args=args)
    heard = t.transactions()

    def within_a_second(change):
        before = len(heard.of(daemon.pid))
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            stack.enter_context(change)
            done = heard.wait(daemon.pid, before + 1)
            t.true("the change was committed", len(done) > before)
            # ip(8) adds one family after the other: either may come first.
            until(lambda: all(f"{new[f]} . tcp . {service.node_port}" in t.nft_ok(
                "list", "map", "ip" if f == 4 else "ip6", "kubenft", "frontends")
                for f in FAMILIES), "both addresses are served", 5)
            t.true("within a second", done[-1].at - began < 1, f"{done[-1].at - began:.2f} s")
            expect(*(Expectation(client, address[f], service.node_port, one(f), True, protocol)
                     for address in (new, topology.NODE_SECOND) for f in FAMILIES
                     for protocol in ("tcp", "udp")))
    for _ in range(2):
        within_a_second(topology.bound(t.node, *new.values(), device="uplink"))
        until(lambda: all(new[f] not in t.nft_ok("list", "map", "ip" if f == 4 else "ip6",
                                                 "kubenft", "frontends") for f in FAMILIES),
              "the addresses are not served any more", 5)
        expect(*(Expectation(client, topology.NODE_SECOND[f], service.node_port, one(f), True)
                 for f in FAMILIES))


@test()
def with_every_address_selected_loopback_and_link_local_ones_are_not_served(t):
    service = Exposed(t.world)
    with topology.bound(t.node, "169.254.7.7"):
        t.run(service, *slices(service), args=("--nodeport-addresses", "0.0.0.0/0,::/0"))
        for name in ("ip", "ip6"):
            listing = t.nft_ok("list", "map", name, "kubenft", "frontends")
            t.true("NodePorts are served", f" . {service.node_port} " in listing)
            for start in ("127.", "::1 ", "fe80", "169.254."):
                t.true(f"none at {start}", f" {start}" not in listing, listing)


@test()
def on_a_node_without_ipv6_ipv4_is_served(t):
    own, service = "192.0.2.99", t.service("web", [port(80)])
    piece = endpoint_slice(service, [own], ((8080, "", "TCP"),))
    bare = Namespace("bare")
    t.write(objects.node(addresses={4: own}), objects.service_cidr(), service, piece,
            with_node=False)
    try:
        bare.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        bare.ip("link set lo up", f"address add {own}/32 dev lo",
                "link add uplink type veth peer name far", "link set uplink up",
                "link set far up", "route add default dev uplink")
        with bare:
            listener = socket.create_server((own, 8080))
            client = socket.socket()
        daemon = Daemon(t.binary, bare, os.path.join(t.directory, "log"),
                        ("--source", t.source, *NODE_ARGS))
        try:
            daemon.wait_ready()
            with listener, client:
                client.settimeout(probes.PATIENCE)
                client.connect((service.ip(4), 80))
                listener.settimeout(probes.PATIENCE)
                listener.accept()[0].close()
            t.equal("errors", [], [line for line in daemon.complaints() if line[0] in "EF"])
        finally:
            daemon.stop_gracefully()
    finally:
        bare.close()


# Many


@test()
def connections_spread_evenly_over_100_endpoints(t):
    numbers = (53, 8080, 8081, 8082, 9000)
    addresses = [remote_address(i, 4) for i in range(1, 21)]
    service = t.service("web", [port(80, "web", "UDP")], families=(4,))
    t.run(service, *(endpoint_slice(service, addresses, ((number, "web", "UDP"),), str(number))
                     for number in numbers))
    counts = {(address, number): 0 for address in addresses for number in numbers}
    for result in t.connect_many(t.client, "udp", service.ip(4), 80, 20000):
        t.equal("outcome", probes.ANSWERED, result.outcome)
        counts[result.backend, result.port] += 1
    x, p = stats.uniformity(list(counts.values()))
    print(f"# 100 endpoints: chi-square {x:.1f} (99 df), p = {p:.2g}")
    t.true("the spread is even", p >= stats.FALSE_ALARM, f"chi-square {x:.1f}, p = {p:.2g}")

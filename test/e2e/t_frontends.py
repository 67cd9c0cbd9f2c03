# SPDX-License-Identifier: GPL-2.0-or-later
"""Who answers at a ClusterIP and at a NodePort, and which source address it sees."""

import objects
import probes
import topology
from harness import test, test_rows
from objects import endpoint_slice, port
from topology import masquerade_source, pod_address, remote_address

MATRIX = [(kind, protocol, family, origin)
          for kind in ("clusterip", "nodeport")
          for protocol in ("tcp", "udp", "sctp")
          for family in (4, 6)
          for origin in ("pod", "node", "external")]


def three_backends(family):
    """Two on the node, one elsewhere."""
    return [pod_address(11, family), pod_address(12, family), remote_address(1, family)]


@test_rows(MATRIX, "{}_{}_v{}_from_{}_reaches_every_backend_and_shows_the_right_source",
           quick={"clusterip_tcp_v4_from_pod_reaches_every_backend_and_shows_the_right_source",
                  "clusterip_udp_v6_from_node_reaches_every_backend_and_shows_the_right_source",
                  "clusterip_sctp_v4_from_pod_reaches_every_backend_and_shows_the_right_source",
                  "nodeport_tcp_v6_from_external_reaches_every_backend_and_shows_the_right_source",
                  "nodeport_udp_v4_from_external_reaches_every_backend_and_shows_the_right_source",
                  "nodeport_sctp_v6_from_node_reaches_every_backend_and_shows_the_right_source"})
def frontend_serves(t, kind, protocol, family, origin):
    upper = protocol.upper()
    node_port = t.world.node_port() if kind == "nodeport" else None
    service = t.service("web", [port(80, "", upper, node_port)])
    backends = three_backends(family)
    t.run(service, endpoint_slice(service, backends, ((8080, "", upper),)))

    client = {"pod": t.client, "node": t.node, "external": t.external}[origin]
    if kind == "clusterip":
        results = t.answered_by(client, protocol, service.ip(family), 80, backends)
    else:
        results = t.answered_by(client, protocol, topology.NODE[family], node_port, backends)

    if kind == "clusterip" and origin == "pod":
        t.sources(results, lambda backend: pod_address(5, family))
    else:
        t.sources(results, lambda backend: masquerade_source(backend, family))
    if protocol == "sctp":
        t.true("the checksum is right after the translation", all(r.intact for r in results))


@test(quick=True)
def without_cluster_cidr_nothing_sent_to_a_clusterip_is_masqueraded(t):
    backends = three_backends(4)
    service, piece = t.web(backends)
    t.run(service, piece, cidrs=())
    for client, source in ((t.client, pod_address(5, 4)), (t.node, topology.NODE_SECOND[4]),
                           (t.external, topology.EXTERNAL[4])):
        results = t.answered_by(client, "tcp", service.ip(4), 80, backends)
        t.sources(results, lambda backend, source=source: source)


@test()
def without_cluster_cidr_a_nodeport_is_still_masqueraded(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    backends = three_backends(4)
    t.run(service, endpoint_slice(service, backends), cidrs=())
    results = t.answered_by(t.external, "tcp", topology.NODE[4], node_port, backends)
    t.sources(results, lambda backend: masquerade_source(backend, 4))


@test()
def masquerade_all_hides_pods_too(t):
    slices = []
    service = t.service("web", [port(80)])
    for family in (4, 6):
        slices.append(endpoint_slice(service, three_backends(family)))
    t.run(service, *slices, args=("--masquerade-all",))
    for family in (4, 6):
        results = t.answered_by(t.client, "tcp", service.ip(family), 80, three_backends(family))
        t.sources(results, lambda backend, family=family: masquerade_source(backend, family))


@test_rows([(protocol, family) for protocol in ("tcp", "udp") for family in (4, 6)],
           "a_pod_reaches_itself_through_its_clusterip_{}_v{}_and_sees_the_node",
           quick={"a_pod_reaches_itself_through_its_clusterip_tcp_v4_and_sees_the_node"})
def hairpin(t, protocol, family):
    own = pod_address(11, family)
    upper = protocol.upper()
    service = t.service("web", [port(80, "", upper)])
    t.run(service, endpoint_slice(service, [own], ((8080, "", upper),)))
    results = t.answered_by(t.pods[0], protocol, service.ip(family), 80, [own])
    t.sources(results, lambda backend: topology.POD_GATEWAY[family])


@test()
def a_pod_reaches_itself_without_cluster_cidr(t):
    own = pod_address(11, 4)
    service, piece = t.web([own])
    t.run(service, piece, cidrs=())
    results = t.answered_by(t.pods[0], "tcp", service.ip(4), 80, [own])
    t.sources(results, lambda backend: topology.POD_GATEWAY[4])


@test()
def a_pod_that_is_a_backend_shows_its_own_address_to_the_other_backends(t):
    backends = [pod_address(11, 4), pod_address(12, 4)]
    service, piece = t.web(backends)
    t.run(service, piece)
    results = t.answered_by(t.pods[0], "tcp", service.ip(4), 80, backends)
    t.sources(results, lambda backend:
              topology.POD_GATEWAY[4] if backend == pod_address(11, 4) else pod_address(11, 4))


@test_rows([(4,), (6,)],
           "a_server_on_the_node_itself_is_a_backend_and_sees_clients_as_they_are_v{}")
def host_network_backend(t, family):
    own = topology.NODE[family]
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    entry = {"addresses": [own], "nodeName": topology.NODE_NAME}
    t.run(service, endpoint_slice(service, [entry]))
    results = t.answered_by(t.client, "tcp", service.ip(family), 80, [own])
    t.sources(results, lambda backend: pod_address(5, family))
    results = t.answered_by(t.external, "tcp", own, node_port, [own])
    t.sources(results, lambda backend: topology.EXTERNAL[family])
    t.answered_by(t.node, "tcp", service.ip(family), 80, [own])


@test(quick=True)
def a_nodeport_is_served_on_the_nodes_internal_address_only(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    backends = [pod_address(11, 4)]
    t.run(service, endpoint_slice(service, backends))
    t.answered_by(t.external, "tcp", topology.NODE[4], node_port, backends)
    # Nobody listens there: the node's own stack says so.
    t.outcome(probes.REFUSED, t.external, "tcp", topology.NODE_SECOND[4], node_port)
    t.outcome(probes.REFUSED, t.node, "tcp", "127.0.0.1", node_port)
    # A node's address is otherwise the node's.
    t.answered_by(t.external, "tcp", topology.NODE[4], 8080, [topology.NODE[4]])


@test()
def nodeports_follow_the_nodes_address(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    things = [service, endpoint_slice(service, [pod_address(11, 4)]), objects.service_cidr()]
    t.write(objects.node(), *things, with_node=False)
    t.run()
    t.answered_by(t.external, "tcp", topology.NODE[4], node_port, [pod_address(11, 4)])
    t.write(objects.node(addresses={4: topology.NODE_SECOND[4]}), *things, with_node=False)
    t.becomes(t.external, "tcp", topology.NODE_SECOND[4], node_port, [pod_address(11, 4)])
    t.outcome(probes.REFUSED, t.external, "tcp", topology.NODE[4], node_port)


@test()
def other_nodes_addresses_are_not_served(t):
    node_port = t.world.node_port()
    service = t.service("web", [port(80, node_port=node_port)])
    other = objects.node(topology.REMOTE_NAME, topology.REMOTE_NODE)
    t.run(other, service, endpoint_slice(service, [pod_address(11, 4)]))
    t.outcome(probes.REFUSED, t.external, "tcp", topology.REMOTE_NODE[4], node_port)


@test(quick=True)
def a_dual_stack_service_is_served_in_both_families_by_the_backends_of_each(t):
    service, _ = t.web([], families=(4, 6))
    own = {4: [pod_address(11, 4)], 6: [pod_address(12, 6), remote_address(1, 6)]}
    t.run(service, *(t.web_slice(service, backends) for backends in own.values()))
    for family, backends in own.items():
        for protocol in ("tcp", "udp"):
            t.answered_by(t.client, protocol, service.ip(family), 80, backends)


@test()
def a_slice_of_a_family_that_the_service_does_not_have_is_not_used(t):
    service, piece = t.web([pod_address(11, 4)], families=(4,))
    t.run(service, piece, t.web_slice(service, [pod_address(12, 6)]))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [pod_address(11, 4)])
    t.equal("elements of ip6 frontends", "", elements(t, "ip6", "frontends"))


def elements(t, family, name):
    listing = t.nft_ok("list", "map", family, "kubenft", name)
    return listing.partition("elements = {")[2].strip()


@test()
def a_service_of_fifty_ports_serves_each_at_its_own_target(t):
    numbers = (8080, 8081, 8082, 8443, 9000)
    ports = [port(1000 + i, f"p{i}") for i in range(50)]
    service = t.service("many", ports, families=(4,))
    targets = [(numbers[i % 5], f"p{i}", "TCP") for i in range(50)]
    t.run(service, endpoint_slice(service, [pod_address(11, 4)], targets))
    for i in range(50):
        t.answered_by(t.client, "tcp", service.ip(4), 1000 + i, [pod_address(11, 4)], count=3,
                      number=numbers[i % 5])
    t.refused(t.client, "tcp", service.ip(4), 1050)


@test()
def one_number_for_two_protocols_leads_to_two_targets(t):
    service = t.service("dns", [port(53, "dns-tcp", "TCP"), port(53, "dns", "UDP")])
    targets = ((8081, "dns-tcp", "TCP"), (8082, "dns", "UDP"))
    t.run(service, *(endpoint_slice(service, [pod_address(11, f)], targets) for f in (4, 6)))
    for family in (4, 6):
        own = [pod_address(11, family)]
        t.answered_by(t.client, "tcp", service.ip(family), 53, own, number=8081)
        t.answered_by(t.client, "udp", service.ip(family), 53, own, number=8082)


@test(quick=True)
def a_named_port_may_have_another_number_in_each_slice(t):
    service = t.service("web", [port(80, "http"), port(443, "https")], families=(4,))
    one = endpoint_slice(service, [pod_address(11, 4)],
                         ((8080, "http", "TCP"), (8443, "https", "TCP")), "1")
    two = endpoint_slice(service, [pod_address(12, 4)],
                         ((9000, "http", "TCP"), (9090, "https", "TCP")), "2")
    t.run(service, one, two)
    t.answered_by(t.client, "tcp", service.ip(4), 80,
                  [(pod_address(11, 4), 8080), (pod_address(12, 4), 9000)])
    t.answered_by(t.client, "tcp", service.ip(4), 443,
                  [(pod_address(11, 4), 8443), (pod_address(12, 4), 9090)])


@test()
def ports_match_by_name_and_protocol_only(t):
    service = t.service("web", [port(80, "http"), port(81, "admin"), port(82, "http", "UDP")],
                        families=(4,))
    t.run(service, endpoint_slice(service, [pod_address(11, 4)], ((8080, "http", "TCP"),)))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [pod_address(11, 4)])
    t.refused(t.client, "tcp", service.ip(4), 81)
    t.refused(t.client, "udp", service.ip(4), 82)


@test()
def services_of_one_name_in_two_namespaces_are_two(t):
    entries = [port(80, "web"), port(80, "dns", "UDP")]
    blue = t.service("web", entries, families=(4,), namespace="blue")
    red = t.service("web", entries, families=(4,), namespace="red")
    t.run(blue, red, t.web_slice(blue, [pod_address(11, 4)]),
          t.web_slice(red, [pod_address(12, 4)]))
    t.answered_by(t.client, "tcp", blue.ip(4), 80, [pod_address(11, 4)])
    t.answered_by(t.client, "tcp", red.ip(4), 80, [pod_address(12, 4)])


@test()
def a_pod_that_reaches_itself_through_somebody_elses_translation_sees_the_node(t):
    own, other = pod_address(11, 4), pod_address(12, 4)
    service, piece = t.web([own])
    t.run(service, piece)
    t.nft_ok("-f", "-", stdin="""table ip neighbour {
        chain c {
            type nat hook prerouting priority -90
            ip daddr 198.51.100.7 tcp dport 80 dnat to 10.244.0.11:8080
        }
    }""")
    try:
        results = t.answered_by(t.pods[0], "tcp", "198.51.100.7", 80, [own])
        t.sources(results, lambda backend: topology.POD_GATEWAY[4])
        # Otherwise what others translate is theirs.
        results = t.answered_by(t.pods[1], "tcp", "198.51.100.7", 80, [own])
        t.sources(results, lambda backend: other)
    finally:
        t.nft("delete", "table", "ip", "neighbour")


@test(quick=True)
def what_others_translate_at_a_port_that_a_clusterip_does_not_have_keeps_its_source(t):
    service, piece = t.web([pod_address(12, 4)])
    t.run(service, piece)
    t.nft_ok("-f", "-", stdin=f"""table ip neighbour {{
        chain c {{
            type nat hook prerouting priority -110
            ip daddr {service.ip(4)} tcp dport 9999 dnat to 10.244.0.11:8080
        }}
    }}""")
    try:
        results = t.answered_by(t.external, "tcp", service.ip(4), 9999, [pod_address(11, 4)])
        t.sources(results, lambda _: topology.EXTERNAL[4])
        # That of its own ports is the node's, as ever.
        results = t.answered_by(t.external, "tcp", service.ip(4), 80, [pod_address(12, 4)])
        t.sources(results, lambda _: topology.POD_GATEWAY[4])
    finally:
        t.nft("delete", "table", "ip", "neighbour")


@test()
def connections_that_go_to_no_service_are_left_alone(t):
    service, piece = t.web([pod_address(11, 4)])
    t.run(service, piece)
    own = {t.client: pod_address(5, 4), t.external: topology.EXTERNAL[4]}
    for client, source in own.items():
        for backend in (pod_address(12, 4), remote_address(1, 4), topology.NODE[4]):
            results = t.answered_by(client, "tcp", backend, 8080, [backend])
            t.sources(results, lambda _, source=source: source)
    t.outcome(probes.UNREACHABLE, t.client, "udp", "198.51.100.1", 80)

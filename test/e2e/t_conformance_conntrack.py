# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP clients that keep their port: connection tracking must not keep them where nobody serves any
more, and must not forget anybody else (kube-proxy-behaviour.md, section 4.1; 7.4, item 16).

What kube-proxy gets wrong there is marked [BUG]. The one that needs a sync that fails is in
test/kernel/test_cmd_sync.c."""

import conntrack
import exposure
import objects
import probes
import topology
from daemon import until
from exposure import CLUSTER_IP, EXTERNAL_IP, KINDS, LB_IP, NODE_PORT, Exposed
from harness import test, test_rows
from objects import endpoint, port
from topology import pod_address, remote_address

FAMILIES = (4, 6)
LEAVING = {"ready": False, "serving": True, "terminating": True}
DEAD = {"ready": False, "serving": False, "terminating": True}

# Stale flows are looked for a fifth of a second after a change.
SOON_S = 5.0
SHORT = 0.3


def one(family):
    return [pod_address(11, family)]


def two(family):
    return [remote_address(2, family)]


class Clients:
    """UDP clients of a Service that keep their ports: from everywhere, at frontends of @kinds."""

    def __init__(self, t, service, kinds=KINDS, sources=("pod", "node", "external")):
        spaces = {"pod": t.client, "node": t.node, "external": t.external}
        self.t = t
        self.all = {(source, kind, f): t.udp_client(spaces[source], *service.at(kind, f))
                    for source in sources for kind in kinds for f in service.ips}

    def ask(self, patience=SHORT):
        return {key: client.ask(patience) for key, client in self.all.items()}

    def met(self):
        """{client: who answers}; all are answered."""
        results = self.ask(probes.PATIENCE)
        lost = {key: str(r) for key, r in results.items() if r.outcome != probes.ANSWERED}
        self.t.equal("clients that get no answer", {}, lost)
        return {key: result.backend for key, result in results.items()}

    def become(self, what, condition):
        """Wait until @condition(family, Result) holds for all of them."""
        def wrong():
            return {key: str(r) for key, r in self.ask().items() if not condition(key[2], r)}
        try:
            until(lambda: not wrong(), what, SOON_S)
        except AssertionError:
            self.t.equal(f"clients that do not meet {what}", {}, wrong())

    def meet(self, backends):
        """They come to be answered by those of @backends(family), and by nobody else."""
        self.become("the endpoints", lambda f, r: r.backend in backends(f))

    def fail(self, *outcomes):
        self.become(" or ".join(outcomes), lambda _, r: r.outcome in outcomes)


class Scene:
    """A Service, perhaps others, and a daemon."""

    def __init__(self, t, backends, *others, **spec):
        self.t, self.others = t, others
        self.service = Exposed(t.world, **spec)
        self.daemon = t.run(*self.objects(backends))

    def objects(self, backends, number=8080):
        return [self.service, *self.slices(backends, number), *self.others]

    def slices(self, backends, number=8080):
        return [self.service.slice(backends(f), number=number) for f in self.service.ips
                if backends and backends(f)]

    def write(self, *things):
        mark = self.daemon.mark()
        node = objects.node(metadata={"name": topology.NODE_NAME,
                                      "labels": {"topology.kubernetes.io/zone": "here"}})
        self.t.write(node, objects.service_cidr(), *things, self.t.service("marker", [port(1)]),
                     with_node=False)
        self.daemon.wait_synced(mark)

    def change(self, backends, number=8080):
        self.write(*self.objects(backends, number))


def to(t, *targets):
    """The UDP flows of the node to these (address, port): {(source, port, target): Flow}."""
    return {(f.source, f.source_port, f.address, f.port): f for f in conntrack.flows(t.node)
            if f.protocol == "udp" and (f.address, f.port) in targets}


def frontends(service, kinds=KINDS):
    return [service.at(kind, f) for kind in kinds for f in service.ips]


# Endpoints that change. Rows: (what is there at first, what then, the later slices' port).

CHANGES = {
    "when_the_endpoint_is_replaced": (one, two, 8080),
    "when_the_endpoints_port_changes": (one, one, 8081),
    "when_the_endpoint_is_no_longer_ready": (
        one, lambda f: [endpoint(one(f)[0], ready=False, serving=False), *two(f)], 8080),
    "when_the_endpoint_has_terminated": (
        one, lambda f: [endpoint(one(f)[0], **DEAD), *two(f)], 8080),
}


@test_rows([(how,) for how in CHANGES], "a_udp_client_is_served_by_others_{}",
           quick={"a_udp_client_is_served_by_others_when_the_endpoint_is_replaced"})
def endpoint_changes(t, how):
    first, then, number = CHANGES[how]
    scene = Scene(t, first)
    clients = Clients(t, scene.service)
    clients.met()
    scene.change(then, number)
    valid = one if number != 8080 else two
    clients.become("the endpoint of now", lambda f, r: (r.backend, r.port) == (valid(f)[0], number))
    # And is not moved again, whatever else happens.
    now = to(t, *frontends(scene.service))
    scene.change(lambda f: then(f) + [remote_address(5, f)], number)
    others = Clients(t, scene.service)
    others.met()
    scene.change(lambda f: then(f) + [remote_address(6, f)], number)
    others.become("an endpoint of now", lambda f, r: r.backend not in (None, remote_address(5, f)))
    clients.meet(valid)
    t.equal("flows that were deleted though their endpoint serves", [],
            [str(f) for key, f in now.items() if to(t, key[2:]).get(key) != f])


@test(quick=True)
def a_udp_client_of_one_of_many_endpoints_moves_only_if_its_own_goes(t):
    four = lambda f: [*one(f), *two(f), remote_address(3, f), remote_address(4, f)]
    scene = Scene(t, four)
    clients = [Clients(t, scene.service, (CLUSTER_IP, NODE_PORT)) for _ in range(8)]
    met = [each.met() for each in clients]
    flows = to(t, *frontends(scene.service))
    left = lambda f: four(f)[1:]
    scene.change(left)
    for each in clients:
        each.meet(left)
    for each, before in zip(clients, met):
        t.equal("clients of endpoints that stay were moved", [],
                [key for key, backend in each.met().items()
                 if before[key] in left(key[2]) and backend != before[key]])
    after = to(t, *frontends(scene.service))
    t.equal("flows of endpoints that stay were made anew", [],
            [str(f) for key, f in flows.items()
             if f.backend in left(probes.family_of(f.address)) and after.get(key) != f])


@test()
def a_udp_client_started_before_its_endpoint_is_served_when_there_is_one(t):
    scene = Scene(t, None)
    clients = Clients(t, scene.service)
    clients.fail(probes.REFUSED, probes.PROHIBITED)
    scene.change(one)
    clients.meet(one)


@test()
def a_udp_client_follows_an_endpoint_that_comes_and_goes(t):
    scene = Scene(t, one)
    clients = Clients(t, scene.service)
    for backends in (one, two, one, two):
        clients.meet(backends)
        scene.change(None)
        clients.fail(probes.REFUSED, probes.PROHIBITED)
        scene.change(two if backends is one else one)


@test_rows([("internalTrafficPolicy",), ("externalTrafficPolicy",)],
           "with_{}_Local_a_udp_client_follows_the_replaced_local_endpoint")
def local_policy(t, policy):
    scene = Scene(t, lambda f: one(f) + two(f), **{policy: "Local"})
    kinds = (CLUSTER_IP,) if policy == "internalTrafficPolicy" else KINDS[1:]
    sources = ("pod", "node", "external") if policy == "internalTrafficPolicy" else ("external",)
    clients = Clients(t, scene.service, kinds, sources)
    clients.meet(one)
    others = lambda f: [pod_address(12, f)]
    scene.change(lambda f: others(f) + two(f))
    clients.meet(others)


# An endpoint that still serves keeps its flows, whatever is decided about new ones.


@test(quick=True)
def a_terminating_endpoint_keeps_its_udp_clients_until_it_stops_serving(t):
    scene = Scene(t, one)
    clients = Clients(t, scene.service)
    clients.met()
    flows = to(t, *frontends(scene.service))
    scene.change(lambda f: [endpoint(one(f)[0], **LEAVING), *two(f)])
    new = Clients(t, scene.service)
    new.meet(two)
    # The walk that follows this change has looked at all of them when the new port is swept.
    scene.change(lambda f: [endpoint(one(f)[0], **LEAVING), remote_address(3, f)])
    new.meet(lambda f: [remote_address(3, f)])
    t.equal("who answers the old clients", {f: set(one(f)) for f in FAMILIES},
            {f: {b for key, b in clients.met().items() if key[2] == f} for f in FAMILIES})
    t.equal("flows of the terminating endpoint that were made anew", [],
            [str(f) for key, f in flows.items() if to(t, key[2:]).get(key) != f])
    scene.change(lambda f: [endpoint(one(f)[0], **DEAD), remote_address(3, f)])
    clients.meet(lambda f: [remote_address(3, f)])


SPARED_BY = {
    "externalTrafficPolicy_Local": ({"externalTrafficPolicy": "Local"}, {}),
    "internalTrafficPolicy_Local": ({"internalTrafficPolicy": "Local"}, {}),
    "zone_hints": ({}, {"hints": {"forZones": [{"name": "here"}]}}),
    "node_hints": ({}, {"hints": {"forNodes": [{"name": topology.NODE_NAME}]}}),
}


@test_rows([(what,) for what in SPARED_BY], "{}_cuts_no_udp_flow_to_an_endpoint_that_serves")
def spared(t, what):
    spec, hints = SPARED_BY[what]
    scene = Scene(t, two)
    clients = Clients(t, scene.service)
    clients.met()
    flows = to(t, *frontends(scene.service))
    scene.service.spec.update(spec)
    away = {"hints": {key: [{"name": "elsewhere"}] for key in hints.get("hints", {})}}

    def with_local(address):
        return [scene.service, *(scene.service.slice([{**endpoint(address(f)), **hints},
                                                      {**endpoint(two(f)[0]), **away}])
                                 for f in FAMILIES)]
    scene.write(*with_local(lambda f: one(f)[0]))
    # Now give it something to look for: flows of another endpoint, which goes.
    Clients(t, scene.service).met()
    swept = lambda: not any(flow.backend in one(f) for f in FAMILIES
                            for flow in to(t, *frontends(scene.service)).values())
    t.true("there are flows to sweep", not swept())
    scene.write(*with_local(lambda f: pod_address(12, f)))
    until(swept, "flows of the endpoint that went are deleted", SOON_S)
    t.equal("flows that were made anew", [],
            [str(f) for key, f in flows.items() if to(t, key[2:]).get(key) != f])
    t.equal("who answers the old clients", {f: set(two(f)) for f in FAMILIES},
            {f: {b for key, b in clients.met().items() if key[2] == f} for f in FAMILIES})


# Where kube-proxy is wrong


@test_rows([(kind,) for kind in KINDS],
           "BUG_4.1_139628_a_udp_flow_goes_with_the_last_endpoint_at_a_{}",
           quick={"BUG_4.1_139628_a_udp_flow_goes_with_the_last_endpoint_at_a_nodeport"})
def last_endpoint(t, kind):
    scene = Scene(t, one)
    clients = Clients(t, scene.service, (kind,))
    clients.met()
    scene.change(None)
    clients.fail(probes.REFUSED, probes.PROHIBITED)
    t.equal("flows that are left", {}, to(t, *frontends(scene.service, (kind,))))
    scene.change(two)
    clients.meet(two)


@test(quick=True)
def BUG_4_1_49881_a_udp_flow_that_only_has_a_nodeports_number_stays(t):
    # 9090: at that number, every pod listens as well.
    number = 9090
    other = t.service("other", [port(number, "dns", "UDP")])
    pieces = [objects.endpoint_slice(other, [*one(f), *two(f)], ((8080, "dns", "UDP"),))
              for f in FAMILIES]
    scene = Scene(t, one, other, *pieces, node_port=number)
    own = Clients(t, scene.service, (NODE_PORT,))
    own.met()
    others = {}
    for f in FAMILIES:
        for target in (other.ip(f), remote_address(7, f), topology.REMOTE_NODE[f]):
            for source in (t.client, t.external):
                others[str(source), target] = t.udp_client(source, target, number)
        # The node's own server, at an address where no NodePort is served.
        others["external", topology.NODE_SECOND[f]] = \
            t.udp_client(t.external, topology.NODE_SECOND[f], number)
    # The remote node has no server: a flow that nobody answers is one as well.
    first = {key: client.ask(SHORT) for key, client in others.items()}
    targets = {(client.address, number) for client in others.values()}
    flows = to(t, *targets)
    t.true("all of them are tracked", len(flows) >= len(others), str(flows))
    for backends in (two, None, one):
        scene.change(backends)
        if backends:
            own.meet(backends)
        else:
            own.fail(probes.REFUSED, probes.PROHIBITED)
    t.equal("flows that were deleted", [],
            [str(f) for key, f in flows.items() if to(t, *targets).get(key) != f])
    t.equal("who answers", first, {key: client.ask(SHORT) for key, client in others.items()})


def without(kind):
    """What makes this frontend of a Service go: a change of the Service object alone."""
    def change(scene):
        service = scene.service
        if kind == NODE_PORT:
            for entry in service.ports:
                entry["nodePort"] += 1000
        elif kind == EXTERNAL_IP:
            service.spec["externalIPs"] = []
        elif kind == LB_IP:
            service.ingress = []
        else:
            service.ips = scene.t.world.cluster_ips(FAMILIES)
        return [service, *scene.slices(one)]
    return change


SERVICE_ONLY = {
    "8.2.2_of_a_service_that_is_deleted_though_its_slices_stay": (
        KINDS, lambda scene: scene.slices(one)),
    "8.2.2_at_an_external_ip_that_is_taken_away": ((EXTERNAL_IP,), without(EXTERNAL_IP)),
    "8.2.2_at_a_load_balancer_ip_that_is_taken_away": ((LB_IP,), without(LB_IP)),
    "8.2.2_at_a_clusterip_that_is_another_one_now": ((CLUSTER_IP,), without(CLUSTER_IP)),
    "8.2.2_at_a_nodeport_that_is_another_one_now": ((NODE_PORT,), without(NODE_PORT)),
}


@test_rows([(how,) for how in SERVICE_ONLY], "BUG_{}_a_udp_flow_goes",
           quick={"BUG_8.2.2_of_a_service_that_is_deleted_though_its_slices_stay_a_udp_flow_goes"})
def service_only(t, how):
    kinds, change = SERVICE_ONLY[how]
    scene = Scene(t, one)
    clients = Clients(t, scene.service, kinds)
    clients.met()
    gone = frontends(scene.service, kinds)
    stay = to(t, *(set(frontends(scene.service)) - set(gone)))
    scene.write(*change(scene))
    until(lambda: not to(t, *gone), "the flows are deleted", SOON_S)
    t.equal("flows to other frontends that were deleted", [],
            [str(f) for key, f in stay.items() if to(t, key[2:]).get(key) != f])
    answered = {key: str(r) for key, r in clients.ask().items() if r.outcome == probes.ANSWERED}
    t.equal("clients that are still answered", {}, answered)


@test_rows([(kind,) for kind in (NODE_PORT, EXTERNAL_IP, LB_IP)],
           "BUG_8.2.2_a_udp_client_that_was_there_before_the_{}_is_served_by_it",
           quick={"BUG_8.2.2_a_udp_client_that_was_there_before_the_nodeport_is_served_by_it"})
def before_the_frontend(t, kind):
    # Its first datagrams have left an entry in which nothing is translated.
    scene = Scene(t, one)
    late = Exposed(t.world, "late")
    clients = Clients(t, late, (kind,))
    clients.ask(SHORT)
    t.true("nobody answers yet", all(r.outcome != probes.ANSWERED
                                     for r in clients.ask().values()))
    t.true("there are entries", to(t, *frontends(late, (kind,))))
    scene.write(*scene.objects(one), late, *(late.slice(two(f)) for f in FAMILIES))
    clients.meet(two)


@test()
def no_tcp_flow_is_ever_deleted(t):
    held_ports = ((7000, "web", "TCP"), (8080, "dns", "UDP"))
    scene = Scene(t, None)
    pieces = lambda backends: [objects.endpoint_slice(scene.service, backends(f), held_ports)
                               for f in FAMILIES]
    scene.write(scene.service, *pieces(one))
    held = [t.hold(t.client, *scene.service.at(kind, f)) for kind in KINDS for f in FAMILIES]
    clients = Clients(t, scene.service)
    clients.met()
    tcp = lambda: {f for f in conntrack.flows(t.node) if f.protocol == "tcp" and
                   (f.address, f.port) in frontends(scene.service)}
    before = tcp()
    t.true("they are tracked", len(before) >= len(held))
    scene.write(scene.service, *pieces(two))
    clients.meet(two)
    scene.write()
    until(lambda: not to(t, *frontends(scene.service)), "the UDP flows are deleted", SOON_S)
    t.equal("TCP flows that were deleted", set(), before - tcp())
    t.true("the connections work", all(each.works() for each in held))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Services with every kind of frontend, and what connections to these are expected to meet."""

import objects
import probes
import topology
from daemon import Failure
from objects import endpoint_slice, port

CLUSTER_IP = "clusterip"
NODE_PORT = "nodeport"
EXTERNAL_IP = "externalip"
LB_IP = "lbvip"
KINDS = (CLUSTER_IP, NODE_PORT, EXTERNAL_IP, LB_IP)
EXTERNAL_KINDS = KINDS[1:]

# 40 draws miss one of two endpoints once in 5e11 tests, 20 from one are all the same.
DRAWS = {1: 20, 2: 40, 3: 80, 4: 110, 5: 140}
SILENT_DRAWS = 3

REFUSED = "refused"
DROPPED = "dropped"
PASSED = "passed"  # not touched: what has left the node is unreachable


class Exposed(objects.Service):
    """Of type LoadBalancer: a ClusterIP, a NodePort, an external IP and a load balancer's one.

    Its port 80 is there for TCP, named web, and for UDP, named dns.
    """

    def __init__(self, world, name="web", families=(4, 6), ingress=None, **more):
        self.node_port = more.pop("node_port", None) or world.node_port()
        self.external_ips = world.external_ips()
        self.lb_ips = world.external_ips()
        ports = [port(80, "web", "TCP", self.node_port), port(80, "dns", "UDP", self.node_port)]
        spec = {"type": "LoadBalancer", "externalIPs": [self.external_ips[f] for f in families]}
        spec.update(more)
        super().__init__(name, world.cluster_ips(families), ports,
                         ingress=[{"ip": self.lb_ips[f]} for f in families]
                         if ingress is None else ingress, **spec)

    def at(self, kind, family):
        """(address, port) of a frontend."""
        return {CLUSTER_IP: (self.ips[family], 80),
                NODE_PORT: (topology.NODE[family], self.node_port),
                EXTERNAL_IP: (self.external_ips[family], 80),
                LB_IP: (self.lb_ips[family], 80)}[kind]

    def slice(self, endpoints, suffix="1", number=8080):
        return endpoint_slice(self, endpoints, ((number, "web", "TCP"), (number, "dns", "UDP")),
                              suffix)


class Client:
    """A source of connections: a namespace, and which address it shows when nothing hides it."""

    def __init__(self, namespace, own, protocol="udp", source=None):
        self.namespace = namespace
        self.own = own  # {family: address}
        self.protocol = protocol
        self.source = source  # {family: address} to bind to; None: as routing has it

    def job(self, address, number, protocol=None):
        source = self.source[probes.family_of(address)] if self.source else None
        return probes.Job(self.namespace, protocol or self.protocol, address, number, source)


def clients(t):
    """pod: on this node; blocked: another address of external."""
    pods = {f: topology.pod_address(5, f) for f in (4, 6)}
    crowd = {f: topology.crowd_address(0, f) for f in (4, 6)}
    return {"pod": Client(t.client, pods),
            "node": Client(t.node, topology.NODE_SECOND),
            "external": Client(t.external, topology.EXTERNAL),
            "blocked": Client(t.external, crowd, source=crowd),
            # May be answered around the node, see Expectation.
            "remote_pod": Client(t.remote_client, topology.REMOTE_CLIENT, "udp-open")}


class Expectation:
    """What connections of one client to one frontend meet.

    backends: addresses, all of which answer; or REFUSED, DROPPED, PASSED.
    masqueraded: whether backends see the node in place of the client; True, False, or the set of
    the backends that do; None: not looked at.
    """

    def __init__(self, client, address, number, backends, masqueraded=None, protocol=None,
                 backend_port=8080):
        self.client = client
        self.address, self.number = address, number
        self.protocol = protocol or client.protocol
        self.backends = backends
        self.masqueraded = masqueraded
        self.backend_port = backend_port

    @property
    def _answers(self):
        return not isinstance(self.backends, str)

    @property
    def is_silent(self):
        return self.backends == DROPPED

    def jobs(self):
        count = DRAWS.get(len(self.backends), 27 * len(self.backends)) if self._answers \
            else SILENT_DRAWS
        return [self.client.job(self.address, self.number, self.protocol)] * count

    def _source(self, backend):
        family = probes.family_of(backend)
        hidden = backend in self.masqueraded if isinstance(self.masqueraded, (set, frozenset)) \
            else self.masqueraded
        return topology.masquerade_source(backend, family) if hidden else self.client.own[family]

    def _wanted(self):
        is_tcp = self.protocol == "tcp"
        own = self.client.namespace.name == "node" and not is_tcp
        if self.backends == REFUSED:
            return {probes.PROHIBITED if own else probes.REFUSED}
        if self.backends == DROPPED:
            return {probes.PROHIBITED if own else probes.TIMEOUT}
        if self.backends == PASSED:
            return {probes.UNREACHABLE}
        return {(b, self.backend_port, None if self.masqueraded is None else self._source(b))
                for b in self.backends}

    def _got(self, result):
        if result.outcome != probes.ANSWERED:
            return result.outcome
        return result.backend, result.port, None if self.masqueraded is None else result.source

    def check(self, results):
        got = {self._got(result) for result in results}
        wanted = self._wanted()
        if got == wanted:
            return
        raise Failure(f"{self.client.namespace} to {self.address} {self.protocol} {self.number}",
                      f"expected: {describe(wanted)}", f"got:      {describe(got)}")


def describe(outcomes):
    words = []
    for outcome in sorted(outcomes, key=str):
        if isinstance(outcome, str):
            words.append(outcome)
        else:
            backend, number, source = outcome
            seen = f" (sees {source})" if source else ""
            words.append(f"{backend}:{number}{seen}")
    return ", ".join(words) or "nothing"


def probe(expectations):
    """Make the connections of all @expectations at once; returns the results of each."""
    results = [None] * len(expectations)
    for silent in (False, True):
        chosen = [i for i, e in enumerate(expectations) if e.is_silent is silent]
        jobs = [job for i in chosen for job in expectations[i].jobs()]
        done = iter(probes.connect_all(jobs, probes.SILENCE if silent else probes.PATIENCE))
        for i in chosen:
            results[i] = [next(done) for _ in expectations[i].jobs()]
    return results


def expect(*expectations):
    for expectation, results in zip(expectations, probe(expectations)):
        expectation.check(results)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines of the tests.

      client  pod1  pod2  pod3           remote_client  remote_pods (20 addresses)
         \\     |     |     /                        \\    |
          \\    |     |    /   10.244.0.0/24          \\   |  10.244.1.0/24
           \\   |     |   /    fd00:10:244::/64        \\  |  fd00:10:244:1::/64
            [    node    ]-------------------[ remote_node ]
                  |           192.0.2.0/24
                  |           2001:db8:2::/64
                  |
                  |  203.0.113.0/24, 2001:db8:113::/64
              [ external ]   and 198.19.0.0/16, 2001:db8:19::/64: a crowd of clients

node is the machine under test: kubenft runs there. Its address as a Kubernetes
Node is the one in 192.0.2.0/24; the one that external talks through is a second
address, on which no NodePort is served. external is also where the node sends
what it does not know, and says "unreachable": so a packet that was dropped
(silence) can be told from one that left the node. To the addresses of load
balancers and external IPs, 198.18.0.0/16 and 2001:db8:18::/64, the node sends by
way of remote_node, which says so, too: external hears it as well.
"""

import contextlib

from netns import Namespace

NODE_NAME = "node1"
REMOTE_NAME = "node2"

CLUSTER_CIDRS = "10.244.0.0/16,fd00:10:244::/48"
SERVICE_CIDRS = {4: "10.96.0.0/16", 6: "fd00:10:96::/112"}

# What a backend sees as source of a connection that was masqueraded on its way.
POD_GATEWAY = {4: "10.244.0.1", 6: "fd00:10:244::1"}
NODE = {4: "192.0.2.10", 6: "2001:db8:2::10"}

NODE_SECOND = {4: "203.0.113.10", 6: "2001:db8:113::10"}
REMOTE_NODE = {4: "192.0.2.20", 6: "2001:db8:2::20"}
EXTERNAL = {4: "203.0.113.50", 6: "2001:db8:113::50"}
REMOTE_CLIENT = {4: "10.244.1.5", 6: "fd00:10:244:1::5"}

# Of no machine: externalIPs and load balancers' addresses are taken from these.
EXTERNAL_IPS = {4: "198.18.0.0/16", 6: "2001:db8:18::/64"}

# A bridge in the node's namespace that the pods can be moved to.
BRIDGE = "cni0"
POD_DEVICE_PREFIX = "pod-"

REMOTE_POD_COUNT = 20


def pod_address(number, family):
    """A pod of the node: client is 5, pod1..pod3 are 11..13."""
    return f"10.244.0.{number}" if family == 4 else f"fd00:10:244::{number}"


def crowd_address(number, family):
    """One of the many addresses that external has."""
    high, low = divmod(number, 250)
    return f"198.19.{high}.{low + 1}" if family == 4 else f"2001:db8:19::{number + 1:x}"


def remote_address(number, family):
    """A pod of the remote node, number 1..REMOTE_POD_COUNT."""
    return f"10.244.1.{number + 10}" if family == 4 else f"fd00:10:244:1::{number + 10}"


def is_local(address):
    """Does a pod with this address run on the node under test?"""
    return address.startswith(("10.244.0.", "fd00:10:244::"))


def masquerade_source(backend_address, family):
    """The node's address towards a backend."""
    return POD_GATEWAY[family] if is_local(backend_address) else NODE[family]


@contextlib.contextmanager
def bound(namespace, *addresses, device="lo"):
    """Meanwhile, @addresses are the namespace's own."""
    def change(verb):
        namespace.ip(*(f"address {verb} {a}/{128 if ':' in a else 32} dev {device}"
                       for a in addresses))
    change("add")
    try:
        yield
    finally:
        change("del")


class Cabling:
    """What ip(8) shall do, gathered, to run it twice a namespace and not once a step."""

    def __init__(self):
        self._links = {}
        self._settings = {}

    def link(self, near, device, far, far_device):
        """A veth pair."""
        self._links.setdefault(near, []).append(
            f"link add {device} type veth peer name {far_device} netns {far.path}")
        self.add(near, f"link set {device} up")
        self.add(far, f"link set {far_device} up")

    def add(self, namespace, *commands):
        self._settings.setdefault(namespace, ["link set lo up"]).extend(commands)

    def make(self):
        for steps in (self._links, self._settings):
            for namespace, commands in steps.items():
                namespace.ip(*commands)


def attach_pod(cabling, node, pod, number):
    """Point to point, as Calico and ptp do: pods of a node meet through the node's stack."""
    device = f"{POD_DEVICE_PREFIX}{number}"
    cabling.link(node, device, pod, "eth0")
    for family, bits in ((4, 32), (6, 128)):
        attach(cabling, node, device, pod, bits, pod_address(number, family), POD_GATEWAY[family])


def attach(cabling, router, device, pod, bits, own, gateway):
    cabling.add(router, f"address add {gateway}/{bits} dev {device}",
                f"route add {own}/{bits} dev {device}")
    cabling.add(pod, f"address add {own}/{bits} dev eth0",
                f"route add {gateway}/{bits} dev eth0",
                f"route add default via {gateway} dev eth0")


class Topology:
    """Makes all of it; close() takes it down."""

    def __init__(self):
        self.node = Namespace("node")
        self.client = Namespace("client")
        self.pods = [Namespace(f"pod{i}") for i in (1, 2, 3)]
        self.remote_node = Namespace("remote_node")
        self.remote_pods = Namespace("remote_pods")
        self.remote_client = Namespace("remote_client")
        self.external = Namespace("external")
        for router in (self.node, self.remote_node):
            router.make_router()

        cabling = Cabling()
        attach_pod(cabling, self.node, self.client, 5)
        for i, pod in enumerate(self.pods):
            attach_pod(cabling, self.node, pod, 11 + i)
        self._cable_nodes(cabling)
        self._cable_external(cabling)
        cabling.make()
        self._make_edge()

    def close(self):
        for namespace in self.all():
            namespace.close()

    def all(self):
        return [self.node, self.client, *self.pods, self.remote_node, self.remote_pods,
                self.remote_client, self.external]

    def backends(self):
        """Namespaces in which servers run."""
        return [*self.pods, self.remote_pods, self.node]

    @contextlib.contextmanager
    def bridged(self, netfilter=True):
        """Meanwhile, the node's pods hang on one bridge; each still talks through the node only.

        @netfilter: let what crosses the bridge meet the hooks of IP, as Kubernetes demands. What
        is translated to another pod of the bridge is then not routed, but bridged.
        """
        numbers = (5, 11, 12, 13)
        devices = [f"{POD_DEVICE_PREFIX}{number}" for number in numbers]
        families = ((4, 32), (6, 128))
        self.node.ip(f"link add {BRIDGE} type bridge", f"link set {BRIDGE} up",
                     *(f"address add {POD_GATEWAY[f]}/{bits} dev {BRIDGE}" for f, bits in families),
                     *(f"address del {POD_GATEWAY[f]}/{bits} dev {device}"
                       for f, bits in families for device in devices),
                     *(f"route replace {pod_address(n, f)}/{bits} dev {BRIDGE}"
                       for f, bits in families for n in numbers),
                     *(f"link set {device} master {BRIDGE}" for device in devices),
                     *(f"link set {device} type bridge_slave hairpin on" for device in devices))
        self.node.sysctl(**{f"bridge__bridge-nf-call-{name}": int(netfilter)
                            for name in ("iptables", "ip6tables")})
        self._forget_gateway()
        try:
            yield
        finally:
            self.node.ip(*(f"link set {device} nomaster" for device in devices),
                         f"link del {BRIDGE}",
                         *(line for f, bits in families for n, device in zip(numbers, devices)
                           for line in (f"address add {POD_GATEWAY[f]}/{bits} dev {device}",
                                        f"route replace {pod_address(n, f)}/{bits} dev {device}")))
            self._forget_gateway()

    def _forget_gateway(self):
        for pod in (self.client, *self.pods):
            pod.ip("neigh flush dev eth0")

    def _cable_nodes(self, cabling):
        cabling.link(self.node, "lan", self.remote_node, "lan")
        cabling.link(self.remote_node, "pods", self.remote_pods, "eth0")
        cabling.link(self.remote_node, "client", self.remote_client, "eth0")
        for family, bits, remote in ((4, 24, "10.244.1.0/24"), (6, 64, "fd00:10:244:1::/64")):
            gateway = "10.244.1.1" if family == 4 else "fd00:10:244:1::1"
            cabling.add(self.node, f"address add {NODE[family]}/{bits} dev lan",
                        f"route add {remote} via {REMOTE_NODE[family]}",
                        f"route add {EXTERNAL_IPS[family]} via {REMOTE_NODE[family]}")
            cabling.add(self.remote_node, f"address add {REMOTE_NODE[family]}/{bits} dev lan",
                        f"address add {gateway}/{bits} dev pods",
                        f"route add default via {NODE[family]}")
            cabling.add(self.remote_pods,
                        *(f"address add {remote_address(i, family)}/{bits} dev eth0"
                          for i in range(1, REMOTE_POD_COUNT + 1)),
                        f"route add {REMOTE_CLIENT[family]} via {gateway}",
                        f"route add default via {gateway}")
            attach(cabling, self.remote_node, "client", self.remote_client,
                   32 if family == 4 else 128, REMOTE_CLIENT[family], gateway)

    def _cable_external(self, cabling):
        cabling.link(self.node, "uplink", self.external, "eth0")
        for family, bits in ((4, 24), (6, 64)):
            gateway = NODE_SECOND[family]
            cabling.add(self.node, f"address add {gateway}/{bits} dev uplink",
                        f"route add default via {EXTERNAL[family]}")
            crowd = "198.19.0.0/16" if family == 4 else "2001:db8:19::/64"
            cabling.add(self.external, f"route add local {crowd} dev lo",
                        f"address add {EXTERNAL[family]}/{bits} dev eth0",
                        f"route add default via {gateway}")

    def _make_edge(self):
        # Routing's own "unreachable" is rationed to a few per second.
        reject = """
            table inet edge {
                chain prerouting {
                    type filter hook prerouting priority 0
                    %s
                }
            }"""
        rules = {self.external: ("fib daddr type { local, broadcast, multicast } accept",
                                 "reject with icmpx type no-route"),
                 self.remote_node: (
                     f"iifname lan ip daddr {EXTERNAL_IPS[4]} reject with icmpx type no-route",
                     f"iifname lan ip6 daddr {EXTERNAL_IPS[6]} reject with icmpx type no-route")}
        for namespace, lines in rules.items():
            done = namespace.command("nft", "-f", "-", input=reject % "\n".join(lines))
            if done.returncode != 0:
                raise RuntimeError(f"{namespace}: nft: {done.stderr.strip()}")

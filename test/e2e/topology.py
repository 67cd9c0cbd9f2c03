# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines of the tests.

      client  pod1  pod2  pod3                   remote_pods (20 addresses)
         \\     |     |     /                          |
          \\    |     |    /   10.244.0.0/24           |  10.244.1.0/24
           \\   |     |   /    fd00:10:244::/64        |  fd00:10:244:1::/64
            [    node    ]-------------------[ remote_node ]
                  |           192.0.2.0/24
                  |           2001:db8:2::/64
                  |
                  |  203.0.113.0/24, 2001:db8:113::/64
              [ external ]

node is the machine under test: kubenft runs there. Its address as a Kubernetes
Node is the one in 192.0.2.0/24; the one that external talks through is a second
address, on which no NodePort is served. external is also where the node sends
what it does not know, and says "unreachable": so a packet that was dropped
(silence) can be told from one that left the node.
"""

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

REMOTE_POD_COUNT = 20


def pod_address(number, family):
    """A pod of the node: client is 5, pod1..pod3 are 11..13."""
    return f"10.244.0.{number}" if family == 4 else f"fd00:10:244::{number}"


def remote_address(number, family):
    """A pod of the remote node, number 1..REMOTE_POD_COUNT."""
    return f"10.244.1.{number + 10}" if family == 4 else f"fd00:10:244:1::{number + 10}"


def is_local(address):
    """Does a pod with this address run on the node under test?"""
    return address.startswith(("10.244.0.", "fd00:10:244::"))


def masquerade_source(backend_address, family):
    """The node's address towards a backend."""
    return POD_GATEWAY[family] if is_local(backend_address) else NODE[family]


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
    device = f"pod-{number}"
    cabling.link(node, device, pod, "eth0")
    for family, bits in ((4, 32), (6, 128)):
        own = pod_address(number, family)
        gateway = POD_GATEWAY[family]
        cabling.add(node, f"address add {gateway}/{bits} dev {device}",
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
                self.external]

    def backends(self):
        """Namespaces in which servers run."""
        return [*self.pods, self.remote_pods, self.node]

    def _cable_nodes(self, cabling):
        cabling.link(self.node, "lan", self.remote_node, "lan")
        cabling.link(self.remote_node, "pods", self.remote_pods, "eth0")
        for family, bits, local, remote, uplink in (
                (4, 24, "10.244.0.0/24", "10.244.1.0/24", "203.0.113.0/24"),
                (6, 64, "fd00:10:244::/64", "fd00:10:244:1::/64", "2001:db8:113::/64")):
            gateway = "10.244.1.1" if family == 4 else "fd00:10:244:1::1"
            cabling.add(self.node, f"address add {NODE[family]}/{bits} dev lan",
                        f"route add {remote} via {REMOTE_NODE[family]}")
            cabling.add(self.remote_node, f"address add {REMOTE_NODE[family]}/{bits} dev lan",
                        f"address add {gateway}/{bits} dev pods",
                        f"route add {local} via {NODE[family]}",
                        f"route add {uplink} via {NODE[family]}")
            cabling.add(self.remote_pods,
                        *(f"address add {remote_address(i, family)}/{bits} dev eth0"
                          for i in range(1, REMOTE_POD_COUNT + 1)),
                        f"route add default via {gateway}")

    def _cable_external(self, cabling):
        cabling.link(self.node, "uplink", self.external, "eth0")
        for family, bits in ((4, 24), (6, 64)):
            gateway = NODE_SECOND[family]
            cabling.add(self.node, f"address add {gateway}/{bits} dev uplink",
                        f"route add default via {EXTERNAL[family]}")
            cabling.add(self.external, f"address add {EXTERNAL[family]}/{bits} dev eth0",
                        f"route add default via {gateway}")

    def _make_edge(self):
        # Routing's own "unreachable" is rationed to a few per second.
        done = self.external.command("nft", "-f", "-", input="""
            table inet edge {
                chain prerouting {
                    type filter hook prerouting priority 0
                    fib daddr type { local, broadcast, multicast } accept
                    reject with icmpx type no-route
                }
            }""")
        if done.returncode != 0:
            raise RuntimeError(f"external: nft: {done.stderr.strip()}")

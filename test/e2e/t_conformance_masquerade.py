# SPDX-License-Identifier: GPL-2.0-or-later
"""Who serves whom, and whose address is hidden: every combination there is.

Destination x traffic policy x where the client is x how pods are detected x masqueradeAll, for
IPv4 and IPv6. What is expected is in TABLES, and nowhere else.
"""

import contextlib

import exposure
import objects
import topology
from exposure import CLUSTER_IP, KINDS, Expectation, Exposed
from harness import Skip, test_rows
from topology import pod_address, remote_address

POLICIES = {
    "policy_cluster": {},
    "etp_local": {"externalTrafficPolicy": "Local"},
    "itp_local": {"internalTrafficPolicy": "Local"},
}

# Who answers: L the endpoint on this node, R the one elsewhere; + the client's address is hidden
# by the node's, - it is seen. Columns: policy_cluster, etp_local, itp_local, each for the
# ClusterIP and for external destinations.
COLUMNS = [(policy, internal) for policy in POLICIES for internal in (True, False)]
TABLES = {
    # (pods are detected, masqueradeAll)
    (True, False): {
        "pod":      "LR-  LR+   LR-  LR-   L-  LR+",
        "node":     "LR+  LR+   LR+  LR+   L+  LR+",
        "external": "LR+  LR+   LR+   L-   L+  LR+",
    },
    (True, True): {
        "pod":      "LR+  LR+   LR+  LR-   L+  LR+",
        "node":     "LR+  LR+   LR+  LR+   L+  LR+",
        "external": "LR+  LR+   LR+   L-   L+  LR+",
    },
    (False, False): {
        "pod":      "LR-  LR+   LR-   L-   L-  LR+",
        "node":     "LR-  LR+   LR-  LR+   L-  LR+",
        "external": "LR-  LR+   LR-   L-   L-  LR+",
    },
    (False, True): {
        "pod":      "LR+  LR+   LR+   L-   L+  LR+",
        "node":     "LR+  LR+   LR+  LR+   L+  LR+",
        "external": "LR+  LR+   LR+   L-   L+  LR+",
    },
}

# By its address, a pod of another node is a pod; by its interface or this node's range it is not.
REMOTE_PODS_ARE_PODS = {"ClusterCIDR"}

MODES = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "BridgeInterface_routed",
         "InterfaceNamePrefix", "none")
SOURCES = ("pod", "endpoint_itself", "node", "external", "remote_pod")

BY_BRIDGE = ("--detect-local-mode", "BridgeInterface", "--pod-bridge-interface", topology.BRIDGE)
MODE_ARGS = {
    "ClusterCIDR": ("--cluster-cidr", topology.CLUSTER_CIDRS),
    "NodeCIDR": ("--detect-local-mode", "NodeCIDR"),
    "BridgeInterface": BY_BRIDGE,
    "BridgeInterface_routed": BY_BRIDGE,  # pods of one bridge meet through routing all the same
    "InterfaceNamePrefix": ("--detect-local-mode", "InterfaceNamePrefix",
                            "--pod-interface-name-prefix", topology.POD_DEVICE_PREFIX),
    "none": (),
}

FAMILIES = (4, 6)


def cell(mode, masquerade_all, source, policy, kind):
    """(which endpoints, whether the client is hidden) by the tables."""
    detected = mode != "none"
    row = {"endpoint_itself": "pod",
           "remote_pod": "pod" if mode in REMOTE_PODS_ARE_PODS else "external"}.get(source, source)
    text = TABLES[detected, masquerade_all][row].split()
    word = text[COLUMNS.index((policy, kind == CLUSTER_IP))]
    return word[:-1], word[-1] == "+"


def backends(family):
    return {"L": pod_address(11, family), "R": remote_address(1, family)}


def expectation(client, service, family, mode, masquerade_all, source, policy, kind):
    letters, hidden = cell(mode, masquerade_all, source, policy, kind)
    addresses = [backends(family)[letter] for letter in letters]
    if source == "endpoint_itself":  # hairpin: it must not see itself
        hidden = frozenset(addresses if hidden else addresses[:1])
    return Expectation(client, *service.at(kind, family), addresses, hidden)


class Matrix:
    """One daemon, and the results of all that is asked of it."""

    def __init__(self, t, mode, masquerade_all):
        self.mode, self.masquerade_all = mode, masquerade_all
        self.services = {policy: Exposed(t.world, policy.replace("_", "-"), **spec)
                         for policy, spec in POLICIES.items()}
        pieces = [service.slice(backends(f).values())
                  for service in self.services.values() for f in FAMILIES]
        node = objects.node(spec={"podCIDRs": ["10.244.0.0/24", "fd00:10:244::/64"]})
        t.write(node, objects.service_cidr(), *self.services.values(), *pieces, with_node=False)
        more = ("--masquerade-all",) if masquerade_all else ()
        t.run(args=more, cidrs=MODE_ARGS[mode])
        own = {f: pod_address(11, f) for f in FAMILIES}
        self.clients = exposure.clients(t)
        self.clients["endpoint_itself"] = exposure.Client(t.pods[0], own)
        self.results = None

    def _expectations(self):
        return {(source, policy, kind, family):
                expectation(self.clients[source], service, family, self.mode,
                            self.masquerade_all, source, policy, kind)
                for source in SOURCES for policy, service in self.services.items()
                for kind in KINDS for family in FAMILIES}

    def check(self, source, policy, kind):
        expected = self._expectations()
        if self.results is None:
            self.results = dict(zip(expected, exposure.probe(list(expected.values()))))
        for family in FAMILIES:
            key = source, policy, kind, family
            expected[key].check(self.results[key])


def _has_option(t, name):
    return name in t.command("run", "--help").stdout


def matrix(t, mode, masquerade_all):
    needed = [arg for arg in MODE_ARGS[mode] if arg.startswith("--")]
    if not all(_has_option(t, name) for name in needed):
        raise Skip(f"no {' and '.join(needed)}")
    with contextlib.ExitStack() as stack:
        if MODE_ARGS[mode] is BY_BRIDGE:
            routed = mode == "BridgeInterface_routed"
            stack.enter_context(t.world.topology.bridged(netfilter=not routed))
        yield Matrix(t, mode, masquerade_all == "masqueradeAll")


ROWS = [(mode, everything, source, policy, kind)
        for mode in MODES for everything in ("by_rule", "masqueradeAll")
        for source in SOURCES for policy in POLICIES for kind in KINDS]

# A quarter: two of the ten daemons, and of these what no other cell stands for.
QUICK = {("ClusterCIDR", "by_rule"), ("none", "by_rule")}


@test_rows(ROWS, "masquerade_{}_{}_from_{}_with_{}_to_{}", fixture=matrix,
           quick=lambda *row: row[:2] in QUICK)
def masquerade(_, shared, mode, everything, source, policy, kind):
    shared.check(source, policy, kind)

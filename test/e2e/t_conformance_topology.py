# SPDX-License-Identifier: GPL-2.0-or-later
"""Flow T16 of kube-proxy-behaviour.md 7.2: hints for zones and nodes. e1 and e4 are in zone-a,
e2 in zone-b, e3 in zone-c; e1 and e2 run here."""

import objects
import topology
from exposure import CLUSTER_IP, EXTERNAL_KINDS, REFUSED, Exposed
from harness import test, test_rows
from objects import endpoint
from scene import DEAD, LEAVING, ONE, TWO, Scene, over_both
from topology import pod_address, remote_address

ENDPOINTS = {"e1": ONE, "e2": TWO, "e3": None, "e4": None}
ZONES = {"e1": ["zone-a"], "e2": ["zone-b"], "e3": ["zone-c"], "e4": ["zone-a"]}


def zoned(family, zones=None, nodes=None, conditions=None):
    """The four endpoints. @zones, @nodes: hints of each; @conditions: of some."""
    entries = []
    for i, (name, pod) in enumerate(ENDPOINTS.items()):
        address = pod_address(pod, family) if pod else remote_address(i, family)
        entry = endpoint(address, **(conditions or {}).get(name, {}))
        hints = {}
        if (ZONES if zones is None else zones).get(name):
            hints["forZones"] = [{"name": z} for z in (ZONES if zones is None else zones)[name]]
        if (nodes or {}).get(name):
            hints["forNodes"] = [{"name": n} for n in nodes[name]]
        if hints:
            entry["hints"] = hints
        entries.append(entry)
    return entries


def chosen(names, family):
    return [pod_address(ENDPOINTS[name], family) if ENDPOINTS[name] else
            remote_address(list(ENDPOINTS).index(name), family) for name in names.split()]


NOT_READY = {"ready": False, "serving": False, "terminating": False}
ALL = "e1 e2 e3 e4"
# name: (arguments of zoned(), more of spec, who serves the ClusterIP, who externally)
T16_ROWS = {
    "all_hinted": ({}, {}, "e1 e4", "e1 e4"),
    "external_policy_Local": ({}, {"externalTrafficPolicy": "Local"}, "e1 e4", "e1 e2"),
    "internal_policy_Local": ({}, {"internalTrafficPolicy": "Local"}, "e1 e2", "e1 e4"),
    "own_zone_not_among_the_hints": (
        {"zones": {name: ["zone-x"] for name in ENDPOINTS}}, {}, ALL, ALL),
    "one_of_the_zone_not_ready": ({"conditions": {"e4": NOT_READY}}, {}, "e1", "e1"),
    "none_of_the_zone_ready": (
        {"conditions": {"e1": NOT_READY, "e4": NOT_READY}}, {}, "e2 e3", "e2 e3"),
    "one_without_hint": ({"zones": {**ZONES, "e3": []}}, {}, ALL, ALL),
    "several_zones_in_a_hint": (
        {"zones": {**ZONES, "e2": ["zone-b", "zone-a"], "e3": ["zone-c", "zone-b"]}}, {},
        "e1 e2 e4", "e1 e2 e4"),
    "node_hints": (
        {"nodes": {name: ["node1" if name == "e2" else "node2"] for name in ENDPOINTS}}, {},
        "e2", "e2"),
    "node_hints_and_one_without_any": (
        {"zones": {**ZONES, "e3": []},
         "nodes": {name: ["node1"] for name in ("e1", "e2", "e4")}}, {}, ALL, ALL),
    "node_hints_that_do_not_list_this_node": (
        {"nodes": {name: ["node2"] for name in ENDPOINTS}}, {}, "e1 e4", "e1 e4"),
    "hints_for_a_node_that_does_not_exist": (
        {"zones": {}, "nodes": {name: ["nowhere"] for name in ENDPOINTS}}, {}, ALL, ALL),
    "none_ready_but_all_leaving": (
        {"conditions": {name: LEAVING for name in ENDPOINTS}}, {}, ALL, ALL),
    "external_policy_Local_and_only_dead_or_leaving_ones_here": (
        {"conditions": {"e1": DEAD, "e2": LEAVING, "e4": LEAVING}},
        {"externalTrafficPolicy": "Local"}, "e3", "e2"),
    "one_that_is_neither_ready_nor_serving": (
        {"conditions": {name: NOT_READY for name in ENDPOINTS}}, {}, REFUSED, REFUSED),
}


def t16_scene(t):
    scene = Scene(t)
    node = objects.node()
    node["metadata"]["labels"] = {"topology.kubernetes.io/zone": "zone-a",
                                  "kubernetes.io/hostname": topology.NODE_NAME}
    scene.nodes = [node]
    scene.services = {
        name: scene.add(Exposed(t.world, name.replace("_", "-").lower()[:60], **row[1]),
                        lambda f, row=row: zoned(f, **row[0]))
        for name, row in T16_ROWS.items()}
    yield scene.run()


@test_rows([(name,) for name in T16_ROWS], "T16_topology_with_{}", fixture=t16_scene,
           quick={"T16_topology_with_all_hinted", "T16_topology_with_external_policy_Local",
                  "T16_topology_with_one_without_hint", "T16_topology_with_node_hints"})
def t16(_, scene, name):
    row = T16_ROWS[name]
    service = scene.services[name]

    def serving(text, f):
        return text if text == REFUSED else chosen(text, f)
    over_both(lambda f: [
        scene.flow("pod", service, CLUSTER_IP, f, serving(row[2], f)),
        *(scene.flow("external", service, kind, f, serving(row[3], f))
          for kind in EXTERNAL_KINDS)])


@test(quick=True)
def T16_the_nodes_zone_is_followed(t):
    scene = Scene(t)
    service = scene.add(Exposed(t.world), zoned)
    scene.run()
    for zone, names in (("zone-b", "e2"), ("zone-a", "e1 e4"), ("", ALL), ("zone-c", "e3"),
                        ("zone-x", ALL), ("zone-a", "e1 e4"), (None, ALL)):
        scene.nodes = [objects.node()]
        if zone is not None:
            scene.nodes[0]["metadata"]["labels"] = {"topology.kubernetes.io/zone": zone}
        scene.change(*scene.things)
        over_both(lambda f, names=names: [scene.flow("pod", service, CLUSTER_IP, f,
                                                     chosen(names, f))])

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the API server fills in when a client creates or changes an object."""

import ipaddress

from .status import invalid_object

_CLUSTER_IPS = {"IPv4": ipaddress.ip_network("10.96.0.0/16"),
                "IPv6": ipaddress.ip_network("fd00:10:96::/112")}
_NODE_PORTS = range(30000, 32768)


class Allocator:
    """Hands out ClusterIPs and node ports that no Service has."""

    def __init__(self, store, services):
        self.store = store
        self.services = services
        self.last_ip = {family: 0x8000 for family in _CLUSTER_IPS}
        self.last_port = 2000

    def _specs(self):
        for record in self.store.tables[self.services].records.values():
            yield record.value(self.services).get("spec") or {}

    def address(self, family):
        network = _CLUSTER_IPS[family]
        if family == "IPv4":
            taken = {record.fields["spec.clusterIP"]
                     for record in self.store.tables[self.services].records.values()}
        else:
            taken = {ip for spec in self._specs() for ip in spec.get("clusterIPs") or ()}
        while True:
            self.last_ip[family] = self.last_ip[family] % 0xfffd + 1
            found = str(network[self.last_ip[family]])
            if found not in taken:
                return found

    def port(self):
        taken = {entry.get("nodePort") for spec in self._specs()
                 for entry in spec.get("ports") or ()}
        taken |= {spec.get("healthCheckNodePort") for spec in self._specs()}
        for _ in _NODE_PORTS:
            self.last_port = (self.last_port + 1) % len(_NODE_PORTS)
            if _NODE_PORTS[self.last_port] not in taken:
                return _NODE_PORTS[self.last_port]
        raise RuntimeError("no node port is left")


def _families(spec):
    policy = spec.get("ipFamilyPolicy", "SingleStack")
    given = [f"IPv{ipaddress.ip_address(ip).version}" for ip in spec.get("clusterIPs") or ()
             if ip not in ("", "None")]
    found = spec.get("ipFamilies") or given or ["IPv4"]
    if policy in ("PreferDualStack", "RequireDualStack") and len(found) == 1:
        found = [*found, "IPv6" if found[0] == "IPv4" else "IPv4"]
    return found


def _cluster_ips(spec, allocator):
    if not spec.get("clusterIPs") and spec.get("clusterIP"):
        spec["clusterIPs"] = [spec["clusterIP"]]
    if spec.get("clusterIPs") == ["None"]:
        spec["clusterIP"] = "None"
        spec.setdefault("ipFamilies", ["IPv4"])
        return
    spec["ipFamilies"] = _families(spec)
    have = list(spec.get("clusterIPs") or ())
    for family in spec["ipFamilies"][len(have):]:
        have.append(allocator.address(family))
    spec["clusterIP"], spec["clusterIPs"] = have[0], have


_SPEC_ORDER = ("ports", "selector", "clusterIP", "clusterIPs", "type", "externalIPs",
               "sessionAffinity", "loadBalancerIP", "loadBalancerSourceRanges", "externalName",
               "externalTrafficPolicy", "healthCheckNodePort", "publishNotReadyAddresses",
               "sessionAffinityConfig", "ipFamilies", "ipFamilyPolicy",
               "allocateLoadBalancerNodePorts", "loadBalancerClass", "internalTrafficPolicy",
               "trafficDistribution")


def _service(value, allocator):
    spec = value["spec"] = dict(value.get("spec") or {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault("sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}})
    if spec["type"] != "ExternalName":
        _cluster_ips(spec, allocator)
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        spec.setdefault("internalTrafficPolicy", "Cluster")
    outside = spec["type"] in ("NodePort", "LoadBalancer")
    if outside:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        if spec["externalTrafficPolicy"] == "Local":
            spec.setdefault("healthCheckNodePort", allocator.port())
    ports = []
    for entry in spec.get("ports") or ():
        entry = {"protocol": "TCP", **entry}
        entry.setdefault("targetPort", entry.get("port"))
        if outside and not entry.get("nodePort") and \
                spec.get("allocateLoadBalancerNodePorts", True):
            entry["nodePort"] = allocator.port()
        order = ("name", "protocol", "appProtocol", "port", "targetPort", "nodePort")
        ports.append({name: entry[name] for name in order if name in entry})
    if ports:
        spec["ports"] = ports
    value["spec"] = {**{name: spec[name] for name in _SPEC_ORDER if name in spec},
                     **{name: item for name, item in spec.items() if name not in _SPEC_ORDER}}
    value.setdefault("status", {"loadBalancer": {}})


def _slice(value, _allocator):
    value.setdefault("endpoints", None)
    ports = [{"name": "", "protocol": "TCP", **entry} for entry in value.get("ports") or ()]
    value["ports"] = ports or None


_BY_KIND = {"Service": _service, "EndpointSlice": _slice}


def fill(kind, value, allocator):
    """Default @value in place; complain about what no client would send on purpose."""
    name = value["metadata"]["name"]
    try:
        if kind.kind in _BY_KIND:
            _BY_KIND[kind.kind](value, allocator)
        elif kind.kind == "Namespace":
            value["metadata"].setdefault("labels", {}).setdefault(
                "kubernetes.io/metadata.name", name)
            value["spec"] = {"finalizers": ["kubernetes"], **(value.get("spec") or {})}
            value["status"] = {"phase": "Active"}
        elif kind.kind == "ServiceCIDR":
            value.setdefault("status", {})
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise invalid_object(kind, name, "spec", f"Invalid value: {error}") from None

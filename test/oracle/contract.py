# SPDX-License-Identifier: GPL-2.0-or-later
"""kube-proxy-behaviour.md, sections 1.3 to 2.11, as a program: objects in, who is served by whom out.

Written from that text alone and as near to its words as can be, to be compared with what kubenft
makes of the same objects. Slow, and knows nothing of chains and maps.
"""

import ipaddress
from collections import namedtuple

# What a packet for a frontend meets.
REFUSE, DROP = "refuse", "drop"

CLUSTER_IP, NODE_PORT, EXTERNAL_IP, LB_IP = "ClusterIP", "NodePort", "externalIP", "LB VIP"

Endpoint = namedtuple("Endpoint", "ip port ready serving terminating is_local zones nodes")
# What is known of a packet's source.
Source = namedtuple("Source", "ip is_pod is_node")
# A service port in one family that has an address, protocol and port.
Frontend = namedtuple("Frontend", "service name kind is_local_only cluster local serving has_any "
                                  "ranges affinity")


class Facts:
    """The node, and how kubenft was told to run."""

    def __init__(self, node_name, node, pod_cidrs=(), masquerade_all=False, external_ips=True,
                 node_port_cidrs=None, machine_addresses=(), before=None):
        """@node: the Node object, or None. @pod_cidrs: None is those of the Node.
        @node_port_cidrs: None is "primary". @before: the Facts that this daemon had before, or
        None: a Node that is gone, or has no address, says nothing about the machine."""
        self.node_name = node_name
        self.pod_cidrs = [ipaddress.ip_network(c) for c in pod_cidrs or ()]
        if pod_cidrs is None and node:
            self.pod_cidrs = [ipaddress.ip_network(c) for c in node["spec"]["podCIDRs"]]
        elif pod_cidrs is None and before:
            self.pod_cidrs = before.pod_cidrs
        self.masquerade_all = masquerade_all
        self.external_ips = external_ips
        labels = node["metadata"].get("labels", {}) if node else {}
        self.zone = before.zone if before and not node else \
            labels.get("topology.kubernetes.io/zone", "")
        self.node_ips = {**(before.node_ips if before else {}), **self._node_ips(node)}
        self.node_ports = self._node_ports(node_port_cidrs, machine_addresses)

    @staticmethod
    def _node_ips(node):
        """Section 1.5: {family: address}."""
        entries = node["status"].get("addresses", []) if node else []
        ips = {}
        for kind in ("InternalIP", "ExternalIP"):
            for entry in entries:
                if entry["type"] == kind:
                    ip = parse_ip(entry["address"])
                    ips.setdefault(ip.version, ip)
        return ips

    def _node_ports(self, cidrs, machine):
        """Section 2.7: the addresses with NodePorts. ruleset.md: not link-local ones."""
        if cidrs is None:
            chosen = set(self.node_ips.values())
        else:
            nets = [ipaddress.ip_network(c) for c in cidrs]
            chosen = {ip for ip in machine
                      if any(ip in n for n in nets if n.version == ip.version) or
                      not any(n.version == ip.version for n in nets)}
        return {ip for ip in chosen if not ip.is_loopback and not ip.is_link_local}

    def detects(self, family):
        """Is there a way to tell pods in this family?"""
        return any(c.version == family for c in self.pod_cidrs)


def parse_ip(text):
    """Section 1.7: leading zeros do not count, an IPv4 address may be written as an IPv6 one."""
    try:
        if ":" not in text:
            parts = text.split(".")
            if len(parts) != 4 or not all(p.isascii() and p.isdigit() for p in parts):
                return None
            return ipaddress.ip_address(".".join(str(int(p)) for p in parts))
        ip = ipaddress.ip_address(text)
        return ip.ipv4_mapped or ip
    except ValueError:
        return None


def parse_cidr(text):
    address, _, prefix = text.strip().partition("/")
    ip = parse_ip(address)
    if ip is None or not prefix.isdigit() or int(prefix) > ip.max_prefixlen:
        return None
    return ipaddress.ip_network((ip, int(prefix)), strict=False)


def _all(texts, family, parse=parse_ip):
    parsed = [parse(text) for text in texts or ()]
    return [p for p in parsed if p is not None and p.version == family]


class Service:
    """Section 1.3."""

    def __init__(self, thing, facts):
        self.meta, self.spec = thing["metadata"], thing.get("spec", {})
        self.name = (self.meta.get("namespace", "default"), self.meta["name"])
        self.type = self.spec.get("type", "ClusterIP")
        balancer = thing.get("status", {}).get("loadBalancer", {})
        self.ingress = balancer.get("ingress") or []
        self.internal_local = self.spec.get("internalTrafficPolicy") == "Local"
        self.external_local = self.spec.get("externalTrafficPolicy") == "Local" and (
            self.type in ("LoadBalancer", "NodePort") or
            self.type == "ClusterIP" and facts.external_ips and
            bool(_all(self.spec.get("externalIPs"), 4) + _all(self.spec.get("externalIPs"), 6)))
        self.affinity = 0
        if self.spec.get("sessionAffinity") == "ClientIP":
            config = self.spec.get("sessionAffinityConfig") or {}
            self.affinity = (config.get("clientIP") or {}).get("timeoutSeconds", 10800)

    @property
    def is_ours(self):
        return "service.kubernetes.io/service-proxy-name" not in self.meta.get("labels", {})

    @property
    def seniority(self):
        """The oldest comes first; of unknown age is the youngest."""
        return self.meta.get("creationTimestamp") or "9", "/".join(self.name)

    def cluster_ip(self, family):
        single = self.spec.get("clusterIP", "")
        if single in ("", "None") or self.type == "ExternalName":
            return None
        families = self.spec.get("ipFamilies") or []
        if not families:
            ip = parse_ip(single)
            return ip if ip.version == family else None
        ips = self.spec.get("clusterIPs") or []
        for i, name in enumerate(families):
            if name == f"IPv{family}" and i < len(ips):
                return parse_ip(ips[i])
        return None

    def vips(self, family):
        return _all([entry["ip"] for entry in self.ingress
                     if entry.get("ip") and entry.get("ipMode") in (None, "VIP")], family)

    def ranges(self, family, node_ip):
        """Section 2.6: the permitted sources; empty: all."""
        nets = _all(self.spec.get("loadBalancerSourceRanges"), family, parse_cidr)
        if any(net.prefixlen == 0 for net in nets):
            return []
        if node_ip and any(node_ip in net for net in nets):
            nets = nets + [ipaddress.ip_network(vip) for vip in self.vips(family)]
        return nets

    def addresses(self, family, port, facts):
        """[(kind, address, port number)] of a service port."""
        found = [(CLUSTER_IP, self.cluster_ip(family), port["port"])]
        if port.get("nodePort"):
            found += [(NODE_PORT, ip, port["nodePort"]) for ip in facts.node_ports
                      if ip.version == family]
        if facts.external_ips:
            found += [(EXTERNAL_IP, ip, port["port"])
                      for ip in _all(self.spec.get("externalIPs"), family)]
        return found + [(LB_IP, ip, port["port"]) for ip in self.vips(family)]


def _endpoints(service, port, family, slices, facts):
    """Section 1.4."""
    best = {}
    for thing in slices:
        labels = thing["metadata"].get("labels", {})
        if thing["addressType"] != f"IPv{family}" or \
                thing["metadata"].get("namespace", "default") != service.name[0] or \
                labels.get("kubernetes.io/service-name") != service.name[1] or \
                "service.kubernetes.io/headless" in labels:
            continue
        for entry in thing.get("ports") or ():
            if entry.get("name") is None or not entry.get("port") or \
                    entry["name"] != port.get("name", "") or \
                    entry.get("protocol", "TCP") != port.get("protocol", "TCP"):
                continue
            for raw in thing.get("endpoints") or ():
                found = _endpoint(raw, entry["port"], family, facts)
                if found:
                    key = found.ip, found.port
                    best[key] = max(best.get(key, found), found, key=_usefulness)
    return list(best.values())


def _usefulness(endpoint):
    """Which of two duplicates counts: not one that terminates. Where the contract leaves it open,
    the one that is of more use."""
    return not endpoint.terminating, endpoint.ready, endpoint.serving


def _endpoint(raw, number, family, facts):
    ip = parse_ip(raw["addresses"][0]) if raw.get("addresses") else None
    if ip is None or ip.version != family:
        return None
    conditions, hints = raw.get("conditions") or {}, raw.get("hints") or {}

    def condition(name, default):
        value = conditions.get(name)
        return default if value is None else value
    return Endpoint(ip, number, condition("ready", True), condition("serving", True),
                    condition("terminating", False), raw.get("nodeName") == facts.node_name,
                    frozenset(z["name"] for z in hints.get("forZones") or ()),
                    frozenset(n["name"] for n in hints.get("forNodes") or ()))


def _is_leaving(endpoint):
    return endpoint.serving and endpoint.terminating


def _topology(endpoints, facts):
    """Section 2.1, topology_mode() and available()."""
    ready = [e for e in endpoints if e.ready]
    if ready and all(e.nodes for e in ready) and any(facts.node_name in e.nodes for e in ready):
        return lambda e: facts.node_name in e.nodes
    if ready and all(e.zones for e in ready) and any(facts.zone in e.zones for e in ready):
        return lambda e: facts.zone in e.zones
    return lambda e: True


def select(endpoints, uses_cluster, uses_local, facts):
    """Section 2.1: (cluster set, local set, hasAny)."""
    cluster, local, has_any = [], [], False
    if uses_cluster:
        available = _topology(endpoints, facts)
        cluster = [e for e in endpoints if e.ready and available(e)] or \
                  [e for e in endpoints if _is_leaving(e)]
        has_any = bool(cluster)
    if uses_local:
        has_any = has_any or any(e.ready or _is_leaving(e) for e in endpoints)
        local = [e for e in endpoints if e.is_local and e.ready] or \
                [e for e in endpoints if e.is_local and _is_leaving(e)]
    return cluster, local, has_any


class Cluster:
    """All objects, as one node's proxy sees them."""

    def __init__(self, things, facts):
        self.facts = facts
        self.frontends = {}  # (address, protocol, port): what it may be; several if left open
        self.cluster_ips = set()
        self.hairpins = set()  # addresses
        slices = [t for t in things if t["kind"] == "EndpointSlice"]
        services = [Service(t, facts) for t in things if t["kind"] == "Service"]
        for service in sorted(services, key=lambda s: s.seniority):
            if service.is_ours:
                for family in (4, 6):
                    self._add(service, family, slices)
        self.service_cidrs = [ipaddress.ip_network(c) for t in things if t["kind"] == "ServiceCIDR"
                              for c in t["spec"]["cidrs"]]

    def _add(self, service, family, slices):
        ports = service.spec.get("ports") or []
        if service.cluster_ip(family) is None or not ports:
            return
        self.cluster_ips.add(service.cluster_ip(family))
        for port in ports:
            self._add_port(service, family, port, slices)

    def _add_port(self, service, family, port, slices):
        addresses = service.addresses(family, port, self.facts)
        is_external = any(kind != CLUSTER_IP for kind, _, _ in addresses) or \
            bool(port.get("nodePort"))
        endpoints = _endpoints(service, port, family, slices, self.facts)
        serving = frozenset((e.ip, e.port) for e in endpoints if e.serving)
        cluster, local, has_any = select(
            endpoints, not service.internal_local or is_external,
            service.internal_local or service.external_local and is_external, self.facts)
        self.hairpins |= {e.ip for e in cluster + local if e.is_local}
        ranges = service.ranges(family, self.facts.node_ips.get(family))
        for kind, ip, number in addresses:
            is_local_only = service.internal_local if kind == CLUSTER_IP else \
                service.external_local
            key = ip, port.get("protocol", "TCP").lower(), number
            claims = self.frontends.setdefault(key, [])
            # Section 2.11: an older Service holds it. Of one Service's own, any may.
            if not claims or claims[0].service == service.name:
                claims.append(Frontend(service.name, port.get("name", ""), kind, is_local_only,
                                       frozenset(cluster), frozenset(local), serving, has_any,
                                       ranges if kind == LB_IP else [], service.affinity))


def answer(frontend, source):
    """Sections 2.2, 2.3 and 2.6: REFUSE, DROP or the endpoints."""
    if frontend.ranges and not any(source.ip in net for net in frontend.ranges):
        return DROP
    if not frontend.has_any:
        return REFUSE
    chosen = frontend.cluster
    if frontend.is_local_only and \
            (frontend.kind == CLUSTER_IP or not (source.is_pod or source.is_node)):
        chosen = frontend.local
    return frozenset((e.ip, e.port) for e in chosen) or DROP


def is_stale(cluster, protocol, original, reply):
    """Section 4.1, for a connection that is tracked: must it go? @original: (address, port) that it
    was sent to; @reply: who answers. Of what is no frontend, nothing is said here."""
    claims = cluster.frontends.get((original[0], "udp", original[1]))
    return protocol == "udp" and bool(claims) and all(reply not in c.serving for c in claims)


def is_hidden(frontend, source, ip, facts, hairpins):
    """Section 2.5: does the endpoint at @ip see this node in place of the source?"""
    if source.ip == ip and ip in hairpins:
        return True
    if frontend.kind == CLUSTER_IP:
        return facts.masquerade_all or facts.detects(ip.version) and not source.is_pod
    return not frontend.is_local_only or source.is_node

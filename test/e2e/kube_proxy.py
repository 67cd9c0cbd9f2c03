# SPDX-License-Identifier: GPL-2.0-or-later
"""A ruleset such as kube-proxy makes in nftables mode, by hand from its description
(kube-proxy-behaviour.md, sections 3.2 to 3.6 and 7.1)."""

import base64
import hashlib

import topology

MARK = "0x4000"

_BASE = (("filter-prerouting-pre-dnat", "filter", "prerouting", -110,
          ("ct state new jump firewall-check",)),
         ("filter-output-pre-dnat", "filter", "output", -110,
          ("ct state new jump firewall-check",)),
         ("filter-input", "filter", "input", 0,
          ("ct state new jump nodeport-endpoints-check",
           "ct state new jump service-endpoints-check")),
         ("filter-forward", "filter", "forward", 0,
          ("ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check")),
         ("filter-output", "filter", "output", 0,
          ("ct state new jump service-endpoints-check", "ct state new jump cluster-ips-check")),
         ("nat-prerouting", "nat", "prerouting", -100, ("jump services",)),
         ("nat-output", "nat", "output", -100, ("jump services",)),
         ("nat-postrouting", "nat", "postrouting", 100, ("jump masquerading",)))


def _name(service, protocol, port_name):
    text = f"default/{service.name}/{protocol}/{port_name}"
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:8]
    return f"{digest}-{text}"


class _Table:
    def __init__(self, family):
        self.ip = "ip" if family == 4 else "ip6"
        self.family = family
        self.address = "ipv4_addr" if family == 4 else "ipv6_addr"
        self.elements = {}
        self.chains = []
        self.add("nodeport-ips", topology.NODE[family])

    def add(self, name, element):
        elements = self.elements.setdefault(name, [])
        if element not in elements:
            elements.append(element)

    def chain(self, name, *rules):
        self.chains.append(f"chain {name} {{\n" + "\n".join(rules) + "\n}")

    def add_port(self, service, entry, backends):
        """@backends: (address, port) of those that are ready."""
        protocol, number = entry["protocol"].lower(), entry["port"]
        name = _name(service, protocol, entry.get("name", ""))
        cluster_ip = service.ip(self.family)
        key = f"{cluster_ip} . {protocol} . {number}"
        self.add("cluster-ips", cluster_ip)
        if not backends:
            self.add("no-endpoint-services",
                     f'{key} comment "default/{service.name}" : goto reject-chain')
            return
        self.add("service-ips", f"{key} : goto service-{name}")
        slots = ", ".join(f"{i} : {address} . {port}"
                          for i, (address, port) in enumerate(backends))
        self.chain(f"service-{name}",
                   f"meta l4proto {protocol} dnat {self.ip} addr . port to numgen random mod "
                   f"{len(backends)} map {{ {slots} }}")
        for address, port in backends:
            if topology.is_local(address):
                self.add("hairpin-connections", f"{address} . {address} . {protocol} . {port}")
        if "nodePort" in entry:
            self.add("service-nodeports",
                     f"{protocol} . {entry['nodePort']} : goto external-{name}")
            self.chain(f"external-{name}", f"mark set mark or {MARK}", f"goto service-{name}")

    def _container(self, kind, name, types):
        elements = self.elements.get(name, [])
        listed = f"elements = {{ {', '.join(elements)} }}\n" if elements else ""
        return f"{kind} {name} {{\ntype {types}\n{listed}}}"

    def _static_chains(self):
        ip = self.ip
        key = f"{ip} daddr . meta l4proto . th dport"
        pods = topology.CLUSTER_CIDRS.split(",")[self.family == 6]
        services = topology.SERVICE_CIDRS[self.family]
        for name, kind, hook, priority, rules in _BASE:
            self.chain(name, f"type {kind} hook {hook} priority {priority}; policy accept;", *rules)
        self.chain("services", f"{ip} daddr @cluster-ips {ip} saddr != {pods} "
                   f"mark set mark or {MARK}", f"{key} vmap @service-ips",
                   f"{ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports")
        self.chain("masquerading", f"mark and {MARK} != 0 mark set mark xor {MARK} "
                   "masquerade fully-random",
                   f"ct status dnat {ip} saddr . {ip} daddr . meta l4proto . th dport "
                   "@hairpin-connections masquerade fully-random")
        self.chain("firewall-check", f"{key} vmap @firewall-ips")
        self.chain("service-endpoints-check", f"{key} vmap @no-endpoint-services")
        self.chain("nodeport-endpoints-check", f"{ip} daddr @nodeport-ips meta l4proto . th dport "
                   "vmap @no-endpoint-nodeports")
        self.chain("cluster-ips-check", f"{ip} daddr @cluster-ips reject",
                   f"{ip} daddr {{ {services} }} drop")
        self.chain("reject-chain", "reject")

    def text(self):
        triple = f"{self.address} . inet_proto . inet_service"
        self._static_chains()
        parts = [self._container("set", "cluster-ips", self.address),
                 self._container("set", "nodeport-ips", self.address),
                 self._container("set", "hairpin-connections", f"{self.address} . {triple}"),
                 *(self._container("map", name, f"{triple} : verdict")
                   for name in ("service-ips", "no-endpoint-services", "firewall-ips")),
                 *(self._container("map", name, "inet_proto . inet_service : verdict")
                   for name in ("service-nodeports", "no-endpoint-nodeports")), *self.chains]
        return (f'table {self.ip} kube-proxy {{\ncomment "rules for kube-proxy"\n' +
                "\n".join(parts) + "\n}\n")


def ruleset(services):
    """@services: (objects.Service, {family: [(address, port)]}) pairs; nft text of both tables."""
    tables = {family: _Table(family) for family in (4, 6)}
    for service, backends in services:
        for family in service.ips:
            for entry in service.ports:
                tables[family].add_port(service, entry, backends.get(family, ()))
    return "".join(table.text() for table in tables.values())

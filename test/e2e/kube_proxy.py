# SPDX-License-Identifier: GPL-2.0-or-later
"""A ruleset such as kube-proxy makes in nftables mode, by hand from its description
(kube-proxy-behaviour.md, sections 3.2 to 3.6 and 7.1), for a detector by cluster CIDR, NodePorts on
primary addresses, source ranges that do not hold the node, and affinity of three hours."""

import base64
import hashlib

import topology
from probes import family_of

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


def _name(service, protocol, port_name, end=""):
    text = f"default/{service.name}/{protocol}/{port_name}{end}"
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:8]
    return f"{digest}-{text}"


class _Port:
    """A port of a Service in one family.  @backends: (address, port) of those that are ready."""

    def __init__(self, service, family, entry, backends):
        spec = service.spec
        self.service, self.entry, self.backends = service, entry, backends
        self.protocol = entry["protocol"].lower()
        self.name = _name(service, self.protocol, entry.get("name", ""))
        self.comment = f"default/{service.name}" + \
            (f":{entry['name']}" if entry.get("name") else "")
        self.local = [b for b in backends if topology.is_local(b[0])]
        self.vips = [i["ip"] for i in service.ingress if family_of(i["ip"]) == family]
        self.outside = [a for a in spec.get("externalIPs", ()) if family_of(a) == family] + \
            self.vips
        self.is_exposed = bool(self.outside) or "nodePort" in entry
        self.inside_local = spec.get("internalTrafficPolicy") == "Local"
        self.outside_local = spec.get("externalTrafficPolicy") == "Local"
        self.ranges = [r for r in spec.get("loadBalancerSourceRanges", ())
                       if family_of(r) == family]
        self.is_sticky = spec.get("sessionAffinity") == "ClientIP"

    def endpoint(self, address, number):
        """The name of an endpoint's chain and set."""
        return _name(self.service, self.protocol, self.entry.get("name", ""),
                     f"__{address.replace(':', '.')}/{number}")


class _Table:
    def __init__(self, family):
        self.ip = "ip" if family == 4 else "ip6"
        self.family = family
        self.address = "ipv4_addr" if family == 4 else "ipv6_addr"
        self.pods = topology.CLUSTER_CIDRS.split(",")[family == 6]
        self.elements = {}
        self.sets = []  # of affinity
        self.chains = []
        self.add("nodeport-ips", topology.NODE[family])

    def add(self, name, element):
        elements = self.elements.setdefault(name, [])
        if element not in elements:
            elements.append(element)

    def chain(self, name, *rules):
        self.chains.append(f"chain {name} {{\n" + "\n".join(rules) + "\n}")

    def _endpoint_chains(self, port, backends):
        for address, number in backends:
            name = port.endpoint(address, number)
            if f"set affinity-{name}" in "".join(self.sets):
                continue
            self.sets.append(f"set affinity-{name} {{\ntype {self.address}\n"
                             "flags dynamic,timeout\ntimeout 10800s\n}")
            target = f"{address}:{number}" if self.family == 4 else f"[{address}]:{number}"
            self.chain(f"endpoint-{name}",
                       f"update @affinity-{name} {{ {self.ip} saddr }}",
                       f"meta l4proto {port.protocol} dnat to {target}")

    def _picking_chain(self, name, port, backends):
        """service-X or local-X."""
        if not port.is_sticky:
            slots = ", ".join(f"{i} : {address} . {number}"
                              for i, (address, number) in enumerate(backends))
            self.chain(name, f"meta l4proto {port.protocol} dnat {self.ip} addr . port to "
                       f"numgen random mod {len(backends)} map {{ {slots} }}")
            return
        self._endpoint_chains(port, backends)
        names = [port.endpoint(*backend) for backend in backends]
        slots = ", ".join(f"{i} : goto endpoint-{y}" for i, y in enumerate(names))
        self.chain(name, *(f"{self.ip} saddr @affinity-{y} goto endpoint-{y}" for y in names),
                   f"numgen random mod {len(names)} vmap {{ {slots} }}")

    def _external_chain(self, port):
        cluster, name = f"service-{port.name}", f"external-{port.name}"
        if not port.outside_local:
            self.chain(name, f"mark set mark or {MARK}", f"goto {cluster}")
            return
        self.chain(name, f"{self.ip} saddr {self.pods} goto {cluster}",
                   f"fib saddr type local mark set mark or {MARK}",
                   f"fib saddr type local goto {cluster}",
                   *([f"goto local-{port.name}"] if port.local else []))

    def _chains_of(self, port):
        if port.backends and (not port.inside_local or port.is_exposed):
            self._picking_chain(f"service-{port.name}", port, port.backends)
        if port.local and (port.inside_local or (port.is_exposed and port.outside_local)):
            self._picking_chain(f"local-{port.name}", port, port.local)
        if port.backends and port.is_exposed:
            self._external_chain(port)
        if port.vips and port.ranges:
            self.chain(f"firewall-{port.name}",
                       f"{self.ip} saddr != {{ {', '.join(port.ranges)} }} drop")

    def _lead(self, port, key, maps, chain, serves):
        """@maps: where to serve and where not to."""
        if serves or (port.backends and chain.startswith("external")):
            self.add(maps[0], f"{key} : goto {chain}")
        if not serves:
            verdict = "drop" if port.backends else "goto reject-chain"
            self.add(maps[1], f'{key} comment "{port.comment}" : {verdict}')

    def add_port(self, service, entry, backends):
        port = _Port(service, self.family, entry, backends)
        addresses = ("service-ips", "no-endpoint-services")
        self._chains_of(port)
        self.add("cluster-ips", service.ip(self.family))
        inside = port.local if port.inside_local else backends
        outside = bool(port.local if port.outside_local else backends)
        chain = f"{'local' if port.inside_local else 'service'}-{port.name}"
        self._lead(port, f"{service.ip(self.family)} . {port.protocol} . {entry['port']}",
                   addresses, chain, bool(inside))
        for address in port.outside:
            key = f"{address} . {port.protocol} . {entry['port']}"
            self._lead(port, key, addresses, f"external-{port.name}", outside)
            if address in port.vips and port.ranges:
                self.add("firewall-ips", f"{key} : goto firewall-{port.name}")
        if "nodePort" in entry:
            self._lead(port, f"{port.protocol} . {entry['nodePort']}",
                       ("service-nodeports", "no-endpoint-nodeports"), f"external-{port.name}",
                       outside)
        for address, number in port.local:
            self.add("hairpin-connections", f"{address} . {address} . {port.protocol} . {number}")

    def _container(self, kind, name, types):
        elements = self.elements.get(name, [])
        listed = f"elements = {{ {', '.join(elements)} }}\n" if elements else ""
        return f"{kind} {name} {{\ntype {types}\n{listed}}}"

    def _static_chains(self):
        ip = self.ip
        key = f"{ip} daddr . meta l4proto . th dport"
        services = topology.SERVICE_CIDRS[self.family]
        for name, kind, hook, priority, rules in _BASE:
            self.chain(name, f"type {kind} hook {hook} priority {priority}; policy accept;", *rules)
        self.chain("services", f"{ip} daddr @cluster-ips {ip} saddr != {self.pods} "
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
                   for name in ("service-nodeports", "no-endpoint-nodeports")),
                 *self.sets, *self.chains]
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

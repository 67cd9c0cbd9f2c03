# SPDX-License-Identifier: GPL-2.0-or-later
"""Random clusters: few names, addresses and ports, so that they meet in every way there is."""

import copy

NODE = "node1"
ZONES = ("", "a", "b", "c")
POD_CIDRS = ("10.244.0.0/16", "fd00:10:244::/48")
NODE_POD_CIDRS = ("10.244.0.0/24", "fd00:10:244::/64")
# What a Node may have instead.
OTHER_POD_CIDRS = (NODE_POD_CIDRS[::-1], ("10.244.0.0/25", NODE_POD_CIDRS[1]), POD_CIDRS,
                   ("10.244.1.0/24", "fd00:10:244:1::/64"))
NODE_IPS = {4: "192.0.2.1", 6: "2001:db8::1"}
SERVICE_CIDRS = ("10.96.0.0/24", "fd00:10:96::/120")
# Of further ServiceCIDRs: inside, around, beside and apart, with gaps and without, up to the top.
MORE_CIDRS = ("10.96.0.0/25", "10.96.0.128/25", "10.96.0.0/23", "10.96.1.0/25", "10.96.1.0/24",
              "10.96.0.4/32", "10.96.0.0/024", "10.95.255.255/32", "255.255.255.0/24",
              "fd00:10:96::/121", "fd00:10:96::80/121", "fd00:10:96::/119", "fd00:10:96::4/128",
              "fd00:10:96::100/120", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120")

SERVICE_IPS = {4: [f"10.96.0.{i}" for i in range(1, 7)],
               6: [f"fd00:10:96::{i}" for i in range(1, 7)]}
EXTERNAL_IPS = {4: ["203.0.113.1", "203.0.113.2", NODE_IPS[4], SERVICE_IPS[4][0]],
                6: ["2001:db8:113::1", "2001:db8:113::2", NODE_IPS[6], SERVICE_IPS[6][0]]}
LOCAL_IPS = {4: ["10.244.0.1", "10.244.0.2", "10.244.0.3", NODE_IPS[4]],
             6: ["fd00:10:244::1", "fd00:10:244::2", "fd00:10:244::3", NODE_IPS[6]]}
REMOTE_IPS = {4: [f"10.244.1.{i}" for i in range(1, 6)],
              6: [f"fd00:10:244:1::{i}" for i in range(1, 6)]}
# By nobody's node: of a Service without selector.
FOREIGN_IPS = {4: ["172.16.0.1"], 6: ["fd00:172::1"]}
SOURCES = {4: ["198.51.100.1", "198.51.100.200", "198.18.0.1"],
           6: ["2001:db8:100::1", "2001:db8:100:8000::1", "2001:db8:18::1"]}
RANGES = ["198.51.100.0/25", "198.51.100.128/25", "198.51.100.0/24", "198.51.100.1/32",
          "192.0.2.0/24", "10.244.0.0/24", "2001:db8:100::/49", "2001:db8:100::/48",
          "2001:db8::/64", "fd00:10:244::/64", " 198.51.100.0/25\t", "198.051.100.000/025",
          "0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1", "255.255.255.255/32",
          "0.0.0.0/0", "::/0", "nonsense", "198.51.100.0/33", "198.51.100.7", ""]
PROTOCOLS = ("TCP", "UDP", "SCTP")
NUMBERS = (80, 443, 53, 30001)
# What changes together, of a Service's spec or of the Service.
ASPECTS = (("internalTrafficPolicy",), ("externalTrafficPolicy",), ("externalTrafficPolicy",),
           ("sessionAffinity", "sessionAffinityConfig"), ("externalIPs",), ("type",), ("ports",),
           ("loadBalancerSourceRanges",), ("clusterIP", "clusterIPs", "ipFamilies"), ("status",))
NODE_PORTS = (30001, 30002, 30003)
PORT_NAMES = ("", "web", "dns")
NAMESPACES = ("default", "other")


class Maker:
    """@random: all there is of chance. @sticky: the share of Services with affinity."""

    def __init__(self, random, sticky=0.3):
        self.random = random
        self.sticky = sticky

    def often(self, share):
        return self.random.random() < share

    def some(self, things, most):
        things = list(things)
        return self.random.sample(things, self.random.randint(0, min(most, len(things))))

    def written(self, ip):
        """An address as somebody careless writes it."""
        if ":" in ip or not self.often(0.1):
            return ip
        return ".".join(part.rjust(self.random.randint(1, 3), "0") for part in ip.split("."))

    def created(self, thing):
        if self.often(0.9):
            year = self.random.randint(2024, 2026)
            thing["metadata"]["creationTimestamp"] = f"{year}-01-01T00:00:00Z"
        return thing

    # Objects

    def node(self):
        families = self.random.choice(((4, 6), (4, 6), (4, 6), (4,), (6,), ()))
        addresses = [{"type": "Hostname", "address": NODE}]
        for family in families:
            kind = "InternalIP" if self.often(0.9) else "ExternalIP"
            addresses.append({"type": kind, "address": NODE_IPS[family]})
            if self.often(0.3):
                other = "192.0.2.77" if family == 4 else "2001:db8::77"
                addresses.append({"type": self.random.choice(("InternalIP", "ExternalIP")),
                                  "address": other})
        labels = {"topology.kubernetes.io/zone": zone} \
            if (zone := self.random.choice(ZONES)) or self.often(0.5) else {}
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": labels},
                "spec": {"podCIDRs": list(NODE_POD_CIDRS if self.often(0.7) else
                                          self.random.choice(OTHER_POD_CIDRS))},
                "status": {"addresses": addresses}}

    def service_cidr(self, name="kubernetes"):
        cidrs = SERVICE_CIDRS if name == "kubernetes" else self.some(MORE_CIDRS, 4)
        return {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                "metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}

    def _ports(self, plain):
        ports, seen = [], set()
        for name in self.some(PORT_NAMES, 3):
            entry = {"port": self.random.choice(NUMBERS)}
            if name or self.often(0.3):
                entry["name"] = name
            protocol = self.random.choice(PROTOCOLS)
            if protocol != "TCP" or self.often(0.5):
                entry["protocol"] = protocol
            if not plain and self.often(0.6):
                entry["nodePort"] = self.random.choice(NODE_PORTS)
            # What the API refuses: one number, or one nodePort, for two ports of a protocol.
            numbers = {(protocol, "port", entry["port"]),
                       (protocol, "nodePort", entry.get("nodePort", -len(ports)))}
            if not numbers & seen:
                seen |= numbers
                ports.append(entry)
        return ports

    def service(self, name, namespace):
        plain = self.often(0.3)  # with ClusterIPs only
        families = self.random.choice(((4,), (6,), (4, 6), (6, 4)))
        ips = [self.written(self.random.choice(SERVICE_IPS[f])) for f in families]
        spec = {"type": self.random.choice(("ClusterIP", "NodePort", "LoadBalancer",
                                            "LoadBalancer")),
                "clusterIP": ips[0], "clusterIPs": ips,
                "ipFamilies": [f"IPv{f}" for f in families], "ports": self._ports(plain)}
        thing = {"apiVersion": "v1", "kind": "Service",
                 "metadata": {"name": name, "namespace": namespace}, "spec": spec}
        for field in ("internalTrafficPolicy", "externalTrafficPolicy"):
            if self.often(0.6):
                spec[field] = self.random.choice(("Local", "Cluster"))
        if not plain and self.often(0.5):
            spec["externalIPs"] = self._addresses()
        if self.often(self.sticky):
            spec["sessionAffinity"] = "ClientIP"
            if self.often(0.7):
                spec["sessionAffinityConfig"] = {"clientIP": {
                    "timeoutSeconds": self.random.choice((60, 10800, 10800, 86400))}}
        if self.often(0.5):
            spec["loadBalancerSourceRanges"] = self.some(RANGES, 4)
        if not plain and self.often(0.6):
            thing["status"] = {"loadBalancer": {"ingress": self._ingress()}}
        self._spoil(thing)
        return self.created(thing)

    def _addresses(self):
        pool = EXTERNAL_IPS[4] + EXTERNAL_IPS[6]
        return [self.written(ip) for ip in self.some(pool, 3)] + \
            (["nonsense", ""] if self.often(0.1) else [])

    def _ingress(self):
        entries = [{"ip": ip} for ip in self._addresses()]
        for entry in entries:
            if self.often(0.3):
                entry["ipMode"] = self.random.choice(("VIP", "VIP", "Proxy"))
        return entries + ([{"hostname": "lb.example.net"}] if self.often(0.2) else [])

    def _spoil(self, thing):
        """Sometimes, what makes a Service none of ours, or old."""
        spec = thing["spec"]
        kind = self.random.randint(0, 24)
        if kind == 0:
            spec["type"] = "ExternalName"
        elif kind == 1:
            spec.update(clusterIP="None", clusterIPs=["None"])
        elif kind == 2:
            spec["clusterIP"] = ""
        elif kind == 3:
            thing["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "other"}
        elif kind == 4:
            del spec["ipFamilies"], spec["clusterIPs"]
        elif kind == 5:
            del spec["clusterIPs"][-1:]

    def _endpoint(self, ip, node, hints, mood):
        entry = {"addresses": [self.written(ip)] + ([REMOTE_IPS[4][0]] if self.often(0.05) else [])}
        if node:
            entry["nodeName"] = node
        conditions = {}
        for name, share in (("ready", 0.25), ("serving", 0.15), ("terminating", 0.7)):
            if self.often(0.7):
                conditions[name] = not self.often(share)
        if mood == "leaving" and not self.often(0.05):
            conditions.update(ready=False, terminating=True)
        elif mood == "dead" and not self.often(0.05):
            conditions.update(ready=False, serving=False)
        if self.often(0.1):
            conditions[self.random.choice(("ready", "serving", "terminating"))] = None
        if conditions or self.often(0.5):
            entry["conditions"] = conditions
        if hints:
            entry["hints"] = hints
        return entry

    def _hints(self):
        hints = {}
        if self.often(0.8):
            hints["forZones"] = [{"name": z} for z in self.some(ZONES[1:], 2)]
        if self.often(0.5):
            hints["forNodes"] = [{"name": n} for n in self.some((NODE, "node-2", "gone"), 2)]
        return hints

    def slices(self, name, namespace, ports=(), suffixes=("x", "y", "z")):
        """Those of one Service, most of them of its @ports. An address has one node and one set of hints in all of them: what
        two copies that differ there would mean is left open."""
        hinted = self.often(0.5)
        mood = self.random.choice(("mixed", "mixed", "mixed", "leaving", "leaving", "dead"))
        always = self.often(0.7)
        known = {}
        for family in (4, 6):
            for pool, node in ((LOCAL_IPS, NODE), (REMOTE_IPS, "node-2"), (FOREIGN_IPS, None)):
                for ip in pool[family]:
                    hints = self._hints() if hinted and (always or self.often(0.8)) else {}
                    known[ip] = node, hints
        things = []
        common = [self._slice_port(ports) for _ in range(self.random.randint(1, 4))]
        families = self.random.choice(((4,), (6,), (4, 6)))
        for suffix in suffixes[:self.random.randint(0, len(suffixes))]:
            family = self.random.choice(families)
            pool = self.random.choice((LOCAL_IPS[family], REMOTE_IPS[family],
                                       LOCAL_IPS[family] + REMOTE_IPS[family] +
                                       FOREIGN_IPS[family]))
            things.append({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": f"{name}-{suffix}", "namespace": namespace,
                             "labels": {"kubernetes.io/service-name": name}},
                "addressType": f"IPv{family}",
                "ports": common if self.often(0.7) else
                [self._slice_port(ports) for _ in range(self.random.randint(0, 4))],
                "endpoints": [self._endpoint(ip, *known[ip], mood)
                              for ip in self.some(pool, 9)]})
            self._spoil_slice(things[-1])
        return things

    def _slice_port(self, ports):
        entry = {"name": self.random.choice(PORT_NAMES), "port": self.random.choice((8080, 8081))}
        if ports and self.often(0.8):
            port = self.random.choice(ports)
            entry.update(name=port.get("name", ""), protocol=port.get("protocol", "TCP"))
        elif self.often(0.7):
            entry["protocol"] = self.random.choice(PROTOCOLS)
        if self.often(0.05):
            del entry[self.random.choice(("name", "port"))]
        return entry

    def _spoil_slice(self, thing):
        kind = self.random.randint(0, 24)
        if kind == 0:
            thing["addressType"] = "FQDN"
            thing["endpoints"] = [{"addresses": ["pod.example.net"]}]
        elif kind == 1:
            thing["metadata"]["labels"]["service.kubernetes.io/headless"] = ""
        elif kind == 2:
            thing["metadata"]["labels"].pop("kubernetes.io/service-name")
        elif kind == 3:
            thing["endpoints"] += [{"addresses": []}, {"addresses": ["10.244.0.256"]}]

    def cluster(self, at_least=1):
        """{(kind, namespace, name): object}"""
        things = [self.node(), self.service_cidr()]
        if self.often(0.3):
            things.append(self.service_cidr("more"))
        for i in range(self.random.randint(at_least, 5)):
            who = f"svc-{i}", self.random.choice(NAMESPACES)
            service = self.service(*who)
            things += [service, *self.slices(*who, service["spec"]["ports"])]
        self.random.shuffle(things)
        return {identity(thing): thing for thing in things}

    def _vary(self, service):
        """The same with one aspect of another one."""
        other = self.service(service["metadata"]["name"], service["metadata"]["namespace"])
        service = copy.deepcopy(service)
        for field in self.random.choice(ASPECTS):
            whole = field == "status"
            to, source = (service, other) if whole else (service["spec"], other["spec"])
            to.pop(field, None)
            if field in source:
                to[field] = source[field]
        return service

    def _of_the_cluster(self, things):
        """Something happens to the Node or to the ServiceCIDRs."""
        name = self.random.choice(("node", "node", "kubernetes", "more", "more"))
        if name == "node":
            if self.often(0.8):
                return [self.node()]
            things.pop(("Node", "", NODE), None)
            return []
        if self.often(0.3):
            things.pop(("ServiceCIDR", "", name), None)
            return []
        return [self.service_cidr(name)]

    def _exchange(self, things):
        """Two Services exchange what the API lets one of them only have, or three pass it on."""
        keys = [key for key in things if key[0] == "Service"]
        keys = self.random.sample(keys, min(len(keys), self.random.randint(2, 3)))
        fields = self.random.choice((("clusterIP", "clusterIPs", "ipFamilies"), ("ports",),
                                     ("externalIPs",), ("status",)))
        made = [copy.deepcopy(things[key]) for key in keys]
        for to, key in zip(made, keys[1:] + keys[:1]):
            for field in fields:
                into, source = (to, things[key]) if field == "status" else \
                    (to["spec"], things[key]["spec"])
                into.pop(field, None)
                if field in source:
                    into[field] = copy.deepcopy(source[field])
        return made

    def _event(self, things):
        """Something happens to @things."""
        name, namespace = f"svc-{self.random.randint(0, 4)}", self.random.choice(NAMESPACES)
        there = [key for key in things if key[0] == "Service" and key[2].startswith("svc-")]
        if there and self.often(0.8):
            _, namespace, name = self.random.choice(there)
        service = things.get(("Service", namespace, name))
        what = self.random.randint(-1, 11)
        if what == -1:
            return self._exchange(things)
        if what == 0:
            return self._of_the_cluster(things)
        if what == 1:
            things.pop(("Service", namespace, name), None)
            return []
        if what <= 5 and service:
            return [self._vary(service)]
        if what <= 7 or not service:
            return [self.service(name, namespace)]
        for key in [k for k in things if k[0] == "EndpointSlice" and k[1] == namespace and
                    k[2].startswith(name)]:
            del things[key]
        return self.slices(name, namespace, service["spec"]["ports"])

    def change(self, things):
        """The same with one to three events: objects that come, go or change."""
        things = copy.copy(things)
        for _ in range(self.random.randint(1, 3)):
            things.update((identity(thing), thing) for thing in self._event(things))
        return things


def identity(thing):
    return thing["kind"], thing["metadata"].get("namespace", ""), thing["metadata"]["name"]

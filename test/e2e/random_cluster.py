# SPDX-License-Identifier: GPL-2.0-or-later
"""Services and EndpointSlices that change at random, of every kind that oracle.py knows."""

import objects
import topology
from objects import endpoint, port

COUNT = 12  # Services there may be at a time

TIMEOUTS = (600, 10800, 86400)
RANGES = ("10.0.0.0/8", "198.19.0.0/16", "203.0.113.64/26", "2001:db8:19::/64",
          "fd00:10:244::/48")

_NODE_PORTS = 31000
_PODS = {f: [topology.pod_address(n, f) for n in (11, 12, 13)] +
         [topology.remote_address(n, f) for n in range(1, topology.REMOTE_POD_COUNT + 1)]
         for f in (4, 6)}
# Ready, not ready, terminating and still serving, terminating and not.
_CONDITIONS = ({}, {"ready": False}, {"ready": False, "serving": True, "terminating": True},
               {"ready": False, "serving": False, "terminating": True})
_WEIGHTS = (12, 2, 3, 1)


class Cluster:
    """@rng: what makes all decisions.  Objects are dictionaries by (kind, name)."""

    def __init__(self, rng):
        self.rng = rng
        self.objects = {}
        # Small pools: an address that a Service gives up is soon another one's.
        self._free = {"ip": list(range(1, COUNT + 4)), "outside": list(range(1, 2 * COUNT)),
                      "node port": list(range(3 * COUNT + 4))}
        self._held = {}

    def _take(self, name, pool):
        number = self._free[pool].pop(self.rng.randrange(len(self._free[pool])))
        self._held.setdefault(name, []).append((pool, number))
        return number

    def _give_back(self, name):
        for pool, number in self._held.pop(name, ()):
            self._free[pool].append(number)

    def _outside(self, name, families):
        number = self._take(name, "outside")
        addresses = {4: f"198.18.200.{number}", 6: f"2001:db8:18::c8:{number:x}"}
        return [addresses[f] for f in families]

    def _ports(self, name, with_node_ports):
        entries = [(80, "web", "TCP"), (80, "dns", "UDP"), (443, "tls", "TCP")]
        return [port(*entry, _NODE_PORTS + self._take(name, "node port")
                     if with_node_ports else None)
                for entry in self.rng.sample(entries, self.rng.randint(1, 3))]

    def _policies(self):
        chance = self.rng.random
        spec = {}
        if chance() < 0.3:
            spec["internalTrafficPolicy"] = "Local"
        if chance() < 0.4:
            spec["externalTrafficPolicy"] = "Local"
        if chance() < 0.4:
            spec["sessionAffinity"] = "ClientIP"
            spec["sessionAffinityConfig"] = {
                "clientIP": {"timeoutSeconds": self.rng.choice(TIMEOUTS)}}
        if chance() < 0.5:
            spec["loadBalancerSourceRanges"] = self.rng.sample(RANGES, self.rng.randint(1, 4))
        return spec

    def _make_service(self, name):
        self._give_back(name)
        families = self.rng.choice(((4,), (6,), (4, 6), (6, 4)))
        kind = self.rng.choice(("ClusterIP", "NodePort", "LoadBalancer"))
        number = self._take(name, "ip")
        ips = {4: f"10.96.200.{number}", 6: f"fd00:10:96::c8:{number:x}"}
        spec = {"type": kind, **self._policies()}
        if self.rng.random() < 0.3:
            spec["externalIPs"] = self._outside(name, families)
        ingress = self._outside(name, families) if kind == "LoadBalancer" else []
        service = objects.Service(name, {f: ips[f] for f in families},
                                  self._ports(name, kind != "ClusterIP"),
                                  ingress=[{"ip": address} for address in ingress], **spec)
        self.objects["Service", name] = service.object()

    def _make_slices(self, name):
        for key in [k for k, thing in self.objects.items() if k[0] == "EndpointSlice" and
                    thing["metadata"]["labels"]["kubernetes.io/service-name"] == name]:
            del self.objects[key]
        for family in (4, 6):
            count = self.rng.choice((0, 1, 2, 3, 4, 5, 8, 9, 17))
            chosen = [endpoint(address, **self.rng.choices(_CONDITIONS, _WEIGHTS)[0])
                      for address in self.rng.sample(_PODS[family], count)]
            cut = self.rng.choice((0, count, count // 2))
            for suffix, part in (("1", chosen[:cut]), ("2", chosen[cut:])):
                if part:
                    ports = ((8080, "web", "TCP"), (5353, "dns", "UDP"), (8443, "tls", "TCP"))
                    ports = self.rng.sample(ports, self.rng.choice((2, 3, 3, 3)))
                    piece = objects.endpoint_slice(name, part, ports, suffix)
                    self.objects["EndpointSlice", piece["metadata"]["name"]] = piece

    def _make(self, name):
        self._make_service(name)
        self._make_slices(name)

    def _remove(self, name):
        self._give_back(name)
        self.objects.pop(("Service", name), None)
        if self.rng.random() < 0.7:  # else its slices stay, as an orphan's may
            for key in [k for k in self.objects if k[1].startswith(f"{name}-ipv")]:
                del self.objects[key]

    def fill(self):
        """Half as many Services as there may be, and one with each affinity timeout."""
        for i in range(COUNT // 2):
            self._make(f"s{i}")
        for i, seconds in enumerate(TIMEOUTS):
            spec = self.objects["Service", f"s{i}"]["spec"]
            spec["sessionAffinity"] = "ClientIP"
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": seconds}}
            self.objects = {key: thing for key, thing in self.objects.items()
                            if not key[1].startswith(f"s{i}-")}
            pods = [_PODS[f][:3] for f in (4, 6)]
            for piece in pods:
                made = objects.endpoint_slice(f"s{i}", piece, (
                    (8080, "web", "TCP"), (5353, "dns", "UDP"), (8443, "tls", "TCP")))
                self.objects["EndpointSlice", made["metadata"]["name"]] = made

    def _change_one(self):
        name = f"s{self.rng.randrange(COUNT)}"
        if ("Service", name) not in self.objects:
            self._make(name)
        else:
            self.rng.choices((self._make_slices, self._change_policies, self._remove, self._make),
                             (12, 3, 2, 2))[0](name)

    def change(self, count=1):
        """So many changes; returns (objects that are new or changed, objects that are gone)."""
        before = dict(self.objects)
        for _ in range(count):
            self._change_one()
        return ([thing for key, thing in self.objects.items() if before.get(key) is not thing],
                [thing for key, thing in before.items() if key not in self.objects])

    def _change_policies(self, name):
        old = self.objects["Service", name]
        kept = {key: value for key, value in old["spec"].items()
                if key not in ("internalTrafficPolicy", "externalTrafficPolicy", "sessionAffinity",
                               "sessionAffinityConfig", "loadBalancerSourceRanges")}
        self.objects["Service", name] = {**old, "spec": {**kept, **self._policies()}}

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel should hold for a cluster's objects, computed a second time: from the words of
ruleset.md, section 5, and kube-proxy-behaviour.md, section 2, not from kubenft's code. And what it
does hold, by the word of nft.

It knows what the tests make: no topology hints, no two claims to one address, source ranges that do
not hold the node.

A state is {"ip" or "ip6": {map: {key: value}}}; a key is a tuple of strings and numbers. Which slot
an endpoint has depends on what was before, so a row of backends is the set of its endpoints: its
slots must be 0, 1, 2 ... without a hole, and no endpoint has two.
"""

import ipaddress
import json

import topology

TABLES = {4: "ip", 6: "ip6"}
LOCAL_BASE = 32768
AFFINITY_S = 10800


def _new_state():
    return {"frontends": {}, "backends": {}, "restricted-frontends": {}, "sticky-frontends": {},
            "local-frontends": {}, "cluster-frontends": {}, "sticky-timeouts": {},
            "cluster-ips": {}, "service-cidrs": {}, "pod-cidrs": {}, "internal": {},
            "external-cluster": {}, "external-local": {}, "hairpin": {}, "allowed-sources": {}}


# ---- What should be ------------------------------------------------------------------------------

def _family(address):
    return ipaddress.ip_network(address).version


def _of_family(addresses, family):
    return [a for a in addresses if _family(a) == family]


class _Endpoint:
    def __init__(self, entry, number):
        conditions = entry.get("conditions", {})
        self.at = (entry["addresses"][0], number)
        self.is_local = entry.get("nodeName") == topology.NODE_NAME
        self.is_ready = conditions.get("ready") is not False
        serves = conditions.get("serving", self.is_ready)
        self.is_draining = not self.is_ready and serves and bool(conditions.get("terminating"))


def _endpoints(pieces, family, entry):
    return [_Endpoint(e, p["port"]) for piece in pieces if piece["addressType"] == f"IPv{family}"
            for p in piece["ports"]
            if (p["name"], p["protocol"]) == (entry.get("name", ""), entry["protocol"])
            for e in piece["endpoints"]]


def _chosen(endpoints):
    """Those that are ready; when there is none, those that serve while they terminate."""
    return {e.at for e in endpoints if e.is_ready} or {e.at for e in endpoints if e.is_draining}


def _rung(prefix, row):
    size = 1
    while size < len(row):
        size *= 2
    return f"goto {prefix}-{size}"


class _Port:
    """A port of a Service in one family."""

    def __init__(self, service, pieces, family, entry):
        spec = service["spec"]
        self.spec, self.family, self.entry = spec, family, entry
        meta = service["metadata"]
        self.label = f"{meta['namespace']}/{meta['name']}" + \
            (f":{entry['name']}" if entry.get("name") else "")
        endpoints = _endpoints(pieces, family, entry)
        self.all = _chosen(endpoints)
        self.local = _chosen([e for e in endpoints if e.is_local])
        self.local_addresses = {e.at for e in endpoints if e.is_local}

    def frontends(self, service):
        """(kind, address, port number, is local only)"""
        spec, family, number = self.spec, self.family, self.entry["port"]
        ingress = [i["ip"] for i in
                   service.get("status", {}).get("loadBalancer", {}).get("ingress", [])]
        outside = spec.get("externalTrafficPolicy") == "Local"
        yield ("cluster", _of_family(spec["clusterIPs"], family)[0], number,
               spec.get("internalTrafficPolicy") == "Local")
        if "nodePort" in self.entry:
            yield "node", topology.NODE[family], self.entry["nodePort"], outside
        for address in _of_family(spec.get("externalIPs", []), family):
            yield "external", address, number, outside
        for address in _of_family(ingress, family):
            yield "balancer", address, number, outside

    def _policy(self, state, key, kind, local_only):
        """The verdict of the last level."""
        if not self.all:  # then there is none on this node either
            return "goto refuse"
        if not local_only:
            state["backends"][*key, 0] = frozenset(self.all)
            return _rung("slots", self.all)
        if self.local:
            state["backends"][*key, LOCAL_BASE] = frozenset(self.local)
        local = _rung("local-slots", self.local) if self.local else "drop"
        if kind == "cluster":
            return local
        state["backends"][*key, 0] = frozenset(self.all)
        state["cluster-frontends"][key] = _rung("slots", self.all)
        if self.local:
            state["local-frontends"][key] = local
        return "goto local-only"

    def add(self, state, kind, address, number, local_only):
        key = (address, self.entry["protocol"].lower(), number)
        verdict = self._policy(state, key, kind, local_only)
        if self.spec.get("sessionAffinity") == "ClientIP" and verdict not in ("drop", "goto refuse"):
            seconds = self.spec.get("sessionAffinityConfig", {}).get("clientIP", {}).get(
                "timeoutSeconds", AFFINITY_S)
            state["sticky-frontends"][key] = verdict
            state["sticky-timeouts"][key] = f"jump remember-{seconds}"
            verdict = "goto sticky"
        ranges = _of_family(self.spec.get("loadBalancerSourceRanges", []), self.family)
        if kind == "balancer" and ranges:
            state["restricted-frontends"][key] = verdict
            state["allowed-sources"].update({(*key, r): "" for r in ranges})
            verdict = "goto restricted"
        state["frontends"][key] = f"{verdict} for {self.label}"
        external = "external-local" if local_only else "external-cluster"
        state["internal" if kind == "cluster" else external][key] = ""
        used = (self.local if local_only else set()) | \
            (self.all if not local_only or kind != "cluster" else set())
        for address, _ in used & self.local_addresses:
            state["hairpin"][address, address] = ""


def _add_service(state, service, pieces, family):
    state["cluster-ips"][(_of_family(service["spec"]["clusterIPs"], family)[0],)] = ""
    for entry in service["spec"]["ports"]:
        port = _Port(service, pieces, family, entry)
        for front in port.frontends(service):
            port.add(state, *front)


def desired(things):
    """The state for @things, dictionaries."""
    states = {family: _new_state() for family in TABLES}
    for cidr in topology.CLUSTER_CIDRS.split(","):
        states[_family(cidr)]["pod-cidrs"][(cidr,)] = ""
    for thing in things:
        if thing["kind"] == "ServiceCIDR":
            for cidr in thing["spec"]["cidrs"]:
                states[_family(cidr)]["service-cidrs"][(cidr,)] = ""
        if thing["kind"] != "Service":
            continue
        meta = thing["metadata"]
        pieces = [p for p in things if p["kind"] == "EndpointSlice" and
                  p["metadata"]["namespace"] == meta["namespace"] and
                  p["metadata"]["labels"]["kubernetes.io/service-name"] == meta["name"]]
        for name in thing["spec"]["ipFamilies"]:
            family = int(name[-1])
            _add_service(states[family], thing, pieces, family)
    return {TABLES[family]: state for family, state in states.items()}


# ---- What is -------------------------------------------------------------------------------------

def _field(value):
    if isinstance(value, dict):
        (kind, inner), = value.items()
        if kind == "prefix":
            return f"{inner['addr']}/{inner['len']}"
        if kind == "range":
            return "-".join(inner)
    return value


def _key(value):
    """(key, comment) of an element."""
    comment = ""
    if isinstance(value, dict) and "elem" in value:
        value, comment = value["elem"]["val"], value["elem"].get("comment", "")
    if isinstance(value, dict) and "concat" in value:
        return tuple(_field(v) for v in value["concat"]), comment
    return (_field(value),), comment


def _value(value, comment):
    if isinstance(value, dict) and "concat" in value:
        return tuple(value["concat"])
    (verdict, target), = value.items()
    return (f"{verdict} {target['target']}" if target else verdict) + \
        (f" for {comment}" if comment else "")


def _elements(listed):
    found = {}
    for element in listed.get("elem", []):
        pair = isinstance(element, list)
        key, comment = _key(element[0] if pair else element)
        found[key] = _value(element[1], comment) if pair else comment
    return found


def _rows(backends):
    """Slots as rows; one that is not as it should be is shown as it is."""
    rows = {}
    for (address, protocol, number, slot), endpoint in backends.items():
        base = LOCAL_BASE if slot >= LOCAL_BASE else 0
        rows.setdefault((address, protocol, number, base), {})[slot - base] = endpoint
    for key, row in rows.items():
        endpoints = frozenset(row.values())
        if sorted(row) == list(range(len(endpoints))):
            rows[key] = endpoints
    return rows


class Table:
    """A table as nft lists it: its elements, and everything else as something to compare."""

    def __init__(self, t, family):
        name = TABLES[family]
        self.elements, self.frame = {}, {}
        listed = t.nft("-j", "list", "table", name, "kubenft")
        if listed.returncode != 0:
            return
        try:
            items = json.loads(listed.stdout)["nftables"]
        except json.JSONDecodeError:  # somebody else's, or caught while it changed
            self.frame["cannot be read", ""] = listed.stdout[:500]
            return
        for item in items:
            (kind, value), = item.items()
            if kind == "metainfo":
                continue
            value.pop("handle", None)
            if kind in ("set", "map") and value["name"] != "affinity":
                self.elements[value["name"]] = _elements(value)
            value.pop("elem", None)
            place = (kind, value.get("chain", value.get("name")))
            self.frame.setdefault(place, []).append(value)
        head = t.nft("-t", "list", "table", name, "kubenft").stdout.splitlines()
        self.frame["head", ""] = [line for line in head if line.startswith(("\tflags", "\tcomment"))]
        self.elements["backends"] = _rows(self.elements.get("backends", {}))


def _differences(name, wanted, found):
    for key in sorted(wanted.keys() | found.keys(), key=str):
        if wanted.get(key) != found.get(key):
            yield f"{name} {key}: should be {wanted.get(key)}, is {found.get(key)}"


def _frame_differences(name, wanted, found, timeouts):
    for place in sorted(wanted.keys() | found.keys()):
        kept = place[1].removeprefix("remember-")  # chains that no Service needs any more may stay
        if kept.isdigit() and place not in found and kept not in timeouts:
            continue
        if wanted.get(place) != found.get(place):
            yield f"{name} {' '.join(place)}: should be {wanted.get(place)}, is {found.get(place)}"


def faults(state, tables, frames):
    """A line for each place where the kernel is not as it should be.

    @state: desired().  @tables: {"ip" and "ip6": Table}.  @frames: {the same: Table.frame} of
    tables that nobody has touched, with a remember chain for every timeout that is used.
    """
    lines = []
    for name, wanted in state.items():
        found = tables[name].elements
        for kind in sorted(wanted.keys() | found.keys()):
            lines += _differences(f"{name} {kind}", wanted.get(kind, {}), found.get(kind, {}))
        timeouts = {v.rpartition("-")[2] for v in wanted["sticky-timeouts"].values()}
        lines += _frame_differences(name, frames[name], tables[name].frame, timeouts)
    return lines


def read(t):
    return {TABLES[family]: Table(t, family) for family in TABLES}

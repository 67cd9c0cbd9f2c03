# SPDX-License-Identifier: GPL-2.0-or-later
"""Kubernetes objects for the tests, and how they are written to files."""

import ipaddress
import json
import re

import topology

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*\Z")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "none"}

_SLICE_API = "discovery.k8s.io/v1"
_CREATED = "2026-01-01T00:00:00Z"


def node(name=topology.NODE_NAME, addresses=topology.NODE, **extra):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "creationTimestamp": _CREATED},
            "status": {"addresses": [{"type": "Hostname", "address": name}] +
                       [{"type": "InternalIP", "address": address}
                        for address in addresses.values()]}, **extra}


def service_cidr():
    return {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
            "metadata": {"name": "kubernetes", "creationTimestamp": _CREATED},
            "spec": {"cidrs": list(topology.SERVICE_CIDRS.values())}}


def port(number, name="", protocol="TCP", node_port=None):
    """An entry of spec.ports. targetPort is not looked at by a proxy, so none is given."""
    entry = {"port": number, "protocol": protocol}
    if name:
        entry["name"] = name
    if node_port is not None:
        entry["nodePort"] = node_port
    return entry


class Service:
    """A Service with one ClusterIP for each family in @ips, e.g. {4: "10.96.0.7"}."""

    def __init__(self, name, ips, ports, namespace="default", created=_CREATED, ingress=(),
                 **spec):
        """@ingress: entries of status.loadBalancer.ingress."""
        self.name = name
        self.namespace = namespace
        self.ips = ips
        self.ports = ports
        self.created = created
        self.ingress = ingress
        self.spec = spec

    def ip(self, family):
        return self.ips[family]

    def object(self):
        has_node_port = any("nodePort" in entry for entry in self.ports)
        addresses = list(self.ips.values())
        spec = {"type": "NodePort" if has_node_port else "ClusterIP",
                "clusterIP": addresses[0], "clusterIPs": addresses,
                "ipFamilies": [f"IPv{family}" for family in self.ips],
                "ports": self.ports}
        spec.update(self.spec)
        whole = {"apiVersion": "v1", "kind": "Service",
                 "metadata": {"name": self.name, "namespace": self.namespace,
                              "creationTimestamp": self.created},
                 "spec": spec}
        if self.ingress:
            whole["status"] = {"loadBalancer": {"ingress": list(self.ingress)}}
        return whole


def endpoint(address, **conditions):
    """conditions: ready, serving, terminating; those not given are absent, None is null."""
    local = topology.is_local(address)
    entry = {"addresses": [address],
             "nodeName": topology.NODE_NAME if local else topology.REMOTE_NAME}
    if conditions:
        entry["conditions"] = conditions
    return entry


def endpoint_slice(service, endpoints, ports=((8080, "", "TCP"),), suffix="1"):
    """@endpoints: addresses, or what endpoint() made. @ports: (number, name, protocol)."""
    entries = [endpoint(e) if isinstance(e, str) else e for e in endpoints]
    family = ipaddress.ip_address(entries[0]["addresses"][0]).version if entries else 4
    name = service if isinstance(service, str) else service.name
    namespace = "default" if isinstance(service, str) else service.namespace
    return {"apiVersion": _SLICE_API, "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-ipv{family}-{suffix}", "namespace": namespace,
                         "creationTimestamp": _CREATED,
                         "labels": {"kubernetes.io/service-name": name}},
            "addressType": f"IPv{family}",
            "ports": [{"name": name, "port": number, "protocol": protocol}
                      for number, name, protocol in ports],
            "endpoints": entries}


def as_objects(things):
    return [thing.object() if isinstance(thing, Service) else thing for thing in things]


def as_list(things):
    """What kubectl get prints for several objects."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""},
            "items": as_objects(things)}


def _scalar(value):
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)  # JSON's scalars, [] and {} are YAML as well


def _yaml(value, indent, lines, lead):
    """Block style, as kubectl prints it: a list is not indented below its key."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        for i, (key, item) in enumerate(value.items()):
            start = lead if i == 0 else pad
            if isinstance(item, (dict, list)) and item:
                lines.append(f"{start}{_scalar(key)}:")
                deeper = indent if isinstance(item, list) else indent + 1
                _yaml(item, deeper, lines, "  " * deeper)
            else:
                lines.append(f"{start}{_scalar(key)}: {_scalar(item)}")
    elif isinstance(value, list) and value:
        for i, item in enumerate(value):
            _yaml(item, indent + 1, lines, (lead if i == 0 else pad) + "- ")
    else:
        lines.append(lead + _scalar(value))


def to_yaml(value):
    lines = []
    _yaml(value, 0, lines, "")
    return "\n".join(lines) + "\n"


def yaml_documents(things):
    return "---\n".join(to_yaml(thing) for thing in as_objects(things))


def yaml_list(things):
    return to_yaml(as_list(things))


def json_list(things):
    return json.dumps(as_list(things), indent=4) + "\n"


def json_stream(things):
    return "\n".join(json.dumps(thing) for thing in as_objects(things)) + "\n"

# SPDX-License-Identifier: GPL-2.0-or-later
"""metadata.managedFields, so that clients see some: one entry for each who wrote."""

import json

# Lists whose entries are told apart by keys, and maps that are one value, by their field.
_KEYED = {"ports": ("port", "protocol"), "conditions": ("type",), "addresses": ("type",),
          "ingress": None}
# What the server chose by itself belongs to nobody.
_ALLOCATED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")
_ATOMIC = frozenset(("selector", "nodeSelector", "nodeInfo"))


def _entry_key(entry, names):
    found = {name: entry[name] for name in names if name in entry}
    return "k:" + json.dumps(found, separators=(",", ":"))


def _tree(value, name=""):
    if isinstance(value, dict) and name not in _ATOMIC:
        return {".": {}, **{f"f:{key}": _tree(item, key) for key, item in sorted(value.items())}}
    names = _KEYED.get(name)
    if names and isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
        found = {_entry_key(entry, names): _tree(entry) for entry in value}
        return {".": {}, **dict(sorted(found.items()))}
    return {}


def _chosen(spec, given):
    """A Service's spec without what its client left to the server."""
    found = {name: item for name, item in spec.items()
             if name not in _ALLOCATED or name in given}
    if not any("nodePort" in entry for entry in given.get("ports") or ()):
        found["ports"] = [{name: item for name, item in entry.items() if name != "nodePort"}
                          for entry in spec.get("ports") or ()]
    if not found.get("ports"):
        found.pop("ports", None)
    return found


def _fields(kind, value, subresource, given):
    """fieldsV1 of a whole object."""
    spec = given.get("spec") if isinstance(given, dict) else None
    if kind.kind == "Service" and isinstance(spec, dict):
        value = {**value, "spec": _chosen(value["spec"], spec)}
    meta = value.get("metadata", {})
    found = {}
    if not subresource:
        trees = {f"f:{name}": _tree(meta[name]) for name in ("annotations", "labels")
                 if meta.get(name)}
        if trees:
            found["f:metadata"] = trees
    for name, item in value.items():
        if name in ("kind", "apiVersion", "metadata") or (name == "status") != bool(subresource):
            continue
        # A slice's lists are replaced whole, and are no larger here than there.
        tree = {} if kind.counts else _tree(item)
        tree.pop(".", None)
        found[f"f:{name}"] = tree
    return dict(sorted(found.items()))


def update(kind, value, before, manager, subresource, time, given=None):
    """The list of entries after @manager wrote @value. @given: what the client had sent."""
    entry = {"manager": manager, "operation": "Update", "apiVersion": kind.api, "time": time,
             "fieldsType": "FieldsV1", "fieldsV1": _fields(kind, value, subresource, given)}
    if subresource:
        entry["subresource"] = subresource
    kept = before.get("metadata", {}).get("managedFields") or \
        value.get("metadata", {}).get("managedFields") or []
    others = [other for other in kept
              if (other.get("manager"), other.get("subresource", "")) != (manager, subresource)]
    return [*others, entry]

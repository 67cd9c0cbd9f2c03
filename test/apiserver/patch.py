# SPDX-License-Identifier: GPL-2.0-or-later
"""The three kinds of PATCH that clients send."""

import copy

from .status import Refusal, bad_request

# Lists that a strategic merge merges entry by entry; all others it replaces.
_MERGE_KEYS = {
    "Service": {"ports": "port", "conditions": "type"},
    "Node": {"addresses": "type", "conditions": "type"},
    "ServiceCIDR": {"conditions": "type"},
    "DaemonSet": {"containers": "name", "initContainers": "name", "env": "name",
                  "ports": "containerPort", "volumeMounts": "mountPath", "volumes": "name"},
}
_SETS = frozenset(("finalizers",))


def merge(target, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    found = dict(target) if isinstance(target, dict) else {}
    for name, item in patch.items():
        if item is None:
            found.pop(name, None)
        else:
            found[name] = merge(found.get(name), item)
    return found


def strategic(kind, target, patch):
    """Kubernetes' own; kinds without merge keys get what a plain merge gives."""
    return _strategic(_MERGE_KEYS.get(kind.kind, {}), target, patch)


def _strategic(keys, target, patch):
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "delete":
        return {}
    found = dict(target) if isinstance(target, dict) and directive != "replace" else {}
    retained = patch.get("$retainKeys")
    if retained is not None:
        found = {name: item for name, item in found.items() if name in retained}
    for name, item in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            name = name.partition("/")[2]
            found[name] = [have for have in found.get(name, []) if have not in item]
        elif name.startswith("$"):
            continue
        elif item is None:
            found.pop(name, None)
        elif isinstance(item, list) and name in keys:
            found[name] = _entries(keys, found.get(name) or [], item, keys[name])
        elif isinstance(item, list) and name in _SETS:
            have = found.get(name) or []
            found[name] = [*have, *(entry for entry in item if entry not in have)]
        else:
            found[name] = _strategic(keys, found.get(name), item)
    return found


def _entries(keys, target, patch, key):
    if any(entry.get("$patch") == "replace" for entry in patch):
        return [entry for entry in patch if "$patch" not in entry]
    found = list(target)
    for entry in patch:
        at = next((i for i, have in enumerate(found) if have.get(key) == entry.get(key)), None)
        if entry.get("$patch") == "delete":
            if at is not None:
                del found[at]
        elif at is None:
            found.append(_strategic(keys, {}, entry))
        else:
            found[at] = _strategic(keys, found[at], entry)
    return found


def _step(value, word):
    if isinstance(value, list):
        return value[int(word)]
    return value[word]


def _apply(root, operation):
    """One operation of RFC 6902."""
    path = [word.replace("~1", "/").replace("~0", "~")
            for word in operation["path"].split("/")[1:]]
    action = operation["op"]
    if action in ("move", "copy"):
        source = {"op": "remove", "path": operation["from"]}
        value = root
        for word in operation["from"].split("/")[1:]:
            value = _step(value, word.replace("~1", "/").replace("~0", "~"))
        if action == "move":
            _apply(root, source)
        operation = {"op": "add", "path": operation["path"], "value": copy.deepcopy(value)}
        return _apply(root, operation)
    *above, last = path
    parent = root
    for word in above:
        parent = _step(parent, word)
    if action == "test":
        if _step(parent, last) != operation["value"]:
            raise Refusal(422, f"the server rejected our request: test of {operation['path']} "
                          "failed", "Invalid")
    elif isinstance(parent, list):
        at = len(parent) if last == "-" else int(last)
        if action != "add":
            del parent[at]
        if action != "remove":
            parent.insert(at, operation["value"])
    elif action == "remove":
        del parent[last]
    else:
        parent[last] = operation["value"]
    return root


def json_patch(target, operations):
    found = copy.deepcopy(target)
    try:
        for operation in operations:
            _apply(found, operation)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise bad_request(f"the patch cannot be applied: {error!r}") from None
    return found


def apply(kind, content_type, target, patch):
    if content_type == "application/merge-patch+json":
        return merge(target, patch)
    if content_type == "application/strategic-merge-patch+json":
        return strategic(kind, target, patch)
    if content_type == "application/json-patch+json":
        return json_patch(target, patch)
    raise Refusal(415, "the body of the request was in an unknown format - accepted media types "
                  "include: application/json-patch+json, application/merge-patch+json, "
                  "application/strategic-merge-patch+json", "UnsupportedMediaType")

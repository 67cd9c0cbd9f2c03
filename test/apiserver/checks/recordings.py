# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded answers of a real API server, asked for again.

The stand-in takes over the recorded objects with their revisions; then most bodies have to be
equal to the byte, and the rest but for what changes from run to run.
"""

import functools
import glob
import json
import os
import re
import tempfile

from .. import auth, control
from .client import Raw, fetch_json, parse
from .harness import Skip, case, equal, rows, shared, true

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
RECORDINGS = os.path.join(os.path.dirname(TOP), "shared", "recordings")
LISTS = ("list-services", "list-endpointslices", "list-node", "list-servicecidrs")
COMPACTED = 243  # as the recorded server says in watch-too-old
# Of these the values differ from run to run.
_LOOSE = frozenset(("Audit-Id", "Date", "X-Kubernetes-Pf-Flowschema-Uid",
                    "X-Kubernetes-Pf-Prioritylevel-Uid"))
_CHANGING = re.compile(rb'("(?:uid|creationTimestamp|time)"):"[^"]*"')
_BOOKMARK = re.compile(rb'("type":"BOOKMARK".*?"resourceVersion"):"\d+"')
_CLIENT = (("Accept", "application/json"), ("User-Agent", ""))
SAME = ("list-services", "list-endpointslices", "list-node", "list-servicecidrs",
        "list-services-page1", "list-services-page2", "list-bad-continue", "bad-selector",
        "forbidden", "invalid-sendinitialevents", "not-found", "unauthorized", "watch-too-old",
        "watch-expired", "watch-future", "watchlist-services", "watchlist-endpointslices")
OTHERS = ("version", "watch-endpointslices-events")
SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"name": "sticky-1", "namespace": "shop",
                      "labels": {"kubernetes.io/service-name": "sticky"}},
         "addressType": "IPv4",
         "endpoints": [{"addresses": ["10.244.1.9"], "conditions": {"ready": True},
                        "nodeName": "node1"}],
         "ports": [{"name": "", "protocol": "TCP", "port": 8080}]}


def read(name):
    """(path that was asked for, the answer's bytes)."""
    try:
        with open(os.path.join(RECORDINGS, f"{name}.http"), "rb") as file:
            text = file.read()
    except FileNotFoundError:
        raise Skip(f"no recordings beside the checkout ({name})") from None
    request, _, answer = text.partition(b"\n---\n")
    return re.search(rb"^GET (\S+) HTTP", request, re.MULTILINE)[1].decode(), answer


@functools.cache
def recorded_lists():
    return [json.loads(parse(read(name)[1])[2]) for name in LISTS]


def restored():
    """A server with the recorded objects."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"lists": recorded_lists(), "compacted": COMPACTED}, file)
        file.flush()
        return control.Server(restore=file.name)


def replay(server, name):
    path, _ = read(name)
    token = {"unauthorized": "wrong", "forbidden": server.token("nobody")}.get(name)
    with Raw(server) as client:
        client.ask(path, token=token, headers=(*_CLIENT, ("Connection", "close")))
        return client.read_all()


def same_head(name, expected, got):
    """Status, names of headers in their order, values where they mean something."""
    equal(f"{name}: status", expected[0], got[0])
    headers = [(k, v) for k, v in got[1] if k != "Connection"]
    equal(f"{name}: headers", sorted(k for k, _ in expected[1]), sorted(k for k, _ in headers))
    for key, value in expected[1]:
        if key not in _LOOSE and (key != "Content-Length" or name != "version"):
            equal(f"{name}: {key}", value, dict(headers)[key])


def normal(body):
    return _BOOKMARK.sub(rb'\1:"0"', _CHANGING.sub(rb'\1:""', body))


@case
def every_recording_is_checked():
    if not os.path.isdir(RECORDINGS):
        raise Skip("no recordings beside the checkout")
    found = {os.path.basename(path)[:-5] for path in glob.glob(f"{RECORDINGS}/*.http")}
    equal("recordings", found, set(SAME) | set(OTHERS))


@rows([(name,) for name in SAME], "recording {0} is answered to the byte")
def answered_to_the_byte(name):
    expected = parse(read(name)[1])
    got = parse(replay(shared(restored), name))
    same_head(name, expected, got)
    equal(f"{name}: body", normal(expected[2]), normal(got[2]))


def shape(value):
    """What of a value has to be the same: keys, types, the shape of a list's entries."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


@case
def recording_version_has_the_same_keys():
    expected = parse(read("version")[1])
    got = parse(replay(shared(restored), "version"))
    same_head("version", expected, got)
    equal("keys", shape(json.loads(expected[2])), shape(json.loads(got[2])))
    true("indented as there", got[2].startswith(b'{\n  "major": "1",\n  "minor": "36",\n'))


@case
def recording_watch_endpointslices_events_is_lived_through_again():
    path, answer = read("watch-endpointslices-events")
    expected = parse(answer)
    with restored() as server, Raw(server) as client:
        # Longer, for a machine that is slow: all has to happen before the end.
        client.ask(path.replace("timeoutSeconds=3", "timeoutSeconds=5"),
                   headers=(*_CLIENT, ("Connection", "close")))
        server.wait_watches(1)
        base = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        label = "service.kubernetes.io/headless"
        second = {"addresses": ["10.244.2.9"], "conditions": {"ready": True},
                  "nodeName": "node2"}
        merge = (("Content-Type", "application/merge-patch+json"),)
        steps = [("POST", base, (), SLICE)]
        steps += [("PATCH", f"{base}/sticky-1", merge, change) for change in (
            {"endpoints": [*SLICE["endpoints"], second]},
            {"metadata": {"labels": {label: ""}}}, {"metadata": {"labels": {label: None}}})]
        steps.append(("DELETE", f"{base}/sticky-1", (), b""))
        for method, where, headers, body in steps:
            status, _ = fetch_json(server, where, method, headers=headers, body=body)
            equal(f"{method} {where}", 201 if method == "POST" else 200, status)
        got = parse(client.read_all())
    same_head("events", expected, got)

    def lines(body):
        """Bookmarks that say the same twice count once."""
        found = body.splitlines()
        return [line for i, line in enumerate(found)
                if not (i and line == found[i - 1] and b"BOOKMARK" in line)]
    equal("events", lines(_CHANGING.sub(rb'\1:""', expected[2])),
          lines(_CHANGING.sub(rb'\1:""', got[2])))


def _applied():
    """(recorded object, what kubectl had sent for it), for all that were applied."""
    note = "kubectl.kubernetes.io/last-applied-configuration"
    for content in recorded_lists()[:2]:
        for item in content["items"]:
            text = item["metadata"].get("annotations", {}).get(note)
            if text:
                sent = json.loads(text)
                sent["metadata"]["annotations"][note] = text
                yield item, sent


@case
def objects_that_were_recorded_are_defaulted_as_they_were():
    """What kubectl had applied, sent again: the same keys come back, managedFields included."""
    lists = recorded_lists()
    namespaces = sorted({item["metadata"].get("namespace", "") for content in lists
                         for item in content["items"]} - {""})
    with control.Server() as server:
        for name in namespaces:
            server.do("put", items=[{"apiVersion": "v1", "kind": "Namespace",
                                     "metadata": {"name": name}}])
        for item, sent in _applied():
            meta = sent["metadata"]
            base = "/api/v1" if sent["kind"] == "Service" else f"/apis/{sent['apiVersion']}"
            plural = sent["kind"].lower() + "s"
            path = (f"{base}/namespaces/{meta['namespace']}/{plural}"
                    "?fieldManager=kubectl-client-side-apply")
            status, made = fetch_json(server, path, "POST", body=sent)
            equal(f"creating {meta['name']}", 201, status)
            for each in (made, item):
                each["metadata"]["managedFields"] = [
                    entry for entry in each["metadata"]["managedFields"]
                    if entry["manager"] == "kubectl-client-side-apply"]
                each.pop("status", None)  # by another writer
                each.pop("kind", None)
                each.pop("apiVersion", None)
            equal(f"keys of {meta['name']}", shape(item), shape(made))
            equal(f"spec of {meta['name']}", _settled(item), _settled(made))


def _settled(item):
    """What a server decides freely is left out."""
    spec = dict(item.get("spec", {}))
    for name in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        spec.pop(name, None)
    asked = "nodePort" in json.dumps(
        item["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    spec["ports"] = [{key: value for key, value in entry.items() if asked or key != "nodePort"}
                     for entry in spec.get("ports", [])]
    return {**spec, **{name: item[name] for name in ("addressType", "endpoints", "ports")
                       if name in item}}


@case
def a_recorded_continue_token_is_understood():
    path, answer = read("list-services-page2")
    server = shared(restored)
    _, got = fetch_json(server, path, token=server.token(auth.PROXY))
    equal("names", [item["metadata"]["name"] for item in json.loads(parse(answer)[2])["items"]],
          [item["metadata"]["name"] for item in got["items"]])

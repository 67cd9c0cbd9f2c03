# SPDX-License-Identifier: GPL-2.0-or-later
"""POST, PUT, PATCH, DELETE, and the control interface's put and load."""

import json
import tempfile

from .. import control
from .client import SERVICES, Stream, endpoint_slice, fetch_json, service
from .harness import case, equal, rows, true

SHOP = "/api/v1/namespaces/shop/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
EVENT = {"apiVersion": "events.k8s.io/v1", "kind": "Event",
         "metadata": {"generateName": "node.", "namespace": "default"},
         "eventTime": "2026-01-01T00:00:00.000000Z", "reason": "Starting", "type": "Normal",
         "action": "StartKubeProxy", "reportingController": "kube-proxy",
         "reportingInstance": "kube-proxy-node", "regarding": {"kind": "Node", "name": "node"}}


def without_namespaces(server):
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})


def send(server, method, path, body, kind="application/json"):
    return fetch_json(server, path, method, headers=(("Content-Type", kind),),
                      body=json.dumps(body).encode())


@case
def a_service_is_created_with_what_a_server_gives_it():
    with control.Server() as server:
        bare = {"metadata": {"name": "a", "uid": "mine", "resourceVersion": "7"},
                "spec": {"ports": [{"port": 80}]}}
        status, body = send(server, "POST", SHOP, bare)
        equal("no namespace", (404, "namespaces"), (status, body["details"]["kind"]))
        without_namespaces(server)
        status, made = send(server, "POST", SHOP, bare)
        equal("status", 201, status)
        meta = made["metadata"]
        true("uid", len(meta["uid"]) == 36)
        equal("revision", server.state()["revision"], int(meta["resourceVersion"]))
        true("creationTimestamp", meta["creationTimestamp"].endswith("Z"))
        true("managedFields", meta["managedFields"][0]["fieldsV1"]["f:spec"]["f:ports"])
        equal("port", {"port": 80, "protocol": "TCP", "targetPort": 80}, made["spec"]["ports"][0])
        true("clusterIP", made["spec"]["clusterIP"].startswith("10.96."))
        status, body = send(server, "POST", SHOP, bare)
        equal("again", (409, "AlreadyExists"), (status, body["reason"]))


@case
def generation_and_revision_count_and_nothing_happens_for_nothing():
    with control.Server() as server:
        without_namespaces(server)
        _, made = send(server, "POST", SLICES, endpoint_slice("web-1"))
        _, same = send(server, "PUT", f"{SLICES}/web-1", made)
        equal("unchanged", made["metadata"]["resourceVersion"],
              same["metadata"]["resourceVersion"])
        made["endpoints"][0]["addresses"] = ["10.244.0.2"]
        _, changed = send(server, "PUT", f"{SLICES}/web-1", made)
        equal("generation", (1, 2), (made["metadata"]["generation"],
                                     changed["metadata"]["generation"]))
        equal("revision", int(made["metadata"]["resourceVersion"]) + 1,
              int(changed["metadata"]["resourceVersion"]))
        status, body = send(server, "PUT", f"{SLICES}/web-1", made)
        equal("an old revision", (409, "Conflict"), (status, body["reason"]))


PATCHES = (
    ("application/merge-patch+json", {"spec": {"selector": {"a": None, "b": "2"}}},
     lambda spec: spec["selector"], {"b": "2"}),
    ("application/merge-patch+json", {"spec": {"ports": [{"port": 1}]}},
     lambda spec: [entry["port"] for entry in spec["ports"]], [1]),
    ("application/strategic-merge-patch+json", {"spec": {"ports": [{"port": 81}]}},
     lambda spec: [entry["port"] for entry in spec["ports"]], [80, 81]),
    ("application/strategic-merge-patch+json",
     {"spec": {"ports": [{"port": 80, "$patch": "delete"}, {"port": 82}]}},
     lambda spec: [entry["port"] for entry in spec["ports"]], [82]),
    ("application/strategic-merge-patch+json",
     {"spec": {"$setElementOrder/ports": [{"port": 80}], "ports": [{"port": 80, "name": "x"}]}},
     lambda spec: (spec["ports"][0]["name"], len(spec["ports"])), ("x", 1)),
    ("application/json-patch+json",
     [{"op": "test", "path": "/spec/ports/0/port", "value": 80},
      {"op": "add", "path": "/spec/ports/-", "value": {"port": 83}},
      {"op": "replace", "path": "/spec/ports/0/name", "value": "first"},
      {"op": "remove", "path": "/spec/selector/a"}],
     lambda spec: ([entry["port"] for entry in spec["ports"]], spec["ports"][0]["name"],
                   spec["selector"]), ([80, 83], "first", {"c": "3"})),
)


@rows(PATCHES, "a {0} with {1} is applied")
def patches(kind, body, view, expected):
    with control.Server() as server:
        server.put(service("a", selector={"a": "1", "c": "3"}))
        if "selector" in body if isinstance(body, list) else "selector" in body["spec"]:
            server.put(service("a", selector={"a": "1"}))
        status, made = send(server, "PATCH", f"{SHOP}/a", body, kind)
        equal("status", 200, status)
        equal("result", expected, view(made["spec"]))


@case
def patches_that_cannot_be_applied_are_refused():
    with control.Server() as server:
        server.put(service("a"))
        for kind, body, code in (
                ("application/json-patch+json", [{"op": "remove", "path": "/none/x"}], 400),
                ("application/json-patch+json",
                 [{"op": "test", "path": "/spec/type", "value": "x"}], 422),
                ("application/merge-patch+json", {"metadata": {"name": "b"}}, 400),
                ("application/merge-patch+json", {"metadata": {"resourceVersion": "1"}}, 409),
                ("application/merge-patch+json", {"spec": 5}, 422),
                ("application/apply-patch+yaml", {}, 415),
                ("text/plain", {}, 415)):
            equal(f"{kind} {body}", code, send(server, "PATCH", f"{SHOP}/a", body, kind)[0])


@case
def status_has_a_path_of_its_own():
    with control.Server() as server:
        server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
        addresses = {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}
        both = {"spec": {"podCIDR": "10.0.0.0/24"}, "status": addresses}
        merge = "application/merge-patch+json"
        _, made = send(server, "PATCH", "/api/v1/nodes/n/status", both, merge)
        equal("only the status", (addresses, None), (made["status"], made.get("spec")))
        _, made = send(server, "PATCH", "/api/v1/nodes/n", {**both, "status": {}}, merge)
        equal("all but the status", (addresses, "10.0.0.0/24"),
              (made["status"], made["spec"]["podCIDR"]))


@case
def deletion_and_its_preconditions():
    with control.Server() as server:
        server.put(service("a"))
        status, _ = send(server, "DELETE", f"{SHOP}/a", {"preconditions": {"uid": "other"}})
        equal("another uid", 409, status)
        status, body = send(server, "DELETE", f"{SHOP}/a", {})
        equal("done", (200, "Success", "a"), (status, body["status"], body["details"]["name"]))
        equal("again", 404, send(server, "DELETE", f"{SHOP}/a", {})[0])


@case
def a_namespace_takes_its_objects_with_it():
    with control.Server() as server:
        revision = server.put(service("a"), service("b"), service("c", namespace="else"))
        with Stream(server, f"{SERVICES}?watch=1&resourceVersion={revision}") as stream:
            server.delete("namespaces", "", "shop")
            equal("events", ["DELETED a", "DELETED b"], stream.summary(2))
        _, body = fetch_json(server, SERVICES)
        equal("left", 1, len(body["items"]))


@case
def events_are_accepted_and_kept():
    with control.Server() as server:
        path = "/apis/events.k8s.io/v1/namespaces/default/events"
        status, made = fetch_json(server, path, "POST", body=EVENT,
                                  token=server.token("system:kube-proxy"))
        equal("status", 201, status)
        _, body = fetch_json(server, path)
        equal("kept", [made["metadata"]["name"]],
              [item["metadata"]["name"] for item in body["items"]])
        equal("counted", {"create": 1, "list": 1},
              server.state()["counts"]["events.k8s.io/v1/events"])


@case
def put_takes_objects_as_they_are_and_replace_deletes_the_others():
    with control.Server() as server:
        server.put(service("a"), service("b"), endpoint_slice("s"))
        odd = service("a")
        odd["spec"]["ports"] = "nonsense"
        odd["unknown"] = {"x": [1, None, "\u00e9\U0001f600"]}
        server.replace(odd)
        _, body = fetch_json(server, SERVICES)
        equal("services", 1, len(body["items"]))
        equal("as it is", ("nonsense", odd["unknown"]),
              (body["items"][0]["spec"]["ports"], body["items"][0]["unknown"]))
        equal("another kind stays", 1,
              server.state()["objects"]["discovery.k8s.io/v1/endpointslices"])


@case
def a_list_is_loaded_from_a_file():
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List",
                   "items": [service("a"), endpoint_slice("s")]}, file)
        file.flush()
        with control.Server(load=[file.name]) as server:
            equal("get", "10.96.0.1", server.get("services", "shop", "a")["spec"]["clusterIP"])
            equal("again", 2, server.load(file.name))


@case
def mistakes_at_the_control_interface_are_told():
    with control.Server() as server:
        for action, parameters in (("none", {}), ("put", {"items": [{"kind": "Pod"}]}),
                                   ("delete", {"resource": "services", "name": "x"}),
                                   ("settings", {"nothing": 1}), ("settings", {"bookmarks": 3}),
                                   ("fault", {"then": "explode"}), ("fault", {"typo": 1}),
                                   ("state", {"x": 1})):
            try:
                server.do(action, **parameters)
            except control.Trouble:
                continue
            raise AssertionError(f"{action} {parameters} was accepted")

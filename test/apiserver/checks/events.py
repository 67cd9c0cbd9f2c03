# SPDX-License-Identifier: GPL-2.0-or-later
"""Events of events.k8s.io/v1: what a server takes of them, from whom."""

import json

from .. import auth, control
from .client import fetch_json
from .harness import case, equal, rows, shared, true

DEFAULT, SHOP, SYSTEM = (f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
                         for namespace in ("default", "shop", "kube-system"))
MERGE = "application/merge-patch+json"
SERIES = {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"}


def event(path=DEFAULT, **more):
    namespace = path.split("/")[5]
    regarding = {"apiVersion": "v1", "kind": "Node", "name": "n"} if path != SHOP else \
        {"apiVersion": "v1", "kind": "Service", "namespace": "shop", "name": "web"}
    value = {"apiVersion": "events.k8s.io/v1", "kind": "Event",
             "metadata": {"name": "n.1886caf21ca08df5", "namespace": namespace},
             "eventTime": "2026-01-01T00:00:00.000001Z", "reason": "Starting", "type": "Normal",
             "action": "StartKubeProxy", "reportingController": "kube-proxy",
             "reportingInstance": "kube-proxy-n", "regarding": regarding}
    value.update(more)
    return {name: item for name, item in value.items() if item is not None}


def send(server, method, path, body, kind="application/json", user=auth.PROXY):
    return fetch_json(server, path, method, headers=(("Content-Type", kind),),
                      body=json.dumps(body).encode(), token=server.token(user))


def with_shop():
    server = control.Server()
    server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    return server


TAKEN = (
    ("about a Node, in default", DEFAULT, {}),
    ("about a Node, in kube-system", SYSTEM, {}),
    ("about a Service, in its namespace", SHOP, {}),
    ("that is a warning with a note of 1 KiB", DEFAULT, {"type": "Warning", "note": "n" * 1024}),
    ("with the longest reason, action and instance", DEFAULT,
     {"reason": "r" * 128, "action": "a" * 128, "reportingInstance": "i" * 128}),
    ("that is a series", DEFAULT, {"series": SERIES}),
    ("with the longest name", DEFAULT,
     {"metadata": {"name": "n" * 236 + ".1886caf21ca08df5", "namespace": "default"}}),
)


@rows(TAKEN, "an event {0} is taken")
def taken(_what, path, more):
    with with_shop() as server:
        status, body = send(server, "POST", path, event(path, **more))
        equal("status", (201, None), (status, body.get("message")))


REFUSED = (
    ("without eventTime", DEFAULT, {"eventTime": None}, 422, {"eventTime"}),
    ("with an eventTime of milliseconds", DEFAULT, {"eventTime": "2026-01-01T00:00:00.000Z"},
     400, None),
    ("without type", DEFAULT, {"type": None}, 422, {"type"}),
    ("of another type", DEFAULT, {"type": "Error"}, 422, {"type"}),
    ("without reason", DEFAULT, {"reason": None}, 422, {"reason"}),
    ("with too long a reason", DEFAULT, {"reason": "r" * 129}, 422, {"reason"}),
    ("without action", DEFAULT, {"action": None}, 422, {"action"}),
    ("with too long an action", DEFAULT, {"action": "a" * 129}, 422, {"action"}),
    ("without reportingController", DEFAULT, {"reportingController": None}, 422,
     {"reportingController"}),
    ("whose reportingController is no name", DEFAULT, {"reportingController": "a b"}, 422,
     {"reportingController"}),
    ("without reportingInstance", DEFAULT, {"reportingInstance": None}, 422,
     {"reportingInstance"}),
    ("with too long a reportingInstance", DEFAULT, {"reportingInstance": "i" * 129}, 422,
     {"reportingInstance"}),
    ("with a note of more than 1 KiB", DEFAULT, {"note": "n" * 1025}, 422, {"message"}),
    ("about a Node in another namespace", SHOP,
     {"regarding": {"apiVersion": "v1", "kind": "Node", "name": "n"}}, 422,
     {"involvedObject.namespace"}),
    ("with a series of one", DEFAULT, {"series": {**SERIES, "count": 1}}, 422, {"series.count"}),
    ("with a series without time", DEFAULT, {"series": {"count": 2}}, 422,
     {"series.lastObservedTime"}),
    ("with what is deprecated", DEFAULT, {"deprecatedCount": 1}, 422, {"count"}),
    ("whose name has capitals", DEFAULT,
     {"metadata": {"name": "N.1", "namespace": "default"}}, 422, {"metadata.name"}),
    ("whose name is too long", DEFAULT,
     {"metadata": {"name": "n" * 254, "namespace": "default"}}, 422, {"metadata.name"}),
    ("in another namespace than its path's", DEFAULT,
     {"metadata": {"name": "n.1", "namespace": "shop"}}, 400, None),
    ("of which nothing is right", DEFAULT, {"action": None, "reason": None}, 422,
     {"action", "reason"}),
)


@rows(REFUSED, "an event {0} is refused")
def refused(_what, path, more, code, fields):
    server = shared(with_shop)
    before = server.state()["objects"]["events.k8s.io/v1/events"]
    status, body = send(server, "POST", path, event(path, **more))
    equal("status", code, status)
    if fields is not None:
        equal("fields", fields, {cause["field"] for cause in body["details"]["causes"]})
    equal("kept", before, server.state()["objects"]["events.k8s.io/v1/events"])


@case
def a_series_grows_by_patches_and_nothing_else_of_an_event_changes():
    with control.Server() as server:
        _, made = send(server, "POST", DEFAULT, event(note="as it was"))
        path = f"{DEFAULT}/{made['metadata']['name']}"
        for kind in (MERGE, "application/strategic-merge-patch+json"):
            for count in (2, 3):
                series = {**SERIES, "count": count}
                status, body = send(server, "PATCH", path, {"series": series}, kind)
                equal("status", 200, status)
                equal("series", series, body["series"])
                equal("the rest", (made["eventTime"], made["note"]),
                      (body["eventTime"], body["note"]))
        for change, field in (({"series": {"count": 1}}, "series.count"),
                              ({"note": "another"}, "message"), ({"reason": "Other"}, "reason"),
                              ({"type": "Warning"}, "type"),
                              ({"eventTime": "2026-01-01T00:00:09.000000Z"}, "eventTime"),
                              ({"regarding": {"name": "m"}}, "involvedObject")):
            status, body = send(server, "PATCH", path, change, MERGE)
            equal(f"{change}", (422, [field]),
                  (status, [cause["field"] for cause in body["details"]["causes"]]))
        equal("one that is not there", 404,
              send(server, "PATCH", f"{DEFAULT}/other.1", {"series": SERIES}, MERGE)[0])
        equal("the same name again", 409, send(server, "POST", DEFAULT, event())[0])


@case
def events_are_for_those_who_have_the_right():
    with control.Server() as server:
        status, body = send(server, "POST", DEFAULT, event(), user="nobody")
        equal("nobody", (403, "Forbidden"), (status, body["reason"]))
        server.deny(auth.PROXY, "events")
        status, body = send(server, "POST", DEFAULT, event())
        true("denied", status == 403 and body["message"].startswith(
            'events.events.k8s.io is forbidden: User "system:kube-proxy" cannot create resource'))
        server.deny(auth.PROXY)
        equal("given back", 201, send(server, "POST", DEFAULT, event())[0])
        equal("the proxy may not read them", 403,
              fetch_json(server, DEFAULT, token=server.token())[0])


@case
def nothing_is_created_in_a_namespace_that_is_being_removed():
    with control.Server() as server:
        equal("not there", 404, send(server, "POST", SHOP, event(SHOP))[0])
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
        status, body = send(server, "POST", SHOP, event(SHOP))
        equal("refused", (403, ["NamespaceTerminating"]),
              (status, [cause["reason"] for cause in body["details"]["causes"]]))

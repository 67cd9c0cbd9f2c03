# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading: lists, pages, selectors, watches, streaming lists, revisions."""

import contextlib
import gzip
import json
import urllib.parse

from .. import auth, control
from .client import (PROXY_SERVICES, SERVICES, SLICES, STREAMING, Raw, Stream, endpoint_slice,
                     fetch, fetch_json, service)
from .harness import case, equal, rows, shared, true

HEADLESS = "service.kubernetes.io/headless"


@contextlib.contextmanager
def shop(count=0, **more):
    """A server with @count Services s0, s1, ..."""
    with control.Server(**more) as server:
        if count:
            server.put(*(service(f"s{i}", ip=f"10.96.1.{i}") for i in range(count)))
        yield server


def names(body):
    return [item["metadata"]["name"] for item in body["items"]]


OBJECTS = (
    service("a", labels={"app": "web", "tier": "1"}),
    service("b", labels={"app": "db"}, ip="None"),
    service("c"),
)
SELECTIONS = (
    # what, value, names
    ("labelSelector", "", "abc"),
    ("labelSelector", "app", "ab"),
    ("labelSelector", "!app", "c"),
    ("labelSelector", "app=web", "a"),
    ("labelSelector", "app==web", "a"),
    ("labelSelector", "app!=web", "bc"),
    ("labelSelector", "app in (web, db)", "ab"),
    ("labelSelector", "app notin (web)", "bc"),
    ("labelSelector", "app,!tier", "b"),
    ("labelSelector", "tier>0", "a"),
    ("labelSelector", "tier<1", ""),
    ("labelSelector", "app=", ""),
    ("fieldSelector", "metadata.name=a", "a"),
    ("fieldSelector", "metadata.name!=a", "bc"),
    ("fieldSelector", "metadata.namespace=shop", "abc"),
    ("fieldSelector", "metadata.namespace==other", ""),
    ("fieldSelector", "spec.clusterIP!=None", "ac"),
    ("fieldSelector", "spec.clusterIP=None,metadata.name=b", "b"),
)


@rows(SELECTIONS, "{0} '{1}' selects '{2}', in a list and in a watch")
def selects(what, value, expected):
    server = shared(control.Server)
    server.put(*OBJECTS)
    query = f"?{what}={urllib.parse.quote(value)}"
    _, body = fetch_json(server, SERVICES + query)
    equal("list", list(expected), names(body))
    with Stream(server, f"{SERVICES}{query}&{STREAMING}") as stream:
        equal("watch", [*(f"ADDED {name}" for name in expected), "BOOKMARK"],
              stream.summary(len(expected) + 1))


REFUSED = (
    ("labelSelector=!!", 400, "BadRequest"),
    ("labelSelector=a%20in%20b", 400, "BadRequest"),
    ("labelSelector=a%20b", 400, "BadRequest"),
    ("labelSelector=-a", 400, "BadRequest"),
    ("labelSelector=a,", 400, "BadRequest"),
    ("labelSelector=a=b%20c", 400, "BadRequest"),
    ("fieldSelector=spec.nothing=1", 400, "BadRequest"),
    ("fieldSelector=metadata.name", 400, "BadRequest"),
    ("limit=x", 400, "BadRequest"),
    ("resourceVersion=x", 400, "BadRequest"),
    ("continue=x", 400, "BadRequest"),
    ("resourceVersionMatch=Exact", 422, "Invalid"),
    ("resourceVersion=1&resourceVersionMatch=Other", 422, "Invalid"),
    ("sendInitialEvents=true", 422, "Invalid"),
    ("watch=1&sendInitialEvents=true", 422, "Invalid"),
    ("watch=1&resourceVersionMatch=NotOlderThan", 422, "Invalid"),
)


@rows(REFUSED, "the query {0} is refused with {1}")
def refuses(query, code, reason):
    status, body = fetch_json(shared(control.Server), f"{SERVICES}?{query}")
    equal("status", code, status)
    equal("Status", ("Status", "Failure", reason, code),
          (body["kind"], body["status"], body["reason"], body["code"]))


@case
def the_proxys_selectors_are_evaluated_in_watches():
    with shop(1) as server:
        revision = server.state()["revision"]
        path = f"{PROXY_SERVICES}&watch=1&resourceVersion={revision}"
        with Stream(server, path) as stream:
            server.put(service("web"))
            server.put(service("web", ports=[]))
            server.put(service("web", labels={"service.kubernetes.io/service-proxy-name": ""}))
            server.put(service("web", ip="None"))
            server.put(service("web", ip="10.96.0.9"))
            server.put(service("web", ip="None"))
            server.delete("services", "shop", "web")
            server.put(service("end"))
            events = stream.events(6)
        equal("events", ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED", "ADDED"],
              [word for word, _ in events])
        equal("what left is told as it was", [[], "10.96.0.9"],
              [events[2][1]["spec"]["ports"], events[4][1]["spec"]["clusterIP"]])
        revisions = [int(value["metadata"]["resourceVersion"]) for _, value in events]
        equal("revisions rise, also that of a deletion", [1, 2, 3, 5, 6, 8],
              [each - revision for each in revisions])


@case
def pages_show_one_revision_whatever_happens_meanwhile():
    with shop(10) as server:
        status, page = fetch_json(server, f"{SERVICES}?limit=4")
        equal("page", (200, ["s0", "s1", "s2", "s3"], 6),
              (status, names(page), page["metadata"]["remainingItemCount"]))
        first = page["metadata"]["resourceVersion"]
        server.delete("services", "shop", "s5")
        server.put(service("s4x"), service("s9", ports=[]))
        found = names(page)
        while token := page["metadata"].get("continue"):
            _, page = fetch_json(server, f"{SERVICES}?limit=4&continue={token}")
            equal("revision", first, page["metadata"]["resourceVersion"])
            found += names(page)
        equal("names", [f"s{i}" for i in range(10)], found)
        equal("s9 as it was", 1, len(page["items"][-1]["spec"]["ports"]))
        equal("requests", {"list": 1, "page": 2}, server.state()["counts"]["services"])


@case
def the_last_page_can_be_empty():
    with shop() as server:
        server.put(service("a"), service("z", ip="None"))
        _, page = fetch_json(server, f"{PROXY_SERVICES}&limit=1")
        equal("first", ["a"], names(page))
        _, page = fetch_json(server, f"{PROXY_SERVICES}&limit=1&continue="
                             + page["metadata"]["continue"])
        equal("second", ([], None), (names(page), page["metadata"].get("continue")))


@case
def a_token_of_a_compacted_revision_is_expired():
    with shop(3) as server:
        _, page = fetch_json(server, f"{SERVICES}?limit=1")
        server.put(service("x"))
        server.compact()
        status, body = fetch_json(server,
                                  f"{SERVICES}?limit=1&continue={page['metadata']['continue']}")
        equal("Status", (410, "Expired", 410), (status, body["reason"], body["code"]))
        true("message", body["message"].startswith("The provided continue parameter is too old"))
        _, rest = fetch_json(server, f"{SERVICES}?continue={body['metadata']['continue']}")
        equal("the rest, of now", ["s1", "s2", "x"], names(rest))
        equal("its revision", server.state()["revision"], int(rest["metadata"]["resourceVersion"]))


@case
def tokens_expire_at_once_when_told_to():
    with shop(3, settings={"continue_expires": True}) as server:
        _, page = fetch_json(server, f"{SERVICES}?limit=1")
        status, _ = fetch_json(server,
                               f"{SERVICES}?limit=1&continue={page['metadata']['continue']}")
        equal("status", 410, status)


@case
def lists_follow_resourceVersion():
    with shop(2) as server:
        old = server.state()["revision"]
        server.put(service("s2"))
        now = str(old + 1)
        for query, count, revision in ((f"resourceVersion={old}", 3, now),
                                       ("resourceVersion=0", 3, now),
                                       ("resourceVersion=0&limit=1", 3, now),
                                       (f"resourceVersion={old}&limit=9", 2, str(old)),
                                       (f"resourceVersion={old}&resourceVersionMatch=Exact", 2,
                                        str(old)),
                                       (f"resourceVersion={old}&resourceVersionMatch=NotOlderThan",
                                        3, now)):
            _, body = fetch_json(server, f"{SERVICES}?{query}")
            equal(query, (count, revision),
                  (len(body["items"]), body["metadata"]["resourceVersion"]))
        server.compact()
        status, body = fetch_json(server,
                                  f"{SERVICES}?resourceVersion={old}&resourceVersionMatch=Exact")
        equal("compacted", (410, "Expired"), (status, body["reason"]))


@case
def a_list_of_the_future_times_out():
    with shop(settings={"future_seconds": 0.1}) as server:
        status, headers, body = fetch(server, f"{SERVICES}?resourceVersion=9999")
        equal("status", (504, "1"), (status, headers.get("retry-after")))
        equal("cause", "ResourceVersionTooLarge",
              json.loads(body)["details"]["causes"][0]["reason"])


@case
def a_namespace_is_listed_and_watched_alone():
    with shop(2) as server:
        server.put(service("other", namespace="else"))
        path = "/api/v1/namespaces/else/services"
        _, body = fetch_json(server, path)
        equal("list", ["other"], names(body))
        with Stream(server, f"{path}?watch=1") as stream:
            server.put(service("third"), service("more", namespace="else"))
            equal("watch", ["ADDED other", "ADDED more"], stream.summary(2))
        status, one = fetch_json(server, f"{path}/other")
        equal("get", (200, "Service", "v1", "other"),
              (status, one["kind"], one["apiVersion"], one["metadata"]["name"]))
        status, body = fetch_json(server, f"{path}/none")
        equal("missing", (404, {"name": "none", "kind": "services"}), (status, body["details"]))
        path = "/api/v1/namespaces/shop/services"
        _, page = fetch_json(server, f"{path}?limit=2")
        _, rest = fetch_json(server, f"{path}?continue={page['metadata']['continue']}")
        equal("pages", (["s0", "s1"], ["third"], None),
              (names(page), names(rest), rest["metadata"].get("continue")))


@case
def a_streaming_list_ends_with_a_bookmark_and_goes_on():
    with shop(2) as server:
        revision = str(server.state()["revision"])
        with Stream(server, f"{SERVICES}?{STREAMING}&timeoutSeconds=60") as stream:
            equal("initial", ["ADDED s0", "ADDED s1"], stream.summary(2))
            word, mark = stream.event()
            equal("bookmark", ("BOOKMARK", {"resourceVersion": revision, "annotations": {
                "k8s.io/initial-events-end": "true"}}), (word, mark["metadata"]))
            server.put(service("s1", ports=[]))
            equal("then", ["MODIFIED s1"], stream.summary(1))
            equal("counted", {"streaming": 1}, server.state()["counts"]["services"])


@case
def streaming_lists_can_be_switched_off():
    with shop(settings={"streaming": False}) as server:
        status, body = fetch_json(server, f"{SERVICES}?{STREAMING}")
        equal("status", (422, "Invalid"), (status, body["reason"]))
        true("message", body["message"].endswith(
            "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the "
            "WatchList feature gate is enabled"))


@case
def bookmarks_come_when_asked_for_and_not_when_forbidden():
    with shop(settings={"bookmark_seconds": 0.05}) as server:
        revision = server.put(service("a"))
        path = f"{SERVICES}?watch=1&resourceVersion={revision}"
        with Stream(server, f"{path}&allowWatchBookmarks=true") as stream:
            newer = str(server.put(endpoint_slice("unrelated")))
            found = None
            while found != newer:  # whoever has the newest revision
                word, value = stream.event()
                equal("type", "BOOKMARK", word)
                found = value["metadata"]["resourceVersion"]
        path += "&timeoutSeconds=1"
        with Stream(server, path) as stream:
            equal("not asked for", [], stream.events())
        server.set(bookmarks=False)
        with Stream(server, f"{path}&allowWatchBookmarks=true") as stream:
            equal("forbidden", [], stream.events())


@case
def a_watch_ends_after_timeoutSeconds_and_the_connection_lives_on():
    with shop(1) as server, Raw(server) as client:
        client.ask(f"{SERVICES}?watch=1&timeoutSeconds=1&resourceVersion=1")
        client.read_until(b"0\r\n\r\n")
        client.data = b""
        client.ask("/livez").read_until(b"\r\n\r\nok")
        equal("connections", 1, server.state()["connections"]["accepted"])


@case
def a_watch_resumes_from_any_revision_that_is_not_compacted():
    with shop() as server:
        revisions = [server.put(service("a", ip=f"10.96.0.{i}")) for i in range(1, 6)]
        for i, revision in enumerate(revisions):
            with Stream(server, f"{SERVICES}?watch=1&timeoutSeconds=1"
                        f"&resourceVersion={revision}") as stream:
                got = [value["spec"]["clusterIP"] for _, value in stream.events(4 - i)]
            equal(f"from {revision}", [f"10.96.0.{k}" for k in range(i + 2, 6)], got)
        server.compact(revisions[2])
        for revision, message in ((revisions[1], f"too old resource version: {revisions[1]} "
                                   f"({revisions[2]})"), (revisions[2], None)):
            with Stream(server, f"{SERVICES}?watch=1&timeoutSeconds=1"
                        f"&resourceVersion={revision}") as stream:
                word, value = stream.event()
            equal("status", 200, stream.answer.status)
            equal("first event", message, value.get("message"))
            equal("its type", "ERROR" if message else "MODIFIED", word)


@case
def a_short_history_forgets_and_a_watch_does_not_notice():
    with shop(history=8) as server:
        first = server.put(service("a"))
        with Stream(server, f"{SERVICES}?watch=1&resourceVersion={first}") as stream:
            for i in range(100):
                server.put(service("a", ip=f"10.96.0.{i + 10}"))
            equal("events", 100, len(stream.events(100)))
        with Stream(server, f"{SERVICES}?watch=1&resourceVersion={first}") as stream:
            equal("resumed", 410, stream.event()[1]["code"])


@case
def large_lists_are_packed_when_asked_for():
    with control.Server() as server:
        server.put(*(service(f"s{i}") for i in range(1000)))
        _, headers, plain = fetch(server, SERVICES)
        equal("plain", None, headers.get("content-encoding"))
        _, headers, packed = fetch(server, SERVICES, headers=(("Accept-Encoding", "gzip"),))
        equal("packed", "gzip", headers.get("content-encoding"))
        true("the same", gzip.decompress(packed) == plain and len(packed) < len(plain) // 4)
        _, headers, _ = fetch(server, SERVICES + "?limit=10",
                              headers=(("Accept-Encoding", "gzip"),))
        equal("a small one", None, headers.get("content-encoding"))


@case
def a_thousand_events_arrive_in_order():
    with shop() as server:
        revision = server.put(endpoint_slice("web-1"))
        with Stream(server, f"{SLICES}?labelSelector=!{HEADLESS}&watch=1"
                    f"&resourceVersion={revision}") as stream:
            for i in range(1000):
                last = server.put(endpoint_slice("web-1", address=f"10.1.{i // 250}.{i % 250}"))
            events = stream.events(1000)
            server.wait_delivered()
        equal("revisions", list(range(revision + 1, last + 1)),
              [int(value["metadata"]["resourceVersion"]) for _, value in events])
        true("noted when", server.sent_ns(revision + 1) < server.sent_ns(last))


@case
def many_watches_at_once():
    with shop() as server, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(Stream(server, f"{SERVICES}?watch=1"))
                   for _ in range(50)]
        server.wait_watches(50, "services")
        server.put(service("a"))
        for stream in streams:
            equal("event", ["ADDED a"], stream.summary(1))
        equal("connections", 50, server.state()["connections"]["open"])
        stack.close()
        server.wait_no_watches()


DOCUMENTS = (
    ("/api", "APIVersions"), ("/apis", "APIGroupList"), ("/api/v1", "APIResourceList"),
    ("/apis/discovery.k8s.io", "APIGroup"), ("/apis/discovery.k8s.io/v1", "APIResourceList"),
    ("/apis/networking.k8s.io/v1", "APIResourceList"),
    ("/apis/events.k8s.io/v1", "APIResourceList"),
)


@case
def discovery_health_and_what_is_not_there():
    with shop() as server:
        for path, kind in DOCUMENTS:
            status, body = fetch_json(server, path)
            equal(path, (200, kind), (status, body["kind"]))
        for path in ("/livez", "/livez/ping", "/healthz", "/readyz"):
            status, _, body = fetch(server, path)
            equal(path, (200, b"ok"), (status, body))
        for path in ("/api/v1/secrets", "/apis/none/v1/x", "/api/v1/services/x", "/nothing"):
            equal(path, 404, fetch(server, path)[0])
        status, _, _ = fetch(server, SERVICES, headers=(
            ("Accept", "application/vnd.kubernetes.protobuf"),))
        equal("protobuf alone", 406, status)
        equal("a method", 405, fetch(server, SERVICES, "PUT", body={})[0])


@case
def what_is_not_http_is_refused():
    with shop() as server:
        for text, code in ((b"nonsense\r\n\r\n", b"400"), (b"GET / HTTP/2.0\r\n\r\n", b"400"),
                           (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
                           (b"GET /" + b"x" * 70000, b"431")):
            with Raw(server) as client:
                client.send(text)
                true(f"{code} for {text[:20]}",
                     client.read_all().startswith(b"HTTP/1.1 " + code))


@case
def requests_are_remembered_with_their_headers():
    with shop() as server:
        fetch(server, SERVICES + "?limit=5", token=server.token(auth.PROXY),
              headers=(("User-Agent", "tester/1"),))
        last = server.requests("services", "list")[-1]
        equal("request", ("GET", SERVICES, {"limit": "5"}, auth.PROXY, "tester/1", 200),
              (last["method"], last["path"], last["query"], last["user"],
               last["headers"]["user-agent"], last["code"]))
        server.do("forget_requests")
        equal("forgotten", (0, []), (server.count(), server.requests()))

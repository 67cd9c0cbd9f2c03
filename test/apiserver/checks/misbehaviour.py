# SPDX-License-Identifier: GPL-2.0-or-later
"""Each misbehaviour does what it says, and the server is well behaved after it."""

import json
import os
import subprocess

from .. import auth, control
from ..server import find_nghttpx
from .client import SERVICES, SLICES, STREAMING, Raw, Stream, dechunk, endpoint_slice, fetch, \
    fetch_json, service
from .harness import case, equal, rows, shared, true

WATCH = f"{SERVICES}?watch=1"
CLOSE = (("Connection", "close"),)


def whole(server, path):
    with Raw(server) as client:
        return client.ask(path, headers=CLOSE).read_all()


@rows([(at, then) for at in (0, 1, 40, 500, 2500) for then in ("close", "reset", "stall")],
      "an answer cut at byte {0} of the wire: {1}")
def cut_at_a_byte(at, then):
    server = shared(control.Server)
    server.put(*(service(f"s{i}") for i in range(20)))
    complete = whole(server, SERVICES)
    number = server.cut(at, then, resource="services")
    with Raw(server) as client:
        client.ask(SERVICES)
        server.wait_hits(number)
        while len(client.data) < at:
            true("more", client.read_some())
        if then == "stall":
            equal("silence", None, client.read_some(0.2))
        else:
            equal("closed", (b"", {"close": "cut", "reset": "reset"}[then]),
                  (client.read_some(), client.end))
        equal("bytes", (at, complete[:17][:at]), (len(client.data), client.data[:17]))
    equal("the next one", len(complete), len(whole(server, SERVICES)))


@case
def a_body_ends_in_the_middle_of_a_line_and_http_says_all_is_well():
    with control.Server() as server:
        server.put(service("a"), service("b"))
        path = f"{SERVICES}?{STREAMING}&timeoutSeconds=9"
        with Stream(server, path) as stream:
            first = len(stream.line())
        server.cut(first + 30, "end", unit="body", kind="streaming")
        with Raw(server) as client:
            client.ask(path).read_until(b"0\r\n\r\n")
            body, is_complete = dechunk(client.data.partition(b"\r\n\r\n")[2])
            equal("length", (first + 30, True), (len(body), is_complete))
            client.ask("/livez").read_until(b"\r\n\r\nok")


@case
def a_running_watch_is_cut_in_the_middle_of_an_event():
    with control.Server() as server, Raw(server) as client:
        server.fault(kind="watch", at=150, unit="body", then="close")
        client.ask(f"{WATCH}&resourceVersion=1")
        server.wait_watches(1)
        server.put(service("a"))
        client.read_all()
        body, is_complete = dechunk(client.data.partition(b"\r\n\r\n")[2])
        equal("body", (150, False, True, "cut"),
              (len(body), is_complete, body.startswith(b'{"type":"ADDED"'), client.end))


@case
def faults_choose_requests_by_resource_kind_turn_and_user():
    with control.Server() as server:
        server.put(service("a"), service("b"))
        number = server.fail(503, resource="services", kind=["list"], times=2, skip=1,
                             user=auth.ADMIN)
        codes = [fetch(server, path, token=token)[0] for path, token in (
            (SLICES, None), (SERVICES, server.token()), (SERVICES, None), (SERVICES, None),
            (f"{WATCH}&timeoutSeconds=1", None), (SERVICES, None), (SERVICES, None))]
        equal("codes", [200, 200, 200, 503, 200, 503, 200], codes)
        equal("hits", 2, server.hits(number))
        server.fail(500, times=None)
        equal("for ever", [500] * 5, [fetch(server, SERVICES)[0] for _ in range(5)])
        server.clear_faults()
        equal("cleared", 200, fetch(server, SERVICES)[0])


@rows([(401, "Unauthorized", None), (403, "Forbidden", None), (410, "Expired", None),
       (429, "TooManyRequests", 7), (500, "InternalError", None),
       (503, "ServiceUnavailable", 2), (504, "Timeout", None)], "status {0} on demand")
def on_demand(code, reason, retry_after):
    server = shared(control.Server)
    server.fail(code, retry_after)
    status, headers, body = fetch(server, SERVICES)
    equal("answer", (code, None if retry_after is None else str(retry_after)),
          (status, headers.get("retry-after")))
    body = json.loads(body)
    equal("Status", ("Status", "Failure", reason, code),
          (body["kind"], body["status"], body["reason"], body["code"]))
    equal("the next", 200, fetch(server, SERVICES)[0])


@case
def events_come_twice():
    with control.Server(settings={"duplicate": True}) as server:
        with Stream(server, f"{WATCH}&resourceVersion=1") as stream:
            server.put(service("a"), service("b"))
            equal("events", ["ADDED a"] * 2 + ["ADDED b"] * 2, stream.summary(4))


@case
def anything_can_be_put_into_a_watch():
    with control.Server() as server:
        with Stream(server, f"{WATCH}&resourceVersion=1") as stream, \
                Stream(server, f"{SLICES}?watch=1&resourceVersion=1") as other:
            server.wait_watches(2)
            server.inject("services", "not JSON at all")
            server.inject_event("services", "STRANGE", {"x": 1})
            server.inject("services", b'{"a":"\xff\xfe', newline=False)
            server.inject("services", "", size=20 << 20)
            server.put(service("a"), endpoint_slice("s"))
            equal("nonsense", b"not JSON at all\n", stream.line())
            equal("an unknown type", ("STRANGE", {"x": 1}), stream.event())
            huge = stream.line()
            equal("a huge line", (len(b'{"a":"\xff\xfe') + (20 << 20) + 1, b'{"a":"\xff\xfex'),
                  (len(huge), huge[:9]))
            equal("then", ["ADDED a"], stream.summary(1))
            equal("the other watch", ["ADDED s"], other.summary(1))


@case
def an_error_event_ends_nothing_by_itself():
    with control.Server() as server, Stream(server, WATCH) as stream:
        server.wait_watches(1)
        server.inject_event("services", "ERROR", {"kind": "Status", "code": 500})
        equal("event", ("ERROR", {"kind": "Status", "code": 500}), stream.event())
        server.put(service("a"))
        equal("then", ["ADDED a"], stream.summary(1))


@rows([("close", "cut"), ("reset", "reset"), ("end", None), ("stall", None)],
      "running watches {0}")
def running_watches_end(then, end):
    with control.Server() as server, Raw(server) as client, \
            Stream(server, f"{SLICES}?watch=1") as other:
        client.ask(WATCH)
        server.wait_watches(2)
        equal("count", 1, server.end(then, resource="services"))
        if then == "end":
            client.read_until(b"0\r\n\r\n")
        elif then == "stall":
            client.read_until(b"\r\n\r\n")
            server.put(service("a"))
            equal("silence", None, client.read_some(0.3))
            server.end("close", "services")
            client.read_all()
            end = "cut"
        else:
            client.read_all()
        if end:
            equal("how", end, client.end)
        server.put(endpoint_slice("s"))
        equal("others go on", ["ADDED s"], other.summary(1))


@case
def it_goes_away_and_comes_back_with_the_history_compacted():
    with control.Server() as server:
        old = server.put(service("a"))
        with Raw(server) as client:
            client.ask(WATCH)
            server.wait_watches(1)
            server.down()
            client.read_all()
            equal("the watch", "cut", client.end)
        try:
            fetch(server, SERVICES)
            raise AssertionError("it answers")
        except ConnectionRefusedError:
            pass
        server.put(service("b"))
        server.up(compact=True)
        with Stream(server, f"{WATCH}&resourceVersion={old}") as stream:
            word, value = stream.event()
            equal("resumed", ("ERROR", "Expired", 410), (word, value["reason"], value["code"]))
            equal("ended", b"", stream.line())
        _, body = fetch_json(server, SERVICES)
        equal("objects", 2, len(body["items"]))


@case
def it_freezes_and_thaws():
    with control.Server() as server, Raw(server) as client:
        client.ask(WATCH).read_until(b"\r\n\r\n")
        server.freeze()
        try:
            equal("silence", None, client.ask("/livez").read_some(0.3))
        finally:
            server.thaw()
        server.put(service("a"))
        client.read_until(b'"ADDED"')


@case
def chunks_can_be_small():
    with control.Server(settings={"chunk_bytes": 7}) as server:
        server.put(*(service(f"s{i}") for i in range(10)))
        with Raw(server) as client:
            data = client.ask(SERVICES, headers=CLOSE).read_all()
        body = data.partition(b"\r\n\r\n")[2]
        true("size", body.startswith(b"7\r\n"))
        equal("items", 10, len(json.loads(dechunk(body)[0])["items"]))


@case
def nothing_is_left_behind():
    server = control.Server()
    directory, pid = server.directory, server.process.pid
    with Raw(server) as client:
        client.ask(WATCH)
        server.wait_watches(1)
        server.stop()
        client.read_all()
    true("the directory", not os.path.exists(directory))
    true("the process", not os.path.exists(f"/proc/{pid}"))


@case
def it_does_not_outlive_a_test_that_is_killed():
    program = ("import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\n"
               "from apiserver import control\n"
               "s = control.Server(http2=len(sys.argv) > 2)\n"
               "print(s.directory, *s.state()['pids'], flush=True)\nsys.stdin.read()\n")
    top = os.path.dirname(control.HERE)
    for more in ((), ("http2",)) if find_nghttpx() else ((),):
        with subprocess.Popen(["python3", "-c", program, top, *more],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            directory, *pids = process.stdout.readline().decode().split()
            process.kill()
        control.until(lambda pids=pids: not any(map(_is_running, pids)), f"{pids} end")
        true(f"{directory} is gone", not os.path.exists(directory))


def _is_running(pid):
    """A zombie, whom an idle init leaves, is not."""
    try:
        with open(f"/proc/{int(pid)}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@case
def a_slow_reader_holds_up_nobody():
    with control.Server() as server, Raw(server) as slow:
        revision = server.put(service("a"))
        slow.ask(f"{WATCH}&resourceVersion={revision}").read_until(b"\r\n\r\n")
        with Stream(server, f"{WATCH}&resourceVersion={revision}") as quick:
            for i in range(12):
                fat = service("a", ip=f"10.96.1.{i}")
                fat["metadata"]["annotations"] = {"fat": "x" * (1 << 20)}
                server.put(fat)
                true("event", quick.event())
        size, tail = 0, b""
        while b'"10.96.1.11"' not in tail:
            slow.data = b""
            true("more", slow.read_some())
            size += len(slow.data)
            tail = tail[-100:] + slow.data
        true(f"all of it: {size}", size > 12 << 20)


@case
def a_cut_at_the_edge_of_what_is_written_is_exact():
    server = shared(control.Server)
    server.put(*(service(f"s{i}") for i in range(20)))
    complete = whole(server, SERVICES)
    head = complete.index(b"\r\n\r\n") + 4
    for at in (head - 1, head, head + 1, len(complete) - 5, len(complete) - 4, len(complete) - 1):
        server.cut(at, resource="services")
        equal(f"cut at {at}", at, len(whole(server, SERVICES)))


@case
def a_watch_that_is_too_slow_for_the_history_ends():
    with control.Server(history=4) as server, Raw(server) as slow:
        revision = server.put(service("a"))
        slow.ask(f"{WATCH}&resourceVersion={revision}").read_until(b"\r\n\r\n")
        for i in range(30):
            fat = service("a", ip=f"10.96.1.{i}")
            fat["metadata"]["annotations"] = {"fat": "x" * (1 << 20)}
            server.put(fat)
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            slow.data = b""
            true("more", slow.read_some())
            tail = tail[-100:] + slow.data
        server.wait_no_watches()

# SPDX-License-Identifier: GPL-2.0-or-later
"""Events: what is told to people through the API server, and that nothing else suffers from it."""

import contextlib
import datetime
import json
import os
import re
import socket
import time

import objects
import topology
import web
from api import EVENTS, RESOURCES, Api, of_proxy
from apart import test, test_rows
from daemon import NODE_ARGS, until
from apiserver import auth
from objects import port
from t_api_cost import BURST, QPS
from t_api_cut import change_everything
from topology import NODE_NAME, pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)
ADDRESS = topology.NODE[4]
INSTANCE = f"kube-proxy-{socket.gethostname()}"
MICRO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
KEPT = 256  # WATCH_MAX_RECORDS

NOT_OPENED = "FailedToStartServiceHealthcheck"


def _results(t):
    """kubenft_events_total by result."""
    found = {}
    for name, value in web.scrape(t).items():
        match = re.fullmatch(r'kubenft_events_total\{result="(\w+)"\}', name)
        if match:
            found[match[1]] = value
    return found


def _events(api, reason=None):
    """Those that the server has, by somebody who may read them."""
    with api.node:
        done = api.server.curl("/apis/events.k8s.io/v1/events")
    items = json.loads(done.stdout)["items"]
    return [item for item in items if reason in (None, item["reason"])]


def _wait_events(api, count, reason=None, patience=20.0):
    return until(lambda: (lambda found: found if len(found) >= count else None)(
        _events(api, reason)), f"{count} Events {reason or ''}", patience, 0.05)


def _seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _check_name(t, event, name):
    """OBJECT.NANOSECONDS, the microseconds of which are its time."""
    match = re.fullmatch(re.escape(name) + r"\.([0-9a-f]{16})", event["metadata"]["name"])
    t.true("its name", match, event["metadata"]["name"])
    t.equal("the time in it", event["eventTime"][-7:-1],
            f"{int(match[1], 16) // 1000 % 1000000:06}")
    t.true("it is now", abs(int(match[1], 16) / 1e9 -
                            datetime.datetime.now().timestamp()) < 60)


def _content(event):
    return {name: value for name, value in event.items()
            if name not in ("metadata", "eventTime", "series")}


def _address_of_node(t):
    t.node.ip(f"address add {ADDRESS}/32 dev lo")


def _balanced(t, number, name="web"):
    return t.service(name, [port(80, "web", "TCP")], (4,), type="LoadBalancer",
                     externalTrafficPolicy="Local", healthCheckNodePort=number)


def _piece(service, backends):
    return objects.endpoint_slice(service, backends, ((8080, "web", "TCP"),), "v4")


@contextlib.contextmanager
def _taken(t, number):
    """Somebody listens at the node's address already."""
    with t.node:
        stranger = socket.create_server((ADDRESS, number))
    with contextlib.closing(stranger):
        yield


# What is told


@test_rows([("http1", False), ("http2", True)], "the_start_is_told_over_{0}_as_kube_proxy_does",
           quick=lambda *_: True)
def start(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    event = _wait_events(api, 1)[0]
    t.equal("what it says", {
        "reportingController": "kube-proxy", "reportingInstance": INSTANCE, "type": "Normal",
        "reason": "Starting", "action": "StartKubeProxy",
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME}}, _content(event))
    t.equal("its namespace", "default", event["metadata"]["namespace"])
    _check_name(t, event, NODE_NAME)
    t.true("microseconds", MICRO.fullmatch(event["eventTime"]), event["eventTime"])
    note = of_proxy(api.server, EVENTS)[0]
    t.equal("type of the body", "application/json", note["headers"]["content-type"])
    t.true("who it is", note["headers"]["user-agent"].startswith("kubenft/"))
    first = {resource: of_proxy(api.server, resource)[0]["time"] for resource in RESOURCES}
    t.true("lists come first", max(first.values()) < note["time"], first, note["time"])
    until(lambda: _results(t)["created"] == 1, "it is counted")
    t.equal("all counts", {"created": 1, "updated": 0, "dropped": 0, "refused": 0, "failed": 0},
            _results(t))
    name = f'rest_client_requests_total{{code="201",host="{api.server.url[8:]}",method="POST"}}'
    t.equal("as a request", 1, web.scrape(t)[name])
    daemon.stop_gracefully()
    t.equal("Events", 1, len(_events(api)))
    t.equal("warnings and errors", [], daemon.complaints())


@test(quick=True)
def a_health_check_port_that_is_taken_is_one_event_whose_series_grows(t):
    api = Api(t)
    _address_of_node(t)
    number = t.world.node_port()
    service = _balanced(t, number)
    with _taken(t, number):
        daemon = api.run(service, _piece(service, [ONE]))
        event = _wait_events(api, 1, NOT_OPENED)[0]
        note = event["note"]
        t.equal("what it says", {
            "reportingController": "kube-proxy", "reportingInstance": INSTANCE, "type": "Warning",
            "reason": NOT_OPENED, "action": "Listen", "note": note,
            "regarding": {"apiVersion": "v1", "kind": "Service", "namespace": "default",
                          "name": "web"}}, _content(event))
        t.true("its note", note.startswith(f'node {NODE_NAME} failed to start healthcheck '
                                           f'"default/web" on port {number}: ') and
               "Address already in use" in note, note)
        _check_name(t, event, "web")
        t.true("no series yet", "series" not in event, event)
        counts = []

        def grows(count):
            # A changed endpoint is a sync, and with each the port is tried again.
            api.put(_piece(service, [ONE, TWO][:1 + len(counts) % 2]))
            counts.append(count)
            series = _events(api, NOT_OPENED)[0].get("series", {"count": 0})
            return series if series["count"] > count else None
        one = until(lambda: grows(1), "a series", 30.0, 0.2)
        more = until(lambda: grows(one["count"]), "a longer series", 30.0, 0.2)
    t.true("later", _seconds(event["eventTime"]) < _seconds(one["lastObservedTime"]) <
           _seconds(more["lastObservedTime"]), event["eventTime"], one, more)
    last = _events(api, NOT_OPENED)
    t.equal("Events", [event["metadata"]["name"]], [each["metadata"]["name"] for each in last])
    t.equal("the rest of it", (_content(event), event["eventTime"]),
            (_content(last[0]), last[0]["eventTime"]))
    patches = of_proxy(api.server, EVENTS, "patch")
    t.equal("type of the patches", {"application/merge-patch+json"},
            {each["headers"]["content-type"] for each in patches})
    gaps = [after["time"] - before["time"] for before, after in zip(patches, patches[1:])]
    t.true(f"not more often than every 5 s: {gaps}", all(gap >= 4.9 for gap in gaps))
    until(lambda: _results(t)["updated"] == len(patches), "they are counted")
    lines = [line for line in daemon.complaints() if "health check port" in line]
    t.equal("it is logged once", 1, len(lines), *lines)
    # It is opened when it is free, and the series does not go on.
    daemon.wait_log("health check port opened")
    api.settled()


@test()
def an_event_is_told_with_the_token_of_the_day(t):
    api = Api(t)
    _address_of_node(t)
    number = t.world.node_port()
    service = _balanced(t, number)
    daemon = api.run()
    _wait_events(api, 1, "Starting")
    api.note_secrets()
    api.server.rotate_token()
    with _taken(t, number):
        api.put(service, _piece(service, [ONE]))
        _wait_events(api, 1, NOT_OPENED)
    t.equal("refused", 0, len([note for note in of_proxy(api.server, EVENTS)
                               if note["code"] not in (200, 201)]))
    t.equal("warnings", 1, len(daemon.complaints()), *daemon.complaints())


FAILING = (("health", "--healthz-bind-address", "FailedToStartProxierHealthcheck"),
           ("metrics", "--metrics-bind-address", "FailedToStartMetricServer"))


@test_rows(FAILING, "with_bind_address_hard_fail_a_taken_{0}_port_is_told_before_the_end",
           quick=lambda *_: True)
def hard_fail(t, _, flag, reason):
    api = Api(t)
    with t.node:
        stranger = socket.create_server(("127.0.0.1", 0))
    with contextlib.closing(stranger):
        number = stranger.getsockname()[1]
        done = t.command("run", *api.args, *NODE_ARGS, "--bind-address-hard-fail", flag,
                         f"127.0.0.1:{number}")
    t.equal("exit status", 1, done.returncode, done.stderr)
    t.true("it is logged", "Address already in use" in done.stderr, done.stderr)
    event = _events(api)
    t.equal("Events", [reason], [each["reason"] for each in event])
    t.equal("what it says", {
        "reportingController": "kube-proxy", "reportingInstance": INSTANCE, "type": "Warning",
        "reason": reason, "action": "StartKubeProxy", "note": event[0]["note"],
        "regarding": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME}}, _content(event[0]))
    t.true("why", str(number) in event[0]["note"] and "in use" in event[0]["note"], event[0])


@test_rows([("away",), ("silent",), ("unwilling",)],
           "with_bind_address_hard_fail_a_server_that_is_{0}_does_not_keep_the_daemon")
def hard_fail_alone(t, how):
    api = Api(t)
    if how == "away":
        api.server.down()
    elif how == "silent":
        api.server.cut(0, "stall", resource=EVENTS, user=auth.PROXY)
    else:
        api.server.deny(auth.PROXY, "events")
    with t.node:
        stranger = socket.create_server(("127.0.0.1", web.METRICS_PORT))
    started = time.monotonic()
    with contextlib.closing(stranger):
        done = t.command("run", *api.args, *NODE_ARGS, "--bind-address-hard-fail")
    # Two seconds are its bound; other requests are waited for longer.
    t.true("it ends", time.monotonic() - started < 20)
    t.equal("exit status", 1, done.returncode, done.stderr)
    t.true("why it ends", "Address already in use" in done.stderr, done.stderr)


# What is not told


@test(quick=True)
def a_file_as_the_source_has_no_events(t):
    api = Api(t)
    service, piece = t.web([ONE])
    path = os.path.join(t.directory, "objects.yaml")
    t.write(service, piece, path=path)
    account = os.path.join(t.directory, "account")
    daemon = t.start(source=path, env=api.server.service_account(account))  # as in a pod
    daemon.wait_ready()
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [TWO]), path=path)
    daemon.wait_synced(mark)
    t.equal("connections", 0, api.server.state()["connections"]["accepted"])
    t.equal("counts", {}, _results(t))


@test(quick=True)
def commands_that_only_look_send_no_events(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.put(service, piece)
    for command, status in (("plan", 0), ("diff", 1)):
        done = t.command(command, *api.args, *NODE_ARGS)
        t.equal(command, status, done.returncode, done.stderr)
    t.equal("requests about Events", 0, api.server.count(EVENTS))
    t.true("others", api.server.count("services") == 2)


# Bounds


@test()
def so_many_events_are_kept_and_others_dropped_and_counted(t):
    api = Api(t)
    _address_of_node(t)
    count = KEPT + 44
    services = [_balanced(t, 40000 + i, f"s{i}") for i in range(count)]
    with contextlib.ExitStack() as stack:
        for i in range(count):
            stack.enter_context(_taken(t, 40000 + i))
        daemon = api.run(*services, *(_piece(each, [ONE]) for each in services),
                         args=("--kube-api-qps", "-1"))
        _wait_events(api, KEPT, patience=60.0)
        results = _results(t)
        t.true("dropped", results["dropped"] >= 45, results)
        api.put(_piece(services[0], [TWO]))
        api.settled()
        api.server.wait_count(3, EVENTS, "patch")
        t.equal("created", KEPT, len(_events(api)))
        t.equal("so it is counted", KEPT, _results(t)["created"])
    api.settled()
    t.equal("watches", len(RESOURCES), len(api.server.watches()))
    daemon.stop_gracefully()


@test(quick=True)
def many_events_keep_to_the_rate_and_leave_watches_the_first_claim(t):
    api = Api(t)
    _address_of_node(t)
    count = 40
    services = [_balanced(t, 41000 + i, f"s{i}") for i in range(count)]
    plain, piece = t.web([ONE], name="plain")
    with contextlib.ExitStack() as stack:
        for i in range(count):
            stack.enter_context(_taken(t, 41000 + i))
        api.run(plain, piece, *services, *(_piece(each, [ONE]) for each in services))
        for turn in range(3):
            # Each watch has had an event, so that none is taken for broken.
            change_everything(api, t, plain, (TWO, ONE)[turn % 2], turn + 1)
            api.server.wait_delivered()
            told = api.server.count(EVENTS)
            api.server.end("end")
            api.server.wait_count(turn + 1, "servicecidrs", "watch")
            api.server.wait_watches(len(RESOURCES))
            since = api.server.count(EVENTS) - told
            t.true(f"{since} Events were sent before all watches were there again", since <= 2)
            t.true("there are Events that wait", told < count)
            api.server.wait_count(told + 3, EVENTS)
        api.settled()
        requests = of_proxy(api.server)
        took = requests[-1]["time"] - requests[0]["time"]
        t.true(f"{len(requests)} requests in {took:.1f} s",
               len(requests) <= BURST + QPS * (took + 1))


# Trouble with Events alone


def _expect_undisturbed(t, api, service):
    """Changes come through, on the watches that were opened at the start."""
    for turn in range(4):
        api.put(t.web_slice(service, [(TWO, ONE)[turn % 2]]))
        api.settled()
    t.equal("requests for objects", {resource: {"streaming": 1} for resource in RESOURCES},
            {resource: kinds for resource, kinds in api.server.state()["counts"].items()
             if resource in RESOURCES})


@test_rows([("http1", False), ("http2", True)],
           "without_the_right_to_events_over_{0}_one_line_is_said_and_all_else_goes_on",
           quick=lambda *_: True)
def forbidden(t, _, http2):
    api = Api(t, http2)
    _address_of_node(t)
    api.server.deny(auth.PROXY, "events")
    number = t.world.node_port()
    service, piece = t.web([ONE], name="plain")
    balanced = _balanced(t, number)
    with _taken(t, number):
        daemon = api.run(service, piece, balanced, _piece(balanced, [ONE]))
        daemon.wait_log("no right to send Events, none is sent for an hour.*403.*is forbidden")
        _expect_undisturbed(t, api, service)
        until(lambda: _results(t)["refused"] >= 3, "more has happened", 20.0, 0.1)
        t.equal("requests about Events", 1, api.server.count(EVENTS))
        api.server.deny(auth.PROXY)
        api.put(_piece(balanced, [TWO]))
        api.settled()
    lines = [line for line in daemon.complaints() if "Event" in line]
    t.equal("lines about it", 1, len(lines), *lines)
    t.equal("requests about Events", 1, api.server.count(EVENTS))
    t.equal("warnings and errors", 2, len(daemon.complaints()), *daemon.complaints())


TROUBLES = (
    ("resets", lambda server: server.cut(0, "reset", times=2, resource=EVENTS, user=auth.PROXY)),
    ("closes", lambda server: server.cut(10, "close", times=2, resource=EVENTS, user=auth.PROXY)),
    ("answers_500_to", lambda server: server.fail(500, times=2, resource=EVENTS, user=auth.PROXY)),
    ("answers_429_to",
     lambda server: server.fail(429, 2, times=2, resource=EVENTS, user=auth.PROXY)),
    ("is_silent_about",
     lambda server: server.cut(0, "stall", times=1, resource=EVENTS, user=auth.PROXY)),
)


@test_rows([(name, fault, http, http == "http2") for name, fault in TROUBLES
            for http in ("http1", "http2")],
           "a_server_that_{0}_events_over_{2}_disturbs_nothing_and_gets_them_later",
           quick=lambda name, _, http, __: (name, http) == ("resets", "http1"))
def troubled(t, name, fault, _, http2):
    # Where an answer is cut, what it answers was done.
    api = Api(t, http2)
    fault(api.server)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    _expect_undisturbed(t, api, service)
    until(lambda: _results(t)["created"] == 1, "the Event is there", 60.0, 0.1)
    _expect_undisturbed(t, api, service)
    t.equal("Events", ["Starting"], [event["reason"] for event in _events(api)])
    t.equal("tried", 2 if name == "is_silent_about" else 3, api.server.count(EVENTS, "create"))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def an_event_that_arrived_though_its_answer_was_lost_is_there_once(t):
    api = Api(t)
    # The answer is cut, what it answers was done.
    number = api.server.cut(20, "reset", resource=EVENTS, user=auth.PROXY)
    daemon = api.run()
    api.server.wait_hits(number)
    until(lambda: _results(t)["created"] == 1, "it is known to be there", 20.0, 0.05)
    t.equal("codes", [201, 409], [note["code"] for note in of_proxy(api.server, EVENTS)])
    t.equal("Events", 1, len(_events(api)))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def a_namespace_that_is_being_removed_silences_its_own_events_only(t):
    api = Api(t)
    _address_of_node(t)
    gone, other = t.world.node_port(), t.world.node_port()
    ending = _balanced(t, gone)
    ending.namespace = "ending"
    staying = _balanced(t, other, "staying")
    api.server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "ending", "deletionTimestamp": "2026-01-01T00:00:00Z"}})
    with _taken(t, gone), _taken(t, other):
        api.put(ending, _piece(ending, [ONE]))
        daemon = t.run()
        daemon.wait_log("Event not sent.*403.*being terminated")
        api.put(staying, _piece(staying, [ONE]))
        _wait_events(api, 1, NOT_OPENED)
    lines = [line for line in daemon.complaints() if "Event" in line]
    t.equal("lines about it", 1, len(lines), *lines)

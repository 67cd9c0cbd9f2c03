# SPDX-License-Identifier: GPL-2.0-or-later
"""Watches in which strange things stand: what can be understood is followed, the rest is named."""

import json

import apart
import objects
from api import Api
from daemon import Failure
from harness import test, test_rows
from objects import port
from topology import pod_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))

MIB = 1 << 20


def watched(t):
    """A server, a Service with a slice, and a daemon that has them, for several tests."""
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece)
    yield api, service


class Watches:
    """Which watches are open; they must not be lost for nothing."""

    def __init__(self, api):
        self.api = api
        self.before = self.numbers()

    def numbers(self):
        return sorted(watch["number"] for watch in self.api.server.watches())

    def same(self):
        if self.numbers() != self.before:
            raise Failure("the watches go on", f"expected: {self.before}",
                          f"got:      {self.numbers()}")


def _follows(t, api, service):
    """A change behind what was strange is in the kernel."""
    last = api.truth["endpointslices", "default", f"{service.name}-ipv4-1"]
    backend = TWO if last["endpoints"][0]["addresses"] == [ONE] else ONE
    api.put(t.web_slice(service, [backend]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [backend])
    api.settled()


STATUS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}

# What somebody puts into the watch of Services, and what is said about it.
STRANGE = (
    ("an_unknown_type", {"type": "STRANGE", "object": objects.service_cidr()}, "services",
     "an event of type 'STRANGE', ignored"),
    ("no_type", {"object": {"kind": "Service"}}, "services", "ignored"),
    ("a_type_that_is_a_number", {"type": 7, "object": {}}, "services", "ignored"),
    ("no_object", {"type": "ADDED"}, "services", "without object"),
    ("an_object_that_is_null", {"type": "MODIFIED", "object": None}, "services", "without object"),
    ("an_object_of_another_kind", {"type": "ADDED", "object": objects.node("other")}, "services",
     "an object of kind 'Node', ignored"),
    ("an_object_of_an_unknown_kind", {"type": "ADDED", "object": {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}}, "services", "'Pod'"),
    ("a_service_without_name", {"type": "ADDED", "object": {
        "apiVersion": "v1", "kind": "Service", "metadata": {}}}, None, "metadata.name"),
    ("a_service_with_a_broken_port", {"type": "ADDED", "object": {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "odd", "namespace": "default"},
        "spec": {"clusterIP": "10.96.77.77", "ports": [{"port": 70000}]}}}, "Service default/odd",
     "spec.ports[0]"),
    ("a_deletion_of_what_was_never_there", {"type": "DELETED", "object": {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "never", "namespace": "default", "resourceVersion": "1"}}}, None, None),
    ("a_bookmark_without_revision", {"type": "BOOKMARK", "object": {
        "apiVersion": "v1", "kind": "Service", "metadata": {}}}, None, None),
    ("a_bookmark_without_object", {"type": "BOOKMARK"}, None, None),
)


@test_rows(STRANGE, "in_a_watch_{}_is_named_if_need_be_and_nothing_else_happens", fixture=watched,
           quick={"in_a_watch_an_unknown_type_is_named_if_need_be_and_nothing_else_happens",
                  "in_a_watch_no_object_is_named_if_need_be_and_nothing_else_happens"})
def strange(t, shared, _, event, subject, words):
    api, service = shared
    daemon = t.daemons[-1]
    heard = t.transactions()
    watches, mark = Watches(api), daemon.mark()
    api.server.inject("services", json.dumps(event))
    if words:
        api.complains(daemon, mark, subject, words) if subject else daemon.wait_log(words, mark)
    _follows(t, api, service)
    watches.same()
    api.calm(daemon, mark, warnings=1 if words else 0, lines=5)
    t.equal("transactions", 1, len(heard.of(daemon.pid)))


BLANK = (("an_empty_line", b"\n"),
         ("a_line_end_of_windows", b'{"type":"BOOKMARK","object":{"kind":"Service",'
          b'"apiVersion":"v1","metadata":{"resourceVersion":"5"}}}\r\n'))


@test_rows(BLANK, "in_a_watch_{}_means_nothing", fixture=watched)
def blank(t, shared, _, line):
    api, service = shared
    daemon = t.daemons[-1]
    mark = daemon.mark()
    api.server.inject("services", line, newline=False)
    _follows(t, api, service)
    api.server.wait_watches(4)
    api.calm(daemon, mark, warnings=0, lines=5)


@test(quick=True)
def each_event_twice_is_like_once(t):
    api = Api(t, settings={"duplicate": True})
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    heard = t.transactions()
    for backend in (TWO, THREE, ONE):
        api.put(t.web_slice(service, [backend]))
        t.becomes(t.client, "tcp", service.ip(4), 80, [backend])
    api.delete(service)
    t.becomes_outcome("timeout", t.client, "tcp", service.ip(4), 80)
    api.put(service)
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    api.settled()
    t.equal("transactions", 5, len(heard.of(daemon.pid)))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def events_that_know_of_no_beginning_are_taken_as_they_are(t):
    # A change of an object that we have not seen, and an old one that comes once more.
    api = Api(t)
    service, piece = t.web([ONE])
    other, other_piece = t.web([TWO], name="other")
    daemon = api.run(service, piece)
    mark = daemon.mark()
    for resource, thing in (("endpointslices", other_piece), ("services", other.object())):
        thing["metadata"]["resourceVersion"] = "7"
        api.server.inject_event(resource, "MODIFIED", thing)
    t.becomes(t.client, "tcp", other.ip(4), 80, [TWO])
    api.server.inject_event("services", "ADDED", other.object())
    api.server.inject_event("services", "DELETED", other.object())
    t.becomes_outcome("timeout", t.client, "tcp", other.ip(4), 80)
    api.settled()
    api.calm(daemon, mark)


NO_JSON = (("no_json", b"this is not JSON\n"),
           ("half_an_object", b'{"type":"MODIFIED","object":{"kind":"Service","metadata":{"name":\n'),
           ("deep_nesting", b'{"type":"ADDED","object":' + b"[" * 5000 + b"\n"))


@apart.test_rows(NO_JSON, "in_a_watch_a_line_of_{}_leads_to_a_new_list",
                 quick={"in_a_watch_a_line_of_half_an_object_leads_to_a_new_list"})
def no_json(t, _, line):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    heard = t.transactions()
    mark = daemon.mark()
    before = api.server.count("services", "streaming")
    api.server.inject("services", line, newline=False)
    api.server.wait_count(before + 1, "services", "streaming")
    api.server.wait_watches(4)
    t.equal("transactions by a list of the same", 0, len(heard.of(daemon.pid)))
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    api.complains(daemon, mark, "services", "the watch holds a line that is no JSON")
    api.calm(daemon, mark, warnings=1, lines=6)


@apart.test(quick=True)
def half_a_line_at_the_end_of_a_watch_is_not_taken_for_an_event(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece)
    gone = {"type": "DELETED", "object": {**service.object()}}
    api.put(t.web_slice(service, [TWO]))
    # Whole but for the end of its line, and then a good end of the answer.
    api.server.inject("services", json.dumps(gone)[:-1], newline=False)
    api.server.inject("endpointslices", '{"type":"DELETED","obj', newline=False)
    api.server.end("end")
    api.server.wait_count(1, "endpointslices", "watch")
    api.server.wait_watches(4)
    api.settled()


def _huge(thing, size):
    whole = thing.object() if isinstance(thing, objects.Service) else thing
    whole["metadata"] = {**whole["metadata"], "annotations": {"note": "x" * size}}
    return whole


def _kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


@apart.test_rows([("http1", False), ("http2", True)],
                 "over_{}_an_object_beyond_16_MiB_is_left_out_and_named_and_only_that",
                 quick=lambda name, _: name == "http1")
def giants(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    big, big_piece = t.web([TWO], name="big")
    daemon = api.run(service, piece, big, big_piece)
    watches, mark = Watches(api), daemon.mark()
    # Its last good form stays, and what comes behind it is followed.
    api.server.put(_huge(big, 17 * MIB), _huge(t.web_slice(big, [THREE]), 17 * MIB))
    api.put(t.web_slice(service, [THREE]))
    api.settled()
    for subject in ("Service default/big", "EndpointSlice default/big-ipv4-1"):
        api.complains(daemon, mark, subject, "larger than 16 MiB; its last good form stays")
    watches.same()
    api.calm(daemon, mark, warnings=2, lines=8)
    # In a list it is left out, too; here there is a last good form as well.
    mark = daemon.mark()
    api.expire("services")
    daemon.wait_log('"listed" resource="services"', mark)
    api.settled()
    api.server.wait_watches(4)
    api.put(big, t.web_slice(big, [ONE]))
    api.settled()
    t.true("memory is bounded", t.is_sanitized or _kib(daemon.pid, "VmHWM") < 64 << 10,
           f"{_kib(daemon.pid, 'VmHWM')} KiB at most")


@apart.test_rows([("streaming", True), ("paged", False)],
                 "in_a_{}_list_an_object_beyond_16_MiB_is_left_out_and_named")
def giants_in_lists(t, _, streaming):
    api = Api(t, settings={"streaming": streaming})
    service, piece = t.web([ONE])
    big, big_piece = t.web([TWO], name="big")
    api.put(service, piece, big, big_piece)
    api.server.put(_huge(big, 17 * MIB))
    del api.truth["services", "default", "big"]  # not for the kernel
    daemon = t.run()
    api.settled()
    api.complains(daemon, 0, "Service default/big", "larger than 16 MiB")
    api.calm(daemon, warnings=1)
    api.server.wait_watches(4)
    api.put(big)
    api.settled()


@apart.test()
def a_giant_line_without_any_object_is_left_out(t):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    watches, mark = Watches(api), daemon.mark()
    api.server.inject("services", "", size=20 * MIB)
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    api.complains(daemon, mark, "services", "larger than 16 MiB")
    watches.same()
    api.calm(daemon, mark, warnings=1)


@apart.test(quick=True)
def a_broken_object_keeps_its_last_good_form_also_across_a_new_list(t):
    api = Api(t)
    service, piece = t.web([ONE])
    other, other_piece = t.web([THREE], name="other")
    daemon = api.run(service, piece, other, other_piece)
    broken = service.object()
    broken["spec"]["ports"] = [port(80, "web"), {"port": "none"}]
    mark = daemon.mark()
    api.server.put(broken)
    api.complains(daemon, mark, "Service default/web", "spec.ports[1].port")
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    mark = daemon.mark()
    before = api.server.count("services", "streaming")
    api.server.inject("services", "no JSON")
    api.server.wait_count(before + 1, "services", "streaming")
    api.server.wait_watches(4)
    api.put(t.web_slice(other, [ONE]))
    api.settled()
    api.complains(daemon, mark, "Service default/web", "spec.ports[1].port")
    api.delete(service)
    api.settled()

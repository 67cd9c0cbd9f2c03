# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of the API server that break off anywhere: nothing of them is taken for the truth."""

import objects
from api import RESOURCES, Api, crowd
from apiserver import auth
from apart import test, test_rows
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)


def _cut(api, positions, unit, then, kind):
    """The next answer about each resource ends at its position. Returns the faults' numbers.

    An answer of which not a byte came over a connection that was used before is asked for again
    by libcurl itself.
    """
    return [api.server.cut(at, then, unit=unit, resource=resource, kind=kind, user=auth.PROXY)
            for resource, at in zip(RESOURCES, map(int, positions.split(",")))]


def _one_complaint_each(api, daemon, start=0, resources=RESOURCES):
    for resource in resources:
        api.complains(daemon, start, resource, "not watched, what is known stays in force")
    api.calm(daemon, start, warnings=len(resources))


# The head of an answer has about 330 bytes.
LISTS = [
    ("http1", "streaming", "wire", "close", "0,1,9,40"),
    ("http1", "streaming", "wire", "reset", "0,15,200,330"),
    ("http1", "streaming", "body", "close", "1,15,200,300"),
    ("http1", "streaming", "body", "reset", "3000,2900,400,30"),
    ("http1", "streaming", "body", "end", "7000,900,350,1"),
    ("http1", "paged", "wire", "close", "331,900,20,420"),
    ("http1", "paged", "body", "end", "2000,1,300,100"),
    ("http2", "streaming", "body", "close", "0,600,300,100"),
    ("http2", "paged", "body", "reset", "600,1,100,200"),
    ("http2", "streaming", "body", "end", "0,5000,60,300"),
]


@test_rows(LISTS, "over_{0}_a_{1}_list_cut_at_{2}_bytes_{4}_with_{3}_has_no_effect",
           quick=lambda *row: row in LISTS[2:9:2])
def lists(t, http, kind, unit, then, positions):
    api = Api(t, http == "http2", settings={"streaming": kind == "streaming"})
    service, piece = t.web([ONE])
    api.put(service, piece, *crowd(t, 30))
    faults = _cut(api, positions, unit, then, "list" if kind == "paged" else kind)
    daemon = api.run()
    t.equal("cuts", [1] * 4, [api.server.hits(number) for number in faults])
    _one_complaint_each(api, daemon)
    t.equal("transactions", 1, len([line for line in daemon.log().splitlines()
                                    if '"synced"' in line]))


PAGES = [("http1", "wire", "close", "450,30000"), ("http1", "body", "end", "30000,1"),
         ("http2", "body", "close", "100,1000")]


@test_rows(PAGES,
           "over_{0}_a_second_page_cut_at_{1}_bytes_{3}_with_{2}_begins_the_list_anew",
           quick=lambda *row: row == PAGES[0])
def pages(t, http, unit, then, positions):
    api = Api(t, http == "http2", settings={"streaming": False})
    service, piece = t.web([ONE])
    api.put(service, piece, *crowd(t, 600))
    _cut(api, positions, unit, then, "page")
    daemon = api.run()
    _one_complaint_each(api, daemon, resources=RESOURCES[:2])
    t.equal("pages of Services", {"list": 2, "page": 2, "watch": 1, "streaming": 1},
            api.server.state()["counts"]["services"])

def change_everything(api, t, service, backend, number):
    labels = {"topology.kubernetes.io/zone": f"zone-{number}"}
    node = objects.node()
    node["metadata"]["labels"] = labels
    cidr = objects.service_cidr()
    cidr["spec"]["cidrs"] = [f"10.96.0.0/{16 - number % 3}", "fd00:10:96::/112"]
    things = service.object()
    things["metadata"]["labels"] = labels
    api.put(things, t.web_slice(service, [backend]), node, cidr)


@test(quick=True)
def a_list_anew_that_breaks_off_removes_nothing(t):
    api = Api(t, settings={"streaming": False})
    service, piece = t.web([ONE])
    # Without its end, this is a list in which most objects are missing.
    daemon = api.run(service, piece, *crowd(t, 600))
    change_everything(api, t, service, TWO, 1)
    api.settled()
    _cut(api, "30000,1", "body", "close", "page")
    heard = t.transactions()
    mark = daemon.mark()
    api.forget_history()
    api.server.end("end")
    api.server.wait_count(3, "services", "list")
    api.server.wait_count(3, "endpointslices", "list")
    api.server.wait_watches(4)
    api.settled()
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    _one_complaint_each(api, daemon, mark, RESOURCES[:2])


WATCHES = [
    ("http1", "wire", "close", "0,1,100,331"),
    ("http1", "body", "close", "1,30,400,250"),
    ("http1", "body", "reset", "300,500,600,100"),
    ("http1", "body", "end", "10,350,200,1"),
    ("http2", "body", "close", "30,300,600,1"),
    ("http2", "body", "end", "10,350,200,1"),
]


@test_rows(WATCHES, "over_{0}_a_watch_cut_at_{1}_bytes_{3}_with_{2}_loses_nothing",
           quick=lambda *row: row in WATCHES[1:5:3])
def watches(t, http, unit, then, positions):
    api = Api(t, http == "http2")
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    change_everything(api, t, service, TWO, 1)
    api.settled()
    faults = _cut(api, positions, unit, then, "watch")
    mark = daemon.mark()
    api.server.end("end")
    for i, number in enumerate(faults):
        api.server.wait_hits(number)
        change_everything(api, t, service, (ONE, TWO)[i % 2], 2 + i)
    api.server.wait_watches(4)
    change_everything(api, t, service, ONE, 9)
    api.settled()
    t.equal("lists", {"streaming": 4}, {kind: api.server.count(kind=kind)
                                        for kind in ("streaming",)})
    # One that was cut within its head or right behind it failed; what came before counts.
    api.calm(daemon, mark, warnings=8)


@test(quick=True)
def a_watch_that_ends_in_good_order_is_followed_by_the_next_one_without_a_word(t):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    for i, backend in enumerate((TWO, ONE, TWO)):
        change_everything(api, t, service, backend, i + 1)
        api.settled()
        api.server.end("end")
        api.server.wait_count(i + 1, "services", "watch")
        api.server.wait_watches(4)
    t.equal("lists of Services", 1, api.server.count("services", "streaming"))
    api.calm(daemon, mark)


@test()
def an_answer_in_small_pieces_is_the_same_answer(t):
    api = Api(t, settings={"chunk_bytes": 1})
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    t.equal("warnings and errors", [], daemon.complaints())

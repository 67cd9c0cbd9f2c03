# SPDX-License-Identifier: GPL-2.0-or-later
"""An API server that refuses: what is tried again, when, and what is said about it."""

import time

import objects
import web
from api import RESOURCES, Api, crowd, of_proxy
from apiserver import auth
from apart import test, test_rows
from topology import pod_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))

# How a status is answered to each resource, and what the log has to say.
REFUSALS = (
    ("at_the_start", "streaming", {
        "services": (401, None, "the server answered 401, Unauthorized"),
        "endpointslices": (429, 2, "the server answered 429"),
        "nodes": (500, None, "the server answered 500"),
        "servicecidrs": (503, 1, "the server answered 503")}),
    ("after_a_watch", "watch", {
        "services": (429, 2, "the server answered 429"),
        "endpointslices": (401, None, "the server answered 401, Unauthorized"),
        "nodes": (504, None, "the server answered 504"),
        "servicecidrs": (500, 1, "the server answered 500")}),
)


def _gaps(api, resource, kind):
    """Seconds between the refusal and the request after it."""
    times = [note["time"] for note in of_proxy(api.server, resource)
             if note["kind"] in (kind, "list", "streaming", "watch")]
    return [after - before for before, after in zip(times, times[1:])]


@test_rows([(*REFUSALS[0], "http1", False), (*REFUSALS[1], "http2", True)],
           "refused_{0}_over_{3}_it_comes_again_when_it_should_and_says_why",
           quick=lambda when, _, __, http, ___: http == "http1")
def refusals(t, when, kind, answers, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    api.put(service, piece)
    mark = 0
    if when == "after_a_watch":
        daemon = api.run()
        # A watch that ends at once is a failure of its own: each has had an event before.
        api.put(objects.node(), t.web_slice(service, [TWO]))
        api.server.end("stall")  # so that what follows is heard by the next watch only
        mark = daemon.mark()
    for resource, (status, retry_after, _) in answers.items():
        api.server.fail(status, retry_after, resource=resource, kind=kind, user=auth.PROXY)
    if when == "after_a_watch":
        api.server.end("close")
        api.put(t.web_slice(service, [THREE]))
    else:
        daemon = t.start()
    api.server.wait_watches(4)
    api.settled()
    for resource, (status, retry_after, words) in answers.items():
        lines = [line for line in daemon.complaints(mark)
                 if f'resource="{resource}"' in line and words in line]
        t.equal(f"{resource}: complaints with {words}", 1, len(lines), *daemon.complaints(mark))
        gap = max(_gaps(api, resource, kind))
        t.true(f"{resource}: asked again after {gap:.2f} s", gap >= (retry_after or 0.6) - 0.05)
    api.calm(daemon, mark, warnings=8)
    if when == "at_the_start":
        t.equal("transactions", 1, daemon.log().count('"synced"'))


@test(quick=True)
def without_rights_nothing_is_written_and_with_them_everything(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece).stop_gracefully()
    api.put(t.web_slice(service, [TWO]))
    api.server.deny(auth.PROXY, *RESOURCES[:3])
    heard = t.transactions()
    daemon = t.start()
    for resource in RESOURCES[:3]:
        api.complains(daemon, 0, resource, "the server answered 403", "is forbidden", "cannot")
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    api.server.deny(auth.PROXY)
    api.settled()
    api.calm(daemon, warnings=3)


ABSENT = (("forbidden", "servicecidrs.networking.k8s.io is forbidden"),
          ("not_there", "could not find"))


@test_rows(ABSENT, "servicecidrs_that_are_{}_mean_no_drop_rule_and_one_line",
           quick=lambda *_: True)
def absent(t, how, words):
    api = Api(t)
    service, piece = t.web([ONE])
    api.put(service, piece)
    if how == "forbidden":
        api.server.deny(auth.PROXY, "servicecidrs")
    else:
        api.server.fail(404, times=None, resource="servicecidrs", user=auth.PROXY)
    del api.truth["servicecidrs", "", "kubernetes"]  # not for the kernel
    daemon = t.run()
    api.server.wait_watches(3)
    api.settled()
    t.equal("its age", 0, web.scrape(t)['kubenft_watch_age_seconds{resource="ServiceCIDR"}'])
    requests = api.server.count("servicecidrs")
    # No loop: longer than the longest first pause after a failure.
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        for backend in (TWO, ONE):
            api.put(t.web_slice(service, [backend]))
            api.settled()
    t.equal("requests for ServiceCIDRs", (1, 1), (requests, api.server.count("servicecidrs")))
    line = api.complains(daemon, 0, "servicecidrs", "unallocated addresses of service ranges are "
                         "left alone")
    t.true("the reason is told", how != "forbidden" or words in line, line)
    t.equal("warnings and errors", 1, len(daemon.complaints()), *daemon.complaints())
    t.equal("state", "absent", api.dump(daemon)["servicecidrs"]["state"])


@test(quick=True)
def servicecidrs_that_become_forbidden_stay_as_they_were(t):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    api.server.deny(auth.PROXY, "servicecidrs")
    api.server.end("end", "servicecidrs")
    api.server.wait_count(1, "servicecidrs", "watch")
    daemon.wait_log("what is known stays in force.*servicecidrs.*is forbidden", mark)
    api.settled()
    api.server.deny(auth.PROXY)
    api.server.wait_watches(4)
    api.delete(objects.service_cidr())
    api.settled()
    api.calm(daemon, mark, warnings=2)


REFUSES_STREAMS = (("with_422", {}), ("with_400", {"status": 400}), ("with_501", {"status": 501}))


@test_rows(REFUSES_STREAMS, "a_server_that_refuses_streaming_lists_{}_is_asked_for_pages",
           quick=lambda name, _: name == "with_422")
def no_streams(t, _, fault):
    api = Api(t, settings={"streaming": bool(fault)})
    if fault:
        api.server.fault(**fault, kind="streaming", times=None, user=auth.PROXY)
    things = crowd(t, 30)
    daemon = api.run(*things)
    api.delete(*things[:6])
    api.settled()
    counts = api.server.state()["counts"]
    for resource in RESOURCES:
        t.equal(f"requests for {resource}", {"streaming": 1, "list": 1, "watch": 1},
                counts[resource])
    # It is remembered: a new list does not try again.
    api.server.inject("services", "x")
    api.server.wait_count(2, "services", "list")
    api.server.wait_watches(4)
    api.settled()
    t.equal("streaming lists", 4, api.server.count(kind="streaming"))
    t.equal("complaints", 1, len(daemon.complaints()), *daemon.complaints())


GONE = (("as_an_event_at_the_start_of_a_watch", None), ("as_an_answer", 410),
        ("as_an_event_in_a_watch", "event"))


@test_rows([(*GONE[0], "http2", True), (*GONE[1], "http1", False), (*GONE[2], "http1", False)],
           "a_revision_that_is_gone_{0}_over_{2}_leads_to_a_new_list_and_deletions_apply",
           quick=lambda name, *_: name != "as_an_answer")
def revision_gone(t, _, how, __, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    other, other_piece = t.web([THREE], name="other")
    third, third_piece = t.web([TWO], name="third")
    daemon = api.run(service, piece, other, other_piece)
    api.put(t.web_slice(service, [THREE]), other)
    api.settled()
    mark = daemon.mark()
    heard = t.transactions()
    if how == 410:
        for resource in RESOURCES[:2]:
            api.server.fail(410, resource=resource, kind="watch", user=auth.PROXY)
    api.server.end("stall")
    api.delete(other, other_piece)
    api.put(t.web_slice(service, [TWO]), third, third_piece)
    if how is None:
        api.forget_history(after_delivery=False)
    if how == "event":
        api.server.end("close")
        api.server.wait_watches(4)
        api.expire(*RESOURCES[:2])
        api.server.wait_count(2, "services", "streaming")
        api.server.wait_count(2, "endpointslices", "streaming")
    else:
        api.server.end("close")
    api.settled()
    t.equal("lists of Services", 2, api.server.count("services", "streaming"))
    t.true("few transactions", len(heard.of(daemon.pid)) <= 8)
    api.calm(daemon, mark, warnings=8)
    t.equal("expired", "1", api.dump(daemon)["services"]["expired"])


@test(quick=True)
def continue_tokens_that_expire_lead_to_a_list_in_one_piece(t):
    api = Api(t, settings={"streaming": False, "continue_expires": True})
    things = crowd(t, 600)
    daemon = api.run(*things)
    lists = [note["query"].get("limit") for note in of_proxy(api.server, "services", "list")]
    t.equal("limits", ["500", "0"], [limit or "0" for limit in lists])
    api.delete(*things[:10])
    api.settled()
    t.equal("expired", "1", api.dump(daemon)["services"]["expired"])
    t.equal("warnings and errors", [], daemon.complaints())

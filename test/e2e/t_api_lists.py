# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of an API server and how, and that all of a long answer is in the kernel."""

import time
import objects
from api import EVENTS, RESOURCES, Api, crowd, of_proxy
from apart import test, test_rows
from topology import NODE, NODE_NAME, pod_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))


@test(quick=True)
def what_is_asked_for_is_what_a_proxy_needs_and_nothing_else(t):
    api = Api(t)
    daemon = api.run()
    api.server.wait_count(1, EVENTS)
    lists = {note["resource"]: note["query"] for note in of_proxy(api.server)}
    t.equal("resources", {*RESOURCES, EVENTS}, set(lists))
    del lists[EVENTS]
    for resource, labels, fields in (
            ("services", "!service.kubernetes.io/service-proxy-name", "spec.clusterIP!=None"),
            ("endpointslices", "!service.kubernetes.io/headless", None),
            ("nodes", None, f"metadata.name={NODE_NAME}"), ("servicecidrs", None, None)):
        query = lists[resource]
        t.equal(f"{resource}: selectors", (labels, fields),
                (query.get("labelSelector"), query.get("fieldSelector")))
        t.true(f"{resource}: seconds", 300 <= int(query["timeoutSeconds"]) <= 600, query)
    t.true("watches are of different lengths",
            len({query["timeoutSeconds"] for query in lists.values()}) > 1, lists)
    # Other nodes come and go without a word to us.
    events = api.dump(daemon)["nodes"]["events"]
    heard = t.transactions()
    for i in range(20):
        api.put(objects.node(f"other-{i}", {4: f"192.0.2.{100 + i}"}))
    api.put(objects.node("node1", {4: NODE[4]}))
    api.settled()
    t.equal("events about nodes", int(events) + 1, int(api.dump(daemon)["nodes"]["events"]))
    t.equal("transactions", 0, len(heard.of(daemon.pid)))


@test_rows([("streamed", True, False), ("paged", False, False), ("paged_over_http2", False, True)],
           "a_list_of_1200_services_that_is_{}_is_complete",
           quick={"a_list_of_1200_services_that_is_paged_is_complete"})
def long_lists(t, _, streaming, http2):
    api = Api(t, http2, settings={"streaming": streaming})
    things = crowd(t, 1200)
    daemon = api.run(*things)
    pages = {note["resource"]: len(of_proxy(api.server, note["resource"], "page"))
             for note in of_proxy(api.server)}
    t.equal("further pages", 0 if streaming else 2, pages["services"])
    t.equal("further pages", 0 if streaming else 2, pages["endpointslices"])
    services = int(api.dump(daemon)["services"]["objects"])
    t.equal("services", 1200, services)
    api.delete(*things[::2][::3])
    api.settled()
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def changes_that_come_fast_end_in_the_last_state_and_go_together(t):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    heard = t.transactions()
    for i in range(300):
        api.put(t.web_slice(service, [(ONE, TWO, THREE)[i % 3]]))
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    t.true("no transaction is about nothing", len(heard.of(daemon.pid)) <= 301)
    t.equal("warnings and errors", [], daemon.complaints())


@test(quick=True)
def with_a_minimum_period_changes_go_together(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.put(service, piece)
    daemon = t.run(run_args=("--min-sync-period", "500ms"))
    api.server.wait_watches(len(RESOURCES))
    heard = t.transactions()
    begin = time.monotonic()
    for i in range(30):
        api.put(t.web_slice(service, [(ONE, TWO, THREE)[i % 3]]))
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    most = (time.monotonic() - begin) / 0.5 + 2
    count = len(heard.of(daemon.pid))
    t.true("transactions are apart", 0 < count <= most, (count, most))


@test(quick=True)
def a_daemon_that_starts_again_takes_over_what_its_predecessor_left(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece).stop_gracefully()
    other, other_piece = t.web([THREE], name="other")
    api.put(t.web_slice(service, [TWO]), other, other_piece)
    heard = t.transactions()
    daemon = api.run()
    t.equal("transactions", 1, len(heard.of(daemon.pid)))


@test(quick=True)
def the_master_option_counts_before_the_kubeconfigs_server(t):
    api = Api(t)
    url = api.server.url
    api.server.kubeconfig(api.kubeconfig, server="https://192.0.2.77:1")
    daemon = t.run(run_args=("--master", url))
    api.settled()
    t.equal("warnings and errors", [], daemon.complaints())

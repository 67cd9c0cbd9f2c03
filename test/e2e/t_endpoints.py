# SPDX-License-Identifier: GPL-2.0-or-later
"""Which endpoints of which slices are used."""

import stats
from harness import test, test_rows
from objects import Service, endpoint, endpoint_slice, port
from topology import NODE_NAME, pod_address, remote_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))
FAR = remote_address(1, 4)


@test(quick=True)
def slices_of_one_service_are_merged(t):
    service, piece = t.web([ONE])
    t.run(service, piece, t.web_slice(service, [TWO], "2"), t.web_slice(service, [FAR], "3"))
    for protocol in ("tcp", "udp"):
        t.answered_by(t.client, protocol, service.ip(4), 80, [ONE, TWO, FAR])


@test(quick=True)
def an_endpoint_in_two_slices_counts_once(t):
    service, piece = t.web([ONE, TWO])
    t.run(service, piece, t.web_slice(service, [ONE], "2"), t.web_slice(service, [ONE], "3"))
    results = t.answered_by(t.client, "udp", service.ip(4), 80, [ONE, TWO], count=3000)
    counts = [sum(r.backend == b for r in results) for b in (ONE, TWO)]
    _, p = stats.uniformity(counts)
    t.true("both get the same share", p > stats.FALSE_ALARM, f"{counts}, p = {p:.2g}")


@test()
def one_address_with_two_ports_is_two_endpoints(t):
    service, piece = t.web([ONE])
    t.run(service, piece, t.web_slice(service, [ONE], "2", number=9000))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [(ONE, 8080), (ONE, 9000)])


# What becomes of an endpoint with these conditions: beside a ready one, and alone. A condition
# that is absent or null means ready, serving, not terminating.
CONDITIONS = [
    ("no_conditions", {}, True, True),
    ("all_conditions_null", {"ready": None, "serving": None, "terminating": None}, True, True),
    ("ready", {"ready": True}, True, True),
    ("not_ready", {"ready": False}, False, False),
    ("not_ready_but_serving", {"ready": False, "serving": True, "terminating": False},
     False, False),
    ("not_ready_terminating_null", {"ready": False, "serving": True, "terminating": None},
     False, False),
    ("serving_and_terminating", {"ready": False, "serving": True, "terminating": True},
     False, True),
    ("serving_null_and_terminating", {"ready": False, "serving": None, "terminating": True},
     False, True),
    ("serving_absent_and_terminating", {"ready": False, "terminating": True}, False, True),
    ("terminating_and_not_serving", {"ready": False, "serving": False, "terminating": True},
     False, False),
    ("ready_though_terminating", {"ready": True, "serving": True, "terminating": True},
     True, True),
    ("ready_though_not_serving", {"ready": True, "serving": False}, True, True),
]


@test_rows(CONDITIONS, "an_endpoint_with_{}_is_used_as_it_should_be",
           quick={"an_endpoint_with_all_conditions_null_is_used_as_it_should_be",
                  "an_endpoint_with_serving_and_terminating_is_used_as_it_should_be",
                  "an_endpoint_with_terminating_and_not_serving_is_used_as_it_should_be"})
def conditions(t, _, given, beside, alone):
    accompanied = t.web([endpoint(ONE, **given), TWO], name="accompanied")
    single = t.web([endpoint(ONE, **given)], name="single")
    t.run(*accompanied, *single)
    for protocol in ("tcp", "udp"):
        t.answered_by(t.client, protocol, accompanied[0].ip(4), 80,
                      [ONE, TWO] if beside else [TWO])
        if alone:
            t.answered_by(t.client, protocol, single[0].ip(4), 80, [ONE])
        else:
            t.refused(t.client, protocol, single[0].ip(4), 80)


@test()
def terminating_endpoints_serve_until_a_ready_one_appears_and_again_when_it_goes(t):
    leaving = {"ready": False, "serving": True, "terminating": True}
    service, without = t.web([endpoint(ONE, **leaving), endpoint(TWO, **leaving)])
    _, with_ready = service, t.web_slice(service, [endpoint(ONE, **leaving), THREE])
    daemon = t.run(service, without)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO])
    for piece, backends in ((with_ready, [THREE]), (without, [ONE, TWO])):
        mark = daemon.mark()
        t.write(service, piece)
        daemon.wait_synced(mark)
        t.answered_by(t.client, "tcp", service.ip(4), 80, backends)


@test_rows([("before",), ("after",)],
           "a_duplicate_that_is_not_terminating_wins_when_it_comes_{}_the_terminating_one")
def duplicate_conditions(t, order):
    leaving = endpoint(ONE, ready=False, serving=True, terminating=True)
    entries = [[endpoint(ONE)], [leaving]] if order == "before" else [[leaving], [endpoint(ONE)]]
    service, _ = t.web([])
    t.run(service, t.web_slice(service, entries[0], "1"), t.web_slice(service, entries[1], "2"),
          t.web_slice(service, [TWO], "3"))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO])


@test()
def only_the_first_address_of_an_endpoint_is_used(t):
    service, _ = t.web([])
    t.run(service, t.web_slice(service, [{"addresses": [ONE, TWO], "nodeName": NODE_NAME}]))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def an_endpoint_without_address_is_skipped_and_the_others_serve(t):
    service, _ = t.web([])
    piece = t.web_slice(service, [ONE])
    piece["endpoints"].insert(0, {"addresses": [], "nodeName": NODE_NAME})
    t.run(service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_slice_port_without_name_or_number_is_skipped_and_without_protocol_is_tcp(t):
    service = t.service("web", [port(80), port(81, "x"), port(82, "y")], families=(4,))
    piece = endpoint_slice(service, [ONE])
    piece["ports"] = [{"port": 8080, "protocol": "TCP"}, {"name": "x", "protocol": "TCP"},
                      {"name": "y", "port": 9000}]
    t.run(service, piece)
    t.refused(t.client, "tcp", service.ip(4), 80)
    t.refused(t.client, "tcp", service.ip(4), 81)
    t.answered_by(t.client, "tcp", service.ip(4), 82, [ONE], number=9000)


@test()
def slices_that_belong_to_no_service_do_no_harm(t):
    service, piece = t.web([ONE])
    orphan = t.web_slice("missing", [TWO])
    unlabelled = t.web_slice(service, [TWO], "2")
    del unlabelled["metadata"]["labels"]
    elsewhere = t.web_slice(service, [TWO], "3")
    elsewhere["metadata"]["namespace"] = "other"
    names = t.web_slice(service, [TWO], "4")
    names["addressType"] = "FQDN"
    names["endpoints"][0]["addresses"] = ["web.example.net"]
    t.run(orphan, unlabelled, elsewhere, names, service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_service_that_comes_after_its_slices_is_served(t):
    service, piece = t.web([ONE])
    t.run(piece)
    t.dropped(t.client, "tcp", service.ip(4), 80)
    t.write(piece, service)
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])


@test(quick=True)
def headless_and_externalname_services_are_ignored(t):
    service, piece = t.web([ONE])
    headless = Service("headless", {4: "None"}, [port(80, "web")])
    pending = Service("pending", {4: ""}, [port(80, "web")], clusterIPs=[])
    alias = Service("alias", {4: "10.96.0.200"}, [port(80, "web")], type="ExternalName",
                    externalName="example.net")
    daemon = t.run(headless, pending, alias, service, piece,
                   *(t.web_slice(name, [TWO]) for name in ("headless", "pending", "alias")))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.dropped(t.client, "tcp", "10.96.0.200", 80)
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def leading_zeros_in_addresses_are_decimal(t):
    service, _ = t.web([])
    octets = service.ip(4).split(".")
    sloppy = Service("web", {4: ".".join(octet.rjust(3, "0") for octet in octets)}, service.ports)
    piece = t.web_slice(service, [ONE])
    piece["endpoints"][0]["addresses"] = ["010.244.000.011"]
    t.run(sloppy, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def endpoints_come_and_go_one_by_one(t):
    far = [remote_address(i, 4) for i in range(1, 10)]
    service, piece = t.web(far[:1])
    daemon = t.run(service, piece)
    for count in (2, 3, 4, 5, 9, 8, 5, 4, 3, 2, 1):
        mark = daemon.mark()
        t.write(service, t.web_slice(service, far[:count]))
        daemon.wait_synced(mark)
        t.answered_by(t.client, "udp", service.ip(4), 80, far[:count], count=40 * count)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, far[4:7]))
    daemon.wait_synced(mark)
    t.answered_by(t.client, "udp", service.ip(4), 80, far[4:7])


@test()
def an_endpoint_may_change_its_port(t):
    service, piece = t.web([ONE, TWO])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [ONE, TWO], number=9000))
    daemon.wait_synced(mark)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO], number=9000)


@test()
def of_five_thousand_endpoints_as_many_are_used_as_fit_and_it_is_said(t):
    service = t.service("huge", [port(80)], families=(4,))
    # The first are real and sort first; the others are nobody's.
    addresses = [f"10.245.{i // 250}.{i % 250 + 1}" for i in range(5000)]
    pieces = [endpoint_slice(service, addresses[i:i + 1000], suffix=str(i))
              for i in range(0, 5000, 1000)]
    small, piece = t.web([ONE], name="small")
    daemon = t.run(service, *pieces, small, piece)
    t.answered_by(t.client, "tcp", small.ip(4), 80, [ONE])
    said = [line for line in daemon.complaints() if "default/huge" in line]
    t.true("a warning names default/huge", said, *daemon.log().splitlines()[-5:])
    listing = t.nft_ok("list", "map", "ip", "kubenft", "backends")
    t.equal("slots of default/huge", 4096, listing.count(service.ip(4) + " . tcp . 80 . "))

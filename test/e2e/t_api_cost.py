# SPDX-License-Identifier: GPL-2.0-or-later
"""What watching an API server costs it and us: requests, connections, time, memory."""

import os
import selectors
import socket
import time

from api import EVENTS, RESOURCES, Api, crowd, of_proxy
from apart import test, test_rows
from t_api_cut import change_everything
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)

HTTP = (("http1", False, 5), ("http2", True, 1))

# kube-proxy's: requests a second, and at once.
QPS, BURST = 5, 10


def connections(api):
    """Ours to the server, by the kernel's word."""
    peer = f":{api.server.address[1]:04X}"
    lines = api.node.command("cat", "/proc/net/tcp").stdout.splitlines()[1:]
    return len([line for line in lines if line.split()[2].endswith(peer) and
                line.split()[3] == "01"])


@test_rows(HTTP, "over_{0}_five_requests_and_{2}_connections_are_enough",
           quick=lambda *_: True)
def few(t, _, http2, count):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece, *crowd(t, 50))
    api.server.wait_count(1, EVENTS)
    t.equal("requests", {EVENTS: {"create": 1},
                         **{resource: {"streaming": 1} for resource in RESOURCES}},
            api.server.state()["counts"])
    t.equal("connections", count, connections(api))
    # A watch after the list takes a connection that is there.
    for i in range(3):
        change_everything(api, t, service, (TWO, ONE)[i % 2], i + 1)
        api.settled()
        api.server.end("end")
        api.server.wait_count(i + 1, kind="watch")
        api.server.wait_watches(4)
    t.equal("connections", count, connections(api))
    told = api.dump(daemon)["server"]
    t.equal("what it says itself", ("17", str(count), "2" if http2 else "1"),
            (told["requests"], told["connections"], told["http"]))


@test(quick=True)
def a_server_that_ends_every_watch_is_asked_no_faster_than_kube_proxy_would(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece)
    time_left = 4.0
    started = time.monotonic()
    number = 0
    while time.monotonic() < started + time_left:
        # Each has had an event, so that none is taken for broken.
        api.server.wait_watches(4)
        number += 1
        change_everything(api, t, service, (TWO, ONE)[number % 2], number)
        api.server.wait_delivered()
        api.server.end("end")
    requests = of_proxy(api.server)
    took = requests[-1]["time"] - requests[0]["time"]
    t.true(f"{len(requests)} requests in {took:.1f} s",
           BURST < len(requests) <= BURST + QPS * (took + 1))
    # Nobody is left behind for the sake of others.
    each = {resource: len(of_proxy(api.server, resource)) for resource in RESOURCES}
    t.true("each has its share", min(each.values()) > 2, each)
    api.server.wait_watches(4)
    api.settled()


def _cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Door:
    """Where a server was: accepts every connection, and closes it at once."""

    def __init__(self, api):
        with api.node, socket.socket() as listener, selectors.DefaultSelector() as waiting:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(api.server.address)
            listener.listen(64)
            waiting.register(listener, selectors.EVENT_READ)
            self.count = 0
            deadline = time.monotonic() + 4
            while (left := deadline - time.monotonic()) > 0:
                if waiting.select(left):
                    listener.accept()[0].close()
                    self.count += 1


@test_rows([("http1", False), ("http2", True)],
           "over_{}_a_server_that_is_away_is_knocked_at_now_and_then",
           quick=lambda name, _: name == "http1")
def knocking(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    used = _cpu_seconds(daemon.pid)
    mark = daemon.mark()
    api.server.down()
    door = _Door(api)
    used = _cpu_seconds(daemon.pid) - used
    t.true(f"{door.count} connections in 4 s", 1 <= door.count <= 4 * 4, *daemon.complaints(mark))
    t.true(f"{used:.2f} s of CPU time in 4 s", used < (2 if t.is_sanitized else 0.4))
    api.server.up()
    api.put(t.web_slice(service, [TWO]))
    api.server.wait_watches(4)
    api.settled()
    # One line for each new reason: the end of the watch, and what the door does.
    api.calm(daemon, mark, warnings=20, lines=40)


@test(quick=True)
def a_server_that_answers_500_for_ever_is_asked_more_and_more_rarely(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.server.fail(500, times=None)
    daemon = t.start()
    for resource in RESOURCES:
        api.server.wait_count(3, resource, patience=20)
    for resource in RESOURCES:
        times = [note["time"] for note in of_proxy(api.server, resource)]
        gaps = [after - before for before, after in zip(times, times[1:])]
        # 0.8 s and 1.6 s, with a jitter of a quarter.
        t.true(f"gaps of {resource}", gaps[0] > 0.55 and gaps[1] > 1.15, gaps)
    t.equal("complaints", 4, len(daemon.complaints()), *daemon.complaints())
    api.server.clear_faults()
    api.put(service, piece)
    api.server.wait_watches(4, patience=20)
    api.settled()


@test_rows([("http1", False), ("http2", True)],
           "over_{}_a_list_of_the_same_objects_sends_nothing_to_the_kernel",
           quick=lambda *_: True)
def same_again(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece, *crowd(t, 100))
    change_everything(api, t, service, TWO, 1)
    api.settled()
    heard = t.transactions()
    mark = daemon.mark()
    api.forget_history()
    api.server.end("end")
    api.server.wait_count(2, "services", "streaming")
    api.server.wait_count(2, "endpointslices", "streaming")
    api.server.wait_watches(4)
    daemon.wait_log('"listed" resource="services" objects=101', mark)
    daemon.wait_log('"listed" resource="endpointslices" objects=101', mark)
    api.dump(daemon)
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    # And the next change is one.
    api.put(t.web_slice(service, [ONE]))
    api.settled()
    t.equal("transactions", 1, len(heard.of(daemon.pid)))

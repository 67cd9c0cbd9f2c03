# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP client inside a namespace, and clients that are no good."""

import http.client
import json
import socket
from collections import namedtuple

from daemon import Failure, until

HEALTH_PORT = 10256
METRICS_PORT = 10249
LOOPBACK = {4: "127.0.0.1", 6: "::1"}

Answer = namedtuple("Answer", "status headers text")


def get(namespace, address, port, path, method="GET", headers=None, patience=5.0, source=None):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(
        address, port, timeout=patience, source_address=(source, 0) if source else None)
    try:
        with namespace:
            connection.connect()
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        text = response.read().decode("utf-8")
        return Answer(response.status, response.headers, text)
    finally:
        connection.close()


def connect(namespace, address, port, patience=5.0):
    """A plain TCP connection."""
    with namespace:
        return socket.create_connection((address, port), patience)


def is_refused(namespace, address, port):
    """Whether nobody listens; who is just closing, and resets what it had not accepted, still does."""
    try:
        connect(namespace, address, port).close()
        return False
    except ConnectionResetError:
        return False
    except ConnectionRefusedError:
        return True


class Port:
    """One of a daemon's ports, as seen from a namespace."""

    def __init__(self, namespace, address, port):
        self.namespace, self.address, self.port = namespace, address, port

    def get(self, path, **more):
        return get(self.namespace, self.address, self.port, path, **more)

    def json(self, path):
        answer = self.get(path)
        return answer.status, json.loads(answer.text)

    def status(self, path):
        return self.get(path).status

    def becomes(self, path, status, patience=5.0):
        """Wait until @path is answered with @status; returns the answer."""
        return until(lambda: (lambda a: a if a.status == status else None)(self.get(path)),
                     f"{path} answered with {status}", patience)

    def part(self, name, path="/healthz"):
        """The line about a part of ?verbose."""
        text = self.get(path + "?verbose").text
        for line in text.splitlines():
            if line.startswith((f"[+]{name} ", f"[-]{name} ")):
                return line
        raise Failure(f"{path}?verbose has no part {name}", *text.splitlines())


def samples(text):
    """Prometheus' text as a dictionary: 'name{label="value"}' -> number."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if line and not line.startswith("#")}


def health(t, namespace=None, address=None, number=HEALTH_PORT):
    """The health port of a test's daemon, from its node when nothing is said."""
    return Port(namespace or t.node, address or LOOPBACK[4], number)


def metrics(t):
    return Port(t.node, LOOPBACK[4], METRICS_PORT)


def scrape(t):
    """The metrics of a test's daemon, as samples() gives them."""
    return samples(metrics(t).get("/metrics").text)


def expect(t, port, **statuses):
    """@statuses: of paths of a health port; says why when one is another."""
    for name, status in statuses.items():
        got = port.get(f"/{name}")
        t.equal(f"/{name}", status, got.status, got.text,
                *port.get(f"/{name}?verbose").text.splitlines())

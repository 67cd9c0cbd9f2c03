# SPDX-License-Identifier: GPL-2.0-or-later
"""The same over HTTP/2, with nghttpx in front."""

import json
import shutil
import subprocess

from .. import auth, control
from ..server import find_nghttpx
from .client import SERVICES, SLICES, STREAMING, endpoint_slice, service
from .harness import Skip, case, equal, true


class Curl:
    """Several requests on one HTTP/2 connection, what they print line by line."""

    def __init__(self, server, *paths):
        self.process = subprocess.Popen(
            ["curl", "--silent", "--show-error", "--globoff", "--no-buffer", "--http2",
             "--parallel", "--parallel-max", "9", "--noproxy", "*", "--cacert", server.ca,
             "--header", f"Authorization: Bearer {server.token(auth.ADMIN)}",
             *(server.url + path for path in paths)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.stdout.close()
        self.process.wait()

    def event(self):
        value = json.loads(self.process.stdout.readline())
        return f"{value['type']} {value['object']['metadata'].get('name', '')}".strip()


def http2(**more):
    if not find_nghttpx() or not shutil.which("curl"):
        raise Skip("no nghttpx or no curl")
    return control.Server(http2=True, **more)


@case
def http2_watches_are_not_held_back():
    with http2() as server, Curl(server, f"{SERVICES}?{STREAMING}") as client:
        equal("bookmark", "BOOKMARK", client.event())
        for i in range(5):
            server.put(service(f"s{i}"))
            equal("at once", f"ADDED s{i}", client.event())


@case
def http2_carries_all_watches_on_one_connection():
    with http2() as server, Curl(server, f"{SERVICES}?watch=1", f"{SLICES}?watch=1",
                                 "/api/v1/nodes?watch=1") as client:
        server.wait_watches(3)
        server.put(service("a"))
        equal("services", "ADDED a", client.event())
        server.put(endpoint_slice("s"))
        equal("slices", "ADDED s", client.event())
        with open(f"/proc/{client.process.pid}/net/tcp", encoding="ascii") as file:
            port = f":{server.address[1]:04X} 01 "
            mine = [line for line in file if port in line and
                    line.split()[2].endswith(port.split()[0])]
        equal("connections", 1, len(mine))


@case
def http2_is_spoken_and_large_lists_pass():
    with http2() as server:
        server.put(*(service(f"s{i}") for i in range(3000)))
        done = server.curl(SERVICES, "--write-out", "\n%{http_version} %{http_code}")
        body, _, what = done.stdout.rpartition(b"\n")
        equal("version and status", b"2 200", what)
        equal("items", 3000, len(json.loads(body)["items"]))
        equal("refused", b"401", server.curl(
            SERVICES, "--header", "Authorization: Bearer x", "--write-out", "%{http_code}",
            "--output", "/dev/null").stdout)


@case
def http2_streams_are_cut_and_stall():
    with http2() as server:
        server.put(*(service(f"s{i}") for i in range(20)))
        server.cut(600, unit="body", resource="services")
        done = server.curl(SERVICES)
        true(f"an error of the stream: {done.stderr}", done.returncode in (18, 92))
        server.cut(600, "stall", unit="body", resource="services")
        done = server.curl(SERVICES, timeout=1)
        equal("too late", 28, done.returncode)
        server.fail(429, 3)
        true("Retry-After", b"retry-after: 3" in server.curl(SERVICES, "--include").stdout)


@case
def http2_goes_away_freezes_and_comes_back():
    with http2() as server:
        with Curl(server, f"{SERVICES}?watch=1") as client:
            server.wait_watches(1)
            server.down()
            true("ended", client.process.wait(10) != 0)
            equal("refused", 7, server.curl(SERVICES).returncode)
        server.up()
        equal("back", 0, server.curl("/livez").returncode)
        server.new_certificate(new_ca=True)
        equal("another CA", b"ok", server.curl("/livez").stdout)
        server.freeze()
        equal("frozen", 28, server.curl("/livez", timeout=1).returncode)
        server.thaw()
        equal("thawed", b"ok", server.curl("/livez").stdout)

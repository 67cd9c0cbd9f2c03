# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that sees every byte, and one that reads watches line by line."""

import http.client
import json
import socket
import ssl

from .. import auth

PATIENCE = 10.0
SERVICES = "/api/v1/services"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
PROXY_SERVICES = (SERVICES + "?labelSelector=!service.kubernetes.io%2Fservice-proxy-name"
                  "&fieldSelector=spec.clusterIP!%3DNone")
STREAMING = ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
             "&allowWatchBookmarks=true")


class Raw:
    """One TLS connection. @certificate: (certificate, key) files."""

    def __init__(self, server, certificate=None):
        context = ssl.create_default_context(cafile=server.ca)
        if certificate:
            context.load_cert_chain(*certificate)
        self.socket = socket.create_connection(server.address, PATIENCE)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing,
                                    server_hostname=server.address[0])
        self.server = server
        self.data = b""
        self.end = None  # goodbye, cut or reset
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self.outgoing.read())
                self.incoming.write(self.socket.recv(1 << 16))
        self.socket.sendall(self.outgoing.read())

    def send(self, data):
        self.tls.write(data)
        self.socket.sendall(self.outgoing.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, path, method="GET", token=None, headers=(), body=b""):
        lines = [f"{method} {path} HTTP/1.1", "Host: test"]
        if token is None:
            token = self.server.token(auth.ADMIN)
        if token:
            lines.append(f"Authorization: Bearer {token}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self

    def read_some(self, patience=PATIENCE):
        """Bytes, b"" at the end, None when nothing came. How it ended is in self.end."""
        self.socket.settimeout(patience)
        while not self.end:
            try:
                data = self.tls.read(1 << 18)
                if data:
                    self.data += data
                    return data
                self.end = "goodbye"
            except ssl.SSLZeroReturnError:
                self.end = "goodbye"
            except ssl.SSLWantReadError:
                try:
                    packed = self.socket.recv(1 << 18)
                except TimeoutError:
                    return None
                except ConnectionResetError:
                    self.end = "reset"
                    return b""
                self.incoming.write(packed)
                if not packed:
                    self.end = "cut"
        return b""

    def read_all(self, patience=PATIENCE):
        """Everything until the end, or until it is silent for so long."""
        while self.read_some(patience):
            pass
        return self.data

    def read_until(self, text, patience=PATIENCE):
        while text not in self.data:
            if not self.read_some(patience):
                raise AssertionError(f"no {text!r} in {self.data[-500:]!r}")
        return self.data


def dechunk(data):
    """The body of a chunked answer, and whether its end was there."""
    body = b""
    while data:
        size, end, data = data.partition(b"\r\n")
        if not end or (len(data) < int(size, 16)):
            return body + data[:int(size or b"0", 16)], False
        if int(size, 16) == 0:
            return body, True
        body += data[:int(size, 16)]
        data = data[int(size, 16) + 2:]
    return body, False


def parse(data):
    """(status, headers as a list of pairs, body) of a whole answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    if ("Transfer-Encoding", "chunked") in headers:
        body, _ = dechunk(body)
    return int(first.split()[1]), headers, body


def fetch(server, path, method="GET", token=None, headers=(), body=b"", certificate=None):
    """One request on a connection of its own: (status, headers in lower case, body)."""
    context = ssl.create_default_context(cafile=server.ca)
    if certificate:
        context.load_cert_chain(*certificate)
    host, port = server.address
    connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    token = server.token(auth.ADMIN) if token is None else token
    fields = dict(headers)
    if token:
        fields["Authorization"] = f"Bearer {token}"
    if body and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        fields.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body or None, fields)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def fetch_json(server, path, *args, **more):
    """(status, the decoded body)."""
    status, _, body = fetch(server, path, *args, **more)
    return status, json.loads(body)


class Stream:
    """A watch over HTTP/1.1. Iterate, or next_event()."""

    def __init__(self, server, path, token=None):
        context = ssl.create_default_context(cafile=server.ca)
        host, port = server.address
        self.connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE,
                                                      context=context)
        token = server.token(auth.ADMIN) if token is None else token
        self.connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        self.answer = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def line(self):
        return self.answer.readline()

    def event(self):
        """(type, object), or None at the end."""
        line = self.line()
        if not line:
            return None
        value = json.loads(line)
        return value["type"], value["object"]

    def events(self, count=None):
        """The next @count, or all to the end."""
        found = []
        while count is None or len(found) < count:
            event = self.event()
            if event is None:
                break
            found.append(event)
        return found

    def summary(self, count=None):
        """The same, each as "ADDED name"."""
        return [f"{word} {value['metadata'].get('name', '')}".strip()
                for word, value in self.events(count)]


def service(name, namespace="shop", ip="10.96.0.1", labels=None, **spec):
    meta = {"name": name, "namespace": namespace}
    if labels:
        meta["labels"] = labels
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta,
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP",
                     "ports": [{"name": "http", "port": 80, "protocol": "TCP"}], **spec}}


def endpoint_slice(name, address="10.244.0.1", namespace="shop", labels=None):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {"kubernetes.io/service-name": "web", **(labels or {})}},
            "addressType": "IPv4", "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}

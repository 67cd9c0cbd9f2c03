#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that behave, and servers that do not, for test_watch_http*.c.

usage: https_server.py DIRECTORY

Makes certificates in DIRECTORY, opens a port of 127.0.0.1 for each kind of server, prints lines
`NAME PORT` and then `ready`. A line on standard input is a question, answered by one number:

    count NAME   connections that were made to that port
    stalled      requests to /stall and /mute whose client is still there
    release      lets each /hold that waits go on; how many these were

It ends with its standard input.
"""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

GO_ON = threading.Condition()
HELD = 0
EPOCH = 0
STALLED = 0
CONNECTIONS = {}
MAX_REQUEST = 65536


# ---- Certificates ------------------------------------------------------------------------------

def openssl(*args):
    """One call of openssl(1), silent unless it fails."""
    subprocess.run(["openssl", *args], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def authority(name):
    """NAME.crt and NAME.key of an authority."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "3650", "-subj", f"/CN={name}")


def certificate(name, names, ca="ca", days=3650):
    """NAME.crt and NAME.key; days -1 is one that expired yesterday."""
    with open(f"{name}.ext", "w", encoding="ascii") as ext:
        ext.write(f"subjectAltName={names}\n")
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key",
            "-extfile", f"{name}.ext", "-days", str(days), "-out", f"{name}.crt")


def make_certificates():
    """All that the tests need."""
    authority("ca")
    authority("other-ca")
    certificate("server", "IP:127.0.0.1,DNS:localhost,DNS:api.test")
    certificate("elsewhere", "DNS:elsewhere.test")
    certificate("expired", "IP:127.0.0.1", days=-1)
    certificate("foreign", "IP:127.0.0.1", ca="other-ca")
    for name in ("alice", "bob"):
        certificate(name, f"DNS:{name}.test")
    certificate("stranger", "DNS:stranger.test", ca="other-ca")
    certificate("late", "DNS:late.test", days=-1)
    # What a machine would trust that has other-ca among its authorities.
    os.mkdir("trust")
    for copy in ("trust/ca-certificates.crt", "trust/other.pem"):
        shutil.copy("other-ca.crt", copy)
    openssl("rehash", "trust")
    openssl("ec", "-in", "alice.key", "-aes256", "-passout", "pass:sesame", "-out", "locked.key")


def context(name, client_ca=None, highest=None):
    """How a TLS server talks."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{name}.crt", f"{name}.key")
    if client_ca:
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(client_ca)
    if highest:
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        tls.maximum_version = highest

    def remember(sock, name, _context):
        sock.asked_name = name
    tls.sni_callback = remember
    return tls


# ---- HTTP --------------------------------------------------------------------------------------

class Gone(Exception):
    """The connection is not to be used any more."""


class Request:
    """One request, and the connection to answer on."""

    def __init__(self, conn, head, body):
        self.conn = conn
        self.head = head
        self.body = body
        target = head.split(" ", 2)[1]
        url = urllib.parse.urlsplit(target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query))

    def number(self, name, default):
        """A parameter."""
        return int(self.query.get(name, default))

    def send(self, text):
        """Bytes, or text as such."""
        self.conn.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))

    def send_in_pieces(self, body, size):
        """As many sends as it takes."""
        for start in range(0, len(body), size):
            self.send(body[start:start + size])

    def answer(self, body, status="200 OK", fields=()):
        """A whole answer."""
        self.send("".join([f"HTTP/1.1 {status}\r\n", *(f"{field}\r\n" for field in fields),
                           f"Content-Length: {len(body)}\r\n\r\n"]))
        self.send(body)

    def begin_chunked(self, fields=()):
        """The head of an answer in chunks."""
        self.send("".join(["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                           *(f"{field}\r\n" for field in fields), "\r\n"]))

    def chunk(self, text):
        """One chunk; the empty one is the last."""
        self.send(f"{len(text):x}\r\n{text}\r\n")

    def wait_for_close(self):
        """Until the client has gone."""
        global STALLED
        with GO_ON:
            STALLED += 1
        try:
            while self.conn.recv(4096):
                pass
        except OSError:
            pass
        with GO_ON:
            STALLED -= 1
        raise Gone


def pattern(count):
    """The body of that many bytes that the tests expect."""
    letters = bytes(range(ord("a"), ord("z") + 1))
    return (letters * (count // 26 + 1))[:count]


def do_ok(req):
    """n bytes in sends of size."""
    body = pattern(req.number("n", 2))
    req.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n")
    req.send_in_pieces(body, req.number("size", 1 << 20))


def do_chunked(req):
    """n bytes in chunks of size, each sent byte-odd; with trailers."""
    body = pattern(req.number("n", 2)).decode("ascii")
    size = req.number("size", 1000)
    req.begin_chunked(["Trailer: X-Late"])
    for start in range(0, len(body), size):
        req.chunk(body[start:start + size])
    req.send("0\r\nX-Late: yes\r\n\r\n")


def do_slow(req):
    """n lines, one after the other."""
    req.begin_chunked(["Content-Type: application/json"])
    for i in range(req.number("n", 10)):
        req.chunk(f"line {i}\n")
        time.sleep(0.005)
    req.chunk("")


def do_hold(req):
    """A first piece, the rest when told."""
    global HELD
    with GO_ON:
        epoch = EPOCH
        HELD += 1
    req.begin_chunked()
    req.chunk("held\n")
    with GO_ON:
        GO_ON.wait_for(lambda: epoch != EPOCH)
    req.chunk("released\n")
    req.chunk("")


def do_stall(req):
    """A head and a piece, nothing more."""
    req.begin_chunked()
    req.chunk("a piece\n")
    req.wait_for_close()


def do_mute(req):
    """Nothing at all."""
    req.wait_for_close()


def do_cut_length(req):
    """n bytes of 1000."""
    req.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    req.send(pattern(req.number("n", 10)))
    raise Gone


def do_cut_chunked(req):
    """Cut behind n bytes of the answer."""
    text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"
    req.send(text[:req.number("n", 10)])
    raise Gone


def do_until_close(req):
    """A body that ends with the connection."""
    req.send("HTTP/1.1 200 OK\r\n\r\nto the end")
    raise Gone


def do_status(req):
    """Any status, Retry-After as given or at= seconds from now."""
    fields = []
    if "retry" in req.query:
        fields.append(f"Retry-After: {req.query['retry']}")
    if "at" in req.query:
        then = time.gmtime(time.time() + req.number("at", 0))
        fields.append(time.strftime("Retry-After: %a, %d %b %Y %H:%M:%S GMT", then))
    status = req.number("code", 200)
    if status in (204, 304):
        req.send(f"HTTP/1.1 {status} X\r\n\r\n")
    else:
        req.answer(b"why", f"{status} X", [*fields, "Location: /ok"])


def do_type(req):
    """A content type, or none."""
    req.answer(b"{}", fields=[f"Content-Type: {req.query['t']}"] if "t" in req.query else [])


def do_head(req):
    """Header fields of n bytes altogether, or about; one= makes it one field."""
    count = req.number("n", 0)
    if "one" in req.query:
        req.answer(b"", fields=["X-Fill: " + "f" * count])
    else:
        req.answer(b"", fields=[f"X-Fill-{i:05}: " + "f" * 84 for i in range(count // 100)])


def do_interim(req):
    """Interim answers before the answer."""
    req.send("HTTP/1.1 100 Continue\r\nRetry-After: 7\r\n\r\n")
    req.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
    req.answer(b"ok")


def do_interim_only(req):
    """Only an interim answer."""
    req.send("HTTP/1.1 103 Early Hints\r\n\r\n")
    raise Gone


def do_raw(req):
    """What is asked for, as it is."""
    req.send(req.query.get("t", ""))
    raise Gone


def do_echo(req):
    """What came in."""
    text = req.head + (req.body.decode("latin-1") + "\r\n" if req.body else "")
    if isinstance(req.conn, ssl.SSLSocket):
        subject = dict(pair[0] for pair in (req.conn.getpeercert() or {}).get("subject", ()))
        text += (f"tls: {req.conn.version()}\r\nname: {getattr(req.conn, 'asked_name', None)}\r\n"
                 f"client: {subject.get('commonName', 'none')}\r\n")
    req.answer(text.encode("latin-1"))


HANDLERS = {name[3:].replace("_", "-"): function for name, function in globals().items()
            if name.startswith("do_")}


def read_head(conn, left):
    """One head, and what came behind it; Gone at the end."""
    while b"\r\n\r\n" not in left:
        more = conn.recv(65536)
        if not more or len(left) > MAX_REQUEST:
            raise Gone
        left += more
        if left[0] == 0x16:
            # As a server without TLS does that is spoken to with it.
            conn.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nTLS")
            conn.shutdown(socket.SHUT_WR)
    head, _, left = left.partition(b"\r\n\r\n")
    return head.decode("latin-1") + "\r\n", left


def read_body(conn, head, left):
    """The body that the head announces, and what came behind it; Gone at the end."""
    length = re.search(r"^content-length: *(\d+)\r$", head, re.MULTILINE | re.IGNORECASE)
    size = int(length[1]) if length else 0
    while len(left) < size:
        more = conn.recv(65536)
        if not more:
            raise Gone
        left += more
    return left[:size], left[size:]


def serve_http(conn):
    """Requests until one ends the connection."""
    left = b""
    while True:
        head, left = read_head(conn, left)
        body, left = read_body(conn, head, left)
        req = Request(conn, head, body)
        HANDLERS[req.path.rsplit("/", 1)[1]](req)


# ---- Servers -----------------------------------------------------------------------------------

def pump(source, sink):
    """Bytes from here to there until either ends."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for sock in (source, sink):
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def relay(conn, other):
    """Both ways."""
    there = threading.Thread(target=pump, args=(conn, other), daemon=True)
    there.start()
    pump(other, conn)
    there.join()
    other.close()


def serve_relay(path):
    """To what listens at a socket in the file system."""
    def serve(conn):
        other = socket.socket(socket.AF_UNIX)
        other.connect(path)
        relay(conn, other)
    return serve


def serve_proxy(user):
    """An HTTP proxy; with user only for those who are."""
    def serve(conn):
        head, _ = read_head(conn, b"")
        if not head.startswith("CONNECT ") or (user and f"Proxy-Authorization: {user}\r\n" not in head):
            conn.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            return
        host, port = head.split(" ")[1].rsplit(":", 1)
        if re.search(r"^Authorization:", head, re.MULTILINE):
            return
        conn.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
        relay(conn, socket.create_connection((host.strip("[]"), int(port))))
    return serve


def serve_banner(conn):
    """Another protocol, ended politely."""
    conn.recv(65536)
    conn.sendall(b"SSH-2.0-nobody\r\n" * 2)
    conn.shutdown(socket.SHUT_WR)
    while conn.recv(65536):
        pass


def serve_reset(conn):
    """Ends rudely."""
    conn.recv(1)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def handshake(conn):
    """One that fails ends politely: a reset would overtake the alert."""
    try:
        conn.do_handshake()
    except ssl.SSLError:
        socket.socket.shutdown(conn, socket.SHUT_WR)
        while socket.socket.recv(conn, 65536):
            pass
        raise


def handle(conn, tls, serve):
    """One connection, to its end."""
    try:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            conn = tls.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
            handshake(conn)
        serve(conn)
    except (OSError, Gone):
        pass
    finally:
        conn.close()


def accept(name, listener, tls, serve):
    """Each connection gets a thread."""
    while True:
        conn, _ = listener.accept()
        CONNECTIONS[name] += 1
        threading.Thread(target=handle, args=(conn, tls, serve), daemon=True).start()


def listen(name, tls=None, serve=serve_http):
    """A server of its own; the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    CONNECTIONS[name] = 0
    threading.Thread(target=accept, args=(name, listener, tls, serve), daemon=True).start()
    port = listener.getsockname()[1]
    print(name, port, flush=True)
    return port


def start_nghttpx(backend):
    """HTTP/2 in front of a plain server, at h2.sock; None where there is no nghttpx."""
    path = os.path.abspath("h2.sock")
    try:
        with open("nghttpx.log", "wb") as log:
            proxy = subprocess.Popen(
                ["nghttpx", "--conf=/dev/null", "--single-process", "--workers=1", "--no-ocsp",
                 f"--frontend=unix:{path}", f"--backend=127.0.0.1,{backend}", "--add-x-forwarded-for",
                 "--backend-read-timeout=1h", "server.key", "server.crt"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    except FileNotFoundError:
        return None, path
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and proxy.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(path)
            return proxy, path
        except OSError:
            time.sleep(0.01)
    raise SystemExit("nghttpx does not start, see nghttpx.log")


def listen_all():
    """Every kind of server; the process of nghttpx."""
    listen("good", context("server"))
    listen("elsewhere", context("elsewhere"))
    listen("expired", context("expired"))
    listen("foreign", context("foreign"))
    listen("mutual", context("server", client_ca="ca.crt"))
    listen("mutual-1.2", context("server", client_ca="ca.crt", highest=ssl.TLSVersion.TLSv1_2))
    listen("old", context("server", highest=ssl.TLSVersion.TLSv1_1))
    plain = listen("plain")
    listen("banner", serve=serve_banner)
    listen("reset", serve=serve_reset)
    listen("proxy", serve=serve_proxy(None))
    # user:hunter2
    listen("keen-proxy", serve=serve_proxy("Basic dXNlcjpodW50ZXIy"))
    proxy, path = start_nghttpx(plain)
    if proxy:
        listen("h2", serve=serve_relay(path))
    return proxy


def ask(words):
    """The answer to a question."""
    global EPOCH, HELD
    if words[0] == "count":
        return CONNECTIONS[words[1]]
    with GO_ON:
        if words[0] == "stalled":
            return STALLED
        held, HELD = HELD, 0
        EPOCH += 1
        GO_ON.notify_all()
        return held


def main():
    """Until nobody asks any more."""
    os.chdir(sys.argv[1])
    make_certificates()
    proxy = listen_all()
    # Bound, not listening: nobody else gets it, and who connects is refused.
    refused = socket.socket()
    refused.bind(("127.0.0.1", 0))
    print("refused", refused.getsockname()[1])
    print("ready 0", flush=True)
    for line in sys.stdin:
        print(ask(line.split()), flush=True)
    if proxy:
        proxy.kill()
        proxy.wait()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-or-later
"""The process: listeners, certificates, the program for HTTP/2, start and end."""

import asyncio
import gc
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess

from . import auth, certs
from .admin import Admin
from .api import Api
from .connection import Connection
from .faults import Faults
from .store import Store

NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
         "127.0.0.1", "::1")
START_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NGHTTPX_PATIENCE = 10.0


def parse_listen(text):
    """`ADDRESS:PORT` or `[ADDRESS]:PORT`."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def find_nghttpx():
    """The program's path, or None; it is not in everybody's PATH."""
    return shutil.which("nghttpx") or shutil.which("nghttpx", path="/usr/sbin:/usr/local/sbin")


def certificate_names(host, names=()):
    """Whom a server's certificate is for."""
    return [*NAMES, *([] if host in NAMES else [host]), *names]


def format_address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Server:
    def __init__(self, directory, listen, http2=False, names=(), history=100_000):
        self.directory = directory
        self.host, self.port = parse_listen(listen)
        self.http2 = http2
        self.names = certificate_names(self.host, names)
        self.store = Store(history)
        for name in START_NAMESPACES:
            self.store.ensure_namespace(name)
        self.guard = auth.Guard(self.path("tokens.csv"), self.path("passwords.csv"))
        self.faults = Faults()
        self.api = Api(self.store, self.guard, self.faults)
        self.connections = set()
        self.accepted = 0
        self.stopping = asyncio.Event()
        self._listener = None
        self._nghttpx = None
        self._control = None
        self._control_connections = set()

    def path(self, name):
        return os.path.join(self.directory, name)

    # Start

    def prepare(self):
        """Credentials and certificates, where there are none yet."""
        os.makedirs(self.directory, exist_ok=True)
        if not os.path.exists(self.path("tokens.csv")):
            write_private(self.path("tokens.csv"), "".join(
                f"{secrets.token_urlsafe(24)},{user},{number}\n"
                for number, user in enumerate((auth.ADMIN, auth.PROXY, "nobody"))))
            write_private(self.path("passwords.csv"),
                          f"{secrets.token_urlsafe(12)},{auth.ADMIN},0\n"
                          f"{secrets.token_urlsafe(12)},{auth.BASIC_PROXY},1\n")
        if not os.path.exists(self.path("ca.crt")):
            certs.make_ca(self.directory, "client-ca", "clients")
            self.new_certificate(True)

    def new_certificate(self, new_ca=False, names=None):
        if new_ca:
            certs.make_ca(self.directory, "ca", f"kubernetes-{secrets.token_hex(4)}")
        certs.make_server(self.directory, "ca", names or self.names)

    def load(self, path, replace=False):
        with open(path, "rb") as file:
            content = json.load(file)
        items = content["items"] if "items" in content else [content]
        count = self.store.load(items, replace=replace)
        gc.collect()
        gc.freeze()
        return count

    def restore(self, path):
        """{"lists": recorded lists, "compacted": the oldest revision to watch from}."""
        with open(path, "rb") as file:
            self.store.restore(**json.load(file))

    def _context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.path("server.crt"), self.path("server.key"))
        context.load_verify_locations(self.path("client-ca.crt"))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _accept(self, context):
        def make():
            self.accepted += 1
            return Connection(self.api.serve, context, self.connections)
        return make

    async def start_control(self):
        admin = Admin(self)
        self._control = await asyncio.get_running_loop().create_unix_server(
            lambda: Connection(admin.serve, None, self._control_connections),
            self.path("control.sock"))

    async def up(self):
        """Accept connections, at the same port as before."""
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        if not self.http2:
            self._listener = await loop.create_server(
                self._accept(self._context()), self.host, self.port, backlog=1024)
            self.port = self._listener.sockets[0].getsockname()[1]
            return
        self._listener = await loop.create_unix_server(
            self._accept(None), self.path("backend.sock"), backlog=1024)
        await self._start_nghttpx()

    async def _start_nghttpx(self):
        if not self.port:
            with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
                probe.bind((self.host, 0))
                self.port = probe.getsockname()[1]
        log = self.path("nghttpx.log")
        program = find_nghttpx()
        if program is None:
            raise RuntimeError("nghttpx is not installed (Debian: nghttp2-proxy)")
        argv = ["setpriv", "--pdeathsig", "TERM", program, "--conf=/dev/null", "--single-process",
                f"--frontend={self.host},{self.port}",
                f"--backend=unix:{self.path('backend.sock')}", "--no-ocsp", "--no-via",
                "--no-server-rewrite", "--no-add-x-forwarded-proto", "--backend-read-timeout=24h",
                "--backend-write-timeout=24h", "--stream-write-timeout=24h",
                "--frontend-write-timeout=24h", "--frontend-http2-read-timeout=24h",
                "--frontend-read-timeout=24h", f"--errorlog-file={log}", "--log-level=WARN",
                "--single-thread", self.path("server.key"), self.path("server.crt")]
        with open(log, "ab") as out:
            self._nghttpx = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                             stderr=out)
        deadline = asyncio.get_running_loop().time() + _NGHTTPX_PATIENCE
        while True:
            try:
                _, writer = await asyncio.open_connection(self.host, self.port)
                writer.close()
                return
            except OSError:
                late = asyncio.get_running_loop().time() > deadline
                if late or self._nghttpx.poll() is not None:
                    raise RuntimeError(f"nghttpx did not start, see {log}") from None
                await asyncio.sleep(0.01)

    @property
    def pids(self):
        """All processes that a frozen server consists of."""
        return [os.getpid(), *([self._nghttpx.pid] if self._nghttpx else [])]

    # End

    async def down(self, with_reset=False):
        """Refuse connections, end those that there are."""
        if self._nghttpx is not None:
            self._nghttpx.kill()
            self._nghttpx.wait()
            self._nghttpx = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in list(self.connections):
            connection.abort(with_reset)
        while self.connections:
            await asyncio.sleep(0.001)
        if os.path.exists(self.path("backend.sock")):
            os.unlink(self.path("backend.sock"))

    async def run(self):
        """Serve until stopping is set."""
        await self.start_control()
        await self.up()
        ready = json.dumps({"url": self.url, "pid": os.getpid()})
        print(ready, flush=True)
        await self.stopping.wait()
        await self.down()
        self._control.close()
        for connection in list(self._control_connections):
            connection.abort()
        if os.path.exists(self.path("control.sock")):
            os.unlink(self.path("control.sock"))

    @property
    def url(self):
        return f"https://{format_address(self.host, self.port)}"


def write_private(path, text):
    """Replace a file as a careful program does."""
    with open(os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)

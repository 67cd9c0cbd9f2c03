# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in API server as a test sees it: started, fed, made to misbehave, stopped."""

import base64
import contextlib
import csv
import http.client
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from . import auth, certs, kubeconfig
from .server import certificate_names, parse_listen, write_private

HERE = os.path.dirname(os.path.realpath(__file__))
_START_PATIENCE = 30.0
_SOCKET_PATH_MAX = 100


class Trouble(AssertionError):
    """The server did not do what it was told, or what was waited for did not come."""


def until(condition, what, patience=10.0):
    """Poll until @condition() is true, and return what it returned.

    @what: what is waited for; a function when that is known only at the end.
    """
    deadline = time.monotonic() + patience
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Trouble(f"waited {patience:g} s in vain: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class _Cache:
    """Credentials that servers of one test run start with; making them takes longer than all
    the rest. Kept in memory, where nothing is left behind."""

    def __init__(self):
        self._files = {}  # names: {file name: content}

    @staticmethod
    def _read(directory):
        found = {}
        for name in os.listdir(directory):
            with open(os.path.join(directory, name), "rb") as file:
                found[name] = file.read()
        return found

    @staticmethod
    def _write(files, directory):
        for name, content in files.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(content)

    def fill(self, directory, names):
        """Put them into @directory, for a server with these @names."""
        with tempfile.TemporaryDirectory(prefix="kubenft-api-certs-") as work:
            if "" not in self._files:
                certs.make_ca(work, "ca", "kubernetes")
                certs.make_ca(work, "client-ca", "clients")
                self._files[""] = self._read(work)
            if repr(names) not in self._files:
                self._write(self._files[""], work)
                certs.make_server(work, "ca", names)
                self._files[repr(names)] = self._read(work)
        self._write(self._files[repr(names)], directory)


_cache = _Cache()


class Server:
    """A running stand-in. Use as a context manager, or call stop().

    @listen: ADDRESS:PORT; port 0 is a free one.  @namespace: a context manager inside which the
    process is started, e.g. test/e2e/netns.Namespace.  @http2: put nghttpx in front.
    @load: files with JSON Lists.  @restore: a file of recorded lists.  @names: more names and
    addresses for the certificate.  @directory: kept at the end; without one, a temporary
    directory is made and removed.  @settings: see set().
    """

    def __init__(self, listen="127.0.0.1:0", namespace=None, http2=False, load=(), restore=None,
                 names=(), directory=None, history=None, settings=None,
                 fresh=False):
        self._own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="kubenft-api-")
        if len(self.path("control.sock")) > _SOCKET_PATH_MAX:
            raise Trouble(f"{self.directory}: too long a path for a unix socket")
        os.makedirs(self.directory, exist_ok=True)
        if not fresh and not os.path.exists(self.ca):
            _cache.fill(self.directory, certificate_names(parse_listen(listen)[0], names))
        self.http2 = http2
        self._lock = threading.Lock()
        self._connection = None
        self._frozen = []
        argv = [os.path.join(HERE, "serve"), "--die-with-parent", "--directory", self.directory,
                "--listen", listen]
        argv += ["--http2"] if http2 else []
        argv += [f"--load={path}" for path in load] + [f"--name={name}" for name in names]
        argv += [f"--restore={restore}"] if restore else []
        argv += [f"--history={history}"] if history else []
        argv += ["--temporary"] if self._own_directory else []
        self._log = tempfile.TemporaryFile()
        with namespace or contextlib.nullcontext():
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, stderr=self._log)
        try:
            ready = json.loads(self._first_line())
            self.url = ready["url"]
            if settings:
                self.set(**settings)
        except BaseException:
            self.stop(check=False)
            raise

    def _first_line(self):
        ready, _, _ = select.select([self.process.stdout], [], [], _START_PATIENCE)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            self.process.kill()
            self.process.wait()
            raise Trouble(f"the stand-in did not start: {self.log()[-2000:]}")
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def path(self, name):
        return os.path.join(self.directory, name)

    def log(self):
        """What it complained about."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    @property
    def address(self):
        """(host, port)."""
        host, _, port = self.url.removeprefix("https://").rpartition(":")
        return host.strip("[]"), int(port)

    def stop(self, check=True):
        """End it and remove its directory. @check: it must have ended well, without complaints."""
        if self.process is None:
            return
        self.thaw()
        self.process.terminate()
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.process = None
        if self._connection:
            self._connection.close()
        log = self.log()
        self._log.close()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        if check and (status != 0 or log):
            raise Trouble(f"the stand-in ended with status {status}: {log[-2000:]}")

    # The control interface

    def do(self, action, **parameters):
        """Any action of admin.py."""
        body = json.dumps(parameters)
        with self._lock:
            for is_last in (False, True):
                try:
                    if self._connection is None:
                        self._connection = _UnixConnection(self.path("control.sock"))
                    self._connection.request("POST", f"/{action}", body)
                    answer = json.load(self._connection.getresponse())
                    break
                except (OSError, http.client.HTTPException):
                    self._connection.close()
                    self._connection = None
                    if is_last:
                        raise
        if "error" in answer:
            raise Trouble(f"{action}: {answer['error']}")
        return answer

    def state(self):
        return self.do("state")

    def requests(self, resource=None, kind=None, last=1000):
        """The newest requests as dictionaries: method path query headers user code time ..."""
        return self.do("requests", resource=resource, kind=kind, last=last)["requests"]

    def count(self, resource=None, kind=None):
        """How many requests there were."""
        return sum(count for name, kinds in self.state()["counts"].items()
                   if resource in (None, name)
                   for word, count in kinds.items() if kind in (None, word))

    def watches(self, resource=None, kind=None):
        """Open watches as dictionaries. kind: "watch" or "streaming"."""
        return [watch for watch in self.state()["watches"]
                if resource in (None, watch["resource"]) and kind in (None, watch["kind"])]

    # Objects

    def put(self, *objects, **more):
        """Create or replace objects, as they are. Returns the revision after that."""
        return self.do("put", items=list(objects), **more)["revision"]

    def replace(self, *objects):
        """The same; other objects of these kinds are deleted."""
        return self.put(*objects, replace=True)

    def delete(self, resource, namespace, name):
        return self.do("delete", resource=resource, namespace=namespace, name=name)["revision"]

    def get(self, resource, namespace, name):
        """The object, or None."""
        return self.do("get", resource=resource, namespace=namespace, name=name)["object"]

    def load(self, path, replace=False):
        """A JSON List from a file. Returns the number of objects."""
        return self.do("load", path=os.path.abspath(path), replace=replace)["count"]

    def sent_ns(self, revision):
        """CLOCK_MONOTONIC when the first event of @revision was written to a socket, or None."""
        return self.do("sent", revision=revision)["ns"]

    # Misbehaviour

    def set(self, **settings):
        """bookmarks, bookmark_seconds, streaming, continue_expires, duplicate, chunk_bytes,
        gzip_bytes, future_seconds, anonymous."""
        return self.do("settings", **settings)

    def fault(self, **order):
        """See README.md; returns a number, whose hits state()["faults"] counts."""
        return self.do("fault", **order)["number"]

    def fail(self, status, retry_after=None, times=1, **order):
        """Answer @status to the next @times requests (None: to all)."""
        return self.fault(status=status, retry_after=retry_after, times=times, **order)

    def cut(self, at, then="close", **order):
        """Cut the next answer at byte @at. then: close, reset, stall, end."""
        return self.fault(at=at, then=then, **order)

    def clear_faults(self):
        self.do("clear_faults")

    def hits(self, number):
        return self.state()["faults"][str(number)]

    def deny(self, user, *resources):
        self.do("deny", user=user, resources=resources)

    def inject(self, resource, text, newline=True, size=0):
        """Put a line into every open watch of @resource; text may be bytes."""
        raw = text if isinstance(text, bytes) else text.encode()
        self.do("inject", resource=resource, base64_text=base64.b64encode(raw).decode(),
                newline=newline, size=size)

    def inject_event(self, resource, kind, value):
        """An event of any type with any object."""
        self.inject(resource, json.dumps({"type": kind, "object": value}))

    def end(self, then="close", resource=None, kind=None, idle=False):
        """End open watches: close, reset, stall (silence from now on), end (in good order)."""
        return self.do("end", then=then, resource=resource, kind=kind, idle=idle)["count"]

    def compact(self, revision=None):
        """Every older revision is gone: 410 for who comes back with one."""
        self.do("compact", revision=revision)

    def down(self, with_reset=False):
        """Refuse connections; those that there are end."""
        self.do("down", with_reset=with_reset)

    def up(self, compact=False):
        self.do("up", compact=compact)

    def new_certificate(self, new_ca=False, names=None, with_reset=False):
        """Restart with another certificate; self.ca is another file's content after a new_ca."""
        self.do("certificate", new_ca=new_ca, names=names, with_reset=with_reset)

    def freeze(self):
        """SIGSTOP: connections stay, are even accepted by the kernel, but nothing answers."""
        self._frozen = self.state()["pids"]
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self._frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self._frozen = []

    # Waiting

    def wait_watches(self, count=1, resource=None, kind=None, patience=10.0):
        """Until @count or more watches are open and past their initial state."""
        def reached():
            found = [watch for watch in self.watches(resource, kind) if not watch["initial"]]
            return found if len(found) >= count else None
        return until(reached, f"{count} watches of {resource or 'anything'}", patience)

    def wait_no_watches(self, resource=None, patience=10.0):
        until(lambda: not self.watches(resource), f"no watch of {resource or 'anything'}", patience)

    def wait_count(self, count, resource=None, kind=None, patience=10.0):
        """Until there were @count requests."""
        until(lambda: self.count(resource, kind) >= count,
              lambda: f"{count} requests ({kind or 'any'}) for {resource or 'anything'}, there "
                      f"were {self.count(resource, kind)}", patience)

    def wait_hits(self, number, count=1, patience=10.0):
        until(lambda: self.hits(number) >= count, f"fault {number} hit {count} times", patience)

    def wait_delivered(self, revision=None, resource=None, patience=10.0):
        """Until every open watch was sent everything up to @revision (default: now)."""
        def reached():
            state = self.state()
            wanted = state["revision"] if revision is None else revision
            return all(self._has(watch, wanted, state) for watch in state["watches"]
                       if resource in (None, watch["resource"]))
        until(reached, f"revision {revision} delivered", patience)

    @staticmethod
    def _has(watch, wanted, state):
        return watch["seen"] >= min(wanted, state["newest"].get(watch["resource"], 0))

    # Credentials

    @property
    def ca(self):
        return self.path("ca.crt")

    def _rows(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    def token(self, user=auth.PROXY):
        return next(row[0] for row in self._rows("tokens.csv") if row[1] == user)

    def password(self, user=auth.BASIC_PROXY):
        return next(row[0] for row in self._rows("passwords.csv") if row[1] == user)

    def token_file(self, user=auth.PROXY):
        """A file with the token; rotate_token() replaces its content."""
        path = self.path(f"token-{user.replace(':', '-')}")
        write_private(path, self.token(user))
        return path

    def rotate_token(self, user=auth.PROXY, keep_old=False, tell=True):
        """A new token, from now on. @keep_old: the old one is good as well. @tell: also write
        the file that token_file() made. Returns the new token."""
        rows = self._rows("tokens.csv")
        old = [row for row in rows if row[1] == user]
        new = [secrets.token_urlsafe(24), *old[0][1:]]
        kept = rows if keep_old else [row for row in rows if row[1] != user]
        write_private(self.path("tokens.csv"),
                      "".join(",".join(row) + "\n" for row in [new, *kept]))
        path = self.path(f"token-{user.replace(':', '-')}")
        if tell and os.path.exists(path):
            write_private(path, new[0])
        return new[0]

    def client_certificate(self, user=auth.PROXY):
        """(certificate, key): files, made anew with each call."""
        return certs.make_client(self.directory, "client-ca", user,
                                 f"client-{user.replace(':', '-')}")

    def kubeconfig(self, path, how="token", user=auth.PROXY, inline=False, relative=False,
                   with_ca=True, **cluster):
        """Write a kubeconfig; returns @path.

        @how: token, tokenFile, cert, basic or none. @inline: certificates and keys as -data.
        @relative: file names relative to the file. @cluster: more entries of the cluster, or
        other values, `_` for `-`: server, tls_server_name, proxy_url, insecure_skip_tls_verify.
        """
        base = os.path.dirname(os.path.abspath(path)) if relative else None
        entries = {"server": self.url}
        if with_ca:
            entries.update(kubeconfig.file_or_data("certificate-authority", self.ca, inline, base))
        entries.update((name.replace("_", "-"), value) for name, value in cluster.items())
        who = {}
        if how == "token":
            who = {"token": self.token(user)}
        elif how == "tokenFile":
            who = kubeconfig.file_or_data("tokenFile", self.token_file(user), False, base)
        elif how == "cert":
            certificate, key = self.client_certificate(user)
            who = {**kubeconfig.file_or_data("client-certificate", certificate, inline, base),
                   **kubeconfig.file_or_data("client-key", key, inline, base)}
        elif how == "basic":
            user = auth.BASIC_PROXY if user == auth.PROXY else user
            who = {"username": user, "password": self.password(user)}
        return kubeconfig.write(path, entries, who)

    def service_account(self, directory, user=auth.PROXY):
        """Files as in a pod; returns the environment that goes with them."""
        os.makedirs(directory, exist_ok=True)
        write_private(os.path.join(directory, "token"), self.token(user))
        write_private(os.path.join(directory, "namespace"), "kube-system")
        shutil.copy(self.ca, os.path.join(directory, "ca.crt"))
        host, port = self.address
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}

    # A client of its own, for tests of the stand-in

    def curl(self, path, *args, user=auth.ADMIN, timeout=30):
        """Run curl on a path; returns its subprocess.CompletedProcess, output as bytes."""
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--globoff", "--noproxy", "*", "--cacert",
             self.ca, "--max-time", str(timeout), "--header",
             f"Authorization: Bearer {self.token(user)}", *args, self.url + path],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=timeout + 10)

# SPDX-License-Identifier: GPL-2.0-or-later
"""The stand-in API server (test/apiserver) in the node's namespace, for daemons that watch it."""

import base64
import json
import os
import re

import objects
from apiserver import auth, control
from apiserver.server import find_nghttpx
from daemon import Failure, Skip, run_command, until
from topology import remote_address

PATHS = {"Service": "/api/v1", "Node": "/api/v1", "EndpointSlice": "/apis/discovery.k8s.io/v1",
         "ServiceCIDR": "/apis/networking.k8s.io/v1"}
RESOURCES = ("services", "endpointslices", "nodes", "servicecidrs")
EVENTS = "events.k8s.io/v1/events"  # written, not read

# In the kernel after so long, also on a machine that does other things, with sanitizers.
PATIENCE = 30.0


def resource_of(thing):
    return f"{thing['kind'].lower()}s"


def key_of(thing):
    meta = thing["metadata"]
    namespace = meta.get("namespace", "default") if thing["kind"] in ("Service", "EndpointSlice") \
        else ""
    return resource_of(thing), namespace, meta["name"]


def secrets_in(directory):
    """Everything below a stand-in's directory that nobody else may see, as text."""
    found = set()
    for name in os.listdir(directory):
        if not name.endswith((".csv", ".key")):
            continue
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            lines = file.read().splitlines()
        if name.endswith(".key"):
            found.update(line for line in lines if len(line) > 30 and "-----" not in line)
            continue
        for line in lines:
            secret, user = line.split(",")[:2]
            found.update((secret, base64.b64encode(f"{user}:{secret}".encode()).decode()))
    return found


class Api:
    """An API server, and what a test knows to be in it.

    Makes itself the Case's source: t.run(), t.write(), t.diff() are then about its objects.

    @how: the credentials in the kubeconfig.  @more: as for control.Server.
    """

    def __init__(self, t, http2=False, how="tokenFile", **more):
        if http2 and not find_nghttpx():
            raise Skip("no nghttpx")
        self.t = t
        self.node = t.node
        self.server = control.Server(http2=http2, namespace=self.node,
                                     directory=t.world.new_directory(), **more)
        self.secrets = secrets_in(self.server.directory)
        self.outputs = []
        self._nobodies = 0
        t.at_end(self._close)
        t.api = self
        self.kubeconfig = self.server.kubeconfig(
            os.path.join(self.server.directory, "kubeconfig"), how)
        self.truth = {}
        self.put(objects.node(), objects.service_cidr())

    @property
    def args(self):
        return ("--kubeconfig", self.kubeconfig) if self.kubeconfig else ()

    def _close(self):
        trouble = []
        try:
            self.note_secrets()
            self.server.stop()
        except (control.Trouble, OSError) as error:
            trouble.append(str(error))
        return trouble + self.leaks()

    # Objects

    def put(self, *things):
        """Create or replace objects, right or wrong. Returns the revision."""
        things = objects.as_objects(things)
        self.truth.update((key_of(thing), thing) for thing in things)
        return self.server.put(*things)

    def delete(self, *things):
        for thing in objects.as_objects(things):
            del self.truth[key_of(thing)]
            self.server.delete(*key_of(thing))

    def write(self, *things):
        """These are all objects that there are; when a daemon runs, until the kernel agrees."""
        things = objects.as_objects(things)
        gone = [thing for key, thing in self.truth.items()
                if key not in {key_of(thing) for thing in things}]
        self.put(*things)
        self.delete(*gone)
        if any(not daemon.stopped for daemon in self.t.daemons):
            self.settled()

    def request(self, method, thing, value=None, kind="application/json", path=""):
        """A request of somebody who may do everything; returns what was answered.

        @thing: whose path it goes to; its own without @path.
        """
        resource, namespace, name = key_of(thing)
        parts = [PATHS[thing["kind"]]] + ([f"namespaces/{namespace}"] if namespace else []) + \
            [resource] + ([] if method == "POST" else [name]) + ([path] if path else [])
        body = [] if value is None else ["--data-binary", json.dumps(value), "--header",
                                         f"Content-Type: {kind}"]
        with self.node:
            done = self.server.curl("/".join(parts), "--request", method, *body,
                                    "--write-out", "\n%{http_code}")
        answer, _, status = done.stdout.decode().rpartition("\n")
        if status not in ("200", "201"):
            raise Failure(f"{method} {'/'.join(parts)}: {status}", done.stderr.decode(), answer)
        return json.loads(answer)

    def create(self, thing):
        answer = self.request("POST", thing, thing)
        self.truth[key_of(thing)] = answer

    def update(self, thing):
        answer = self.request("PUT", thing, thing)
        self.truth[key_of(thing)] = answer

    def patch(self, thing, change):
        answer = self.request("PATCH", thing, change, "application/merge-patch+json")
        self.truth[key_of(thing)] = answer

    def remove(self, thing):
        self.request("DELETE", thing)
        del self.truth[key_of(thing)]

    def forget_history(self, after_delivery=True):
        """Who comes back with a revision of before has to list anew; nothing of interest has
        changed."""
        if after_delivery:
            self.server.wait_delivered()
        for _ in range(2):
            self._nobodies += 1
            self.server.put(objects.node(f"nobody-{self._nobodies}", {4: "192.0.2.250"}))
        self.server.compact()

    def expire(self, *resources):
        """Open watches are told that their revision is gone."""
        for resource in resources:
            self.server.inject_event(resource, "ERROR", {
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too old resource version: 2 (7)", "reason": "Expired", "code": 410})

    # What the kernel has

    def truth_path(self):
        path = os.path.join(self.server.directory, "truth.json")
        self.t.write(*self.truth.values(), path=path, form=objects.json_list, with_node=False)
        return path

    def _difference(self, path, daemon):
        done = run_command(self.t.binary, self.node, "diff", "--source", path, *daemon.options)
        return done.stdout + done.stderr if done.returncode else ""

    def difference(self, daemon=None):
        """What diff says about a file of all objects; "" when the kernel has them."""
        return self._difference(self.truth_path(), daemon or self.t.daemons[-1])

    def settled(self, patience=PATIENCE, daemon=None):
        """Wait until the kernel has what is in the server, by the word of a file of it."""
        path = self.truth_path()
        last = []

        def agrees():
            last[:] = [self._difference(path, daemon or self.t.daemons[-1])]
            return not last[0]
        try:
            until(agrees, "the kernel has what the API server has", patience, 0.03)
        except Failure as failure:
            raise Failure(str(failure), *last[0].splitlines()[:20]) from None

    def run(self, *things, **more):
        """Put @things, start a daemon, wait until it watches, and the kernel has all of it."""
        self.put(*things)
        daemon = self.t.run(**more)
        self.server.wait_watches(len(RESOURCES))
        self.settled()
        return daemon

    # What the daemon says

    def complains(self, daemon, start, resource, *words, patience=PATIENCE):
        """Wait for the one warning about @resource with @words; returns the line."""
        def found():
            lines = [line for line in daemon.complaints(start)
                     if f'="{resource}"' in line and all(word in line for word in words)]
            return lines or None
        lines = until(found, f"a warning about {resource} with {', '.join(words)}", patience, 0.02)
        if len(lines) != 1:
            raise Failure(f"one warning about {resource}, not {len(lines)}", *lines[:10])
        return lines[0]

    @staticmethod
    def calm(daemon, start=0, warnings=0, lines=40):
        """At most so many warnings and errors, and lines at all, were logged."""
        complaints, log = daemon.complaints(start), daemon.log(start).splitlines()
        if len(complaints) > warnings or len(log) > lines:
            raise Failure(f"{len(complaints)} complaints, at most {warnings}; "
                          f"{len(log)} lines, at most {lines}", *complaints[:10], *log[-20:])

    def dump(self, daemon):
        """What SIGUSR1 makes it say: {resource or "server": {field: value}}."""
        start = daemon.mark()
        daemon.process.send_signal(10)
        daemon.wait_log('"state"', start)
        found = {}
        for line in daemon.log(start).splitlines():
            if '"source"' in line:
                fields = dict(re.findall(r'(\w+)="?([^" ]*)"?', line.partition('"source"')[2]))
                found[fields["resource"] if "resource" in fields else "server"] = fields
        return found

    # Secrets

    def note_secrets(self):
        """For what will be replaced: it stays secret."""
        self.secrets |= secrets_in(self.server.directory)

    def leaks(self):
        """Complaints about secrets in what kubenft has printed."""
        texts = list(self.outputs)
        if os.path.exists(self.t.log_path):
            with open(self.t.log_path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        return [f"a secret was printed: {line}" for text in texts for line in text.splitlines()
                if any(secret in line for secret in self.secrets)]

    # For whoever looks at a failure

    def facts(self):
        try:
            requests = self.server.requests(last=15)
        except (control.Trouble, OSError) as error:
            return [f"the stand-in: {error}"]
        return ["the stand-in's last requests:"] + [
            f"  {note['time']:.3f} {note['user']} {note['method']} {note['path']} "
            f"{note.get('kind')} {note['code']} connection {note['connection']}"
            for note in requests]


def of_proxy(server, resource=None, kind=None):
    """The requests of the daemon, as control.Server.requests() has them."""
    return [note for note in server.requests(resource, kind) if note["user"] == auth.PROXY]


def crowd(t, count, prefix="s"):
    """@count Services of 3 endpoints each."""
    far = [remote_address(i, 4) for i in range(1, 4)]
    return [thing for i in range(count)
            for thing in t.web(far, name=f"{prefix}{i}", families=(4,))]

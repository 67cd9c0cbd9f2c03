# SPDX-License-Identifier: GPL-2.0-or-later
"""The control interface: HTTP with JSON on a unix socket, for tests.

Each path is a method below; its parameters are members of the JSON object in the request's
body. The answer is a JSON object: {"error": TEXT} with status 400 when something was wrong.
"""

import asyncio
import base64
import inspect
import json

from . import resources
from .connection import Lost
from .status import dumps

_REQUESTS_SHOWN = 1000


class Admin:
    def __init__(self, server):
        self.server = server
        self.api = server.api
        self.store = server.store

    async def serve(self, _connection, request, response):
        action = getattr(self, "do_" + request.path.strip("/"), None)
        code, answer = 200, None
        try:
            if action is None:
                raise KeyError(f"no action {request.path}")
            answer = action(**(json.loads(request.body) if request.body else {}))
            if inspect.isawaitable(answer):
                answer = await answer
        except Lost:
            raise
        except Exception as error:  # a test's mistake must not end the server
            code, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        response.start(code)
        await response.write(dumps(answer or {}))

    # Facts

    def do_state(self):
        """Everything that counts."""
        server, api, store = self.server, self.api, self.store
        counts = {}
        for (resource, kind), count in api.counts.items():
            counts.setdefault(resource, {})[kind] = count
        codes = {}
        for (resource, kind, code), count in api.codes.items():
            codes.setdefault(resource, {}).setdefault(kind, {})[code] = count
        return {"url": server.url, "pids": server.pids, "revision": store.revision,
                "compacted": store.compacted, "counts": counts, "codes": codes,
                "watches": sorted((watch.facts() for watch in api.watches.open),
                                  key=lambda facts: facts["number"]),
                "newest": {kind.resource: table.newest for kind, table in store.tables.items()},
                "connections": {"open": len(server.connections), "accepted": server.accepted},
                "faults": server.faults.hits(), "settings": vars(api.settings),
                "objects": {f"{kind.api}/{kind.resource}": len(table.records)
                            for kind, table in store.tables.items()}}

    def do_requests(self, resource=None, kind=None, last=_REQUESTS_SHOWN):
        """The newest requests, oldest first, with their headers."""
        found = [note for note in self.api.requests
                 if resource in (None, note.get("resource")) and kind in (None, note.get("kind"))]
        return {"requests": found[-last:]}

    def do_forget_requests(self):
        """Counters begin at 0 again."""
        self.api.requests.clear()
        self.api.counts.clear()
        self.api.codes.clear()

    def do_sent(self, revision):
        """When the first event of @revision was handed to a socket: CLOCK_MONOTONIC, ns."""
        return {"ns": self.store.sent.get(revision)}

    # Objects

    def do_put(self, items, replace=False, manager="", namespaces=True):
        """Create or replace objects as they are, right or wrong. Returns the new revision."""
        if namespaces:
            self.store.load(items, manager, replace)
        else:
            for item in items:
                self.store.put(resources.of_object(item), item, manager)
        return {"revision": self.store.revision}

    def do_load(self, path, replace=False):
        return {"count": self.server.load(path, replace), "revision": self.store.revision}

    def do_delete(self, resource, name, namespace=""):
        kind = resources.find(resource)
        record = self.store.delete(kind, namespace, name)
        if record is None:
            raise KeyError(f"no {kind.resource} {namespace}/{name}")
        return {"revision": self.store.revision}

    def do_get(self, resource, name, namespace=""):
        kind = resources.find(resource)
        record = self.store.get(kind, namespace, name)
        return {"object": record.value(kind) if record else None}

    # Misbehaviour

    def do_settings(self, **values):
        self.api.settings.change(values)
        return vars(self.api.settings)

    def do_fault(self, **order):
        return {"number": self.server.faults.add(order)}

    def do_clear_faults(self):
        self.server.faults.clear()

    def do_deny(self, user, resources):  # the name is the interface's
        """@user may not use these @resources ("*": none at all); [] takes it back."""
        self.server.guard.denied[user] = set(resources)

    def do_inject(self, resource, text="", base64_text="", size=0, newline=True):
        """Put bytes into every open watch of @resource, @size of them behind @text if given."""
        raw = base64.b64decode(base64_text) if base64_text else text.encode()
        raw += b"x" * max(0, size - len(raw))
        self.store.inject(resources.find(resource), raw + (b"\n" if newline else b""))

    def do_end(self, then="close", resource=None, kind=None, idle=False):
        """End open watches of @resource and @kind; @idle: the connections without one, too."""
        chosen = [watch.connection for watch in self.api.watches.open
                  if resource in (None, watch.request.resource) and
                  kind in (None, watch.request.kind)]
        if idle:
            busy = {watch.connection for watch in self.api.watches.open}
            chosen += [each for each in self.server.connections if each not in busy]
        for connection in chosen:
            if then in ("close", "reset"):
                connection.abort(then == "reset")
            elif then in ("end", "stall"):
                connection.order = then
                connection.wake()
            else:
                raise ValueError(f"then: {then!r}")
        return {"count": len(chosen)}

    def do_compact(self, revision=None):
        self.store.compact(revision)
        return {"compacted": self.store.compacted}

    async def do_down(self, with_reset=False):
        await self.server.down(with_reset)

    async def do_up(self, compact=False):
        if compact:
            self.store.compact()
        await self.server.up()

    async def do_certificate(self, new_ca=False, names=None, with_reset=False):
        """Come back with another certificate, as after a restart."""
        await self.server.down(with_reset)
        await asyncio.get_running_loop().run_in_executor(
            None, self.server.new_certificate, new_ca, names)
        await self.server.up()

    def do_stop(self):
        self.server.stopping.set()

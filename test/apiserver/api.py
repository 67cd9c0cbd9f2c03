# SPDX-License-Identifier: GPL-2.0-or-later
"""What is answered to requests for objects: reading by lists.py and watches.py, writing here."""

import collections
import json
import time

from . import defaults, events, patch, resources, status
from .connection import Ended
from .lists import send_list
from .options import Options
from .status import Refusal, dumps
from .watches import Watches

_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_REQUESTS_KEPT = 1000
_EVENTS_KEPT = 1000
# The real server's own flow control names itself in each answer.
_FLOW = (("X-Kubernetes-Pf-Flowschema-Uid", "d1c62b4c-ec09-4cbe-8caf-195f73b752fa"),
         ("X-Kubernetes-Pf-Prioritylevel-Uid", "05adba30-9839-4279-abd1-696724ae2207"))
_HEALTH = ("/livez", "/livez/ping", "/healthz", "/healthz/ping", "/readyz", "/readyz/ping")


class Target:
    """What a path names."""

    def __init__(self, kind, namespace="", name="", subresource=""):
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.subresource = subresource


def parse_path(path):
    """A Target, or None for a path that is no resource's."""
    words = path.strip("/").split("/")
    if words[0] == "api" and len(words) >= 3:
        api, rest = words[1], words[2:]
    elif words[0] == "apis" and len(words) >= 4:
        api, rest = "/".join(words[1:3]), words[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and (api, rest[2]) in resources.BY_PATH:
        namespace, rest = rest[1], rest[2:]
    kind = resources.BY_PATH.get((api, rest[0]))
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise status.no_such_path()
    name, subresource = (*rest[1:], "", "")[:2]
    if subresource and (subresource != "status" or not kind.has_status):
        raise status.no_such_path()
    if name and kind.namespaced and not namespace:
        raise status.no_such_path()
    return Target(kind, namespace, name, subresource)


class Settings:
    """What a test can change at any time; README.md explains each."""

    def __init__(self):
        self.bookmarks = True
        self.bookmark_seconds = 60.0
        self.streaming = True
        self.continue_expires = False
        self.duplicate = False
        self.chunk_bytes = 2048
        self.gzip_bytes = 128 << 10
        self.future_seconds = 3.0
        self.anonymous = False
        self.manager = "unknown"

    def change(self, values):
        for name, value in values.items():
            if not hasattr(self, name) or name.startswith("_"):
                raise KeyError(f"no setting {name!r}")
            was = getattr(self, name)
            if not isinstance(value, (int, float) if isinstance(was, float) else type(was)):
                raise ValueError(f"setting {name}: {type(was).__name__} wanted")
            setattr(self, name, value)


class Api:
    def __init__(self, store, guard, faults):
        self.store = store
        self.guard = guard
        self.faults = faults
        self.settings = Settings()
        self.watches = Watches(store, self.settings)
        self.allocator = defaults.Allocator(store, resources.find("services"))
        self.requests = collections.deque(maxlen=_REQUESTS_KEPT)
        self.counts = collections.Counter()  # (resource, kind)
        self.codes = collections.Counter()  # (resource, kind, code)

    # Each request

    async def serve(self, connection, request, response):
        note = {"time": time.monotonic(), "connection": connection.number,
                "method": request.method, "path": request.path, "query": request.query,
                "headers": request.headers, "user": None, "code": None}
        response.chunk_bytes = max(1, self.settings.chunk_bytes)
        try:
            await self._serve(connection, request, response, note)
        except Refusal as refusal:
            await self._refuse(request, response, refusal)
        except Ended:
            pass
        finally:
            note["code"] = response.code
            self.codes[request.resource, request.kind, response.code] += 1

    async def _serve(self, connection, request, response, note):
        target = trouble = None
        try:
            target = parse_path(request.path)
        except Refusal as refusal:
            trouble = refusal
        self._classify(request, target)
        note["resource"], note["kind"] = request.resource, request.kind
        self.counts[request.resource, request.kind] += 1
        self.requests.append(note)
        self.guard.allows_anonymous = self.settings.anonymous
        request.user = note["user"] = self.guard.authenticate(request,
                                                              connection.peer_certificate)
        fault = self.faults.find(request)
        if fault is not None and fault.status:
            raise status.on_demand(fault.status, fault.retry_after)
        response.fault = fault
        if trouble:
            raise trouble
        if target is None:
            await self._other(request, response)
        else:
            await self._resource(connection, request, response, target)

    @staticmethod
    def _classify(request, target):
        if target is None:
            return
        request.resource = target.kind.resource
        if target.kind.group == "events.k8s.io":
            request.resource = "events.k8s.io/v1/events"
        if request.method != "GET" or target.name:
            request.kind = _VERBS.get(request.method, "other")
        elif Options.is_true(request.query.get("watch")):
            streams = Options.is_true(request.query.get("sendInitialEvents"))
            request.kind = "streaming" if streams else "watch"
        else:
            request.kind = "page" if request.query.get("continue") else "list"

    async def _refuse(self, request, response, refusal):
        if response.is_started:
            raise refusal
        headers = list(refusal.headers)
        if refusal.code != 401:
            headers += _FLOW
        if refusal.retry_after is not None:
            headers.append(("Retry-After", str(refusal.retry_after)))
        response.start(refusal.code, headers=headers)
        await response.write(refusal.body())

    async def _other(self, request, response):
        if request.method != "GET":
            raise Refusal(405, "the server does not allow this method on the requested resource",
                          "MethodNotAllowed", {})
        self.guard.check_path(request.user, request.path)
        path = request.path.rstrip("/")
        if path == "/version":
            response.start(200, headers=_FLOW)
            await response.write(resources.VERSION.encode())
        elif path in _HEALTH:
            response.start(200, "text/plain; charset=utf-8", _FLOW)
            await response.write(b"ok")
        elif (document := resources.discovery(path)) is not None:
            await self._answer(response, 200, dumps(document))
        elif path.startswith(("/api/", "/apis/")):
            raise status.no_such_path()
        else:
            response.start(404, "text/plain; charset=utf-8", _FLOW)
            await response.write(b"404 page not found\n")

    @staticmethod
    async def _answer(response, code, body):
        response.start(code, headers=_FLOW)
        await response.write(body)

    @staticmethod
    def _check_accept(request):
        accept = request.headers.get("accept", "")
        types = [entry.partition(";")[0].strip() for entry in accept.split(",")]
        if accept and not {"application/json", "application/*", "*/*"} & set(types):
            raise Refusal(406, "only the following media types are accepted: application/json",
                          "NotAcceptable")

    async def _resource(self, connection, request, response, target):
        self._check_accept(request)
        kind, method = target.kind, request.method
        verb = _VERBS.get(method)
        if verb == "get" and not target.name:
            verb = "watch" if request.kind in ("watch", "streaming") else "list"
        if verb is None or (method == "POST") == bool(target.name) and method != "GET":
            raise Refusal(405, "the server does not allow this method on the requested resource",
                          "MethodNotAllowed", {})
        self.guard.check(request.user, verb, kind, target.namespace, target.name)
        if verb in ("list", "watch"):
            options = Options(request, target, self.settings)
            if verb == "watch":
                await self.watches.serve(connection, request, response, options, _FLOW)
            else:
                await self._list(connection, request, response, options)
        elif verb == "get":
            record = self._find(target)
            await self._answer(response, 200, kind.head + record.body[1:] + b"\n")
        else:
            code, body = getattr(self, f"_{verb}")(request, target)
            await self._answer(response, code, body + b"\n")

    async def _list(self, connection, request, response, options):
        deadline = time.monotonic() + self.settings.future_seconds
        while options.revision > self.store.revision:
            if time.monotonic() >= deadline:
                raise status.too_large(options.revision, self.store.revision)
            await connection.pause(0.05)
        await send_list(self.store, request, response, options, _FLOW, self.settings)

    # Writing

    def _find(self, target):
        record = self.store.get(target.kind, target.namespace, target.name)
        if record is None:
            raise status.not_found(target.kind, target.name)
        return record

    def _manager(self, request):
        agent = request.headers.get("user-agent", "").partition("/")[0]
        return request.query.get("fieldManager") or agent or self.settings.manager

    @staticmethod
    def _parse(request):
        content_type = request.headers.get("content-type", "application/json")
        if "json" not in content_type:
            raise Refusal(415, "the body of the request was in an unknown format - accepted media "
                          "types include: application/json", "UnsupportedMediaType")
        try:
            return json.loads(request.body)
        except (ValueError, RecursionError):
            raise status.bad_request("the object provided is unrecognized (must be of type "
                                     "JSON)") from None

    def _check_object(self, value, target):
        """A dictionary of the target's kind; its metadata becomes a copy that may be changed."""
        kind = target.kind
        if not isinstance(value, dict) or not isinstance(value.get("metadata", {}), dict):
            raise status.bad_request("the object provided is not an object")
        if value.get("kind", kind.kind) != kind.kind or \
                value.get("apiVersion", kind.api) != kind.api:
            raise status.bad_request(f"the API version in the data ({value.get('apiVersion')}, "
                                     f"Kind={value.get('kind')}) does not match the expected API "
                                     f"version ({kind.api}, Kind={kind.kind})")
        meta = value["metadata"] = dict(value.get("metadata") or {})
        if kind.namespaced and meta.setdefault("namespace", target.namespace) != \
                target.namespace:
            raise status.bad_request("the namespace of the provided object does not match the "
                                     "namespace sent on the request")
        return value

    def _create(self, request, target):
        kind = target.kind
        value = self._check_object(self._parse(request), target)
        meta = value["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = f"{meta['generateName']}{self.store.revision:05x}"
        if not isinstance(meta.get("name"), str) or not meta["name"]:
            raise status.invalid_object(kind, "", "metadata.name",
                                        "Required value: name or generateName is required")
        if kind.namespaced:
            self._check_namespace(kind, target.namespace, meta["name"])
        if self.store.get(kind, target.namespace, meta["name"]):
            raise status.already_exists(kind, meta["name"])
        for name in ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields",
                     "selfLink"):
            meta.pop(name, None)
        events.check(kind, value)
        defaults.fill(kind, value, self.allocator)
        record = self.store.put(kind, value, self._manager(request), given=self._parse(request))
        self._bound_events(kind)
        return 201, kind.head + record.body[1:]

    def _check_namespace(self, kind, namespace, name):
        record = self.store.get(resources.NAMESPACES, "", namespace)
        if record is None:
            raise status.not_found(resources.NAMESPACES, namespace)
        if record.value(resources.NAMESPACES)["metadata"].get("deletionTimestamp"):
            raise status.namespace_ending(kind, namespace, name)

    def _bound_events(self, kind):
        table = self.store.tables[kind]
        while kind.kind == "Event" and len(table.records) > _EVENTS_KEPT:
            oldest = next(iter(table.records.values()))
            self.store.delete(kind, oldest.namespace, oldest.name)

    def _replace(self, request, target, record, value, given):
        """Write @value over @record, the parts that this path is for."""
        kind = target.kind
        value = self._check_object(value, target)
        meta = value["metadata"]
        if meta.get("name") != target.name:
            raise status.bad_request(f"the name of the object ({meta.get('name')}) does not match "
                                     f"the name on the URL ({target.name})")
        if meta.get("resourceVersion") not in (None, "", str(record.revision)) or \
                meta.get("uid") not in (None, "", record.uid):
            raise status.conflict(kind, target.name)
        old = record.value(kind)
        if target.subresource:
            value = {**old, "status": value.get("status")}
        else:
            if kind.has_status and "status" in old:
                value["status"] = old["status"]
            for name in ("uid", "creationTimestamp", "managedFields"):
                if name in old["metadata"]:
                    meta[name] = old["metadata"][name]
            if kind.kind == "Service" and isinstance(value.get("spec"), dict) and \
                    value["spec"].get("type") != "ExternalName":
                for name in ("clusterIP", "clusterIPs"):
                    if not value["spec"].get(name) and old["spec"].get(name):
                        value["spec"][name] = old["spec"][name]
            events.check(kind, value, old)
            defaults.fill(kind, value, self.allocator)
        new = self.store.put(kind, value, self._manager(request), target.subresource, given)
        return 200, kind.head + new.body[1:]

    def _update(self, request, target):
        return self._replace(request, target, self._find(target), self._parse(request),
                             self._parse(request))

    def _patch(self, request, target):
        record = self._find(target)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip()
        change = self._parse(request)
        meta = change.get("metadata") if isinstance(change, dict) else None
        value = patch.apply(target.kind, content_type, record.value(target.kind), change)
        if isinstance(value, dict) and isinstance(value.get("metadata"), dict) and \
                not (isinstance(meta, dict) and meta.get("resourceVersion")):
            value["metadata"]["resourceVersion"] = str(record.revision)
        return self._replace(request, target, record, value, change)

    def _delete(self, request, target):
        record = self._find(target)
        options = self._parse(request) if request.body.strip() else {}
        wanted = options.get("preconditions") if isinstance(options, dict) else None
        if isinstance(wanted, dict) and (
                wanted.get("uid") not in (None, record.uid) or
                wanted.get("resourceVersion") not in (None, str(record.revision))):
            raise status.conflict(target.kind, target.name)
        self.store.delete(target.kind, target.namespace, target.name)
        kind = target.kind
        details = {"name": target.name, **({"group": kind.group} if kind.group else {}),
                   "kind": kind.resource, "uid": record.uid}
        return 200, dumps({"kind": "Status", "apiVersion": "v1", "metadata": {},
                           "status": "Success", "details": details})

# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects, their revisions, and the history that watches resume from.

An object is kept as the bytes that are sent, so a list of 10,000 costs no more than joining
them. One counter of revisions serves all kinds, as in etcd.
"""

import bisect
import copy
import json
import re
import time
import uuid

from . import managed, resources, status
from .status import dumps

_META_ORDER = ("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion",
               "generation", "creationTimestamp", "deletionTimestamp",
               "deletionGracePeriodSeconds", "labels", "annotations", "ownerReferences",
               "finalizers", "managedFields")
_REVISION = re.compile(rb'"resourceVersion":"[^"]*"')
_SENT_KEPT = 100_000
_SNAPSHOTS_KEPT = 4


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def as_dict(value):
    return value if isinstance(value, dict) else {}


def key_of(namespace, name):
    """As in etcd, where the list's order comes from."""
    return f"{namespace}/{name}" if namespace else name


class Record:
    """One state of one object."""

    __slots__ = ("key", "namespace", "name", "revision", "uid", "labels", "fields", "body")

    def __init__(self, kind, value, revision):
        """@value: the object as a dictionary, with or without kind and apiVersion."""
        meta = value["metadata"]
        self.namespace = meta.get("namespace", "") if kind.namespaced else ""
        self.name = meta["name"]
        self.key = key_of(self.namespace, self.name)
        self.revision = revision
        self.uid = meta.get("uid", "")
        self.labels = as_dict(meta.get("labels"))
        self.fields = {"metadata.name": self.name, "metadata.namespace": self.namespace}
        for path in kind.fields:
            if path not in self.fields:
                self.fields[path] = _field(value, path)
        ordered = {name: meta[name] for name in _META_ORDER if name in meta}
        ordered.update(meta)
        whole = {"metadata": ordered}
        whole.update((name, item) for name, item in value.items()
                     if name not in ("kind", "apiVersion", "metadata"))
        self.body = dumps(whole)

    def value(self, kind):
        return {"kind": kind.kind, "apiVersion": kind.api, **json.loads(self.body)}


def _field(value, path):
    for name in path.split("."):
        value = as_dict(value).get(name, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)


class Event:
    """A change: what was, what is. Or, with @raw, bytes that a test puts into the watches."""

    __slots__ = ("revision", "old", "new", "raw", "_lines")

    def __init__(self, revision, old, new, raw=None):
        self.revision = revision
        self.old = old
        self.new = new
        self.raw = raw
        self._lines = {}

    def line(self, kind, selector):
        """What a watch with that selector is told: bytes, or None."""
        if self.raw is not None:
            return self.raw
        before, after = selector.matches(self.old), selector.matches(self.new)
        if after:
            word = "MODIFIED" if before else "ADDED"
        elif before:
            word = "DELETED"
        else:
            return None
        if word not in self._lines:
            body = self.new.body if after else self._last_words()
            self._lines[word] = event_line(kind, word, body)
        return self._lines[word]

    def _last_words(self):
        """Of what is gone the last state is sent, with the revision of its going."""
        return _REVISION.sub(b'"resourceVersion":"%d"' % self.revision, self.old.body, count=1)


def event_line(kind, word, body):
    return b'{"type":"%s","object":%s%s}\n' % (word.encode(), kind.head, body[1:])


class Table:
    """All objects of one kind, and what happened to them."""

    def __init__(self, kind, history):
        self.kind = kind
        self.history = history
        self.records = {}
        self.keys = []
        self.log = []
        self.newest = 0  # revision of the last event
        self.first = 0  # position of log[0]; positions count events since the start
        self.listeners = set()  # functions that are called when something was logged
        self._sorted = True
        self._snapshots = {}

    @property
    def end(self):
        return self.first + len(self.log)

    def sorted_keys(self):
        if not self._sorted:
            self.keys.sort()
            self._sorted = True
        return self.keys

    def set(self, record):
        """Sorting is left to the first who wants to see it."""
        if record.key not in self.records:
            self._sorted = self._sorted and (not self.keys or record.key > self.keys[-1])
            self.keys.append(record.key)
        self.records[record.key] = record

    def remove(self, key):
        del self.records[key]
        keys = self.sorted_keys()
        del keys[bisect.bisect_left(keys, key)]

    def add(self, event):
        """Returns the revision up to which the history had to be forgotten, or 0."""
        self.log.append(event)
        self.newest = event.revision
        forgotten = 0
        if len(self.log) > self.history + self.history // 4:
            gone = self.log[:-self.history]
            forgotten = gone[-1].revision
            del self.log[:-self.history]
            self.first += len(gone)
        for listener in list(self.listeners):
            listener()
        return forgotten

    def position_after(self, revision):
        """The position of the first event after @revision."""
        low, high = 0, len(self.log)
        while low < high:
            middle = (low + high) // 2
            if self.log[middle].revision <= revision:
                low = middle + 1
            else:
                high = middle
        return self.first + low

    def snapshot(self, revision):
        """(keys, records) as they were; the caller has seen to it that this is still known."""
        start = self.position_after(revision) - self.first
        if start == len(self.log):
            return self.sorted_keys(), self.records
        if revision not in self._snapshots:
            records = dict(self.records)
            for event in reversed(self.log[start:]):
                if event.raw is not None:
                    continue
                if event.old is None:
                    records.pop(event.new.key, None)
                else:
                    records[event.old.key] = event.old
            while len(self._snapshots) >= _SNAPSHOTS_KEPT:
                del self._snapshots[next(iter(self._snapshots))]
            self._snapshots[revision] = (sorted(records), records)
        return self._snapshots[revision]


class Store:
    def __init__(self, history):
        """@history: how many events of each kind are remembered."""
        self.revision = 1
        self.compacted = 0
        self.tables = {kind: Table(kind, history) for kind in resources.KINDS}
        self.sent = {}  # revision: monotonic time in ns when its first event was written

    def note_sent(self, revision):
        if revision not in self.sent:
            self.sent[revision] = time.monotonic_ns()
            if len(self.sent) > _SENT_KEPT:
                del self.sent[next(iter(self.sent))]

    def get(self, kind, namespace, name):
        return self.tables[kind].records.get(key_of(namespace if kind.namespaced else "", name))

    def _fill_in(self, kind, meta, old):
        """What a server adds to an object's metadata."""
        if old is None:
            meta.setdefault("uid", str(uuid.uuid4()))
            meta.setdefault("creationTimestamp", now())
            if kind.counts:
                meta.setdefault("generation", 1)
            return
        was = as_dict(json.loads(old.body).get("metadata"))
        for name in ("uid", "creationTimestamp"):
            if name in was and not meta.get(name):
                meta[name] = was[name]
        if kind.counts:
            meta["generation"] = was.get("generation", 0) + 1

    def put(self, kind, value, manager="", subresource="", given=None):
        """Create or replace an object, whatever it looks like; returns its Record.

        An unchanged object is not written again. @manager: who is noted in managedFields; the
        object's own managedFields are kept when there is none. @given: what the client had sent.
        """
        table = self.tables[kind]
        value = copy.copy(value)
        meta = value["metadata"] = dict(value["metadata"])
        if not isinstance(meta.get("name"), str) or not meta["name"]:
            raise KeyError("metadata.name: missing")
        if kind.namespaced:
            meta.setdefault("namespace", "default")
        else:
            meta.pop("namespace", None)
        old = self.get(kind, meta.get("namespace", ""), meta["name"])
        if old is not None and is_same(old.value(kind), value):
            return old
        self._fill_in(kind, meta, old)
        if manager:
            before = old.value(kind) if old else {}
            meta["managedFields"] = managed.update(kind, value, before, manager, subresource,
                                                   now(), given)
        self.revision += 1
        meta["resourceVersion"] = str(self.revision)
        record = Record(kind, value, self.revision)
        table.set(record)
        self._log(table, Event(self.revision, old, record))
        return record

    def delete(self, kind, namespace, name):
        """Returns the Record that was, or None."""
        table = self.tables[kind]
        old = self.get(kind, namespace, name)
        if old is None:
            return None
        self.revision += 1
        table.remove(old.key)
        self._log(table, Event(self.revision, old, None))
        if kind is resources.NAMESPACES:
            for other in self.tables.values():
                for record in list(other.records.values()):
                    if record.namespace == name:
                        self.delete(other.kind, name, record.name)
        return old

    def _log(self, table, event):
        forgotten = table.add(event)
        self.compacted = max(self.compacted, forgotten)

    def ensure_namespace(self, name):
        if name and self.get(resources.NAMESPACES, "", name) is None:
            self.put(resources.NAMESPACES, {
                "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})

    def load(self, items, manager="", replace=False):
        """Put many objects, their namespaces included; returns how many.

        @replace: objects of these kinds that are not among @items are deleted.
        """
        seen = {}
        for item in items:
            kind = resources.of_object(item)
            meta = item["metadata"]
            if kind.namespaced:
                self.ensure_namespace(meta.get("namespace", "default"))
            record = self.put(kind, item, manager)
            seen.setdefault(kind, set()).add(record.key)
        if replace:
            for kind, keys in seen.items():
                for record in list(self.tables[kind].records.values()):
                    if record.key not in keys:
                        self.delete(kind, record.namespace, record.name)
        return sum(len(keys) for keys in seen.values())

    def restore(self, lists, compacted):
        """Take over recorded lists with their revisions; each a List of one kind."""
        for content in lists:
            kind = resources.BY_KIND[content["apiVersion"], content["kind"].removesuffix("List")]
            table = self.tables[kind]
            for item in content["items"]:
                self.ensure_namespace(item["metadata"].get("namespace", ""))
                table.set(Record(kind, item, int(item["metadata"]["resourceVersion"])))
            self.revision = max(self.revision, int(content["metadata"]["resourceVersion"]))
        self.compact(compacted)

    def inject(self, kind, raw):
        """Bytes for all who watch this kind now."""
        self._log(self.tables[kind], Event(self.revision, None, None, raw))

    def compact(self, revision=None):
        """Let nobody resume from before @revision (default: now). Running watches go on."""
        self.compacted = max(self.compacted, self.revision if revision is None else revision)

    def check_revision(self, revision):
        """Is a watch from here, or a list of then, still possible?"""
        if 0 < revision < self.compacted:
            raise status.too_old(revision, self.compacted)


def is_same(old, new):
    """Would writing @new over @old change anything but bookkeeping?"""
    def essence(value):
        meta = {name: item for name, item in as_dict(value.get("metadata")).items()
                if name not in ("resourceVersion", "generation", "managedFields")}
        return {**{name: item for name, item in value.items()
                   if name not in ("kind", "apiVersion")}, "metadata": meta}
    first, second = essence(old), essence(new)
    for name in ("uid", "creationTimestamp"):
        if not second["metadata"].get(name):
            second["metadata"].pop(name, None)
            first["metadata"].pop(name, None)
    return first == second

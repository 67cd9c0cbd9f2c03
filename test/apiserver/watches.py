# SPDX-License-Identifier: GPL-2.0-or-later
"""WATCH, and the list that streams: events from the history, then as they happen."""

import itertools
import random
import time

from . import lists, status
from .status import dumps
from .store import event_line

# As the real server, when a client names no timeout.
_TIMEOUT = (1800.0, 3600.0)
_BOOKMARK_AHEAD = 2.0
_BATCH_BYTES = 256 << 10
_numbers = itertools.count(1)


def bookmark_line(kind, revision, is_end=False):
    meta = {"resourceVersion": str(revision)}
    if is_end:
        meta["annotations"] = {"k8s.io/initial-events-end": "true"}
    return event_line(kind, "BOOKMARK", dumps({"metadata": meta, **kind.zero}))


class Watch:
    """One open watch, and how far it is."""

    def __init__(self, connection, request, response, options):
        self.number = next(_numbers)
        self.connection = connection
        self.request = request
        self.response = response
        self.options = options
        self.position = 0
        self.events = 0
        self.revision = options.revision
        self.seen = 0  # the newest revision that it was told of, or that is not for it
        self.is_initial = True  # still sending the present state

    def facts(self):
        return {"number": self.number, "resource": self.request.resource,
                "kind": self.request.kind, "user": self.request.user,
                "connection": self.connection.number, "revision": self.revision,
                "events": self.events, "seen": self.seen, "initial": self.is_initial,
                "query": self.request.query}


class Watches:
    def __init__(self, store, settings):
        self.store = store
        self.settings = settings
        self.open = set()

    async def serve(self, connection, request, response, options, headers):
        watch = Watch(connection, request, response, options)
        table = self.store.tables[options.kind]
        response.start(200, headers=headers)
        watch.position = table.end
        table.listeners.add(connection.wake)
        self.open.add(watch)
        try:
            await self._serve(watch, table)
        except status.Refusal as refusal:
            await response.flush()
            await response.write(refusal.event())
        finally:
            self.open.discard(watch)
            table.listeners.discard(connection.wake)

    async def _serve(self, watch, table):
        options, settings = watch.options, self.settings
        started = time.monotonic()
        seconds = options.timeout or random.uniform(*_TIMEOUT)
        if options.revision and not options.sends_initial:
            self.store.check_revision(options.revision)
            watch.position = table.position_after(options.revision)
            await watch.response.flush()
        else:
            await self._initial(watch)
        watch.seen = max(options.revision, watch.revision)
        watch.is_initial = False
        deadline = started + seconds
        bookmark = self._next_bookmark(deadline)
        while True:
            await self._send_events(watch, table)
            await self._obey(watch)
            now = time.monotonic()
            if now >= deadline:
                return
            if now >= bookmark:
                if options.wants_bookmarks and settings.bookmarks:
                    watch.revision = max(watch.revision, self.store.revision)
                    await self._write(watch, bookmark_line(options.kind, watch.revision))
                bookmark = self._next_bookmark(deadline)
            if watch.position == table.end:
                await watch.connection.pause(max(0.0, min(deadline, bookmark) - now))

    def _next_bookmark(self, deadline):
        """Regularly, and shortly before the end."""
        now = time.monotonic()
        regular = now + self.settings.bookmark_seconds
        ahead = deadline - _BOOKMARK_AHEAD
        return ahead if now < ahead < regular else regular

    async def _initial(self, watch):
        """The present state as ADDED events; streaming lists end it with a bookmark."""
        options = watch.options
        deadline = time.monotonic() + self.settings.future_seconds
        while options.revision > self.store.revision:
            if time.monotonic() >= deadline:
                raise status.too_large(options.revision, self.store.revision)
            await watch.connection.pause(0.05)
        table = self.store.tables[options.kind]
        watch.position = table.end
        revision = self.store.revision
        records = lists.current_records(self.store, options)
        await watch.response.flush()
        lines, size = [], 0
        for record in records:
            lines.append(event_line(options.kind, "ADDED", record.body))
            size += len(lines[-1])
            if size > _BATCH_BYTES:
                await self._write_lines(watch, lines)
                lines, size = [], 0
        await self._write_lines(watch, lines)
        watch.revision = revision
        if options.sends_initial and options.wants_bookmarks:
            await self._write(watch, bookmark_line(options.kind, revision, True))

    async def _write_lines(self, watch, lines):
        if lines:
            watch.events += len(lines)
            await watch.response.write_lines(lines)

    async def _write(self, watch, line):
        watch.events += 1
        await watch.response.write(line)

    async def _send_events(self, watch, table):
        options = watch.options
        while watch.position < table.end:
            if watch.position < table.first:
                await watch.response.end()  # too slow: the history has moved on
            lines, size = [], 0
            newest = watch.revision
            revisions = []
            for event in table.log[watch.position - table.first:]:
                watch.position += 1
                newest = max(newest, event.revision)
                if event.raw is None and event.revision <= options.revision:
                    continue
                line = event.line(options.kind, options.selector)
                if line is not None:
                    lines += (line, line) if self.settings.duplicate else (line,)
                    revisions.append(event.revision)
                    size += len(line)
                if size > _BATCH_BYTES:
                    break
            await self._write_lines(watch, lines)
            watch.revision = watch.seen = newest
            for revision in revisions:
                self.store.note_sent(revision)

    async def _obey(self, watch):
        """Do what a test wants of this connection."""
        order = watch.connection.order
        if order is None:
            return
        watch.connection.order = None
        if order == "end":
            await watch.response.end()
        await watch.connection.leave(order)

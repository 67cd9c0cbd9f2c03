# SPDX-License-Identifier: GPL-2.0-or-later
"""LIST: whole, or in pages of one revision."""

import asyncio
import bisect
import zlib

from .options import decode_continue, encode_continue
from .status import bad_request, dumps, expired

_OLD_TOKEN = ("The provided continue parameter is too old to display a consistent list result. "
              "You can start a new list without the continue parameter, or use the continue token "
              "in this response to retrieve the remainder of the results. Continuing with the "
              "provided token results in an inconsistent list - objects that were created, "
              "modified, or deleted between the time the first chunk was returned and now may "
              "show up in the list.")
_BATCH_ITEMS = 256


class Page:
    """What one request gets: records, and how it goes on."""

    def __init__(self, store, options, expires):
        self.store = store
        self.options = options
        self.expires = expires
        self.records = []
        self.revision = store.revision
        self.token = None
        self.remaining = 0
        self._collect()

    def _position(self):
        """(revision to show, key to start at)."""
        options, store = self.options, self.store
        if options.token:
            if options.revision_text:
                raise bad_request("specifying resource version is not allowed when using "
                                  "continue")
            revision, start = decode_continue(options.token)
            if options.namespace:
                start = f"{options.namespace}/{start}"
            if revision >= 0 and (self.expires or revision < store.compacted):
                raise expired(_OLD_TOKEN, encode_continue(-1, self._relative(start[:-1])))
            return (store.revision if revision < 0 else revision), start
        is_exact = options.match == "Exact" or \
            (options.revision > 0 and options.limit and not options.match)
        if is_exact:
            if options.revision < store.compacted:
                raise expired("The resourceVersion for the provided list is too old.")
            return options.revision, ""
        return store.revision, ""

    def _relative(self, key):
        return key.partition("/")[2] if self.options.namespace else key

    def _collect(self):
        options = self.options
        self.revision, start = self._position()
        keys, records = self.store.tables[options.kind].snapshot(self.revision)
        at, end = bisect.bisect_left(keys, start), len(keys)
        if options.namespace:
            at = max(at, bisect.bisect_left(keys, options.namespace + "/"))
            end = bisect.bisect_left(keys, options.namespace + "0")  # "0" comes behind "/"
        # Reading revision 0 means a cache that does not page.
        limit = 0 if options.revision_text == "0" else options.limit
        matches = options.selector.matches
        is_plain = options.selector.is_plain
        for at in range(at, end):
            record = records[keys[at]]
            if not is_plain and not matches(record):
                continue
            self.records.append(record)
            if limit and len(self.records) == limit:
                if at + 1 < end:
                    self.token = encode_continue(self.revision, self._relative(keys[at]))
                    self.remaining = end - at - 1 if is_plain else 0
                return

    def pieces(self):
        """The body, in pieces of many objects."""
        kind = self.options.kind
        meta = {"resourceVersion": str(self.revision)}
        if self.token:
            meta["continue"] = self.token
        if self.remaining:
            meta["remainingItemCount"] = self.remaining
        yield (b'{"kind":"%sList","apiVersion":"%s","metadata":%s,"items":[' %
               (kind.kind.encode(), kind.api.encode(), dumps(meta)))
        for first in range(0, len(self.records), _BATCH_ITEMS):
            batch = b",".join(r.body for r in self.records[first:first + _BATCH_ITEMS])
            yield b"," + batch if first else batch
        yield b"]}\n"

    def size(self):
        return sum(len(record.body) + 1 for record in self.records)


def _compress(data):
    """gzip, as weak as the real server's."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def _accepts_gzip(request):
    codings = request.headers.get("accept-encoding", "").split(",")
    return any(coding.partition(";")[0].strip() == "gzip" for coding in codings)


async def send_list(store, request, response, options, headers, settings):
    page = Page(store, options, settings.continue_expires)
    if _accepts_gzip(request) and page.size() > settings.gzip_bytes:
        body = b"".join(page.pieces())
        packed = await asyncio.get_running_loop().run_in_executor(None, _compress, body)
        response.start(200, headers=(*headers, ("Content-Encoding", "gzip"),
                                     ("Vary", "Accept-Encoding")))
        await response.write(packed)
        return
    response.start(200, headers=headers)
    for piece in page.pieces():
        await response.write(piece)


def current_records(store, options):
    """What a watch that starts with the present state begins with."""
    keys, records = store.tables[options.kind].snapshot(store.revision)
    return [records[key] for key in keys if options.selector.matches(records[key])]

# SPDX-License-Identifier: GPL-2.0-or-later
"""ListOptions: the query of a LIST or a WATCH, checked as the real server does."""

import base64
import binascii
import json

from .selection import Selector
from .status import Refusal, bad_request, dumps, invalid_options

_FORBIDDEN = "FieldValueForbidden"
_MAX_REVISION = (1 << 64) - 1


def encode_continue(revision, key):
    """The token for what comes behind @key; bytes as the real server makes them."""
    text = dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": f"/{key}\0"})
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode_continue(token):
    """(revision, key to start at); revision -1: any."""
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise bad_request("invalid continue token: continue key is not valid: illegal base64 "
                          "data at input byte 0") from None
    try:
        found = json.loads(text)
        if found["v"] != "meta.k8s.io/v1" or not isinstance(found["rv"], int) or \
                not found["start"].startswith("/"):
            raise KeyError("v")
        return found["rv"], found["start"][1:]
    except ValueError:
        first = text[0] if text else 0
        shown = chr(first) if 32 <= first < 127 else f"\\u{first:04x}"
        raise bad_request("invalid continue token: continue key is not valid: invalid character "
                          f"'{shown}' looking for beginning of value") from None
    except (KeyError, TypeError, AttributeError):
        raise bad_request("invalid continue token: continue key is not valid: server does not "
                          "recognize this encoded version") from None


class Options:
    def __init__(self, request, target, settings):
        query = request.query
        self.kind = target.kind
        self.namespace = target.namespace
        self.selector = Selector(target.kind, target.namespace, query.get("labelSelector", ""),
                                 query.get("fieldSelector", ""))
        self.is_watch = self.is_true(query.get("watch"))
        self.match = query.get("resourceVersionMatch", "")
        self.token = query.get("continue", "")
        self.limit = self._number(query, "limit")
        self.timeout = self._number(query, "timeoutSeconds")
        self.wants_bookmarks = self.is_true(query.get("allowWatchBookmarks"))
        self.sends_initial = self.is_true(query.get("sendInitialEvents"))
        self.revision_text = query.get("resourceVersion", "")
        causes = self._watch_causes(query, settings) if self.is_watch else \
            self._list_causes(query)
        if causes:
            raise invalid_options(causes)
        self.revision = self._revision(self.revision_text)

    @staticmethod
    def is_true(text):
        """A query's boolean, where a name without a value counts, too."""
        return text not in (None, "0", "false", "False", "FALSE", "f", "F")

    @staticmethod
    def _number(query, name):
        text = query.get(name, "")
        if not text:
            return 0
        if not (text.isascii() and text.isdigit()):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)

    @staticmethod
    def _revision(text):
        if not text:
            return 0
        if not (text.isascii() and text.isdigit()) or int(text) > _MAX_REVISION:
            raise Refusal(400, f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: '
                          f'parsing "{text}": invalid syntax', "BadRequest")
        return int(text)

    def _watch_causes(self, query, settings):
        found = []
        initial, match = query.get("sendInitialEvents"), self.match
        if initial is not None and match != "NotOlderThan":
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: sendInitialEvents "
                          "requires setting resourceVersionMatch to NotOlderThan"))
        if initial is not None and not settings.streaming:
            found.append(("sendInitialEvents", _FORBIDDEN, "Forbidden: sendInitialEvents is "
                          "forbidden for watch unless the WatchList feature gate is enabled"))
        if match and initial is None:
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: resourceVersionMatch is "
                          "forbidden for watch unless sendInitialEvents is provided"))
        if match and match != "NotOlderThan":
            found.append(("resourceVersionMatch", "FieldValueNotSupported", "Unsupported value: "
                          f'"{match}": supported values: "NotOlderThan"'))
        if match and self.token:
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: resourceVersionMatch is "
                          "forbidden when continue is provided"))
        return found

    def _list_causes(self, query):
        found = []
        match = self.match
        if match and not self.revision_text:
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: resourceVersionMatch is "
                          "forbidden unless resourceVersion is provided"))
        if match and self.token:
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: resourceVersionMatch is "
                          "forbidden when continue is provided"))
        if match and match not in ("Exact", "NotOlderThan"):
            found.append(("resourceVersionMatch", "FieldValueNotSupported", "Unsupported value: "
                          f'"{match}": supported values: "Exact", "NotOlderThan", ""'))
        if match == "Exact" and self.revision_text == "0":
            found.append(("resourceVersionMatch", _FORBIDDEN, "Forbidden: resourceVersionMatch "
                          '"exact" is forbidden for resourceVersion "0"'))
        if query.get("sendInitialEvents") is not None:
            found.append(("sendInitialEvents", _FORBIDDEN, "Forbidden: sendInitialEvents is "
                          "forbidden for list"))
        return found

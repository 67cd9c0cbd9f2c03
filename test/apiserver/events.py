# SPDX-License-Identifier: GPL-2.0-or-later
"""What the API server asks of Events: pkg/apis/core/validation/events.go of Kubernetes.

Field names in its answers are those of the internal type, as there.
"""

import re

from .status import bad_request, invalid_fields

_LIMITS = (("reportingInstance", "reportingInstance", 128), ("action", "action", 128),
           ("reason", "reason", 128))
_NOTE_LIMIT = 1024
_NAME_LIMIT = 253
# The field here, and what it is called inside.
_IMMUTABLE = (("regarding", "involvedObject"), ("reason", "reason"), ("note", "message"),
              ("deprecatedSource", "source"), ("deprecatedFirstTimestamp", "firstTimestamp"),
              ("deprecatedLastTimestamp", "lastTimestamp"), ("deprecatedCount", "count"),
              ("type", "type"), ("eventTime", "eventTime"), ("action", "action"),
              ("related", "related"), ("reportingController", "reportingController"),
              ("reportingInstance", "reportingInstance"))
_UNSET = _IMMUTABLE[3:7]
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_TEXTS = ("reason", "action", "type", "note", "reportingController", "reportingInstance")


def _required(field):
    return field, "FieldValueRequired", "Required value"


def _invalid(field, value, message):
    return field, "FieldValueInvalid", f'Invalid value: "{value}": {message}'


def _decode(value):
    """What the real server refuses before it validates: other types, times of another form."""
    for name in _TEXTS:
        if not isinstance(value.get(name, ""), str):
            raise bad_request(f"Event in version \"v1\" cannot be handled as a Event: json: cannot "
                              f"unmarshal into Go struct field Event.{name} of type string")
    for name in ("regarding", "series"):
        if not isinstance(value.get(name) or {}, dict):
            raise bad_request(f"Event in version \"v1\" cannot be handled as a Event: json: cannot "
                              f"unmarshal into Go struct field Event.{name}")
    series = value.get("series") or {}
    for time in (value.get("eventTime"), series.get("lastObservedTime")):
        if time is not None and not (isinstance(time, str) and _MICRO_TIME.fullmatch(time)):
            raise bad_request(f"Event in version \"v1\" cannot be handled as a Event: parsing time "
                              f"\"{time}\" as \"2006-01-02T15:04:05.000000Z07:00\"")
    if not isinstance(series.get("count", 0), int):
        raise bad_request("Event in version \"v1\" cannot be handled as a Event: json: cannot "
                          "unmarshal into Go struct field EventSeries.series.count of type int32")


def _legacy(value):
    """What holds for each Event with an eventTime."""
    meta, regarding = value["metadata"], value.get("regarding") or {}
    if not regarding.get("namespace") and meta["namespace"] not in ("default", "kube-system"):
        yield _invalid("involvedObject.namespace", "", "does not match event.namespace")
    controller = value.get("reportingController", "")
    if not controller:
        yield _required("reportingController")
    if not _QUALIFIED.fullmatch(controller):
        yield _invalid("reportingController", controller, "name part must be non-empty")
    for name, inside, limit in _LIMITS:
        if not value.get(name):
            yield _required(inside)
        if len(value.get(name, "").encode()) > limit:
            yield _invalid(inside, "", f"can have at most {limit} characters")
    if len(value.get("note", "").encode()) > _NOTE_LIMIT:
        yield _invalid("message", "", f"can have at most {_NOTE_LIMIT} characters")


def _series(value):
    series = value.get("series")
    if not series:
        return
    if series.get("count", 0) < 2:
        yield _invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield _required("series.lastObservedTime")


def _strict(value):
    name = value["metadata"]["name"]
    if len(name) > _NAME_LIMIT or not _SUBDOMAIN.fullmatch(name):
        yield _invalid("metadata.name", name, "a lowercase RFC 1123 subdomain must consist of lower "
                       "case alphanumeric characters, '-' or '.'")
    yield from _series(value)
    if not value.get("eventTime"):
        yield _required("eventTime")
    if value.get("type") not in ("Normal", "Warning"):
        yield _invalid("type", "", f"has invalid value: {value.get('type', '')}")
    for name, inside in _UNSET:
        if value.get(name):
            yield _invalid(inside, "", "needs to be unset")


def _changes(value, old):
    for name, inside in _IMMUTABLE:
        if (value.get(name) or None) != (old.get(name) or None):
            yield _invalid(inside, value.get(name), "field is immutable")
    if value.get("series") != old.get("series"):
        yield from _series(value)


def check(kind, value, old=None):
    """Raises a Refusal unless @value may be created, or take the place of @old."""
    if kind.kind != "Event" or kind.group != "events.k8s.io":
        return
    _decode(value)
    causes = list(_legacy(value)) if value.get("eventTime") else []
    causes += _strict(value) if old is None else _changes(value, old)
    if causes:
        raise invalid_fields(kind, value["metadata"]["name"], causes)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Status objects: how an API server says no. The words are those of kube-apiserver 1.36."""

import json


def dumps(value):
    """JSON as the real server writes it: no blanks, UTF-8 as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass")


class Refusal(Exception):
    """An answer other than success. @fields go behind the message: reason, details."""

    def __init__(self, code, message, reason="", details=None, metadata=None, retry_after=None,
                 headers=()):
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.details = details
        self.metadata = metadata or {}
        self.retry_after = retry_after
        self.headers = headers

    def status(self):
        value = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata,
                 "status": "Failure", "message": self.message}
        if self.reason:
            value["reason"] = self.reason
        if self.details is not None:
            value["details"] = self.details
        value["code"] = self.code
        return value

    def body(self):
        return dumps(self.status()) + b"\n"

    def event(self):
        """The same as a line of a watch."""
        return b'{"type":"ERROR","object":%s}\n' % dumps(self.status())


def unauthorized():
    return Refusal(401, "Unauthorized", "Unauthorized")


def bad_request(message):
    return Refusal(400, message, "BadRequest")


def no_such_path():
    return Refusal(404, "the server could not find the requested resource", "NotFound", {})


def _details(kind, name="", **more):
    found = {}
    if name:
        found["name"] = name
    if kind.group:
        found["group"] = kind.group
    found["kind"] = kind.resource
    found.update(more)
    return found


def forbidden(kind, verb, user, namespace="", name=""):
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    what = f'{kind.qualified} "{name}"' if name else kind.qualified
    return Refusal(403, f'{what} is forbidden: User "{user}" cannot {verb} resource '
                   f'"{kind.resource}" in API group "{kind.group}" {where}', "Forbidden",
                   _details(kind, name), headers=(("X-Content-Type-Options", "nosniff"),))


def forbidden_path(path, verb, user):
    return Refusal(403, f'forbidden: User "{user}" cannot {verb} path "{path}"', "Forbidden", {},
                   headers=(("X-Content-Type-Options", "nosniff"),))


def not_found(kind, name):
    return Refusal(404, f'{kind.qualified} "{name}" not found', "NotFound", _details(kind, name))


def already_exists(kind, name):
    return Refusal(409, f'{kind.qualified} "{name}" already exists', "AlreadyExists",
                   _details(kind, name))


def conflict(kind, name):
    return Refusal(409, f'Operation cannot be fulfilled on {kind.qualified} "{name}": the object '
                   "has been modified; please apply your changes to the latest version and try "
                   "again", "Conflict", _details(kind, name))


def invalid_options(causes):
    """@causes: (field, reason, message) each, of ListOptions."""
    text = [f"{field}: {message}" for field, _, message in causes]
    joined = text[0] if len(text) == 1 else "[" + ", ".join(text) + "]"
    return Refusal(422, f'ListOptions.meta.k8s.io "" is invalid: {joined}', "Invalid",
                   {"group": "meta.k8s.io", "kind": "ListOptions",
                    "causes": [{"reason": reason, "message": message, "field": field}
                               for field, reason, message in causes]})


def invalid_object(kind, name, field, message):
    return Refusal(422, f'{kind.kind} "{name}" is invalid: {field}: {message}', "Invalid",
                   {"name": name, "group": kind.group, "kind": kind.kind,
                    "causes": [{"reason": "FieldValueInvalid", "message": message,
                                "field": field}]})


def invalid_fields(kind, name, causes):
    """@causes: (field, reason, message) each."""
    text = [f"{field}: {message}" for field, _, message in causes]
    joined = text[0] if len(text) == 1 else "[" + ", ".join(text) + "]"
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return Refusal(422, f'{full} "{name}" is invalid: {joined}', "Invalid",
                   {"name": name, "group": kind.group, "kind": kind.kind,
                    "causes": [{"reason": reason, "message": message, "field": field}
                               for field, reason, message in causes]})


def namespace_ending(kind, namespace, name):
    return Refusal(403, f'{kind.qualified} "{name}" is forbidden: unable to create new content in '
                   f"namespace {namespace} because it is being terminated", "Forbidden",
                   _details(kind, name, causes=[
                       {"reason": "NamespaceTerminating", "field": "metadata.namespace",
                        "message": f"namespace {namespace} is being terminated"}]))


def expired(message, token=None):
    return Refusal(410, message, "Expired", metadata={"continue": token} if token else None)


def too_old(revision, oldest):
    return expired(f"too old resource version: {revision} ({oldest})")


def too_large(revision, current):
    message = f"Too large resource version: {revision}, current: {current}"
    return Refusal(504, f"Timeout: {message}", "Timeout",
                   {"causes": [{"reason": "ResourceVersionTooLarge",
                                "message": "Too large resource version"}],
                    "retryAfterSeconds": 1}, retry_after=1)


_ON_DEMAND = {
    400: ("BadRequest", "the request is bad because a test wants it"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden because a test wants it"),
    404: ("NotFound", "the server could not find the requested resource"),
    410: ("Expired", "The resourceVersion for the provided list is too old."),
    422: ("Invalid", 'ListOptions.meta.k8s.io "" is invalid'),
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: a test wants it"),
    503: ("ServiceUnavailable", "apiserver not ready"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


def on_demand(code, retry_after=None):
    """What a test ordered."""
    reason, message = _ON_DEMAND.get(code, ("", "ordered by a test"))
    details = None
    if retry_after is not None:
        details = {"retryAfterSeconds": retry_after} if isinstance(retry_after, int) else {}
    return Refusal(code, message, reason, details, retry_after=retry_after)

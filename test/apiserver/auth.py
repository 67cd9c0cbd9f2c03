# SPDX-License-Identifier: GPL-2.0-or-later
"""Who asks, and what that user may do."""

import base64
import binascii
import csv
import hmac
import os

from . import status

ADMIN = "admin"
PROXY = "system:kube-proxy"
ANONYMOUS = "system:anonymous"
BASIC_PROXY = "kube-proxy"  # a name with a colon cannot have a password
PROXY_USERS = (PROXY, BASIC_PROXY, "system:serviceaccount:kube-system:kube-proxy")

_OPEN_PATHS = ("/version", "/livez", "/healthz", "/readyz")

# The ClusterRole system:node-proxier: (group, resource): verbs.
NODE_PROXIER = {
    ("", "services"): ("list", "watch"),
    ("", "endpoints"): ("list", "watch"),
    ("", "nodes"): ("get", "list", "watch"),
    ("discovery.k8s.io", "endpointslices"): ("list", "watch"),
    ("networking.k8s.io", "servicecidrs"): ("list", "watch"),
    ("", "events"): ("create", "patch", "update"),
    ("events.k8s.io", "events"): ("create", "patch", "update"),
}


class _File:
    """Lines `secret,user,uid[,"group,group"]`, read again when the file changed."""

    def __init__(self, path):
        self.path = path
        self._seen = None
        self._rows = []

    def rows(self):
        try:
            found = os.stat(self.path)
        except OSError:
            return []
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        if seen != self._seen:
            with open(self.path, encoding="utf-8", newline="") as file:
                self._rows = [row for row in csv.reader(file) if len(row) >= 2]
            self._seen = seen
        return self._rows


class Guard:
    def __init__(self, token_path, password_path, allows_anonymous=False):
        self.tokens = _File(token_path)
        self.passwords = _File(password_path)
        self.allows_anonymous = allows_anonymous
        self.denied = {}  # user: set of resources, or of "*"

    def authenticate(self, request, certificate):
        """The user's name. Raises a Refusal of 401."""
        header = request.headers.get("authorization", "")
        for relative in (certificate or {}).get("subject", ()):
            for name, value in relative:
                if name == "commonName":
                    return value
        scheme, _, secret = header.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(secret.strip())
        if scheme.lower() == "basic":
            return self._by_password(secret.strip())
        if header or not self.allows_anonymous:
            raise status.unauthorized()
        return ANONYMOUS

    def _by_token(self, token):
        for row in self.tokens.rows():
            if hmac.compare_digest(row[0].encode(), token.encode()):
                return row[1]
        raise status.unauthorized()

    def _by_password(self, encoded):
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise status.unauthorized() from None
        for row in self.passwords.rows():
            if row[1] == user and hmac.compare_digest(row[0].encode(), password.encode()):
                return user
        raise status.unauthorized()

    def check(self, user, verb, kind, namespace="", name=""):
        """May @user do this to a resource? Raises a Refusal of 403."""
        denied = self.denied.get(user, ())
        if "*" in denied or kind.resource in denied:
            raise status.forbidden(kind, verb, user, namespace, name)
        if user == ADMIN:
            return
        if user in PROXY_USERS and verb in NODE_PROXIER.get((kind.group, kind.resource), ()):
            return
        raise status.forbidden(kind, verb, user, namespace, name)

    def check_path(self, user, path):
        """The same for what is no resource; who is known may read discovery."""
        if user == ANONYMOUS and not path.startswith(_OPEN_PATHS):
            raise status.forbidden_path(path, "get", user)

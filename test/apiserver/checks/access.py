# SPDX-License-Identifier: GPL-2.0-or-later
"""Who gets in: tokens, passwords, certificates; and what for."""

import os
import socket
import ssl
import subprocess
import tempfile

from .. import auth, control
from .client import PROXY_SERVICES, SERVICES, SLICES, Stream, fetch, fetch_json
from .harness import Skip, case, equal, rows, shared, true

NOT_KNOWN = (
    ("no credentials", ""),
    ("a wrong token", "Bearer wrong"),
    ("an empty token", "Bearer "),
    ("a wrong password", "Basic YWRtaW46d3Jvbmc="),
    ("no base64", "Basic !"),
    ("another scheme", "Digest x"),
)


@rows(NOT_KNOWN, "{0}: 401")
def not_known(_what, value):
    headers = (("Authorization", value),) if value else ()
    status, body = fetch_json(shared(control.Server), SERVICES, token="", headers=headers)
    equal("status", (401, "Unauthorized"), (status, body["reason"]))


@case
def anonymous_may_read_the_health_paths_when_it_may_come_in():
    with control.Server(settings={"anonymous": True}) as server:
        equal("livez", 200, fetch(server, "/livez", token="")[0])
        status, body = fetch_json(server, SERVICES, token="")
        true("services", status == 403 and 'User "system:anonymous"' in body["message"])
        equal("a wrong token", 401, fetch(server, "/livez", token="wrong")[0])


@case
def a_token_is_rotated_and_a_watch_does_not_notice():
    with control.Server() as server:
        old = server.token()
        path = server.token_file()
        with Stream(server, f"{SERVICES}?watch=1&timeoutSeconds=1", old) as stream:
            new = server.rotate_token()
            equal("old", 401, fetch(server, SERVICES, token=old)[0])
            equal("new", 200, fetch(server, SERVICES, token=new)[0])
            with open(path, encoding="utf-8") as file:
                equal("file", new, file.read())
            equal("the watch's end", [], stream.events())
        both = server.rotate_token(keep_old=True)
        equal("both", [200, 200], [fetch(server, SERVICES, token=each)[0] for each in (new, both)])


@case
def a_client_certificate_is_a_user():
    with control.Server() as server:
        pair = server.client_certificate("nobody")
        status, body = fetch_json(server, SERVICES, token="", certificate=pair)
        true("nobody", status == 403 and 'User "nobody"' in body["message"])
        pair = server.client_certificate()
        equal("the proxy", 200, fetch(server, SERVICES, token="", certificate=pair)[0])


@case
def a_certificate_of_another_ca_is_refused():
    with control.Server() as server, control.Server(fresh=True) as other:
        pair = other.client_certificate()
        try:
            fetch(server, SERVICES, token="", certificate=pair)
        except OSError:
            return
        raise AssertionError("it was accepted")


PROXY = (
    ("GET", PROXY_SERVICES, 200), ("GET", f"{SERVICES}?watch=1&timeoutSeconds=1", 200),
    ("GET", SLICES, 200), ("GET", "/apis/networking.k8s.io/v1/servicecidrs", 200),
    ("GET", "/api/v1/nodes?fieldSelector=metadata.name=n", 200), ("GET", "/api/v1/nodes/n", 200),
    ("GET", "/api/v1/namespaces/shop/services/a", 403), ("GET", "/api/v1/namespaces", 403),
    ("DELETE", "/api/v1/nodes/n", 403), ("GET", "/apis/events.k8s.io/v1/events", 403),
    ("GET", "/version", 200),
)


@rows(PROXY, "the proxy's role: {0} {1}: {2}")
def the_proxys_role(method, path, code):
    server = shared(control.Server)
    server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}})
    equal("status", code, fetch(server, path, method, token=server.token())[0])


@case
def a_resource_is_denied_to_one_user_and_given_back():
    with control.Server() as server:
        path = "/apis/networking.k8s.io/v1/servicecidrs"
        server.deny(auth.PROXY, "servicecidrs")
        status, body = fetch_json(server, path, token=server.token())
        equal("denied", (403, {"group": "networking.k8s.io", "kind": "servicecidrs"}),
              (status, body["details"]))
        equal("message", 'servicecidrs.networking.k8s.io is forbidden: User "system:kube-proxy" '
              'cannot list resource "servicecidrs" in API group "networking.k8s.io" at the '
              "cluster scope", body["message"])
        equal("others", 200, fetch(server, SERVICES, token=server.token())[0])
        equal("another user", 200, fetch(server, path)[0])
        server.deny(auth.PROXY)
        equal("given back", 200, fetch(server, path, token=server.token())[0])


@case
def old_tls_is_refused():
    with control.Server() as server:
        context = ssl.create_default_context(cafile=server.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        try:
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        except ValueError:
            raise Skip("this openssl has no TLS 1.1") from None
        with socket.create_connection(server.address) as sock:
            try:
                context.wrap_socket(sock, server_hostname="127.0.0.1")
            except OSError:
                return
        raise AssertionError("TLS 1.1 was accepted")


@case
def restarts_with_another_certificate():
    with control.Server() as server:
        with open(server.ca, "rb") as file:
            old = file.read()
        address = server.address
        with tempfile.NamedTemporaryFile(suffix=".crt") as file:
            file.write(old)
            file.flush()
            server.new_certificate()
            equal("the same CA", 200, fetch(server, SERVICES)[0])
            server.new_certificate(new_ca=True)
            context = ssl.create_default_context(cafile=file.name)
            with socket.create_connection(server.address) as sock:
                try:
                    context.wrap_socket(sock, server_hostname="127.0.0.1")
                    raise AssertionError("the old CA still verifies")
                except ssl.SSLCertVerificationError:
                    pass
        equal("the new CA", 200, fetch(server, SERVICES)[0])
        equal("the same address", address, server.address)
        server.new_certificate(names=["other.example"])
        try:
            fetch(server, SERVICES)
            raise AssertionError("a certificate for another name verifies")
        except ssl.SSLCertVerificationError:
            pass


WAYS = (
    ("token", {}), ("tokenFile", {"relative": True}), ("cert", {}), ("cert", {"inline": True}),
    ("basic", {"inline": True}), ("none", {}),
)


@rows(WAYS, "a kubeconfig with {0} {1} lets kubectl in, or not")
def kubeconfigs(how, options):
    server = shared(control.Server)
    with tempfile.TemporaryDirectory() as directory:
        path = server.kubeconfig(os.path.join(directory, "config"), how, **options)
        try:
            done = subprocess.run(
                ["kubectl", f"--kubeconfig={path}", "--username=", "get", "--raw", SERVICES]
                if how == "none" else ["kubectl", f"--kubeconfig={path}", "get", "--raw",
                                       SERVICES],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            raise Skip("no kubectl") from None
        equal(f"exit status ({done.stderr.strip()})", how != "none", done.returncode == 0)


@case
def a_service_account_looks_as_in_a_pod():
    with control.Server() as server, tempfile.TemporaryDirectory() as directory:
        found = server.service_account(directory)
        equal("environment", {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}, set(found))
        equal("files", ["ca.crt", "namespace", "token"], sorted(os.listdir(directory)))
        with open(os.path.join(directory, "token"), encoding="utf-8") as file:
            equal("token", 200, fetch(server, SERVICES, token=file.read())[0])

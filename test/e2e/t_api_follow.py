# SPDX-License-Identifier: GPL-2.0-or-later
"""The API server as the source: what is there is in the kernel, and so is what changes."""

import json
import os
import shutil
import subprocess

import objects
import topology
import web
from api import Api
from apiserver import auth
from daemon import CIDR_ARGS, NODE_ARGS, Failure, Skip
from harness import test, test_rows
from objects import endpoint, port
from topology import NODE, pod_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))

HTTP = (("http1", False), ("http2", True))


def scene(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    api.run(service, piece)
    yield api, service, piece


def gone(t, service):
    t.becomes_outcome("timeout", t.client, "tcp", service.ip(4), 80)


@test_rows(HTTP, "over_{}_what_is_created_changed_and_deleted_is_in_the_kernel", quick=lambda *_: True)
def follows(t, _, http2):
    api = Api(t, http2)
    daemon = api.run()
    heard = t.transactions()
    service, piece = t.web([ONE])
    api.create(service.object())
    api.create(piece)
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    api.settled()

    api.update({**api.truth["endpointslices", "default", "web-ipv4-1"],
                "endpoints": [endpoint(TWO), endpoint(THREE)]})
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO, THREE])
    before = len(heard.of(daemon.pid))
    api.patch(piece, {"endpoints": [endpoint(ONE)]})
    t.becomes(t.client, "udp", service.ip(4), 80, [ONE])
    api.settled()
    t.equal("transactions for one change", 1, len(heard.of(daemon.pid)) - before)

    api.patch(service.object(), {"spec": {"ports": [port(81, "web"), port(80, "dns", "UDP")]}})
    t.becomes(t.client, "tcp", service.ip(4), 81, [ONE])
    t.refused(t.client, "tcp", service.ip(4), 80)
    api.remove(service.object())
    t.becomes_outcome("timeout", t.client, "tcp", service.ip(4), 81)
    api.settled()
    t.equal("warnings and errors", [], daemon.complaints())


class Kubectl:
    """Somebody who knows nothing of us."""

    def __init__(self, api):
        if not shutil.which("kubectl"):
            raise Skip("no kubectl")
        self.api = api
        directory = api.server.directory
        self.base = ["kubectl", f"--cache-dir={directory}/cache", "--kubeconfig=" +
                     api.server.kubeconfig(os.path.join(directory, "admin"), user=auth.ADMIN)]

    def __call__(self, *args, things=()):
        with self.api.node:
            done = subprocess.run([*self.base, *args], input="\n".join(map(json.dumps, things)),
                                  capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise Failure(f"kubectl {args[0]}: exit status {done.returncode}", done.stderr)
        return done.stdout


@test()
def what_kubectl_does_is_in_the_kernel(t):
    api = Api(t)
    run = Kubectl(api)
    daemon = api.run()
    service, piece = t.web([ONE])
    apply = ("apply", "--validate=false", "-f", "-")
    run(*apply, things=[service.object(), piece])
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    run(*apply, things=[service.object(), t.web_slice(service, [TWO])])
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    run("label", "service", "web", "service.kubernetes.io/service-proxy-name=other")
    gone(t, service)
    run("label", "service", "web", "service.kubernetes.io/service-proxy-name-")
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    run("patch", "endpointslice", piece["metadata"]["name"], "--type=json", "-p",
        json.dumps([{"op": "replace", "path": "/endpoints/0/addresses/0", "value": THREE}]))
    t.becomes(t.client, "udp", service.ip(4), 80, [THREE])
    run("delete", "service", "web")
    gone(t, service)
    t.equal("warnings and errors", [], daemon.complaints())


def _labelled(thing, **labels):
    meta = thing["metadata"]
    return {**thing, "metadata": {**meta, "labels": {**meta.get("labels", {}), **labels}}}


def _service_of_another_proxy(service, piece):
    return _labelled(service.object(), **{"service.kubernetes.io/service-proxy-name": ""}), piece


def _headless_service(service, piece):
    thing = service.object()
    thing["spec"].update(clusterIP="None", clusterIPs=["None"])
    return thing, piece


def _headless_slice(service, piece):
    return service.object(), _labelled(piece, **{"service.kubernetes.io/headless": ""})


def _external_name(service, piece):
    thing = service.object()
    thing["spec"] = {"type": "ExternalName", "externalName": "example.com"}
    return thing, piece


LEAVES = (("service_of_another_proxy", _service_of_another_proxy, "timeout"),
          ("headless_service", _headless_service, "timeout"),
          ("headless_slice", _headless_slice, "refused"),
          ("service_that_is_only_a_name", _external_name, "timeout"))


@test_rows([("http1", False, *row) for row in LEAVES], "a_{2}_is_left_out_and_followed_back",
           fixture=scene, quick={"a_service_of_another_proxy_is_left_out_and_followed_back"})
def selectors(t, shared, _, __, ___, change, outcome):
    api, service, piece = shared
    api.put(*change(service, piece))
    t.becomes_outcome(outcome, t.client, "tcp", service.ip(4), 80)
    api.settled()
    api.put(service, piece)
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    api.settled()


def _node(zone, addresses=topology.NODE):
    return _labelled(objects.node(addresses=addresses), **{"topology.kubernetes.io/zone": zone})


@test(quick=True)
def the_own_node_is_followed(t):
    api = Api(t)
    number = t.world.node_port()
    service = t.service("web", [port(80, "web", "TCP", number)], (4,))
    piece = objects.endpoint_slice(service, [
        {**endpoint(address), "hints": {"forZones": [{"name": zone}]}}
        for address, zone in ((ONE, "blue"), (TWO, "red"))], ((8080, "web", "TCP"),))
    api.put(_node("blue"))
    daemon = api.run(service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    api.put(_node("red"))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    # Another address for NodePorts, and back.
    t.answered_by(t.external, "tcp", NODE[4], number, [TWO])
    api.put(_node("red", {4: topology.NODE_SECOND[4]}))
    t.becomes(t.external, "tcp", topology.NODE_SECOND[4], number, [TWO])
    t.refused(t.external, "tcp", NODE[4], number)
    # A Node that is deleted, and made again without addresses, is this machine still.
    api.delete(objects.node())
    daemon.wait_log("own Node not found")
    web.expect(t, web.health(t), healthz=200)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])
    t.answered_by(t.external, "tcp", topology.NODE_SECOND[4], number, [TWO])
    api.put({**_node("red", {}), "spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler",
                                                      "effect": "NoSchedule"}]}})
    web.health(t).becomes("/healthz", 503, 20.0)  # so it has come
    t.answered_by(t.external, "tcp", topology.NODE_SECOND[4], number, [TWO])
    api.put(_node("blue"))
    t.becomes(t.external, "tcp", NODE[4], number, [ONE])
    api.settled()


@test(quick=True)
def the_servers_service_ranges_are_followed(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece)
    free = {"kubernetes": "10.96.200.200", "more": "10.97.200.200"}
    t.dropped(t.client, "udp", free["kubernetes"], 80)
    t.outcome("unreachable", t.client, "udp", free["more"], 80)
    more = objects.service_cidr()
    more["metadata"]["name"] = "more"
    more["spec"]["cidrs"] = ["10.97.0.0/16"]
    api.put(more)
    t.becomes_outcome("timeout", t.client, "udp", free["more"], 80)
    api.delete(objects.service_cidr())
    t.becomes_outcome("unreachable", t.client, "udp", free["kubernetes"], 80)
    api.delete(more)
    t.becomes_outcome("unreachable", t.client, "udp", free["more"], 80)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    api.settled()


WAYS = (("a_token", "token", {}), ("a_token_file", "tokenFile", {}),
        ("a_token_file_beside_it", "tokenFile", {"relative": True}),
        ("certificates", "cert", {}), ("certificates_in_it", "cert", {"inline": True}),
        ("certificates_beside_it", "cert", {"relative": True}), ("a_password", "basic", {}),
        ("the_ca_in_it", "token", {"inline": True}),
        ("no_verification", "token", {"with_ca": False, "insecure_skip_tls_verify": True}),
        ("a_servers_name", "token", {"server": "https://localhost:{port}"}),
        ("a_server_and_a_slash", "token", {"server": "https://127.0.0.1:{port}/"}),
        ("another_name_for_tls", "token", {"tls_server_name": "kubernetes.default.svc"}))


def served(t):
    api = Api(t)
    api.put(*t.web([ONE]))
    yield api


@test_rows(WAYS, "a_kubeconfig_with_{}_lets_us_in", fixture=served)
def kubeconfigs(t, api, _, how, options):
    options = {name: value.format(port=api.server.address[1]) if isinstance(value, str) else value
               for name, value in options.items()}
    path = api.server.kubeconfig(os.path.join(api.server.directory, "other"), how, **options)
    api.note_secrets()
    done = t.command("plan", "--kubeconfig", path, *NODE_ARGS, *CIDR_ARGS)
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.equal("the ruleset", t.plan(source=api.truth_path()).stdout, done.stdout)

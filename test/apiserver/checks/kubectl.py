# SPDX-License-Identifier: GPL-2.0-or-later
"""kubectl as a witness that knows nothing of us."""

import contextlib
import json
import shutil
import subprocess
import tempfile

from .. import auth, control
from ..server import find_nghttpx
from .client import endpoint_slice, service
from .harness import Skip, case, equal, true

LABEL = "service.kubernetes.io/service-proxy-name"
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}}
CIDR = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.96.0.0/12"]}}


class Kubectl:
    def __init__(self, server, directory):
        self.server = server
        self.base = ["kubectl", f"--cache-dir={directory}/cache",
                     "--kubeconfig=" + server.kubeconfig(f"{directory}/config", user=auth.ADMIN)]

    def __call__(self, *args, objects=None, status=0):
        """Its output; @objects go to its standard input."""
        text = "\n".join(map(json.dumps, objects)) if objects else ""
        done = subprocess.run([*self.base, *args], input=text, capture_output=True, text=True,
                              timeout=60, check=False)
        equal(f"kubectl {' '.join(args)}: {done.stderr.strip()}: status", status, done.returncode)
        return done.stdout if status == 0 else done.stderr

    def watch(self, *args):
        return subprocess.Popen([*self.base, *args], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@contextlib.contextmanager
def kubectl(**more):
    if not shutil.which("kubectl"):
        raise Skip("no kubectl")
    with control.Server(**more) as server, \
            tempfile.TemporaryDirectory() as directory:
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        yield Kubectl(server, directory)


@case
def kubectl_sees_version_and_resources():
    with kubectl() as run:
        true("version", "v1.36" in run("version").replace('Minor:"36"', "v1.36"))
        found = run("api-resources", "--no-headers")
        for name in ("services", "endpointslices", "nodes", "servicecidrs", "namespaces",
                     "events"):
            true(name, name in found)


@case
def kubectl_gets_everything_everywhere():
    with kubectl() as run:
        run.server.put(service("web"), service("db", namespace="else"), endpoint_slice("web-1"),
                       NODE, CIDR)
        found = run("get", "svc,endpointslices,nodes,servicecidrs", "-A", "--no-headers", "-o",
                    "name").split()
        equal("objects", {"service/db", "service/web", "node/node1",
                          "endpointslice.discovery.k8s.io/web-1",
                          "servicecidr.networking.k8s.io/kubernetes"}, set(found))
        item = json.loads(run("get", "svc", "-n", "shop", "web", "-o", "json"))
        equal("one", "10.96.0.1", item["spec"]["clusterIP"])
        equal("selected", ["service/db", "service/web"], run(
            "get", "svc", "-A", "-o", "name", "-l", f"!{LABEL}",
            "--field-selector=spec.clusterIP!=None").split())
        true("not found", "not found" in run("get", "svc", "-n", "shop", "no", status=1))


@case
def kubectl_gets_many_in_pages():
    with kubectl() as run:
        run.server.put(*(service(f"s{i}") for i in range(1200)))
        equal("count", 1200, len(run("get", "svc", "-A", "-o", "name").split()))
        equal("pages", {"list": 1, "page": 2}, run.server.state()["counts"]["services"])


@case
def kubectl_creates_changes_and_deletes_while_it_watches():
    with kubectl() as run:
        with run.watch("get", "svc", "-n", "shop", "--watch", "--output-watch-events",
                       "--no-headers", "-l", f"!{LABEL}") as watch:
            run.server.wait_watches(1, "services")
            create = ("create", "--validate=false", "-n", "shop", "-f", "-")
            run(*create, objects=[{"apiVersion": "v1", "kind": "Service",
                                   "metadata": {"name": "web"},
                                   "spec": {"ports": [{"port": 80}]}}])
            run("annotate", "svc", "-n", "shop", "web", "note=1")
            run("label", "svc", "-n", "shop", "web", f"{LABEL}=other")
            run("label", "svc", "-n", "shop", "web", f"{LABEL}-")
            run("patch", "svc", "-n", "shop", "web", "-p",
                '{"spec":{"ports":[{"port":81,"name":"second"}]}}')
            run("delete", "svc", "-n", "shop", "web")
            run(*create, objects=[{"apiVersion": "v1", "kind": "Service",
                                   "metadata": {"name": "end"},
                                   "spec": {"ports": [{"port": 80}]}}])
            lines = []
            while not lines or "end" not in lines[-1]:
                lines.append(" ".join(watch.stdout.readline().split()))
                true(f"no more: {lines}", lines[-1])
            watch.terminate()
        equal("what the watch saw", ["ADDED", "MODIFIED", "DELETED", "ADDED", "MODIFIED",
                                     "DELETED", "ADDED"], [line.split()[0] for line in lines])


@case
def kubectl_applies():
    with kubectl() as run:
        apply = ("apply", "--validate=false", "-f", "-")
        bare = {"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"type": "NodePort", "selector": {"app": "web"},
                         "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}]}}
        piece = endpoint_slice("web-1")
        for words in (("created", "created"), ("unchanged", "unchanged")):
            found = run(*apply, objects=[bare, piece])
            equal("apply", list(words), [line.split()[-1] for line in found.splitlines()])
        first = run.server.get("services", "shop", "web")["spec"]
        bare["spec"]["ports"] = [{"name": "b", "port": 81}, {"name": "c", "port": 82}]
        piece["endpoints"][0]["addresses"] = ["10.244.9.9"]
        found = run(*apply, objects=[bare, piece])
        equal("apply", ["configured"] * 2, [line.split()[-1] for line in found.splitlines()])
        second = run.server.get("services", "shop", "web")["spec"]
        equal("ports", [81, 82], sorted(entry["port"] for entry in second["ports"]))
        equal("the ClusterIP stays", first["clusterIP"], second["clusterIP"])
        equal("the node port stays", [entry["nodePort"] for entry in first["ports"]
                                      if entry["port"] == 81],
              [entry["nodePort"] for entry in second["ports"] if entry["port"] == 81])
        equal("slice", ["10.244.9.9"], run.server.get(
            "endpointslices", "shop", "web-1")["endpoints"][0]["addresses"])
        run("delete", "-f", "-", objects=[bare, piece])
        equal("nothing left", "", run("get", "svc,endpointslices", "-A", "-o", "name"))


@case
def kubectl_works_over_http2():
    if not find_nghttpx():
        raise Skip("no nghttpx")
    with kubectl(http2=True) as run:
        run.server.put(service("web"))
        equal("get", "service/web", run("get", "svc", "-A", "-o", "name").strip())

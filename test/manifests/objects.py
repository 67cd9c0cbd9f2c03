# SPDX-License-Identifier: GPL-2.0-or-later
"""Are these objects that an API server takes?"""

import json
import os
import re
import subprocess

from apiserver.checks.harness import case, equal, rows, true

from .kubernetes import (HERE, KUSTOMIZATIONS, MANIFESTS, TOP, cluster, find, kubectl, parse,
                         patched, path, read, render, rendered, values)

# What is no resource of a kustomization, and why it is there.
BESIDE = {"kubeadm/patch.yaml", "kubeadm/back.yaml", "kubeadm/diff.yaml",
          "monitoring/annotations.yaml", "monitoring/scrape.yaml", "monitoring/dashboard.json",
          "demo.yaml"}

ANY = object()
_META = {"name": ANY, "namespace": ANY, "labels": ANY, "annotations": ANY}
_RELABEL = {"sourceLabels": [ANY], "regex": ANY, "targetLabel": ANY, "replacement": ANY,
            "action": ANY}
_RULE = {"alert": ANY, "expr": ANY, "for": ANY, "labels": ANY,
         "annotations": {"summary": ANY, "description": ANY}}
# The fields of kinds that kubectl has no types for, or no command that reads them into types.
FIELDS = {
    "ServiceAccount": {},
    "ConfigMap": {"data": ANY},
    "ClusterRole": {"rules": [{"apiGroups": [ANY], "resources": [ANY], "verbs": [ANY]}]},
    "PodMonitor": {"spec": {
        "namespaceSelector": {"matchNames": [ANY]}, "selector": {"matchLabels": ANY},
        "podMetricsEndpoints": [{"port": ANY, "relabelings": [_RELABEL]}]}},
    "PrometheusRule": {"spec": {"groups": [{"name": ANY, "rules": [_RULE]}]}},
}


def unknown(value, fields, where):
    """Paths in @value that @fields does not name."""
    if fields is ANY:
        return []
    if isinstance(fields, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [entry for i, item in enumerate(value)
                for entry in unknown(item, fields[0], f"{where}[{i}]")]
    if not isinstance(value, dict):
        return [f"{where} is no object"]
    return [entry for name, item in value.items()
            for entry in (unknown(item, fields[name], f"{where}.{name}") if name in fields
                          else [f"{where}.{name}"])]


def lost(value, printed, where=""):
    """Paths in @value that did not come through Go's types. Zeros may stay away."""
    if isinstance(value, dict) and isinstance(printed, dict):
        return [entry for name, item in value.items()
                for entry in lost(item, printed.get(name), f"{where}.{name}")]
    if isinstance(value, list) and isinstance(printed, list) and len(value) <= len(printed):
        return [entry for i, item in enumerate(value)
                for entry in lost(item, printed[i], f"{where}[{i}]")]
    if value == printed or not value and printed is None or where.endswith(".image"):
        return []
    return [where]


def through_types(value):
    """@value as a `kubectl set` prints it, which reads it into Go's types: what they do not know
    is missing. Only a change is printed, so one is made that lost() does not mind."""
    change = ("subject", "--serviceaccount=some:body")
    if value["kind"] in ("DaemonSet", "Pod"):
        change = ("image", "*=another")
    printed, = values(kubectl("set", change[0], "--local", "-f", "-", change[1], "-o", "json",
                              text=json.dumps(value)))
    return printed


def strange_fields(value):
    if value["kind"] in FIELDS:
        fields = {"apiVersion": ANY, "kind": ANY, "metadata": _META, **FIELDS[value["kind"]]}
        return unknown(value, fields, "")
    return lost(value, through_types(value))


def everything():
    """(file or kustomization, object) of all that is to be created, and of what patches make."""
    for name in KUSTOMIZATIONS:
        for value in render(name):
            yield name, value
    pod, = parse(read(path("kubeadm", "diff.yaml")))
    yield "kubeadm/diff.yaml", pod
    daemon, = parse(read(HERE, "kube-proxy.yaml"))
    for name in ("patch.yaml", "back.yaml"):
        yield f"kubeadm/{name}", patched(daemon, read(path("kubeadm", name)))
    yield "monitoring/annotations.yaml", patched(find(render("base"), "DaemonSet", "kubenft"),
                                                 read(path("monitoring", "annotations.yaml")))


@rows([(name,) for name in KUSTOMIZATIONS], "{} renders without a warning")
def renders(name):
    true(rendered(name), not re.search("(?im)^#? *warning", rendered(name)))
    true("objects", render(name))


def files():
    """Of manifests/, without the image's."""
    found = {os.path.relpath(os.path.join(top, name), MANIFESTS)
             for top, _, names in os.walk(MANIFESTS) for name in names}
    return {name for name in found if not name.startswith("image/")}


@case
def every_file_is_part_of_a_kustomization_or_known_beside_them():
    found = files()
    for name in KUSTOMIZATIONS:
        text = read(path(name, "kustomization.yaml"))
        found -= {f"{name}/kustomization.yaml"}
        found -= {entry for entry in found
                  if entry.startswith(name + "/") and f"- {os.path.basename(entry)}\n" in text}
    equal("beside", BESIDE, found)


@case
def make_install_copies_every_file_in_its_directory():
    env = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    done = subprocess.run(["make", "-n", "-C", TOP, "install", "DESTDIR=/dest"], env=env, text=True,
                          capture_output=True, timeout=60, check=False)
    found = set(re.findall(r"install -D -m 644 manifests/(\S+) '/dest/\S+/examples/\1'",
                           done.stdout))
    equal(f"files: {done.stderr}", files(), found)


@case
def there_are_no_fields_that_the_API_does_not_know():
    strange = [f"{name}: {value['kind']} {value['metadata']['name']}: {where}"
               for name, value in everything() for where in strange_fields(value)]
    equal("fields", [], strange)


@case
def kubectl_would_create_every_object():
    wanted = [value for _, value in everything()]
    with cluster() as (_, run):
        printed = run("create", "--dry-run=client", "--validate=false", "-f", "-",
                      text="\n".join(map(json.dumps, wanted)))
    equal(printed, len(wanted), printed.count("created (dry run)"))


@case
def kubectl_applies_the_kustomizations_and_finds_nothing_to_do_the_second_time():
    with cluster() as (_, run):
        for name in KUSTOMIZATIONS:
            for word in ("created", "unchanged"):
                printed = run("apply", "--validate=false", "-k", path(name))
                equal(f"{name}: {printed}", {word},
                      {line.split()[-1] for line in printed.splitlines()})

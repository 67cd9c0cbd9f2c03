# SPDX-License-Identifier: GPL-2.0-or-later
"""kubectl, and the manifests as values."""

import contextlib
import functools
import json
import os
import subprocess
import tempfile

from apiserver import auth, control
from apiserver.checks.harness import equal

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
MANIFESTS = os.path.join(TOP, "manifests")
KUSTOMIZATIONS = ("base", "kubeadm", "monitoring")


def path(*names):
    """Of a file of manifests/."""
    return os.path.join(MANIFESTS, *names)


def read(*names):
    with open(os.path.join(*names), encoding="utf-8") as file:
        return file.read()


def kubectl(*args, text=None, config=os.devnull):
    """What it prints, standard error included: a warning is something to mend, too."""
    done = subprocess.run(["kubectl", f"--kubeconfig={config}", *args], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          check=False)
    equal(f"kubectl {' '.join(args)}: {done.stdout}: status", 0, done.returncode)
    return done.stdout


def values(text):
    """The objects in what `kubectl -o json` printed one after the other."""
    decoder = json.JSONDecoder()
    found = []
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


@functools.lru_cache(maxsize=None)
def _as_json(text):
    return kubectl("patch", "--local", "-f", "-", "--type=merge", "-p", "{}", "-o", "json",
                   text=text)


def parse(text):
    """Objects in YAML. kubectl reads it, so that this takes what a user's kubectl takes."""
    return values(_as_json(text))


@functools.lru_cache(maxsize=None)
def rendered(name):
    """The text of a kustomization. A warning would be a comment in it."""
    return kubectl("kustomize", path(name))


def render(name):
    """The objects of a kustomization."""
    return parse(rendered(name))


def find(objects, kind, name):
    return next(value for value in objects
                if value["kind"] == kind and value["metadata"]["name"] == name)


@functools.lru_cache(maxsize=None)
def _patched(text, patch):
    return kubectl("patch", "--local", "-f", "-", "-p", patch, "-o", "json", text=text)


def patched(value, patch):
    """@value after `kubectl patch` with @patch, a text."""
    return values(_patched(json.dumps(value), patch))[0]


def differences(left, right, where=""):
    """The paths at which two values differ."""
    if isinstance(left, dict) and isinstance(right, dict):
        return [entry for name in sorted({*left, *right})
                for entry in differences(left.get(name), right.get(name), f"{where}.{name}")]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        return [entry for i, pair in enumerate(zip(left, right))
                for entry in differences(*pair, f"{where}[{i}]")]
    return [] if left == right else [where]


@contextlib.contextmanager
def cluster():
    """A stand-in with the namespace kube-system: the server, and kubectl for its administrator."""
    with control.Server() as server, tempfile.TemporaryDirectory() as directory:
        server.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
        config = server.kubeconfig(os.path.join(directory, "config"), user=auth.ADMIN)
        yield server, functools.partial(kubectl, f"--cache-dir={directory}/cache", config=config)

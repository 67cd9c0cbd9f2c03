# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the demo's objects are, and how they are changed: in a file, or in an API server."""

import json
import os
import shutil
import subprocess
import time

from apiserver import auth, control
from daemon import Failure

# The server does not describe itself as kubectl would like it for its validation.
APPLY = ("apply", "--validate=false", "-f")

HERE = os.path.dirname(os.path.realpath(__file__))
SAMPLE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "manifests", "demo.yaml")


class _Source:
    TOOLS = {}

    def __init__(self, directory, node, stack, screen):
        """@directory: where commands run.  @node: the namespace in which they do."""
        self.directory = directory
        self.node = node
        self.stack = stack
        self.screen = screen

    def path(self, name):
        return os.path.join(self.directory, name)

    def changed(self):
        """What change() began has come to its end."""

    def show_difference(self, before, after):
        """The first place in which two files differ."""
        self.screen.command("diff", before, after)
        done = subprocess.run(["diff", "-U1", before, after], cwd=self.directory,
                              capture_output=True, text=True, check=False)
        parts = done.stdout.split("@@")
        self.screen.lines(parts[2].strip("\n") if len(parts) > 2 else "")
        self.screen.say(f"  ... and the same in {len(parts) // 2 - 1} more slices")


class File(_Source):
    where = "on a copy of manifests/demo.yaml"
    shown = ("--source", "demo.yaml")
    change_heading = "The edited file is moved into place: kubenft follows"
    most_transactions = 1

    @property
    def args(self):
        return "--source", self.path("demo.yaml")

    def start(self):
        shutil.copy(SAMPLE, self.path("demo.yaml"))

    def edit(self, addresses):
        """Make a file in which the endpoints at @addresses are not ready; its name."""
        with open(self.path("demo.yaml"), encoding="utf-8") as file:
            text = file.read()
        for address in addresses:
            text = text.replace(f'- addresses: ["{address}"]\n  conditions: {{ ready: true }}',
                                f'- addresses: ["{address}"]\n  conditions: {{ ready: false }}')
        with open(self.path("edited.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        self.show_difference("demo.yaml", "edited.yaml")
        return "edited.yaml"

    def change(self):
        """Begin to do what was edited. Returns a function that tells when, as time.monotonic()."""
        self.screen.command("mv edited.yaml demo.yaml")
        began = time.monotonic()
        os.rename(self.path("edited.yaml"), self.path("demo.yaml"))
        return lambda: began


class ApiServer(_Source):
    TOOLS = {"kubectl": "kubernetes-client", "openssl": "openssl"}
    where = "watching an API server with the objects of manifests/demo.yaml"
    shown = ("--kubeconfig", "kubeconfig")
    change_heading = "kubectl applies the edited objects: kubenft follows"
    most_transactions = 4  # one for each slice

    @property
    def args(self):
        return "--kubeconfig", self.path("kubeconfig")

    def start(self):
        self.server = control.Server(namespace=self.node)
        self.stack.callback(self.server.stop, check=False)
        self.server.kubeconfig(self.path("kubeconfig"))
        self.server.kubeconfig(self.path("admin"), user=auth.ADMIN)
        self.screen.say("A small program of test/apiserver stands in for the API server: it speaks")
        self.screen.say("the protocol, there is nothing behind it.")
        self.screen.say()
        shutil.copy(SAMPLE, self.path("demo.yaml"))
        self.screen.command("kubectl", *APPLY, "demo.yaml")
        self.screen.lines(self.end(self.begin(*APPLY, "demo.yaml")))

    def begin(self, *args):
        environment = {**os.environ, "HOME": self.directory, "KUBECONFIG": self.path("admin")}
        with self.node:
            return subprocess.Popen(["kubectl", *args], cwd=self.directory, env=environment,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, text=True)

    @staticmethod
    def end(process):
        """What it printed."""
        text, _ = process.communicate(timeout=60)
        if process.returncode:
            raise Failure(f"kubectl: exit status {process.returncode}", *text.splitlines())
        return text

    def edit(self, addresses):
        words = ("get", "endpointslices,services,nodes,servicecidrs", "-A", "-o", "json")
        self.screen.command("kubectl", *words, "> objects.json")
        objects = json.loads(self.end(self.begin(*words)))
        self._write("objects.json", objects)
        for item in objects["items"]:
            for endpoint in item.get("endpoints", ()):
                if set(endpoint["addresses"]) & set(addresses):
                    endpoint["conditions"]["ready"] = False
        self._write("edited.json", objects)
        self.show_difference("objects.json", "edited.json")
        return "edited.json"

    def _write(self, name, value):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)

    def change(self):
        first = self.server.state()["revision"] + 1
        self.screen.command("kubectl", *APPLY, "edited.json")
        self.process = self.begin(*APPLY, "edited.json")
        return lambda: self.server.sent_ns(first) / 1e9

    def changed(self):
        self.screen.lines(self.end(self.process))



KINDS = {"file": File, "api": ApiServer}

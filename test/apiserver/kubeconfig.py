# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes kubeconfig files. JSON's strings are YAML's, so quoting is no question."""

import base64
import json
import os


def _data(path):
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()


def _block(indent, values):
    return "".join(f"{' ' * indent}{name}: {json.dumps(value)}\n"
                   for name, value in values.items() if value is not None)


def file_or_data(name, path, inline, relative_to=None):
    """An entry `name: path`, or `name-data: BASE64`; the path relative to a directory."""
    if inline:
        return {f"{name}-data": _data(path)}
    return {name: os.path.relpath(path, relative_to) if relative_to else path}


def write(path, cluster, user):
    """@cluster and @user: the entries of the one cluster and the one user."""
    text = ("apiVersion: v1\nkind: Config\nclusters:\n- name: stand-in\n  cluster:\n"
            + _block(4, cluster)
            + "users:\n- name: tester\n  user:" + ("\n" + _block(4, user) if user else " {}\n")
            + "contexts:\n- name: test\n  context:\n    cluster: stand-in\n    user: tester\n"
            + "current-context: test\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path

# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of objects, and what discovery says about them."""

ALL_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
NODE_INFO = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage",
             "containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion", "operatingSystem",
             "architecture")


class Kind:
    """A kind of object and its resource. The API itself is `group/version`, or just `version`."""

    def __init__(self, api, resource, kind, namespaced, short=(), fields=(), zero=None,
                 has_status=True, counts=False):
        """@fields: selectable ones beside the name. @zero: what an empty object (a bookmark)
        has behind its metadata. @counts: metadata.generation counts the changes."""
        self.api = api
        self.group, _, self.version = api.rpartition("/")
        self.resource = resource
        self.kind = kind
        self.namespaced = namespaced
        self.short = short
        self.fields = ("metadata.name", *(("metadata.namespace",) if namespaced else ()), *fields)
        self.zero = zero or {}
        self.has_status = has_status
        self.counts = counts
        self.qualified = f"{resource}.{self.group}" if self.group else resource
        self.head = f'{{"kind":"{kind}","apiVersion":"{api}",'.encode()

    def discovery(self):
        entry = {"name": self.resource, "singularName": self.kind.lower(),
                 "namespaced": self.namespaced, "kind": self.kind, "verbs": list(ALL_VERBS)}
        if self.short:
            entry["shortNames"] = list(self.short)
        status = {"name": f"{self.resource}/status", "singularName": "",
                  "namespaced": self.namespaced, "kind": self.kind,
                  "verbs": ["get", "patch", "update"]}
        return [entry, status] if self.has_status else [entry]


KINDS = (
    Kind("v1", "services", "Service", True, ("svc",), ("spec.clusterIP", "spec.type"),
         {"spec": {}, "status": {"loadBalancer": {}}}),
    Kind("v1", "nodes", "Node", False, ("no",), ("spec.unschedulable",),
         {"spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
                                 "nodeInfo": dict.fromkeys(NODE_INFO, "")}}),
    Kind("v1", "namespaces", "Namespace", False, ("ns",), ("status.phase",),
         {"spec": {}, "status": {}}),
    Kind("v1", "events", "Event", True, ("ev",), ("reason", "type"), has_status=False),
    Kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", True,
         zero={"addressType": "", "endpoints": None, "ports": None}, has_status=False,
         counts=True),
    Kind("networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", False,
         zero={"spec": {"cidrs": None}, "status": {}}),
    Kind("events.k8s.io/v1", "events", "Event", True, ("ev",), ("reason", "type"),
         has_status=False),
    # What manifests/ are made of: kept as they are, nothing is done about them.
    Kind("v1", "configmaps", "ConfigMap", True, ("cm",), has_status=False),
    Kind("v1", "pods", "Pod", True, ("po",)),
    Kind("v1", "serviceaccounts", "ServiceAccount", True, ("sa",), has_status=False),
    Kind("apps/v1", "daemonsets", "DaemonSet", True, ("ds",), counts=True),
    Kind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", False, has_status=False),
    Kind("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", False,
         has_status=False),
    Kind("monitoring.coreos.com/v1", "podmonitors", "PodMonitor", True, counts=True),
    Kind("monitoring.coreos.com/v1", "prometheusrules", "PrometheusRule", True, counts=True),
)
BY_PATH = {(kind.api, kind.resource): kind for kind in KINDS}
BY_KIND = {(kind.api, kind.kind): kind for kind in KINDS}
NAMESPACES = BY_PATH["v1", "namespaces"]

VERSION = """{
  "major": "1",
  "minor": "36",
  "emulationMajor": "1",
  "emulationMinor": "36",
  "minCompatibilityMajor": "1",
  "minCompatibilityMinor": "35",
  "gitVersion": "v1.36.2",
  "gitCommit": "0000000000000000000000000000000000000000",
  "gitTreeState": "clean",
  "buildDate": "1970-01-01T00:00:00Z",
  "goVersion": "go1.26.10",
  "compiler": "gc",
  "platform": "linux/amd64"
}"""


def find(word):
    """The kind that a test means: a resource's name, `events.k8s.io/v1/events`, or a Kind."""
    if isinstance(word, Kind):
        return word
    for kind in KINDS:
        if word in (kind.resource, kind.kind, f"{kind.api}/{kind.resource}"):
            return kind
    raise KeyError(f"no resource {word!r}")


def of_object(value):
    """The kind of an object that names itself."""
    try:
        return BY_KIND[value["apiVersion"], value["kind"]]
    except (KeyError, TypeError):
        name = value.get("kind") if isinstance(value, dict) else value
        raise KeyError(f"no kind {name!r} here") from None


def _group(name, versions):
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def discovery(path):
    """The discovery document at @path, or None."""
    groups = {}
    for kind in KINDS:
        if kind.group and kind.version not in groups.setdefault(kind.group, []):
            groups[kind.group].append(kind.version)
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1",
                "groups": [_group(name, versions) for name, versions in groups.items()]}
    for name, versions in groups.items():
        if path == f"/apis/{name}":
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}
    for api in {kind.api for kind in KINDS}:
        if path == ("/api/" if "/" not in api else "/apis/") + api:
            return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api,
                    "resources": [entry for kind in KINDS if kind.api == api
                                  for entry in kind.discovery()]}
    return None

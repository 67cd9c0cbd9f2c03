# SPDX-License-Identifier: GPL-2.0-or-later
"""Do the DaemonSets do what README says of them, and does kubenft understand what they tell it?"""

import json
import os
import re
import subprocess
import tempfile

from apiserver.auth import NODE_PROXIER
from apiserver.checks.harness import Skip, case, equal, true

from .kubernetes import HERE, TOP, cluster, differences, find, parse, patched, path, read, render

KUBENFT = os.environ.get("KUBENFT", os.path.join(TOP, "build/kubenft"))
PROGRAM = "/usr/sbin/kubenft"  # the image's entry point
# The requests of a daemon: (group, resource): verbs.
REQUESTS = {
    ("", "services"): {"list", "watch"},
    ("", "nodes"): {"list", "watch"},
    ("discovery.k8s.io", "endpointslices"): {"list", "watch"},
    ("networking.k8s.io", "servicecidrs"): {"list", "watch"},
    ("events.k8s.io", "events"): {"create", "patch"},
}
LEAST = {"runAsUser": 0, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
         "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
         "seccompProfile": {"type": "RuntimeDefault"}}
IN_PLACE = (".spec.template.spec.containers[0].command", ".spec.template.spec.containers[0].image")
OLD_IMAGE = "kube-proxy:v1.36.2"


def base(kind="DaemonSet"):
    return find(render("base"), kind, "kubenft")


def kube_proxy():
    return parse(read(HERE, "kube-proxy.yaml"))[0]


def diff_pod():
    return parse(read(path("kubeadm", "diff.yaml")))[0]


def back(value):
    return patched(value, read(path("kubeadm", "back.yaml")).replace("KUBE_PROXY_IMAGE", OLD_IMAGE))


def pod(value):
    return value["spec"].get("template", value)["spec"]


def containers(value):
    """Those that run kubenft."""
    return [entry for entry in (*pod(value).get("initContainers", ()), *pod(value)["containers"])
            if entry["image"] == "kubenft:VERSION"]


def grants(role):
    return {(group, resource): set(rule["verbs"]) for rule in role["rules"]
            for group in rule["apiGroups"] for resource in rule["resources"]}


@case
def the_ClusterRole_is_within_system_node_proxier_and_has_what_is_asked_for():
    found = grants(base("ClusterRole"))
    for entry, verbs in found.items():
        true(f"{entry}: {verbs}", verbs <= set(NODE_PROXIER.get(entry, ())))
    equal("asked for", REQUESTS, found)


@case
def the_binding_is_of_the_account_that_the_DaemonSet_has():
    binding = base("ClusterRoleBinding")
    account = base("ServiceAccount")["metadata"]
    equal("role", base("ClusterRole")["metadata"]["name"], binding["roleRef"]["name"])
    equal("subject", [{"kind": "ServiceAccount", "name": account["name"],
                       "namespace": account["namespace"]}], binding["subjects"])
    equal("account", account["name"], pod(base())["serviceAccountName"])


@case
def the_daemon_has_one_capability_and_a_read_only_file_system():
    for value in (base(), diff_pod(), back(kube_proxy())):
        for entry in containers(value):
            if entry["name"] != "sysctls":
                context = entry["securityContext"]
                equal(entry["name"], LEAST, {name: context.get(name) for name in LEAST})
                true("privileged", not context.get("privileged"))
    equal("volumes", [["configMap", "name"]], [sorted(entry) for entry in pod(base())["volumes"]])


@case
def only_the_init_container_is_privileged_and_it_only_sets_sysctls():
    init, = pod(base())["initContainers"]
    true("privileged", init["securityContext"]["privileged"])
    true("init-only", "--init-only" in init["args"])


@case
def the_pod_is_on_every_node_and_in_the_nodes_network():
    spec = pod(base())
    equal("tolerations", [{"operator": "Exists"}], spec["tolerations"])
    equal("priority", "system-node-critical", spec["priorityClassName"])
    equal("network", True, spec["hostNetwork"])
    daemon, = spec["containers"]
    equal("requests", {"cpu", "memory"}, set(daemon["resources"]["requests"]))
    true("limits", "limits" not in daemon["resources"])


@case
def probes_ask_at_the_ports_that_the_configuration_opens():
    daemon, = pod(base())["containers"]
    ports = {entry["name"]: entry["containerPort"] for entry in daemon["ports"]}
    text = base("ConfigMap")["data"]["config.conf"]
    for field, name in (("healthzBindAddress", "healthz"), ("metricsBindAddress", "metrics")):
        line, = [line for line in text.splitlines() if line.startswith(field)]
        equal(field, ports[name], int(line.rpartition(":")[2]))
    for probe, name in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        equal(probe, {"path": name, "port": "healthz"}, daemon[probe]["httpGet"])


@case
def every_image_is_kubenft_or_for_the_user_to_fill_in():
    for value in (base(), find(render("kubeadm"), "DaemonSet", "kube-proxy"), diff_pod()):
        spec = pod(value)
        equal("images", {"kubenft:VERSION"}, {entry["image"] for entry in (
            *spec.get("initContainers", ()), *spec["containers"])})


@case
def the_patch_changes_image_and_command_of_kubeadms_DaemonSet_and_nothing_else():
    before = kube_proxy()
    equal("differences", list(IN_PLACE),
          differences(before, patched(before, read(path("kubeadm", "patch.yaml")))))


@case
def the_kubeadm_kustomization_does_the_same_to_the_DaemonSet_in_a_cluster():
    with cluster() as (server, run):
        server.put(kube_proxy())
        before = server.get("daemonsets", "kube-system", "kube-proxy")
        run("apply", "--validate=false", "-k", path("kubeadm"))
        after = server.get("daemonsets", "kube-system", "kube-proxy")
    for value in (before, after):
        value["metadata"] = {name: value["metadata"][name] for name in ("name", "labels")}
    equal("differences", list(IN_PLACE), differences(before, after))
    equal("as the patch", [], differences(
        pod(patched(kube_proxy(), read(path("kubeadm", "patch.yaml")))), pod(after)))


@case
def the_way_back_gives_what_kubeadm_has_made_and_a_cleanup_before_it():
    value = back(patched(kube_proxy(), read(path("kubeadm", "patch.yaml"))))
    cleanup, = pod(value).pop("initContainers")
    equal("differences", [], differences(kube_proxy(), value))
    equal("command", [PROGRAM, "cleanup"], cleanup["command"])


def readme(title):
    """The section of README that begins with this title."""
    return read(TOP, "README.md").split(f"\n### {title}\n")[1].split("\n##")[0]


@case
def READMEs_commands_lead_to_a_DaemonSet_of_its_own_and_back_and_leave_nothing():
    there, = re.findall("patch ds kube-proxy -p '(.*)'", readme("A DaemonSet of its own"))
    returns = re.findall("patch ds kube-proxy -p '(.*)'", readme("Back"))
    value = patched(kube_proxy(), there)
    equal("nodes", {"kubernetes.io/os": "linux", "kube-proxy": "no"}, pod(value)["nodeSelector"])
    value = back(value)
    for patch in returns:
        value = patched(value, patch)
    equal("init containers", [], pod(value).pop("initContainers"))
    equal("differences", [], differences(kube_proxy(), value))


@case
def README_takes_note_of_kube_proxys_image_on_both_ways():
    for title in ("In the place of kubeadm's", "A DaemonSet of its own"):
        true(title, "image=$(kubectl -n kube-system get ds kube-proxy -o jsonpath=" in
             readme(title))


@case
def README_tells_for_both_ways_how_to_remove_what_kube_proxy_has_left():
    for title, name, kind in (("In the place of kubeadm's", "kube-proxy", "kubeadm"),
                              ("A DaemonSet of its own", "kubenft", "base")):
        template = find(render(kind), "DaemonSet", name)["spec"]["template"]
        labels = [f"{key}={value}" for key, value in template["metadata"]["labels"].items()]
        equal(title, labels, re.findall(r"get pod -l (\S+)", readme(title)))
        true(title, "/usr/sbin/kubenft cleanup --kube-proxy" in readme(title))


@case
def diff_sees_what_the_daemon_would_see():
    daemon, = pod(find(render("kubeadm"), "DaemonSet", "kube-proxy"))["containers"]
    differ, = pod(diff_pod())["containers"]
    equal("command", [word if word != "run" else "diff" for word in daemon["command"]],
          differ["command"])
    equal("env", daemon["env"], differ["env"])
    for name in ("serviceAccountName", "hostNetwork", "tolerations"):
        equal(name, pod(find(render("kubeadm"), "DaemonSet", "kube-proxy"))[name],
              pod(diff_pod())[name])


@case
def what_is_to_be_filled_in_stands_in_one_place_only():
    chosen, = parse(read(path("kubeadm", "diff.yaml")).replace("WHICH_NODE", "worker-7"))
    equal("differences", [".spec.nodeName"], differences(diff_pod(), chosen))
    value = patched(kube_proxy(), read(path("kubeadm", "back.yaml")))
    equal("differences", [".spec.template.spec.containers[0].image"],
          differences(back(kube_proxy()), value))


def run(*args):
    return subprocess.run([KUBENFT, *args], capture_output=True, text=True, timeout=30,
                          check=False)


def needs_config():
    if not os.path.exists(KUBENFT):
        raise Skip(f"no {KUBENFT}")
    if not re.search(r"(?m)^ .*--config\b", run("run", "--help").stdout):
        raise Skip("this kubenft has no --config")


@case
def kubenft_has_the_commands_and_options_that_the_manifests_use():
    needs_config()
    for value in (base(), find(render("kubeadm"), "DaemonSet", "kube-proxy"), diff_pod(),
                  back(kube_proxy())):
        for entry in containers(value):
            program, command, *args = entry.get("command", [PROGRAM]) + entry.get("args", [])
            equal("program", PROGRAM, program)
            done = run(command, "--help")
            equal(f"{command} --help: {done.stderr}: status", 0, done.returncode)
            for option in args:
                name = option.partition("=")[0]
                true(f"{command} {name}", re.search(rf"(?m)^ .*{name}\b", done.stdout))


@case
def kubenft_takes_the_configuration_without_a_complaint():
    needs_config()
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "config.conf"), "w", encoding="utf-8") as file:
            file.write(base("ConfigMap")["data"]["config.conf"])
        for entry in containers(base()):
            command, *args = [word.replace("/etc/kubenft", directory) for word in entry["args"]]
            args = [word.replace("$(NODE_NAME)", "worker-7") for word in args]
            out = os.path.join(directory, "effective")
            done = run(command, *args, f"--write-config-to={out}")
            equal(f"{entry['name']}: {done.stderr}: status", 0, done.returncode)
            bad = [line for line in done.stderr.splitlines() if line[:1] in "WE"]
            equal("complaints", [], bad)
            effective = parse(read(out))[0] if os.path.exists(out) else {}
            equal(json.dumps(effective), "0.0.0.0:10256", effective.get("healthzBindAddress"))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules, dashboard and scraping: understood by Prometheus, and about metrics that there are."""

import collections
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile

from apiserver.checks.harness import Skip, case, equal, rows, true

from .kubernetes import HERE, TOP, find, path, read, render

# What every series has beside its own labels: Prometheus' and those that scraping sets.
COMMON = {"node", "job", "instance"}
_NAME = re.compile(r"\b(?:kubenft|kubeproxy|kubernetes|process|rest_client)_[a-z0-9_]+\b")
_USE = re.compile(r"(?P<function>\w+\()?(?P<name>" + _NAME.pattern +
                  r")(?:\{(?P<selector>[^}]*)\})?")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
_BY = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")

Metric = collections.namedtuple("Metric", "type labels")
Panel = collections.namedtuple("Panel", "title expr")


def promtool(*args):
    if not shutil.which("promtool"):
        raise Skip("no promtool; as root: test/deps.sh test")
    done = subprocess.run(["promtool", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, check=False)
    equal(f"promtool {' '.join(args)}: {done.stdout}: status", 0, done.returncode)


def metrics():
    """{name: Metric} of README's reference, which a unit test compares with the program."""
    found = {}
    for line in read(TOP, "README.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 4 and cells[1] in ("counter", "gauge", "histogram"):
            found[cells[0].strip("`")] = Metric(cells[1], set(re.findall(r"\w+", cells[2])))
    if not found:
        raise Skip("README has no reference of metrics")
    return found


def rules():
    value = find(render("monitoring"), "PrometheusRule", "kubenft")
    return [rule for group in value["spec"]["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads(read(path("monitoring", "dashboard.json")))


def panels():
    """The panels of the dashboard that ask for something."""
    return [Panel(panel["title"], target["expr"]) for panel in dashboard()["panels"]
            for target in panel.get("targets", ())]


def expressions():
    """(where, PromQL) of all that is asked of Prometheus."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        yield panel.title, panel.expr.replace("$__rate_interval", "5m").replace("$node", ".*")


def check_use(known, use, where):
    name = use["name"]
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    metric = known.get(name)
    if metric is None and base in known and known[base].type == "histogram":
        metric = known[base]
    true(f"{where}: there is no metric {name}", metric)
    true(f"{where}: {name} alone is no series", metric.type != "histogram" or name != base)
    labels = {label for label in _LABEL.findall(use["selector"] or "")}
    equal(f"{where}: {name}: labels that it does not have", set(), labels - metric.labels - COMMON)
    grows = metric.type != "gauge"
    equal(f"{where}: {name}, a {metric.type}, is asked for its growth", grows,
          use["function"] in ("rate(", "increase("))
    return metric.labels


@case
def dashboard_and_rules_ask_only_for_metrics_and_labels_that_there_are():
    known = metrics()
    for where, expr in expressions():
        labels = set(COMMON) | {"le"}
        for use in _USE.finditer(expr):
            labels |= check_use(known, use, where)
        for names in _BY.findall(expr):
            equal(f"{where}: labels", set(), set(re.findall(r"\w+", names)) - labels)
    variables = json.dumps(dashboard()["templating"])
    for name in _NAME.findall(variables):
        true(f"variables: {name}", name in known)


@case
def legends_and_messages_name_only_labels_that_are_left():
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            names = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            kept = {name for group in _BY.findall(target["expr"])
                    for name in re.findall(r"\w+", group)}
            equal(f"{panel['title']}: legend", set(), names - kept)
    for rule in rules():
        names = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        kept = {name for group in _BY.findall(rule["expr"]) for name in re.findall(r"\w+", group)}
        equal(f"{rule['alert']}: message", set(), names - (kept or COMMON))


@case
def promtool_understands_every_expression_of_the_dashboard():
    with tempfile.TemporaryDirectory() as directory:
        name = os.path.join(directory, "rules.yaml")
        asked = [expr for _, expr in expressions()]
        with open(name, "w", encoding="utf-8") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": [
                {"record": f"dashboard:{i}", "expr": expr} for i, expr in enumerate(asked)]}]},
                file)
        promtool("check", "rules", name)


@case
def promtool_accepts_the_rules_and_they_fire_when_they_should_and_not_else():
    with tempfile.TemporaryDirectory() as directory:
        # the command that prometheusrule.yaml and README tell
        done = subprocess.run(["sed", "1,/^spec:/d; s/^  //",
                               path("monitoring", "prometheusrule.yaml")],
                              capture_output=True, text=True, check=True)
        with open(os.path.join(directory, "rules.yaml"), "w", encoding="utf-8") as file:
            file.write(done.stdout)
        shutil.copy(os.path.join(HERE, "rules_test.yaml"), directory)
        promtool("check", "rules", os.path.join(directory, "rules.yaml"))
        promtool("test", "rules", os.path.join(directory, "rules_test.yaml"))


@case
def every_alert_has_a_test_in_which_it_fires_and_a_line_in_README():
    names = [rule["alert"] for rule in rules()]
    equal("names", sorted(set(names)), sorted(names))
    tested = set(re.findall(r"alertname: (\w+)\n +exp_alerts:", read(HERE, "rules_test.yaml")))
    equal("tested", set(names), tested)
    equal("in README", set(names), set(re.findall(r"\| `(Kubenft\w+)` \|", read(TOP, "README.md"))))
    equal("on the dashboard", set(),
          set(re.findall(r"Alert (Kubenft\w+)", json.dumps(dashboard()))) - set(names))


@case
def panels_have_ids_of_their_own_and_do_not_overlap():
    found = dashboard()["panels"]
    ids = [panel["id"] for panel in found]
    equal("ids", sorted(set(ids)), sorted(ids))
    taken = collections.defaultdict(list)
    for panel in found:
        at = panel["gridPos"]
        true(f"{panel['title']}: within 24 columns", at["x"] + at["w"] <= 24)
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]),
                                      range(at["y"], at["y"] + at["h"])):
            taken[cell].append(panel["title"])
    equal("overlaps", [], [titles for titles in taken.values() if len(titles) > 1])


@case
def every_panel_says_what_it_shows_of_the_chosen_nodes_and_data_source():
    for panel in dashboard()["panels"]:
        if panel["type"] == "row":
            continue
        true(f"{panel['title']}: description", panel["description"])
        equal(panel["title"], "${datasource}", panel["datasource"]["uid"])
        for target in panel["targets"]:
            for use in _USE.finditer(target["expr"]):
                true(f"{panel['title']}: {use['name']}: $node",
                     'node=~"$node"' in (use["selector"] or ""))
    equal("variables", ["datasource", "node"],
          [entry["name"] for entry in dashboard()["templating"]["list"]])


def relabel_configs(monitor):
    """Those of a PodMonitor as Prometheus itself writes them."""
    names = {"sourceLabels": "source_labels", "targetLabel": "target_label"}
    return [{names.get(name, name): value for name, value in entry.items()}
            for endpoint in monitor["spec"]["podMetricsEndpoints"]
            for entry in endpoint["relabelings"]]


@rows([("kubenft",), ("kubenft-as-kube-proxy",)], "promtool understands the PodMonitor {}")
def pod_monitor(name):
    monitor = find(render("monitoring"), "PodMonitor", name)
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"scrape_configs": [{"job_name": name,
                                           "relabel_configs": relabel_configs(monitor)}]}, file)
        promtool("check", "config", "--syntax-only", config)


@case
def promtool_understands_the_job_for_a_Prometheus_without_the_operator():
    # Debian's is built without the discovery of Kubernetes: that block is left out.
    text, count = re.subn(r"(?m)^  kubernetes_sd_configs:\n(  [- ] .*\n)+", "",
                          read(path("monitoring", "scrape.yaml")))
    equal("blocks of discovery", 1, count)
    with tempfile.TemporaryDirectory() as directory:
        config = os.path.join(directory, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        promtool("check", "config", "--syntax-only", config)


def relabelled(configs, labels):
    """What Prometheus makes of @labels; None: it drops the target. As far as we use it."""
    labels = dict(labels)
    for config in configs:
        value = ";".join(labels.get(name, "") for name in config.get("source_labels", ()))
        found = re.fullmatch(str(config.get("regex", "(.*)")), value, re.DOTALL)
        if config.get("action") == "keep":
            if not found:
                return None
        elif found:
            labels[config["target_label"]] = re.sub(
                r"\$(\d+)", lambda digits, found=found: found[int(digits[1])],
                config.get("replacement", "$1"))
    return {name: value for name, value in labels.items() if not name.startswith("__meta")}


@rows([("192.0.2.1", "192.0.2.1:10249"), ("2001:db8::1", "[2001:db8::1]:10249")],
      "a pod of kubeadm's DaemonSet at {} is asked at its metrics port")
def kubeadm_target(address, target):
    monitor = find(render("monitoring"), "PodMonitor", "kubenft-as-kube-proxy")
    labels = {"__meta_kubernetes_pod_container_name": "kube-proxy",
              "__meta_kubernetes_pod_ip": address, "__meta_kubernetes_pod_node_name": "worker-7",
              "__address__": address}
    equal("labels", {"__address__": target, "node": "worker-7", "job": "kubenft"},
          relabelled(relabel_configs(monitor), labels))
    labels["__meta_kubernetes_pod_container_name"] = "remove-kubenft"
    equal("the init container", None, relabelled(relabel_configs(monitor), labels))

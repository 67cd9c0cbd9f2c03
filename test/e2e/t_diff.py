# SPDX-License-Identifier: GPL-2.0-or-later
"""diff against the kernel's tables, in all its forms, and how it ends."""

import glob
import json
import os
import pty
import subprocess
import sys

import objects
from daemon import CIDR_ARGS, NODE_ARGS, until
from harness import Skip, test, test_rows
from objects import endpoint, port
from t_lifecycle import AS_NOBODY
from topology import NODE_NAME, pod_address, remote_address

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(os.path.join(HERE, "../golden"))
import schema  # noqa: E402

with open(os.path.join(HERE, "../data/diff.schema.json"), encoding="utf-8") as _file:
    SCHEMA = json.load(_file)

ONE, TWO = pod_address(11, 4), pod_address(12, 4)


def _json(t, **more):
    """The difference as JSON, which is as the schema says."""
    done = t.diff("-o", "json", **more)
    value = json.loads(done.stdout)
    t.equal("faults of the JSON", [], schema.faults(value, SCHEMA))
    t.equal("exit status", 0 if value["inSync"] else 1, done.returncode, done.stderr)
    return value


def _lines(t, **more):
    done = t.diff(**more)
    t.equal("exit status", 0 if done.stdout == "in sync\n" else 1, done.returncode, done.stderr)
    return [line.strip() for line in done.stdout.splitlines()]


# What somebody did while no daemon ran, and what diff says to it.
FOREIGN = [
    ("deleting_a_frontend", "delete element ip kubenft frontends {{ {ip} . tcp . 80 }}",
     ["default/web:web/TCP", "+ frontend {ip}:80 ClusterIP (changed by somebody else)"]),
    ("adding_a_frontend", "add element ip kubenft frontends {{ 10.96.9.9 . tcp . 80 : drop }}",
     ["node", "- frontend 10.96.9.9:80 TCP (foreign element)"]),
    ("deleting_a_backend", "delete element ip kubenft backends {{ {ip} . tcp . 80 . 0 }}",
     ["default/web:web/TCP",
      "~ frontend {ip}:80 ClusterIP, 1 -> 2 endpoints (changed by somebody else)",
      "+ endpoint {one}:8080"]),
    ("adding_a_backend",
     "add element ip kubenft backends {{ {ip} . tcp . 80 . 9 : 10.9.9.9 . 99 }}",
     ["default/web:web/TCP", "~ frontend {ip}:80 ClusterIP (changed by somebody else)",
      "- endpoint 10.9.9.9:99 (foreign element)"]),
    ("adding_a_pod_range", "add element ip6 kubenft pod-cidrs {{ fd99::/64 }}",
     ["node", "- pod range fd99::/64"]),
    ("deleting_a_cluster_ip", "delete element ip kubenft cluster-ips {{ {ip} }}",
     ["+ refusal of closed ports of {ip}"]),
    ("deleting_a_hairpin", "delete element ip kubenft hairpin {{ {one} . {one} }}",
     ["node", "+ hairpin of local endpoint {one}"]),
    ("flushing_a_chain", "flush chain ip kubenft services",
     ["node", "~ table ip kubenft (rules changed by somebody else)"]),
    ("adding_a_rule", "insert rule ip6 kubenft refuse accept",
     ["node", "~ table ip6 kubenft (rules changed by somebody else)"]),
    ("adding_a_set", "add set ip kubenft mine {{ type inet_service; }}",
     ["node", "~ table ip kubenft (rules changed by somebody else)"]),
    ("turning_a_backend_elsewhere",
     "delete element ip kubenft backends {{ {ip} . tcp . 80 . 1 }}\n"
     "add element ip kubenft backends {{ {ip} . tcp . 80 . 1 : 10.9.9.9 . 99 }}",
     ["default/web:web/TCP", "+ endpoint {two}:8080", "- endpoint 10.9.9.9:99 (endpoint gone)"]),
    ("sending_a_frontend_astray",
     "delete element ip kubenft frontends {{ {ip} . tcp . 80 }}\n"
     "add element ip kubenft frontends {{ {ip} . tcp . 80 : goto refuse }}",
     ["default/web:web/TCP",
      "~ frontend {ip}:80 ClusterIP, refuses -> serves, 0 -> 2 endpoints "
      "(changed by somebody else)"]),
    ("making_a_frontend_an_external_one",
     "add element ip kubenft external-cluster {{ {ip} . tcp . 80 }}",
     ["default/web:web/TCP",
      "~ frontend {ip}:80 ClusterIP, external -> ClusterIP (changed by somebody else)"]),
    ("adding_a_source_range",
     "add element ip kubenft allowed-sources {{ {ip} . tcp . 80 . 10.0.0.0/8 }}",
     ["default/web:web/TCP",
      "~ frontend {ip}:80 ClusterIP, 1 -> 0 sources (changed by somebody else)"]),
    ("putting_another_layout_in_its_place",
     "delete table ip kubenft\nadd table ip kubenft {{ comment \"kubenft ruleset 1\"; }}",
     ["node", "~ table ip kubenft (another layout: 'kubenft ruleset 1', would be "
      "'kubenft ruleset 3 pods=cidr')"]),
    ("deleting_a_table", "delete table ip6 kubenft", ["node",
                                                      "+ table ip6 kubenft (table missing)"]),
]


@test_rows(FOREIGN, "diff_names_what_is_different_after_{0}",
           quick={"diff_names_what_is_different_after_deleting_a_backend",
                  "diff_names_what_is_different_after_deleting_a_table"})
def foreign_change(t, _, command, expected):
    service, piece = t.web([ONE, TWO])
    t.run(service, piece).stop_gracefully()
    t.nft_ok("-f", "-", stdin=command.format(ip=service.ip(4), one=ONE) + "\n")
    lines = _lines(t)
    for line in expected:
        line = line.format(ip=service.ip(4), one=ONE, two=TWO)
        t.true(f"there is the line {line!r}", line in lines, *lines)
    t.true("JSON says so, too", not _json(t)["inSync"])


@test(quick=True)
def diff_knows_why_endpoints_go(t):
    service, piece = t.web([ONE, TWO, remote_address(1, 4), remote_address(2, 4)])
    t.run(service, piece)
    t.write(service, t.web_slice(service, [
        endpoint(ONE, ready=False), endpoint(TWO, ready=False, serving=True, terminating=True),
        remote_address(1, 4), remote_address(3, 4)]), path=t.directory + "/new.yaml")
    lines = _lines(t, source=t.directory + "/new.yaml")
    for group in ("default/web:web/TCP", "default/web:dns/UDP"):
        at = lines.index(group)
        t.equal(f"lines of {group}", [
            f"- endpoint {ONE}:8080 (endpoint not ready)",
            f"- endpoint {TWO}:8080 (endpoint terminating)",
            f"- endpoint {remote_address(2, 4)}:8080 (endpoint gone)",
            f"+ endpoint {remote_address(3, 4)}:8080",
        ], lines[at + 1:at + 5])
    t.equal("counts", "2 to add, 6 to remove, 0 to change", lines[-1])


@test()
def diff_says_what_another_size_of_the_affinity_map_costs(t):
    service, piece = t.web([ONE])
    t.run(service, piece, args=("--affinity-size=1000",)).stop_gracefully()
    for size, expected in ((2000, "room for 1000 -> 2000 clients"),
                           (500, "room for 1000 -> 500 clients (records would be lost)")):
        done = t.diff(f"--affinity-size={size}")
        t.equal("diff", (1, "node\n" + "".join(
            f"  ~ affinity map of {family}, {expected}\n" for family in ("ip", "ip6")) +
            "0 to add, 0 to remove, 2 to change\n"), (done.returncode, done.stdout))
        value = json.loads(t.diff("-o", "json", f"--affinity-size={size}").stdout)
        t.equal("faults of the JSON", [], schema.faults(value, SCHEMA))


@test()
def diff_names_endpoints_beyond_the_bound_for_local_ones(t):
    service = t.service("many", [port(80)], families=(4,), internalTrafficPolicy="Local")
    addresses = [f"10.244.0.{i}" for i in range(1, 255)] + \
        [f"10.244.3.{i}" for i in range(1, 255)] + [f"10.244.4.{i}" for i in range(1, 7)]
    here = lambda some: objects.endpoint_slice(
        service, [{"addresses": [a], "nodeName": NODE_NAME} for a in some])
    old, new = t.directory + "/old.yaml", t.directory + "/new.yaml"
    t.write(service, here(addresses[2:]), path=old)
    t.write(service, here(addresses), path=new)
    done = t.command("diff", "--from", old, "--to", new, *NODE_ARGS, *CIDR_ARGS)
    t.equal("diff", [
        "default/many/TCP", *(f"  + endpoint {a}:8080" for a in addresses[:2]),
        *(f"  - endpoint {a}:8080 (too many endpoints)" for a in addresses[512:]),
        f"2 to add, {len(addresses) - 512} to remove, 0 to change"], done.stdout.splitlines())


@test()
def each_reason_that_diff_can_give_has_a_case(t):
    texts = []
    for path in [*glob.glob(os.path.join(HERE, "../golden/*/want.txt")), __file__]:
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    reasons = SCHEMA["$defs"]["reason"]["enum"]
    t.true("there are reasons", len(reasons) > 20)
    t.equal("reasons without a case", [], [
        reason for reason in reasons
        if not any(f"({reason}{end}" in text for text in texts for end in (")", ":"))])


@test()
def diff_of_an_empty_kernel_adds_everything(t):
    service, piece = t.web([ONE], families=(4,))
    t.write(service, piece)
    value = _json(t)
    t.equal("tables", [("ip", "table missing"), ("ip6", "table missing")],
            [(change["family"], change["reason"]) for change in value["node"]
             if change["object"] == "table"])
    t.equal("Service ports", [("web", "dns", "UDP"), ("web", "web", "TCP")],
            [(s["name"], s["port"], s["protocol"]) for s in value["services"]])
    t.equal("operations", {"add"}, {c["op"] for s in value["services"] for c in s["changes"]})


@test(quick=True)
def diff_in_the_form_for_nft_brings_the_kernel_there(t):
    old = t.service("old", [port(80)])
    kept = t.service("kept", [port(80, node_port=t.world.node_port())],
                     sessionAffinity="ClientIP", families=(4, 6))
    new = t.service("new", [port(80)], type="LoadBalancer",
                    loadBalancerSourceRanges=["10.0.0.0/8", "198.19.0.0/16"],
                    ingress=[{"ip": t.world.external_ips()[4]}])
    t.run(old, objects.endpoint_slice(old, [ONE]),
          kept, objects.endpoint_slice(kept, [ONE, TWO, remote_address(1, 4)])).stop_gracefully()
    t.write(kept, objects.endpoint_slice(kept, [TWO, remote_address(1, 4)]),
            new, objects.endpoint_slice(new, [ONE, remote_address(2, 4)]))
    commands = t.diff("-o", "nft")
    t.equal("exit status", 1, commands.returncode, commands.stderr)
    t.nft_ok("-f", "-", stdin=commands.stdout)
    t.equal("lines after nft -f", ["in sync"], _lines(t))
    t.equal("and in the form for nft", "# in sync\n", t.diff("-o", "nft").stdout)


@test()
def the_form_for_nft_leaves_out_what_nft_cannot_do(t):
    service = t.service("web", [port(80)], families=(4,))
    piece = objects.endpoint_slice(service, [ONE])
    t.run(service, piece).stop_gracefully()
    sticky = objects.Service("web", service.ips, service.ports, sessionAffinity="ClientIP")
    t.nft_ok("delete", "table", "ip6", "kubenft")
    t.write(sticky, piece)
    done = t.diff("-o", "nft")
    for comment in ("# table ip6 kubenft: table missing", "# chain ip kubenft remember-10800",
                    "# left out for that"):
        t.true(f"there is a comment {comment!r}", comment in done.stdout, done.stdout)
    t.nft_ok("-f", "-", stdin=done.stdout)


@test()
def diff_ends_in_a_pipeline_as_it_should(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.write(service, t.web_slice(service, [TWO]), path=t.directory + "/new.yaml")
    for source, status in ((t.source, 0), (t.directory + "/new.yaml", 1), ("/nonexistent", 2)):
        for form in ("text", "json", "nft"):
            script = '"$@" | cat; exit "${PIPESTATUS[0]}"'
            done = t.node.command("bash", "-c", script, "-", t.binary, "diff", "--source", source,
                                  "-o", form, *NODE_ARGS, *CIDR_ARGS)
            t.equal(f"exit status of diff -o {form} of {source}", status, done.returncode,
                    done.stderr)
            t.equal("is there output", status != 2, bool(done.stdout))
    for new, status in ((t.source, 0), (t.directory + "/new.yaml", 1), ("/nonexistent", 2)):
        done = t.node.command("bash", "-c", script, "-", t.binary, "diff", "--from", t.source,
                              "--to", new, *NODE_ARGS, *CIDR_ARGS)
        t.equal(f"exit status of diff to {new}", status, done.returncode, done.stderr)
    script = '"$@" >/dev/full'
    done = t.node.command("bash", "-c", script, "-", t.binary, "diff", "--source", t.source,
                          *NODE_ARGS, *CIDR_ARGS)
    t.equal("exit status with a full disk", 2, done.returncode, done.stderr)


@test(quick=True)
def diff_between_two_files_needs_no_privilege_and_no_kernel(t):
    service, piece = t.web([ONE])
    old, new = t.directory + "/old.yaml", t.directory + "/new.yaml"
    t.write(service, piece, path=old)
    t.write(service, t.web_slice(service, [TWO]), path=new)
    if t.node.command(*AS_NOBODY, "true").returncode != 0:
        raise Skip("cannot become nobody here")
    heard = t.transactions()
    args = (*NODE_ARGS, *CIDR_ARGS)
    done = t.command("diff", "--from", old, "--to", new, *args, prefix=AS_NOBODY)
    t.equal("exit status", 1, done.returncode, done.stderr)
    t.true("it names the endpoint that goes", f"- endpoint {ONE}:8080 (endpoint gone)" in
           done.stdout, done.stdout)
    done = t.command("diff", "--from", new, "--to", new, *args, prefix=AS_NOBODY)
    t.equal("exit status of no difference", (0, "in sync\n"), (done.returncode, done.stdout))
    t.equal("transactions", [], heard.seen)


def _on_a_terminal(t, *args, **environment):
    """What diff writes to a terminal."""
    ours, theirs = pty.openpty()
    with t.node:
        process = subprocess.Popen([t.binary, "diff", "--source", t.source, *NODE_ARGS,
                                    *CIDR_ARGS, *args], stdout=theirs, stderr=subprocess.DEVNULL,
                                   env={**os.environ, **environment})
    os.close(theirs)
    output = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        output += piece
    os.close(ours)
    until(lambda: process.poll() is not None, "diff ends")
    return output


@test_rows([("on_a_terminal", True, (), {}, True), ("not_in_a_pipe", False, (), {}, False),
            ("not_with_NO_COLOR", True, (), {"NO_COLOR": "1"}, False),
            ("not_if_never", True, ("--color=never",), {}, False),
            ("always_if_so", False, ("--color=always",), {"NO_COLOR": "1"}, True)],
           "diff_uses_colours_{0}")
def colours(t, _, terminal, args, environment, expected):
    service, piece = t.web([ONE])
    t.write(service, piece)
    if terminal:
        output = _on_a_terminal(t, *args, **environment).decode()
    else:
        output = t.diff(*args).stdout
    t.true("there is output", "to add" in output, output)
    t.equal("escape sequences", expected, "\033[32m+" in output, output[:300])

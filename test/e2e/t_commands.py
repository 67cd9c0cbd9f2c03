# SPDX-License-Identifier: GPL-2.0-or-later
"""diff, plan, version, and how they end."""

import random

import objects
from harness import test, test_rows
from objects import port
from t_lifecycle import AS_NOBODY
from topology import pod_address, remote_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)


@test(quick=True)
def diff_tells_before_within_and_after(t):
    service, piece = t.web([ONE], families=(4, 6))
    t.write(service, piece)
    done = t.diff()
    t.equal("diff before the first run: exit status", 1, done.returncode, done.stderr)
    t.true("diff before the first run names the ClusterIP", service.ip(4) in done.stdout,
           done.stdout[:2000])
    t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])

    daemon = t.run()
    done = t.diff()
    t.equal("diff while in sync: exit status", 0, done.returncode, done.stdout, done.stderr)
    t.equal("diff while in sync: output", "in sync\n", done.stdout)
    daemon.stop_gracefully()
    t.equal("diff after the stop: exit status", 0, t.diff().returncode)

    t.equal("cleanup: exit status", 0, t.command("cleanup").returncode)
    t.equal("diff after cleanup: exit status", 1, t.diff().returncode)


@test(quick=True)
def diff_shows_what_an_edited_source_would_change_and_changes_nothing(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    edited = t.directory + "/edited.yaml"
    t.write(service, t.web_slice(service, [TWO]), path=edited)
    heard = t.transactions()
    done = t.diff(source=edited)
    t.equal("exit status", 1, done.returncode, done.stderr)
    for address in (ONE, TWO):
        t.true(f"the output names {address}", address in done.stdout, done.stdout)
    t.equal("transactions", [], heard.of(daemon.pid))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


# What somebody did to the table while no daemon ran.
FOREIGN = [
    ("deleted_a_frontend", "delete element ip kubenft frontends {{ {ip} . tcp . 80 }}"),
    ("added_a_frontend", "add element ip kubenft frontends {{ 10.96.9.9 . tcp . 80 : drop }}"),
    ("deleted_a_backend", "delete element ip kubenft backends {{ {ip} . tcp . 80 . 0 }}"),
    ("added_a_pod_range", "add element ip6 kubenft pod-cidrs {{ fd99::/64 }}"),
    ("deleted_a_cluster_ip", "delete element ip kubenft cluster-ips {{ {ip} }}"),
    ("flushed_a_chain", "flush chain ip kubenft services"),
    ("deleted_one_table", "delete table ip6 kubenft"),
]


@test_rows(FOREIGN, "diff_notices_that_somebody_{0}_and_a_start_repairs_it",
           quick={"diff_notices_that_somebody_deleted_a_frontend_and_a_start_repairs_it"})
def foreign_change(t, _, command):
    service, piece = t.web([ONE])
    t.run(service, piece).stop_gracefully()
    t.nft_ok("-f", "-", stdin=command.format(ip=service.ip(4)) + "\n")
    done = t.diff()
    t.equal("exit status", 1, done.returncode, done.stdout, done.stderr)
    t.true("something is printed", done.stdout.strip())
    t.run()
    t.equal("exit status after a start", 0, t.diff().returncode)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def diff_of_a_broken_source_is_trouble(t):
    t.write_text("kind: [\n")
    done = t.diff()
    t.equal("exit status", 2, done.returncode)
    t.true("the file is named", t.source in done.stderr, done.stderr)
    done = t.diff(source="/nonexistent")
    t.equal("exit status without a file", 2, done.returncode)


@test()
def diff_reads_standard_input(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    with open(t.source, encoding="utf-8") as file:
        done = t.diff(source="-", stdin=file.read())
    t.equal("exit status", 0, done.returncode, done.stdout, done.stderr)


def _mixed_objects(t):
    """Some of everything."""
    things = [objects.node(), objects.node("node2", {4: "192.0.2.20"}), objects.service_cidr()]
    for i in range(12):
        families = ((4,), (6,), (4, 6))[i % 3]
        number = t.world.node_port() if i % 2 else None
        service = t.service(f"s{i}", [port(80, "web", "TCP", number), port(53, "dns", "UDP")],
                            families, created=f"2026-0{i % 9 + 1}-01T00:00:00Z")
        things.append(service)
        for family in families:
            for k in range(i % 4):
                backends = [remote_address(k * 3 + j + 1, family) for j in range(3)]
                things.append(t.web_slice(service, backends, f"{k}"))
    ips = t.world.cluster_ips((4,))
    for name in ("twin-a", "twin-b"):
        twin = objects.Service(name, ips, [port(80, "web")])
        things += [twin, t.web_slice(twin, [ONE])]
    return things


@test(quick=True)
def plan_is_the_same_text_for_objects_in_any_order_and_form(t):
    things = _mixed_objects(t)
    t.write(*things, with_node=False)
    first = t.plan()
    t.equal("exit status", 0, first.returncode, first.stderr)
    t.true("it is a ruleset", first.stdout.count("table ip") == 2, first.stdout[:500])
    shuffler = random.Random(1)
    for form in (objects.yaml_documents, objects.json_list, objects.yaml_list):
        shuffler.shuffle(things)
        t.write(*things, form=form, with_node=False)
        t.equal("plan of the same objects in another order", first.stdout, t.plan().stdout)


@test()
def plan_needs_no_privilege_and_touches_nothing(t):
    t.write(*_mixed_objects(t), with_node=False)
    if t.node.command(*AS_NOBODY, "true").returncode != 0:
        t.true("plan works", t.plan().returncode == 0)
        return
    as_root = t.plan()
    heard = t.transactions()
    as_nobody = t.command("plan", "--source", t.source, "--hostname-override", "node1",
                          "--cluster-cidr", "10.244.0.0/16,fd00:10:244::/48", prefix=AS_NOBODY)
    t.equal("exit status", 0, as_nobody.returncode, as_nobody.stderr)
    t.equal("output", as_root.stdout, as_nobody.stdout)
    t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])
    t.equal("transactions", [], heard.seen)


@test()
def plan_and_the_kernel_agree_on_every_element(t):
    t.write(*_mixed_objects(t), with_node=False)
    planned = t.plan().stdout
    t.run()
    for family in ("ip", "ip6"):
        listed = t.nft_ok("list", "table", family, "kubenft")
        for name in ("frontends", "backends", "cluster-ips", "external-cluster", "service-cidrs",
                     "pod-cidrs", "hairpin"):
            t.equal(f"elements of {family} {name}", _elements(listed, family, name),
                    _elements(planned, family, name))


def _elements(text, family, name):
    """The elements of a set or map in a listing, each with its white space made equal."""
    table = text.partition(f"table {family} kubenft {{")[2].partition("\ntable ")[0]
    for kind in ("map", "set"):
        head, found, body = table.partition(f"\n\t{kind} {name} {{")
        if found:
            body = body.partition("\n\t}")[0]
            inside = body.partition("elements = {")[2].rpartition("}")[0]
            return sorted(" ".join(entry.split()) for entry in inside.split(",") if entry.strip())
    return None


@test()
def version_is_one_line(t):
    done = t.command("version")
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.true("one line that names the program", len(done.stdout.splitlines()) == 1 and
           "kubenft" in done.stdout, done.stdout)


@test_rows([("an_unknown_command", ("frobnicate",)),
            ("an_unknown_option", ("run", "--frobnicate")),
            ("a_wrong_range", ("plan", "--source", "-", "--cluster-cidr", "10.0.0.0/33"))],
           "{0}_is_a_usage_error")
def usage(t, _, args):
    done = t.command(*args)
    t.equal("exit status", 2, done.returncode, done.stderr)
    t.true("standard error says something", done.stderr.strip())
    t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])


@test()
def the_log_can_be_json(t):
    import json
    service, piece = t.web([ONE])
    t.write(service, piece)
    daemon = t.start("--logging-format", "json")
    daemon.wait_log(r"synced.*refill")
    for line in daemon.log().splitlines():
        t.true("each line is a JSON object", isinstance(json.loads(line), dict), line)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: the last good state stays, what is wrong is named, the rest proceeds."""

import json
import os

import objects
from daemon import Failure, until
from harness import test, test_rows
from objects import port
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)


def _good(*things):
    return objects.yaml_documents([objects.node(), objects.service_cidr(), *things])


def _alias_bomb():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join(['*a%d' % (i - 1)] * 10)}]" for i in range(1, 10)]
    return "\n".join(lines) + "\n"


# Name, what is written behind a good first document of 3 lines, what the complaint must say besides
# the file's name.
BROKEN = [
    ("yaml_that_does_not_parse", "kind: Service\nspec: [1, 2\nmetadata: {}\n",
     ("document 2", "line")),
    ("a_tab_where_yaml_has_none", "kind: Service\nspec:\n\tports: []\n", ("document 2", "line 6")),
    ("a_yaml_alias_bomb", _alias_bomb(), ("document 2", "line", "alias")),
    ("a_document_nested_too_deep", "[" * 5000 + "]" * 5000 + "\n", ("document 2", "line")),
    ("a_nul_byte", "kind: \"a\0b\"\n", ("line",)),
    ("bytes_that_are_no_text", "\udcff\udcfe\udc80\n", ("line",)),
]


@test_rows([(row[0], row[1], row[2]) for row in BROKEN],
           "{0}_keeps_the_last_good_state_and_is_named",
           quick={"yaml_that_does_not_parse_keeps_the_last_good_state_and_is_named"})
def broken_file(t, _, text, words):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    whole = "kind: ConfigMap\nmetadata: {}\n---\n" + text
    with open(t.source, "wb") as file:
        file.write(whole.encode("utf-8", "surrogateescape"))

    def named():
        return [line for line in daemon.complaints(mark)
                if t.source in line and all(word in line for word in words)]
    try:
        until(named, "complaint", 5)
    except Failure:
        raise Failure("a complaint that says " + ", ".join((t.source, *words)),
                      *daemon.log(mark).splitlines()) from None
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.equal("exit status of plan", 1, t.plan().returncode)
    t.write(service, t.web_slice(service, [TWO]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])


@test(quick=True)
def broken_json_is_named_by_line(t):
    service, piece = t.web([ONE])
    t.write(service, piece, form=objects.json_list)
    daemon = t.run()
    mark = daemon.mark()
    t.write_text('{"kind": "List",\n"items": [\n{"kind": "Service",}\n]}\n')
    until(lambda: [line for line in daemon.complaints(mark)
                   if t.source in line and "line 3" in line],
          "a complaint that names the file and line 3")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def a_file_of_200_mib_is_refused_by_name(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    with open(t.source + ".new", "wb") as file:
        file.truncate(200 << 20)
    os.rename(t.source + ".new", t.source)
    until(lambda: [line for line in daemon.complaints(mark) if t.source in line],
          "a complaint that names the file")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    done = t.plan()
    t.equal("exit status of plan", 1, done.returncode)
    t.true("plan names the file", t.source in done.stderr, done.stderr)


@test()
def a_broken_file_in_a_directory_is_named_and_nothing_is_lost(t):
    directory = os.path.join(t.directory, "objects")
    os.mkdir(directory)
    service, piece = t.web([ONE])
    t.write(service, piece, path=os.path.join(directory, "a.yaml"))
    daemon = t.run(source=directory)
    mark = daemon.mark()
    broken = os.path.join(directory, "b.yaml")
    t.write_text("kind: [\n", path=broken)
    until(lambda: [line for line in daemon.complaints(mark) if "b.yaml" in line],
          "a complaint that names b.yaml")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    os.unlink(broken)
    t.write(service, t.web_slice(service, [TWO]), path=os.path.join(directory, "a.yaml"))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])


# What a file holds when the command that wrote it has failed, or when it is no file of ours.
NO_CLUSTER = ("hello\n", "Error from server (Forbidden): services is forbidden\n", "a: 1\n", "[]",
              "<html><body>502 Bad Gateway</body></html>\n", "apiVersion: v1\nitems:\n",
              "apiVersion: v1\nkind: List\n", "apiVersion: v1\nkind: List\nitems: null\n",
              "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")


@test()
def an_empty_file_is_taken_for_a_mistake(t):
    t.write_text("")
    done = t.plan()
    t.equal("exit status of plan", 1, done.returncode, done.stderr)
    t.true("the reason is given", "taken for a mistake" in done.stderr, done.stderr)
    t.true("and the file", t.source in done.stderr, done.stderr)
    daemon = t.start()
    daemon.wait_log("nothing to do yet")
    service, piece = t.web([ONE])
    t.write(service, piece)
    t.becomes(t.client, "tcp", service.ip(4), 80, [ONE])
    t.write_text("")
    daemon.wait_log("source not read, the last good state stays")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    for text in NO_CLUSTER:
        start = len(daemon.log())
        t.write_text(text)
        daemon.wait_log("source not read, the last good state stays", start)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.true("the daemon runs", daemon.is_running())


# A Service with one field made wrong: what the log must name besides the Service.
def _replaced(path, value):
    def change(thing):
        *way, last = path
        for step in way:
            thing = thing[step]
        thing[last] = value
    return change


WRONG_FIELDS = [
    ("port-zero", ("spec", "ports", 0, "port"), 0, "spec.ports[0].port"),
    ("port-negative", ("spec", "ports", 0, "port"), -1, "spec.ports[0].port"),
    ("port-large", ("spec", "ports", 0, "port"), 65536, "spec.ports[0].port"),
    ("port-fraction", ("spec", "ports", 0, "port"), 80.5, "spec.ports[0].port"),
    ("port-text", ("spec", "ports", 0, "port"), "80", "spec.ports[0].port"),
    ("port-huge", ("spec", "ports", 0, "port"), 1e300, "spec.ports[0].port"),
    ("nodeport-large", ("spec", "ports", 0, "nodePort"), 70000, "spec.ports[0].nodePort"),
    ("protocol-odd", ("spec", "ports", 0, "protocol"), "ICMP", "spec.ports[0].protocol"),
    ("protocol-number", ("spec", "ports", 0, "protocol"), 6, "spec.ports[0].protocol"),
    ("name-number", ("spec", "ports", 0, "name"), 7, "spec.ports[0].name"),
    ("ports-object", ("spec", "ports"), {"port": 80}, "spec.ports"),
    ("ports-of-text", ("spec", "ports"), ["80"], "spec.ports[0]"),
    ("ip-out-of-range", ("spec", "clusterIP"), "10.96.0.256", "spec.clusterIP"),
    ("ip-text", ("spec", "clusterIP"), "web", "spec.clusterIP"),
    ("ip-number", ("spec", "clusterIP"), 10, "spec.clusterIP"),
    ("ips-text", ("spec", "clusterIPs"), "10.96.0.1", "spec.clusterIPs"),
    ("families-odd", ("spec", "ipFamilies"), ["IPv5"], "spec.ipFamilies"),
    ("type-number", ("spec", "type"), 1, "spec.type"),
    ("spec-list", ("spec",), [], "spec"),
    ("labels-fine-but-spec-text", ("spec",), "x", "spec"),
]


@test(quick=True)
def each_wrong_field_of_a_service_is_named_and_the_other_services_are_served(t):
    good, piece = t.web([ONE], name="good")
    bad = []
    for name, path, value, _ in WRONG_FIELDS:
        thing = t.service(name, [port(80)], families=(4,)).object()
        _replaced(path, value)(thing)
        bad.append(thing)
    half = len(bad) // 2
    daemon = t.run(*bad[:half], good, piece, *bad[half:])
    t.answered_by(t.client, "tcp", good.ip(4), 80, [ONE])
    missing = [f"default/{name}: {field}" for name, _, _, field in WRONG_FIELDS
               if not any(f"default/{name}" in line and field in line
                          for line in daemon.complaints())]
    t.equal("complaints that were not made", [], missing, *daemon.complaints())


WRONG_SLICE_FIELDS = [
    ("port-large", ("ports", 0, "port"), 65536, "ports[0].port"),
    ("port-text", ("ports", 0, "port"), "8080", "ports[0].port"),
    ("ports-text", ("ports",), "8080", "ports"),
    ("protocol-odd", ("ports", 0, "protocol"), "QUIC", "ports[0].protocol"),
    ("endpoints-object", ("endpoints",), {}, "endpoints"),
    ("addresses-text", ("endpoints", 0, "addresses"), ONE, "endpoints[0].addresses"),
    ("ready-text", ("endpoints", 0, "conditions"), {"ready": "yes"},
     "endpoints[0].conditions.ready"),
    ("type-odd", ("addressType",), 4, "addressType"),
]


@test()
def each_wrong_field_of_a_slice_is_named_and_its_services_other_slices_are_used(t):
    service, piece = t.web([ONE])
    bad = []
    for name, path, value, _ in WRONG_SLICE_FIELDS:
        thing = json.loads(json.dumps(t.web_slice(service, [TWO])))
        thing["metadata"]["name"] = name
        _replaced(path, value)(thing)
        bad.append(thing)
    daemon = t.run(*bad, service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    missing = [f"default/{name}: {field}" for name, _, _, field in WRONG_SLICE_FIELDS
               if not any(f"default/{name}" in line and field in line
                          for line in daemon.complaints())]
    t.equal("complaints that were not made", [], missing, *daemon.complaints())


@test()
def an_address_that_makes_no_sense_is_named_and_its_neighbours_are_used(t):
    service, _ = t.web([])
    piece = t.web_slice(service, [ONE])
    for address in ("10.244.0.256", "10.244.0", "fd00::12", "pod", ""):
        piece["endpoints"].insert(0, {"addresses": [address]})
    daemon = t.run(service, piece)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.true("the slice is named",
           any("web-ipv4-1" in line and "endpoints[" in line for line in daemon.complaints()),
           *daemon.log().splitlines())


@test()
def a_service_that_turns_bad_keeps_its_last_good_form(t):
    service, piece = t.web([ONE])
    other, other_piece = t.web([ONE], name="other")
    daemon = t.run(service, piece, other, other_piece)
    mark = daemon.mark()
    bad = service.object()
    bad["spec"]["ports"][0]["port"] = 65536
    t.write(bad, piece, other, t.web_slice(other, [TWO]))
    t.becomes(t.client, "tcp", other.ip(4), 80, [TWO])
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.true("the Service and the field are named",
           any("default/web" in line and "spec.ports[0].port" in line
               for line in daemon.complaints(mark)), *daemon.log(mark).splitlines())


@test()
def things_that_are_no_objects_are_skipped(t):
    service, piece = t.web([ONE])
    odd = ['"text"', "17", "null", "[]", "{}", '{"kind": 5}', '{"kind": "Service"}',
           '{"kind": "Service", "metadata": {"name": 1}}',
           '{"kind": "Service", "metadata": "x"}', '{"kind": "Pod", "metadata": {"name": "p"}}']
    text = "".join(f"---\n{entry}\n" for entry in odd) + "---\n" + _good(service, piece)
    t.write_text(text)
    t.run()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def duplicate_keys_are_not_guessed_at(t):
    service, piece = t.web([ONE])
    other, other_piece = t.web([ONE], name="other")
    twice = objects.to_yaml(service.object()).replace("- port: 80\n", "- port: 80\n    port: 81\n",
                                                      1)
    t.write_text(twice + "---\n" + _good(piece, other, other_piece))
    daemon = t.run()
    t.answered_by(t.client, "tcp", other.ip(4), 80, [ONE])
    t.true("the key is named", any("port" in line and "default/web" in line
                                   for line in daemon.complaints()), *daemon.log().splitlines())


@test()
def names_at_the_limit_are_served_and_beyond_it_named(t):
    long, long_piece = t.web([ONE], name="n" * 63, namespace="s" * 63)
    longest, longest_piece = t.web([TWO], name="m" * 253)
    longest_piece["metadata"]["name"] = "p" * 253
    beyond, _ = t.web([], name="x" * 254)
    daemon = t.run(long, long_piece, longest, longest_piece, beyond)
    t.answered_by(t.client, "tcp", long.ip(4), 80, [ONE])
    t.answered_by(t.client, "tcp", longest.ip(4), 80, [TWO])
    t.true("a complaint about the name of 254 bytes",
           any("metadata.name" in line for line in daemon.complaints()),
           *daemon.log().splitlines())

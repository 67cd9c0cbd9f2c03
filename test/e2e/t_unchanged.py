# SPDX-License-Identifier: GPL-2.0-or-later
"""What does not change a frontend or an endpoint does not reach the kernel: not one transaction,
as the kernel counts them."""

import copy
import os
import random
import sys

import objects
from daemon import CIDR_ARGS, NODE_ARGS, Daemon, until
from harness import Skip, test, test_rows
from objects import port
from topology import pod_address, remote_address

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from apiserver import control  # noqa: E402

FOUR = [pod_address(11, 4), pod_address(12, 4), remote_address(1, 4), remote_address(2, 4)]


def _things(t):
    """Some of everything, as plain objects."""
    web = t.service("web", [port(80, "web", "TCP", t.world.node_port()), port(80, "dns", "UDP")],
                    families=(4, 6), sessionAffinity="ClientIP")
    local = t.service("local", [port(80)], families=(4,), internalTrafficPolicy="Local",
                      externalIPs=[t.world.external_ips()[4]])
    empty = t.service("empty", [port(80)], families=(4,))
    return objects.as_objects([
        objects.node(), objects.service_cidr(), web, t.web_slice(web, FOUR[:2], "1"),
        t.web_slice(web, FOUR[2:], "2"), local, objects.endpoint_slice(local, FOUR), empty,
        objects.endpoint_slice(empty, [objects.endpoint(FOUR[0], ready=False)])])


def _marker(t):
    """A Service of its own, whose coming is one event and one transaction."""
    return objects.as_objects([t.service("marker", [port(80)], families=(4,))])


def _only_the_marker(t, api, daemon, heard):
    """Put the marker; it must be all that the kernel has heard of."""
    mark = daemon.mark()
    api.put(*_marker(t))
    daemon.wait_synced(mark)
    t.equal("transactions for nothing and the marker", 1, len(heard.of(daemon.pid)),
            daemon.log()[-3000:])


def _of_kind(things, kind):
    return [thing for thing in things if thing["kind"] == kind]


def _metadata(things):
    for i, thing in enumerate(things):
        meta = thing["metadata"]
        meta["resourceVersion"] = str(1000 + i)
        meta["generation"] = 7
        meta["annotations"] = {"example.org/touched": "yes"}
        meta.setdefault("labels", {})["example.org/more"] = "yes"
        meta["managedFields"] = [{"manager": "somebody", "operation": "Update"}]
    return things


def _node_heartbeat(things):
    node = _of_kind(things, "Node")[0]
    node["status"]["conditions"] = [{"type": "Ready", "status": "True",
                                     "lastHeartbeatTime": "2026-02-02T00:00:00Z"}]
    node["status"]["images"] = [{"names": ["x"], "sizeBytes": 1}]
    return things


def _other_fields(things):
    for service in _of_kind(things, "Service"):
        service["spec"]["selector"] = {"app": "other"}
        service["spec"]["publishNotReadyAddresses"] = False
    for piece in _of_kind(things, "EndpointSlice"):
        for entry in piece["endpoints"]:
            entry["targetRef"] = {"kind": "Pod", "name": "other", "namespace": "default"}
            entry["hostname"] = "other"
    return things


def _defaults_spelled_out(things):
    for service in _of_kind(things, "Service"):
        service["spec"].setdefault("internalTrafficPolicy", "Cluster")
        service["spec"].setdefault("sessionAffinity", "None")
    for piece in _of_kind(things, "EndpointSlice"):
        for entry in piece["endpoints"]:
            entry.setdefault("conditions", {"ready": True, "serving": True, "terminating": False})
    return things


def _another_order(things):
    shuffler = random.Random(7)
    for piece in _of_kind(things, "EndpointSlice"):
        shuffler.shuffle(piece["endpoints"])
        shuffler.shuffle(piece["ports"])
    for service in _of_kind(things, "Service"):
        service["spec"]["ports"].reverse()
    shuffler.shuffle(things)
    return things


def _other_slices(things):
    """The same endpoints, some of them twice, in other slices of other names."""
    first, second = [piece for piece in _of_kind(things, "EndpointSlice")
                     if piece["metadata"]["name"].startswith("web-")]
    moved = copy.deepcopy(first)
    moved["metadata"]["name"] = "web-ipv4-3"
    moved["endpoints"] = first["endpoints"] + second["endpoints"][:1]
    things.remove(first)
    return things + [moved]


def _unready_elsewhere(things):
    """An endpoint that is not ready, of one that was not there; and what only clients of DNS see."""
    piece = _of_kind(things, "EndpointSlice")[0]
    piece["endpoints"].append(objects.endpoint(remote_address(9, 4), ready=False, serving=False))
    headless = {"apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "headless", "namespace": "default"},
                "spec": {"clusterIP": "None", "ports": [port(80)]}}
    return things + [headless]


VARIANTS = [("the_same_bytes", lambda things: things), ("metadata", _metadata),
            ("a_nodes_heartbeat", _node_heartbeat), ("fields_that_no_proxy_reads", _other_fields),
            ("defaults_spelled_out", _defaults_spelled_out), ("another_order", _another_order),
            ("the_same_endpoints_in_other_slices", _other_slices),
            ("what_serves_nobody", _unready_elsewhere)]


def _write(t, things, form=objects.yaml_documents):
    t.write(*things, with_node=False, form=form)


@test_rows(VARIANTS, "a_file_that_differs_by_{0}_sends_nothing",
           quick={"a_file_that_differs_by_metadata_sends_nothing",
                  "a_file_that_differs_by_another_order_sends_nothing"})
def in_a_file(t, _, change):
    things = _things(t)
    _write(t, things)
    daemon = t.run()
    heard = t.transactions()
    for form in (objects.yaml_documents, objects.json_list, objects.yaml_documents):
        mark = daemon.mark()
        _write(t, change(copy.deepcopy(things)), form)
        daemon.wait_log(r'"source read"', mark)
    mark = daemon.mark()
    _write(t, change(copy.deepcopy(things)) + _marker(t))
    daemon.wait_synced(mark)
    t.equal("transactions for three times nothing and the marker", 1, len(heard.of(daemon.pid)))
    t.equal("syncs in the log", 2, daemon.log().count('"synced"'))
    # What is said by the kernel and the log is true: nothing is missing in the kernel either.
    t.equal("diff", (0, "in sync\n"), (t.diff().returncode, t.diff().stdout))


@test()
def a_restart_with_the_same_objects_is_one_transaction_and_then_silence(t):
    things = _things(t)
    _write(t, things)
    t.run().stop_gracefully()
    heard = t.transactions()
    daemon = t.run()
    mark = daemon.mark()
    _write(t, _metadata(copy.deepcopy(things)))
    daemon.wait_log(r'"source read"', mark)
    t.equal("transactions", 1, len(heard.of(daemon.pid)))


def _start_with_api(t, api):
    path = api.kubeconfig(os.path.join(t.directory, "kubeconfig"), "token")
    daemon = Daemon(t.binary, t.node, t.log_path,
                    ("--kubeconfig", path, *NODE_ARGS, *CIDR_ARGS, "-v", "2"))
    t.daemons.append(daemon)
    daemon.wait_ready()
    api.wait_watches(4)
    return daemon


def _api(t):
    try:
        return control.Server(namespace=t.node)
    except (OSError, control.Trouble) as reason:
        raise Skip(f"no stand-in for the API server: {reason}") from None


def _as_server_keeps_them(api, things):
    return [api.get({"Service": "services", "EndpointSlice": "endpointslices", "Node": "nodes",
                     "ServiceCIDR": "servicecidrs"}[thing["kind"]],
                    thing["metadata"].get("namespace", ""), thing["metadata"]["name"])
            for thing in things]


@test(quick=True)
def events_of_a_watch_that_change_nothing_send_nothing(t):
    with _api(t) as api:
        things = _things(t)
        api.put(*things)
        daemon = _start_with_api(t, api)
        heard = t.transactions()
        for _, change in VARIANTS:
            changed = change(_as_server_keeps_them(api, things))
            known = {(c["kind"], c["metadata"]["name"]) for c in changed}
            revision = api.put(*changed)
            for thing in things:  # what a variant has done without
                meta = thing["metadata"]
                if (thing["kind"], meta["name"]) not in known:
                    revision = api.delete("endpointslices", meta["namespace"], meta["name"])
            api.wait_delivered(revision)
            # Each variant starts from the same endpoints.
            api.put(*things)
            if _other_slices is change:
                revision = api.delete("endpointslices", "default", "web-ipv4-3")
                api.wait_delivered(revision)
        _only_the_marker(t, api, daemon, heard)


@test(quick=True)
def a_relist_with_the_same_content_sends_nothing(t):
    with _api(t) as api:
        things = _things(t)
        api.put(*things)
        daemon = _start_with_api(t, api)
        heard = t.transactions()
        mark = daemon.mark()
        api.down()
        api.put(*_metadata(_as_server_keeps_them(api, things)))
        api.up(compact=True)  # whoever comes back with a revision of before has to list
        for resource in ("services", "endpointslices", "nodes", "servicecidrs"):
            daemon.wait_log(rf'"listed" resource="{resource}"', mark)
        _only_the_marker(t, api, daemon, heard)


@test()
def watches_that_go_on_after_a_break_with_the_same_content_send_nothing(t):
    with _api(t) as api:
        things = _things(t)
        api.put(*things)
        daemon = _start_with_api(t, api)
        heard = t.transactions()
        mark = daemon.mark()
        api.down()
        api.put(*_metadata(_as_server_keeps_them(api, things)))
        api.up()
        for resource in ("services", "endpointslices", "nodes", "servicecidrs"):
            daemon.wait_log(rf'"watched again" resource="{resource}"', mark)
        api.wait_watches(4)
        _only_the_marker(t, api, daemon, heard)

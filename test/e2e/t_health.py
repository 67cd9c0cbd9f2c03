# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kubelet and load balancers see of the daemon."""

import contextlib
import json
import os
import re
import signal
import sys
import time

import objects
import topology
import web
from daemon import CIDR_ARGS, NODE_ARGS, Daemon, Failure, until
from harness import Skip, test, test_rows
from topology import pod_address

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from apiserver import control  # noqa: E402

ONE, TWO = (pod_address(n, 4) for n in (11, 12))

TAINT = "ToBeDeletedByClusterAutoscaler"

# The whole of kube-proxy's answers, but for the times.
HEALTHZ = re.compile(
    r'\{"lastUpdated":"<t>","currentTime":"<t>","nodeEligible":(true|false),"healthy":true,'
    r'"status":\{"IPv4":\{"lastUpdated":"<t>","healthy":true\},'
    r'"IPv6":\{"lastUpdated":"<t>","healthy":true\}\}\}')
LIVEZ = re.compile(HEALTHZ.pattern.replace('"nodeEligible":(true|false),', ""))
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"


# Health


@test(quick=True)
def health_is_answered_as_kube_proxy_does(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for pattern, path in ((HEALTHZ, "/healthz"), (LIVEZ, "/livez")):
        answer = web.health(t).get(path)
        t.equal("status", 200, answer.status)
        t.equal("type", "application/json", answer.headers["Content-Type"])
        t.equal("sniffing", "nosniff", answer.headers["X-Content-Type-Options"])
        t.true("its body", pattern.fullmatch(re.sub(TIME, "<t>", answer.text)), answer.text)
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        t.equal(method, 200, web.health(t).get("/healthz", method=method).status)
    for path in ("/", "/healthz/", "/metrics", "/healthz/ping"):
        t.equal(path, 404, web.health(t).status(path))
    t.equal("from outside", 200,
            web.health(t, t.external, topology.NODE[4]).status("/healthz"))


@test(quick=True)
def before_the_first_sync_the_daemon_is_alive_but_not_ready(t):
    service, piece = t.web([ONE])
    t.write_text("")
    t.start().wait_log("nothing to do yet")
    web.expect(t, web.health(t), healthz=503, livez=200, readyz=503)
    t.equal("the source", "[-]source failed, not counted here",
            web.health(t).part("source").partition(":")[0])
    t.equal("the node", "[-]node failed: the own Node is unknown", web.health(t).part("node"))
    t.write(service, piece)
    web.health(t).becomes("/readyz", 200)
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)


@test(quick=True)
def a_source_that_cannot_be_read_is_said_and_turns_nothing_red(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.write_text("{ neither: [YAML\n")
    health = web.health(t)
    line = until(lambda: (lambda l: l if l.startswith("[-]") else None)(health.part("source")),
                 "the source is said to be in trouble")
    t.true("what is wrong with it", "not counted here" in line and t.source in line, line)
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)
    t.write(service, piece)
    until(lambda: web.health(t).part("source").startswith("[+]"), "the source is well again")


LEAVING = {
    "tainted_by_the_cluster_autoscaler":
        {"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}},
    "tainted_so_with_another_effect": {"spec": {"taints": [{"key": TAINT, "value": "1",
                                                            "effect": "NoExecute"}]}},
    "being_deleted": {"metadata": {"name": topology.NODE_NAME,
                                   "deletionTimestamp": "2026-01-01T00:00:00Z"}},
}
STAYING = {
    "tainted_otherwise": {"spec": {"taints": [{"key": "node.kubernetes.io/not-ready",
                                               "effect": "NoExecute"}]}},
    "unschedulable": {"spec": {"unschedulable": True}},
    "excluded_from_load_balancers": {"metadata": {
        "name": topology.NODE_NAME,
        "labels": {"node.kubernetes.io/exclude-from-external-load-balancers": ""}}},
}


@test_rows([(name,) for name in LEAVING], "a_node_{}_gets_no_traffic_but_is_alive",
           quick={"a_node_tainted_by_the_cluster_autoscaler_gets_no_traffic_but_is_alive"})
def leaving(t, name):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.write(objects.node(**LEAVING[name]), service, piece, with_node=False)
    answer = web.health(t).becomes("/healthz", 503, 2.0)
    t.true("its body", '"nodeEligible":false,"healthy":true,' in answer.text, answer.text)
    web.expect(t, web.health(t), livez=200, readyz=200)
    t.equal("the metric", 0, web.scrape(t)["kubenft_node_eligible"])
    t.write(service, piece)
    web.health(t).becomes("/healthz", 200, 2.0)


@test_rows([(name,) for name in STAYING], "a_node_{}_gets_traffic")
def staying(t, name):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    t.write(objects.node(**STAYING[name]), service, t.web_slice(service, [TWO]), with_node=False)
    daemon.wait_synced(mark)
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)


@test()
def a_node_that_is_unknown_gets_no_traffic_and_one_that_vanishes_does(t):
    service, piece = t.web([ONE])
    t.write(service, piece, with_node=False)
    daemon = t.start()
    daemon.wait_ready()
    web.expect(t, web.health(t), healthz=503, livez=200, readyz=200)
    t.write(service, piece)
    web.health(t).becomes("/healthz", 200, 2.0)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [TWO]), with_node=False)
    daemon.wait_synced(mark)
    web.expect(t, web.health(t), healthz=200)


KP_SYNC = "kubeproxy_sync_proxy_rules"


def _expect_failing(t, got):
    """kube-proxy's metrics while no sync has succeeded yet: section 6.1, moment by moment."""
    for family in ("IPv4", "IPv6"):
        label = f'{{ip_family="{family}"}}'
        failures = got[f"{KP_SYNC}_nftables_sync_failures_total{label}"]
        t.true("failures", failures >= 1)
        for name in (KP_SYNC, "kubeproxy_sync_full_proxy_rules"):
            t.equal(f"{name}: a failed one has a duration, too", failures,
                    got[f"{name}_duration_seconds_count{label}"])
        t.true("asked for", f"{KP_SYNC}_last_queued_timestamp_seconds{label}" in got)
    for what in ("service", "endpoint"):
        t.equal(f"{what}s pending", 1, got[f"{KP_SYNC}_{what}_changes_pending"])
        t.equal(f"{what}s", 1, got[f"{KP_SYNC}_{what}_changes_total"])
    t.true("the oldest change waits", got["kubenft_pending_change_age_seconds"] > 0)
    for name in ("last_timestamp_seconds", "no_local_endpoints_total"):
        t.equal(f"{name}: no value without a success", [],
                [key for key in got if key.startswith(f"{KP_SYNC}_{name}")])
    t.equal("nor of partial ones", [],
            [key for key in got if key.startswith("kubeproxy_sync_partial")])


def _keep_out(t):
    """A daemon that another one keeps out of the kernel. Returns its health port, its metrics
    port, that other one, and when it started: what a start brings is what waits."""
    service, piece = t.web([ONE])
    t.write_text("")
    since = time.monotonic()
    late = t.start("--healthz-bind-address", "127.0.0.1:20256",
                   "--metrics-bind-address", "127.0.0.1:20249")
    late.wait_log("nothing to do yet")
    other = os.path.join(t.directory, "other.yaml")
    t.write(service, piece, path=other)
    first = Daemon(t.binary, t.node, t.log_path + ".first",
                   ("--source", other, *NODE_ARGS, *CIDR_ARGS))
    t.daemons.append(first)
    first.wait_ready()
    if "flags owner" not in t.nft_ok("list", "table", "ip", "kubenft"):
        raise Skip("tables are not owned here: nothing is refused")
    t.write(service, piece)
    return (web.health(t, number=20256), web.Port(t.node, web.LOOPBACK[4], 20249), first, since)


@test(quick=True)
def what_the_kernel_refuses_is_said_and_no_reason_to_restart(t):
    health, metrics, first, _ = _keep_out(t)
    line = until(lambda: (lambda l: l if "tries failed" in l else None)(health.part("sync")),
                 "the refusal is said")
    t.true("who refuses", "already running" in line or "another process" in line, line)
    web.expect(t, health, livez=200, readyz=503)  # and /healthz is green for a minute
    _expect_failing(t, web.samples(metrics.get("/metrics").text))
    first.stop_gracefully()
    health.becomes("/readyz", 200, 30.0)
    after = web.samples(metrics.get("/metrics").text)
    for what in ("service", "endpoint"):
        t.equal(f"{what}s pending", 0, after[f"{KP_SYNC}_{what}_changes_pending"])
    t.true("synced", f'{KP_SYNC}_last_timestamp_seconds{{ip_family="IPv6"}}' in after)
    web.expect(t, health, healthz=200, livez=200)


@test()
def what_is_refused_for_a_minute_turns_healthz_red_and_never_livez(t):
    health, _, first, since = _keep_out(t)
    health.becomes("/healthz", 200)  # with the Node, which comes with the rest
    answer = health.becomes("/healthz", 503, 90.0)
    age = time.monotonic() - since
    t.true("not before a minute, and soon after it", 60 <= age < 66, age)
    says = json.loads(answer.text)
    t.equal("eligible, but not healthy", (True, False), (says["nodeEligible"], says["healthy"]))
    t.equal("no family has reported yet", {}, says["status"])
    t.true("why", health.part("sync").startswith("[-]sync failed"), health.part("sync"))
    web.expect(t, health, livez=200, readyz=503)
    first.stop_gracefully()
    health.becomes("/healthz", 200, 30.0)
    web.expect(t, health, livez=200, readyz=200)


@test()
def a_loop_that_is_blocked_does_not_answer(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        web.health(t).get("/livez", patience=0.5)
        raise Failure("a stopped daemon has answered")
    except TimeoutError:
        pass
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)


@test(quick=True)
def what_others_do_to_plain_tables_is_counted_by_who_did_it(t):
    service, piece = t.web([ONE])
    t.write(service, piece)
    daemon = t.start("--table-owner=false")
    daemon.wait_ready()
    for repairs in (1, 2):
        mark = daemon.mark()
        t.nft_ok("delete", "table", "ip", "kubenft")
        daemon.wait_log("tables repaired", mark)
        got = web.scrape(t)
        t.equal("drift", repairs, got['kubenft_drift_total{culprit="nft"}'])
        t.equal("repairs", repairs, got["kubenft_repairs_total"])
        t.equal("unrepaired", 0, got["kubenft_drift_unrepaired_seconds"])
        t.equal("not owned", 0, got["kubenft_tables_owned"])
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)
    for _ in range(6):
        mark = daemon.mark()
        t.nft("delete", "table", "ip", "kubenft")
        daemon.wait_log("tables repaired", mark)
    t.equal("who undoes repairs", "[-]drift failed, not counted here: nft undoes our repairs again "
            "and again", web.health(t).part("drift"))
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)


# Health with an API server


@contextlib.contextmanager
def _api(t, *things):
    """A stand-in for the API server on the node, with @things and what every cluster has."""
    with control.Server(namespace=t.node, listen="127.0.0.1:6443") as api:
        for thing in objects.as_objects([objects.node(), objects.service_cidr(), *things]):
            api.put(thing)
        yield api


def _start_from(t, api):
    daemon = Daemon(t.binary, t.node, t.log_path,
                    ("--kubeconfig", api.kubeconfig(os.path.join(t.directory, "config")),
                     *NODE_ARGS, *CIDR_ARGS, "-v", "2"))
    t.daemons.append(daemon)
    return daemon


@test(quick=True)
def without_an_api_server_the_daemon_is_alive_and_waits(t):
    service, piece = t.web([ONE])
    with _api(t, service, piece) as api:
        api.down()
        daemon = _start_from(t, api)
        daemon.wait_log("not watched")
        web.expect(t, web.health(t), healthz=503, livez=200, readyz=503)
        line = web.health(t).part("source")
        t.true("why", line.startswith("[-]source failed, not counted here: ") and
               "nothing was written yet" in line, line)
        t.equal("the start", "[-]start failed: the first sync is not in the kernel",
                web.health(t).part("start", "/readyz"))
        api.up()
        web.health(t).becomes("/readyz", 200, 30.0)
        web.expect(t, web.health(t), healthz=200, livez=200)
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        daemon.stop_gracefully()


@test(quick=True)
def an_api_server_that_goes_away_turns_nothing_red(t):
    service, piece = t.web([ONE])
    with _api(t, service, piece) as api:
        daemon = _start_from(t, api)
        daemon.wait_ready()
        api.wait_watches(4)
        watch = web.health(t).part("watch")
        t.true("the watch's age", re.match(r"\[\+\]watch ok: .* is \d+ s old", watch), watch)
        before = web.scrape(t)
        t.true("requests", before['rest_client_requests_total{code="200",host="127.0.0.1:6443",'
                                  'method="GET"}'] >= 4)
        t.true("the age as a metric",
               before['kubenft_watch_age_seconds{resource="EndpointSlice"}'] < 60)
        mark = daemon.mark()
        api.down()
        daemon.wait_log("not watched", mark)
        until(lambda: web.health(t).part("source").startswith("[-]source failed, not counted here"),
              "the source is said to be in trouble")
        web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)
        until(lambda: any("<error>" in name for name in web.scrape(t)),
              "failed requests are counted")
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        api.put(t.web_slice(service, [TWO]))
        api.up(compact=True)
        until(lambda: web.health(t).part("source") == "[+]source ok", "the source is well again",
              30.0)
        t.becomes(t.client, "tcp", service.ip(4), 80, [TWO], 30.0)
        t.equal("lists anew", 1, web.scrape(t)['kubenft_relists_total{resource="EndpointSlice"}'])
        daemon.stop_gracefully()

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kubelet, load balancers and Prometheus see of the daemon."""

import contextlib
import datetime
import os
import re
import signal
import socket
import subprocess
import sys
import time

import objects
import topology
import web
from daemon import CIDR_ARGS, NODE_ARGS, Daemon, Failure, until
from harness import Skip, test, test_rows
from objects import endpoint, port
from topology import pod_address, remote_address

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
from apiserver import control  # noqa: E402

ONE, TWO, THREE = (pod_address(n, 4) for n in (11, 12, 13))
FAR = remote_address(1, 4)

TAINT = "ToBeDeletedByClusterAutoscaler"

# The whole of kube-proxy's answers, but for the times.
HEALTHZ = re.compile(
    r'\{"lastUpdated":"<t>","currentTime":"<t>","nodeEligible":(true|false),"healthy":true,'
    r'"status":\{"IPv4":\{"lastUpdated":"<t>","healthy":true\},'
    r'"IPv6":\{"lastUpdated":"<t>","healthy":true\}\}\}')
LIVEZ = re.compile(HEALTHZ.pattern.replace('"nodeEligible":(true|false),', ""))
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"


def _health(t, namespace=None, address=None, number=web.HEALTH_PORT):
    return web.Port(namespace or t.node, address or web.LOOPBACK[4], number)


def _metrics(t):
    return web.Port(t.node, web.LOOPBACK[4], web.METRICS_PORT)


def _scrape(t):
    return web.samples(_metrics(t).get("/metrics").text)


def _expect(t, health, **statuses):
    for name, status in statuses.items():
        got = health.get(f"/{name}")
        t.equal(f"/{name}", status, got.status, got.text,
                *health.get(f"/{name}?verbose").text.splitlines())


# Health


@test(quick=True)
def health_is_answered_as_kube_proxy_does(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for pattern, path in ((HEALTHZ, "/healthz"), (LIVEZ, "/livez")):
        answer = _health(t).get(path)
        t.equal("status", 200, answer.status)
        t.equal("type", "application/json", answer.headers["Content-Type"])
        t.equal("sniffing", "nosniff", answer.headers["X-Content-Type-Options"])
        t.true("its body", pattern.fullmatch(re.sub(TIME, "<t>", answer.text)), answer.text)
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        t.equal(method, 200, _health(t).get("/healthz", method=method).status)
    for path in ("/", "/healthz/", "/metrics", "/healthz/ping"):
        t.equal(path, 404, _health(t).status(path))
    t.equal("from outside", 200,
            _health(t, t.external, topology.NODE[4]).status("/healthz"))


@test(quick=True)
def before_the_first_sync_the_daemon_is_alive_but_not_ready(t):
    service, piece = t.web([ONE])
    t.write_text("")
    t.start().wait_log("nothing to do yet")
    _expect(t, _health(t), healthz=503, livez=200, readyz=503)
    t.equal("the source", "[-]source failed, not counted here",
            _health(t).part("source").partition(":")[0])
    t.equal("the node", "[-]node failed: the own Node is unknown", _health(t).part("node"))
    t.write(service, piece)
    _health(t).becomes("/readyz", 200)
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)


@test(quick=True)
def a_source_that_cannot_be_read_is_said_and_turns_nothing_red(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.write_text("{ neither: [YAML\n")
    line = until(lambda: (lambda l: l if l.startswith("[-]") else None)(_health(t).part("source")),
                 "the source is said to be in trouble")
    t.true("what is wrong with it", "not counted here" in line and t.source in line, line)
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)
    t.write(service, piece)
    until(lambda: _health(t).part("source").startswith("[+]"), "the source is well again")


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
    answer = _health(t).becomes("/healthz", 503, 2.0)
    t.true("its body", '"nodeEligible":false,"healthy":true,' in answer.text, answer.text)
    _expect(t, _health(t), livez=200, readyz=200)
    t.equal("the metric", 0, _scrape(t)["kubenft_node_eligible"])
    t.write(service, piece)
    _health(t).becomes("/healthz", 200, 2.0)


@test_rows([(name,) for name in STAYING], "a_node_{}_gets_traffic")
def staying(t, name):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    t.write(objects.node(**STAYING[name]), service, t.web_slice(service, [TWO]), with_node=False)
    daemon.wait_synced(mark)
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)


@test()
def a_node_that_is_unknown_gets_no_traffic_and_one_that_vanishes_does(t):
    service, piece = t.web([ONE])
    t.write(service, piece, with_node=False)
    daemon = t.start()
    daemon.wait_ready()
    _expect(t, _health(t), healthz=503, livez=200, readyz=200)
    t.write(service, piece)
    _health(t).becomes("/healthz", 200, 2.0)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [TWO]), with_node=False)
    daemon.wait_synced(mark)
    _expect(t, _health(t), healthz=200)


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


@test(quick=True)
def what_the_kernel_refuses_is_said_and_no_reason_to_restart(t):
    service, piece = t.web([ONE])
    t.write_text("")
    late = t.start("--healthz-bind-address", "127.0.0.1:20256",
                   "--metrics-bind-address", "127.0.0.1:20249")
    late.wait_log("nothing to do yet")
    health = _health(t, number=20256)
    other = os.path.join(t.directory, "other.yaml")
    t.write(service, piece, path=other)
    first = Daemon(t.binary, t.node, t.log_path + ".first",
                   ("--source", other, *NODE_ARGS, *CIDR_ARGS))
    t.daemons.append(first)
    first.wait_ready()
    if "flags owner" not in t.nft_ok("list", "table", "ip", "kubenft"):
        raise Skip("tables are not owned here: nothing is refused")
    t.write(service, piece)
    line = until(lambda: (lambda l: l if "tries failed" in l else None)(health.part("sync")),
                 "the refusal is said")
    t.true("who refuses", "already running" in line or "another process" in line, line)
    _expect(t, health, livez=200, readyz=503)  # and /healthz is green for a minute
    metrics = web.Port(t.node, web.LOOPBACK[4], 20249)
    _expect_failing(t, web.samples(metrics.get("/metrics").text))
    first.stop_gracefully()
    health.becomes("/readyz", 200, 30.0)
    after = web.samples(metrics.get("/metrics").text)
    for what in ("service", "endpoint"):
        t.equal(f"{what}s pending", 0, after[f"{KP_SYNC}_{what}_changes_pending"])
    t.true("synced", f'{KP_SYNC}_last_timestamp_seconds{{ip_family="IPv6"}}' in after)
    _expect(t, health, healthz=200, livez=200)


@test()
def a_loop_that_is_blocked_does_not_answer(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        _health(t).get("/livez", patience=0.5)
        raise Failure("a stopped daemon has answered")
    except TimeoutError:
        pass
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)


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
        got = _scrape(t)
        t.equal("drift", repairs, got['kubenft_drift_total{culprit="nft"}'])
        t.equal("repairs", repairs, got["kubenft_repairs_total"])
        t.equal("unrepaired", 0, got["kubenft_drift_unrepaired_seconds"])
        t.equal("not owned", 0, got["kubenft_tables_owned"])
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)
    for _ in range(6):
        mark = daemon.mark()
        t.nft("delete", "table", "ip", "kubenft")
        daemon.wait_log("tables repaired", mark)
    t.equal("who undoes repairs", "[-]drift failed, not counted here: nft undoes our repairs again "
            "and again", _health(t).part("drift"))
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)


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
        _expect(t, _health(t), healthz=503, livez=200, readyz=503)
        line = _health(t).part("source")
        t.true("why", line.startswith("[-]source failed, not counted here: ") and
               "nothing was written yet" in line, line)
        t.equal("the start", "[-]start failed: the first sync is not in the kernel",
                _health(t).part("start", "/readyz"))
        api.up()
        _health(t).becomes("/readyz", 200, 30.0)
        _expect(t, _health(t), healthz=200, livez=200)
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        daemon.stop_gracefully()


@test(quick=True)
def an_api_server_that_goes_away_turns_nothing_red(t):
    service, piece = t.web([ONE])
    with _api(t, service, piece) as api:
        daemon = _start_from(t, api)
        daemon.wait_ready()
        api.wait_watches(4)
        watch = _health(t).part("watch")
        t.true("the watch's age", re.match(r"\[\+\]watch ok: .* is \d+ s old", watch), watch)
        before = _scrape(t)
        t.true("requests", before['rest_client_requests_total{code="200",host="127.0.0.1:6443",'
                                  'method="GET"}'] >= 4)
        t.true("the age as a metric",
               before['kubenft_watch_age_seconds{resource="EndpointSlice"}'] < 60)
        mark = daemon.mark()
        api.down()
        daemon.wait_log("not watched", mark)
        until(lambda: _health(t).part("source").startswith("[-]source failed, not counted here"),
              "the source is said to be in trouble")
        _expect(t, _health(t), healthz=200, livez=200, readyz=200)
        until(lambda: any("<error>" in name for name in _scrape(t)), "failed requests are counted")
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        api.put(t.web_slice(service, [TWO]))
        api.up(compact=True)
        until(lambda: _health(t).part("source") == "[+]source ok", "the source is well again",
              30.0)
        t.becomes(t.client, "tcp", service.ip(4), 80, [TWO], 30.0)
        t.equal("lists anew", 1, _scrape(t)['kubenft_relists_total{resource="EndpointSlice"}'])
        daemon.stop_gracefully()


# Health checks of load balancers


def _balanced(t, number, families=(4,), **more):
    return t.service("web", [port(80, "web", "TCP")], families, type="LoadBalancer",
                     externalTrafficPolicy="Local", healthCheckNodePort=number, **more)


def _piece(service, backends, family=4):
    return objects.endpoint_slice(service, backends, ((8080, "web", "TCP"),), f"v{family}")


def _check_becomes(t, family, number, status, endpoints):
    check = web.Port(t.external, topology.NODE[family], number)

    def reached():
        try:
            answer = check.get("/any?path", method="POST")
        except ConnectionRefusedError:
            return None
        return answer if (answer.status, answer.headers["X-Load-Balancing-Endpoint-Weight"]) == \
            (status, str(endpoints)) else None
    answer = until(reached, f"health check: {status} and {endpoints} endpoints", 2.0)
    t.equal("type", "application/json", answer.headers["Content-Type"])
    t.equal("body", '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n'
            f'\t"localEndpoints": {endpoints},\n\t"serviceProxyHealthy": true\n}}', answer.text)


@test_rows([(4,), (6,)], "a_load_balancer_learns_how_many_endpoints_are_here_over_ipv{}",
           quick={"a_load_balancer_learns_how_many_endpoints_are_here_over_ipv4"})
def health_check_node_port(t, family):
    number = t.world.node_port()
    service = _balanced(t, number, (family,))
    one, two = pod_address(11, family), pod_address(12, family)
    far = remote_address(1, family)
    daemon = t.run(service, _piece(service, [one, two, far], family))
    _check_becomes(t, family, number, 200, 2)
    t.true("only on the primary address",
           web.is_refused(t.external, topology.NODE_SECOND[family], number))
    t.true("and not on loopback", web.is_refused(t.node, web.LOOPBACK[family], number))

    t.write(service, _piece(service, [one, far], family))
    _check_becomes(t, family, number, 200, 1)
    # not ready but serving: it still gets traffic, but no new one shall come
    t.write(service, _piece(service, [endpoint(one, ready=False, serving=True, terminating=True),
                                      far], family))
    _check_becomes(t, family, number, 503, 0)
    t.write(service, _piece(service, [far], family))
    _check_becomes(t, family, number, 503, 0)

    moved = t.world.node_port()
    service.spec["healthCheckNodePort"] = moved
    t.write(service, _piece(service, [one], family))
    _check_becomes(t, family, moved, 200, 1)
    t.true("the former port is closed",
           web.is_refused(t.external, topology.NODE[family], number))
    service.spec["externalTrafficPolicy"] = "Cluster"
    t.write(service, _piece(service, [one], family))
    until(lambda: web.is_refused(t.external, topology.NODE[family], moved), "nobody listens")
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def health_checks_are_answered_where_node_ports_are(t):
    number = t.world.node_port()
    service = _balanced(t, number)
    t.write(service, _piece(service, [ONE]))
    daemon = t.start("--nodeport-addresses", "203.0.113.0/24,127.0.0.0/8")
    daemon.wait_ready()
    for namespace, address in ((t.external, topology.NODE_SECOND[4]), (t.node, web.LOOPBACK[4])):
        t.equal(address, 200, web.get(namespace, address, number, "/").status)
    t.true("not elsewhere", web.is_refused(t.external, topology.NODE[4], number))


@test_rows([(4,), (6,)], "with_all_addresses_selected_health_checks_are_answered_at_each_ipv{}_address")
def everywhere(t, family):
    number = t.world.node_port()
    service = _balanced(t, number, (4, 6))
    t.write(service, _piece(service, [pod_address(11, family)], family))
    daemon = t.start("--nodeport-addresses", "0.0.0.0/0,::/0")
    daemon.wait_ready()
    for namespace, address in ((t.external, topology.NODE[family]),
                               (t.external, topology.NODE_SECOND[family]),
                               (t.node, web.LOOPBACK[family])):
        t.equal(address, 200, web.get(namespace, address, number, "/").status)
    # the other family is asked for itself
    t.equal("without endpoints", 503,
            web.get(t.external, topology.NODE[10 - family], number, "/").status)
    t.equal("sockets", [1, 1], [_scrape(t)[f'kubenft_health_ports{{ip_family="IPv{n}"}}']
                                for n in (4, 6)])
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def BUG_2_9_health_checks_are_answered_without_the_health_server(t):
    number = t.world.node_port()
    service = _balanced(t, number)
    t.write(service, _piece(service, [ONE]))
    daemon = t.start("--healthz-port=0")
    daemon.wait_ready()
    _check_becomes(t, 4, number, 200, 1)
    t.true("no health server", web.is_refused(t.node, web.LOOPBACK[4], web.HEALTH_PORT))
    t.equal("metrics", 200, _metrics(t).status("/metrics"))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def BUG_2_9_health_checks_are_answered_though_the_health_port_is_turned_off(t):
    number = t.world.node_port()
    service = _balanced(t, number)
    t.run(service, _piece(service, [ONE]), run_args=("--healthz-port=0",))
    t.true("no health port", web.is_refused(t.node, web.LOOPBACK[4], 10256))
    _check_becomes(t, 4, number, 200, 1)
    t.write(service, _piece(service, [remote_address(1, 4)]))
    _check_becomes(t, 4, number, 503, 0)


@test()
def a_health_check_port_that_is_taken_is_opened_when_it_is_free(t):
    number, other_number = t.world.node_port(), t.world.node_port()
    taken = _balanced(t, number)
    free = _balanced(t, other_number)
    free.name = "free"
    with t.node:
        stranger = socket.create_server((topology.NODE[4], number))
    with contextlib.closing(stranger):
        pieces = (_piece(taken, [ONE]), _piece(free, [ONE]))
        daemon = t.run(taken, free, *pieces)
        line = until(daemon.complaints, "a complaint")[0]
        t.true("it names the Service and the port", '"default/web"' in line and str(number) in line,
               line)
        t.equal("the other one", 200,
                web.get(t.external, topology.NODE[4], other_number, "/").status)
        t.equal("counted", 1, _scrape(t)['kubenft_health_port_failures_total{ip_family="IPv4"}'])
    t.write(taken, free, _piece(taken, [ONE, TWO]), pieces[1])
    _check_becomes(t, 4, number, 200, 2)


# Soft and hard limit of open files, and how many of a hundred Services are answered for.
LIMITS = [("few_open_files_at_first", "100:4096", 100), ("few_open_files_for_ever", "300:300", 44)]


@test_rows(LIMITS, "with_{0}_health_checks_leave_the_daemons_own_ports_open")
def many_health_checks(t, _, limit, answered):
    services = []
    for i in range(100):
        services.append(_balanced(t, t.world.node_port()))
        services[-1].name = f"web{i}"
    t.write(*services, _piece(services[0], [ONE]))
    daemon = t.start(prefix=("prlimit", f"--nofile={limit}"))
    daemon.wait_ready()
    _expect(t, _health(t), healthz=200, livez=200, readyz=200)
    t.equal("sockets", answered, _scrape(t)['kubenft_health_ports{ip_family="IPv4"}'])
    complaints = daemon.complaints()
    t.equal("said of the others", 100 - answered, len(complaints), *complaints[:3])


# The ports themselves


@test()
def a_port_that_is_taken_is_opened_when_it_is_free(t):
    service, piece = t.web([ONE])
    with t.node:
        stranger = socket.create_server(("127.0.0.1", web.METRICS_PORT))
    with contextlib.closing(stranger):
        daemon = t.run(service, piece)
        lines = daemon.complaints()
        t.equal("complaints", 1, len(lines), *lines)
        t.true("it says which", "127.0.0.1:10249" in lines[0] and "metrics" in lines[0], lines[0])
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        t.equal("the other port", 200, _health(t).status("/healthz"))
    daemon.wait_log('"listening" server="metrics"', patience=15.0)
    t.equal("mode", "nftables", _metrics(t).get("/proxyMode").text)


@test()
def with_bind_address_hard_fail_it_ends_the_start(t):
    t.write(*t.web([ONE]))
    with t.node:
        stranger = socket.create_server(("127.0.0.1", web.METRICS_PORT))
    with contextlib.closing(stranger):
        done = t.command("run", "--source", t.source, *NODE_ARGS, "--bind-address-hard-fail")
    t.equal("exit status", 1, done.returncode)
    t.true("it says why", "127.0.0.1:10249" in done.stderr and
           "Address already in use" in done.stderr, done.stderr)


@test()
def ports_can_be_moved(t):
    service, piece = t.web([ONE])
    t.write(service, piece)
    t.start("--healthz-bind-address", f"[{topology.NODE[6]}]:1234",
            "--metrics-bind-address", topology.NODE[4]).wait_ready()
    t.equal("health", 200,
            web.get(t.external, topology.NODE[6], 1234, "/healthz").status)
    t.equal("metrics", 200,
            web.get(t.external, topology.NODE[4], web.METRICS_PORT, "/metrics").status)
    t.true("not elsewhere", web.is_refused(t.node, web.LOOPBACK[4], web.HEALTH_PORT))


# Metrics


@test(quick=True)
def metrics_please_promtool_and_tell_the_truth(t):
    service, piece = t.web([ONE, TWO, FAR])
    daemon = t.run(service, piece)
    answer = _metrics(t).get("/metrics")
    t.equal("type", "text/plain; version=0.0.4; charset=utf-8", answer.headers["Content-Type"])
    t.true("started now", abs(int(answer.headers["Process-Start-Time-Unix"]) - time.time()) < 60)
    try:
        check = subprocess.run(("promtool", "check", "metrics"), input=answer.text, text=True,
                               capture_output=True, check=False)
        t.equal("promtool", "kubeproxy_sync_proxy_rules_no_local_endpoints_total non-counter "
                'metrics should not have "_total" suffix\n', check.stdout + check.stderr)
    except FileNotFoundError:
        pass  # the unit test says the same of all metrics
    before = web.samples(answer.text)
    for name in ("frontends", "backends", "cluster-ips", "service-cidrs"):
        listing = t.nft_ok("list", "set" if name in ("cluster-ips", "service-cidrs") else "map",
                           "ip", "kubenft", name)
        inside = listing.partition("elements = {")[2].rpartition("}")[0].rpartition("}")[0]
        count = len([e for e in inside.split(",") if e.strip()])
        t.equal(f"elements of {name}", count,
                before[f'kubenft_ruleset_elements{{ip_family="IPv4",map="{name}"}}'], listing)
    t.equal("refills", 1, before['kubenft_transactions_total{kind="refill",result="ok"}'])
    t.equal("full syncs", 1, before[
        'kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"}'])
    t.equal("Services", 1, before['kubenft_objects{kind="Service"}'])
    t.equal("memory", True, 1e6 < before["process_resident_memory_bytes"] < 1e9)

    mark = daemon.mark()
    t.write(service, t.web_slice(service, [ONE]))
    daemon.wait_synced(mark)
    _health(t).get("/healthz")
    after = _scrape(t)
    name = 'kubenft_ruleset_elements{ip_family="IPv4",map="backends"}'
    t.equal("backends", 2, after[name], f"before: {before[name]}")
    t.equal("changes", 1, after['kubenft_transactions_total{kind="change",result="ok"}'])
    t.equal("latencies", before["kubenft_change_latency_seconds_count"] + 1,
            after["kubenft_change_latency_seconds_count"])
    t.equal("health asked", 1, after['kubeproxy_proxy_healthz_total{code="200"}'])
    t.equal("changes of slices", before["kubeproxy_sync_proxy_rules_endpoint_changes_total"] + 1,
            after["kubeproxy_sync_proxy_rules_endpoint_changes_total"])
    t.equal("pending", 0, after["kubeproxy_sync_proxy_rules_endpoint_changes_pending"])
    last = after['kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"}']
    t.true("synced now", abs(last - time.time()) < 60, str(last))


@test()
def the_time_from_a_pods_change_to_the_kernel_is_measured(t):
    def piece(backend, when):
        found = t.web_slice(service, [backend])
        found["metadata"]["annotations"] = {
            "endpoints.kubernetes.io/last-change-trigger-time": when}
        return found

    def now(seconds=0):
        moment = datetime.datetime.now(datetime.timezone.utc)
        moment += datetime.timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    service, _ = t.web([ONE])
    daemon = t.run(service, piece(ONE, now(-60)))
    name = "kubeproxy_network_programming_duration_seconds"
    # before the start; no time; now; before the start again
    for when, count in ((now(-3600), 0), ("yesterday", 0), (now(), 1), (now(-3600), 1)):
        mark = daemon.mark()
        t.write(service, piece(TWO if count == 0 else THREE, when),
                t.web([ONE], name=f"other{mark}")[0])
        daemon.wait_synced(mark)
        got = _scrape(t)
        t.equal(f"{when}: observations", count, got.get(f'{name}_count{{ip_family="IPv4"}}', 0))
    t.true("seconds", 0 < got[f'{name}_sum{{ip_family="IPv4"}}'] < 60)
    t.true("IPv6", f'{name}_count{{ip_family="IPv6"}}' not in got)


@test()
def services_without_local_endpoints_are_counted(t):
    service = _balanced(t, 0, ingress=[{"ip": t.world.external_ips()[4]}])
    daemon = t.run(service, _piece(service, [FAR]))
    name = ('kubeproxy_sync_proxy_rules_no_local_endpoints_total'
            '{ip_family="IPv4",traffic_policy="external"}')
    t.equal("none is here", 1, _scrape(t)[name])
    mark = daemon.mark()
    t.write(service, _piece(service, [FAR, ONE]))
    daemon.wait_synced(mark)
    t.equal("one is", 0, _scrape(t)[name])


@test()
def deleted_flows_are_counted(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.answered_by(t.client, "udp", service.ip(4), 80, [ONE], count=5)
    t.write(service, t.web_slice(service, [TWO]))
    name = 'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"}'
    until(lambda: _scrape(t)[name] == 5, "five flows deleted")
    count = 'kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"}'
    until(lambda: _scrape(t).get(count, 0) >= 1, "the time for it is measured")


@test(quick=True)
def the_metrics_port_has_kube_proxys_pages(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    metrics = _metrics(t)
    t.equal("mode", "nftables", metrics.get("/proxyMode").text)
    t.equal("health", "ok", metrics.get("/healthz").text)
    config = metrics.json("/configz")[1]["kubeproxy.config.k8s.io"]
    t.equal("kind", "KubeProxyConfiguration", config["kind"])
    t.equal("node", topology.NODE_NAME, config["hostnameOverride"])
    t.true("version", metrics.json("/version")[1]["gitVersion"])
    t.true("flags", f"hostname-override={topology.NODE_NAME}\n" in metrics.get("/flagz").text)
    form = "application/json;as=Statusz;v=v1beta1;g=config.k8s.io"
    t.true("status", '"uptimeSeconds":' in metrics.get("/statusz",
                                                       headers={"Accept": form}).text)
    t.equal("nothing else", 404, metrics.status("/livez"))
    t.true("only on loopback", web.is_refused(t.external, topology.NODE[4], web.METRICS_PORT))

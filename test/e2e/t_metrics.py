# SPDX-License-Identifier: GPL-2.0-or-later
"""What Prometheus sees of the daemon."""

import datetime
import subprocess
import time

import topology
import web
from daemon import until
from harness import test
from t_health_checks import balanced, piece_of
from topology import pod_address, remote_address

ONE, TWO, THREE = (pod_address(n, 4) for n in (11, 12, 13))
FAR = remote_address(1, 4)


@test(quick=True)
def metrics_please_promtool_and_tell_the_truth(t):
    service, piece = t.web([ONE, TWO, FAR])
    daemon = t.run(service, piece)
    answer = web.metrics(t).get("/metrics")
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
    web.health(t).get("/healthz")
    after = web.scrape(t)
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
        got = web.scrape(t)
        t.equal(f"{when}: observations", count, got.get(f'{name}_count{{ip_family="IPv4"}}', 0))
    t.true("seconds", 0 < got[f'{name}_sum{{ip_family="IPv4"}}'] < 60)
    t.true("IPv6", f'{name}_count{{ip_family="IPv6"}}' not in got)


@test()
def services_without_local_endpoints_are_counted(t):
    service = balanced(t, 0, ingress=[{"ip": t.world.external_ips()[4]}])
    daemon = t.run(service, piece_of(service, [FAR]))
    name = ('kubeproxy_sync_proxy_rules_no_local_endpoints_total'
            '{ip_family="IPv4",traffic_policy="external"}')
    t.equal("none is here", 1, web.scrape(t)[name])
    mark = daemon.mark()
    t.write(service, piece_of(service, [FAR, ONE]))
    daemon.wait_synced(mark)
    t.equal("one is", 0, web.scrape(t)[name])


@test()
def deleted_flows_are_counted(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    t.answered_by(t.client, "udp", service.ip(4), 80, [ONE], count=5)
    t.write(service, t.web_slice(service, [TWO]))
    name = 'kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family="IPv4"}'
    until(lambda: web.scrape(t)[name] == 5, "five flows deleted")
    count = 'kubeproxy_conntrack_reconciler_sync_duration_seconds_count{ip_family="IPv4"}'
    until(lambda: web.scrape(t).get(count, 0) >= 1, "the time for it is measured")


@test(quick=True)
def the_metrics_port_has_kube_proxys_pages(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    metrics = web.metrics(t)
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

# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings and address families that do not fit, and a Node without podCIDRs: a start fails or waits,
and what is in the kernel serves on (kube-proxy-behaviour.md, sections 1.5 and 5.3)."""

import objects
import web
from api import Api
from daemon import NODE_ARGS, until
from harness import Skip, test, test_rows
from topology import CLUSTER_CIDRS, pod_address

ONE = pod_address(11, 4)

NODE_CIDR = ("--detect-local-mode", "NodeCIDR")
PODS = ["10.244.0.0/24", "fd00:10:244::/64"]
OTHER_PODS = ["10.244.0.0/22", "fd00:10:244::/60"]

# A machine whose kernel was booted without IPv6 has no such file.
WITHOUT_IPV6 = ("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /proc/$$/net; exec "$@"',
                "sh")


def _node(pods):
    return objects.node(**({"spec": {"podCIDRs": pods}} if pods else {}))


def _write(t, pods, *things):
    t.write(_node(pods), objects.service_cidr(), *things, with_node=False)


def _fails(t, daemon, *words):
    """Ends with status 1 and a sentence."""
    line = daemon.wait_log('"not started')
    until(lambda: not daemon.is_running(), "the end")
    daemon.stopped = True
    t.equal("exit status", 1, daemon.process.returncode)
    for word in words:
        t.true(f"it says {word}", word in line, line)


def _pods_in_kernel(t):
    listing = t.nft_ok("list", "set", "ip", "kubenft", "pod-cidrs")
    return [pods for pods in (PODS, OTHER_PODS) if pods[0] in listing]


@test(quick=True)
def a_cluster_cidr_of_the_other_family_only_fails_the_start_on_a_single_stack_node(t):
    if t.node.command(*WITHOUT_IPV6, "true").returncode != 0:
        raise Skip("cannot mount here")
    service, piece = t.web([ONE])
    t.run(service, piece).stop_gracefully()
    only6 = CLUSTER_CIDRS.split(",")[1]
    _fails(t, t.start(cidrs=("--cluster-cidr", only6), prefix=WITHOUT_IPV6), "clusterCIDR",
           "only IPv6 ranges", "only IPv4")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    # where there are both families it is said, and the work goes on
    mark = t.daemons[-1].mark()
    line, = t.run(cidrs=("--cluster-cidr", only6)).complaints(mark)
    t.true("it is said", 'setting="clusterCIDR"' in line and "only IPv6 ranges" in line, line)


@test_rows([("a_file", False), ("an_api_server", True)],
           "pod_cidrs_of_the_other_family_only_fail_the_start_over_{}",
           quick=lambda *_: True)
def pod_cidrs_of_the_other_family(t, _, over_api):
    if over_api:
        Api(t)
    service, piece = t.web([ONE])
    _write(t, PODS, service, piece)
    t.run(cidrs=NODE_CIDR).stop_gracefully()
    _write(t, PODS[1:], service, piece)
    _fails(t, t.start(cidrs=NODE_CIDR), "NodeCIDR", "podCIDRs", "only IPv6 ranges",
           "primary address is of IPv4")
    t.equal("pod ranges in the kernel", [PODS], _pods_in_kernel(t))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test_rows([("a_file", False), ("an_api_server", True)],
           "without_pod_cidrs_a_start_over_{}_waits_and_the_old_table_serves_on",
           quick=lambda *_: True)
def without_pod_cidrs(t, _, over_api):
    """That it ends after five minutes is a test of its own: test/unit/test_cmd_ip_check.c."""
    if over_api:
        Api(t)
    service, piece = t.web([ONE])
    _write(t, PODS, service, piece)
    t.run(cidrs=NODE_CIDR).stop_gracefully()
    _write(t, None, service, piece)
    heard = t.transactions()
    daemon = t.start(cidrs=NODE_CIDR)
    daemon.wait_log("waiting for the Node's spec.podCIDRs")
    health = web.Port(t.node, web.LOOPBACK[4], web.HEALTH_PORT)
    text = health.get("/readyz?verbose").text
    t.true("health names it", "waiting for the Node's spec.podCIDRs" in text, text)
    t.equal("/readyz, /livez", (503, 200),
            (health.get("/readyz").status, health.get("/livez").status))
    t.equal("pod ranges in the kernel", [PODS], _pods_in_kernel(t))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    mark = daemon.mark()
    if over_api:
        t.api.put(_node(OTHER_PODS))
    else:
        _write(t, OTHER_PODS, service, piece)
    daemon.wait_ready(mark)
    t.equal("pod ranges in the kernel", [OTHER_PODS], _pods_in_kernel(t))
    until(lambda: health.get("/readyz").status == 200, "/readyz")


@test()
def changed_pod_cidrs_are_followed_live_and_stay_while_the_node_has_none(t):
    service, piece = t.web([ONE])
    _write(t, PODS, service, piece)
    daemon = t.run(cidrs=NODE_CIDR)
    t.equal("pod ranges in the kernel", [PODS], _pods_in_kernel(t))
    _write(t, OTHER_PODS, service, piece)
    until(lambda: _pods_in_kernel(t) == [OTHER_PODS], "the other ranges")
    _write(t, None, service, t.web_slice(service, [pod_address(12, 4)]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [pod_address(12, 4)])
    t.equal("pod ranges in the kernel", [OTHER_PODS], _pods_in_kernel(t))
    t.true("the same daemon", daemon.is_running())


@test()
def diff_says_that_run_would_not_start(t):
    _write(t, PODS[1:])
    done = t.command("diff", "--source", t.source, *NODE_ARGS, *NODE_CIDR)
    t.equal("exit status", 1, done.returncode, done.stderr)
    t.true("the reason", "run would not start" in done.stderr and "podCIDRs" in done.stderr,
           done.stderr)
    _write(t, None)
    done = t.command("plan", "--source", t.source, *NODE_ARGS, *NODE_CIDR)
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.true("it would wait", "run would wait" in done.stderr, done.stderr)

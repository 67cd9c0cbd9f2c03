# SPDX-License-Identifier: GPL-2.0-or-later
"""Health checks of load balancers, and the ports that the daemon listens at."""

import contextlib
import socket

import objects
import topology
import web
from daemon import NODE_ARGS, until
from harness import test, test_rows
from objects import endpoint, port
from topology import pod_address, remote_address

ONE, TWO = (pod_address(n, 4) for n in (11, 12))


def balanced(t, number, families=(4,), **more):
    return t.service("web", [port(80, "web", "TCP")], families, type="LoadBalancer",
                     externalTrafficPolicy="Local", healthCheckNodePort=number, **more)


def piece_of(service, backends, family=4):
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
    service = balanced(t, number, (family,))
    one, two = pod_address(11, family), pod_address(12, family)
    far = remote_address(1, family)
    daemon = t.run(service, piece_of(service, [one, two, far], family))
    _check_becomes(t, family, number, 200, 2)
    t.true("only on the primary address",
           web.is_refused(t.external, topology.NODE_SECOND[family], number))
    t.true("and not on loopback", web.is_refused(t.node, web.LOOPBACK[family], number))

    t.write(service, piece_of(service, [one, far], family))
    _check_becomes(t, family, number, 200, 1)
    # not ready but serving: it still gets traffic, but no new one shall come
    t.write(service, piece_of(service, [endpoint(one, ready=False, serving=True, terminating=True),
                                      far], family))
    _check_becomes(t, family, number, 503, 0)
    t.write(service, piece_of(service, [far], family))
    _check_becomes(t, family, number, 503, 0)

    moved = t.world.node_port()
    service.spec["healthCheckNodePort"] = moved
    t.write(service, piece_of(service, [one], family))
    _check_becomes(t, family, moved, 200, 1)
    t.true("the former port is closed",
           web.is_refused(t.external, topology.NODE[family], number))
    service.spec["externalTrafficPolicy"] = "Cluster"
    t.write(service, piece_of(service, [one], family))
    until(lambda: web.is_refused(t.external, topology.NODE[family], moved), "nobody listens")
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def health_checks_are_answered_where_node_ports_are(t):
    number = t.world.node_port()
    service = balanced(t, number)
    t.write(service, piece_of(service, [ONE]))
    daemon = t.start("--nodeport-addresses", "203.0.113.0/24,127.0.0.0/8")
    daemon.wait_ready()
    for namespace, address in ((t.external, topology.NODE_SECOND[4]), (t.node, web.LOOPBACK[4])):
        t.equal(address, 200, web.get(namespace, address, number, "/").status)
    t.true("not elsewhere", web.is_refused(t.external, topology.NODE[4], number))


@test_rows([(4,), (6,)],
           "with_all_addresses_selected_health_checks_are_answered_at_each_ipv{}_address")
def everywhere(t, family):
    number = t.world.node_port()
    service = balanced(t, number, (4, 6))
    t.write(service, piece_of(service, [pod_address(11, family)], family))
    daemon = t.start("--nodeport-addresses", "0.0.0.0/0,::/0")
    daemon.wait_ready()
    for namespace, address in ((t.external, topology.NODE[family]),
                               (t.external, topology.NODE_SECOND[family]),
                               (t.node, web.LOOPBACK[family])):
        t.equal(address, 200, web.get(namespace, address, number, "/").status)
    # the other family is asked for itself
    t.equal("without endpoints", 503,
            web.get(t.external, topology.NODE[10 - family], number, "/").status)
    t.equal("sockets", [1, 1], [web.scrape(t)[f'kubenft_health_ports{{ip_family="IPv{n}"}}']
                                for n in (4, 6)])
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def BUG_2_9_health_checks_are_answered_without_the_health_server(t):
    number = t.world.node_port()
    service = balanced(t, number)
    t.write(service, piece_of(service, [ONE]))
    daemon = t.start("--healthz-port=0")
    daemon.wait_ready()
    _check_becomes(t, 4, number, 200, 1)
    t.true("no health server", web.is_refused(t.node, web.LOOPBACK[4], web.HEALTH_PORT))
    t.equal("metrics", 200, web.metrics(t).status("/metrics"))
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def BUG_2_9_health_checks_are_answered_though_the_health_port_is_turned_off(t):
    number = t.world.node_port()
    service = balanced(t, number)
    t.run(service, piece_of(service, [ONE]), run_args=("--healthz-port=0",))
    t.true("no health port", web.is_refused(t.node, web.LOOPBACK[4], 10256))
    _check_becomes(t, 4, number, 200, 1)
    t.write(service, piece_of(service, [remote_address(1, 4)]))
    _check_becomes(t, 4, number, 503, 0)


@test()
def a_health_check_port_that_is_taken_is_opened_when_it_is_free(t):
    number, other_number = t.world.node_port(), t.world.node_port()
    taken = balanced(t, number)
    free = balanced(t, other_number)
    free.name = "free"
    with t.node:
        stranger = socket.create_server((topology.NODE[4], number))
    with contextlib.closing(stranger):
        pieces = (piece_of(taken, [ONE]), piece_of(free, [ONE]))
        daemon = t.run(taken, free, *pieces)
        line = until(daemon.complaints, "a complaint")[0]
        t.true("it names the Service and the port", '"default/web"' in line and str(number) in line,
               line)
        t.equal("the other one", 200,
                web.get(t.external, topology.NODE[4], other_number, "/").status)
        t.equal("counted", 1, web.scrape(t)['kubenft_health_port_failures_total{ip_family="IPv4"}'])
    t.write(taken, free, piece_of(taken, [ONE, TWO]), pieces[1])
    _check_becomes(t, 4, number, 200, 2)


# Soft and hard limit of open files, and how many of a hundred Services are answered for.
LIMITS = [("few_open_files_at_first", "100:4096", 100), ("few_open_files_for_ever", "300:300", 44)]


@test_rows(LIMITS, "with_{0}_health_checks_leave_the_daemons_own_ports_open")
def many_health_checks(t, _, limit, answered):
    services = []
    for i in range(100):
        services.append(balanced(t, t.world.node_port()))
        services[-1].name = f"web{i}"
    t.write(*services, piece_of(services[0], [ONE]))
    daemon = t.start(prefix=("prlimit", f"--nofile={limit}"))
    daemon.wait_ready()
    web.expect(t, web.health(t), healthz=200, livez=200, readyz=200)
    t.equal("sockets", answered, web.scrape(t)['kubenft_health_ports{ip_family="IPv4"}'])
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
        t.equal("the other port", 200, web.health(t).status("/healthz"))
    daemon.wait_log('"listening" server="metrics"', patience=15.0)
    t.equal("mode", "nftables", web.metrics(t).get("/proxyMode").text)


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

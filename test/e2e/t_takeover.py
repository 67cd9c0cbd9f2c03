# SPDX-License-Identifier: GPL-2.0-or-later
"""A node on which kube-proxy was at work before."""

import contextlib
import time

import kube_proxy
import load
from exposure import Exposed
from harness import Skip, test
from objects import port
from stream import STABLE, Held, History, groups, judge
from t_lifecycle import ONE
from topology import NODE, pod_address, remote_address


@contextlib.contextmanager
def _kube_proxy(t, services):
    """Its tables are in force, and whatever is left of them goes at the end."""
    t.nft_ok("-f", "-", stdin=kube_proxy.ruleset(services))
    try:
        yield
    finally:
        for family in ("ip", "ip6"):
            t.nft("delete", "table", family, "kube-proxy")


def _tables(t):
    return sorted(line for line in t.tables() if "kube" in line)


# What kube-proxy led to and is gone since, and what has come since.
BEFORE = {f: STABLE[f] + [remote_address(2, f)] for f in (4, 6)}
AFTER = {f: STABLE[f] + [remote_address(3, f)] for f in (4, 6)}


def _every_kind(t):
    """Services that make kube-proxy write every kind of chain and element that it knows."""
    world = t.world
    named = lambda: [port(80, "web", "TCP", world.node_port()), port(80, "dns", "UDP")]
    return [t.service("local", named(), externalTrafficPolicy="Local",
                      internalTrafficPolicy="Local"),
            t.service("sticky", named(), sessionAffinity="ClientIP"),
            t.service("fenced", named(), type="LoadBalancer",
                      loadBalancerSourceRanges=["198.19.0.0/16", "2001:db8:19::/64"],
                      externalIPs=list(world.external_ips().values()),
                      ingress=[{"ip": a} for a in world.external_ips().values()])]


def _switch(t, service, others, held):
    """Start kubenft on top of kube-proxy's tables; the history of the load's endpoints."""
    history = History(frozenset(BEFORE[4] + BEFORE[6]))
    heard = t.transactions()
    t.write(service, *(service.slice(AFTER[f]) for f in (4, 6)), *held.things, *others)
    time.sleep(1)  # of load on kube-proxy's tables
    held.all_work()
    written = time.monotonic()
    daemon = t.run()
    history.add(written, heard.wait(daemon.pid)[0].at, frozenset(AFTER[4] + AFTER[6]))
    held.all_work()
    time.sleep(1)  # of load on ours
    held.all_work()
    t.equal("transactions of the daemon", 1, len(heard.of(daemon.pid)))
    t.equal("tables", ["table ip kubenft", "table ip6 kubenft"], _tables(t))
    t.true("the log says so", "tables of kube-proxy removed in the same transaction\" tables=2" in
           daemon.log(), daemon.log())
    return history


@test(quick=True)
def from_kube_proxys_nftables_mode_it_is_one_transaction_and_no_connection_notices(t):
    service, held = Exposed(t.world), Held(t)
    empty = t.service("empty", [port(80, "", "TCP", t.world.node_port())])
    kinds = _every_kind(t)
    rules = [(s, {f: [(b, 8080) for b in BEFORE[f]] for f in (4, 6)}) for s in (service, *kinds)]
    rules += [(held.service, {f: [(b, 7000) for b in STABLE[f]] for f in (4, 6)}), (empty, {})]
    others = [thing for s in kinds for thing in
              (s, *(t.web_slice(s, AFTER[f]) for f in (4, 6)))] + [empty]
    with _kube_proxy(t, rules):
        t.refused(t.client, "udp", empty.ip(4), 80)
        t.refused(t.external, "tcp", NODE[4], empty.ports[0]["nodePort"])
        t.answered_by(t.client, "tcp", service.ip(4), 80, BEFORE[4])
        for family in (4, 6):
            t.answered_by(t.client, "tcp", kinds[0].ip(family), 80, BEFORE[family][:2])
            t.equal("endpoints of a sticky client", 1, len({r.backend for r in t.connect_many(
                t.client, "tcp", kinds[1].ip(family), 80, 20)}))
        t.dropped(t.external, "tcp", kinds[2].ingress[0]["ip"], 80)
        held.connect()
        with load.Load(t.directory, groups(t, service)) as stream:
            history = _switch(t, service, others, held)
    visits = stream.visits()
    switched = history.states[-1]
    counts = (sum(v.ended < switched.written for v in visits),
              sum(v.began > switched.seen for v in visits))
    t.true("some before, some after", min(counts) > 20, counts)
    judge(t, f"{counts[0]} before and {counts[1]} after a switch from kube-proxy", history, visits)
    t.refused(t.client, "tcp", empty.ip(4), 80)
    t.answered_by(t.client, "tcp", kinds[0].ip(4), 80, AFTER[4][:2])
    t.dropped(t.external, "tcp", kinds[2].ingress[0]["ip"], 80)


@test()
def a_table_of_one_family_alone_goes_too_and_one_that_comes_later_stays(t):
    service, piece = t.web([ONE])
    with _kube_proxy(t, []):
        t.nft_ok("delete", "table", "ip6", "kube-proxy")
        daemon = t.run(service, piece, args=("--table-owner=false",))
        t.equal("tables", ["table ip kubenft", "table ip6 kubenft"], _tables(t))
        t.nft_ok("add", "table", "ip", "kube-proxy")
        mark = daemon.mark()
        t.nft_ok("delete", "table", "ip", "kubenft")
        daemon.wait_log('"tables repaired"', mark)
        t.equal("tables", ["table ip kube-proxy", "table ip kubenft", "table ip6 kubenft"],
                _tables(t))


# As kube-proxy's iptables mode and the kubelet write it, and two neighbours.
IPTABLES = """*filter
:INPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:MINE - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A INPUT -j MINE
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A MINE -s 192.0.2.77/32 -j DROP
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-SVC-TCOU7JCQXEZGVUNU - [0:0]
:KUBE-SEP-6E7XQMQ4RAYOWTTM - [0:0]
:CNI-SETMARK - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A PREROUTING -d 192.0.2.99/32 -j CNI-SETMARK
-A CNI-SETMARK -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-SERVICES -d {ip}/32 -p {protocol} -m {protocol} --dport 80 -j KUBE-SVC-TCOU7JCQXEZGVUNU
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-TCOU7JCQXEZGVUNU -j KUBE-SEP-6E7XQMQ4RAYOWTTM
-A KUBE-SEP-6E7XQMQ4RAYOWTTM -j KUBE-MARK-MASQ
-A KUBE-SEP-6E7XQMQ4RAYOWTTM -p {protocol} -m {protocol} -j DNAT --to-destination {backend}
COMMIT
"""

# What stays of it: the kubelet's, the neighbours', and what a neighbour uses.
STAYS = [":CNI-SETMARK", ":KUBE-FIREWALL", ":KUBE-KUBELET-CANARY", ":KUBE-MARK-MASQ", ":MINE",
         "-A CNI-SETMARK -j KUBE-MARK-MASQ", "-A INPUT -j KUBE-FIREWALL", "-A INPUT -j MINE",
         "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
         "-A MINE -s 192.0.2.77/32 -j DROP",
         "-A PREROUTING -d 192.0.2.99/32 -j CNI-SETMARK"]


def _cleanup(t):
    done = t.command("cleanup", "--kube-proxy")
    t.equal("exit status", 0, done.returncode, done.stderr)
    return done.stderr


def _has_command(t, *names):
    for name in names:
        if t.node.command("sh", "-c", f"command -v {name}").returncode != 0:
            raise Skip(f"there is no {name} here")


@contextlib.contextmanager
def _iptables_mode(t, tool, ip, backend):
    _has_command(t, f"{tool}-restore", f"{tool}-save")
    text = IPTABLES.format(ip=ip, backend=backend, protocol="tcp")
    try:
        done = t.node.command(f"{tool}-restore", input=text)
        if done.returncode != 0 and "legacy" in tool:
            raise Skip(f"no legacy iptables in this kernel: {done.stderr}")
        t.equal(f"{tool}-restore: exit status", 0, done.returncode, done.stderr)
        yield
    finally:
        for table in ("filter", "nat"):
            if "legacy" in tool:
                for command in ("-F", "-X"):
                    t.node.command(tool, "-t", table, command)
            else:
                t.nft("delete", "table", "ip", table)


def _chains_and_rules(t, tool):
    """What tool-save prints, without base chains and counters."""
    lines = t.node.command(f"{tool}-save").stdout.splitlines()
    return sorted(line.split(" - ")[0] for line in lines
                  if line.startswith("-A ") or (line.startswith(":") and " - " in line))


@test(quick=True)
def cleanup_removes_what_iptables_mode_has_left_in_nf_tables_and_no_more(t):
    service, piece = t.web([pod_address(12, 4)])
    with _iptables_mode(t, "iptables-nft", service.ip(4), f"{ONE}:8080"):
        t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
        daemon = t.run(service, piece)
        daemon.wait_log("chains of kube-proxy's iptables mode are in force beside ours")
        heard = t.transactions()
        log = _cleanup(t)
        t.equal("what is left", sorted(STAYS), _chains_and_rules(t, "iptables-nft"))
        t.true("counts", 'removed from nf_tables" tables=0 chains=7 jumps=5' in log, log)
        t.true("what stays is named", 'chain="KUBE-MARK-MASQ"' in log, log)
        heard.of(0)
        t.equal("transactions of it", 1, len([x for x in heard.seen if x.process == "kubenft"]))
        t.answered_by(t.client, "tcp", service.ip(4), 80, [pod_address(12, 4)])
        _cleanup(t)
        t.equal("what is left", sorted(STAYS), _chains_and_rules(t, "iptables-nft"))


@test()
def cleanup_removes_kube_proxys_tables_and_no_others(t):
    with _kube_proxy(t, []):
        t.nft_ok("add", "table", "inet", "kube-proxy-mine")
        log = _cleanup(t)
        t.equal("tables", ["table inet kube-proxy-mine"], _tables(t))
        t.true("counts", 'removed from nf_tables" tables=2' in log, log)
        t.nft_ok("delete", "table", "inet", "kube-proxy-mine")


@test()
def cleanup_names_what_is_in_the_old_iptables_and_changes_nothing(t):
    service, _ = t.web([ONE])
    with _iptables_mode(t, "iptables-legacy", service.ip(4), f"{ONE}:8080"):
        before = _chains_and_rules(t, "iptables-legacy")
        log = _cleanup(t)
        t.equal("its rules", before, _chains_and_rules(t, "iptables-legacy"))
        t.true("tables and command are named", 'legacy iptables rules" tables="' in log and
               "iptables-legacy-save | grep -v KUBE- | iptables-legacy-restore" in log, log)
    log = _cleanup(t)
    t.true("empty legacy tables are not", "legacy" not in log, log)


@test()
def cleanup_destroys_kube_proxys_ip_sets_but_none_in_use(t):
    _has_command(t, "ipset", "iptables-nft")
    for name in ("KUBE-CLUSTER-IP", "KUBE-LOOP-BACK", "mine"):
        done = t.node.command("ipset", "create", name, "hash:ip")
        if done.returncode != 0:
            raise Skip(f"no IP sets in this kernel: {done.stderr}")
    try:
        t.node.command("iptables-nft", "-A", "INPUT", "-m", "set", "--match-set", "KUBE-LOOP-BACK",
                       "src", "-j", "DROP")
        done = t.command("cleanup", "--kube-proxy")
        sets = t.node.command("ipset", "list", "-n").stdout.split()
        t.equal("sets", ["KUBE-LOOP-BACK", "mine"], sorted(sets))
        t.true("the one in use is named", 'set="KUBE-LOOP-BACK"' in done.stderr, done.stderr)
    finally:
        t.nft("delete", "table", "ip", "filter")
        t.node.command("ipset", "destroy")


@test()
def cleanup_deletes_the_device_of_ipvs_mode_only_if_it_is_a_dummy(t):
    t.node.ip("link add kube-ipvs0 type veth peer name kube-ipvs1")
    try:
        log = _cleanup(t)
        t.true("one of another kind is named", "of kind 'veth', not dummy" in log, log)
        t.node.ip("link show kube-ipvs0")
    finally:
        t.node.ip("link del kube-ipvs0")
    if t.node.command("ip", "link", "add", "kube-ipvs0", "type", "dummy").returncode != 0:
        raise Skip("no dummy devices in this kernel")
    t.true("it is removed", "device removed" in _cleanup(t))
    t.true("it is gone", t.node.command("ip", "link", "show", "kube-ipvs0").returncode != 0)


@test()
def cleanup_of_kube_proxys_is_fine_with_nothing_there_and_leaves_ours_alone(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    log = _cleanup(t)
    t.true("nothing was removed", "tables=0 chains=0" in log and "sets=0" in log, log)
    t.equal("tables", ["table ip kubenft", "table ip6 kubenft"], _tables(t))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


@test()
def run_cleanup_removes_kube_proxys_tables_and_ours(t):
    t.write(*t.web([ONE]))
    daemon = t.start()
    daemon.wait_log(r"synced.*refill")
    daemon.stop()
    with _kube_proxy(t, []):
        done = t.command("run", "--cleanup")
        t.equal("exit status", 0, done.returncode, done.stderr)
        t.equal("tables", [], _tables(t))

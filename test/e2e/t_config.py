# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration: files of others, changes of it, and what it does to the node."""

import os
import re

import objects
from daemon import REFILLED, Daemon, until
from harness import Skip, test, test_rows
from objects import port
from topology import NODE_NAME, pod_address

ONE = pod_address(11, 4)
DATA = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../data/config")
HEAD = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
OWN = "apiVersion: kubenft.io/v1alpha1\nkind: KubenftConfiguration\n"
CONNTRACK = "/proc/sys/net/netfilter/nf_conntrack_"


def _start(t, *args):
    """A daemon with these arguments and no others, but for the source and the node's name."""
    daemon = Daemon(t.binary, t.node, t.log_path,
                    ("--source", t.source, "--hostname-override", NODE_NAME, *args))
    t.daemons.append(daemon)
    return daemon


def _run(t, *args):
    daemon = _start(t, *args)
    daemon.wait_log(REFILLED)
    return daemon


def _config(t, text, name="config.conf"):
    path = os.path.join(t.directory, name)
    t.write_text(text, path)
    return path


def _ends(t, daemon):
    until(lambda: not daemon.is_running(), "the daemon ends")
    daemon.stopped = True
    t.equal("exit status", 0, daemon.process.returncode, daemon.log())
    t.true("the log says why", "configuration file has changed" in daemon.log(), daemon.log())


def _conntrack(t, name):
    return int(t.node.command("cat", CONNTRACK + name).stdout)


def _set_conntrack(t, name, value):
    with t.node, open(CONNTRACK + name, "w", encoding="ascii") as file:
        file.write(str(value))


# Files of others

K3S = ("--cluster-cidr=10.244.0.0/16", "--conntrack-max-per-core=0",
       "--conntrack-tcp-timeout-close-wait=0s", "--conntrack-tcp-timeout-established=0s",
       "--feature-gates=CloudDualStackNodeIPs=true", "--healthz-bind-address=127.0.0.1",
       "--proxy-mode=iptables")

OTHERS = [
    ("kubeadm", ("--config=kubeadm.yaml",), ()),
    ("eks", ("--config=eks.yaml", "--v=2"), ("mode",)),
    ("kind", ("--config=kind.yaml",), ("kind.yaml", "feature gate")),
    ("k3s", K3S, ("mode", "feature gate")),
]


@test_rows(OTHERS, "what_{0}_configures_is_taken",
           quick={"what_kubeadm_configures_is_taken", "what_k3s_configures_is_taken"})
def others(t, _, args, warned):
    t.write(*t.web([ONE]))
    daemon = _run(t, *(arg.replace("--config=", f"--config={DATA}/") for arg in args))
    complaints = daemon.complaints()
    t.equal("what is warned of", [*warned],
            [re.search(r'setting="(?:[^"]*/)?([^"]*)"', line).group(1) for line in complaints],
            *complaints)


@test()
def a_file_that_is_wrong_is_refused_and_all_of_it_named(t):
    path = _config(t, HEAD + "oomScoreAdj: many\nconntrack: {min: few}\n")
    for name, status in (("run", 2), ("diff", 2), ("plan", 2)):
        done = t.command(name, "--config", path, "--source", t.source)
        t.equal(f"{name}: exit status", status, done.returncode)
        for word in (path[:40], "oomScoreAdj", "conntrack.min"):
            t.true(f"{name}: {word} is named", word in done.stderr, done.stderr)


@test()
def our_own_document_names_the_source(t):
    service, piece = t.web([ONE])
    t.write(service, piece)
    path = _config(t, f"{HEAD}hostnameOverride: {NODE_NAME}\n---\n{OWN}source: {t.source}\n")
    done = t.command("plan", "--config", path)
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.true("the Service is planned", service.ip(4) in done.stdout, done.stdout[:2000])


@test(quick=True)
def what_is_written_reads_back_the_same(t):
    first, second = (os.path.join(t.directory, name) for name in ("first", "second"))
    flags = ("--cluster-cidr=10.244.0.0/16,fd00::/8", "--conntrack-min=7", "--iptables-sync-period=9s",
             "--nodeport-addresses=10.0.0.0/8", "--nodeport-addresses=fd00::/8",
             "--feature-gates=AllowServiceExternalIPs=false", "--v=3", "--vmodule=a*=2")
    done = t.command(*flags, "--write-config-to", first)
    t.equal("exit status", 0, done.returncode, done.stderr)
    done = t.command("--config", first, "--write-config-to", second)
    t.equal("exit status", 0, done.returncode, done.stderr)
    with open(first, encoding="utf-8") as a, open(second, encoding="utf-8") as b:
        text = a.read()
        t.equal("the second file", text, b.read())
    for line in ("  min: 7", '  syncPeriod: "9s"', 'clusterCIDR: "10.244.0.0/16,fd00::/8"'):
        t.true(f"{line} is in it", line in text.split("\n"), text)


# Changes

def _write_in_place(t, path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _rename(t, path, text):
    t.write_text(text, path)


@test_rows([("written_in_place", _write_in_place), ("replaced", _rename)],
           "a_configuration_that_is_{0}_ends_the_daemon_and_the_ruleset_stays",
           quick=lambda *_: True)
def change(t, _, write):
    service, piece = t.web([ONE])
    t.write(service, piece)
    path = _config(t, HEAD)
    daemon = _run(t, "--config", path)
    write(t, path, HEAD + "oomScoreAdj: -998\n")
    _ends(t, daemon)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


def _volume(t, number, text):
    """A ConfigMap volume as the kubelet makes it: a directory of data, behind a link."""
    volume = os.path.join(t.directory, "volume")
    data = f"..data{number}"
    os.makedirs(os.path.join(volume, data))
    with open(os.path.join(volume, data, "config.conf"), "w", encoding="utf-8") as file:
        file.write(text)
    os.symlink(data, os.path.join(volume, "..data_tmp"))
    os.rename(os.path.join(volume, "..data_tmp"), os.path.join(volume, "..data"))
    path = os.path.join(volume, "config.conf")
    if not os.path.lexists(path):
        os.symlink("..data/config.conf", path)
    return path


@test_rows([("swaps_its_link", True), ("is_written_behind_a_swapped_link", False)],
           "a_volume_that_{0}_ends_the_daemon_when_the_content_is_another",
           quick=lambda _, swap: swap)
def volume(t, _, swap):
    t.write(*t.web([ONE]))
    daemon = _run(t, "--config", _volume(t, 1, HEAD), "-v=2")
    for number in (2, 3, 4):
        _volume(t, number, HEAD)
    path = _volume(t, 5, HEAD)
    os.utime(path)
    _still_turns(t, daemon)
    if swap:
        _volume(t, 6, HEAD + "oomScoreAdj: -998\n")
    else:
        _write_in_place(t, os.path.realpath(path), HEAD + "oomScoreAdj: -998\n")
    _ends(t, daemon)


def _still_turns(t, daemon):
    """What came before has been looked at: the loop does a later change of the source."""
    start = daemon.mark()
    t.write(*t.web([ONE], name=f"turn{start}"))
    daemon.wait_synced(start)
    t.true("the daemon runs", daemon.is_running())


@test(quick=True)
def a_change_to_something_broken_changes_nothing_until_it_is_mended(t):
    t.write(*t.web([ONE]))
    path = _config(t, HEAD)
    daemon = _run(t, "--config", path, "-v=2")
    t.write_text("kind: [\n", path)
    daemon.wait_log("changed and is refused")
    os.unlink(path)
    daemon.wait_log("configuration not read")
    t.write_text(HEAD, path)
    _still_turns(t, daemon)
    t.write_text(HEAD + "# but for this\n", path)
    _ends(t, daemon)


# The node

@test_rows([("given_at_the_start", True), ("in_place_of_the_file", False)],
           "a_pipe_{0}_does_not_stop_the_loop")
def pipe(t, _, given):
    t.write(*t.web([ONE]))
    text = HEAD
    path = os.path.join(t.directory, "config.pipe") if given else _config(t, text)
    if given:
        os.mkfifo(path)
        daemon = _start(t, "--config", path, "-v=2")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        daemon.wait_log(REFILLED)
    else:
        daemon = _run(t, "--config", path, "-v=2")
        os.mkfifo(path + "~")
        os.rename(path + "~", path)
        daemon.wait_log("not a regular file")
    _still_turns(t, daemon)


def _is_writable(t):
    with t.node:
        return os.access(CONNTRACK + "udp_timeout", os.W_OK)


@test_rows([("a_start", False), ("init_only", True)], "{0}_sets_conntrack_as_configured",
           quick=lambda *_: True)
def sysctls(t, _, init):
    if not _is_writable(t):
        raise Skip("no permission to write this namespace's sysctls")
    names = ("tcp_timeout_established", "tcp_timeout_close_wait", "tcp_be_liberal", "udp_timeout",
             "udp_timeout_stream")
    before = {name: _conntrack(t, name) for name in ("max", *names)}
    flags = ("--conntrack-tcp-timeout-established=1h", "--conntrack-tcp-timeout-close-wait=0",
             "--conntrack-tcp-be-liberal", "--conntrack-udp-timeout=45s",
             "--conntrack-udp-timeout-stream=1500ms")
    try:
        if init:
            done = t.command(*flags, "--init-only")
            t.equal("exit status", 0, done.returncode, done.stderr)
            t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])
        else:
            t.write(*t.web([ONE]))
            _run(t, *flags)
        wanted = {"tcp_timeout_established": 3600, "tcp_be_liberal": 1, "udp_timeout": 45,
                  "udp_timeout_stream": 2}
        t.equal("conntrack's settings", {**before, **wanted},
                {name: _conntrack(t, name) for name in before})
    finally:
        for name in names:
            _set_conntrack(t, name, before[name])


ONLY_NET_ADMIN = ("setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin")


@test()
def what_a_privileged_init_has_done_needs_no_privilege_later(t):
    if not _is_writable(t):
        raise Skip("no permission to write this namespace's sysctls")
    before = _conntrack(t, "udp_timeout")
    # a file system that is read only is what an unprivileged container has
    bare = ("unshare", "--mount", "sh", "-c",
            'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$@"',
            "sh")
    try:
        refused = t.command("--init-only", "--conntrack-udp-timeout=44s", prefix=bare)
        if refused.stderr.split(":")[0] in ("mount", "unshare"):
            raise Skip("cannot mount here")
        t.equal("exit status without", 1, refused.returncode, refused.stderr)
        for word in ("nf_conntrack_udp_timeout", "Read-only", "--init-only"):
            t.true(f"{word} is named", word in refused.stderr, refused.stderr)
        t.equal("with", 0, t.command("--init-only", "--conntrack-udp-timeout=44s").returncode)
        later = t.command("--init-only", "--conntrack-udp-timeout=44s", prefix=bare)
        t.equal("exit status later", 0, later.returncode, later.stderr)
    finally:
        _set_conntrack(t, "udp_timeout", before)


@test()
def the_daemon_takes_its_oom_score(t):
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        own = int(file.read())
    score = 900 if own < 900 else 1000
    t.write(*t.web([ONE]))
    daemon = _run(t, f"--oom-score-adj={score}")
    with open(f"/proc/{daemon.pid}/oom_score_adj", encoding="ascii") as file:
        t.equal("its score", score, int(file.read()))


@test()
def cleanup_as_a_flag_removes_the_tables(t):
    t.write(*t.web([ONE]))
    _run(t).stop_gracefully()
    done = t.command("--cleanup", "--v=2")
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.equal("tables", [], [line for line in t.tables() if "kubenft" in line])


@test()
def version_as_a_flag_is_answered_beside_all_others(t):
    done = t.command("--config=/nonexistent", "--v=2", "--version")
    t.equal("exit status", 0, done.returncode, done.stderr)
    t.true("the version", done.stdout.startswith("kubenft "), done.stdout)


@test()
def BUG_1_3_external_ips_are_left_out_when_the_feature_gate_says_so(t):
    # With internal policy Local, endpoints elsewhere would be for them alone.
    external, elsewhere = t.world.external_ips()[4], "10.244.1.11"
    service = t.service("web", [port(80, "web")], (4,), externalIPs=[external],
                        internalTrafficPolicy="Local")
    t.write(service, t.web_slice(service, [ONE, elsewhere]))
    done = t.command("plan", "--source", t.source, "--hostname-override", NODE_NAME)
    t.true("without", external in done.stdout, done.stdout[:2000])
    done = t.command("plan", "--source", t.source, "--hostname-override", NODE_NAME,
                     "--feature-gates=AllowServiceExternalIPs=false")
    t.true("with", external not in done.stdout and service.ip(4) in done.stdout,
           done.stdout[:2000])
    t.true("nor what is for them", elsewhere not in done.stdout, done.stdout[:2000])


@test()
def node_ports_are_served_on_the_bind_address(t):
    number = t.world.node_port()
    service = t.service("web", [port(80, "web", "TCP", number)], (4,))
    t.write(service, t.web_slice(service, [ONE]), objects.node())
    done = t.command("plan", "--source", t.source, "--hostname-override", NODE_NAME,
                     "--bind-address=192.0.2.77")
    t.true("the address has the port", f"192.0.2.77 . tcp . {number}" in done.stdout,
           done.stdout[:2000])

# SPDX-License-Identifier: GPL-2.0-or-later
"""A Service that the kernel refuses: all others are served, and it is named.

There is none of which that is known, so what is on its way to the kernel is spoiled (poison.c).
"""

import json
import os
import subprocess

import web
from daemon import CIDR_ARGS, NODE_ARGS, run_command, until
from harness import test
from t_diff import SCHEMA, schema
from topology import pod_address, remote_address

HERE = os.path.dirname(os.path.realpath(__file__))
ONE, TWO, THREE = (pod_address(number, 4) for number in (11, 12, 13))


class _Poison:
    """Spoils what becomes of @service while @path exists."""

    def __init__(self, t, service, chain="slots-"):
        self.path = os.path.join(t.directory, "poison")
        library = os.path.join(t.directory, "poison.so")
        subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-Wall", "-Werror",
                        "-o", library,
                        os.path.join(HERE, "poison.c")], check=True)
        self.env = {"LD_PRELOAD": library, "POISON": service.ip(4), "POISON_WHILE": self.path,
                    "POISON_CHAIN": chain,
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                    ":verify_asan_link_order=0"}

    def on(self):
        with open(self.path, "w", encoding="ascii"):
            pass

    def off(self):
        os.remove(self.path)

    def prefix(self):
        return ("env", *(f"{name}={value}" for name, value in self.env.items()))


def _refused(t):
    text = web.Port(t.node, web.LOOPBACK[4], web.METRICS_PORT).get("/metrics").text
    return web.samples(text)["kubenft_services_refused"]


def _sync_part(t):
    return web.Port(t.node, web.LOOPBACK[4], web.HEALTH_PORT).part("sync")


def _accepted(t, backends):
    """Wait until the trial has come."""
    until(lambda: _refused(t) == 0, "no Service is refused", 30.0)
    return backends


@test(quick=True)
def a_service_that_the_kernel_refuses_is_named_and_all_others_are_served(t):
    good, good_slice = t.web([ONE], name="good")
    bad, bad_slice = t.web([TWO], name="bad")
    poison = _Poison(t, bad)
    poison.on()
    daemon = t.run(good, good_slice, bad, bad_slice, env=poison.env)
    line = daemon.wait_log('subject="Service default/bad"')
    t.true("the element and the reason are named",
           f"refused by the kernel, left out: ip frontends: adding {bad.ip(4)} . " in line and
           "No such file or directory" in line, line)
    t.answered_by(t.client, "tcp", good.ip(4), 80, [ONE])
    t.equal("Services that are refused", 1, _refused(t))
    t.true("health tells", "the kernel refuses 1 Service," in _sync_part(t), _sync_part(t))

    start = daemon.mark()
    t.write(good, t.web_slice(good, [THREE]), bad, bad_slice)
    daemon.wait_synced(start)
    t.answered_by(t.client, "tcp", good.ip(4), 80, [THREE])

    poison.off()
    t.write(good, t.web_slice(good, [THREE]), bad, t.web_slice(bad, [ONE, TWO]))
    t.answered_by(t.client, "tcp", bad.ip(4), 80, _accepted(t, [ONE, TWO]))
    t.true("health is content", "everything is in the kernel" in _sync_part(t), _sync_part(t))


@test()
def a_change_that_the_kernel_refuses_leaves_its_service_as_it_was(t):
    good, good_slice = t.web([ONE], name="good")
    bad, bad_slice = t.web([TWO], name="bad")
    poison = _Poison(t, bad, "slots-4")
    daemon = t.run(good, good_slice, bad, bad_slice, env=poison.env)
    t.answered_by(t.client, "tcp", bad.ip(4), 80, [TWO])
    poison.on()
    t.write(good, t.web_slice(good, [THREE]), bad, t.web_slice(bad, [ONE, TWO, THREE]))
    # as a change it is refused, in the refill that follows it goes without
    line = daemon.wait_log('subject="Service default/bad"')
    t.true("its last form stays", "refused by the kernel, its last form stays: " in line, line)
    t.answered_by(t.client, "tcp", bad.ip(4), 80, [TWO])
    t.answered_by(t.client, "tcp", good.ip(4), 80, [THREE])
    t.equal("Services that are refused", 1, _refused(t))
    poison.off()
    t.write(good, t.web_slice(good, [THREE]), bad, t.web_slice(bad, [ONE, THREE, remote_address(1, 4)]))
    t.answered_by(t.client, "tcp", bad.ip(4), 80,
                  _accepted(t, [ONE, THREE, remote_address(1, 4)]))


@test(quick=True)
def diff_check_asks_the_kernel_beside_a_running_daemon(t):
    good, good_slice = t.web([ONE], name="good")
    bad, bad_slice = t.web([TWO], name="bad")
    t.run(good, good_slice, bad, bad_slice)
    heard = t.transactions()
    done = t.diff("--check")
    t.equal("in sync", (0, "checked: the kernel takes all of it\nin sync\n"),
            (done.returncode, done.stdout), done.stderr)
    t.write(good, t.web_slice(good, [ONE, TWO]), bad, bad_slice, path=t.directory + "/new.yaml")
    done = t.diff("--check", source=t.directory + "/new.yaml")
    t.equal("differs", 1, done.returncode, done.stderr)
    t.true("checked", "\nchecked: the kernel takes all of it\n" in done.stdout, done.stdout)
    done = t.command("diff", "--check", "--from", t.source, "--to", t.directory + "/new.yaml",
                     *NODE_ARGS, *CIDR_ARGS)
    t.equal("between two files", 1, done.returncode, done.stderr)
    t.true("checked", "\nchecked: the kernel takes all of it\n" in done.stdout, done.stdout)
    t.equal("transactions", [], heard.seen)
    t.true("no table is left", not any("kubenft-check" in line for line in t.tables()))


@test(quick=True)
def diff_check_names_what_the_kernel_refuses(t):
    good, good_slice = t.web([ONE], name="good")
    bad, bad_slice = t.web([TWO], name="bad")
    t.write(good, good_slice, bad, bad_slice)
    poison = _Poison(t, bad)
    poison.on()

    def diff(form):
        done = run_command(t.binary, t.node, "diff", "--check", "-o", form, *t.source_args(),
                           *NODE_ARGS, *CIDR_ARGS, prefix=poison.prefix())
        t.equal(f"exit status of -o {form}", 2, done.returncode, done.stderr)
        t.true("an error is logged", "the kernel refuses what a start would send" in done.stderr,
               done.stderr)
        return done.stdout

    reason = f"ip frontends: adding {bad.ip(4)} . "
    t.true("as text", f"\nrefused by the kernel\n  ! default/bad: {reason}" in diff("text"),
           diff("text"))
    t.true("for nft", f"# refused by the kernel: default/bad: {reason}" in diff("nft"))
    value = json.loads(diff("json"))
    t.equal("faults of the JSON", [], schema.faults(value, SCHEMA))
    t.equal("accepted", False, value["check"]["accepted"])
    t.equal("refused", [("default", "bad")],
            [(one["namespace"], one["name"]) for one in value["check"]["refused"]])
    t.true("with the reason", value["check"]["refused"][0]["reason"].startswith(reason))
    poison.off()
    done = run_command(t.binary, t.node, "diff", "--check", *t.source_args(), *NODE_ARGS,
                       *CIDR_ARGS, prefix=poison.prefix())
    t.equal("without the poison", 1, done.returncode, done.stderr)

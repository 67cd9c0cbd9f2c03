# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything at once, at random: after each quiet moment the kernel holds what it should.

What happens is made from a seed, which is printed; test/e2e/run --seed NUMBER makes it again, but for
the moments at which it happens.
"""

import random
import signal
import socket
import time
from collections import Counter

import api
import descriptors
import oracle
import transactions
from daemon import Failure, until
from harness import test_rows
from random_cluster import Cluster

# After failures, try again soon; ask as often as there is something to ask.
HASTE = ("--iptables-sync-period=500ms", "--kube-api-qps=-1")

PATIENCE = 60.0  # until the kernel is right again, on a busy machine, with sanitizers
LASTS = 0.05  # and then it stays so

# What the daemons said, for whoever wants to know what a run was worth.
WORDS = {"syncs": '"synced"', "repairs": '"tables repaired"', "losses of notices":
         '"it is not known what others have done', "batches too large": "does not fit",
         "answers lost": "answers were lost", "looks that found something":
         '"the kernel does not hold what it should"'}

_VERDICT_MAPS = ("frontends", "restricted-frontends", "sticky-frontends", "local-frontends",
                 "cluster-frontends", "sticky-timeouts")
_CHAINS = ("services", "after-dnat", "refuse", "sticky", "slots-4", "pick-2", "local-only")


def _nft_key(key):
    return " . ".join(str(part) for part in key)


class Chaos:
    def __init__(self, t, server, owned):
        self.t, self.server, self.owned = t, server, owned
        self.args = (*HASTE, f"--table-owner={'true' if owned else 'false'}")
        self.rng = random.Random(f"{t.world.seed} {owned}")
        self.cluster = Cluster(self.rng)
        self.counts = Counter()
        self.frames = None
        self.short = None
        self.is_away = False
        self.cluster.fill()
        server.put(*self.cluster.objects.values())
        self.daemon = t.run(args=self.args)
        self.is_in_force = True  # and was since the daemon's start

    # ---- What happens ----

    def _change(self, count):
        """So many changes, told as one."""
        new, gone = self.cluster.change(count)
        if self.rng.random() < 0.5:
            self.server.put(*new)
            self.server.delete(*gone)
        else:
            self.server.delete(*gone)
            self.server.put(*new)

    def objects_change(self):
        for _ in range(self.rng.choice((1, 1, 1, 2, 5, 20))):
            self._change(1)

    def _start(self):
        self.daemon = self.t.start(*self.args)
        self.is_in_force = False

    def daemon_dies(self):
        self.short = None
        # It may have been started just now: only one that has its handlers ends in good order.
        self.daemon.kill()
        if self.rng.random() < 0.5:
            self._crime()
        self._start()

    def daemon_is_stopped(self):
        if not self.is_in_force:
            return
        self.short = None
        self.daemon.stop_gracefully()
        if self.rng.random() < 0.3:
            self.objects_change()
        self._start()

    def daemon_stands_still(self):
        is_flooded = self.rng.random() < 0.5
        if is_flooded:
            self.memory_is_short()
        self.daemon.process.send_signal(signal.SIGSTOP)
        try:
            if is_flooded:  # what comes now, nobody may hear of
                self.somebody_else_writes(50)
            for _ in range(self.rng.randint(1, 3)):
                self._crime()
            self.objects_change()
        finally:
            self.daemon.process.send_signal(signal.SIGCONT)

    def memory_is_short(self):
        if self.short is None:
            options = self.rng.sample((socket.SO_SNDBUF, socket.SO_RCVBUF), self.rng.randint(1, 2))
            self.short = descriptors.SmallBuffers(self.daemon.pid, *options)
        self._change(15)

    def server_goes_away(self):
        if not self.is_away:
            self.server.server.down(with_reset=self.rng.random() < 0.5)
            self.is_away = True

    def server_comes_back(self):
        if self.is_away:
            self.server.server.up(compact=self.rng.random() < 0.5)
            self.is_away = False

    def watches_end(self):
        how = self.rng.choice(("close", "reset", "end", "expire"))
        if how == "expire":
            self.server.expire(*self.rng.sample(api.RESOURCES, 2))
        elif not self.is_away:
            self.server.server.end(then=how)

    def server_hangs(self):
        self.server.server.freeze()
        time.sleep(self.rng.uniform(0, 0.2))
        self.server.server.thaw()

    def somebody_else_writes(self, count=2):
        """Something of his own, in so many transactions; none of our business."""
        with transactions.Writer(self.t.node) as writer:
            writer.toggle("neighbour", count)
        self.t.nft("delete", "table", "ip", "neighbour")

    # ---- What others do to our tables ----

    def _element(self, family):
        """(map, key) of an element that there should be."""
        state = self.desired()[family]
        kind = self.rng.choice([kind for kind, elements in state.items() if elements])
        key = self.rng.choice(sorted(state[kind], key=str))
        if kind == "backends":
            key = (*key[:3], key[3] + self.rng.randrange(len(state[kind][key])))
        return kind, key

    def _foreign_element(self, family):
        address = {"ip": f"198.51.100.{self.rng.randrange(256)}",
                   "ip6": f"2001:db8:99::{self.rng.randrange(256):x}"}[family]
        front = f"{address} . tcp . {self.rng.randrange(1, 1000)}"
        return self.rng.choice((
            *(f"{name} {{ {front} : {self.rng.choice(('drop', 'goto refuse', 'accept'))} }}"
              for name in _VERDICT_MAPS),
            f"backends {{ {front} . {self.rng.randrange(70000)} : {address} . 1 }}",
            f"cluster-ips {{ {address} }}", f"pod-cidrs {{ {address} }}",
            f"service-cidrs {{ {address} }}", f"hairpin {{ {address} . {address} }}",
            f"external-cluster {{ {front} }}", f"external-local {{ {front} }}",
            f"allowed-sources {{ {front} . {address} }}"))

    def _change_element(self, family):
        state = self.desired()[family]
        if self.rng.random() < 0.5 and state["backends"]:
            *front, base = self.rng.choice(sorted(state["backends"], key=str))
            key = f"{_nft_key(front)} . {base}"
            to = "192.0.2.99 . 9" if family == "ip" else "2001:db8::99 . 9"
            return (f"delete element {family} kubenft backends {{ {key} }}\n"
                    f"add element {family} kubenft backends {{ {key} : {to} }}")
        key = _nft_key(self.rng.choice(sorted(state["frontends"], key=str)))
        return (f"delete element {family} kubenft frontends {{ {key} }}\n"
                f"add element {family} kubenft frontends {{ {key} : drop }}")

    def _crime_text(self):
        """Commands for nft that change our tables."""
        rng, family = self.rng, self.rng.choice(("ip", "ip6"))
        table = f"{family} kubenft"
        kind, key = self._element(family)
        chain = rng.choice(_CHAINS)
        hook = "{ type filter hook input priority 0; policy accept; }"
        # Nothing that keeps a daemon from the API server: one that starts would wait for that.
        drop = {"ip": "ip daddr 203.0.113.99 drop", "ip6": "ip6 daddr 2001:db8::99 drop"}[family]
        return rng.choice((
            f"delete table {table}",
            f"delete table {table}\nadd table {table}\nadd chain {table} services",
            *[f"delete element {table} {kind} {{ {_nft_key(key)} }}"] * 4,
            *[f"add element {table} {self._foreign_element(family)}"] * 4,
            *[self._change_element(family)] * 3,
            f"flush {'map' if kind in _VERDICT_MAPS or kind == 'backends' else 'set'} "
            f"{table} {kind}",
            f"flush chain {table} {chain}",
            f"add rule {table} {chain} {drop}",
            f"insert rule {table} {chain} counter accept",
            f"add chain {table} mine\nadd rule {table} mine drop",
            f"add chain {table} hooked {hook}\nadd rule {table} hooked {drop}",
            f"flush chain {table} input\ndelete chain {table} input",
            f"add table {table} {{ flags dormant; }}",
            f"add set {table} s {{ type inet_service; elements = {{ 7 }}; }}",
            f"add counter {table} c"))

    def _crime(self):
        """Returns whether nft was allowed to do it."""
        if self.rng.random() < 0.15:
            return self._flush()
        return self.t.nft("-f", "-", stdin=self._crime_text() + "\n").returncode == 0

    def _flush(self):
        self.t.nft_ok("flush", "ruleset")
        return False

    def crime(self):
        if self._crime():
            self.counts["tables changed by others"] += 1
            if self.owned and self.is_in_force:
                raise Failure("somebody else has changed tables that the daemon owns")

    # ---- What must come of it ----

    def desired(self):
        return oracle.desired(self.server.truth.values())

    def _faults(self):
        tables = oracle.read(self.t)
        if self.frames is None:
            self.frames = {name: table.frame for name, table in tables.items()}
        return oracle.faults(self.desired(), tables, self.frames)

    def become_quiet(self):
        if self.short:
            self.short.end()
            self.short = None
        self.server_comes_back()
        faults = []

        def right():
            faults[:] = self._faults()
            return not faults and self.daemon.is_running()
        try:
            until(right, "the kernel holds what it should", PATIENCE, 0.02)
        except Failure as failure:
            raise Failure(str(failure), *faults[:20]) from None
        time.sleep(LASTS)
        done = self.t.diff()
        self.t.equal("diff: exit status", 0, done.returncode, done.stdout, done.stderr)
        self.t.equal("what is wrong again", [], self._faults()[:20])
        self.is_in_force = True

    def round(self):
        actions = {self.objects_change: 10, self.crime: 8, self.daemon_dies: 2,
                   self.daemon_is_stopped: 1, self.daemon_stands_still: 2,
                   self.memory_is_short: 2, self.server_goes_away: 1, self.server_comes_back: 2,
                   self.watches_end: 1, self.server_hangs: 1, self.somebody_else_writes: 2}
        for action in self.rng.choices(list(actions), list(actions.values()),
                                       k=self.rng.randint(2, 12)):
            self.counts[action.__name__.replace("_", " ")] += 1
            action()
            time.sleep(self.rng.choice((0, 0, 0.002, 0.02, 0.1)))
        self.become_quiet()
        self.counts["rounds"] += 1


@test_rows([("owned", True), ("plain", False)],
           "whatever_happens_the_kernel_ends_up_right_with_{0}_tables", quick=lambda *_: True)
def chaos(t, _, owned):
    server = api.Api(t)
    scene = Chaos(t, server, owned)
    print(f"# seed {t.world.seed}", flush=True)
    scene.become_quiet()
    deadline = time.monotonic() + t.world.load_seconds / 4
    while time.monotonic() < deadline or scene.counts["rounds"] == 0:
        scene.round()
    told = {what: scene.daemon.log().count(words) for what, words in WORDS.items()}
    for counts in (scene.counts, told):
        print("# " + ", ".join(f"{count} {name}" for name, count in counts.items()))

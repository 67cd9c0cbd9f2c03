# SPDX-License-Identifier: GPL-2.0-or-later
"""Random events: is, after each of them, in the kernel what the contract says, and tracked no more
and no less?

test/oracle has the contract as a program, and the clusters; it looks at plans alone.
SEED in the environment repeats a run.
"""

import ipaddress
import itertools
import json
import os
import random
import sys

import conntrack
from conntrack import Flow
from daemon import until
from harness import test_rows
from objects import port

ORACLE = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(__file__))), "oracle")
sys.path.append(ORACLE)
import clusters  # noqa: E402
import compare  # noqa: E402
import contract  # noqa: E402
import ruleset  # noqa: E402

STEPS = 20
FLOWS = 40  # new ones before each event

# What one test has tracked is there in the next one, too.
_source_ports = itertools.count(2000)

# Addresses that the machine has now and then, besides those of its devices.
PASSING = ["192.0.2.1", "192.0.2.77", "2001:db8::1", "2001:db8::77", "10.96.0.1"]
RANGES = ["192.0.2.0/24", "2001:db8::/64"]

WAYS = {
    "by_range_and_on_primary_addresses": (
        ("--cluster-cidr", ",".join(clusters.POD_CIDRS)), {"pod_cidrs": clusters.POD_CIDRS}),
    "by_the_Nodes_ranges_and_on_ranges": (
        ("--detect-local-mode", "NodeCIDR", "--nodeport-addresses", ",".join(RANGES)),
        {"pod_cidrs": None, "node_port_cidrs": RANGES}),
    "not_at_all_and_on_every_address": (
        ("--nodeport-addresses", "0.0.0.0/0,::/0"), {"node_port_cidrs": ["0.0.0.0/0", "::/0"]}),
}


class Walk:
    """A daemon and what happens to it."""

    def __init__(self, t, args, facts, seed):
        self.t, self.args, self.options = t, args, facts
        self.maker = clusters.Maker(random.Random(seed))
        self.things = self.maker.cluster()
        self.passing = []
        self.daemon = None
        self.tracked = {}  # source port: Flow

    @property
    def random(self):
        return self.maker.random

    def all_things(self):
        # The marker makes every step a change.
        return [*self.things.values(), self.t.service("marker", [port(1)]).object()]

    def write(self):
        """Returns the objects, and by what the log is to be looked at."""
        things = self.all_things()
        mark = os.path.getsize(self.t.log_path) if self.daemon else 0
        if self.t.api:
            self.t.write(*things, with_node=False)
            return list(self.t.api.truth.values()), mark
        self.t.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": things}))
        return things, mark

    def wanted(self, things):
        node = next((t for t in things if t["kind"] == "Node"), None)
        devices = json.loads(self.t.node.command("ip", "-j", "address").stdout)
        own = [ipaddress.ip_address(a["local"]) for d in devices for a in d["addr_info"]]
        facts = contract.Facts(clusters.NODE, node, machine_addresses=own, **self.options)
        return contract.Cluster(things, facts), own

    def start(self):
        things, _ = self.write()
        self.daemon = self.t.run(args=self.args, cidrs=())
        return things

    def restart(self):
        """Sometimes with another state of things."""
        self.daemon.stop_gracefully() if self.random.random() < 0.5 else self.daemon.kill()
        self.things = self.maker.change(self.things)
        return self.start()

    def step(self):
        """Something happens, and is in force when this returns; returns the objects."""
        what = self.random.randint(0, 9)
        if what == 0:
            return self.restart()
        if what == 1:
            ip = self.random.choice(PASSING)
            verb = "del" if ip in self.passing else "add"
            self.t.node.ip(f"address {verb} {ip}/{128 if ':' in ip else 32} dev lo")
            self.passing.remove(ip) if verb == "del" else self.passing.append(ip)
        else:
            self.things = self.maker.change(self.things)
        things, mark = self.write()
        if not self.t.api:  # there, it has been waited for
            self.daemon.wait_synced(mark)
        return things

    def faults(self, things):
        cluster, own = self.wanted(things)
        plan = self.t.command("plan", *self.t.source_args(), "--hostname-override",
                              clusters.NODE, *self.args)
        self.t.equal("plan: exit status", 0, plan.returncode, plan.stderr)
        listing = self.t.nft_ok("list", "table", "ip", "kubenft") + \
            self.t.nft_ok("list", "table", "ip6", "kubenft")
        tables = ruleset.read(listing, ruleset.read(plan.stdout))
        return compare.Comparison(cluster, tables, own).run()

    # Connections that are tracked

    def _flow(self, protocol, key, reply):
        source = self.random.choice(clusters.SOURCES[key[0].version])
        return Flow(protocol, source, next(_source_ports), str(key[0]), key[1], str(reply[0]),
                    reply[1], 0)

    def _ways(self, cluster):
        """(protocol, frontend, who answers) that are in order now."""
        for (ip, protocol, number), claims in cluster.frontends.items():
            if len({c.serving for c in claims}) == 1:
                for backend in claims[0].serving:
                    if protocol in ("tcp", "udp"):
                        yield protocol, (ip, number), backend
                if protocol == "udp" and claims[0].serving:
                    # Section 4.1: not a flow of this Service, though its number is one.
                    other = ipaddress.ip_address(compare.ELSEWHERE[ip.version])
                    yield "udp", (other, number), (other, number)
        for family in (4, 6):
            for text in clusters.SERVICE_IPS[family] + clusters.EXTERNAL_IPS[family]:
                for number in (*clusters.NUMBERS, *clusters.NODE_PORTS):
                    key = ipaddress.ip_address(text), number
                    if (key[0], "udp", number) not in cluster.frontends:
                        yield "udp", key, key

    def track(self, cluster):
        ways = list(self._ways(cluster))
        new = [self._flow(*way) for way in self.random.sample(ways, min(FLOWS, len(ways)))]
        conntrack.create(self.t.node, new)
        self.tracked.update({f.source_port: f for f in new})

    def expect_tracked(self, before, after):
        """What must be gone goes, and nothing else."""
        stale = set()
        for number, f in self.tracked.items():
            key = ipaddress.ip_address(f.address), f.port
            reply = ipaddress.ip_address(f.backend), f.backend_port
            name = key[0], "udp", key[1]
            is_gone = f.protocol == "udp" and name in before.frontends and \
                name not in after.frontends
            if is_gone or contract.is_stale(after, f.protocol, key, reply):
                stale.add(number)

        def present():
            return {f.source_port for f in conntrack.flows(self.t.node)
                    if f.source_port in self.tracked and
                    f.source == self.tracked[f.source_port].source}
        until(lambda: not present() & stale, lambda: "stale flows go: " + str(
            [self.tracked[n] for n in present() & stale][:3]), 5)
        missing = self.tracked.keys() - stale - present()
        self.t.equal("flows that should have stayed", [], [self.tracked[n] for n in missing][:5])
        for number in stale:
            del self.tracked[number]


@test_rows([(way,) for way in WAYS],
           "random_events_leave_what_the_contract_says_with_pods_told_{}",
           quick=lambda way: way.startswith("by_range"))
def random_events(t, way):
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(10 ** 9))
    print(f"# seed {seed}", flush=True)
    walk = Walk(t, *WAYS[way], f"{seed} {way}")
    try:
        things = walk.start()
        for number in range(STEPS):
            t.equal(f"step {number}: differences to the contract", [], walk.faults(things)[:5])
            before, _ = walk.wanted(things)
            walk.track(before)
            things = walk.step()
            after, _ = walk.wanted(things)
            walk.expect_tracked(before, after)
    finally:
        for ip in walk.passing:
            t.node.ip(f"address del {ip}/{128 if ':' in ip else 32} dev lo")

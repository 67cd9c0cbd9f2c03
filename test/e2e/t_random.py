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
import probes
import topology
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

CROWD = 5  # clients from outside that affinity is kept for
PURGED_WITHIN_S = 5

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
        self.maker = clusters.Maker(random.Random(seed), sticky=0.6)
        self.things = self.maker.cluster(at_least=4)
        self.passing = []
        self.daemon = None
        self.facts = None  # that the daemon has
        self.rules = None
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
        self.facts = contract.Facts(clusters.NODE, node, machine_addresses=own,
                                    before=self.facts, **self.options)
        return contract.Cluster(things, self.facts), own

    def start(self):
        # Without a Node's ranges, where these tell pods, it would wait.
        self.things.setdefault(("Node", "", clusters.NODE), self.maker.node())
        things, _ = self.write()
        self.facts = None
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
        rules = ruleset.read(plan.stdout)
        if not any(t["kind"] == "Node" for t in things):
            for family, table in rules.items():  # the plan knows less than the daemon
                table.chains.update(self.rules[family].chains)
        self.rules = rules
        tables = ruleset.read(listing, rules)
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

    # Clients that are remembered

    def _clients(self, family):
        """[(namespace, source)]"""
        crowd = [topology.crowd_address(i, family) for i in range(CROWD)]
        return [(self.t.client, topology.pod_address(5, family)),
                *((self.t.external, address) for address in crowd)]

    @staticmethod
    def _sticky(cluster):
        """{frontend as text: what it is}, where that is not left open."""
        return {(str(ip), protocol, str(number)): claims[0]
                for (ip, protocol, number), claims in cluster.frontends.items()
                if len(claims) == 1 and claims[0].affinity}

    def visit(self, cluster):
        """The first packet of everybody to each frontend with affinity, of TCP and UDP."""
        for address, protocol, number in self._sticky(cluster):
            family = 6 if ":" in address else 4
            for namespace, source in self._clients(family) if protocol != "sctp" else ():
                job = probes.Job(namespace, protocol, address, int(number), source)
                with namespace:
                    probes.start(job).sock.close()

    def remembered(self):
        """{(client, frontend): endpoint}"""
        found = {}
        for family in ("ip", "ip6"):
            listing = self.t.nft_ok("list", "map", family, "kubenft", "affinity")
            for key, (data, _) in ruleset.elements(listing):
                number = key[4].split() if len(key) > 4 else key[3].split()
                found[key[0], (key[1], key[2], number[0])] = tuple(data.split(" . "))
        return found

    def _is_true(self, cluster, client, front, endpoint):
        """May a client be remembered there? One that is no pod, and comes to what is for this node's
        endpoints only, must not be sent elsewhere."""
        claim = self._sticky(cluster).get(front)
        if claim is None:
            return False
        ip = ipaddress.ip_address(client)
        is_pod = any(ip in c for c in cluster.facts.pod_cidrs if c.version == ip.version)
        allowed = claim.local
        if not claim.is_local_only or claim.kind != contract.CLUSTER_IP and is_pod:
            allowed = claim.cluster | claim.local
        return endpoint in {(str(e.ip), str(e.port)) for e in allowed}

    def expect_remembered(self, before, after, records):
        """@records: of before. Those that are not true any more go, all others stay."""
        open_ = {(str(ip), protocol, str(number))
                 for (ip, protocol, number), claims in after.frontends.items() if len(claims) > 1}

        def false():
            return [(key, endpoint) for key, endpoint in self.remembered().items()
                    if key[1] not in open_ and not self._is_true(after, *key, endpoint)]
        until(lambda: not false(), lambda: f"records that are not true go: {false()[:3]}",
              PURGED_WITHIN_S)
        now, was, is_ = self.remembered(), self._sticky(before), self._sticky(after)
        lost = [(key, endpoint) for key, endpoint in records.items()
                if key[1] in was and key[1] in is_ and
                was[key[1]][:4] == is_[key[1]][:4] and
                was[key[1]].affinity == is_[key[1]].affinity == 10800 and
                self._is_true(before, *key, endpoint) and self._is_true(after, *key, endpoint) and
                now.get(key) != endpoint]
        self.t.equal("clients that were moved without need", [], lost[:3])

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
        remembered = 0
        for number in range(STEPS):
            t.equal(f"step {number}: differences to the contract", [], walk.faults(things)[:5])
            before, _ = walk.wanted(things)
            walk.track(before)
            walk.visit(before)
            records = walk.remembered()
            things = walk.step()
            after, _ = walk.wanted(things)
            walk.expect_tracked(before, after)
            walk.expect_remembered(before, after, records)
            remembered += len(records)
        print(f"# {len(walk.tracked)} flows tracked, {remembered} clients remembered", flush=True)
    finally:
        for ip in walk.passing:
            t.node.ip(f"address del {ip}/{128 if ':' in ip else 32} dev lo")

# SPDX-License-Identifier: GPL-2.0-or-later
"""What the contract says, and what a ruleset does: where do they differ?"""

import ipaddress

import clusters
import contract
from contract import Source
from ruleset import Packet

POD = {4: "10.244.0.9", 6: "fd00:10:244::9"}
REMOTE_POD = {4: "10.244.1.9", 6: "fd00:10:244:1::9"}
# Of no machine, and in no range of Services.
ELSEWHERE = {4: "198.51.99.1", 6: "2001:db8:99::1"}


def _sources(family, facts, key, local):
    """Everybody who may come to the frontend of @key."""
    texts = [POD[family], REMOTE_POD[family], *clusters.LOCAL_IPS[family],
             *clusters.SOURCES[family]]
    ips = [ipaddress.ip_address(text) for text in texts] + [key[0]]
    return [Source(ip, any(ip in c for c in facts.pod_cidrs if c.version == family), ip in local)
            for ip in dict.fromkeys(ips)]


class Comparison:
    """@tables: what ruleset.read() returns. @local: addresses of the node's interfaces."""

    def __init__(self, cluster, tables, local=()):
        self.cluster, self.facts, self.tables = cluster, cluster.facts, tables
        self.local = {ipaddress.ip_address(ip) for ip in (*local, *clusters.NODE_IPS.values())}
        self.faults = []

    def run(self):
        """Sentences, none when there is no difference."""
        for family, table in self.tables.items():
            self._compare_keys(family, table)
        if self.faults:
            return self.faults
        for key in self.cluster.frontends:
            self._compare_frontend(key)
        for family, table in self.tables.items():
            self._compare_rest(family, table)
        return self.faults

    def _compare_keys(self, family, table):
        want = {str(ip) for ip in self.cluster.cluster_ips if ip.version == family}
        self._same(f"v{family} cluster-ips", want, {key[0] for key in table.keys("cluster-ips")})
        want = {str(ip) for ip in self.cluster.hairpins if ip.version == family}
        self._same(f"v{family} hairpin", {(ip, ip) for ip in want}, set(table.keys("hairpin")))
        want = {(str(ip), protocol, str(port)) for ip, protocol, port in self.cluster.frontends
                if ip.version == family}
        self._same(f"v{family} frontends", want, set(table.keys("frontends")))
        self._same(f"v{family} keys of backends", set(),
                   {key[:3] for key in table.keys("backends")} - want)
        for name in ("restricted-frontends", "sticky-frontends", "local-frontends",
                     "cluster-frontends", "sticky-timeouts", "internal", "external-cluster",
                     "external-local"):
            self._same(f"v{family} keys of {name} without a frontend", set(),
                       set(table.keys(name)) - want)

    def _same(self, what, want, got):
        if want != got:
            self.faults.append(f"{what}: missing {sorted(want - got)}, "
                               f"too much {sorted(got - want)}")

    def _packet(self, source, key):
        # Nobody but the node itself sends from its addresses.
        return Packet(source.ip, key[0], key[1], key[2], self.local), \
            "output" if source.is_node else "prerouting"

    def _candidates(self, key):
        """What the contract leaves open is right in any of these ways, but restricted at all
        events."""
        claims = self.cluster.frontends[key]
        ranges = next((c.ranges for c in claims if c.ranges), [])
        return [claim._replace(ranges=ranges) for claim in claims]

    def _compare_frontend(self, key):
        tries = [self._frontend_faults(key, claim) for claim in self._candidates(key)]
        if all(tries):
            self.faults += tries[0]

    def _frontend_faults(self, key, claim):
        faults = []
        table = self.tables[key[0].version]
        text = str(key[0]), key[1], str(key[2])
        where = f"{text} ({claim.kind} of {'/'.join(claim.service)}:{claim.name})"
        label = "/".join(claim.service) + (f":{claim.name}" if claim.name else "")
        if table.sets["frontends"][text][1] != label:
            faults.append(f"{where}: labelled {table.sets['frontends'][text][1]}")
        answers = set()
        for source in _sources(key[0].version, self.facts, key, self.local):
            want = contract.answer(claim, source)
            want = {want} if isinstance(want, str) else set(want)
            packet, begin = self._packet(source, key)
            got = table.walk(packet, begin)
            if want != got:
                faults.append(f"{where} from {source}: expected {sorted(map(str, want))}, got "
                              f"{sorted(map(str, got))}")
                continue
            answers |= want
            for backend in want - {contract.REFUSE, contract.DROP}:
                faults += self._after(key, claim, where, source, packet.to(*backend))
        rows = [table.row(text, 0), table.row(text, 32768)]
        for row in rows:
            if sorted(row) != list(range(len(row))) or len(set(row.values())) != len(row):
                faults.append(f"{where}: a row with holes or repetitions: {row}")
        return faults

    def _after(self, key, claim, where, source, packet):
        """Behind the translation: masquerading, and what is remembered."""
        table = self.tables[key[0].version]
        is_inside = packet.destination in self.local and not source.is_node
        hidden = table.is_hidden(packet, "input" if is_inside else "postrouting")
        want = contract.is_hidden(claim, source, packet.destination, self.facts,
                                  self.cluster.hairpins) and not is_inside
        faults = []
        # An external address that is a ClusterIP, too: the contract's two rules contradict.
        is_both = claim.kind != contract.CLUSTER_IP and key[0] in self.cluster.cluster_ips
        if packet.is_translated and hidden != want and not is_both:
            faults.append(f"{where} from {source} to {packet.destination}: "
                          f"{'not ' if want else ''}masqueraded")
        if packet.is_translated and packet.remembered != bool(claim.affinity):
            faults.append(f"{where}: remembered is {packet.remembered}")
        return faults

    def _compare_rest(self, family, table):
        """Destinations that are no frontend."""
        nets = [net for net in self.cluster.service_cidrs if net.version == family]
        probes = {ipaddress.ip_address(ip) for ip in
                  (*clusters.SERVICE_IPS[family], *clusters.EXTERNAL_IPS[family],
                   ELSEWHERE[family])}
        probes |= {ip for net in nets for ip in (net[0], net[-1], net[0] - 1)}
        probes |= {net[-1] + 1 for net in nets if int(net[-1]) + 1 < 1 << net.max_prefixlen}
        for ip in probes:
            key = ip, "tcp", 9
            want = "pass"
            if ip not in self.local:
                if any(ip in net for net in nets):
                    want = contract.DROP
                if ip in self.cluster.cluster_ips:
                    want = contract.REFUSE
            for text in (POD[family], clusters.SOURCES[family][0], clusters.NODE_IPS[family]):
                source = Source(ipaddress.ip_address(text), False, text in
                                clusters.NODE_IPS.values())
                packet, begin = self._packet(source, key)
                self._same(f"{ip} tcp 9 from {text}", {want}, table.walk(packet, begin))

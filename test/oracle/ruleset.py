# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a ruleset as `kubenft plan` or `nft list table` prints it, and walks packets through it.

Knows of nft what the tables of kubenft need. Where the kernel draws at random, every draw is made:
what comes out is the set of all that may happen.
"""

import ipaddress
import re

_BLOCK = re.compile(r"^\t(map|set|chain) (\S+) \{\n(.*?)^\t\}", re.S | re.M)
_ELEMENTS = re.compile(r"elements = \{ (.*?) \}", re.S)
_ELEMENT = re.compile(r'^(?P<key>[^"]*?)(?: comment "(?P<comment>[^"]*)")?(?: : (?P<data>[^"]*))?$')
_FIELD = (r"(?:ct original ip6? [sd]addr|ip6? [sd]addr|meta l4proto|th dport|ct original proto-dst|"
          r"numgen random mod \d+(?: offset \d+)?)")
_KEY = rf"{_FIELD}(?: \. {_FIELD})*"
_STEPS = [(re.compile(pattern), name) for pattern, name in (
    (rf"dnat ip6? to ({_KEY}) map @(\S+)", "dnat"),
    (rf"({_KEY}) vmap @(\S+)", "vmap"),
    (rf"({_KEY}) (!= )?@(\S+)", "lookup"),
    (r"fib ([sd]addr) type (!= )?local", "fib"),
    (r"iifname (!= )?(\S+)", "iifname"),
    (r"ct status dnat", "translated"),
    (r"(jump|goto) (\S+)", "jump"),
    (r"drop", "drop"),
    (r"reject with tcp reset|reject", "reject"),
    (r"masquerade fully-random", "masquerade"),
    (r"update @affinity \{.*\}", "update"),
    (r"type nat hook .*", "hook"))]


class Packet:
    """The first one of a connection. @local: the node's addresses."""

    def __init__(self, source, destination, protocol, port, local, interface=""):
        self.source, self.destination = source, destination
        self.protocol, self.port = protocol, port
        self.local = local
        self.interface = interface
        self.original = destination, port
        self.remembered = False  # its choice is recorded

    @property
    def is_translated(self):
        return (self.destination, self.port) != self.original

    def field(self, name):
        return {"saddr": self.source, "daddr": self.destination}.get(name.split()[-1]) \
            if not name.startswith("ct original") else self.original[0]

    def to(self, destination, port):
        other = Packet(self.source, destination, self.protocol, port, self.local, self.interface)
        other.original = self.original
        return other


class _Done(Exception):
    """The walk ends here."""


class Table:
    """One family's. @rules: a Table, in place of whose sets those of @text are: the kernel lists
    rules in words of its own."""

    def __init__(self, text, rules=None):
        self.sets, self.chains = {}, rules.chains if rules else {}
        for kind, name, body in _BLOCK.findall(text):
            if kind == "chain":
                if rules:
                    continue
                lines = [line.strip() for line in body.splitlines()]
                self.chains[name] = [_steps(line) for line in lines if line]
            else:
                self.sets[name] = dict(elements(body))
        self.ranges = {name: [_range(key) for key in elements]
                       for name, elements in self.sets.items()
                       if name in ("service-cidrs", "pod-cidrs")}

    def keys(self, name):
        return self.sets[name]

    def row(self, front, first=0):
        """{slot: (address, port)} of a frontend, from slot @first to the next row."""
        found = {}
        for key, (data, _) in self.sets["backends"].items():
            if key[:3] == front and first <= int(key[3]) < first + 32768:
                ip, port = data.split(" . ")
                found[int(key[3]) - first] = ipaddress.ip_address(ip), int(port)
        return found

    # Walking

    def walk(self, packet, begin):
        """Everything that may become of @packet: "refuse", "drop", "pass", or where it goes."""
        outcomes = set()
        for packet_, verdict in self._chain(begin, packet):
            if verdict == "dnat":
                outcomes.add((packet_.destination, packet_.port))
            else:
                outcomes.add(verdict or "pass")
        return outcomes

    def is_hidden(self, packet, begin):
        """Is a translated packet masqueraded? Marks it when its choice is recorded."""
        return any(verdict == "masquerade" for _, verdict in self._chain(begin, packet))

    def _chain(self, name, packet):
        """[(packet, verdict)]; verdict None: it came to the chain's end."""
        alive = True
        results = []
        for steps in self.chains[name]:
            ended = self._rule(steps, packet)
            results += [r for r in ended if r[1] is not None]
            alive = any(r[1] is None for r in ended)
            if not alive:
                break
        if alive:
            results.append((packet, None))
        return results

    def _rule(self, steps, packet):
        go_on = [(packet, None)]
        for name, words in steps:
            if name == "hook":
                return go_on
            if name in ("drop", "masquerade"):
                return [(packet, name)]
            if name == "reject":
                return [(packet, "refuse")]
            if name == "update":
                packet.remembered = True
            elif name == "jump":
                return self._go(packet, *words)
            elif name == "vmap":
                data = self._find(words[1], words[0], packet)
                return go_on if data is None else self._verdict(data, packet)
            elif name == "dnat":
                return self._translate(packet, words)
            elif not self._matches(name, words, packet):
                return go_on
        return go_on

    def _go(self, packet, how, chain):
        """A jump returns at the chain's end; behind a goto the calling chain ends, too."""
        results = self._chain(chain, packet)
        if how == "goto":
            return [(p, v or "return") for p, v in results]
        return [(p, None if v == "return" else v) for p, v in results]

    def _verdict(self, data, packet):
        if data == "drop":
            return [(packet, "drop")]
        return self._go(packet, *data.split())

    def _matches(self, name, words, packet):
        if name == "translated":
            return packet.is_translated
        if name == "fib":
            return (packet.field(words[0]) in packet.local) != bool(words[1])
        if name == "iifname":
            wanted = words[1].strip('"')
            equal = packet.interface.startswith(wanted[:-1]) if wanted.endswith("*") \
                else packet.interface == wanted
            return equal != bool(words[0])
        return (self._find(words[2], words[0], packet) is not None) != bool(words[1])

    def _translate(self, packet, words):
        if words[1] == "affinity":
            return [(packet, None)]  # nobody is remembered
        fields, _, draw = words[0].rpartition(" . ")
        count, _, offset = draw.removeprefix("numgen random mod ").partition(" offset ")
        row = self.row(self._key(fields, packet), int(offset or 0))
        slots = range(int(count))
        results = [(packet.to(*row[slot]), "dnat") for slot in slots if slot in row]
        if any(slot not in row for slot in slots):
            results.append((packet, None))
        return results

    @staticmethod
    def _key(fields, packet):
        key = []
        for name in fields.split(" . "):
            if name.endswith("addr"):
                key.append(str(packet.field(name)))
            elif name == "meta l4proto":
                key.append(packet.protocol)
            else:
                key.append(str(packet.original[1] if name.startswith("ct") else packet.port))
        return tuple(key)

    def _find(self, name, fields, packet):
        """The data, "" in a set; None: not in it."""
        key = self._key(fields, packet)
        if name in self.ranges:
            ip = ipaddress.ip_address(key[0])
            return "" if any(low <= ip <= high for low, high in self.ranges[name]) else None
        if name == "allowed-sources":
            ip = ipaddress.ip_address(key[3])
            for other in self.sets[name]:
                low, high = _range(other[3:])
                if other[:3] == key[:3] and low <= ip <= high:
                    return ""
            return None
        found = self.sets[name].get(key)
        return found[0] if found else None


def _steps(line):
    steps, rest = [], line
    while rest:
        for pattern, name in _STEPS:
            match = pattern.match(rest)
            if match:
                steps.append((name, match.groups()))
                rest = rest[match.end():].lstrip()
                break
        else:
            raise ValueError(f"not understood: {rest!r} in {line!r}")
    return steps


def elements(body):
    """[(key, (data, comment))] of what a listing says behind "elements"."""
    match = _ELEMENTS.search(body)
    for text in re.split(r",\s+", match.group(1)) if match else ():
        found = _ELEMENT.match(text)
        yield tuple(found["key"].split(" . ")), (found["data"] or "", found["comment"])


def _range(key):
    low, dash, high = key[0].partition("-")
    if dash:
        return ipaddress.ip_address(low), ipaddress.ip_address(high)
    net = ipaddress.ip_network(low)
    return net[0], net[-1]


def read(text, rules=None):
    """{4: Table, 6: Table}; @rules: the same of what plan prints, when @text is the kernel's."""
    parts = re.split(r"^table (ip6?) \S+ \{[^\n]*\n", text, flags=re.M)
    families = [6 if family == "ip6" else 4 for family in parts[1::2]]
    return {family: Table(body, rules and rules[family])
            for family, body in zip(families, parts[2::2])}

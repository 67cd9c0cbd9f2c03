# SPDX-License-Identifier: GPL-2.0-or-later
"""Misbehaviour by order: which requests it hits, and what happens to them."""

import itertools

UNITS = ("wire", "body")
ENDS = ("close", "reset", "stall", "end")


class Fault:
    """Either a status to answer, or a byte at which the answer is cut."""

    def __init__(self, order):
        """@order: the JSON object that README.md describes."""
        known = {"resource", "kind", "skip", "times", "status", "retry_after", "at", "unit",
                 "then", "user"}
        unknown = set(order) - known
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        self.resource = order.get("resource")
        kinds = order.get("kind")
        self.kinds = [kinds] if isinstance(kinds, str) else kinds
        self.user = order.get("user")
        self.skip = order.get("skip", 0)
        self.times = order.get("times", 1)  # None: for ever
        self.status = order.get("status")
        self.retry_after = order.get("retry_after")
        self.at = order.get("at", 0)
        self.unit = order.get("unit", "wire")
        self.then = order.get("then", "close")
        self.hits = 0
        if self.unit not in UNITS or self.then not in ENDS:
            raise ValueError(f"unit is one of {UNITS}, then one of {ENDS}")
        if self.then == "end" and self.unit != "body":
            raise ValueError("only at a byte of the body can an answer end rightly")

    def hits_request(self, request):
        """Count a request that this is meant for; true when it is its turn."""
        if self.resource not in (None, request.resource) or \
                (self.kinds and request.kind not in self.kinds) or \
                self.user not in (None, request.user):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        self.hits += 1
        return True


class Faults:
    def __init__(self):
        self._numbers = itertools.count(1)
        self.all = {}

    def add(self, order):
        fault = Fault(order)
        number = next(self._numbers)
        self.all[number] = fault
        return number

    def find(self, request):
        """The first that hits @request; those that are used up go, but for their counts."""
        return next((fault for fault in self.all.values() if fault.hits_request(request)), None)

    def clear(self):
        self.all.clear()

    def hits(self):
        return {number: fault.hits for number, fault in self.all.items()}

# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of flows need: Services in one daemon, clients at every place, pods by number."""

import exposure
import objects
from exposure import Expectation, expect
from objects import port
from topology import pod_address, remote_address

FAMILIES = (4, 6)
ONE, TWO = 11, 12  # pods of the node, by number

LEAVING = {"ready": False, "serving": True, "terminating": True}
DEAD = {"ready": False, "serving": False, "terminating": True}


def local(family, *numbers):
    return [pod_address(number, family) for number in numbers]


def far(family, *numbers):
    return [remote_address(number, family) for number in numbers]


class Scene:
    """Services in one daemon, and clients."""

    def __init__(self, t):
        self.t = t
        self.clients = exposure.clients(t)
        self.things = []
        self.nodes = [objects.node()]
        self.daemon = None

    def add(self, service, backends=None):
        """@backends: function of the family that gives the endpoints."""
        self.things.append(service)
        if backends:
            self.things += [service.slice(backends(f)) for f in service.ips]
        return service

    def run(self, *args):
        self.t.write(*self.nodes, objects.service_cidr(), *self.things, with_node=False)
        self.daemon = self.t.run(args=args)
        return self

    def change(self, *things):
        """Other objects, in the kernel when this returns."""
        self.things = list(things)
        # Always something new, so that there is always a sync to wait for.
        marker = self.t.service("marker", [port(1)])
        mark = self.daemon.mark()
        self.t.write(*self.nodes, objects.service_cidr(), *self.things, marker, with_node=False)
        self.daemon.wait_synced(mark)

    def flow(self, source, service, kind, family, backends, masqueraded=None, **more):
        return Expectation(self.clients[source], *service.at(kind, family), backends, masqueraded,
                           **more)


def over_both(flows):
    """@flows: function of the family that gives Expectations."""
    expect(*(flow for family in FAMILIES for flow in flows(family)))

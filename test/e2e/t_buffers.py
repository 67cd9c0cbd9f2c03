# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory for netlink is short: nothing is lost but time."""

import socket

from api import crowd
from daemon import until
from descriptors import SmallBuffers
from harness import test
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)


@test(quick=True)
def a_batch_that_does_not_fit_changes_nothing_is_named_and_goes_out_when_there_is_room(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece, args=("--iptables-sync-period=200ms",))
    heard = t.transactions()
    short = SmallBuffers(daemon.pid, socket.SO_SNDBUF)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [TWO]), *crowd(t, 60))
    line = daemon.wait_log('"not synced, the kernel keeps what it has".* failures=3', mark)
    t.true("what to do is said", "raise net.core.wmem_max" in line, line)
    t.equal("transactions", [], heard.of(daemon.pid))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.equal("diff: exit status", 1, t.diff().returncode)
    short.end()
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    t.equal("transactions", 1, len(heard.of(daemon.pid)))
    t.equal("diff", (0, "in sync\n"), (t.diff().returncode, t.diff().stdout))


@test()
def a_change_that_fits_goes_out_though_a_refill_would_not(t):
    service, piece = t.web([ONE])
    others = crowd(t, 60)
    daemon = t.run(service, piece, *others)
    short = SmallBuffers(daemon.pid, socket.SO_SNDBUF, socket.SO_RCVBUF)
    mark = daemon.mark()
    t.write(service, t.web_slice(service, [TWO]), *others)
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    t.equal("complaints", [], daemon.complaints(mark))
    short.end()


@test()
def with_no_room_for_notices_what_others_change_is_repaired_all_the_same(t):
    service, piece = t.web([ONE, TWO])
    daemon = t.run(service, piece, args=("--table-owner=false",))
    short = SmallBuffers(daemon.pid, socket.SO_RCVBUF)
    for command in ("flush ruleset", "delete table ip6 kubenft", "flush map ip kubenft backends",
                    f"delete element ip kubenft frontends {{ {service.ip(4)} . tcp . 80 }}"):
        t.nft_ok("-f", "-", stdin=command + "\n")
        until(lambda: t.diff().returncode == 0, f"the repair after {command}")
    short.end()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO])

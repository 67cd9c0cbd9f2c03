# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes a minute by its nature: servers that say nothing, and years of service in small."""

import datetime
import re
import time

from api import RESOURCES, Api, crowd
from apart import test, test_rows
from daemon import Failure, until
from t_api_cut import change_everything
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)

NOTICED_WITHIN_S = 60.0
# Beyond it, for a machine that does other things.
SLACK_S = 10.0


def _hole(t, port_number):
    """From now on, packets of connections to the server vanish."""
    t.nft_ok("-f", "-", stdin=f"""
        table inet hole {{
            chain input {{
                type filter hook input priority 0
                tcp dport {port_number} drop
                tcp sport {port_number} drop
            }}
        }}""")


def _seconds_until(lines, started):
    """When the first of log lines was written, after @started of time.time()."""
    stamp = re.match(r"[IWE](\d\d)(\d\d) (\d\d):(\d\d):([\d.]+)", lines[0]).groups()
    now = datetime.datetime.fromtimestamp(started, datetime.timezone.utc)
    then = now.replace(month=int(stamp[0]), day=int(stamp[1]), hour=int(stamp[2]),
                       minute=int(stamp[3]), second=0, microsecond=0).timestamp()
    return then + float(stamp[4]) - started


def _noticed(t, daemon, mark, started, words):
    """All four are given up in time, and for that reason."""
    def said():
        return [line for line in daemon.complaints(mark) if re.search(words, line)]
    try:
        lines = until(lambda: len(said()) >= 4 and said(), f"four complaints with {words}",
                      NOTICED_WITHIN_S + SLACK_S, 0.2)
    except Failure as failure:
        raise Failure(str(failure), *daemon.complaints(mark)) from None
    for resource in RESOURCES:
        t.true(f"{resource} is named", any(f'resource="{resource}"' in line for line in lines))
    took = _seconds_until(lines, started)
    t.true(f"noticed after {took:.1f} s", took <= NOTICED_WITHIN_S, *daemon.complaints(mark))


@test_rows([("http1", False), ("http2", True)],
           "over_{}_a_server_that_hangs_is_noticed_within_a_minute_and_followed_when_it_goes_on",
           passive=True)
def frozen(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    started = time.time()
    api.server.freeze()
    _noticed(t, daemon, mark, started, "the server is silent, and does not answer a probe")
    t.equal("dead peers", "1", api.dump(daemon)["server"]["dead_peers"])
    api.server.thaw()
    change_everything(api, t, service, TWO, 1)
    api.server.wait_watches(4, patience=40)
    api.settled()
    api.calm(daemon, mark, warnings=12, lines=50)


@test_rows([("http1", False), ("http2", True)],
           "over_{}_a_host_that_is_gone_is_noticed_within_a_minute_and_followed_when_it_is_back",
           passive=True)
def vanished(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    started = time.time()
    _hole(t, api.server.address[1])
    change_everything(api, t, service, TWO, 1)
    # Keepalive's timeout, or the probe's. To streams of one connection only one knows the reason.
    _noticed(t, daemon, mark, started,
             "imed out|is silent|cut short" if http2 else "imed out|is silent")
    t.true("what is known stays", api.difference())
    t.nft_ok("delete", "table", "inet", "hole")
    api.server.wait_watches(4, patience=60)
    api.settled()
    api.calm(daemon, mark, warnings=16, lines=50)


@test(passive=True)
def a_list_that_stalls_is_given_up_and_begun_again(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.put(service, piece, *crowd(t, 20))
    for resource, at, kind in (("services", 300, "streaming"), ("nodes", 0, "streaming")):
        api.server.cut(at, "stall", unit="body" if at else "wire", resource=resource, kind=kind)
    daemon = t.start()
    for resource in ("services", "nodes"):
        api.complains(daemon, 0, resource, "the server has said nothing for 30 s",
                      patience=30 + SLACK_S)
    api.server.wait_watches(4)
    api.settled()
    api.calm(daemon, warnings=2)
    # The second try is one that older servers and proxies know.
    t.equal("how Services were listed", {"streaming": 1, "list": 1, "watch": 1},
            api.server.state()["counts"]["services"])


@test(passive=True)
def diff_of_a_server_that_hangs_is_trouble_within_a_minute(t):
    api = Api(t)
    api.server.freeze()
    started = time.monotonic()
    done = t.node.command(t.binary, "diff", *api.args, *("--hostname-override", "node1"),
                          timeout=NOTICED_WITHIN_S + SLACK_S)
    took = time.monotonic() - started
    t.equal("exit status", 2, done.returncode, done.stdout, done.stderr)
    t.true(f"it took {took:.1f} s", took <= NOTICED_WITHIN_S)
    t.true("a sentence says what is wrong", "no connection within 10 s" in done.stderr or
           "not listed within" in done.stderr, done.stderr)
    t.equal("lines", 1, len(done.stderr.splitlines()), done.stderr)
    api.server.thaw()


def _status(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


@test_rows([("http1", False), ("http2", True)], "over_{}_a_watch_without_events_lets_us_sleep",
           passive=True)
def sleeps(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    time.sleep(12)  # timers of the start, such as those of connecting
    before = _status(daemon.pid, "voluntary_ctxt_switches")
    time.sleep(24)
    woke = _status(daemon.pid, "voluntary_ctxt_switches") - before
    t.true(f"woke up {woke} times in 24 s", woke <= 3)


ROUNDS = 50


@test(passive=True)
def fifty_lists_anew_of_2000_objects_leave_memory_and_kernel_as_they_were(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.put(service, piece, *crowd(t, 1000))
    daemon = t.run(run_args=("--kube-api-qps", "-1"))
    api.server.wait_watches(4)
    change_everything(api, t, service, TWO, 1)
    api.settled()
    heard = t.transactions()
    sizes = []
    touched = [thing for thing in api.truth.values()
               if thing["metadata"]["name"].startswith("web")]
    for number in range(ROUNDS):
        # A word from each watch: without any the next list would wait, longer each time.
        for thing in touched:
            thing["metadata"]["annotations"] = {"example.org/round": str(number)}
        api.put(*touched)
        mark = daemon.mark()
        api.expire(*RESOURCES[:2])
        for resource in RESOURCES[:2]:
            daemon.wait_log(f'"listed" resource="{resource}" objects=1001', mark)
        api.server.wait_watches(4)
        sizes.append(_status(daemon.pid, "VmRSS"))
    api.settled()
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    t.equal("lists of Services", ROUNDS + 1, int(api.dump(daemon)["services"]["lists"]))
    t.true(f"memory grew from {sizes[4]} to {sizes[-1]} KiB",
           t.is_sanitized or sizes[-1] < sizes[4] + 1024, sizes)
    print(f"# {ROUNDS} lists anew: {sizes[4]} to {sizes[-1]} KiB resident")
    t.true("memory is what 2,000 objects need", t.is_sanitized or max(sizes) < 20 << 10, sizes)

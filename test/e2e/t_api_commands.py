# SPDX-License-Identifier: GPL-2.0-or-later
"""diff and plan with an API server, and the daemon in a pod."""

import os
import time

from api import Api, crowd
from apart import test, test_rows
from daemon import CIDR_ARGS, NODE_ARGS
from topology import pod_address

ONE, TWO = pod_address(11, 4), pod_address(12, 4)

KINDS = (("streamed", {}), ("paged", {"settings": {"streaming": False}}),
         ("streamed_over_http2", {"http2": True}))


@test_rows(KINDS, "diff_and_plan_of_a_{}_list_say_what_they_say_of_a_file",
           quick=lambda name, _: name == "streamed")
def same_as_file(t, _, options):
    api = Api(t, **options)
    service, piece = t.web([ONE])
    things = crowd(t, 600 if "settings" in options else 40)
    api.put(service, piece, *things)
    path = api.truth_path()

    done = t.diff()
    t.equal("before the first run: exit status", 1, done.returncode, done.stderr)
    t.equal("output", t.diff(source=path).stdout, done.stdout)
    t.equal("complaints", "", done.stderr)
    done = t.plan()
    t.equal("plan: exit status", 0, done.returncode, done.stderr)
    t.equal("plan", t.plan(source=path).stdout, done.stdout)
    t.equal("tables", [], t.tables())

    daemon = api.run()
    done = t.diff()
    t.equal("in sync: exit status", (0, "in sync\n"), (done.returncode, done.stdout), done.stderr)
    daemon.stop_gracefully()
    api.put(t.web_slice(service, [TWO]))
    api.delete(*things[:2])
    heard = t.transactions()
    done = t.diff()
    t.equal("after a change: exit status", 1, done.returncode, done.stderr)
    t.equal("output", t.diff(source=api.truth_path()).stdout, done.stdout)
    t.true("both endpoints are named", ONE in done.stdout and TWO in done.stdout, done.stdout)
    t.equal("transactions", [], heard.seen)
    t.equal("watches left open", [], api.server.watches())


def _away(api):
    api.server.down()


def _not_ours(api):
    api.note_secrets()
    api.server.rotate_token(tell=False)


def _another_ca(api):
    api.server.kubeconfig(api.kubeconfig, "tokenFile", with_ca=False)


def _no_file(api):
    api.kubeconfig = "/nonexistent"


def _forbidden(api):
    api.server.deny("system:kube-proxy", "services", "nodes")


TROUBLE = (("is_away", _away, "connection refused"),
           ("does_not_know_us", _not_ours, "the server answered 401, Unauthorized"),
           ("is_not_trusted", _another_ca, "the server's certificate is not trusted"),
           ("does_not_let_us_see_it", _forbidden, "is forbidden"),
           ("is_in_no_file", _no_file, "/nonexistent: cannot open"))


@test_rows(TROUBLE, "diff_of_a_server_that_{}_is_trouble_and_soon_said",
           quick=lambda name, *_: name == "is_away")
def trouble(t, _, make, words):
    api = Api(t)
    make(api)
    for command, status in (("diff", 2), ("plan", 1)):
        started = time.monotonic()
        done = t.command(command, *api.args, *NODE_ARGS)
        took = time.monotonic() - started
        t.equal(f"{command}: exit status", status, done.returncode, done.stdout, done.stderr)
        t.equal("output", "", done.stdout)
        lines = done.stderr.splitlines()
        t.true("one line says why", len(lines) == 1 and words in lines[0], *lines)
        t.true(f"it took {took:.1f} s", took < 30)


@test(quick=True)
def without_a_server_to_be_found_it_is_said_what_is_missing(t):
    for command, status in (("run", 1), ("diff", 2), ("plan", 1)):
        done = t.node.command("env", "-u", "KUBERNETES_SERVICE_HOST", "-u",
                              "KUBERNETES_SERVICE_PORT", t.binary, command)
        t.equal(f"{command}: exit status", status, done.returncode, done.stderr)
        t.true("what could be done", "--kubeconfig" in done.stderr and "--source" in done.stderr,
               done.stderr)
    t.write()
    done = t.command("diff", "--source", t.source, "--kubeconfig", "x")
    t.equal("both: exit status", 2, done.returncode, done.stderr)


class _Account:
    """A service account's directory as the kubelet makes it: NAME -> ..data/NAME, ..data -> a
    directory that is replaced by renaming a link."""

    def __init__(self, t, api):
        self.api = api
        self.path = os.path.join(t.directory, "account")
        self.generation = 0
        os.mkdir(self.path)
        self.variables = self.publish()
        for name in ("token", "ca.crt", "namespace"):
            os.symlink(f"..data/{name}", os.path.join(self.path, name))

    def publish(self):
        self.generation += 1
        name = f"..2026_{self.generation}"
        variables = self.api.server.service_account(os.path.join(self.path, name))
        os.symlink(name, os.path.join(self.path, "..data_tmp"))
        os.rename(os.path.join(self.path, "..data_tmp"), os.path.join(self.path, "..data"))
        return variables

    @property
    def prefix(self):
        """A command that runs its arguments where this directory is that of a pod."""
        script = """
            mount -t tmpfs none /var/run
            mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
            mount --bind "$0" /var/run/secrets/kubernetes.io/serviceaccount
            exec "$@"
        """
        return "unshare", "--mount", "sh", "-ec", script, self.path


@test_rows([("http1", False), ("http2", True)],
           "in_a_pod_over_{}_nothing_needs_to_be_said_and_rotated_files_are_used",
           quick=lambda name, _: name == "http1")
def in_a_pod(t, _, http2):
    api = Api(t, http2)
    account = _Account(t, api)
    api.kubeconfig = None
    service, piece = t.web([ONE])
    api.put(service, piece)
    daemon = t.start(prefix=account.prefix, env=account.variables)
    api.server.wait_watches(4)
    api.settled()
    mark = daemon.mark()
    # The kubelet brings a new token, later a new authority; the server comes back with it.
    api.note_secrets()
    token = api.server.rotate_token()
    account.publish()
    api.server.end("close", "endpointslices")
    api.put(t.web_slice(service, [TWO]))
    api.server.wait_watches(4)
    api.settled()
    note = api.server.requests("endpointslices", "watch")[-1]
    t.equal("the token", f"Bearer {token}", note["headers"]["authorization"])
    api.note_secrets()
    api.server.new_certificate(new_ca=True)
    account.publish()
    api.put(t.web_slice(service, [ONE]))
    api.server.wait_watches(4)
    api.settled()
    api.calm(daemon, mark, warnings=16)
    # diff finds it in the same way.
    done = t.node.command(*account.prefix, t.binary, "diff", *NODE_ARGS, *CIDR_ARGS,
                          env={**os.environ, **account.variables})
    t.equal("diff", (0, "in sync\n"), (done.returncode, done.stdout), done.stderr)


@test()
def in_a_pod_without_a_token_it_is_said_which_file_is_missing(t):
    api = Api(t)
    account = _Account(t, api)
    os.unlink(os.path.join(account.path, "token"))
    done = t.node.command(*account.prefix, t.binary, "diff", *NODE_ARGS,
                          env={**os.environ, **account.variables})
    t.equal("exit status", 2, done.returncode, done.stdout, done.stderr)
    t.true("the file is named", "/var/run/secrets/kubernetes.io/serviceaccount/token" in
           done.stderr, done.stderr)

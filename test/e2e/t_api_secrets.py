# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing secret is ever printed. Every test of an API server looks for it at its end; here is
what else could go wrong with secrets."""

import json
import os

from api import Api
from apart import test, test_rows
from daemon import NODE_ARGS, Daemon, Failure, until

# Words that stand where secrets stand, and how all of them begin, in base64 as well.
TOKEN = "seCretTokenZq1"
PASSWORD = "seCretPasswordZq2"
KEY = "seCretKeyZq3"
SECRETS = ("seCret", "c2VDcmV0")

PEM = f"-----BEGIN PRIVATE KEY-----\n{KEY}{'A' * 50}\n-----END PRIVATE KEY-----\n"

# What is in a kubeconfig's cluster and user, files that it names, and a part of what is said.
BROKEN = (
    ("a_token_with_a_line_end", {}, {"token": f"{TOKEN}\n{TOKEN}"}, {}, "token"),
    ("a_token_with_a_blank", {}, {"token": f"{TOKEN} {TOKEN}"}, {}, "token"),
    ("a_token_that_is_a_list", {}, {"token": [TOKEN]}, {}, "token"),
    ("a_token_that_nobody_knows", {}, {"token": TOKEN}, {}, "401"),
    ("a_password_that_nobody_knows", {}, {"username": "kube-proxy", "password": PASSWORD}, {},
     "401"),
    ("a_password_that_is_a_number", {}, {"username": "kube-proxy", "password": {PASSWORD: 1}}, {},
     "password"),
    ("a_token_file_with_two_lines", {}, {"tokenFile": "token"},
     {"token": f"{TOKEN}\n{TOKEN}\n"}, "token"),
    ("a_token_file_with_binary", {}, {"tokenFile": "token"}, {"token": f"{TOKEN}\1\2"}, "token"),
    ("a_key_that_is_none", {}, {"client-certificate": "ca.crt", "client-key": "key"},
     {"key": PEM}, "key"),
    ("a_key_file_without_pem", {}, {"client-certificate": "ca.crt", "client-key": "key"},
     {"key": KEY}, "key"),
    ("key_data_that_is_no_base64", {}, {"client-certificate": "ca.crt",
                                        "client-key-data": f"{KEY}!"}, {}, "client-key-data"),
    ("key_data_that_is_no_pem", {}, {"client-certificate": "ca.crt",
                                     "client-key-data": "c2VDcmV0S2V5WnEz"}, {}, "key"),
    ("a_server_with_a_password", {"server": f"https://admin:{PASSWORD}@127.0.0.1:1"}, {}, {},
     "server"),
    ("a_server_with_a_query", {"server": f"https://127.0.0.1:1/?token={TOKEN}"}, {}, {}, "server"),
    ("a_proxy_with_a_password", {"proxy-url": f"http://admin:{PASSWORD}@127.0.0.1:1"}, {}, {},
     "proxy"),
    ("a_proxy_that_is_no_url", {"proxy-url": f"admin:{PASSWORD}@"}, {}, {}, "proxy-url"),
    ("a_plugin", {}, {"exec": {"command": "x", "args": [TOKEN],
                               "env": [{"name": "A", "value": PASSWORD}]}}, {}, "exec"),
    ("an_auth_provider", {}, {"auth-provider": {"name": "oidc", "config": {"id-token": TOKEN}}},
     {}, "auth-provider"),
    ("a_secret_as_a_name", {}, {TOKEN: PASSWORD, "token": [PASSWORD]}, {}, "token"),
)


def _hidden(text):
    for secret in SECRETS:
        if secret in text:
            raise Failure("a secret was printed", *[line for line in text.splitlines()
                                                    if secret in line])


@test_rows(BROKEN, "{}_is_named_and_not_shown", quick=lambda name, *_: name in (
    "a_token_with_a_line_end", "a_key_that_is_none", "a_server_with_a_password", "a_plugin"))
def broken(t, _, cluster, user, files, words):
    directory = os.path.join(t.directory, "here")
    os.mkdir(directory)
    cluster = {"server": "https://127.0.0.1:1", **cluster}
    if words == "401" or "client-certificate" in user:
        api = Api(t)
        os.link(api.server.ca, os.path.join(directory, "ca.crt"))
        cluster.update({"server": api.server.url, "certificate-authority": "ca.crt"})
    for name, text in files.items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    # JSON is YAML.
    path = os.path.join(directory, "kubeconfig")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                   "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                   "clusters": [{"name": "c", "cluster": cluster}],
                   "users": [{"name": "u", "user": user}]}, file)
    arguments = ("--kubeconfig", path, *NODE_ARGS, "-v", "4")
    done = t.command("diff", *arguments)
    t.equal("exit status of diff", 2, done.returncode, done.stdout, done.stderr)
    t.true("what is wrong is said", words in done.stderr, done.stderr)
    t.equal("lines", 1, len([line for line in done.stderr.splitlines() if line[0] == "E"]),
            done.stderr)
    _hidden(done.stdout + done.stderr)

    # The daemon either does not start, or goes on trying.
    daemon = Daemon(t.binary, t.node, t.log_path, arguments)
    t.daemons.append(daemon)
    daemon.stopped = True  # its status is not that of a good one
    line = until(lambda: [each for each in daemon.complaints() if words in each],
                 f"a complaint with {words}", pause=0.02)
    if "not started" in line[0]:
        t.equal("exit status", 1, daemon.process.wait(10), line)
    else:
        t.equal("exit status", 0, daemon.stop(), line)
    _hidden(daemon.log())


BROKEN_TEXTS = (("no_yaml", f"token: [{TOKEN}\n  - }}"),
                ("an_alias", f"a: &x {TOKEN}\nb: *x\n"),
                ("a_tag", f"token: !!binary {KEY}\n"),
                ("no_mapping", f"- {TOKEN}\n"),
                ("a_key_twice", f"token: {TOKEN}\ntoken: {TOKEN}\n"),
                ("a_control_character", f"token: {TOKEN}\7\n"))


@test_rows(BROKEN_TEXTS, "a_kubeconfig_that_is_{}_is_refused_without_showing_it")
def broken_texts(t, _, text):
    path = os.path.join(t.directory, "kubeconfig")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    for command, status in (("run", 1), ("diff", 2), ("plan", 1)):
        done = t.command(command, "--kubeconfig", path, "-v", "4")
        t.equal(f"{command}: exit status", status, done.returncode, done.stderr)
        t.true("the file is named", path in done.stderr, done.stderr)
        _hidden(done.stdout + done.stderr)


@test(quick=True)
def what_is_looked_for_is_found(t):
    # The search that all tests of an API server rely on.
    api = Api(t)
    t.equal("nothing yet", [], api.leaks())
    secret = api.server.token()
    api.outputs.append(f"a line\nAuthorization: Bearer {secret}\n")
    t.equal("found", 1, len(api.leaks()))
    api.outputs.clear()
    old = secret
    api.note_secrets()
    api.server.rotate_token()
    for line in (old, api.server.password(), _line_of(api.server.path("server.key"))):
        with open(t.log_path, "w", encoding="utf-8") as file:
            file.write(f"x {line} y\n")
        t.equal("found", 1, len(api.leaks()), line)
    os.unlink(t.log_path)


def _line_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()[1]


@test()
def with_json_logs_every_line_is_one_object(t):
    api = Api(t)
    service, piece = t.web([])
    api.put(service, piece)
    daemon = t.start(run_args=("--logging-format", "json"))
    daemon.wait_log('"synced"')
    api.server.down()
    daemon.wait_log("not watched")
    daemon.process.send_signal(10)
    daemon.wait_log('"state"')
    for line in daemon.log().splitlines():
        t.true("an object", isinstance(json.loads(line), dict), line)

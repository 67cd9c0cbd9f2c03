# SPDX-License-Identifier: GPL-2.0-or-later
"""An API server that is away, comes back as another one, or lets us wait."""

import os
import shutil

import web
from api import RESOURCES, Api, of_proxy
from daemon import Failure, until
from apart import test, test_rows
from topology import pod_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))

HTTP = (("http1", False), ("http2", True))


def _is_failing(daemon, mark, words=""):
    """All four were told to fail, for that reason, each once."""
    def said():
        return {resource for resource in RESOURCES for line in daemon.complaints(mark)
                if f'resource="{resource}"' in line and words in line}
    until(lambda: said() == set(RESOURCES), lambda: f"a complaint each with {words}, not {said()}",
          pause=0.02)


@test_rows(HTTP, "over_{}_a_server_that_was_away_is_followed_again_from_where_it_was",
           quick=lambda name, _: name == "http1")
def away(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    other, other_piece = t.web([THREE], name="other")
    daemon = api.run(service, piece, other, other_piece)
    mark = daemon.mark()
    heard = t.transactions()
    api.server.down()
    api.put(t.web_slice(service, [TWO]))
    api.delete(other)
    _is_failing(daemon, mark)
    t.equal("transactions meanwhile", 0, len(heard.of(daemon.pid)))
    api.server.up()
    api.server.wait_watches(4)
    api.settled()
    t.equal("lists", 4, api.server.count(kind="streaming"))
    for resource in RESOURCES:
        daemon.wait_log(f'"watched again" resource="{resource}"', mark)
    # Closed, then refused: two reasons each; and one for each kind of end that HTTP/2 has.
    api.calm(daemon, mark, warnings=12)


@test_rows(HTTP, "over_{}_a_server_that_comes_back_without_history_is_listed_and_deletions_apply",
           quick=lambda name, _: name == "http2")
def history_gone(t, _, http2):
    api = Api(t, http2)
    service, piece = t.web([ONE])
    others = [t.web([THREE], name=f"other-{i}") for i in range(5)]
    daemon = api.run(service, piece, *(thing for pair in others for thing in pair))
    mark = daemon.mark()
    heard = t.transactions()
    api.server.down(with_reset=True)
    for pair in others[1:]:
        api.delete(*pair)
    api.put(t.web_slice(service, [TWO]))
    new, new_piece = t.web([ONE], name="new")
    api.put(new, new_piece)
    api.forget_history(after_delivery=False)
    _is_failing(daemon, mark)
    api.server.up(compact=True)
    api.server.wait_watches(4)
    api.settled()
    # At most one for each list.
    t.true("few transactions", 1 <= len(heard.of(daemon.pid)) <= 4)
    api.calm(daemon, mark, warnings=12)


@test(quick=True)
def without_a_server_at_the_start_what_was_adopted_serves_until_it_comes(t):
    api = Api(t)
    service, piece = t.web([ONE])
    api.run(service, piece).stop_gracefully()
    api.server.down()
    api.put(t.web_slice(service, [TWO]))
    heard = t.transactions()
    mark = os.path.getsize(t.log_path)
    daemon = t.start()
    _is_failing(daemon, mark, "connection refused")
    until(lambda: int(api.dump(daemon)["services"]["failures"]) >= 2, "a second try")
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    t.equal("said once each", 4, len(daemon.complaints(mark)), *daemon.complaints(mark))
    ages = [value for name, value in web.scrape(t).items() if "watch_age_seconds" in name]
    t.equal("resources without a word since the start", 4, sum(age > 0 for age in ages), ages)
    api.server.up()
    api.settled()
    t.equal("transactions", 1, len(heard.of(daemon.pid)))
    t.equal("said once each", 4, len(daemon.complaints(mark)))


@test_rows([(resource,) for resource in RESOURCES],
           "nothing_is_written_before_{}_have_been_listed",
           quick={"nothing_is_written_before_nodes_have_been_listed"})
def incomplete(t, resource):
    api = Api(t, http2=resource == "endpointslices")
    service, piece = t.web([ONE])
    api.run(service, piece).stop_gracefully()
    api.put(t.web_slice(service, [TWO]))
    # The head comes, and the beginning of the list; then silence.
    fault = api.server.cut(300, "stall", unit="body", resource=resource, kind="streaming")
    heard = t.transactions()
    mark = os.path.getsize(t.log_path)
    daemon = t.start()
    api.server.wait_hits(fault)
    for other in RESOURCES:
        if other != resource:
            daemon.wait_log(f'"listed" resource="{other}"', mark)
    # What happens to the others is not written either.
    api.put(t.web_slice(service, [THREE]))
    api.server.wait_delivered(resource="endpointslices" if resource != "endpointslices" else
                              "services")
    api.dump(daemon)
    t.equal("transactions", 0, len(heard.of(daemon.pid)))
    t.equal("state", "listing", api.dump(daemon)[resource]["state"])
    api.server.end("close", resource)
    api.settled()
    t.equal("transactions", 1, len(heard.of(daemon.pid)))
    api.calm(daemon, mark, warnings=1)


# Who the server is, and who we are

CERTIFICATES = (("the_same_ca", False), ("a_new_ca_that_our_file_has", True))


@test_rows(CERTIFICATES, "a_server_that_comes_back_with_a_certificate_of_{}_is_followed_again",
           quick=lambda name, *_: "new" in name)
def certificates(t, _, new_ca):
    api = Api(t)
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    api.server.new_certificate(new_ca=new_ca)
    api.put(t.web_slice(service, [TWO]))
    api.server.wait_watches(4)
    api.settled()
    api.calm(daemon, mark, warnings=8)


@test(quick=True)
def a_server_that_is_not_the_one_we_trust_is_not_asked_and_what_is_known_stays(t):
    api = Api(t)
    service, piece = t.web([ONE])
    known = os.path.join(api.server.directory, "known.crt")
    shutil.copy(api.server.ca, known)
    api.server.kubeconfig(api.kubeconfig, "tokenFile", certificate_authority=known)
    daemon = api.run(service, piece)
    api.note_secrets()
    mark = daemon.mark()
    api.server.wait_watches(len(RESOURCES))
    requests = len(of_proxy(api.server))
    api.server.new_certificate(new_ca=True)
    api.put(t.web_slice(service, [TWO]))
    _is_failing(daemon, mark, "the server's certificate is not trusted")
    t.equal("requests", requests, len(of_proxy(api.server)))
    # An operator puts the new authority beside the old one.
    with open(known, "a", encoding="utf-8") as out, open(api.server.ca, encoding="utf-8") as new:
        out.write(new.read())
    api.settled()
    mark = daemon.mark()
    api.server.new_certificate(names=["other.example"])
    _is_failing(daemon, mark, "the server's certificate is of another host")
    api.calm(daemon, mark, warnings=12)


@test_rows(HTTP, "over_{}_a_token_that_is_rotated_is_used_from_the_next_request_on",
           quick=lambda *_: True)
def rotated(t, _, http2):
    api = Api(t, http2, "tokenFile")
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    before = [watch["number"] for watch in api.server.watches()]
    api.note_secrets()
    new = api.server.rotate_token()
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    t.equal("the watches go on", before, [watch["number"] for watch in api.server.watches()])
    api.server.end("end", "endpointslices")
    api.server.wait_count(1, "endpointslices", "watch")
    note = of_proxy(api.server, "endpointslices", "watch")[-1]
    t.equal("the next request", f"Bearer {new}", note["headers"]["authorization"])
    api.put(t.web_slice(service, [ONE]))
    api.settled()
    t.equal("the others go on", 3, len(set(before) &
                                       {watch["number"] for watch in api.server.watches()}))
    api.calm(daemon, mark)


@test()
def a_token_that_is_refused_is_tried_until_the_file_has_a_good_one(t):
    api = Api(t, how="tokenFile")
    service, piece = t.web([ONE])
    api.note_secrets()
    api.server.rotate_token(tell=False)
    api.put(service, piece)
    daemon = t.start()
    _is_failing(daemon, 0, "the server answered 401, Unauthorized")
    api.server.token_file()
    api.settled()
    t.equal("complaints", 4, len(daemon.complaints()), *daemon.complaints())


@test()
def a_client_certificate_that_is_rotated_is_used_for_the_next_connection(t):
    api = Api(t, how="cert")
    service, piece = t.web([ONE])
    daemon = api.run(service, piece)
    mark = daemon.mark()
    accepted = api.server.state()["connections"]["accepted"]
    api.note_secrets()
    api.server.client_certificate()
    api.put(t.web_slice(service, [TWO]))
    api.settled()
    t.equal("connections", accepted, api.server.state()["connections"]["accepted"])
    api.server.end("end", "endpointslices")
    api.server.wait_count(1, "endpointslices", "watch")
    t.equal("connections", accepted + 1, api.server.state()["connections"]["accepted"])
    api.put(t.web_slice(service, [ONE]))
    api.settled()
    api.calm(daemon, mark)


@test(quick=True)
def a_token_file_that_is_gone_is_named_and_read_when_it_is_back(t):
    api = Api(t, how="tokenFile")
    service, piece = t.web([ONE])
    api.put(service, piece)
    path = api.server.token_file()
    os.rename(path, path + ".away")
    daemon = t.start()
    _is_failing(daemon, 0, f"{path}: cannot open")
    if of_proxy(api.server):
        raise Failure("no request without a token")
    os.rename(path + ".away", path)
    api.settled()

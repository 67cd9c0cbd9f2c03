# SPDX-License-Identifier: GPL-2.0-or-later
"""Where objects come from, and that a change of them is followed at once."""

import os
import statistics
import time

import objects
from daemon import Failure, until
from harness import test, test_rows
from topology import pod_address, remote_address

ONE, TWO, THREE = (pod_address(11 + i, 4) for i in range(3))

FORMS = {"yaml_documents": objects.yaml_documents, "yaml_list": objects.yaml_list,
         "json_list": objects.json_list, "json_stream": objects.json_stream}

# From the end of a write until the kernel announces the change. What is aimed at is 10 ms; the
# bound leaves room for a busy machine and for sanitizers.
FOLLOWED_WITHIN_S = 0.100


@test_rows([(form,) for form in FORMS], "objects_are_read_as_{}",
           quick={"objects_are_read_as_yaml_list", "objects_are_read_as_json_list"})
def forms(t, form):
    service, piece = t.web([ONE, TWO])
    other = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"},
              "data": {"text": "a: b\n- c: 'd'\n"}}]
    t.write(*other, service, piece, form=FORMS[form])
    daemon = t.run()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO])
    t.equal("warnings and errors", [], daemon.complaints())
    t.write(*other, service, t.web_slice(service, [THREE]), form=FORMS[form])
    t.becomes(t.client, "tcp", service.ip(4), 80, [THREE])


@test(quick=True)
def standard_input_is_a_source(t):
    service, piece = t.web([ONE])
    t.write(service, piece)
    with open(t.source, encoding="utf-8") as file:
        daemon = t.start(source="-", stdin=file)
    daemon.wait_ready()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.true("the daemon stays", daemon.is_running())


@test()
def standard_input_may_be_a_pipe_that_is_slow(t):
    service, piece = t.web([ONE])
    text = objects.yaml_documents([objects.node(), service, piece]).encode()
    reading, writing = os.pipe()
    daemon = t.start(source="-", stdin=reading)
    os.close(reading)
    half = len(text) // 2
    os.write(writing, text[:half])
    os.write(writing, text[half:])
    os.close(writing)
    daemon.wait_ready()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])


def _text(t, *things):
    return objects.yaml_documents([objects.node(), objects.service_cidr(), *things])


@test(quick=True)
def a_file_written_in_place_is_followed(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for backend in (TWO, THREE, ONE):
        with open(t.source, "w", encoding="utf-8") as file:
            file.write(_text(t, service, t.web_slice(service, [backend])))
        t.becomes(t.client, "tcp", service.ip(4), 80, [backend])


@test(quick=True)
def a_file_being_rewritten_is_not_acted_on_before_its_writer_has_closed_it(t):
    # As in "kubectl get ... > FILE": the shell empties the file long before kubectl writes.
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()

    def serves_for(seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            t.answered_by(t.client, "udp", service.ip(4), 80, [ONE], count=1)

    with open(t.source, "w", encoding="utf-8") as file:
        serves_for(0.1)
        file.write(_text(t, service) + "---\n")  # complete documents, but not all of them
        file.flush()
        serves_for(0.1)
        file.write(objects.yaml_documents([t.web_slice(service, [TWO])]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    t.equal("warnings and errors", [], daemon.complaints(mark))


@test(quick=True)
def a_file_written_in_place_in_pieces_is_read_when_it_is_complete(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    text = _text(t, service, t.web_slice(service, [TWO]))
    with open(t.source, "w", encoding="utf-8") as file:
        for i in range(0, len(text), 97):
            file.write(text[i:i + 97])
            file.flush()
            t.answered_by(t.client, "udp", service.ip(4), 80, [ONE], count=1)
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    t.equal("warnings and errors", [], daemon.complaints(mark))


@test(quick=True)
def a_file_replaced_by_rename_is_followed(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for backend in (TWO, THREE, ONE):
        t.write(service, t.web_slice(service, [backend]))
        t.becomes(t.client, "tcp", service.ip(4), 80, [backend])


@test()
def a_file_removed_and_made_again_is_followed_and_serves_meanwhile(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    mark = daemon.mark()
    os.unlink(t.source)
    until(lambda: [line for line in daemon.complaints(mark) if t.source in line],
          "a complaint that names the file")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.write(service, t.web_slice(service, [TWO]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])


class _ConfigMapVolume:
    """A directory as the kubelet makes it: NAME -> ..data/NAME, ..data -> a directory that is
    replaced, by renaming a new link over ..data."""

    def __init__(self, path, text):
        self.path = path
        self.generation = 0
        self.current = None
        os.mkdir(path)
        self.publish(text)
        os.symlink("..data/objects.yaml", os.path.join(path, "objects.yaml"))

    def publish(self, text):
        self.generation += 1
        old, self.current = self.current, f"..2026_01_01.{self.generation}"
        directory = os.path.join(self.path, self.current)
        os.mkdir(directory)
        with open(os.path.join(directory, "objects.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        os.symlink(self.current, os.path.join(self.path, "..data_tmp"))
        os.rename(os.path.join(self.path, "..data_tmp"), os.path.join(self.path, "..data"))
        if old:
            os.unlink(os.path.join(self.path, old, "objects.yaml"))
            os.rmdir(os.path.join(self.path, old))


@test_rows([("file",), ("directory",)], "a_configmap_volumes_swapped_link_is_followed_as_a_{}",
           quick={"a_configmap_volumes_swapped_link_is_followed_as_a_file"})
def configmap(t, what):
    service, piece = t.web([ONE])
    path = os.path.join(t.directory, "volume")
    volume = _ConfigMapVolume(path, _text(t, service, piece))
    daemon = t.run(source=path if what == "directory" else os.path.join(path, "objects.yaml"))
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    mark = daemon.mark()
    for backend in (TWO, THREE, ONE, TWO):
        volume.publish(_text(t, service, t.web_slice(service, [backend])))
        t.becomes(t.client, "tcp", service.ip(4), 80, [backend])
    t.equal("warnings and errors", [], daemon.complaints(mark))


@test()
def a_link_to_a_file_is_followed_when_it_is_replaced(t):
    service, piece = t.web([ONE])
    for name, backend in (("a", ONE), ("b", TWO)):
        t.write(service, t.web_slice(service, [backend]),
                path=os.path.join(t.directory, f"{name}.data"))
    os.symlink("a.data", t.source)
    t.run()
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    os.symlink("b.data", t.source + ".new")
    os.rename(t.source + ".new", t.source)
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])


@test(quick=True)
def files_that_come_and_go_in_a_directory_are_followed(t):
    directory = os.path.join(t.directory, "objects")
    os.mkdir(directory)
    path = lambda name: os.path.join(directory, name)
    t.write(path=path("00-node.yaml"))
    blue, blue_piece = t.web([ONE], name="blue")
    red, red_piece = t.web([TWO], name="red")
    t.write(blue, blue_piece, path=path("blue.yml"), with_node=False)
    t.run(source=directory)
    t.answered_by(t.client, "tcp", blue.ip(4), 80, [ONE])
    t.dropped(t.client, "tcp", red.ip(4), 80)

    t.write(red, red_piece, path=path("red.json"), form=objects.json_list, with_node=False)
    t.becomes(t.client, "tcp", red.ip(4), 80, [TWO])
    t.answered_by(t.client, "tcp", blue.ip(4), 80, [ONE])

    os.unlink(path("blue.yml"))
    t.becomes_outcome("timeout", t.client, "tcp", blue.ip(4), 80)
    t.answered_by(t.client, "tcp", red.ip(4), 80, [TWO])

    # Moved out of sight, and back.
    os.rename(path("red.json"), path("red.json.bak"))
    t.becomes_outcome("timeout", t.client, "tcp", red.ip(4), 80)
    os.rename(path("red.json.bak"), path("red.json"))
    t.becomes(t.client, "tcp", red.ip(4), 80, [TWO])


@test()
def other_files_in_a_directory_are_not_read(t):
    directory = os.path.join(t.directory, "objects")
    os.mkdir(directory)
    service, piece = t.web([ONE])
    t.write(service, piece, path=os.path.join(directory, "objects.yaml"))
    for name in (".hidden.yaml", "README", "notes.txt", "objects.yaml~", ".objects.yaml.swp"):
        t.write_text("{ this is: [neither\0", path=os.path.join(directory, name))
    os.mkdir(os.path.join(directory, "more.yaml"))
    daemon = t.run(source=directory)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE])
    t.equal("warnings and errors", [], daemon.complaints())


@test()
def objects_of_one_service_may_lie_in_several_files(t):
    directory = os.path.join(t.directory, "objects")
    os.mkdir(directory)
    service, piece = t.web([ONE])
    parts = {"a": piece, "b": service, "c": t.web_slice(service, [TWO], "2")}
    t.write(path=os.path.join(directory, "node.yaml"))
    for name, part in parts.items():
        t.write(part, path=os.path.join(directory, f"{name}.yaml"), with_node=False)
    daemon = t.run(source=directory)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [ONE, TWO])
    mark = daemon.mark()
    os.unlink(os.path.join(directory, "a.yaml"))
    daemon.wait_synced(mark)
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])


def _change_until_committed(t, daemon, heard, service, backends):
    """Rename a change into place; returns seconds until its transaction, and that."""
    before = len(heard.of(daemon.pid))
    temporary = t.source + ".next"
    t.write(service, t.web_slice(service, backends), path=temporary)
    started = time.monotonic()
    os.rename(temporary, t.source)
    done = heard.wait(daemon.pid, before + 1)
    if len(done) != before + 1:
        raise Failure("transactions after one change", "expected: 1",
                      f"got:      {len(done) - before}")
    return done[-1].at - started, done[-1]


@test(quick=True)
def a_change_is_in_the_kernel_at_once_and_is_one_transaction(t):
    service, piece = t.web([ONE])
    daemon = t.run(service, piece)
    heard = t.transactions()
    took = [_change_until_committed(t, daemon, heard, service, [backend])[0]
            for backend in (TWO, THREE, ONE) * 7]
    median = statistics.median(took)
    print(f"# a change is committed within {median * 1e3:.1f} ms (median), "
          f"{max(took) * 1e3:.1f} ms (worst of {len(took)})")
    t.true("committed at once", median < FOLLOWED_WITHIN_S, f"median {median * 1e3:.1f} ms")


@test()
def a_change_in_both_families_is_one_transaction(t):
    service, _ = t.web([], families=(4, 6))
    pieces = lambda n: (t.web_slice(service, [pod_address(n, 4)]),
                        t.web_slice(service, [pod_address(n, 6)]))
    daemon = t.run(service, *pieces(11))
    heard = t.transactions()
    t.write(service, *pieces(12))
    for family in (4, 6):
        t.becomes(t.client, "tcp", service.ip(family), 80, [pod_address(12, family)])
    t.equal("transactions", 1, len(heard.of(daemon.pid)))


@test()
def what_is_sent_is_what_changed(t):
    # Among 300 Services with 8 endpoints, one endpoint of one Service.
    far = [remote_address(i, 4) for i in range(1, 9)]
    crowd = [thing for i in range(300) for thing in t.web(far, name=f"s{i}")]
    service, piece = t.web([ONE])
    daemon = t.run(*crowd, service, piece)
    heard = t.transactions()
    t.write(*crowd, service, t.web_slice(service, [TWO]))
    done = heard.wait(daemon.pid)
    t.equal("transactions", 1, len(done))
    # A slot deleted and added, for TCP and UDP, and the hairpin pairs of the two pods.
    t.true("few elements changed", 0 < done[0].messages <= 12,
           f"the kernel announced {done[0].messages} changes")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])


@test()
def writing_the_same_objects_again_sends_nothing(t):
    service, piece = t.web([ONE, TWO])
    other, other_piece = t.web([THREE], name="other")
    daemon = t.run(service, piece, other, other_piece)
    heard = t.transactions()
    t.write(other_piece, other, piece, service)
    t.write(service, piece, other, other_piece, form=objects.json_list)
    t.write(service, t.web_slice(service, [THREE]), other, other_piece)
    t.becomes(t.client, "tcp", service.ip(4), 80, [THREE])
    t.equal("transactions", 1, len(heard.of(daemon.pid)))


@test()
def many_changes_in_a_row_end_in_the_last_state(t):
    service, piece = t.web([ONE])
    t.run(service, piece)
    for i in range(100):
        t.write(service, t.web_slice(service, [(ONE, TWO, THREE)[i % 3]]))
    t.write(service, t.web_slice(service, [TWO]))
    t.becomes(t.client, "tcp", service.ip(4), 80, [TWO])
    until(lambda: t.diff().returncode == 0, "diff finds nothing")
    t.answered_by(t.client, "tcp", service.ip(4), 80, [TWO])

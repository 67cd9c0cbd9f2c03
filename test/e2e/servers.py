# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers behind the Services: one process for all namespaces.

Each answers with one line: its own address and port, as the connection reached
it, and the peer's address and port, as it saw them. TCP servers then close,
but for those on HOLD_PORTS, which send every byte back until the client closes.

Datagrams that begin with MARK are noted in a file when they were answered, a line
"WORD BACKEND TIME": so one whose answer was lost can be told from one that never
arrived.
"""

import os
import selectors
import signal
import socket
import struct
import time

from netns import die_with_parent

PORTS = (53, 8080, 8081, 8082, 8443, 9000, 9090)
HOLD_PORTS = (7000,)

MARK = b"#"

IP_PKTINFO = 8


def _listen(family, port):
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", port))
    sock.listen(4096)
    return sock


def _receive(family, port):
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    sock.bind(("", port))
    return sock


def _line(local, peer):
    return f"{local[0]} {local[1]} {peer[0]} {peer[1]}\n".encode()


class _Server:
    def __init__(self, note_path):
        self.selector = selectors.DefaultSelector()
        self.notes = os.open(note_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
                             0o644)

    def add(self, namespace):
        with namespace:
            for family in (socket.AF_INET, socket.AF_INET6):
                for port in PORTS + HOLD_PORTS:
                    hold = port in HOLD_PORTS
                    self.selector.register(_listen(family, port), selectors.EVENT_READ,
                                           self.greet if hold else self.answer)
                    self.selector.register(_receive(family, port), selectors.EVENT_READ,
                                           self.reply)

    def loop(self):
        while True:
            for key, _ in self.selector.select():
                try:
                    key.data(key.fileobj)
                except OSError:
                    pass  # a client that is gone already: its problem

    def answer(self, listener):
        connection, peer = listener.accept()
        with connection:
            connection.send(_line(connection.getsockname(), peer))

    def greet(self, listener):
        connection, peer = listener.accept()
        connection.setblocking(False)
        connection.send(_line(connection.getsockname(), peer))
        self.selector.register(connection, selectors.EVENT_READ, self.echo)

    def echo(self, connection):
        try:
            data = connection.recv(4096)
        except OSError:
            data = b""
        if data:
            connection.send(data)
        else:
            self.selector.unregister(connection)
            connection.close()

    def reply(self, sock):
        # From the very address that was asked: a backend namespace has many.
        data, ancillary, _, peer = sock.recvmsg(64, 128)
        port = sock.getsockname()[1]
        level, kind, info = ancillary[0]
        if level == socket.IPPROTO_IP:
            raw = info[8:12]
            local = socket.inet_ntop(socket.AF_INET, raw)
            info = struct.pack("@I4s4s", 0, raw, b"\0" * 4)
        else:
            local = socket.inet_ntop(socket.AF_INET6, info[:16])
            info = info[:16] + struct.pack("@I", 0)
        sock.sendmsg([data + b" " + _line((local, port), peer)], [(level, kind, info)], 0, peer)
        if data.startswith(MARK):
            os.write(self.notes, data + f" {local} {time.monotonic():.6f}\n".encode())


def start(namespaces, note_path=os.devnull):
    """Fork the server process; it listens everywhere when this returns. Returns its pid.

    Whom it met is noted in the file @note_path.
    """
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.close(ready_read)
        status = 1
        try:
            server = _Server(note_path)
            for namespace in namespaces:
                server.add(namespace)
            os.write(ready_write, b"1")
            os.close(ready_write)
            server.loop()
        except KeyboardInterrupt:
            pass
        finally:
            os._exit(status)
    os.close(ready_write)
    ready = os.read(ready_read, 1)
    os.close(ready_read)
    if not ready:
        os.waitpid(pid, 0)
        raise RuntimeError("the servers did not start")
    return pid


def stop(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

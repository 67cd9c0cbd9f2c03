# SPDX-License-Identifier: GPL-2.0-or-later
"""SCTP without SCTP sockets, which many kernels lack.

The client writes an INIT with its CRC32c into a raw socket; raw sockets at the
backends show where it arrived, from whom, and whether the checksum is right
after the translation. The initiate tag tells one probe from another.
"""

import errno
import selectors
import socket
import struct
import time

from probes import ANSWERED, PATIENCE, Result, failure, fresh_tags

SCTP = 132
_HEADER = struct.Struct("!HHII")  # source port, destination port, verification tag, checksum
_INIT = struct.Struct("!BBHIIHHI")  # type, flags, length, tag, window, out, in, TSN

_tags = fresh_tags()


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def init_packet(source_port, port, tag):
    chunk = _INIT.pack(1, 0, _INIT.size, tag, 65536, 1, 1, tag)
    crc = crc32c(_HEADER.pack(source_port, port, 0, 0) + chunk)
    # The checksum alone travels with its least significant byte first.
    crc = struct.unpack("!I", struct.pack("<I", crc))[0]
    return _HEADER.pack(source_port, port, 0, crc) + chunk


def has_right_checksum(packet):
    bare = packet[:8] + b"\0\0\0\0" + packet[12:]
    return struct.pack("<I", crc32c(bare)) == packet[8:12]


def is_permitted(namespace):
    try:
        with namespace, socket.socket(socket.AF_INET, socket.SOCK_RAW, SCTP):
            return True
    except OSError:
        return False


def _socket_family(family):
    return socket.AF_INET6 if family == 6 else socket.AF_INET


class Arrived(Result):
    """A Result of a packet that arrived; intact: its checksum is right."""

    intact = True


def _listen(namespace, family):
    with namespace:
        sock = socket.socket(_socket_family(family), socket.SOCK_RAW | socket.SOCK_NONBLOCK, SCTP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    return sock


def _take(sock, family):
    """The next packet of a backend's socket: initiate tag and Result."""
    data, ancillary, _, peer = sock.recvmsg(2048, 128)
    if family == 4:
        local = socket.inet_ntop(socket.AF_INET, data[16:20])
        data = data[(data[0] & 15) * 4:]
    else:
        local = socket.inet_ntop(socket.AF_INET6, ancillary[0][2][:16])
    port = _HEADER.unpack_from(data)[1]
    tag = _INIT.unpack_from(data, _HEADER.size)[3]
    result = Arrived(ANSWERED, local, port, peer[0])
    result.intact = has_right_checksum(data)
    return tag, result


def send_many(namespace, listeners, address, port, count, patience=PATIENCE):
    """@count INITs, each from its own port. A Result for each; those that arrived are Arrived."""
    family = 6 if ":" in address else 4
    results = {}
    with selectors.DefaultSelector() as selector:
        for listener in listeners:
            selector.register(_listen(listener, family), selectors.EVENT_READ, None)
        with namespace:
            client = socket.socket(_socket_family(family), socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                   SCTP)
        with client:
            client.connect((address, 0))
            selector.register(client, selectors.EVENT_READ, "client")
            tags = [next(_tags) for _ in range(count)]
            for tag in tags:
                try:
                    client.send(init_packet(namespace.next_port(), port, tag))
                except OSError as error:
                    results[tag] = failure(error.errno)
            _collect(selector, family, tags, results, time.monotonic() + patience)
        for key in list(selector.get_map().values()):
            key.fileobj.close()
    return [results.get(tag, failure(errno.ETIMEDOUT)) for tag in tags]


def _collect(selector, family, tags, results, deadline):
    while len(results) < len(tags) and time.monotonic() < deadline:
        for key, _ in selector.select(0.02):
            if key.data == "client":
                # An ICMP error names no probe: whatever is not yet known has met it.
                code = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code != 0:
                    for tag in tags:
                        results.setdefault(tag, failure(code))
                else:
                    key.fileobj.recv(2048)
                continue
            tag, result = _take(key.fileobj, family)
            if tag in tags:
                results[tag] = result


def send(namespace, listeners, address, port, patience=PATIENCE):
    return send_many(namespace, listeners, address, port, 1, patience)[0]

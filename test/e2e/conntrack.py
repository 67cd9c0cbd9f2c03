# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tracks in a namespace, read by netlink: there need be no conntrack(8)."""

import socket
import struct
from collections import namedtuple

_NETLINK_NETFILTER = 12
_NEW, _GET = 1 << 8, 1 << 8 | 1  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_*
_REQUEST_DUMP = 0x301
_REQUEST_CREATE = 0x605  # with an answer; it must not exist
_ERROR, _DONE = 2, 3

_TUPLE_ORIG, _TUPLE_REPLY, _STATUS, _PROTOINFO, _TIMEOUT, _ID = 1, 2, 3, 4, 7, 12
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_V4_SRC, _V4_DST, _V6_SRC, _V6_DST = 1, 2, 3, 4
_PROTO_NUM, _SRC_PORT, _DST_PORT = 1, 2, 3

PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}

# As it was sent, and who answers. number: another one for a flow that was deleted and made again.
Flow = namedtuple("Flow", "protocol source source_port address port backend backend_port number")


def _attributes(data):
    found = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        found[kind & 0x3FFF] = data[offset + 4:offset + length]
        offset += max(length + 3 & ~3, 4)
    return found


def _tuple(data):
    """(protocol number, source, source port, destination, destination port)"""
    parts = _attributes(data)
    addresses, protocol = _attributes(parts[_TUPLE_IP]), _attributes(parts[_TUPLE_PROTO])
    if _V4_SRC in addresses:
        ends = [socket.inet_ntop(socket.AF_INET, addresses[k]) for k in (_V4_SRC, _V4_DST)]
    else:
        ends = [socket.inet_ntop(socket.AF_INET6, addresses[k]) for k in (_V6_SRC, _V6_DST)]
    ports = [struct.unpack("!H", protocol.get(k, b"\0\0"))[0] for k in (_SRC_PORT, _DST_PORT)]
    return protocol[_PROTO_NUM][0], ends[0], ports[0], ends[1], ports[1]


def _flow(payload):
    fields = _attributes(payload[4:])
    protocol, source, source_port, address, port = _tuple(fields[_TUPLE_ORIG])
    _, backend, backend_port, _, _ = _tuple(fields[_TUPLE_REPLY])
    return Flow(PROTOCOLS.get(protocol, str(protocol)), source, source_port, address, port,
                backend, backend_port, struct.unpack("!I", fields[_ID])[0])


def flows(namespace):
    """All of them."""
    with namespace:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with sock:
        sock.settimeout(10)
        sock.send(struct.pack("=IHHIIBBH", 20, _GET, _REQUEST_DUMP, 1, 0, 0, 0, 0))
        found = []
        while True:
            data = sock.recv(1 << 16)
            offset = 0
            while offset + 16 <= len(data):
                length, kind = struct.unpack_from("=IH", data, offset)
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise OSError(-struct.unpack_from("=i", data, offset + 16)[0], "conntrack")
                found.append(_flow(data[offset + 16:offset + length]))
                offset += length + 3 & ~3


def _attribute(kind, data, nested=False):
    return struct.pack("=HH", len(data) + 4, kind | (0x8000 if nested else 0)) + \
        data + bytes(-len(data) % 4)


def _write_tuple(kind, number, source, source_port, address, port):
    keys = (_V6_SRC, _V6_DST) if ":" in address else (_V4_SRC, _V4_DST)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ips = b"".join(_attribute(key, socket.inet_pton(family, ip))
                   for key, ip in zip(keys, (source, address)))
    protocol = _attribute(_PROTO_NUM, bytes([number])) + \
        _attribute(_SRC_PORT, struct.pack("!H", source_port)) + \
        _attribute(_DST_PORT, struct.pack("!H", port))
    return _attribute(kind, _attribute(_TUPLE_IP, ips, True) +
                      _attribute(_TUPLE_PROTO, protocol, True), True)


def create(namespace, flows_):
    """Have the kernel track @flows_, as if their packets had passed; their numbers do not count."""
    numbers = {name: number for number, name in PROTOCOLS.items()}
    with namespace:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
    with sock:
        sock.settimeout(10)
        for f in flows_:
            number = numbers[f.protocol]
            body = _write_tuple(_TUPLE_ORIG, number, f.source, f.source_port, f.address, f.port) + \
                _write_tuple(_TUPLE_REPLY, number, f.backend, f.backend_port, f.source,
                             f.source_port) + \
                _attribute(_STATUS, struct.pack("!I", 0xA)) + \
                _attribute(_TIMEOUT, struct.pack("!I", 600))  # confirmed, answered
            if f.protocol == "tcp":
                state = _attribute(1, bytes([3]))  # established
                body += _attribute(_PROTOINFO, _attribute(1, state, True), True)
            family = socket.AF_INET6 if ":" in f.address else socket.AF_INET
            sock.send(struct.pack("=IHHIIBBH", 20 + len(body), _NEW, _REQUEST_CREATE, 1, 0, family,
                                  0, 0) + body)
            code = struct.unpack_from("=i", sock.recv(1 << 16), 16)[0]
            if code != 0:
                raise OSError(-code, f"conntrack: {f}")

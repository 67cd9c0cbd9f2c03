# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/1.1 on one connection, with TLS done here so that it can be cut at any byte."""

import asyncio
import email.utils
import itertools
import socket
import ssl
import struct
import urllib.parse
import uuid

HEAD_MAX = 64 << 10
BODY_MAX = 64 << 20
UNREAD_MAX = 1 << 20
# What Go's server collects before it gives up on sending Content-Length.
SMALL_BODY = 2048
BATCH = 256 << 10

REASONS = {100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 400: "Bad Request",
           401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
           406: "Not Acceptable", 409: "Conflict", 410: "Gone", 413: "Request Entity Too Large",
           415: "Unsupported Media Type", 422: "Unprocessable Entity", 429: "Too Many Requests",
           431: "Request Header Fields Too Large", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
_numbers = itertools.count(1)


class Lost(Exception):
    """The connection is gone, or a test wanted it to go."""


class BadRequest(Exception):
    """Not HTTP; @code is what to answer before closing."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Request:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.headers = headers  # names in lower case
        self.body = body
        path, _, query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.user = ""
        self.kind = "other"  # list page watch streaming get create update patch delete other
        self.resource = ""

    @property
    def wants_close(self):
        return "close" in self.headers.get("connection", "").lower()


class Connection(asyncio.Protocol):
    """@serve: coroutine function (connection, request, response). @context: None without TLS."""

    def __init__(self, serve, context, registry):
        self.serve = serve
        self.context = context
        self.registry = registry  # the set of all open connections
        self.number = next(_numbers)
        self.transport = None
        self.tls = None
        self.peer_certificate = None
        self.order = None  # "end", "close", "reset" or "stall": what a test wants right now
        self._buffer = bytearray()
        self._waiter = None
        self._is_woken = False
        self._is_lost = False
        self._is_paused = False
        self._reading = True
        self._task = None

    # asyncio's side

    def connection_made(self, transport):
        self.transport = transport
        self.registry.add(self)
        if self.context:
            self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = self.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def connection_lost(self, _error):
        self._is_lost = True
        self.registry.discard(self)
        self.wake()

    def eof_received(self):
        return False

    def pause_writing(self):
        self._is_paused = True

    def resume_writing(self):
        self._is_paused = False
        self.wake()

    def data_received(self, data):
        if self.tls is None:
            self._buffer += data
        else:
            self._incoming.write(data)
            try:
                self._decrypt()
            except ssl.SSLError:
                self._flush_tls()
                self.transport.close()
                return
        if len(self._buffer) > UNREAD_MAX and self._reading:
            self._reading = False
            self.transport.pause_reading()
        self.wake()

    def _decrypt(self):
        """Take in what has come; a handshake ends in here, too."""
        try:
            if self.peer_certificate is None:
                self.tls.do_handshake()
                self.peer_certificate = self.tls.getpeercert() or {}
            while True:
                data = self.tls.read(256 << 10)
                if not data:
                    break
                self._buffer += data
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self._flush_tls()
            self.transport.close()
            return
        self._flush_tls()

    def _flush_tls(self):
        data = self._outgoing.read()
        if data and not self.transport.is_closing():
            self.transport.write(data)

    # Waiting

    def wake(self):
        self._is_woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def pause(self, seconds=None):
        """Wait until wake(), or so long. Raises Lost when the connection went away."""
        loop = asyncio.get_running_loop()
        if not self._is_woken:
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self.wake) if seconds is not None else None
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer:
                    timer.cancel()
        self._is_woken = False
        if self._is_lost:
            raise Lost

    async def stall(self):
        """Say nothing more, until the client or a test ends it."""
        while True:
            await self.pause()
            if self.order in ("close", "reset"):
                await self.leave(self.order)

    async def leave(self, how):
        """End the connection now. how: "close" without TLS's goodbye, "reset", or "stall"."""
        if how == "stall":
            await self.stall()
        await self.drain(0)
        self.abort(with_reset=how == "reset")
        raise Lost

    def abort(self, with_reset=False):
        """At once, unsent bytes included."""
        if self.transport is None or self._is_lost:
            return
        sock = self.transport.get_extra_info("socket")
        if with_reset and sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    # Bytes

    def send(self, data):
        if self._is_lost or self.transport.is_closing():
            raise Lost
        if self.tls is None:
            self.transport.write(data)
            return
        try:
            self.tls.write(data)
        except ssl.SSLError:
            raise Lost from None
        self._flush_tls()

    async def drain(self, limit=None):
        """Wait while the client does not read; @limit 0: until every byte is with the kernel."""
        while limit is not None and self.transport.get_write_buffer_size() > limit:
            await self.pause(0.002)
        while self._is_paused:
            await self.pause()
        if self._is_lost:
            raise Lost

    async def _fill(self):
        if not self._reading:
            self._reading = True
            self.transport.resume_reading()
        await self.pause()
        if self.order in ("close", "reset", "stall"):
            await self.leave(self.order)

    async def _read_head(self):
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                head = bytes(self._buffer[:end])
                del self._buffer[:end + 4]
                return head
            if len(self._buffer) > HEAD_MAX:
                raise BadRequest(431)
            await self._fill()

    async def _read(self, count):
        while len(self._buffer) < count:
            await self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _read_line(self):
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HEAD_MAX:
                raise BadRequest(400)
            await self._fill()
        line = bytes(self._buffer[:end])
        del self._buffer[:end + 2]
        return line

    async def _read_body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if "chunked" not in headers.get("transfer-encoding", "").lower():
                length = int(headers.get("content-length", "0"))
                if not 0 <= length <= BODY_MAX:
                    raise BadRequest(413)
                return await self._read(length)
            body = bytearray()
            while True:
                size = int((await self._read_line()).partition(b";")[0], 16)
                if not 0 <= size <= BODY_MAX - len(body):
                    raise BadRequest(413)
                body += await self._read(size)
                if size == 0:
                    while await self._read_line():
                        pass
                    return bytes(body)
                await self._read_line()
        except ValueError:
            raise BadRequest(400) from None

    async def _read_request(self):
        head = await self._read_head()
        try:
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, version = first.split(" ")
            headers = {}
            for line in lines:
                name, colon, value = line.partition(":")
                if not colon:
                    raise BadRequest(400)
                headers[name.strip().lower()] = value.strip()
        except ValueError:
            raise BadRequest(400) from None
        if not version.startswith("HTTP/1."):
            raise BadRequest(400)
        return Request(method, target, headers, await self._read_body(headers))

    async def _run(self):
        try:
            while True:
                request = await self._read_request()
                response = Response(self)
                await self.serve(self, request, response)
                await response.finish()
                if request.wants_close or response.must_close:
                    break
            await self.close()
        except BadRequest as error:
            response = Response(self)
            try:
                response.start(error.code, "text/plain", close=True)
                await response.write(REASONS[error.code].encode())
                await response.finish()
                await self.close()
            except Lost:
                pass
        except Lost:
            pass
        finally:
            self.abort()

    async def close(self):
        """Politely, everything sent."""
        if self.tls is not None:
            try:
                self.tls.unwrap()
            except (ssl.SSLError, OSError, ValueError):
                pass
            self._flush_tls()
        await self.drain(0)
        self.transport.close()


class Response:
    """One answer. Short ones get a Content-Length, others chunks, as Go's server does it."""

    def __init__(self, connection):
        self.connection = connection
        self.chunk_bytes = SMALL_BODY
        self.fault = None  # faults.Fault that cuts this answer
        self.must_close = False
        self.code = 0
        self.is_started = False
        self.is_finished = False
        self.body_bytes = 0
        self.wire_bytes = 0
        self._head = b""
        self._held = b""
        self._is_chunked = False

    def start(self, code, content_type="application/json", headers=(), close=False):
        """Nothing is sent before there is a body, or flush(), or finish()."""
        self.code = code
        self.must_close = close
        lines = [f"HTTP/1.1 {code} {REASONS.get(code, 'Status')}", f"Audit-Id: {uuid.uuid4()}",
                 "Cache-Control: no-cache, private", f"Content-Type: {content_type}",
                 *(f"{name}: {value}" for name, value in headers),
                 f"Date: {email.utils.formatdate(usegmt=True)}"]
        if close:
            lines.append("Connection: close")
        self._head = "\r\n".join(lines).encode()
        self.is_started = True

    async def write(self, data):
        """Body bytes; held back until it is known whether more than a little comes."""
        if self._head:
            self._held += data
            if len(self._held) <= SMALL_BODY:
                return
            data, self._held = self._held, b""
            await self._send_head(b"Transfer-Encoding: chunked")
        await self._send_body(data)

    async def write_lines(self, lines):
        """The same for a watch's events, each in chunks of its own, in one go."""
        if self._head or self.fault:
            for line in lines:
                await self.write(line)
            return
        data = b"".join(map(self._framed, lines))
        self.body_bytes += sum(map(len, lines))
        await self._send_wire(data)

    async def flush(self):
        """Send what there is, for answers without an end."""
        if self._head:
            data, self._held = self._held, b""
            await self._send_head(b"Transfer-Encoding: chunked")
            if data:
                await self._send_body(data)

    async def finish(self):
        if self.is_finished or not self.is_started:
            return
        self.is_finished = True
        if self._head:
            data, self._held = self._held, b""
            await self._send_head(b"Content-Length: %d" % len(data))
            await self._send_body(data)
        elif self._is_chunked:
            await self._send_wire(b"0\r\n\r\n")
        await self.connection.drain()

    async def _send_head(self, framing):
        head, self._head = self._head, b""
        self._is_chunked = framing.startswith(b"T")
        await self._send_wire(b"%s\r\n%s\r\n\r\n" % (head, framing))

    async def _send_body(self, data):
        """With a fault that counts body bytes: up to there."""
        fault = self.fault
        if fault and fault.unit == "body" and self.body_bytes + len(data) >= fault.at:
            data = data[:fault.at - self.body_bytes]
            self.body_bytes += len(data)
            await self._send_wire(self._framed(data))
            await self._misbehave()
        self.body_bytes += len(data)
        for start in range(0, len(data), BATCH):
            await self._send_wire(self._framed(data[start:start + BATCH]))

    def _framed(self, data):
        if not self._is_chunked:
            return data
        step = self.chunk_bytes
        if len(data) <= step:
            return b"%x\r\n%s\r\n" % (len(data), data) if data else b""
        parts = []
        for start in range(0, len(data), step):
            part = data[start:start + step]
            parts += (b"%x\r\n" % len(part), part, b"\r\n")
        return b"".join(parts)

    async def _send_wire(self, data):
        fault = self.fault
        if fault and fault.unit == "wire" and self.wire_bytes + len(data) >= fault.at:
            data = data[:fault.at - self.wire_bytes]
            if data:
                self.connection.send(data)
            await self._misbehave()
        if data:
            self.connection.send(data)
        self.wire_bytes += len(data)
        await self.connection.drain()

    async def _misbehave(self):
        then = self.fault.then
        self.fault = None
        if then == "end" and self._is_chunked:
            await self.end()
        await self.connection.leave("close" if then == "end" else then)

    async def end(self):
        """An HTTP answer that is complete, whatever was in it; the connection stays."""
        if not self.is_finished:
            self.is_finished = True
            await self._send_wire(b"0\r\n\r\n")
        raise Ended


class Ended(Exception):
    """The answer was ended early, and rightly so for HTTP."""

"""A WebSocket by hand: bytes over a bare TCP connection.

So a test may send whatever no decent client would: unmasked, binary, fragmented,
oversized or broken frames. Nothing is read unless the test asks for it, so a test may
also be a slow reader.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import socket
import struct
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from tests.support.tcp_line import TcpLine

JsonObject = dict[str, Any]

SUBPROTOCOL = "idling.v1"
TIMEOUT_S = 60.0
HANG_UP_S = 45.0
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA


class RefusedError(Exception):
    """The server did not upgrade: its status, headers and body."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.status, self.headers, self.body = status, headers, body
        super().__init__(f"{status}: {body}")


class ClosedError(Exception):
    """The connection is over: the code of the server's close frame, or 1006 without one."""

    def __init__(self, code: int, reason: str = "") -> None:
        self.code, self.reason = code, reason
        super().__init__(f"{code} {reason}")


def frame_bytes(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """Return one frame (RFC 6455, section 5.2), right or wrong as asked."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    flag = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, flag | size))
    elif size < 65536:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    key = int.from_bytes(mask * (size // 4 + 1), "big") >> 8 * ((size // 4 + 1) * 4 - size)
    return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")


class Wire(TcpLine):
    """An upgraded connection. Messages are read when somebody waits for them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.inbox: deque[JsonObject] = deque()
        self.control: list[tuple[int, bytes]] = []
        self.closed: ClosedError | None = None
        self._text = b""

    # -- sending -------------------------------------------------------------------

    def send(self, *messages: Any) -> None:
        """Send objects: one frame, joined by line feeds."""
        self.send_text("\n".join(json.dumps(message) for message in messages))

    def send_text(self, text: str | bytes) -> None:
        """Send one text frame."""
        self.send_frame(TEXT, text.encode() if isinstance(text, str) else text)

    def send_frame(self, opcode: int, payload: bytes, **how: Any) -> None:
        """Send one frame as ``frame_bytes`` makes it."""
        self.send_bytes(frame_bytes(opcode, payload, **how))

    def send_bytes(self, data: bytes) -> None:
        """Send anything."""
        self.writer.write(data)

    # -- receiving -----------------------------------------------------------------

    async def receive(self) -> JsonObject:
        """Return the next message but for heartbeats and news of the server's health, which come when they come.

        Raises ``ClosedError`` at the end, ``TimeoutError``.
        """
        while True:
            message = await self.receive_any()
            if message["type"] != "heartbeat" and (message["type"], message.get("topic")) != ("notice", "health"):
                return message

    async def receive_any(self) -> JsonObject:
        """Return the next message, whatever it is."""
        async with asyncio.timeout(TIMEOUT_S):
            while not self.inbox:
                if self.closed is not None:
                    raise self.closed
                await self._read_frame()
        message = self.inbox.popleft()
        self.took(message)
        return message

    def took(self, message: JsonObject) -> None:
        """Look at every message as it is taken."""

    def parse(self, line: str) -> JsonObject:
        """Return the message that a line spells: the last place that sees it as it was sent."""
        message: JsonObject = json.loads(line)
        return message

    async def expect(self, kind: str, **members: Any) -> JsonObject:
        """Return the next message of that type (and with these members); others pass by."""
        while True:
            message = await self.receive_any()
            if message["type"] == kind and all(message.get(key) == value for key, value in members.items()):
                return message

    async def expect_close(self) -> ClosedError:
        """Read on until the server closes, answer it, and return how it closed.

        Then the server is the one to hang up (RFC 6455, section 7.1.1).
        """
        while True:
            try:
                await self.receive()
            except ClosedError as closed:
                async with asyncio.timeout(HANG_UP_S):
                    with contextlib.suppress(ConnectionError):
                        while await self.reader.read(65536):
                            pass
                self.writer.close()
                return closed

    async def expect_pong(self, payload: bytes) -> None:
        """Read on until this pong comes."""
        async with asyncio.timeout(TIMEOUT_S):
            while (PONG, payload) not in self.control:
                await self._read_frame()

    async def _read_frame(self) -> None:
        try:
            first, second = await self.reader.readexactly(2)
            assert not second & 0x80, "a server never masks"
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            payload = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = ClosedError(1006)
            raise self.closed from None
        opcode = first & 0x0F
        assert first & 0x70 == 0, "no extension was agreed on"
        if opcode == CLOSE:
            await self._answer_close(payload)
        elif opcode >= CLOSE:
            self.control.append((opcode, payload))
            if opcode == PING:
                self.send_frame(PONG, payload)
        else:
            assert opcode in (TEXT, CONTINUATION)
            self._text += payload
            if first & 0x80:
                text, self._text = self._text, b""
                self.inbox.extend(self.parse(line) for line in text.decode().split("\n"))

    async def _answer_close(self, payload: bytes) -> None:
        code = struct.unpack("!H", payload[:2])[0] if payload else 1005
        self.closed = ClosedError(code, payload[2:].decode())
        self.writer.write(frame_bytes(CLOSE, payload[:2]))

    # -- leaving -------------------------------------------------------------------

    async def close(self, code: int = 1000) -> None:
        """Leave in order: send a close frame, wait for the server's."""
        if self.closed is None:
            self.send_frame(CLOSE, struct.pack("!H", code))
            await self.expect_close()

    async def hang_up(self) -> None:
        """End the TCP connection without a word."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def upgrade(base: str, wire: type[Wire] = Wire, **how: Any) -> Any:
    """Open a socket without a word on it; return a ``wire``. Raises ``RefusedError``.

    ``headers`` replace or add (None leaves one out); ``protocol`` None offers none; ``behind`` is
    sent in the same segment as the request; ``rcvbuf`` bounds what the kernel takes for us.
    """
    reader, writer = await open_connection(base, how.get("rcvbuf"))
    key = base64.b64encode(os.urandom(16)).decode()
    headers: dict[str, str | None] = {
        "Host": urlsplit(base).netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": how.get("protocol", SUBPROTOCOL),
        **how.get("headers", {}),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    request = "\r\n".join([f"GET {how.get('path', '/ws')} HTTP/1.1", *lines, "", ""])
    writer.write(request.encode("latin-1") + how.get("behind", b""))
    async with asyncio.timeout(TIMEOUT_S):
        status, answered = await read_head(reader)
        if status != 101:
            body = await reader.readexactly(int(answered.get("content-length", "0")))
            writer.close()
            raise RefusedError(status, answered, body.decode())
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    assert answered["sec-websocket-accept"] == base64.b64encode(digest).decode()
    assert answered["sec-websocket-protocol"] == SUBPROTOCOL
    return wire(reader, writer)


async def open_connection(base: str, rcvbuf: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to where ``base`` says; ``rcvbuf`` bounds what the kernel takes for us, in bytes."""
    parts = urlsplit(base)
    kernel_socket = socket.socket()
    kernel_socket.setblocking(False)
    if rcvbuf is not None:
        kernel_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    await asyncio.get_running_loop().sock_connect(kernel_socket, (parts.hostname, parts.port))
    kernel_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return await asyncio.open_connection(sock=kernel_socket)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Return status and headers of a response, names in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = [line.partition(":") for line in head[1:] if line]
    return int(head[0].split()[1]), {name.strip().lower(): value.strip() for name, _, value in pairs}

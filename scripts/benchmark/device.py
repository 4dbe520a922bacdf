"""The cheapest clients there are, so that what is measured is the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from idling_ws.wire.websocket import PING, TEXT

TIMEOUT_S = 60.0
# These come when they come; everything else was asked for.
HEARTBEAT, NOTICE = b'{"type":"heartbeat"', b'{"type":"notice"'


class Device(asyncio.Protocol):
    """Masks with zeros, counts text frames, keeps the first and the last. It speaks ``idling.v1``."""

    def __init__(self, path: str = "/ws", subprotocol: str | None = "idling.v1") -> None:
        offered = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        self._upgrade = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{offered}\r\n"
        ).encode()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self.frames = 0
        self.first = self.last = b""
        self.on_frames: Callable[[int], None] | None = None
        """Told how many text frames came together."""
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None

    def counts(self, payload: bytes) -> bool:
        """Whether this frame was asked for; what has to be answered by itself is answered."""
        if payload.startswith(HEARTBEAT):
            self.send(b'{"type":"heartbeat"}')  # else a measure longer than a minute would lose its devices
            return False
        return not payload.startswith(NOTICE)

    def upgraded(self) -> None:
        """The line is open; most servers say something then."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # a stream connection's is one

    def data_received(self, data: bytes) -> None:
        """Count frames."""
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, separator, buffer = buffer.partition(b"\r\n\r\n")
            if not separator:
                self._buffer = head
                return
            assert b" 101 " in head.split(b"\r\n")[0], head
            self._upgraded = True
            self.upgraded()
        position, end, had = 0, len(buffer), self.frames
        while end - position >= 2:
            size, start = buffer[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
            if end < start + size:
                break
            payload = buffer[start : start + size]
            opcode = buffer[position] & 0xF
            if opcode == TEXT and self.counts(payload):
                if not self.frames:
                    self.first = payload
                self.frames += 1
                self.last = payload
            elif opcode == PING:
                self._write(bytes((0x8A, 0x80 | size)) + b"\0\0\0\0" + payload)
            position = start + size
        self._buffer = buffer[position:]
        if self.on_frames is not None and self.frames > had:
            self.on_frames(self.frames - had)
        if self._reached is not None and self.frames >= self._wanted:
            reached, self._reached = self._reached, None
            reached.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for something waits in vain."""
        if self._reached is not None and not self._reached.done():
            self._reached.set_exception(ConnectionResetError(f"the server closed after {self.last[:200]!r}"))

    def upgrade(self) -> None:
        """Ask for the WebSocket; what is sent behind it need not wait for the answer."""
        self._write(self._upgrade)

    def send(self, payload: bytes) -> None:
        """Send a masked text frame; a mask of zeros leaves the payload as it is."""
        size = len(payload)
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
        self._write(head + b"\0\0\0\0" + payload)

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    async def until(self, frames: int) -> None:
        """Wait until so many text frames have come."""
        if self.frames >= frames:
            return
        self._wanted = frames
        self._reached = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(TIMEOUT_S):
            await self._reached

    def close(self) -> None:
        """Cut the line."""
        if self._transport is not None:
            self._transport.abort()


class PlainDevice(Device):
    """A client of a server that sends texts as they are."""

    def __init__(self, path: str) -> None:
        super().__init__(path, None)

    def counts(self, payload: bytes) -> bool:
        """All of them."""
        return True


class SilentDevice(PlainDevice):
    """A client of a server that says nothing at first: that the line is open counts as its welcome."""

    def upgraded(self) -> None:
        """The line is open."""
        self.frames += 1


class SocketIoDevice(PlainDevice):
    """A client that speaks Socket.IO 5 over Engine.IO 4."""

    def counts(self, payload: bytes) -> bool:
        """Events, and the answer to the connect; the rest is the protocol's own."""
        if payload.startswith(b"0"):
            self.send(b"40")
        elif payload == b"2":
            self.send(b"3")
        return payload.startswith(b"4")

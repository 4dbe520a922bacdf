"""The cheapest client there is, so that what is measured is the server."""

from __future__ import annotations

import asyncio
from typing import cast

from idling_ws.wire.websocket import TEXT

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: idling.v1\r\n\r\n"
)


class Device(asyncio.Protocol):
    """The cheapest client there is: masks with zeros, counts text frames, keeps the last."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self.frames = 0
        self.last = b""
        self._wanted = 0
        self._reached: asyncio.Future[None] | None = None

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
        position, end = 0, len(buffer)
        while end - position >= 2:
            size, start = buffer[position + 1], position + 2
            if size == 126:
                size, start = int.from_bytes(buffer[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(buffer[start : start + 8], "big"), start + 8
            if end < start + size:
                break
            payload = buffer[start : start + size]
            # A heartbeat comes when it comes; everything else was asked for.
            if buffer[position] & 0xF == TEXT and not payload.startswith(b'{"type":"heartbeat"'):
                self.frames += 1
                self.last = payload
            position = start + size
        self._buffer = buffer[position:]
        if self._reached is not None and self.frames >= self._wanted:
            reached, self._reached = self._reached, None
            reached.set_result(None)

    def upgrade(self) -> None:
        """Ask for the WebSocket; what is sent behind it need not wait for the answer."""
        assert self._transport is not None
        self._transport.write(UPGRADE)

    def send(self, payload: bytes) -> None:
        """Send a masked text frame; a mask of zeros leaves the payload as it is."""
        size = len(payload)
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
        assert self._transport is not None
        self._transport.write(head + b"\0\0\0\0" + payload)

    async def until(self, frames: int) -> None:
        """Wait until so many text frames have come."""
        if self.frames >= frames:
            return
        self._wanted = frames
        self._reached = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(60):
            await self._reached

    def close(self) -> None:
        """Cut the line."""
        if self._transport is not None:
            self._transport.abort()

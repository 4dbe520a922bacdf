"""The other way to hold a line: aiohttp's own ``WebSocketResponse``, one task per socket.

Chosen by ``IDLING_SOCKET=stock``. It keeps every promise but two, which aiohttp's
public interface does not let it see: unmasked frames and floods of control frames.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from idling_ws.edge.line import CLOSE_TIMEOUT_S, HIGH_WATER_BYTES, Ear
from idling_ws.wire.closing import Close
from idling_ws.wire.frames import SUBPROTOCOL
from idling_ws.wire.websocket import close_frame


class StockLine:
    """A line over a ``WebSocketResponse``; frames are written to its transport as they are."""

    def __init__(self, request: web.Request, max_bytes: int) -> None:
        self._request = request
        # It refuses what is as large as its limit; ours may be used up.
        self._response = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=max_bytes + 1, compress=False)
        self._ear: Ear | None = None
        self._is_blocked = False
        self._drain: asyncio.Task[None] | None = None
        self._close_code: int | None = None
        self._close_timer: asyncio.TimerHandle | None = None

    async def serve(self, ear: Ear) -> web.WebSocketResponse:
        """Upgrade and read until the end; returns the response for aiohttp."""
        self._ear = ear
        await self._response.prepare(self._request)
        code: int = 1006
        try:
            async for message in self._response:
                if self._close_code is not None and message.type is not WSMsgType.CLOSE:
                    continue
                if message.type is WSMsgType.TEXT:
                    ear.heard(message.data)
                elif message.type is WSMsgType.BINARY:
                    self.close(Close.UNSUPPORTED_DATA, "text only")
            code = self._response.close_code or 1006
        finally:
            for pending in (self._drain, self._close_timer):
                if pending is not None:
                    pending.cancel()
            ear.ended(self._close_code or code)
        return self._response

    def write(self, data: bytes) -> None:
        """Send whole frames; blocks the ear's mailbox once the transport holds too much."""
        transport = self._request.transport
        if self._close_code is not None or transport is None or transport.is_closing():
            return
        transport.write(data)
        if not self._is_blocked and transport.get_write_buffer_size() > HIGH_WATER_BYTES and self._ear is not None:
            self._is_blocked = True
            self._ear.blocked()
            self._drain = asyncio.create_task(self._wait_for_drain(self._ear), name="stock-line-drain")

    async def _wait_for_drain(self, ear: Ear) -> None:
        await self._request.protocol._drain_helper()  # noqa: SLF001 -- WebSocketWriter's own way to wait
        self._is_blocked = False
        ear.unblocked()

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and wait a while for the peer's."""
        if self._close_code is not None:
            return
        transport = self._request.transport
        if transport is not None:
            transport.write(close_frame(code, reason))
            self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.abort)
        self._close_code = code

    def abort(self) -> None:
        """End it at once."""
        if self._request.transport is not None:
            self._request.transport.abort()

"""Lines: one WebSocket as bytes, and two ways to hold one.

``DirectLine`` takes the transport over from aiohttp once the handshake is done: no
task, no request object and no queue stay behind, which is most of what an idle
connection costs (3 KiB instead of 15 measured). Frames are decoded by aiohttp's own
reader. It leans on aiohttp's inside (``RequestHandler``), so it stands in this one
module, a test pins what it relies on, and ``IDLING_SOCKET=stock`` uses the public
``WebSocketResponse`` instead (``stock_line``).

Above a line stands an ``Ear``: it hears texts and the end, and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import socket as sockets
from typing import Any, Protocol, cast

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from idling_ws.wire.closing import Close
from idling_ws.wire.frames import SUBPROTOCOL
from idling_ws.wire.websocket import PONG, FrameGuard, close_frame, frame

# RFC 6455, section 1.3
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# How long a peer may take to answer a close, or to read what was written before it.
CLOSE_TIMEOUT_S = 5.0
# What the kernel may hold back for one slow reader; the rest waits in its mailbox, where it is counted.
SEND_BUFFER_BYTES = 64 * 1024
HIGH_WATER_BYTES = 64 * 1024
# RFC 6455, section 7.4: 1006 stands for "no close frame came", and codes end with 4999.
UNSENDABLE = frozenset({1006})
LAST_CODE = 4999


class Ear(Protocol):
    """Who listens on a line."""

    def heard(self, text: str) -> None:
        """Take one text message."""

    def counted(self, idle_frames: int) -> bool:
        """Learn how many frames of a chunk end no message. False: too many, stop reading it."""

    def blocked(self) -> None:
        """The network takes no more for now."""

    def unblocked(self) -> None:
        """The network takes again."""

    def ended(self, code: int) -> None:
        """The line is down; called exactly once."""


class Line(Protocol):
    """What an ear may do with its line."""

    def write(self, data: bytes) -> None:
        """Send whole frames; never waits."""

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame, then end the line when the peer has answered, or after a while anyway."""

    def abort(self) -> None:
        """End the line at once."""


def accept_key(request: web.Request) -> bytes:
    """Return the ``Sec-WebSocket-Accept`` for ``request``.

    Raises ``HTTPBadRequest`` unless it is a well-formed upgrade that offers our subprotocol.
    """
    headers = request.headers
    if headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in [
        token.strip().lower() for token in headers.get("Connection", "").split(",")
    ]:
        raise web.HTTPBadRequest(text="This is a WebSocket: connect with Upgrade: websocket.")
    if headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers:
        raise web.HTTPBadRequest(text="A WebSocket begins without a body.")
    if headers.get("Sec-WebSocket-Version") != "13":
        raise web.HTTPBadRequest(
            text="Only WebSocket version 13 is spoken here.", headers={"Sec-WebSocket-Version": "13"}
        )
    key = headers.get("Sec-WebSocket-Key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        is_key = False
    if not is_key:
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key must be 16 bytes in base64.")
    offered = [item.strip() for item in ",".join(headers.getall("Sec-WebSocket-Protocol", [])).split(",")]
    if SUBPROTOCOL not in offered:
        raise web.HTTPBadRequest(text=f"Offer the subprotocol {SUBPROTOCOL}.")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())  # noqa: S324 -- RFC 6455 names sha-1


class _Direct(WebSocketDataQueue):
    """Where aiohttp's reader puts its messages: straight into the line, no queue."""

    def feed_data(self, data: Any, size: int) -> None:
        cast("DirectLine", self._protocol).on_message(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        cast("DirectLine", self._protocol).on_broken(exc)


class DirectLine(asyncio.Protocol):
    """A line over the bare transport."""

    __slots__ = (
        "_close_code",
        "_close_timer",
        "_ear",
        "_guard",
        "_late_pong",
        "_reader",
        "_reading_paused",
        "_transport",
    )

    def __init__(self, ear: Ear, transport: asyncio.Transport, max_bytes: int) -> None:
        self._ear = ear
        self._transport = transport
        self._reading_paused = False  # aiohttp's queue asks its protocol for it
        self._guard = FrameGuard()
        self._close_code: int | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._late_pong: bytes | None = None
        queue = _Direct(cast("Any", self), 1 << 16, loop=asyncio.get_running_loop())
        # The reader refuses what is as large as its limit; ours may be used up.
        self._reader: WebSocketReader | None = WebSocketReader(queue, max_bytes + 1, False, True)

    # -- what the ear does ---------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        if self._close_code is None:
            self._transport.write(data)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame and wait a while for the peer's."""
        if self._close_code is not None:
            return
        self._transport.write(close_frame(code, reason))
        self._close_code = code
        self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    # -- what the transport says -----------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Check, count and decode one chunk."""
        reader = self._reader
        if reader is None:
            return
        guard = self._guard
        complaint = guard.feed(data)
        if complaint is not None:
            self._fail(Close.PROTOCOL_ERROR, complaint)
            return
        if guard.idle_frames:
            idle_frames, guard.idle_frames = guard.idle_frames, 0
            if not self._ear.counted(idle_frames):
                self._stop_reading()
                return
        reader.feed_data(data)

    def on_message(self, message: Any) -> None:
        """Take one decoded message from the reader."""
        kind = message[0]
        if self._close_code is not None and kind is not WSMsgType.CLOSE:
            return  # we said goodbye: only the answer to that counts
        if kind is WSMsgType.TEXT:
            self._ear.heard(message[1])
        elif kind is WSMsgType.PING:
            self._pong(message[1])
        elif kind is WSMsgType.CLOSE:
            if self._close_code is None:
                code = message[1] or 0
                if code in UNSENDABLE or code > LAST_CODE:
                    self._fail(Close.PROTOCOL_ERROR, "not a close code")
                    return
                self._close_code = code or Close.NORMAL
                self._transport.write(close_frame(code) if code else frame(0x8, b""))
            self._end()
        elif kind is WSMsgType.BINARY:
            self._fail(Close.UNSUPPORTED_DATA, "text only")

    def on_broken(self, exc: BaseException) -> None:
        """Take the reader's verdict on bytes that are no WebSocket (1002, 1007, 1009)."""
        code = getattr(exc, "code", Close.PROTOCOL_ERROR)
        self._fail(int(code), "")

    def _pong(self, payload: bytes) -> None:
        """Answer a ping; of those that come while the peer reads nothing, only the latest (RFC 6455, 5.5.3)."""
        if self._transport.get_write_buffer_size() > HIGH_WATER_BYTES:
            self._late_pong = payload
        else:
            self._transport.write(frame(PONG, payload))

    def _fail(self, code: int, reason: str) -> None:
        """Refuse what came: say why, then read no more of it."""
        self.close(code, reason)
        self._stop_reading()

    def _stop_reading(self) -> None:
        """Listen no more: what we say last is on its way.

        The rest is still taken off the wire until the peer closes: ending the connection
        with unread bytes makes the kernel reset it, and the reason would be lost.
        """
        self._reader = None
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _end(self) -> None:
        """Let what was written go out, then end; a peer that reads nothing is cut off by the timer."""
        self._reader = None
        if self._close_timer is None:
            self._close_timer = asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
        self._transport.close()

    def pause_writing(self) -> None:
        """The transport's buffer is above its high water."""
        self._ear.blocked()

    def resume_writing(self) -> None:
        """The transport's buffer is below its low water."""
        if self._late_pong is not None:
            payload, self._late_pong = self._late_pong, None
            self._pong(payload)
        self._ear.unblocked()

    def eof_received(self) -> bool:
        """Close our side as well."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the ear, once."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._reader = None
        self._ear.ended(self._close_code or 1006)


def open_direct(request: web.Request, ear: Ear, accept: bytes, max_bytes: int) -> DirectLine:
    """Answer 101 on ``request``, take its transport over and return the line.

    aiohttp's handler lets go of the connection; the response that the route returns
    afterwards goes nowhere.
    """
    handler = request.protocol
    transport = request.transport
    assert transport is not None, "nothing was awaited since the request came"  # noqa: S101 -- for the type checker
    kernel_socket = transport.get_extra_info("socket")
    if kernel_socket is not None:
        kernel_socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, SEND_BUFFER_BYTES)
    transport.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\nSec-WebSocket-Protocol: "
        + SUBPROTOCOL.encode()
        + b"\r\n\r\n"
    )
    line = DirectLine(ear, transport, max_bytes)
    early = bytes(getattr(handler, "_message_tail", b""))
    transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
    transport.set_protocol(line)
    handler.transport = None  # else its force_close() would close the socket under us
    handler.connection_lost(None)
    transport.resume_reading()
    if early:
        # What the client sent behind its handshake, once the ear knows its line.
        asyncio.get_running_loop().call_soon(line.data_received, early)
    return line

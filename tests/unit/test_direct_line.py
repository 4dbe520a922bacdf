"""What ``DirectLine`` relies on inside aiohttp, and what it promises its ear."""

from __future__ import annotations

import asyncio
import inspect
import struct
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http_websocket import WebSocketError
from aiohttp.web_protocol import RequestHandler
from hypothesis import given
from hypothesis import strategies as st

from idling_ws.edge.line import DirectLine
from idling_ws.wire.websocket import FrameGuard
from tests.support.raw_socket import CLOSE, CONTINUATION, PING, TEXT, frame_bytes


class Collected(WebSocketDataQueue):
    """A queue that keeps what the reader hands it, as ours passes it on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_Paused(), 1 << 16, loop=loop)  # type: ignore[arg-type]  # as ours: one attribute is asked for
        self.heard: list[Any] = []
        self.broken: list[BaseException] = []

    def feed_data(self, data: Any, size: int) -> None:
        self.heard.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        self.broken.append(exc)


class _Paused:
    _reading_paused = False


async def test_the_reader_hands_over_as_the_line_expects() -> None:
    """A subclass of its queue gets each message as (type, data, …), and an error with a close code."""
    queue = Collected(asyncio.get_running_loop())
    reader = WebSocketReader(queue, 100, False, True)
    reader.feed_data(frame_bytes(TEXT, "é".encode()) + frame_bytes(PING, b"p") + frame_bytes(CLOSE, b"\x03\xe8"))
    assert [(message[0], message[1]) for message in queue.heard] == [
        (WSMsgType.TEXT, "é"), (WSMsgType.PING, b"p"), (WSMsgType.CLOSE, 1000)
    ]  # fmt: skip
    for data, code in ((b"\xff", 1007), (b"x" * 100, 1009)):
        broken = Collected(asyncio.get_running_loop())
        WebSocketReader(broken, 100, False, True).feed_data(frame_bytes(TEXT, data))
        (error,) = broken.broken
        assert isinstance(error, WebSocketError)
        assert int(error.code) == code


def test_the_handler_lets_go_of_its_transport_as_the_line_expects() -> None:
    """Once its transport is None, ``connection_lost`` closes nothing; early bytes stand in ``_message_tail``."""
    assert "_message_tail" in RequestHandler.__slots__
    assert "transport" in inspect.getsource(RequestHandler.force_close)
    assert list(inspect.signature(RequestHandler.connection_lost).parameters) == ["self", "exc"]
    for name in ("protocol", "transport"):
        assert isinstance(inspect.getattr_static(web.Request, name), property)


class Ear:
    """Listens, and allows so many idle frames."""

    def __init__(self, allowed: int = 1000) -> None:
        self.texts: list[str] = []
        self.ends: list[int] = []
        self.allowed = allowed
        self.line: DirectLine | None = None

    def heard(self, text: str) -> None:
        self.texts.append(text)

    def counted(self, idle_frames: int) -> bool:
        self.allowed -= idle_frames
        if self.allowed < 0 and self.line is not None:
            self.line.close(4101)
        return self.allowed >= 0

    def blocked(self) -> None:
        """Nothing is written here."""

    def unblocked(self) -> None:
        """Nothing is written here."""

    def ended(self, code: int) -> None:
        self.ends.append(code)


class Wire(asyncio.Transport):
    """A transport that keeps what is written; ``held`` is how much the peer has not read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.held = 0
        self.is_half_closed = False
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.held

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_half_closed = True

    def abort(self) -> None:
        """The timer's last resort."""

    def close(self) -> None:
        """The end."""
        self.is_closed = True


async def opened(allowed: int = 1000) -> tuple[Ear, Wire, DirectLine]:
    """Return a line with both its ends."""
    ear, wire = Ear(allowed), Wire()
    ear.line = DirectLine(ear, wire, 1000)
    return ear, wire, ear.line


async def test_what_follows_a_flood_is_not_read_again() -> None:
    """The reader lost its place when a chunk was dropped: it must not get the next one."""
    ear, wire, line = await opened(allowed=3)
    line.data_received(frame_bytes(PING, b"") * 4)
    assert wire.is_half_closed
    ear.allowed = 1000
    line.data_received(frame_bytes(TEXT, b"late"))
    assert ear.texts == []
    line.connection_lost(None)
    assert ear.ends == [4101]


@pytest.mark.parametrize("is_ours", [True, False])
async def test_the_server_hangs_up_once_both_have_said_goodbye(is_ours: bool) -> None:
    """At once, whoever began (RFC 6455, section 7.1.1), and not before."""
    _, wire, line = await opened()
    if is_ours:
        line.close(4101)
        assert not wire.is_closed
    line.data_received(frame_bytes(CLOSE, struct.pack("!H", 1000)))
    assert wire.is_closed
    line.connection_lost(None)


async def test_pings_of_a_peer_that_does_not_read_cost_one_pong() -> None:
    """RFC 6455, section 5.5.3: only the latest need be answered."""
    _, wire, line = await opened()
    wire.held = 1 << 20
    for n in range(50):
        line.data_received(frame_bytes(PING, b"%d" % n))
    assert wire.written == b""
    wire.held = 0
    line.resume_writing()
    assert wire.written == b"\x8a\x0249"


FRAMES = {
    "text": (frame_bytes(TEXT, b"{}"), 0),
    "long text": (frame_bytes(TEXT, b" " * 300), 0),
    "longer text": (frame_bytes(TEXT, b" " * 70_000), 0),
    "ping": (frame_bytes(PING, b"p"), 1),
    "fragments": (frame_bytes(TEXT, b"a", fin=False) + frame_bytes(CONTINUATION, b"b"), 1),
    "empty fragments": (frame_bytes(TEXT, b"", fin=False) * 1 + frame_bytes(CONTINUATION, b"", fin=False) * 3
                        + frame_bytes(CONTINUATION, b""), 4),
    "close": (frame_bytes(CLOSE, struct.pack("!H", 1000)), 1),
}  # fmt: skip


@given(st.lists(st.sampled_from(sorted(FRAMES)), max_size=6), st.lists(st.integers(1, 500), max_size=40), st.booleans())
def test_the_guard_sees_the_same_however_the_bytes_are_cut(kinds: list[str], cuts: list[int], bad: bool) -> None:
    """It counts what ends no message, and finds an unmasked frame behind any good ones."""
    data = b"".join([FRAMES[kind][0] for kind in kinds]) + (frame_bytes(TEXT, b"x", masked=False) if bad else b"")
    guard = FrameGuard()
    complaints = []
    for cut in [*cuts, len(data)]:
        chunk, data = data[:cut], data[cut:]
        if (complaint := guard.feed(chunk)) is not None:
            complaints.append(complaint)
            break
    assert guard.idle_frames == sum(FRAMES[kind][1] for kind in kinds)
    assert bool(complaints) is bad

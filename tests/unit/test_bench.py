"""The pure parts of the benchmark: what it counts, what it sends, and what it makes of the figures."""

from __future__ import annotations

import asyncio
import random
from array import array
from html.parser import HTMLParser
from typing import Any, cast

import orjson
import pytest

from idling_ws.wire.websocket import PING, frame, text_frame
from scripts.benchmark.announcer import Poster, Publisher, drawn_evenly
from scripts.benchmark.bare import NUMBER, BareDevice
from scripts.benchmark.device import Device, PlainDevice, SilentDevice, SocketIoDevice
from scripts.benchmark.page import page_of
from scripts.benchmark.peers.catalogue import PEERS, channels_group, node_socketio, python_socketio
from scripts.benchmark.peers.packing import packed
from scripts.benchmark.results import PRODUCT, Results, tables
from scripts.benchmark.rounds import Window

OPEN = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Wire:
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def connected(device: Device) -> Wire:
    wire = Wire()
    device.connection_made(cast("Any", wire))
    return wire


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_device_counts_what_it_asked_for(step: int) -> None:
    """However the bytes are cut: entries count, heartbeats are answered, notices are nothing."""
    told: list[int] = []
    device = Device()
    device.on_frames = told.append
    wire = connected(device)
    texts = [b'{"type":"welcome"}', b'{"type":"heartbeat","cursor":"e.1.1"}', b'{"type":"notice"}', b"x" * 300, b"y"]
    data = OPEN + b"".join(map(text_frame, texts)) + frame(PING, b"hi") + text_frame(b"z" * 70_000)
    for start in range(0, len(data), step):
        device.data_received(data[start : start + step])
    assert (device.frames, sum(told), device.first, device.last) == (4, 4, texts[0], b"z" * 70_000)
    assert wire.written == b'\x81\x94\0\0\0\0{"type":"heartbeat"}' + b"\x8a\x82\0\0\0\0hi"


def test_socket_io_is_spoken() -> None:
    """The handshake and pings are the protocol's own; the answer to the connect is the welcome."""
    device = SocketIoDevice("/socket.io/")
    wire = connected(device)
    told = (b'0{"sid":"a"}', b'40{"sid":"b"}', b"2", b'42["entry",{}]')
    device.data_received(OPEN + b"".join(map(text_frame, told)))
    assert (device.frames, device.last) == (2, b'42["entry",{}]')
    assert wire.written == b"\x81\x82\0\0\0\x0040" + b"\x81\x81\0\0\0\x003"


@pytest.mark.parametrize("step", [1, 7, 10_000])
async def test_a_bare_device_has_a_number_and_counts_by_size(step: int) -> None:
    """However the bytes are cut."""
    told: list[int] = []
    device = BareDevice(300)
    device.on_frames = told.append
    connected(device)
    data = array(NUMBER, [70_000]).tobytes() + b"x" * 300 * 5 + b"x" * 299
    for start in range(0, len(data), step):
        device.data_received(data[start : start + step])
    assert (await device.number, sum(told)) == (70_000, 5)


def test_nobody_is_drawn_twice_before_all_had_a_turn() -> None:
    drawn = drawn_evenly(random.Random(1), range(10), 35)
    rounds = [drawn[start : start + 10] for start in range(0, 35, 10)]
    assert [len(set(each)) for each in rounds] == [10, 10, 10, 5]


def test_an_open_line_is_a_welcome_where_nothing_is_said() -> None:
    device = SilentDevice("/ws")
    connected(device)
    device.data_received(OPEN)
    assert device.frames == 1


async def test_a_lost_line_is_told_to_who_waits() -> None:
    """At once, and not after a minute."""
    device = PlainDevice("/ws")
    connected(device)
    waiting = asyncio.create_task(device.until(1))
    await asyncio.sleep(0)
    device.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await waiting


@pytest.mark.parametrize("size", [1, 4, 256])
async def test_a_window_never_has_more_in_flight(size: int) -> None:
    """As many are sent as were asked for; that one comes unasked does not make it end too soon or never."""
    device, flying, most, sent = Device(), 0, 0, 0

    def send(count: int) -> None:
        nonlocal flying, most, sent
        sent, flying = sent + count, flying + count
        most = max(most, flying)
        asyncio.get_running_loop().call_soon(arrive, count)

    def arrive(count: int) -> None:
        nonlocal flying
        flying -= count
        assert device.on_frames is not None
        device.on_frames(count)

    window = Window([device], size, send)
    for count in (1, 100):
        await window.run(count)
    assert (sent, flying, most) == (101, 0, min(size, 100))


def test_messages_are_what_the_adapters_read() -> None:
    """MessagePack by its specification, byte for byte, and JSON."""
    assert packed({"a": [1, 200, "b", None, True]}) == (
        b"\xde\x00\x01\xa1a\xdc\x00\x05\x01\xce\x00\x00\x00\xc8\xa1b\xc0\xc3"
    )
    assert packed("x" * 40) == b"\xda\x00\x28" + b"x" * 40
    with pytest.raises(TypeError):
        packed(1.5)
    assert channels_group("room", b"{}") == (b"asgi__group__room", packed({"type": "entry", "text": "{}"}))
    assert node_socketio("user.1", b"{}")[0] == b"socket.io#/#user.1#"
    channel, message = python_socketio("room", b'{"a":1}')
    assert (channel, orjson.loads(message)["data"]) == (b"socketio", {"a": 1})


def test_what_is_published() -> None:
    """To Redis as a command, to nchan as a request."""
    assert Publisher().spelled(b"c", b"m") == b"*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1\r\nm\r\n"
    assert Poster().spelled(b"/publish?id=a", b"text").endswith(b"Content-Length: 4\r\n\r\ntext")


def test_every_peer_has_its_file_and_its_name() -> None:
    from scripts.benchmark.peers.catalogue import FOLDER

    assert all((FOLDER / peer.file).is_file() for peer in PEERS)
    assert len({peer.name for peer in PEERS}) == len(PEERS)


def results() -> Results:
    found = Results(left_out=["nchan: no nginx <here>"], loads=[1.0, 3.5])
    found.add("push", "CPU µs", 20, [12.0, 11.0, 19.0])
    found.add("push", "CPU µs", 20, [300.0], "Channels")
    found.add("memory", "KiB", None, [5.5])
    found.add("connect", "CPU µs", None, [], "Channels")
    return found


def test_tables_hold_medians_and_who_was_measured_too() -> None:
    """One of the product's own rows, one of those that others have."""
    own, beside = tables(results())
    assert "| push | CPU µs | 20 | **12.0** | 12.0, 11.0, 19.0 |" in own
    assert "Channels" not in own
    assert beside.splitlines() == [f"| what | {PRODUCT} | Channels |", "|---|---|---|", "| push, CPU µs | 12.0 | 300 |"]
    assert results().about == "Load average meanwhile: 1.0 to 3.5. Medians of up to 3 runs, which took turns."


def test_the_page_is_whole() -> None:
    """It shows every figure, names what was left out, fetches nothing, and every tag is closed."""
    page = page_of(results())

    class Tags(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.bars = 0

        def handle_starttag(self, tag: str, attrs: Any) -> None:
            self.bars += tag == "rect"
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(page)
    assert (tags.open, tags.bars) == ([], 2)
    assert "no nginx &lt;here&gt;" in page
    assert "src=" not in page
    assert "href=" not in page
    assert "12.0, 11.0, 19.0" in page

"""The fault proxy: a way to a server that is cut, swallows or is slow, and loses nothing that it held back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from idling_ws.loadtest.fault_proxy import FaultProxy

PATIENCE_S = 45.0


class Echo:
    """A server that says back what it hears, and counts who is connected."""

    def __init__(self) -> None:
        self.heard = b""
        self.connected = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo until the end."""
        self.connected += 1
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                self.heard += data
                writer.write(data)
                await writer.drain()
        writer.close()
        self.connected -= 1


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest_asyncio.fixture(params=["tcp", "unix"])
async def proxy(request: pytest.FixtureRequest, echo: Echo, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    """A proxy in front of it, by both kinds of way."""
    if request.param == "tcp":
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
        made = FaultProxy(server.sockets[0].getsockname()[1])
    else:
        server = await asyncio.start_unix_server(echo.serve, tmp_path / "s")
        made = FaultProxy(tmp_path / "s")
    await made.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield made
    finally:
        await made.close()
        server.close()


async def say(proxy: FaultProxy, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect and send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(data)
    return reader, writer


async def straight(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the server itself."""
    if isinstance(proxy._target, int):
        return await asyncio.open_connection("127.0.0.1", proxy._target)
    return await asyncio.open_unix_connection(proxy._target)


async def test_what_goes_in_comes_out(proxy: FaultProxy) -> None:
    """Much of it, in order, on several connections, and the end as well."""
    blob = bytes(range(256)) * 20_000
    pairs = [await say(proxy, blob) for _ in range(3)]
    for reader, writer in pairs:
        assert await reader.readexactly(len(blob)) == blob
        writer.write_eof()
        writer.close()


async def test_cut_ends_what_is_there_and_whoever_comes(proxy: FaultProxy, echo: Echo) -> None:
    """Until it is healed."""
    reader, _ = await say(proxy, b"one")
    await reader.readexactly(3)
    proxy.cut()
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    with contextlib.suppress(ConnectionError):
        other, _ = await say(proxy, b"two")
        assert await other.read() == b""
    proxy.heal()
    again, _ = await say(proxy, b"three")
    assert await again.readexactly(5) == b"three"
    assert echo.heard == b"onethree"


async def test_a_black_hole_keeps_the_lines_and_gives_back_what_it_swallowed(proxy: FaultProxy, echo: Echo) -> None:
    """Nothing comes through, neither of old connections nor of new ones; then all of it does."""
    reader, writer = await say(proxy, b"one")
    await reader.readexactly(3)
    proxy.swallow()
    writer.write(b"two")
    await say(proxy, b"new")
    # Whoever goes around it is served many times meanwhile.
    for _ in range(20):
        direct_reader, direct = await straight(proxy)
        direct.write(b"-")
        await direct_reader.readexactly(1)
        direct.close()
    assert echo.heard == b"one" + b"-" * 20
    proxy.heal()
    while len(echo.heard) < 29:
        await asyncio.sleep(0.01)
    assert sorted((echo.heard[23:26], echo.heard[26:])) == [b"new", b"two"]


async def test_a_slow_way_keeps_the_order(proxy: FaultProxy) -> None:
    """Late, and whole; also what was under way when it was healed."""
    reader, writer = await say(proxy, b"first")
    await reader.readexactly(5)
    loop = asyncio.get_running_loop()
    proxy.slow(0.1)
    began = loop.time()
    for n in range(50):
        writer.write(b"%02d" % n)
        await asyncio.sleep(0)
    assert await reader.readexactly(20) == b"00010203040506070809"
    assert loop.time() - began >= 0.2
    proxy.heal()
    writer.write(b"last")
    assert await reader.readexactly(84) == b"".join(b"%02d" % n for n in range(10, 50)) + b"last"

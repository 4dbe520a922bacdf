"""The least that a push takes here: a server of uvloop's that only writes, by the same generator at the same pace.

What it costs more with more sockets is the kernel's and the loop's; no server above them is without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path
from typing import cast

import uvloop

from scripts.benchmark.announcer import SLICE, Publisher, drawn_evenly
from scripts.benchmark.device import PlainDevice
from scripts.benchmark.place import AT_ONCE, PORT, READY_S, ROOT, SERVER_CORE, cpu_s, stop
from scripts.benchmark.rounds import Window, cost_us, leave

NUMBER = "I"
NUMBER_BYTES = array(NUMBER).itemsize


class BareServer:
    """The process of it."""

    def __init__(self, port: int, orders: Path, size: int) -> None:
        command = [sys.executable, "-m", __name__, str(port), str(orders), str(size)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        os.sched_setaffinity(self.process.pid, {SERVER_CORE % (os.cpu_count() or 1)})

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return cpu_s(self.process.pid)


class BareDevice(PlainDevice):
    """A client of it: is told its number, then counts texts by their size."""

    def __init__(self, size: int) -> None:
        super().__init__("")
        self._size = size
        self._rest = 0
        self._head = b""
        self.number = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        """Count texts."""
        if not self.number.done():
            self._head += data
            if len(self._head) < NUMBER_BYTES:
                return
            self.number.set_result(int.from_bytes(self._head[:NUMBER_BYTES], sys.byteorder))
            data = self._head[NUMBER_BYTES:]
        frames, self._rest = divmod(self._rest + len(data), self._size)
        if frames and self.on_frames is not None:
            self.on_frames(frames)


async def measure_bare(users: int, in_flight: int, slices: int, size: int) -> float:
    """Return CPU microseconds for each text of ``size`` bytes to one of ``users``, nobody twice before all had one."""
    loop, draw = asyncio.get_running_loop(), random.Random(1)
    with tempfile.TemporaryDirectory(prefix="idling-bare-") as folder:
        orders = Path(folder) / "orders"
        server = BareServer(PORT + 8, orders, size)
        try:
            line = await _line_to(orders)
            devices: list[BareDevice] = []
            for start in range(0, users, AT_ONCE):
                count = min(AT_ONCE, users - start)
                opened = [loop.create_connection(lambda: BareDevice(size), "127.0.0.1", PORT + 8) for _ in range(count)]
                devices += [device for _, device in await asyncio.gather(*opened)]
            async with asyncio.timeout(READY_S):
                numbers = list(await asyncio.gather(*[device.number for device in devices]))
            drawn: list[int] = []

            def send(count: int) -> None:
                line.write(array(NUMBER, [drawn.pop() for _ in range(count)]).tobytes())

            window = Window(devices, in_flight, send)
            costs: list[float] = []
            for _ in range(slices):
                drawn += drawn_evenly(draw, numbers, SLICE)
                costs.append(await cost_us(server, SLICE, window.run(SLICE)))
            line.close()
            await leave(devices)
            return statistics.fmean(costs)
        finally:
            stop(server.process)


async def _line_to(orders: Path) -> asyncio.WriteTransport:
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(OSError):
                return (await asyncio.get_running_loop().create_unix_connection(Publisher, str(orders)))[0]
            await asyncio.sleep(0.1)


class _Written(asyncio.Protocol):
    """A socket that is only written to."""

    def __init__(self, lines: list[asyncio.WriteTransport]) -> None:
        self._lines = lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        line = cast("asyncio.WriteTransport", transport)  # a stream connection's is one
        line.write(array(NUMBER, [len(self._lines)]).tobytes())
        self._lines.append(line)


class _Orders(asyncio.Protocol):
    """Where the numbers come of those that get a text."""

    def __init__(self, lines: list[asyncio.WriteTransport], text: bytes) -> None:
        self._lines, self._text = lines, text
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = len(data) - len(data) % NUMBER_BYTES
        self._rest = data[end:]
        for number in array(NUMBER, data[:end]):
            self._lines[number].write(self._text)


async def _serve(port: int, orders: str, size: int) -> None:
    lines: list[asyncio.WriteTransport] = []
    loop = asyncio.get_running_loop()
    texts = await loop.create_server(lambda: _Written(lines), "127.0.0.1", port, backlog=512)
    told = await loop.create_unix_server(lambda: _Orders(lines, b"x" * size), orders)
    await asyncio.gather(texts.serve_forever(), told.serve_forever())


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))

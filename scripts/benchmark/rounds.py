"""The rounds: work that is the same for every server, and what it costs that server for each operation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from scripts.benchmark.device import Device

ASKERS, QUESTIONS = 50, 200
# A peer that cannot do a round in this time is left out of it.
TIMEOUT_S = 120.0
IDLE_S = 5.0


class Metered(Protocol):
    """A server whose CPU time can be read."""

    def cpu_s(self) -> float:
        """CPU seconds used so far."""


async def cost_us(server: Metered, operations: int, work: Awaitable[Any], idle: float = 0.0) -> float:
    """Return the CPU microseconds of ``server`` per operation while ``work`` ran. Raises ``TimeoutError``.

    ``idle``: the share of a core that it would have used anyway.
    """
    before, started = server.cpu_s(), time.monotonic()
    async with asyncio.timeout(TIMEOUT_S):
        await work
    anyway_s = idle * (time.monotonic() - started)
    return (server.cpu_s() - before - anyway_s) / operations * 1e6


async def idle_share(server: Metered) -> float:
    """Return the share of a core that ``server`` uses while nothing is asked of it."""
    before, started = server.cpu_s(), time.monotonic()
    await asyncio.sleep(IDLE_S)
    return (server.cpu_s() - before) / (time.monotonic() - started)


async def leave(devices: Sequence[Device]) -> None:
    """Let them go, and the server notice."""
    for device in devices:
        device.close()
    await asyncio.sleep(0.3)


async def ask(server: Metered, devices: Sequence[Device], question: bytes) -> float:
    """Each device asks, waits for the answer, and asks again."""

    async def one(device: Device) -> None:
        for _ in range(QUESTIONS):
            device.send(question)
            await device.until(device.frames + 1)

    return await cost_us(server, len(devices) * QUESTIONS, asyncio.gather(*map(one, devices)))


async def broadcast(
    server: Metered,
    devices: Sequence[Device],
    publish: Callable[[int], None],
    in_flight: int,
    entries: int,
    idle: float = 0.0,
) -> float:
    """So many entries to all devices, ``in_flight`` at once; ``publish`` sends the one of that number."""

    async def all_of_them() -> None:
        for start in range(0, entries, in_flight):
            before = [device.frames for device in devices]
            count = min(in_flight, entries - start)
            for number in range(start, start + count):
                publish(number)
            await asyncio.gather(*[device.until(had + count) for had, device in zip(before, devices, strict=True)])

    return await cost_us(server, entries * len(devices), all_of_them(), idle)


class Window:
    """Lets so many be in flight: as some arrive, as many are sent. ``devices`` tell of what they got."""

    def __init__(self, devices: Sequence[Device], size: int, send: Callable[[int], None]) -> None:
        self._size = size
        self._send = send
        self._left = 0
        self._flying = 0
        self._waits = False
        self._done: asyncio.Future[None] | None = None
        for device in devices:
            device.on_frames = self._arrived

    async def run(self, count: int) -> None:
        """Send ``count``, and return when all have arrived."""
        self._left, self._flying = count, 0
        self._done = asyncio.get_running_loop().create_future()
        self._arrived(0)
        await self._done

    def _arrived(self, frames: int) -> None:
        self._flying -= frames
        # What arrives in one turn of the loop is answered together.
        if not self._waits:
            self._waits = True
            asyncio.get_running_loop().call_soon(self._fill)

    def _fill(self) -> None:
        self._waits = False
        count = min(self._left, self._size - self._flying)
        if count > 0:
            self._left -= count
            self._flying += count
            self._send(count)
        elif not self._left and self._flying <= 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)

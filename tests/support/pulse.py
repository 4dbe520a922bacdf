"""A pulse for devices that only listen: who says nothing for long is closed with 4202, however slow the machine is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.wire_client import Device

EVERY_S = 2.0


@contextlib.asynccontextmanager
async def beating(*devices: Device) -> AsyncIterator[None]:
    """Let these devices say that they are there, for the length of the block."""

    async def beat() -> None:
        while True:
            for device in devices:
                device.send({"type": "heartbeat"})
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

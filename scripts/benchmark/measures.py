"""What one operation costs, each as the CPU time of the instance by the number of operations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson

from scripts.benchmark.device import Device
from scripts.benchmark.place import SERVER_CORE, Instance, Place


def mutate(number: int, device: int, salt: str) -> bytes:
    """Return a small mutation that always changes something."""
    theme = ("dark", "light")[number % 2]
    return (
        f'{{"type":"mutate","mid":"{salt}-{device}-{number}","name":"preferences.set",'
        f'"args":{{"values":{{"theme":"{theme}"}}}}}}'
    ).encode()


async def measure_refused(place: Place, salt: str) -> float:
    """A round trip without the database: a mutation that does not exist."""
    devices = [await place.a.connect(token) for token in place.tokens[:50]]
    message = orjson.dumps({"type": "mutate", "mid": "m", "name": "nothing.at_all", "args": {"activity": "x"}})

    async def ask(device: Device) -> None:
        for _ in range(200):
            device.send(message)
            await device.until(device.frames + 1)

    return await _cost(place.a, 50 * 200, asyncio.gather(*map(ask, devices)), devices)


async def measure_mutation(place: Place, salt: str, users: int = 50) -> float:
    """A durable mutation, confirmed to its sender and delivered to one more device."""
    senders = [await place.a.connect(token) for token in place.tokens[:users]]
    others = [await place.a.connect(token) for token in place.tokens[:users]]
    each = 6000 // users

    async def send(index: int, device: Device) -> None:
        for number in range(each):
            device.send(mutate(number, index, salt))
            await device.until(device.frames + 1)

    async def both() -> None:
        await asyncio.gather(*[send(n, device) for n, device in enumerate(senders)])
        await asyncio.gather(*[other.until(1 + each) for other in others])

    return await _cost(place.a, users * each, both(), senders + others)


async def measure_broadcast(place: Place, salt: str, in_flight: int) -> float:
    """One entry of the shared stream to 1,000 sockets, per delivery."""
    devices = [await place.a.connect(token) for token in place.tokens[:1000]]
    admin = await place.b.connect(place.admin_token)
    entries = 40

    async def publish() -> None:
        for start in range(0, entries, in_flight):
            before = [device.frames for device in devices]
            for number in range(start, min(entries, start + in_flight)):
                admin.send(
                    orjson.dumps(
                        {
                            "type": "mutate",
                            "mid": f"{salt}-a-{number}",
                            "name": "announcement.publish",
                            "args": {"title": "x" * 40, "level": "info"},
                        }
                    )
                )
            count = min(in_flight, entries - start)
            await asyncio.gather(*[device.until(had + count) for had, device in zip(before, devices, strict=True)])

    return await _cost(place.a, entries * len(devices), publish(), [*devices, admin])


async def measure_push(place: Place, salt: str) -> float:
    """Entries committed on the other instance to single users, per delivery on this one."""
    count, each = 200, 20
    devices = [await place.a.connect(token) for token in place.tokens[:count]]
    senders = [await place.b.connect(token) for token in place.tokens[:count]]

    async def send(index: int) -> None:
        for number in range(each):
            senders[index].send(mutate(number, index, salt))
            await senders[index].until(senders[index].frames + 1)

    async def both() -> None:
        await asyncio.gather(*map(send, range(count)))
        await asyncio.gather(*[device.until(1 + each) for device in devices])

    return await _cost(place.a, count * each, both(), devices + senders)


async def measure_connect(place: Place, salt: str) -> float:
    """Connect, authenticate, hello, welcome: resumed, nothing missed."""
    first = [await place.a.connect(token) for token in place.tokens[:100]]
    cursors = [orjson.loads(device.last)["cursor"] for device in first]
    for device in first:
        device.close()
    await asyncio.sleep(0.3)
    devices: list[Device] = []

    async def connect_all() -> None:
        for _ in range(5):
            devices.extend(
                await asyncio.gather(
                    *[place.a.connect(token, cursor) for token, cursor in zip(place.tokens, cursors, strict=False)]
                )
            )

    return await _cost(place.a, 500, connect_all(), devices)


async def _cost(instance: Instance, operations: int, work: Awaitable[Any], devices: list[Device]) -> float:
    """Return the CPU microseconds of ``instance`` per operation while ``work`` ran."""
    before = instance.cpu_s()
    await work
    used = instance.cpu_s() - before
    for device in devices:
        device.close()
    await asyncio.sleep(0.3)
    return used / operations * 1e6


async def measure_memory(place: Place, count: int) -> tuple[float, float]:
    """Return KiB per idle connection on a fresh instance, and its CPU share while they idle, percent."""
    instance = Instance(place.a.port + 2, SERVER_CORE, place.environ)
    try:
        async with aiohttp.ClientSession() as session:
            await instance.ready(session)
        warm = [await instance.connect(token) for token in place.tokens[:20]]
        before = instance.rss_kib()
        devices: list[Device] = []
        for start in range(0, count, 50):
            tokens = [place.tokens[n % len(place.tokens)] for n in range(start, min(count, start + 50))]
            devices += await asyncio.gather(*[instance.connect(token) for token in tokens])
        await asyncio.sleep(2)
        memory = (instance.rss_kib() - before) / count
        cpu, started = instance.cpu_s(), time.monotonic()
        await asyncio.sleep(25)
        share = (instance.cpu_s() - cpu) / (time.monotonic() - started) * 100
        for device in warm + devices:
            device.close()
        return memory, share
    finally:
        instance.process.terminate()
        instance.process.wait(20)


Measure = Callable[[Place, str], Awaitable[float]]
MEASURES: dict[str, tuple[str, float, Measure]] = {
    "refused": ("round trip without database", 45, measure_refused),
    "mutate": ("durable mutation, confirmed and delivered to one more device", 400, measure_mutation),
    "push": ("entry from another instance to a single user", 20, measure_push),
    "broadcast-4": (
        "broadcast to 1,000 sockets, 4 in flight, per delivery", 6, lambda p, s: measure_broadcast(p, s, 4)
    ),
    "broadcast-1": ("the same, one in flight", 13, lambda p, s: measure_broadcast(p, s, 1)),
    "connect": ("connect, authenticate, hello, welcome (resumed)", 1000, measure_connect),
}  # fmt: skip

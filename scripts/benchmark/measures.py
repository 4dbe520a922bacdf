"""What one operation costs, each as the CPU time of the instance by the number of operations."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import aiohttp
import orjson

from idling_ws.store.redis import Keys
from scripts.benchmark.announcer import SLICE, Announcer, Publisher
from scripts.benchmark.device import Device
from scripts.benchmark.place import PORT, SERVER_CORE, Instance, Place, stop
from scripts.benchmark.rounds import ASKERS, Window, ask, broadcast, cost_us, idle_share, leave

SLICES = 5
IN_FLIGHT, IN_FLIGHT_OF_FEW = 256, 50
CONNECTS = 500


def mutate(number: int, device: int, salt: str) -> bytes:
    """Return a small mutation that always changes something."""
    theme = ("dark", "light")[number % 2]
    return (
        f'{{"type":"mutate","mid":"{salt}-{device}-{number}","name":"preferences.set",'
        f'"args":{{"values":{{"theme":"{theme}"}}}}}}'
    ).encode()


QUESTION = orjson.dumps({"type": "mutate", "mid": "m", "name": "nothing.at_all", "args": {"activity": "x"}})


async def measure_refused(place: Place, salt: str) -> float:
    """A round trip without the database: a mutation that does not exist."""
    devices = await place.a.connect_all(place.tokens[:ASKERS])
    cost = await ask(place.a, devices, QUESTION)
    await leave(devices)
    return cost


async def measure_mutation(place: Place, salt: str, users: int = 50) -> float:
    """A durable mutation, confirmed to its sender and delivered to one more device."""
    senders = await place.a.connect_all(place.tokens[:users])
    others = await place.a.connect_all(place.tokens[:users])
    each = 6000 // users

    async def send(index: int, device: Device) -> None:
        for number in range(each):
            device.send(mutate(number, index, salt))
            await device.until(device.frames + 1)

    async def both() -> None:
        await asyncio.gather(*[send(n, device) for n, device in enumerate(senders)])
        await asyncio.gather(*[other.until(1 + each) for other in others])

    cost = await cost_us(place.a, users * each, both())
    await leave(senders + others)
    return cost


async def measure_broadcast(
    place: Place, salt: str, in_flight: int, listeners: int = 1000, entries: int = 40, *, beyond_idle: bool = False
) -> float:
    """One entry of the shared stream to many sockets, committed by the other instance, per delivery."""
    devices = await place.a.connect_all(place.tokens[:listeners])
    admin = await place.b.connect(place.admin_token)

    def publish(number: int) -> None:
        args = {"title": "x" * 40, "level": "info"}
        message = {"type": "mutate", "mid": f"{salt}-a-{number}", "name": "announcement.publish", "args": args}
        admin.send(orjson.dumps(message))

    idle = await idle_share(place.a) if beyond_idle else 0.0
    cost = await broadcast(place.a, devices, publish, in_flight, entries, idle)
    await leave([*devices, admin])
    return cost


async def measure_push(
    place: Place, salt: str, users: int = 1000, *, growing: bool = False, receivers: int | None = None
) -> float:
    """Entries of other instances to single users drawn by lot, 256 in flight, per delivery on this one.

    ``growing``: so that more users change nothing else. Few are in flight, hardly two of them for one socket (they
    would share a write), and what the sockets cost anyway is not counted. ``receivers``: so many of the users, spread
    over all, get everything; the others are only there.
    """
    devices = await place.a.connect_all(place.tokens[:users])
    heads: dict[int, int] = {}
    for device in devices[:: users // (receivers or users)]:
        welcome = orjson.loads(device.first)
        epoch, seq, _ = welcome["cursor"].split(".")
        heads[welcome["user"]["id"]] = int(seq)
    sample = await sample_entry(place, salt)
    publisher = await Publisher.connect(place.environ["IDLING_REDIS_URL"])
    announcer = Announcer(place.database_url, publisher, Keys(epoch), heads, sample)
    window = Window(devices, IN_FLIGHT_OF_FEW if growing else IN_FLIGHT, announcer.send)
    costs: list[float] = []
    idle = await idle_share(place.a) if growing else 0.0
    for _ in range(SLICES):
        await asyncio.to_thread(announcer.commit, SLICE, evenly=growing)
        costs.append(await cost_us(place.a, SLICE, window.run(SLICE), idle))
    publisher.close()
    await leave(devices)
    return statistics.fmean(costs)


async def sample_entry(place: Place, salt: str) -> bytes:
    """Return an entry as it is, of somebody whom nothing is measured of."""
    device = await place.b.connect(place.admin_token)
    device.send(mutate(0, 0, salt))
    await device.until(2)
    device.send(mutate(1, 0, salt))
    await device.until(3)
    device.close()
    return device.last


async def measure_relayed(place: Place, salt: str) -> float:
    """The same from a real instance, which commits each: as slowly as that goes, with what an instance does anyway."""
    count, each = 200, 20
    devices = await place.a.connect_all(place.tokens[:count])
    senders = await place.b.connect_all(place.tokens[:count])

    async def send(index: int) -> None:
        for number in range(each):
            senders[index].send(mutate(number, index, salt))
            await senders[index].until(senders[index].frames + 1)

    async def both() -> None:
        await asyncio.gather(*map(send, range(count)))
        await asyncio.gather(*[device.until(1 + each) for device in devices])

    cost = await cost_us(place.a, count * each, both())
    await leave(devices + senders)
    return cost


async def measure_connect(place: Place, salt: str) -> float:
    """Connect, authenticate, hello, welcome: resumed, nothing missed."""
    first = await place.a.connect_all(place.tokens[:100])
    cursors = [orjson.loads(device.first)["cursor"] for device in first]
    for device in first:
        device.close()
    await asyncio.sleep(0.3)
    devices: list[Device] = []

    async def connect_all() -> None:
        for _ in range(CONNECTS // len(cursors)):
            devices.extend(
                await asyncio.gather(
                    *[place.a.connect(token, cursor) for token, cursor in zip(place.tokens, cursors, strict=False)]
                )
            )

    cost = await cost_us(place.a, CONNECTS, connect_all())
    await leave(devices)
    return cost


async def measure_memory(place: Place, count: int) -> tuple[float, float]:
    """Return KiB per idle connection on a fresh instance, and its CPU share while they idle, percent."""
    instance = Instance(PORT + 9, SERVER_CORE, place.environ)
    try:
        async with aiohttp.ClientSession() as session:
            await instance.ready(session)
        warm = await instance.connect_all(place.tokens[:20])
        before = instance.rss_kib()
        devices = await instance.connect_all([place.tokens[n % len(place.tokens)] for n in range(count)])
        await asyncio.sleep(2)
        memory = (instance.rss_kib() - before) / count
        cpu, started = instance.cpu_s(), time.monotonic()
        await asyncio.sleep(25)
        share = (instance.cpu_s() - cpu) / (time.monotonic() - started) * 100
        for device in warm + devices:
            device.close()
        return memory, share
    finally:
        stop(instance.process)


Measure = Callable[[Place, str], Awaitable[float]]
MEASURES: dict[str, tuple[str, float | None, Measure]] = {
    "refused": ("round trip without database", 45, measure_refused),
    "mutate": ("durable mutation, confirmed and delivered to one more device", 400, measure_mutation),
    "push": ("entry from another instance to a single user", 20, measure_push),
    "relayed": ("the same, each committed meanwhile by a real instance", None, measure_relayed),
    "broadcast-4": (
        "broadcast to 1,000 sockets, 4 in flight, per delivery", 6, lambda p, s: measure_broadcast(p, s, 4)
    ),
    "broadcast-1": (
        "broadcast to 1,000 sockets, one in flight, per delivery", 13, lambda p, s: measure_broadcast(p, s, 1)
    ),
    "connect": ("connect, authenticate, hello, welcome (resumed)", 1000, measure_connect),
}  # fmt: skip

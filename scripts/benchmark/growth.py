"""Growth: what the same work costs with a hundred times as many sockets, or with a full database behind it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import psycopg2

from scripts.benchmark.bare import measure_bare
from scripts.benchmark.device import Device
from scripts.benchmark.lobby import measure_lobby
from scripts.benchmark.measures import (
    IN_FLIGHT_OF_FEW,
    SLICES,
    measure_broadcast,
    measure_mutation,
    measure_push,
    mutate,
)
from scripts.benchmark.place import Place
from scripts.benchmark.results import Results
from scripts.benchmark.rounds import leave
from scripts.benchmark.stores import postgres_s

SOCKETS = (100, 1_000, 10_000)
FEW = SOCKETS[0]
BARE_BYTES = 300
PEOPLE, ENTRIES = 100_000, 1_000_000
SENDERS, EACH = 200, 60
HALF_LOAD_S = 8.0
Announce = Callable[[str], None]

_FILL = """
WITH people AS (
    INSERT INTO users (name, name_key) SELECT 'filler ' || n, 'filler ' || n FROM generate_series(1, %s) n RETURNING id
), frames AS (
    SELECT frame FROM entries ORDER BY at DESC LIMIT 1
), written AS (
    INSERT INTO entries (user_id, seq, mid, frame, at)
    SELECT id, n, 'fill-' || n, frame, now() FROM people, generate_series(1, %s) n, frames RETURNING 1
)
INSERT INTO streams (user_id, seq) SELECT id, %s FROM people"""


async def measure_growth(place: Place, results: Results, runs: int, salt: str, announce: Announce) -> None:
    """Add the rows of growth over sockets, people in the lobby and rows; and the latency at half of what it can do."""
    await _latency(place, results, runs, salt, announce)
    await _over_sockets(place, results, runs, salt, announce)
    await _over_people(place, results, runs, salt, announce)
    await _over_rows(place, results, runs, salt, announce)


async def _over_sockets(place: Place, results: Results, runs: int, salt: str, announce: Announce) -> None:
    """Beyond what so many sockets cost without a delivery, or a slow machine would let the many look dear."""
    counts = [count for count in SOCKETS if count <= len(place.tokens)]
    rounds: list[tuple[str, Callable[[int, str], Awaitable[float]]]] = [
        (
            "entry from another instance to a single user",
            lambda count, turn: measure_push(place, turn, count, growing=True),
        ),
        (
            f"the same, {FEW} of them get all",
            lambda count, turn: measure_push(place, turn, count, growing=True, receivers=FEW),
        ),
        (
            "a text to a single user by a server that only writes",
            lambda count, turn: measure_bare(count, IN_FLIGHT_OF_FEW, SLICES, BARE_BYTES),
        ),
        (
            "broadcast, 4 in flight, per delivery",
            lambda count, turn: measure_broadcast(place, turn, 4, count, max(20, 40_000 // count), beyond_idle=True),
        ),
    ]
    costs: dict[tuple[str, int], list[float]] = {(name, count): [] for name, _ in rounds for count in counts}
    for turn in range(runs):
        for name, measure in rounds:
            for count in counts:
                cost = await measure(count, f"{salt}-{turn}-{count}")
                costs[name, count].append(cost)
                announce(f"run {turn + 1} {name}, of {count:,} sockets: {cost:.1f} µs")
    for (name, count), values in costs.items():
        results.add(f"{name}, {count:,} sockets", "CPU µs", None, values)


async def _over_people(place: Place, results: Results, runs: int, salt: str, announce: Announce) -> None:
    """A lobby of so many who all watch it."""
    counts = [count for count in SOCKETS if count <= len(place.tokens)]
    costs: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(runs):
        for count in counts:
            costs[count].append(await measure_lobby(place, f"{salt}-{turn}-{count}", count))
            announce(f"run {turn + 1} a second of a lobby of {count:,}: {costs[count][-1]:.1f} ms")
    for count, values in costs.items():
        results.add(f"a second in which a lobby of {count:,} changes, told to all of them", "CPU ms", None, values)


async def _over_rows(place: Place, results: Results, runs: int, salt: str, announce: Announce) -> None:
    """The database is filled between the two: they cannot take turns."""
    for amount in ("nearly empty", f"{ENTRIES:,} entries, {PEOPLE:,} people"):
        if amount != "nearly empty":
            announce(f"filling the database with {ENTRIES:,} entries")
            await asyncio.to_thread(fill, place.database_url)
        own: list[float] = []
        stores: list[float] = []
        for turn in range(runs):
            before = postgres_s(place.database_url)
            own.append(await measure_mutation(place, f"{salt}-{turn}-{len(amount)}"))
            stores.append((postgres_s(place.database_url) - before) / 6000 * 1e6)
            announce(f"run {turn + 1} mutation, {amount}: {own[-1]:.0f} µs, PostgreSQL {stores[-1]:.0f} µs")
        results.add(f"durable mutation, database {amount}", "CPU µs", None, own)
        results.add(f"PostgreSQL, for the same, {amount}", "CPU µs", None, stores)


def fill(database_url: str) -> None:
    """Write entries of people who are not here, and let the database look at what it holds."""
    connection = psycopg2.connect(database_url)
    connection.autocommit = True
    each = ENTRIES // PEOPLE
    with connection.cursor() as cursor:
        cursor.execute(_FILL, (PEOPLE, each, each))
        cursor.execute("VACUUM ANALYZE users, streams, entries")
    connection.close()


async def _latency(place: Place, results: Results, runs: int, salt: str, announce: Announce) -> None:
    """Mutations a second of one instance on one core, then how long they take at half of that."""
    rates: list[float] = []
    middles: list[float] = []
    slow: list[float] = []
    for turn in range(runs):
        devices = await place.a.connect_all(place.tokens[:SENDERS])
        started = time.monotonic()
        await _send_all(devices, EACH, 0.0, f"{salt}-{turn}-full")
        rates.append(EACH * len(devices) / (time.monotonic() - started))
        every_s = len(devices) / (rates[-1] / 2)
        count = max(2, round(HALF_LOAD_S / every_s))
        took = sorted(await _send_all(devices, count, every_s, f"{salt}-{turn}-half"))
        middles.append(statistics.median(took) * 1e3)
        slow.append(took[int(len(took) * 0.99)] * 1e3)
        announce(f"run {turn + 1}: {rates[-1]:.0f} mutations/s; at half p50 {middles[-1]:.1f}, p99 {slow[-1]:.1f} ms")
        await leave(devices)
    results.add(f"durable mutations of one instance, closed loop of {SENDERS} people", "a second", None, rates)
    results.add("the same at half of that rate, p50", "ms", None, middles)
    results.add("the same at half of that rate, p99", "ms", 25, slow)


async def _send_all(devices: list[Device], count: int, every_s: float, salt: str) -> list[float]:
    """Let each send so many, and return how long each took: at once when the last is confirmed, or at fixed times.

    At fixed times it counts from when it was due: what waits behind a slow one was slow too.
    """
    took: list[float] = []
    started = time.monotonic()

    async def send(index: int, device: Device) -> None:
        for number in range(count):
            asked = time.monotonic()
            if every_s:
                due = started + every_s * (number + index / len(devices))
                await asyncio.sleep(max(0.0, due - asked))
                asked = due
            device.send(mutate(number, index, salt))
            await device.until(device.frames + 1)
            took.append(time.monotonic() - asked)

    await asyncio.gather(*[send(index, device) for index, device in enumerate(devices)])
    return took

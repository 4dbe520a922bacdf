"""Soak: what each process holds while a run goes on, and whether that grows.

Memory, tasks and open files are read from ``/metrics``. A leak is a line that rises through
the noise, so it takes two things to be one: a trend that chance does not make (Mann and
Kendall: of all pairs of readings, many more rise than fall), and a slope (Theil and Sen: the
median of all pairs) that comes to more than is allowed over the second half of the traffic.
The first half does not count: caches and pools fill up then.

Open connections are counted apart from tasks and open files, of which each HTTP connection has
one of both: devices move from one instance to another when their tokens end. Whether one is
left when all have gone is seen at the end.
"""

from __future__ import annotations

import asyncio
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

ASK_TIMEOUT_S = 5.0
# Fewer readings than this in the second half say nothing.
FEWEST = 10
# Beyond so many pairs the slope is taken of every second reading, every third…
MOST_READINGS = 400
UNLIKELY_Z = 3.0
SETTLE_S = 30.0

_NAMES = {
    "memory_bytes": "process_resident_memory_bytes",
    "tasks": "idling_tasks",
    "fds": "process_open_fds",
    "http_connections": "idling_http_connections",
    "sockets": "idling_sockets",
}


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much one thing may grow over the second half: by a share of itself, or by so many, whichever is more."""

    name: str
    share: float
    number: float

    def limit(self, middle: float) -> float:
        """Return what growth is too much for something of that size."""
        return max(self.share * middle, self.number)


ALLOWED = (Allowed("memory_bytes", 0.02, 1 << 20), Allowed("own_tasks", 0.0, 1.0), Allowed("own_fds", 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process held. ``at_s``: seconds since the run began."""

    at_s: float
    memory_bytes: float
    tasks: float
    fds: float
    http_connections: float = 0.0
    sockets: float = 0.0

    @property
    def own_tasks(self) -> float:
        """Tasks that are not there for one connection."""
        return self.tasks - self.http_connections

    @property
    def own_fds(self) -> float:
        """Open files that are no connection of a client."""
        return self.fds - self.http_connections - self.sockets


@dataclass(slots=True)
class Life:
    """One process from its start: another life at the same address counts by itself."""

    url: str
    started_at: float
    before: Reading | None = None
    readings: list[Reading] = field(default_factory=list)
    after: Reading | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """How one thing of one process moved over the second half, and whether that is a leak."""

    url: str
    name: str
    middle: float
    growth: float
    limit: float
    trend_z: float
    leaks: bool


class Soak:
    """Reads every instance regularly. ``traffic`` says whether a reading counts."""

    def __init__(self, urls: Sequence[str], every_s: float) -> None:
        self._urls = urls
        self._every_s = every_s
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._lives: dict[tuple[str, float], Life] = {}
        self.missed = 0

    async def run(self) -> None:
        """Read until cancelled."""
        async with aiohttp.ClientSession() as http:
            while True:
                for url in self._urls:
                    found = await self._read(http, url)
                    if found is None:
                        self.missed += 1
                    else:
                        found[0].readings.append(found[1])
                await asyncio.sleep(self._every_s)

    async def note_before(self) -> None:
        """Read what each process holds with nobody connected."""
        for life, reading in await self._read_all():
            life.before = reading

    async def note_after(self) -> None:
        """Read it again when all have gone; wait a while for what ends in its own time."""
        until = self._loop.time() + SETTLE_S
        while True:
            for life, reading in await self._read_all():
                life.after = reading
            if self._loop.time() > until or not any(left_behind(life) for life in self._lives.values()):
                return
            await asyncio.sleep(1.0)

    async def _read_all(self) -> list[tuple[Life, Reading]]:
        # Each time with connections of its own: a connection that is kept costs the server a task.
        async with aiohttp.ClientSession() as http:
            found = [await self._read(http, url) for url in self._urls]
        return [one for one in found if one is not None]

    async def _read(self, http: aiohttp.ClientSession, url: str) -> tuple[Life, Reading] | None:
        try:
            async with http.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=ASK_TIMEOUT_S)) as response:
                numbers = plain_numbers(await response.text())
            started_at = numbers["process_start_time_seconds"]
            reading = Reading(self._loop.time() - self._began, **{key: numbers[name] for key, name in _NAMES.items()})
        except (aiohttp.ClientError, OSError, TimeoutError, KeyError):
            return None
        return self._lives.setdefault((url, started_at), Life(url, started_at)), reading

    def summary(self, began_s: float, ended_s: float) -> dict[str, Any]:
        """Return readings and verdict of the traffic between these two times, for the reports."""
        middle_s = (began_s + ended_s) / 2
        growths: list[Growth] = []
        for life in self._lives.values():
            half = [reading for reading in life.readings if middle_s <= reading.at_s <= ended_s]
            if len(half) >= FEWEST:
                growths += [growth_of(life.url, allowed, half) for allowed in ALLOWED]
        left = sum(left_behind(life) for life in self._lives.values())
        return {
            "lives": [asdict(life) for life in self._lives.values()],
            "growths": [asdict(growth) for growth in growths],
            "missed": self.missed,
            "tasks_left": left,
            "judged": len(growths),
            "leaks": sum(growth.leaks for growth in growths) + (left > 0),
        }

    @property
    def now_s(self) -> float:
        """Seconds since the run began."""
        return self._loop.time() - self._began


def plain_numbers(text: str) -> dict[str, float]:
    """Return the metrics without labels of a Prometheus text."""
    numbers: dict[str, float] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name and not name.startswith("#") and "{" not in name:
            numbers[name] = float(value)
    return numbers


def left_behind(life: Life) -> int:
    """Return how many tasks more there are after all have gone than before they came."""
    if life.before is None or life.after is None:
        return 0
    return max(0, int(life.after.tasks - life.before.tasks))


def growth_of(url: str, allowed: Allowed, readings: Sequence[Reading]) -> Growth:
    """Judge one thing."""
    step = -(-len(readings) // MOST_READINGS)
    points = [(reading.at_s, float(getattr(reading, allowed.name))) for reading in readings[::step]]
    middle = statistics.median(value for _, value in points)
    growth = slope_of(points) * (points[-1][0] - points[0][0])
    limit, trend_z = allowed.limit(middle), trend_of([value for _, value in points])
    return Growth(url, allowed.name, middle, growth, limit, trend_z, growth > limit and trend_z > UNLIKELY_Z)


def slope_of(points: Sequence[tuple[float, float]]) -> float:
    """Return the median slope of all pairs (Theil and Sen): a few wild readings do not move it."""
    return statistics.median(
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for n, earlier in enumerate(points)
        for later in points[n + 1 :]
        if later[0] > earlier[0]
    )


def trend_of(values: Sequence[float]) -> float:
    """Return how unlikely a rise is by chance, in standard deviations (Mann and Kendall, corrected for ties)."""
    n = len(values)
    rises = sum((later > earlier) - (later < earlier) for i, earlier in enumerate(values) for later in values[i + 1 :])
    ties: dict[float, int] = {}
    for value in values:
        ties[value] = ties.get(value, 0) + 1
    variance = (n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties.values())) / 18
    return 0.0 if variance <= 0 else (rises - (rises > 0) + (rises < 0)) / math.sqrt(variance)

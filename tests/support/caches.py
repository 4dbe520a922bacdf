"""Caches as several instances of one deployment have them, over a real Redis, with a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from idling_ws.domain.caching import CacheKey
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache import Answer, Cache, Loaded
from idling_ws.store.cache_drops import Drops
from idling_ws.store.cache_layers import ProcessLayer, RedisLayer
from idling_ws.store.redis import Keys, Redis, connect
from tests.support.clocks import MovableClock

# A Redis that a busy machine keeps waiting is not one that is away.
PATIENCE_S = 30.0

SHARED = CacheKey("categories")
PROFILE = CacheKey("profile", 7)
POPULAR = CacheKey("popular")
CATEGORY = CacheKey("category", part="no-such")


@dataclass
class Table:
    """What a loader reads: a value and its version, as a row and its stream's ``seq``."""

    value: Any = "first"
    version: int = 1
    is_away: bool = False
    loads: int = 0
    gate: asyncio.Event | None = None
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, value: Any) -> int:
        """Commit a change."""
        self.value, self.version = value, self.version + 1
        return self.version

    async def load(self) -> Loaded:
        """Read, and then take as long as ``gate`` says to hand over what was read."""
        self.loads += 1
        if self.is_away:
            raise UnavailableError
        read = Loaded(self.value, self.version)
        self.reading.set()
        if self.gate is not None:
            await self.gate.wait()
        return read


class CacheOfOne:
    """The cache of one instance. ``line`` is what it knows of Redis."""

    def __init__(self, redis: Redis, keys: Keys, clock: MovableClock, **options: Any) -> None:
        self.redis = redis
        self.keys = keys
        self.line: int | None = 0
        self.database_answers = True
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.loads: Counter[str] = Counter()
        self.drops = Drops(keys)
        self.process = ProcessLayer(
            max_bytes=options.pop("max_bytes", 1 << 20), max_entries=options.pop("max_entries", 100)
        )
        self.layer = RedisLayer(
            redis,
            keys,
            clock,
            lambda name: None if self.line is None else str(self.line),
            deadline_s=options.pop("deadline_s", PATIENCE_S),
        )
        self.cache = Cache(
            self.process,
            self.layer,
            self.drops,
            clock,
            count=lambda *labels: self.counts.update([labels]),
            count_load=lambda data: self.loads.update([data]),
            database_answers=lambda: self.database_answers,
            draw=options.pop("draw", lambda: 0.0),
        )

    async def read(self, key: CacheKey, table: Table, **options: Any) -> Answer:
        return await self.cache.get(key, table.load, **options)

    async def value(self, key: CacheKey, table: Table, **options: Any) -> Any:
        return (await self.read(key, table, **options)).value()

    async def tell(self, user_id: int, seq: int, kind: str) -> None:
        """Do with an entry what the publisher does: everything but passing it on."""
        frame = b'{"items":[{"kind":"%b"}]}' % kind.encode()
        for command in self.drops.commands(user_id, seq, frame):
            await self.redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it so

    async def settle(self) -> None:
        """Wait until nothing is refreshed any more."""
        await asyncio.gather(*self.cache._refreshing.values())


@contextlib.asynccontextmanager
async def running_caches(
    redis_url: str, clock: MovableClock, count: int = 2, **options: Any
) -> AsyncIterator[list[CacheOfOne]]:
    """Run the caches of ``count`` instances of one deployment."""
    keys = Keys(uuid4().hex[:8])
    connections = [connect(redis_url, timeout_s=PATIENCE_S) for _ in range(count)]
    caches = [CacheOfOne(redis, keys, clock, **options) for redis in connections]
    try:
        yield caches
    finally:
        for one in caches:
            await one.cache.close()
        for redis in connections:
            await redis.aclose()

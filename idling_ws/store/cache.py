"""The cache: every read that may be answered from memory or from Redis goes through here.

    process memory ─> Redis ─> whoever loads it from PostgreSQL, one for all that wait

What applies to which data stands in ``domain.caching``; what makes a value old, in
``cache_drops``. A value is never taken below the floor that held when its reader came,
so nobody who has seen a change reads older data after it. Without Redis the loaders
are asked at once; without PostgreSQL whatever is held serves, marked stale.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from idling_ws.domain.caching import POLICIES, CacheKey, Policy, Strategy
from idling_ws.domain.clock import Clock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache_drops import Drops
from idling_ws.store.cache_layers import Kept, ProcessLayer, RedisLayer

JITTER = 0.1
"""A time is shortened by up to this share, so that what was loaded together does not run out together."""
EARLY = 0.2
"""The last share of its time in which what is refreshed early is got anew."""
# How long to wait for another instance that loads the same, and how often to look.
OTHERS_LOAD_S = 1.0
LOOK_EVERY_S = 0.02

HIT, STALE, MISS = "hit", "stale", "miss"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a loader read. ``body`` is JSON, None for "there is none"; ``version`` of the same snapshot."""

    body: Any
    version: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader gets. ``is_stale``: the database is away, and this is from before."""

    body: bytes
    version: int
    is_stale: bool = False

    @property
    def is_absent(self) -> bool:
        """Whether there is none."""
        return self.body == b"null"

    def value(self) -> Any:
        """Return the body, decoded."""
        return orjson.loads(self.body)

    def to_object(self) -> bytes:
        """Return the body of an object as JSON, with ``"stale": true`` when it is."""
        return b'{"stale":true,' + self.body[1:] if self.is_stale else self.body


Load = Callable[[], Awaitable[Loaded]]


class Cache:
    """The cache of one instance.

    ``count(data, outcome, layer)`` is called once a read, ``count_load(data)`` once a query;
    ``database_answers`` tells what is known of the database without asking it.
    """

    def __init__(
        self,
        process: ProcessLayer,
        redis: RedisLayer,
        drops: Drops,
        clock: Clock,
        *,
        count: Callable[[str, str, str], None],
        count_load: Callable[[str], None],
        database_answers: Callable[[], bool],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._process = process
        self._redis = redis
        self._drops = drops
        self._clock = clock
        self._count = count
        self._count_load = count_load
        self._database_answers = database_answers
        self._draw = draw
        self._flights: dict[CacheKey, asyncio.Task[tuple[Kept, str]]] = {}
        self._refreshing: dict[CacheKey, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._flights.values(), *self._refreshing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, key: CacheKey, load: Load, *, database_is_away: bool = False, known: bool = False) -> Answer:
        """Return the value of ``key``.

        ``database_is_away``: the caller has just found that out. ``known``: it is certain to exist,
        so "there is none" is not taken from a cache. Raises ``UnavailableError`` when nothing is held
        and the database does not answer.
        """
        policy = POLICIES[key.data]
        floor = self._drops.floor(key)
        away = database_is_away or not self._database_answers()
        kept = self._process.get(key) if policy.process_s is not None else None
        if kept is not None and kept.version >= floor and not (known and kept.is_absent):
            now = self._clock.monotonic()
            if now < self._serves_until(policy, kept):
                if now >= kept.refresh_at and not away:
                    self._refresh(policy, key, kept, load)
                return self._answer(key, kept, "process", away=away, is_old=now >= kept.until)
        if away:
            held = await self._held_anyway(key, floor)
            if held is not None:
                return self._answer(key, *held, away=True)
            if database_is_away:
                raise UnavailableError
        try:
            kept, layer = await self._fly(policy, key, load, floor, known=known)
        except UnavailableError:
            held = await self._held_anyway(key, floor)
            if held is None:
                raise
            return self._answer(key, *held, away=True)
        return self._answer(key, kept, layer)

    def _answer(self, key: CacheKey, kept: Kept, layer: str, *, away: bool = False, is_old: bool = False) -> Answer:
        outcome = STALE if away or is_old else MISS if layer == "database" else HIT
        self._count(key.data, outcome, layer)
        return Answer(kept.body, kept.version, away)

    async def _held_anyway(self, key: CacheKey, floor: int) -> tuple[Kept, str] | None:
        """Return what any layer holds, however old, but nothing that is known to have changed since."""
        kept = self._process.get(key)
        if kept is not None and kept.version >= floor:
            return kept, "process"
        life = await self._redis.life(key)
        kept = None if life is None else await self._redis.get(key, life)
        return (kept, "redis") if kept is not None and kept.version >= floor else None

    # -- single flight -------------------------------------------------------------

    async def _fly(
        self, policy: Policy, key: CacheKey, load: Load, floor: int, *, known: bool = False
    ) -> tuple[Kept, str]:
        """Get ``key`` from below the process layer, together with whoever asks for it now."""
        while True:
            flight = self._flights.get(key)
            joined = flight is not None
            if flight is None:
                flight = self._start(policy, key, load, floor, known=known)
            kept, layer = await asyncio.shield(flight)
            # A flight that was under way already may have read before the change this reader knows of.
            if not joined or (kept.version >= floor and not (known and kept.is_absent)):
                return kept, layer

    def _start(
        self,
        policy: Policy,
        key: CacheKey,
        load: Load,
        floor: int,
        *,
        newer_than: Kept | None = None,
        known: bool = False,
    ) -> asyncio.Task[tuple[Kept, str]]:
        flight = asyncio.create_task(self._get_below(policy, key, load, floor, newer_than, known))
        self._flights[key] = flight

        def landed(done: asyncio.Task[tuple[Kept, str]]) -> None:
            if self._flights.get(key) is done:
                del self._flights[key]
            if not done.cancelled():
                done.exception()  # its readers have it; with none left, it is not lost but over

        flight.add_done_callback(landed)
        return flight

    async def _get_below(
        self, policy: Policy, key: CacheKey, load: Load, floor: int, newer_than: Kept | None, known: bool
    ) -> tuple[Kept, str]:
        life = await self._redis.life(key) if policy.redis_s is not None else None
        if life is None:
            return await self._load(policy, key, load, None), "database"

        async def look() -> Kept | None:
            kept = await self._redis.get(key, life)
            if kept is None or kept.version < floor or (known and kept.is_absent):
                return None
            if newer_than is not None and kept.loaded_at <= newer_than.loaded_at + LOOK_EVERY_S:
                return None
            timed = self._timed(policy, kept)
            return timed if self._clock.monotonic() < timed.until else None

        kept = await look() or await self._look_until_claimed(key, look)
        if kept is None:
            return await self._load(policy, key, load, life), "database"
        if policy.process_s is not None:
            self._process.put(key, kept)
        return kept, "redis"

    async def _look_until_claimed(self, key: CacheKey, look: Callable[[], Awaitable[Kept | None]]) -> Kept | None:
        """Return what another instance loads just now; None once it is ours to load, or takes too long."""
        deadline = self._clock.monotonic() + OTHERS_LOAD_S
        while not await self._redis.claim(key):
            await asyncio.sleep(LOOK_EVERY_S)
            kept = await look()
            if kept is not None or self._clock.monotonic() >= deadline:
                return kept
        # It may have been put there, and the claim given up, since we looked.
        kept = await look()
        if kept is not None:
            await self._redis.release(key)
        return kept

    async def _load(self, policy: Policy, key: CacheKey, load: Load, life: str | None) -> Kept:
        started = self._clock.monotonic()
        self._count_load(key.data)
        try:
            loaded = await load()
        except BaseException:
            if life is not None:
                await self._redis.release(key)
            raise
        kept = self._timed(policy, Kept(orjson.dumps(loaded.body), loaded.version, started))
        holds = kept.version >= self._drops.floor(key) and not (kept.is_absent and not policy.absent_s)
        if holds and policy.process_s is not None:
            self._process.put(key, kept)
        if life is not None and policy.redis_s is not None:
            if holds:
                keep_s = 0.0 if kept.is_absent else policy.keep_s
                await self._redis.put(key, kept, life, max(1.0, kept.until - started) + keep_s)
            else:
                await self._redis.release(key)
        return kept

    # -- times ---------------------------------------------------------------------

    def _timed(self, policy: Policy, kept: Kept) -> Kept:
        """Return ``kept`` with the times that hold for it here: never longer than Redis would keep it."""
        shared_s = policy.redis_s if policy.redis_s is not None else policy.process_s or 0.0
        if kept.is_absent:
            shared_s = min(shared_s, policy.absent_s)
        shortened = 1.0 - JITTER * self._draw()
        until = kept.loaded_at + shared_s * shortened
        if policy.process_s is not None:
            until = min(until, self._clock.monotonic() + policy.process_s * shortened)
        early = EARLY * (until - kept.loaded_at) if policy.strategy is Strategy.REFRESH_EARLY else 0.0
        return replace(kept, until=until, refresh_at=until - early)

    @staticmethod
    def _serves_until(policy: Policy, kept: Kept) -> float:
        revalidates = policy.strategy is Strategy.REVALIDATE and not kept.is_absent
        return kept.until + (policy.redis_s or 0.0) if revalidates else kept.until

    def _refresh(self, policy: Policy, key: CacheKey, kept: Kept, load: Load) -> None:
        """Get ``key`` anew while ``kept`` still serves."""
        if key in self._refreshing or key in self._flights:
            return

        # What is shared by Redis counts for its own time; what is refreshed early must be newer.
        newer_than = kept if policy.strategy is Strategy.REFRESH_EARLY else None

        async def refresh() -> None:
            flight = self._start(policy, key, load, self._drops.floor(key), newer_than=newer_than)
            try:
                await flight
            except UnavailableError:
                return  # what is held goes on serving, and the next reader tries again

        task = asyncio.create_task(refresh(), name=f"refresh-{key.name}")
        self._refreshing[key] = task
        task.add_done_callback(lambda done: self._refreshing.pop(key, None))

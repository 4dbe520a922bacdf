"""Quotas: how often somebody may do something in a minute, counted in Redis for all instances.

Redis is a help here and no condition: while it is away everything passes, is counted as
unchecked, and Redis is left alone for a moment, so that nobody waits for it twice.
"""

from __future__ import annotations

import asyncio
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from idling_ws.breakers import Breakers, LeftAloneError
from idling_ws.domain.clock import Clock
from idling_ws.store.redis import Failures, Keys, Redis

ANSWER_S = 0.25
LEAVE_ALONE_S = 2.0
MAX_WAIT_MS = 60_000


class Quotas:
    """Counts what was spent. ``unchecked`` counts what passed because Redis was away."""

    def __init__(self, redis: Redis, keys: Keys, clock: Clock, breakers: Breakers | None = None) -> None:
        pool: object = redis.connection_pool
        storage = RedisStorage(
            "redis://shared:0",
            implementation="redispy",
            key_prefix=f"{keys.prefix}:quota",
            connection_pool=pool,  # type: ignore[arg-type]  # taken as it is, whatever the annotation says
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._breaker = (breakers or Breakers(clock)).named("redis:quotas", failures=1, rest_s=LEAVE_ALONE_S)
        self.unchecked = 0

    async def spend(self, what: str, whose: str, per_minute: int, cost: int = 1) -> int | None:
        """Take ``cost`` off somebody's minute; return None, or after how many ms to try again."""
        item = RateLimitItemPerMinute(per_minute)
        try:
            with self._breaker.guard(*Failures):
                async with asyncio.timeout(ANSWER_S):
                    if await self._limiter.hit(item, what, whose, cost=cost):
                        return None
                    stats = await self._limiter.get_window_stats(item, what, whose)
        except (LeftAloneError, *Failures):
            self.unchecked += 1
            return None
        return min(MAX_WAIT_MS, max(1000, int(1000 * (stats.reset_time - time.time()))))

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


class _Shared(RedisStorage):
    """The library's storage over a client that is there already, of one server or of a cluster.

    Both keys of a window carry one hash tag: that is the library's doing.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        super().__init__("redis://shared:0", implementation="redispy", key_prefix=prefix)

    def configure_bridge(self) -> None:
        """Take the client, where the library would make one of its own."""
        self.bridge.storage = self._redis  # type: ignore[attr-defined]  # as the library's own bridge does
        self.bridge.connection_getter = lambda readonly: self._redis  # type: ignore[attr-defined]  # the same


class Quotas:
    """Counts what was spent. ``unchecked`` counts what passed because Redis was away."""

    def __init__(self, redis: Redis, keys: Keys, clock: Clock, breakers: Breakers | None = None) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(_Shared(redis, f"{keys.prefix}:quota"))
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

"""Presence: who was heard of when, gathered here and written in batches.

Each sign of life is a dictionary entry. Once a second all of them go to Redis in one
write, where every instance can see them, and every 15 s to the sessions in one
statement. Whoever says goodbye on their last device, on whatever instance, is away at
once: Redis knows whether anybody still listens for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.redis_line import Command
from idling_ws.domain.clock import Clock, unix_ms
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

REDIS_EVERY_S = 1.0
DATABASE_EVERY_S = 15.0


class Presence:
    """Signs of life of the users of this instance."""

    def __init__(
        self,
        clock: Clock,
        fanout: Fanout,
        keys: Keys,
        sessions: SessionStore,
        instance: str,
        *,
        flush_every_s: float = DATABASE_EVERY_S,
    ) -> None:
        self._clock = clock
        self._fanout = fanout
        self._keys = keys
        self._sessions = sessions
        self._instance = instance
        self.flush_every_s = flush_every_s
        self._for_redis: set[int] = set()
        self._for_database: dict[int, datetime] = {}
        # Goodbyes, and how often each was looked at already.
        self._left: dict[int, int] = {}
        # A goodbye must not be overtaken by an older sign of life.
        self._writing = asyncio.Lock()
        self._tasks = Tasks()
        self.on_left: Callable[[set[int]], None] = lambda user_ids: None

    def start(self) -> None:
        """Start writing."""
        self._tasks.start(self._run(REDIS_EVERY_S, self.to_redis), "presence-redis")
        self._tasks.start(self._run(self.flush_every_s, self.flush), "presence-database")

    async def stop(self) -> None:
        """Write what is known, then stop."""
        await self._tasks.stop()
        try:
            await self.flush()
        except UnavailableError:
            log.warning("%d signs of life were not written", len(self._for_database))

    def saw(self, user_id: int) -> None:
        """Note a sign of life."""
        self._for_redis.add(user_id)
        self._left.pop(user_id, None)

    def left(self, user_id: int) -> None:
        """Note a goodbye."""
        self._for_redis.discard(user_id)
        self._for_database.pop(user_id, None)
        self._left[user_id] = 0

    async def heard_elsewhere(self, user_ids: list[int], since: datetime) -> set[int]:
        """Return which of these were heard of after ``since`` by any instance, as far as Redis knows."""
        try:
            replies = await self._fanout.send([("ZMSCORE", self._keys.seen, *user_ids)])
        except UnavailableError:
            return set()
        if isinstance(replies[0], Exception):
            return set()
        floor = unix_ms(since)
        return {
            user_id
            for user_id, score in zip(user_ids, replies[0], strict=True)
            if score is not None and float(score) >= floor
        }

    async def _run(self, every_s: float, work: Callable[[], object]) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await work()  # type: ignore[misc]  # both are coroutine functions
            except UnavailableError:
                log.debug("presence waits")
            except Exception:
                log.exception("presence was not written")

    async def to_redis(self) -> None:
        """Hand this second's signs to Redis, our own among them, and goodbyes to both."""
        now = self._clock.now()
        seen, self._for_redis = self._for_redis, set()
        for user_id in seen:
            self._for_database[user_id] = now
        left = await self._let_go()
        score = unix_ms(now)
        commands: list[Command] = [("ZADD", self._keys.instances, score, self._instance)]
        if left:
            commands.append(("ZREM", self._keys.seen, *left))
        if seen:
            signs = [part for user_id in seen for part in (score, user_id)]
            for key in (self._keys.seen, self._keys.seen_at(self._instance)):
                commands.append(("ZADD", key, *signs))
                commands.append(("ZREMRANGEBYSCORE", key, "-inf", score - 3_600_000))
                commands.append(("EXPIRE", key, 7200))
        await self._fanout.send(commands)

    async def _let_go(self) -> set[int]:
        """Write down who is away now, because no instance has a device of theirs any more; return them."""
        if not self._left:
            return set()
        leaving, self._left = self._left, {}
        elsewhere = await self._elsewhere(list(leaving))
        for user_id in elsewhere:
            # The first time it may be our own subscription, which ends over another line.
            if not leaving[user_id] and user_id not in self._for_redis:
                self._left[user_id] = 1
        gone = leaving.keys() - elsewhere
        if not gone:
            return gone
        try:
            async with self._writing:
                await self._sessions.leave(sorted(gone))
        except UnavailableError:
            self._left.update((user_id, 0) for user_id in gone - self._for_redis)
        self.on_left(gone)
        return gone

    async def _elsewhere(self, user_ids: list[int]) -> set[int]:
        """Return which of these some instance listens for; nobody when Redis does not say."""
        try:
            found = await self._fanout.listeners([self._keys.stream(user_id) for user_id in user_ids])
        except UnavailableError:
            return set()
        return {user_id for user_id in user_ids if found.get(self._keys.stream(user_id))}

    async def flush(self) -> None:
        """Write the signs of life to the sessions. Raises ``UnavailableError`` and keeps them then."""
        async with self._writing:
            seen, self._for_database = self._for_database, {}
            if not seen:
                return
            try:
                await self._sessions.touch(seen, self._clock.now())
            except UnavailableError:
                for user_id in self._left:
                    seen.pop(user_id, None)
                self._for_database = {**seen, **self._for_database}
                raise

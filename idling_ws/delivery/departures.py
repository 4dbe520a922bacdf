"""Departures: the people of an instance that died are away, once they had the time to come back.

Each instance says every second that it lives, and whom it heard of. When one falls silent, the
others wait for as long as it takes a device to reconnect and to be written down; whoever nobody
else has heard of by then leaves the lobby, instead of idling on there until found stale.

An instance may also be alive and cut off from Redis. Its people are still written to the
database, and whoever is there with a later time than Redis knows of stays. What Redis has
forgotten, or had not heard yet, costs this promptness and never somebody's presence: they are
found stale as anybody silent is.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.presence import REDIS_EVERY_S, Presence
from idling_ws.domain.clock import Clock, from_unix_ms
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore
from idling_ws.tasks import Tasks

log = logging.getLogger(__name__)

LONGEST_LOOK_EVERY_S = 3.0
# A session's first sign of life is written by its mutation, up to a tick before Redis hears of it.
TOLERANCE = timedelta(seconds=2)
CHUNK = 1000


class Departures:
    """Owns the look after the other instances."""

    def __init__(
        self,
        clock: Clock,
        fanout: Fanout,
        keys: Keys,
        sessions: SessionStore,
        presence: Presence,
        instance: str,
        *,
        heartbeat_s: float,
    ) -> None:
        self._clock = clock
        self._fanout = fanout
        self._keys = keys
        self._sessions = sessions
        self._presence = presence
        self._instance = instance
        # A device that lives was heard of within a heartbeat, and written down at the flush after
        # it, with a tick's delay each: 43 s with the usual settings.
        self._grace_s = heartbeat_s + presence.flush_every_s + 3 * REDIS_EVERY_S
        self._look_every_s = min(LONGEST_LOOK_EVERY_S, self._grace_s / 4)
        # What each instance said last, and since when it has said nothing else, by our own clock.
        self._said: dict[str, tuple[bytes, float]] = {}
        self._tasks = Tasks()

    def start(self) -> None:
        """Start looking."""
        self._tasks.start(self._run(), "departures")

    async def stop(self) -> None:
        """Stop looking."""
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            try:
                await self.look()
            except UnavailableError:
                log.debug("a store is away: the other instances are looked after later")
            except Exception:
                log.exception("the other instances were not looked after")

    async def look(self) -> None:
        """Let the people of every instance go that has been silent for too long.

        Raises ``UnavailableError``; what was not done then is found by the next look of anybody.
        """
        # Held only by a look that came to its end: a store may have been away for everybody, and whoever
        # could not be heard of in that time has all of it again.
        before, self._said = self._said, {}
        (listed,) = await self._fanout.ask(("ZRANGE", self._keys.instances, 0, -1, "WITHSCORES"))
        now, now_said = self._clock.monotonic(), dict[str, tuple[bytes, float]]()
        for name, score in zip(listed[::2], listed[1::2], strict=True):
            instance = name.decode()
            said, since = before.get(instance, (b"", now))
            now_said[instance] = (score, since if said == score else now)
        for instance, (_, since) in now_said.items():
            if instance != self._instance and now - since > self._grace_s:
                await self._let_go(instance)
        self._said = now_said

    async def _let_go(self, instance: str) -> None:
        """Several instances may do this at the same time: what one has done the other finds done."""
        (listed,) = await self._fanout.ask(("ZRANGE", self._keys.seen_at(instance), 0, -1, "WITHSCORES"))
        scores = {int(user): int(float(score)) for user, score in zip(listed[::2], listed[1::2], strict=True)}
        gone: set[int] = set()
        users = list(scores)
        for start in range(0, len(users), CHUNK):
            chunk = users[start : start + CHUNK]
            (latest,) = await self._fanout.ask(("ZMSCORE", self._keys.seen, *chunk))
            # Compared for being the same, not for order: the clocks of instances need not agree.
            last_heard_there: dict[int, datetime] = {
                user_id: from_unix_ms(scores[user_id]) + TOLERANCE
                for user_id, score in zip(chunk, latest, strict=True)
                if score is not None and int(float(score)) == scores[user_id]
            }
            gone |= await self._sessions.leave_unless_seen(last_heard_there)
        if gone:
            self._presence.on_left(gone)
        await self._fanout.ask(("ZREM", self._keys.instances, instance), ("DEL", self._keys.seen_at(instance)))
        log.info("instance %s is gone, and %d people with it", instance, len(gone))

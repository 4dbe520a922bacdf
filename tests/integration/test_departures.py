"""An instance that is silent, over a real Redis and PostgreSQL: who leaves the lobby, and what is no silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from idling_ws.delivery.departures import Departures
from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.presence import Presence
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Keys
from idling_ws.store.sessions import SessionStore
from tests.support.rows import run_sql
from tests.support.servers import RedisServer

PATIENCE_S = 45.0
# Longer than the grace of the instances below.
LONG_S = 60.0
ONE, OTHER = 1, 2


class SteadyAhead(SystemClock):
    """The time of day as it is, as the database's; a steady time that tests move."""

    ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class Looker:
    """What an instance knows of presence."""

    def __init__(self, url: str, keys: Keys, sessions: SessionStore, name: str) -> None:
        self.keys, self.clock = keys, SteadyAhead()
        self.fanout = Fanout(url, keys, name, SystemClock())
        self.presence = Presence(SystemClock(), self.fanout, keys, sessions, name)
        self.left: set[int] = set()
        self.presence.on_left = self.left.update
        self.departures = Departures(self.clock, self.fanout, keys, sessions, self.presence, name, heartbeat_s=25)

    async def hear_of(self, *user_ids: int, write_down: bool = True) -> None:
        """Hear of these and tell Redis; ``write_down``: the database as well."""
        for user_id in user_ids:
            self.presence.saw(user_id)
        await self.presence.to_redis()
        if write_down:
            await self.presence.flush()

    async def look_after(self, seconds: float) -> None:
        """Let the steady time go on, and look."""
        self.clock.ahead_s += seconds
        await self.departures.look()

    async def until_connected(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not self.fanout.connected:
                await asyncio.sleep(0.01)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that may be frozen."""
    with RedisServer() as server:
        yield server


@pytest.fixture
async def both(own_redis: RedisServer, database: Database, migrated_url: str) -> AsyncIterator[tuple[Looker, Looker]]:
    """Two instances, and two people who idle at the second, written down and known to the first."""
    keys, sessions = Keys(uuid4().hex[:8]), SessionStore(database, stale_s=90)
    for user_id in (ONE, OTHER):
        run_sql(
            migrated_url,
            "INSERT INTO sessions (id, user_id, activity, status, started_at, last_seen_at) "
            "VALUES (%s, %s, 'here', 'active', now() - interval '1 hour', now() - interval '1 hour')",
            uuid4().hex,
            user_id,
        )
    here, there = (Looker(own_redis.url, keys, sessions, name) for name in ("here", "there"))
    for one in (here, there):
        await one.fanout.start()
        await one.until_connected()
    await there.hear_of(ONE, OTHER)
    await here.departures.look()
    yield here, there
    for one in (here, there):
        await one.fanout.stop()


async def test_who_came_back_elsewhere_stays_though_only_redis_knows(both: tuple[Looker, Looker]) -> None:
    """Shortly before the grace of their dead instance is over, and before the next time that they are written down."""
    here, _ = both
    await here.hear_of(OTHER, write_down=False)
    await here.look_after(LONG_S)
    assert here.left == {ONE}


async def test_whoever_redis_has_forgotten_stays(both: tuple[Looker, Looker]) -> None:
    """They are found stale like anybody silent; nobody else is let go on that account."""
    here, _ = both
    await here.fanout.ask(("ZREM", here.keys.seen, OTHER))
    await here.look_after(LONG_S)
    assert here.left == {ONE}


async def test_nobody_is_let_go_for_a_silence_while_redis_was_away(
    both: tuple[Looker, Looker], own_redis: RedisServer
) -> None:
    """As long as the database was, too: those who live could tell neither. From then on it counts anew."""
    here, _ = both
    own_redis.stop()
    try:
        with pytest.raises(UnavailableError):
            await here.look_after(LONG_S)
    finally:
        own_redis.cont()
    await here.until_connected()
    await here.departures.look()
    assert here.left == set()
    await here.look_after(LONG_S)
    assert here.left == {ONE, OTHER}


async def test_nobody_is_let_go_for_a_silence_while_the_database_was_away(
    both: tuple[Looker, Looker], database: Database
) -> None:
    """An instance that is cut off from Redis has no other place to say who lives."""
    here, _ = both
    await database.close()
    with pytest.raises(UnavailableError):
        await here.look_after(LONG_S)
    await database.open()
    await here.departures.look()
    assert here.left == set()
    await here.look_after(LONG_S)
    assert here.left == {ONE, OTHER}


async def test_who_comes_back_before_their_goodbye_was_looked_at_is_here(both: tuple[Looker, Looker]) -> None:
    """Nobody listens for them here any more, and yet: the latest sign counts."""
    here, _ = both
    for user_id in (ONE, OTHER):
        here.presence.left(user_id)
    here.presence.saw(OTHER)
    await here.presence.to_redis()
    assert here.left == {ONE}


async def test_a_goodbye_is_looked_at_once_more_while_our_own_line_still_listens(both: tuple[Looker, Looker]) -> None:
    """The end of the subscription goes over another line, and may come after the question."""
    here, _ = both
    await here.fanout.subscribe(here.keys.stream(ONE))
    here.presence.left(ONE)
    await here.presence.to_redis()
    assert here.left == set()
    here.fanout.unsubscribe(here.keys.stream(ONE))
    async with asyncio.timeout(PATIENCE_S):
        while (await here.fanout.listeners([here.keys.stream(ONE)]))[here.keys.stream(ONE)]:
            await asyncio.sleep(0.01)
    await here.presence.to_redis()
    assert here.left == {ONE}


async def test_a_goodbye_outlives_a_database_that_is_away(
    both: tuple[Looker, Looker], database: Database, migrated_url: str
) -> None:
    """It is written down as soon as that answers."""
    here, _ = both
    here.presence.left(ONE)
    await database.close()
    await here.presence.to_redis()
    await database.open()
    await here.presence.to_redis()
    stale = "SELECT user_id FROM sessions WHERE last_seen_at <= now() - interval '90 seconds'"
    assert run_sql(migrated_url, stale) == [(ONE,)]


async def test_signs_of_life_outlive_a_database_that_is_away(
    both: tuple[Looker, Looker], database: Database, migrated_url: str
) -> None:
    """They are written with the next ones."""
    here, _ = both
    run_sql(migrated_url, "UPDATE sessions SET last_seen_at = now() - interval '1 hour'")
    await here.hear_of(ONE, write_down=False)
    await database.close()
    with pytest.raises(UnavailableError):
        await here.presence.flush()
    await database.open()
    await here.presence.flush()
    fresh = "SELECT user_id FROM sessions WHERE last_seen_at > now() - interval '60 seconds'"
    assert run_sql(migrated_url, fresh) == [(ONE,)]

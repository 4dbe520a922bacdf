"""Of an entry that Redis did not hear of: what it makes old is dropped before anything later of its stream is told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.publisher import Publisher
from idling_ws.domain.clock import SystemClock
from idling_ws.store.log import Tails
from idling_ws.store.outbox import Outbox
from idling_ws.store.postgres import Database
from tests.support.caches import PROFILE, CacheOfOne, Table, running_caches
from tests.support.clocks import MovableClock
from tests.support.rows import run_sql
from tests.support.servers import RedisServer

PATIENCE_S = 45.0


class Teller:
    """The publisher of an instance that has the first cache; Redis is away until it is ``connect``ed."""

    def __init__(self, url: str, cache: CacheOfOne, database: Database) -> None:
        self.fanout = Fanout(url, cache.keys, "one", SystemClock())
        tails = Tails(cache.redis, cache.keys, SystemClock())
        self.publisher = Publisher(self.fanout, tails, cache.keys, Outbox(database), cache.drops)

    async def connect(self) -> None:
        await self.fanout.start()
        async with asyncio.timeout(PATIENCE_S):
            while not self.fanout.connected:
                await asyncio.sleep(0.01)

    async def tell(self, seq: int, kind: str) -> None:
        """Tell of an entry of the one whose profile it is, if Redis hears it."""
        self.publisher.publish(7, seq, b'{"items":[{"kind":"%b"}]}' % kind.encode())
        await self.publisher.stop()


@contextlib.asynccontextmanager
async def place(url: str, database: Database) -> AsyncIterator[tuple[Teller, list[CacheOfOne]]]:
    """A teller, and the caches of two instances."""
    async with running_caches(url, MovableClock()) as caches:
        teller = Teller(url, caches[0], database)
        yield teller, caches
        await teller.fanout.stop()


async def test_the_next_entry_takes_it_along(redis_url: str, database: Database) -> None:
    """It clears the row in the outbox by which the sweeper would have found the one before."""
    async with place(redis_url, database) as (teller, caches):
        table = Table()
        await caches[1].read(PROFILE, table)
        await teller.tell(table.write("second"), "profile.changed")
        assert (teller.publisher.owed, teller.publisher.left_to_sweeper) == (1, 1)
        await teller.connect()
        await teller.tell(table.version + 1, "session.started")
        assert await caches[1].value(PROFILE, table) == "second"
        assert teller.publisher.owed == 0


async def test_a_sweep_that_came_less_far_settles_nothing(redis_url: str, database: Database) -> None:
    """Its row is older than the entry that is owed."""
    async with place(redis_url, database) as (teller, caches):
        table = Table(version=4)
        old = Table(version=4)
        await teller.tell(table.write("second"), "profile.changed")
        await teller.connect()
        await teller.publisher.announce_heads([(7, 4)])
        assert await caches[1].value(PROFILE, old) == "first", "a slow reader, from before the change"
        await teller.tell(table.version + 1, "session.started")
        assert await caches[1].value(PROFILE, table) == "second"


async def test_a_sweep_that_came_as_far_settles_it(redis_url: str, database: Database) -> None:
    """What is cached since then is not dropped once more."""
    async with place(redis_url, database) as (teller, caches):
        table = Table()
        await caches[1].read(PROFILE, table)
        await teller.tell(table.write("second"), "profile.changed")
        await teller.connect()
        await teller.publisher.announce_heads([(7, table.version)])
        assert teller.publisher.owed == 0
        assert await caches[1].value(PROFILE, table) == "second"
        await teller.tell(table.version + 1, "session.started")
        await caches[1].read(PROFILE, table)
        assert table.loads == 2


async def test_what_a_full_redis_refused_is_dropped_later(database: Database) -> None:
    """The entry itself was passed on: only what it makes old is owed."""
    with RedisServer() as server:
        async with place(server.url, database) as (teller, caches):
            await teller.connect()
            table, old = Table(), Table()
            await caches[0].redis.config_set("maxmemory", 1)
            await teller.tell(table.write("second"), "profile.changed")
            assert teller.publisher.published == 1
            await caches[0].redis.config_set("maxmemory", 0)
            assert await caches[1].value(PROFILE, old) == "first", "a slow reader, from before the change"
            await teller.tell(table.version + 1, "session.started")
            assert await caches[1].value(PROFILE, table) == "second"


async def test_what_redis_did_not_pass_on_stays_in_the_outbox(database: Database, migrated_url: str) -> None:
    """It answers, and refuses this one command: the entry is the sweeper's, and its row is not cleared."""
    with RedisServer() as server:
        async with place(server.url, database) as (teller, caches):
            await teller.connect()
            run_sql(migrated_url, "INSERT INTO outbox (user_id, seq, at) VALUES (7, 2, now())")
            await caches[0].redis.acl_setuser("default", commands=["-publish"])
            await teller.tell(2, "session.started")
            assert (teller.publisher.published, teller.publisher.left_to_sweeper) == (0, 1)
            assert run_sql(migrated_url, "SELECT user_id, seq FROM outbox") == [(7, 2)]
            await caches[0].redis.acl_setuser("default", commands=["+publish"])
            await teller.tell(2, "session.started")
            assert run_sql(migrated_url, "SELECT user_id, seq FROM outbox") == []

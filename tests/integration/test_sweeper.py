"""The sweep of one instance over a real PostgreSQL and Redis: when it goes by the heads of the database itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from idling_ws.delivery import sweeper as sweeper_module
from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.parcel import Parcel
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.sweeper import Sweeper
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache_drops import Drops
from idling_ws.store.log import StreamLog, Tails
from idling_ws.store.outbox import Outbox
from idling_ws.store.postgres import Database
from idling_ws.store.redis import Keys, connect
from idling_ws.wire.closing import Close
from tests.support.rows import add_entries, locked, run_sql

PATIENCE_S = 45.0
USER, SOMEBODY = 7, 8


@dataclass(eq=False)
class Device:
    """A recipient that is live from the beginning of its stream."""

    user_seq: int = 0
    all_seq: int = 0
    backlog: list[Parcel] | None = field(default_factory=list)
    handed: list[int] = field(default_factory=list)

    def push(self, parcel: Parcel) -> None:
        self.handed.append(parcel.seq)

    def fail(self, code: Close) -> None:
        raise AssertionError(code)


class Place:
    """An instance with one device."""

    def __init__(self, redis_url: str, database: Database) -> None:
        keys, clock = Keys(uuid4().hex[:8]), SystemClock()
        self.redis = connect(redis_url, timeout_s=PATIENCE_S)
        self.fanout, drops, outbox = Fanout(redis_url, keys, "one", clock), Drops(keys), Outbox(database)
        tails = Tails(self.redis, keys, clock)
        self.hub = Hub(StreamLog(database), tails)
        publisher = Publisher(self.fanout, tails, keys, outbox, drops)
        self.sweeper = Sweeper(outbox, self.hub, publisher, self.fanout, drops)
        self.device = Device()
        self.hub.attach(USER, self.device)
        self.hub.admit(USER, self.device, 0, 0)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                await asyncio.sleep(0.01)

    async def hear(self) -> None:
        """Let Redis be heard."""
        await self.fanout.start()
        await self.until(lambda: self.fanout.healthy)

    async def sweep(self) -> list[int]:
        """Sweep once; return what the device was handed by then."""
        await self.sweeper.sweep()
        await asyncio.gather(*self.hub._tasks)
        return self.device.handed


@pytest.fixture
async def place(redis_url: str, database: Database, migrated_url: str) -> AsyncIterator[Place]:
    """With two people; what happens to them here leaves no row in the outbox, as if another had announced it."""
    for user_id in (USER, SOMEBODY):
        run_sql(migrated_url, "INSERT INTO streams (user_id) VALUES (%s)", user_id)
    made = Place(redis_url, database)
    yield made
    await made.sweeper.stop()
    await made.hub.close()
    await made.fanout.stop()
    await made.redis.aclose()


async def test_whoever_does_not_hear_redis_compares(place: Place, migrated_url: str) -> None:
    """Others hear, and clear the rows that it would go by. Who hears has no need to."""
    add_entries(migrated_url, USER, 2)
    assert await place.sweep() == [1, 2]
    await place.hear()
    add_entries(migrated_url, USER, 1)
    assert await place.sweep() == [1, 2]
    place.sweeper.compare_soon()
    assert await place.sweep() == [1, 2, 3]


async def test_more_rows_than_are_read_at_once_are_no_reason_to_miss_one(
    place: Place, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are read; what has none among them is found by its head."""
    monkeypatch.setattr(sweeper_module, "LIMIT", 1)
    await place.hear()
    add_entries(migrated_url, USER, 1)
    run_sql(migrated_url, "INSERT INTO outbox (user_id, seq, at) VALUES (%s, 1, now() - interval '9 s')", USER)
    run_sql(migrated_url, "INSERT INTO outbox (user_id, seq, at) VALUES (%s, 1, now() - interval '5 s')", SOMEBODY)
    assert await place.sweep() == [1]


async def test_a_comparison_that_failed_is_made_up_for(place: Place, migrated_url: str) -> None:
    """The rows may be gone by then."""
    await place.hear()
    add_entries(migrated_url, USER, 1)
    place.sweeper.compare_soon()
    with locked(migrated_url, "streams"), pytest.raises(UnavailableError):
        await place.sweeper.sweep()
    assert await place.sweep() == [1]


async def test_after_a_database_that_was_away_all_is_compared(
    place: Place, database: Database, migrated_url: str
) -> None:
    """Rows came and went that nobody here could see."""
    await place.hear()
    await database.close()
    place.sweeper.start()
    await place.until(lambda: not place.sweeper.database_answers)
    add_entries(migrated_url, USER, 1)
    await database.open()
    await place.until(lambda: place.device.handed == [1])

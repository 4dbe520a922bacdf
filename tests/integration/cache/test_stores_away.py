"""What holds when a store is away: Redis frozen, emptied, restarted or full of garbage; the database out of reach."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.hub import Hub
from idling_ws.delivery.publisher import Publisher
from idling_ws.delivery.sweeper import Sweeper
from idling_ws.domain.caching import CacheKey
from idling_ws.domain.clock import SystemClock
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.log import StreamLog, Tails
from idling_ws.store.outbox import Outbox
from idling_ws.store.postgres import Database
from tests.support.caches import PROFILE, SHARED, CacheOfOne, Table, running_caches
from tests.support.clocks import MovableClock
from tests.support.rows import run_sql
from tests.support.servers import RedisServer

# Longer than a busy machine lets a Redis that is there take.
DEADLINE_S = 3.0

# -- Redis is away, frozen, emptied, restarted ---------------------------------------


async def test_flushing_costs_a_load_and_nothing_else(pair: list[CacheOfOne]) -> None:
    """FLUSHALL between any two reads."""
    table = Table()
    for _ in range(5):
        assert await pair[0].value(PROFILE, table) == "first"
        await pair[1].redis.flushall()
    assert table.loads == 5


async def test_a_frozen_redis_delays_one_reader_by_its_deadline_and_then_nobody(
    clock: MovableClock,
) -> None:
    """After one failure it is left alone; once it answers again, it is used again."""
    with RedisServer() as redis_server:
        await freeze_and_go_on(redis_server, clock)


async def freeze_and_go_on(redis_server: RedisServer, clock: MovableClock) -> None:
    async with running_caches(redis_server.url, clock, deadline_s=DEADLINE_S) as (one, _):
        table = Table()
        await one.read(PROFILE, table)
        redis_server.stop()
        try:
            assert await one.value(PROFILE, table) == "first"
            assert one.layer.failures == 1
            for _ in range(100):
                assert await one.value(PROFILE, table) == "first"
            assert one.layer.failures == 1
        finally:
            redis_server.cont()
        clock.move(2)
        await one.read(PROFILE, table)
        loads = table.loads
        assert await one.value(PROFILE, table) == "first"
        assert table.loads == loads


async def test_a_redis_that_restarts_with_what_it_knew_before_is_not_believed(clock: MovableClock) -> None:
    """A deletion in its last second may be lost with it: values of its former life count for nothing."""
    with RedisServer() as server:
        async with running_caches(server.url, clock) as (one, _):
            table = Table()
            await one.read(PROFILE, table)
            name = one.keys.cached(PROFILE)
            saved = await one.redis.get(name)
            assert saved is not None
            await one.tell(7, table.write("second"), "profile.changed")
            server.kill()
            server.start()
            one.line = 1  # the lines were opened anew
            one.drops._floors.clear()  # as an instance that starts just now
            clock.move(2)
            async with running_caches(server.url, clock, 1) as (restorer,):
                await restorer.redis.set(name, saved)
            assert await one.value(PROFILE, table) == "second"
            clock.move(2)
            loads = table.loads + 1
            for _ in range(3):
                assert await one.value(PROFILE, table) == "second"
            assert table.loads <= loads, "what it was given in its new life counts"


async def test_what_was_read_before_a_restart_is_not_written_after_it(pair: list[CacheOfOne]) -> None:
    """The floors that would refuse it may have died with the former Redis."""
    table = Table(gate=asyncio.Event())
    slow = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    pair[0].line = 1
    pair[0].layer._lives["1"] = "another"
    assert table.gate is not None
    table.gate.set()
    assert await slow == "first"
    assert await pair[0].redis.get(pair[0].keys.cached(PROFILE)) is None


@pytest.mark.parametrize(
    "garbage",
    [b"", b"x", b"{}", b'["life"]\n1', b"[]\n[]", b'[1,2,3]\n{"half":', b'["x",1,1]\n"of another life"', b"\xff\n\xff"],
)
async def test_garbage_in_redis_is_as_good_as_nothing(garbage: bytes, pair: list[CacheOfOne]) -> None:
    """What we did not write is not taken, and is written over."""
    table = Table()
    await pair[0].redis.set(pair[0].keys.cached(PROFILE), garbage)
    assert await pair[0].value(PROFILE, table) == "first"
    assert await pair[1].value(PROFILE, table) == "first"
    assert table.loads == 1


async def test_what_redis_holds_is_json(pair: list[CacheOfOne]) -> None:
    """Two lines of it, for anybody to read."""
    await pair[0].read(PROFILE, Table(value={"name": "é"}))
    held: Any = await pair[0].redis.get(pair[0].keys.cached(PROFILE))
    assert held.partition(b"\n")[2] == '{"name":"é"}'.encode()


async def test_what_a_sweep_finds_counts_before_redis_hears_of_it(
    pair: list[CacheOfOne], database: Database, migrated_url: str
) -> None:
    """Whoever read a change past a Redis that was away does not read older data once it is back."""
    one, table = pair[0], Table()
    await one.read(PROFILE, table)
    one.line = None
    run_sql(
        migrated_url,
        "INSERT INTO outbox (user_id, seq, at) VALUES (7, %s, now() - interval '1 s')",
        table.write("second"),
    )
    assert await one.value(PROFILE, table) == "second"
    fanout, tails = Fanout("redis://nowhere", one.keys, "one", SystemClock()), Tails(one.redis, one.keys, SystemClock())
    outbox = Outbox(database)
    publisher = Publisher(fanout, tails, one.keys, outbox, one.drops)
    await Sweeper(outbox, Hub(StreamLog(database), tails), publisher, fanout, one.drops).sweep()
    one.line = 0
    assert await one.value(PROFILE, table) == "second"


# -- the database is away ------------------------------------------------------------


async def test_without_the_database_what_is_held_serves_and_says_so(
    pair: list[CacheOfOne], clock: MovableClock
) -> None:
    """However old it is, from either layer; what nobody holds is unavailable."""
    table = Table(value={"a": 1})
    for key in (PROFILE, SHARED):
        await pair[0].read(key, table)
    table.is_away = True
    clock.move(4000)
    for key in (PROFILE, SHARED):
        for one in pair:
            answer = await one.read(key, table)
            assert answer.is_stale
            assert answer.to_object() == b'{"stale":true,"a":1}'
    with pytest.raises(UnavailableError):
        await pair[0].read(CacheKey("profile", 8), table)
    table.is_away = False
    clock.move(4000)
    assert not (await pair[0].read(PROFILE, table)).is_stale


async def test_who_knows_that_the_database_is_away_does_not_ask_it(pair: list[CacheOfOne]) -> None:
    """Even what is fresh is marked then: nobody can say whether it still holds."""
    table = Table()
    await pair[0].read(PROFILE, table)
    assert (await pair[0].read(PROFILE, table, database_is_away=True)).is_stale
    pair[1].database_answers = False
    assert (await pair[1].read(PROFILE, table)).is_stale
    with pytest.raises(UnavailableError):
        await pair[0].read(CacheKey("profile", 8), table, database_is_away=True)
    assert table.loads == 1


async def test_not_even_without_the_database_is_a_known_change_undone(pair: list[CacheOfOne]) -> None:
    """Better nothing than what is known to be old."""
    table = Table()
    await pair[0].read(PROFILE, table)
    pair[0].drops.note_position(7, table.write("second"))
    table.is_away = True
    with pytest.raises(UnavailableError):
        await pair[0].read(PROFILE, table)

"""The strategies, and their bounds: what is served while it is got anew, what is never kept, what is counted."""

from __future__ import annotations

import asyncio
import random

from idling_ws.domain.caching import CacheKey
from tests.support.caches import CATEGORY, POPULAR, PROFILE, SHARED, CacheOfOne, Table, running_caches
from tests.support.clocks import MovableClock

# -- strategies ----------------------------------------------------------------------


async def test_what_has_run_out_is_served_while_it_is_got_anew(pair: list[CacheOfOne], clock: MovableClock) -> None:
    """Stale-while-revalidate: the reader does not wait for the load, and the next one gets the new value."""
    one, table = pair[0], Table()
    await one.read(SHARED, table)
    clock.move(3700)  # past both layers
    table.write("second")
    table.gate = asyncio.Event()
    assert await one.value(SHARED, table) == "first"
    assert await one.value(SHARED, table) == "first"
    table.gate.set()
    await one.settle()
    assert await one.value(SHARED, table) == "second"
    assert table.loads == 2
    assert one.counts["categories", "stale", "process"] == 2


async def test_a_process_takes_from_redis_what_is_fresh_there(pair: list[CacheOfOne], clock: MovableClock) -> None:
    """Five minutes in the process, an hour in Redis: in between nobody asks the database."""
    table = Table()
    await pair[0].read(SHARED, table)
    for _ in range(10):
        clock.move(301)
        for one in pair:
            assert await one.value(SHARED, table) == "first"
            await one.settle()
    assert table.loads == 1


async def test_what_is_refreshed_early_never_runs_out_under_traffic(
    pair: list[CacheOfOne], clock: MovableClock
) -> None:
    """Time-based: read every second for five minutes, nobody but the first reader ever waits for a load."""
    table = Table()
    await pair[0].read(POPULAR, table)
    for second in range(300):
        clock.move(1)
        table.write(second)
        for one in pair:
            await one.read(POPULAR, table)
            await one.settle()
    misses = sum(one.counts["popular", "miss", "database"] for one in pair)
    assert misses == 1
    assert 5 <= table.loads <= 9, "one in 48 s, by one of the two instances"


async def test_nothing_that_is_refreshed_early_is_older_than_its_time(
    pair: list[CacheOfOne], clock: MovableClock
) -> None:
    """Two layers of a minute each are one minute, not two."""
    table = Table()
    await pair[0].read(POPULAR, table)
    clock.move(40)
    assert await pair[1].value(POPULAR, table) == "first"
    table.write("second")
    clock.move(21)
    for one in pair:
        await one.settle()
        assert await one.value(POPULAR, table) == "second"


async def test_none_is_an_answer_for_a_while(pair: list[CacheOfOne], clock: MovableClock) -> None:
    """Asking again and again for what is not there costs one query in that time."""
    table = Table(value=None)
    for _ in range(10):
        for one in pair:
            assert (await one.read(CATEGORY, table)).is_absent
    assert table.loads == 1
    table.value = "made"
    clock.move(31)
    for one in pair:
        assert await one.value(CATEGORY, table) == "made"


async def test_none_is_not_believed_of_what_is_there_for_certain(pair: list[CacheOfOne]) -> None:
    """Somebody signed in exists, whatever was found a moment before."""
    table = Table(value=None)
    await pair[0].read(PROFILE, table)
    table.value = "made"
    assert (await pair[1].read(PROFILE, table)).is_absent
    assert await pair[1].value(PROFILE, table, known=True) == "made"


async def test_where_none_is_not_to_be_kept_it_is_not(pair: list[CacheOfOne]) -> None:
    """Data without a time for it asks each time."""
    table = Table(value=None)
    for _ in range(3):
        assert (await pair[0].read(SHARED, table)).is_absent
    assert table.loads == 3


async def test_what_was_loaded_together_does_not_run_out_together(redis_url: str, clock: MovableClock) -> None:
    """Times are shortened at random, by a tenth at most."""
    rng = random.Random(1)
    async with running_caches(redis_url, clock, 1, draw=rng.random) as (one,):
        tables = [Table() for _ in range(50)]
        keys = [CacheKey("profile", n + 1) for n in range(50)]
        for key, table in zip(keys, tables, strict=True):
            await one.read(key, table)
        clock.move(0.95 * 600)
        for key, table in zip(keys, tables, strict=True):
            await one.read(key, table)
        assert 10 <= sum(table.loads == 2 for table in tables) <= 40
        for table in tables:
            table.loads = 0
        clock.move(601)
        for key, table in zip(keys, tables, strict=True):
            await one.read(key, table)
        assert all(table.loads == 1 for table in tables)


# -- bounds and counts ---------------------------------------------------------------


async def test_memory_is_bounded_by_entries_and_by_bytes(redis_url: str, clock: MovableClock) -> None:
    """The least recently used goes; what is larger than everything is not held at all."""
    async with running_caches(redis_url, clock, 1, max_entries=10, max_bytes=20_000) as (one,):
        table = Table(value="x" * 100)
        keys = [CacheKey("category", part=str(n)) for n in range(30)]
        for key in keys:
            await one.read(key, table)
            await one.read(keys[0], table)  # used all the time
        assert len(one.process) == 10
        assert one.process.get(keys[0]) is not None
        assert one.process.evicted == 20
        table.value = "x" * 6000
        for key in keys:
            await one.read(CacheKey("category", part="large-" + key.part), table)
        assert one.process.bytes <= 20_000
        table.value = "x" * 30_000
        await one.read(SHARED, table)
        assert one.process.get(SHARED) is None
        for key in keys:
            one.process.drop(key)
            one.process.drop(CacheKey("category", part="large-" + key.part))
        assert (one.process.bytes, len(one.process)) == (0, 0)


async def test_every_read_is_counted_once_by_who_answered(pair: list[CacheOfOne], clock: MovableClock) -> None:
    """Miss, then hits from the layers; loads count queries."""
    table = Table()
    for one in pair:
        await one.read(SHARED, table)
        await one.read(SHARED, table)
    table.is_away = True
    clock.move(100_000)
    await pair[0].read(SHARED, table)
    assert pair[0].counts == {
        ("categories", "miss", "database"): 1,
        ("categories", "hit", "process"): 1,
        ("categories", "stale", "process"): 1,
    }
    assert pair[1].counts == {("categories", "hit", "redis"): 1, ("categories", "hit", "process"): 1}
    assert (pair[0].loads["categories"], pair[1].loads["categories"]) == (2, 0)

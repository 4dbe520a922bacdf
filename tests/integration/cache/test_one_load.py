"""One load for all: a stampede, here or on another instance, costs one query."""

from __future__ import annotations

import asyncio

import pytest

from idling_ws.domain.caching import CacheKey
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.cache_layers import Kept
from tests.support.caches import POPULAR, PROFILE, SHARED, CacheOfOne, Table
from tests.support.clocks import MovableClock


@pytest.mark.parametrize("key", [PROFILE, SHARED, POPULAR], ids=lambda key: key.data)
async def test_a_stampede_on_two_instances_makes_one_query(
    key: CacheKey, pair: list[CacheOfOne], clock: MovableClock
) -> None:
    """500 readers of one key that ran out: one of them loads, on one of the instances."""
    table = Table()
    await pair[0].read(key, table)
    clock.move(100_000)
    table.write("second")
    answers = await asyncio.gather(*[pair[n % 2].value(key, table) for n in range(500)])
    assert set(answers) == {"second"}
    assert table.loads == 2


async def test_an_instance_waits_for_the_load_of_another(pair: list[CacheOfOne]) -> None:
    """While one loads, the other does not, however long that takes."""
    table = Table(gate=asyncio.Event())
    loading = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    looks, get, looked = 0, pair[1].layer.get, asyncio.Event()

    async def count_looks(key: CacheKey, life: str) -> Kept | None:
        nonlocal looks
        looks += 1
        if looks == 5:
            looked.set()
        return await get(key, life)

    pair[1].layer.get = count_looks  # type: ignore[method-assign]  # to hear of its looking
    waiting = asyncio.create_task(pair[1].value(PROFILE, table))
    await looked.wait()
    assert table.loads == 1
    assert table.gate is not None
    table.gate.set()
    assert [await loading, await waiting] == ["first", "first"]
    assert table.loads == 1


async def test_without_redis_each_instance_still_makes_one_query(pair: list[CacheOfOne]) -> None:
    """Single flight needs no Redis, only the claim between instances does."""
    table = Table()
    for one in pair:
        one.line = None
    assert set(await asyncio.gather(*[pair[n % 2].value(PROFILE, table) for n in range(500)])) == {"first"}
    assert table.loads == 2


async def test_a_reader_that_gives_up_does_not_take_the_others_along(pair: list[CacheOfOne]) -> None:
    """The load belongs to nobody: whoever asked first may go."""
    table = Table(gate=asyncio.Event())
    first = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    second = asyncio.create_task(pair[0].value(PROFILE, table))
    await asyncio.sleep(0)
    first.cancel()
    assert table.gate is not None
    table.gate.set()
    assert await second == "first"
    assert table.loads == 1


async def test_a_load_that_fails_lets_the_next_one_try(pair: list[CacheOfOne]) -> None:
    """The claim of a failed load does not stand in anybody's way."""
    table = Table(is_away=True)
    with pytest.raises(UnavailableError):
        await pair[0].read(PROFILE, table)
    assert await pair[0].redis.get(pair[0].keys.claim(PROFILE)) is None
    table.is_away = False
    assert await pair[1].value(PROFILE, table) == "first"

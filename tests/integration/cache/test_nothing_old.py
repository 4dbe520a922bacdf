"""Nothing old after a change, whatever order loads, messages and readers come in."""

from __future__ import annotations

import asyncio
import random

import pytest

from idling_ws.domain.caching import CacheKey
from idling_ws.store.cache_drops import Drops
from idling_ws.store.redis import Keys
from tests.support.caches import PROFILE, SHARED, CacheOfOne, Table, running_caches
from tests.support.clocks import MovableClock


async def test_a_change_is_seen_on_both_instances(pair: list[CacheOfOne]) -> None:
    """What was held is gone once the change was told of."""
    table = Table()
    assert [await one.value(PROFILE, table) for one in pair] == ["first", "first"]
    assert table.loads == 1
    await pair[0].tell(7, table.write("second"), "profile.changed")
    assert [await one.value(PROFILE, table) for one in pair] == ["second", "second"]
    assert table.loads == 2


async def test_what_did_not_change_stays(pair: list[CacheOfOne]) -> None:
    """An entry drops what its items change, and nothing else of the same user, and nothing of others."""
    table, other = Table(), CacheKey("profile", 8)
    for key in (PROFILE, other, CacheKey("favorites", 7)):
        await pair[0].read(key, table)
    await pair[1].tell(7, table.write("second"), "favorite.added")
    assert await pair[0].value(PROFILE, table) == "first"
    assert await pair[0].value(other, table) == "first"
    assert await pair[0].value(CacheKey("favorites", 7), table) == "second"


@pytest.mark.parametrize("reader", [0, 1], ids=["the same instance", "the other one"])
async def test_a_slow_load_cannot_bring_the_old_value_back(reader: int, pair: list[CacheOfOne]) -> None:
    """It read before the change and writes after it: its own reader gets it, Redis does not."""
    table = Table(gate=asyncio.Event())
    slow = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    await pair[1].tell(7, table.write("second"), "profile.changed")
    assert table.gate is not None
    table.gate.set()
    assert await slow == "first"
    assert await pair[reader].value(PROFILE, table) == "second"
    assert table.loads == 2


async def test_who_comes_after_the_change_does_not_join_an_older_load(pair: list[CacheOfOne]) -> None:
    """A reader that knows of the change waits for the load under way, and then for a newer one."""
    table = Table(gate=asyncio.Event())
    early = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    pair[0].drops.note_position(7, table.write("second"))
    late = asyncio.create_task(pair[0].value(PROFILE, table))
    await asyncio.sleep(0)
    assert table.gate is not None
    table.gate.set()
    assert (await early, await late) == ("first", "second")


async def test_who_was_shown_a_position_takes_nothing_older_from_redis(pair: list[CacheOfOne]) -> None:
    """Even where nobody has told Redis yet: the one that committed may have died."""
    table = Table()
    await pair[0].read(PROFILE, table)
    pair[1].drops.note_position(7, table.write("second"))
    assert await pair[1].value(PROFILE, table) == "second"
    assert await pair[0].value(PROFILE, table) == "second", "and from then on it is what Redis holds"
    assert table.loads == 2


async def test_what_all_share_is_not_taken_below_its_revision(pair: list[CacheOfOne]) -> None:
    """From neither layer: the process's memory is as old as Redis."""
    table = Table()
    for one in pair:
        await one.read(SHARED, table)
    pair[0].drops.raise_floor(["categories"], 0, table.write("second"))
    assert [await one.value(SHARED, table) for one in pair] == ["second", "first"]
    pair[1].drops.raise_floor(["categories"], 0, table.version)
    assert await pair[1].value(SHARED, table) == "second"
    assert table.loads == 2


async def test_changes_told_the_wrong_way_round_count_as_the_later_one(pair: list[CacheOfOne]) -> None:
    """Two instances publish for themselves: the floor only ever rises."""
    table = Table(version=5, gate=asyncio.Event())
    slow = asyncio.create_task(pair[0].value(PROFILE, table))
    await table.reading.wait()
    table.write("second")
    await pair[0].tell(7, 6, "profile.changed")
    await pair[1].tell(7, 4, "profile.changed")
    assert table.gate is not None
    table.gate.set()
    await slow
    assert await pair[1].value(PROFILE, table) == "second"


async def test_a_message_tells_an_instance_that_has_no_device_of_that_user(pair: list[CacheOfOne]) -> None:
    """The floor rises where the message is heard; garbage on the channel harms nobody."""
    one = pair[0]
    one.drops.heard(b"7 12 profile")
    one.drops.heard(b"8 13 *")
    for garbage in (b"", b"x", b"7", b"7 x profile", b"\xff\xfe 1 profile"):
        one.drops.heard(garbage)
    assert [one.drops.floor(CacheKey(data, 7)) for data in ("profile", "favorites")] == [12, 0]
    assert [one.drops.floor(CacheKey(data, 8)) for data in ("profile", "favorites")] == [13, 13]


async def test_a_position_of_the_stream_of_all_says_nothing_of_what_all_share(pair: list[CacheOfOne]) -> None:
    """Its ``seq`` is far ahead of any revision: taken for one, it would make everything old for good."""
    table = Table()
    await pair[0].read(SHARED, table)
    pair[0].drops.note_position(0, 500)
    pair[0].drops.heard(b"0 501 *")
    await pair[0].read(SHARED, table)
    assert table.loads == 1


async def test_text_of_people_drops_nothing(pair: list[CacheOfOne]) -> None:
    """Only what the server itself calls a kind is one."""
    commands = Drops(Keys("e")).commands(
        7, 1, rb'{"items":[{"kind":"x","data":{"bio":"\"kind\":\"profile.changed\""}}]}'
    )
    assert commands == []


async def test_floors_are_bounded() -> None:
    """The ones raised longest ago are forgotten."""
    drops = Drops(Keys("e"), max_floors=100)
    for user_id in range(1, 1001):
        drops.note_position(user_id, 5)
    assert drops.floor(CacheKey("profile", 1)) == 0
    assert drops.floor(CacheKey("profile", 1000)) == 5
    assert len(drops._floors) == 100


async def test_nobody_ever_sees_less_than_they_were_shown(redis_url: str, clock: MovableClock) -> None:
    """Random reads, slow loads, changes, lost messages and flushes on three instances: never back in time."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    async with running_caches(redis_url, clock, 3) as caches:
        table = Table()
        shown = [0, 0, 0]

        async def read(n: int) -> None:
            await asyncio.sleep(0)
            # A device of this instance has been shown so much before it asks.
            floor = shown[n]
            answer = await caches[n].read(PROFILE, table)
            assert answer.version >= floor, f"seed {seed}: {answer.version} after {floor}"
            shown[n] = max(shown[n], answer.version) if rng.random() < 0.5 else shown[n]
            caches[n].drops.note_position(7, shown[n])

        async def write(n: int) -> None:
            seq = table.write(table.version + 1)
            caches[n].drops.note_position(7, seq)
            shown[n] = max(shown[n], seq)
            if rng.random() < 0.8:  # else it died before it could tell
                await caches[n].tell(7, seq, "profile.changed")

        for _ in range(150):
            table.gate = asyncio.Event()
            steps = [write(rng.randrange(3)) if rng.random() < 0.3 else read(rng.randrange(3)) for _ in range(8)]
            running = [asyncio.create_task(step) for step in steps]
            await asyncio.sleep(rng.choice((0, 0, 0.001)))
            if rng.random() < 0.1:
                await caches[0].redis.flushall()
            table.gate.set()
            await asyncio.gather(*running)

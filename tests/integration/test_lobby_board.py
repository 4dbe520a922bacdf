"""The lobby's board and the pulses in a real Redis: who holds a lease, what is bounded, what is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis import asyncio as aioredis

from idling_ws.delivery.fanout import Fanout
from idling_ws.delivery.lobby_board import WORDS_KEPT, Board
from idling_ws.delivery.pulses import FORGOTTEN_S, HISTORY, Pulses
from idling_ws.domain.errors import UnavailableError
from idling_ws.store.redis import Keys
from tests.support.clocks import MovableClock

PATIENCE_S = 45.0


class Place:
    """Two instances' boards and pulses over one Redis."""

    def __init__(self, url: str) -> None:
        self.keys, self.clock = Keys(uuid4().hex[:8]), MovableClock()
        self.redis = aioredis.Redis.from_url(url)
        self.fanouts = [Fanout(url, self.keys, name, self.clock) for name in "ab"]
        self.a, self.b = (
            Board(self.clock, fanout, self.keys, name) for fanout, name in zip(self.fanouts, "ab", strict=True)
        )
        self.one, self.other = (
            Pulses(self.clock, fanout, self.keys, name) for fanout, name in zip(self.fanouts, "ab", strict=True)
        )

    def on_board(self, name: str) -> str:
        """Return a key of the board."""
        return self.keys.beside(self.keys.lobby, name)


@pytest.fixture
async def place(redis_url: str) -> AsyncIterator[Place]:
    """With its lines up."""
    made = Place(redis_url)
    for fanout in made.fanouts:
        await fanout.start()
        async with asyncio.timeout(PATIENCE_S):
            while not fanout.connected:
                await asyncio.sleep(0.01)
    yield made
    for fanout in made.fanouts:
        await fanout.stop()
    await made.redis.aclose()


async def test_one_is_the_teller_until_it_gives_up_or_redis_forgets_it(place: Place) -> None:
    """And who does not hear from Redis that it still is counts as none by its own clock."""
    assert await place.a.look() is None
    await place.b.look()
    assert (place.a.is_ours, place.b.is_ours) == (True, False)
    assert 0 < await place.redis.pttl(place.on_board("teller")) <= 5000
    await place.a.give_up()
    await place.b.look()
    assert (place.a.is_ours, place.b.is_ours) == (False, True)
    await place.redis.delete(place.on_board("teller"))
    await place.a.look()
    await place.b.look()
    assert (place.a.is_ours, place.b.is_ours) == (True, False)
    place.clock.move(4)
    await place.a.words()
    place.clock.move(4)
    assert place.a.is_ours
    place.clock.move(2)
    assert not place.a.is_ours


async def test_what_is_told_is_told_to_all_and_stands_on_the_board(place: Place) -> None:
    """Under its number, for a while; words that came since it was read stay for the next time."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    place.b.listen(heard.put_nowait)
    async with asyncio.timeout(PATIENCE_S):
        while await place.redis.pubsub_numsub(place.keys.lobby) != [(place.keys.lobby, 1)]:
            await asyncio.sleep(0.01)
    await place.a.look()
    for word in (b"first", b"second"):
        await place.b.add(word)
    words = await place.a.words()
    await place.b.add(b"third")
    number, framed = place.a.next_number(), b"\x81\x02{} with \x00 in it"
    await place.a.tell(number, framed, len(words))
    assert words == [b"first", b"second"]
    assert await place.a.words() == [b"third"]
    assert await place.b.look() == number
    assert await place.b.told() == (number, framed)
    assert await asyncio.wait_for(heard.get(), PATIENCE_S) == number + b" " + framed
    assert 0 < await place.redis.pttl(place.on_board("told")) <= 15_000
    await place.redis.delete(place.on_board("told"))
    assert await place.b.told() is None


async def test_words_are_bounded_while_nobody_reads_them(place: Place) -> None:
    """The oldest go first; and all of them in a while."""
    for n in range(WORDS_KEPT + 5):
        await place.a.add(b"%d" % n)
    await place.a.look()
    assert await place.a.words() == [b"%d" % n for n in range(5, WORDS_KEPT + 5)]
    assert 0 < await place.redis.pttl(place.on_board("words")) <= 15_000


async def test_a_board_that_refuses_counts_as_away(place: Place) -> None:
    """An error among the replies is as good as none."""
    await place.redis.set(place.on_board("words"), "no list")
    with pytest.raises(UnavailableError):
        await place.a.add(b"words")
    await place.redis.set(place.keys.beside(place.keys.control, "names"), "no set")
    with pytest.raises(UnavailableError):
        await place.one.write({}, tails=False)
    assert not place.one.is_kept_here


async def test_pulses_are_read_with_their_age_and_end(place: Place) -> None:
    """The age is that of Redis's own clock; one that ran out is forgotten with its name."""
    assert not await place.one.write({"n": 1}, tails=False)
    assert await place.other.write({"n": 2}, tails=True)
    assert (place.one.is_kept_here, place.other.is_kept_here) == (True, False)
    assert await place.one.write({"n": 3}, tails=False), "somebody tails"
    key = place.keys.beside(place.keys.control, "pulse:b")
    await place.redis.pexpire(key, round(1000 * (FORGOTTEN_S - 20)))
    found = await place.other.read()
    assert {name: pulse for name, (pulse, _) in found.items()} == {"a": {"n": 3}, "b": {"n": 2}}
    assert found["a"][1] < found["b"][1]
    assert found["b"][1] >= 20
    await place.redis.delete(key)
    names = place.keys.beside(place.keys.control, "names")
    assert list(await place.one.read()) == ["a"]
    assert await place.redis.smembers(names) == {b"a"}
    for second in range(HISTORY + 3):
        await place.one.keep({"second": second})
    assert await place.other.history() == [{"second": second} for second in range(3, HISTORY + 3)]
    await place.one.end()
    assert await place.one.read() == {}
    await place.other.write({}, tails=False)
    assert place.other.is_kept_here
